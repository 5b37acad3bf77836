/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_HPKE_H
#define BL_HPKE_H

/**
 * @file
 * HPKE recipient (RFC 9180), base and auth mode, for the one suite DHKEM(P-256, HKDF-SHA256),
 * HKDF-SHA256, AES-128-GCM.
 */

#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/p256.h"

#define BL_HPKE_KEY_SIZE   16U
#define BL_HPKE_NONCE_SIZE 12U
#define BL_HPKE_TAG_SIZE   16U

/** Whose envelope is opened. The sender's fields are both NULL in base mode. */
struct bl_hpke_keys {
    const uint8_t *secret;        /**< own secret key, BL_P256_SECRET_SIZE bytes */
    const uint8_t *public_key;    /**< own public key, PROTO_PUBLIC_KEY_SIZE bytes */
    const uint8_t *sender_public; /**< sender's public key, PROTO_PUBLIC_KEY_SIZE bytes */
    const uint8_t *sender_dh;     /**< DH of own secret and sender's public key, kept from before */
};

/** Secret; the owner wipes it. */
struct bl_hpke {
    uint8_t key[BL_HPKE_KEY_SIZE];
    uint8_t base_nonce[BL_HPKE_NONCE_SIZE];
    uint8_t exporter_secret[PROTO_HASH_SIZE];
};

/** The one or two DH values of a message; secret, the owner wipes it. */
struct bl_hpke_dh {
    uint8_t bytes[2 * BL_P256_SECRET_SIZE];
};

/** The dear part of the set-up. False when @p enc is not a point of the curve. */
bool bl_hpke_agree(const struct bl_hpke_keys *keys, const uint8_t *enc, struct bl_hpke_dh *ret_dh);

/** The rest of it, from the DH values. */
void bl_hpke_derive(const struct bl_hpke_keys *keys, const uint8_t *enc,
    const struct bl_hpke_dh *dh, const void *info, size_t info_length, struct bl_hpke *ret_hpke);

/**
 * SetupBaseR or SetupAuthR: both parts.
 *
 * @param enc  encapsulated key, PROTO_PUBLIC_KEY_SIZE bytes
 * @return false when @p enc is not a point of the curve; nothing written
 */
bool bl_hpke_setup(const struct bl_hpke_keys *keys, const uint8_t *enc, const void *info,
    size_t info_length, struct bl_hpke *ret_hpke);

/**
 * Open one message.
 *
 * @param sequence     number of the message under this context, from 0
 * @param ciphertext   @p length bytes and a tag of BL_HPKE_TAG_SIZE
 * @param ret_plain    @p length bytes; zeros when the tag does not fit
 * @return true when the tag fits
 */
bool bl_hpke_open(const struct bl_hpke *hpke, uint32_t sequence, const struct bl_part *aad,
    const uint8_t *ciphertext, size_t length, uint8_t *ret_plain);

/** Secret export (RFC 9180 §5.3). */
void bl_hpke_export(const struct bl_hpke *hpke, const void *context, size_t context_length,
    size_t length, uint8_t *ret_bytes);

#endif
