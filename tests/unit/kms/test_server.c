/* SPDX-License-Identifier: Apache-2.0 */
/* The station's client and the KMS's server over real TLS on loopback: every call. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/enrol.h"
#include "auth/permit.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "kms/pki.h"
#include "tests/unit/kms/server_lab.h"

static enum base_status login_with(
    struct server_lab *f, const char *text, struct auth_session *session, struct base_err *err)
{
    struct base_secret code = { 0 };
    assert_int_equal(base_secret_copy(&code, text, strlen(text), NULL), BASE_OK);
    enum base_status status = auth_kms_login(f->kms, "anna", &code, session, err);
    base_secret_done(&code);
    return status;
}

static void login(struct server_lab *f, struct auth_session *session)
{
    char code[7];
    struct base_err err = { 0 };
    lab_code(&f->lab, &f->tester, 0, code);
    if (login_with(f, code, session, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
}

static void test_login_answers(void **state)
{
    struct server_lab *f = *state;
    struct auth_session session = { .expires_wall_us = 0 };
    struct base_err err = { 0 };
    char code[7];
    assert_int_equal(login_with(f, "12ab56", &session, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "totp_wrong");
    base_err_clear(&err);
    lab_code(&f->lab, &f->tester, 7200, code);
    assert_int_equal(login_with(f, code, &session, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "totp_wrong");
    assert_int_equal(err.detail, 401);
    base_err_clear(&err);
    err.code[0] = '\0';
    lab_code(&f->lab, &f->tester, -300, code);
    assert_int_equal(login_with(f, code, &session, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "clock_off");
    login(f, &session);
    assert_string_equal(session.tester, "anna");
    assert_int_equal(session.token.length, 43);
    assert_int_equal(session.clock_offset_us, 0);
    struct auth_session again = { .expires_wall_us = 0 };
    base_err_clear(&err);
    lab_code(&f->lab, &f->tester, 0, code);
    assert_int_equal(login_with(f, code, &again, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "totp_used");
    assert_null(again.token.data);
    auth_session_done(&session);
}

static void test_session_file(void **state)
{
    struct server_lab *f = *state;
    struct auth_session session = { .expires_wall_us = 0 };
    struct auth_session loaded = { .expires_wall_us = 0 };
    struct auth_lot lot;
    login(f, &session);
    assert_int_equal(
        auth_session_load(f->key, f->session, &f->lab.clock, &loaded, NULL), BASE_E_NOTFOUND);
    assert_int_equal(auth_session_store(&session, f->key, f->session, NULL), BASE_OK);
    assert_int_equal(auth_session_load(f->key, f->session, &f->lab.clock, &loaded, NULL), BASE_OK);
    assert_string_equal(loaded.tester, "anna");
    assert_int_equal(auth_kms_get_lot(f->kms, &loaded, "L1", &lot, NULL), BASE_OK);
    auth_session_done(&loaded);
    /* another key does not open it */
    assert_int_equal(
        auth_session_load(f->server_key, f->session, &f->lab.clock, &loaded, NULL), BASE_E_CORRUPT);
    f->lab.now_us += 13 * LAB_HOUR;
    assert_int_equal(
        auth_session_load(f->key, f->session, &f->lab.clock, &loaded, NULL), BASE_E_EXPIRED);
    assert_int_equal(
        auth_session_load(f->key, f->session, &f->lab.clock, &loaded, NULL), BASE_E_NOTFOUND);
    auth_session_done(&session);
}

static void witness(struct server_lab *f, uint64_t old_size, char note[4096])
{
    uint64_t size = f->station.tree.size;
    uint64_t known = 0;
    char line[AUTH_NOTE_MAX];
    struct base_merkle_proof proof;
    enum auth_witness outcome = AUTH_WITNESS_STALE;
    lab_checkpoint(&f->station, size, note, 2048);
    assert_int_equal(
        base_merkle_tree_consistency(&f->station.tree, old_size, size, &proof, NULL), BASE_OK);
    assert_int_equal(auth_kms_witness(f->kms, old_size, (const uint8_t(*)[32])proof.hashes,
                         proof.count, note, &outcome, &known, line, NULL),
        BASE_OK);
    assert_int_equal(outcome, AUTH_WITNESS_COSIGNED);
    assert_int_equal(known, size);
    assert_true(strlen(line) < 2048);
    memcpy(note + strlen(note), line, strlen(line) + 1);
}

static void log_intent(struct server_lab *f, const uint8_t *statement, char record[1024])
{
    uint8_t hash[32];
    char digest[BASE_BASE64_SIZE(32)];
    base_sha256(statement, PROTO_STATEMENT_SIZE, hash);
    base_base64url_encode(hash, 32, digest);
    (void)snprintf(record, 1024,
        "{\"ev\":\"key.request\",\"log\":\"station-1.lpa\",\"lot\":{\"id\":\"L1\"},\"seq\":%llu,"
        "\"x\":{\"statement_sha256\":\"%s\"}}",
        (unsigned long long)f->station.tree.size, digest);
    lab_log_record(&f->station, record);
}

static enum base_status ask(struct server_lab *f, const struct auth_session *session,
    const uint8_t *statement, struct auth_grant *grant, struct base_err *err)
{
    char record[1024];
    char note[4096];
    struct base_merkle_proof proof;
    uint64_t index = f->station.tree.size;
    log_intent(f, statement, record);
    witness(f, index, note);
    assert_int_equal(
        base_merkle_tree_inclusion(&f->station.tree, index, f->station.tree.size, &proof, NULL),
        BASE_OK);
    const struct auth_intent intent = {
        .record = (const uint8_t *)record,
        .record_length = strlen(record),
        .index = index,
        .proof = (const uint8_t(*)[32])proof.hashes,
        .proof_count = proof.count,
        .checkpoint = note,
    };
    return auth_kms_grant(
        f->kms, session, "L1", statement, PROTO_STATEMENT_SIZE, &intent, grant, err);
}

static enum base_status count_unit(
    void *user, const uint8_t chip_id[8], const struct auth_unit *unit)
{
    assert_int_equal(unit->state, AUTH_UNIT_OPEN);
    assert_int_equal(chip_id[0], 0x51);
    (*(unsigned *)user)++;
    return BASE_OK;
}

static void test_whole_unit(void **state)
{
    struct server_lab *f = *state;
    struct auth_session session = { .expires_wall_us = 0 };
    struct auth_lot lot;
    struct auth_unit unit;
    struct auth_grant grant;
    struct auth_confirmation confirmation;
    struct lab_device device;
    struct base_err err = { 0 };
    uint8_t statement[PROTO_STATEMENT_SIZE];
    uint8_t roots[32];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    unsigned open = 0;
    login(f, &session);
    assert_int_equal(auth_kms_get_lot(f->kms, &session, "L1", &lot, NULL), BASE_OK);
    assert_int_equal(lot.trust, AUTH_TRUST_TOFU);
    assert_true(lot.development);
    assert_int_equal(lot.target_units, 4);
    assert_int_equal(auth_kms_get_lot(f->kms, &session, "L9", &lot, &err), BASE_E_NOTFOUND);
    assert_string_equal(err.code, "lot_unknown");
    lab_device_open(&f->lab, &device, 0x51a0000000c00001);
    lab_statement(&f->lab, &device, statement);
    assert_int_equal(
        auth_kms_get_unit(f->kms, "L1", device.statement.chip_id, &unit, NULL), BASE_OK);
    assert_int_equal(unit.state, AUTH_UNIT_UNKNOWN);
    assert_int_equal(ask(f, &session, statement, &grant, NULL), BASE_OK);
    assert_false(grant.repeated);
    assert_int_equal(grant.envelope_length, PROTO_ENVELOPE_SIZE);
    assert_int_equal(ask(f, &session, statement, &grant, NULL), BASE_OK);
    assert_true(grant.repeated);
    assert_int_equal(auth_kms_list_open(f->kms, "L1", count_unit, &open, NULL), BASE_OK);
    assert_int_equal(open, 1);
    lab_open_envelope(&f->lab, &device, grant.envelope, roots, receipt);
    receipt[33] ^= 1;
    base_err_clear(&err);
    assert_int_equal(
        auth_kms_confirm(f->kms, grant.grant_id, receipt, sizeof(receipt), &confirmation, &err),
        BASE_E_DENIED);
    assert_string_equal(err.code, "receipt_bad");
    receipt[33] ^= 1;
    assert_int_equal(
        auth_kms_confirm(f->kms, grant.grant_id, receipt, sizeof(receipt), &confirmation, NULL),
        BASE_OK);
    assert_int_equal(strncmp(confirmation.label, "LW:D0:", 6), 0);
    assert_int_equal(confirmation.open_work.state, AUTH_UNIT_UNKNOWN);
    assert_int_equal(
        auth_kms_get_unit(f->kms, "L1", device.statement.chip_id, &unit, NULL), BASE_OK);
    assert_int_equal(unit.state, AUTH_UNIT_CONFIRMED);
    assert_string_equal(unit.grant_id, grant.grant_id);
    base_err_clear(&err);
    assert_int_equal(auth_kms_scrap(f->kms, grant.grant_id, "test", &err), BASE_E_DENIED);
    assert_string_equal(err.code, "grant_confirmed");
    assert_int_equal(auth_kms_logout(f->kms, &session, NULL), BASE_OK);
    base_err_clear(&err);
    assert_int_equal(auth_kms_get_lot(f->kms, &session, "L1", &lot, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "session_expired");
    auth_session_done(&session);
    lab_device_done(&device);
}

static void test_permit(void **state)
{
    struct server_lab *f = *state;
    static const uint8_t chip[8] = { 0x51 };
    struct auth_session session = { .expires_wall_us = 0 };
    struct base_err err = { 0 };
    struct auth_permit permit;
    struct auth_kms_keys keys;
    struct kms_permit given;
    char note[AUTH_NOTE_MAX];
    login(f, &session);
    assert_int_equal(auth_kms_permit(f->kms, &session, "L1", chip, note, &err), BASE_E_NOTFOUND);
    assert_string_equal(err.code, "permit_missing");
    const struct kms_permit_request request = {
        .lot = "L1", .acts = KMS_ACT_EFUSE, .until_us = f->lab.now_us + LAB_HOUR
    };
    assert_int_equal(kms_admin_permit_add(&f->lab.home, &request, &given, NULL), BASE_OK);
    assert_int_equal(auth_kms_permit(f->kms, &session, "L1", NULL, note, NULL), BASE_OK);
    assert_int_equal(auth_kms_permit(f->kms, &session, "L1", chip, note, NULL), BASE_OK);
    assert_int_equal(auth_kms_get_keys(f->kms, &keys, NULL), BASE_OK);
    assert_int_equal(
        auth_permit_parse(note, strlen(note), keys.log_vkey, f->lab.now_us, &permit, NULL),
        BASE_OK);
    assert_string_equal(permit.id, given.id);
    /* a station that provisions may not register, with or without a record */
    const uint8_t statement[PROTO_STATEMENT_SIZE] = { 1 };
    const struct auth_registration registration = { "L1", statement, sizeof(statement), "x\n" };
    base_err_clear(&err);
    assert_int_equal(auth_kms_register(f->kms, &session, &registration, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "role");
    auth_session_done(&session);
}

static void expect_lock(struct server_lab *f, const char *grant_id,
    const uint8_t answer[PROTO_LOCK_ANSWER_SIZE], const char *code)
{
    struct base_err err = { 0 };
    assert_int_equal(
        auth_kms_lock(f->kms, grant_id, answer, PROTO_LOCK_ANSWER_SIZE, NULL, &err), BASE_E_DENIED);
    assert_string_equal(err.code, code);
}

/* Leaves a unit that is confirmed and locked. */
static void lock_unit(
    struct server_lab *f, const struct auth_session *session, struct lab_device *device)
{
    struct auth_grant grant;
    struct auth_confirmation confirmation;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    uint8_t roots[32];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint8_t answer[PROTO_LOCK_ANSWER_SIZE] = { 0 };
    bool repeated = true;
    lab_statement(&f->lab, device, statement);
    assert_int_equal(ask(f, session, statement, &grant, NULL), BASE_OK);
    assert_int_equal(grant.work, AUTH_WORK_NONE);
    expect_lock(f, grant.grant_id, answer, "not_confirmed");
    lab_open_envelope(&f->lab, device, grant.envelope, roots, receipt);
    assert_int_equal(
        auth_kms_confirm(f->kms, grant.grant_id, receipt, sizeof(receipt), &confirmation, NULL),
        BASE_OK);
    expect_lock(f, grant.grant_id, answer, "lock_bad");
    lab_lock_answer(device, receipt, answer);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            auth_kms_lock(f->kms, grant.grant_id, answer, sizeof(answer), &repeated, NULL),
            BASE_OK);
        assert_int_equal(repeated, i == 1);
    }
}

static void test_lock_and_rework(void **state)
{
    struct server_lab *f = *state;
    struct auth_session session = { .expires_wall_us = 0 };
    struct auth_unit unit;
    struct auth_grant grant;
    struct kms_order order;
    struct lab_device device;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    login(f, &session);
    lab_device_open(&f->lab, &device, 0x51a0000000c00001);
    const uint8_t *chip = device.statement.chip_id;
    lock_unit(f, &session, &device);
    assert_int_equal(
        kms_admin_unit_order(&f->lab.home, chip, PROTO_PURPOSE_REWORK, "", &order, NULL), BASE_OK);
    assert_int_equal(auth_kms_get_unit(f->kms, "L1", chip, &unit, NULL), BASE_OK);
    assert_int_equal(unit.state, AUTH_UNIT_CONFIRMED);
    assert_true(unit.locked);
    assert_int_equal(unit.work, AUTH_WORK_REWORK);
    device.statement.nonce[0]++;
    device.statement.vault_state = PROTO_VAULT_LOCKED;
    device.statement.key_version = 1;
    lab_statement(&f->lab, &device, statement);
    assert_int_equal(ask(f, &session, statement, &grant, NULL), BASE_OK);
    assert_int_equal(grant.work, AUTH_WORK_REWORK);
    assert_int_equal(grant.key_version, 2);
    assert_int_equal(auth_kms_scrap(f->kms, grant.grant_id, "test", NULL), BASE_OK);
    assert_int_equal(auth_kms_get_unit(f->kms, "L1", chip, &unit, NULL), BASE_OK);
    assert_int_equal(unit.state, AUTH_UNIT_RETIRED);
    auth_session_done(&session);
    lab_device_done(&device);
}

static void test_witness(void **state)
{
    struct server_lab *f = *state;
    char note[4096];
    char line[AUTH_NOTE_MAX];
    enum auth_witness outcome = AUTH_WITNESS_COSIGNED;
    uint64_t known = 0;
    struct base_err err = { 0 };
    lab_log_record(&f->station, "{}");
    lab_log_record(&f->station, "{\"a\":1}");
    witness(f, 0, note);
    assert_int_equal(
        auth_kms_witness(f->kms, 0, NULL, 0, note, &outcome, &known, line, NULL), BASE_OK);
    assert_int_equal(outcome, AUTH_WITNESS_STALE);
    assert_int_equal(known, 2);
    lab_checkpoint(&f->station, 1, note, sizeof(note));
    assert_int_equal(
        auth_kms_witness(f->kms, 2, NULL, 0, note, &outcome, &known, line, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "inconsistent");
}

static void test_ready_and_keys(void **state)
{
    struct server_lab *f = *state;
    struct auth_kms_keys keys;
    int64_t offset_us = 1;
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, NULL), BASE_OK);
    assert_int_equal(offset_us, 0);
    assert_int_equal(auth_kms_get_keys(f->kms, &keys, NULL), BASE_OK);
    assert_memory_equal(keys.authority, f->lab.home.keys.authority.public_key, 65);
}

static void test_bad_arguments(void **state)
{
    struct server_lab *f = *state;
    static const char *const urls[] = { NULL, "", "http://localhost:1", "https://", "localhost",
        "https://a/b", "https://u@h:1", "https://a?b" };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct auth_kms *kms = NULL;
        const struct auth_kms_opts opts = {
            .url = urls[i],
            .ca_file = f->ca,
            .certificate_file = f->cert,
            .key_file = f->key,
            .clock = &f->lab.clock,
        };
        assert_int_equal(auth_kms_open(&opts, &kms, NULL), BASE_E_ARG);
    }
    struct auth_lot lot;
    assert_int_equal(auth_kms_get_lot(f->kms, NULL, "../x", &lot, NULL), BASE_E_ARG);
    assert_int_equal(auth_kms_scrap(f->kms, "x/y", "r", NULL), BASE_E_ARG);
}

/* A certificate of another CA, an expired one, one for a server, and none that the store knows. */
static void test_foreign_certificates(void **state)
{
    struct server_lab *f = *state;
    struct lab foreign;
    struct kms_station row;
    struct base_buf csr;
    struct base_buf pem;
    char path[96];
    base_buf_init(&csr, 8192);
    base_buf_init(&pem, 8192);
    lab_open_at(&foreign, f->lab.now_us);
    assert_int_equal(base_file_read(f->csr, &csr, NULL), BASE_OK);
    server_lab_path(f, path, "other.pem");

    const struct {
        const char *dir;
        int64_t days_ago;
    } cases[] = { { foreign.dir, 0 }, { f->lab.dir, 9 } };

    for (size_t i = 0; i < 2; i++) {
        const struct kms_pki_request request = {
            .csr = base_buf_text(&csr),
            .station = "station-1",
            .now_us = f->lab.now_us - cases[i].days_ago * 24 * LAB_HOUR,
            .days = 2,
        };
        base_buf_clear(&pem);
        assert_int_equal(
            kms_pki_sign(cases[i].dir, &request, base_random_system(), &pem, &row, NULL), BASE_OK);
        assert_int_equal(base_file_replace(path, pem.data, pem.length, 0644, NULL), BASE_OK);
        struct auth_kms *kms = server_lab_client(f, path, f->key, f->ca);
        struct base_err err = { 0 };
        int64_t offset_us = 0;
        assert_int_equal(auth_kms_ready(kms, &offset_us, &err), BASE_E_DENIED);
        assert_string_equal(err.code, "certificate");
        auth_kms_close(kms);
    }
    struct base_err err = { 0 };
    int64_t offset_us = 0;
    struct auth_kms *kms = server_lab_client(f, f->server_cert, f->server_key, f->ca);
    assert_int_equal(auth_kms_ready(kms, &offset_us, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "certificate");
    auth_kms_close(kms);
    /* the server is not of the CA that the station trusts: nothing is sent */
    char other_ca[96];
    (void)snprintf(other_ca, sizeof(other_ca), "%s/ca.pem", foreign.dir);
    kms = server_lab_client(f, f->cert, f->key, other_ca);
    base_err_clear(&err);
    assert_int_equal(auth_kms_ready(kms, &offset_us, &err), BASE_E_REMOTE);
    assert_string_equal(err.code, "unreachable");
    auth_kms_close(kms);
    base_buf_done(&csr);
    base_buf_done(&pem);
    lab_close(&foreign);
}

static void test_revoked_in_a_running_connection(void **state)
{
    struct server_lab *f = *state;
    struct auth_kms_keys keys;
    struct base_err err = { 0 };
    assert_int_equal(auth_kms_get_keys(f->kms, &keys, NULL), BASE_OK);
    assert_int_equal(kms_admin_station_revoke(&f->lab.home, "station-1", NULL), BASE_OK);
    assert_int_equal(auth_kms_get_keys(f->kms, &keys, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "certificate");
    assert_int_equal(err.detail, 403);
}

static void test_kms_down(void **state)
{
    struct server_lab *f = *state;
    struct base_err err = { 0 };
    int64_t offset_us = 0;
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, NULL), BASE_OK);
    server_lab_stop(f);
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, &err), BASE_E_REMOTE);
    assert_string_equal(err.code, "unreachable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_login_answers, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(test_session_file, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(test_whole_unit, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(test_permit, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_lock_and_rework, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(test_witness, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_ready_and_keys, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_bad_arguments, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_foreign_certificates, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_revoked_in_a_running_connection, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(test_kms_down, server_lab_set_up, server_lab_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
