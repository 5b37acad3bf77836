/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/glitch/field.h"

#define WORD_BITS 13
#define WORD_MASK 0x1FFF

/* Carries from word to word; the last one is the answer. Negative words borrow. */
static int32_t carry(int32_t *words, unsigned count)
{
    int32_t over = 0;

    for (unsigned i = 0; i < count; i++) {
        over += words[i];
        words[i] = over & WORD_MASK;
        over >>= WORD_BITS;
    }
    return over;
}

static int32_t low_shifted(int32_t word, unsigned shift)
{
    return word * (1 << shift) & WORD_MASK;
}

/* 2^256 = 2^224 - 2^192 - 2^96 + 1 modulo p, word by word from the top. */
static void fold(int32_t product[2 * FIELD_WORDS])
{
    for (unsigned i = 2 * FIELD_WORDS - 1; i >= FIELD_WORDS; i--) {
        int32_t word = product[i];

        product[i - 2] += word >> 6;
        product[i - 3] += low_shifted(word, 7);
        product[i - 4] -= word >> 12;
        product[i - 5] -= low_shifted(word, 1);
        product[i - 12] -= word >> 4;
        product[i - 13] -= low_shifted(word, 9);
        product[i - 19] += word >> 9;
        product[i - 20] += low_shifted(word, 4);
    }
}

/* Add a multiple of 2^256 modulo p. */
static void add_top(int32_t *words, int32_t top)
{
    words[17] += top * 8;
    words[14] -= top * 1024;
    words[7] -= top * 32;
    words[0] += top;
}

void field_multiply(
    uint32_t d[FIELD_WORDS], const uint32_t a[FIELD_WORDS], const uint32_t b[FIELD_WORDS])
{
    int32_t product[2 * FIELD_WORDS];
    uint64_t sum = 0;
    int32_t top;

    for (unsigned i = 0; i < 2 * FIELD_WORDS; i++) {
        for (unsigned j = i < FIELD_WORDS ? 0 : i - FIELD_WORDS + 1; j <= i && j < FIELD_WORDS; j++)
            sum += (uint64_t)a[j] * b[i - j];
        product[i] = (int32_t)(sum & WORD_MASK);
        sum >>= WORD_BITS;
    }
    fold(product);
    top = carry(product, FIELD_WORDS) * 16 + (product[FIELD_WORDS - 1] >> 9);
    product[FIELD_WORDS - 1] &= 0x1FF;
    add_top(product, top);
    if (top < 0) { /* once p, so that it is not negative */
        add_top(product, -1);
        product[19] += 512;
    }
    (void)carry(product, FIELD_WORDS);
    for (unsigned i = 0; i < FIELD_WORDS; i++)
        d[i] = (uint32_t)product[i];
}
