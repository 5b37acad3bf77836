/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lpa/audit_bench.h"

#include "base/file.h"
#include "base/hash.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t bench_chip_id[8] = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 };
const uint8_t bench_dev_eui[8] = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 1, 0, 0 };
const uint8_t bench_hash[32] = { 1, 2, 3 };

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int64_t clock_now(void *user)
{
    struct bench *b = user;
    return b->now_us++;
}

static void clock_sleep(void *user, int64_t duration_us)
{
    struct bench *b = user;
    b->now_us += duration_us;
}

int bench_set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    (void)snprintf(b->folder, sizeof(b->folder), "/tmp/lpa-audit-test.XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    base_random_seeded_init(&b->random, 7);
    b->now_us = INT64_C(1800000000000000);
    b->clock = (struct base_clock){ clock_now, clock_now, clock_sleep, b };
    assert_int_equal(base_note_key_generate("lpa.local/station-1", BASE_NOTE_ED25519,
                         &b->random.random, &b->station, NULL),
        BASE_OK);
    assert_int_equal(base_note_key_generate(
                         "kms.local", BASE_NOTE_COSIGNATURE, &b->random.random, &b->kms, NULL),
        BASE_OK);
    base_note_key_signer(&b->station, &b->station_signer);
    base_note_key_signer(&b->kms, &b->kms_signer);
    base_sha256("", 0, b->witness_root); /* root of the empty tree */
    *state = b;
    return 0;
}

int bench_tear_down(void **state)
{
    struct bench *b = *state;
    (void)nftw(b->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    base_note_key_done(&b->station);
    base_note_key_done(&b->kms);
    free(b);
    return 0;
}

struct lpa_audit *bench_open(struct bench *b, struct base_err *err)
{
    struct lpa_audit_opts opts = { .folder = b->folder,
        .station = "station-1",
        .software = "1.0",
        .signer = &b->station_signer,
        .witness = &b->kms.verifier,
        .clock = &b->clock,
        .segment_records = 16 };
    struct lpa_audit *audit = NULL;
    (void)!lpa_audit_open(&opts, &audit, err);
    return audit;
}

/* A witness as the KMS is one: compare and set, consistency proof, cosignature. */
enum base_status bench_witness(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err)
{
    struct bench *b = user;
    struct base_note_opened opened;
    struct base_checkpoint head;
    struct base_merkle_proof path = { .count = proof_count };
    b->witness_calls++;
    if (b->away) {
        (void)base_err_set(err, BASE_E_REMOTE, "HTTP", 0, "the KMS does not answer");
        base_err_set_code(err, "unknown");
        return BASE_E_REMOTE;
    }
    assert_int_equal(
        base_note_open(checkpoint, strlen(checkpoint), &b->station.verifier, 1, &opened, NULL),
        BASE_OK);
    assert_int_equal(base_checkpoint_parse(checkpoint, opened.body_length, &head, NULL), BASE_OK);
    *ret_size = b->witness_size;
    if (old_size != b->witness_size) {
        *ret_witness = AUTH_WITNESS_STALE;
        return BASE_OK;
    }
    struct base_merkle_head old = { .size = old_size };
    memcpy(old.root, b->witness_root, 32);
    memcpy(path.hashes, proof, proof_count * 32);
    if (base_merkle_verify_consistency(&old, &head.head, &path, NULL) != BASE_OK) {
        (void)base_err_set(err, BASE_E_DENIED, "HTTP", 422, "the proof fails");
        base_err_set_code(err, "inconsistent");
        return BASE_E_DENIED;
    }
    struct base_note_key thief = { 0 };
    struct base_note_signer signer = b->kms_signer;
    if (b->forge) {
        assert_int_equal(base_note_key_generate(
                             "kms.local", BASE_NOTE_COSIGNATURE, &b->random.random, &thief, NULL),
            BASE_OK);
        base_note_key_signer(&thief, &signer);
    }
    struct base_buf line;
    base_buf_init(&line, 1024);
    assert_int_equal(
        base_note_sign_line(&signer, checkpoint, opened.body_length, 1800000000, &line, NULL),
        BASE_OK);
    (void)snprintf(ret_cosignature, AUTH_NOTE_MAX, "%s", base_buf_text(&line));
    base_buf_done(&line);
    base_note_key_done(&thief);
    b->witness_size = head.head.size;
    memcpy(b->witness_root, head.head.root, 32);
    *ret_size = b->witness_size;
    *ret_witness = AUTH_WITNESS_COSIGNED;
    if (b->lost_replies > 0) {
        b->lost_replies--;
        (void)base_err_set(err, BASE_E_REMOTE, "HTTP", 0, "the answer was lost");
        base_err_set_code(err, "unknown");
        return BASE_E_REMOTE;
    }
    return BASE_OK;
}

struct lpa_event bench_request(void)
{
    return (struct lpa_event){ .id = LPA_EVENT_KEY_REQUEST,
        .lot = "LOT-1",
        .attempt = 1,
        .chip_id = bench_chip_id,
        .statement_sha256 = bench_hash,
        .site = "tcp:here",
        .step = "grant" };
}

void bench_write(struct bench *b, unsigned records)
{
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    assert_non_null(audit);
    struct lpa_event plain = {
        .id = LPA_EVENT_DEVICE_DETECT, .chip_id = bench_chip_id, .lot = "LOT-1"
    };
    for (unsigned i = 0; i < records; i++) {
        assert_int_equal(lpa_audit_append(audit, &plain, &err), BASE_OK);
    }
    if (lpa_audit_cosign(audit, bench_witness, b, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    lpa_audit_close(audit);
}

void bench_verify(struct bench *b, struct lpa_audit_report *report)
{
    struct lpa_audit_verify_opts opts = {
        .folder = b->folder, .station = &b->station.verifier, .witness = &b->kms.verifier
    };
    struct base_err err = { 0 };
    assert_int_equal(lpa_audit_verify(&opts, report, &err), BASE_OK);
    lpa_audit_report_done(report);
}

void bench_path(struct bench *b, const char *name, char *path)
{
    assert_int_equal(base_file_join(b->folder, name, 256, path, NULL), BASE_OK);
}

void bench_read(struct bench *b, const char *name, struct base_buf *text)
{
    char path[256];
    bench_path(b, name, path);
    base_buf_init(text, 1U << 20);
    assert_int_equal(base_file_read(path, text, NULL), BASE_OK);
}

void bench_put(struct bench *b, const char *name, const void *data, size_t length)
{
    char path[256];
    bench_path(b, name, path);
    assert_int_equal(base_file_replace(path, data, length, 0600, NULL), BASE_OK);
}

void bench_copy(struct bench *b, const char *from, const char *to)
{
    struct base_buf text;
    bench_read(b, from, &text);
    bench_put(b, to, text.data, text.length);
    base_buf_done(&text);
}
