/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

/** @file Lower-case hexadecimal text. */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Write 2 * @p length digits and a NUL to @p ret_text, which must hold that many bytes. */
void base_hex_encode(const void *data, size_t length, char *ret_text);

/**
 * Read exactly @p length bytes from text of exactly 2 * @p length digits, either case.
 *
 * @return BASE_OK, or BASE_E_ARG (other length or another character; @p ret_data untouched)
 */
BASE_MUST_CHECK
enum base_status base_hex_decode(
    const char *text, size_t length, uint8_t *ret_data, struct base_err *err);

#endif
