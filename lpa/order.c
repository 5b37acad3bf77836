/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/order.h"

#include "base/hex.h"
#include "lpa/job_table.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum base_status keep(struct lpa_job *job, enum lpa_phase phase, struct base_err *err)
{
    job->unit.step = LPA_STEP_GRANT;
    job->unit.phase = phase;
    job->unit.updated_wall_us = base_clock_wall_us(job->io->clock);
    return job->io->journal->put(job->io->journal_user, &job->unit, err);
}

static enum base_status begin(
    struct lpa_job *job, const uint8_t statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    bool found = false;
    struct lpa_unit row;
    enum proto_status decoded =
        proto_statement_decode(statement, PROTO_STATEMENT_SIZE, &job->statement);
    if (decoded != PROTO_OK) {
        return lpa_job_refuse(err, BASE_E_PROTO, "statement_bad",
            "the device's statement is malformed: %s", proto_status_text(decoded));
    }
    enum base_status status = job->io->journal->load(
        job->io->journal_user, job->lot.id, job->statement.chip_id, &row, &found, err);
    if (status != BASE_OK) {
        return status;
    }
    if (found) {
        job->unit = row;
    }
    memcpy(job->unit.chip_id, job->statement.chip_id, sizeof(job->unit.chip_id));
    memcpy(job->unit.statement, statement, PROTO_STATEMENT_SIZE);
    job->unit.statement_length = PROTO_STATEMENT_SIZE;
    job->examined = true;
    job->have_statement = true;
    return keep(job, LPA_PHASE_DO, err);
}

/* A board that has carried the order out makes another nonce, so this statement is an old one. */
static enum base_status refuse_done(
    struct lpa_job *job, const struct auth_unit *known, struct base_err *err)
{
    bool locked = known->locked || job->unit.lock == LPA_LOCK_DONE;
    memcpy(job->unit.grant_id, known->grant_id, sizeof(job->unit.grant_id));
    memcpy(job->unit.dev_eui, known->dev_eui, sizeof(job->unit.dev_eui));
    job->unit.key_version = known->key_version;
    job->unit.receipt_length = 0;
    job->unit.state = job->grant.work == AUTH_WORK_ZEROISE ? LPA_STATE_ZEROISED
                      : locked                             ? LPA_STATE_LOCKED
                                                           : LPA_STATE_CONFIRMED;
    enum base_status status = keep(job, LPA_PHASE_DONE, err);
    return status == BASE_OK
               ? lpa_job_refuse(err, BASE_E_DENIED, "order_done",
                     "the KMS has the receipt for this statement's envelope already: the order is "
                     "carried out, and the statement is an old one")
               : status;
}

/* The KMS gives the same envelope for the same statement, whatever has become of it since. */
static enum base_status check_open(struct lpa_job *job, struct base_err *err)
{
    struct auth_unit known = { .state = AUTH_UNIT_UNKNOWN };
    if (!job->grant.repeated) {
        return BASE_OK;
    }
    enum base_status status =
        job->io->kms->get_unit(job->io->kms_user, job->unit.chip_id, &known, err);
    if (status != BASE_OK || strcmp(known.grant_id, job->grant.grant_id) != 0 ||
        known.state == AUTH_UNIT_OPEN) {
        return status;
    }
    return refuse_done(job, &known, err);
}

enum base_status lpa_order_ask(
    struct lpa_job *job, const uint8_t statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    struct base_err cause = { 0 };
    enum base_status status = begin(job, statement, err);
    if (status == BASE_OK && lpa_job_request_grant(job, &cause) != BASE_OK) {
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return cause.status;
    }
    if (status == BASE_OK) {
        status = check_open(job, err);
    }
    if (status == BASE_OK) {
        status = lpa_check_grant(job, err);
    }
    return status == BASE_OK ? keep(job, LPA_PHASE_DONE, err) : status;
}

/* --- receipt --- */

static enum base_status check_receipt(const struct lpa_unit *unit,
    const uint8_t bytes[PROTO_RECEIPT_SIZE], struct proto_receipt *ret_receipt,
    struct base_err *err)
{
    enum proto_status decoded = proto_receipt_decode(bytes, PROTO_RECEIPT_SIZE, ret_receipt);
    if (decoded != PROTO_OK) {
        return lpa_job_refuse(err, BASE_E_PROTO, "receipt_bad",
            "the device's receipt is malformed: %s", proto_status_text(decoded));
    }
    if (memcmp(ret_receipt->chip_id, unit->chip_id, sizeof(ret_receipt->chip_id)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "board_changed",
            "the receipt names another chip than the one that was said");
    }
    if (unit->state == LPA_STATE_GRANTED && ret_receipt->key_version < unit->key_version) {
        return lpa_job_refuse(err, BASE_E_DENIED, "receipt_old",
            "this receipt is for key version %u, and the envelope that was asked for has %u",
            (unsigned)ret_receipt->key_version, (unsigned)unit->key_version);
    }
    return BASE_OK;
}

static bool refused_for_good(const struct base_err *err)
{
    static const char *const codes[] = { "receipt_bad", "grant_unknown", "superseded",
        "unit_retired" };
    bool found = false;
    for (size_t i = 0; i < COUNT(codes); i++) {
        found = found || strcmp(err->code, codes[i]) == 0;
    }
    return found;
}

/* Once for each order: a receipt may be handed in again. */
static enum base_status log_order(const struct lpa_job_io *io, const struct lpa_unit *before,
    const struct lpa_unit *unit, const struct proto_receipt *receipt, struct base_err *err)
{
    bool waited = before->state == LPA_STATE_GRANTED || before->state == LPA_STATE_INSTALLED;
    if (receipt->purpose == PROTO_PURPOSE_INSTALL ||
        (!waited && strcmp(before->grant_id, unit->grant_id) == 0)) {
        return BASE_OK;
    }
    const struct lpa_event event = {
        .id = receipt->purpose == PROTO_PURPOSE_ZEROISE ? LPA_EVENT_ZEROISE : LPA_EVENT_REWORK,
        .lot = unit->lot,
        .step = "receipt",
        .chip_id = unit->chip_id,
        .grant_id = unit->grant_id,
        .dev_eui = unit->dev_eui,
        .key_version = unit->key_version,
        .result = "ok",
    };
    return io->log->append(io->log_user, &event, err);
}

enum base_status lpa_order_take_receipt(const struct lpa_job_io *io, struct lpa_unit *unit,
    const uint8_t bytes[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    const struct lpa_unit before = *unit;
    struct proto_receipt receipt;
    struct base_err cause = { 0 };
    enum base_status status = check_receipt(unit, bytes, &receipt, err);
    if (status != BASE_OK) {
        return status;
    }
    memcpy(unit->receipt, bytes, PROTO_RECEIPT_SIZE);
    unit->receipt_length = PROTO_RECEIPT_SIZE;
    base_hex_encode(receipt.envelope_id, sizeof(receipt.envelope_id), unit->grant_id);
    unit->key_version = receipt.key_version;
    unit->state = LPA_STATE_INSTALLED;
    unit->updated_wall_us = base_clock_wall_us(io->clock);
    status = io->journal->put(io->journal_user, unit, err);
    if (status != BASE_OK) {
        return status;
    }
    status = lpa_job_settle(io, unit, &cause);
    if (status != BASE_OK && refused_for_good(&cause)) {
        *unit = before;
        /* Where the journal cannot be written the receipt stays owed, and is refused again. */
        (void)!io->journal->put(io->journal_user, unit, NULL);
    }
    if (status == BASE_OK) {
        status = log_order(io, &before, unit, &receipt, &cause);
    }
    if (status != BASE_OK && err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    return status;
}

/* --- what to do now --- */

const char *lpa_order_next(const struct base_err *err)
{
    static const struct {
        const char *code;
        const char *next;
    } codes[] = {
        { "rework_needed", "Ask the KMS operator for an order for this chip: lpa-kms unit rework "
                           "or zeroise." },
        { "order_done", "Nothing is left to do; for another order let the application take a "
                        "fresh statement." },
        { "statement_bad", "Let the application take the statement anew, and see that the file "
                           "arrives whole." },
        { "receipt_bad", "Let the application give the receipt again, and see that the file "
                         "arrives whole." },
        { "receipt_old", "Give the board the envelope that was asked for, and hand in the receipt "
                         "for that one." },
        { "superseded", "Hand in the receipt for the newest envelope." },
        { "grant_unknown", "See that the file arrives whole, and that this station works for the "
                           "KMS that made the envelope." },
        { "receipt_first", "Let the application give the receipt of its last envelope, and hand "
                           "that in." },
        { "grant_scrapped", "Destroy the board." },
        { "unit_retired", "Destroy the board." },
        { "unit_elsewhere", "Say the lot that has this chip with --lot." },
        { "session_expired", "Log in again with lpa-provision login." },
        { "session_foreign", "Log in again with lpa-provision login." },
    };

    for (size_t i = 0; err->code[0] != '\0' && i < COUNT(codes); i++) {
        if (strcmp(codes[i].code, err->code) == 0) {
            return codes[i].next;
        }
    }
    if (err->status == BASE_E_REMOTE) {
        return "Nothing is lost: give the same command again once the KMS answers.";
    }
    if (err->status == BASE_E_ARG) {
        return "See lpa-provision --help.";
    }
    if (err->status == BASE_E_CORRUPT || err->status == BASE_E_VERIFY) {
        return "See that the right file is named, and that it arrived whole.";
    }
    return "Mend that, then give the same command again; nothing is lost.";
}
