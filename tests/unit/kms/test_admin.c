/* SPDX-License-Identifier: Apache-2.0 */
/* Lots and permits. */
#include <stdio.h>
#include <string.h>

#include "auth/enrol.h"
#include "auth/permit.h"
#include "base/hash.h"
#include "device-fw/protocol/image.h"
#include "tests/unit/kms/lab.h"

#define IMAGE_SIZE  0x900U
#define SIGNED_SIZE (IMAGE_SIZE + 256U)
#define KEY_SIZE    1096U

static const uint8_t secure_hash[KMS_SECURE_HASH_SIZE] = { 0xA1, 0xA2 };

struct fixture {
    struct lab lab;
    uint8_t image[SIGNED_SIZE];
    uint8_t key[KEY_SIZE];
    uint8_t application[64];
    struct kms_lot_request request;
};

static void bind_image(struct fixture *f, uint8_t flags)
{
    struct proto_binding binding = { .flags = flags,
        .minimum_protocol = PROTO_VERSION,
        .minimum_bootloader = 0x01000002,
        .bootloader_version = 0x01000003 };
    uint8_t *block = f->image + PROTO_BINDING_OFFSET;
    memcpy(binding.authority_key[1], f->lab.home.keys.authority.public_key, 65);
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
}

/* Ask for a lot of restricted chips; the fixture's image is a lab one still. */
static void ask_secure(struct fixture *f)
{
    f->request.trust = KMS_TRUST_ATTESTED;
    f->request.restrict_policy = KMS_RESTRICT_SECURE;
    f->request.lock_policy = KMS_LOCK_DARK;
    f->request.image_length = SIGNED_SIZE;
    f->request.image_key = f->key;
    f->request.image_key_length = KEY_SIZE;
    f->request.secure_hash = secure_hash;
    f->request.application = f->application;
    f->request.application_length = sizeof(f->application);
    base_put_le32(f->application, 0x96F3B83D);
    f->application[20] = 2;
    f->application[21] = 1;
    f->application[22] = 4;
    f->application[23] = 3;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    lab_open(&f->lab);
    base_put_le32(f->image, IMAGE_SIZE);
    base_put_le32(f->image + 4, 0x8001);
    base_put_le32(f->image + 12, 1);
    base_put_le32(f->image + 16, PROTO_VECTOR_OFFSET - 16);
    base_put_le32(f->image + 20, 0xC6000000);
    bind_image(f, PROTO_FLAG_LAB);
    f->request = (struct kms_lot_request){
        .id = "L1",
        .image = f->image,
        .image_length = IMAGE_SIZE,
        .lorawan = PROTO_LORAWAN_1_0,
        .deveui_first = UINT64_C(0x70b3d57ed0010000),
        .deveui_count = 8,
        .target = 4,
        .allowance = 6,
        .rate = KMS_RATE_DEFAULT,
        .trust = KMS_TRUST_TOFU,
        .consent_tofu = true,
        .min_bootloader = KMS_FLOOR_DEFAULT,
        .min_protocol = KMS_FLOOR_DEFAULT,
        .expires_us = f->lab.now_us + LAB_HOUR,
    };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_close(&f->lab);
    return 0;
}

static void expect(struct fixture *f, enum base_status status, const char *word)
{
    struct base_err err = { 0 };
    assert_int_equal(kms_admin_lot_add(&f->lab.home, &f->request, &err), status);
    if (strstr(err.message, word) == NULL) {
        fail_msg("\"%s\" does not name \"%s\"", err.message, word);
    }
}

static void test_lot_refusals(void **state)
{
    struct fixture *f = *state;
    const struct kms_lot_request good = f->request;
    f->request.id = "../L1";
    expect(f, BASE_E_ARG, "name");
    f->request = good;
    f->request.lock_policy = KMS_LOCK_APS;
    expect(f, BASE_E_DENIED, "--restrict secure");
    f->request = good;
    f->request.trust = KMS_TRUST_ATTESTED;
    expect(f, BASE_E_DENIED, "attested");
    f->request = good;
    f->request.consent_tofu = false;
    expect(f, BASE_E_DENIED, "--consent-tofu");
    f->request = good;
    f->request.target = 0;
    expect(f, BASE_E_ARG, "target");
    f->request = good;
    f->request.allowance = 3;
    expect(f, BASE_E_ARG, "allowance");
    f->request = good;
    f->request.rate = 0; /* first-use trust without a limit */
    expect(f, BASE_E_ARG, "rate");
    f->request.rate = -2;
    expect(f, BASE_E_ARG, "rate");
    f->request = good;
    f->request.deveui_count = 5;
    expect(f, BASE_E_ARG, "DevEUI");
    f->request = good;
    f->request.deveui_first = UINT64_MAX;
    expect(f, BASE_E_ARG, "DevEUI");
    f->request = good;
    f->request.expires_us = f->lab.now_us;
    expect(f, BASE_E_ARG, "past");
    f->request = good;
    f->request.lorawan = 0x12;
    expect(f, BASE_E_ARG, "LoRaWAN");
}

static int64_t rate_of(struct fixture *f, const char *id)
{
    struct kms_lot_view view;
    f->request.id = id;
    f->request.deveui_first += 0x10000;
    expect(f, BASE_OK, "");
    assert_int_equal(kms_admin_lot_view(&f->lab.home, id, &view, NULL), BASE_OK);
    return view.lot.rate;
}

static void test_rate_default(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(rate_of(f, "SMALL"), 60);
    f->request.allowance = f->request.deveui_count = 1001;
    assert_int_equal(rate_of(f, "LARGE"), 126);
    f->request.rate = 7;
    assert_int_equal(rate_of(f, "SAID"), 7);
    f->request.trust = KMS_TRUST_MANIFEST;
    assert_int_equal(rate_of(f, "MANIFEST-SAID"), 7);
    f->request.rate = 0;
    assert_int_equal(rate_of(f, "MANIFEST-NONE"), 0);
    f->request.rate = KMS_RATE_DEFAULT;
    assert_int_equal(rate_of(f, "MANIFEST"), 0);
}

static void test_image(void **state)
{
    struct fixture *f = *state;
    f->request.image_length--;
    expect(f, BASE_E_VERIFY, "whole");
    f->request.image_length++;
    f->image[PROTO_BINDING_OFFSET + PROTO_BINDING_HASH_AT + 5] ^= 1;
    expect(f, BASE_E_VERIFY, "bound");
    bind_image(f, PROTO_FLAG_LAB);
    f->lab.home.keys.authority.public_key[9] ^= 1;
    expect(f, BASE_E_VERIFY, "bound");
    f->lab.home.keys.authority.public_key[9] ^= 1;
    f->lab.home.config.development = false;
    f->request.trust = KMS_TRUST_MANIFEST;
    expect(f, BASE_E_DENIED, "--restrict secure");
    ask_secure(f);
    expect(f, BASE_E_DENIED, "lab");
    bind_image(f, 0);
    expect(f, BASE_OK, "");
}

static void test_restricted_lot(void **state)
{
    struct fixture *f = *state;
    struct kms_lot_view view;
    uint8_t digest[32];
    ask_secure(f);
    expect(f, BASE_E_DENIED, "lab flag");
    bind_image(f, 0);
    f->request.image_key = NULL;
    expect(f, BASE_E_ARG, "--image-key");
    f->request.image_key = f->key;
    f->request.image_key_length--;
    expect(f, BASE_E_ARG, "1096 bytes");
    f->request.image_key_length++;
    f->request.secure_hash = NULL;
    expect(f, BASE_E_ARG, "--secure-hash");
    f->request.secure_hash = secure_hash;
    f->request.image_length = IMAGE_SIZE;
    expect(f, BASE_E_VERIFY, "not signed");
    f->request.image_length = SIGNED_SIZE;
    f->request.application_length = 31;
    expect(f, BASE_E_VERIFY, "MCUboot");
    f->request.application_length = sizeof(f->application);
    f->application[0] ^= 1;
    expect(f, BASE_E_VERIFY, "MCUboot");
    f->application[0] ^= 1;
    f->request.min_bootloader = 0x01000004;
    expect(f, BASE_E_VERIFY, "1.0.3 is below");
    f->request.min_bootloader = 0x01000003;
    f->request.min_protocol = PROTO_VERSION + 1;
    expect(f, BASE_E_ARG, "protocol");
    f->request.min_protocol = KMS_FLOOR_DEFAULT;
    expect(f, BASE_OK, "");
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "L1", &view, NULL), BASE_OK);
    assert_int_equal(view.lot.restrict_policy, KMS_RESTRICT_SECURE);
    assert_int_equal(view.lot.lock_policy, KMS_LOCK_DARK);
    assert_int_equal(view.lot.min_bootloader, 0x01000003);
    assert_int_equal(view.lot.min_protocol, PROTO_VERSION);
    assert_memory_equal(view.lot.secure_hash, secure_hash, sizeof(secure_hash));
    base_sha256(f->key, KEY_SIZE, digest);
    assert_memory_equal(view.lot.key_sha256, digest, 32);
    base_sha256(f->image, SIGNED_SIZE, digest);
    assert_memory_equal(view.lot.image_sha256, digest, 32);
    base_sha256(f->application, sizeof(f->application), digest);
    assert_memory_equal(view.lot.application_sha256, digest, 32);
    assert_int_equal(view.lot.application_version, 0x02010304);
    /* the image's own floor, where the request names none or a lower one */
    f->request.id = "L2";
    f->request.deveui_first += 16;
    f->request.min_bootloader = 1;
    expect(f, BASE_OK, "");
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "L2", &view, NULL), BASE_OK);
    assert_int_equal(view.lot.min_bootloader, 0x01000002);
}

static void expect_permit(struct fixture *f, const struct kms_permit_request *request,
    enum base_status status, const char *word)
{
    struct base_err err = { 0 };
    struct kms_permit permit;
    assert_int_equal(kms_admin_permit_add(&f->lab.home, request, &permit, &err), status);
    if (strstr(err.message, word) == NULL) {
        fail_msg("\"%s\" does not name \"%s\"", err.message, word);
    }
}

static void test_permit_refusals(void **state)
{
    struct fixture *f = *state;
    struct kms_lot_view view;
    struct kms_permit_request request = {
        .lot = "L1", .acts = KMS_ACT_EFUSE, .until_us = f->lab.now_us + LAB_HOUR
    };
    expect_permit(f, &request, BASE_E_NOTFOUND, "no lot L1");
    expect(f, BASE_OK, "");
    request.acts = 0;
    expect_permit(f, &request, BASE_E_ARG, "act");
    request.acts = 64;
    expect_permit(f, &request, BASE_E_ARG, "act");
    request.acts = KMS_ACT_RESTRICT;
    expect_permit(f, &request, BASE_E_DENIED, "--restrict secure");
    request.acts = KMS_ACT_LOCK;
    expect_permit(f, &request, BASE_E_DENIED, "--lock");
    request.acts = KMS_ACT_EFUSE;
    request.until_us = f->lab.now_us;
    expect_permit(f, &request, BASE_E_ARG, "past");
    request.until_us++;
    expect_permit(f, &request, BASE_OK, "");
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L1", false, &view, NULL), BASE_OK);
    expect_permit(f, &request, BASE_E_DENIED, "closed");
    assert_int_equal(kms_admin_permit_revoke(&f->lab.home, "P9", NULL), BASE_E_NOTFOUND);
}

static struct kms_permit add_permit(struct fixture *f, int64_t acts, const uint8_t *chip_id)
{
    struct base_err err = { 0 };
    struct kms_permit permit;
    const struct kms_permit_request request = {
        .lot = "L1", .acts = acts, .chip_id = chip_id, .until_us = f->lab.now_us + LAB_HOUR
    };
    f->lab.now_us += LAB_SECOND;
    if (kms_admin_permit_add(&f->lab.home, &request, &permit, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return permit;
}

/* What the KMS signs is what a station reads: signature, digests, chip, time. */
static void test_permit(void **state)
{
    static const uint8_t chip[8] = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 };
    struct fixture *f = *state;
    struct base_err err = { 0 };
    struct auth_permit read;
    struct kms_lot_view view;
    char vkey[BASE_NOTE_VKEY_SIZE];
    ask_secure(f);
    bind_image(f, 0);
    expect(f, BASE_OK, "");
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "L1", &view, NULL), BASE_OK);
    base_note_verifier_format(&f->lab.home.keys.log.verifier, vkey);
    struct kms_permit permit = add_permit(f, KMS_ACT_REHEARSE | KMS_ACT_RESTRICT, chip);
    size_t length = strlen(permit.note);
    assert_int_equal(
        auth_permit_parse(permit.note, length, vkey, f->lab.now_us, &read, NULL), BASE_OK);
    assert_string_equal(read.id, permit.id);
    assert_string_equal(read.lot, "L1");
    assert_int_equal(read.acts, AUTH_ACT_REHEARSE | AUTH_ACT_RESTRICT);
    assert_true(read.for_chip);
    assert_memory_equal(read.chip_id, chip, 8);
    assert_memory_equal(read.image_sha256, view.lot.image_sha256, 32);
    assert_memory_equal(read.key_sha256, view.lot.key_sha256, 32);
    assert_memory_equal(read.secure_hash, secure_hash, sizeof(secure_hash));
    assert_int_equal(read.until_us, permit.until_us);
    assert_int_equal(
        auth_permit_parse(permit.note, length, vkey, permit.until_us - 1, &read, NULL), BASE_OK);
    assert_int_equal(
        auth_permit_parse(permit.note, length, vkey, permit.until_us, &read, &err), BASE_E_EXPIRED);
    assert_string_equal(err.code, "permit_expired");
    /* without an error object too, and with any byte changed, it is not accepted */
    for (size_t i = 0; i < length; i++) {
        permit.note[i] ^= 1;
        assert_int_not_equal(
            auth_permit_parse(permit.note, length, vkey, f->lab.now_us, &read, NULL), BASE_OK);
        permit.note[i] ^= 1;
    }
    assert_int_equal(
        auth_permit_parse(permit.note, length, "no key", f->lab.now_us, &read, NULL), BASE_E_ARG);
    permit = add_permit(f, KMS_ACT_LOCK | KMS_ACT_SETTLE, NULL);
    assert_int_equal(
        auth_permit_parse(permit.note, strlen(permit.note), vkey, f->lab.now_us, &read, NULL),
        BASE_OK);
    assert_int_equal(read.acts, AUTH_ACT_LOCK | AUTH_ACT_SETTLE);
    assert_false(read.for_chip);
}

/* Another note of the same key is no permit. */
static void test_permit_of_another_kind(void **state)
{
    struct fixture *f = *state;
    struct auth_permit read;
    struct base_buf note;
    char vkey[BASE_NOTE_VKEY_SIZE];
    static const char body[] = "lpa grant v1\n{}\n";
    base_note_verifier_format(&f->lab.home.keys.log.verifier, vkey);
    base_buf_init(&note, 4096);
    assert_int_equal(
        base_note_sign(&f->lab.home.keys.log, body, sizeof(body) - 1, 0, &note, NULL), BASE_OK);
    assert_int_equal(auth_permit_parse((const char *)note.data, note.length, vkey, 0, &read, NULL),
        BASE_E_PROTO);
    base_buf_done(&note);
}

static void expect_fetched(
    struct fixture *f, struct lab_station *station, const char *query, const char *id)
{
    char path[128];
    json_t *answer = NULL;
    (void)snprintf(path, sizeof(path), "/v1/lots/L1/permit%s", query);
    assert_int_equal(lab_call(&f->lab, station, KMS_GET, path, NULL, &answer), 200);
    assert_string_equal(lab_text(answer, "id"), id);
    assert_non_null(strstr(lab_text(answer, "permit"), id));
    json_decref(answer);
}

static void test_permit_for_a_station(void **state)
{
    static const uint8_t chip[8] = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 };
    static const char of_chip[] = "?chip=51a0000000c00001";
    struct fixture *f = *state;
    struct lab_station station;
    struct lab_tester tester;
    static const char path[] = "/v1/lots/L1/permit";
    ask_secure(f);
    bind_image(f, 0);
    expect(f, BASE_OK, "");
    lab_add_station(&f->lab, &station, "room-1", KMS_ROLE_PERSONALISE);
    lab_add_tester(&f->lab, &tester, "paul", KMS_ROLE_PERSONALISE);
    lab_refused(&f->lab, &station, KMS_GET, path, NULL, 401, "session_missing");
    lab_login(&f->lab, &station, &tester);
    lab_refused(&f->lab, &station, KMS_GET, path, NULL, 404, "permit_missing");
    lab_refused(&f->lab, &station, KMS_GET, "/v1/lots/L1/permit?chip=51", NULL, 400, "request_bad");
    lab_refused(&f->lab, &station, KMS_GET, "/v1/lots/L9/permit", NULL, 404, "lot_unknown");
    struct kms_permit first = add_permit(f, KMS_ACT_RESTRICT, NULL);
    struct kms_permit mine = add_permit(f, KMS_ACT_RESTRICT, chip);
    struct kms_permit second = add_permit(f, KMS_ACT_RESTRICT, NULL);
    expect_fetched(f, &station, "", second.id);
    expect_fetched(f, &station, of_chip, mine.id);
    expect_fetched(f, &station, "?chip=51a0000000c00002", second.id);
    for (unsigned i = 0; i < 2; i++) { /* doing so twice is fine */
        assert_int_equal(kms_admin_permit_revoke(&f->lab.home, second.id, NULL), BASE_OK);
        assert_int_equal(kms_admin_permit_revoke(&f->lab.home, mine.id, NULL), BASE_OK);
    }
    expect_fetched(f, &station, "", first.id);
    expect_fetched(f, &station, of_chip, first.id);
    f->lab.now_us = first.until_us;
    lab_login(&f->lab, &station, &tester);
    lab_refused(&f->lab, &station, KMS_GET, path, NULL, 404, "permit_missing");
    lab_station_done(&station);
}

static void test_lot_ranges(void **state)
{
    struct fixture *f = *state;
    expect(f, BASE_OK, "");
    expect(f, BASE_E_EXISTS, "L1");
    f->request.id = "L2";
    expect(f, BASE_E_EXISTS, "overlaps that of lot L1");
    f->request.deveui_first += 7;
    expect(f, BASE_E_EXISTS, "overlaps");
    f->request.deveui_first += 1;
    expect(f, BASE_OK, "");
    f->request.id = "L3";
    f->request.deveui_first -= 16;
    expect(f, BASE_OK, "");
    f->request.id = "L4";
    f->request.deveui_first += 1;
    expect(f, BASE_E_EXISTS, "overlaps");
}

static void test_close(void **state)
{
    struct fixture *f = *state;
    struct kms_lot_view view;
    struct base_err err = { 0 };
    expect(f, BASE_OK, "");
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L9", false, &view, &err), BASE_E_NOTFOUND);
    struct lab_station station;
    struct lab_tester tester;
    struct lab_device device;
    lab_add_station(&f->lab, &station, "station-1", KMS_ROLE_PROVISION);
    lab_add_tester(&f->lab, &tester, "anna", KMS_ROLE_PROVISION);
    lab_login(&f->lab, &station, &tester);
    lab_device_open(&f->lab, &device, 1);
    device.statement.bootloader_version = 0x01000003;
    base_sha256(f->image, IMAGE_SIZE, device.statement.bootloader_hash);
    json_decref(lab_ask(&f->lab, &station, "L1", &device, 201));
    base_err_clear(&err);
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L1", false, &view, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "open_grants");
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L1", true, &view, NULL), BASE_OK);
    assert_int_equal(view.counts.scrapped, 1);
    assert_true(view.lot.closed_us != 0);
    lab_ask_refused(&f->lab, &station, "L1", &device, 409, "grant_scrapped");
    lab_device_done(&device);
    lab_station_done(&station);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lot_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restricted_lot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permit_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permit_of_another_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permit_for_a_station, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lot_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
