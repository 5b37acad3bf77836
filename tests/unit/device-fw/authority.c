/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/authority.h"

#include <cmocka.h>

#include "base/hash.h"
#include "base/hpke.h"

void authority_init(struct authority *authority, uint8_t number)
{
    uint8_t ikm[32] = { 0xA0, number };
    uint8_t digest[PROTO_HASH_SIZE];

    assert_int_equal(base_p256_derive(ikm, sizeof(ikm), &authority->key, NULL), BASE_OK);
    base_p256_public(authority->key, authority->public_key);
    base_sha256(authority->public_key, PROTO_PUBLIC_KEY_SIZE, digest);
    memcpy(authority->key_id, digest, PROTO_KEY_ID_SIZE);
}

void authority_done(struct authority *authority)
{
    base_p256_free(authority->key);
    authority->key = NULL;
}

void authority_check_statement(const struct authority *authority,
    const uint8_t bytes[PROTO_STATEMENT_SIZE], struct proto_statement *ret_statement)
{
    static const char salt[] = PROTO_LABEL_STATEMENT;
    uint8_t dh[32];
    uint8_t prk[PROTO_HASH_SIZE];
    uint8_t key[PROTO_HASH_SIZE];
    uint8_t mac[PROTO_MAC_SIZE];
    struct base_part ikm = { dh, sizeof(dh) };
    struct base_part body = { bytes, PROTO_STATEMENT_BODY_SIZE };
    struct base_part info[2];

    assert_int_equal(proto_statement_decode(bytes, PROTO_STATEMENT_SIZE, ret_statement), PROTO_OK);
    assert_memory_equal(ret_statement->authority_key_id, authority->key_id, PROTO_KEY_ID_SIZE);
    assert_int_equal(base_p256_ecdh(authority->key, ret_statement->public_key, dh, NULL), BASE_OK);
    base_hkdf_extract(salt, sizeof(salt) - 1, &ikm, 1, prk);
    info[0] = (struct base_part){ authority->key_id, PROTO_KEY_ID_SIZE };
    info[1] = (struct base_part){ ret_statement->chip_id, PROTO_CHIP_ID_SIZE };
    assert_int_equal(base_hkdf_expand(prk, info, 2, sizeof(key), key, NULL), BASE_OK);
    base_hmac_sha256(key, sizeof(key), &body, 1, mac);
    assert_memory_equal(mac, ret_statement->mac, sizeof(mac));
}

struct proto_envelope_header authority_header(const struct authority *authority,
    const struct proto_statement *statement, uint32_t key_version)
{
    struct proto_envelope_header header = {
        .purpose = PROTO_PURPOSE_INSTALL,
        .lorawan_version = PROTO_LORAWAN_1_0,
        .keys = PROTO_KEY_APP,
        .dev_eui = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0, 0, 1 },
        .join_eui = { 0x70, 0xB3, 0xD5, 0x7E, 0xD0, 0xFF, 0, 2 },
        .key_version = key_version,
    };

    memset(header.envelope_id, (int)key_version, sizeof(header.envelope_id));
    memcpy(header.chip_id, statement->chip_id, sizeof(header.chip_id));
    memcpy(header.nonce, statement->nonce, sizeof(header.nonce));
    memcpy(header.authority_key_id, authority->key_id, sizeof(header.authority_key_id));
    return header;
}

void authority_seal(const struct authority *authority, const struct proto_envelope_header *header,
    const uint8_t device_key[PROTO_PUBLIC_KEY_SIZE], const uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE],
    uint8_t ret_envelope[PROTO_ENVELOPE_SIZE], uint8_t *ret_receipt_key)
{
    static const char info[] = PROTO_LABEL_ENVELOPE_INFO;
    static const char receipt[] = PROTO_LABEL_RECEIPT;
    struct base_hpke_opts opts = {
        .mode = BASE_HPKE_AUTH,
        .kem_id = BASE_HPKE_KEM_P256,
        .kdf_id = BASE_HPKE_KDF_SHA256,
        .aead_id = 1,
        .info = info,
        .info_length = sizeof(info) - 1,
    };
    uint8_t ikm[32] = { 0xE0 };
    struct base_p256 *ephemeral_key = NULL;
    struct base_hpke_key ephemeral;
    struct base_hpke_key sender;
    struct base_hpke *hpke = NULL;
    size_t enc_length = 0;

    memcpy(ikm + 1, header->envelope_id, PROTO_ENVELOPE_ID_SIZE);
    assert_int_equal(base_p256_derive(ikm, sizeof(ikm), &ephemeral_key, NULL), BASE_OK);
    base_p256_hpke(ephemeral_key, &ephemeral);
    base_p256_hpke(authority->key, &sender);
    proto_envelope_header_encode(header, ret_envelope);
    assert_int_equal(
        base_hpke_setup_sender(&opts, device_key, PROTO_PUBLIC_KEY_SIZE, &ephemeral, &sender,
            ret_envelope + PROTO_ENVELOPE_HEADER_SIZE, &enc_length, &hpke, NULL),
        BASE_OK);
    assert_int_equal(enc_length, PROTO_PUBLIC_KEY_SIZE);
    assert_int_equal(base_hpke_seal(hpke, ret_envelope, PROTO_ENVELOPE_HEADER_SIZE, plain,
                         PROTO_ENVELOPE_PLAIN_SIZE,
                         ret_envelope + PROTO_ENVELOPE_HEADER_SIZE + PROTO_PUBLIC_KEY_SIZE, NULL),
        BASE_OK);
    assert_int_equal(base_hpke_export(hpke, receipt, sizeof(receipt) - 1, PROTO_HASH_SIZE,
                         ret_receipt_key, NULL),
        BASE_OK);
    base_hpke_free(hpke);
    base_p256_free(ephemeral_key);
}

void authority_check_receipt(const uint8_t *receipt_key,
    const uint8_t envelope[PROTO_ENVELOPE_SIZE], const uint8_t bytes[PROTO_RECEIPT_SIZE],
    struct proto_receipt *ret_receipt)
{
    struct base_part body = { bytes, PROTO_RECEIPT_BODY_SIZE };
    struct proto_envelope parts;
    uint8_t hash[PROTO_HASH_SIZE];
    uint8_t mac[PROTO_MAC_SIZE];

    assert_int_equal(proto_envelope_decode(envelope, PROTO_ENVELOPE_SIZE, &parts), PROTO_OK);
    assert_int_equal(proto_receipt_decode(bytes, PROTO_RECEIPT_SIZE, ret_receipt), PROTO_OK);
    base_hmac_sha256(receipt_key, PROTO_HASH_SIZE, &body, 1, mac);
    assert_memory_equal(mac, ret_receipt->mac, sizeof(mac));
    base_sha256(envelope, PROTO_ENVELOPE_SIZE, hash);
    assert_memory_equal(ret_receipt->envelope_hash, hash, sizeof(hash));
    assert_memory_equal(ret_receipt->envelope_id, parts.header.envelope_id, PROTO_ENVELOPE_ID_SIZE);
    assert_memory_equal(ret_receipt->chip_id, parts.header.chip_id, PROTO_CHIP_ID_SIZE);
    assert_int_equal(ret_receipt->key_version, parts.header.key_version);
    assert_int_equal(ret_receipt->purpose, parts.header.purpose);
}

void authority_forget(const uint8_t *receipt_key, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    uint32_t key_version, uint8_t ret_confirmation[PROTO_MAC_SIZE])
{
    const uint8_t version[4] = { (uint8_t)(key_version >> 24), (uint8_t)(key_version >> 16),
        (uint8_t)(key_version >> 8), (uint8_t)key_version };
    const struct base_part parts[] = { { "lpa forget v1", 13 }, { chip_id, PROTO_CHIP_ID_SIZE },
        { version, sizeof(version) } };

    base_hmac_sha256(receipt_key, PROTO_HASH_SIZE, parts, 3, ret_confirmation);
}

void authority_check_lock(const uint8_t *receipt_key, const struct proto_receipt *receipt,
    const uint8_t bytes[PROTO_LOCK_ANSWER_SIZE])
{
    static const char label[] = PROTO_LABEL_LOCK;
    struct base_part name = { label, sizeof(label) - 1 };
    struct base_part body = { bytes, PROTO_LOCK_BODY_SIZE };
    struct proto_lock_answer answer;
    uint8_t key[PROTO_MAC_SIZE];
    uint8_t mac[PROTO_MAC_SIZE];

    assert_int_equal(proto_lock_answer_decode(bytes, PROTO_LOCK_ANSWER_SIZE, &answer), PROTO_OK);
    base_hmac_sha256(receipt_key, PROTO_HASH_SIZE, &name, 1, key);
    base_hmac_sha256(key, sizeof(key), &body, 1, mac);
    assert_memory_equal(mac, answer.mac, sizeof(mac));
    assert_memory_equal(answer.chip_id, receipt->chip_id, PROTO_CHIP_ID_SIZE);
    assert_memory_equal(answer.envelope_id, receipt->envelope_id, PROTO_ENVELOPE_ID_SIZE);
    assert_memory_equal(answer.record_hash, receipt->record_hash, PROTO_HASH_SIZE);
    assert_int_equal(answer.key_version, receipt->key_version);
}
