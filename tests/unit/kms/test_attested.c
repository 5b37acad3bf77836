/* SPDX-License-Identifier: Apache-2.0 */
/* Lots of trust attested: restricted chips, the personaliser's signed record, permits, floors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/record.h"
#include "base/base64.h"
#include "tests/unit/kms/lab.h"

static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;

struct fixture {
    struct lab lab;
    struct lab_station station, room, room_2;
    struct lab_tester tester, personaliser, colleague;
    struct lab_device device;
    struct kms_permit permit;
    struct auth_record record;
    char note[AUTH_NOTE_MAX];
};

static void add_lot(struct fixture *f, const char *id, unsigned n)
{
    struct kms_lot lot = lab_lot(&f->lab, id, KMS_TRUST_ATTESTED, n);
    lot.restrict_policy = KMS_RESTRICT_SECURE;
    lot.lock_policy = KMS_LOCK_APS;
    lot.min_bootloader = 0x00010000;
    lot.min_protocol = 1;
    memset(lot.key_sha256, 0x22, sizeof(lot.key_sha256));
    memset(lot.secure_hash, 0x33, sizeof(lot.secure_hash));
    memset(lot.application_sha256, 0x55, sizeof(lot.application_sha256));
    lab_add_lot(&f->lab, &lot);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    lab_open(&f->lab);
    lab_add_station(&f->lab, &f->station, "station-1", KMS_ROLE_PROVISION);
    lab_add_station(&f->lab, &f->room, "room-1", KMS_ROLE_PERSONALISE);
    lab_add_station(&f->lab, &f->room_2, "room-2", KMS_ROLE_PERSONALISE);
    lab_add_tester(&f->lab, &f->tester, "anna", KMS_ROLE_PROVISION);
    lab_add_tester(&f->lab, &f->personaliser, "paul", KMS_ROLE_PERSONALISE);
    add_lot(f, "A1", 0);
    add_lot(f, "A2", 1);
    lab_device_open(&f->lab, &f->device, 0x51a0000000c00001);
    f->device.statement.lifecycle = PROTO_LIFECYCLE_SECURE;
    f->device.statement.flags = 0;
    memcpy(f->device.statement.restrictions, required, sizeof(required));
    f->permit = lab_permit(&f->lab, "A1", KMS_ACT_REHEARSE | KMS_ACT_RESTRICT, NULL);
    f->record = (struct auth_record){
        .lot = "A1", .station = "room-1", .tester = "paul", .at_us = f->lab.now_us
    };
    memcpy(f->record.chip_id, f->device.statement.chip_id, 8);
    memset(f->record.image_sha256, 0x11, 32);
    f->record.has_application = true;
    memset(f->record.application_sha256, 0x55, 32);
    memset(f->record.key_sha256, 0x22, 32);
    memset(f->record.toc2_sha256, 0x44, 32);
    memset(f->record.secure_hash, 0x33, sizeof(f->record.secure_hash));
    memcpy(f->record.restrictions, required, sizeof(required));
    memcpy(f->record.permit, f->permit.id, sizeof(f->record.permit));
    lab_login(&f->lab, &f->station, &f->tester);
    lab_login(&f->lab, &f->room, &f->personaliser);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_device_done(&f->device);
    lab_station_done(&f->station);
    lab_station_done(&f->room);
    lab_station_done(&f->room_2);
    lab_close(&f->lab);
    return 0;
}

static void sign(struct fixture *f, const struct lab_station *station)
{
    struct base_note_signer signer;
    struct base_buf note;
    struct base_err err = { 0 };
    base_buf_init(&note, sizeof(f->note) - 1);
    base_note_key_signer(&station->key, &signer);
    if (auth_record_sign(&f->record, &signer, &note, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    memcpy(f->note, note.data, note.length);
    f->note[note.length] = '\0';
    base_buf_done(&note);
}

/* Register with f->note; "" leaves it out. */
static void hand_in(struct fixture *f, int status, const char *code)
{
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    json_t *answer = NULL;
    lab_statement(&f->lab, &f->device, statement);
    base_base64_encode(statement, sizeof(statement), encoded);
    json_t *body = json_pack("{s:s, s:s, s:s*}", "lot", "A1", "statement", encoded, "record",
        f->note[0] != '\0' ? f->note : NULL);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    int got = lab_call(&f->lab, &f->room, KMS_POST, "/v1/units", text, &answer);
    if (got != status || strcmp(lab_text(answer, "code"), code) != 0) {
        fail_msg("expected %d %s, got %d %s (%s)", status, code, got, lab_text(answer, "code"),
            lab_text(answer, "detail"));
    }
    free(text);
    json_decref(answer);
}

static void sign_and_hand_in(struct fixture *f, int status, const char *code)
{
    sign(f, &f->room);
    hand_in(f, status, code);
}

static void test_whole_way(void **state)
{
    struct fixture *f = *state;
    struct kms_unit unit;
    lab_ask_refused(&f->lab, &f->station, "A1", &f->device, 403, "not_registered");
    sign_and_hand_in(f, 201, "");
    hand_in(f, 200, "");
    assert_int_equal(
        kms_unit_get(&f->lab.home.store, f->device.statement.chip_id, &unit, NULL), BASE_OK);
    assert_string_equal(unit.record, f->note);
    assert_string_equal(unit.permit, f->permit.id);
    assert_string_equal(unit.record_tester, "paul");
    json_t *grant = lab_ask(&f->lab, &f->station, "A1", &f->device, 201);
    assert_string_equal(lab_text(grant, "device_trust"), "attested");
    assert_non_null(strstr(lab_text(grant, "signed_grant"), "\"device_trust\":\"attested\""));
    json_decref(grant);
    /* the same again is fine, another record is not any more */
    hand_in(f, 200, "");
    f->record.at_us++;
    sign_and_hand_in(f, 409, "chip_known");
}

/* A production KMS gives grants to such lots with all its rules in force. */
static void test_production(void **state)
{
    struct fixture *f = *state;
    f->lab.core.policy.development = false;
    sign_and_hand_in(f, 201, "");
    json_t *grant = lab_ask(&f->lab, &f->station, "A1", &f->device, 201);
    assert_non_null(strstr(lab_text(grant, "signed_grant"), "\"development\":false"));
    json_decref(grant);
}

static void test_missing_record(void **state)
{
    struct fixture *f = *state;
    struct kms_unit unit;
    f->note[0] = '\0';
    hand_in(f, 403, "record_missing");
    sign_and_hand_in(f, 201, "");
    /* a row from before the lot demanded one */
    assert_int_equal(
        kms_unit_get(&f->lab.home.store, f->device.statement.chip_id, &unit, NULL), BASE_OK);
    unit.record[0] = '\0';
    assert_int_equal(kms_unit_put(&f->lab.home.store, &unit, NULL), BASE_OK);
    lab_ask_refused(&f->lab, &f->station, "A1", &f->device, 403, "record_missing");
    assert_int_equal(f->lab.core.metrics.grants, 0);
}

/* Whatever a signed record says that is not so is refused, and the true one then serves. */
static void test_record_disagrees(void **state)
{
    struct fixture *f = *state;
    const struct auth_record good = f->record;
    uint8_t *const places[] = { f->record.chip_id, f->record.image_sha256,
        f->record.application_sha256, f->record.key_sha256, f->record.secure_hash,
        f->record.restrictions, f->record.restrictions + 1, f->record.restrictions + 2,
        f->record.restrictions + 3 };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            *places[i] ^= (uint8_t)(1U << bit);
            sign_and_hand_in(f, 422, "record_bad");
            f->record = good;
        }
    }
    f->record.has_application = false;
    sign_and_hand_in(f, 422, "record_bad");
    f->record = good;
    (void)snprintf(f->record.lot, sizeof(f->record.lot), "A2");
    sign_and_hand_in(f, 422, "record_bad");
    f->record = good;
    (void)snprintf(f->record.station, sizeof(f->record.station), "room-2");
    sign_and_hand_in(f, 422, "record_bad");
    f->record = good;
    sign_and_hand_in(f, 201, "");
}

static void test_record_is_signed_by_this_station(void **state)
{
    struct fixture *f = *state;
    sign(f, &f->room_2);
    hand_in(f, 422, "record_bad");
    sign(f, &f->station);
    hand_in(f, 422, "record_bad");
    sign(f, &f->room);
    for (size_t i = 0; i < strlen(f->note); i += 3) {
        char before = f->note[i];
        if (before == '\n' || (before & 0x80) != 0) {
            continue; /* another form of text; the parser of notes has its own tests */
        }
        f->note[i] = before == 'A' ? 'B' : 'A';
        hand_in(f, 422, "record_bad");
        f->note[i] = before;
    }
    hand_in(f, 201, "");
}

static void test_record_of_another_kind(void **state)
{
    struct fixture *f = *state;
    struct base_note_signer signer;

    static const char *const bodies[] = {
        "lpa permit v1\n{}\n",
        "lpa unit record v1\n",
        "lpa unit record v1\n[]\n",
        "lpa unit record v1\n{\"v\":2}\n",
        "lpa unit record v1\n{\"v\":1,\"more\":1}\n",
        "lpa unit record v1\n{\"v\":1,\"lot\":\"A1\"}\n",
    };

    base_note_key_signer(&f->room.key, &signer);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct base_buf note;
        base_buf_init(&note, sizeof(f->note) - 1);
        assert_int_equal(
            base_note_sign(&signer, bodies[i], strlen(bodies[i]), 0, &note, NULL), BASE_OK);
        memcpy(f->note, note.data, note.length);
        f->note[note.length] = '\0';
        base_buf_done(&note);
        hand_in(f, 422, "record_bad");
    }
}

static void test_permit_of_the_record(void **state)
{
    static const uint8_t another_chip[8] = { 9 };
    struct fixture *f = *state;
    const struct auth_record good = f->record;
    memset(f->record.permit, 'a', 32);
    sign_and_hand_in(f, 403, "permit_revoked");
    struct kms_permit permit = lab_permit(&f->lab, "A2", KMS_ACT_RESTRICT, NULL);
    memcpy(f->record.permit, permit.id, sizeof(permit.id));
    sign_and_hand_in(f, 403, "permit_revoked");
    permit = lab_permit(&f->lab, "A1", KMS_ACT_REHEARSE | KMS_ACT_LOCK, NULL);
    memcpy(f->record.permit, permit.id, sizeof(permit.id));
    sign_and_hand_in(f, 422, "record_bad");
    permit = lab_permit(&f->lab, "A1", KMS_ACT_RESTRICT, another_chip);
    memcpy(f->record.permit, permit.id, sizeof(permit.id));
    sign_and_hand_in(f, 422, "record_bad");
    f->record = good;
    f->record.at_us = f->permit.until_us;
    sign_and_hand_in(f, 422, "record_bad");
    f->record.at_us--;
    sign_and_hand_in(f, 201, "");
    assert_int_equal(kms_admin_permit_revoke(&f->lab.home, f->permit.id, NULL), BASE_OK);
    lab_ask_refused(&f->lab, &f->station, "A1", &f->device, 403, "permit_revoked");
    assert_int_equal(f->lab.core.metrics.grants, 0);
}

static void test_revoked_before_the_record_came(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(kms_admin_permit_revoke(&f->lab.home, f->permit.id, NULL), BASE_OK);
    sign_and_hand_in(f, 403, "permit_revoked");
}

/* One claim of the statement off: refused to the personaliser and, later, to the provisioner. */
static void expect_claim(struct fixture *f, int status, const char *code)
{
    lab_ask_refused(&f->lab, &f->station, "A1", &f->device, status, code);
}

static void test_claims(void **state)
{
    struct fixture *f = *state;
    struct proto_statement *statement = &f->device.statement;
    const struct proto_statement good = *statement;
    sign(f, &f->room);
    for (unsigned registered = 0; registered < 2; registered++) {
        for (uint8_t stage = 0; stage <= PROTO_LIFECYCLE_RMA; stage++) {
            statement->lifecycle = stage;
            if (stage != PROTO_LIFECYCLE_SECURE) {
                expect_claim(f, 403, "lot_restrict");
            }
        }
        for (unsigned bit = 0; bit < 32; bit++) {
            *statement = good;
            statement->restrictions[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            expect_claim(f, 403, "lot_restrict");
        }
        *statement = good;
        statement->flags = PROTO_FLAG_LAB;
        expect_claim(f, 403, "lab_refused");
        *statement = good;
        statement->bootloader_version = 0x0000FFFF;
        expect_claim(f, 403, "version_old");
        *statement = good;
        statement->bootloader_hash[0] ^= 1;
        expect_claim(f, 403, "image_unknown");
        if (registered == 0) {
            hand_in(f, 403, "image_unknown");
            statement->bootloader_version = 0;
            hand_in(f, 403, "version_old");
            *statement = good;
            hand_in(f, 201, "");
        }
        *statement = good;
    }
    assert_int_equal(f->lab.core.metrics.grants, 0);
    json_decref(lab_ask(&f->lab, &f->station, "A1", &f->device, 201));
}

/* A floor above what any device speaks yet. */
static void test_protocol_floor(void **state)
{
    struct fixture *f = *state;
    struct kms_lot lot = lab_lot(&f->lab, "P2", KMS_TRUST_TOFU, 5);
    lot.min_protocol = PROTO_VERSION + 1;
    lab_add_lot(&f->lab, &lot);
    lab_ask_refused(&f->lab, &f->station, "P2", &f->device, 403, "version_old");
}

/* The tester who restricted the chip, by the record, is a party too. */
static void test_same_party(void **state)
{
    struct fixture *f = *state;
    (void)snprintf(f->record.tester, sizeof(f->record.tester), "anna");
    sign_and_hand_in(f, 201, "");
    lab_ask_refused(&f->lab, &f->station, "A1", &f->device, 403, "same_party");
}

static void test_signing_refuses_bad_names(void **state)
{
    struct fixture *f = *state;
    struct base_note_signer signer;
    struct base_buf note;
    base_buf_init(&note, 4096);
    base_note_key_signer(&f->room.key, &signer);
    f->record.tester[0] = '\0';
    assert_int_equal(auth_record_sign(&f->record, &signer, &note, NULL), BASE_E_ARG);
    assert_int_equal(note.length, 0);
    base_buf_done(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whole_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_production, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_missing_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_disagrees, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_is_signed_by_this_station, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_of_another_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permit_of_the_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked_before_the_record_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_claims, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_protocol_floor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_party, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signing_refuses_bad_names, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
