/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/aes.h"

#include <stdbool.h>
#include <string.h>

#define MAX_WORDS 60U /* 4 * (14 rounds + 1) */

struct schedule {
    uint8_t sbox[256];
    uint8_t inverse_sbox[256];
    uint8_t word[MAX_WORDS][4];
    unsigned words;
};

static uint8_t rotate(uint8_t value, unsigned count)
{
    return (uint8_t)(value << count | value >> (8 - count));
}

static uint8_t twice(uint8_t value)
{
    return (uint8_t)((uint32_t)value << 1 ^ ((value & 0x80U) != 0 ? 0x1BU : 0));
}

static uint8_t multiply(uint8_t a, uint8_t b)
{
    uint8_t result = 0;
    for (; b != 0; b >>= 1, a = twice(a)) {
        if ((b & 1U) != 0)
            result ^= a;
    }
    return result;
}

/* p runs through all non-zero elements as powers of 3, q through their inverses. */
static void make_sbox(struct schedule *schedule)
{
    uint8_t p = 1;
    uint8_t q = 1;
    do {
        p = (uint8_t)(p ^ twice(p));
        q = multiply(q, 0xF6);
        uint8_t s = (uint8_t)(q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63);
        schedule->sbox[p] = s;
        schedule->inverse_sbox[s] = p;
    } while (p != 1);
    schedule->sbox[0] = 0x63;
    schedule->inverse_sbox[0x63] = 0;
}

/* What word i - 1 contributes to word i. */
static void step(
    const struct schedule *schedule, unsigned i, unsigned key_words, uint8_t ret_word[4])
{
    const uint8_t *before = schedule->word[i - 1];
    bool turn = i % key_words == 0;
    for (unsigned k = 0; k < 4; k++) {
        uint8_t byte = before[turn ? (k + 1) % 4 : k];
        ret_word[k] = turn || (key_words > 6 && i % key_words == 4) ? schedule->sbox[byte] : byte;
    }
    if (turn) {
        uint8_t constant = 1;
        for (unsigned round = 1; round < i / key_words; round++)
            constant = twice(constant);
        ret_word[0] ^= constant;
    }
}

static void expand(struct schedule *schedule, const uint8_t *key, unsigned key_words)
{
    make_sbox(schedule);
    schedule->words = 4 * (key_words + 7);
    memcpy(schedule->word, key, (size_t)key_words * 4);
    for (unsigned i = key_words; i < schedule->words; i++) {
        uint8_t add[4];
        step(schedule, i, key_words, add);
        for (unsigned k = 0; k < 4; k++)
            schedule->word[i][k] = schedule->word[i - key_words][k] ^ add[k];
    }
}

static void expand_backwards(struct schedule *schedule, const uint8_t *inverse, unsigned key_words)
{
    make_sbox(schedule);
    schedule->words = 4 * (key_words + 7);
    memcpy(schedule->word[schedule->words - key_words], inverse, (size_t)key_words * 4);
    for (unsigned i = schedule->words - 1; i >= key_words; i--) {
        uint8_t add[4];
        step(schedule, i, key_words, add);
        for (unsigned k = 0; k < 4; k++)
            schedule->word[i - key_words][k] = schedule->word[i][k] ^ add[k];
    }
}

static void add_round_key(const struct schedule *schedule, unsigned round, uint8_t state[16])
{
    for (unsigned i = 0; i < 16; i++)
        state[i] ^= schedule->word[round * 4 + i / 4][i % 4];
}

/* Byte substitution and row shift together; @p inverse undoes both. */
static void substitute(const struct schedule *schedule, bool inverse, uint8_t state[16])
{
    uint8_t from[16];
    memcpy(from, state, sizeof(from));
    for (unsigned i = 0; i < 16; i++) {
        unsigned row = i % 4;
        unsigned source = (i + (inverse ? 16 - 4 * row : 4 * row)) % 16;
        state[i] = inverse ? schedule->inverse_sbox[from[source]] : schedule->sbox[from[source]];
    }
}

static void mix_columns(const uint8_t factors[4], uint8_t state[16])
{
    for (unsigned column = 0; column < 16; column += 4) {
        uint8_t from[4];
        memcpy(from, state + column, 4);
        for (unsigned i = 0; i < 4; i++) {
            uint8_t sum = 0;
            for (unsigned k = 0; k < 4; k++)
                sum ^= multiply(from[k], factors[(k + 4 - i) % 4]);
            state[column + i] = sum;
        }
    }
}

void sim_aes_encrypt(
    const uint8_t *key, unsigned key_words, const uint8_t block[16], uint8_t ret_block[16])
{
    static const uint8_t factors[4] = { 2, 3, 1, 1 };
    struct schedule schedule;
    uint8_t state[16];
    expand(&schedule, key, key_words);
    memcpy(state, block, sizeof(state));
    unsigned rounds = key_words + 6;
    add_round_key(&schedule, 0, state);
    for (unsigned round = 1; round <= rounds; round++) {
        substitute(&schedule, false, state);
        if (round < rounds)
            mix_columns(factors, state);
        add_round_key(&schedule, round, state);
    }
    memcpy(ret_block, state, sizeof(state));
}

void sim_aes_decrypt(
    const uint8_t *inverse, unsigned key_words, const uint8_t block[16], uint8_t ret_block[16])
{
    static const uint8_t factors[4] = { 14, 11, 13, 9 };
    struct schedule schedule;
    uint8_t state[16];
    expand_backwards(&schedule, inverse, key_words);
    memcpy(state, block, sizeof(state));
    unsigned rounds = key_words + 6;
    for (unsigned round = rounds; round > 0; round--) {
        add_round_key(&schedule, round, state);
        if (round < rounds)
            mix_columns(factors, state);
        substitute(&schedule, true, state);
    }
    add_round_key(&schedule, 0, state);
    memcpy(ret_block, state, sizeof(state));
}

void sim_aes_inverse_key(const uint8_t *key, unsigned key_words, uint8_t *ret_inverse)
{
    struct schedule schedule;
    expand(&schedule, key, key_words);
    memcpy(ret_inverse, schedule.word[schedule.words - key_words], (size_t)key_words * 4);
}
