/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the KMS's server from outside: slow, many, old and odd connections. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "tests/unit/kms/server_lab.h"

static int connect_raw(struct server_lab *f)
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

static SSL *connect_tls(struct server_lab *f, SSL_CTX **ret_tls, int fd, int version)
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
    struct server_lab *f = *state;
    SSL_CTX *tls = NULL;
    server_lab_stop(f);
    server_lab_start(f, 600, 0);
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
    struct auth_kms *kms = server_lab_client(f, f->cert, f->key, f->ca);
    assert_int_equal(auth_kms_ready(kms, &offset_us, NULL), BASE_OK);
    auth_kms_close(kms);
}

static void test_tls_1_2_is_refused(void **state)
{
    struct server_lab *f = *state;
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
    struct server_lab *f = *state;
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
    struct server_lab *f = *state;
    int fds[3];
    int64_t offset_us = 0;
    server_lab_stop(f);
    server_lab_start(f, 60000, 3);
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
        struct auth_kms *kms = server_lab_client(f, f->cert, f->key, f->ca);
        status = auth_kms_ready(kms, &offset_us, NULL);
        auth_kms_close(kms);
    }
    assert_int_equal(status, BASE_OK);
}

static void test_large_and_odd_requests(void **state)
{
    struct server_lab *f = *state;
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
        cmocka_unit_test_setup_teardown(test_deadlines, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_tls_1_2_is_refused, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_plain_http_is_refused, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_connection_cap, server_lab_set_up, server_lab_tear_down),
        cmocka_unit_test_setup_teardown(
            test_large_and_odd_requests, server_lab_set_up, server_lab_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
