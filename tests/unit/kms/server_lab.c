/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kms/server_lab.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/enrol.h"
#include "base/file.h"

static void *run_server(void *user)
{
    struct server_lab *f = user;
    (void)!kms_server_run(f->server, NULL);
    return NULL;
}

void server_lab_path(struct server_lab *f, char *ret_path, const char *name)
{
    (void)snprintf(ret_path, 96, "%s/%s", f->lab.dir, name);
}

/* A station as lpa-provision and lpa-kms make it, with its log key. */
static void enrol(struct server_lab *f)
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

void server_lab_start(struct server_lab *f, int64_t deadline_ms, int64_t per_address)
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

void server_lab_stop(struct server_lab *f)
{
    uint64_t one = 1;
    assert_int_equal(write(f->stop_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    assert_int_equal(read(f->stop_fd, &one, sizeof(one)), sizeof(one));
    kms_server_close(f->server);
    f->server = NULL;
}

struct auth_kms *server_lab_client(
    struct server_lab *f, const char *cert, const char *key, const char *ca)
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

int server_lab_set_up(void **state)
{
    static struct server_lab fixture;
    struct server_lab *f = &fixture;
    memset(f, 0, sizeof(*f));
    (void)signal(SIGPIPE, SIG_IGN);
    lab_open_at(&f->lab, base_clock_wall_us(base_clock_system()));
    server_lab_path(f, f->ca, "ca.pem");
    server_lab_path(f, f->server_cert, "server.pem");
    server_lab_path(f, f->server_key, "keys/server.key");
    server_lab_path(f, f->key, "station.key");
    server_lab_path(f, f->csr, "station.csr");
    server_lab_path(f, f->cert, "station.pem");
    server_lab_path(f, f->log_key, "log.key");
    server_lab_path(f, f->session, "session");
    lab_add_tester(&f->lab, &f->tester, "anna", KMS_ROLE_PROVISION);
    struct kms_lot lot = lab_lot(&f->lab, "L1", KMS_TRUST_TOFU, 0);
    lab_add_lot(&f->lab, &lot);
    enrol(f);
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(f->stop_fd >= 0);
    server_lab_start(f, 0, 0);
    f->kms = server_lab_client(f, f->cert, f->key, f->ca);
    *state = f;
    return 0;
}

int server_lab_tear_down(void **state)
{
    struct server_lab *f = *state;
    auth_kms_close(f->kms);
    if (f->server != NULL) {
        server_lab_stop(f);
    }
    (void)close(f->stop_fd);
    lab_station_done(&f->station);
    lab_close(&f->lab);
    return 0;
}
