/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/keystore.h"

#include <string.h>

#include "base/hash.h"
#include "base/p256.h"
#include "device-fw/protocol/messages.h"

/* Places of fields in a statement, see device-fw/protocol/messages.h. */
#define STATEMENT_KEY_ID_AT     2
#define STATEMENT_CHIP_ID_AT    10
#define STATEMENT_PUBLIC_KEY_AT 64

void kms_keystore_close(struct kms_keystore *keys)
{
    if (keys == NULL || keys->ops == NULL) {
        return;
    }
    keys->ops->close(keys->state);
    memset(keys, 0, sizeof(*keys));
}

enum base_status kms_keystore_wrap(struct kms_keystore *keys, const uint8_t *key, size_t length,
    uint8_t *ret_wrapped, struct base_err *err)
{
    return keys->ops->wrap(keys->state, key, length, ret_wrapped, err);
}

enum base_status kms_keystore_unwrap(struct kms_keystore *keys, const uint8_t *wrapped,
    size_t length, uint8_t *ret_key, struct base_err *err)
{
    return keys->ops->unwrap(keys->state, wrapped, length, ret_key, err);
}

/* @p secret: 32 bytes DH, 32 bytes PRK, 32 bytes key. */
static enum base_status statement_key(struct kms_keystore *keys,
    const uint8_t statement[PROTO_STATEMENT_SIZE], uint8_t *secret, struct base_err *err)
{
    enum base_status status = keys->authority.dh(keys->authority.user,
        statement + STATEMENT_PUBLIC_KEY_AT, PROTO_PUBLIC_KEY_SIZE, secret, err);
    if (status != BASE_OK) {
        return status;
    }
    const struct base_part ikm = { secret, BASE_HPKE_DH_BYTES };
    base_hkdf_extract(
        PROTO_LABEL_STATEMENT, sizeof(PROTO_LABEL_STATEMENT) - 1, &ikm, 1, secret + 32);
    const struct base_part info[] = {
        { statement + STATEMENT_KEY_ID_AT, PROTO_KEY_ID_SIZE },
        { statement + STATEMENT_CHIP_ID_AT, PROTO_CHIP_ID_SIZE },
    };
    return base_hkdf_expand(secret + 32, info, 2, 32, secret + 64, err);
}

enum base_status kms_keystore_check_statement(
    struct kms_keystore *keys, const uint8_t statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    struct base_secret secret = { 0 };
    enum base_status status = base_secret_init(&secret, 96, err);
    if (status == BASE_OK) {
        status = statement_key(keys, statement, secret.data, err);
    }
    if (status == BASE_OK) {
        uint8_t mac[PROTO_MAC_SIZE];
        const struct base_part body = { statement, PROTO_STATEMENT_BODY_SIZE };
        base_hmac_sha256(secret.data + 64, 32, &body, 1, mac);
        if (!base_equal_ct(mac, statement + PROTO_STATEMENT_BODY_SIZE, PROTO_MAC_SIZE)) {
            status = base_err_set(err, BASE_E_VERIFY, "KMS", 0,
                "the statement's MAC does not fit: it was altered, or made for another KMS");
        }
        base_wipe(mac, sizeof(mac));
    }
    base_secret_done(&secret);
    return status;
}

static enum base_status seal_with(struct base_hpke *hpke, const uint8_t *plain, uint8_t *envelope,
    uint8_t *receipt_key, struct base_err *err)
{
    enum base_status status =
        base_hpke_seal(hpke, envelope, PROTO_ENVELOPE_HEADER_SIZE, plain, PROTO_ENVELOPE_PLAIN_SIZE,
            envelope + PROTO_ENVELOPE_HEADER_SIZE + PROTO_PUBLIC_KEY_SIZE, err);
    if (status != BASE_OK) {
        return status;
    }
    return base_hpke_export(hpke, PROTO_LABEL_RECEIPT, sizeof(PROTO_LABEL_RECEIPT) - 1,
        PROTO_MAC_SIZE, receipt_key, err);
}

enum base_status kms_keystore_seal(struct kms_keystore *keys,
    const uint8_t device[PROTO_PUBLIC_KEY_SIZE], const uint8_t *plain, uint8_t *envelope,
    uint8_t *receipt_key, struct base_err *err)
{
    static const struct base_hpke_opts opts = {
        .mode = BASE_HPKE_AUTH,
        .kem_id = BASE_HPKE_KEM_P256,
        .kdf_id = BASE_HPKE_KDF_SHA256,
        .aead_id = BASE_AEAD_AES_128_GCM,
        .info = PROTO_LABEL_ENVELOPE_INFO,
        .info_length = sizeof(PROTO_LABEL_ENVELOPE_INFO) - 1,
    };
    struct base_p256 *ephemeral = NULL;
    struct base_hpke *hpke = NULL;
    uint8_t enc[BASE_HPKE_PUBLIC_MAX_BYTES];
    size_t enc_length = 0;
    enum base_status status = base_p256_generate(keys->random, &ephemeral, err);
    if (status == BASE_OK) {
        struct base_hpke_key key;
        base_p256_hpke(ephemeral, &key);
        status = base_hpke_setup_sender(&opts, device, PROTO_PUBLIC_KEY_SIZE, &key,
            &keys->authority, enc, &enc_length, &hpke, err);
    }
    if (status == BASE_OK) {
        memcpy(envelope + PROTO_ENVELOPE_HEADER_SIZE, enc, PROTO_PUBLIC_KEY_SIZE);
        status = seal_with(hpke, plain, envelope, receipt_key, err);
    }
    base_hpke_free(hpke);
    base_p256_free(ephemeral);
    return status;
}
