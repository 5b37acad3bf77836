/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_P256_H
#define BASE_P256_H

/**
 * @file
 * P-256 private keys held in this process (OpenSSL) and the check of public points. Public keys
 * travel as 65 bytes: 0x04, X, Y (SEC 1 §2.3.3).
 *
 * A peer's point is checked to be on the curve and not infinity, which suffices on a curve of
 * cofactor 1 (SP 800-56A rev. 3 §5.6.2.3.4) and costs half of the full check.
 */

#include "base/hpke.h"
#include "base/random.h"

#define BASE_P256_POINT_BYTES  65
#define BASE_P256_SCALAR_BYTES 32

struct base_p256; /**< a private key and its public point */

/** Free and wipe; NULL is fine. */
void base_p256_free(struct base_p256 *key);

/** Draw a key: 32 random bytes as input of DeriveKeyPair (RFC 9180 §7.1.3). */
BASE_MUST_CHECK
enum base_status base_p256_generate(
    const struct base_random *random, struct base_p256 **ret_key, struct base_err *err);

/** DeriveKeyPair of RFC 9180 §7.1.3 for DHKEM(P-256, HKDF-SHA256); ikm of 32 bytes or more. */
BASE_MUST_CHECK
enum base_status base_p256_derive(
    const uint8_t *ikm, size_t ikm_length, struct base_p256 **ret_key, struct base_err *err);

/** Key from its scalar, big-endian. BASE_E_ARG when it is 0 or not below the group order. */
BASE_MUST_CHECK
enum base_status base_p256_from_scalar(
    const uint8_t scalar[BASE_P256_SCALAR_BYTES], struct base_p256 **ret_key, struct base_err *err);

/**
 * Read a private key from PEM (PKCS#8 or SEC 1, not encrypted) in a file of mode 0600.
 *
 * @return BASE_OK; BASE_E_NOTFOUND; BASE_E_CONFIG (mode, not PEM, not P-256); BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status base_p256_load(const char *path, struct base_p256 **ret_key, struct base_err *err);

/** Write the private key as PKCS#8 PEM, mode 0600, atomically. */
BASE_MUST_CHECK
enum base_status base_p256_store(
    const struct base_p256 *key, const char *path, struct base_err *err);

/** The public point. */
void base_p256_public(const struct base_p256 *key, uint8_t ret_point[BASE_P256_POINT_BYTES]);

/** BASE_OK when the bytes are a point of the curve in uncompressed form, else BASE_E_VERIFY. */
BASE_MUST_CHECK
enum base_status base_p256_check_point(
    const uint8_t point[BASE_P256_POINT_BYTES], struct base_err *err);

/** ECDH: the X coordinate, 32 bytes. BASE_E_VERIFY when the peer's point is off the curve. */
BASE_MUST_CHECK
enum base_status base_p256_ecdh(const struct base_p256 *key,
    const uint8_t peer[BASE_P256_POINT_BYTES], uint8_t ret_x[32], struct base_err *err);

#define BASE_P256_SIGNATURE_MAX 72U /**< DER */

/** ECDSA over a SHA-256 digest, as DER. */
BASE_MUST_CHECK
enum base_status base_p256_sign(const struct base_p256 *key, const uint8_t digest[32],
    uint8_t ret_signature[BASE_P256_SIGNATURE_MAX], size_t *ret_length, struct base_err *err);

/** DER of a signature as tokens give it: r and s, 32 bytes each, big-endian (PKCS#11 CKM_ECDSA). */
BASE_MUST_CHECK
enum base_status base_p256_signature_der(const uint8_t raw[64],
    uint8_t ret_signature[BASE_P256_SIGNATURE_MAX], size_t *ret_length, struct base_err *err);

/** ECDSA over a SHA-256 digest, by a public point and a signature as DER; both may be hostile.
 * BASE_E_VERIFY: off the curve, or not this key's signature over this digest. */
BASE_MUST_CHECK
enum base_status base_p256_verify(const uint8_t point[BASE_P256_POINT_BYTES],
    const uint8_t digest[32], const uint8_t *signature, size_t length, struct base_err *err);

/** The key as HPKE wants it; borrows @p key. */
void base_p256_hpke(const struct base_p256 *key, struct base_hpke_key *ret_key);

/** Public point of PEM text (SubjectPublicKeyInfo) or of 130 hexadecimal digits; spaces and line
 * ends around it are ignored. BASE_E_CONFIG when it is neither, BASE_E_VERIFY off the curve. */
BASE_MUST_CHECK
enum base_status base_p256_parse_public(const char *text, size_t length,
    uint8_t ret_point[BASE_P256_POINT_BYTES], struct base_err *err);

#define BASE_P256_PEM_SIZE 256 /**< room for the PEM text of a public key with its NUL */

/** Public point as PEM (SubjectPublicKeyInfo). BASE_E_VERIFY off the curve. */
BASE_MUST_CHECK
enum base_status base_p256_format_public(const uint8_t point[BASE_P256_POINT_BYTES],
    char ret_text[BASE_P256_PEM_SIZE], struct base_err *err);

#endif
