/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "programmer/psoc6_private.h"
#include "programmer/psoc6_secure_private.h"

#define ROW            PSOC6_ROW_BYTES
#define KEY_ROWS       ((PRG_PSOC6_KEY_SIZE + ROW - 1) / ROW)
#define BOOT_WAIT_US   1500000
#define BOOT_GAP_US    10000U
#define BOOT_ERROR     0x08040000U /* flash boot's word, at the end of SRAM but one macro */
#define ATTACH_WAIT_MS 1000U

#define PROTECTION_NORMAL 2U

/* Row @p index of the key as it shall stand in supervisory flash. */
static void key_row(const struct prg_psoc6_target *target, size_t index, uint8_t ret_row[ROW])
{
    size_t at = index * ROW;
    size_t rest = PRG_PSOC6_KEY_SIZE - at;
    memset(ret_row, 0, ROW);
    memcpy(ret_row, target->key + at, rest < ROW ? rest : ROW);
}

/* Acquired, of this family, in NORMAL and nothing but NORMAL. */
static enum base_status acquire_normal(
    struct prg_psoc6 *chip, struct prg_psoc6_info *ret_info, struct base_err *err)
{
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum prg_psoc6_stage stage = PRG_PSOC6_STAGE_SILENT;
    enum base_status status = prg_psoc6_acquire(chip, NULL, &outcome, err);
    if (status != BASE_OK) {
        return status;
    }
    if (outcome != PRG_PSOC6_ACQUIRED) {
        status = prg_psoc6_stage_of_port(chip, NULL, &stage, err);
        return status == BASE_OK ? prg_psoc6_wrong_stage(stage, err) : status;
    }
    status = prg_psoc6_writable(chip, err);
    if (status == BASE_OK) {
        status = prg_psoc6_identify(chip, ret_info, err);
    }
    if (status == BASE_OK && (ret_info->protection != PROTECTION_NORMAL ||
                                 ret_info->lifecycle_fuses != PSOC6_LIFECYCLE_NORMAL)) {
        status = prg_psoc6_wrong_stage(PRG_PSOC6_STAGE_FOREIGN, err);
    }
    return status;
}

static enum base_status check_fuses(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    struct prg_psoc6_plan plan;
    enum base_status status = prg_psoc6_read_secure_fuses(chip, fuses, err);
    return status == BASE_OK ? prg_psoc6_secure_plan(target, fuses, &plan, err) : status;
}

static enum base_status check_image(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err)
{
    uint8_t digest[PRG_PERMIT_HASH_SIZE];
    enum base_status status =
        prg_psoc6_digest(chip, PSOC6_MAIN_FLASH, target->image_bytes, digest, err);
    if (status == BASE_OK && memcmp(digest, target->image_sha256, sizeof(digest)) != 0) {
        status = base_err_set(err, BASE_E_VERIFY, "chip", PSOC6_MAIN_FLASH,
            "the chip's flash does not hold the signed image; program it first");
    }
    return status;
}

/* The hash covers TOC1, which nobody here writes: the lot's hash supposes the factory's. */
static enum base_status check_toc1(struct prg_psoc6 *chip, struct base_err *err)
{
    uint8_t have[ROW];
    uint8_t factory[ROW];
    enum base_status status = prg_psoc6_read(chip, PSOC6_SFLASH_TOC1, ROW, have, err);
    prg_psoc6_factory_toc1(factory);
    if (status == BASE_OK && memcmp(have, factory, ROW) != 0) {
        status = base_err_set(err, BASE_E_VERIFY, "chip", PSOC6_SFLASH_TOC1,
            "this chip's TOC1 is not the one that SECURE_HASH was computed with");
    }
    return status;
}

static enum base_status write_target(struct prg_psoc6 *chip, const struct prg_psoc6_target *target,
    enum prg_psoc6_change *ret_change, struct base_err *err)
{
    bool written = false;
    enum base_status status = BASE_OK;
    /* The redundant table before the first one: a cut in between leaves a valid one in force. */
    static const uint32_t tables[2] = { PSOC6_SFLASH_RTOC2, PSOC6_SFLASH_TOC2 };
    for (size_t i = 0; status == BASE_OK && i < KEY_ROWS + 2; i++) {
        enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
        uint8_t row[ROW];
        if (i < KEY_ROWS) {
            key_row(target, i, row);
            status = prg_psoc6_write_sflash_row(
                chip, PSOC6_SFLASH_KEY + (uint32_t)(i * ROW), row, &change, err);
        } else {
            status =
                prg_psoc6_write_sflash_row(chip, tables[i - KEY_ROWS], target->toc2, &change, err);
        }
        written = written || change == PRG_PSOC6_WRITTEN;
    }
    if (status == BASE_OK) {
        *ret_change = written ? PRG_PSOC6_WRITTEN : PRG_PSOC6_UNCHANGED;
    }
    return status;
}

enum base_status prg_psoc6_rehearse_do(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_permit *permit,
    enum prg_psoc6_change *ret_change, struct base_err *err)
{
    struct prg_psoc6_info info;
    enum base_status status = prg_permit_check(permit, PRG_ACT_REHEARSE, err);
    if (status == BASE_OK) {
        status = prg_psoc6_target_check_permit(target, permit, err);
    }
    if (status == BASE_OK) {
        status = acquire_normal(chip, &info, err);
    }
    if (status == BASE_OK) {
        status = prg_permit_check_chip(permit, info.unique_id, err);
    }
    if (status == BASE_OK) {
        status = check_fuses(chip, target, err);
    }
    if (status == BASE_OK) {
        status = check_toc1(chip, err);
    }
    if (status == BASE_OK) {
        status = check_image(chip, target, err);
    }
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    if (status == BASE_OK) {
        status = write_target(chip, target, &change, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_reset(chip, err);
    }
    if (status == BASE_OK) {
        *ret_change = change;
    }
    return status;
}

enum base_status prg_psoc6_compare_sflash(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, bool *ret_same, struct base_err *err)
{
    uint8_t have[KEY_ROWS * ROW];
    uint8_t want[ROW];
    enum base_status status = prg_psoc6_read(chip, PSOC6_SFLASH_KEY, sizeof(have), have, err);
    bool same = true;
    for (size_t i = 0; i < KEY_ROWS; i++) {
        key_row(target, i, want);
        same = same && status == BASE_OK && memcmp(have + i * ROW, want, ROW) == 0;
    }
    static const uint32_t tables[2] = { PSOC6_SFLASH_RTOC2, PSOC6_SFLASH_TOC2 };
    for (size_t i = 0; status == BASE_OK && i < 2; i++) {
        status = prg_psoc6_read(chip, tables[i], ROW, have, err);
        same = same && status == BASE_OK && memcmp(have, target->toc2, ROW) == 0;
    }
    if (status == BASE_OK) {
        *ret_same = same;
    }
    return status;
}

/* -------------------------------------------------------------------------------------- check */

static enum base_status not_started(
    struct prg_psoc6 *chip, bool readable, struct base_err *cause, struct base_err *err)
{
    uint8_t word[4] = { 0 };
    if (!readable) {
        return base_err_set(err, BASE_E_VERIFY, cause->domain, cause->detail,
            "whether flash boot accepted the image cannot be seen: %s", cause->message);
    }
    base_err_clear(cause);
    enum base_status status = prg_psoc6_read(chip, BOOT_ERROR, sizeof(word), word, cause);
    uint32_t code = status == BASE_OK ? base_get_le32(word) : 0;
    return base_err_set(err, BASE_E_VERIFY, "boot", code,
        "flash boot did not start the image although NORMAL forgives it: %s (%08x)",
        code == 0xF1000100U   ? "its signature is wrong"
        : code == 0xF1000101U ? "TOC2 is not valid"
        : code == 0xF1000102U ? "the key is not valid"
        : code == 0xF1000107U ? "its header is not valid"
                              : "no reason is given",
        (unsigned)code);
}

/* With validation asked for in NORMAL, an image that runs is one that flash boot has verified. */
static enum base_status check_started(struct prg_psoc6 *chip, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    uint8_t word[4] = { 0 };
    bool readable = false;
    enum base_status status = prg_psoc6_reset(chip, err);
    if (status == BASE_OK) {
        status = prg_psoc6_attach(chip, ATTACH_WAIT_MS, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_find_die(chip, err);
    }
    int64_t end_us = chip->link->wire_us + BOOT_WAIT_US;
    while (status == BASE_OK && chip->link->wire_us < end_us) {
        base_err_clear(&cause);
        enum base_status got =
            prg_psoc6_read(chip, chip->die->vector_base, sizeof(word), word, &cause);
        if (got != BASE_OK && got != BASE_E_TARGET && got != BASE_E_LOCKED) {
            status = base_err_set(err, got, cause.domain, cause.detail, "%s", cause.message);
            base_err_set_code(err, cause.code);
            return status;
        }
        readable = got == BASE_OK;
        if (readable && base_get_le32(word) != 0) {
            return BASE_OK;
        }
        status = prg_link_delay(chip->link, BOOT_GAP_US, err);
    }
    return status == BASE_OK ? not_started(chip, readable, &cause, err) : status;
}

static enum base_status check_sflash(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err)
{
    bool same = false;
    enum base_status status = prg_psoc6_compare_sflash(chip, target, &same, err);
    return status != BASE_OK || same
               ? status
               : base_err_set(err, BASE_E_VERIFY, "chip", PSOC6_SFLASH_KEY,
                     "supervisory flash does not hold this key and its TOC2; rehearse first");
}

enum base_status prg_psoc6_rehearse_check(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err)
{
    struct prg_psoc6_info info;
    enum base_status status = acquire_normal(chip, &info, err);
    if (status == BASE_OK) {
        status = check_sflash(chip, target, err);
    }
    if (status == BASE_OK) {
        status = check_started(chip, err);
    }
    if (status == BASE_OK) {
        status = acquire_normal(chip, &info, err);
    }
    if (status == BASE_OK) {
        status = check_sflash(chip, target, err);
    }
    if (status == BASE_OK) {
        status = check_image(chip, target, err);
    }
    if (status == BASE_OK) {
        status = check_fuses(chip, target, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_check_factory_hash(chip, err);
    }
    return status == BASE_OK ? prg_psoc6_check_secure_hash(chip, target, err) : status;
}
