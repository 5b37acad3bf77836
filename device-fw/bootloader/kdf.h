/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_KDF_H
#define BL_KDF_H

/** @file SHA-256, HMAC-SHA-256 and HKDF-SHA-256 (RFC 5869) over lists of byte strings. */

#include "device-fw/protocol/layout.h"

#include <stddef.h>

struct bl_part {
    const void *data;
    size_t length;
};

void bl_sha256(const void *data, size_t length, uint8_t ret_hash[PROTO_HASH_SIZE]);

/** HMAC-SHA-256 over the parts one after the other. */
void bl_hmac(const void *key, size_t key_length, const struct bl_part *parts, size_t part_count,
    uint8_t ret_mac[PROTO_MAC_SIZE]);

/** HKDF-Expand: the info is the parts one after the other; @p length at most 255 * 32. */
void bl_hkdf_expand(const uint8_t prk[PROTO_HASH_SIZE], const struct bl_part *info,
    size_t info_count, size_t length, uint8_t *ret_bytes);

#endif
