/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_LPA_AUDIT_BENCH_H
#define TESTS_UNIT_LPA_AUDIT_BENCH_H

/** @file A log in a temporary folder, with both keys and a witness in memory. */

#include "lpa/audit.h"
#include "lpa/audit_verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BENCH_RECORDS 40U

extern const uint8_t bench_chip_id[8];
extern const uint8_t bench_dev_eui[8];
extern const uint8_t bench_hash[32];

struct bench {
    char folder[64];
    struct base_random_seeded random;
    struct base_note_key station, kms;
    struct base_note_signer station_signer, kms_signer;
    uint64_t witness_size;
    uint8_t witness_root[32];
    unsigned witness_calls;
    bool away;
    bool forge;            /**< cosign with another key of the same name */
    unsigned lost_replies; /**< so many answers get lost, though the request was carried out */
    struct base_clock clock;
    int64_t now_us;
};

int bench_set_up(void **state);
int bench_tear_down(void **state);

/** NULL where the log does not open. Segments of 16 records. */
struct lpa_audit *bench_open(struct bench *b, struct base_err *err);

/** A witness as the KMS is one: compare and set, consistency proof, cosignature. */
enum base_status bench_witness(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err);

struct lpa_event bench_request(void);

/** Append so many records and have them cosigned. */
void bench_write(struct bench *b, unsigned records);

/** Verify with both keys; the report's lots are released. */
void bench_verify(struct bench *b, struct lpa_audit_report *report);

/* Files of the log's folder. */
void bench_path(struct bench *b, const char *name, char *path);
void bench_read(struct bench *b, const char *name, struct base_buf *text);
void bench_put(struct bench *b, const char *name, const void *data, size_t length);
void bench_copy(struct bench *b, const char *from, const char *to);

#endif
