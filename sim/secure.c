/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

#include "sim/rsa.h"
#include "sim/sha256.h"

/* Lifecycle, access restrictions and the verification that SECURE demands. */

#define FUSE_SECURE_HASH     0x14U
#define FUSE_SECURE_ZEROS    0x26U
#define FUSE_DEAD_RESTRICT   0x27U
#define FUSE_SECURE_RESTRICT 0x29U
#define FUSE_LIFECYCLE       0x2BU
#define HASH_SIZE            16U

#define LIFECYCLE_NORMAL       1U
#define LIFECYCLE_SECURE_DEBUG 2U
#define LIFECYCLE_SECURE       4U
#define LIFECYCLE_RMA          8U

#define SFLASH_NAR        0x1A00U
#define TOC2_KEY          0x24U
#define MIN_APP           0x20U
#define KEY_SCHEME_RSA    0U
#define KEY_MODULUS_BITS  2048U
#define KEY_EXPONENT_BITS 256U
#define IPC_BASE          0x40230000U
#define ALIGN_4K          0xFFFFF000U

enum sim_lifecycle sim_lifecycle(const struct sim_chip *chip)
{
    uint32_t fuses = chip->nvm.efuse[FUSE_LIFECYCLE];
    if ((fuses & LIFECYCLE_RMA) != 0)
        return SIM_LIFECYCLE_RMA;
    if ((fuses & LIFECYCLE_SECURE) != 0)
        return SIM_LIFECYCLE_SECURE;
    if ((fuses & LIFECYCLE_SECURE_DEBUG) != 0)
        return SIM_LIFECYCLE_SECURE_DEBUG;
    return (fuses & LIFECYCLE_NORMAL) != 0 ? SIM_LIFECYCLE_NORMAL : SIM_LIFECYCLE_VIRGIN;
}

/* ---- access restrictions ---- */

void sim_restrict(struct sim_chip *chip, enum sim_restriction from)
{
    const uint8_t *bytes = chip->nvm.sflash + SFLASH_NAR;
    if (from == SIM_RESTRICT_SECURE)
        bytes = chip->nvm.efuse + FUSE_SECURE_RESTRICT;
    else if (from == SIM_RESTRICT_DEAD)
        bytes = chip->nvm.efuse + FUSE_DEAD_RESTRICT;
    chip->regs.restrict0 = from == SIM_RESTRICT_NONE ? 0 : bytes[0];
    chip->regs.restrict1 = from == SIM_RESTRICT_NONE ? 0 : bytes[1];
    /* the DISABLE bits of AP_CTL have the order of the fuses: CM0+, CM4, SYS */
    chip->regs.ap_ctl = (chip->regs.restrict0 & 7U) << 16;
}

/* How much of a memory, from its start, a code of three bits leaves open. */
static uint32_t open_bytes(uint32_t code, uint32_t size)
{
    static const uint8_t sixteenths[8] = { 16, 14, 12, 8, 4, 2, 1, 0 };
    return (size / 16 * sixteenths[code & 7U]) & ALIGN_4K;
}

bool sim_restrict_allows(const struct sim_chip *chip, uint32_t address)
{
    static const uint32_t sflash_open[4] = { SIM_SFLASH_SIZE, SIM_SFLASH_SIZE / 2,
        SIM_SFLASH_SIZE / 4, 0 };
    uint32_t r0 = chip->regs.restrict0;
    uint32_t r1 = chip->regs.restrict1;
    if ((r0 & 8U) == 0)
        return true;
    if (address - SIM_RAM_BASE < SIM_RAM_SIZE)
        return address - SIM_RAM_BASE < open_bytes(r1 >> 3, SIM_RAM_SIZE);
    if (address - SIM_FLASH_BASE < SIM_FLASH_SIZE)
        return address - SIM_FLASH_BASE < open_bytes(r1, SIM_FLASH_SIZE);
    if (address - SIM_WORK_BASE < SIM_WORK_SIZE) /* no fuse of its own: with the whole main flash */
        return (r1 & 7U) == 0;
    if (address - SIM_SFLASH_BASE < SIM_SFLASH_SIZE)
        return address - SIM_SFLASH_BASE < sflash_open[r0 >> 4 & 3U];
    if (address >= 0x18000000U && address < 0x20000000U)
        return (r1 & 0x40U) == 0;
    if (address >= 0x40000000U && address < 0x60000000U) {
        uint32_t mmio = r0 >> 6 & 3U;
        return mmio == 0 || (mmio == 1 && address - IPC_BASE < 0x10000U);
    }
    return false; /* ROM and what is nowhere */
}

/* ---- verification ---- */

bool sim_secure_hash_good(struct sim_chip *chip)
{
    const uint8_t *fuses = chip->nvm.efuse + FUSE_SECURE_HASH;
    uint8_t hash[HASH_SIZE];
    uint32_t ones = 0;
    for (unsigned i = 0; i < HASH_SIZE; i++)
        ones += (uint32_t)__builtin_popcount(fuses[i]);
    if (chip->nvm.efuse[FUSE_SECURE_ZEROS] != HASH_SIZE * 8 - ones) {
        sim_bus_note(chip, "ROM: the zero count of SECURE_HASH does not fit");
        return false;
    }
    sim_srom_hash(chip, true, hash);
    if (memcmp(hash, fuses, HASH_SIZE) == 0)
        return true;
    sim_bus_note(chip, "ROM: TOC1, TOC2 and their objects do not match SECURE_HASH");
    return false;
}

/* Bytes of flash or SFlash at a bus address; NULL when not all of them lie in one memory. */
static const uint8_t *stored(struct sim_chip *chip, uint32_t address, uint32_t length)
{
    struct sim_flash_place place;
    if (!sim_flash_find(chip, address, &place) || length > place.size - place.offset)
        return NULL;
    return place.host + place.offset;
}

bool sim_secure_signature_good(struct sim_chip *chip, const uint8_t *toc2, const uint8_t *data,
    uint32_t length, const uint8_t *signature)
{
    uint32_t address = sim_mem_get32(toc2 + TOC2_KEY);
    const uint8_t *key = stored(chip, address, 0x24);
    if (address - SIM_SFLASH_BASE >= SIM_SFLASH_SIZE || key == NULL ||
        sim_mem_get32(key + 4) != KEY_SCHEME_RSA || sim_mem_get32(key + 0xC) != KEY_MODULUS_BITS ||
        sim_mem_get32(key + 0x14) > KEY_EXPONENT_BITS) {
        sim_bus_note(chip, "flash boot: TOC2 points to no RSA-2048 public key in SFlash");
        return false;
    }
    uint32_t exponent_length = sim_mem_get32(key + 0x14) / 8;
    const uint8_t *modulus = stored(chip, sim_mem_get32(key + 8), SIM_RSA_BYTES);
    const uint8_t *exponent = stored(chip, sim_mem_get32(key + 0x10), exponent_length);
    struct sim_sha256 sha;
    uint8_t digest[32];
    if (modulus == NULL || exponent == NULL || exponent_length == 0)
        return false;
    sim_sha256_init(&sha);
    sim_sha256_add(&sha, data, length);
    sim_sha256_end(&sha, digest);
    return sim_rsa_verify(modulus, exponent, exponent_length, signature, digest);
}

uint32_t sim_secure_check_app(struct sim_chip *chip, const uint8_t *toc2)
{
    if (toc2 == NULL) {
        sim_bus_note(chip, "flash boot: no valid TOC2, but the application has to be verified");
        return SIM_BOOT_ERROR_TOC;
    }
    uint32_t address = sim_mem_get32(toc2 + 0x10);
    const uint8_t *header = stored(chip, address, MIN_APP);
    if (sim_mem_get32(toc2 + 0x14) != 1 || header == NULL) {
        sim_bus_note(chip, "flash boot: TOC2 names no application in the Cypress format");
        return SIM_BOOT_ERROR_DATA;
    }
    uint32_t size = sim_mem_get32(header);
    const uint8_t *whole = NULL;
    if (size >= MIN_APP && size <= SIM_FLASH_SIZE)
        whole = stored(chip, address, size + SIM_RSA_BYTES);
    if (whole == NULL) {
        sim_bus_note(chip, "flash boot: the application's size is out of range");
        return SIM_BOOT_ERROR_DATA;
    }
    if (sim_secure_signature_good(chip, toc2, whole, size, whole + size))
        return 0;
    sim_bus_note(chip, "flash boot: the application's signature is wrong");
    return SIM_BOOT_ERROR_SIGNATURE;
}
