/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/join.h"

#include "device-fw/bootloader/aes.h"

#include <string.h>

#define MHDR_JOIN_REQUEST 0x00U
#define MIC_SIZE          4U
#define SIGNED_SIZE       (PROTO_JOIN_REQUEST_SIZE - MIC_SIZE)
#define DEV_NONCE_END     0x10000U
/* DevNonces reserved with one write: a reset loses at most this many of the 65536. */
#define DEV_NONCE_STEP 16U

static void put_reversed(uint8_t *at, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        at[i] = data[length - 1U - i];
}

void bl_join_encode(const uint8_t join_eui[PROTO_EUI_SIZE], const uint8_t dev_eui[PROTO_EUI_SIZE],
    uint16_t dev_nonce, const uint8_t key[PROTO_ROOT_KEY_SIZE],
    uint8_t ret_bytes[PROTO_JOIN_REQUEST_SIZE])
{
    uint8_t mac[BL_AES_BLOCK_SIZE];

    ret_bytes[0] = MHDR_JOIN_REQUEST;
    put_reversed(ret_bytes + 1, join_eui, PROTO_EUI_SIZE);
    put_reversed(ret_bytes + 9, dev_eui, PROTO_EUI_SIZE);
    ret_bytes[17] = (uint8_t)dev_nonce;
    ret_bytes[18] = (uint8_t)(dev_nonce >> 8);
    bl_aes_cmac(key, PROTO_ROOT_KEY_SIZE, ret_bytes, SIGNED_SIZE, mac);
    memcpy(ret_bytes + SIGNED_SIZE, mac, MIC_SIZE);
}

/* Write the new limit before any DevNonce below it is used. */
static enum proto_status reserve(struct bl_device *device)
{
    uint32_t limit = device->vault.record.dev_nonce_limit;
    struct bl_record *draft;

    if (device->dev_nonce_next < limit)
        return PROTO_OK;
    if (limit >= DEV_NONCE_END)
        return PROTO_WRONG_STATE;
    draft = bl_vault_draft(&device->vault, device->chip.id);
    draft->dev_nonce_limit = limit + DEV_NONCE_STEP;
    return bl_vault_commit(&device->vault);
}

enum proto_status bl_join_request(struct bl_device *device, struct bl_answer *ret_answer)
{
    const struct bl_installed *installed = &device->vault.record.installed;
    enum proto_status status;

    if (!device->vault.present || (installed->keys & PROTO_KEY_APP) == 0)
        return PROTO_NO_RECORD;
    status = reserve(device);
    if (status != PROTO_OK)
        return status;
    bl_join_encode(installed->join_eui, installed->dev_eui, (uint16_t)device->dev_nonce_next,
        installed->lorawan_version == PROTO_LORAWAN_1_1 ? installed->nwk_key : installed->app_key,
        ret_answer->payload);
    device->dev_nonce_next++;
    ret_answer->length = PROTO_JOIN_REQUEST_SIZE;
    return PROTO_OK;
}
