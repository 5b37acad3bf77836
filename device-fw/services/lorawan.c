/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/services/lorawan.h"

#include "device-fw/bootloader/aes.h"
#include "device-fw/bootloader/wipe.h"

#include <string.h>

#define JOIN_NONCE_SIZE 3U
#define NET_ID_SIZE     3U
#define DEV_ADDR_SIZE   4U
#define MIC_BLOCK       0x49U
#define CRYPT_BLOCK     0x01U

void svc_lorawan_reverse(const uint8_t *from, size_t length, uint8_t *ret_to)
{
    for (size_t i = 0; i < length; i++)
        ret_to[i] = from[length - 1U - i];
}

static void put_nonce(uint8_t *at, uint16_t nonce)
{
    at[0] = (uint8_t)nonce;
    at[1] = (uint8_t)(nonce >> 8);
}

static void put_counter(uint8_t *at, uint32_t counter)
{
    put_nonce(at, (uint16_t)counter);
    put_nonce(at + 2, (uint16_t)(counter >> 16));
}

static void encrypt(const uint8_t root[SVC_KEY_SIZE], uint8_t ret_key[SVC_KEY_SIZE])
{
    bl_aes_encrypt(root, ret_key, SVC_BLOCK_SIZE);
}

void svc_lorawan_derive_1_0(const uint8_t root[SVC_KEY_SIZE], enum svc_derive type,
    const struct svc_lorawan_join *join, uint8_t ret_key[SVC_KEY_SIZE])
{
    memset(ret_key, 0, SVC_KEY_SIZE);
    ret_key[0] = (uint8_t)type;
    memcpy(ret_key + 1, join->join_nonce, JOIN_NONCE_SIZE);
    memcpy(ret_key + 4, join->net_id, NET_ID_SIZE);
    put_nonce(ret_key + 7, join->nonce);
    encrypt(root, ret_key);
}

void svc_lorawan_derive_1_1(const uint8_t root[SVC_KEY_SIZE], enum svc_derive type,
    const struct svc_lorawan_join *join, uint8_t ret_key[SVC_KEY_SIZE])
{
    memset(ret_key, 0, SVC_KEY_SIZE);
    ret_key[0] = (uint8_t)type;
    memcpy(ret_key + 1, join->join_nonce, JOIN_NONCE_SIZE);
    svc_lorawan_reverse(join->join_eui, PROTO_EUI_SIZE, ret_key + 4);
    put_nonce(ret_key + 12, join->nonce);
    encrypt(root, ret_key);
}

void svc_lorawan_derive_js(const uint8_t nwk_key[SVC_KEY_SIZE], enum svc_derive type,
    const uint8_t dev_eui[PROTO_EUI_SIZE], uint8_t ret_key[SVC_KEY_SIZE])
{
    memset(ret_key, 0, SVC_KEY_SIZE);
    ret_key[0] = (uint8_t)type;
    svc_lorawan_reverse(dev_eui, PROTO_EUI_SIZE, ret_key + 1);
    encrypt(nwk_key, ret_key);
}

void svc_lorawan_open_accept(const uint8_t key[SVC_KEY_SIZE], uint8_t *data, size_t length)
{
    bl_aes_encrypt(key, data, length);
}

void svc_lorawan_mic(
    const uint8_t key[SVC_KEY_SIZE], const void *data, size_t length, uint8_t ret_mic[SVC_MIC_SIZE])
{
    uint8_t mac[BL_AES_BLOCK_SIZE];

    bl_aes_cmac(key, SVC_KEY_SIZE, data, length, mac);
    memcpy(ret_mic, mac, SVC_MIC_SIZE);
    bl_wipe(mac, sizeof(mac));
}

/* The part that all blocks share: direction, address, counter. */
static void start_block(uint8_t kind, const struct svc_lorawan_data *data, uint8_t *ret_block)
{
    memset(ret_block, 0, SVC_BLOCK_SIZE);
    ret_block[0] = kind;
    ret_block[5] = data->down ? 1 : 0;
    memcpy(ret_block + 6, data->dev_addr, DEV_ADDR_SIZE);
    put_counter(ret_block + 10, data->fcnt);
}

void svc_lorawan_b0(const struct svc_lorawan_data *data, uint16_t conf_fcnt, size_t length,
    uint8_t ret_block[SVC_BLOCK_SIZE])
{
    start_block(MIC_BLOCK, data, ret_block);
    put_nonce(ret_block + 1, conf_fcnt);
    ret_block[15] = (uint8_t)length;
}

void svc_lorawan_b1(const struct svc_lorawan_data *data, uint16_t conf_fcnt, uint8_t data_rate,
    uint8_t channel, size_t length, uint8_t ret_block[SVC_BLOCK_SIZE])
{
    svc_lorawan_b0(data, conf_fcnt, length, ret_block);
    ret_block[3] = data_rate;
    ret_block[4] = channel;
}

void svc_lorawan_crypt(const uint8_t key[SVC_KEY_SIZE], const struct svc_lorawan_data *data,
    uint8_t first, uint8_t *bytes, size_t length)
{
    uint8_t stream[SVC_BLOCK_SIZE];

    for (size_t at = 0; at < length; at++) {
        if (at % SVC_BLOCK_SIZE == 0) {
            start_block(CRYPT_BLOCK, data, stream);
            stream[15] = (uint8_t)(first + at / SVC_BLOCK_SIZE + 1U);
            encrypt(key, stream);
        }
        bytes[at] ^= stream[at % SVC_BLOCK_SIZE];
    }
    bl_wipe(stream, sizeof(stream));
}

void svc_lorawan_crypt_fopts(const uint8_t key[SVC_KEY_SIZE], const struct svc_lorawan_data *data,
    bool app_counter, uint8_t *bytes, size_t length)
{
    uint8_t stream[SVC_BLOCK_SIZE];

    start_block(CRYPT_BLOCK, data, stream);
    stream[4] = app_counter ? 2 : 1;
    stream[15] = 1;
    encrypt(key, stream);
    for (size_t at = 0; at < length && at < SVC_BLOCK_SIZE; at++)
        bytes[at] ^= stream[at];
    bl_wipe(stream, sizeof(stream));
}
