/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cmd/lpa-provision.h"

#define CODE_MAX 64U
#define LONG_MS  20000
#define SHORT_MS 300

static void gives(const char *command, const char *expected)
{
    struct base_secret code = { 0 };
    struct base_err err = { 0 };
    enum base_status status =
        prov_code_from_command(command, base_clock_system(), CODE_MAX, LONG_MS, &code, &err);
    assert_string_equal(err.message, "");
    assert_int_equal(status, BASE_OK);
    assert_int_equal(code.length, strlen(expected));
    assert_string_equal((const char *)code.data, expected);
    base_secret_done(&code);
}

static void fails(const char *command, int wait_ms, enum base_status expected, const char *part)
{
    struct base_secret code = { 0 };
    struct base_err err = { 0 };
    int64_t begin_us = base_clock_mono_us(base_clock_system());
    enum base_status status =
        prov_code_from_command(command, base_clock_system(), CODE_MAX, wait_ms, &code, &err);
    assert_int_equal(status, expected);
    assert_null(code.data);
    assert_non_null(strstr(err.message, part));
    /* Even a command that ignores the request to end is gone soon. */
    assert_true(base_clock_mono_us(base_clock_system()) - begin_us < 10 * INT64_C(1000000));
}

static void test_bad_arguments(void **state)
{
    char command[2048];
    (void)state;
    memset(command, ' ', sizeof(command) - 1);
    command[sizeof(command) - 1] = '\0';
    fails(command, LONG_MS, BASE_E_ARG, "too long");
}

static void test_first_line(void **state)
{
    (void)state;
    gives("echo 123456", "123456");
    gives("printf 123456", "123456");
    gives("echo 123456; echo more; echo and more", "123456");
    gives("printf 12; sleep 0.1; printf '3456\\n'", "123456");
}

static void test_failures(void **state)
{
    (void)state;
    fails("true", LONG_MS, BASE_E_CONFIG, "gave no code");
    fails("echo", LONG_MS, BASE_E_CONFIG, "gave no code");
    fails("echo 123456; exit 3", LONG_MS, BASE_E_CONFIG, "exit code 3");
    fails("echo 123456; kill -9 $$", LONG_MS, BASE_E_CONFIG, "signal 9");
    fails("head -c 100 /dev/zero | tr '\\0' 1", LONG_MS, BASE_E_CONFIG, "too long");
    fails("/nowhere/at/all 2>/dev/null", LONG_MS, BASE_E_CONFIG, "gave no code");
}

static void test_no_end(void **state)
{
    (void)state;
    fails("exec sleep 60", SHORT_MS, BASE_E_TIMEOUT, "gave no code");
    fails("printf 12; exec sleep 60", SHORT_MS, BASE_E_TIMEOUT, "gave no code");
    fails("echo 123456; exec sleep 60", SHORT_MS, BASE_E_TIMEOUT, "did not end");
    fails("trap '' TERM; echo 123456; exec sleep 60", SHORT_MS, BASE_E_TIMEOUT, "did not end");
}

/* Libraries leave descriptors open that are not marked to be closed. */
static void test_inherits_nothing(void **state)
{
    int leaked = open("/dev/zero", O_RDONLY); /* not O_CLOEXEC: that is the point */
    char command[160];
    (void)state;
    assert_true(leaked > 2);
    (void)snprintf(command, sizeof(command),
        "for fd in $(ls /proc/self/fd); do "
        "case $(readlink /proc/$$/fd/$fd) in /dev/zero) echo leaked; esac; done; echo 123456");
    gives(command, "123456");
    (void)close(leaked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_first_line),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_no_end),
        cmocka_unit_test(test_inherits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
