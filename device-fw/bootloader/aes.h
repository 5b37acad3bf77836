/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_AES_H
#define BL_AES_H

/** @file AES-CMAC (RFC 4493, SP 800-38B) and AES key wrap (RFC 3394), on constant-time AES. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BL_AES_BLOCK_SIZE    16U
#define BL_KEY_WRAP_MAX      64U /**< longest key that can be wrapped, bytes */
#define BL_KEY_WRAP_OVERHEAD 8U

/** @param key_length 16, 24 or 32 */
void bl_aes_cmac(const void *key, size_t key_length, const void *data, size_t length,
    uint8_t ret_mac[BL_AES_BLOCK_SIZE]);

/** Encrypt whole blocks in place, each on its own (ECB), under a 16-byte key. */
void bl_aes_encrypt(const uint8_t key[16], uint8_t *blocks, size_t length);

/**
 * Wrap a key under another.
 *
 * @param length       a multiple of 8, 16 … BL_KEY_WRAP_MAX
 * @param ret_wrapped  @p length + BL_KEY_WRAP_OVERHEAD bytes
 * @return false when a length is not allowed; nothing written
 */
bool bl_key_wrap(
    const void *kek, size_t kek_length, const uint8_t *key, size_t length, uint8_t *ret_wrapped);

/**
 * Unwrap.
 *
 * @param length   of the wrapped key: a multiple of 8, 24 … BL_KEY_WRAP_MAX + BL_KEY_WRAP_OVERHEAD
 * @param ret_key  @p length - BL_KEY_WRAP_OVERHEAD bytes
 * @return false when a length is not allowed (nothing written) or the integrity check fails (zeros
 *         written)
 */
bool bl_key_unwrap(
    const void *kek, size_t kek_length, const uint8_t *wrapped, size_t length, uint8_t *ret_key);

#endif
