/* SPDX-License-Identifier: Apache-2.0 */
/* The station's client against a server with the right certificate that misbehaves. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "auth/kms_client.h"
#include "base/file.h"
#include "tests/unit/kms/lab.h"

/* What the server says after it has read a request. */
struct script {
    const char *head;
    size_t filler;     /* bytes of 'x' behind the head */
    bool stay_silent;  /* hold the connection without an answer */
    unsigned answered; /* requests seen */
};

struct fixture {
    struct lab lab;
    struct script script;
    SSL_CTX *tls;
    int listener;
    pthread_t thread;
    char url[64], ca[96], cert[96], key[96];
    struct auth_kms *kms;
};

static void answer(struct fixture *f, SSL *ssl)
{
    static const char filler[1024] = { [0 ... 1023] = 'x' };
    char request[8192];
    if (SSL_read(ssl, request, sizeof(request)) <= 0) {
        return;
    }
    f->script.answered++;
    if (f->script.stay_silent) {
        (void)SSL_read(ssl, request, sizeof(request)); /* until the client gives up */
        return;
    }
    if (f->script.head[0] == '\0') {
        return;
    }
    (void)SSL_write(ssl, f->script.head, (int)strlen(f->script.head));
    for (size_t sent = 0; sent < f->script.filler; sent += sizeof(filler)) {
        if (SSL_write(ssl, filler, sizeof(filler)) <= 0) {
            return;
        }
    }
}

static void *serve(void *user)
{
    struct fixture *f = user;
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        SSL *ssl = SSL_new(f->tls);
        if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
            answer(f, ssl);
        }
        SSL_free(ssl);
        (void)close(fd);
    }
}

static void open_client(struct fixture *f, int64_t timeout_ms)
{
    const struct auth_kms_opts opts = {
        .url = f->url,
        .ca_file = f->ca,
        .certificate_file = f->cert,
        .key_file = f->key,
        .request_timeout_ms = timeout_ms,
        .clock = &f->lab.clock,
    };
    auth_kms_close(f->kms);
    assert_int_equal(auth_kms_open(&opts, &f->kms, NULL), BASE_OK);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t length = sizeof(address);
    memset(f, 0, sizeof(*f));
    (void)signal(SIGPIPE, SIG_IGN);
    lab_open_at(&f->lab, base_clock_wall_us(base_clock_system()));
    assert_int_equal(base_file_join(f->lab.dir, "ca.pem", sizeof(f->ca), f->ca, NULL), BASE_OK);
    assert_int_equal(
        base_file_join(f->lab.dir, "server.pem", sizeof(f->cert), f->cert, NULL), BASE_OK);
    assert_int_equal(
        base_file_join(f->lab.dir, "keys/server.key", sizeof(f->key), f->key, NULL), BASE_OK);
    f->tls = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(f->tls, f->cert, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(f->tls, f->key, SSL_FILETYPE_PEM), 1);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &address.sin_addr), 1);
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(
        f->url, sizeof(f->url), "https://127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    open_client(f, 10000);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    auth_kms_close(f->kms);
    assert_int_equal(shutdown(f->listener, SHUT_RDWR), 0);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    (void)close(f->listener);
    SSL_CTX_free(f->tls);
    lab_close(&f->lab);
    return 0;
}

static void expect(struct fixture *f, enum base_status status, const char *code)
{
    struct base_err err = { 0 };
    int64_t offset_us = 77;
    assert_int_equal(auth_kms_ready(f->kms, &offset_us, &err), status);
    if (status != BASE_OK) {
        assert_string_equal(err.code, code);
        assert_true(strlen(err.message) > 10);
        assert_int_equal(offset_us, 77);
    }
}

#define JSON_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

static void test_good(void **state)
{
    struct fixture *f = *state;
    f->script.head = JSON_HEAD "Content-Length: 13\r\n\r\n{\"time_us\":5}";
    expect(f, BASE_OK, "");
}

static void test_cut_answers(void **state)
{
    struct fixture *f = *state;
    static const char whole[] = JSON_HEAD "Content-Length: 13\r\n\r\n{\"time_us\":5}";
    static char part[sizeof(whole)];
    for (size_t length = 0; length < sizeof(whole) - 1; length += 7) {
        memcpy(part, whole, length);
        part[length] = '\0';
        f->script.head = part;
        expect(f, BASE_E_REMOTE, "unknown");
    }
}

static void test_odd_answers(void **state)
{
    struct fixture *f = *state;
    static const char *const answers[] = {
        JSON_HEAD "Content-Length: 2\r\n\r\n[]",
        JSON_HEAD "Content-Length: 2\r\n\r\n{}",
        JSON_HEAD "Content-Length: 0\r\n\r\n",
        JSON_HEAD "Content-Length: 15\r\n\r\n{\"time_us\":\"5\"}",
        JSON_HEAD "Content-Length: 16\r\n\r\n{\"time_us\":5} {}",
        "HTTP/1.1 500 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 X\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 404 X\r\nConnection: close\r\nContent-Length: 4\r\n\r\nnone",
        "SSH-2.0-other\r\n",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        f->script.head = answers[i];
        expect(f, BASE_E_REMOTE, "unknown");
    }
}

static void test_no_redirect(void **state)
{
    struct fixture *f = *state;
    char head[256];
    (void)snprintf(head, sizeof(head),
        "HTTP/1.1 307 X\r\nLocation: %s/readyz\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        f->url);
    f->script.head = head;
    expect(f, BASE_E_REMOTE, "unknown");
    assert_int_equal(f->script.answered, 1);
}

static void test_too_long(void **state)
{
    struct fixture *f = *state;
    f->script.head = JSON_HEAD "Content-Length: 1000000\r\n\r\n";
    f->script.filler = 1000000;
    expect(f, BASE_E_REMOTE, "unknown");
}

static void test_silence(void **state)
{
    struct fixture *f = *state;
    int64_t begin_us = base_clock_mono_us(base_clock_system());
    f->script.stay_silent = true;
    open_client(f, 800);
    expect(f, BASE_E_REMOTE, "unknown");
    assert_in_range((base_clock_mono_us(base_clock_system()) - begin_us) / 1000, 700, 8000);
}

static void test_refusals(void **state)
{
    struct fixture *f = *state;

    static const struct {
        const char *code;
        enum base_status status;
    } cases[] = {
        { "quota_used_up", BASE_E_DENIED },
        { "rate_limited", BASE_E_DENIED },
        { "lot_expired", BASE_E_EXPIRED },
        { "lot_unknown", BASE_E_NOTFOUND },
        { "a_code_of_the_future", BASE_E_DENIED },
        { "request_bad", BASE_E_REMOTE },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[128];
        char head[512];
        (void)snprintf(
            body, sizeof(body), "{\"code\":\"%s\",\"detail\":\"this and that\"}", cases[i].code);
        (void)snprintf(head, sizeof(head),
            "HTTP/1.1 403 X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
            body);
        f->script.head = head;
        expect(f, cases[i].status, cases[i].code);
    }
}

/* No token is taken from an answer that does not hold one, and what there was is wiped. */
static void test_login_answers(void **state)
{
    struct fixture *f = *state;
    static const char *const bodies[] = {
        "{}",
        "{\"token\":\"\"}",
        "{\"token\":\"abc",
        "{\"token\":\"abc\"}",
        "{\"token\":\"abc\",\"tester\":\"anna\",\"expires_us\":-1,\"time_us\":1}",
        "{\"token\":\"abc\",\"tester\":7,\"expires_us\":1,\"time_us\":1}",
    };
    struct base_secret code = { 0 };
    assert_int_equal(base_secret_copy(&code, "123456", 6, NULL), BASE_OK);
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct auth_session session = { .expires_wall_us = 0 };
        struct base_err err = { 0 };
        char head[512];
        (void)snprintf(head, sizeof(head),
            "HTTP/1.1 201 X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(bodies[i]), bodies[i]);
        f->script.head = head;
        assert_int_equal(auth_kms_login(f->kms, "anna", &code, &session, &err), BASE_E_REMOTE);
        assert_string_equal(err.code, "unknown");
        assert_null(session.token.data);
    }
    base_secret_done(&code);
}

/* A confirmation is 32 bytes or absent, as from an older KMS; nothing else is taken. */
static void test_wiped_answers(void **state)
{
    struct fixture *f = *state;

    static const struct {
        const char *body;
        enum base_status status;
        bool given;
    } cases[] = {
        { "{\"repeated\":false}", BASE_OK, false },
        { "{\"repeated\":false,\"forget\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\"}",
            BASE_OK, true },
        { "{\"repeated\":false,\"forget\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQQ==\"}",
            BASE_E_REMOTE, false },
        { "{\"repeated\":false,\"forget\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\"}",
            BASE_E_REMOTE, false },
        { "{\"repeated\":false,\"forget\":\"\"}", BASE_E_REMOTE, false },
        { "{\"repeated\":false,\"forget\":null}", BASE_E_REMOTE, false },
        { "{\"repeated\":false,\"forget\":7}", BASE_E_REMOTE, false },
    };

    const uint8_t receipt[] = { 1, 2, 3 };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct auth_forget forget = { .given = !cases[i].given };
        struct base_err err = { 0 };
        char head[512];
        (void)snprintf(head, sizeof(head),
            "HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(cases[i].body), cases[i].body);
        f->script.head = head;
        assert_int_equal(auth_kms_wiped(f->kms, "0123456789abcdef0123456789abcdef", receipt,
                             sizeof(receipt), &forget, &err),
            cases[i].status);
        if (cases[i].status != BASE_OK) {
            assert_string_equal(err.code, "unknown");
            assert_true(forget.given); /* left alone */
            continue;
        }
        assert_int_equal(forget.given, cases[i].given);
        for (size_t at = 0; forget.given && at < sizeof(forget.confirmation); at++) {
            assert_int_equal(forget.confirmation[at], 'A');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_redirect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_login_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wiped_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
