/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/identity.h"

#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/p256.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"
#include "device-fw/protocol/messages.h"

#include <string.h>

int bl_identity_find_authority(
    const struct bl_device *device, const uint8_t key_id[PROTO_KEY_ID_SIZE])
{
    for (int i = 0; i < 2; i++) {
        if (device->binding.authority_key[i][0] != 0 &&
            proto_equal(device->authority_key_id[i], key_id, PROTO_KEY_ID_SIZE))
            return i;
    }
    return -1;
}

/* Key pair and nonce of a device that has none. */
static enum proto_status make_identity(struct bl_device *device, struct bl_record *draft)
{
    draft->state = PROTO_VAULT_IDENTITY;
    draft->identity_flags = device->binding.flags & PROTO_FLAG_LAB;
    draft->bootloader_floor = device->binding.minimum_bootloader;
    if (!bl_p256_generate(&device->random, draft->secret, draft->public_key) ||
        !bl_random_bytes(&device->random, draft->nonce, sizeof(draft->nonce)))
        return PROTO_TRNG_FAILED;
    return PROTO_OK;
}

/* Make the record hold an identity and the static DH with this authority. */
static enum proto_status prepare(struct bl_device *device, int slot)
{
    struct bl_vault *vault = &device->vault;
    const uint8_t *key_id = device->authority_key_id[slot];
    struct bl_record *draft;
    enum proto_status status = PROTO_OK;

    if (vault->present && proto_equal(vault->record.authority_key_id, key_id, PROTO_KEY_ID_SIZE))
        return PROTO_OK;
    draft = bl_vault_draft(vault, device->chip.id);
    if (!vault->present)
        status = make_identity(device, draft);
    if (status == PROTO_OK &&
        !bl_p256_dh(draft->secret, device->binding.authority_key[slot], draft->authority_dh))
        status = PROTO_BAD_POINT;
    if (status != PROTO_OK) {
        bl_wipe(draft, sizeof(*draft));
        return status;
    }
    memcpy(draft->authority_key_id, key_id, PROTO_KEY_ID_SIZE);
    if (vault->present)
        return bl_vault_commit(vault);
    return bl_vault_commit_as(vault, BL_ACT_IDENTITY, &draft->installed);
}

/* Statement key: HKDF-SHA-256, salt PROTO_LABEL_STATEMENT, ikm the DH, info key id || chip id. */
static void sign(const struct bl_record *record, uint8_t bytes[PROTO_STATEMENT_SIZE])
{
    static const char label[] = PROTO_LABEL_STATEMENT;
    const struct bl_part ikm = { record->authority_dh, sizeof(record->authority_dh) };
    const struct bl_part body = { bytes, PROTO_STATEMENT_BODY_SIZE };
    const struct bl_part info[] = {
        { record->authority_key_id, sizeof(record->authority_key_id) },
        { record->chip_id, sizeof(record->chip_id) },
    };
    uint8_t prk[PROTO_HASH_SIZE];
    uint8_t key[PROTO_HASH_SIZE];

    bl_hmac(label, sizeof(label) - 1U, &ikm, 1, prk);
    bl_hkdf_expand(prk, info, 2, sizeof(key), key);
    bl_hmac(key, sizeof(key), &body, 1, bytes + PROTO_STATEMENT_BODY_SIZE);
    bl_wipe(prk, sizeof(prk));
    bl_wipe(key, sizeof(key));
}

enum proto_status bl_identity_statement(
    struct bl_device *device, const uint8_t *payload, size_t length, struct bl_answer *ret_answer)
{
    const struct bl_record *record = &device->vault.record;
    struct proto_statement statement = { .lifecycle = device->chip.lifecycle };
    enum proto_status status;
    int slot;

    if (length != PROTO_KEY_ID_SIZE)
        return PROTO_BAD_LENGTH;
    slot = bl_identity_find_authority(device, payload);
    if (slot < 0)
        return PROTO_WRONG_AUTHORITY;
    status = prepare(device, slot);
    if (status != PROTO_OK)
        return status;
    memcpy(statement.authority_key_id, record->authority_key_id, PROTO_KEY_ID_SIZE);
    memcpy(statement.chip_id, device->chip.id, PROTO_CHIP_ID_SIZE);
    statement.silicon_id = device->chip.silicon_id;
    memcpy(statement.restrictions, device->chip.restrictions, PROTO_RESTRICT_SIZE);
    /* An identity made with the port open stays one, whatever image runs later. */
    statement.flags = (uint8_t)((device->binding.flags | record->identity_flags) & PROTO_FLAG_LAB);
    statement.bootloader_version = BL_VERSION;
    memcpy(statement.bootloader_hash, device->image_hash, PROTO_HASH_SIZE);
    memcpy(statement.public_key, record->public_key, PROTO_PUBLIC_KEY_SIZE);
    memcpy(statement.nonce, record->nonce, PROTO_NONCE_SIZE);
    statement.vault_state = record->state;
    statement.key_version = record->key_version;
    proto_statement_encode(&statement, ret_answer->payload);
    sign(record, ret_answer->payload);
    ret_answer->length = PROTO_STATEMENT_SIZE;
    return PROTO_OK;
}
