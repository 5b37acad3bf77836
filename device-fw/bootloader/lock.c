/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/lock.h"

#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/messages.h"

#include <string.h>

bool bl_lock_is_set(const struct bl_device *device)
{
    return device->vault.present && device->vault.record.state == PROTO_VAULT_LOCKED;
}

/* From the record as it is before the lock: its hash is that of the receipt. */
static void make_answer(struct bl_device *device)
{
    static const char label[] = PROTO_LABEL_LOCK;
    const struct bl_installed *installed = &device->vault.record.installed;
    const struct bl_part name = { label, sizeof(label) - 1U };
    const struct bl_part body = { device->lock_answer, PROTO_LOCK_BODY_SIZE };
    struct proto_lock_answer answer = { .key_version = installed->key_version };
    uint8_t key[PROTO_MAC_SIZE];

    memcpy(answer.chip_id, device->chip.id, sizeof(answer.chip_id));
    memcpy(answer.envelope_id, installed->envelope_id, sizeof(answer.envelope_id));
    bl_vault_installed_hash(answer.record_hash);
    proto_lock_answer_encode(&answer, device->lock_answer);
    bl_hmac(installed->receipt_key, sizeof(installed->receipt_key), &name, 1, key);
    bl_hmac(key, sizeof(key), &body, 1, device->lock_answer + PROTO_LOCK_BODY_SIZE);
    bl_wipe(key, sizeof(key));
}

static enum proto_status commit(struct bl_device *device)
{
    struct bl_record *draft = bl_vault_draft(&device->vault, device->chip.id);

    draft->state = PROTO_VAULT_LOCKED;
    bl_wipe(draft->installed.receipt_key, sizeof(draft->installed.receipt_key));
    return bl_vault_commit_as(&device->vault, BL_ACT_LOCK, &draft->installed);
}

static void give(const struct bl_device *device, struct bl_answer *ret_answer)
{
    memcpy(ret_answer->payload, device->lock_answer, PROTO_LOCK_ANSWER_SIZE);
    ret_answer->length = PROTO_LOCK_ANSWER_SIZE;
}

enum proto_status bl_lock(struct bl_device *device, uint32_t command, struct bl_answer *ret_answer)
{
    uint8_t state = device->vault.present ? device->vault.record.state : (uint8_t)PROTO_VAULT_EMPTY;
    enum proto_status status;

    if (command != PROTO_CMD_LOCK)
        return PROTO_BAD_COMMAND;
    if (state == PROTO_VAULT_LOCKED && device->lock_answered) {
        give(device, ret_answer);
        return PROTO_ALREADY;
    }
    if (state != PROTO_VAULT_COMMITTED && state != PROTO_VAULT_ZEROISED)
        return PROTO_WRONG_STATE;
    make_answer(device);
    status = commit(device);
    /* Nobody hears of a lock that is not in flash. */
    if (status == PROTO_OK &&
        (bl_vault_shows_lock() != BL_YES || bl_vault_is_true(&device->vault) != BL_YES))
        status = PROTO_FLASH_FAILED;
    if (status != PROTO_OK) {
        bl_wipe(device->lock_answer, sizeof(device->lock_answer));
        return status;
    }
    device->lock_answered = true;
    give(device, ret_answer);
    return PROTO_OK;
}
