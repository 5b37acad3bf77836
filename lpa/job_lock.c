/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the step table that shut the port for good: lock, prove, report; and what a crash
 * between them leaves to be settled. */
#include "base/hash.h"
#include "base/hex.h"
#include "lpa/job_table.h"

#include <string.h>

static bool wants_lock(const struct lpa_job *job)
{
    return (lpa_job_acts(&job->lot, job->opts.stage) & PRG_ACT_LOCK) != 0 && job->confirmed &&
           !job->work_open && job->unit.state != LPA_STATE_ZEROISED;
}

static struct lpa_event lock_event(const struct lpa_job *job, enum lpa_event_id id)
{
    struct lpa_event event = lpa_job_event(job, id);
    event.permit_id = job->unit.permit_id;
    event.grant_id = job->unit.grant_id;
    event.dev_eui = job->unit.dev_eui;
    event.key_version = job->unit.key_version;
    return event;
}

/* --- lock: from here on the chip opens its port no more --- */

bool lpa_due_lock(const struct lpa_job *job)
{
    return wants_lock(job) && job->have_hello && !job->lock_answered;
}

/* In the journal before the command: a crash after it leaves "lock unknown", never "not locked". */
void lpa_announce_lock(struct lpa_job *job)
{
    if (job->unit.lock < LPA_LOCK_BEGUN) {
        job->unit.lock = LPA_LOCK_BEGUN;
    }
}

static enum base_status may_lock(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = lpa_job_same_chip(job, err);
    if (status == BASE_OK) {
        status = lpa_job_need_permit(job, PRG_ACT_LOCK, err);
    }
    if (status == BASE_OK) {
        struct lpa_event event = lock_event(job, LPA_EVENT_LOCK_BEGIN);
        status = lpa_job_announce(job, &event, err);
    }
    return status;
}

static enum base_status lock_unknown(
    struct lpa_job *job, const struct base_err *cause, struct base_err *err)
{
    struct lpa_event event = lock_event(job, LPA_EVENT_LOCK_UNKNOWN);
    event.result = "unknown";
    event.code = cause->code;
    event.text = cause->message;
    (void)!lpa_job_log(job, &event, NULL);
    return lpa_job_refuse(err, BASE_E_LINK, "lock_unknown",
        "the lock command went out and its answer did not come back: %s", cause->message);
}

enum base_status lpa_do_lock(struct lpa_job *job, struct base_err *err)
{
    struct base_err cause = { 0 };
    uint32_t answer = 0;
    uint8_t bytes[PROTO_LOCK_ANSWER_SIZE];
    bool earlier = job->hello.vault_state == PROTO_VAULT_LOCKED;
    enum base_status status = may_lock(job, err);
    if (status == BASE_OK) {
        status =
            job->io->device->lock(job->io->device_user, &job->permit.prg, &answer, bytes, &cause);
        if (status != BASE_OK) {
            return lock_unknown(job, &cause, err);
        }
        if (answer == PROTO_OK || answer == PROTO_ALREADY) {
            memcpy(job->unit.lock_answer, bytes, sizeof(bytes));
            job->unit.lock_answer_length = sizeof(bytes);
            return BASE_OK;
        }
        status = base_err_set(err, BASE_E_TARGET, "device", answer,
            "the device refused to lock: %s", proto_status_text(answer));
    }
    if (!earlier && job->unit.lock == LPA_LOCK_BEGUN) {
        job->unit.lock = LPA_LOCK_NONE; /* nothing was sent, or the chip said no */
    }
    return status;
}

static const char *answer_fault(const struct lpa_job *job, const struct proto_lock_answer *answer)
{
    struct proto_receipt receipt;
    char id[AUTH_GRANT_ID_SIZE];
    base_hex_encode(answer->envelope_id, sizeof(answer->envelope_id), id);
    if (memcmp(answer->chip_id, job->unit.chip_id, sizeof(answer->chip_id)) != 0) {
        return "another chip";
    }
    if (strcmp(id, job->unit.grant_id) != 0) {
        return "another grant";
    }
    if (answer->key_version != job->unit.key_version) {
        return "another key version";
    }
    bool have =
        proto_receipt_decode(job->unit.receipt, job->unit.receipt_length, &receipt) == PROTO_OK;
    if (have &&
        memcmp(receipt.record_hash, answer->record_hash, sizeof(receipt.record_hash)) != 0) {
        return "another record than the receipt's";
    }
    return NULL;
}

/* The answer goes into the journal with this row, before the reset after which it is gone. */
enum base_status lpa_check_lock(struct lpa_job *job, struct base_err *err)
{
    struct proto_lock_answer answer;
    enum proto_status decoded =
        proto_lock_answer_decode(job->unit.lock_answer, job->unit.lock_answer_length, &answer);
    const char *fault =
        decoded == PROTO_OK ? answer_fault(job, &answer) : proto_status_text(decoded);
    if (fault != NULL) {
        job->unit.lock_answer_length = 0;
        return lpa_job_refuse(err, BASE_E_VERIFY, "lock_answer_wrong",
            "the device's lock answer does not fit this unit: %s", fault);
    }
    job->unit.lock = LPA_LOCK_ANSWERED;
    job->unit.state = LPA_STATE_LOCKED;
    job->lock_answered = true;
    return BASE_OK;
}

/* --- prove: from outside --- */

bool lpa_due_prove(const struct lpa_job *job)
{
    return job->lock_answered && !job->lock_proven;
}

enum base_status lpa_do_prove(struct lpa_job *job, struct base_err *err)
{
    return job->io->device->reset(job->io->device_user, err);
}

enum base_status lpa_check_prove(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = job->io->device->check_locked(job->io->device_user, err);
    if (status == BASE_OK) {
        job->lock_proven = true;
        job->unit.lock = LPA_LOCK_PROVEN;
    }
    return status;
}

/* --- report: the KMS counts the unit as locked --- */

static enum base_status hand_in(const struct lpa_job_io *io, struct lpa_unit *unit,
    const struct lpa_event *about, struct base_err *err)
{
    struct base_err cause = { 0 };
    uint8_t hash[BASE_SHA256_BYTES];
    enum base_status status = io->kms->lock(
        io->kms_user, unit->grant_id, unit->lock_answer, unit->lock_answer_length, &cause);
    if (status != BASE_OK) {
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return status;
    }
    base_sha256(unit->lock_answer, unit->lock_answer_length, hash);
    struct lpa_event event = *about;
    event.result = "ok";
    event.receipt_sha256 = hash;
    event.text = unit->lock == LPA_LOCK_PROVEN ? "every access port refuses" : "port not seen yet";
    status = io->log->append(io->log_user, &event, err);
    if (status == BASE_OK) {
        unit->lock = unit->lock == LPA_LOCK_PROVEN ? LPA_LOCK_DONE : LPA_LOCK_REPORTED;
    }
    return status;
}

bool lpa_due_report(const struct lpa_job *job)
{
    return job->lock_proven && !job->lock_reported;
}

enum base_status lpa_do_report(struct lpa_job *job, struct base_err *err)
{
    struct lpa_event event = lock_event(job, LPA_EVENT_LOCK_DONE);
    struct base_err cause = { 0 };
    unsigned tries = 0;
    enum base_status status = BASE_OK;
    do {
        base_err_clear(&cause);
        status = hand_in(job->io, &job->unit, &event, &cause);
    } while (lpa_job_again(job, &cause, &tries));
    if (status != BASE_OK && err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    return status;
}

enum base_status lpa_check_report(struct lpa_job *job, struct base_err *err)
{
    (void)err;
    job->lock_reported = true;
    return BASE_OK;
}

/* --- afterwards --- */

/* Locked, proven and handed in, but the job did not live to say so. */
static bool is_unfinished(const struct lpa_unit *unit)
{
    return unit->lock == LPA_LOCK_DONE && unit->result != LPA_RESULT_PASS;
}

/* A person settled it, and the KMS has not been told. */
static bool is_settled_untold(const struct lpa_unit *unit)
{
    return unit->lock == LPA_LOCK_SETTLED && unit->result != LPA_RESULT_PASS;
}

bool lpa_job_owes_lock(const struct lpa_unit *unit)
{
    bool answer = unit->lock == LPA_LOCK_ANSWERED || unit->lock == LPA_LOCK_PROVEN;
    return (answer && unit->lock_answer_length != 0) || is_unfinished(unit) ||
           is_settled_untold(unit);
}

static struct lpa_event settle_event(const struct lpa_unit *unit)
{
    struct lpa_event event = { .id = LPA_EVENT_LOCK_DONE,
        .lot = unit->lot,
        .attempt = unit->attempt,
        .site = unit->site,
        .step = "settle",
        .chip_id = unit->chip_id,
        .permit_id = unit->permit_id,
        .grant_id = unit->grant_id,
        .dev_eui = unit->dev_eui,
        .key_version = unit->key_version };
    return event;
}

/* The row as it shall stand, with the unit's result in log and journal where it is done. */
static enum base_status finish_row(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err)
{
    bool done = unit->lock == LPA_LOCK_DONE || unit->lock == LPA_LOCK_SETTLED;
    if (done) {
        struct lpa_event event = settle_event(unit);
        event.id = LPA_EVENT_UNIT_RESULT;
        event.result = "ok";
        enum base_status status = io->log->append(io->log_user, &event, err);
        if (status != BASE_OK) {
            return status;
        }
        unit->state = LPA_STATE_LOCKED;
        unit->result = LPA_RESULT_PASS;
        unit->permanent = false;
        unit->code[0] = '\0';
        unit->message[0] = '\0';
    }
    unit->updated_wall_us = base_clock_wall_us(io->clock);
    return io->journal->put(io->journal_user, unit, err);
}

enum base_status lpa_job_settle_lock(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err)
{
    struct lpa_event event = settle_event(unit);
    enum base_status status = BASE_OK;
    if (is_settled_untold(unit)) {
        status = io->kms->settle(io->kms_user, unit->grant_id, unit->permit_id, err);
    } else if (!is_unfinished(unit)) {
        status = hand_in(io, unit, &event, err);
    }
    return status == BASE_OK ? finish_row(io, unit, err) : status;
}

/* A board that still says who it is needs no label. Looking resets it. */
static enum base_status see_locked(const struct lpa_job_io *io, struct base_err *err)
{
    struct lpa_exam exam;
    struct base_err cause = { 0 };
    enum base_status status = io->device->examine(io->device_user, &exam, &cause);
    if (status == BASE_OK) {
        char chip[2 * PROTO_CHIP_ID_SIZE + 1];
        base_hex_encode(exam.chip_id, sizeof(exam.chip_id), chip);
        return lpa_job_refuse(err, BASE_E_DENIED, "not_locked",
            "the board at this site is not locked and says that it is chip %s: run it again", chip);
    }
    if (strcmp(cause.code, "port_locked") != 0) {
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return status;
    }
    return io->device->check_locked(io->device_user, err);
}

enum base_status lpa_job_settle_by_label(const struct lpa_job_io *io,
    const struct lpa_permit *permit, struct lpa_unit *unit, struct base_err *err)
{
    bool answered = unit->lock == LPA_LOCK_ANSWERED || unit->lock == LPA_LOCK_REPORTED;
    if (unit->lock != LPA_LOCK_BEGUN && !answered && !is_settled_untold(unit)) {
        return lpa_job_refuse(err, BASE_E_DENIED, "nothing_to_settle",
            "the lock of this unit is not unknown (%s); there is nothing to settle",
            lpa_lock_name(unit->lock));
    }
    enum base_status status =
        lpa_permit_allows(permit, PRG_ACT_SETTLE, base_clock_wall_us(io->clock), err);
    if (status == BASE_OK) {
        status = prg_permit_check_chip(&permit->prg, unit->chip_id, err);
    }
    if (status == BASE_OK && !permit->prg.for_chip) {
        return lpa_job_refuse(err, BASE_E_DENIED, "permit_chip",
            "permit %s is for all chips of the lot, and a lock is settled under one that names the "
            "chip alone; nothing was done",
            permit->prg.id);
    }
    if (status != BASE_OK) {
        return status;
    }
    memcpy(unit->permit_id, permit->prg.id, sizeof(unit->permit_id));
    struct lpa_event event = settle_event(unit);
    struct lpa_intent intent = { 0 };
    event.text = "to be settled by label and permit";
    status = io->log->intent(io->log_user, &event, &intent, err);
    lpa_intent_done(&intent);
    if (status == BASE_OK) {
        status = see_locked(io, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (answered) {
        unit->lock = unit->lock == LPA_LOCK_ANSWERED ? LPA_LOCK_PROVEN : LPA_LOCK_DONE;
    } else {
        unit->lock = LPA_LOCK_SETTLED;
    }
    event.result = "ok";
    event.code = unit->lock == LPA_LOCK_SETTLED ? "settled" : NULL;
    event.text = "settled by label and permit; every access port refuses";
    status = io->log->append(io->log_user, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    /* In the journal first: the KMS is owed it even if this is cut. A lock that is done owes
     * nothing more than its result. */
    unit->result = unit->lock == LPA_LOCK_SETTLED ? LPA_RESULT_NONE : unit->result;
    unit->updated_wall_us = base_clock_wall_us(io->clock);
    status = io->journal->put(io->journal_user, unit, err);
    return status == BASE_OK && lpa_job_owes_lock(unit) ? lpa_job_settle_lock(io, unit, err)
                                                        : status;
}
