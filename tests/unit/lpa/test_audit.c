/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lpa/audit_bench.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

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
        .actor_id = bench_hash,
        .prev = bench_hash,
        .seq = 3,
        .wall_us = 0,
        .mono_us = 5,
        .have_offset = true,
        .offset_ms = -7 };
    struct lpa_event event = bench_request();
    static const struct lpa_probe probe = {
        .vendor = "ACME \xC3", .product = "P \"1\"", .serial = "S/N", .firmware = "2.82.1735"
    };
    event.probe = &probe;
    event.text = "a \"quote\" \\ and\na line \xC3\xA4";
    struct base_buf text;
    base_buf_init(&text, 4096);
    assert_int_equal(lpa_audit_record_format(&frame, &event, &text, NULL), BASE_OK);
    assert_string_equal(base_buf_text(&text),
        "{\"actor\":{\"id_hmac\":\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"kind\":"
        "\"tester\"},\"boot\":\"b\",\"device\":{\"chip_id\":\"51a0000000c00001\"},\"ev\":\"key."
        "request\",\"log\":\"o\",\"lot\":{\"attempt\":1,\"id\":\"LOT-1\"},\"prev\":"
        "\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"probe\":{\"firmware\":\"2.82.1735\","
        "\"product\":\"P \\\"1\\\"\",\"serial\":\"S/N\",\"url\":\"tcp:here\",\"vendor\":\"ACME "
        "?\"},"
        "\"res\":{\"step\":\"grant\"},\"seq\":3,\"skew_ms\":-7,\"station\":{\"id\":\"s\","
        "\"software\":\"1\"},\"t_mono\":5,\"t_wall\":\"1970-01-01T00:00:00.000000Z\",\"v\":1,"
        "\"x\":{\"statement_sha256\":\"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"text\":"
        "\"a \\\"quote\\\" \\\\ and?a line ??\"}}");
    struct lpa_audit_fields fields;
    assert_int_equal(
        lpa_audit_record_scan((const char *)text.data, text.length, &fields, NULL), BASE_OK);
    assert_true(lpa_span_is(fields.lot, "LOT-1"));
    assert_true(lpa_span_is(fields.probe_vendor, "ACME ?"));
    assert_true(lpa_span_is(fields.probe_product, "P \\\"1\\\""));
    assert_true(lpa_span_is(fields.probe_serial, "S/N"));
    assert_true(lpa_span_is(fields.site, "tcp:here"));
    assert_true(lpa_span_is(fields.probe_firmware, "2.82.1735"));
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
    bench_write(b, BENCH_RECORDS);
    struct lpa_audit *audit = bench_open(b, &err);
    assert_non_null(audit);
    struct lpa_event event = bench_request();
    struct lpa_intent intent = { 0 };
    assert_int_equal(lpa_audit_intent(audit, &event, bench_witness, b, &intent, &err), BASE_OK);
    assert_int_equal(intent.view.index, BENCH_RECORDS);

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
    bench_verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    assert_int_equal(report.records, BENCH_RECORDS + 1);
    assert_int_equal(report.cosigned_size, BENCH_RECORDS + 1);
    assert_int_equal(report.unanswered, 1);
}

static void test_no_witness_no_intent(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = bench_request();
    struct lpa_intent intent = { 0 };
    b->away = true;
    assert_int_equal(
        lpa_audit_intent(audit, &event, bench_witness, b, &intent, &err), BASE_E_REMOTE);
    assert_null(intent.record);
    lpa_audit_close(audit);
    struct lpa_audit_report report;
    bench_verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_UNWITNESSED);
    assert_int_equal(report.records, 1);
}

static void test_a_lost_cosignature_is_asked_for_again(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = bench_request();
    struct lpa_intent intent = { 0 };
    b->lost_replies = 2;
    assert_int_equal(lpa_audit_intent(audit, &event, bench_witness, b, &intent, &err), BASE_OK);
    assert_int_equal(intent.view.index, 0);
    lpa_intent_done(&intent);
    b->lost_replies = 100;
    assert_int_equal(
        lpa_audit_intent(audit, &event, bench_witness, b, &intent, &err), BASE_E_REMOTE);
    b->lost_replies = 0;
    base_err_clear(&err);
    assert_int_equal(lpa_audit_cosign(audit, bench_witness, b, &err), BASE_OK);
    lpa_audit_close(audit);
    struct lpa_audit_report report;
    bench_verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    assert_int_equal(report.records, 2);
}

static void test_without_the_kms_key_nothing_counts_as_cosigned(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    bench_write(b, 5);
    struct lpa_audit_verify_opts opts = { .folder = b->folder, .station = &b->station.verifier };
    struct lpa_audit_report report;
    assert_int_equal(lpa_audit_verify(&opts, &report, &err), BASE_OK);
    assert_int_equal(report.verdict, LPA_AUDIT_UNWITNESSED);
    assert_int_equal(report.signed_size, 5);
    assert_int_equal(report.cosigned_size, 0);
    assert_false(report.witness_checked);
    lpa_audit_report_done(&report);
}

/* A second name of the file keeps what stood there: a history written in place would have grown. */
static void test_the_history_is_replaced_as_a_whole(void **state)
{
    struct bench *b = *state;
    char path[256];
    char copy[256];
    struct base_buf before;
    struct base_buf kept;
    struct base_buf now;
    bench_write(b, 300);
    bench_path(b, "history", path);
    bench_path(b, "other-name", copy);
    assert_int_equal(link(path, copy), 0);
    bench_read(b, "history", &before);
    bench_write(b, 300);
    bench_read(b, "other-name", &kept);
    bench_read(b, "history", &now);
    assert_int_equal(kept.length, before.length);
    assert_true(now.length > before.length);
    assert_memory_equal(now.data, before.data, before.length);
    base_buf_done(&before);
    base_buf_done(&kept);
    base_buf_done(&now);
    assert_int_equal(unlink(copy), 0);
}

static void test_the_history_goes_on_over_short_runs(void **state)
{
    struct bench *b = *state;
    struct base_buf history;
    struct lpa_audit_report report;
    for (int i = 0; i < 10; i++) {
        bench_write(b, 60); /* ten runs of 60 records: noted at 300 and 600 */
    }
    bench_read(b, "history", &history);
    unsigned notes = 0;
    for (const char *at = base_buf_text(&history);
         (at = strstr(at, "lpa.local/station-1\n")) != NULL; at++) {
        notes++;
    }
    assert_int_equal(notes, 2);
    base_buf_done(&history);
    bench_verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
    assert_int_equal(report.checkpoints, 4);
}

static void test_lots_reconcile(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    for (uint8_t i = 0; i < 10; i++) {
        uint8_t eui[8];
        memcpy(eui, bench_dev_eui, 8);
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

static void test_a_disk_that_is_full_refuses_and_recovers(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = bench_request();
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
    assert_int_equal(lpa_audit_cosign(audit, bench_witness, b, &err), BASE_OK);
    lpa_audit_close(audit);
    struct lpa_audit_report report;
    bench_verify(b, &report);
    assert_int_equal(report.verdict, LPA_AUDIT_OK);
}

static void test_exports(void **state)
{
    struct bench *b = *state;
    struct base_err err = { 0 };
    struct lpa_audit *audit = bench_open(b, &err);
    struct lpa_event event = { .id = LPA_EVENT_SCRAP,
        .result = "ok",
        .lot = "LOT-1",
        .why = "=HYPERLINK(\"x\")",
        .dev_eui = bench_dev_eui };
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    assert_int_equal(lpa_audit_append(audit, &event, &err), BASE_OK);
    assert_int_equal(lpa_audit_cosign(audit, bench_witness, b, &err), BASE_OK);
    lpa_audit_close(audit);
    struct lpa_audit_verify_opts opts = {
        .folder = b->folder, .station = &b->station.verifier, .witness = &b->kms.verifier
    };
    char path[256];
    bench_path(b, "out", path);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    char footer[256];
    bench_path(b, "footer", footer);
    assert_int_equal(lpa_audit_export(&opts, LPA_AUDIT_JSONL, out, footer, &err), BASE_OK);
    assert_int_equal(fclose(out), 0);
    struct base_buf exact;
    struct base_buf copy;
    bench_read(b, "000000000000.jsonl", &exact);
    bench_read(b, "out", &copy);
    assert_int_equal(exact.length, copy.length);
    assert_memory_equal(exact.data, copy.data, copy.length);
    base_buf_done(&exact);
    base_buf_done(&copy);
    bench_read(b, "footer", &copy);
    assert_non_null(strstr(base_buf_text(&copy), "records 2\n"));
    base_buf_done(&copy);

    out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(lpa_audit_export(&opts, LPA_AUDIT_CSV, out, NULL, &err), BASE_OK);
    assert_int_equal(fclose(out), 0);
    bench_read(b, "out", &copy);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_arguments),
        TEST(test_a_record_is_canonical_to_the_byte),
        TEST(test_records_that_are_not_canonical_are_refused),
        TEST(test_an_intent_is_proved_under_a_cosigned_checkpoint),
        TEST(test_no_witness_no_intent),
        TEST(test_a_lost_cosignature_is_asked_for_again),
        TEST(test_without_the_kms_key_nothing_counts_as_cosigned),
        TEST(test_the_history_is_replaced_as_a_whole),
        TEST(test_the_history_goes_on_over_short_runs),
        TEST(test_lots_reconcile),
        TEST(test_a_disk_that_is_full_refuses_and_recovers),
        TEST(test_exports),
        TEST(test_pseudonyms_differ),
    };
    return cmocka_run_group_tests_name("lpa-audit", tests, NULL, NULL);
}
