/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/envelope.h"

#include "device-fw/bootloader/hpke.h"
#include "device-fw/bootloader/identity.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"
#include "device-fw/protocol/messages.h"

#include <string.h>

static bool has_receipt(const struct bl_device *device)
{
    const struct bl_installed *installed = &device->vault.record.installed;

    return device->vault.present && installed->purpose != 0 &&
           bl_hardened_zero(installed->receipt_key, sizeof(installed->receipt_key)) != BL_YES;
}

enum proto_status bl_envelope_receipt(struct bl_device *device, struct bl_answer *ret_answer)
{
    const struct bl_installed *installed = &device->vault.record.installed;
    const struct bl_part body = { ret_answer->payload, PROTO_RECEIPT_BODY_SIZE };
    struct proto_receipt receipt = { .slot = BL_VAULT_RECEIPT_SLOT };

    if (!has_receipt(device))
        return PROTO_NO_RECORD;
    /* A receipt speaks of what is in flash. */
    if (bl_vault_is_true(&device->vault) != BL_YES)
        return PROTO_FLASH_FAILED;
    receipt.purpose = installed->purpose;
    memcpy(receipt.envelope_id, installed->envelope_id, sizeof(receipt.envelope_id));
    memcpy(receipt.chip_id, device->chip.id, sizeof(receipt.chip_id));
    receipt.key_version = installed->key_version;
    memcpy(receipt.envelope_hash, installed->envelope_hash, sizeof(receipt.envelope_hash));
    bl_vault_installed_hash(receipt.record_hash);
    proto_receipt_encode(&receipt, ret_answer->payload);
    bl_hmac(installed->receipt_key, sizeof(installed->receipt_key), &body, 1,
        ret_answer->payload + PROTO_RECEIPT_BODY_SIZE);
    ret_answer->length = PROTO_RECEIPT_SIZE;
    return PROTO_OK;
}

/* All that can be said without the secret key. Called twice, hence not inlined: neither the
 * compiler nor one disturbed instruction shall make one of two. */
__attribute__((noinline)) static enum proto_status check_header(const struct bl_device *device,
    const struct proto_envelope_header *header, const uint8_t hash[PROTO_HASH_SIZE])
{
    const struct bl_record *record = &device->vault.record;

    if (!device->vault.present)
        return PROTO_NO_IDENTITY;
    if (bl_identity_find_authority(device, header->authority_key_id) < 0)
        return PROTO_WRONG_AUTHORITY;
    if (!proto_equal(header->chip_id, device->chip.id, PROTO_CHIP_ID_SIZE))
        return PROTO_WRONG_CHIP;
    if (has_receipt(device) && proto_equal(record->installed.envelope_hash, hash, PROTO_HASH_SIZE))
        return PROTO_ALREADY;
    if (header->purpose != PROTO_PURPOSE_INSTALL && record->state == PROTO_VAULT_IDENTITY)
        return PROTO_NO_RECORD;
    if (header->purpose == PROTO_PURPOSE_INSTALL && record->state == PROTO_VAULT_LOCKED)
        return PROTO_WRONG_STATE;
    if (!proto_equal(header->nonce, record->nonce, PROTO_NONCE_SIZE))
        return PROTO_WRONG_NONCE;
    if (header->key_version <= record->key_version)
        return PROTO_OLD_KEY_VERSION;
    return PROTO_OK;
}

/* The static DH with the sender: kept in the record, or made anew for the other authority. */
static bool sender_dh(const struct bl_device *device, const uint8_t *sender_public,
    const uint8_t *key_id, uint8_t ret_dh[BL_P256_SECRET_SIZE])
{
    const struct bl_record *record = &device->vault.record;

    if (!proto_equal(record->authority_key_id, key_id, PROTO_KEY_ID_SIZE))
        return bl_p256_dh(record->secret, sender_public, ret_dh);
    memcpy(ret_dh, record->authority_dh, BL_P256_SECRET_SIZE);
    return true;
}

/* What opening an envelope takes. */
struct opening {
    struct bl_hpke_keys keys;
    uint8_t sender_dh[BL_P256_SECRET_SIZE];
    struct bl_hpke_dh dh;
};

/* The dear part, done once: a disturbed multiplication fails both openings. */
static bool agree(
    const struct bl_device *device, const struct proto_envelope *envelope, struct opening *opening)
{
    const uint8_t *key_id = envelope->header.authority_key_id;
    int slot = bl_identity_find_authority(device, key_id);

    if (slot < 0)
        return false;
    opening->keys.secret = device->vault.record.secret;
    opening->keys.public_key = device->vault.record.public_key;
    opening->keys.sender_public = device->binding.authority_key[slot];
    opening->keys.sender_dh = opening->sender_dh;
    return sender_dh(device, opening->keys.sender_public, key_id, opening->sender_dh) &&
           bl_hpke_agree(&opening->keys, envelope->enc, &opening->dh);
}

/* The root keys that the mask names, and the receipt key; a key without its bit stays zeros. */
__attribute__((noinline)) static enum proto_status open_envelope(const struct opening *opening,
    const struct proto_envelope *envelope, struct bl_installed *installed)
{
    static const char info[] = PROTO_LABEL_ENVELOPE_INFO;
    static const char receipt_label[] = PROTO_LABEL_RECEIPT;
    const struct bl_part aad = { envelope->aad, PROTO_ENVELOPE_HEADER_SIZE };
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE];
    struct bl_hpke hpke;
    enum proto_status status = PROTO_BAD_MAC;

    bl_hpke_derive(&opening->keys, envelope->enc, &opening->dh, info, sizeof(info) - 1U, &hpke);
    if (bl_hpke_open(&hpke, 0, &aad, envelope->ciphertext, PROTO_ENVELOPE_PLAIN_SIZE, plain)) {
        if ((envelope->header.keys & PROTO_KEY_NWK) != 0)
            memcpy(installed->nwk_key, plain, PROTO_ROOT_KEY_SIZE);
        if ((envelope->header.keys & PROTO_KEY_APP) != 0)
            memcpy(installed->app_key, plain + PROTO_ROOT_KEY_SIZE, PROTO_ROOT_KEY_SIZE);
        bl_hpke_export(&hpke, receipt_label, sizeof(receipt_label) - 1U, PROTO_HASH_SIZE,
            installed->receipt_key);
        status = PROTO_OK;
    }
    bl_wipe(plain, sizeof(plain));
    bl_wipe(&hpke, sizeof(hpke));
    return status;
}

static void fill_installed(const struct proto_envelope_header *header,
    const uint8_t hash[PROTO_HASH_SIZE], struct bl_installed *installed)
{
    bl_wipe(installed, sizeof(*installed));
    installed->purpose = header->purpose;
    installed->lorawan_version = header->lorawan_version;
    installed->keys = header->keys;
    memcpy(installed->envelope_id, header->envelope_id, sizeof(installed->envelope_id));
    installed->key_version = header->key_version;
    memcpy(installed->dev_eui, header->dev_eui, sizeof(installed->dev_eui));
    memcpy(installed->join_eui, header->join_eui, sizeof(installed->join_eui));
    memcpy(installed->envelope_hash, hash, PROTO_HASH_SIZE);
}

/* The envelope's bytes, and what is read out of them. */
struct incoming {
    const uint8_t *bytes;
    size_t length;
    struct proto_envelope envelope;
    uint8_t hash[PROTO_HASH_SIZE];
};

static enum proto_status examine(const struct bl_device *device, struct incoming *incoming)
{
    enum proto_status status =
        proto_envelope_decode(incoming->bytes, incoming->length, &incoming->envelope);

    if (status != PROTO_OK)
        return status;
    bl_sha256(incoming->bytes, incoming->length, incoming->hash);
    return check_header(device, &incoming->envelope.header, incoming->hash);
}

/* Everything once more from the envelope's bytes; what comes out is compared with the row that is
 * about to be written (guard.h). Zeros when anything speaks against it. */
__attribute__((noinline)) static enum proto_status confirm(const struct bl_device *device,
    struct incoming *incoming, const struct opening *opening, struct bl_installed *ret_second)
{
    enum proto_status status;

    bl_wipe(ret_second, sizeof(*ret_second));
    bl_wipe(&incoming->envelope, sizeof(incoming->envelope));
    bl_wipe(incoming->hash, sizeof(incoming->hash));
    status = examine(device, incoming);
    if (status != PROTO_OK)
        return status;
    fill_installed(&incoming->envelope.header, incoming->hash, ret_second);
    status = open_envelope(opening, &incoming->envelope, ret_second);
    if (status != PROTO_OK)
        bl_wipe(ret_second, sizeof(*ret_second));
    return status;
}

/* Nothing unlocks. */
static uint8_t next_state(uint8_t state, uint8_t purpose)
{
    if (state == PROTO_VAULT_LOCKED)
        return PROTO_VAULT_LOCKED;
    return purpose == PROTO_PURPOSE_ZEROISE ? PROTO_VAULT_ZEROISED : PROTO_VAULT_COMMITTED;
}

/* The next record, from the first reading. */
static enum proto_status draw_up(struct bl_device *device, const struct incoming *incoming,
    struct opening *opening, struct bl_record *draft)
{
    const struct proto_envelope_header *header = &incoming->envelope.header;
    enum proto_status status = PROTO_BAD_POINT;

    fill_installed(header, incoming->hash, &draft->installed);
    draft->key_version = header->key_version;
    draft->state = next_state(device->vault.record.state, header->purpose);
    bl_wipe(draft->services, sizeof(draft->services));
    if (agree(device, &incoming->envelope, opening))
        status = open_envelope(opening, &incoming->envelope, &draft->installed);
    if (status == PROTO_OK && !bl_random_bytes(&device->random, draft->nonce, sizeof(draft->nonce)))
        status = PROTO_TRNG_FAILED;
    return status;
}

/* Turn the opened envelope into the next record and write it. The nonce is used up. */
static enum proto_status commit(struct bl_device *device, struct incoming *incoming)
{
    struct bl_record *draft = bl_vault_draft(&device->vault, device->chip.id);
    struct opening opening;
    struct bl_installed second;
    enum proto_status status = draw_up(device, incoming, &opening, draft);

    if (status == PROTO_OK)
        status = confirm(device, incoming, &opening, &second);
    bl_wipe(&opening, sizeof(opening));
    if (status == PROTO_OK)
        status = bl_vault_commit_as(&device->vault, BL_ACT_ENVELOPE, &second);
    bl_wipe(draft, sizeof(*draft));
    bl_wipe(&second, sizeof(second));
    return status;
}

enum proto_status bl_envelope_install(
    struct bl_device *device, const uint8_t *payload, size_t length, struct bl_answer *ret_answer)
{
    struct incoming incoming = { .bytes = payload, .length = length };
    enum proto_status status = examine(device, &incoming);
    enum proto_status receipt_status;

    if (status == PROTO_OK)
        status = commit(device, &incoming);
    if (status != PROTO_OK && status != PROTO_ALREADY)
        return status;
    receipt_status = bl_envelope_receipt(device, ret_answer);
    return receipt_status == PROTO_OK ? status : receipt_status;
}
