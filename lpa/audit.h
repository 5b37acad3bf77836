/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_AUDIT_H
#define LPA_AUDIT_H

/**
 * @file
 * The station's audit log: records in a Merkle tree (RFC 6962), checkpoints (C2SP) signed by the
 * station and cosigned by the KMS, which thereby remembers how long the log is. The log fails
 * closed: what cannot be recorded may not be done. Formats: man lpa-log(5).
 *
 * One writer per folder. All functions may be called by several threads.
 */

#include "base/clock.h"
#include "base/log.h"
#include "base/note.h"
#include "lpa/job.h"

struct lpa_audit;

struct lpa_audit_opts {
    const char *folder;                    /**< made with mode 0700 when missing; copied */
    const char *station;                   /**< copied */
    const char *software;                  /**< program version; static storage */
    const struct base_note_signer *signer; /**< station log key; its name is the log's; borrowed */
    const struct base_note_verifier *witness; /**< the KMS's cosigning key, copied; may be NULL */
    const uint8_t *certificate_sha256;        /**< 32 bytes, copied; may be NULL */
    const struct base_clock *clock;
    const struct base_log *log; /**< may be NULL */
    uint64_t segment_records;   /**< 0 = 65536 */
};

/**
 * Open or begin a log: read all of it, prove chain and tree against the last checkpoints, and take
 * a torn last line out where no checkpoint covers it.
 *
 * @return BASE_OK; BASE_E_AUDIT (code "log_damaged"): the log is not what was signed, or cannot be
 * written; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status lpa_audit_open(
    const struct lpa_audit_opts *opts, struct lpa_audit **ret_audit, struct base_err *err);

/** Accepts NULL. */
void lpa_audit_close(struct lpa_audit *audit);

/** Who acts from now on: the tester's pseudonym, or NULL for the station itself. */
void lpa_audit_set_tester(struct lpa_audit *audit, const uint8_t id_hmac[32]);

/** KMS time minus station time, for records to come. */
void lpa_audit_set_offset(struct lpa_audit *audit, int64_t offset_us);

/** Append a record; durable when it returns. BASE_E_AUDIT, code "disk_full" where that is why. */
BASE_MUST_CHECK
enum base_status lpa_audit_append(
    struct lpa_audit *audit, const struct lpa_event *event, struct base_err *err);

/** auth_kms_witness() bound to a client, or a test's. */
typedef enum base_status lpa_witness_fn(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err);

/**
 * Have everything up to now cosigned. One request is in flight at a time; threads that come
 * meanwhile wait, and the next request covers all of them.
 *
 * @return BASE_OK
 *         BASE_E_AUDIT   code "log_gap": the KMS has seen more than this log holds, so it was
 * rolled back; code "inconsistent": it is a fork. Nothing may be issued until an auditor has seen
 * it. Also a cosignature that is not the KMS's BASE_E_REMOTE  the KMS is away
 */
BASE_MUST_CHECK
enum base_status lpa_audit_cosign(
    struct lpa_audit *audit, lpa_witness_fn *witness, void *user, struct base_err *err);

/** Append an intent and have it cosigned; nothing may be sent before this returns BASE_OK. */
BASE_MUST_CHECK
enum base_status lpa_audit_intent(struct lpa_audit *audit, const struct lpa_event *event,
    lpa_witness_fn *witness, void *user, struct lpa_intent *ret_intent, struct base_err *err);

struct lpa_audit_status {
    uint64_t records;
    uint64_t cosigned; /**< records under the last cosigned checkpoint */
    bool repaired;     /**< a torn last line was taken out at open */
    uint8_t root[32];
};

void lpa_audit_get_status(struct lpa_audit *audit, struct lpa_audit_status *ret_status);

/**
 * Pseudonym of a tester in the log. The KMS may hand a key for it later; until then it is SHA-256
 * of "lpa tester v1", station and name with a zero byte between them, which hides the name from a
 * reader but not from one who guesses names.
 */
void lpa_audit_tester_id(const char *station, const char *tester, uint8_t ret_id[32]);

#endif
