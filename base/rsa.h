/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RSA_H
#define BASE_RSA_H

/**
 * @file
 * RSA-2048, RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2), for images that a boot ROM verifies.
 * Numbers and signatures have their most significant byte first.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_RSA_BYTES 256

struct base_rsa; /**< a private key */

struct base_rsa_public {
    uint8_t modulus[BASE_RSA_BYTES];
    uint32_t exponent;
};

/** Free and wipe; NULL is fine. */
void base_rsa_free(struct base_rsa *key);

/**
 * Read a private key from PEM (PKCS#8 or PKCS#1, not encrypted) in a file of mode 0600.
 *
 * @return BASE_OK; BASE_E_NOTFOUND; BASE_E_CONFIG (mode, not PEM, not RSA-2048); BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status base_rsa_load(const char *path, struct base_rsa **ret_key, struct base_err *err);

/** The public half. BASE_E_CONFIG: an exponent of more than 32 bits. */
BASE_MUST_CHECK
enum base_status base_rsa_public(
    const struct base_rsa *key, struct base_rsa_public *ret_public, struct base_err *err);

/** Public key of PEM text (SubjectPublicKeyInfo). BASE_E_CONFIG when it is no RSA-2048 key. */
BASE_MUST_CHECK
enum base_status base_rsa_parse_public(
    const char *text, size_t length, struct base_rsa_public *ret_public, struct base_err *err);

BASE_MUST_CHECK
enum base_status base_rsa_sign(const struct base_rsa *key, const void *data, size_t length,
    uint8_t ret_signature[BASE_RSA_BYTES], struct base_err *err);

/** BASE_OK; BASE_E_VERIFY. */
BASE_MUST_CHECK
enum base_status base_rsa_verify(const struct base_rsa_public *key, const void *data, size_t length,
    const uint8_t signature[BASE_RSA_BYTES], struct base_err *err);

#endif
