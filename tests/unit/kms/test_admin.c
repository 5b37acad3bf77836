/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/enrol.h"
#include "auth/permit.h"
#include "base/file.h"
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

static void test_testers(void **state)
{
    struct fixture *f = *state;
    struct base_secret uri = { 0 };
    struct base_err err = { 0 };
    assert_int_equal(
        kms_admin_tester_add(&f->lab.home, "a b", KMS_ROLE_PROVISION, &uri, &err), BASE_E_ARG);
    assert_int_equal(
        kms_admin_tester_add(&f->lab.home, "anna", KMS_ROLE_PROVISION, &uri, NULL), BASE_OK);
    assert_int_equal(strncmp((const char *)uri.data, "otpauth://totp/LPA:anna?secret=", 31), 0);
    assert_non_null(
        strstr((const char *)uri.data, "&issuer=LPA&algorithm=SHA1&digits=6&period=30"));
    base_secret_done(&uri);
    assert_int_equal(
        kms_admin_tester_add(&f->lab.home, "anna", KMS_ROLE_PROVISION, &uri, NULL), BASE_E_EXISTS);
    assert_null(uri.data);
}

struct seen {
    unsigned count, in_use;
    char last[KMS_ID_SIZE];
};

static enum base_status see_tester(
    void *user, const struct kms_tester *tester, struct base_err *err)
{
    (void)err;
    struct seen *seen = user;
    assert_true(strcmp(seen->last, tester->name) < 0); /* by name */
    memcpy(seen->last, tester->name, sizeof(seen->last));
    seen->count++;
    seen->in_use += tester->revoked_us == 0;
    return BASE_OK;
}

static void test_tester_list(void **state)
{
    struct fixture *f = *state;
    struct seen seen = { .count = 0 };
    static const char *const names[] = { "paul", "anna", "otto" };
    for (size_t i = 0; i < 3; i++) {
        struct base_secret uri = { 0 };
        assert_int_equal(
            kms_admin_tester_add(&f->lab.home, names[i], KMS_ROLE_PROVISION, &uri, NULL), BASE_OK);
        base_secret_done(&uri);
    }
    assert_int_equal(kms_admin_tester_revoke(&f->lab.home, "otto", NULL), BASE_OK);
    assert_int_equal(kms_tester_each(&f->lab.home.store, see_tester, &seen, NULL), BASE_OK);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.in_use, 2);
}

static enum base_status see_station(
    void *user, const struct kms_station *station, struct base_err *err)
{
    (void)err;
    struct seen *seen = user;
    assert_string_equal(station->name, "station-1");
    seen->count++;
    seen->in_use += station->revoked_us == 0;
    return BASE_OK;
}

/* A station's own request, made as lpa-provision enrol makes it; a folder is one key. */
static void make_csr(struct fixture *f, const char *key, const char *name, char ret_csr[2048],
    char ret_vkey[BASE_NOTE_VKEY_SIZE])
{
    char paths[3][128];
    struct base_buf text;
    struct base_note_verifier log;
    static const char *const ends[] = { "key", "csr", "log" };
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s/%s.%s", f->lab.dir, key, ends[i]);
    }
    const struct auth_enrol_opts opts = { .name = name,
        .key_file = paths[0],
        .csr_file = paths[1],
        .log_key_file = paths[2],
        .log_origin = "station-1.lpa",
        .random = base_random_system() };
    assert_int_equal(auth_enrol(&opts, &log, NULL), BASE_OK);
    base_note_verifier_format(&log, ret_vkey);
    base_buf_init(&text, 2047);
    assert_int_equal(base_file_read(paths[1], &text, NULL), BASE_OK);
    memcpy(ret_csr, text.data, text.length);
    ret_csr[text.length] = '\0';
    base_buf_done(&text);
}

static void test_station_renew(void **state)
{
    struct fixture *f = *state;
    struct kms_home *home = &f->lab.home;
    struct kms_station before;
    struct kms_station after;
    struct base_err err = { 0 };
    struct seen seen = { .count = 0 };
    struct base_buf certificate;
    char csr[2048];
    char other[2048];
    char vkey[BASE_NOTE_VKEY_SIZE];
    char other_vkey[BASE_NOTE_VKEY_SIZE];
    make_csr(f, "own", "station-1", csr, vkey);
    make_csr(f, "other", "station-1", other, other_vkey);
    base_buf_init(&certificate, 16384);
    assert_int_equal(
        kms_admin_station_renew(home, "station-1", csr, &certificate, &err), BASE_E_NOTFOUND);
    assert_int_equal(kms_admin_station_add(
                         home, "station-1", csr, vkey, KMS_ROLE_PERSONALISE, &certificate, NULL),
        BASE_OK);
    assert_int_equal(kms_station_by_name(&home->store, "station-1", &before, NULL), BASE_OK);

    base_err_clear(&err);
    assert_int_equal(
        kms_admin_station_renew(home, "station-1", other, &certificate, &err), BASE_E_ARG);
    assert_non_null(strstr(err.message, "another key"));
    assert_int_equal(
        kms_admin_station_renew(home, "station-1", "no PEM", &certificate, NULL), BASE_E_ARG);
    assert_int_equal(kms_station_by_name(&home->store, "station-1", &after, NULL), BASE_OK);
    assert_memory_equal(after.certificate_sha256, before.certificate_sha256, 32);

    f->lab.now_us += 24 * LAB_HOUR;
    base_buf_clear(&certificate);
    assert_int_equal(kms_admin_station_renew(home, "station-1", csr, &certificate, NULL), BASE_OK);
    assert_non_null(strstr(base_buf_text(&certificate), "BEGIN CERTIFICATE"));
    assert_int_equal(kms_station_by_name(&home->store, "station-1", &after, NULL), BASE_OK);
    assert_memory_not_equal(after.certificate_sha256, before.certificate_sha256, 32);
    assert_memory_equal(after.spki_sha256, before.spki_sha256, 32);
    assert_memory_equal(after.log_id, before.log_id, 32);
    assert_int_equal(after.role, KMS_ROLE_PERSONALISE);
    assert_int_equal(after.not_after_us - before.not_after_us, 24 * LAB_HOUR);
    /* the old certificate is known and ended */
    assert_int_equal(
        kms_station_by_certificate(&home->store, before.certificate_sha256, &before, NULL),
        BASE_OK);
    assert_int_equal(before.revoked_us, f->lab.now_us);
    assert_int_equal(kms_station_each(&home->store, see_station, &seen, NULL), BASE_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.in_use, 1);

    assert_int_equal(kms_admin_station_revoke(home, "station-1", NULL), BASE_OK);
    assert_int_equal(
        kms_admin_station_renew(home, "station-1", csr, &certificate, NULL), BASE_E_NOTFOUND);
    base_buf_done(&certificate);
}

static void test_home(void **state)
{
    struct fixture *f = *state;
    struct base_err err = { 0 };
    struct kms_home home;
    struct stat info;
    char path[128];
    assert_int_equal(
        kms_home_create(f->lab.dir, base_random_system(), &f->lab.clock, &err), BASE_E_EXISTS);
    base_err_clear(&err);
    assert_int_equal(
        kms_home_open("/nonexistent", base_random_system(), &f->lab.clock, &home, &err),
        BASE_E_NOTFOUND);
    static const char *const secrets[] = { "keys/authority.key", "keys/kek.key", "keys/log.key",
        "keys/ca.key", "keys/server.key", "kms.db", "kms.conf" };
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->lab.dir, secrets[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0600);
    }
    /* keys that others may read are refused */
    (void)snprintf(path, sizeof(path), "%s/keys/kek.key", f->lab.dir);
    assert_int_equal(chmod(path, 0644), 0);
    base_err_clear(&err);
    assert_int_equal(
        kms_home_open(f->lab.dir, base_random_system(), &f->lab.clock, &home, &err), BASE_E_CONFIG);
}

static void test_config(void **state)
{
    struct fixture *f = *state;
    struct kms_home home;
    char path[128];
    static const char *const bad[] = {
        "[kms]\nmode = production\n",
        "[kms]\nmode = development\nunknown = 1\n",
        "[other]\nmode = development\n",
        "[kms]\nmode = development\nname = x\nsession_max_hours = 0\n",
        "[kms]\nmode = development\nsession_max_hours = ten\n",
        "[kms]\nmode = development\n",
        "nonsense\n",
        "",
    };
    (void)snprintf(path, sizeof(path), "%s/kms.conf", f->lab.dir);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct base_err err = { 0 };
        assert_int_equal(base_file_replace(path, bad[i], strlen(bad[i]), 0600, NULL), BASE_OK);
        assert_int_equal(
            kms_home_open(f->lab.dir, base_random_system(), &f->lab.clock, &home, &err),
            BASE_E_CONFIG);
    }
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
        cmocka_unit_test_setup_teardown(test_testers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tester_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_station_renew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_home, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
