/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vectors.h"

static const uint8_t secret[20] = "12345678901234567890";

static void test_bad_arguments(void **state)
{
    (void)state;
    char code[16];
    enum auth_totp_result result;
    uint64_t step;
    assert_int_equal(auth_totp_code(NULL, 20, 1, AUTH_TOTP_SHA1, 6, code, NULL), BASE_E_ARG);
    assert_int_equal(auth_totp_code(secret, 0, 1, AUTH_TOTP_SHA1, 6, code, NULL), BASE_E_ARG);
    assert_int_equal(auth_totp_code(secret, 20, 1, AUTH_TOTP_SHA1, 5, code, NULL), BASE_E_ARG);
    assert_int_equal(auth_totp_code(secret, 20, 1, AUTH_TOTP_SHA1, 9, code, NULL), BASE_E_ARG);
    assert_int_equal(
        auth_totp_code(secret, 20, UINT64_MAX, AUTH_TOTP_SHA1, 6, code, NULL), BASE_E_ARG);
    assert_int_equal(
        auth_totp_code(secret, 20, 1, (enum auth_totp_hash)9, 6, code, NULL), BASE_E_ARG);
    assert_int_equal(auth_totp_check(secret, 20, "123456", -1, &result, &step, NULL), BASE_E_ARG);
    assert_int_equal(auth_totp_check(NULL, 20, "123456", 0, &result, &step, NULL), BASE_E_ARG);
    assert_int_equal(auth_totp_base32(secret, 20, 32, code, NULL), BASE_E_ARG);
}

static void test_malformed_codes(void **state)
{
    (void)state;
    static const char *const codes[] = { NULL, "", "12345", "1234567", "12345a", " 12345", "-12345",
        "12 456" };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        enum auth_totp_result result = AUTH_TOTP_MATCH;
        uint64_t step = 7;
        assert_int_equal(
            auth_totp_check(secret, 20, codes[i], 1000, &result, &step, NULL), BASE_OK);
        assert_int_equal(result, AUTH_TOTP_WRONG);
        assert_int_equal(step, 7);
    }
}

static enum auth_totp_hash hash_of(const char *name)
{
    if (strcmp(name, "SHA256") == 0) {
        return AUTH_TOTP_SHA256;
    }
    return strcmp(name, "SHA512") == 0 ? AUTH_TOTP_SHA512 : AUTH_TOTP_SHA1;
}

static void test_vectors(void **state)
{
    (void)state;
    json_t *file = vectors_load("totp.json");
    json_t *list = vectors_list(file);
    size_t run = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *vector = json_array_get(list, i);
        static uint8_t key[VECTOR_BYTES_MAX];
        char code[9];
        size_t length = vectors_hex(vector, "secret_hex", key);
        uint64_t step = (uint64_t)vectors_int(vector, "counter");
        int64_t time = vectors_int(vector, "unix_time");
        int64_t period = vectors_int(vector, "period");
        if (vectors_text(vector, "otp")[0] == '\0' || (period != 0 && period != 30)) {
            continue;
        }
        if (json_object_get(vector, "unix_time") != NULL &&
            json_object_get(vector, "counter") != NULL) {
            assert_int_equal(step, time / 30);
        }
        assert_int_equal(
            auth_totp_code(key, length, step, hash_of(vectors_text(vector, "algorithm")),
                (unsigned)vectors_int(vector, "digits"), code, NULL),
            BASE_OK);
        assert_string_equal(code, vectors_text(vector, "otp"));
        run++;
    }
    print_message("%zu of %zu vectors\n", run, json_array_size(list));
    assert_true(run > 0);
    json_decref(file);
}

static void expect(int64_t now, int64_t of, enum auth_totp_result expected)
{
    char code[7];
    enum auth_totp_result result = 0;
    uint64_t step = 0;
    assert_int_equal(
        auth_totp_code(secret, 20, (uint64_t)(of / 30), AUTH_TOTP_SHA1, 6, code, NULL), BASE_OK);
    assert_int_equal(auth_totp_check(secret, 20, code, now, &result, &step, NULL), BASE_OK);
    assert_int_equal(result, expected);
    if (expected != AUTH_TOTP_WRONG) {
        assert_int_equal(step, of / 30);
    }
}

static void test_window(void **state)
{
    (void)state;
    const int64_t now = 1767225600; /* the first second of a step */
    expect(now, now, AUTH_TOTP_MATCH);
    expect(now + 29, now, AUTH_TOTP_MATCH);
    expect(now, now - 1, AUTH_TOTP_MATCH);
    expect(now, now - 30, AUTH_TOTP_MATCH);
    expect(now, now - 31, AUTH_TOTP_CLOCK_OFF);
    expect(now, now + 59, AUTH_TOTP_MATCH);
    expect(now, now + 60, AUTH_TOTP_CLOCK_OFF);
    expect(now, now - 600, AUTH_TOTP_CLOCK_OFF);
    expect(now, now - 601, AUTH_TOTP_WRONG);
    expect(now, now + 629, AUTH_TOTP_CLOCK_OFF);
    expect(now, now + 630, AUTH_TOTP_WRONG);
    expect(0, 0, AUTH_TOTP_MATCH);
    expect(10, 60, AUTH_TOTP_CLOCK_OFF);
}

static void test_base32(void **state)
{
    (void)state;
    char text[33];
    assert_int_equal(auth_totp_base32(secret, 20, sizeof(text), text, NULL), BASE_OK);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_int_equal(auth_totp_base32((const uint8_t *)"f", 1, sizeof(text), text, NULL), BASE_OK);
    assert_string_equal(text, "MY");
    assert_int_equal(
        auth_totp_base32((const uint8_t *)"foob", 4, sizeof(text), text, NULL), BASE_OK);
    assert_string_equal(text, "MZXW6YQ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_malformed_codes),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_base32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
