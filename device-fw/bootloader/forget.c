/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/forget.h"

#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/messages.h"

#include <string.h>

/* What the confirmation differs by from the right one: zeros, and no byte that was not looked at is
 * zero. Called twice, hence not inlined. */
__attribute__((noinline)) static void subtract(const struct bl_record *record,
    const uint8_t confirmation[PROTO_MAC_SIZE], uint8_t ret_difference[PROTO_MAC_SIZE])
{
    uint8_t body[PROTO_FORGET_BODY_SIZE];
    const struct bl_part part = { body, sizeof(body) };
    uint8_t mac[PROTO_MAC_SIZE];

    memset(ret_difference, 0xFF, PROTO_MAC_SIZE);
    proto_forget_body_encode(record->chip_id, record->installed.key_version, body);
    bl_hmac(record->installed.receipt_key, sizeof(record->installed.receipt_key), &part, 1, mac);
    for (size_t i = 0; i < PROTO_MAC_SIZE; i++)
        ret_difference[i] = mac[i] ^ confirmation[i];
    bl_wipe(mac, sizeof(mac));
}

/* All that a forgetful device keeps. */
static void draw_up(const struct bl_record *record, struct bl_record *draft)
{
    bl_wipe(draft, sizeof(*draft));
    draft->state = PROTO_VAULT_FORGOTTEN;
    draft->identity_flags = record->identity_flags;
    memcpy(draft->chip_id, record->chip_id, sizeof(draft->chip_id));
    draft->key_version = record->key_version;
    draft->application_floor = record->application_floor;
    draft->bootloader_floor = record->bootloader_floor;
}

enum proto_status bl_forget(struct bl_device *device, const uint8_t *payload, size_t length)
{
    const struct bl_record *record = &device->vault.record;
    struct bl_record *draft = &device->vault.draft;
    struct bl_installed second;
    enum proto_status status = PROTO_BAD_CONFIRMATION;

    if (record->state != PROTO_VAULT_ZEROISED)
        return PROTO_WRONG_STATE;
    if (length != PROTO_MAC_SIZE)
        return PROTO_BAD_LENGTH;
    draw_up(record, draft);
    /* The difference is part of what is to be written, so that the guard sees it once more. */
    subtract(record, payload, draft->installed.receipt_key);
    bl_wipe(&second, sizeof(second));
    if (bl_hardened_zero(draft->installed.receipt_key, PROTO_MAC_SIZE) == BL_YES) {
        subtract(record, payload, second.receipt_key);
        status = bl_vault_commit_as(&device->vault, BL_ACT_FORGET, &second);
    }
    bl_wipe(draft, sizeof(*draft));
    bl_wipe(&second, sizeof(second));
    return status;
}
