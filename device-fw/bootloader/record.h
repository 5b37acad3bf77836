/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_RECORD_H
#define BL_RECORD_H

/**
 * @file
 * The one record that holds all persistent state of the device: one flash row, integers big-endian.
 *
 * Offset | size: 0 magic "LPAV" | 4 record version u8 | 5 vault state | 6 identity flags | 7 zero |
 * 8 sequence u32 | 12 chip id | 20 key version counter u32 | 24 DevNonce limit u32 | 28 identity
 * secret (32) | 60 identity public key (65) | 125 authority key id (8) | 133 static DH (32) | 165
 * nonce (16) | 181 installed part (139) | 320 application part (40) | 360 services part (112) | 472
 * zeros (4) | 476 SHA-256 of 0 … 475 | 508 commit word.
 *
 * Installed part (BL_RECORD_INSTALLED_SIZE bytes, hashed in the receipt): 0 purpose | 1 LoRaWAN
 * version | 2 key mask | 3 envelope id (16) | 19 key version u32 | 23 DevEUI | 31 JoinEUI | 39
 * NwkKey (16) | 55 AppKey (16) | 71 SHA-256 of the envelope (32) | 103 receipt key (32) | 135
 * zeros (4). Counters lie outside, so that they may move without changing the receipt.
 *
 * Application part: 0 SHA-256 of the application at its first verification (32), zeros: none yet |
 * 32 version floor u32 | 36 bootloader floor u32. The services part is theirs (device-fw/services).
 */

#include "device-fw/protocol/layout.h"

#include <stdbool.h>
#include <stdint.h>

#define BL_RECORD_SIZE           PROTO_VAULT_HOME_SIZE
#define BL_RECORD_STATE_AT       5U
#define BL_RECORD_INSTALLED_AT   181U
#define BL_RECORD_INSTALLED_SIZE 139U
#define BL_RECORD_SERVICES_SIZE  112U

struct bl_installed {
    uint8_t purpose;         /**< enum proto_purpose; 0 before the first commit */
    uint8_t lorawan_version; /**< enum proto_lorawan */
    uint8_t keys;            /**< PROTO_KEY_NWK | PROTO_KEY_APP */
    uint8_t envelope_id[PROTO_ENVELOPE_ID_SIZE];
    uint32_t key_version;
    uint8_t dev_eui[PROTO_EUI_SIZE];
    uint8_t join_eui[PROTO_EUI_SIZE];
    uint8_t nwk_key[PROTO_ROOT_KEY_SIZE];
    uint8_t app_key[PROTO_ROOT_KEY_SIZE];
    uint8_t envelope_hash[PROTO_HASH_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
};

struct bl_record {
    uint8_t state;          /**< enum proto_vault_state, never EMPTY */
    uint8_t identity_flags; /**< PROTO_FLAG_LAB when the identity was made with the port open */
    uint32_t sequence;
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t key_version;     /**< highest key version ever committed */
    uint32_t dev_nonce_limit; /**< DevNonces below this one may have been used */
    uint8_t secret[32];
    uint8_t public_key[PROTO_PUBLIC_KEY_SIZE];
    uint8_t authority_key_id[PROTO_KEY_ID_SIZE];
    uint8_t authority_dh[32];
    uint8_t nonce[PROTO_NONCE_SIZE];
    struct bl_installed installed;
    uint8_t application_digest[PROTO_HASH_SIZE];
    uint32_t application_floor;                /**< no older application starts */
    uint32_t bootloader_floor;                 /**< no older bootloader works on this record */
    uint8_t services[BL_RECORD_SERVICES_SIZE]; /**< opaque here */
};

/** Encode with hash and commit word. */
void bl_record_encode(const struct bl_record *record, uint8_t ret_row[BL_RECORD_SIZE]);

/** State byte of a row that begins as a record does, whether or not it is a good one; else
 * PROTO_VAULT_EMPTY. */
uint8_t bl_record_start_state(const uint8_t start[BL_RECORD_STATE_AT + 1U]);

/** Encode the installed part alone. */
void bl_record_encode_installed(
    const struct bl_installed *installed, uint8_t ret_bytes[BL_RECORD_INSTALLED_SIZE]);

/** False when magic, version, hash, commit word or a field is wrong; nothing written then. */
bool bl_record_decode(const uint8_t row[BL_RECORD_SIZE], struct bl_record *ret_record);

#endif
