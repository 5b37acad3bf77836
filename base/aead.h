/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_AEAD_H
#define BASE_AEAD_H

/** @file Authenticated encryption with 12-byte nonces and 16-byte tags at the end of the
 * ciphertext. */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_AEAD_NONCE_BYTES   12
#define BASE_AEAD_TAG_BYTES     16
#define BASE_AEAD_KEY_MAX_BYTES 32

/** Numbers of RFC 9180 §7.3. */
enum base_aead {
    BASE_AEAD_AES_128_GCM = 0x0001,
    BASE_AEAD_AES_256_GCM = 0x0002,
    BASE_AEAD_CHACHA20_POLY1305 = 0x0003,
};

/** Key length in bytes; 0 for a value outside the list. */
size_t base_aead_key_bytes(enum base_aead aead);

/** Borrowed inputs of one call; the nonce must never repeat under one key. */
struct base_aead_opts {
    enum base_aead aead;
    const uint8_t *key;   /**< base_aead_key_bytes() bytes */
    const uint8_t *nonce; /**< BASE_AEAD_NONCE_BYTES */
    const void *aad;      /**< may be NULL when aad_length is 0 */
    size_t aad_length;
};

/**
 * Encrypt @p length bytes to @p length + BASE_AEAD_TAG_BYTES bytes at @p ret_ciphertext.
 *
 * @return BASE_OK; BASE_E_ARG (unknown algorithm, longer than INT_MAX); BASE_E_INTERNAL (OpenSSL
 * refused)
 */
BASE_MUST_CHECK
enum base_status base_aead_seal(const struct base_aead_opts *opts, const void *plaintext,
    size_t length, uint8_t *ret_ciphertext, struct base_err *err);

/**
 * Check and decrypt @p length bytes (tag included) to @p length - BASE_AEAD_TAG_BYTES bytes.
 *
 * @return BASE_OK; BASE_E_VERIFY (tag does not fit; what was decrypted is wiped); BASE_E_ARG;
 * BASE_E_INTERNAL
 */
BASE_MUST_CHECK
enum base_status base_aead_open(const struct base_aead_opts *opts, const void *ciphertext,
    size_t length, uint8_t *ret_plaintext, struct base_err *err);

#endif
