/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ECDSA verification of application images: what OpenSSL signs, and every way of not being that.
 *
 *     test_ecdsa [skipped]
 *
 * "skipped" is for a copy of the code in which one glitch was planted (meson.build).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "base/hash.h"
#include "device-fw/bootloader/ecdsa.h"
#include "tests/unit/device-fw/application.h"

#define ROUNDS 40U

static const uint8_t order[32] = { 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF,
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA,
    0xC2, 0xFC, 0x63, 0x25, 0x51 };

/* DER of two 33-byte integers with a leading zero, whatever they are. */
static size_t encode(const uint8_t r[32], const uint8_t s[32], uint8_t ret_der[72])
{
    const uint8_t *numbers[2] = { r, s };

    ret_der[0] = 0x30;
    ret_der[1] = 70;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *at = ret_der + 2 + 35 * i;

        at[0] = 2;
        at[1] = 33;
        at[2] = 0;
        memcpy(at + 3, numbers[i], 32);
    }
    return 72;
}

static void bad_signatures(void **state)
{
    uint8_t digest[32] = { 1 };
    uint8_t number[32];
    uint8_t der[72];
    struct signer signer;

    (void)state;
    signer_init(&signer);
    memset(number, 0xC0, sizeof(number));
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, 0), BL_NO);
    memset(der, 0, sizeof(der));
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, sizeof(der)), BL_NO);
    /* The order itself, for r and for s. */
    assert_int_equal(
        bl_ecdsa_verify(signer.public_key, digest, der, encode(order, number, der)), BL_NO);
    assert_int_equal(
        bl_ecdsa_verify(signer.public_key, digest, der, encode(number, order, der)), BL_NO);
    /* r as the public key has x: what a skipped computation would leave. */
    if ((signer.public_key[1] & 0x80) != 0)
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der,
                             encode(signer.public_key + 1, number, der)),
            BL_NO);
    /* Zero. */
    memcpy(der, "\x30\x06\x02\x01\x00\x02\x01\x01", 8);
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, 8), BL_NO);
    memcpy(der, "\x30\x06\x02\x01\x01\x02\x01\x00", 8);
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, 8), BL_NO);
    memcpy(der, "\x30\x06\x02\x01\x01\x02\x01\x01", 8);
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, 8), BL_NO);
    signer_done(&signer);
}

/* The same two numbers in other forms that a reader of BER would take. */
static void only_the_shortest_form(void **state)
{
    static const uint8_t one[32] = { 0xC0, 1 };
    uint8_t digest[32] = { 1 };
    uint8_t der[80];
    struct signer signer;
    uint8_t signature[PROTO_APPLICATION_SIGNATURE_MAX];
    size_t length;

    (void)state;
    signer_init(&signer);
    do
        length = signer_sign(&signer, digest, signature);
    while (length > 71);
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length), BL_YES);
    /* A length in two bytes. */
    memcpy(der, "\x30\x81", 2);
    memcpy(der + 2, signature + 1, length - 1);
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, length + 1), BL_NO);
    /* A zero too many before r. */
    memcpy(der, signature, 4);
    der[1]++;
    der[3]++;
    der[4] = 0;
    memcpy(der + 5, signature + 4, length - 4);
    if (signature[4] != 0)
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, length + 1), BL_NO);
    /* Negative numbers. */
    length = encode(one, one, der);
    for (size_t i = 4; i + 1 < length; i++)
        der[i] = der[i + 1];
    der[1]--;
    der[3]--;
    assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, der, length - 1), BL_NO);
    signer_done(&signer);
}

/* A signature without the key, for a verifier whose second factor is its first one: any s, and r =
 * x of z/s * (G + public key). */
static size_t forge(const uint8_t *public_key, const uint8_t digest[32], uint8_t ret_der[72])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = EC_POINT_new(group);
    BN_CTX *context = BN_CTX_new();
    BIGNUM *s = BN_new();
    BIGNUM *u = BN_new();
    BIGNUM *r = BN_new();
    uint8_t r_bytes[32];
    uint8_t s_bytes[32];
    const BIGNUM *n = EC_GROUP_get0_order(group);

    do {
        assert_true(BN_rand_range(s, n) == 1 && BN_mod_inverse(u, s, n, context) != NULL);
        assert_non_null(BN_bin2bn(digest, 32, r));
        assert_true(BN_mod_mul(u, u, r, n, context) == 1);
        assert_true(
            EC_POINT_oct2point(group, point, public_key, PROTO_PUBLIC_KEY_SIZE, context) == 1);
        assert_true(EC_POINT_mul(group, point, u, point, u, context) == 1);
        assert_true(EC_POINT_get_affine_coordinates(group, point, r, NULL, context) == 1);
        assert_true(BN_nnmod(r, r, n, context) == 1);
    } while (BN_num_bits(r) < 256 || BN_num_bits(s) < 256);
    assert_int_equal(BN_bn2binpad(r, r_bytes, 32), 32);
    assert_int_equal(BN_bn2binpad(s, s_bytes, 32), 32);
    BN_free(s);
    BN_free(u);
    BN_free(r);
    BN_CTX_free(context);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return encode(r_bytes, s_bytes, ret_der);
}

static void forged_for_a_skipped_division(void **state)
{
    uint8_t digest[32] = { 1 };
    uint8_t der[72];
    struct signer signer;

    (void)state;
    signer_init(&signer);
    assert_int_equal(
        bl_ecdsa_verify(signer.public_key, digest, der, forge(signer.public_key, digest, der)),
        BL_NO);
    signer_done(&signer);
}

static void what_openssl_signs(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t signature[PROTO_APPLICATION_SIGNATURE_MAX + 1];
        uint8_t digest[32];
        struct signer signer;
        size_t length;

        signer_init(&signer);
        base_sha256(&round, sizeof(round), digest);
        length = signer_sign(&signer, digest, signature);
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length), BL_YES);
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length - 1), BL_NO);
        signature[length] = 0;
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length + 1), BL_NO);
        /* Each byte counts, one wrong bit of a few in each round. */
        for (size_t at = round % 7; at < length; at += 7) {
            signature[at] ^= 4;
            assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length), BL_NO);
            signature[at] ^= 4;
        }
        digest[round % 32] ^= 1;
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length), BL_NO);
        digest[round % 32] ^= 1;
        signer.public_key[64] ^= 1; /* off the curve */
        assert_int_equal(bl_ecdsa_verify(signer.public_key, digest, signature, length), BL_NO);
        signer_done(&signer);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_signatures),
        cmocka_unit_test(only_the_shortest_form),
        cmocka_unit_test(forged_for_a_skipped_division),
        cmocka_unit_test(what_openssl_signs),
    };
    const struct CMUnitTest glitched[] = {
        cmocka_unit_test(forged_for_a_skipped_division),
    };

    if (argc > 1 && strcmp(argv[1], "skipped") == 0)
        return cmocka_run_group_tests(glitched, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
