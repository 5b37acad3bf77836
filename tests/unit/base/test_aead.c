/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/aead.h"

static const uint8_t key[32] = { 7 };
static const uint8_t nonce[12] = { 9 };

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct base_aead_opts opts = { (enum base_aead)9, key, nonce, NULL, 0 };
    uint8_t out[32] = { 0xAA };
    struct base_err err = { 0 };
    assert_int_equal(base_aead_seal(&opts, "x", 1, out, &err), BASE_E_ARG);
    assert_int_equal(base_aead_key_bytes((enum base_aead)9), 0);
    opts.aead = BASE_AEAD_AES_128_GCM;
    opts.aad_length = 1;
    assert_int_equal(base_aead_seal(&opts, "x", 1, out, NULL), BASE_E_ARG);
    opts.aad_length = 0;
    opts.key = NULL;
    assert_int_equal(base_aead_seal(&opts, "x", 1, out, NULL), BASE_E_ARG);
    opts.key = key;
    assert_int_equal(base_aead_open(&opts, out, 15, out, NULL), BASE_E_VERIFY);
    assert_int_equal(out[0], 0xAA);
}

static void round_trip_and_every_flipped_bit(void **state)
{
    (void)state;

    static const enum base_aead all[] = { BASE_AEAD_AES_128_GCM, BASE_AEAD_AES_256_GCM,
        BASE_AEAD_CHACHA20_POLY1305 };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct base_aead_opts opts = { all[i], key, nonce, "head", 4 };
        uint8_t sealed[5 + BASE_AEAD_TAG_BYTES];
        uint8_t opened[5];
        assert_int_equal(base_aead_seal(&opts, "hello", 5, sealed, NULL), BASE_OK);
        assert_memory_not_equal(sealed, "hello", 5);
        assert_int_equal(base_aead_open(&opts, sealed, sizeof(sealed), opened, NULL), BASE_OK);
        assert_memory_equal(opened, "hello", 5);
        for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(
                base_aead_open(&opts, sealed, sizeof(sealed), opened, NULL), BASE_E_VERIFY);
            assert_memory_equal(opened, "\0\0\0\0\0", 5);
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        opts.aad = "Head";
        assert_int_equal(
            base_aead_open(&opts, sealed, sizeof(sealed), opened, NULL), BASE_E_VERIFY);
    }
}

static void empty_message(void **state)
{
    (void)state;
    struct base_aead_opts opts = { BASE_AEAD_AES_128_GCM, key, nonce, NULL, 0 };
    uint8_t tag[BASE_AEAD_TAG_BYTES];
    assert_int_equal(base_aead_seal(&opts, NULL, 0, tag, NULL), BASE_OK);
    assert_int_equal(base_aead_open(&opts, tag, sizeof(tag), NULL, NULL), BASE_OK);
    tag[0] ^= 1;
    assert_int_equal(base_aead_open(&opts, tag, sizeof(tag), NULL, NULL), BASE_E_VERIFY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(round_trip_and_every_flipped_bit),
        cmocka_unit_test(empty_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
