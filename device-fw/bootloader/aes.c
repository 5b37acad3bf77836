/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/aes.h"

#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/bytes.h"

#include <bearssl.h>
#include <string.h>

#define CMAC_RB      0x87U /* SP 800-38B §5.3, 128-bit block */
#define WRAP_ROUNDS  6U
#define WRAP_BLOCK   8U
#define WRAP_INITIAL 0xA6U

static void encrypt_block(const br_aes_ct_cbcenc_keys *keys, uint8_t block[BL_AES_BLOCK_SIZE])
{
    uint8_t iv[BL_AES_BLOCK_SIZE] = { 0 };

    br_aes_ct_cbcenc_run(keys, iv, block, BL_AES_BLOCK_SIZE);
    bl_wipe(iv, sizeof(iv));
}

void bl_aes_encrypt(const uint8_t key[16], uint8_t *blocks, size_t length)
{
    br_aes_ct_cbcenc_keys keys;

    br_aes_ct_cbcenc_init(&keys, key, 16);
    for (size_t at = 0; at + BL_AES_BLOCK_SIZE <= length; at += BL_AES_BLOCK_SIZE)
        encrypt_block(&keys, blocks + at);
    bl_wipe(&keys, sizeof(keys));
}

/* CBC decryption of one block under a zero IV is plain block decryption. */
static void decrypt_block(const br_aes_ct_cbcdec_keys *keys, uint8_t block[BL_AES_BLOCK_SIZE])
{
    uint8_t iv[BL_AES_BLOCK_SIZE] = { 0 };

    br_aes_ct_cbcdec_run(keys, iv, block, BL_AES_BLOCK_SIZE);
    bl_wipe(iv, sizeof(iv));
}

/* Multiply by x in GF(2^128), without a branch on the bit that falls out. */
static void double_block(uint8_t block[BL_AES_BLOCK_SIZE])
{
    uint8_t carry = (uint8_t)(block[0] >> 7);

    for (unsigned i = 0; i + 1U < BL_AES_BLOCK_SIZE; i++)
        block[i] = (uint8_t)(block[i] << 1 | block[i + 1U] >> 7);
    block[BL_AES_BLOCK_SIZE - 1U] =
        (uint8_t)((uint32_t)block[BL_AES_BLOCK_SIZE - 1U] << 1 ^ (CMAC_RB & (0U - carry)));
}

static void xor_bytes(uint8_t *data, const uint8_t *other, size_t length)
{
    for (size_t i = 0; i < length; i++)
        data[i] ^= other[i];
}

void bl_aes_cmac(const void *key, size_t key_length, const void *data, size_t length,
    uint8_t ret_mac[BL_AES_BLOCK_SIZE])
{
    br_aes_ct_cbcenc_keys keys;
    uint8_t subkey[BL_AES_BLOCK_SIZE] = { 0 };
    uint8_t mac[BL_AES_BLOCK_SIZE] = { 0 };
    const uint8_t *at = data;

    br_aes_ct_cbcenc_init(&keys, key, key_length);
    encrypt_block(&keys, subkey);
    double_block(subkey);
    for (; length > BL_AES_BLOCK_SIZE; length -= BL_AES_BLOCK_SIZE, at += BL_AES_BLOCK_SIZE) {
        xor_bytes(mac, at, BL_AES_BLOCK_SIZE);
        encrypt_block(&keys, mac);
    }
    if (length > 0)
        xor_bytes(mac, at, length);
    if (length < BL_AES_BLOCK_SIZE) {
        double_block(subkey);
        mac[length] ^= 0x80U;
    }
    xor_bytes(mac, subkey, BL_AES_BLOCK_SIZE);
    encrypt_block(&keys, mac);
    memcpy(ret_mac, mac, sizeof(mac));
    bl_wipe(&keys, sizeof(keys));
    bl_wipe(subkey, sizeof(subkey));
    bl_wipe(mac, sizeof(mac));
}

static bool are_lengths_allowed(size_t kek_length, size_t length)
{
    return (kek_length == 16 || kek_length == 24 || kek_length == 32) && length % WRAP_BLOCK == 0 &&
           length >= 2 * WRAP_BLOCK && length <= BL_KEY_WRAP_MAX;
}

bool bl_key_wrap(
    const void *kek, size_t kek_length, const uint8_t *key, size_t length, uint8_t *ret_wrapped)
{
    br_aes_ct_cbcenc_keys keys;
    uint8_t block[BL_AES_BLOCK_SIZE];
    uint8_t step = 0;

    if (!are_lengths_allowed(kek_length, length))
        return false;
    br_aes_ct_cbcenc_init(&keys, kek, kek_length);
    memmove(ret_wrapped + WRAP_BLOCK, key, length);
    memset(block, WRAP_INITIAL, WRAP_BLOCK);
    for (unsigned round = 0; round < WRAP_ROUNDS; round++) {
        for (uint8_t *at = ret_wrapped + WRAP_BLOCK; at < ret_wrapped + WRAP_BLOCK + length;
             at += WRAP_BLOCK) {
            memcpy(block + WRAP_BLOCK, at, WRAP_BLOCK);
            encrypt_block(&keys, block);
            step++;
            block[WRAP_BLOCK - 1U] ^= step;
            memcpy(at, block + WRAP_BLOCK, WRAP_BLOCK);
        }
    }
    memcpy(ret_wrapped, block, WRAP_BLOCK);
    bl_wipe(&keys, sizeof(keys));
    bl_wipe(block, sizeof(block));
    return true;
}

/* The six rounds backwards; leaves the integrity value in the first half of @p block. */
static void unwrap_rounds(const br_aes_ct_cbcdec_keys *keys, uint8_t *key, size_t length,
    uint8_t block[BL_AES_BLOCK_SIZE])
{
    uint8_t step = (uint8_t)(WRAP_ROUNDS * length / WRAP_BLOCK);

    while (step > 0) {
        for (uint8_t *at = key + length; at > key;) {
            at -= WRAP_BLOCK;
            block[WRAP_BLOCK - 1U] ^= step;
            step--;
            memcpy(block + WRAP_BLOCK, at, WRAP_BLOCK);
            decrypt_block(keys, block);
            memcpy(at, block + WRAP_BLOCK, WRAP_BLOCK);
        }
    }
}

bool bl_key_unwrap(
    const void *kek, size_t kek_length, const uint8_t *wrapped, size_t length, uint8_t *ret_key)
{
    br_aes_ct_cbcdec_keys keys;
    uint8_t block[BL_AES_BLOCK_SIZE];
    uint8_t initial[WRAP_BLOCK];
    size_t key_length = length - BL_KEY_WRAP_OVERHEAD;
    bool good;

    if (length < BL_KEY_WRAP_OVERHEAD || !are_lengths_allowed(kek_length, key_length))
        return false;
    br_aes_ct_cbcdec_init(&keys, kek, kek_length);
    memcpy(block, wrapped, WRAP_BLOCK);
    memmove(ret_key, wrapped + WRAP_BLOCK, key_length);
    unwrap_rounds(&keys, ret_key, key_length, block);
    memset(initial, WRAP_INITIAL, sizeof(initial));
    good = proto_equal(block, initial, sizeof(initial));
    if (!good)
        bl_wipe(ret_key, key_length);
    bl_wipe(&keys, sizeof(keys));
    bl_wipe(block, sizeof(block));
    return good;
}
