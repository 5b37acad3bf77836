/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "programmer/psoc6_regs.h"
#include "programmer/psoc6_secure.h"

/* What a board shall become, and which fuse bits are missing to it. Nothing here talks to a chip.
 */

#define APP_SIZE_MIN 0x20U
#define APP_ID_MASK  0xFFF0U /* Cypress applications: 0x8000 to 0x800F */
#define APP_ID       0x8000U

/* DEAD: the three access ports off. Without that a board whose boot fails opens them all. */
#define DEAD_PORTS 0x07U

static enum base_status corrupt(struct base_err *err, const char *what)
{
    return base_err_set(err, BASE_E_CORRUPT, "image", 0, "%s", what);
}

static enum base_status check_image(
    const uint8_t *image, size_t length, const uint8_t *key, struct base_err *err)
{
    uint32_t size = length >= APP_SIZE_MIN ? base_get_le32(image) : 0;
    if (size < APP_SIZE_MIN || (base_get_le32(image + 4) & APP_ID_MASK) != APP_ID) {
        return corrupt(err, "this is no device image");
    }
    if (size == length) {
        return corrupt(err, "the device image is not signed; sign it with lpa-image sign");
    }
    if (length - PRG_PSOC6_RSA_BYTES != size) {
        return corrupt(err, "the device image has another length than its header says");
    }
    enum base_status status = prg_psoc6_key_verify(key, image, size, image + size, err);
    base_err_prefix(err, "signature of the device image: ");
    return status;
}

enum base_status prg_psoc6_target_make(const uint8_t *image, size_t image_length,
    const uint8_t *key, size_t key_length, const uint8_t restrictions[PRG_PSOC6_RESTRICT_BYTES],
    struct prg_psoc6_target *ret_target, struct base_err *err)
{
    struct prg_psoc6_target target = { .image_bytes = (uint32_t)image_length };
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint8_t toc1[PRG_PSOC6_ROW_SIZE];
    uint32_t exponent = 0;
    if ((restrictions[0] & DEAD_PORTS) != DEAD_PORTS) {
        return base_err_set(err, BASE_E_ARG, "restrict", restrictions[0],
            "restrictions that leave an access port open in DEAD (%02x) protect nothing",
            restrictions[0]);
    }
    enum base_status status = prg_psoc6_key_decode(key, key_length, modulus, &exponent, err);
    if (status == BASE_OK) {
        status = check_image(image, image_length, key, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    memcpy(target.key, key, PRG_PSOC6_KEY_SIZE);
    memcpy(target.restrictions, restrictions, PRG_PSOC6_RESTRICT_BYTES);
    prg_psoc6_build_secure_toc2(target.toc2);
    prg_psoc6_factory_toc1(toc1);
    prg_psoc6_secure_hash(toc1, target.toc2, target.key, target.secure_hash, &target.zeros);
    base_sha256(image, image_length, target.image_sha256);
    base_sha256(key, key_length, target.key_sha256);
    *ret_target = target;
    return BASE_OK;
}

enum base_status prg_psoc6_target_check_permit(
    const struct prg_psoc6_target *target, const struct prg_permit *permit, struct base_err *err)
{
    const char *what = NULL;
    if (permit == NULL || permit->id[0] == '\0') {
        what = "this cannot be undone and needs a permit";
    } else if (memcmp(permit->image_sha256, target->image_sha256, PRG_PERMIT_HASH_SIZE) != 0) {
        what = "the permit is for another image";
    } else if (memcmp(permit->key_sha256, target->key_sha256, PRG_PERMIT_HASH_SIZE) != 0) {
        what = "the permit is for another signature key";
    } else if (memcmp(permit->secure_hash, target->secure_hash, PRG_SECURE_HASH_SIZE) != 0) {
        what = "the permit is for another SECURE_HASH";
    } else {
        return BASE_OK;
    }
    enum base_status status =
        base_err_set(err, BASE_E_DENIED, "permit", 0, "%s; nothing was done", what);
    base_err_set_code(err, "permit");
    return status;
}

/* --------------------------------------------------------------------------------------- fuses */

static const char *const restrict0[8] = { "CM0_AP", "CM4_AP", "SYS_AP", "SYS_AP_MPU", "SFLASH.0",
    "SFLASH.1", "MMIO.0", "MMIO.1" };
static const char *const restrict1[8] = { "FLASH.0", "FLASH.1", "FLASH.2", "SRAM.0", "SRAM.1",
    "SRAM.2", "XIP", "DIRECT_EXECUTE" };
static const char *const lifecycles[8] = { "NORMAL", "SECURE_WITH_DEBUG", "SECURE", "RMA", "bit 4",
    "bit 5", "bit 6", "bit 7" };

void prg_psoc6_fuse_name(unsigned byte, unsigned bit, struct prg_psoc6_fuse *ret_fuse)
{
    static const struct {
        uint8_t byte;
        const char *name;
        const char *const *bits;
    } rows[] = {
        { PSOC6_FUSE_DEAD0, "DEAD_ACCESS_RESTRICT0", restrict0 },
        { PSOC6_FUSE_DEAD1, "DEAD_ACCESS_RESTRICT1", restrict1 },
        { PSOC6_FUSE_SECURE0, "SECURE_ACCESS_RESTRICT0", restrict0 },
        { PSOC6_FUSE_SECURE1, "SECURE_ACCESS_RESTRICT1", restrict1 },
        { PSOC6_FUSE_LIFECYCLE, "LIFECYCLE", lifecycles },
    };
    struct prg_psoc6_fuse fuse = { .byte = (uint8_t)byte, .bit = (uint8_t)bit };
    unsigned in_hash = byte - PSOC6_FUSE_SECURE_HASH;
    int length = snprintf(fuse.name, sizeof(fuse.name), "byte 0x%02x bit %u", byte, bit);
    if (in_hash < PRG_SECURE_HASH_SIZE) {
        length = snprintf(fuse.name, sizeof(fuse.name), "SECURE_HASH bit %u", in_hash * 8 + bit);
    } else if (byte == PSOC6_FUSE_SECURE_ZEROS) {
        length = snprintf(fuse.name, sizeof(fuse.name), "SECURE_HASH_ZEROS bit %u", bit);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].byte == byte && bit < 8) {
            length =
                snprintf(fuse.name, sizeof(fuse.name), "%s.%s", rows[i].name, rows[i].bits[bit]);
        }
    }
    (void)length;
    *ret_fuse = fuse;
}

/* What a fuse byte of the region shall hold in the end. NORMAL stays blown below SECURE. */
static uint8_t wanted(const struct prg_psoc6_target *target, unsigned byte)
{
    unsigned in_hash = byte - PSOC6_FUSE_SECURE_HASH;
    unsigned in_restrictions = byte - PSOC6_FUSE_DEAD0;
    if (in_hash < PRG_SECURE_HASH_SIZE) {
        return target->secure_hash[in_hash];
    }
    if (byte == PSOC6_FUSE_SECURE_ZEROS) {
        return target->zeros;
    }
    if (in_restrictions < PRG_PSOC6_RESTRICT_BYTES) {
        return target->restrictions[in_restrictions];
    }
    return byte == PSOC6_FUSE_LIFECYCLE ? PSOC6_LIFECYCLE_NORMAL | PSOC6_LIFECYCLE_SECURE : 0;
}

static enum base_status foreign(unsigned byte, unsigned bit, struct base_err *err)
{
    struct prg_psoc6_fuse fuse;
    prg_psoc6_fuse_name(byte, bit, &fuse);
    enum base_status status = base_err_set(err, BASE_E_VERIFY, "fuse", byte * 8 + bit,
        "fuse %s is blown, which this image and key do not want: the board was made for others or "
        "is damaged, and cannot be restricted; set it aside",
        fuse.name);
    base_err_set_code(err, "fuse_foreign");
    return status;
}

/* Bytes between SECURE_HASH and its zero count belong to nobody that is known: left alone. */
static bool looked_at(unsigned byte)
{
    return byte < PSOC6_FUSE_SECURE_HASH + PRG_SECURE_HASH_SIZE || byte >= PSOC6_FUSE_SECURE_ZEROS;
}

/* The order of bytes is the order of blowing: hash, zero count, DEAD, SECURE, life cycle. */
enum base_status prg_psoc6_secure_plan(const struct prg_psoc6_target *target,
    const uint8_t fuses[PRG_PSOC6_FUSE_BYTES], struct prg_psoc6_plan *ret_plan,
    struct base_err *err)
{
    struct prg_psoc6_plan plan = { .count = 0 };
    for (unsigned byte = PSOC6_FUSE_SECURE_HASH; byte <= PSOC6_FUSE_LIFECYCLE; byte++) {
        for (unsigned bit = 0; looked_at(byte) && bit < 8; bit++) {
            bool want = (wanted(target, byte) >> bit & 1U) != 0;
            bool have = (fuses[byte] >> bit & 1U) != 0;
            if (have && !want) {
                return foreign(byte, bit, err);
            }
            /* NORMAL is the factory's fuse: never blown, and not counted. */
            if (!want || (byte == PSOC6_FUSE_LIFECYCLE && bit == 0)) {
                continue;
            }
            if (have) {
                plan.already++;
            } else {
                prg_psoc6_fuse_name(byte, bit, &plan.fuses[plan.count++]);
            }
        }
    }
    *ret_plan = plan;
    return BASE_OK;
}
