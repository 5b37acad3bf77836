/* SPDX-License-Identifier: Apache-2.0 */
/* The row of the step table that puts the application on a board, and what may be said of it. */
#include "lpa/job_table.h"

enum lpa_application_proof lpa_job_application(
    const struct auth_lot *lot, const struct lpa_exam *exam)
{
    if (!lot->has_application) {
        return LPA_APPLICATION_NONE;
    }
    if (exam->application_equal) {
        return LPA_APPLICATION_READ;
    }
    if (!exam->closed) {
        return LPA_APPLICATION_DUE;
    }
    return lot->trust == AUTH_TRUST_ATTESTED ? LPA_APPLICATION_RECORDED : LPA_APPLICATION_TRUSTED;
}

const char *lpa_application_proof_name(enum lpa_application_proof proof)
{
    static const char *const names[] = { NULL, "read", "recorded", "trusted", "due" };
    return names[proof];
}

const char *lpa_application_proof_text(enum lpa_application_proof proof)
{
    if (proof == LPA_APPLICATION_RECORDED) {
        return "applications of closed boards were not read: the personaliser's signed record "
               "names each, and the bootloader verifies it before it starts it";
    }
    if (proof == LPA_APPLICATION_TRUSTED) {
        return "applications of closed boards were not read: the bootloader verifies each before "
               "it starts it";
    }
    return NULL;
}

/* A closed port takes nothing: what is on such a board was there before its last fuse. */
bool lpa_due_application(const struct lpa_job *job)
{
    return job->admitted && job->exam.image_equal &&
           lpa_job_application(&job->lot, &job->exam) == LPA_APPLICATION_DUE;
}

enum base_status lpa_do_application(struct lpa_job *job, struct base_err *err)
{
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_FW_PROGRAM);
    event.application_sha256 = job->lot.application_sha256;
    enum base_status status = lpa_job_log(job, &event, err);
    return status == BASE_OK ? job->io->device->program_application(job->io->device_user, err)
                             : status;
}

enum base_status lpa_check_application(struct lpa_job *job, struct base_err *err)
{
    bool equal = false;
    enum base_status status =
        job->io->device->verify_application(job->io->device_user, &equal, err);
    if (status != BASE_OK) {
        return status;
    }
    struct lpa_event event = lpa_job_event(job, LPA_EVENT_FW_VERIFY);
    event.application_sha256 = job->lot.application_sha256;
    status = lpa_job_log_verify(job, &event, "application", equal, err);
    if (status != BASE_OK) {
        return status;
    }
    job->exam.application_equal = true;
    job->have_hello = false; /* it was stopped for this */
    return BASE_OK;
}
