/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/device-fw/chip_flash.h"

#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/chip.h"

#include <cmocka.h>

#include "device-fw/protocol/image.h"
#include "device-fw/protocol/layout.h"

struct place {
    uint32_t address;
    uint8_t *host;
    size_t length;
};

static uint32_t cut_random(void)
{
    chip.cut_seed = chip.cut_seed * 1664525U + 1013904223U;
    return chip.cut_seed >> 24;
}

/* A sector of main flash has 256 KiB, the work flash is one. */
static uint32_t sector_of(uint32_t address)
{
    return address >> 18;
}

/* One bit in 64 of everything else in the sector. */
static void disturb_sector(const uint8_t *row)
{
    const uint32_t sector =
        sector_of(row == chip.home[0] ? PROTO_VAULT_HOME_0 : PROTO_VAULT_HOME_1);
    const struct place others[] = {
        { PROTO_IMAGE_ADDRESS, chip.image, sizeof(chip.image) },
        { PROTO_VAULT_HOME_0, chip.home[0], PROTO_VAULT_HOME_SIZE },
        { PROTO_VAULT_HOME_1, chip.home[1], PROTO_VAULT_HOME_SIZE },
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (others[i].host == row || sector_of(others[i].address) != sector)
            continue;
        for (size_t at = cut_random() % 8U; at < others[i].length; at += 8)
            others[i].host[at] ^= (uint8_t)(1U << cut_random() % 8U);
    }
}

static void spoil_at_random(uint8_t *row, const uint8_t *new_row)
{
    for (size_t i = 0; i < PROTO_VAULT_HOME_SIZE; i++) {
        uint8_t noise = (uint8_t)cut_random();

        if (chip.cut == CHIP_CUT_RANDOM)
            row[i] = (uint8_t)((row[i] & noise) | (new_row[i] & ~noise));
        else if (chip.cut == CHIP_CUT_STUCK)
            row[i] = new_row[i];
        else
            row[i] = noise;
    }
    for (unsigned i = 0; chip.cut == CHIP_CUT_STUCK && i < 3; i++) {
        size_t at = (cut_random() << 8 | cut_random()) % PROTO_VAULT_HOME_SIZE;
        uint8_t bit = (uint8_t)(1U << cut_random() % 8U);

        row[at] = (uint8_t)((cut_random() & 1U) != 0 ? row[at] | bit : row[at] & ~bit);
    }
    if (chip.cut == CHIP_CUT_SECTOR)
        disturb_sector(row);
}

static void spoil(uint8_t *row, const uint8_t *new_row)
{
    switch (chip.cut) {
    case CHIP_CUT_ROW:
    case CHIP_CUT_SECTOR:
    case CHIP_CUT_STUCK:
    case CHIP_CUT_RANDOM:
        spoil_at_random(row, new_row);
        break;
    case CHIP_CUT_NEW:
        memcpy(row, new_row, PROTO_VAULT_HOME_SIZE);
        break;
    case CHIP_CUT_GARBAGE:
        for (size_t i = 0; i < PROTO_VAULT_HOME_SIZE; i++)
            row[i] = (uint8_t)(row[i] ^ (i * 31 + 5));
        break;
    case CHIP_CUT_HALF:
        memcpy(row, new_row, PROTO_VAULT_HOME_SIZE / 2);
        break;
    case CHIP_CUT_OLD:
    case CHIP_CUT_COUNT:
    default:
        break;
    }
}

uint32_t chip_flash_write(uint8_t *row, const uint8_t *new_row, bool must_be_blank)
{
    if (row != chip.home[0] && row != chip.home[1])
        return CHIP_SROM_BAD_ADDR;
    chip.flash_operations++;
    if (chip.refuse_from != 0 && chip.flash_operations >= chip.refuse_from)
        return CHIP_SROM_BAD_ADDR;
    for (size_t i = 0; must_be_blank && i < PROTO_VAULT_HOME_SIZE; i++) {
        if (row[i] != 0)
            return CHIP_SROM_NOT_ERASED;
    }
    if (chip.flash_operations == chip.cut_at) {
        spoil(row, new_row);
        longjmp(*chip.power_lost, 1);
    }
    memcpy(row, new_row, PROTO_VAULT_HOME_SIZE);
    if (chip.flash_operations == chip.lie_in)
        row[PROTO_VAULT_HOME_SIZE / 2] ^= 1;
    return CHIP_SROM_SUCCESS;
}
