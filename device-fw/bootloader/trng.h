/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_TRNG_H
#define BL_TRNG_H

/** @file Driver of the crypto block's noise source. */

#include <stdbool.h>
#include <stdint.h>

/**
 * Power the crypto block, start all ring oscillators without the von Neumann corrector (so that the
 * health tests see the raw source) and the hardware's own monitors.
 */
void bl_trng_start(void);

/** 32 raw bits. False when the hardware monitors stopped the source or nothing came in time. */
bool bl_trng_read(uint32_t *ret_word);

#endif
