/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "lpa/job.h"
#include "lpa/station.h"
#include "tests/unit/lpa/audit_bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put_text(struct bench *b, const char *name, const char *text)
{
    bench_put(b, name, text, strlen(text));
}

static void put_vkey(struct bench *b, const char *name, const struct base_note_verifier *key)
{
    char line[BASE_NOTE_VKEY_SIZE];
    base_note_verifier_format(key, line);
    put_text(b, name, line);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    struct lpa_station station;
    assert_int_equal(lpa_station_load(NULL, &station, NULL), BASE_E_ARG);
    assert_int_equal(lpa_station_load("", &station, NULL), BASE_E_ARG);
    assert_int_equal(lpa_station_load("/nonexistent", &station, NULL), BASE_E_NOTFOUND);
}

static void expect_refused(struct bench *b, const char *config, const char *word)
{
    struct lpa_station station;
    struct base_err err = { 0 };
    put_text(b, "station.ini", config);
    if (lpa_station_load(b->folder, &station, &err) != BASE_E_CONFIG) {
        fail_msg("accepted: %s", config);
    }
    if (strstr(err.message, word) == NULL) {
        fail_msg("\"%s\" is not in: %s", word, err.message);
    }
}

static void test_what_is_not_known_is_refused(void **state)
{
    struct bench *b = *state;
    put_vkey(b, "log.vkey", &b->station.verifier);
    expect_refused(b, "[station]\nname = s\nlog = lpa.local/station-1\ncolour = red\n", "line 4");
    expect_refused(b, "[station]\nname = s\n[kmss]\nurl = https://x\n", "kmss");
    expect_refused(b, "[station]\nname = s\nname = t\nlog = x\n", "twice");
    expect_refused(b, "[station]\nname =\nlog = x\n", "empty");
    expect_refused(b, "[station]\nname = a b\nlog = x\n", "name");
    expect_refused(b, "[station]\nname = s\n", "log");
    expect_refused(b, "[station]\nname = s\nlog = another\n", "another");
    expect_refused(b, "no section\n", "line 1");
    put_text(b, "log.vkey", "rubbish");
    expect_refused(b, "[station]\nname = s\nlog = lpa.local/station-1\n", "log.vkey");
}

static void test_a_station_comes_back_as_it_went(void **state)
{
    struct bench *b = *state;
    struct lpa_station station = { .name = "s", .origin = "lpa.local/station-1" };
    struct lpa_station back;
    struct base_err err = { 0 };
    (void)snprintf(station.folder, sizeof(station.folder), "%s", b->folder);
    (void)snprintf(station.kms_url, sizeof(station.kms_url), "https://kms.example:8443");
    put_vkey(b, "log.vkey", &b->station.verifier);
    assert_int_equal(lpa_station_store(&station, &err), BASE_OK);
    assert_int_equal(lpa_station_load(b->folder, &back, &err), BASE_OK);
    assert_string_equal(back.name, "s");
    assert_string_equal(back.kms_url, "https://kms.example:8443");
    assert_false(back.have_witness);
}

static void test_the_witness_is_pinned_once(void **state)
{
    struct bench *b = *state;
    struct lpa_station station = { .name = "s", .origin = "lpa.local/station-1" };
    struct base_err err = { 0 };
    char kms[BASE_NOTE_VKEY_SIZE];
    char other[BASE_NOTE_VKEY_SIZE];
    (void)snprintf(station.folder, sizeof(station.folder), "%s", b->folder);
    put_vkey(b, "log.vkey", &b->station.verifier);
    base_note_verifier_format(&b->kms.verifier, kms);
    base_note_verifier_format(&b->station.verifier, other);
    assert_int_equal(lpa_station_store(&station, &err), BASE_OK);
    assert_int_equal(lpa_station_pin_witness(&station, "rubbish", &err), BASE_E_ARG);
    base_err_clear(&err);
    assert_int_equal(lpa_station_pin_witness(&station, kms, &err), BASE_OK);
    assert_int_equal(lpa_station_load(b->folder, &station, &err), BASE_OK);
    assert_true(station.have_witness);
    assert_int_equal(lpa_station_pin_witness(&station, kms, &err), BASE_OK);
    assert_int_equal(lpa_station_pin_witness(&station, other, &err), BASE_E_VERIFY);
    assert_string_equal(err.code, "witness_changed");
}

static void test_one_program_at_a_time(void **state)
{
    struct bench *b = *state;
    struct lpa_station station = { .name = "s" };
    int first = -1;
    int second = -1;
    (void)snprintf(station.folder, sizeof(station.folder), "%s", b->folder);
    assert_int_equal(lpa_station_lock(&station, &first, NULL), BASE_OK);
    assert_int_equal(lpa_station_lock(&station, &second, NULL), BASE_E_BUSY);
    (void)close(first);
    assert_int_equal(lpa_station_lock(&station, &second, NULL), BASE_OK);
    (void)close(second);
}

static void test_every_failure_has_a_next_action(void **state)
{
    (void)state;
    for (int status = BASE_E_ARG; status < BASE_STATUS_COUNT; status++) {
        struct lpa_failure failure = { .err = { .status = (enum base_status)status } };
        lpa_failure_classify(&failure);
        assert_true(failure.kind == LPA_RESULT_FAIL || failure.kind == LPA_RESULT_ERROR);
        assert_true(strlen(failure.next) > 10);
    }
    for (uint32_t answer = PROTO_BAD_CRC; answer <= PROTO_BAD_CONFIRMATION; answer++) {
        struct lpa_failure failure = {
            .err = { .status = BASE_E_TARGET, .domain = "device", .detail = answer }
        };
        lpa_failure_classify(&failure);
        assert_true(strlen(failure.next) > 10);
    }
    struct lpa_failure failure = { .err = { .status = BASE_E_REMOTE, .code = "unknown" } };
    lpa_failure_classify(&failure);
    assert_int_equal(failure.kind, LPA_RESULT_UNKNOWN);
    assert_false(failure.permanent);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_arguments),
        TEST(test_what_is_not_known_is_refused),
        TEST(test_a_station_comes_back_as_it_went),
        TEST(test_the_witness_is_pinned_once),
        TEST(test_one_program_at_a_time),
        TEST(test_every_failure_has_a_next_action),
    };
    return cmocka_run_group_tests_name("lpa-station", tests, NULL, NULL);
}
