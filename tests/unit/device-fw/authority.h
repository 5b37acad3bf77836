/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_AUTHORITY_H
#define TESTS_DEVICE_FW_AUTHORITY_H

/** @file A provisioning authority of the tests' own, on the host's cryptography (OpenSSL). */

#include "base/p256.h"
#include "device-fw/protocol/messages.h"

struct authority {
    struct base_p256 *key;
    uint8_t public_key[PROTO_PUBLIC_KEY_SIZE];
    uint8_t key_id[PROTO_KEY_ID_SIZE];
};

/** Key pair number @p number, the same every time. */
void authority_init(struct authority *authority, uint8_t number);
void authority_done(struct authority *authority);

/** Decode a statement and check its MAC; fails the running test when either is wrong. */
void authority_check_statement(const struct authority *authority,
    const uint8_t bytes[PROTO_STATEMENT_SIZE], struct proto_statement *ret_statement);

/** An install envelope's header for the device that made this statement: LoRaWAN 1.0, key version
 * @p key_version, ids that depend on it. */
struct proto_envelope_header authority_header(const struct authority *authority,
    const struct proto_statement *statement, uint32_t key_version);

/** Seal. @p plain: NwkKey and AppKey. @p ret_receipt_key: PROTO_HASH_SIZE bytes. */
void authority_seal(const struct authority *authority, const struct proto_envelope_header *header,
    const uint8_t device_key[PROTO_PUBLIC_KEY_SIZE], const uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE],
    uint8_t ret_envelope[PROTO_ENVELOPE_SIZE], uint8_t *ret_receipt_key);

/** Decode a lock answer, check its MAC and that it is for what this receipt confirmed. */
void authority_check_lock(const uint8_t *receipt_key, const struct proto_receipt *receipt,
    const uint8_t bytes[PROTO_LOCK_ANSWER_SIZE]);

/** The KMS's confirmation that this receipt has come, by the text of lpa-envelope(5) and not by the
 * device's code. */
void authority_forget(const uint8_t *receipt_key, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    uint32_t key_version, uint8_t ret_confirmation[PROTO_MAC_SIZE]);

/** Decode a receipt, check its MAC and that it is for this envelope. */
void authority_check_receipt(const uint8_t *receipt_key,
    const uint8_t envelope[PROTO_ENVELOPE_SIZE], const uint8_t bytes[PROTO_RECEIPT_SIZE],
    struct proto_receipt *ret_receipt);

#endif
