/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_IMAGE_TOKEN_H
#define CMD_LPA_IMAGE_TOKEN_H

/** @file A signing key that never leaves its PKCS#11 token. */

#include "base/p256.h"
#include "base/rsa.h"

/** Does this name a key on a token (RFC 7512: "pkcs11:")? */
bool token_is_uri(const char *text);

/**
 * Sign with the one private RSA-2048 key that the URI names (CKM_SHA256_RSA_PKCS).
 *
 * The PIN comes from the file that "pin-source" names (mode 0600); a URI with "pin-value" is
 * refused, for arguments can be read by others. "module-path" names the token's library; without it
 * the system's configured modules are asked.
 *
 * @return BASE_OK; BASE_E_ARG: the URI; BASE_E_NOTFOUND: no such token or key; BASE_E_CONFIG:
 * several keys, another kind of key, the module; BASE_E_DENIED: the PIN; BASE_E_IO: the token
 */
BASE_MUST_CHECK
enum base_status token_sign(const char *uri, const void *data, size_t length,
    struct base_rsa_public *ret_public, uint8_t ret_signature[BASE_RSA_BYTES],
    struct base_err *err);

/**
 * The same with the one private P-256 key that the URI names (CKM_ECDSA), over a SHA-256 digest.
 * Its public point is read from the public key object with the same CKA_ID.
 *
 * @param[out] ret_signature  DER
 * @return as token_sign(); BASE_E_NOTFOUND also: no such public key
 */
BASE_MUST_CHECK
enum base_status token_sign_p256(const char *uri, const uint8_t digest[32],
    uint8_t ret_public[BASE_P256_POINT_BYTES], uint8_t ret_signature[BASE_P256_SIGNATURE_MAX],
    size_t *ret_length, struct base_err *err);

#endif
