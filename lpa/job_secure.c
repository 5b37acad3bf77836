/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the step table that close the port: rehearse, restrict, seal. */
#include "base/hash.h"
#include "base/hex.h"
#include "lpa/job_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void lpa_plan_done(struct lpa_plan *plan)
{
    if (plan != NULL) {
        free(plan->list);
        plan->list = NULL;
    }
}

uint32_t lpa_job_acts(const struct auth_lot *lot, enum lpa_stage stage)
{
    bool here = stage == LPA_STAGE_PERSONALISE || lot->trust == AUTH_TRUST_TOFU;
    uint32_t acts = 0;
    if (lot->restrict_policy == AUTH_RESTRICT_SECURE && here) {
        acts |= PRG_ACT_REHEARSE | PRG_ACT_RESTRICT;
    }
    if (lot->lock_policy != AUTH_LOCK_NONE && stage == LPA_STAGE_PROVISION) {
        acts |= PRG_ACT_LOCK;
    }
    return acts;
}

bool lpa_job_restricts(const struct lpa_job *job)
{
    return (lpa_job_acts(&job->lot, job->opts.stage) & PRG_ACT_RESTRICT) != 0;
}

bool lpa_job_still_open(const struct lpa_job *job)
{
    return lpa_job_restricts(job) && !job->exam.closed;
}

/* Asked for before every act, so that one that was revoked or is over stops the next board, not the
 * next shift. */
enum base_status lpa_job_need_permit(struct lpa_job *job, uint32_t acts, struct base_err *err)
{
    struct base_err cause = { 0 };
    unsigned tries = 0;
    do {
        base_err_clear(&cause);
        (void)!job->io->kms->permit(job->io->kms_user, job->unit.chip_id, &job->permit, &cause);
    } while (lpa_job_again(job, &cause, &tries));
    if (cause.status != BASE_OK) {
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return cause.status;
    }
    enum base_status status =
        lpa_permit_allows(&job->permit, acts, base_clock_wall_us(job->io->clock), err);
    if (status == BASE_OK) {
        status = prg_permit_check_chip(&job->permit.prg, job->unit.chip_id, err);
    }
    if (status == BASE_OK) {
        /* The programmer refuses it on any other chip, so a board that was swapped is safe. */
        job->permit.prg.for_chip = true;
        memcpy(job->permit.prg.chip_id, job->unit.chip_id, sizeof(job->permit.prg.chip_id));
        memcpy(job->unit.permit_id, job->permit.prg.id, sizeof(job->unit.permit_id));
    }
    return status;
}

/* The announcement of what cannot be undone: durable and cosigned, or nothing is done. */
enum base_status lpa_job_announce(
    struct lpa_job *job, const struct lpa_event *event, struct base_err *err)
{
    struct lpa_intent intent = { 0 };
    enum base_status status = job->io->log->intent(job->io->log_user, event, &intent, err);
    lpa_intent_done(&intent);
    return status;
}

static struct lpa_event secure_event(const struct lpa_job *job, enum lpa_event_id id)
{
    struct lpa_event event = lpa_job_event(job, id);
    event.permit_id = job->unit.permit_id;
    event.image_sha256 = job->lot.image_sha256;
    event.application_sha256 = job->lot.has_application ? job->lot.application_sha256 : NULL;
    return event;
}

/* --- rehearse --- */

bool lpa_due_rehearse(const struct lpa_job *job)
{
    return lpa_job_still_open(job) && job->admitted && job->exam.image_equal && !job->rehearsed;
}

enum base_status lpa_do_rehearse(struct lpa_job *job, struct base_err *err)
{
    enum base_status status =
        lpa_job_need_permit(job, lpa_job_acts(&job->lot, job->opts.stage), err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = secure_event(job, LPA_EVENT_REHEARSE);
    status = lpa_job_announce(job, &event, err);
    return status == BASE_OK
               ? job->io->device->rehearse(job->io->device_user, &job->permit.prg, err)
               : status;
}

enum base_status lpa_check_rehearse(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = job->io->device->check_rehearsed(job->io->device_user, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = secure_event(job, LPA_EVENT_REHEARSE);
    event.result = "ok";
    status = lpa_job_log(job, &event, err);
    if (status == BASE_OK) {
        job->rehearsed = true;
        lpa_job_raise(job, LPA_STATE_REHEARSED);
    }
    return status;
}

/* --- restrict: every fuse but the last --- */

bool lpa_due_restrict(const struct lpa_job *job)
{
    return lpa_job_still_open(job) && job->rehearsed && !job->restricted;
}

enum base_status lpa_do_restrict(struct lpa_job *job, struct base_err *err)
{
    struct lpa_plan plan = { 0 };
    enum base_status status = lpa_job_need_permit(job, PRG_ACT_RESTRICT, err);
    if (status == BASE_OK) {
        status = job->io->device->plan(job->io->device_user, &plan, err);
    }
    if (status == BASE_OK) {
        struct lpa_event event = secure_event(job, LPA_EVENT_FUSE_PLAN);
        event.text = plan.names;
        status = lpa_job_announce(job, &event, err);
    }
    lpa_plan_done(&plan);
    return status == BASE_OK
               ? job->io->device->restrict_port(job->io->device_user, &job->permit.prg, err)
               : status;
}

static enum base_status sign_record(struct lpa_job *job, struct base_err *err)
{
    if (memcmp(job->record.chip_id, job->unit.chip_id, sizeof(job->record.chip_id)) != 0) {
        return lpa_job_refuse(err, BASE_E_VERIFY, "board_changed",
            "the chip whose fuses were read is another one than the one examined");
    }
    (void)snprintf(job->record.permit, sizeof(job->record.permit), "%s", job->permit.prg.id);
    return job->io->log->sign_record(
        job->io->log_user, &job->record, job->unit.record, &job->unit.record_length, err);
}

/* The record goes into the journal with this row: afterwards nobody can read the chip any more. */
enum base_status lpa_check_restrict(struct lpa_job *job, struct base_err *err)
{
    uint8_t hash[BASE_SHA256_BYTES];
    enum base_status status =
        job->io->device->check_restricted(job->io->device_user, &job->record, err);
    if (status == BASE_OK) {
        status = sign_record(job, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    base_sha256(job->unit.record, job->unit.record_length, hash);
    struct lpa_event event = secure_event(job, LPA_EVENT_FUSE_BLOW);
    event.result = "ok";
    event.record_sha256 = hash;
    event.text = "all fuses of the plan but the life cycle read back as wanted";
    status = lpa_job_log(job, &event, err);
    if (status == BASE_OK) {
        job->restricted = true;
    }
    return status;
}

/* --- seal: the last fuse --- */

bool lpa_due_seal(const struct lpa_job *job)
{
    return lpa_job_restricts(job) && job->admitted && !job->sealed &&
           (job->restricted || job->exam.closed);
}

enum base_status lpa_do_seal(struct lpa_job *job, struct base_err *err)
{
    uint8_t hash[BASE_SHA256_BYTES];
    if (job->exam.closed) {
        return BASE_OK; /* the fuse is blown; what the port shows is checked once more */
    }
    enum base_status status = lpa_job_need_permit(job, PRG_ACT_RESTRICT, err);
    if (status != BASE_OK) {
        return status;
    }
    base_sha256(job->unit.record, job->unit.record_length, hash);
    struct lpa_event event = secure_event(job, LPA_EVENT_RESTRICT);
    event.record_sha256 = hash;
    event.text = "LIFECYCLE.SECURE";
    status = lpa_job_announce(job, &event, err);
    return status == BASE_OK ? job->io->device->seal(job->io->device_user, &job->permit.prg, err)
                             : status;
}

enum base_status lpa_check_seal(struct lpa_job *job, struct base_err *err)
{
    enum base_status status = job->io->device->check_sealed(job->io->device_user, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = secure_event(job, LPA_EVENT_RESTRICT);
    event.result = "ok";
    event.lifecycle = "secure";
    event.text = "the port shows the mailbox and nothing else";
    status = lpa_job_log(job, &event, err);
    if (status == BASE_OK) {
        job->sealed = true;
        job->exam.closed = true;
        job->exam.lifecycle = PROTO_LIFECYCLE_SECURE;
        job->have_hello = false;
        lpa_job_raise(job, LPA_STATE_RESTRICTED);
    }
    return status;
}
