/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "base/p256.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* RFC 5903 §8.1: two keys and their shared secret. */
static const char i_hex[] = "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433";
static const char i_point_hex[] =
    "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3"
    "e59ab1f45b33accf5f58389e0577b8990bb3";
static const char r_hex[] = "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53";
static const char shared_hex[] = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de";

static struct base_p256 *key_of(const char *hex)
{
    uint8_t scalar[32];
    struct base_p256 *key = NULL;
    assert_int_equal(base_hex_decode(hex, 32, scalar, NULL), BASE_OK);
    assert_int_equal(base_p256_from_scalar(scalar, &key, NULL), BASE_OK);
    return key;
}

static void refuses_bad_scalars(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t scalar[32];
        struct base_p256 *key = NULL;
        struct base_err err = { 0 };
        assert_int_equal(base_hex_decode(bad[i], 32, scalar, NULL), BASE_OK);
        assert_int_equal(base_p256_from_scalar(scalar, &key, &err), BASE_E_ARG);
        assert_null(key);
        assert_string_not_equal(err.message, "");
    }
    struct base_p256 *key = NULL;
    assert_int_equal(base_p256_derive((const uint8_t *)"short", 5, &key, NULL), BASE_E_ARG);
    base_p256_free(NULL);
}

static void refuses_points_off_the_curve(void **state)
{
    (void)state;
    struct base_p256 *key = key_of(i_hex);
    uint8_t point[65];
    uint8_t x[32] = { 0xAA };
    struct base_err err = { 0 };
    base_p256_public(key, point);
    assert_int_equal(base_p256_check_point(point, NULL), BASE_OK);
    for (size_t bit = 0; bit < sizeof(point) * 8; bit++) {
        point[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(base_p256_check_point(point, NULL), BASE_E_VERIFY);
        assert_int_equal(base_p256_ecdh(key, point, x, &err), BASE_E_VERIFY);
        point[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memset(point, 0, sizeof(point));
    assert_int_equal(base_p256_check_point(point, NULL), BASE_E_VERIFY); /* infinity */
    point[0] = 4;
    assert_int_equal(base_p256_check_point(point, NULL), BASE_E_VERIFY);
    memset(point + 1, 0xFF, 64); /* coordinates beyond the field */
    assert_int_equal(base_p256_check_point(point, NULL), BASE_E_VERIFY);
    assert_int_equal(x[0], 0xAA);
    base_p256_free(key);
}

static void ecdh_known_answer(void **state)
{
    (void)state;
    struct base_p256 *i = key_of(i_hex);
    struct base_p256 *r = key_of(r_hex);
    uint8_t point[65];
    uint8_t x[32];
    char text[131];
    base_p256_public(i, point);
    base_hex_encode(point, 65, text);
    assert_string_equal(text, i_point_hex);
    assert_int_equal(base_p256_ecdh(r, point, x, NULL), BASE_OK);
    base_hex_encode(x, 32, text);
    assert_string_equal(text, shared_hex);
    base_p256_public(r, point);
    assert_int_equal(base_p256_ecdh(i, point, x, NULL), BASE_OK);
    base_hex_encode(x, 32, text);
    assert_string_equal(text, shared_hex);
    base_p256_free(i);
    base_p256_free(r);
}

static void files_round_trip(void **state)
{
    (void)state;
    char folder[] = "/tmp/lpa-p256-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/key.pem", folder);
    struct base_p256 *key = key_of(i_hex);
    struct base_p256 *again = NULL;
    uint8_t point[65];
    uint8_t other[65];
    struct stat info;
    assert_int_equal(base_p256_load(path, &again, NULL), BASE_E_NOTFOUND);
    assert_int_equal(base_p256_store(key, path, NULL), BASE_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(base_p256_load(path, &again, NULL), BASE_OK);
    base_p256_public(key, point);
    base_p256_public(again, other);
    assert_memory_equal(point, other, sizeof(point));
    base_p256_free(again);
    again = NULL;
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(base_p256_load(path, &again, NULL), BASE_E_CONFIG);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 60), 0);
    struct base_err err = { 0 };
    assert_int_equal(base_p256_load(path, &again, &err), BASE_E_CONFIG);
    assert_non_null(strstr(err.message, path));
    assert_null(again);
    base_p256_free(key);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void public_text_round_trips(void **state)
{
    (void)state;
    struct base_p256 *key = key_of(i_hex);
    uint8_t point[65];
    uint8_t other[65];
    char pem[BASE_P256_PEM_SIZE];
    char spaced[BASE_P256_PEM_SIZE + 8];
    base_p256_public(key, point);
    assert_int_equal(base_p256_format_public(point, pem, NULL), BASE_OK);
    assert_int_equal(base_p256_parse_public(pem, strlen(pem), other, NULL), BASE_OK);
    assert_memory_equal(point, other, sizeof(point));
    (void)snprintf(spaced, sizeof(spaced), " \n%s \r\n", i_point_hex);
    assert_int_equal(base_p256_parse_public(spaced, strlen(spaced), other, NULL), BASE_OK);
    assert_memory_equal(point, other, sizeof(point));
    assert_int_equal(base_p256_parse_public("", 0, other, NULL), BASE_E_CONFIG);
    assert_int_equal(base_p256_parse_public(pem, strlen(pem) / 2, other, NULL), BASE_E_CONFIG);
    spaced[10] ^= 1;
    assert_int_equal(base_p256_parse_public(spaced, strlen(spaced), other, NULL), BASE_E_VERIFY);
    point[64] ^= 1;
    assert_int_equal(base_p256_format_public(point, pem, NULL), BASE_E_VERIFY);
    base_p256_free(key);
}

/* Shortest form: no leading zero but the one that keeps a number positive (X.690 8.3). */
static void raw_signatures_become_der(void **state)
{
    (void)state;
    static const uint8_t expected[] = { 0x30, 0x26, 0x02, 0x21, 0x00, 0x80 };
    uint8_t raw[64] = { 0x80 };
    uint8_t der[BASE_P256_SIGNATURE_MAX];
    size_t length = 0;
    raw[63] = 0x7F;
    assert_int_equal(base_p256_signature_der(raw, der, &length, NULL), BASE_OK);
    assert_int_equal(length, 40);
    assert_memory_equal(der, expected, sizeof(expected));
    assert_int_equal(der[37], 2);
    assert_int_equal(der[38], 1);
    assert_int_equal(der[39], 0x7F);
    memset(raw, 0xFF, sizeof(raw));
    assert_int_equal(base_p256_signature_der(raw, der, &length, NULL), BASE_OK);
    assert_int_equal(length, BASE_P256_SIGNATURE_MAX);
}

static void signatures_are_verified(void **state)
{
    (void)state;
    struct base_p256 *key = key_of(i_hex);
    uint8_t point[65];
    uint8_t digest[32] = { 7 };
    uint8_t signature[BASE_P256_SIGNATURE_MAX];
    size_t length = 0;
    base_p256_public(key, point);
    assert_int_equal(base_p256_sign(key, digest, signature, &length, NULL), BASE_OK);
    assert_int_equal(base_p256_verify(point, digest, signature, length, NULL), BASE_OK);
    for (size_t i = 0; i < length; i++) {
        signature[i] ^= 1;
        assert_int_equal(base_p256_verify(point, digest, signature, length, NULL), BASE_E_VERIFY);
        signature[i] ^= 1;
        assert_int_equal(base_p256_verify(point, digest, signature, i, NULL), BASE_E_VERIFY);
    }
    digest[31] ^= 1;
    assert_int_equal(base_p256_verify(point, digest, signature, length, NULL), BASE_E_VERIFY);
    point[64] ^= 1;
    assert_int_equal(base_p256_verify(point, digest, signature, length, NULL), BASE_E_VERIFY);
    base_p256_free(key);
}

static void generated_keys_differ(void **state)
{
    (void)state;
    struct base_p256 *a = NULL;
    struct base_p256 *b = NULL;
    uint8_t x[65];
    uint8_t y[65];
    assert_int_equal(base_p256_generate(NULL, &a, NULL), BASE_E_ARG);
    assert_int_equal(base_p256_generate(base_random_system(), &a, NULL), BASE_OK);
    assert_int_equal(base_p256_generate(base_random_system(), &b, NULL), BASE_OK);
    base_p256_public(a, x);
    base_p256_public(b, y);
    assert_memory_not_equal(x, y, sizeof(x));
    base_p256_free(a);
    base_p256_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_scalars),
        cmocka_unit_test(refuses_points_off_the_curve),
        cmocka_unit_test(ecdh_known_answer),
        cmocka_unit_test(files_round_trip),
        cmocka_unit_test(public_text_round_trips),
        cmocka_unit_test(raw_signatures_become_der),
        cmocka_unit_test(signatures_are_verified),
        cmocka_unit_test(generated_keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
