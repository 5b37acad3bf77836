/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/ecdsa.h"

#include "device-fw/protocol/bytes.h"

#include <bearssl.h>
#include <string.h>

#define LIMBS          8U
#define NUMBER_SIZE    32U
#define DER_SEQUENCE   0x30U
#define DER_INTEGER    0x02U
#define INVERSE_ROUNDS 1024U

/* Least significant limb first. */
struct number {
    uint32_t limb[LIMBS];
};

/* The group's order (FIPS 186-4, D.1.2.3). */
static const struct number order = { { 0xFC632551U, 0xF3B9CAC2U, 0xA7179E84U, 0xBCE6FAADU,
    0xFFFFFFFFU, 0xFFFFFFFFU, 0x00000000U, 0xFFFFFFFFU } };

static void from_bytes(const uint8_t bytes[NUMBER_SIZE], struct number *ret_number)
{
    const uint8_t *at = bytes;

    for (unsigned i = LIMBS; i-- > 0;)
        ret_number->limb[i] = proto_take_u32(&at);
}

static void to_bytes(const struct number *number, uint8_t ret_bytes[NUMBER_SIZE])
{
    uint8_t *at = ret_bytes;

    for (unsigned i = LIMBS; i-- > 0;)
        proto_put_u32(&at, number->limb[i]);
}

static bool is_below(const struct number *a, const struct number *b)
{
    for (unsigned i = LIMBS; i-- > 0;) {
        if (a->limb[i] != b->limb[i])
            return a->limb[i] < b->limb[i];
    }
    return false;
}

static bool is_value(const struct number *a, uint32_t value)
{
    uint32_t others = 0;

    for (unsigned i = 1; i < LIMBS; i++)
        others |= a->limb[i];
    return others == 0 && a->limb[0] == value;
}

static uint32_t add(struct number *a, const struct number *b)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < LIMBS; i++) {
        sum += (uint64_t)a->limb[i] + b->limb[i];
        a->limb[i] = (uint32_t)sum;
        sum >>= 32;
    }
    return (uint32_t)sum;
}

static uint32_t subtract(struct number *a, const struct number *b)
{
    uint32_t borrow = 0;

    for (unsigned i = 0; i < LIMBS; i++) {
        uint64_t difference = (uint64_t)a->limb[i] - b->limb[i] - borrow;

        a->limb[i] = (uint32_t)difference;
        borrow = (uint32_t)(difference >> 32) & 1U;
    }
    return borrow;
}

static void add_mod(struct number *a, const struct number *b)
{
    if (add(a, b) != 0 || !is_below(a, &order))
        (void)subtract(a, &order);
}

static void subtract_mod(struct number *a, const struct number *b)
{
    if (subtract(a, b) != 0)
        (void)add(a, &order);
}

static void multiply_mod(const struct number *a, const struct number *b, struct number *ret_product)
{
    struct number product = { { 0 } };

    for (unsigned bit = 32U * LIMBS; bit-- > 0;) {
        const struct number same = product;

        add_mod(&product, &same);
        if ((a->limb[bit / 32U] >> bit % 32U & 1U) != 0)
            add_mod(&product, b);
    }
    *ret_product = product;
}

static void halve(struct number *a, uint32_t top)
{
    for (unsigned i = 0; i + 1U < LIMBS; i++)
        a->limb[i] = a->limb[i] >> 1 | a->limb[i + 1U] << 31;
    a->limb[LIMBS - 1U] = a->limb[LIMBS - 1U] >> 1 | top << 31;
}

/* Halve until odd, and halve its factor with it, modulo the order. */
static void reduce(struct number *a, struct number *factor)
{
    while ((a->limb[0] & 1U) == 0 && !is_value(a, 0)) {
        halve(a, 0);
        halve(factor, (factor->limb[0] & 1U) != 0 ? add(factor, &order) : 0);
    }
}

/* Binary extended Euclid; the order is prime, and @p a is neither 0 nor above it. */
static bool invert(const struct number *a, struct number *ret_inverse)
{
    struct number u = *a;
    struct number v = order;
    struct number of_u = { { 1 } };
    struct number of_v = { { 0 } };

    for (unsigned i = 0; i < INVERSE_ROUNDS; i++) {
        reduce(&u, &of_u);
        reduce(&v, &of_v);
        if (is_value(&u, 1) || is_value(&v, 1)) {
            *ret_inverse = is_value(&u, 1) ? of_u : of_v;
            return true;
        }
        if (is_below(&u, &v)) {
            (void)subtract(&v, &u);
            subtract_mod(&of_v, &of_u);
        } else {
            (void)subtract(&u, &v);
            subtract_mod(&of_u, &of_v);
        }
    }
    return false;
}

/* One INTEGER in its shortest form, not negative, at most 32 bytes, from 1 to the order less 1. */
static bool take_integer(const uint8_t **at, const uint8_t *end, struct number *ret_number)
{
    uint8_t bytes[NUMBER_SIZE] = { 0 };
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
    if (length == 0 || length > NUMBER_SIZE)
        return false;
    memcpy(bytes + NUMBER_SIZE - length, value, length);
    from_bytes(bytes, ret_number);
    return !is_value(ret_number, 0) && is_below(ret_number, &order);
}

static bool take_signature(
    const uint8_t *signature, size_t length, struct number *ret_r, struct number *ret_s)
{
    const uint8_t *at = signature + 2;
    const uint8_t *end = signature + length;

    if (length < 8 || length > 72 || signature[0] != DER_SEQUENCE || signature[1] != length - 2)
        return false;
    return take_integer(&at, end, ret_r) && take_integer(&at, end, ret_s) && at == end;
}

/* u1 = z / s, u2 = r / s. */
static bool make_factors(const uint8_t digest[PROTO_HASH_SIZE], const struct number *r,
    const struct number *s, uint8_t ret_u1[NUMBER_SIZE], uint8_t ret_u2[NUMBER_SIZE])
{
    struct number inverse;
    struct number z;
    struct number u;

    from_bytes(digest, &z);
    if (!is_below(&z, &order))
        (void)subtract(&z, &order);
    if (is_value(&z, 0) || !invert(s, &inverse))
        return false;
    multiply_mod(&z, &inverse, &u);
    to_bytes(&u, ret_u1);
    multiply_mod(r, &inverse, &u);
    to_bytes(&u, ret_u2);
    return true;
}

/* The point's x, modulo the order, is r. A point that is still the public key was not computed:
 * a signer could have chosen r for it. */
static uint32_t compare(const uint8_t *point, const uint8_t *public_key, const struct number *r)
{
    uint8_t expected[NUMBER_SIZE];
    uint8_t found[NUMBER_SIZE];
    struct number x;

    from_bytes(point + 1, &x);
    if (!is_below(&x, &order))
        (void)subtract(&x, &order);
    to_bytes(&x, found);
    to_bytes(r, expected);
    if (proto_equal(point + 1, public_key + 1, NUMBER_SIZE))
        return BL_NO;
    return bl_hardened_equal(found, expected, sizeof(found));
}

uint32_t bl_ecdsa_verify(const uint8_t public_key[PROTO_PUBLIC_KEY_SIZE],
    const uint8_t digest[PROTO_HASH_SIZE], const uint8_t *signature, size_t length)
{
    uint8_t point[PROTO_PUBLIC_KEY_SIZE];
    uint8_t u1[NUMBER_SIZE];
    uint8_t u2[NUMBER_SIZE];
    struct number r;
    struct number s;

    if (!take_signature(signature, length, &r, &s) || !make_factors(digest, &r, &s, u1, u2))
        return BL_NO;
    memcpy(point, public_key, sizeof(point));
    if (br_ec_p256_m15.muladd(
            point, NULL, sizeof(point), u2, sizeof(u2), u1, sizeof(u1), BR_EC_secp256r1) != 1)
        return BL_NO;
    if (compare(point, public_key, &r) != BL_YES)
        return BL_NO;
    return compare(point, public_key, &r);
}
