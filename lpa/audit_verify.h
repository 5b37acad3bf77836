/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_AUDIT_VERIFY_H
#define LPA_AUDIT_VERIFY_H

/**
 * @file
 * Checking a log with nothing but its files and public keys: one pass, constant memory besides the
 * units of the lots, no JSON tree.
 */

#include "base/note.h"
#include "lpa/audit_record.h"

#include <stdio.h>

/** Counts of one lot as this log tells them. */
struct lpa_audit_lot {
    char id[65];
    uint64_t requests;  /**< key.request records */
    uint64_t granted;   /**< DevEUIs issued to units of this lot */
    uint64_t confirmed; /**< of these */
    uint64_t scrapped;  /**< of these, and not confirmed */
    uint64_t open;      /**< of these, neither */
};

enum lpa_audit_verdict {
    LPA_AUDIT_OK = 0,
    LPA_AUDIT_UNWITNESSED = 1, /**< sound, but the last records are not cosigned */
    LPA_AUDIT_TAMPERED = 2,
};

struct lpa_audit_report {
    enum lpa_audit_verdict verdict;
    char reason[BASE_ERR_MESSAGE_SIZE]; /**< why not OK; empty where it is */
    int64_t first_bad;                  /**< sequence number of the first bad record, -1 = none */
    uint64_t records;
    uint8_t root[32];
    uint64_t signed_size;     /**< records under the last checkpoint the station signed */
    uint64_t cosigned_size;   /**< records under the last checkpoint the KMS cosigned */
    uint64_t cosigned_time_s; /**< when, as the KMS says */
    bool witness_checked;     /**< false where no KMS key was given */
    uint64_t checkpoints;     /**< checkpoints whose signatures and roots were checked */
    uint64_t torn_bytes;      /**< of an incomplete last record */
    uint64_t gaps;            /**< log.gap records */
    uint64_t boots;           /**< changes of the machine's boot id */
    uint64_t clock_steps;     /**< wall clock went back between two records of one boot */
    uint64_t unanswered;      /**< requests whose answer was never recorded: a crash came between */
    struct lpa_audit_lot *lots; /**< owned */
    size_t lot_count;
};

/** Told now and then how many records were read. */
typedef void lpa_audit_progress_fn(void *user, uint64_t records);

struct lpa_audit_verify_opts {
    const char *folder;
    const struct base_note_verifier *station;
    const struct base_note_verifier *witness; /**< NULL: cosignatures cannot be checked */
    /** A checkpoint kept elsewhere (the KMS's, an auditor's), or NULL: the log must contain it. */
    const char *known_checkpoint;
    lpa_audit_progress_fn *progress; /**< may be NULL */
    void *progress_user;             /**< borrowed */
};

/**
 * Verify a log. A log that is not sound is a verdict, not an error.
 *
 * @return BASE_OK; BASE_E_NOTFOUND (no log there), BASE_E_IO, BASE_E_NOMEM, BASE_E_ARG
 */
BASE_MUST_CHECK
enum base_status lpa_audit_verify(const struct lpa_audit_verify_opts *opts,
    struct lpa_audit_report *ret_report, struct base_err *err);

/** Accepts NULL and a zeroed report. */
void lpa_audit_report_done(struct lpa_audit_report *report);

enum lpa_audit_format {
    LPA_AUDIT_JSONL = 1, /**< exact records; the authoritative form */
    LPA_AUDIT_CSV = 2,   /**< RFC 4180, all quoted, formulas defused, with the leaf hash */
};

/**
 * Write all records to @p out. For JSONL, @p footer_path gets a file with the last checkpoint, the
 * keys that were given, and the SHA-256 of the exported bytes; NULL = none.
 *
 * @return BASE_OK; BASE_E_CORRUPT: a record cannot be read, nothing after it is written; BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status lpa_audit_export(const struct lpa_audit_verify_opts *opts,
    enum lpa_audit_format format, FILE *out, const char *footer_path, struct base_err *err);

#endif
