/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ECDSA_H
#define BL_ECDSA_H

/** @file ECDSA over P-256: verification. Nothing here is secret, so that time may vary. */

#include "device-fw/bootloader/hardened.h"
#include "device-fw/protocol/layout.h"

/**
 * Verify a signature over a digest.
 *
 * @param public_key  uncompressed point
 * @param signature   DER: SEQUENCE of two INTEGERs, in their shortest form
 * @return BL_YES or BL_NO (hardened.h)
 */
uint32_t bl_ecdsa_verify(const uint8_t public_key[PROTO_PUBLIC_KEY_SIZE],
    const uint8_t digest[PROTO_HASH_SIZE], const uint8_t *signature, size_t length);

#endif
