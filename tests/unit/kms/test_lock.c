/* SPDX-License-Identifier: Apache-2.0 */
/* The chip's lock answer. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/kms/lab.h"

struct fixture {
    struct lab lab;
    struct lab_station station, other, room;
    struct lab_tester tester;
    struct lab_device device;
    char grant_id[KMS_GRANT_ID_SIZE];
    json_t *grant;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint8_t answer[PROTO_LOCK_ANSWER_SIZE];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    lab_open_line(&f->lab, &f->station, &f->other, &f->room, &f->tester, &f->device);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&f->lab, &lot);
    f->grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    (void)snprintf(f->grant_id, sizeof(f->grant_id), "%s", lab_text(f->grant, "grant_id"));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    json_decref(f->grant);
    lab_close_line(&f->lab, &f->station, &f->other, &f->room, &f->device);
    return 0;
}

static void confirm(struct fixture *f)
{
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    lab_lock_answer(&f->device, f->receipt, f->answer);
}

static void expect(struct fixture *f, struct lab_station *station, int status, const char *code)
{
    json_t *answer = NULL;
    int got = lab_lock(&f->lab, station, f->grant_id, f->answer, sizeof(f->answer), &answer);
    if (got != status || strcmp(lab_text(answer, "code"), code) != 0) {
        fail_msg("expected %d %s, got %d %s (%s)", status, code, got, lab_text(answer, "code"),
            lab_text(answer, "detail"));
    }
    json_decref(answer);
}

static bool is_locked(struct fixture *f)
{
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", &f->device);
    bool locked = json_is_true(json_object_get(unit, "locked"));
    json_decref(unit);
    return locked;
}

static void test_lock(void **state)
{
    struct fixture *f = *state;
    json_t *answer = NULL;
    confirm(f);
    assert_false(is_locked(f));
    f->station.token[0] = '\0'; /* finishing needs nobody at the station */
    assert_int_equal(
        lab_lock(&f->lab, &f->station, f->grant_id, f->answer, sizeof(f->answer), &answer), 200);
    assert_true(json_is_false(json_object_get(answer, "repeated")));
    json_decref(answer);
    assert_true(is_locked(f));
    /* repeated, also by another station, it is fine and changes nothing */
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            lab_lock(&f->lab, &f->other, f->grant_id, f->answer, sizeof(f->answer), &answer), 200);
        assert_true(json_is_true(json_object_get(answer, "repeated")));
        json_decref(answer);
    }
    f->answer[PROTO_LOCK_ANSWER_SIZE - 1] ^= 1;
    expect(f, &f->station, 422, "lock_bad");
    assert_true(is_locked(f));
    /* the receipt may come again afterwards */
    assert_int_equal(
        lab_hand_in(&f->lab, &f->station, f->grant_id, f->receipt, sizeof(f->receipt), NULL), 200);
}

static void test_order_of_things(void **state)
{
    struct fixture *f = *state;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint8_t roots[32];
    char path[128];
    expect(f, &f->room, 403, "role");
    memset(f->answer, 0, sizeof(f->answer));
    expect(f, &f->station, 409, "not_confirmed");
    lab_open_grant(&f->lab, &f->device, f->grant, roots, receipt);
    lab_lock_answer(&f->device, receipt, f->answer);
    expect(f, &f->station, 409, "not_confirmed"); /* a true answer, and no receipt yet */
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", f->grant_id);
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"broken\"}", NULL), 200);
    expect(f, &f->station, 409, "grant_scrapped");
    f->grant_id[0] = f->grant_id[0] == 'f' ? '0' : 'f';
    expect(f, &f->station, 404, "grant_unknown");
    lab_refused(&f->lab, &f->station, KMS_POST, path, "{\"answer\":\"AA==\"}", 400, "request_bad");
}

/* No bit of the answer may differ; the bits of version, suite and state do not even decode. */
static void test_bits(void **state)
{
    struct fixture *f = *state;
    confirm(f);
    for (size_t bit = 0; bit < 8 * sizeof(f->answer); bit++) {
        f->answer[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        expect(f, &f->station, 422, "lock_bad");
        f->answer[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    assert_false(is_locked(f));
    expect(f, &f->station, 200, "");
}

/* Authentic, and about something else: chip, version, envelope, record. */
static void test_another_record(void **state)
{
    static const size_t places[] = { 4, 12, 16, 32 };
    struct fixture *f = *state;
    confirm(f);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        f->answer[places[i]] ^= 1;
        lab_lock_mac(&f->device, f->answer);
        expect(f, &f->station, 422, "lock_bad");
        f->answer[places[i]] ^= 1;
    }
    assert_false(is_locked(f));
    lab_lock_mac(&f->device, f->answer);
    expect(f, &f->station, 200, "");
}

/* Board A's answer does not lock board B in the books. */
static void test_another_board(void **state)
{
    struct fixture *f = *state;
    struct lab_device twin;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    confirm(f);
    lab_device_open(&f->lab, &twin, 0x51a0000000c00002);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &twin, 201);
    lab_confirm(&f->lab, &f->station, &twin, grant, receipt);
    json_t *answer = NULL;
    assert_int_equal(lab_lock(&f->lab, &f->station, lab_text(grant, "grant_id"), f->answer,
                         sizeof(f->answer), &answer),
        422);
    assert_string_equal(lab_text(answer, "code"), "lock_bad");
    json_decref(answer);
    json_decref(grant);
    lab_device_done(&twin);
}

/* A flash copied from board A to board B: whatever is made of A's receipt, B's grant stays open. */
static void test_copied_receipt(void **state)
{
    struct fixture *f = *state;
    struct lab_device copy;
    uint8_t roots[32];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    json_t *answer = NULL;
    confirm(f);
    lab_device_open(&f->lab, &copy, 0x51a0000000c00002);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &copy, 201);
    const char *id = lab_text(grant, "grant_id");
    lab_open_grant(&f->lab, &copy, grant, roots, receipt);
    /* A's receipt as it stands; A's receipt under B's key; B's receipt that names chip A */
    uint8_t tries[3][PROTO_RECEIPT_SIZE];
    memcpy(tries[0], f->receipt, sizeof(tries[0]));
    memcpy(tries[1], f->receipt, sizeof(tries[1]));
    lab_receipt_mac(&copy, tries[1]);
    memcpy(tries[2], receipt, sizeof(tries[2]));
    memcpy(tries[2] + 20, f->device.statement.chip_id, 8);
    lab_receipt_mac(&copy, tries[2]);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            lab_hand_in(&f->lab, &f->station, id, tries[i], sizeof(tries[i]), &answer), 422);
        assert_string_equal(lab_text(answer, "code"), "receipt_bad");
        json_decref(answer);
    }
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", &copy);
    assert_string_equal(lab_text(unit, "state"), "open");
    json_decref(unit);
    assert_int_equal(lab_hand_in(&f->lab, &f->station, id, receipt, sizeof(receipt), NULL), 200);
    json_decref(grant);
    lab_device_done(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_of_things, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_board, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copied_receipt, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
