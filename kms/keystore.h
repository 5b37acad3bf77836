/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_KEYSTORE_H
#define KMS_KEYSTORE_H

/**
 * @file
 * The KMS's own keys behind one table of functions: provisioning authority (P-256), key-encryption
 * key for what is at rest (AES-256), log key (Ed25519). The table asks for operations, never for
 * key bytes, so that a token can stand behind it. Files marked as development are the one
 * implementation so far.
 */

#include "base/hpke.h"
#include "base/note.h"
#include "base/random.h"
#include "base/secret.h"
#include "device-fw/protocol/layout.h"

#include <stddef.h>
#include <stdint.h>

#define KMS_TOTP_WRAPPED 32 /**< 20 bytes of secret, 4 of zero, 8 of wrapping */
#define KMS_WRAP_EXTRA   8  /**< bytes that wrapping adds (RFC 3394) */

struct kms_keystore_ops {
    const char *name;
    /** AES key wrap under the KEK; @p length a multiple of 8, at least 16. */
    enum base_status (*wrap)(
        void *state, const uint8_t *key, size_t length, uint8_t *ret_wrapped, struct base_err *err);
    /** BASE_E_VERIFY: altered, or wrapped under another KEK. */
    enum base_status (*unwrap)(
        void *state, const uint8_t *wrapped, size_t length, uint8_t *ret_key, struct base_err *err);
    void (*close)(void *state);
};

struct kms_keystore {
    const struct kms_keystore_ops *ops;
    void *state;
    bool development;               /**< keys in files: for development and demonstration only */
    struct base_hpke_key authority; /**< public half and Diffie-Hellman */
    uint8_t authority_key_id[PROTO_KEY_ID_SIZE];
    struct base_note_signer log; /**< signs grants and lots (type Ed25519) */
    struct base_note_signer
        cosigner; /**< the same key for station checkpoints (type cosignature) */
    const struct base_random *random; /**< borrowed */
};

/** Wipe and close; accepts NULL and a zeroed object. */
void kms_keystore_close(struct kms_keystore *keys);

BASE_MUST_CHECK
enum base_status kms_keystore_wrap(struct kms_keystore *keys, const uint8_t *key, size_t length,
    uint8_t *ret_wrapped, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_keystore_unwrap(struct kms_keystore *keys, const uint8_t *wrapped,
    size_t length, uint8_t *ret_key, struct base_err *err);

/**
 * Check the MAC of a statement: HMAC-SHA-256 over its body under HKDF(salt "lpa statement v1",
 * ikm = ECDH(authority, device), info = authority key id, chip id).
 *
 * @return BASE_OK; BASE_E_VERIFY (MAC, or the device key is off the curve)
 */
BASE_MUST_CHECK
enum base_status kms_keystore_check_statement(
    struct kms_keystore *keys, const uint8_t statement[PROTO_STATEMENT_SIZE], struct base_err *err);

/**
 * Make the envelope's enc and ciphertext (HPKE auth mode) and the receipt key.
 *
 * @param envelope          PROTO_ENVELOPE_SIZE bytes; the first 76 are the header and are AAD, the
 *                          rest is written
 * @param plain             PROTO_ENVELOPE_PLAIN_SIZE bytes of root keys
 * @param[out] receipt_key  32 bytes: HPKE export "lpa receipt v1"
 */
BASE_MUST_CHECK
enum base_status kms_keystore_seal(struct kms_keystore *keys,
    const uint8_t device[PROTO_PUBLIC_KEY_SIZE], const uint8_t *plain, uint8_t *envelope,
    uint8_t *receipt_key, struct base_err *err);

/* Files. */

/** Name of the KMS in notes, for example "kms.lpa.localhost". */
#define KMS_NAME_SIZE 64

/**
 * Draw all keys into the folder keys/ of @p dir (authority.key, kek.key, log.key), mode 0600, each
 * marked as development.
 */
BASE_MUST_CHECK
enum base_status kms_keystore_file_create(
    const char *dir, const char *name, const struct base_random *random, struct base_err *err);

/** Open what kms_keystore_file_create() made. BASE_E_CONFIG: files that others may read. */
BASE_MUST_CHECK
enum base_status kms_keystore_file_open(const char *dir, const struct base_random *random,
    struct kms_keystore *ret_keys, struct base_err *err);

#endif
