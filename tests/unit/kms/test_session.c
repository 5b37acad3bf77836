/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/kms/lab.h"

struct fixture {
    struct lab lab;
    struct lab_station station, other;
    struct lab_tester tester;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    lab_open(&fixture.lab);
    lab_add_station(&fixture.lab, &fixture.station, "station-1", KMS_ROLE_PROVISION);
    lab_add_station(&fixture.lab, &fixture.other, "station-2", KMS_ROLE_PROVISION);
    lab_add_tester(&fixture.lab, &fixture.tester, "anna", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(&fixture.lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&fixture.lab, &lot);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_station_done(&f->station);
    lab_station_done(&f->other);
    lab_close(&f->lab);
    return 0;
}

static void refused(
    struct fixture *f, const char *tester, const char *code, int status, const char *expected)
{
    char body[256];
    lab_login_body(tester, code, false, body);
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/session", body, status, expected);
}

static void test_bad_bodies(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"tester\":\"anna\"}",
        "{\"tester\":7,\"code\":\"123456\"}",
        "{\"tester\":\"anna\",\"code\":123456}",
        "{\"tester\":\"anna\",\"code\":\"123456\",\"more\":1}",
        "{\"tester\":\"anna\",\"code\":\"123456\",\"unattended\":1}",
        "{\"tester\":\"anna\",\"tester\":\"anna\",\"code\":\"123456\"}",
        "{\"tester\":\"anna\",\"code\":\"123456\"} x",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        lab_refused(&f->lab, &f->station, KMS_POST, "/v1/session", bodies[i], 400, "request_bad");
    }
}

static void test_three_answers(void **state)
{
    struct fixture *f = *state;
    char code[7];
    char right[7];
    lab_code(&f->lab, &f->tester, 0, right);
    memcpy(code, right, 7);
    code[5] = (char)('0' + (code[5] - '0' + 1) % 10);
    refused(f, "anna", code, 401, "totp_wrong");
    refused(f, "nobody", right, 401, "totp_wrong");
    refused(f, "anna", "12345", 401, "totp_wrong");
    refused(f, "anna", "12345a", 401, "totp_wrong");
    lab_code(&f->lab, &f->tester, 300, code);
    refused(f, "anna", code, 401, "clock_off");
    lab_login(&f->lab, &f->station, &f->tester);
    lab_code(&f->lab, &f->tester, 0, code);
    f->station.token[0] = '\0';
    refused(f, "anna", code, 401, "totp_used");
}

static void test_window(void **state)
{
    struct fixture *f = *state;
    char code[7];
    char body[256];
    f->lab.now_us += 90 * LAB_SECOND;
    lab_code(&f->lab, &f->tester, -30, code);
    lab_login_body("anna", code, false, body);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, NULL), 201);
    lab_code(&f->lab, &f->tester, 30, code);
    lab_login_body("anna", code, false, body);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, NULL), 201);
    /* the step between is right and new, but not above the last one */
    lab_code(&f->lab, &f->tester, 0, code);
    refused(f, "anna", code, 401, "totp_used");
}

/* Who was told "clock off" for a code of the future must not use it when its time comes. */
static void test_clock_off_code_is_burned(void **state)
{
    struct fixture *f = *state;
    char code[7];
    f->lab.now_us -= f->lab.now_us % (30 * LAB_SECOND);
    lab_code(&f->lab, &f->tester, 300, code);
    refused(f, "anna", code, 401, "clock_off");
    f->lab.now_us += 300 * LAB_SECOND;
    refused(f, "anna", code, 401, "totp_used");
    lab_login(&f->lab, &f->station, &f->tester);
}

static void test_lock_out(void **state)
{
    struct fixture *f = *state;
    char wrong[7];
    char code[7];
    lab_code(&f->lab, &f->tester, 3600, wrong); /* right in an hour: beyond all windows */
    for (int i = 0; i < 5; i++) {
        refused(f, "anna", wrong, 401, "totp_wrong");
    }
    lab_code(&f->lab, &f->tester, 0, code);
    refused(f, "anna", code, 429, "locked_out");
    f->lab.now_us += 14 * LAB_MINUTE;
    lab_code(&f->lab, &f->tester, 0, code);
    refused(f, "anna", code, 429, "locked_out");
    f->lab.now_us += LAB_MINUTE + LAB_SECOND;
    for (int i = 0; i < 5; i++) {
        refused(f, "anna", wrong, 401, "totp_wrong");
    }
    /* the second lock-out in a row lasts twice as long */
    f->lab.now_us += 29 * LAB_MINUTE;
    lab_code(&f->lab, &f->tester, 0, code);
    refused(f, "anna", code, 429, "locked_out");
    f->lab.now_us += 2 * LAB_MINUTE;
    lab_login(&f->lab, &f->station, &f->tester);
    /* success clears the count */
    for (int i = 0; i < 4; i++) {
        refused(f, "anna", "000000", 401, "totp_wrong");
    }
    lab_login(&f->lab, &f->station, &f->tester);
}

static void test_failures_age(void **state)
{
    struct fixture *f = *state;
    char wrong[7];
    for (int i = 0; i < 12; i++) {
        lab_code(&f->lab, &f->tester, 7200, wrong);
        refused(f, "anna", wrong, 401, "totp_wrong");
        f->lab.now_us += 16 * LAB_MINUTE; /* never five within an hour */
    }
}

/* Guesses that reach the comparison in a day, when after each the attacker waits so long. */
/* A code that is wrong now: those of far steps may be right by chance, one in a million each. */
static void wrong_code(struct fixture *f, char ret_code[7])
{
    bool right;
    int64_t offset_s = 7200;
    do {
        lab_code(&f->lab, &f->tester, offset_s, ret_code);
        right = false;
        for (int64_t near_s = -60; near_s <= 60; near_s += 30) {
            char near[7];
            lab_code(&f->lab, &f->tester, near_s, near);
            right = right || strcmp(near, ret_code) == 0;
        }
        offset_s += 30;
    } while (right);
}

static int guesses_in_a_day(struct fixture *f, int burst, int64_t pause_us)
{
    int64_t end_us = f->lab.now_us + 24 * 60 * LAB_MINUTE;
    int guesses = 0;
    while (f->lab.now_us < end_us) {
        for (int i = 0; i < burst; i++) {
            char wrong[7];
            char body[256];
            wrong_code(f, wrong);
            lab_login_body("anna", wrong, false, body);
            guesses += lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, NULL) == 401;
        }
        f->lab.now_us += pause_us;
    }
    return guesses;
}

/* What a name gets for a wrong code at each of many times: w wrong, L locked out. */
static void answers_of(struct fixture *f, struct lab_station *station, const char *name,
    size_t size, char *ret_answers)
{
    static const int64_t pauses_s[] = { 0, 0, 1, 0, 0, 0, 14 * 60, 61, 0, 0, 0, 0, 0, 29 * 60, 61,
        0, 0, 0, 0, 0, 59 * 60, 2 * 3600, 0, 0, 25 * 3600, 0, 0, 0, 0, 0, 26 * 3600, 0, 3599, 1, 0,
        0 };
    const size_t count = sizeof(pauses_s) / sizeof(pauses_s[0]);
    int64_t began_us = f->lab.now_us;
    assert_true(size > count);
    for (size_t i = 0; i < count; i++) {
        char wrong[7];
        char body[256];
        f->lab.now_us += pauses_s[i] * LAB_SECOND;
        wrong_code(f, wrong);
        lab_login_body(name, wrong, false, body);
        int status = lab_call(&f->lab, station, KMS_POST, "/v1/session", body, NULL);
        assert_true(status == 401 || status == 429);
        ret_answers[i] = status == 401 ? 'w' : 'L';
    }
    ret_answers[count] = '\0';
    f->lab.now_us = began_us;
}

/* The whole answer to the sixth wrong code, the name in it replaced. */
static void sixth_answer(
    struct fixture *f, struct lab_station *station, const char *name, char ret_text[1024])
{
    json_t *answer = NULL;
    char body[256];
    lab_login_body(name, "12345", false, body);
    for (int i = 0; i < 6; i++) {
        json_decref(answer);
        (void)lab_call(&f->lab, station, KMS_POST, "/v1/session", body, &answer);
    }
    char *text = json_dumps(answer, JSON_SORT_KEYS);
    assert_non_null(text);
    char *found = strstr(text, name);
    assert_non_null(found);
    memset(found, '*', strlen(name));
    (void)snprintf(ret_text, 1024, "%s", text);
    free(text);
    json_decref(answer);
}

/* A lock-out, longer ones in a row, and forgetting: no name is told from another by them. */
static void test_unknown_names_are_locked_out_alike(void **state)
{
    struct fixture *f = *state;
    char known[64];
    char unknown[64];
    char known_text[1024];
    char unknown_text[1024];
    answers_of(f, &f->station, "anna", sizeof(known), known);
    answers_of(f, &f->other, "nora", sizeof(unknown), unknown);
    assert_string_equal(unknown, known);
    assert_string_equal(known, "wwwwwLLwwwwwLLwwwwwLLwwwwwwwwLwwwwww");
    f->lab.now_us += 300 * LAB_HOUR;
    sixth_answer(f, &f->station, "anna", known_text);
    sixth_answer(f, &f->other, "nora", unknown_text);
    assert_string_equal(unknown_text, known_text);
    assert_non_null(strstr(known_text, "locked_out"));
}

static enum base_status read_number(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    *(int64_t *)user = kms_row_int(row, 0);
    return BASE_OK;
}

static int64_t number_of(struct fixture *f, const char *sql)
{
    int64_t number = -1;
    const struct kms_statement query = { .sql = sql, .each = read_number, .user = &number };
    assert_int_equal(kms_store_run(&f->lab.home.store, &query, NULL, NULL), BASE_OK);
    return number;
}

/* Whoever goes through a list of names fills no database, and learns at most fifty of them an hour:
 * nothing. The station is locked out for names that exist as for others, and it alone. */
static void test_a_list_of_names_is_cut_short(void **state)
{
    struct fixture *f = *state;
    char body[256];
    char code[7];
    int counted = 0;
    for (unsigned hour = 0; hour < 40; hour++) {
        for (unsigned i = 0; i < 60; i++) {
            char name[24];
            (void)snprintf(name, sizeof(name), "name-%u-%u", hour, i);
            lab_login_body(name, "000000", false, body);
            counted += lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, NULL) == 401;
        }
        assert_true(number_of(f, "SELECT count(*) FROM login_counts") <= 1400);
        f->lab.now_us += LAB_HOUR;
    }
    assert_in_range(counted, 500, 40 * 50);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM events WHERE kind = 'login.refused'"), counted);
    /* the station is locked out, for a right code too; another is not */
    for (unsigned i = 0; i < 51; i++) {
        (void)lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, NULL);
        (void)snprintf(body, sizeof(body), "{\"tester\":\"more-%u\",\"code\":\"000000\"}", i);
    }
    lab_code(&f->lab, &f->tester, 0, code);
    refused(f, "anna", code, 429, "locked_out");
    refused(f, "nora", code, 429, "locked_out");
    lab_login(&f->lab, &f->other, &f->tester);
    /* and after two hours it is as good as another; a day later the names are gone */
    f->lab.now_us += 2 * LAB_HOUR;
    lab_login(&f->lab, &f->station, &f->tester);
    f->lab.now_us += 26 * LAB_HOUR;
    refused(f, "anna", "000000", 401, "totp_wrong");
    assert_int_equal(number_of(f, "SELECT count(*) FROM login_counts"), 2);
}

/* No rhythm of guessing gets more than a hundred tries a day, of one in 333 333 each. */
static void test_guessing_is_slow(void **state)
{
    struct fixture *f = *state;
    assert_in_range(guesses_in_a_day(f, 4, 15 * LAB_MINUTE), 1, 100);
    f->lab.now_us += 24 * 60 * LAB_MINUTE;
    assert_in_range(guesses_in_a_day(f, 4, 60 * LAB_MINUTE), 1, 100);
    f->lab.now_us += 24 * 60 * LAB_MINUTE;
    assert_in_range(guesses_in_a_day(f, 1, LAB_MINUTE), 1, 100);
    f->lab.now_us += 24 * 60 * LAB_MINUTE;
    assert_in_range(guesses_in_a_day(f, 5, LAB_MINUTE), 1, 100);
}

static void test_session_binding(void **state)
{
    struct fixture *f = *state;
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, 401, "session_missing");
    lab_login(&f->lab, &f->station, &f->tester);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, NULL), 200);
    memcpy(f->other.token, f->station.token, sizeof(f->other.token));
    lab_refused(&f->lab, &f->other, KMS_GET, "/v1/lots/L1", NULL, 401, "session_foreign");
    lab_refused(&f->lab, &f->other, KMS_DELETE, "/v1/session", NULL, 401, "session_foreign");
    f->other.token[0] = f->other.token[0] == 'A' ? 'B' : 'A';
    lab_refused(&f->lab, &f->other, KMS_GET, "/v1/lots/L1", NULL, 401, "session_expired");
    (void)snprintf(f->other.token, sizeof(f->other.token), "not a token");
    lab_refused(&f->lab, &f->other, KMS_GET, "/v1/lots/L1", NULL, 401, "session_expired");
    f->other.token[0] = '\0';
}

static void test_session_end(void **state)
{
    struct fixture *f = *state;
    lab_login(&f->lab, &f->station, &f->tester);
    f->lab.now_us += 29 * LAB_MINUTE;
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, NULL), 200);
    f->lab.now_us += 31 * LAB_MINUTE;
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, 401, "session_expired");
    lab_login(&f->lab, &f->station, &f->tester);
    for (int i = 0; i < 24; i++) {
        f->lab.now_us += 29 * LAB_MINUTE;
        assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, NULL), 200);
    }
    f->lab.now_us += 29 * LAB_MINUTE; /* past twelve hours, never idle */
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, 401, "session_expired");
}

static void test_logout(void **state)
{
    struct fixture *f = *state;
    lab_login(&f->lab, &f->station, &f->tester);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_DELETE, "/v1/session", NULL, NULL), 204);
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, 401, "session_expired");
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_DELETE, "/v1/session", NULL, NULL), 204);
}

static void test_revoked(void **state)
{
    struct fixture *f = *state;
    char code[7];
    lab_login(&f->lab, &f->station, &f->tester);
    assert_int_equal(kms_admin_tester_revoke(&f->lab.home, "anna", NULL), BASE_OK);
    assert_int_equal(kms_admin_tester_revoke(&f->lab.home, "anna", NULL), BASE_E_NOTFOUND);
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1", NULL, 403, "revoked");
    f->lab.now_us += 31 * LAB_SECOND;
    lab_code(&f->lab, &f->tester, 0, code);
    refused(f, "anna", code, 403, "revoked");
}

static void test_certificates(void **state)
{
    struct fixture *f = *state;
    struct lab_station stranger = { .name = "stranger" };
    lab_refused(&f->lab, &stranger, KMS_GET, "/v1/keys", NULL, 403, "certificate");
    assert_int_equal(lab_call(&f->lab, &f->other, KMS_GET, "/v1/keys", NULL, NULL), 200);
    assert_int_equal(kms_admin_station_revoke(&f->lab.home, "station-2", NULL), BASE_OK);
    lab_refused(&f->lab, &f->other, KMS_GET, "/v1/keys", NULL, 403, "certificate");
    lab_refused(&f->lab, &f->other, KMS_GET, "/metrics", NULL, 403, "certificate");
    f->lab.now_us += 401 * 24 * LAB_HOUR;
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/keys", NULL, 403, "certificate");
}

static void test_operations(void **state)
{
    struct fixture *f = *state;
    json_t *answer = NULL;
    struct lab_station stranger = { .name = "stranger" };
    assert_int_equal(lab_call(&f->lab, &stranger, KMS_GET, "/healthz", NULL, NULL), 200);
    assert_int_equal(lab_call(&f->lab, &stranger, KMS_GET, "/readyz", NULL, &answer), 200);
    assert_true(json_is_true(json_object_get(answer, "development")));
    json_decref(answer);
    assert_int_equal(lab_call(&f->lab, &stranger, KMS_GET, "/metrics", NULL, NULL), 200);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, "/metrics", NULL, NULL), 200);
    lab_refused(&f->lab, &stranger, KMS_GET, "/other", NULL, 404, "no_such_call");
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/other", NULL, 404, "no_such_call");
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/lots/L1", "{}", 404, "no_such_call");
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/..", NULL, 404, "no_such_call");
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots//grants", NULL, 404, "no_such_call");
    static char large[KMS_BODY_MAX + 2];
    memset(large, ' ', sizeof(large) - 1);
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/session", large, 413, "too_large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_three_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clock_off_code_is_burned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_guessing_is_slow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_names_are_locked_out_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_list_of_names_is_cut_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session_binding, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_operations, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
