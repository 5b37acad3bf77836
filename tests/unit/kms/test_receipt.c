/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "kms/label.h"
#include "tests/unit/kms/lab.h"
#include "tests/unit/vectors.h"

struct fixture {
    struct lab lab;
    struct lab_station station, other, room;
    struct lab_tester tester;
    struct lab_device device;
    char grant_id[KMS_GRANT_ID_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    uint8_t roots[32];
    lab_open_line(&f->lab, &f->station, &f->other, &f->room, &f->tester, &f->device);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&f->lab, &lot);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    (void)snprintf(f->grant_id, sizeof(f->grant_id), "%s", lab_text(grant, "grant_id"));
    lab_open_grant(&f->lab, &f->device, grant, roots, f->receipt);
    json_decref(grant);
    f->station.token[0] = '\0'; /* receipt and scrap need the certificate alone */
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_close_line(&f->lab, &f->station, &f->other, &f->room, &f->device);
    return 0;
}

static void hand_in(
    struct fixture *f, const char *grant_id, size_t length, int status, const char *code)
{
    json_t *answer = NULL;
    assert_int_equal(
        lab_hand_in(&f->lab, &f->station, grant_id, f->receipt, length, &answer), status);
    assert_string_equal(lab_text(answer, "code"), code);
    json_decref(answer);
}

static enum kms_grant_state state_now(struct fixture *f)
{
    struct kms_grant grant;
    assert_int_equal(kms_grant_by_id(&f->lab.home.store, f->grant_id, &grant, NULL), BASE_OK);
    return grant.state;
}

static void test_bad_receipts(void **state)
{
    struct fixture *f = *state;
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/grants/00/receipt", "{}", 400, "request_bad");
    hand_in(f, "00112233445566778899aabbccddeeff", sizeof(f->receipt), 404, "grant_unknown");
    hand_in(f, f->grant_id, 0, 422, "receipt_bad");
    hand_in(f, f->grant_id, sizeof(f->receipt) - 1, 422, "receipt_bad");
    assert_int_equal(state_now(f), KMS_GRANT_OPEN);
}

static void test_every_bit(void **state)
{
    struct fixture *f = *state;
    for (size_t bit = 0; bit < 8 * sizeof(f->receipt); bit++) {
        f->receipt[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
        f->receipt[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    assert_int_equal(state_now(f), KMS_GRANT_OPEN);
    hand_in(f, f->grant_id, sizeof(f->receipt), 200, "");
    assert_int_equal(state_now(f), KMS_GRANT_CONFIRMED);
}

static void test_confirm_and_repeat(void **state)
{
    struct fixture *f = *state;
    json_t *answer = NULL;
    assert_int_equal(
        lab_hand_in(&f->lab, &f->station, f->grant_id, f->receipt, sizeof(f->receipt), &answer),
        200);
    assert_false(json_is_true(json_object_get(answer, "repeated")));
    assert_string_equal(lab_text(answer, "dev_eui"), "70b3d57ed0010000");
    assert_int_equal(strncmp(lab_text(answer, "label"),
                         "LW:D0:70B3D57ED0000001:70B3D57ED0010000:00000000:C", 50),
        0);
    assert_true(json_is_null(json_object_get(answer, "open_work")));
    json_decref(answer);
    assert_int_equal(
        lab_hand_in(&f->lab, &f->station, f->grant_id, f->receipt, sizeof(f->receipt), &answer),
        200);
    assert_true(json_is_true(json_object_get(answer, "repeated")));
    json_decref(answer);
    /* confirmed does not mean that anything is believed */
    f->receipt[40] ^= 1;
    hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
}

/* The receipt of one grant does not confirm another. */
static void test_receipt_of_another_grant(void **state)
{
    struct fixture *f = *state;
    struct lab_device second;
    lab_login(&f->lab, &f->station, &f->tester);
    lab_device_open(&f->lab, &second, 0x51a0000000c00002);
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &second, 201);
    hand_in(f, lab_text(grant, "grant_id"), sizeof(f->receipt), 422, "receipt_bad");
    json_decref(grant);
    lab_device_done(&second);
}

/* A device that signs, with the right key, what does not fit the grant. */
static void sign_receipt(struct fixture *f, const struct proto_receipt *receipt)
{
    struct kms_grant grant;
    struct proto_receipt copy = *receipt;
    uint8_t key[32];
    assert_int_equal(kms_grant_by_id(&f->lab.home.store, f->grant_id, &grant, NULL), BASE_OK);
    assert_int_equal(kms_keystore_unwrap(&f->lab.home.keys, grant.receipt_key_wrapped,
                         sizeof(grant.receipt_key_wrapped), key, NULL),
        BASE_OK);
    proto_receipt_encode(&copy, f->receipt);
    const struct base_part body = { f->receipt, PROTO_RECEIPT_BODY_SIZE };
    base_hmac_sha256(key, sizeof(key), &body, 1, copy.mac);
    proto_receipt_encode(&copy, f->receipt);
}

static void test_well_signed_misfits(void **state)
{
    struct fixture *f = *state;
    struct proto_receipt good;
    struct proto_receipt bad;
    assert_int_equal(proto_receipt_decode(f->receipt, sizeof(f->receipt), &good), PROTO_OK);
    bad = good;
    bad.purpose = PROTO_PURPOSE_ZEROISE;
    sign_receipt(f, &bad);
    hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
    bad = good;
    bad.key_version++;
    sign_receipt(f, &bad);
    hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
    bad = good;
    bad.envelope_hash[0] ^= 1;
    sign_receipt(f, &bad);
    hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
    bad = good;
    bad.envelope_id[0] ^= 1;
    sign_receipt(f, &bad);
    hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
    bad = good;
    bad.chip_id[0] ^= 1;
    sign_receipt(f, &bad);
    hand_in(f, f->grant_id, sizeof(f->receipt), 422, "receipt_bad");
    assert_int_equal(state_now(f), KMS_GRANT_OPEN);
    sign_receipt(f, &good);
    hand_in(f, f->grant_id, sizeof(f->receipt), 200, "");
}

static void test_scrap(void **state)
{
    struct fixture *f = *state;
    char path[128];
    json_t *answer = NULL;
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", f->grant_id);
    lab_refused(&f->lab, &f->station, KMS_POST, path, "{}", 400, "request_bad");
    lab_refused(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"a\\nb\"}", 400, "request_bad");
    lab_refused(&f->lab, &f->room, KMS_POST, path, "{\"reason\":\"dead\"}", 403, "role");
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/grants/00112233445566778899aabbccddeeff/scrap",
        "{\"reason\":\"dead\"}", 404, "grant_unknown");
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"dead\"}", &answer), 200);
    assert_false(json_is_true(json_object_get(answer, "repeated")));
    json_decref(answer);
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_POST, path, "{\"reason\":\"dead\"}", &answer), 200);
    assert_true(json_is_true(json_object_get(answer, "repeated")));
    json_decref(answer);
    hand_in(f, f->grant_id, sizeof(f->receipt), 409, "grant_scrapped");
    assert_int_equal(state_now(f), KMS_GRANT_SCRAPPED);
}

static void test_confirmed_is_not_scrapped(void **state)
{
    struct fixture *f = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "/v1/grants/%s/scrap", f->grant_id);
    hand_in(f, f->grant_id, sizeof(f->receipt), 200, "");
    lab_refused(
        &f->lab, &f->station, KMS_POST, path, "{\"reason\":\"dead\"}", 409, "grant_confirmed");
    assert_int_equal(state_now(f), KMS_GRANT_CONFIRMED);
}

static void test_label(void **state)
{
    (void)state;
    /* example text of TR005 */
    static const char example[] =
        "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR";
    assert_int_equal(kms_label_crc(example, strlen(example)), 0xAF2C);
    static const uint8_t join_eui[8] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
    static const uint8_t dev_eui[8] = { 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0x00, 0x11 };
    static const uint8_t profile[4] = { 0xAA, 0xBB, 0x11, 0x22 };
    char label[KMS_LABEL_SIZE];
    kms_label_format(join_eui, dev_eui, profile, label);
    assert_int_equal(strncmp(label, "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:C", 50), 0);
    char crc[8];
    (void)snprintf(crc, sizeof(crc), "%04X", (unsigned)kms_label_crc(label, 48));
    assert_string_equal(label + 50, crc);
}

static void test_label_vectors(void **state)
{
    (void)state;
    json_t *file = vectors_load("tr005_qr.json");
    json_t *list = vectors_list(file);
    size_t run = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *vector = json_array_get(list, i);
        const json_t *valid = json_object_get(vector, "checksum_valid");
        const char *text = vectors_text(vector, "text");
        const char *checksum = strstr(text, ":C");
        char expected[8];
        if (!json_is_boolean(valid) || checksum == NULL) {
            continue;
        }
        (void)snprintf(expected, sizeof(expected), "%04X",
            (unsigned)kms_label_crc(text, (size_t)(checksum - text)));
        assert_int_equal(strcmp(checksum + 2, expected) == 0, json_is_true(valid));
        run++;
    }
    assert_true(run > 0);
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_receipts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_confirm_and_repeat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_receipt_of_another_grant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_well_signed_misfits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scrap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_confirmed_is_not_scrapped, set_up, tear_down),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_label_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
