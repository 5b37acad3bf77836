/* SPDX-License-Identifier: Apache-2.0 */
/* Testers, stations, and the folder that a KMS lives in. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/enrol.h"
#include "base/file.h"
#include "tests/unit/kms/lab.h"

struct fixture {
    struct lab lab;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    lab_open(&fixture.lab);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    lab_close(&f->lab);
    return 0;
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
        cmocka_unit_test_setup_teardown(test_testers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tester_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_station_renew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_home, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
