/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_LINE_H
#define TESTS_BENCH_LINE_H

/**
 * @file
 * What the job engine meets besides the board: a KMS that seals one unit's envelope with the tests'
 * own authority, and a journal and a log that cost nothing. Calls of the KMS are counted.
 */

#include "lpa/job.h"
#include "tests/unit/device-fw/authority.h"

struct bench_line {
    struct authority authority;
    uint32_t key_version; /**< of the next grant */
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    unsigned get_unit_calls, grant_calls, confirm_calls;
    unsigned journal_puts, log_records, intents;
    uint64_t kms_cpu_ns; /**< processor time that the KMS's side took of the calling threads */
};

void bench_line_init(struct bench_line *line);
void bench_line_done(struct bench_line *line);

/** The lot that everything is granted in: tofu, LoRaWAN 1.0. */
struct auth_lot bench_line_lot(const struct bench_line *line, const uint8_t image_sha256[32]);

/** Everything of @p ret_io but device and clock. */
void bench_line_io(struct bench_line *line, struct lpa_job_io *ret_io);

/** Seal the next envelope for the device that made this statement. */
void bench_line_seal(struct bench_line *line, const uint8_t statement[PROTO_STATEMENT_SIZE],
    struct proto_envelope_header *ret_header);

/** End the process unless a call went well. */
void bench_must(enum base_status status, const char *what, const struct base_err *err);

#endif
