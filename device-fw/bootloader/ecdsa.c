/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BearSSL's own verification answers 0 or 1, which one disturbed instruction turns round, and doing
 * it twice costs more than a boot may. So this is its building blocks, with an answer that is
 * decided twice, from the bytes that the point was made of.
 *
 * What this does not see: a fault within the one muladd, for which a signer made the signature. A
 * second muladd would, and costs 35 M cycles more, of 45 M that a new image may take.
 */
#include "device-fw/bootloader/ecdsa.h"

#include "device-fw/protocol/bytes.h"

#include <bearssl.h>
#include <inner.h>
#include <string.h>

#define NUMBER_SIZE  32U
#define WORDS        19U /* a length, and 18 words of 15 bits */
#define DER_SEQUENCE 0x30U
#define DER_INTEGER  0x02U

/* A number modulo the group's order, in BearSSL's form. */
struct number {
    uint16_t word[WORDS];
};

struct verification {
    struct number order;
    struct number r;
    struct number s;
    struct number z; /**< the digest */
    uint16_t n0i;    /**< -1 / order modulo 2^15 */
    uint8_t r_bytes[NUMBER_SIZE];
    uint8_t u1[NUMBER_SIZE]; /**< z / s */
    uint8_t u2[NUMBER_SIZE]; /**< r / s */
    uint8_t point[PROTO_PUBLIC_KEY_SIZE];
};

/* One INTEGER in its shortest form, not negative, at most 32 bytes. */
static bool take_integer(const uint8_t **at, const uint8_t *end, uint8_t ret_bytes[NUMBER_SIZE])
{
    const uint8_t *value = *at + 2;
    size_t length;

    if (end - *at < 3 || (*at)[0] != DER_INTEGER || (*at)[1] == 0 || (*at)[1] > end - value)
        return false;
    length = (*at)[1];
    *at = value + length;
    if ((value[0] & 0x80U) != 0 || (value[0] == 0 && length > 1 && (value[1] & 0x80U) == 0))
        return false;
    if (value[0] == 0) {
        value++;
        length--;
    }
    if (length > NUMBER_SIZE)
        return false;
    memset(ret_bytes, 0, NUMBER_SIZE - length);
    memcpy(ret_bytes + NUMBER_SIZE - length, value, length);
    return true;
}

/* From 1 to the order less 1. */
static bool decode(const struct number *order, const uint8_t *bytes, struct number *ret_number)
{
    return br_i15_decode_mod(ret_number->word, bytes, NUMBER_SIZE, order->word) == 1 &&
           br_i15_iszero(ret_number->word) == 0;
}

static bool take_signature(const uint8_t *signature, size_t length, struct verification *v)
{
    const uint8_t *at = signature + 2;
    const uint8_t *end = signature + length;
    uint8_t s[NUMBER_SIZE];

    if (length < 8 || length > 72 || signature[0] != DER_SEQUENCE || signature[1] != length - 2)
        return false;
    return take_integer(&at, end, v->r_bytes) && take_integer(&at, end, s) && at == end &&
           decode(&v->order, v->r_bytes, &v->r) && decode(&v->order, s, &v->s);
}

/* 32 bytes modulo the order, which any of them are below twice. */
static void reduce(const struct number *order, const uint8_t *bytes, struct number *ret_number)
{
    uint16_t *word = ret_number->word;

    br_i15_zero(word, order->word[0]);
    br_i15_decode(word, bytes, NUMBER_SIZE);
    word[0] = order->word[0];
    (void)br_i15_sub(word, order->word, br_i15_sub(word, order->word, 0) ^ 1U);
}

static bool divide(
    const struct verification *v, const struct number *dividend, uint8_t ret_bytes[NUMBER_SIZE])
{
    uint16_t space[3 * WORDS];
    struct number quotient = *dividend;

    if (br_i15_moddiv(quotient.word, v->s.word, v->order.word, v->n0i, space) != 1)
        return false;
    br_i15_encode(ret_bytes, NUMBER_SIZE, quotient.word);
    return true;
}

/* Is quotient * s the dividend? */
static uint32_t check_quotient(
    const struct verification *v, const uint8_t *quotient, const struct number *dividend)
{
    const uint16_t *order = v->order.word;
    struct number expected = *dividend;
    struct number product = { { 0 } };
    struct number factor;

    if (!decode(&v->order, quotient, &factor))
        return BL_NO;
    br_i15_from_monty(expected.word, order, v->n0i);
    br_i15_montymul(product.word, factor.word, v->s.word, order, v->n0i);
    return bl_hardened_equal(product.word, expected.word, sizeof(product));
}

/* The point's x, modulo the order, is r. A point that is still the public key was not computed, and
 * of a factor that was not, a signer could have known the value: it could have chosen r for them.
 */
static uint32_t decide(const struct verification *v, const uint8_t *public_key)
{
    uint8_t found[NUMBER_SIZE];
    struct number x;

    if (proto_equal(v->point + 1, public_key + 1, NUMBER_SIZE) ||
        check_quotient(v, v->u1, &v->z) != BL_YES || check_quotient(v, v->u2, &v->r) != BL_YES)
        return BL_NO;
    reduce(&v->order, v->point + 1, &x);
    br_i15_encode(found, sizeof(found), x.word);
    return bl_hardened_equal(found, v->r_bytes, sizeof(found));
}

static bool prepare(
    struct verification *v, const uint8_t *digest, const uint8_t *signature, size_t length)
{
    memset(v, 0, sizeof(*v));
    br_i15_decode(v->order.word, br_secp256r1.order, br_secp256r1.order_len);
    v->n0i = br_i15_ninv15(v->order.word[1]);
    reduce(&v->order, digest, &v->z);
    return br_i15_iszero(v->z.word) == 0 && take_signature(signature, length, v) &&
           divide(v, &v->z, v->u1) && divide(v, &v->r, v->u2);
}

uint32_t bl_ecdsa_verify(const uint8_t public_key[PROTO_PUBLIC_KEY_SIZE],
    const uint8_t digest[PROTO_HASH_SIZE], const uint8_t *signature, size_t length)
{
    struct verification v;

    if (!prepare(&v, digest, signature, length))
        return BL_NO;
    memcpy(v.point, public_key, sizeof(v.point));
    if (br_ec_p256_m15.muladd(v.point, NULL, sizeof(v.point), v.u2, sizeof(v.u2), v.u1,
            sizeof(v.u1), BR_EC_secp256r1) != 1)
        return BL_NO;
    if (decide(&v, public_key) != BL_YES)
        return BL_NO;
    return decide(&v, public_key);
}
