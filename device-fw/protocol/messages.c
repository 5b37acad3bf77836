/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/messages.h"

#include "device-fw/protocol/bytes.h"

#define SEC1_UNCOMPRESSED  0x04U
#define CIPHERTEXT_SIZE    48U
#define ENVELOPE_ENC_AT    PROTO_ENVELOPE_HEADER_SIZE
#define ENVELOPE_CIPHER_AT (PROTO_ENVELOPE_HEADER_SIZE + PROTO_PUBLIC_KEY_SIZE)

static bool is_lifecycle(uint8_t value)
{
    return value <= PROTO_LIFECYCLE_RMA;
}

static bool is_vault_state(uint8_t value)
{
    return value <= PROTO_VAULT_FORGOTTEN;
}

static bool is_purpose(uint8_t value)
{
    return value >= PROTO_PURPOSE_INSTALL && value <= PROTO_PURPOSE_ZEROISE;
}

static enum proto_status check_start(
    const uint8_t *bytes, size_t length, size_t expected_length, bool has_suite)
{
    if (length != expected_length)
        return PROTO_BAD_LENGTH;
    if (bytes[0] != PROTO_VERSION)
        return PROTO_BAD_VERSION;
    if (has_suite && bytes[1] != PROTO_SUITE_P256)
        return PROTO_BAD_SUITE;
    return PROTO_OK;
}

void proto_hello_encode(const struct proto_hello *hello, uint8_t ret_bytes[PROTO_HELLO_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_u8(&at, PROTO_VERSION);
    proto_put_u8(&at, hello->flags);
    proto_put_u8(&at, hello->lifecycle);
    proto_put(&at, hello->restrictions, sizeof(hello->restrictions));
    proto_put_u8(&at, hello->vault_state);
    proto_put(&at, hello->chip_id, sizeof(hello->chip_id));
    proto_put_u32(&at, hello->silicon_id);
    proto_put_u32(&at, hello->bootloader_version);
    proto_put(&at, hello->bootloader_hash, sizeof(hello->bootloader_hash));
    proto_put(&at, hello->authority_key_id[0], PROTO_KEY_ID_SIZE);
    proto_put(&at, hello->authority_key_id[1], PROTO_KEY_ID_SIZE);
    proto_put_u32(&at, hello->key_version);
    proto_put_u32(&at, hello->health);
}

enum proto_status proto_hello_decode(
    const uint8_t *bytes, size_t length, struct proto_hello *ret_hello)
{
    enum proto_status status = check_start(bytes, length, PROTO_HELLO_SIZE, false);
    struct proto_hello hello;
    const uint8_t *at = bytes + 1;

    if (status != PROTO_OK)
        return status;
    hello.flags = proto_take_u8(&at);
    hello.lifecycle = proto_take_u8(&at);
    proto_take(&at, hello.restrictions, sizeof(hello.restrictions));
    hello.vault_state = proto_take_u8(&at);
    proto_take(&at, hello.chip_id, sizeof(hello.chip_id));
    hello.silicon_id = proto_take_u32(&at);
    hello.bootloader_version = proto_take_u32(&at);
    proto_take(&at, hello.bootloader_hash, sizeof(hello.bootloader_hash));
    proto_take(&at, hello.authority_key_id[0], PROTO_KEY_ID_SIZE);
    proto_take(&at, hello.authority_key_id[1], PROTO_KEY_ID_SIZE);
    hello.key_version = proto_take_u32(&at);
    hello.health = proto_take_u32(&at);
    /* Statuses are append-only, so that a newer device's cause of ill health is not refused here.
     */
    if ((hello.flags & ~(PROTO_FLAG_LAB | PROTO_FLAG_BOUND)) != 0 ||
        !is_lifecycle(hello.lifecycle) || !is_vault_state(hello.vault_state) || hello.health == 0)
        return PROTO_BAD_FIELD;
    *ret_hello = hello;
    return PROTO_OK;
}

void proto_statement_encode(
    const struct proto_statement *statement, uint8_t ret_bytes[PROTO_STATEMENT_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_u8(&at, PROTO_VERSION);
    proto_put_u8(&at, PROTO_SUITE_P256);
    proto_put(&at, statement->authority_key_id, PROTO_KEY_ID_SIZE);
    proto_put(&at, statement->chip_id, sizeof(statement->chip_id));
    proto_put_u32(&at, statement->silicon_id);
    proto_put_u8(&at, statement->lifecycle);
    proto_put(&at, statement->restrictions, sizeof(statement->restrictions));
    proto_put_u8(&at, statement->flags);
    proto_put_u32(&at, statement->bootloader_version);
    proto_put(&at, statement->bootloader_hash, sizeof(statement->bootloader_hash));
    proto_put(&at, statement->public_key, sizeof(statement->public_key));
    proto_put(&at, statement->nonce, sizeof(statement->nonce));
    proto_put_u8(&at, statement->vault_state);
    proto_put_u32(&at, statement->key_version);
    proto_put_zeros(&at, 2);
    proto_put(&at, statement->mac, sizeof(statement->mac));
}

enum proto_status proto_statement_decode(
    const uint8_t *bytes, size_t length, struct proto_statement *ret_statement)
{
    enum proto_status status = check_start(bytes, length, PROTO_STATEMENT_SIZE, true);
    struct proto_statement statement;
    const uint8_t *at = bytes + 2;

    if (status != PROTO_OK)
        return status;
    proto_take(&at, statement.authority_key_id, PROTO_KEY_ID_SIZE);
    proto_take(&at, statement.chip_id, sizeof(statement.chip_id));
    statement.silicon_id = proto_take_u32(&at);
    statement.lifecycle = proto_take_u8(&at);
    proto_take(&at, statement.restrictions, sizeof(statement.restrictions));
    statement.flags = proto_take_u8(&at);
    statement.bootloader_version = proto_take_u32(&at);
    proto_take(&at, statement.bootloader_hash, sizeof(statement.bootloader_hash));
    proto_take(&at, statement.public_key, sizeof(statement.public_key));
    proto_take(&at, statement.nonce, sizeof(statement.nonce));
    statement.vault_state = proto_take_u8(&at);
    statement.key_version = proto_take_u32(&at);
    if (proto_take_u16(&at) != 0 || !is_lifecycle(statement.lifecycle) ||
        (statement.flags & ~PROTO_FLAG_LAB) != 0 || statement.vault_state > PROTO_VAULT_ZEROISED ||
        statement.public_key[0] != SEC1_UNCOMPRESSED)
        return PROTO_BAD_FIELD;
    proto_take(&at, statement.mac, sizeof(statement.mac));
    *ret_statement = statement;
    return PROTO_OK;
}

void proto_envelope_header_encode(
    const struct proto_envelope_header *header, uint8_t ret_bytes[PROTO_ENVELOPE_HEADER_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_u8(&at, PROTO_VERSION);
    proto_put_u8(&at, PROTO_SUITE_P256);
    proto_put_u8(&at, header->purpose);
    proto_put_u8(&at, header->lorawan_version);
    proto_put_u8(&at, header->keys);
    proto_put_zeros(&at, 1);
    proto_put(&at, header->envelope_id, sizeof(header->envelope_id));
    proto_put(&at, header->chip_id, sizeof(header->chip_id));
    proto_put(&at, header->dev_eui, sizeof(header->dev_eui));
    proto_put(&at, header->join_eui, sizeof(header->join_eui));
    proto_put_u32(&at, header->key_version);
    proto_put(&at, header->nonce, sizeof(header->nonce));
    proto_put(&at, header->authority_key_id, sizeof(header->authority_key_id));
    proto_put_u16(&at, CIPHERTEXT_SIZE);
}

/* LoRaWAN 1.0 has one root key, 1.1 two (TS001-1.1 §6.1.1); an order to zeroise carries none. */
static bool are_keys_allowed(const struct proto_envelope_header *header)
{
    if (header->lorawan_version != PROTO_LORAWAN_1_0 &&
        header->lorawan_version != PROTO_LORAWAN_1_1)
        return false;
    if (header->purpose == PROTO_PURPOSE_ZEROISE)
        return header->keys == 0;
    if (header->lorawan_version == PROTO_LORAWAN_1_0)
        return header->keys == PROTO_KEY_APP;
    return header->keys == (PROTO_KEY_NWK | PROTO_KEY_APP);
}

enum proto_status proto_envelope_decode(
    const uint8_t *bytes, size_t length, struct proto_envelope *ret_envelope)
{
    enum proto_status status = check_start(bytes, length, PROTO_ENVELOPE_SIZE, true);
    struct proto_envelope envelope;
    struct proto_envelope_header *header = &envelope.header;
    const uint8_t *at = bytes + 2;

    if (status != PROTO_OK)
        return status;
    header->purpose = proto_take_u8(&at);
    if (!is_purpose(header->purpose))
        return PROTO_BAD_PURPOSE;
    header->lorawan_version = proto_take_u8(&at);
    header->keys = proto_take_u8(&at);
    if (proto_take_u8(&at) != 0 || !are_keys_allowed(header))
        return PROTO_BAD_FIELD;
    proto_take(&at, header->envelope_id, sizeof(header->envelope_id));
    proto_take(&at, header->chip_id, sizeof(header->chip_id));
    proto_take(&at, header->dev_eui, sizeof(header->dev_eui));
    proto_take(&at, header->join_eui, sizeof(header->join_eui));
    header->key_version = proto_take_u32(&at);
    proto_take(&at, header->nonce, sizeof(header->nonce));
    proto_take(&at, header->authority_key_id, sizeof(header->authority_key_id));
    if (proto_take_u16(&at) != CIPHERTEXT_SIZE)
        return PROTO_BAD_FIELD;
    envelope.aad = bytes;
    envelope.enc = bytes + ENVELOPE_ENC_AT;
    envelope.ciphertext = bytes + ENVELOPE_CIPHER_AT;
    *ret_envelope = envelope;
    return PROTO_OK;
}

void proto_receipt_encode(
    const struct proto_receipt *receipt, uint8_t ret_bytes[PROTO_RECEIPT_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_u8(&at, PROTO_VERSION);
    proto_put_u8(&at, PROTO_SUITE_P256);
    proto_put_u8(&at, receipt->purpose);
    proto_put_u8(&at, receipt->slot);
    proto_put(&at, receipt->envelope_id, sizeof(receipt->envelope_id));
    proto_put(&at, receipt->chip_id, sizeof(receipt->chip_id));
    proto_put_u32(&at, receipt->key_version);
    proto_put(&at, receipt->envelope_hash, sizeof(receipt->envelope_hash));
    proto_put(&at, receipt->record_hash, sizeof(receipt->record_hash));
    proto_put(&at, receipt->mac, sizeof(receipt->mac));
}

enum proto_status proto_receipt_decode(
    const uint8_t *bytes, size_t length, struct proto_receipt *ret_receipt)
{
    enum proto_status status = check_start(bytes, length, PROTO_RECEIPT_SIZE, true);
    struct proto_receipt receipt;
    const uint8_t *at = bytes + 2;

    if (status != PROTO_OK)
        return status;
    receipt.purpose = proto_take_u8(&at);
    if (!is_purpose(receipt.purpose))
        return PROTO_BAD_PURPOSE;
    receipt.slot = proto_take_u8(&at);
    if (receipt.slot > 1)
        return PROTO_BAD_FIELD;
    proto_take(&at, receipt.envelope_id, sizeof(receipt.envelope_id));
    proto_take(&at, receipt.chip_id, sizeof(receipt.chip_id));
    receipt.key_version = proto_take_u32(&at);
    proto_take(&at, receipt.envelope_hash, sizeof(receipt.envelope_hash));
    proto_take(&at, receipt.record_hash, sizeof(receipt.record_hash));
    proto_take(&at, receipt.mac, sizeof(receipt.mac));
    *ret_receipt = receipt;
    return PROTO_OK;
}

void proto_forget_body_encode(const uint8_t chip_id[PROTO_CHIP_ID_SIZE], uint32_t key_version,
    uint8_t ret_bytes[PROTO_FORGET_BODY_SIZE])
{
    static const uint8_t label[] = PROTO_LABEL_FORGET;
    uint8_t *at = ret_bytes;

    proto_put(&at, label, sizeof(label) - 1U);
    proto_put(&at, chip_id, PROTO_CHIP_ID_SIZE);
    proto_put_u32(&at, key_version);
}

void proto_lock_answer_encode(
    const struct proto_lock_answer *answer, uint8_t ret_bytes[PROTO_LOCK_ANSWER_SIZE])
{
    uint8_t *at = ret_bytes;

    proto_put_u8(&at, PROTO_VERSION);
    proto_put_u8(&at, PROTO_SUITE_P256);
    proto_put_u8(&at, PROTO_VAULT_LOCKED);
    proto_put_zeros(&at, 1);
    proto_put(&at, answer->chip_id, sizeof(answer->chip_id));
    proto_put_u32(&at, answer->key_version);
    proto_put(&at, answer->envelope_id, sizeof(answer->envelope_id));
    proto_put(&at, answer->record_hash, sizeof(answer->record_hash));
    proto_put(&at, answer->mac, sizeof(answer->mac));
}

enum proto_status proto_lock_answer_decode(
    const uint8_t *bytes, size_t length, struct proto_lock_answer *ret_answer)
{
    enum proto_status status = check_start(bytes, length, PROTO_LOCK_ANSWER_SIZE, true);
    const uint8_t *at = bytes + 4;

    if (status != PROTO_OK)
        return status;
    if (bytes[2] != PROTO_VAULT_LOCKED || bytes[3] != 0)
        return PROTO_BAD_FIELD;
    proto_take(&at, ret_answer->chip_id, sizeof(ret_answer->chip_id));
    ret_answer->key_version = proto_take_u32(&at);
    proto_take(&at, ret_answer->envelope_id, sizeof(ret_answer->envelope_id));
    proto_take(&at, ret_answer->record_hash, sizeof(ret_answer->record_hash));
    proto_take(&at, ret_answer->mac, sizeof(ret_answer->mac));
    return PROTO_OK;
}
