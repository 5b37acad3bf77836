/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_P256_H
#define BL_P256_H

/** @file P-256: key generation and Diffie-Hellman, in constant time. */

#include "device-fw/bootloader/random.h"
#include "device-fw/protocol/layout.h"

#define BL_P256_SECRET_SIZE 32U

/** Make a key pair. False when there are no random bytes. */
bool bl_p256_generate(struct bl_random *random, uint8_t ret_secret[BL_P256_SECRET_SIZE],
    uint8_t ret_public[PROTO_PUBLIC_KEY_SIZE]);

/**
 * x coordinate of secret * public (RFC 9180 §4.1: DH() of DHKEM(P-256)).
 *
 * @return false when the public key is not an uncompressed point of the curve; @p ret_x is zeros
 */
bool bl_p256_dh(const uint8_t secret[BL_P256_SECRET_SIZE],
    const uint8_t public_key[PROTO_PUBLIC_KEY_SIZE], uint8_t ret_x[BL_P256_SECRET_SIZE]);

#endif
