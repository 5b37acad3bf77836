/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_JOB_TABLE_H
#define LPA_JOB_TABLE_H

/** @file Private to lpa/job*.c: the rows of the step table. */

#include "lpa/job.h"

/**
 * One row. The first row whose `due` holds is next, so the order of the table is the order of
 * precedence: what a chip already holds is settled before anything new is begun.
 */
struct lpa_step {
    enum lpa_step_id id;
    /** May this row act now? Reads facts only. */
    bool (*due)(const struct lpa_job *job);
    /** Set in the unit what must be durable before the act; NULL: nothing. */
    void (*announce)(struct lpa_job *job);
    /** Act; safe to repeat. */
    enum base_status (*act)(struct lpa_job *job, struct base_err *err);
    /** Read back and set facts. */
    enum base_status (*check)(struct lpa_job *job, struct base_err *err);
};

extern const struct lpa_step lpa_job_steps[];
extern const size_t lpa_job_step_count;

/** Refuse with a status, a stable code and a sentence. */
enum base_status lpa_job_refuse(struct base_err *err, enum base_status status, const char *code,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/** An event with lot, attempt, site, chip and step of the job filled in. */
struct lpa_event lpa_job_event(const struct lpa_job *job, enum lpa_event_id id);

/** Append an event; false results carry err's code and sentence. */
BASE_MUST_CHECK
enum base_status lpa_job_log(
    struct lpa_job *job, const struct lpa_event *event, struct base_err *err);

/**
 * Append a verify event (@p event names what was read back) with its result.
 *
 * @param what  "image" or "application", for the sentence
 *
 * @return BASE_OK; BASE_E_VERIFY flash_differs when not @p equal; the causes of lpa_job_log()
 */
BASE_MUST_CHECK
enum base_status lpa_job_log_verify(struct lpa_job *job, struct lpa_event *event, const char *what,
    bool equal, struct base_err *err);

/**
 * After a KMS call: true when it is to be made again, because its outcome stayed open and not too
 * many tries (@p tries, 0 at first) were made. Waits a little before it says so. The KMS answers a
 * repeat with the same bytes, so repeating is safe.
 */
bool lpa_job_again(const struct lpa_job *job, const struct base_err *cause, unsigned *tries);

/** Take a fresh hello and refuse when it is another chip's (rule 1). */
BASE_MUST_CHECK
enum base_status lpa_job_same_chip(struct lpa_job *job, struct base_err *err);

/** Let the unit's state go up, never down. */
void lpa_job_raise(struct lpa_job *job, enum lpa_state state);

/** Does this stage close the port of this lot's boards? */
bool lpa_job_restricts(const struct lpa_job *job);

/** It does, and this board is still open. */
bool lpa_job_still_open(const struct lpa_job *job);

/** Have a permit, fresh from the KMS, that allows these acts on this chip now. */
BASE_MUST_CHECK
enum base_status lpa_job_need_permit(struct lpa_job *job, uint32_t acts, struct base_err *err);

/** Write an event so that it is durable and cosigned before what it announces is done. */
BASE_MUST_CHECK
enum base_status lpa_job_announce(
    struct lpa_job *job, const struct lpa_event *event, struct base_err *err);

/** Hand in a lock answer that is owed; see lpa_job_settle(). */
bool lpa_job_owes_lock(const struct lpa_unit *unit);
BASE_MUST_CHECK
enum base_status lpa_job_settle_lock(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err);

/** Hand in a wiped board's receipt that is owed. */
bool lpa_job_owes_wipe(const struct lpa_unit *unit);
BASE_MUST_CHECK
enum base_status lpa_job_settle_wipe(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err);

/* Row of lpa/job_application.c. */
bool lpa_due_application(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_application(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_application(struct lpa_job *job, struct base_err *err);

/* Rows of lpa/job_secure.c. */
bool lpa_due_rehearse(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_rehearse(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_rehearse(struct lpa_job *job, struct base_err *err);
bool lpa_due_restrict(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_restrict(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_restrict(struct lpa_job *job, struct base_err *err);
bool lpa_due_seal(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_seal(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_seal(struct lpa_job *job, struct base_err *err);

/* Rows of lpa/job_lock.c. */
bool lpa_due_lock(const struct lpa_job *job);
void lpa_announce_lock(struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_lock(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_lock(struct lpa_job *job, struct base_err *err);
bool lpa_due_prove(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_prove(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_prove(struct lpa_job *job, struct base_err *err);
bool lpa_due_report(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_report(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_report(struct lpa_job *job, struct base_err *err);

/* Rows of lpa/job_keys.c. */
bool lpa_due_receipt(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_receipt(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_receipt(struct lpa_job *job, struct base_err *err);
bool lpa_due_confirm(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_confirm(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_confirm(struct lpa_job *job, struct base_err *err);
bool lpa_due_register(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_register(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_register(struct lpa_job *job, struct base_err *err);
bool lpa_due_grant(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_grant(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_grant(struct lpa_job *job, struct base_err *err);
/** Ask the KMS with the intent written first; the last cause is passed on as it is. */
BASE_MUST_CHECK
enum base_status lpa_job_request_grant(struct lpa_job *job, struct base_err *ret_cause);
bool lpa_due_install(const struct lpa_job *job);
BASE_MUST_CHECK
enum base_status lpa_do_install(struct lpa_job *job, struct base_err *err);
BASE_MUST_CHECK
enum base_status lpa_check_install(struct lpa_job *job, struct base_err *err);

#endif
