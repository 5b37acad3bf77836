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

bool bl_health_feed(struct bl_health *health, uint32_t word)
{
    for (unsigned i = 0; i < 32; i++) {
        uint8_t bit = (uint8_t)(word >> i & 1U);

        feed_repetition(health, bit);
        feed_proportion(health, bit);
    }
    return !health->failed;
}
