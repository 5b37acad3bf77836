/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/secret.h"
#include "programmer/kitprog.h"
#include "programmer/psoc6_private.h"
#include "programmer/psoc6_secure_private.h"

/* VDDIO0 while fuses are blown (vendor's secure boot example): 2.5 V, within 5 %. */
#define FUSE_MV     2500U
#define FUSE_MIN_MV 2375U
#define FUSE_MAX_MV 2625U

/* ------------------------------------------------------------------------------------- examine */

static enum base_status stage_of_fuses(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, enum prg_psoc6_stage *ret_stage,
    struct prg_psoc6_plan *ret_plan, struct base_err *err)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    struct base_err cause = { .status = BASE_OK };
    struct prg_psoc6_plan plan = { .count = 0 };
    bool same = false;
    enum base_status status = prg_psoc6_read_secure_fuses(chip, fuses, err);
    if (status == BASE_OK) {
        status = prg_psoc6_compare_sflash(chip, target, &same, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (prg_psoc6_secure_plan(target, fuses, &plan, &cause) != BASE_OK) {
        *ret_stage = PRG_PSOC6_STAGE_FOREIGN;
    } else if (plan.already > 0) {
        *ret_stage = PRG_PSOC6_STAGE_PARTIAL;
    } else {
        *ret_stage = same ? PRG_PSOC6_STAGE_REHEARSED : PRG_PSOC6_STAGE_NORMAL;
    }
    if (ret_plan != NULL) {
        *ret_plan = plan;
    }
    return BASE_OK;
}

enum base_status prg_psoc6_secure_examine(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_psoc6_secure_opts *opts,
    enum prg_psoc6_stage *ret_stage, struct prg_psoc6_plan *ret_plan, struct base_err *err)
{
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum base_status status = prg_psoc6_acquire(chip, NULL, &outcome, err);
    if (status != BASE_OK) {
        return status;
    }
    if (outcome == PRG_PSOC6_ACQUIRED) {
        return stage_of_fuses(chip, target, ret_stage, ret_plan, err);
    }
    if (ret_plan != NULL) {
        memset(ret_plan, 0, sizeof(*ret_plan));
    }
    return prg_psoc6_stage_of_port(chip, opts, ret_stage, err);
}

/* -------------------------------------------------------------------------------------- supply */

static enum base_status no_supply(const char *why, struct base_err *err)
{
    enum base_status status = base_err_set(err, BASE_E_UNSUPPORTED, "supply", 0,
        "fuses need 2.5 V at VDDIO0, and %s; no fuse was touched", why);
    base_err_set_code(err, "supply");
    return status;
}

enum base_status prg_psoc6_check_fuse_supply(struct prg_link *link, struct base_err *err)
{
    uint32_t millivolt = 0;
    enum base_status status = prg_kitprog_voltage(link, &millivolt, err);
    if (status == BASE_OK && (millivolt < FUSE_MIN_MV || millivolt > FUSE_MAX_MV)) {
        status = base_err_set(err, BASE_E_LINK, "KitProg", millivolt,
            "the target's supply measures %u.%02u V, and fuses need 2.38 to 2.62 V; no fuse was "
            "touched",
            (unsigned)(millivolt / 1000), (unsigned)(millivolt % 1000 / 10));
        base_err_set_code(err, "voltage");
    }
    return status;
}

/* @param[out] ret_before  what to go back to; 0 = nothing was changed */
static enum base_status supply_for_fuses(struct prg_link *link,
    const struct prg_psoc6_secure_opts *opts, uint32_t *ret_before, struct base_err *err)
{
    struct prg_kitprog_supply supply;
    struct base_err cause = { .status = BASE_OK };
    *ret_before = 0;
    if (opts != NULL && opts->external_supply) {
        return prg_kitprog_offered(link) ? prg_psoc6_check_fuse_supply(link, err) : BASE_OK;
    }
    if (!prg_kitprog_offered(link)) {
        return no_supply("this probe cannot switch the target's supply (a KitProg3 or MiniProg4 "
                         "can; or supply the board with 2.5 V and say so)",
            err);
    }
    enum base_status status = prg_kitprog_supply(link, &supply, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!supply.settable) {
        return no_supply("this probe's supply is fixed", err);
    }
    if (prg_kitprog_set_voltage(link, FUSE_MV, &cause) != BASE_OK) {
        return cause.status == BASE_E_TARGET
                   ? no_supply(
                         "the probe refuses to give it (is the board supplied by others?)", err)
                   : base_err_set(
                         err, cause.status, cause.domain, cause.detail, "%s", cause.message);
    }
    *ret_before = supply.set_millivolt;
    return prg_psoc6_check_fuse_supply(link, err);
}

/* Back to what it was, also after a failure, whose sentence stays. */
static enum base_status supply_back(
    struct prg_link *link, uint32_t before, enum base_status so_far, struct base_err *err)
{
    struct base_err cause = { .status = BASE_OK };
    if (before == 0 || prg_kitprog_set_voltage(link, before, &cause) == BASE_OK ||
        so_far != BASE_OK) {
        return so_far;
    }
    return base_err_set(err, cause.status, cause.domain, cause.detail,
        "the fuses are blown, but the supply did not go back to %u mV: %s", (unsigned)before,
        cause.message);
}

/* --------------------------------------------------------------------------------------- fuses */

static enum base_status cancelled(const struct prg_psoc6_fuse *fuse, struct base_err *err)
{
    return base_err_set(
        err, BASE_E_CANCELLED, "fuse", fuse->byte, "stopped before fuse %s", fuse->name);
}

static enum base_status blow_one(struct prg_psoc6 *chip, const struct prg_permit *permit,
    const struct prg_psoc6_secure_opts *opts, const struct prg_psoc6_fuse *fuse,
    struct base_err *err)
{
    enum prg_psoc6_change change;
    bool tell = opts != NULL && opts->fuse != NULL;
    if (tell && !opts->fuse(opts->user, fuse, false)) {
        return cancelled(fuse, err);
    }
    enum base_status status =
        prg_psoc6_blow_fuse(chip, permit, fuse->byte, fuse->bit, &change, err);
    if (status == BASE_OK && tell) {
        (void)opts->fuse(opts->user, fuse, true);
    }
    return status;
}

static enum base_status read_plan(struct prg_psoc6 *chip, const struct prg_psoc6_target *target,
    struct prg_psoc6_plan *ret_plan, struct base_err *err)
{
    uint8_t fuses[PRG_PSOC6_FUSE_BYTES];
    enum base_status status = prg_psoc6_read_secure_fuses(chip, fuses, err);
    return status == BASE_OK ? prg_psoc6_secure_plan(target, fuses, ret_plan, err) : status;
}

/* A board must not take somebody's keys with it into SECURE, where nobody can look any more. */
static enum base_status check_vault(struct prg_psoc6 *chip, struct base_err *err)
{
    static const uint32_t homes[2] = { PSOC6_WORK_FLASH, PSOC6_VAULT_SECTOR };
    static const uint8_t blank[PSOC6_ROW_BYTES];
    for (size_t i = 0; i < 2; i++) {
        uint8_t row[PSOC6_ROW_BYTES];
        enum base_status status = prg_psoc6_read(chip, homes[i], sizeof(row), row, err);
        if (status == BASE_OK && memcmp(row, blank, sizeof(row)) != 0) {
            status = base_err_set(err, BASE_E_DENIED, "chip", homes[i],
                "the vault's home at %08x is not blank: this board has held an identity or keys "
                "while its port was open, and is not made SECURE with them",
                (unsigned)homes[i]);
            base_err_set_code(err, "vault_not_blank");
        }
        base_wipe(row, sizeof(row));
        if (status != BASE_OK) {
            return status;
        }
    }
    return BASE_OK;
}

/* The last one, after everything else has been seen once more. */
static enum base_status blow_last(struct prg_psoc6 *chip, const struct prg_psoc6_target *target,
    const struct prg_permit *permit, const struct prg_psoc6_secure_opts *opts, struct base_err *err)
{
    struct prg_psoc6_plan plan;
    enum base_status status = read_plan(chip, target, &plan, err);
    if (status == BASE_OK && (plan.count != 1 || plan.fuses[0].byte != PSOC6_FUSE_LIFECYCLE)) {
        status = base_err_set(err, BASE_E_VERIFY, "fuse", (int64_t)plan.count,
            "a fuse that was blown reads 0 again: %s", plan.count == 0 ? "" : plan.fuses[0].name);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_check_secure_hash(chip, target, err);
    }
    if (status == BASE_OK) {
        status = check_vault(chip, err);
    }
    return status == BASE_OK ? blow_one(chip, permit, opts, &plan.fuses[0], err) : status;
}

static enum base_status blow_all(struct prg_psoc6 *chip, const struct prg_psoc6_target *target,
    const struct prg_permit *permit, const struct prg_psoc6_secure_opts *opts, struct base_err *err)
{
    struct prg_psoc6_info info;
    struct prg_psoc6_plan plan;
    enum base_status status = prg_psoc6_rehearse_check(chip, target, err);
    if (status == BASE_OK) {
        status = prg_psoc6_identify(chip, &info, err);
    }
    if (status == BASE_OK) {
        status = prg_permit_check_chip(permit, info.unique_id, err);
    }
    if (status == BASE_OK) {
        status = check_vault(chip, err);
    }
    if (status == BASE_OK) {
        status = read_plan(chip, target, &plan, err);
    }
    for (size_t i = 0; status == BASE_OK && i + 1 < plan.count; i++) {
        status = blow_one(chip, permit, opts, &plan.fuses[i], err);
    }
    return status == BASE_OK ? blow_last(chip, target, permit, opts, err) : status;
}

static enum base_status restrict_normal(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_permit *permit,
    const struct prg_psoc6_secure_opts *opts, struct base_err *err)
{
    uint32_t before = 0;
    enum base_status status = supply_for_fuses(chip->link, opts, &before, err);
    if (status == BASE_OK) {
        status = blow_all(chip, target, permit, opts, err);
    }
    status = supply_back(chip->link, before, status, err);
    return status == BASE_OK ? prg_psoc6_reset(chip, err) : status;
}

enum base_status prg_psoc6_restrict_do(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_permit *permit,
    const struct prg_psoc6_secure_opts *opts, enum prg_psoc6_change *ret_change,
    struct base_err *err)
{
    enum prg_psoc6_stage stage = PRG_PSOC6_STAGE_SILENT;
    enum base_status status = prg_permit_check(permit, PRG_ACT_RESTRICT, err);
    if (status == BASE_OK) {
        status = prg_psoc6_target_check_permit(target, permit, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_secure_examine(chip, target, opts, &stage, NULL, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (stage == PRG_PSOC6_STAGE_SECURE) {
        *ret_change = PRG_PSOC6_UNCHANGED;
        return BASE_OK;
    }
    if (stage != PRG_PSOC6_STAGE_REHEARSED && stage != PRG_PSOC6_STAGE_PARTIAL) {
        return prg_psoc6_wrong_stage(stage, err);
    }
    status = restrict_normal(chip, target, permit, opts, err);
    if (status == BASE_OK) {
        *ret_change = PRG_PSOC6_WRITTEN;
    }
    return status;
}

enum base_status prg_psoc6_restrict_check(
    struct prg_psoc6 *chip, const struct prg_psoc6_secure_opts *opts, struct base_err *err)
{
    enum base_status status = prg_psoc6_reset(chip, err);
    return status == BASE_OK ? prg_psoc6_port_check(chip, opts, err) : status;
}
