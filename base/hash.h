/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

/**
 * @file
 * SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869). None of them
 * allocates, so the one-shot calls cannot fail. Intermediate secrets are wiped.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_SHA256_BYTES    32
#define BASE_HKDF_MAX_BYTES  (255 * BASE_SHA256_BYTES)
#define BASE_SHA256_HEX_SIZE (2 * BASE_SHA256_BYTES + 1)

/** One part of a message that is hashed as if all parts stood together. */
struct base_part {
    const void *data; /**< borrowed; may be NULL when length is 0 */
    size_t length;
};

/** Running SHA-256; caller's memory, copy by assignment. Not for reuse after _final(). */
struct base_sha256 {
    uint64_t state[16]; /**< private; large enough and aligned for the library's context */
};

void base_sha256_init(struct base_sha256 *hash);
void base_sha256_update(struct base_sha256 *hash, const void *data, size_t length);
/** Write the digest and wipe the state. */
void base_sha256_final(struct base_sha256 *hash, uint8_t ret_digest[BASE_SHA256_BYTES]);

/** Digest of one byte string. */
void base_sha256(const void *data, size_t length, uint8_t ret_digest[BASE_SHA256_BYTES]);

/** HMAC-SHA-256 of the parts, in order. */
void base_hmac_sha256(const void *key, size_t key_length, const struct base_part *parts,
    size_t part_count, uint8_t ret_mac[BASE_SHA256_BYTES]);

/** HKDF-Extract; an empty salt counts as 32 zero bytes. */
void base_hkdf_extract(const void *salt, size_t salt_length, const struct base_part *parts,
    size_t part_count, uint8_t ret_prk[BASE_SHA256_BYTES]);

/**
 * HKDF-Expand.
 *
 * @param prk     32 bytes
 * @param info    parts of the info string, in order
 * @param length  bytes wanted, 1 … BASE_HKDF_MAX_BYTES
 * @return BASE_OK, or BASE_E_ARG for another length
 */
BASE_MUST_CHECK
enum base_status base_hkdf_expand(const uint8_t prk[BASE_SHA256_BYTES],
    const struct base_part *info, size_t info_count, size_t length, uint8_t *ret_key,
    struct base_err *err);

#endif
