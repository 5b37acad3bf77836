/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/job.h"

#include "base/hex.h"
#include "base/secret.h"
#include "lpa/job_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The longest legal way (old bootloader, receipt, program, restrict, rework, lock) takes 26 rows.
 */
#define STEPS_MAX 32U

/* What is still open after these tries goes to the operator as UNKNOWN. */
#define TRIES_MAX   3U
#define BACK_OFF_US INT64_C(400000)

void lpa_intent_done(struct lpa_intent *intent)
{
    if (intent != NULL) {
        free(intent->record);
        free(intent->proof);
        free(intent->checkpoint);
        memset(intent, 0, sizeof(*intent));
    }
}

enum base_status lpa_job_refuse(
    struct base_err *err, enum base_status status, const char *code, const char *format, ...)
{
    char text[BASE_ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (err != NULL && err->status == BASE_OK) {
        (void)base_err_set(err, status, "job", 0, "%s", text);
        base_err_set_code(err, code);
    }
    return status;
}

/* One sentence for every file that is not the lot's. */
static enum base_status differs(const struct auth_lot *lot, const char *code, const char *what,
    const uint8_t *wanted, const uint8_t *got, size_t length, struct base_err *err)
{
    char wanted_text[65];
    char got_text[65];
    if (memcmp(wanted, got, length) == 0) {
        return BASE_OK;
    }
    base_hex_encode(wanted, length, wanted_text);
    base_hex_encode(got, length, got_text);
    return lpa_job_refuse(err, BASE_E_VERIFY, code,
        "lot %s is for the %s %s, but the file's is %s; give the lot's own", lot->id, what,
        wanted_text, got_text);
}

static enum base_status admit_policies(const struct auth_lot *lot, struct base_err *err)
{
    bool secure = lot->restrict_policy == AUTH_RESTRICT_SECURE;
    if (strcmp(lot->chip, "psoc6-ble2") != 0) {
        return lpa_job_refuse(err, BASE_E_UNSUPPORTED, "lot_chip",
            "lot %s is for chip type %s, which this version does not know; psoc6-ble2 is the one "
            "it works with",
            lot->id, lot->chip);
    }
    if (lot->lock_policy == AUTH_LOCK_DARK) {
        return lpa_job_refuse(err, BASE_E_UNSUPPORTED, "lot_lock",
            "lot %s demands dark pins, which this version cannot do; nothing was touched; use a "
            "lot with lock none or aps",
            lot->id);
    }
    if (lot->lock_policy != AUTH_LOCK_NONE && !secure) {
        return lpa_job_refuse(err, BASE_E_UNSUPPORTED, "lot_lock",
            "lot %s demands a locked port on boards that are not restricted, which locks nothing; "
            "nothing was touched",
            lot->id);
    }
    if (lot->trust == AUTH_TRUST_ATTESTED && !secure) {
        return lpa_job_refuse(err, BASE_E_UNSUPPORTED, "lot_trust",
            "lot %s demands attested devices without restricted ports, which attests nothing; "
            "nothing was touched",
            lot->id);
    }
    return BASE_OK;
}

static void version_text(uint32_t version, char ret_text[16])
{
    (void)snprintf(
        ret_text, 16, "%u.%u.%u", version >> 24, version >> 16 & 0xFFU, version & 0xFFFFU);
}

static enum base_status admit_application(
    const struct auth_lot *lot, const struct lpa_local *local, struct base_err *err)
{
    char wanted[16];
    char got[16];
    if (!lot->has_application && !local->have_application) {
        return BASE_OK;
    }
    if (!lot->has_application) {
        return lpa_job_refuse(err, BASE_E_ARG, "application_unwanted",
            "lot %s names no application, so none is programmed; leave --application out, or use "
            "the lot that was made with it",
            lot->id);
    }
    version_text(lot->application_version, wanted);
    if (!local->have_application) {
        return lpa_job_refuse(err, BASE_E_ARG, "application_missing",
            "lot %s names an application, version %s: give its file with --application", lot->id,
            wanted);
    }
    version_text(local->application_version, got);
    if (local->application_version < lot->application_version) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "application_old",
            "lot %s is for application version %s, but the file's is the older %s; give the lot's "
            "own",
            lot->id, wanted, got);
    }
    return differs(lot, "application_differs", "application with SHA-256", lot->application_sha256,
        local->application_sha256, sizeof(lot->application_sha256), err);
}

enum base_status lpa_job_admit(
    const struct auth_lot *lot, const struct lpa_local *local, struct base_err *err)
{
    if (lot->closed) {
        return lpa_job_refuse(err, BASE_E_DENIED, "lot_closed",
            "lot %s is closed; ask the KMS operator for an open lot", lot->id);
    }
    enum base_status status = admit_policies(lot, err);
    if (status == BASE_OK) {
        status = differs(lot, "image_differs", "image with SHA-256", lot->image_sha256,
            local->image_sha256, sizeof(lot->image_sha256), err);
    }
    if (status == BASE_OK) {
        status = admit_application(lot, local, err);
    }
    if (status != BASE_OK || lot->restrict_policy != AUTH_RESTRICT_SECURE) {
        return status;
    }
    if (!local->have_key) {
        return lpa_job_refuse(err, BASE_E_ARG, "key_missing",
            "lot %s restricts its boards: give the image's public key with --image-key", lot->id);
    }
    status = differs(lot, "key_differs", "image key with SHA-256", lot->key_sha256,
        local->key_sha256, sizeof(lot->key_sha256), err);
    return status == BASE_OK ? differs(lot, "hash_differs", "SECURE_HASH", lot->secure_hash,
                                   local->secure_hash, sizeof(local->secure_hash), err)
                             : status;
}

void lpa_job_init(struct lpa_job *job, const struct lpa_job_io *io, const struct lpa_job_opts *opts)
{
    memset(job, 0, sizeof(*job));
    job->io = io;
    job->lot = *opts->lot;
    job->opts = *opts;
    job->opts.lot = NULL;
    job->opts.site = NULL;
    memcpy(job->unit.lot, opts->lot->id, sizeof(job->unit.lot));
    if (opts->site != NULL) {
        (void)snprintf(job->unit.site, sizeof(job->unit.site), "%s", opts->site);
    }
    job->unit.started_wall_us = base_clock_wall_us(io->clock);
}

void lpa_job_done(struct lpa_job *job)
{
    if (job != NULL) {
        base_wipe(&job->grant, sizeof(job->grant));
        base_wipe(job->join_request, sizeof(job->join_request));
    }
}

bool lpa_job_again(const struct lpa_job *job, const struct base_err *cause, unsigned *tries)
{
    bool open = cause->status == BASE_E_REMOTE && strcmp(cause->code, "unknown") == 0;
    if (!open || ++*tries >= TRIES_MAX) {
        return false;
    }
    base_clock_sleep_us(job->io->clock, BACK_OFF_US * (int64_t)*tries);
    return true;
}

struct lpa_event lpa_job_event(const struct lpa_job *job, enum lpa_event_id id)
{
    struct lpa_event event = {
        .id = id,
        .lot = job->lot.id,
        .attempt = job->unit.attempt,
        .site = job->unit.site,
        .probe = &job->unit.probe,
        .step = lpa_step_name(lpa_job_at(job)),
        .chip_id = job->examined ? job->unit.chip_id : NULL,
    };
    return event;
}

enum base_status lpa_job_log(
    struct lpa_job *job, const struct lpa_event *event, struct base_err *err)
{
    return job->io->log->append(job->io->log_user, event, err);
}

enum base_status lpa_job_same_chip(struct lpa_job *job, struct base_err *err)
{
    struct proto_hello hello;
    enum base_status status = job->io->device->hello(job->io->device_user, &hello, err);
    if (status != BASE_OK) {
        return status;
    }
    if (memcmp(hello.chip_id, job->unit.chip_id, sizeof(hello.chip_id)) != 0) {
        char was[17];
        char is[17];
        base_hex_encode(job->unit.chip_id, 8, was);
        base_hex_encode(hello.chip_id, 8, is);
        return lpa_job_refuse(err, BASE_E_VERIFY, "board_changed",
            "the board at this site was chip %s and is now chip %s", was, is);
    }
    job->hello = hello;
    job->have_hello = true;
    return BASE_OK;
}

/* Memory before a do and after a check. What a check found is durable at the latest with the row
 * before the next do, since nothing happens to the board between the two; the last row of a job
 * is durable at once. A power cut that takes a noted row leaves the board as one before that row,
 * which the next run finds out by itself. The trace lines let a test stop the program at exactly
 * this place: the first comes before the write, the second before what follows it. */
static enum base_status journal(
    struct lpa_job *job, enum lpa_step_id step, enum lpa_phase phase, struct base_err *err)
{
    char chip[17] = "-";
    job->journal_no++;
    job->unit.step = step;
    job->unit.phase = phase;
    job->unit.updated_wall_us = base_clock_wall_us(job->io->clock);
    if (job->examined) {
        base_hex_encode(job->unit.chip_id, sizeof(job->unit.chip_id), chip);
    }
    const char *when = phase == LPA_PHASE_DO ? "do" : "done";
    base_log(job->io->trace, BASE_LOG_TRACE, "journal %u %s %s %s %s", job->journal_no,
        lpa_step_name(step), when, lpa_state_name(job->unit.state), chip);
    if (job->examined) {
        /* Before examination there is no chip id, so there is nothing that could be remembered. */
        bool durable = phase == LPA_PHASE_DO || job->finished;
        enum base_status status =
            durable ? job->io->journal->put(job->io->journal_user, &job->unit, err)
                    : job->io->journal->note(job->io->journal_user, &job->unit, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    base_log(job->io->trace, BASE_LOG_TRACE, "journaled %u %s %s", job->journal_no,
        lpa_step_name(step), when);
    return BASE_OK;
}

static enum lpa_job_next stop(struct lpa_job *job, enum lpa_step_id step, struct base_err *err)
{
    job->failure.step = step;
    job->failure.err = *err;
    lpa_failure_classify(&job->failure);
    job->unit.result = job->failure.kind;
    job->unit.permanent = job->failure.permanent;
    memcpy(job->unit.code, err->code, sizeof(job->unit.code));
    memcpy(job->unit.message, err->message, sizeof(job->unit.message));
    if (job->failure.err.code[0] == '\0') {
        base_err_set_code(&job->failure.err, base_status_name(err->status));
    }
    if (job->examined) {
        /* Best effort: the cause that is reported is the first one, not what follows from it. */
        struct base_err ignored = { 0 };
        struct lpa_event event = lpa_job_event(job, LPA_EVENT_UNIT_RESULT);
        event.step = lpa_step_name(step);
        event.result = job->failure.kind == LPA_RESULT_UNKNOWN ? "unknown" : "fail";
        event.code = job->failure.err.code;
        event.text = err->message;
        if (err->status != BASE_E_AUDIT) {
            (void)!lpa_job_log(job, &event, &ignored);
        }
        base_err_clear(&ignored);
        job->finished = true;
        (void)!journal(job, step, LPA_PHASE_DONE, &ignored);
    }
    job->finished = true;
    return LPA_JOB_STOPPED;
}

static const struct lpa_step *choose(struct lpa_job *job)
{
    for (size_t i = 0; i < lpa_job_step_count; i++) {
        if (lpa_job_steps[i].due(job)) {
            job->step_index = (uint8_t)i;
            return &lpa_job_steps[i];
        }
    }
    return NULL;
}

enum lpa_step_id lpa_job_at(const struct lpa_job *job)
{
    if (job->finished) {
        return LPA_STEP_FINISH;
    }
    if (job->at_check) {
        return lpa_job_steps[job->step_index].id;
    }
    for (size_t i = 0; i < lpa_job_step_count; i++) {
        if (lpa_job_steps[i].due(job)) {
            return lpa_job_steps[i].id;
        }
    }
    return LPA_STEP_NONE;
}

static enum lpa_job_next run_act(struct lpa_job *job, struct base_err *err)
{
    const struct lpa_step *step = choose(job);
    if (step == NULL || job->steps_done >= STEPS_MAX) {
        (void)lpa_job_refuse(err, BASE_E_INTERNAL, "no_way",
            "no step of the job fits this unit (state %s, vault %u, KMS %d)",
            lpa_state_name(job->unit.state), job->hello.vault_state, (int)job->known.state);
        return stop(job, LPA_STEP_NONE, err);
    }
    job->steps_done++;
    job->at_check = true;
    if (step->announce != NULL) {
        step->announce(job);
    }
    if (journal(job, step->id, LPA_PHASE_DO, err) != BASE_OK || step->act(job, err) != BASE_OK) {
        return stop(job, step->id, err);
    }
    return LPA_JOB_MORE;
}

static enum lpa_job_next run_check(struct lpa_job *job, struct base_err *err)
{
    const struct lpa_step *step = &lpa_job_steps[job->step_index];
    if (step->check(job, err) != BASE_OK ||
        journal(job, step->id, LPA_PHASE_DONE, err) != BASE_OK) {
        return stop(job, step->id, err);
    }
    job->at_check = false;
    return job->finished ? LPA_JOB_PASS : LPA_JOB_MORE;
}

enum lpa_job_next lpa_job_step(struct lpa_job *job)
{
    struct base_err err = { 0 };
    if (job->finished) {
        return job->unit.result == LPA_RESULT_PASS ? LPA_JOB_PASS : LPA_JOB_STOPPED;
    }
    return job->at_check ? run_check(job, &err) : run_act(job, &err);
}

bool lpa_job_owes(const struct lpa_unit *unit)
{
    bool receipt = unit->state == LPA_STATE_INSTALLED && unit->receipt_length != 0;
    return receipt || lpa_job_owes_lock(unit) || lpa_job_owes_wipe(unit);
}

/* A locked unit that got new keys is still locked; one whose keys were taken off holds none. */
static enum lpa_state confirmed_state(const struct lpa_unit *unit)
{
    struct proto_receipt receipt;
    bool good = proto_receipt_decode(unit->receipt, unit->receipt_length, &receipt) == PROTO_OK;
    if (good && receipt.purpose == PROTO_PURPOSE_ZEROISE) {
        return LPA_STATE_ZEROISED;
    }
    bool locked = unit->lock == LPA_LOCK_DONE || unit->lock == LPA_LOCK_SETTLED;
    return locked ? LPA_STATE_LOCKED : LPA_STATE_CONFIRMED;
}

enum base_status lpa_job_settle(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err)
{
    if (lpa_job_owes_lock(unit)) {
        return lpa_job_settle_lock(io, unit, err);
    }
    if (lpa_job_owes_wipe(unit)) {
        return lpa_job_settle_wipe(io, unit, err);
    }
    if (!lpa_job_owes(unit)) {
        return BASE_OK;
    }
    struct auth_confirmation confirmation = { 0 };
    struct base_err cause = { 0 };
    enum base_status status = io->kms->confirm(
        io->kms_user, unit->grant_id, unit->receipt, unit->receipt_length, &confirmation, &cause);
    struct lpa_event event = { .id = LPA_EVENT_INSTALL_CONFIRM,
        .lot = unit->lot,
        .attempt = unit->attempt,
        .site = unit->site,
        .probe = &unit->probe,
        .step = "settle",
        .chip_id = unit->chip_id,
        .grant_id = unit->grant_id,
        .key_version = unit->key_version };
    if (status == BASE_OK) {
        unit->state = confirmed_state(unit);
        memcpy(unit->dev_eui, confirmation.dev_eui, sizeof(unit->dev_eui));
        event.dev_eui = unit->dev_eui;
        event.result = "ok";
    } else if (strcmp(cause.code, "grant_scrapped") == 0) {
        unit->state = LPA_STATE_SCRAPPED;
        event.result = "fail";
        event.code = cause.code;
    } else {
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return status;
    }
    unit->updated_wall_us = base_clock_wall_us(io->clock);
    status = io->log->append(io->log_user, &event, err);
    return status == BASE_OK ? io->journal->put(io->journal_user, unit, err) : status;
}
