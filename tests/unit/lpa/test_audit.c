/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "lpa/audit.h"
#include "lpa/audit_files.h"
#include "lpa/audit_verify.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS 40U

static const uint8_t chip_id[8] = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 };
static const uint8_t dev_eui[8] = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 1, 0, 0 };
static const uint8_t some_hash[32] = { 1, 2, 3 };

struct bench {
    char folder[64];
    struct base_random_seeded random;
    struct base_note_key station, kms;
    struct base_note_signer station_signer, kms_signer;
    uint64_t witness_size;
    uint8_t witness_root[32];
    unsigned witness_calls;
    bool away;
};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    (void)snprintf(b->folder, sizeof(b->folder), "/tmp/lpa-audit-test.XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    base_random_seeded_init(&b->random, 7);
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

static int tear_down(void **state)
{
    struct bench *b = *state;
    (void)nftw(b->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    base_note_key_done(&b->station);
    base_note_key_done(&b->kms);
    free(b);
    return 0;
}

static struct lpa_audit *open_log(struct bench *b, struct base_err *err)
{
    struct lpa_audit_opts opts = { .folder = b->folder,
        .station = "station-1",
        .software = "1.0",
        .signer = &b->station_signer,
        .witness = &b->kms.verifier,
        .clock = base_clock_system(),
        .segment_records = 16 };
    struct lpa_audit *audit = NULL;
    (void)!lpa_audit_open(&opts, &audit, err);
    return audit;
}

/* A witness as the KMS is one: compare and set, consistency proof, cosignature. */
static enum base_status witness(void *user, uint64_t old_size, const uint8_t (*proof)[32],
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
    struct base_buf line;
    base_buf_init(&line, 1024);
    assert_int_equal(base_note_sign_line(
                         &b->kms_signer, checkpoint, opened.body_length, 1800000000, &line, NULL),
        BASE_OK);
    (void)snprintf(ret_cosignature, AUTH_NOTE_MAX, "%s", base_buf_text(&line));
    base_buf_done(&line);
    b->witness_size = head.head.size;
    memcpy(b->witness_root, head.head.root, 32);
    *ret_size = b->witness_size;
    *ret_witness = AUTH_WITNESS_COSIGNED;
    return BASE_OK;
}

static struct lpa_event request_event(void)
{
    return (struct lpa_event){ .id = LPA_EVENT_KEY_REQUEST,
        .lot = "LOT-1",
        .attempt = 1,
        .chip_id = chip_id,
        .statement_sha256 = some_hash,
        .site = "tcp:here",
        .step = "grant" };
}

static void write_log(struct bench *b, unsigned records)
{
    struct base_err err = { 0 };
    struct lpa_audit *audit = open_log(b, &err);
    assert_non_null(audit);
    struct lpa_event plain = { .id = LPA_EVENT_DEVICE_DETECT, .chip_id = chip_id, .lot = "LOT-1" };
    for (unsigned i = 0; i < records; i++) {
        assert_int_equal(lpa_audit_append(audit, &plain, &err), BASE_OK);
    }
    if (lpa_audit_cosign(audit, witness, b, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    lpa_audit_close(audit);
}

static void verify(struct bench *b, struct lpa_audit_report *report)
{
    struct lpa_audit_verify_opts opts = {
        .folder = b->folder, .station = &b->station.verifier, .witness = &b->kms.verifier
    };
    struct base_err err = { 0 };
    assert_int_equal(lpa_audit_verify(&opts, report, &err), BASE_OK);
    lpa_audit_report_done(report);
}

static void test_bad_arguments(void **state)
{
    struct bench *b = *state;
    struct lpa_audit *audit = NULL;
    struct lpa_audit_opts opts = { .folder = b->folder };
    struct lpa_audit_report report;
    assert_int_equal(lpa_audit_open(NULL, &audit, NULL), BASE_E_ARG);
    assert_int_equal(lpa_audit_open(&opts, &audit, NULL), BASE_E_ARG);
    assert_int_equal(lpa_audit_verify(NULL, &report, NULL), BASE_E_ARG);
    lpa_audit_close(NULL);
    lpa_audit_report_done(NULL);
}

static void test_a_record_is_canonical_to_the_byte(void **state)
{
    (void)state;
    struct lpa_audit_frame frame = { .origin = "o",
        .station = "s",
        .software = "1",
        .boot = "b",
        .actor_kind = "tester",
        .actor_id = some_hash,
        .prev = some_hash,
        .seq = 3,
        .wall_us = 0,
        .mono_us = 5,
        .have_offset = true,
        .offset_ms = -7 };
    struct lpa_event event = request_event();
    event.text = "a \"quote\" \\ and\na line \xC3\xA4";
    struct base_buf text;
    base_buf_init(&text, 4096);
    assert_int_equal(lpa_audit_record_format(&frame, &event, &text, NULL), BASE_OK);
    assert_string_equal(base_buf_text(&text),
        "{\"actor\":{\"id_hmac\":\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"kind\":"
        "\"tester\"},\"boot\":\"b\",\"device\":{\"chip_id\":\"51a0000000c00001\"},\"ev\":\"key."
        "request\",\"log\":\"o\",\"lot\":{\"attempt\":1,\"id\":\"LOT-1\"},\"prev\":"
        "\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"probe\":{\"url\":\"tcp:here\"},"
        "\"res\":{\"step\":\"grant\"},\"seq\":3,\"skew_ms\":-7,\"station\":{\"id\":\"s\","
        "\"software\":\"1\"},\"t_mono\":5,\"t_wall\":\"1970-01-01T00:00:00.000000Z\",\"v\":1,"
        "\"x\":{\"statement_sha256\":\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"text\":"
        "\"a \\\"quote\\\" \\\\ and?a line ??\"}}");
    struct lpa_audit_fields fields;
    assert_int_equal(
        lpa_audit_record_scan((const char *)text.data, text.length, &fields, NULL), BASE_OK);
    assert_true(lpa_span_is(fields.lot, "LOT-1"));
    char back[64];
    lpa_span_text(fields.text, sizeof(back), back);
    assert_string_equal(back, "a \"quote\" \\ and?a line ??");
    /* Any cut and any added byte is refused. */
    for (size_t i = 0; i < text.length; i++) {
        assert_int_equal(
            lpa_audit_record_scan((const char *)text.data, i, &fields, NULL), BASE_E_CORRUPT);
    }
    base_buf_done(&text);
}

static void test_records_that_are_not_canonical_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "{}", "[]", "{\"v\":1} ", " {\"v\":1}", "{\"v\": 1}",
        "{\"v\":01}", "{\"v\":-0}", "{\"v\":1.0}", "{\"v\":1e3}", "{\"v\":true}", "{\"v\":null}",
        "{\"v\":99999999999999999}", "{\"v\":1,\"v\":1}", "{\"v\":1,\"ev\":\"x\"}", "{\"other\":1}",
        "{\"ev\":\"a\\u0062\"}", "{\"ev\":\"a\tb\"}", "{\"ev\":\"\xC3\xA4\"}", "{\"device\":{}}",
        "{\"device\":{\"chip_id\":\"1\"},\"device\":{\"dev_eui\":\"2\"}}",
        "{\"device\":{\"dev_eui\":\"2\",\"chip_id\":\"1\"}}",
        "{\"device\":{\"x\":{\"text\":\"1\"}}}", "{\"ev\":{\"text\":\"1\"}}", "{\"v\":1,}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct lpa_audit_fields fields;
        struct base_err err = { 0 };
        if (lpa_audit_record_scan(bad[i], strlen(bad[i]), &fields, &err) != BASE_E_CORRUPT) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void test_an_intent_is_proved_under_a_cosigned_checkpoint(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    write_log(b, RECORDS);
    struct lpa_audit *audit = open_log(b, &err);
    assert_non_null(audit);
    struct lpa_event event = request_event();
    struct lpa_intent intent = { 0 };
    assert_int_equal(lpa_audit_intent(audit, &event, witness, b, &intent, &err), BASE_OK);
    assert_int_equal(intent.view.index, RECORDS);

    struct base_note_verifier keys[2] = { b->station.verifier, b->kms.verifier };
    struct base_note_opened opened;
    struct base_checkpoint head;
    assert_int_equal(base_note_open(intent.view.checkpoint, strlen(intent.view.checkpoint), keys, 2,
                         &opened, &err),
        BASE_OK);
    assert_true(opened.by[0].valid && opened.by[1].valid);
    assert_int_equal(
        base_checkpoint_parse(intent.view.checkpoint, opened.body_length, &head, &err), BASE_OK);
    uint8_t leaf[32];
    struct base_merkle_proof proof = { .count = intent.view.proof_count };
    memcpy(proof.hashes, intent.view.proof, proof.count * 32);
    base_merkle_leaf(intent.view.record, intent.view.record_length, leaf);
    assert_int_equal(base_merkle_verify_inclusion(
                         leaf, intent.view.index, head.head.size, &proof, head.head.root, &err),
        BASE_OK);
    lpa_intent_done(&intent);
    lpa_audit_close(audit);
    struct lpa_audit_report report;
    verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    assert_int_equal(report.records, RECORDS + 1);
    assert_int_equal(report.cosigned_size, RECORDS + 1);
    assert_int_equal(report.unanswered, 1);
}

static void test_no_witness_no_intent(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = open_log(b, &err);
    struct lpa_event event = request_event();
    struct lpa_intent intent = { 0 };
    b->away = true;
    assert_int_equal(lpa_audit_intent(audit, &event, witness, b, &intent, &err), BASE_E_REMOTE);
    assert_null(intent.record);
    lpa_audit_close(audit);
    struct lpa_audit_report report;
    verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_UNWITNESSED);
    assert_int_equal(report.records, 1);
}

static void test_lots_reconcile(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = open_log(b, &err);
    for (uint8_t i = 0; i < 10; i++) {
        uint8_t eui[8];
        memcpy(eui, dev_eui, 8);
        eui[7] = (uint8_t)(i + 1);
        struct lpa_event event = {
            .id = LPA_EVENT_KEY_ISSUED, .lot = "LOT-1", .result = "ok", .dev_eui = eui
        };
        assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
        event.id = LPA_EVENT_KEY_RECONCILED; /* the same unit again: one DevEUI */
        assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
        event.id = i < 6 ? LPA_EVENT_INSTALL_CONFIRM : LPA_EVENT_SCRAP;
        if (i < 8) {
            assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
        }
    }
    lpa_audit_close(audit);
    struct lpa_audit_verify_opts opts = { .folder = b->folder, .station = &b->station.verifier };
    struct lpa_audit_report report;
    assert_int_equal(lpa_audit_verify(&opts, &report, &err), BASE_OK);
    assert_int_equal(report.lot_count, 1);
    assert_string_equal(report.lots[0].id, "LOT-1");
    assert_int_equal(report.lots[0].granted, 10);
    assert_int_equal(report.lots[0].confirmed, 6);
    assert_int_equal(report.lots[0].scrapped, 2);
    assert_int_equal(report.lots[0].open, 2);
    lpa_audit_report_done(&report);
}

static void path_of(struct bench *b, const char *name, char *path)
{
    assert_int_equal(base_file_join(b->folder, name, 256, path, NULL), BASE_OK);
}

static void read_file(struct bench *b, const char *name, struct base_buf *text)
{
    char path[256];
    path_of(b, name, path);
    base_buf_init(text, 1U << 20);
    assert_int_equal(base_file_read(path, text, NULL), BASE_OK);
}

static void write_file(struct bench *b, const char *name, const void *data, size_t length)
{
    char path[256];
    path_of(b, name, path);
    assert_int_equal(base_file_replace(path, data, length, 0600, NULL), BASE_OK);
}

#define SECOND "000000000016.jsonl"
#define THIRD  "000000000032.jsonl"

static void expect_tampered(struct bench *b, int64_t first_bad, const char *what)
{
    struct lpa_audit_report report;
    struct base_err err = { 0 };
    verify(b, &report);
    if (report.verdict != LPA_AUDIT_TAMPERED) {
        fail_msg("%s was not noticed", what);
    }
    if (first_bad >= 0 && report.first_bad != first_bad) {
        fail_msg("%s: first bad record %d", what, (int)report.first_bad);
    }
    assert_true(report.reason[0] != '\0');
    /* And the writer does not go on with such a log. */
    struct lpa_audit *audit = open_log(b, &err);
    if (audit != NULL) {
        fail_msg("%s: the log was opened for writing", what);
    }
    assert_int_equal(err.status, BASE_E_AUDIT);
}

/* Start of line @p n. */
static size_t line_at(const struct base_buf *text, unsigned n)
{
    size_t at = 0;
    for (unsigned i = 0; i < n; i++) {
        const uint8_t *newline = memchr(text->data + at, '\n', text->length - at);
        assert_non_null(newline);
        at = (size_t)(newline - text->data) + 1;
    }
    return at;
}

static void test_tamper_corpus(void **state)
{
    struct bench *b = *state;
    struct base_buf second;
    struct base_buf third;
    uint8_t changed[1U << 15];
    write_log(b, RECORDS);
    read_file(b, SECOND, &second);
    read_file(b, THIRD, &third);
    assert_true(second.length < sizeof(changed) / 2);
    size_t from = line_at(&second, 4);
    size_t to = line_at(&second, 5);
    size_t end = line_at(&second, 6);

    /* Every byte of a record changed. */
    for (size_t i = from; i < to; i++) {
        memcpy(changed, second.data, second.length);
        changed[i] ^= 1;
        write_file(b, SECOND, changed, second.length);
        struct lpa_audit_report report;
        verify(b, &report);
        if (report.verdict != LPA_AUDIT_TAMPERED) {
            fail_msg("changed byte %u was not noticed", (unsigned)i);
        }
    }
    /* A record dropped. */
    memcpy(changed, second.data, from);
    memcpy(changed + from, second.data + to, second.length - to);
    write_file(b, SECOND, changed, second.length - (to - from));
    expect_tampered(b, 20, "a dropped record");
    /* A record doubled. */
    memcpy(changed, second.data, to);
    memcpy(changed + to, second.data + from, second.length - from);
    write_file(b, SECOND, changed, second.length + (to - from));
    expect_tampered(b, 21, "a doubled record");
    /* Two records swapped. */
    memcpy(changed, second.data, second.length);
    memcpy(changed + from, second.data + to, end - to);
    memcpy(changed + from + (end - to), second.data + from, to - from);
    write_file(b, SECOND, changed, second.length);
    expect_tampered(b, 20, "two swapped records");
    /* A whole segment gone. */
    char path[256];
    path_of(b, SECOND, path);
    assert_int_equal(unlink(path), 0);
    expect_tampered(b, 16, "a missing segment");
    write_file(b, SECOND, second.data, second.length);
    /* The end cut off: at a record, and in the middle of one. */
    size_t cut = line_at(&third, 3);
    write_file(b, THIRD, third.data, cut);
    expect_tampered(b, 35, "a cut end");
    write_file(b, THIRD, third.data, cut + 10);
    expect_tampered(b, 35, "an end cut inside a record");
    write_file(b, THIRD, third.data, third.length);
    struct lpa_audit_report report;
    verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    base_buf_done(&second);
    base_buf_done(&third);
}

static void test_foreign_and_forged_signatures(void **state)
{
    struct bench *b = *state;
    struct base_buf checkpoint;
    struct base_buf note;
    write_log(b, RECORDS);
    read_file(b, "checkpoint", &checkpoint);
    /* Signed by another key of the same name. */
    struct base_note_key thief = { 0 };
    struct base_note_signer signer;
    assert_int_equal(base_note_key_generate(
                         "lpa.local/station-1", BASE_NOTE_ED25519, &b->random.random, &thief, NULL),
        BASE_OK);
    base_note_key_signer(&thief, &signer);
    const char *body_end = strstr(base_buf_text(&checkpoint), "\n\n");
    size_t body = (size_t)(body_end - (const char *)checkpoint.data) + 1;
    base_buf_init(&note, 4096);
    assert_int_equal(
        base_note_sign(&signer, (const char *)checkpoint.data, body, 0, &note, NULL), BASE_OK);
    write_file(b, "checkpoint", note.data, note.length);
    expect_tampered(b, -1, "a checkpoint signed by another key");
    /* Without the KMS's line. */
    base_buf_clear(&note);
    assert_int_equal(
        base_note_sign(&b->station_signer, (const char *)checkpoint.data, body, 0, &note, NULL),
        BASE_OK);
    write_file(b, "checkpoint", note.data, note.length);
    expect_tampered(b, -1, "a checkpoint without the cosignature");
    /* Every byte of the note changed. */
    for (size_t i = 0; i < checkpoint.length; i++) {
        uint8_t changed[2048];
        memcpy(changed, checkpoint.data, checkpoint.length);
        changed[i] ^= 1;
        write_file(b, "checkpoint", changed, checkpoint.length);
        struct lpa_audit_report report;
        verify(b, &report);
        assert_int_not_equal(report.verdict, LPA_AUDIT_OK);
    }
    base_note_key_done(&thief);
    base_buf_done(&note);
    base_buf_done(&checkpoint);
}

static void copy_file(struct bench *b, const char *from, const char *to)
{
    struct base_buf text;
    read_file(b, from, &text);
    write_file(b, to, text.data, text.length);
    base_buf_done(&text);
}

static void test_a_rolled_back_log_is_a_gap_and_issues_nothing(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    write_log(b, 5);
    static const char *const files[] = { "000000000000.jsonl", "signed", "checkpoint" };
    char saved[3][40];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(saved[i], sizeof(saved[i]), "saved-%zu", i);
        copy_file(b, files[i], saved[i]);
    }
    write_log(b, 5);
    for (size_t i = 0; i < 3; i++) {
        copy_file(b, saved[i], files[i]);
    }
    struct lpa_audit *audit = open_log(b, &err);
    assert_non_null(audit); /* it looks sound from here: only the witness can know */
    struct lpa_event event = request_event();
    struct lpa_intent intent = { 0 };
    assert_int_equal(lpa_audit_intent(audit, &event, witness, b, &intent, &err), BASE_E_AUDIT);
    assert_string_equal(err.code, "log_gap");
    base_err_clear(&err);
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_E_AUDIT);
    lpa_audit_close(audit);
    /* Grown past the witness's size with other records: a fork. */
    for (size_t i = 0; i < 3; i++) {
        copy_file(b, saved[i], files[i]);
    }
    base_err_clear(&err);
    audit = open_log(b, &err);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    }
    assert_int_equal(lpa_audit_cosign(audit, witness, b, &err), BASE_E_AUDIT);
    assert_string_equal(err.code, "inconsistent");
    lpa_audit_close(audit);
}

static void test_a_known_checkpoint_shows_a_roll_back(void **state)
{
    struct bench *b = *state;
    struct base_buf known;
    write_log(b, 5);
    copy_file(b, "000000000000.jsonl", "saved");
    copy_file(b, "checkpoint", "saved-c");
    write_log(b, 5);
    read_file(b, "checkpoint", &known);
    copy_file(b, "saved", "000000000000.jsonl");
    copy_file(b, "saved-c", "checkpoint");
    copy_file(b, "saved-c", "signed");
    struct lpa_audit_verify_opts opts = {
        .folder = b->folder, .station = &b->station.verifier, .witness = &b->kms.verifier
    };
    struct lpa_audit_report report;
    assert_int_equal(lpa_audit_verify(&opts, &report, NULL), BASE_OK);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    lpa_audit_report_done(&report);
    opts.known_checkpoint = base_buf_text(&known);
    assert_int_equal(lpa_audit_verify(&opts, &report, NULL), BASE_OK);
    assert_int_equal(report.verdict, LPA_AUDIT_TAMPERED);
    lpa_audit_report_done(&report);
    base_buf_done(&known);
}

static void test_a_torn_line_goes_only_when_nothing_covers_it(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct base_buf text;
    write_log(b, 3);
    struct lpa_audit *audit = open_log(b, &err);
    struct lpa_event event = request_event();
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    lpa_audit_close(audit);
    read_file(b, "000000000000.jsonl", &text);
    /* Cut inside the fourth record, which no checkpoint covers, at every place. */
    for (size_t length = line_at(&text, 3); length < text.length; length++) {
        write_file(b, "000000000000.jsonl", text.data, length);
        base_err_clear(&err);
        audit = open_log(b, &err);
        assert_non_null(audit);
        struct lpa_audit_status status;
        lpa_audit_get_status(audit, &status);
        bool torn = length > line_at(&text, 3);
        assert_int_equal(status.repaired, torn);
        assert_int_equal(status.records, torn ? 4 : 3);
        lpa_audit_close(audit);
    }
    /* Inside the third, which the KMS has cosigned: closed for good. */
    write_file(b, "000000000000.jsonl", text.data, line_at(&text, 3) - 5);
    base_err_clear(&err);
    assert_null(open_log(b, &err));
    assert_int_equal(err.status, BASE_E_AUDIT);
    assert_string_equal(err.code, "log_damaged");
    base_buf_done(&text);
}

static void test_a_disk_that_is_full_refuses_and_recovers(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = open_log(b, &err);
    struct lpa_event event = request_event();
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = { .rlim_cur = 700, .rlim_max = old.rlim_max };
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum base_status status = lpa_audit_append(audit, &event, &err);
    if (status == BASE_OK) {
        status = lpa_audit_append(audit, &event, &err);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, before);
    assert_int_equal(status, BASE_E_AUDIT);
    assert_non_null(strstr(err.message, "nothing is issued"));
    base_err_clear(&err);
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    assert_int_equal(lpa_audit_cosign(audit, witness, b, &err), BASE_OK);
    lpa_audit_close(audit);
    struct lpa_audit_report report;
    verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
}

static void test_exports(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = open_log(b, &err);
    struct lpa_event event = { .id = LPA_EVENT_SCRAP,
        .result = "ok",
        .lot = "LOT-1",
        .why = "=HYPERLINK(\"x\")",
        .dev_eui = dev_eui };
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    assert_int_equal(lpa_audit_cosign(audit, witness, b, &err), BASE_OK);
    lpa_audit_close(audit);
    struct lpa_audit_verify_opts opts = {
        .folder = b->folder, .station = &b->station.verifier, .witness = &b->kms.verifier
    };
    char path[256];
    path_of(b, "out", path);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    char footer[256];
    path_of(b, "footer", footer);
    assert_int_equal(lpa_audit_export(&opts, LPA_AUDIT_JSONL, out, footer, &err), BASE_OK);
    assert_int_equal(fclose(out), 0);
    struct base_buf exact;
    struct base_buf copy;
    read_file(b, "000000000000.jsonl", &exact);
    read_file(b, "out", &copy);
    assert_int_equal(exact.length, copy.length);
    assert_memory_equal(exact.data, copy.data, copy.length);
    base_buf_done(&exact);
    base_buf_done(&copy);
    read_file(b, "footer", &copy);
    assert_non_null(strstr(base_buf_text(&copy), "records 2\n"));
    base_buf_done(&copy);

    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(lpa_audit_export(&opts, LPA_AUDIT_CSV, out, NULL, &err), BASE_OK);
    assert_int_equal(fclose(out), 0);
    read_file(b, "out", &copy);
    const char *text = base_buf_text(&copy);
    assert_true(strncmp(text, "\"seq\",\"time\",\"event\"", 20) == 0);
    assert_non_null(strstr(text, "\"'=HYPERLINK(\"\"x\"\")\""));
    assert_non_null(strstr(text, "\r\n\"1\",\""));
    base_buf_done(&copy);
}

static void test_pseudonyms_differ(void **state)
{
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    lpa_audit_tester_id("s", "alice", a);
    lpa_audit_tester_id("s", "bob", b);
    assert_memory_not_equal(a, b, 32);
    lpa_audit_tester_id("t", "alice", b);
    assert_memory_not_equal(a, b, 32);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_arguments),
        TEST(test_a_record_is_canonical_to_the_byte),
        TEST(test_records_that_are_not_canonical_are_refused),
        TEST(test_an_intent_is_proved_under_a_cosigned_checkpoint),
        TEST(test_no_witness_no_intent),
        TEST(test_lots_reconcile),
        TEST(test_tamper_corpus),
        TEST(test_foreign_and_forged_signatures),
        TEST(test_a_rolled_back_log_is_a_gap_and_issues_nothing),
        TEST(test_a_known_checkpoint_shows_a_roll_back),
        TEST(test_a_torn_line_goes_only_when_nothing_covers_it),
        TEST(test_a_disk_that_is_full_refuses_and_recovers),
        TEST(test_exports),
        TEST(test_pseudonyms_differ),
    };
    return cmocka_run_group_tests_name("lpa-audit", tests, NULL, NULL);
}
