/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HPKE_H
#define BASE_HPKE_H

/**
 * @file
 * Hybrid public key encryption (RFC 9180), all four modes, KDF HKDF-SHA256.
 *
 * KEMs: DHKEM(P-256, HKDF-SHA256) and DHKEM(X25519, HKDF-SHA256). The private half is a function,
 * so that a key may live in this process or in a token. Every secret of a context lives in one
 * base_secret.
 */

#include "base/aead.h"
#include "base/random.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define BASE_HPKE_KEM_P256    0x0010
#define BASE_HPKE_KEM_X25519  0x0020
#define BASE_HPKE_KDF_SHA256  0x0001
#define BASE_HPKE_EXPORT_ONLY 0xFFFF /**< aead_id of a context that only exports */

#define BASE_HPKE_PUBLIC_MAX_BYTES 65
#define BASE_HPKE_DH_BYTES         32

enum base_hpke_mode {
    BASE_HPKE_BASE = 0,
    BASE_HPKE_PSK = 1,
    BASE_HPKE_AUTH = 2,
    BASE_HPKE_AUTH_PSK = 3,
};

/** A private key that can do Diffie-Hellman. */
struct base_hpke_key {
    uint16_t kem_id;
    uint8_t public_key[BASE_HPKE_PUBLIC_MAX_BYTES]; /**< serialised as the KEM says */
    size_t public_length;                           /**< 65 or 32 */
    /** Diffie-Hellman with a peer's public key of the same KEM; checks the peer's point
     * (BASE_E_VERIFY). */
    enum base_status (*dh)(void *user, const uint8_t *peer, size_t peer_length,
        uint8_t ret_dh[BASE_HPKE_DH_BYTES], struct base_err *err);
    void *user; /**< borrowed */
};

/** What both sides agree on; everything is borrowed during the setup call. */
struct base_hpke_opts {
    enum base_hpke_mode mode;
    uint16_t kem_id;
    uint16_t kdf_id;
    uint16_t aead_id;
    const void *info;
    size_t info_length;
    const void *psk; /**< PSK modes: 32 bytes or more; else NULL */
    size_t psk_length;
    const void *psk_id; /**< PSK modes: one byte or more; else NULL */
    size_t psk_id_length;
};

struct base_hpke; /**< one direction of one exchange */

/** Wipe and free; NULL is fine. */
void base_hpke_free(struct base_hpke *hpke);

/**
 * SetupS: encapsulate to a recipient.
 *
 * @param recipient         public key, serialised
 * @param ephemeral         fresh key pair, used once and never again
 * @param sender            auth modes: the static key that proves the sender; else NULL
 * @param[out] ret_enc      BASE_HPKE_PUBLIC_MAX_BYTES of room
 * @param[out] ret_enc_length  65 or 32
 * @param[out] ret_hpke     owned by the caller
 *
 * @return BASE_OK
 *         BASE_E_ARG          mode and arguments disagree
 *         BASE_E_UNSUPPORTED  unknown KEM, KDF or AEAD
 *         BASE_E_VERIFY       the recipient's key is no point of the curve
 *         BASE_E_NOMEM, BASE_E_INTERNAL, or what the key's function says
 */
BASE_MUST_CHECK
enum base_status base_hpke_setup_sender(const struct base_hpke_opts *opts, const uint8_t *recipient,
    size_t recipient_length, const struct base_hpke_key *ephemeral,
    const struct base_hpke_key *sender, uint8_t *ret_enc, size_t *ret_enc_length,
    struct base_hpke **ret_hpke, struct base_err *err);

/** Public inputs of a receiver. */
struct base_hpke_received {
    const uint8_t *enc;
    size_t enc_length;
    const uint8_t *sender; /**< auth modes: the sender's public key; else NULL */
    size_t sender_length;
};

/** SetupR: decapsulate. Errors as base_hpke_setup_sender(). */
BASE_MUST_CHECK
enum base_status base_hpke_setup_receiver(const struct base_hpke_opts *opts,
    const struct base_hpke_key *recipient, const struct base_hpke_received *received,
    struct base_hpke **ret_hpke, struct base_err *err);

/**
 * Encrypt the next message; writes @p length + BASE_AEAD_TAG_BYTES bytes.
 *
 * @return BASE_OK; BASE_E_UNSUPPORTED (export-only); BASE_E_INTERNAL (sequence used up, OpenSSL)
 */
BASE_MUST_CHECK
enum base_status base_hpke_seal(struct base_hpke *hpke, const void *aad, size_t aad_length,
    const void *plaintext, size_t length, uint8_t *ret_ciphertext, struct base_err *err);

/** Decrypt the next message; writes @p length - BASE_AEAD_TAG_BYTES bytes. BASE_E_VERIFY leaves
 * the sequence number as it was. */
BASE_MUST_CHECK
enum base_status base_hpke_open(struct base_hpke *hpke, const void *aad, size_t aad_length,
    const void *ciphertext, size_t length, uint8_t *ret_plaintext, struct base_err *err);

/** Secret for other uses (RFC 9180 §5.3), 1 … 8160 bytes. */
BASE_MUST_CHECK
enum base_status base_hpke_export(const struct base_hpke *hpke, const void *context,
    size_t context_length, size_t length, uint8_t *ret_secret, struct base_err *err);

#endif
