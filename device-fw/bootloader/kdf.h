/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_KDF_H
#define BL_KDF_H

/** @file SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869) over lists of
 * byte strings. Lengths are in bytes; nothing here fails; outputs are the caller's memory. */

#include "device-fw/protocol/layout.h"

#include <stddef.h>

/** One byte string of a list, borrowed for the call. */
struct bl_part {
    const void *data; /**< may be NULL when length is 0 */
    size_t length;
};

/** Of @p length bytes. */
void bl_sha256(const void *data, size_t length, uint8_t ret_hash[PROTO_HASH_SIZE]);

/** HMAC-SHA-256 over the parts one after the other. */
void bl_hmac(const void *key, size_t key_length, const struct bl_part *parts, size_t part_count,
    uint8_t ret_mac[PROTO_MAC_SIZE]);

/** HKDF-Expand (RFC 5869 §2.3): the info is the parts one after the other; @p length, of
 * @p ret_bytes, at most 255 * 32 and not checked. */
void bl_hkdf_expand(const uint8_t prk[PROTO_HASH_SIZE], const struct bl_part *info,
    size_t info_count, size_t length, uint8_t *ret_bytes);

#endif
