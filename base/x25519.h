/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_X25519_H
#define BASE_X25519_H

/** @file X25519 private keys for HPKE (RFC 7748). LPA's own messages use P-256. */

#include "base/hpke.h"

#define BASE_X25519_BYTES 32

struct base_x25519;

void base_x25519_free(struct base_x25519 *key);

BASE_MUST_CHECK
enum base_status base_x25519_from_bytes(
    const uint8_t scalar[BASE_X25519_BYTES], struct base_x25519 **ret_key, struct base_err *err);

/** DeriveKeyPair of RFC 9180 §7.1.3 for DHKEM(X25519, HKDF-SHA256); ikm of 32 bytes or more. */
BASE_MUST_CHECK
enum base_status base_x25519_derive(
    const uint8_t *ikm, size_t ikm_length, struct base_x25519 **ret_key, struct base_err *err);

/** The key as HPKE wants it; borrows @p key. */
void base_x25519_hpke(const struct base_x25519 *key, struct base_hpke_key *ret_key);

#endif
