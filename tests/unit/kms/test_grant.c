/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "tests/unit/kms/lab.h"

struct fixture {
    struct lab lab;
    struct lab_station station, other, room;
    struct lab_tester tester, personaliser;
    struct lab_device device;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    lab_open_line(&f->lab, &f->station, &f->other, &f->room, &f->tester, &f->device);
    lab_add_tester(&f->lab, &f->personaliser, "paul", KMS_ROLE_PERSONALISE);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&f->lab, &lot);
    lot = lab_lot(&f->lab, "L2", KMS_TRUST_TOFU, 1);
    lab_add_lot(&f->lab, &lot);
    lot = lab_lot(&f->lab, "M1", KMS_TRUST_MANIFEST, 2);
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

static void test_envelope(void **state)
{
    struct fixture *f = *state;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t roots[32];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint8_t stored[32];
    struct kms_grant row;
    struct proto_envelope parts;
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    assert_string_equal(lab_text(answer, "dev_eui"), "70b3d57ed0010000");
    assert_string_equal(lab_text(answer, "device_trust"), "tofu");
    assert_int_equal(json_integer_value(json_object_get(answer, "key_version")), 1);
    lab_get_envelope(answer, envelope);
    assert_int_equal(proto_envelope_decode(envelope, sizeof(envelope), &parts), PROTO_OK);
    assert_int_equal(parts.header.purpose, PROTO_PURPOSE_INSTALL);
    assert_int_equal(parts.header.keys, PROTO_KEY_APP);
    assert_memory_equal(parts.header.nonce, f->device.statement.nonce, 16);
    assert_memory_equal(parts.header.chip_id, f->device.statement.chip_id, 8);
    lab_open_envelope(&f->lab, &f->device, envelope, roots, receipt);
    static const uint8_t zeros[16] = { 0 };
    assert_memory_equal(roots, zeros, 16);
    assert_memory_not_equal(roots + 16, zeros, 16);
    assert_int_equal(
        kms_grant_by_id(&f->lab.home.store, lab_text(answer, "grant_id"), &row, NULL), BASE_OK);
    assert_int_equal(kms_keystore_unwrap(&f->lab.home.keys, row.roots_wrapped,
                         sizeof(row.roots_wrapped), stored, NULL),
        BASE_OK);
    assert_memory_equal(stored, roots, 32);
    json_decref(answer);
}

static void test_lorawan_1_1_has_both_keys(void **state)
{
    struct fixture *f = *state;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t roots[32];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    struct kms_lot lot = lab_lot(&f->lab, "L11", KMS_TRUST_TOFU, 7);
    lot.lorawan = PROTO_LORAWAN_1_1;
    lab_add_lot(&f->lab, &lot);
    json_t *answer = lab_ask(&f->lab, &f->station, "L11", &f->device, 201);
    lab_get_envelope(answer, envelope);
    lab_open_envelope(&f->lab, &f->device, envelope, roots, receipt);
    static const uint8_t zeros[16] = { 0 };
    assert_memory_not_equal(roots, zeros, 16);
    assert_memory_not_equal(roots + 16, roots, 16);
    json_decref(answer);
}

static void test_signed_grant(void **state)
{
    struct fixture *f = *state;
    struct base_note_opened opened;
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    const char *note = lab_text(answer, "signed_grant");
    assert_int_equal(
        base_note_open(note, strlen(note), &f->lab.home.keys.log.verifier, 1, &opened, NULL),
        BASE_OK);
    assert_int_equal(strncmp(note, "lpa grant v1\n{", 14), 0);
    assert_non_null(strstr(note, "\"development\":true"));
    assert_non_null(strstr(note, "\"tester\":\"anna\""));
    json_decref(answer);
}

static void test_repeat_gives_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    uint8_t first[PROTO_ENVELOPE_SIZE];
    uint8_t second[PROTO_ENVELOPE_SIZE];
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_get_envelope(answer, first);
    json_decref(answer);
    /* whatever became of quota, expiry and lot */
    f->lab.now_us += 241 * LAB_HOUR;
    lab_login(&f->lab, &f->station, &f->tester);
    answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 200);
    assert_true(json_is_true(json_object_get(answer, "repeated")));
    lab_get_envelope(answer, second);
    assert_memory_equal(first, second, sizeof(first));
    json_decref(answer);
    /* from another station too */
    lab_login(&f->lab, &f->other, &f->tester);
    answer = lab_ask(&f->lab, &f->other, "L1", &f->device, 200);
    lab_get_envelope(answer, second);
    assert_memory_equal(first, second, sizeof(first));
    json_decref(answer);
    assert_int_equal(f->lab.core.metrics.grants, 1);
    assert_int_equal(f->lab.core.metrics.grants_repeated, 2);
}

static void test_rule_three(void **state)
{
    struct fixture *f = *state;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    struct lab_device twin;
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_ask_refused(&f->lab, &f->station, "L2", &f->device, 409, "unit_elsewhere");
    f->device.statement.nonce[0] ^= 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "receipt_first");
    lab_ask_refused(&f->lab, &f->station, "L2", &f->device, 409, "unit_elsewhere");
    lab_device_open(&f->lab, &twin, 0x51a0000000c00001);
    lab_ask_refused(&f->lab, &f->station, "L1", &twin, 409, "chip_known");
    lab_confirm(&f->lab, &f->station, &f->device, answer, receipt);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "rework_needed");
    lab_ask_refused(&f->lab, &f->station, "L1", &twin, 409, "chip_known");
    json_decref(answer);
    lab_device_done(&twin);
}

static void test_scrapped_is_final(void **state)
{
    struct fixture *f = *state;
    struct lab_device anew;
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_scrap(&f->lab, &f->station, lab_text(answer, "grant_id"));
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "grant_scrapped");
    f->device.statement.nonce[0] ^= 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "grant_scrapped");
    json_decref(answer);
    /* the same chip with another identity: a new grant with a new DevEUI and a higher version */
    lab_device_open(&f->lab, &anew, 0x51a0000000c00001);
    answer = lab_ask(&f->lab, &f->station, "L1", &anew, 201);
    assert_string_equal(lab_text(answer, "dev_eui"), "70b3d57ed0010001");
    assert_int_equal(json_integer_value(json_object_get(answer, "key_version")), 2);
    lab_scrap(&f->lab, &f->station, lab_text(answer, "grant_id"));
    json_decref(answer);
    /* what was scrapped first stays scrapped, although it is no longer the chip's latest grant */
    f->device.statement.nonce[0] ^= 2;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "grant_scrapped");
    lab_device_done(&anew);
}

static void test_scrapped_needs_a_second_party_in_production(void **state)
{
    struct fixture *f = *state;
    struct lab_device anew;
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    lab_scrap(&f->lab, &f->station, lab_text(answer, "grant_id"));
    json_decref(answer);
    f->lab.core.policy.development = false;
    lab_device_open(&f->lab, &anew, 0x51a0000000c00001);
    anew.statement.flags = 0;
    lab_ask_refused(&f->lab, &f->station, "L1", &anew, 403, "same_party");
    lab_login(&f->lab, &f->other, &f->tester);
    json_decref(lab_ask(&f->lab, &f->other, "L1", &anew, 201));
    lab_device_done(&anew);
}

static void test_key_on_two_chips(void **state)
{
    struct fixture *f = *state;
    json_decref(lab_ask(&f->lab, &f->station, "L1", &f->device, 201));
    f->device.statement.chip_id[7] ^= 0x40;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "chip_known");
}

static void test_statement_refusals(void **state)
{
    struct fixture *f = *state;
    struct proto_statement good = f->device.statement;
    f->device.statement.authority_key_id[0] ^= 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 422, "statement_bad");
    f->device.statement = good;
    f->device.statement.bootloader_hash[31] ^= 1;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 403, "image_unknown");
    f->device.statement = good;
    f->device.statement.vault_state = PROTO_VAULT_COMMITTED;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 409, "rework_needed");
    f->device.statement = good;
    f->device.statement.key_version = UINT32_MAX;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 422, "statement_bad");
    f->device.statement = good;
    f->lab.core.policy.development = false;
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 403, "lab_refused");
    f->lab.core.policy.development = true;
    f->device.statement.key_version = 6;
    json_t *answer = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    assert_int_equal(json_integer_value(json_object_get(answer, "key_version")), 7);
    json_decref(answer);
}

/* Every single flipped bit of a statement is refused before anything is granted. */
static void test_statement_bits(void **state)
{
    struct fixture *f = *state;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    char body[512];
    lab_statement(&f->lab, &f->device, statement);
    for (size_t bit = 0; bit < 8 * sizeof(statement); bit += 3) {
        statement[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        base_base64_encode(statement, sizeof(statement), encoded);
        (void)snprintf(body, sizeof(body), "{\"statement\":\"%s\"}", encoded);
        lab_refused(
            &f->lab, &f->station, KMS_POST, "/v1/lots/L1/grants", body, 422, "statement_bad");
        statement[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    base_base64_encode(statement, sizeof(statement) - 1, encoded);
    (void)snprintf(body, sizeof(body), "{\"statement\":\"%s\"}", encoded);
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/lots/L1/grants", body, 422, "statement_bad");
    assert_int_equal(f->lab.core.metrics.grants, 0);
}

static void try_intent(struct fixture *f, const struct lab_intent *intent, const uint8_t *about)
{
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    char json[16384];
    char body[20000];
    lab_statement(&f->lab, &f->device, statement);
    lab_make_intent(
        &f->lab, &f->station, intent, about != NULL ? about : statement, json, sizeof(json));
    base_base64_encode(statement, sizeof(statement), encoded);
    (void)snprintf(body, sizeof(body), "{\"statement\":\"%s\",\"intent\":%s}", encoded, json);
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/lots/L1/grants", body, 422, "intent_missing");
}

static void test_intent(void **state)
{
    struct fixture *f = *state;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    char body[512];
    lab_statement(&f->lab, &f->device, statement);
    base_base64_encode(statement, sizeof(statement), encoded);
    (void)snprintf(body, sizeof(body), "{\"statement\":\"%s\"}", encoded);
    lab_refused(&f->lab, &f->station, KMS_POST, "/v1/lots/L1/grants", body, 422, "intent_missing");
    try_intent(f, &(struct lab_intent){ .event = "key.issued", .lot = "L1" }, NULL);
    try_intent(f, &(struct lab_intent){ .event = "key.request", .lot = "L2" }, NULL);
    try_intent(
        f, &(struct lab_intent){ .event = "key.request", .lot = "L1", .sequence_offset = 1 }, NULL);
    static const uint8_t another[PROTO_STATEMENT_SIZE] = { 1 };
    try_intent(f, &(struct lab_intent){ .event = "key.request", .lot = "L1" }, another);
    try_intent(
        f, &(struct lab_intent){ .event = "key.request", .lot = "L1", .skip_cosign = true }, NULL);
    assert_int_equal(f->lab.core.metrics.grants, 0);
    json_decref(lab_ask(&f->lab, &f->station, "L1", &f->device, 201));
}

/* The proof of one station's log does not serve another station. */
static void test_intent_of_another_station(void **state)
{
    struct fixture *f = *state;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char body[20000];
    lab_statement(&f->lab, &f->device, statement);
    lab_grant_body(&f->lab, &f->station, "L1", statement, body, sizeof(body));
    lab_login(&f->lab, &f->other, &f->tester);
    lab_refused(&f->lab, &f->other, KMS_POST, "/v1/lots/L1/grants", body, 422, "intent_missing");
}

static void test_lot_refusals(void **state)
{
    struct fixture *f = *state;
    struct kms_lot_view view;
    struct kms_lot lot = lab_lot(&f->lab, "L3", KMS_TRUST_TOFU, 3);
    lot.expires_us = f->lab.now_us + LAB_MINUTE;
    lab_add_lot(&f->lab, &lot);
    lab_ask_refused(&f->lab, &f->station, "L9", &f->device, 404, "lot_unknown");
    f->lab.now_us += LAB_MINUTE;
    lab_ask_refused(&f->lab, &f->station, "L3", &f->device, 403, "lot_expired");
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L2", false, &view, NULL), BASE_OK);
    lab_ask_refused(&f->lab, &f->station, "L2", &f->device, 403, "lot_closed");
    lot = lab_lot(&f->lab, "L4", KMS_TRUST_TOFU, 4);
    lot.restrict_policy = 1;
    lab_add_lot(&f->lab, &lot);
    lab_ask_refused(&f->lab, &f->station, "L4", &f->device, 403, "lab_refused");
    f->device.statement.flags = 0;
    lab_ask_refused(&f->lab, &f->station, "L4", &f->device, 403, "lot_restrict");
    assert_int_equal(f->lab.core.metrics.grants, 0);
}

static void test_unattended(void **state)
{
    struct fixture *f = *state;
    char code[7];
    char body[256];
    json_t *answer = NULL;
    struct kms_lot lot = lab_lot(&f->lab, "U1", KMS_TRUST_TOFU, 5);
    lot.unattended = true;
    lab_add_lot(&f->lab, &lot);
    f->lab.now_us += 31 * LAB_SECOND;
    lab_code(&f->lab, &f->tester, 0, code);
    lab_login_body("anna", code, true, body);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_POST, "/v1/session", body, &answer), 201);
    (void)snprintf(f->station.token, sizeof(f->station.token), "%s", lab_text(answer, "token"));
    json_decref(answer);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 403, "unattended_refused");
    answer = lab_ask(&f->lab, &f->station, "U1", &f->device, 201);
    assert_non_null(strstr(lab_text(answer, "signed_grant"), "\"unattended\":true"));
    json_decref(answer);
}

/* Two an hour, counted over any hour, scrapped ones included; a repeat is no new grant. */
static void test_rate(void **state)
{
    struct fixture *f = *state;
    struct lab_device devices[3];
    json_t *answer = NULL;
    char body[4096];
    uint8_t statement[PROTO_STATEMENT_SIZE];
    struct kms_lot lot = lab_lot(&f->lab, "R1", KMS_TRUST_TOFU, 9);
    lot.rate = 2;
    lab_add_lot(&f->lab, &lot);
    for (unsigned i = 0; i < 3; i++) {
        lab_device_open(&f->lab, &devices[i], 0x200 + i);
    }
    answer = lab_ask(&f->lab, &f->station, "R1", &devices[0], 201);
    lab_scrap(&f->lab, &f->station, lab_text(answer, "grant_id"));
    json_decref(answer);
    f->lab.now_us += 20 * LAB_MINUTE;
    json_decref(lab_ask(&f->lab, &f->station, "R1", &devices[1], 201));
    json_decref(lab_ask(&f->lab, &f->station, "R1", &devices[1], 200));
    f->lab.now_us += 20 * LAB_MINUTE;

    lab_statement(&f->lab, &devices[2], statement);
    lab_grant_body(&f->lab, &f->station, "R1", statement, body, sizeof(body));
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_POST, "/v1/lots/R1/grants", body, &answer), 429);
    assert_string_equal(lab_text(answer, "code"), "rate_limited");
    assert_non_null(strstr(lab_text(answer, "detail"), "2 grants an hour"));
    assert_non_null(strstr(lab_text(answer, "detail"), "20 minutes"));
    assert_int_equal(json_integer_value(json_object_get(answer, "retry_after_s")), 1200);
    json_decref(answer);
    struct kms_lot_view view;
    assert_int_equal(kms_admin_lot_view(&f->lab.home, "R1", &view, NULL), BASE_OK);
    assert_int_equal(view.lot.granted, 2);

    /* the last instant of the hour, and the next; in between the repeat is answered */
    f->lab.now_us += 20 * LAB_MINUTE - 31 * LAB_SECOND - 1;
    lab_login(&f->lab, &f->station, &f->tester);
    lab_ask_refused(&f->lab, &f->station, "R1", &devices[2], 429, "rate_limited");
    json_decref(lab_ask(&f->lab, &f->station, "R1", &devices[1], 200));
    f->lab.now_us += 1;
    json_decref(lab_ask(&f->lab, &f->station, "R1", &devices[2], 201));
    for (unsigned i = 0; i < 3; i++) {
        lab_device_done(&devices[i]);
    }
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    struct lab_device devices[7];
    json_t *grants[7];
    for (unsigned i = 0; i < 7; i++) {
        lab_device_open(&f->lab, &devices[i], 0x100 + i);
    }
    for (unsigned i = 0; i < 4; i++) {
        grants[i] = lab_ask(&f->lab, &f->station, "L1", &devices[i], 201);
    }
    lab_ask_refused(&f->lab, &f->station, "L1", &devices[4], 403, "quota_used_up");
    /* scrap makes room under the target, and gives nothing back of the allowance of six */
    lab_scrap(&f->lab, &f->station, lab_text(grants[0], "grant_id"));
    lab_scrap(&f->lab, &f->station, lab_text(grants[1], "grant_id"));
    grants[4] = lab_ask(&f->lab, &f->station, "L1", &devices[4], 201);
    grants[5] = lab_ask(&f->lab, &f->station, "L1", &devices[5], 201);
    lab_scrap(&f->lab, &f->station, lab_text(grants[2], "grant_id"));
    lab_ask_refused(&f->lab, &f->station, "L1", &devices[6], 403, "quota_used_up");
    struct kms_lot_view view;
    assert_int_equal(kms_admin_lot_close(&f->lab.home, "L1", true, &view, NULL), BASE_OK);
    assert_int_equal(view.lot.granted, 6);
    assert_int_equal(view.counts.scrapped, 6);
    assert_int_equal(view.counts.open, 0);
    for (unsigned i = 0; i < 7; i++) {
        lab_device_done(&devices[i]);
        if (i < 6) {
            json_decref(grants[i]);
        }
    }
}

static int register_unit(struct fixture *f, struct lab_station *station, const char *lot,
    struct lab_device *device, json_t **ret_answer)
{
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char encoded[BASE_BASE64_SIZE(PROTO_STATEMENT_SIZE)];
    char body[512];
    lab_statement(&f->lab, device, statement);
    base_base64_encode(statement, sizeof(statement), encoded);
    (void)snprintf(body, sizeof(body), "{\"lot\":\"%s\",\"statement\":\"%s\"}", lot, encoded);
    return lab_call(&f->lab, station, KMS_POST, "/v1/units", body, ret_answer);
}

static void test_manifest(void **state)
{
    struct fixture *f = *state;
    struct lab_device twin;
    lab_ask_refused(&f->lab, &f->station, "M1", &f->device, 403, "not_registered");
    lab_login(&f->lab, &f->room, &f->personaliser);
    assert_int_equal(register_unit(f, &f->room, "M1", &f->device, NULL), 201);
    assert_int_equal(register_unit(f, &f->room, "M1", &f->device, NULL), 200);
    /* rule 8: no other key for a chip on any list, whatever the lot */
    lab_device_open(&f->lab, &twin, 0x51a0000000c00001);
    lab_ask_refused(&f->lab, &f->station, "M1", &twin, 409, "chip_known");
    lab_ask_refused(&f->lab, &f->station, "L1", &twin, 409, "chip_known");
    json_t *answer = lab_ask(&f->lab, &f->station, "M1", &f->device, 201);
    assert_string_equal(lab_text(answer, "device_trust"), "manifest");
    json_decref(answer);
    assert_int_equal(register_unit(f, &f->room, "M1", &twin, &answer), 409);
    assert_string_equal(lab_text(answer, "code"), "chip_known");
    json_decref(answer);
    lab_device_done(&twin);
}

static void test_registered_for_another_lot(void **state)
{
    struct fixture *f = *state;
    struct kms_lot lot = lab_lot(&f->lab, "M2", KMS_TRUST_MANIFEST, 8);
    lab_add_lot(&f->lab, &lot);
    lab_login(&f->lab, &f->room, &f->personaliser);
    assert_int_equal(register_unit(f, &f->room, "M2", &f->device, NULL), 201);
    lab_ask_refused(&f->lab, &f->station, "M1", &f->device, 403, "not_registered");
    /* a mistake of the personaliser may be mended while there is no grant */
    assert_int_equal(register_unit(f, &f->room, "M1", &f->device, NULL), 201);
    json_decref(lab_ask(&f->lab, &f->station, "M1", &f->device, 201));
}

static void test_roles(void **state)
{
    struct fixture *f = *state;
    json_t *answer = NULL;
    /* a station that provisions may not register, whoever is logged in */
    assert_int_equal(register_unit(f, &f->station, "M1", &f->device, &answer), 403);
    assert_string_equal(lab_text(answer, "code"), "role");
    json_decref(answer);
    lab_login(&f->lab, &f->station, &f->personaliser);
    assert_int_equal(register_unit(f, &f->station, "M1", &f->device, NULL), 403);
    lab_ask_refused(&f->lab, &f->station, "L1", &f->device, 403, "role");
    /* a personalising station may not ask for grants, whoever is logged in */
    lab_login(&f->lab, &f->room, &f->tester);
    lab_ask_refused(&f->lab, &f->room, "L1", &f->device, 403, "role");
    assert_int_equal(register_unit(f, &f->room, "M1", &f->device, NULL), 403);
}

/* The station that registered comes back under another name and role, with its old log key. */
static void test_same_party(void **state)
{
    struct fixture *f = *state;
    struct kms_station row;
    struct kms_store *store = &f->lab.home.store;
    lab_login(&f->lab, &f->room, &f->personaliser);
    assert_int_equal(register_unit(f, &f->room, "M1", &f->device, NULL), 201);
    assert_int_equal(
        kms_station_by_certificate(store, f->room.certificate_sha256, &row, NULL), BASE_OK);
    assert_int_equal(kms_admin_station_revoke(&f->lab.home, "room-1", NULL), BASE_OK);
    row.role = KMS_ROLE_PROVISION;
    (void)snprintf(row.name, sizeof(row.name), "station-9");
    memset(row.spki_sha256, 9, 32);
    memset(row.certificate_sha256, 9, 32);
    assert_int_equal(kms_store_begin(store, NULL), BASE_OK);
    assert_int_equal(kms_station_insert(store, &row, NULL), BASE_OK);
    assert_int_equal(kms_store_commit(store, NULL), BASE_OK);
    memset(f->room.certificate_sha256, 9, 32);
    lab_login(&f->lab, &f->room, &f->tester);
    lab_ask_refused(&f->lab, &f->room, "M1", &f->device, 403, "same_party");
    json_decref(lab_ask(&f->lab, &f->station, "M1", &f->device, 201));
}

static void test_units_and_lists(void **state)
{
    struct fixture *f = *state;
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    json_t *answer = NULL;
    static const char unit[] = "/v1/lots/L1/units/51a0000000c00001";
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, unit, NULL, &answer), 200);
    assert_string_equal(lab_text(answer, "state"), "unknown");
    json_decref(answer);
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1/units/51a0", NULL, 400, "request_bad");
    json_t *grant = lab_ask(&f->lab, &f->station, "L1", &f->device, 201);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, unit, NULL, &answer), 200);
    assert_string_equal(lab_text(answer, "state"), "open");
    assert_string_equal(lab_text(answer, "grant_id"), lab_text(grant, "grant_id"));
    json_decref(answer);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, "/v1/lots/L2/units/51a0000000c00001",
                         NULL, &answer),
        200);
    assert_string_equal(lab_text(answer, "state"), "elsewhere");
    json_decref(answer);
    assert_int_equal(
        lab_call(&f->lab, &f->station, KMS_GET, "/v1/lots/L1/grants?state=open", NULL, &answer),
        200);
    assert_int_equal(json_array_size(json_object_get(answer, "units")), 1);
    json_decref(answer);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET,
                         "/v1/lots/L1/grants?state=open&after=51a0000000c00001", NULL, &answer),
        200);
    assert_int_equal(json_array_size(json_object_get(answer, "units")), 0);
    json_decref(answer);
    lab_refused(&f->lab, &f->station, KMS_GET, "/v1/lots/L1/grants", NULL, 400, "request_bad");
    lab_confirm(&f->lab, &f->station, &f->device, grant, receipt);
    assert_int_equal(lab_call(&f->lab, &f->station, KMS_GET, unit, NULL, &answer), 200);
    assert_string_equal(lab_text(answer, "state"), "confirmed");
    json_decref(answer);
    json_decref(grant);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_envelope, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lorawan_1_1_has_both_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signed_grant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_repeat_gives_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rule_three, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_scrapped_is_final, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_scrapped_needs_a_second_party_in_production, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_on_two_chips, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_statement_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_statement_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_intent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_intent_of_another_station, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lot_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unattended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_registered_for_another_lot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_roles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_party, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_units_and_lists, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
