/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"

static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const char *const bad[] = { "Zg", "Zg=", "Zg===", "Zh==", "Zm8",
        "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9-", "Zm9_", "Zm=v", "Zg==\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t data[16] = { 0xAA };
        size_t length = 99;
        struct base_err err = { 0 };
        assert_int_equal(
            base_base64_decode(bad[i], strlen(bad[i]), sizeof(data), data, &length, &err),
            BASE_E_ARG);
        assert_int_equal(data[0], 0xAA);
        assert_int_equal(length, 99);
        assert_string_not_equal(err.message, "");
    }
    static const char *const bad_url[] = { "Zg==", "Z", "Zh", "Zm9+", "Zm9/", "Zm8=" };
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++) {
        uint8_t data[16];
        size_t length = 99;
        assert_int_equal(base_base64url_decode(
                             bad_url[i], strlen(bad_url[i]), sizeof(data), data, &length, NULL),
            BASE_E_ARG);
    }
}

static void refuses_more_than_fits(void **state)
{
    (void)state;
    uint8_t data[3];
    size_t length = 0;
    assert_int_equal(base_base64_decode("Zm9v", 4, 2, data, &length, NULL), BASE_E_ARG);
    assert_int_equal(base_base64_decode("Zm9v", 4, 3, data, &length, NULL), BASE_OK);
    assert_int_equal(length, 3);
}

/* RFC 4648 §10. */
static void gives_the_bytes_of_the_rfc(void **state)
{
    (void)state;

    static const struct {
        const char *plain, *padded, *url;
    } cases[] = { { "", "", "" }, { "f", "Zg==", "Zg" }, { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" }, { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" }, { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
        { "\xFB\xFF\xBF", "+/+/", "-_-_" } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t plain = strlen(cases[i].plain);
        char text[32];
        uint8_t data[32];
        size_t length = 99;
        base_base64_encode(cases[i].plain, plain, text);
        assert_string_equal(text, cases[i].padded);
        assert_true(strlen(text) < BASE_BASE64_SIZE(plain));
        assert_int_equal(
            base_base64_decode(text, strlen(text), plain, data, &length, NULL), BASE_OK);
        assert_int_equal(length, plain);
        assert_memory_equal(data, cases[i].plain, plain);
        base_base64url_encode(cases[i].plain, plain, text);
        assert_string_equal(text, cases[i].url);
        assert_int_equal(
            base_base64url_decode(text, strlen(text), plain, data, &length, NULL), BASE_OK);
        assert_memory_equal(data, cases[i].plain, plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_strict),
        cmocka_unit_test(refuses_more_than_fits),
        cmocka_unit_test(gives_the_bytes_of_the_rfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
