/* SPDX-License-Identifier: Apache-2.0 */
/* Scrapped boards that are wiped: the envelope, its receipt, and who gets none. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "tests/unit/kms/lab.h"

#define CHIP UINT64_C(0x51a0000000c00001)

struct fixture {
    struct lab lab;
    struct lab_station station, other, room;
    struct lab_tester tester, second;
    struct lab_device device;
    char grant_id[KMS_GRANT_ID_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE]; /* of the wipe */
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    struct proto_receipt handed_in;
};

static void grant(struct fixture *f, bool confirm)
{
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    (void)snprintf(f->grant_id, sizeof(f->grant_id), "%s", lab_text(answer, "grant_id"));
    uint32_t version = (uint32_t)json_integer_value(json_object_get(answer, "key_version"));
    if (confirm) {
        lab_confirm(&f->lab, &f->station, &f->device, answer, f->receipt);
    } else {
        lab_open_grant(&f->lab, &f->device, answer, roots, f->receipt);
    }
    json_decref(answer);
    lab_device_advance(&f->device, PROTO_VAULT_COMMITTED, version);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    lab_open_line(&f->lab, &f->station, &f->other, &f->room, &f->tester, &f->device);
    lab_add_tester(&f->lab, &f->second, "bert", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&f->lab, &lot);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_close_line(&f->lab, &f->station, &f->other, &f->room, &f->device);
    return 0;
}

static int post(struct fixture *f, struct lab_station *station, const char *verb,
    const char *member, const uint8_t *data, size_t length, json_t **ret_answer)
{
    char path[128];
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    char body[512];
    base_base64_encode(data, length, encoded);
    (void)snprintf(body, sizeof(body), "{\"%s\":\"%s\"}", member, encoded);
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/%s", f->grant_id, verb);
    return lab_call(&f->lab, station, KMS_POST, path, body, ret_answer);
}

/* Ask with a statement of this device, and expect. */
static void ask(struct fixture *f, struct lab_station *station, struct lab_device *device,
    int http_status, const char *code)
{
    uint8_t statement[PROTO_STATEMENT_SIZE];
    size_t length = 0;
    json_t *answer = NULL;
    lab_statement(&f->lab, device, statement);
    int got = post(f, station, "wipe", "statement", statement, sizeof(statement), &answer);
    if (got != http_status || strcmp(lab_text(answer, "code"), code) != 0) {
        fail_msg("expected %d %s, got %d %s (%s)", http_status, code, got, lab_text(answer, "code"),
            lab_text(answer, "detail"));
    }
    if (got < 300) {
        assert_int_equal(base_json_get_base64(
                             answer, "envelope", sizeof(f->envelope), f->envelope, &length, NULL),
            BASE_OK);
        assert_int_equal(json_is_true(json_object_get(answer, "repeated")), got == 200);
    }
    json_decref(answer);
}

/* The confirmation, by the text of lpa-envelope(5): the same each time. */
static void expect_forget(const struct fixture *f, json_t *answer)
{
    const struct proto_receipt *receipt = &f->handed_in;
    const uint8_t version[] = { 0, 0, 0, (uint8_t)receipt->key_version };
    const struct base_part parts[] = { { "lpa forget v1", 13 },
        { receipt->chip_id, sizeof(receipt->chip_id) }, { version, sizeof(version) } };
    uint8_t expected[PROTO_MAC_SIZE];
    uint8_t got[PROTO_MAC_SIZE + 1];
    size_t length = 0;
    base_hmac_sha256(f->device.receipt_key, PROTO_HASH_SIZE, parts, 3, expected);
    assert_int_equal(
        base_json_get_base64(answer, "forget", sizeof(got), got, &length, NULL), BASE_OK);
    assert_int_equal(length, sizeof(expected));
    assert_memory_equal(got, expected, sizeof(expected));
}

static void hand_in(struct fixture *f, struct lab_station *station, int http_status,
    const char *code, bool repeated)
{
    json_t *answer = NULL;
    (void)proto_receipt_decode(f->receipt, sizeof(f->receipt), &f->handed_in);
    int got = post(f, station, "wiped", "receipt", f->receipt, sizeof(f->receipt), &answer);
    if (got != http_status || strcmp(lab_text(answer, "code"), code) != 0) {
        fail_msg("expected %d %s, got %d %s (%s)", http_status, code, got, lab_text(answer, "code"),
            lab_text(answer, "detail"));
    }
    if (got == 200) {
        assert_int_equal(json_is_true(json_object_get(answer, "repeated")), repeated);
        expect_forget(f, answer);
    }
    json_decref(answer);
}

static void expect_unit(struct fixture *f, const char *state, bool wiped)
{
    json_t *unit = lab_unit(&f->lab, &f->station, "L1", &f->device);
    assert_string_equal(lab_text(unit, "state"), state);
    assert_int_equal(json_is_true(json_object_get(unit, "wiped")), wiped);
    json_decref(unit);
}

static void expect_books(
    struct fixture *f, int64_t granted, int64_t open, int64_t confirmed, int64_t scrapped)
{
    struct kms_lot_view view;
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "L1", &view, NULL), BASE_OK);
    assert_int_equal(view.lot.granted, granted);
    assert_int_equal(view.counts.open, open);
    assert_int_equal(view.counts.confirmed, confirmed);
    assert_int_equal(view.counts.scrapped, scrapped);
}

static enum base_status count_one(void *user, const struct kms_grant *grant, struct base_err *err)
{
    (void)err;
    assert_int_equal(grant->wiped_us, 0);
    ++*(unsigned *)user;
    return BASE_OK;
}

/* Boards that the closing of the lot would name. */
static unsigned unwiped(struct fixture *f)
{
    unsigned count = 0;
    const struct kms_grant_filter filter = {
        .lot = "L1", .only_first = true, .only_unwiped = true, .limit = INT64_MAX
    };
    assert_int_equal(kms_grant_each(&f->lab.home.store, &filter, count_one, &count, NULL), BASE_OK);
    return count;
}

static void test_wipe(void **state)
{
    static const uint8_t zeros[PROTO_ENVELOPE_PLAIN_SIZE];
    struct fixture *f = *state;
    struct proto_envelope parts;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    uint8_t first[PROTO_ENVELOPE_SIZE];
    grant(f, false);
    ask(f, &f->station, &f->device, 409, "not_scrapped");
    assert_int_equal(unwiped(f), 0);
    lab_scrap(&f->lab, &f->station, f->grant_id);
    assert_int_equal(unwiped(f), 1);
    expect_books(f, 1, 0, 0, 1);
    f->station.token[0] = '\0'; /* finishing needs nobody at the station */
    ask(f, &f->station, &f->device, 201, "");
    assert_int_equal(proto_envelope_decode(f->envelope, sizeof(f->envelope), &parts), PROTO_OK);
    assert_int_equal(parts.header.purpose, PROTO_PURPOSE_ZEROISE);
    assert_int_equal(parts.header.keys, 0);
    assert_int_equal(parts.header.key_version, 2);
    assert_memory_equal(parts.header.nonce, f->device.statement.nonce, PROTO_NONCE_SIZE);
    assert_memory_equal(parts.header.dev_eui, zeros, PROTO_EUI_SIZE);
    assert_memory_equal(parts.header.join_eui, zeros, PROTO_EUI_SIZE);
    lab_open_envelope(&f->lab, &f->device, f->envelope, roots, f->receipt);
    assert_memory_equal(roots, zeros, sizeof(roots));
    memcpy(first, f->envelope, sizeof(first));
    ask(f, &f->other, &f->device, 200, ""); /* any station goes on */
    assert_memory_equal(first, f->envelope, sizeof(first));
    expect_unit(f, "scrapped", false);
    hand_in(f, &f->station, 200, "", false);
    expect_unit(f, "scrapped", true);
    assert_int_equal(unwiped(f), 0);
    hand_in(f, &f->other, 200, "", true);
    /* after it the board is as it was before in the books, and gets nothing */
    expect_books(f, 1, 0, 0, 1);
    lab_device_advance(&f->device, PROTO_VAULT_ZEROISED, 2);
    lab_login(&f->lab, &f->station, &f->tester);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "grant_scrapped");
    ask(f, &f->station, &f->device, 201, ""); /* once more harms nobody */
    assert_int_equal(proto_envelope_decode(f->envelope, sizeof(f->envelope), &parts), PROTO_OK);
    assert_int_equal(parts.header.key_version, 3);
}

/* A station asks for an envelope that takes the keys off somebody's unit. */
static void test_attack(void **state)
{
    struct fixture *f = *state;
    struct lab_device mine;
    char confirmed[KMS_GRANT_ID_SIZE];
    grant(f, true);
    memcpy(confirmed, f->grant_id, sizeof(confirmed));
    ask(f, &f->other, &f->device, 409, "not_scrapped");
    /* under a grant of its own that it scrapped */
    struct lab_device victim = f->device;
    lab_device_open(&f->lab, &mine, CHIP + 1);
    f->device = mine;
    grant(f, false);
    lab_scrap(&f->lab, &f->station, f->grant_id);
    ask(f, &f->other, &victim, 409, "chip_known");
    memcpy(victim.statement.chip_id, f->device.statement.chip_id, 8);
    ask(f, &f->other, &victim, 409, "chip_known");
    /* and a receipt of its own wiped board says nothing of the victim's */
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    ask(f, &f->other, &f->device, 201, "");
    lab_open_envelope(&f->lab, &f->device, f->envelope, roots, f->receipt);
    memcpy(f->grant_id, confirmed, sizeof(confirmed));
    hand_in(f, &f->other, 422, "receipt_bad", false);
    lab_device_done(&f->device);
    f->device = victim;
    base_put_be64(f->device.statement.chip_id, CHIP);
    expect_unit(f, "confirmed", false);
    expect_books(f, 2, 0, 1, 1);
}

/* The chip was scrapped, made another key and is in use again. */
static void test_used_again(void **state)
{
    struct fixture *f = *state;
    char scrapped[KMS_GRANT_ID_SIZE];
    grant(f, false);
    lab_scrap(&f->lab, &f->station, f->grant_id);
    memcpy(scrapped, f->grant_id, sizeof(scrapped));
    struct lab_device old = f->device;
    lab_device_open(&f->lab, &f->device, CHIP);
    lab_login(&f->lab, &f->other, &f->second);
    struct lab_station first = f->station;
    f->station = f->other;
    f->other = first;
    assert_int_equal(unwiped(f), 1);
    grant(f, true);
    assert_int_equal(unwiped(f), 0);
    memcpy(f->grant_id, scrapped, sizeof(scrapped));
    ask(f, &f->station, &f->device, 409, "not_scrapped");
    ask(f, &f->station, &old, 409, "not_scrapped");
    lab_device_done(&old);
}

/* Scrapping what an order began ends the whole unit; its board is wiped under either grant. */
static void test_rework(void **state)
{
    struct fixture *f = *state;
    struct kms_order order;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    char first[KMS_GRANT_ID_SIZE];
    grant(f, true);
    memcpy(first, f->grant_id, sizeof(first));
    assert_int_equal(kms_admin_unit_order(&f->lab.home, f->device.statement.chip_id,
                         PROTO_PURPOSE_REWORK, "", &order, NULL),
        BASE_OK);
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201); /* and never installed */
    (void)snprintf(f->grant_id, sizeof(f->grant_id), "%s", lab_text(answer, "grant_id"));
    json_decref(answer);
    ask(f, &f->station, &f->device, 409, "not_scrapped");
    lab_scrap(&f->lab, &f->station, f->grant_id);
    expect_unit(f, "retired", false);
    assert_int_equal(unwiped(f), 1);
    ask(f, &f->station, &f->device, 201, "");
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    memcpy(envelope, f->envelope, sizeof(envelope));
    memcpy(f->grant_id, first, sizeof(first));
    ask(f, &f->station, &f->device, 200, "");
    assert_memory_equal(envelope, f->envelope, sizeof(envelope));
    lab_open_envelope(&f->lab, &f->device, f->envelope, roots, f->receipt);
    hand_in(f, &f->station, 200, "", false);
    expect_unit(f, "retired", true);
    expect_books(f, 1, 0, 0, 1);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    char path[128];
    grant(f, false);
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/wipe", f->grant_id);
    lab_scrap(&f->lab, &f->station, f->grant_id);
    lab_refused(&f->lab, &f->station, KMS_POST, path, "{}", 400, "request_bad");
    lab_refused(
        &f->lab, &f->station, KMS_POST, path, "{\"statement\":\"AA==\"}", 422, "statement_bad");
    ask(f, &f->room, &f->device, 403, "role");
    f->device.statement.vault_state = PROTO_VAULT_IDENTITY;
    ask(f, &f->station, &f->device, 422, "statement_bad");
    f->device.statement.vault_state = PROTO_VAULT_COMMITTED;
    hand_in(f, &f->station, 422, "receipt_bad", false); /* it is the grant's own */
    f->grant_id[0] = f->grant_id[0] == 'f' ? '0' : 'f';
    ask(f, &f->station, &f->device, 404, "grant_unknown");
    hand_in(f, &f->station, 404, "grant_unknown", false);
}

/* One that ended before the KMS made confirmations: its key is gone, and it has none to give. */
static void test_wiped_before(void **state)
{
    struct fixture *f = *state;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    json_t *answer = NULL;
    int64_t changed = 0;
    const struct kms_statement forget = { .sql = "UPDATE wipes SET forget = zeroblob(32)" };
    grant(f, false);
    lab_scrap(&f->lab, &f->station, f->grant_id);
    ask(f, &f->station, &f->device, 201, "");
    lab_open_envelope(&f->lab, &f->device, f->envelope, roots, f->receipt);
    hand_in(f, &f->station, 200, "", false);
    assert_int_equal(kms_store_run(&f->lab.home.store, &forget, &changed, NULL), BASE_OK);
    assert_int_equal(
        post(f, &f->station, "wiped", "receipt", f->receipt, sizeof(f->receipt), &answer), 200);
    assert_true(json_is_true(json_object_get(answer, "repeated")));
    assert_null(json_object_get(answer, "forget"));
    json_decref(answer);
}

/* No bit of the receipt may differ, before or after the true one came. */
static void test_bits(void **state)
{
    struct fixture *f = *state;
    uint8_t roots[PROTO_ENVELOPE_PLAIN_SIZE];
    grant(f, false);
    lab_scrap(&f->lab, &f->station, f->grant_id);
    ask(f, &f->station, &f->device, 201, "");
    lab_open_envelope(&f->lab, &f->device, f->envelope, roots, f->receipt);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t bit = 0; bit < 8 * sizeof(f->receipt); bit++) {
            f->receipt[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            hand_in(f, &f->station, 422, "receipt_bad", false);
            f->receipt[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
        expect_unit(f, "scrapped", round == 1);
        hand_in(f, &f->station, 200, "", round == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_wipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wiped_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_attack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_used_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rework, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
