/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

/**
 * @file
 * Base64 (RFC 4648 §4, with padding) and base64url (RFC 4648 §5, without padding). Decoding is
 * strict: one text for one byte string, so no white space, no missing or surplus padding and no
 * non-zero trailing bits.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/** Bytes that hold the base64 text of @p length bytes, NUL included. Constant expression. */
#define BASE_BASE64_SIZE(length) (((size_t)(length) + 2) / 3 * 4 + 1)

/** Write base64 text and a NUL to @p ret_text of at least BASE_BASE64_SIZE(length) bytes. */
void base_base64_encode(const void *data, size_t length, char *ret_text);

/** As base_base64_encode() in the URL alphabet, without padding; the same room suffices. */
void base_base64url_encode(const void *data, size_t length, char *ret_text);

/**
 * Decode base64 text.
 *
 * @param text         borrowed; need not be NUL-terminated
 * @param text_length  characters, no NUL
 * @param size         bytes of room at @p ret_data
 * @param[out] ret_data    decoded bytes; untouched on failure
 * @param[out] ret_length  decoded bytes
 *
 * @return BASE_OK, or BASE_E_ARG (not strict base64, or longer than @p size)
 */
BASE_MUST_CHECK
enum base_status base_base64_decode(const char *text, size_t text_length, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err);

/** As base_base64_decode() in the URL alphabet without padding. */
BASE_MUST_CHECK
enum base_status base_base64url_decode(const char *text, size_t text_length, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err);

#endif
