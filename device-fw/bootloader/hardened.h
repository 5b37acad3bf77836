/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_HARDENED_H
#define BL_HARDENED_H

/**
 * @file
 * Answers that one disturbed instruction does not turn round: words with many different bits,
 * neither of them the other's complement nor a value that a register holds by chance.
 *
 * The rule for whoever guards keys: what was decided is decided a second time, from the same bytes
 * and not from the first result, before anything is written; and the second decision is not a
 * branch alone, but what is compared with the row that goes to flash (guard.h).
 */

#include <stddef.h>
#include <stdint.h>

#define BL_YES 0x5AC39E61U
#define BL_NO  0x96E7185BU

/** BL_YES when both are equal, found so forwards and again backwards; else BL_NO. Constant time. */
uint32_t bl_hardened_equal(const void *a, const void *b, size_t length);

/** BL_YES when all bytes are zero, looked at twice; else BL_NO. */
uint32_t bl_hardened_zero(const void *data, size_t length);

#endif
