/* SPDX-License-Identifier: Apache-2.0 */
/* Taking the keys off a board whose unit was scrapped, and then who it was: no step of a job,
 * because no job works such a unit any more. */
#include "base/hash.h"
#include "base/hex.h"
#include "lpa/job_table.h"

#include <string.h>

struct wiping {
    const struct lpa_job_io *io;
    const uint8_t *authority_key_id;
    struct lpa_unit *unit;
    struct proto_hello hello;
    struct proto_statement statement;
    struct auth_wipe wipe;
    struct auth_forget forget;
};

static struct lpa_event wipe_event(const struct lpa_unit *unit, enum lpa_step_id step)
{
    struct lpa_event event = { .id = LPA_EVENT_ZEROISE,
        .lot = unit->lot,
        .attempt = unit->attempt,
        .site = unit->site,
        .probe = &unit->probe,
        .step = lpa_step_name(step),
        .why = "scrapped",
        .chip_id = unit->chip_id,
        .grant_id = unit->grant_id };
    return event;
}

static enum base_status keep(const struct lpa_job_io *io, struct lpa_unit *unit,
    enum lpa_step_id step, enum lpa_phase phase, struct base_err *err)
{
    unit->step = step;
    unit->phase = phase;
    unit->updated_wall_us = base_clock_wall_us(io->clock);
    return io->journal->put(io->journal_user, unit, err);
}

/* --- the receipt --- */

bool lpa_job_owes_wipe(const struct lpa_unit *unit)
{
    return unit->state == LPA_STATE_SCRAPPED && unit->step == LPA_STEP_WIPE &&
           unit->phase == LPA_PHASE_DO && unit->receipt_length != 0;
}

static enum base_status settle(const struct lpa_job_io *io, struct lpa_unit *unit,
    struct auth_forget *ret_forget, struct base_err *err)
{
    uint8_t hash[BASE_SHA256_BYTES];
    enum base_status status = io->kms->wiped(
        io->kms_user, unit->grant_id, unit->receipt, unit->receipt_length, ret_forget, err);
    if (status != BASE_OK) {
        return status;
    }
    base_sha256(unit->receipt, unit->receipt_length, hash);
    struct lpa_event event = wipe_event(unit, LPA_STEP_WIPE);
    event.result = "ok";
    event.receipt_sha256 = hash;
    status = io->log->append(io->log_user, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    unit->state = LPA_STATE_WIPED;
    return keep(io, unit, LPA_STEP_WIPE, LPA_PHASE_DONE, err);
}

/* Without the board: what its identity is told comes when somebody has it at hand. */
enum base_status lpa_job_settle_wipe(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err)
{
    struct auth_forget forget;
    return settle(io, unit, &forget, err);
}

/* In the journal before it is handed in: it is owed even if the board never comes back. */
static enum base_status take_receipt(
    struct wiping *w, const uint8_t bytes[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    memcpy(w->unit->receipt, bytes, PROTO_RECEIPT_SIZE);
    w->unit->receipt_length = PROTO_RECEIPT_SIZE;
    enum base_status status = keep(w->io, w->unit, LPA_STEP_WIPE, LPA_PHASE_DO, err);
    return status == BASE_OK ? settle(w->io, w->unit, &w->forget, err) : status;
}

/* --- the board --- */

static enum base_status refuse_other(
    const struct wiping *w, const uint8_t chip_id[PROTO_CHIP_ID_SIZE], struct base_err *err)
{
    char chip[2 * PROTO_CHIP_ID_SIZE + 1];
    if (memcmp(chip_id, w->unit->chip_id, PROTO_CHIP_ID_SIZE) == 0) {
        return BASE_OK;
    }
    base_hex_encode(chip_id, PROTO_CHIP_ID_SIZE, chip);
    return lpa_job_refuse(err, BASE_E_DENIED, "board_changed",
        "the board at this site is chip %s, not the one to be wiped; it was left alone", chip);
}

static enum base_status hello(struct wiping *w, struct base_err *err)
{
    enum base_status status = w->io->device->hello(w->io->device_user, &w->hello, err);
    return status == BASE_OK ? refuse_other(w, w->hello.chip_id, err) : status;
}

/* *ret_outcome stays 0 where there is something to wipe; DONE: the board has forgotten all. */
static enum base_status look(struct wiping *w, enum lpa_wipe *ret_outcome, struct base_err *err)
{
    struct lpa_exam exam;
    struct base_err cause = { 0 };
    enum base_status status = w->io->device->examine(w->io->device_user, &exam, &cause);
    if (status == BASE_E_LOCKED && strcmp(cause.code, "port_locked") == 0) {
        *ret_outcome = LPA_WIPE_LOCKED;
        return BASE_OK;
    }
    if (status != BASE_OK) {
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return status;
    }
    w->unit->probe = exam.probe;
    status = refuse_other(w, exam.chip_id, err);
    if (status == BASE_OK && !exam.vault_written) {
        *ret_outcome = LPA_WIPE_NEVER;
        return BASE_OK;
    }
    if (status == BASE_OK) {
        status = w->io->device->boot(w->io->device_user, err);
    }
    if (status == BASE_OK) {
        status = hello(w, err);
    }
    if (status == BASE_OK && w->hello.vault_state == PROTO_VAULT_LOCKED) {
        *ret_outcome = LPA_WIPE_LOCKED;
    } else if (status == BASE_OK && w->hello.vault_state == PROTO_VAULT_FORGOTTEN) {
        *ret_outcome = LPA_WIPE_DONE;
    } else if (status == BASE_OK && w->hello.vault_state < PROTO_VAULT_COMMITTED) {
        *ret_outcome = LPA_WIPE_NEVER;
    }
    return status;
}

/* A wipe that was cut after the chip's commit: the chip gives the same receipt again, and only the
 * KMS can tell whose envelope it is of. */
static enum base_status resume(struct wiping *w, bool *ret_done, struct base_err *err)
{
    struct base_err cause = { 0 };
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint32_t answer = 0;
    *ret_done = false;
    if (w->hello.vault_state != PROTO_VAULT_ZEROISED) {
        return BASE_OK;
    }
    enum base_status status = w->io->device->receipt(w->io->device_user, &answer, receipt, err);
    if (status != BASE_OK || answer != PROTO_OK) {
        return status;
    }
    status = w->io->kms->wiped(
        w->io->kms_user, w->unit->grant_id, receipt, sizeof(receipt), &w->forget, &cause);
    if (status == BASE_OK) {
        *ret_done = true;
        return take_receipt(w, receipt, err);
    }
    if (strcmp(cause.code, "receipt_bad") == 0) {
        return BASE_OK; /* an order took the keys off before: once more, for the KMS's books */
    }
    if (err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    return status;
}

/* --- the envelope --- */

static const char *wipe_fault(const struct wiping *w)
{
    struct proto_envelope envelope;
    char id[AUTH_GRANT_ID_SIZE];
    const struct proto_envelope_header *header = &envelope.header;
    enum proto_status decoded =
        proto_envelope_decode(w->wipe.envelope, w->wipe.envelope_length, &envelope);
    if (decoded != PROTO_OK) {
        return proto_status_text(decoded);
    }
    base_hex_encode(header->envelope_id, sizeof(header->envelope_id), id);
    if (header->purpose != PROTO_PURPOSE_ZEROISE) {
        return "another purpose";
    }
    if (memcmp(header->chip_id, w->unit->chip_id, sizeof(header->chip_id)) != 0) {
        return "another chip";
    }
    if (memcmp(header->nonce, w->statement.nonce, sizeof(header->nonce)) != 0) {
        return "another nonce";
    }
    return strcmp(id, w->wipe.wipe_id) == 0 ? NULL : "another id";
}

/* Intent in journal and log, with the statement's bytes, before the request leaves. */
static enum base_status announce(struct wiping *w, struct base_err *err)
{
    uint8_t hash[BASE_SHA256_BYTES];
    struct lpa_intent intent = { 0 };
    struct lpa_unit *unit = w->unit;
    enum base_status status =
        w->io->device->statement(w->io->device_user, w->authority_key_id, unit->statement, err);
    if (status != BASE_OK) {
        return status;
    }
    unit->statement_length = PROTO_STATEMENT_SIZE;
    unit->receipt_length = 0;
    enum proto_status decoded =
        proto_statement_decode(unit->statement, PROTO_STATEMENT_SIZE, &w->statement);
    if (decoded != PROTO_OK) {
        return lpa_job_refuse(err, BASE_E_PROTO, "statement_bad",
            "the device's statement is malformed: %s", proto_status_text(decoded));
    }
    status = refuse_other(w, w->statement.chip_id, err);
    if (status == BASE_OK) {
        status = keep(w->io, unit, LPA_STEP_WIPE, LPA_PHASE_DO, err);
    }
    if (status == BASE_OK) {
        base_sha256(unit->statement, PROTO_STATEMENT_SIZE, hash);
        struct lpa_event event = wipe_event(unit, LPA_STEP_WIPE);
        event.statement_sha256 = hash;
        status = w->io->log->intent(w->io->log_user, &event, &intent, err);
        lpa_intent_done(&intent);
    }
    return status;
}

static enum base_status fetch(struct wiping *w, struct base_err *err)
{
    enum base_status status = w->io->kms->wipe(w->io->kms_user, w->unit->grant_id,
        w->unit->statement, w->unit->statement_length, &w->wipe, err);
    const char *fault = status == BASE_OK ? wipe_fault(w) : NULL;
    if (fault != NULL) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "envelope_wrong",
            "the KMS answered with an envelope that does not fit this board: %s", fault);
    }
    return status;
}

static enum base_status deliver(struct wiping *w, struct base_err *err)
{
    struct proto_receipt receipt;
    uint8_t bytes[PROTO_RECEIPT_SIZE];
    uint8_t hash[BASE_SHA256_BYTES];
    uint32_t answer = 0;
    enum base_status status = w->io->device->zeroise(
        w->io->device_user, w->wipe.envelope, w->wipe.envelope_length, &answer, bytes, err);
    if (status == BASE_OK && answer != PROTO_OK && answer != PROTO_ALREADY) {
        return base_err_set(err, BASE_E_TARGET, "device", answer,
            "the device refused the envelope that wipes it: %s", proto_status_text(answer));
    }
    if (status != BASE_OK) {
        return status;
    }
    base_sha256(w->wipe.envelope, w->wipe.envelope_length, hash);
    if (proto_receipt_decode(bytes, sizeof(bytes), &receipt) != PROTO_OK ||
        memcmp(receipt.envelope_hash, hash, sizeof(hash)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "receipt_foreign",
            "the device's receipt is for another envelope than the one written");
    }
    return take_receipt(w, bytes, err);
}

/* What the board itself says afterwards. */
static enum base_status check(struct wiping *w, struct base_err *err)
{
    enum base_status status = hello(w, err);
    if (status == BASE_OK && w->hello.vault_state != PROTO_VAULT_ZEROISED) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "not_wiped",
            "the device gave the receipt of a wipe and does not say that it is wiped");
    }
    return status;
}

/* --- and then the identity --- */

/* The board is at its end; was it this KMS's word that brought it there? */
static enum base_status was_told(struct wiping *w, struct base_err *err)
{
    struct auth_unit known;
    enum base_status status = BASE_OK;
    if (lpa_job_owes_wipe(w->unit)) {
        return lpa_job_settle_wipe(w->io, w->unit, err);
    }
    if (w->unit->state == LPA_STATE_WIPED || w->unit->state == LPA_STATE_FORGOTTEN) {
        return BASE_OK;
    }
    status = w->io->kms->get_unit(w->io->kms_user, w->unit->chip_id, &known, err);
    if (status == BASE_OK && !known.wiped) {
        return lpa_job_refuse(err, BASE_E_DENIED, "forgotten",
            "the board says that it has forgotten its keys and its identity, and the KMS knows of "
            "no receipt of that: was it restored from an older copy? Destroy the board");
    }
    return status;
}

static enum base_status note_forgotten(struct wiping *w, struct base_err *err)
{
    struct lpa_event event = wipe_event(w->unit, LPA_STEP_FORGET);
    event.result = "ok";
    enum base_status status = w->io->log->append(w->io->log_user, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    w->unit->state = LPA_STATE_FORGOTTEN;
    return keep(w->io, w->unit, LPA_STEP_FORGET, LPA_PHASE_DONE, err);
}

/* The KMS has the receipt by now, so that the chip need not be able to give it again. */
static enum base_status forget(struct wiping *w, enum lpa_wipe *ret_outcome, struct base_err *err)
{
    uint32_t answer = 0;
    if (!w->forget.given) {
        *ret_outcome = LPA_WIPE_OLD_KMS;
        return BASE_OK;
    }
    struct lpa_event event = wipe_event(w->unit, LPA_STEP_FORGET);
    enum base_status status = keep(w->io, w->unit, LPA_STEP_FORGET, LPA_PHASE_DO, err);
    if (status == BASE_OK) {
        status = w->io->log->append(w->io->log_user, &event, err);
    }
    if (status == BASE_OK) {
        status = w->io->device->forget(w->io->device_user, w->forget.confirmation, &answer, err);
    }
    if (status == BASE_OK && answer == PROTO_BAD_COMMAND) {
        *ret_outcome = LPA_WIPE_OLD_BOOTLOADER;
        event.result = "fail";
        event.code = "old_bootloader";
        status = w->io->log->append(w->io->log_user, &event, err);
        return status == BASE_OK ? keep(w->io, w->unit, LPA_STEP_WIPE, LPA_PHASE_DONE, err)
                                 : status;
    }
    if (status == BASE_OK && answer != PROTO_OK && answer != PROTO_FORGOTTEN) {
        return base_err_set(err, BASE_E_TARGET, "device", answer,
            "the device refused to forget its identity: %s", proto_status_text(answer));
    }
    if (status == BASE_OK) {
        status = hello(w, err);
    }
    if (status == BASE_OK && w->hello.vault_state != PROTO_VAULT_FORGOTTEN) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "not_forgotten",
            "the device was told to forget its identity and does not say that it has");
    }
    if (status == BASE_OK) {
        *ret_outcome = LPA_WIPE_DONE;
        status = note_forgotten(w, err);
    }
    return status;
}

enum base_status lpa_job_wipe(const struct lpa_job_io *io,
    const uint8_t authority_key_id[PROTO_KEY_ID_SIZE], struct lpa_unit *unit,
    enum lpa_wipe *ret_outcome, struct base_err *err)
{
    struct wiping w = { .io = io, .authority_key_id = authority_key_id, .unit = unit };
    enum lpa_wipe outcome = 0;
    bool done = false;
    enum base_status status = look(&w, &outcome, err);
    if (status == BASE_OK && outcome == LPA_WIPE_DONE) {
        status = was_told(&w, err);
        if (status == BASE_OK) {
            status = note_forgotten(&w, err);
        }
    }
    if (status == BASE_OK && outcome == 0) {
        status = resume(&w, &done, err);
    }
    if (status == BASE_OK && outcome == 0 && !done) {
        status = announce(&w, err);
        if (status == BASE_OK) {
            status = fetch(&w, err);
        }
        if (status == BASE_OK) {
            status = deliver(&w, err);
        }
    }
    if (status == BASE_OK && outcome == 0) {
        status = check(&w, err);
        if (status == BASE_OK) {
            status = forget(&w, &outcome, err);
        }
    }
    base_wipe(&w.wipe, sizeof(w.wipe));
    if (status == BASE_OK) {
        *ret_outcome = outcome;
    }
    return status;
}
