/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th statement, commit or draw of random bytes fails, for every n until a call gets through
 * untouched. A failure answers 5xx, whatever was done is undone, and asking again ends well: one
 * grant, one DevEUI, the same bytes.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/kms/lab.h"

#define CALLS_MAX 64

enum fault {
    FAULT_STATEMENT,   /* the n-th statement does not run */
    FAULT_COMMIT,      /* commit fails, nothing is kept */
    FAULT_COMMIT_LATE, /* commit is kept, and reported as failed: the outcome is unknown */
    FAULT_RANDOM,      /* the n-th draw fails */
};

/* A store and a source of randomness that wrap the real ones. */
struct faulty {
    struct kms_store inner;
    const struct base_random *random;
    enum fault fault;
    unsigned left; /* 0: no fault is due */
};

static bool due(struct faulty *faulty, enum fault first, enum fault last)
{
    if (faulty->fault < first || faulty->fault > last || faulty->left == 0) {
        return false;
    }
    return --faulty->left == 0;
}

static enum base_status faulty_begin(void *state, struct base_err *err)
{
    return kms_store_begin(&((struct faulty *)state)->inner, err);
}

static enum base_status faulty_commit(void *state, struct base_err *err)
{
    struct faulty *faulty = state;
    bool fails = due(faulty, FAULT_COMMIT, FAULT_COMMIT_LATE);
    if (fails && faulty->fault == FAULT_COMMIT) {
        kms_store_rollback(&faulty->inner);
        return base_err_set(err, BASE_E_IO, "fault", 0, "commit failed");
    }
    enum base_status status = kms_store_commit(&faulty->inner, err);
    return fails ? base_err_set(err, BASE_E_IO, "fault", 0, "commit was cut") : status;
}

static void faulty_rollback(void *state)
{
    kms_store_rollback(&((struct faulty *)state)->inner);
}

static enum base_status faulty_run(
    void *state, const struct kms_statement *statement, int64_t *ret_changed, struct base_err *err)
{
    struct faulty *faulty = state;
    if (due(faulty, FAULT_STATEMENT, FAULT_STATEMENT)) {
        return base_err_set(err, BASE_E_IO, "fault", 0, "statement failed");
    }
    return kms_store_run(&faulty->inner, statement, ret_changed, err);
}

static int64_t faulty_now(void *state)
{
    return kms_store_now_us(&((struct faulty *)state)->inner);
}

static enum base_status faulty_fill(void *user, void *ret_data, size_t length, struct base_err *err)
{
    struct faulty *faulty = user;
    if (due(faulty, FAULT_RANDOM, FAULT_RANDOM)) {
        return base_err_set(err, BASE_E_IO, "fault", 0, "no randomness");
    }
    return base_random_fill(faulty->random, ret_data, length, err);
}

static const struct kms_store_ops faulty_ops = {
    .name = "faulty",
    .begin = faulty_begin,
    .commit = faulty_commit,
    .rollback = faulty_rollback,
    .run = faulty_run,
    .now_us = faulty_now,
};

struct fixture {
    struct lab lab;
    struct lab_station station;
    struct lab_tester tester;
    struct faulty faulty;
    struct kms_store store;
    struct base_random random;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    lab_open(&f->lab);
    lab_add_station(&f->lab, &f->station, "station-1", KMS_ROLE_PROVISION);
    lab_add_tester(&f->lab, &f->tester, "anna", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lot.target = lot.allowance = lot.deveui_count = 1000;
    lab_add_lot(&f->lab, &lot);
    lab_login(&f->lab, &f->station, &f->tester);
    f->faulty.inner = f->lab.home.store;
    f->faulty.random = base_random_system();
    f->store = (struct kms_store){ .ops = &faulty_ops, .state = &f->faulty };
    f->random = (struct base_random){ .fill = faulty_fill, .user = &f->faulty };
    f->lab.core.store = &f->store;
    f->lab.core.random = &f->random;
    f->lab.home.keys.random = &f->random;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_station_done(&f->station);
    lab_close(&f->lab);
    return 0;
}

static int64_t granted(struct fixture *f)
{
    struct kms_lot_view view;
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "L1", &view, NULL), BASE_OK);
    assert_int_equal(
        view.lot.granted, view.counts.open + view.counts.confirmed + view.counts.scrapped);
    return view.lot.granted;
}

/* One call with a fault at its n-th chance; true when the fault was hit. */
static bool call_with_fault(struct fixture *f, enum fault fault, unsigned n, const char *path,
    const char *body, int *ret_status, json_t **ret_answer)
{
    f->faulty.fault = fault;
    f->faulty.left = n;
    *ret_status = lab_call(&f->lab, &f->station, KMS_POST, path, body, ret_answer);
    bool hit = f->faulty.left == 0;
    f->faulty.left = 0;
    return hit;
}

static void grant_under(struct fixture *f, enum fault fault, unsigned *ret_cases)
{
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        static char body[20000];
        struct lab_device device;
        uint8_t statement[PROTO_STATEMENT_SIZE];
        json_t *answer = NULL;
        int status = 0;
        int64_t before = granted(f);
        lab_device_open(&f->lab, &device, 1000U * (unsigned)(fault + 1) + n);
        lab_statement(&f->lab, &device, statement);
        lab_grant_body(&f->lab, &f->station, "L1", statement, body, sizeof(body));
        bool hit = call_with_fault(f, fault, n, "/v1/lots/L1/grants", body, &status, &answer);
        json_decref(answer);
        lab_device_done(&device);
        assert_int_equal(status, hit ? 500 : 201);
        assert_int_equal(granted(f), before + (hit && fault != FAULT_COMMIT_LATE ? 0 : 1));
        status = lab_call(&f->lab, &f->station, KMS_POST, "/v1/lots/L1/grants", body, NULL);
        assert_int_equal(status, hit && fault != FAULT_COMMIT_LATE ? 201 : 200);
        assert_int_equal(granted(f), before + 1);
        if (!hit) {
            return;
        }
        (*ret_cases)++;
    }
    fail_msg("no call got through");
}

static void test_grant(void **state)
{
    unsigned cases = 0;
    grant_under(*state, FAULT_STATEMENT, &cases);
    grant_under(*state, FAULT_COMMIT, &cases);
    grant_under(*state, FAULT_COMMIT_LATE, &cases);
    grant_under(*state, FAULT_RANDOM, &cases);
    print_message("%u faults\n", cases);
    assert_true(cases > 12);
}

static void test_login(void **state)
{
    struct fixture *f = *state;

    static const enum fault faults[] = { FAULT_STATEMENT, FAULT_COMMIT, FAULT_RANDOM };

    char code[7];
    char body[256];
    f->station.token[0] = '\0';
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        bool hit = true;
        for (unsigned n = 1; hit && n < CALLS_MAX; n++) {
            int status = 0;
            json_t *answer = NULL;
            f->lab.now_us += 31 * LAB_SECOND;
            lab_code(&f->lab, &f->tester, 0, code);
            lab_login_body("anna", code, false, body);
            hit = call_with_fault(f, faults[i], n, "/v1/session", body, &status, &answer);
            json_decref(answer);
            assert_int_equal(status, hit ? 500 : 201);
            /* a code is used up by a session, not by a failure of the KMS */
            status = lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, NULL);
            assert_int_equal(status, hit ? 201 : 401);
        }
        assert_false(hit);
    }
}

static void test_checkpoint(void **state)
{
    struct fixture *f = *state;
    char body[8192];
    bool hit = true;
    for (unsigned n = 1; hit && n < CALLS_MAX; n++) {
        int status = 0;
        json_t *answer = NULL;
        lab_log_record(&f->station, "{}");
        lab_witness_body(
            &f->station, f->station.cosigned, f->station.tree.size, body, sizeof(body));
        hit = call_with_fault(f, FAULT_STATEMENT, n, "/v1/log/checkpoints", body, &status, &answer);
        json_decref(answer);
        assert_int_equal(status, hit ? 500 : 200);
        if (hit) {
            status = lab_call(&f->lab, &f->station, KMS_POST, "/v1/log/checkpoints", body, NULL);
            assert_int_equal(status, 200);
        }
        f->station.cosigned = f->station.tree.size;
    }
    assert_false(hit);
    /* kept, but the answer was lost: the station asks with the old size and is told the new one */
    int status = 0;
    json_t *answer = NULL;
    lab_log_record(&f->station, "{}");
    lab_witness_body(&f->station, f->station.cosigned, f->station.tree.size, body, sizeof(body));
    assert_true(
        call_with_fault(f, FAULT_COMMIT_LATE, 1, "/v1/log/checkpoints", body, &status, &answer));
    json_decref(answer);
    assert_int_equal(status, 500);
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/log/checkpoints", body, 409, "stale");
}

/* A unit that is confirmed, with an order pending. */
static void prepare_order(struct fixture *f, struct lab_device *device, unsigned chip)
{
    struct kms_order order;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    lab_device_open(&f->lab, device, chip);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", device, 201);
    lab_confirm(&f->lab, &f->station, device, grant, receipt);
    json_decref(grant);
    assert_int_equal(kms_admin_unit_order(&f->lab.home, device->statement.chip_id,
                         PROTO_PURPOSE_REWORK, "", &order, NULL),
        BASE_OK);
    device->statement.nonce[0]++;
    device->statement.vault_state = PROTO_VAULT_COMMITTED;
    device->statement.key_version = 1;
}

/* state/work of the unit, and that its wrapped keys are whole: none, or those of one grant. */
static void expect_state(
    struct fixture *f, const struct lab_device *device, const char *state, int64_t version)
{
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", device);
    assert_string_equal(lab_text(unit, "state"), state);
    assert_int_equal(json_integer_value(json_object_get(unit, "key_version")), version);
    json_decref(unit);
}

/* An order that a failure left unused serves afterwards, and serves once. */
static unsigned order_under(struct fixture *f, enum fault fault, unsigned base)
{
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        static char body[20000];
        struct lab_device device;
        uint8_t statement[PROTO_STATEMENT_SIZE];
        json_t *answer = NULL;
        int status = 0;
        prepare_order(f, &device, base + n);
        lab_statement(&f->lab, &device, statement);
        lab_grant_body(&f->lab, &f->station, "L1", statement, body, sizeof(body));
        bool hit = call_with_fault(f, fault, n, "/v1/lots/L1/grants", body, &status, &answer);
        bool kept = !hit || fault == FAULT_COMMIT_LATE;
        json_decref(answer);
        assert_int_equal(status, hit ? 500 : 201);
        expect_state(f, &device, kept ? "open" : "confirmed", kept ? 2 : 1);
        status = lab_call(&f->lab, &f->station, KMS_POST, "/v1/lots/L1/grants", body, NULL);
        assert_int_equal(status, kept ? 200 : 201);
        expect_state(f, &device, "open", 2);
        (void)granted(f); /* the books balance */
        lab_device_done(&device);
        if (!hit) {
            return n - 1;
        }
    }
    fail_msg("no call got through");
    return 0;
}

/* The receipt of a rework: old keys or new ones, never none and never both. */
static unsigned rework_receipt_under(struct fixture *f, enum fault fault, unsigned base)
{
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        struct lab_device device;
        struct kms_grant current;
        uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
        uint8_t stored[PROTO_ENVELOPE_PLAIN_SIZE];
        uint8_t receipt[PROTO_RECEIPT_SIZE];
        prepare_order(f, &device, base + n);
        json_t *grant = lab_ask(&f->lab, &f->station, "L1", &device, 201);
        lab_open_grant(&f->lab, &device, grant, roots, receipt);
        const char *id = lab_text(grant, "grant_id");
        f->faulty.fault = fault;
        f->faulty.left = n;
        int status = lab_hand_in(&f->lab, &f->station, id, receipt, sizeof(receipt), NULL);
        bool hit = f->faulty.left == 0;
        f->faulty.left = 0;
        bool kept = !hit || fault == FAULT_COMMIT_LATE;
        assert_int_equal(status, hit ? 500 : 200);
        expect_state(f, &device, kept ? "confirmed" : "open", 2);
        assert_int_equal(
            kms_grant_current(&f->lab.home.store, device.statement.chip_id, &current, NULL),
            BASE_OK);
        assert_int_equal(current.key_version, kept ? 2 : 1);
        assert_int_equal(kms_keystore_unwrap(&f->lab.home.keys, current.roots_wrapped,
                             sizeof(current.roots_wrapped), stored, NULL),
            BASE_OK);
        assert_int_equal(memcmp(stored, roots, sizeof(roots)) == 0, kept);
        assert_int_equal(
            lab_hand_in(&f->lab, &f->station, id, receipt, sizeof(receipt), NULL), 200);
        expect_state(f, &device, "confirmed", 2);
        json_decref(grant);
        lab_device_done(&device);
        if (!hit) {
            return n - 1;
        }
    }
    fail_msg("no call got through");
    return 0;
}

/* Scrapping a rework: the unit is as before, or retired whole. */
static unsigned scrap_under(struct fixture *f, enum fault fault, unsigned base)
{
    for (unsigned n = 1; n < CALLS_MAX; n++) {
        struct lab_device device;
        char path[128];
        json_t *answer = NULL;
        int status = 0;
        prepare_order(f, &device, base + n);
        json_t *grant = lab_ask(&f->lab, &f->station, "L1", &device, 201);
        (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", lab_text(grant, "grant_id"));
        bool hit = call_with_fault(f, fault, n, path, "{\"reason\":\"dead\"}", &status, &answer);
        bool kept = !hit || fault == FAULT_COMMIT_LATE;
        json_decref(answer);
        assert_int_equal(status, hit ? 500 : 200);
        expect_state(f, &device, kept ? "retired" : "open", kept ? 1 : 2);
        status = lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"dead\"}", NULL);
        assert_int_equal(status, 200);
        expect_state(f, &device, "retired", 1);
        json_decref(grant);
        lab_device_done(&device);
        if (!hit) {
            return n - 1;
        }
    }
    fail_msg("no call got through");
    return 0;
}

static void test_orders(void **state)
{
    struct fixture *f = *state;
    unsigned cases = 0;
    for (enum fault fault = FAULT_STATEMENT; fault <= FAULT_RANDOM; fault++) {
        unsigned base = 10000U * (unsigned)(fault + 1);
        cases += order_under(f, fault, base);
        cases += rework_receipt_under(f, fault, base + 1000);
        cases += scrap_under(f, fault, base + 2000);
    }
    print_message("%u faults\n", cases);
    assert_true(cases > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_orders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_login, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checkpoint, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
