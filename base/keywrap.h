/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_KEYWRAP_H
#define BASE_KEYWRAP_H

/** @file AES key wrap with the default initial value (RFC 3394 §2.2.3.1). */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_KEYWRAP_EXTRA_BYTES   8
#define BASE_KEYWRAP_KEY_MAX_BYTES 4096

/**
 * Wrap a key.
 *
 * @param kek_length  16, 24 or 32
 * @param key_length  a multiple of 8, 16 … BASE_KEYWRAP_KEY_MAX_BYTES
 * @param[out] ret_wrapped  key_length + BASE_KEYWRAP_EXTRA_BYTES bytes
 *
 * @return BASE_OK; BASE_E_ARG; BASE_E_INTERNAL (OpenSSL refused)
 */
BASE_MUST_CHECK
enum base_status base_keywrap_wrap(const uint8_t *kek, size_t kek_length, const uint8_t *key,
    size_t key_length, uint8_t *ret_wrapped, struct base_err *err);

/**
 * Unwrap a key.
 *
 * @param wrapped_length  a multiple of 8, 24 … BASE_KEYWRAP_KEY_MAX_BYTES + 8
 * @param[out] ret_key    wrapped_length - BASE_KEYWRAP_EXTRA_BYTES bytes; wiped on failure
 *
 * @return BASE_OK; BASE_E_VERIFY (changed, or wrapped under another key); BASE_E_ARG
 */
BASE_MUST_CHECK
enum base_status base_keywrap_unwrap(const uint8_t *kek, size_t kek_length, const uint8_t *wrapped,
    size_t wrapped_length, uint8_t *ret_key, struct base_err *err);

#endif
