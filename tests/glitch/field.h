/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GLITCH_FIELD_H
#define TESTS_GLITCH_FIELD_H

/** @file The host's multiplication in the field of P-256, bit by bit as BearSSL's p256_m15 has it.
 */

#include <stdint.h>

#define FIELD_WORDS    20U /* of 13 bits, least significant first */
#define FIELD_WORD_END 0x2000U

/** Product of two numbers whose words have 13 bits, reduced as far as p256_m15 reduces: which of
 * several representations comes out is part of it. @p d may be @p a or @p b. */
void field_multiply(
    uint32_t d[FIELD_WORDS], const uint32_t a[FIELD_WORDS], const uint32_t b[FIELD_WORDS]);

#endif
