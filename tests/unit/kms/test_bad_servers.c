/* SPDX-License-Identifier: Apache-2.0 */
/* Servers with certificates that a station must not take: nothing is sent to any of them, the code
 * of a login least of all. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "auth/kms_client.h"
#include "base/file.h"
#include "tests/unit/kms/lab.h"

#define DAY_S (24L * 3600L)

struct recipe {
    const char *what;
    bool good;       /* the control: this one is taken */
    bool foreign_ca; /* signed by the CA of another KMS */
    bool self_signed;
    const char *names;    /* subjectAltName; NULL: only the common name "localhost" */
    const char *usage;    /* extended key usage; NULL: none */
    long from_s, until_s; /* validity, from now */
    const EVP_MD *(*digest)(void);
    int tls_version;
};

static const struct recipe recipes[] = {
    { .what = "good", .good = true },
    { .what = "another CA", .foreign_ca = true },
    { .what = "self-signed", .self_signed = true },
    { .what = "another name", .names = "DNS:kms.example" },
    { .what = "another address", .names = "IP:127.0.0.2" },
    { .what = "wildcard", .names = "DNS:*" },
    { .what = "expired", .from_s = -9 * DAY_S, .until_s = -1 },
    { .what = "not yet valid", .from_s = DAY_S, .until_s = 9 * DAY_S },
    { .what = "client certificate", .usage = "clientAuth" },
    { .what = "code signing", .usage = "codeSigning" },
    { .what = "SHA-1 signature", .digest = EVP_sha1 },
    { .what = "TLS 1.2", .tls_version = TLS1_2_VERSION },
};

struct fixture {
    struct lab lab, foreign;
    SSL_CTX *tls;
    int listener;
    unsigned requests;
    char url[64], ca[96], station_cert[96], station_key[96];
    pthread_t thread;
};

static EVP_PKEY *load_key(const struct lab *lab, const char *name)
{
    char path[128];
    assert_int_equal(base_file_join(lab->dir, name, sizeof(path), path, NULL), BASE_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    assert_int_equal(fclose(file), 0);
    assert_non_null(key);
    return key;
}

static X509 *load_ca(const struct lab *lab)
{
    char path[128];
    assert_int_equal(base_file_join(lab->dir, "ca.pem", sizeof(path), path, NULL), BASE_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *ca = PEM_read_X509(file, NULL, NULL, NULL);
    assert_int_equal(fclose(file), 0);
    assert_non_null(ca);
    return ca;
}

static void extend(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *bake(struct fixture *f, const struct recipe *recipe, EVP_PKEY *key)
{
    const struct lab *authority = recipe->foreign_ca ? &f->foreign : &f->lab;
    X509 *certificate = X509_new();
    X509 *ca = load_ca(authority);
    EVP_PKEY *ca_key = load_key(authority, "keys/ca.key");
    X509_NAME *subject = X509_get_subject_name(certificate);
    assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                         (const unsigned char *)"localhost", -1, -1, 0),
        1);
    assert_int_equal(X509_set_issuer_name(
                         certificate, recipe->self_signed ? subject : X509_get_subject_name(ca)),
        1);
    assert_non_null(X509_gmtime_adj(
        X509_getm_notBefore(certificate), recipe->from_s != 0 ? recipe->from_s : -60));
    assert_non_null(X509_gmtime_adj(
        X509_getm_notAfter(certificate), recipe->until_s != 0 ? recipe->until_s : 9 * DAY_S));
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    extend(certificate, NID_basic_constraints, "critical,CA:FALSE");
    extend(certificate, NID_ext_key_usage, recipe->usage != NULL ? recipe->usage : "serverAuth");
    extend(certificate, NID_subject_alt_name,
        recipe->names != NULL ? recipe->names : "DNS:localhost,IP:127.0.0.1");
    assert_true(X509_sign(certificate, recipe->self_signed ? key : ca_key,
                    recipe->digest != NULL ? recipe->digest() : EVP_sha256()) > 0);
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    return certificate;
}

static void *serve_one(void *user)
{
    struct fixture *f = user;
    char request[4096];
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 13\r\n\r\n"
        "{\"time_us\":5}";
    int fd = accept(f->listener, NULL, NULL);
    SSL *ssl = SSL_new(f->tls);
    if (fd >= 0 && ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1 &&
        SSL_read(ssl, request, sizeof(request)) > 0) {
        f->requests++;
        (void)SSL_write(ssl, answer, sizeof(answer) - 1);
    }
    SSL_free(ssl);
    (void)close(fd);
    return NULL;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof(address);
    int64_t now_us = base_clock_wall_us(base_clock_system());
    memset(f, 0, sizeof(*f));
    (void)signal(SIGPIPE, SIG_IGN);
    lab_open_at(&f->lab, now_us);
    lab_open_at(&f->foreign, now_us);
    assert_int_equal(base_file_join(f->lab.dir, "ca.pem", sizeof(f->ca), f->ca, NULL), BASE_OK);
    assert_int_equal(
        base_file_join(f->lab.dir, "server.pem", sizeof(f->station_cert), f->station_cert, NULL),
        BASE_OK);
    assert_int_equal(
        base_file_join(f->lab.dir, "keys/server.key", sizeof(f->station_key), f->station_key, NULL),
        BASE_OK);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &address.sin_addr), 1);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(
        f->url, sizeof(f->url), "https://localhost:%u", (unsigned)ntohs(address.sin_port));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)close(f->listener);
    lab_close(&f->foreign);
    lab_close(&f->lab);
    return 0;
}

static void meet(struct fixture *f, const struct recipe *recipe)
{
    struct base_err err = { 0 };
    struct auth_kms *kms = NULL;
    int64_t offset_us = 0;
    EVP_PKEY *key = load_key(&f->lab, "keys/server.key");
    X509 *certificate = bake(f, recipe, key);
    f->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(f->tls, 0); /* the server would send anything */
    assert_int_equal(SSL_CTX_use_certificate(f->tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(f->tls, key), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(f->tls, recipe->tls_version), 1);
    f->requests = 0;
    assert_int_equal(pthread_create(&f->thread, NULL, serve_one, f), 0);
    const struct auth_kms_opts opts = {
        .url = f->url,
        .ca_file = f->ca,
        .certificate_file = f->station_cert,
        .key_file = f->station_key,
        .request_timeout_ms = 20000,
        .clock = &f->lab.clock,
    };
    assert_int_equal(auth_kms_open(&opts, &kms, NULL), BASE_OK);
    enum base_status status = auth_kms_ready(kms, &offset_us, &err);
    auth_kms_close(kms);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    if (recipe->good != (status == BASE_OK) || recipe->good != (f->requests == 1)) {
        fail_msg(
            "%s: status %d, requests %u, %s", recipe->what, (int)status, f->requests, err.message);
    }
    if (!recipe->good) {
        assert_string_equal(err.code, "unreachable");
    }
    SSL_CTX_free(f->tls);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void test_certificates(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(recipes) / sizeof(recipes[0]); i++) {
        meet(f, &recipes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_certificates, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
