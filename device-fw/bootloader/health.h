/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_HEALTH_H
#define BL_HEALTH_H

/**
 * @file
 * Continuous health tests of the noise source, SP 800-90B §4.4: repetition count and adaptive
 * proportion, on single raw bits, for an assessed entropy of 0.5 bit per bit and a false alarm rate
 * of 2^-20 per test. Both pass a source that repeats a short balanced pattern, so a third test
 * compares the stream with itself, delayed by 1 … BL_HEALTH_LAGS bits (§4.4 allows further tests).
 */

#include <stdbool.h>
#include <stdint.h>

#define BL_HEALTH_WINDOW            1024U /**< bits, SP 800-90B §4.4.2 for a binary source */
#define BL_HEALTH_REPETITION_CUTOFF 41U   /**< 1 + 20 / 0.5 */
#define BL_HEALTH_PROPORTION_CUTOFF 793U  /**< 1 + critical binomial(1024, 2^-0.5, 1 - 2^-20) */
#define BL_HEALTH_LAGS              64U   /**< longest period that is noticed, bits */

struct bl_health {
    uint32_t run;       /**< length of the present run of equal bits; 0 before the first bit */
    uint32_t at;        /**< bits seen of the present window */
    uint32_t count;     /**< bits of the window equal to its first */
    uint8_t last;       /**< bit before */
    uint8_t window_bit; /**< first bit of the window */
    bool failed;        /**< once true, for ever */
    uint32_t words;     /**< words seen of the present window, for the comparison */
    uint32_t before[2]; /**< the two words before, newest last */
    bool primed;        /**< both are real */
    uint16_t agree[BL_HEALTH_LAGS]; /**< bits of the window equal to the one that many before + 1 */
};

void bl_health_init(struct bl_health *health);

/** Feed 32 raw bits, lowest first. False once any test has failed. */
bool bl_health_feed(struct bl_health *health, uint32_t word);

#endif
