/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/health.h"

void bl_health_init(struct bl_health *health)
{
    health->run = 0;
    health->at = 0;
    health->count = 0;
    health->last = 0;
    health->window_bit = 0;
    health->failed = false;
    health->words = 0;
    health->before[0] = 0;
    health->before[1] = 0;
    health->primed = false;
    for (uint32_t lag = 0; lag < BL_HEALTH_LAGS; lag++)
        health->agree[lag] = 0;
}

static void feed_repetition(struct bl_health *health, uint8_t bit)
{
    if (health->run == 0 || bit != health->last) {
        health->last = bit;
        health->run = 1;
        return;
    }
    health->run++;
    if (health->run >= BL_HEALTH_REPETITION_CUTOFF)
        health->failed = true;
}

static void feed_proportion(struct bl_health *health, uint8_t bit)
{
    if (health->at == 0) {
        health->window_bit = bit;
        health->count = 0;
    }
    if (bit == health->window_bit)
        health->count++;
    if (health->count >= BL_HEALTH_PROPORTION_CUTOFF)
        health->failed = true;
    health->at++;
    if (health->at == BL_HEALTH_WINDOW)
        health->at = 0;
}

static uint32_t count_ones(uint32_t word)
{
    word -= word >> 1 & 0x55555555U;
    word = (word & 0x33333333U) + (word >> 2 & 0x33333333U);
    word = (word + (word >> 4)) & 0x0F0F0F0FU;
    return (word * 0x01010101U) >> 24;
}

static void feed_lags(struct bl_health *health, uint32_t word)
{
    uint64_t old = (uint64_t)health->before[1] << 32 | health->before[0];

    for (uint32_t lag = 1; health->primed && lag <= BL_HEALTH_LAGS; lag++) {
        /* The stream as one number, first bit lowest: what stood here lag bits ago. */
        uint32_t delayed = (uint32_t)(old >> (64U - lag));

        if (lag < 32U)
            delayed |= word << lag;
        health->agree[lag - 1U] += (uint16_t)(32U - count_ones(word ^ delayed));
        if (health->agree[lag - 1U] >= BL_HEALTH_PROPORTION_CUTOFF)
            health->failed = true;
    }
    health->words++;
    if (health->words == BL_HEALTH_WINDOW / 32U) {
        health->words = 0;
        health->primed = true;
        for (uint32_t lag = 0; lag < BL_HEALTH_LAGS; lag++)
            health->agree[lag] = 0;
    }
    health->before[0] = health->before[1];
    health->before[1] = word;
}

bool bl_health_feed(struct bl_health *health, uint32_t word)
{
    for (unsigned i = 0; i < 32; i++) {
        uint8_t bit = (uint8_t)(word >> i & 1U);

        feed_repetition(health, bit);
        feed_proportion(health, bit);
    }
    feed_lags(health, word);
    return !health->failed;
}
