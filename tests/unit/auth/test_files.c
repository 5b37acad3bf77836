/* SPDX-License-Identifier: Apache-2.0 */
/* What a station keeps in files: enrolment and the sealed session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/enrol.h"
#include "auth/kms_client.h"
#include "base/file.h"

struct fixture {
    char dir[64], key[96], csr[96], log[96], session[96];
    int64_t now_us;
    struct base_clock clock;
};

static int64_t now_of(void *user)
{
    return *(int64_t *)user;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "%s/lpa-auth-test.XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(base_file_join(f->dir, "station.key", sizeof(f->key), f->key, NULL), BASE_OK);
    assert_int_equal(base_file_join(f->dir, "station.csr", sizeof(f->csr), f->csr, NULL), BASE_OK);
    assert_int_equal(base_file_join(f->dir, "log.key", sizeof(f->log), f->log, NULL), BASE_OK);
    assert_int_equal(
        base_file_join(f->dir, "session", sizeof(f->session), f->session, NULL), BASE_OK);
    f->now_us = 1000000;
    f->clock = (struct base_clock){ .wall_us = now_of, .mono_us = now_of, .user = &f->now_us };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->key);
    (void)unlink(f->csr);
    (void)unlink(f->log);
    (void)unlink(f->session);
    return rmdir(f->dir);
}

static enum base_status enrol(struct fixture *f, const char *name)
{
    struct base_note_verifier log;
    const struct auth_enrol_opts opts = {
        .name = name,
        .key_file = f->key,
        .csr_file = f->csr,
        .log_key_file = f->log,
        .log_origin = "station-1.lpa",
        .random = base_random_system(),
    };
    return auth_enrol(&opts, &log, NULL);
}

static void test_enrol(void **state)
{
    struct fixture *f = *state;
    struct stat info;
    static const char *const names[] = { "", "a b", ".x", "-x", "x/y", "ä",
        "0123456789012345678901234567890123456789012345678901234567890123x" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(enrol(f, names[i]), BASE_E_ARG);
    }
    assert_int_equal(access(f->key, F_OK), -1);
    assert_int_equal(enrol(f, "station-1"), BASE_OK);
    assert_int_equal(stat(f->key, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(f->log, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    struct base_buf text;
    base_buf_init(&text, 8192);
    assert_int_equal(base_file_read(f->csr, &text, NULL), BASE_OK);
    assert_int_equal(strncmp(base_buf_text(&text), "-----BEGIN CERTIFICATE REQUEST-----", 35), 0);
    base_buf_done(&text);
    assert_int_equal(enrol(f, "station-1"), BASE_E_EXISTS);
    assert_int_equal(auth_enrol_check(f->csr, f->key, NULL, NULL, NULL), BASE_E_CONFIG);
}

static void store(struct fixture *f)
{
    struct auth_session session = { .tester = "anna", .expires_wall_us = 9000000 };
    session.clock_offset_us = -500000;
    assert_int_equal(base_secret_copy(&session.token, "a-token", 7, NULL), BASE_OK);
    assert_int_equal(auth_session_store(&session, f->key, f->session, NULL), BASE_OK);
    auth_session_done(&session);
    assert_null(session.token.data);
}

static enum base_status load(struct fixture *f, struct auth_session *session)
{
    return auth_session_load(f->key, f->session, &f->clock, session, NULL);
}

static void test_session(void **state)
{
    struct fixture *f = *state;
    struct auth_session session = { .expires_wall_us = 0 };
    struct stat info;
    assert_int_equal(enrol(f, "station-1"), BASE_OK);
    assert_int_equal(auth_session_store(&session, f->key, f->session, NULL), BASE_E_ARG);
    assert_int_equal(load(f, &session), BASE_E_NOTFOUND);
    store(f);
    assert_int_equal(stat(f->session, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(load(f, &session), BASE_OK);
    assert_string_equal(session.tester, "anna");
    assert_int_equal(session.clock_offset_us, -500000);
    assert_int_equal(session.token.length, 7);
    assert_memory_equal(session.token.data, "a-token", 7);
    auth_session_done(&session);
    /* by the KMS's clock, which is half a second behind */
    f->now_us = 9499999;
    assert_int_equal(load(f, &session), BASE_OK);
    auth_session_done(&session);
    f->now_us = 9500000;
    assert_int_equal(load(f, &session), BASE_E_EXPIRED);
    assert_int_equal(access(f->session, F_OK), -1);
}

/* Sealed: no token in clear, and any changed byte is noticed. */
static void test_sealed(void **state)
{
    struct fixture *f = *state;
    struct auth_session session;
    struct base_buf bytes;
    base_buf_init(&bytes, 8192);
    assert_int_equal(enrol(f, "station-1"), BASE_OK);
    store(f);
    assert_int_equal(base_file_read(f->session, &bytes, NULL), BASE_OK);
    assert_null(memmem(bytes.data, bytes.length, "a-token", 7));
    assert_null(memmem(bytes.data, bytes.length, "anna", 4));
    for (size_t i = 0; i < bytes.length; i++) {
        bytes.data[i] ^= 0x40;
        assert_int_equal(
            base_file_replace(f->session, bytes.data, bytes.length, 0600, NULL), BASE_OK);
        assert_int_equal(load(f, &session), BASE_E_CORRUPT);
        bytes.data[i] ^= 0x40;
    }
    assert_int_equal(
        base_file_replace(f->session, bytes.data, bytes.length - 1, 0600, NULL), BASE_OK);
    assert_int_equal(load(f, &session), BASE_E_CORRUPT);
    assert_int_equal(base_file_replace(f->session, bytes.data, bytes.length, 0644, NULL), BASE_OK);
    assert_int_equal(load(f, &session), BASE_E_CONFIG);
    base_buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_enrol, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sealed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
