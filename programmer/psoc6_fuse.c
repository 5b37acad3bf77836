/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "programmer/psoc6_private.h"
#include "programmer/psoc6_secure_private.h"

#define MACRO_BYTES 32U
#define HASH_WORDS  6U

enum base_status prg_psoc6_read_secure_fuses(
    struct prg_psoc6 *chip, uint8_t ret_fuses[PRG_PSOC6_FUSE_BYTES], struct base_err *err)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES] = { 0 };
    enum base_status status = BASE_OK;
    for (unsigned byte = PSOC6_FUSE_SECURE_HASH; status == BASE_OK && byte <= PSOC6_FUSE_LIFECYCLE;
         byte++) {
        status = prg_psoc6_read_fuse(chip, byte, &fuses[byte], err);
    }
    if (status == BASE_OK) {
        memcpy(ret_fuses, fuses, sizeof(fuses));
    }
    return status;
}

static enum base_status check_bit(unsigned byte, unsigned bit, struct base_err *err)
{
    bool factory = byte < PSOC6_FUSE_SECURE_HASH ||
                   (byte >= PSOC6_FUSE_FACTORY && byte < PSOC6_FUSE_FACTORY + PRG_SECURE_HASH_SIZE);
    if (byte >= PRG_PSOC6_FUSE_BYTES || bit > 7) {
        return base_err_set(
            err, BASE_E_ARG, "fuse", byte, "there is no bit %u in fuse byte %u", bit, byte);
    }
    return !factory ? BASE_OK
                    : base_err_set(err, BASE_E_ARG, "fuse", byte,
                          "fuse byte 0x%02x is the factory's and is never blown here", byte);
}

/* Whether the call was carried out or not, the fuse itself tells. */
static enum base_status blow(
    struct prg_psoc6 *chip, const struct prg_psoc6_fuse *fuse, struct base_err *err)
{
    const uint32_t word = SROM_BLOW_FUSE_BIT | (uint32_t)(fuse->byte % MACRO_BYTES) << 16 |
                          (uint32_t)(fuse->byte / MACRO_BYTES) << 12 | (uint32_t)fuse->bit << 8;
    uint8_t value = 0;
    enum base_status status = prg_psoc6_srom(chip, &word, 1, 0, NULL, err);
    if (status == BASE_OK) {
        status = prg_psoc6_read_fuse(chip, fuse->byte, &value, err);
    }
    if (status == BASE_OK && (value >> fuse->bit & 1U) == 0) {
        status = base_err_set(
            err, BASE_E_VERIFY, "fuse", fuse->byte, "it reads 0 although the ROM says it is blown");
    }
    base_err_prefix(err, "fuse %s: ", fuse->name);
    return status;
}

enum base_status prg_psoc6_fuse_permitted(
    const struct prg_permit *permit, unsigned byte, unsigned bit, struct base_err *err)
{
    bool life = byte >= PSOC6_FUSE_SECURE_HASH && byte <= PSOC6_FUSE_LIFECYCLE;
    enum base_status status =
        prg_permit_check(permit, life ? PRG_ACT_RESTRICT : PRG_ACT_EFUSE, err);
    return status == BASE_OK ? check_bit(byte, bit, err) : status;
}

enum base_status prg_psoc6_blow_fuse(struct prg_psoc6 *chip, const struct prg_permit *permit,
    unsigned byte, unsigned bit, enum prg_psoc6_change *ret_change, struct base_err *err)
{
    struct prg_psoc6_fuse fuse;
    uint8_t value = 0;
    enum base_status status = prg_psoc6_fuse_permitted(permit, byte, bit, err);
    if (status == BASE_OK) {
        status = prg_psoc6_writable(chip, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read_fuse(chip, byte, &value, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    prg_psoc6_fuse_name(byte, bit, &fuse);
    bool blown = (value >> bit & 1U) != 0;
    if (!blown) {
        status = blow(chip, &fuse, err);
    }
    if (status == BASE_OK) {
        *ret_change = blown ? PRG_PSOC6_UNCHANGED : PRG_PSOC6_WRITTEN;
    }
    return status;
}

enum base_status prg_psoc6_check_factory_hash(struct prg_psoc6 *chip, struct base_err *err)
{
    const uint32_t word = SROM_CHECK_FACTORY;
    enum base_status status = prg_psoc6_srom(chip, &word, 1, 0, NULL, err);
    base_err_prefix(err, "factory hash of the chip: ");
    return status;
}

enum base_status prg_psoc6_check_secure_hash(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err)
{
    const uint32_t words[HASH_WORDS] = { SROM_GENERATE_HASH };
    uint32_t answer[HASH_WORDS] = { 0 };
    uint8_t hash[PRG_SECURE_HASH_SIZE];
    enum base_status status = prg_psoc6_srom(chip, words, HASH_WORDS, 0, answer, err);
    if (status != BASE_OK) {
        base_err_prefix(err, "hash of what boots: ");
        return status;
    }
    for (unsigned i = 0; i < PRG_SECURE_HASH_SIZE / 4; i++) {
        base_put_le32(hash + i * 4, answer[1 + i]);
    }
    if (memcmp(hash, target->secure_hash, sizeof(hash)) == 0 && answer[5] == target->zeros) {
        return BASE_OK;
    }
    return base_err_set(err, BASE_E_VERIFY, "chip", answer[5],
        "the ROM's own hash of what boots is not the one computed here: another TOC1, or a die "
        "that hashes otherwise; it must not be restricted");
}
