/* SPDX-License-Identifier: Apache-2.0 */
/* A lock that a person settles by label and permit. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "tests/unit/kms/lab.h"

#define CHIP UINT64_C(0x51a0000000c00001)

struct fixture {
    struct lab lab;
    struct lab_station station, other, room;
    struct lab_tester tester;
    struct lab_device device;
    json_t *grant;
    char grant_id[KMS_GRANT_ID_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
};

static void add_lot(struct fixture *f, const char *id, unsigned n, int64_t lock)
{
    struct kms_lot lot = lab_lot(&f->lab, id, KMS_TRUST_TOFU, n);
    lot.lock_policy = lock;
    lab_add_lot(&f->lab, &lot);
}

static void ask_grant(struct fixture *f, const char *lot)
{
    json_decref(f->grant);
    f->grant = lab_ask(&f->lab, &f->station, lot, &f->device, 201);
    (void)snprintf(f->grant_id, sizeof(f->grant_id), "%s", lab_text(f->grant, "grant_id"));
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    lab_open_line(&f->lab, &f->station, &f->other, &f->room, &f->tester, &f->device);
    add_lot(f, "L1", 0, KMS_LOCK_APS);
    add_lot(f, "L2", 1, KMS_LOCK_NONE);
    ask_grant(f, "L1");
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

/* @p chip 0: for all chips of the lot. */
static struct kms_permit permit(struct fixture *f, const char *lot, int64_t acts, uint64_t chip)
{
    uint8_t id[8];
    base_put_be64(id, chip);
    return lab_permit(&f->lab, lot, acts, chip != 0 ? id : NULL);
}

static void settle(struct fixture *f, struct lab_station *station, const char *permit_id,
    int http_status, const char *word)
{
    char path[128];
    char body[128];
    json_t *answer = NULL;
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/settle", f->grant_id);
    (void)snprintf(body, sizeof(body), "{\"permit\":\"%s\"}", permit_id);
    int got = lab_call(&f->lab, station, KMS_POST, path, body, &answer);
    const char *said = lab_text(answer, http_status == 200 ? "lock" : "code");
    if (got != http_status || strcmp(said, word) != 0) {
        fail_msg("expected %d %s, got %d %s (%s)", http_status, word, got, said,
            lab_text(answer, "detail"));
    }
    json_decref(answer);
}

static void expect_lock(struct fixture *f, const char *lock)
{
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", &f->device);
    assert_string_equal(lab_text(unit, "lock"), lock);
    assert_int_equal(json_is_true(json_object_get(unit, "locked")), strcmp(lock, "none") != 0);
    json_decref(unit);
}

static void test_settle(void **state)
{
    struct fixture *f = *state;
    struct kms_grant stored;
    struct kms_permit first = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    struct kms_permit second = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    settle(f, &f->station, first.id, 409, "not_confirmed");
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    expect_lock(f, "none");
    f->station.token[0] = '\0'; /* finishing needs nobody at the station */
    settle(f, &f->other, first.id, 200, "settled");
    expect_lock(f, "settled");
    assert_int_equal(kms_grant_by_id(&f->lab.home.store, f->grant_id, &stored, NULL), BASE_OK);
    assert_string_equal(stored.settled_by, "station-2");
    assert_string_equal(stored.settled_permit, first.id);
    assert_true(stored.locked_us != 0);
    assert_false(stored.lock_answered);
    /* a repeat changes nothing, under whatever permit */
    settle(f, &f->station, first.id, 200, "settled");
    settle(f, &f->station, second.id, 200, "settled");
    assert_int_equal(kms_grant_by_id(&f->lab.home.store, f->grant_id, &stored, NULL), BASE_OK);
    assert_string_equal(stored.settled_permit, first.id);
}

/* The chip's own word is more than a person's, whichever comes first. */
static void test_answered(void **state)
{
    struct fixture *f = *state;
    uint8_t answer[PROTO_LOCK_ANSWER_SIZE];
    struct kms_permit good = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    lab_lock_answer(&f->device, f->receipt, answer);
    settle(f, &f->station, good.id, 200, "settled");
    answer[PROTO_LOCK_ANSWER_SIZE - 1] ^= 1;
    assert_int_equal(
        lab_lock(&f->lab, &f->station, f->grant_id, answer, sizeof(answer), NULL), 422);
    expect_lock(f, "settled");
    answer[PROTO_LOCK_ANSWER_SIZE - 1] ^= 1;
    assert_int_equal(
        lab_lock(&f->lab, &f->station, f->grant_id, answer, sizeof(answer), NULL), 200);
    expect_lock(f, "answered");
    settle(f, &f->station, good.id, 200, "answered");
    expect_lock(f, "answered");
}

static void test_permits(void **state)
{
    struct fixture *f = *state;
    struct kms_permit all = permit(f, "L1", KMS_ACT_SETTLE | KMS_ACT_LOCK, 0);
    struct kms_permit another = permit(f, "L1", KMS_ACT_SETTLE, CHIP + 1);
    struct kms_permit elsewhere = permit(f, "L2", KMS_ACT_SETTLE, CHIP);
    struct kms_permit lock = permit(f, "L1", KMS_ACT_LOCK, CHIP);
    struct kms_permit revoked = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    struct kms_permit over = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    char path[128];
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    assert_int_equal(kms_admin_permit_revoke(&f->lab.home, revoked.id, NULL), BASE_OK);
    const char *const bad[] = { "nothing", all.id, another.id, elsewhere.id, lock.id, revoked.id };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        settle(f, &f->station, bad[i], 403, "permit_revoked");
    }
    f->lab.now_us += LAB_HOUR;
    settle(f, &f->station, over.id, 403, "permit_revoked");
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/settle", f->grant_id);
    lab_refused(&f->lab, &f->station, KMS_POST, path, "{}", 400, "request_bad");
    settle(f, &f->room, over.id, 403, "role");
    expect_lock(f, "none");
}

/* The unit is locked anew under another grant: the permit of the earlier one is used up. */
static void test_used(void **state)
{
    struct fixture *f = *state;
    bool changed = false;
    struct kms_permit good = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    struct kms_permit next = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    settle(f, &f->station, good.id, 200, "settled");
    assert_int_equal(kms_store_begin(&f->lab.home.store, NULL), BASE_OK);
    assert_int_equal(
        kms_grant_supersede(&f->lab.home.store, f->grant_id, f->lab.now_us, &changed, NULL),
        BASE_OK);
    assert_int_equal(kms_store_commit(&f->lab.home.store, NULL), BASE_OK);
    assert_true(changed);
    settle(f, &f->station, next.id, 409, "superseded");
    /* a grant of the same chip that did not inherit the lock */
    struct kms_grant other;
    assert_int_equal(kms_grant_by_id(&f->lab.home.store, f->grant_id, &other, NULL), BASE_OK);
    memset(other.id, 'a', sizeof(other.id) - 1);
    memset(other.nonce, 1, sizeof(other.nonce));
    memset(other.order_id, 'b', sizeof(other.order_id) - 1);
    assert_int_equal(kms_store_begin(&f->lab.home.store, NULL), BASE_OK);
    other.state = KMS_GRANT_OPEN;
    assert_int_equal(kms_grant_insert(&f->lab.home.store, &other, NULL), BASE_OK);
    assert_int_equal(
        kms_grant_confirm(&f->lab.home.store, other.id, f->receipt, f->lab.now_us, &changed, NULL),
        BASE_OK);
    assert_int_equal(kms_store_commit(&f->lab.home.store, NULL), BASE_OK);
    memcpy(f->grant_id, other.id, sizeof(other.id));
    settle(f, &f->station, good.id, 409, "permit_used");
    settle(f, &f->station, next.id, 200, "settled");
}

/* Rework of a locked board: what is known of its lock goes on. */
static void test_inherited(void **state)
{
    struct fixture *f = *state;
    struct kms_order order;
    struct kms_permit good = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    settle(f, &f->station, good.id, 200, "settled");
    assert_int_equal(kms_admin_unit_order(&f->lab.home, f->device.statement.chip_id,
                         PROTO_PURPOSE_REWORK, "", &order, NULL),
        BASE_OK);
    f->device.statement.nonce[0]++;
    f->device.statement.vault_state = PROTO_VAULT_LOCKED;
    f->device.statement.key_version = 1;
    ask_grant(f, "L1");
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    expect_lock(f, "settled");
    settle(f, &f->station, good.id, 200, "settled");
}

static void test_state(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct kms_permit good = permit(f, "L1", KMS_ACT_SETTLE, CHIP);
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", f->grant_id);
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"broken\"}", NULL), 200);
    settle(f, &f->station, good.id, 409, "grant_scrapped");
    f->grant_id[0] = f->grant_id[0] == 'f' ? '0' : 'f';
    settle(f, &f->station, good.id, 404, "grant_unknown");
    lab_device_done(&f->device);
    lab_device_open(&f->lab, &f->device, CHIP + 1);
    ask_grant(f, "L2");
    lab_confirm(&f->lab, &f->station, &f->device, f->grant, f->receipt);
    good = permit(f, "L2", KMS_ACT_SETTLE, CHIP + 1);
    settle(f, &f->station, good.id, 422, "lock_bad"); /* a lot that locks nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_settle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_used, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inherited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_state, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
