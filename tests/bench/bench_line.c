/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hex.h"

#define LOT "BENCH"

void bench_must(enum base_status status, const char *what, const struct base_err *err)
{
    if (status != BASE_OK) {
        (void)fprintf(stderr, "bench: %s: %s: %s\n", what, base_status_name(status), err->message);
        exit(1);
    }
}

void bench_line_init(struct bench_line *line)
{
    memset(line, 0, sizeof(*line));
    authority_init(&line->authority, 1);
    line->key_version = 1;
}

void bench_line_done(struct bench_line *line)
{
    authority_done(&line->authority);
}

struct auth_lot bench_line_lot(const struct bench_line *line, const uint8_t image_sha256[32])
{
    struct auth_lot lot = {
        .id = LOT,
        .chip = "psoc6-ble2",
        .lorawan_version = PROTO_LORAWAN_1_0,
        .join_eui = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0xFF, 0, 2 }, /* as authority_header() */
        .trust = AUTH_TRUST_TOFU,
        .development = true,
        .target_units = 1,
        .allowance = 1,
        .expires_wall_us = INT64_MAX,
    };
    memcpy(lot.image_sha256, image_sha256, sizeof(lot.image_sha256));
    memcpy(lot.authority_key_id, line->authority.key_id, sizeof(lot.authority_key_id));
    return lot;
}

void bench_line_seal(struct bench_line *line, const uint8_t statement[PROTO_STATEMENT_SIZE],
    struct proto_envelope_header *ret_header)
{
    struct proto_statement said;
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    authority_check_statement(&line->authority, statement, &said);
    *ret_header = authority_header(&line->authority, &said, line->key_version);
    memset(plain + PROTO_ROOT_KEY_SIZE, 0x5A, PROTO_ROOT_KEY_SIZE);
    authority_seal(
        &line->authority, ret_header, said.public_key, plain, line->envelope, line->receipt_key);
    line->key_version++;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* ---------------------------------------------------------------------------------- KMS */

static enum base_status get_unit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct auth_unit *ret_unit, struct base_err *err)
{
    struct bench_line *line = user;
    (void)chip_id;
    (void)err;
    line->get_unit_calls++;
    memset(ret_unit, 0, sizeof(*ret_unit));
    return BASE_OK;
}

static enum base_status grant(void *user, const uint8_t *statement, size_t length,
    const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err)
{
    struct bench_line *line = user;
    struct proto_envelope_header header;
    (void)intent;
    if (length != PROTO_STATEMENT_SIZE) {
        return base_err_set(err, BASE_E_DENIED, "kms", (int64_t)length, "no statement");
    }
    line->grant_calls++;
    uint64_t before_ns = cpu_ns();
    bench_line_seal(line, statement, &header);
    line->kms_cpu_ns += cpu_ns() - before_ns;
    memset(ret_grant, 0, sizeof(*ret_grant));
    base_hex_encode(header.envelope_id, sizeof(header.envelope_id), ret_grant->grant_id);
    memcpy(ret_grant->dev_eui, header.dev_eui, sizeof(ret_grant->dev_eui));
    ret_grant->key_version = header.key_version;
    ret_grant->device_trust = AUTH_TRUST_TOFU;
    memcpy(ret_grant->envelope, line->envelope, sizeof(line->envelope));
    ret_grant->envelope_length = sizeof(line->envelope);
    return BASE_OK;
}

static enum base_status confirm(void *user, const char *grant_id, const uint8_t *receipt,
    size_t length, struct auth_confirmation *ret_confirmation, struct base_err *err)
{
    struct bench_line *line = user;
    struct proto_receipt said;
    struct proto_envelope envelope;
    (void)grant_id;
    if (length != PROTO_RECEIPT_SIZE) {
        return base_err_set(err, BASE_E_DENIED, "kms", (int64_t)length, "no receipt");
    }
    line->confirm_calls++;
    uint64_t before_ns = cpu_ns();
    authority_check_receipt(line->receipt_key, line->envelope, receipt, &said);
    line->kms_cpu_ns += cpu_ns() - before_ns;
    memset(ret_confirmation, 0, sizeof(*ret_confirmation));
    if (proto_envelope_decode(line->envelope, sizeof(line->envelope), &envelope) == PROTO_OK) {
        memcpy(ret_confirmation->dev_eui, envelope.header.dev_eui, PROTO_EUI_SIZE);
    }
    return BASE_OK;
}

static enum base_status register_unit(
    void *user, const uint8_t *statement, size_t length, const char *record, struct base_err *err)
{
    (void)user;
    (void)statement;
    (void)record;
    return base_err_set(err, BASE_E_UNSUPPORTED, "kms", (int64_t)length, "no manifest lot here");
}

/* Lots of the bench restrict and lock nothing: no permit, no record. */
static const struct lpa_kms_ops kms_ops = {
    .get_unit = get_unit,
    .grant = grant,
    .confirm = confirm,
    .register_unit = register_unit,
};

/* ---------------------------------------------------------------------- journal and log */

static enum base_status load(void *user, const char *lot, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct lpa_unit *ret_unit, bool *ret_found, struct base_err *err)
{
    (void)user;
    (void)lot;
    (void)chip_id;
    (void)ret_unit;
    (void)err;
    *ret_found = false;
    return BASE_OK;
}

static enum base_status put(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    struct bench_line *line = user;
    (void)unit;
    (void)err;
    line->journal_puts++;
    return BASE_OK;
}

static const struct lpa_journal_ops journal_ops = { load, put, put };

static enum base_status append(void *user, const struct lpa_event *event, struct base_err *err)
{
    struct bench_line *line = user;
    (void)event;
    (void)err;
    line->log_records++;
    return BASE_OK;
}

static enum base_status intent(
    void *user, const struct lpa_event *event, struct lpa_intent *ret_intent, struct base_err *err)
{
    struct bench_line *line = user;
    line->intents++;
    memset(ret_intent, 0, sizeof(*ret_intent));
    return append(user, event, err);
}

static const struct lpa_log_ops log_ops = { .append = append, .intent = intent };

void bench_line_io(struct bench_line *line, struct lpa_job_io *ret_io)
{
    ret_io->kms = &kms_ops;
    ret_io->kms_user = line;
    ret_io->journal = &journal_ops;
    ret_io->journal_user = line;
    ret_io->log = &log_ops;
    ret_io->log_user = line;
}
