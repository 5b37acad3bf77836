/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_MESSAGES_H
#define PROTO_MESSAGES_H

/**
 * @file
 * Codecs of hello, statement, envelope, receipt and lock answer: fixed layouts, integers
 * big-endian. Freestanding: bytes in, bytes out, no cryptography. Encoders cannot fail; decoders
 * check length, version, suite and reserved bytes and every enumerated field, and write nothing on
 * failure.
 */

#include "device-fw/protocol/layout.h"
#include "device-fw/protocol/mailbox.h"

#include <stddef.h>

/** Offset | size: 0 version | 1 flags | 2 lifecycle | 3 restrict[4] | 7 vault state | 8 chip id |
 * 16 silicon id u32 | 20 bootloader version u32 | 24 bootloader SHA-256 | 56 authority key ids 2 x
 * 8 | 72 key version u32 | 76 health u32 */
struct proto_hello {
    uint8_t flags;
    uint8_t lifecycle; /**< enum proto_lifecycle */
    uint8_t restrictions[PROTO_RESTRICT_SIZE];
    uint8_t vault_state; /**< enum proto_vault_state */
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t silicon_id;                      /**< family << 16 | silicon id */
    uint32_t bootloader_version;              /**< major << 24 | minor << 16 | patch */
    uint8_t bootloader_hash[PROTO_HASH_SIZE]; /**< of the image as the device reads it from flash */
    uint8_t authority_key_id[2][PROTO_KEY_ID_SIZE]; /**< zeros: slot empty */
    uint32_t key_version; /**< highest key version ever committed; 0 = none */
    uint32_t health;      /**< enum proto_status of the start-up checks; PROTO_OK when well */
};

/** Offset | size: 0 version | 1 suite | 2 authority key id | 10 chip id | 18 silicon id u32 | 22
 * lifecycle | 23 restrict[4] | 27 flags | 28 bootloader version u32 | 32 bootloader SHA-256 | 64
 * identity public key | 129 nonce | 145 vault state | 146 key version u32 | 150 zero u16 | 152 HMAC
 */
struct proto_statement {
    uint8_t authority_key_id[PROTO_KEY_ID_SIZE];
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t silicon_id;
    uint8_t lifecycle;
    uint8_t restrictions[PROTO_RESTRICT_SIZE];
    uint8_t flags;
    uint32_t bootloader_version;
    uint8_t bootloader_hash[PROTO_HASH_SIZE];
    uint8_t public_key[PROTO_PUBLIC_KEY_SIZE];
    uint8_t nonce[PROTO_NONCE_SIZE];
    uint8_t vault_state;
    uint32_t key_version;
    uint8_t mac[PROTO_MAC_SIZE]; /**< HMAC-SHA-256 over bytes 0 … 151 under the statement key */
};

/** Offset | size: 0 version | 1 suite | 2 purpose | 3 LoRaWAN version | 4 key mask | 5 zero | 6
 * envelope id | 22 chip id | 30 DevEUI | 38 JoinEUI | 46 key version u32 | 50 nonce | 66 authority
 * key id | 74 ciphertext length u16 (48) */
struct proto_envelope_header {
    uint8_t purpose;         /**< enum proto_purpose */
    uint8_t lorawan_version; /**< enum proto_lorawan */
    uint8_t keys;            /**< PROTO_KEY_NWK | PROTO_KEY_APP; 0 for zeroise */
    uint8_t envelope_id[PROTO_ENVELOPE_ID_SIZE];
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint8_t dev_eui[PROTO_EUI_SIZE];
    uint8_t join_eui[PROTO_EUI_SIZE];
    uint32_t key_version; /**< above the device's counter */
    uint8_t nonce[PROTO_NONCE_SIZE];
    uint8_t authority_key_id[PROTO_KEY_ID_SIZE];
};

/** Where the parts of a decoded envelope lie; pointers into the caller's bytes. */
struct proto_envelope {
    struct proto_envelope_header header;
    const uint8_t *aad;        /**< PROTO_ENVELOPE_HEADER_SIZE bytes */
    const uint8_t *enc;        /**< PROTO_PUBLIC_KEY_SIZE bytes */
    const uint8_t *ciphertext; /**< PROTO_ENVELOPE_PLAIN_SIZE + 16 bytes */
};

/** Offset | size: 0 version | 1 suite | 2 purpose | 3 slot | 4 envelope id | 20 chip id | 28 key
 * version u32 | 32 SHA-256 of the envelope | 64 SHA-256 of the record | 96 HMAC */
struct proto_receipt {
    uint8_t purpose;
    uint8_t slot; /**< vault home that was read back: 0 or 1 */
    uint8_t envelope_id[PROTO_ENVELOPE_ID_SIZE];
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t key_version;
    uint8_t envelope_hash[PROTO_HASH_SIZE];
    uint8_t
        record_hash[PROTO_HASH_SIZE]; /**< of the record's installed part as re-read from flash */
    uint8_t mac[PROTO_MAC_SIZE];      /**< HMAC-SHA-256 over bytes 0 … 95 under the receipt key */
};

/** Offset | size: 0 version | 1 suite | 2 vault state (PROTO_VAULT_LOCKED) | 3 zero | 4 chip id |
 * 12 key version u32 | 16 envelope id | 32 SHA-256 of the record, as in the receipt | 64 HMAC */
struct proto_lock_answer {
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t key_version;
    uint8_t envelope_id[PROTO_ENVELOPE_ID_SIZE];
    uint8_t record_hash[PROTO_HASH_SIZE];
    uint8_t mac[PROTO_MAC_SIZE]; /**< HMAC-SHA-256 over bytes 0 … 63 under the lock key */
};

void proto_hello_encode(const struct proto_hello *hello, uint8_t ret_bytes[PROTO_HELLO_SIZE]);
void proto_statement_encode(
    const struct proto_statement *statement, uint8_t ret_bytes[PROTO_STATEMENT_SIZE]);
void proto_envelope_header_encode(
    const struct proto_envelope_header *header, uint8_t ret_bytes[PROTO_ENVELOPE_HEADER_SIZE]);
void proto_receipt_encode(
    const struct proto_receipt *receipt, uint8_t ret_bytes[PROTO_RECEIPT_SIZE]);
void proto_lock_answer_encode(
    const struct proto_lock_answer *answer, uint8_t ret_bytes[PROTO_LOCK_ANSWER_SIZE]);

/** What HMAC-SHA-256 under the receipt key of a zeroise envelope covers in the KMS's confirmation
 * that its receipt has come: PROTO_LABEL_FORGET (13), chip id, key version u32 of the envelope. */
void proto_forget_body_encode(const uint8_t chip_id[PROTO_CHIP_ID_SIZE], uint32_t key_version,
    uint8_t ret_bytes[PROTO_FORGET_BODY_SIZE]);

/* PROTO_OK, PROTO_BAD_LENGTH, PROTO_BAD_VERSION, PROTO_BAD_SUITE, PROTO_BAD_PURPOSE or
 * PROTO_BAD_FIELD. */
enum proto_status proto_hello_decode(
    const uint8_t *bytes, size_t length, struct proto_hello *ret_hello);
enum proto_status proto_statement_decode(
    const uint8_t *bytes, size_t length, struct proto_statement *ret_statement);
/** @p ret_envelope borrows @p bytes. */
enum proto_status proto_envelope_decode(
    const uint8_t *bytes, size_t length, struct proto_envelope *ret_envelope);
enum proto_status proto_receipt_decode(
    const uint8_t *bytes, size_t length, struct proto_receipt *ret_receipt);
enum proto_status proto_lock_answer_decode(
    const uint8_t *bytes, size_t length, struct proto_lock_answer *ret_answer);

/** CRC-32 (IEEE 802.3, reflected, 0xEDB88320) over the words command (or status), length, sequence
 * and the payload. */
uint32_t proto_mailbox_crc(
    uint32_t command, uint32_t length, uint32_t sequence, const uint8_t *payload);

/** Static text for a device status, for example "wrong chip"; "unknown status" outside the list. */
const char *proto_status_text(uint32_t status);

#endif
