/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lpa/audit_bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND "000000000016.jsonl"
#define THIRD  "000000000032.jsonl"

static void expect_tampered(struct bench *b, int64_t first_bad, const char *what)
{
    struct lpa_audit_report report;
    struct base_err err = { 0 };
    bench_verify(b, &report);
    if (report.verdict != LPA_AUDIT_TAMPERED) {
        fail_msg("%s was not noticed", what);
    }
    if (first_bad >= 0 && report.first_bad != first_bad) {
        fail_msg("%s: first bad record %d", what, (int)report.first_bad);
    }
    assert_true(report.reason[0] != '\0');
    /* And the writer does not go on with such a log. */
    struct lpa_audit *audit = bench_open(b, &err);
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
    bench_write(b, BENCH_RECORDS);
    bench_read(b, SECOND, &second);
    bench_read(b, THIRD, &third);
    assert_true(second.length < sizeof(changed) / 2);
    size_t from = line_at(&second, 4);
    size_t to = line_at(&second, 5);
    size_t end = line_at(&second, 6);

    /* Every byte of a record changed. */
    for (size_t i = from; i < to; i++) {
        memcpy(changed, second.data, second.length);
        changed[i] ^= 1;
        bench_put(b, SECOND, changed, second.length);
        struct lpa_audit_report report;
        bench_verify(b, &report);
        if (report.verdict != LPA_AUDIT_TAMPERED) {
            fail_msg("changed byte %u was not noticed", (unsigned)i);
        }
    }
    /* A record dropped. */
    memcpy(changed, second.data, from);
    memcpy(changed + from, second.data + to, second.length - to);
    bench_put(b, SECOND, changed, second.length - (to - from));
    expect_tampered(b, 20, "a dropped record");
    /* A record doubled. */
    memcpy(changed, second.data, to);
    memcpy(changed + to, second.data + from, second.length - from);
    bench_put(b, SECOND, changed, second.length + (to - from));
    expect_tampered(b, 21, "a doubled record");
    /* Two records swapped. */
    memcpy(changed, second.data, second.length);
    memcpy(changed + from, second.data + to, end - to);
    memcpy(changed + from + (end - to), second.data + from, to - from);
    bench_put(b, SECOND, changed, second.length);
    expect_tampered(b, 20, "two swapped records");
    /* A whole segment gone. */
    char path[256];
    bench_path(b, SECOND, path);
    assert_int_equal(unlink(path), 0);
    expect_tampered(b, 16, "a missing segment");
    bench_put(b, SECOND, second.data, second.length);
    /* The end cut off: at a record, and in the middle of one. */
    size_t cut = line_at(&third, 3);
    bench_put(b, THIRD, third.data, cut);
    expect_tampered(b, 35, "a cut end");
    bench_put(b, THIRD, third.data, cut + 10);
    expect_tampered(b, 35, "an end cut inside a record");
    bench_put(b, THIRD, third.data, third.length);
    struct lpa_audit_report report;
    bench_verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    base_buf_done(&second);
    base_buf_done(&third);
}

static void test_foreign_and_forged_signatures(void **state)
{
    struct bench *b = *state;
    struct base_buf checkpoint;
    struct base_buf note;
    bench_write(b, BENCH_RECORDS);
    bench_read(b, "checkpoint", &checkpoint);
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
    bench_put(b, "checkpoint", note.data, note.length);
    expect_tampered(b, -1, "a checkpoint signed by another key");
    /* Without the KMS's line. */
    base_buf_clear(&note);
    assert_int_equal(
        base_note_sign(&b->station_signer, (const char *)checkpoint.data, body, 0, &note, NULL),
        BASE_OK);
    bench_put(b, "checkpoint", note.data, note.length);
    expect_tampered(b, -1, "a checkpoint without the cosignature");
    /* Every byte of the note changed. */
    for (size_t i = 0; i < checkpoint.length; i++) {
        uint8_t changed[2048];
        memcpy(changed, checkpoint.data, checkpoint.length);
        changed[i] ^= 1;
        bench_put(b, "checkpoint", changed, checkpoint.length);
        struct lpa_audit_report report;
        bench_verify(b, &report);
        assert_int_not_equal(report.verdict, LPA_AUDIT_OK);
    }
    base_note_key_done(&thief);
    base_buf_done(&note);
    base_buf_done(&checkpoint);
}

static void test_a_rolled_back_log_is_a_gap_and_issues_nothing(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    bench_write(b, 5);
    static const char *const files[] = { "000000000000.jsonl", "signed", "checkpoint" };
    char saved[3][40];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(saved[i], sizeof(saved[i]), "saved-%zu", i);
        bench_copy(b, files[i], saved[i]);
    }
    bench_write(b, 5);
    for (size_t i = 0; i < 3; i++) {
        bench_copy(b, saved[i], files[i]);
    }
    struct lpa_audit *audit = bench_open(b, &err);
    assert_non_null(audit); /* it looks sound from here: only the witness can know */
    struct lpa_event event = bench_request();
    struct lpa_intent intent = { 0 };
    assert_int_equal(
        lpa_audit_intent(audit, &event, bench_witness, b, &intent, &err), BASE_E_AUDIT);
    assert_string_equal(err.code, "log_gap");
    struct lpa_audit_report report;
    bench_verify(b, &report);
    assert_int_equal(report.gaps, 1);
    base_err_clear(&err);
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_E_AUDIT);
    lpa_audit_close(audit);
    /* Grown past the witness's size with other records: a fork. */
    for (size_t i = 0; i < 3; i++) {
        bench_copy(b, saved[i], files[i]);
    }
    base_err_clear(&err);
    audit = bench_open(b, &err);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    }
    assert_int_equal(lpa_audit_cosign(audit, bench_witness, b, &err), BASE_E_AUDIT);
    assert_string_equal(err.code, "inconsistent");
    lpa_audit_close(audit);
}

static void test_a_forged_cosignature_is_refused(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = bench_request();
    struct lpa_intent intent = { 0 };
    b->forge = true;
    assert_int_equal(
        lpa_audit_intent(audit, &event, bench_witness, b, &intent, &err), BASE_E_AUDIT);
    assert_string_equal(err.code, "cosignature_bad");
    assert_null(intent.record);
    lpa_audit_close(audit);
}

static void test_a_known_checkpoint_shows_a_roll_back(void **state)
{
    struct bench *b = *state;
    struct base_buf known;
    bench_write(b, 5);
    bench_copy(b, "000000000000.jsonl", "saved");
    bench_copy(b, "checkpoint", "saved-c");
    bench_write(b, 5);
    bench_read(b, "checkpoint", &known);
    bench_copy(b, "saved", "000000000000.jsonl");
    bench_copy(b, "saved-c", "checkpoint");
    bench_copy(b, "saved-c", "signed");
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
    bench_write(b, 3);
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = bench_request();
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    lpa_audit_close(audit);
    bench_read(b, "000000000000.jsonl", &text);
    /* Cut inside the fourth record, which no checkpoint covers, at every place. */
    for (size_t length = line_at(&text, 3); length < text.length; length++) {
        bench_put(b, "000000000000.jsonl", text.data, length);
        base_err_clear(&err);
        audit = bench_open(b, &err);
        assert_non_null(audit);
        struct lpa_audit_status status;
        lpa_audit_get_status(audit, &status);
        bool torn = length > line_at(&text, 3);
        assert_int_equal(status.repaired, torn);
        assert_int_equal(status.records, torn ? 4 : 3);
        lpa_audit_close(audit);
    }
    /* Inside the third, which the KMS has cosigned: closed for good. */
    bench_put(b, "000000000000.jsonl", text.data, line_at(&text, 3) - 5);
    base_err_clear(&err);
    assert_null(bench_open(b, &err));
    assert_int_equal(err.status, BASE_E_AUDIT);
    assert_string_equal(err.code, "log_damaged");
    base_buf_done(&text);
}

/* Opening looks only at hashes below the signed checkpoint, and at the chain above it. */
static void test_opening_finds_a_changed_record(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct base_buf text;
    bench_write(b, 3);
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = bench_request();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    }
    lpa_audit_close(audit);
    bench_read(b, "000000000000.jsonl", &text);
    for (unsigned i = 0; i < 5;
         i++) { /* nothing covers or follows the sixth; the fourth names the third */
        size_t at = line_at(&text, i) + 20;
        text.data[at] ^= 1;
        bench_put(b, "000000000000.jsonl", text.data, text.length);
        text.data[at] ^= 1;
        base_err_clear(&err);
        assert_null(bench_open(b, &err));
        assert_int_equal(err.status, BASE_E_AUDIT);
        assert_string_equal(err.code, "log_damaged");
        assert_non_null(strstr(err.message, i < 2 ? "checkpoint of 3" : "record "));
    }
    bench_put(b, "000000000000.jsonl", text.data, text.length);
    base_err_clear(&err);
    audit = bench_open(b, &err);
    assert_non_null(audit);
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    lpa_audit_close(audit);
    base_buf_done(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tamper_corpus),
        TEST(test_foreign_and_forged_signatures),
        TEST(test_a_rolled_back_log_is_a_gap_and_issues_nothing),
        TEST(test_a_forged_cosignature_is_refused),
        TEST(test_a_known_checkpoint_shows_a_roll_back),
        TEST(test_opening_finds_a_changed_record),
        TEST(test_a_torn_line_goes_only_when_nothing_covers_it),
    };
    return cmocka_run_group_tests_name("lpa-audit-tamper", tests, NULL, NULL);
}
