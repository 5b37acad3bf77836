/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/chip.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/srom.h"
#include "device-fw/protocol/bytes.h"

#include <string.h>

/* Bits of the LIFECYCLE fuse byte. */
#define FUSE_NORMAL            0x01U
#define FUSE_SECURE_WITH_DEBUG 0x02U
#define FUSE_SECURE            0x04U
#define FUSE_RMA               0x08U

/* Values of the PROTECTION register. */
#define PROTECTION_VIRGIN 1U
#define PROTECTION_NORMAL 2U
#define PROTECTION_SECURE 3U
#define PROTECTION_DEAD   4U

static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;

static uint32_t read_half(uint32_t address)
{
    uint8_t bytes[2];

    bl_hal_read(address, bytes, sizeof(bytes));
    return (uint32_t)bytes[1] << 8 | bytes[0];
}

/* The vendor's 64-bit unique id: lot, wafer, x, y, sort, lowest bit of the minor revision, year. */
static void read_unique_id(uint8_t ret_id[PROTO_CHIP_ID_SIZE])
{
    uint8_t die[11];

    bl_hal_read(BL_SFLASH_DIE, die, sizeof(die));
    ret_id[0] = (uint8_t)((uint32_t)die[10] << 1 | (die[7] & 1U));
    for (unsigned i = 1; i < PROTO_CHIP_ID_SIZE; i++)
        ret_id[i] = die[PROTO_CHIP_ID_SIZE - 1U - i];
}

/* SECURE and SECURE_WITH_DEBUG look the same in the PROTECTION register; the fuses tell them apart.
 * Where both sources disagree, neither is believed. */
static uint8_t decide_lifecycle(uint32_t protection, uint8_t fuse)
{
    switch (protection) {
    case PROTECTION_VIRGIN:
        return PROTO_LIFECYCLE_VIRGIN;
    case PROTECTION_NORMAL:
        return (fuse & ~FUSE_NORMAL) == 0 ? PROTO_LIFECYCLE_NORMAL : PROTO_LIFECYCLE_UNKNOWN;
    case PROTECTION_SECURE:
        if ((fuse & FUSE_RMA) != 0)
            return PROTO_LIFECYCLE_RMA;
        if ((fuse & FUSE_SECURE_WITH_DEBUG) != 0)
            return PROTO_LIFECYCLE_SECURE_WITH_DEBUG;
        return (fuse & FUSE_SECURE) != 0 ? PROTO_LIFECYCLE_SECURE : PROTO_LIFECYCLE_UNKNOWN;
    case PROTECTION_DEAD:
        return PROTO_LIFECYCLE_DEAD;
    default:
        return PROTO_LIFECYCLE_UNKNOWN;
    }
}

/* One look at what says how open the port is. */
struct look {
    uint32_t protection;
    uint8_t fuse[1 + PROTO_RESTRICT_SIZE]; /* life cycle, restrictions */
    bool known;
};

_Static_assert(BL_FUSE_DEAD_RESTRICT0 + PROTO_RESTRICT_SIZE == BL_FUSE_LIFECYCLE, "fuses in a row");

static void look(struct look *ret_look)
{
    ret_look->protection = bl_hal_read32(BL_CPUSS_PROTECTION) & BL_CPUSS_PROTECTION_MASK;
    ret_look->fuse[0] = 0;
    ret_look->known = bl_srom_read_fuse(BL_FUSE_LIFECYCLE, &ret_look->fuse[0]);
    for (uint32_t i = 0; i < PROTO_RESTRICT_SIZE; i++) {
        uint8_t *fuse = &ret_look->fuse[1 + i];

        *fuse = 0;
        ret_look->known = bl_srom_read_fuse(BL_FUSE_DEAD_RESTRICT0 + i, fuse) && ret_look->known;
    }
}

static bool is_restricted(const struct look *look)
{
    return look->known && look->protection == PROTECTION_SECURE &&
           decide_lifecycle(look->protection, look->fuse[0]) == PROTO_LIFECYCLE_SECURE &&
           proto_equal(look->fuse + 1, required, sizeof(required));
}

void bl_chip_read(struct bl_chip *ret_chip)
{
    struct look first;
    struct look second;

    read_unique_id(ret_chip->id);
    ret_chip->silicon_id = read_half(BL_SFLASH_FAMILY_ID) << 16 | read_half(BL_SFLASH_SILICON_ID);
    look(&first);
    look(&second);
    memcpy(ret_chip->restrictions, first.fuse + 1, PROTO_RESTRICT_SIZE);
    ret_chip->lifecycle = PROTO_LIFECYCLE_UNKNOWN;
    ret_chip->restricted = 0;
    if (!first.known || !second.known || first.protection != second.protection ||
        !proto_equal(first.fuse, second.fuse, sizeof(first.fuse)))
        return;
    ret_chip->lifecycle = decide_lifecycle(first.protection, first.fuse[0]);
    if (is_restricted(&first) && is_restricted(&second))
        ret_chip->restricted = BL_CHIP_RESTRICTED;
}

bool bl_chip_is_restricted(const struct bl_chip *chip)
{
    return chip->restricted == BL_CHIP_RESTRICTED && chip->lifecycle == PROTO_LIFECYCLE_SECURE &&
           proto_equal(chip->restrictions, required, sizeof(required));
}
