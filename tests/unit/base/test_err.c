/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

#include <errno.h>
#include <stdio.h>

static void first_writer_wins(void **state)
{
    (void)state;
    struct base_err err = { 0 };
    assert_int_equal(base_err_set(&err, BASE_E_LINK, "SWD", 7, "probe %d is gone", 3), BASE_E_LINK);
    assert_int_equal(base_err_set(&err, BASE_E_IO, "errno", 9, "later"), BASE_E_IO);
    assert_int_equal(base_err_errno(&err, BASE_E_IO, ENOENT, "later"), BASE_E_IO);
    assert_int_equal(err.status, BASE_E_LINK);
    assert_int_equal(err.detail, 7);
    assert_string_equal(err.domain, "SWD");
    assert_string_equal(err.message, "probe 3 is gone");
    base_err_clear(&err);
    assert_int_equal(err.status, BASE_OK);
    assert_string_equal(err.message, "");
}

static void null_is_accepted(void **state)
{
    (void)state;
    base_err_clear(NULL);
    assert_int_equal(base_err_set(NULL, BASE_E_ARG, "x", 0, "x"), BASE_E_ARG);
    assert_int_equal(base_err_errno(NULL, BASE_E_IO, EIO, "x"), BASE_E_IO);
    base_err_prefix(NULL, "x");
    base_err_set_code(NULL, "x");
    struct base_err err = { 0 };
    base_err_prefix(&err, "no failure");
    assert_int_equal(err.status, BASE_OK);
    assert_string_equal(err.message, "");
}

static void one_line_whatever_comes(void **state)
{
    (void)state;
    struct base_err err = { 0 };
    (void)base_err_set(&err, BASE_E_PROTO, "a domain of many letters", -1, "a\nb\x1B[2Jc\x7F");
    assert_string_equal(err.message, "a b [2Jc ");
    assert_int_equal(strlen(err.domain), BASE_ERR_DOMAIN_SIZE - 1);
    (void)base_err_prefix(&err, "lot\t%s: ", "L-1");
    assert_string_equal(err.message, "lot L-1: a b [2Jc ");
}

static void long_text_is_cut(void **state)
{
    (void)state;
    char text[2000];
    struct base_err err = { 0 };
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)base_err_errno(&err, BASE_E_IO, ENOSPC, "%s", text);
    assert_int_equal(strlen(err.message), BASE_ERR_MESSAGE_SIZE - 1);
    (void)base_err_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.message), BASE_ERR_MESSAGE_SIZE - 1);
    base_err_set_code(&err, text);
    assert_int_equal(strlen(err.code), sizeof(err.code) - 1);
}

static void errno_is_told_in_words(void **state)
{
    (void)state;
    struct base_err err = { 0 };
    (void)base_err_errno(&err, BASE_E_IO, ENOSPC, "cannot write %s", "f");
    assert_string_equal(err.message, "cannot write f: No space left on device");
    assert_string_equal(err.domain, "errno");
    assert_int_equal(err.detail, ENOSPC);
}

static void status_list_is_consistent(void **state)
{
    (void)state;
    for (int i = 0; i < BASE_STATUS_COUNT; i++) {
        enum base_status status = (enum base_status)i;
        assert_non_null(base_status_name(status));
        assert_string_not_equal(base_status_text(status), "");
        int code = base_status_exit_code(status);
        assert_true(code >= 0 && code <= 7);
        assert_int_equal(code == 0, status == BASE_OK);
    }
    assert_string_equal(base_status_name(BASE_E_TIMEOUT), "E_TIMEOUT");
    assert_string_equal(base_status_name((enum base_status)99), "E_UNKNOWN");
    assert_string_equal(base_status_name((enum base_status) - 1), "E_UNKNOWN");
    assert_true(base_status_may_retry(BASE_E_BUSY));
    assert_false(base_status_may_retry(BASE_E_VERIFY));
    assert_false(base_status_may_retry((enum base_status)99));
    assert_int_not_equal(base_status_exit_code((enum base_status)99), 0);
    /* Numbers stand in journals and logs. */
    assert_int_equal(BASE_E_ARG, 1);
    assert_int_equal(BASE_E_AUDIT, 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_accepted),
        cmocka_unit_test(first_writer_wins),
        cmocka_unit_test(one_line_whatever_comes),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(errno_is_told_in_words),
        cmocka_unit_test(status_list_is_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
