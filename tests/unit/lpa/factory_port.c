/* SPDX-License-Identifier: Apache-2.0 */
/* The chips' ports and fuses: what cannot be undone, and what must stand written before it. */
#include "tests/unit/lpa/factory_parts.h"

#include <stdio.h>
#include <string.h>

static struct chip *here(struct factory *f)
{
    return &f->chips[f->socket];
}

static void blame(struct factory *f, const char *what)
{
    if (f->broken == NULL) {
        f->broken = what;
    }
}

/* A row of zeros where the chip has none. */
static const struct lpa_unit *row_here(struct factory *f)
{
    bool *have = NULL;
    return factory_row(f, f->socket, &have);
}

/* The event must be the last thing that was cosigned, for this very chip. */
static void expect_announced(struct factory *f, enum lpa_event_id id, const char *what)
{
    if (f->announced != id || f->announced_chip != f->socket) {
        blame(f, what);
    }
}

/* As the real functions do: what the permit allows, on the chip that it names. */
static enum base_status check_permit(
    struct factory *f, const struct prg_permit *permit, enum prg_act act, struct base_err *err)
{
    enum base_status status = prg_permit_check(permit, act, err);
    if (status == BASE_OK && !permit->for_chip) {
        blame(f, "a permit for any chip was handed to the programmer");
    }
    return status == BASE_OK ? prg_permit_check_chip(permit, here(f)->id, err) : status;
}

enum base_status factory_plan(void *user, struct lpa_plan *ret_plan, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    memset(ret_plan, 0, sizeof(*ret_plan));
    ret_plan->bits = FACTORY_FUSES - here(f)->fuses + 1;
    (void)snprintf(ret_plan->names, sizeof(ret_plan->names), "%u bits", ret_plan->bits);
    END(BASE_E_LINK);
}

enum base_status factory_rehearse(void *user, const struct prg_permit *permit, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    enum base_status status = check_permit(f, permit, PRG_ACT_REHEARSE, err);
    if (status != BASE_OK) {
        return status;
    }
    if (chip->sealed || !chip->image) {
        return base_err_set(err, BASE_E_LOCKED, "test", 0, "beyond rehearsal");
    }
    expect_announced(f, LPA_EVENT_REHEARSE, "a rehearsal that nobody wrote down first");
    chip->key_row = fault != FAULT_LOST_REPLY; /* a cut leaves half a row */
    END(BASE_E_LINK);
}

enum base_status factory_check_rehearsed(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    if (!here(f)->key_row || here(f)->sealed) {
        return base_err_set(err, BASE_E_VERIFY, "test", 0, "not rehearsed");
    }
    END(BASE_E_LINK);
}

enum base_status factory_restrict(void *user, const struct prg_permit *permit, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    enum base_status status = check_permit(f, permit, PRG_ACT_RESTRICT, err);
    if (status != BASE_OK) {
        return status;
    }
    if (chip->sealed || !chip->key_row) {
        return base_err_set(err, BASE_E_VERIFY, "test", 0, "not rehearsed");
    }
    expect_announced(f, LPA_EVENT_FUSE_PLAN, "fuses that nobody wrote down first");
    unsigned more =
        fault == FAULT_LOST_REPLY || fault == FAULT_KILL_AFTER || fault == FAULT_POWER_AFTER
            ? 1
            : FACTORY_FUSES;
    chip->fuses = chip->fuses + more < FACTORY_FUSES ? chip->fuses + more : FACTORY_FUSES;
    END(BASE_E_LINK);
}

enum base_status factory_check_restricted(
    void *user, struct auth_record *ret_record, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    if (here(f)->fuses != FACTORY_FUSES || here(f)->sealed) {
        return base_err_set(err, BASE_E_VERIFY, "test", 0, "fuses are missing");
    }
    memset(ret_record, 0, sizeof(*ret_record));
    memcpy(ret_record->chip_id, here(f)->id, sizeof(ret_record->chip_id));
    END(BASE_E_LINK);
}

enum base_status factory_seal(void *user, const struct prg_permit *permit, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    enum base_status status = check_permit(f, permit, PRG_ACT_RESTRICT, err);
    if (status != BASE_OK) {
        return status;
    }
    if (chip->fuses != FACTORY_FUSES || chip->sealed) {
        return base_err_set(err, BASE_E_VERIFY, "test", 0, "fuses are missing");
    }
    expect_announced(f, LPA_EVENT_RESTRICT, "a last fuse that nobody wrote down first");
    if (f->lot.has_application && !chip->application) {
        blame(f, "a last fuse on a board without the lot's application");
    }
    if (row_here(f)->record_length == 0) {
        blame(f, "a last fuse before the record was durable");
    }
    chip->sealed = true;
    chip->running = true;
    END(BASE_E_LINK);
}

enum base_status factory_check_sealed(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    if (!here(f)->sealed) {
        return base_err_set(err, BASE_E_VERIFY, "test", 0, "the port is open");
    }
    END(BASE_E_LINK);
}

static bool is_confirmed(const struct factory *f, const struct chip *chip)
{
    for (size_t i = 0; i < f->grant_count; i++) {
        if (memcmp(f->grants[i].envelope_id, chip->envelope_id, 16) == 0) {
            return f->grants[i].state == GRANT_CONFIRMED;
        }
    }
    return false;
}

enum base_status factory_lock(void *user, const struct prg_permit *permit, uint32_t *ret_status,
    uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE], struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    enum base_status status = check_permit(f, permit, PRG_ACT_LOCK, err);
    if (status != BASE_OK) {
        return status;
    }
    if (chip->dark || !chip->running) {
        return base_err_set(err, BASE_E_TIMEOUT, "SWD", 0, "no mailbox");
    }
    if (chip->vault != PROTO_VAULT_COMMITTED) {
        *ret_status = PROTO_NO_RECORD;
        return BASE_OK;
    }
    expect_announced(f, LPA_EVENT_LOCK_BEGIN, "a lock that nobody wrote down first");
    if (row_here(f)->lock == LPA_LOCK_NONE) {
        blame(f, "a lock that the journal does not announce");
    }
    if (!is_confirmed(f, chip)) {
        blame(f, "a lock before the KMS confirmed the unit");
    }
    struct proto_lock_answer answer = { .key_version = chip->key_version };
    memcpy(answer.chip_id, chip->id, sizeof(answer.chip_id));
    memcpy(answer.envelope_id, chip->envelope_id, sizeof(answer.envelope_id));
    proto_lock_answer_encode(&answer, ret_answer);
    *ret_status = chip->locked ? PROTO_ALREADY : PROTO_OK;
    chip->locked = true;
    END(BASE_E_LINK);
}

enum base_status factory_reset(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    struct chip *chip = here(f);
    const struct lpa_unit *row = row_here(f);
    if (chip->locked && !chip->dark && !f->no_swap && row->lock_answer_length == 0) {
        blame(f, "a reset before the lock answer was durable");
    }
    chip->dark = chip->locked;
    END(BASE_E_LINK);
}

enum base_status factory_check_locked(void *user, struct base_err *err)
{
    BEGIN(BASE_E_LINK)
    if (!here(f)->dark) {
        return base_err_set(err, BASE_E_VERIFY, "test", 0, "the port is open");
    }
    END(BASE_E_LINK);
}
