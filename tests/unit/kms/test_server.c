/* SPDX-License-Identifier: Apache-2.0 */
/* The station's client and the KMS's server over real TLS on loopback. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "auth/enrol.h"
#include "auth/permit.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "kms/pki.h"
#include "kms/server.h"
#include "tests/unit/kms/lab.h"

struct fixture {
    struct lab lab;
    struct lab_tester tester;
    struct lab_station station; /* its log; the certificate is the real one below */
    struct kms_server *server;
    pthread_t thread;
    int stop_fd;
    char url[64];
    char ca[96], server_cert[96], server_key[96];
    char key[96], csr[96], cert[96], log_key[96], session[96];
    struct auth_kms *kms;
};

static void *run_server(void *user)
{
    struct fixture *f = user;
    (void)!kms_server_run(f->server, NULL);
    return NULL;
}

static void join_path(struct fixture *f, char *ret_path, const char *name)
{
    (void)snprintf(ret_path, 96, "%s/%s", f->lab.dir, name);
}

/* A station as lpa-provision and lpa-kms make it, with its log key. */
static void enrol(struct fixture *f)
{
    struct base_note_verifier log;
    struct base_buf csr;
    struct base_buf pem;
    char vkey[BASE_NOTE_VKEY_SIZE];
    const struct auth_enrol_opts opts = {
        .name = "station-1",
        .key_file = f->key,
        .csr_file = f->csr,
        .log_key_file = f->log_key,
        .log_origin = "station-1.lpa",
        .random = base_random_system(),
    };
    assert_int_equal(auth_enrol(&opts, &log, NULL), BASE_OK);
    assert_int_equal(auth_enrol(&opts, &log, NULL), BASE_E_EXISTS);
    base_note_verifier_format(&log, vkey);
    base_buf_init(&csr, 8192);
    base_buf_init(&pem, 8192);
    assert_int_equal(base_file_read(f->csr, &csr, NULL), BASE_OK);
    assert_int_equal(kms_admin_station_add(&f->lab.home, "station-1", base_buf_text(&csr), vkey,
                         KMS_ROLE_PROVISION, &pem, NULL),
        BASE_OK);
    struct base_err err = { 0 };
    assert_int_equal(kms_admin_station_add(&f->lab.home, "station-2", base_buf_text(&csr), vkey,
                         KMS_ROLE_PROVISION, &pem, &err),
        BASE_E_ARG); /* the request names another station */
    assert_int_equal(base_file_replace(f->cert, pem.data, pem.length, 0644, NULL), BASE_OK);
    assert_int_equal(auth_enrol_check(f->cert, f->key, f->ca, NULL, NULL), BASE_OK);
    assert_int_equal(auth_enrol_check(f->server_cert, f->key, f->ca, NULL, NULL), BASE_E_VERIFY);
    f->station.name = "station-1";
    assert_int_equal(base_note_key_load(f->log_key, &f->station.key, NULL), BASE_OK);
    assert_int_equal(
        auth_certificate_sha256(f->cert, f->station.certificate_sha256, NULL), BASE_OK);
    base_buf_done(&csr);
    base_buf_done(&pem);
}

static void start(struct fixture *f, int64_t deadline_ms, int64_t per_address)
{
    const struct kms_server_opts opts = {
        .core = &f->lab.core,
        .address = "127.0.0.1",
        .ca_file = f->ca,
        .certificate_file = f->server_cert,
        .key_file = f->server_key,
        .stop_fd = f->stop_fd,
        .handshake_ms = deadline_ms,
        .request_ms = deadline_ms,
        .idle_ms = deadline_ms,
        .max_connections_per_address = per_address,
    };
    struct base_err err = { 0 };
    if (kms_server_open(&opts, &f->server, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    (void)snprintf(
        f->url, sizeof(f->url), "https://localhost:%u", (unsigned)kms_server_port(f->server));
    assert_int_equal(pthread_create(&f->thread, NULL, run_server, f), 0);
}

static void stop(struct fixture *f)
{
    uint64_t one = 1;
    assert_int_equal(write(f->stop_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    assert_int_equal(read(f->stop_fd, &one, sizeof(one)), sizeof(one));
    kms_server_close(f->server);
    f->server = NULL;
}

static struct auth_kms *client(struct fixture *f, const char *cert, const char *key, const char *ca)
{
    struct auth_kms *kms = NULL;
    struct base_err err = { 0 };
    const struct auth_kms_opts opts = {
        .url = f->url,
        .ca_file = ca,
        .certificate_file = cert,
        .key_file = key,
        .request_timeout_ms = 20000,
        .clock = &f->lab.clock,
    };
    if (auth_kms_open(&opts, &kms, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return kms;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    (void)signal(SIGPIPE, SIG_IGN);
    lab_open_at(&f->lab, base_clock_wall_us(base_clock_system()));
    join_path(f, f->ca, "ca.pem");
    join_path(f, f->server_cert, "server.pem");
    join_path(f, f->server_key, "keys/server.key");
    join_path(f, f->key, "station.key");
    join_path(f, f->csr, "station.csr");
    join_path(f, f->cert, "station.pem");
    join_path(f, f->log_key, "log.key");
    join_path(f, f->session, "session");
    lab_add_tester(&f->lab, &f->tester, "anna", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&f->lab, &lot);
    enrol(f);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(f->stop_fd >= 0);
    start(f, 0, 0);
    f->kms = client(f, f->cert, f->key, f->ca);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    auth_kms_close(f->kms);
    if (f->server != NULL) {
        stop(f);
    }
    (void)close(f->stop_fd);
    lab_station_done(&f->station);
    lab_close(&f->lab);
    return 0;
}

static enum base_status login_with(
    struct fixture *f, const char *text, struct auth_session *session, struct base_err *err)
{
    struct base_secret code = { 0 };
    assert_int_equal(base_secret_copy(&code, text, strlen(text), NULL), BASE_OK);
    enum base_status status = auth_kms_login(f->kms, "anna", &code, session, err);
    base_secret_done(&code);
    return status;
}

static void login(struct fixture *f, struct auth_session *session)
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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

static void witness(struct fixture *f, uint64_t old_size, char note[4096])
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

static void log_intent(struct fixture *f, const uint8_t *statement, char record[1024])
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

static enum base_status ask(struct fixture *f, const struct auth_session *session,
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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

static void expect_lock(struct fixture *f, const char *grant_id,
    const uint8_t answer[PROTO_LOCK_ANSWER_SIZE], const char *code)
{
    struct base_err err = { 0 };
    assert_int_equal(
        auth_kms_lock(f->kms, grant_id, answer, PROTO_LOCK_ANSWER_SIZE, NULL, &err), BASE_E_DENIED);
    assert_string_equal(err.code, code);
}

/* Leaves a unit that is confirmed and locked. */
static void lock_unit(
    struct fixture *f, const struct auth_session *session, struct lab_device *device)
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct auth_kms_keys keys;
    int64_t offset_us = 1;
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, NULL), BASE_OK);
    assert_int_equal(offset_us, 0);
    assert_int_equal(auth_kms_get_keys(f->kms, &keys, NULL), BASE_OK);
    assert_memory_equal(keys.authority, f->lab.home.keys.authority.public_key, 65);
}

static void test_bad_arguments(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct lab foreign;
    struct kms_station row;
    struct base_buf csr;
    struct base_buf pem;
    char path[96];
    base_buf_init(&csr, 8192);
    base_buf_init(&pem, 8192);
    lab_open_at(&foreign, f->lab.now_us);
    assert_int_equal(base_file_read(f->csr, &csr, NULL), BASE_OK);
    join_path(f, path, "other.pem");

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
        struct auth_kms *kms = client(f, path, f->key, f->ca);
        struct base_err err = { 0 };
        int64_t offset_us = 0;
        assert_int_equal(auth_kms_ready(kms, &offset_us, &err), BASE_E_DENIED);
        assert_string_equal(err.code, "certificate");
        auth_kms_close(kms);
    }
    struct base_err err = { 0 };
    int64_t offset_us = 0;
    struct auth_kms *kms = client(f, f->server_cert, f->server_key, f->ca);
    assert_int_equal(auth_kms_ready(kms, &offset_us, &err), BASE_E_DENIED);
    assert_string_equal(err.code, "certificate");
    auth_kms_close(kms);
    /* the server is not of the CA that the station trusts: nothing is sent */
    char other_ca[96];
    (void)snprintf(other_ca, sizeof(other_ca), "%s/ca.pem", foreign.dir);
    kms = client(f, f->cert, f->key, other_ca);
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
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    struct base_err err = { 0 };
    int64_t offset_us = 0;
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, NULL), BASE_OK);
    stop(f);
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, &err), BASE_E_REMOTE);
    assert_string_equal(err.code, "unreachable");
}

static int connect_raw(struct fixture *f)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    address.sin_port = htons(kms_server_port(f->server));
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &address.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Milliseconds until the server ends a connection on which @p send_one drips. */
static int64_t time_to_end(int fd, void (*send_one)(int fd, SSL *ssl), SSL *ssl)
{
    const struct base_clock *clock = base_clock_system();
    int64_t begin_us = base_clock_mono_us(clock);
    const struct timeval wait = { .tv_usec = 20000 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
    while (base_clock_mono_us(clock) - begin_us < 5 * LAB_SECOND) {
        char byte;
        send_one(fd, ssl);
        if (ssl == NULL ? recv(fd, &byte, 1, 0) == 0
                        : SSL_read(ssl, &byte, 1) <= 0 && recv(fd, &byte, 1, MSG_PEEK) == 0) {
            break;
        }
    }
    return (base_clock_mono_us(clock) - begin_us) / 1000;
}

static void send_raw(int fd, SSL *ssl)
{
    (void)ssl;
    (void)send(fd, "\x16", 1, MSG_NOSIGNAL);
}

static void send_silence(int fd, SSL *ssl)
{
    (void)fd;
    (void)ssl;
}

static void send_header(int fd, SSL *ssl)
{
    (void)fd;
    (void)SSL_write(ssl, "a", 1);
}

static SSL *connect_tls(struct fixture *f, SSL_CTX **ret_tls, int fd, int version)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    assert_non_null(tls);
    assert_int_equal(SSL_CTX_set_max_proto_version(tls, version), 1);
    assert_int_equal(SSL_CTX_use_certificate_file(tls, f->cert, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, f->key, SSL_FILETYPE_PEM), 1);
    SSL *ssl = SSL_new(tls);
    assert_non_null(ssl);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    *ret_tls = tls;
    return ssl;
}

/* Dripped bytes do not hold a connection: neither before nor after the handshake. */
static void test_deadlines(void **state)
{
    struct fixture *f = *state;
    SSL_CTX *tls = NULL;
    stop(f);
    start(f, 600, 0);
    int fd = connect_raw(f);
    int64_t ms = time_to_end(fd, send_raw, NULL);
    assert_in_range(ms, 0, 4000);
    (void)close(fd);
    fd = connect_raw(f);
    ms = time_to_end(fd, send_silence, NULL);
    assert_in_range(ms, 500, 4000);
    (void)close(fd);
    fd = connect_raw(f);
    SSL *ssl = connect_tls(f, &tls, fd, TLS1_3_VERSION);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_true(SSL_write(ssl, "GET /readyz HTTP/1.1\r\nx-long: ", 30) == 30);
    ms = time_to_end(fd, send_header, ssl);
    assert_in_range(ms, 300, 4000);
    SSL_free(ssl);
    SSL_CTX_free(tls);
    (void)close(fd);
    int64_t offset_us = 0;
    struct auth_kms *kms = client(f, f->cert, f->key, f->ca);
    assert_int_equal(auth_kms_ready(kms, &offset_us, NULL), BASE_OK);
    auth_kms_close(kms);
}

static void test_tls_1_2_is_refused(void **state)
{
    struct fixture *f = *state;
    SSL_CTX *tls = NULL;
    int fd = connect_raw(f);
    SSL *ssl = connect_tls(f, &tls, fd, TLS1_2_VERSION);
    assert_true(SSL_connect(ssl) != 1);
    SSL_free(ssl);
    SSL_CTX_free(tls);
    (void)close(fd);
}

static void test_plain_http_is_refused(void **state)
{
    struct fixture *f = *state;
    char answer[64] = "";
    int fd = connect_raw(f);
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof(request) - 1, 0), sizeof(request) - 1);
    ssize_t got = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(got <= 0 || strstr(answer, "HTTP") == NULL);
    (void)close(fd);
}

static void test_connection_cap(void **state)
{
    struct fixture *f = *state;
    int fds[3];
    int64_t offset_us = 0;
    stop(f);
    start(f, 60000, 3);
    SSL_CTX *contexts[3];
    SSL *sessions[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_raw(f);
        sessions[i] = connect_tls(f, &contexts[i], fds[i], TLS1_3_VERSION);
        assert_int_equal(SSL_connect(sessions[i]), 1);
    }
    int over = connect_raw(f);
    assert_in_range(time_to_end(over, send_silence, NULL), 0, 4000);
    (void)close(over);
    for (int i = 0; i < 3; i++) {
        SSL_free(sessions[i]);
        SSL_CTX_free(contexts[i]);
        (void)close(fds[i]);
    }
    /* room again once they are gone */
    enum base_status status = BASE_E_REMOTE;
    for (int i = 0; i < 50 && status != BASE_OK; i++) {
        struct auth_kms *kms = client(f, f->cert, f->key, f->ca);
        status = auth_kms_ready(kms, &offset_us, NULL);
        auth_kms_close(kms);
    }
    assert_int_equal(status, BASE_OK);
}

static void test_large_and_odd_requests(void **state)
{
    struct fixture *f = *state;
    static const char *const requests[] = {
        "PUT /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n",
        "GET /%2e%2e/v1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "NONSENSE\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        SSL_CTX *tls = NULL;
        char answer[256] = "";
        int fd = connect_raw(f);
        SSL *ssl = connect_tls(f, &tls, fd, TLS1_3_VERSION);
        assert_int_equal(SSL_connect(ssl), 1);
        assert_true(SSL_write(ssl, requests[i], (int)strlen(requests[i])) > 0);
        (void)SSL_read(ssl, answer, sizeof(answer) - 1);
        assert_null(strstr(answer, " 200 "));
        SSL_free(ssl);
        SSL_CTX_free(tls);
        (void)close(fd);
    }
    int64_t offset_us = 0;
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, NULL), BASE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_login_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_unit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_permit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock_and_rework, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_witness, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ready_and_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked_in_a_running_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kms_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadlines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls_1_2_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_plain_http_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connection_cap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_and_odd_requests, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
