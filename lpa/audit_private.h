/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_AUDIT_PRIVATE_H
#define LPA_AUDIT_PRIVATE_H

/** @file Private to lpa/audit*.c. */

#include "lpa/audit.h"

#include <pthread.h>

struct lpa_audit {
    char *folder;
    char *station;
    const char *software;
    char boot[40];
    const struct base_note_signer *signer;
    struct base_note_verifier verifiers[2]; /**< station, then witness */
    size_t verifier_count;
    uint8_t certificate_sha256[32];
    bool have_certificate;
    const struct base_clock *clock;
    const struct base_log *log;
    uint64_t segment_records;

    pthread_mutex_t lock; /**< everything below */
    pthread_cond_t changed;
    struct base_merkle_tree tree;
    uint8_t prev[32];
    int fd; /**< last segment, -1 = none yet */
    uint64_t segment_first;
    uint64_t segment_bytes; /**< whole lines */
    uint8_t tester[32];
    bool have_tester;
    bool have_offset;
    int64_t offset_us;
    bool dead;      /**< the disk failed in a way that leaves the file unknown */
    bool gap;       /**< the KMS has seen more than we hold: an auditor's case */
    bool cosigning; /**< a thread is talking to the witness */
    bool repaired;
    uint64_t signed_size, witness_size, history_size;
    char cosigned[AUTH_NOTE_MAX]; /**< note of witness_size, empty while there is none */
};

/** BASE_E_AUDIT with a stable code. */
enum base_status lpa_audit_refuse(struct base_err *err, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** lpa_audit_append() with the lock held; @p line gets the record without its newline. */
BASE_MUST_CHECK
enum base_status lpa_audit_append_locked(struct lpa_audit *audit, const struct lpa_event *event,
    struct base_buf *line, struct base_err *err);

/** Sign the present head and store it; @p note gets the text. Called with the lock held, after all
 * records are durable. */
BASE_MUST_CHECK
enum base_status lpa_audit_sign_head(
    struct lpa_audit *audit, struct base_buf *note, struct base_err *err);

#endif
