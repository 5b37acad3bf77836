/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_JOB_H
#define LPA_JOB_H

/**
 * @file
 * One unit's way through a lot, as a table of steps with do and check (man lpa(7)).
 *
 * The engine has no thread, clock, file, probe or network of its own: all of it comes in through
 * struct lpa_job_io, so that a whole factory runs in one process from one seed. The journal is
 * written before each do and after each check. Nothing the engine decides rests on the journal
 * alone: chip and KMS are asked every time, so a lost or restored journal costs no unit.
 *
 * One job per unit; one thread per job. Different jobs may share an io whose functions may be
 * called by several threads.
 */

#include "auth/kms_client.h"
#include "auth/record.h"
#include "base/clock.h"
#include "base/log.h"
#include "device-fw/protocol/messages.h"
#include "lpa/event.h"
#include "lpa/permit.h"
#include "lpa/unit.h"

/** What the first look at a board shows. */
struct lpa_exam {
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t silicon_id;
    enum proto_lifecycle lifecycle;
    bool image_equal;       /**< digest on the chip equals the lot's image */
    bool application_equal; /**< the same of its application; false where it cannot be seen */
    bool vault_written;     /**< at least one of the two vault homes is not erased */
    struct lpa_probe probe;
    bool closed; /**< seen through the mailbox: the port gives nothing else */
};

/** What is still to be done before the chip is restricted, in words: the dry run shows it. */
struct lpa_plan {
    uint32_t bits;   /**< fuse bits to blow, the lifecycle's included */
    char names[512]; /**< which, or as many of them as fit, in the order of blowing */
    char *list;      /**< one name a line; the caller frees it */
};

/** Free what a plan holds; accepts NULL and a zeroed object. */
void lpa_plan_done(struct lpa_plan *plan);

/**
 * The board at one site. Device refusals are BASE_E_TARGET with domain "device" and the enum
 * proto_status in err->detail, except where a function has ret_status.
 */
struct lpa_device_ops {
    /** Attach, stop the chip before user code, read what lpa_exam holds. Changes nothing. */
    enum base_status (*examine)(void *user, struct lpa_exam *ret_exam, struct base_err *err);
    /** Erase and write the image's own rows, never the vault. */
    enum base_status (*program)(void *user, struct base_err *err);
    /** Compute the image's digest on the chip and compare. */
    enum base_status (*verify)(void *user, bool *ret_equal, struct base_err *err);
    /** As program and verify, for the application's rows. */
    enum base_status (*program_application)(void *user, struct base_err *err);
    enum base_status (*verify_application)(void *user, bool *ret_equal, struct base_err *err);
    /** Reset and wait for the bootloader's mailbox; TIMEOUT when it does not answer. */
    enum base_status (*boot)(void *user, struct base_err *err);
    enum base_status (*hello)(void *user, struct proto_hello *ret_hello, struct base_err *err);
    enum base_status (*statement)(void *user, const uint8_t authority_key_id[PROTO_KEY_ID_SIZE],
        uint8_t ret_statement[PROTO_STATEMENT_SIZE], struct base_err *err);
    /** @p ret_status PROTO_OK and PROTO_ALREADY come with a receipt; other values are refusals. */
    enum base_status (*install)(void *user, const uint8_t *envelope, size_t length,
        uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err);
    /** @p ret_status PROTO_OK comes with a receipt. */
    enum base_status (*receipt)(void *user, uint32_t *ret_status,
        uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err);
    /** Which fuse bits are not yet what the lot demands. Reads only. */
    enum base_status (*plan)(void *user, struct lpa_plan *ret_plan, struct base_err *err);
    /** Public key and table of contents to supervisory flash, reset, let ROM and bootloader prove
     * the image while every mistake can still be mended. Fuses are left alone. */
    enum base_status (*rehearse)(void *user, const struct prg_permit *permit, struct base_err *err);
    enum base_status (*check_rehearsed)(void *user, struct base_err *err);
    /** Blow every fuse but the last: hash, DEAD and SECURE restrictions. Goes on where it was cut.
     */
    enum base_status (*restrict_port)(
        void *user, const struct prg_permit *permit, struct base_err *err);
    /** Read back what the signed record says. */
    enum base_status (*check_restricted)(
        void *user, struct auth_record *ret_record, struct base_err *err);
    /** Blow the life cycle fuse, then reset. */
    enum base_status (*seal)(void *user, const struct prg_permit *permit, struct base_err *err);
    /** The port shows exactly the mailbox. */
    enum base_status (*check_sealed)(void *user, struct base_err *err);
    /** As install, for an envelope of purpose zeroise. */
    enum base_status (*zeroise)(void *user, const uint8_t *envelope, size_t length,
        uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err);
    /** Have a zeroised chip forget its identity. */
    enum base_status (*forget)(void *user, const uint8_t confirmation[PROTO_MAC_SIZE],
        uint32_t *ret_status, struct base_err *err);
    /** @p ret_status PROTO_OK and PROTO_ALREADY come with the answer. */
    enum base_status (*lock)(void *user, const struct prg_permit *permit, uint32_t *ret_status,
        uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE], struct base_err *err);
    /** Reset a chip that was told to lock. */
    enum base_status (*reset)(void *user, struct base_err *err);
    /** The debug port answers and every access port refuses. A silent one is an error, no proof. */
    enum base_status (*check_locked)(void *user, struct base_err *err);
    /** Uses up one DevNonce. */
    enum base_status (*self_test)(
        void *user, uint8_t ret_join_request[PROTO_JOIN_REQUEST_SIZE], struct base_err *err);
};

/** The KMS, bound to session and lot; semantics and codes of auth/kms_client.h. */
struct lpa_kms_ops {
    enum base_status (*get_unit)(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
        struct auth_unit *ret_unit, struct base_err *err);
    enum base_status (*grant)(void *user, const uint8_t *statement, size_t length,
        const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err);
    enum base_status (*confirm)(void *user, const char *grant_id, const uint8_t *receipt,
        size_t length, struct auth_confirmation *ret_confirmation, struct base_err *err);
    /** @p record is the signed record as text, NULL where the lot wants none. */
    enum base_status (*register_unit)(void *user, const uint8_t *statement, size_t length,
        const char *record, struct base_err *err);
    /** The permit for this lot and chip, verified; asked for again before every irreversible act.
     */
    enum base_status (*permit)(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
        struct lpa_permit *ret_permit, struct base_err *err);
    /** Say that a person settled the lock by label, under this permit. */
    enum base_status (*settle)(
        void *user, const char *grant_id, const char *permit_id, struct base_err *err);
    /** The envelope that wipes the board of a grant that ended. */
    enum base_status (*wipe)(void *user, const char *grant_id, const uint8_t *statement,
        size_t length, struct auth_wipe *ret_wipe, struct base_err *err);
    /** Hand in a wiped board's receipt. */
    enum base_status (*wiped)(void *user, const char *grant_id, const uint8_t *receipt,
        size_t length, struct auth_forget *ret_forget, struct base_err *err);
    /** Hand in the lock answer. */
    enum base_status (*lock)(void *user, const char *grant_id, const uint8_t *answer, size_t length,
        struct base_err *err);
};

/** Durable memory of the station. */
struct lpa_journal_ops {
    /** BASE_OK with *ret_found false where the unit is new. */
    enum base_status (*load)(void *user, const char *lot, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
        struct lpa_unit *ret_unit, bool *ret_found, struct base_err *err);
    /** The row, and every row noted before, survives a power cut when it returns. */
    enum base_status (*put)(void *user, const struct lpa_unit *unit, struct base_err *err);
    /** The row survives the end of this program when it returns, and a power cut from the next put
     * on: for what a check found, which nothing rests on before the next act is put. */
    enum base_status (*note)(void *user, const struct lpa_unit *unit, struct base_err *err);
};

/** An intent record in the log, under a checkpoint that the KMS has cosigned. Owned memory. */
struct lpa_intent {
    struct auth_intent view; /**< points into the members below */
    uint8_t *record;
    uint8_t (*proof)[32];
    char *checkpoint;
};

/** Free what an intent holds; accepts NULL and a zeroed object. */
void lpa_intent_done(struct lpa_intent *intent);

/** The audit log. A failure is BASE_E_AUDIT (log) or BASE_E_REMOTE (witness away); nothing that the
 * record announces may then be done. */
struct lpa_log_ops {
    /** Durable when it returns. */
    enum base_status (*append)(void *user, const struct lpa_event *event, struct base_err *err);
    /** Durable, checkpointed and cosigned when it returns. */
    enum base_status (*intent)(void *user, const struct lpa_event *event,
        struct lpa_intent *ret_intent, struct base_err *err);
    /** Add lot, station, tester and time to a record and sign it with the log's key, into
     * LPA_RECORD_MAX bytes. */
    enum base_status (*sign_record)(void *user, const struct auth_record *record, char *ret_note,
        size_t *ret_length, struct base_err *err);
};

struct lpa_job_io {
    const struct lpa_device_ops *device;
    void *device_user;
    const struct lpa_kms_ops *kms;
    void *kms_user;
    const struct lpa_journal_ops *journal;
    void *journal_user;
    const struct lpa_log_ops *log;
    void *log_user;
    const struct base_clock *clock;
    const struct base_log *trace; /**< "journal N step state" lines at level TRACE; may be NULL */
};

enum lpa_stage {
    LPA_STAGE_PROVISION = 0,
    LPA_STAGE_PERSONALISE = 1, /**< ends at personalised */
};

struct lpa_job_opts {
    const struct auth_lot *lot; /**< copied */
    enum lpa_stage stage;
    const char *site; /**< probe URL, copied */
    bool self_test;   /**< ask for a join-request after confirmation */
};

/** Why a job did not end with PASS. */
struct lpa_failure {
    enum lpa_step_id step;
    enum lpa_result kind; /**< FAIL, ERROR or UNKNOWN */
    bool permanent;       /**< a further attempt cannot help */
    struct base_err err;  /**< status, code and sentence */
    const char *next;     /**< the one next action; static storage */
};

struct lpa_job {
    const struct lpa_job_io *io;
    struct auth_lot lot;
    struct lpa_job_opts opts; /**< `lot` and `site` here are NULL: see the copies */
    struct lpa_unit unit;     /**< as journaled last */
    struct lpa_exam exam;
    struct auth_unit known; /**< what the KMS said at examination */
    struct proto_hello hello;
    struct proto_statement statement;
    struct auth_grant grant;
    struct auth_confirmation confirmation;
    struct lpa_permit permit;
    struct auth_record record; /**< what was read back before the last fuse */
    uint8_t join_request[PROTO_JOIN_REQUEST_SIZE];
    struct lpa_failure failure;
    /* Facts the step table reads; each is set by one step. */
    bool examined, asked_old, have_hello, have_statement, have_grant, have_receipt, confirmed,
        admitted, registered, work_open, order_done, have_join_request, finished;
    bool rehearsed, restricted, sealed;
    bool lock_answered, lock_proven, lock_reported;
    bool at_check;       /**< the present step's do is behind us */
    uint8_t step_index;  /**< row of the table, valid while at_check */
    uint8_t steps_done;  /**< bounded: a job always ends */
    uint32_t journal_no; /**< journal writes of this job */
};

/**
 * May this station work this lot at all? Asked before any board is touched.
 *
 * @return BASE_OK
 *         BASE_E_UNSUPPORTED  the lot wants a lock or a chip that this version cannot do, or an
 *                             impossible combination; code "lot_lock", "lot_trust", "lot_chip"
 *         BASE_E_VERIFY       a file is not the lot's; code "image_differs", "key_differs",
 *                             "hash_differs", "application_old", "application_differs"
 *         BASE_E_ARG          a file that the lot needs was not given, or one that it does not
 *                             name was; code "key_missing", "application_missing",
 *                             "application_unwanted"
 *         BASE_E_DENIED       the lot is closed; code "lot_closed"
 */
BASE_MUST_CHECK
enum base_status lpa_job_admit(
    const struct auth_lot *lot, const struct lpa_local *local, struct base_err *err);

/** How sure a station may be that a board holds its lot's application. */
enum lpa_application_proof {
    LPA_APPLICATION_NONE = 0, /**< the lot names none */
    LPA_APPLICATION_READ = 1, /**< the digest of the board's flash is right */
    /** Its port is closed. What was read before that stands in the personaliser's signed record,
     * without which the KMS would grant nothing. */
    LPA_APPLICATION_RECORDED = 2,
    /** Its port is closed, and no record tells: the board's bootloader verifies what it starts. */
    LPA_APPLICATION_TRUSTED = 3,
    LPA_APPLICATION_DUE = 4, /**< it does not, and is to be programmed */
};

/** @p exam as the board was seen last. */
enum lpa_application_proof lpa_job_application(
    const struct auth_lot *lot, const struct lpa_exam *exam);

/** "read", "recorded", "trusted", "due"; NULL for NONE. */
const char *lpa_application_proof_name(enum lpa_application_proof proof);

/** What RECORDED and TRUSTED rely on, in a sentence; NULL for the others. */
const char *lpa_application_proof_text(enum lpa_application_proof proof);

/** The acts that boards of the lot need at this stage; 0: no permit. */
uint32_t lpa_job_acts(const struct auth_lot *lot, enum lpa_stage stage);

/** @p io is borrowed for the life of the job. */
void lpa_job_init(
    struct lpa_job *job, const struct lpa_job_io *io, const struct lpa_job_opts *opts);

/** Wipe what the job holds of an envelope. */
void lpa_job_done(struct lpa_job *job);

enum lpa_job_next {
    LPA_JOB_MORE = 1, /**< call again */
    LPA_JOB_PASS = 2,
    LPA_JOB_STOPPED = 3, /**< see job->failure */
};

/** Run one do or one check with its journal write. Never blocks on anything but the io. */
enum lpa_job_next lpa_job_step(struct lpa_job *job);

/** The step whose turn it is, for display. */
enum lpa_step_id lpa_job_at(const struct lpa_job *job);

/** Sort a failure into kind, permanence and next action; also used for failures outside jobs. */
void lpa_failure_classify(struct lpa_failure *failure);

/** True when the journal row owes the KMS a receipt or a lock answer. */
bool lpa_job_owes(const struct lpa_unit *unit);

/**
 * Hand in a receipt or lock answer that the journal still owes the KMS, board present or not.
 *
 * @param unit  journal row; updated and journaled
 * @return as the KMS's confirm or lock; BASE_OK also where the unit owes nothing
 */
BASE_MUST_CHECK
enum base_status lpa_job_settle(
    const struct lpa_job_io *io, struct lpa_unit *unit, struct base_err *err);

/** How wiping a scrapped board ended. */
enum lpa_wipe {
    LPA_WIPE_DONE = 1,   /**< it has forgotten its keys and who it was, and the KMS knows it */
    LPA_WIPE_NEVER = 2,  /**< it never took an envelope: there are no keys on it */
    LPA_WIPE_LOCKED = 3, /**< it is locked, or dead, and speaks to no station any more */
    /* Its keys are gone, and the KMS knows it; its identity stays, because */
    LPA_WIPE_OLD_BOOTLOADER = 4, /**< its bootloader does not know how to forget it */
    LPA_WIPE_OLD_KMS = 5,        /**< the KMS has no confirmation to give */
};

/**
 * Take the keys off the board at the io's device, whose unit is scrapped or retired. Whatever cut
 * an earlier try short, this one goes on: the chip is asked for its receipt before anything else.
 *
 * @param authority_key_id  of the KMS, PROTO_KEY_ID_SIZE bytes
 * @param unit              journal row with lot, chip and ended grant; updated and journaled
 * @param ret_outcome       written on BASE_OK
 * @return BASE_OK; as the device's examine, boot, statement, zeroise and forget, and as the KMS's
 *         get_unit, wipe and wiped; DENIED code "board_changed": another chip is at this site, and
 *         was left alone; "forgotten": the board is at its end, and the KMS does not know it
 */
BASE_MUST_CHECK
enum base_status lpa_job_wipe(const struct lpa_job_io *io,
    const uint8_t authority_key_id[PROTO_KEY_ID_SIZE], struct lpa_unit *unit,
    enum lpa_wipe *ret_outcome, struct base_err *err);

/**
 * End "lock unknown" as a person says: the board at the io's device is the one with this label.
 * It is reset, and its port must be seen closed.
 *
 * @param unit  journal row whose lock is begun, or answered and not seen; updated and journaled
 * The KMS is told; where it cannot be, the row owes it that.
 *
 * @return BASE_OK; BASE_E_DENIED code "nothing_to_settle", "not_locked", "permit_act",
 *         "permit_chip"; BASE_E_EXPIRED; as the device's check_locked and the KMS's lock and settle
 */
BASE_MUST_CHECK
enum base_status lpa_job_settle_by_label(const struct lpa_job_io *io,
    const struct lpa_permit *permit, struct lpa_unit *unit, struct base_err *err);

#endif
