/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

#include "sim/sha256.h"

/* System calls that answer questions, blow fuses or reset. */

#define STATUS_OK         0xA0000000U
#define STATUS_NOT_NOW    0xF0000001U
#define STATUS_FUSE       0xF0000002U
#define STATUS_PROTECTED  0xF0000005U
#define STATUS_RANGE      0xF000000EU
#define STATUS_BAD_ARGS   0xF000000FU
#define STATUS_NOT_ASLEEP 0xF0000019U
#define STATUS_UID        0xF00000B3U
#define STATUS_SIGNATURE  0xF00000B4U
#define STATUS_FACTORY    0xF00000B5U
#define STATUS_FUSE_FAIL  0xF00000CBU
#define STATUS_ARGUMENT   0xF00000CFU

#define FUSE_FACTORY_HASH 0x2CU
#define FUSE_FIRST        0x14U /* below: factory and trim */
#define FUSE_CUSTOMER     0x40U
#define FUSE_LIFECYCLE    0x2BU
#define RMA_OBJECT        0x14U
#define RMA_COMMAND       0x120028F0U
#define RMA_SIGNATURE     256U
#define HASH_SIZE         16U
#define MAX_OBJECTS       30U

#define FLASH_BOOT      0x2000U
#define FLASH_BOOT_SIZE 0x3A00U
#define TOC1            0x7800U
#define TOC2            0x7C00U
#define TOC_BYTES       0x200U

static void silicon_id(struct sim_chip *chip)
{
    const uint8_t *sflash = chip->nvm.sflash;
    uint32_t revision = sflash[1];
    switch (chip->call.opcode >> 8 & 0xFFU) {
    case 0:
        chip->call.result = STATUS_OK | (revision >> 4) << 20 | (revision & 0xFU) << 16 |
                            sim_mem_get16(sflash + 0xC);
        break;
    case 1:
        chip->call.result =
            STATUS_OK | 1U << 20 | chip->regs.protection << 16 | sim_mem_get16(sflash + 2);
        break;
    default: /* type 2 has no stated layout */
        chip->call.result = STATUS_BAD_ARGS;
        break;
    }
}

static void blow_fuse(struct sim_chip *chip)
{
    uint32_t word = chip->call.opcode;
    uint32_t byte = (word >> 12 & 0xFU) * 32 + (word >> 16 & 0x1FU);
    if (sim_srom_is_secure(chip)) { /* assumed: the lifecycle is closed */
        chip->call.result = STATUS_NOT_NOW;
        return;
    }
    bool factory = byte >= FUSE_FACTORY_HASH && byte < FUSE_FACTORY_HASH + HASH_SIZE;
    if (byte < FUSE_FIRST || byte >= SIM_EFUSE_BYTES || factory) {
        chip->call.result = STATUS_FUSE;
        return;
    }
    chip->call.result = sim_efuse_blow(chip, byte, word >> 8 & 7U) ? STATUS_OK : STATUS_FUSE_FAIL;
}

static void read_fuse(struct sim_chip *chip)
{
    uint32_t byte = chip->call.opcode >> 8 & 0xFFFFU;
    if (byte >= SIM_EFUSE_BYTES)
        chip->call.result = STATUS_FUSE;
    else if (byte < FUSE_CUSTOMER && sim_srom_client_context(chip) != 0)
        chip->call.result = STATUS_PROTECTED; /* done with the client's rights */
    else
        chip->call.result = STATUS_OK | chip->nvm.efuse[byte];
}

static void checksum(struct sim_chip *chip)
{
    static const uint32_t bases[3] = { SIM_FLASH_BASE, SIM_WORK_BASE, SIM_SFLASH_BASE };
    uint32_t word = chip->call.opcode;
    uint32_t region = word >> 22 & 3U;
    struct sim_flash_place place;
    chip->call.result = STATUS_RANGE;
    if (region > 2 || !sim_flash_find(chip, bases[region], &place))
        return;
    uint32_t first = 0;
    uint32_t length = place.size;
    if ((word & 1U << 21) == 0) {
        first = (word >> 8 & 0x1FFFU) * SIM_ROW_SIZE;
        length = SIM_ROW_SIZE;
    }
    if (first >= place.size || (word & 0x80U) != 0)
        return;
    if (!sim_srom_client_owns(chip, bases[region] + first, length, SIM_PERM_READ)) {
        chip->call.result = STATUS_ARGUMENT; /* done with the client's rights */
        return;
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum += place.host[first + i];
    chip->call.result = STATUS_OK | (sum & 0x0FFFFFFFU);
}

/* One object of a table of contents: its first word is its size. */
static void hash_object(const struct sim_chip *chip, struct sim_sha256 *sha, uint32_t address)
{
    const uint8_t *host = chip->nvm.sflash;
    uint32_t offset = address - SIM_SFLASH_BASE;
    uint32_t limit = SIM_SFLASH_SIZE;
    if (offset >= limit) {
        host = chip->nvm.flash;
        offset = address - SIM_FLASH_BASE;
        limit = SIM_FLASH_SIZE;
    }
    if (offset > limit - 4)
        return;
    uint32_t size = sim_mem_get32(host + offset);
    sim_sha256_add(sha, host + offset, size <= limit - offset ? size : limit - offset);
}

/* No source gives the exact objects. Assumed: factory = flash boot and TOC1; secure = TOC1, TOC2
 * and every object TOC2 lists from +24 (their count at +20). */
void sim_srom_hash(const struct sim_chip *chip, bool secure, uint8_t ret_hash[16])
{
    const uint8_t *sflash = chip->nvm.sflash;
    struct sim_sha256 sha;
    uint8_t digest[32];
    sim_sha256_init(&sha);
    if (!secure)
        sim_sha256_add(&sha, sflash + FLASH_BOOT, FLASH_BOOT_SIZE);
    sim_sha256_add(&sha, sflash + TOC1, TOC_BYTES);
    if (secure) {
        const uint8_t *toc = sflash + TOC2;
        uint32_t count = sim_mem_get32(toc + 0x20);
        sim_sha256_add(&sha, toc, TOC_BYTES);
        for (uint32_t i = 0; i < count && i < MAX_OBJECTS; i++)
            hash_object(chip, &sha, sim_mem_get32(toc + 0x24 + i * 4));
    }
    sim_sha256_end(&sha, digest);
    memcpy(ret_hash, digest, HASH_SIZE);
}

static void generate_hash(struct sim_chip *chip)
{
    uint8_t hash[HASH_SIZE];
    uint32_t ones = 0;
    if (chip->call.block == 0) {
        chip->call.result = STATUS_BAD_ARGS;
        return;
    }
    sim_srom_hash(chip, true, hash);
    for (unsigned i = 0; i < HASH_SIZE; i++)
        ones += (uint32_t)__builtin_popcount(hash[i]);
    for (unsigned i = 0; i < 4; i++)
        sim_srom_return(chip, 1 + i, sim_mem_get32(hash + i * 4));
    sim_srom_return(chip, 5, HASH_SIZE * 8 - ones);
    chip->call.result = STATUS_OK;
}

static void unique_id(struct sim_chip *chip)
{
    const uint8_t *id = chip->nvm.sflash + 0x600;
    if (chip->call.block == 0) {
        chip->call.result = STATUS_BAD_ARGS;
        return;
    }
    sim_srom_return(chip, 1, sim_mem_get32(id));
    sim_srom_return(chip, 2, sim_mem_get32(id + 4));
    sim_srom_return(chip, 3, sim_mem_get32(id + 8) & 0xFFFFFFU);
    chip->call.result = STATUS_OK;
}

static void check_factory_hash(struct sim_chip *chip)
{
    uint8_t hash[HASH_SIZE];
    sim_srom_hash(chip, false, hash);
    bool same = memcmp(hash, chip->nvm.efuse + FUSE_FACTORY_HASH, HASH_SIZE) == 0;
    chip->call.result = same ? STATUS_OK : STATUS_FACTORY;
}

/* Object size, command id, unique id, signature by the key of TOC2; in force after a reset. */
static void transition_to_rma(struct sim_chip *chip)
{
    const uint8_t *toc2 = sim_boot_toc2(chip);
    const uint8_t *id = chip->nvm.sflash + 0x600;
    uint32_t object = chip->call.block + 4;
    uint32_t length = RMA_OBJECT + RMA_SIGNATURE;
    chip->call.result = STATUS_NOT_NOW;
    if (!sim_srom_is_secure(chip))
        return;
    chip->call.result = STATUS_BAD_ARGS;
    if (chip->call.block == 0 || !sim_srom_client_may(chip, object, length, SIM_PERM_READ))
        return;
    const uint8_t *bytes = chip->ram + (object - SIM_RAM_BASE);
    if (sim_mem_get32(bytes) != RMA_OBJECT || sim_mem_get32(bytes + 4) != RMA_COMMAND)
        return;
    chip->call.result = STATUS_UID;
    if (memcmp(bytes + 8, id, 11) != 0)
        return;
    chip->call.result = STATUS_SIGNATURE;
    if (toc2 == NULL ||
        !sim_secure_signature_good(chip, toc2, bytes, RMA_OBJECT, bytes + RMA_OBJECT))
        return;
    chip->call.result = sim_efuse_blow(chip, FUSE_LIFECYCLE, 3) ? STATUS_OK : STATUS_FUSE_FAIL;
}

static void soft_reset(struct sim_chip *chip)
{
    if ((chip->call.opcode >> 1 & 0x7FU) == 0) {
        chip->call.result = STATUS_OK;
        sim_bus_request_reset(chip);
    } else { /* the CM4 alone: it must be in deep sleep, which it never is here */
        chip->call.result = STATUS_NOT_ASLEEP;
    }
}

bool sim_srom_info_call(struct sim_chip *chip)
{
    switch (chip->call.opcode >> 24) {
    case 0x00:
        silicon_id(chip);
        return true;
    case 0x01:
        blow_fuse(chip);
        return true;
    case 0x03:
        read_fuse(chip);
        return true;
    case 0x0B:
        checksum(chip);
        return true;
    case 0x1B:
        soft_reset(chip);
        return true;
    case 0x1E:
        generate_hash(chip);
        return true;
    case 0x1F:
        unique_id(chip);
        return true;
    case 0x27:
        check_factory_hash(chip);
        return true;
    case 0x28:
        transition_to_rma(chip);
        return true;
    case 0x29: /* how the ports open again has no source: a documented refusal */
        chip->call.result = STATUS_NOT_NOW;
        return true;
    case 0x30: /* supply of the flash controller: accepted, without effect on a model without one */
        chip->call.result = STATUS_OK;
        return true;
    default:
        return false;
    }
}
