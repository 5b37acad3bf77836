/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/rsa.h"

#include <string.h>

/* Numbers of 2048 bits, least significant word first. Simple rather than fast: nothing secret here,
 * and one verification is a few milliseconds. */

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

static struct number multiply(
    const struct number *a, const struct number *b, const struct number *n)
{
    struct number product = { { 0 } };
    for (unsigned bit = WORDS * 32; bit-- > 0;) {
        struct number twice = product;
        add_modulo(&product, &twice, n);
        if ((b->word[bit / 32] >> (bit % 32) & 1U) != 0)
            add_modulo(&product, a, n);
    }
    return product;
}

static struct number power(
    const struct number *base, const uint8_t *exponent, size_t length, const struct number *n)
{
    struct number result = { { 1 } };
    bool started = false;
    for (size_t bit = length * 8; bit-- > 0;) {
        if (started)
            result = multiply(&result, &result, n);
        if ((exponent[bit / 8] >> (bit % 8) & 1U) != 0) {
            result = multiply(&result, base, n);
            started = true;
        }
    }
    return result;
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
