/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/rsa.h"

#include <string.h>

/* Numbers of 2048 bits, least significant word first. Nothing here is secret. */

#define WORDS (SIM_RSA_BYTES / 4)

struct number {
    uint32_t word[WORDS];
};

static struct number from_little_endian(const uint8_t bytes[SIM_RSA_BYTES])
{
    struct number n;
    for (unsigned i = 0; i < WORDS; i++)
        n.word[i] = (uint32_t)bytes[i * 4] | (uint32_t)bytes[i * 4 + 1] << 8 |
                    (uint32_t)bytes[i * 4 + 2] << 16 | (uint32_t)bytes[i * 4 + 3] << 24;
    return n;
}

static bool less(const struct number *a, const struct number *b)
{
    for (unsigned i = WORDS; i-- > 0;) {
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i];
    }
    return false;
}

static void subtract(struct number *a, const struct number *b)
{
    uint64_t borrow = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t wide = (uint64_t)a->word[i] - b->word[i] - borrow;
        a->word[i] = (uint32_t)wide;
        borrow = wide >> 63;
    }
}

/* a = (a + b) mod n; both below n. */
static void add_modulo(struct number *a, const struct number *b, const struct number *n)
{
    uint64_t carry = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        carry += (uint64_t)a->word[i] + b->word[i];
        a->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0 || !less(a, n))
        subtract(a, n);
}

/* Montgomery: a * b / 2^2048 mod n (Koc, Acar, Kaliski 1996, the CIOS method). @p inverse is
 * -1 / n mod 2^32. */
static struct number multiply(
    const struct number *a, const struct number *b, const struct number *n, uint32_t inverse)
{
    uint32_t t[WORDS + 2] = { 0 };
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; j < WORDS; j++) {
            carry += (uint64_t)a->word[j] * b->word[i] + t[j];
            t[j] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[WORDS];
        t[WORDS] = (uint32_t)carry;
        t[WORDS + 1] = (uint32_t)(carry >> 32);
        uint32_t m = t[0] * inverse;
        carry = ((uint64_t)m * n->word[0] + t[0]) >> 32;
        for (unsigned j = 1; j < WORDS; j++) {
            carry += (uint64_t)m * n->word[j] + t[j];
            t[j - 1] = (uint32_t)carry;
            carry >>= 32;
        }
        carry += t[WORDS];
        t[WORDS - 1] = (uint32_t)carry;
        t[WORDS] = t[WORDS + 1] + (uint32_t)(carry >> 32);
    }
    struct number product;
    memcpy(product.word, t, sizeof(product.word));
    if (t[WORDS] != 0 || !less(&product, n))
        subtract(&product, n);
    return product;
}

static uint32_t negative_inverse(uint32_t odd)
{
    uint32_t inverse = 1;
    for (unsigned i = 0; i < 5; i++) /* Newton: the number of right bits doubles */
        inverse *= 2 - odd * inverse;
    return ~inverse + 1;
}

static struct number power(
    const struct number *base, const uint8_t *exponent, size_t length, const struct number *n)
{
    uint32_t inverse = negative_inverse(n->word[0]);
    struct number one = { { 1 } };
    struct number shifted = *base; /* base * 2^2048 mod n */
    struct number result = one;    /* 2^2048 mod n: one in this form */
    for (unsigned bit = 0; bit < WORDS * 32; bit++) {
        struct number twice = shifted;
        add_modulo(&shifted, &twice, n);
        twice = result;
        add_modulo(&result, &twice, n);
    }
    bool started = false;
    for (size_t bit = length * 8; bit-- > 0;) {
        if (started)
            result = multiply(&result, &result, n, inverse);
        if ((exponent[bit / 8] >> (bit % 8) & 1U) != 0) {
            result = multiply(&result, &shifted, n, inverse);
            started = true;
        }
    }
    return multiply(&result, &one, n, inverse);
}

bool sim_rsa_verify(const uint8_t modulus[SIM_RSA_BYTES], const uint8_t *exponent,
    size_t exponent_length, const uint8_t signature[SIM_RSA_BYTES], const uint8_t digest[32])
{
    /* DigestInfo of SHA-256, RFC 8017 §9.2 note 1 */
    static const uint8_t info[19] = { 0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
    uint8_t reversed[SIM_RSA_BYTES];
    uint8_t expected[SIM_RSA_BYTES];
    for (unsigned i = 0; i < SIM_RSA_BYTES; i++)
        reversed[i] = signature[SIM_RSA_BYTES - 1 - i];
    struct number n = from_little_endian(modulus);
    struct number s = from_little_endian(reversed);
    if (n.word[WORDS - 1] >> 31 == 0 || (n.word[0] & 1U) == 0 || !less(&s, &n))
        return false;
    struct number message = power(&s, exponent, exponent_length, &n);
    memset(expected, 0xFF, sizeof(expected));
    expected[0] = 0;
    expected[1] = 1;
    expected[SIM_RSA_BYTES - 52] = 0;
    memcpy(expected + SIM_RSA_BYTES - 51, info, sizeof(info));
    memcpy(expected + SIM_RSA_BYTES - 32, digest, 32);
    for (unsigned i = 0; i < SIM_RSA_BYTES; i++) {
        unsigned from_end = SIM_RSA_BYTES - 1 - i;
        if ((uint8_t)(message.word[from_end / 4] >> (from_end % 4 * 8)) != expected[i])
            return false;
    }
    return true;
}
