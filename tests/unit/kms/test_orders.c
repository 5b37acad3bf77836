/* SPDX-License-Identifier: Apache-2.0 */
/* Orders on confirmed units: new keys, no keys, the end of a unit; and that nothing comes back. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "tests/unit/kms/lab.h"

#define NODES 4

struct fixture {
    struct lab lab;
    struct lab_station station, other, room;
    struct lab_tester tester;
    struct lab_device device;
    char first[KMS_GRANT_ID_SIZE]; /* grant id of the first installation, confirmed */
    uint8_t receipt[PROTO_RECEIPT_SIZE];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    lab_open_line(&f->lab, &f->station, &f->other, &f->room, &f->tester, &f->device);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lot.target = lot.allowance = 1;
    lot.rate = 1;
    lab_add_lot(&f->lab, &lot);
    lot = lab_lot(&f->lab, "L2", KMS_TRUST_TOFU, 1);
    lab_add_lot(&f->lab, &lot);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    (void)snprintf(f->first, sizeof(f->first), "%s", lab_text(grant, "grant_id"));
    lab_confirm(&f->lab, &f->station, &f->device, grant, f->receipt);
    json_decref(grant);
    lab_device_advance(&f->device, PROTO_VAULT_COMMITTED, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_close_line(&f->lab, &f->station, &f->other, &f->room, &f->device);
    return 0;
}

static struct kms_order order(struct fixture *f, uint8_t purpose)
{
    struct base_err err = { 0 };
    struct kms_order order = { .id = "" };
    if (kms_admin_unit_order(
            &f->lab.home, f->device.statement.chip_id, purpose, "test", &order, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return order;
}

static void expect_unit(struct fixture *f, const char *state, const char *work, int64_t version)
{
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", &f->device);
    assert_string_equal(lab_text(unit, "state"), state);
    assert_string_equal(lab_text(unit, "work"), work);
    assert_int_equal(json_integer_value(json_object_get(unit, "key_version")), version);
    assert_string_equal(lab_text(unit, "dev_eui"), "70b3d57ed0010000");
    json_decref(unit);
}

static void expect_books(struct fixture *f, int64_t open, int64_t confirmed, int64_t scrapped)
{
    struct kms_lot_view view;
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "L1", &view, NULL), BASE_OK);
    assert_int_equal(view.lot.granted, 1);
    assert_int_equal(view.counts.open, open);
    assert_int_equal(view.counts.confirmed, confirmed);
    assert_int_equal(view.counts.scrapped, scrapped);
}

static struct kms_grant row_of(struct fixture *f, const char *id)
{
    struct kms_grant grant;
    assert_int_equal(kms_grant_by_id(&f->lab.home.store, id, &grant, NULL), BASE_OK);
    return grant;
}

static bool file_holds(struct fixture *f, const char *name, const void *needle, size_t length)
{
    struct base_buf bytes;
    char path[128];
    base_buf_init(&bytes, 16U << 20);
    (void)snprintf(path, sizeof(path), "%s/%s", f->lab.dir, name);
    enum base_status status = base_file_read(path, &bytes, NULL);
    assert_true(status == BASE_OK || status == BASE_E_NOTFOUND);
    bool found = bytes.length > 0 && memmem(bytes.data, bytes.length, needle, length) != NULL;
    base_buf_done(&bytes);
    return found;
}

/* Is any of a grant's key material on disk, in the database or its write-ahead log? */
static bool on_disk(struct fixture *f, const struct kms_grant *grant)
{
    static const char *const names[] = { "kms.db", "kms.db-wal" };
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        found = found || file_holds(f, names[i], grant->roots_wrapped, 16) ||
                file_holds(f, names[i], grant->roots_wrapped + 24, 16) ||
                file_holds(f, names[i], grant->receipt_key_wrapped, 16) ||
                file_holds(f, names[i], grant->envelope + PROTO_ENVELOPE_HEADER_SIZE, 32);
    }
    return found;
}

static void refused_grant_call(
    struct fixture *f, const char *id, const char *verb, const char *body, const char *code)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/%s", id, verb);
    lab_refused(&f->lab, &f->station, KMS_POST, path, body, 409, code);
}

static void hand_in_refused(
    struct fixture *f, const char *id, const uint8_t *receipt, int status, const char *code)
{
    json_t *answer = NULL;
    assert_int_equal(
        lab_hand_in(&f->lab, &f->station, id, receipt, PROTO_RECEIPT_SIZE, &answer), status);
    assert_string_equal(lab_text(answer, "code"), code);
    json_decref(answer);
}

static void open_of(struct fixture *f, const json_t *grant, struct proto_envelope_header *header,
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE], uint8_t receipt[PROTO_RECEIPT_SIZE])
{
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    struct proto_envelope parts;
    size_t length = 0;
    assert_int_equal(
        base_json_get_base64(grant, "envelope", sizeof(envelope), envelope, &length, NULL),
        BASE_OK);
    assert_int_equal(proto_envelope_decode(envelope, sizeof(envelope), &parts), PROTO_OK);
    *header = parts.header;
    lab_open_envelope(&f->lab, &f->device, envelope, roots, receipt);
}

static void test_rework(void **state)
{
    struct fixture *f = *state;
    struct proto_envelope_header header;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    const struct kms_grant before = row_of(f, f->first);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "rework_needed");
    (void)order(f, PROTO_PURPOSE_REWORK);
    expect_unit(f, "confirmed", "rework", 1);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    assert_string_equal(lab_text(grant, "work"), "rework");
    assert_string_equal(lab_text(grant, "dev_eui"), "70b3d57ed0010000");
    assert_non_null(strstr(lab_text(grant, "signed_grant"), "\"work\":\"rework\""));
    open_of(f, grant, &header, roots, receipt);
    assert_int_equal(header.purpose, PROTO_PURPOSE_REWORK);
    assert_int_equal(header.keys, PROTO_KEY_APP);
    assert_int_equal(header.key_version, 2);
    expect_unit(f, "open", "rework", 2);
    expect_books(f, 0, 1, 0);
    /* until the receipt comes the old keys are the current ones, and stay */
    assert_true(on_disk(f, &before));
    assert_int_equal(row_of(f, f->first).state, KMS_GRANT_CONFIRMED);
    json_decref(lab_ask(&f->lab, &f->station, "L1", &f->device, 200));
    f->device.statement.nonce[1] ^= 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "receipt_first");
    f->device.statement.nonce[1] ^= 1;

    const char *id = lab_text(grant, "grant_id");
    assert_int_equal(lab_hand_in(&f->lab, &f->station, id, receipt, sizeof(receipt), NULL), 200);
    assert_int_equal(lab_hand_in(&f->lab, &f->other, id, receipt, sizeof(receipt), NULL), 200);
    expect_unit(f, "confirmed", "none", 2);
    expect_books(f, 0, 1, 0);
    assert_int_equal(row_of(f, f->first).state, KMS_GRANT_SUPERSEDED);
    assert_false(on_disk(f, &before));
    const struct kms_grant now = row_of(f, id);
    assert_true(on_disk(f, &now));
    /* the order is used up */
    lab_device_advance(&f->device, PROTO_VAULT_COMMITTED, 2);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "rework_needed");
    json_decref(grant);
}

/* What was superseded is refused in every call, and by its statement. */
static void test_superseded_never_comes_back(void **state)
{
    struct fixture *f = *state;
    struct proto_statement later = f->device.statement;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    (void)order(f, PROTO_PURPOSE_REWORK);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_confirm(&f->lab, &f->station, &f->device, grant, receipt);
    json_decref(grant);
    hand_in_refused(f, f->first, f->receipt, 409, "superseded");
    refused_grant_call(f, f->first, "scrap", "{\"reason\":\"x\"}", "superseded");
    refused_grant_call(f, f->first, "lock", "{\"answer\":\"AQED\"}", "superseded");
    memset(&f->device.statement.nonce, 0x5A, sizeof(f->device.statement.nonce));
    f->device.statement.vault_state = PROTO_VAULT_IDENTITY;
    f->device.statement.key_version = 0;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "superseded");
    f->device.statement = later;
    expect_unit(f, "confirmed", "none", 2);
}

static void test_zeroise_and_rework_again(void **state)
{
    static const uint8_t zeros[PROTO_ENVELOPE_PLAIN_SIZE + 8] = { 0 };
    struct fixture *f = *state;
    struct base_err err = { 0 };
    struct kms_order refused;
    struct proto_envelope_header header;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    const struct kms_grant before = row_of(f, f->first);
    (void)order(f, PROTO_PURPOSE_ZEROISE);
    expect_unit(f, "confirmed", "zeroise", 1);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    open_of(f, grant, &header, roots, receipt);
    assert_int_equal(header.purpose, PROTO_PURPOSE_ZEROISE);
    assert_int_equal(header.keys, 0);
    assert_int_equal(header.key_version, 2);
    assert_memory_equal(roots, zeros, sizeof(roots));
    const char *id = lab_text(grant, "grant_id");
    assert_int_equal(lab_hand_in(&f->lab, &f->station, id, receipt, sizeof(receipt), NULL), 200);
    expect_unit(f, "zeroised", "none", 2);
    expect_books(f, 0, 1, 0);
    assert_false(on_disk(f, &before));
    const struct kms_grant row = row_of(f, id);
    assert_memory_equal(row.roots_wrapped, zeros, sizeof(row.roots_wrapped));
    json_decref(grant);
    assert_int_equal(kms_admin_unit_order(&f->lab.home, f->device.statement.chip_id,
                         PROTO_PURPOSE_ZEROISE, "", &refused, &err),
        BASE_E_DENIED);
    assert_non_null(strstr(err.message, "holds no keys"));
    (void)order(f, PROTO_PURPOSE_REWORK);
    expect_unit(f, "zeroised", "rework", 2);
    lab_device_advance(&f->device, PROTO_VAULT_ZEROISED, 2);
    grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_confirm(&f->lab, &f->station, &f->device, grant, receipt);
    expect_unit(f, "confirmed", "none", 3);
    json_decref(grant);
}

/* Nobody knows what the chip holds after a rework that was scrapped: the unit ends. */
static void test_scrapped_rework_retires_the_unit(void **state)
{
    struct fixture *f = *state;
    struct proto_envelope_header header;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    char path[128];
    const struct kms_grant before = row_of(f, f->first);
    (void)order(f, PROTO_PURPOSE_REWORK);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    const char *id = lab_text(grant, "grant_id");
    const struct kms_grant rework = row_of(f, id);
    open_of(f, grant, &header, roots, receipt);
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", id);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"dead\"}", NULL), 200);
    }
    assert_false(on_disk(f, &before));
    assert_false(on_disk(f, &rework));
    expect_books(f, 0, 0, 1);
    expect_unit(f, "retired", "none", 1);
    hand_in_refused(f, id, receipt, 409, "grant_scrapped");
    hand_in_refused(f, f->first, f->receipt, 409, "unit_retired");
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "grant_scrapped");
    lab_device_advance(&f->device, PROTO_VAULT_COMMITTED, 2);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "unit_retired");
    json_decref(grant);
}

static void test_retire(void **state)
{
    struct fixture *f = *state;
    struct base_err err = { 0 };
    struct kms_order refused;
    const uint8_t *chip = f->device.statement.chip_id;
    const struct kms_grant before = row_of(f, f->first);
    (void)order(f, PROTO_PURPOSE_REWORK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(kms_admin_unit_retire(&f->lab.home, chip, NULL), BASE_OK);
    }
    assert_false(on_disk(f, &before));
    expect_unit(f, "retired", "none", 1);
    expect_books(f, 0, 0, 1);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "unit_retired");
    lab_ask_refused(&f->lab, &f->station, "L2", &f->device, 409, "unit_retired");
    hand_in_refused(f, f->first, f->receipt, 409, "unit_retired");
    refused_grant_call(f, f->first, "scrap", "{\"reason\":\"x\"}", "unit_retired");
    refused_grant_call(f, f->first, "lock", "{\"answer\":\"AQED\"}", "unit_retired");
    assert_int_equal(
        kms_admin_unit_order(&f->lab.home, chip, PROTO_PURPOSE_REWORK, "", &refused, &err),
        BASE_E_DENIED);
    assert_non_null(strstr(err.message, "retired"));
    assert_int_equal(kms_admin_unit_cancel(&f->lab.home, chip, NULL), BASE_E_NOTFOUND);
}

/* A retired version of a unit that was reworked before goes with it. */
static void test_retire_after_rework(void **state)
{
    struct fixture *f = *state;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    (void)order(f, PROTO_PURPOSE_REWORK);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_confirm(&f->lab, &f->station, &f->device, grant, receipt);
    const struct kms_grant second = row_of(f, lab_text(grant, "grant_id"));
    assert_int_equal(
        kms_admin_unit_retire(&f->lab.home, f->device.statement.chip_id, NULL), BASE_OK);
    assert_false(on_disk(f, &second));
    assert_int_equal(row_of(f, f->first).state, KMS_GRANT_RETIRED);
    expect_books(f, 0, 0, 1);
    json_decref(grant);
}

/* The order is for the device key that was confirmed, in its lot, on a vault that knows of it. */
static void test_order_is_pinned(void **state)
{
    struct fixture *f = *state;
    struct lab_device twin;
    const struct proto_statement good = f->device.statement;
    (void)order(f, PROTO_PURPOSE_REWORK);
    lab_device_open(&f->lab, &twin, 0x51a0000000c00001);
    twin.statement.vault_state = PROTO_VAULT_COMMITTED;
    twin.statement.key_version = 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &twin, 409, "chip_known");
    lab_ask_refused(&f->lab, &f->station, "L2", &f->device, 409, "unit_elsewhere");
    f->device.statement.vault_state = PROTO_VAULT_IDENTITY;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 422, "statement_bad");
    f->device.statement = good;
    f->device.statement.key_version = 0;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 422, "statement_bad");
    f->device.statement = good;
    f->device.statement.bootloader_hash[0] ^= 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 403, "image_unknown");
    f->device.statement = good;
    expect_unit(f, "confirmed", "rework", 1);
    json_decref(lab_ask(&f->lab, &f->station, "L1", &f->device, 201));
    lab_device_done(&twin);
}

/* It stands beyond the end of the lot, whose quota and rate of one are used up. */
static void test_order_stands_beyond_the_lot(void **state)
{
    struct fixture *f = *state;
    struct kms_lot_view view;
    (void)order(f, PROTO_PURPOSE_REWORK);
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L1", false, &view, NULL), BASE_OK);
    f->lab.now_us += 300 * LAB_HOUR;
    lab_login(&f->lab, &f->station, &f->tester);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    /* closing again, scrapping what is open, leaves the begun rework alone */
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L1", true, &view, NULL), BASE_OK);
    expect_unit(f, "open", "rework", 2);
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    lab_confirm(&f->lab, &f->station, &f->device, grant, receipt);
    expect_unit(f, "confirmed", "none", 2);
    json_decref(grant);
}

static void test_lock_is_kept(void **state)
{
    struct fixture *f = *state;
    uint8_t answer[PROTO_LOCK_ANSWER_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    lab_lock_answer(&f->device, f->receipt, answer);
    assert_int_equal(lab_lock(&f->lab, &f->station, f->first, answer, sizeof(answer), NULL), 200);
    (void)order(f, PROTO_PURPOSE_REWORK);
    lab_device_advance(&f->device, PROTO_VAULT_LOCKED, 1);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_confirm(&f->lab, &f->station, &f->device, grant, receipt);
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", &f->device);
    assert_true(json_is_true(json_object_get(unit, "locked")));
    json_decref(unit);
    /* an answer of the new record is kept too */
    lab_lock_answer(&f->device, receipt, answer);
    assert_int_equal(
        lab_lock(&f->lab, &f->station, lab_text(grant, "grant_id"), answer, sizeof(answer), NULL),
        200);
    json_decref(grant);
}

/* A receipt says for which purpose it was given. */
static void test_receipt_of_another_purpose(void **state)
{
    struct fixture *f = *state;
    struct proto_envelope_header header;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    (void)order(f, PROTO_PURPOSE_ZEROISE);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    open_of(f, grant, &header, roots, receipt);
    for (uint8_t purpose = PROTO_PURPOSE_INSTALL; purpose < PROTO_PURPOSE_ZEROISE; purpose++) {
        receipt[2] = purpose;
        lab_receipt_mac(&f->device, receipt);
        hand_in_refused(f, lab_text(grant, "grant_id"), receipt, 422, "receipt_bad");
    }
    expect_unit(f, "open", "zeroise", 2);
    json_decref(grant);
}

static void expect_order(
    struct fixture *f, uint64_t chip, uint8_t purpose, enum base_status status, const char *word)
{
    struct base_err err = { 0 };
    struct kms_order order;
    uint8_t chip_id[8];
    base_put_be64(chip_id, chip);
    assert_int_equal(
        kms_admin_unit_order(&f->lab.home, chip_id, purpose, "", &order, &err), status);
    if (strstr(err.message, word) == NULL) {
        fail_msg("\"%s\" does not name \"%s\"", err.message, word);
    }
}

static void test_order_refusals(void **state)
{
    struct fixture *f = *state;
    struct lab_device second;
    struct base_err err = { 0 };
    struct kms_order order_1;
    char path[128];
    char reason[KMS_REASON_SIZE + 1];
    lab_device_open(&f->lab, &second, 2);
    expect_order(f, 2, PROTO_PURPOSE_REWORK, BASE_E_NOTFOUND, "no chip 0000000000000002");
    json_t *grant = lab_ask(&f->lab, &f->station, "L2", &second, 201);
    expect_order(f, 2, PROTO_PURPOSE_REWORK, BASE_E_DENIED, "is open");
    assert_int_equal(
        kms_admin_unit_retire(&f->lab.home, second.statement.chip_id, &err), BASE_E_DENIED);
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", lab_text(grant, "grant_id"));
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"x\"}", NULL), 200);
    expect_order(f, 2, PROTO_PURPOSE_ZEROISE, BASE_E_DENIED, "scrapped");
    json_decref(grant);
    lab_device_done(&second);

    order_1 = order(f, PROTO_PURPOSE_REWORK);
    assert_string_equal(order(f, PROTO_PURPOSE_REWORK).id, order_1.id);
    expect_order(f, 0x51a0000000c00001, PROTO_PURPOSE_ZEROISE, BASE_E_EXISTS, "rework, is pending");
    assert_int_equal(
        kms_admin_unit_cancel(&f->lab.home, f->device.statement.chip_id, NULL), BASE_OK);
    expect_unit(f, "confirmed", "none", 1);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "rework_needed");
    expect_order(f, 0x51a0000000c00001, PROTO_PURPOSE_ZEROISE, BASE_OK, "");
    memset(reason, 'x', sizeof(reason));
    reason[KMS_REASON_SIZE] = '\0';
    assert_int_equal(kms_admin_unit_order(&f->lab.home, f->device.statement.chip_id,
                         PROTO_PURPOSE_REWORK, reason, &order_1, NULL),
        BASE_E_ARG);
}

/* Each node is a program of its own on the same store: one order gives one grant, one receipt makes
 * one change. */
struct node {
    struct lab lab;
    struct lab_station station;
    char body[20000];
    const char *path;
    int status;
    bool repeated;
    pthread_t thread;
};

static void *call_once(void *user)
{
    struct node *node = user;
    json_t *answer = NULL;
    node->status = lab_call(&node->lab, &node->station, KMS_POST, node->path, node->body, &answer);
    node->repeated = json_is_true(json_object_get(answer, "repeated"));
    json_decref(answer);
    return NULL;
}

static unsigned run_all(struct node nodes[NODES], const char *path, int status)
{
    unsigned count = 0;
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].path = path;
        assert_int_equal(pthread_create(&nodes[i].thread, NULL, call_once, &nodes[i]), 0);
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(pthread_join(nodes[i].thread, NULL), 0);
        count += nodes[i].status == status && !nodes[i].repeated;
    }
    return count;
}

static void open_node(struct fixture *f, struct node *node, unsigned number)
{
    static const char *const names[NODES] = { "s0", "s1", "s2", "s3" };
    node->lab = f->lab;
    node->lab.clock.user = &node->lab.now_us;
    assert_int_equal(
        kms_home_open(f->lab.dir, base_random_system(), &node->lab.clock, &node->lab.home, NULL),
        BASE_OK);
    kms_home_core(&node->lab.home, NULL, &node->lab.core);
    lab_add_station(&node->lab, &node->station, names[number], KMS_ROLE_PROVISION);
    f->lab.now_us += LAB_MINUTE;
    node->lab.now_us = f->lab.now_us;
    lab_login(&node->lab, &node->station, &f->tester);
}

static void test_race(void **state)
{
    struct fixture *f = *state;
    static struct node nodes[NODES];
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char path[128];
    memset(nodes, 0, sizeof(nodes));
    (void)order(f, PROTO_PURPOSE_REWORK);
    for (uint8_t i = 0; i < NODES; i++) {
        open_node(f, &nodes[i], i);
        f->device.statement.nonce[2] = i; /* as if each station had reset the board */
        lab_statement(&nodes[i].lab, &f->device, statement);
        lab_grant_body(&nodes[i].lab, &nodes[i].station, "L1", statement, nodes[i].body,
            sizeof(nodes[i].body));
    }
    assert_int_equal(run_all(nodes, "/v1/lots/L1/grants", 201), 1);
    struct kms_grant open;
    assert_int_equal(
        kms_grant_of_chip(&f->lab.home.store, f->device.statement.chip_id, &open, NULL), BASE_OK);
    assert_int_equal(open.state, KMS_GRANT_OPEN);
    assert_int_equal(open.key_version, 2);
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    char encoded[BASE_BASE64_SIZE(PROTO_RECEIPT_SIZE)];
    lab_open_envelope(&f->lab, &f->device, open.envelope, roots, receipt);
    base_base64_encode(receipt, sizeof(receipt), encoded);
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(nodes[i].status, nodes[i].status == 201 ? 201 : 409);
        (void)snprintf(nodes[i].body, sizeof(nodes[i].body), "{\"receipt\":\"%s\"}", encoded);
    }
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/receipt", open.id);
    assert_int_equal(run_all(nodes, path, 200), 1);
    for (unsigned i = 0; i < NODES; i++) {
        assert_int_equal(nodes[i].status, 200);
        lab_station_done(&nodes[i].station);
        kms_home_close(&nodes[i].lab.home);
    }
    expect_unit(f, "confirmed", "none", 2);
    assert_int_equal(row_of(f, f->first).state, KMS_GRANT_SUPERSEDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rework, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_superseded_never_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zeroise_and_rework_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scrapped_rework_retires_the_unit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retire_after_rework, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_is_pinned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_stands_beyond_the_lot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receipt_of_another_purpose, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_race, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
