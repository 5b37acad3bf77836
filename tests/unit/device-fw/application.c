/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/application.h"

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include "base/hash.h"

void signer_init(struct signer *signer)
{
    size_t length = 0;

    signer->key = EVP_EC_gen("P-256");
    assert_non_null(signer->key);
    assert_int_equal(EVP_PKEY_get_octet_string_param(signer->key, "encoded-pub-key",
                         signer->public_key, sizeof(signer->public_key), &length),
        1);
    assert_int_equal(length, sizeof(signer->public_key));
    assert_int_equal(signer->public_key[0], 4);
}

/* A number below the group's order, from the signer's: its private key for no digest, a nonce for
 * one. */
static BIGNUM *fixed_scalar(const struct signer *signer, const uint8_t *digest, const BIGNUM *order)
{
    uint8_t seed[4 + PROTO_HASH_SIZE] = { 0 };
    uint8_t hash[PROTO_HASH_SIZE];
    BIGNUM *scalar = NULL;

    base_put_le32(seed, signer->number);
    if (digest != NULL)
        memcpy(seed + 4, digest, PROTO_HASH_SIZE);
    base_sha256(seed, sizeof(seed), hash);
    scalar = BN_bin2bn(hash, sizeof(hash), NULL);
    assert_non_null(scalar);
    assert_true(BN_cmp(scalar, order) < 0);
    return scalar;
}

/* 0x04, x, y of that many times the generator. */
static void multiply_base(const EC_GROUP *group, const BIGNUM *scalar, uint8_t *ret_point)
{
    EC_POINT *point = EC_POINT_new(group);

    assert_non_null(point);
    assert_int_equal(EC_POINT_mul(group, point, scalar, NULL, NULL, NULL), 1);
    assert_int_equal(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret_point,
                         PROTO_PUBLIC_KEY_SIZE, NULL),
        PROTO_PUBLIC_KEY_SIZE);
    EC_POINT_free(point);
}

void signer_init_fixed(struct signer *signer, uint32_t number)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BIGNUM *scalar = NULL;

    assert_non_null(group);
    signer->key = NULL;
    signer->number = number;
    scalar = fixed_scalar(signer, NULL, EC_GROUP_get0_order(group));
    multiply_base(group, scalar, signer->public_key);
    BN_free(scalar);
    EC_GROUP_free(group);
}

void signer_done(struct signer *signer)
{
    EVP_PKEY_free(signer->key);
}

/* FIPS 186-5 6.4.1 with a nonce that is no secret. */
static size_t sign_fixed(const struct signer *signer, const uint8_t digest[PROTO_HASH_SIZE],
    uint8_t ret_signature[PROTO_APPLICATION_SIGNATURE_MAX])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BN_CTX *context = BN_CTX_new();
    ECDSA_SIG *signature = ECDSA_SIG_new();
    uint8_t point[PROTO_PUBLIC_KEY_SIZE];

    assert_true(group != NULL && context != NULL && signature != NULL);
    const BIGNUM *order = EC_GROUP_get0_order(group);
    BIGNUM *nonce = fixed_scalar(signer, digest, order);
    BIGNUM *key = fixed_scalar(signer, NULL, order);
    BIGNUM *e = BN_bin2bn(digest, PROTO_HASH_SIZE, NULL);
    multiply_base(group, nonce, point);
    BIGNUM *r = BN_bin2bn(point + 1, 32, NULL);
    BIGNUM *s = BN_new();
    assert_true(e != NULL && r != NULL && s != NULL);
    assert_int_equal(BN_nnmod(r, r, order, context), 1);
    assert_int_equal(BN_mod_mul(s, r, key, order, context), 1);
    assert_int_equal(BN_mod_add(s, s, e, order, context), 1);
    assert_non_null(BN_mod_inverse(nonce, nonce, order, context));
    assert_int_equal(BN_mod_mul(s, s, nonce, order, context), 1);
    assert_int_equal(ECDSA_SIG_set0(signature, r, s), 1);
    int length = i2d_ECDSA_SIG(signature, &ret_signature);
    assert_true(length > 0);
    ECDSA_SIG_free(signature);
    BN_free(nonce);
    BN_free(key);
    BN_free(e);
    BN_CTX_free(context);
    EC_GROUP_free(group);
    return (size_t)length;
}

size_t signer_sign(const struct signer *signer, const uint8_t digest[PROTO_HASH_SIZE],
    uint8_t ret_signature[PROTO_APPLICATION_SIGNATURE_MAX])
{
    EVP_PKEY_CTX *context = NULL;
    size_t length = PROTO_APPLICATION_SIGNATURE_MAX;

    if (signer->key == NULL)
        return sign_fixed(signer, digest, ret_signature);
    context = EVP_PKEY_CTX_new(signer->key, NULL);
    assert_non_null(context);
    assert_int_equal(EVP_PKEY_sign_init(context), 1);
    assert_int_equal(EVP_PKEY_sign(context, ret_signature, &length, digest, PROTO_HASH_SIZE), 1);
    EVP_PKEY_CTX_free(context);
    return length;
}

void application_make(const struct signer *signer, uint32_t version, const void *program,
    size_t length, struct base_buf *ret_image)
{
    const struct proto_application application = { (uint32_t)length, version };
    struct proto_application_tlv tlv = { .signature_length = 0 };
    uint8_t header[PROTO_APPLICATION_HEADER_SIZE];
    uint8_t entries[PROTO_APPLICATION_TLV_MAX];

    proto_application_encode(&application, header);
    assert_int_equal(base_buf_append(ret_image, header, sizeof(header), NULL), BASE_OK);
    assert_int_equal(base_buf_append(ret_image, program, length, NULL), BASE_OK);
    base_sha256(ret_image->data, ret_image->length, tlv.digest);
    tlv.signature_length = signer_sign(signer, tlv.digest, tlv.signature);
    assert_int_equal(
        base_buf_append(ret_image, entries, proto_application_tlv_encode(&tlv, entries), NULL),
        BASE_OK);
}
