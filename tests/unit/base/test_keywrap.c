/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/keywrap.h"
#include "tests/unit/vectors.h"

static void refuses_lengths(void **state)
{
    (void)state;
    uint8_t kek[33] = { 0 };
    uint8_t key[64] = { 0 };
    uint8_t out[80] = { 0xAA };
    struct base_err err = { 0 };
    assert_int_equal(base_keywrap_wrap(kek, 15, key, 16, out, &err), BASE_E_ARG);
    assert_int_equal(base_keywrap_wrap(kek, 33, key, 16, out, NULL), BASE_E_ARG);
    assert_int_equal(base_keywrap_wrap(kek, 16, key, 0, out, NULL), BASE_E_ARG);
    assert_int_equal(base_keywrap_wrap(kek, 16, key, 8, out, NULL), BASE_E_ARG);
    assert_int_equal(base_keywrap_wrap(kek, 16, key, 17, out, NULL), BASE_E_ARG);
    assert_int_equal(
        base_keywrap_wrap(kek, 16, key, BASE_KEYWRAP_KEY_MAX_BYTES + 8, out, NULL), BASE_E_ARG);
    assert_int_equal(base_keywrap_unwrap(kek, 16, key, 0, out, NULL), BASE_E_ARG);
    assert_int_equal(base_keywrap_unwrap(kek, 16, key, 7, out, NULL), BASE_E_ARG);
    assert_int_equal(base_keywrap_unwrap(kek, 16, key, 16, out, NULL), BASE_E_ARG);
    assert_int_equal(out[0], 0xAA);
    assert_string_not_equal(err.message, "");
}

static void check(const json_t *vector, size_t index)
{
    uint8_t kek[VECTOR_BYTES_MAX];
    uint8_t key[VECTOR_BYTES_MAX];
    uint8_t wrapped[VECTOR_BYTES_MAX];
    uint8_t out[VECTOR_BYTES_MAX + 8];
    size_t kek_length = vectors_hex(vector, "kek", kek);
    size_t key_length = vectors_hex(vector, "key", key);
    size_t wrapped_length = vectors_hex(vector, "wrapped", wrapped);
    bool valid = json_is_true(json_object_get(vector, "valid"));
    enum base_status status =
        base_keywrap_unwrap(kek, kek_length, wrapped, wrapped_length, out, NULL);
    if ((status == BASE_OK) != valid) {
        fail_msg("vector %zu (%s) fails: %s", index, vectors_text(vector, "source"),
            base_status_name(status));
    }
    if (valid) {
        assert_int_equal(key_length + 8, wrapped_length);
        assert_memory_equal(out, key, key_length);
        assert_int_equal(base_keywrap_wrap(kek, kek_length, key, key_length, out, NULL), BASE_OK);
        assert_memory_equal(out, wrapped, wrapped_length);
    }
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    json_t *file = vectors_load("key_wrap.json");
    size_t index;
    json_t *vector;
    json_array_foreach(vectors_list(file), index, vector)
    {
        check(vector, index);
    }
    print_message("%zu key wrap vectors\n", json_array_size(vectors_list(file)));
    json_decref(file);
}

static void any_changed_bit_is_found(void **state)
{
    (void)state;
    uint8_t kek[32] = { 1 };
    uint8_t key[16] = { 2 };
    uint8_t wrapped[24];
    uint8_t out[16];
    assert_int_equal(base_keywrap_wrap(kek, 32, key, 16, wrapped, NULL), BASE_OK);
    for (size_t bit = 0; bit < sizeof(wrapped) * 8; bit++) {
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
        memset(out, 0xAA, sizeof(out));
        assert_int_equal(base_keywrap_unwrap(kek, 32, wrapped, 24, out, NULL), BASE_E_VERIFY);
        assert_memory_equal(out, ((uint8_t[16]){ 0 }), 16);
        wrapped[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_lengths),
        cmocka_unit_test(agrees_with_the_vectors),
        cmocka_unit_test(any_changed_bit_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
