/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/network.h"

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/cmac.h"

#define OPT_NEG 0x80U

void network_aes(const uint8_t key[16], bool decrypt, uint8_t *blocks, size_t length)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int done = 0;

    assert_non_null(context);
    assert_int_equal(
        EVP_CipherInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL, decrypt ? 0 : 1), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(context, 0), 1);
    assert_int_equal(EVP_CipherUpdate(context, blocks, &done, blocks, (int)length), 1);
    assert_int_equal(done, (int)length);
    EVP_CIPHER_CTX_free(context);
}

static void reverse(const uint8_t *from, size_t length, uint8_t *to)
{
    for (size_t i = 0; i < length; i++)
        to[i] = from[length - 1 - i];
}

static void put(uint8_t *to, uint32_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void mic(const uint8_t key[16], const uint8_t *data, size_t length, uint8_t ret_mic[4])
{
    uint8_t mac[16];

    assert_int_equal(base_cmac_aes128(key, data, length, mac, NULL), BASE_OK);
    memcpy(ret_mic, mac, 4);
}

static const uint8_t *join_key(const struct network *network)
{
    return network->is_1_1 ? network->nwk_key : network->app_key;
}

uint16_t network_check_join(const struct network *network, const uint8_t frame[23])
{
    uint8_t expected[23] = { 0 };

    reverse(network->join_eui, 8, expected + 1);
    reverse(network->dev_eui, 8, expected + 9);
    memcpy(expected + 17, frame + 17, 2);
    mic(join_key(network), expected, 19, expected + 19);
    assert_memory_equal(frame, expected, sizeof(expected));
    return (uint16_t)(frame[17] | frame[18] << 8);
}

static void js_key(const struct network *network, uint8_t type, uint8_t key[16])
{
    memset(key, 0, 16);
    key[0] = type;
    reverse(network->dev_eui, 8, key + 1);
    network_aes(network->nwk_key, false, key, 16);
}

static void derive(const struct network *network, const uint8_t root[16], uint8_t type, bool is_1_1,
    uint16_t nonce, uint8_t key[16])
{
    memset(key, 0, 16);
    key[0] = type;
    put(key + 1, network->join_nonce, 3);
    if (is_1_1)
        reverse(network->join_eui, 8, key + 4);
    else
        reverse(network->net_id, 3, key + 4);
    put(key + (is_1_1 ? 12 : 7), nonce, 2);
    network_aes(root, false, key, 16);
}

static void derive_all(struct network *network, bool is_1_1, uint16_t nonce)
{
    const uint8_t *root = join_key(network);

    derive(network, root, 1, is_1_1, nonce, network->f_nwk_s_int);
    derive(network, root, is_1_1 ? 3 : 1, is_1_1, nonce, network->s_nwk_s_int);
    derive(network, root, is_1_1 ? 4 : 1, is_1_1, nonce, network->nwk_s_enc);
    derive(network, is_1_1 ? network->app_key : root, 2, is_1_1, nonce, network->app_s);
    network->fcnt_up = 0;
    network->fcnt_down = 0;
    network->afcnt_down = 0;
}

size_t network_accept(struct network *network, uint8_t type, uint16_t nonce, uint8_t dl_settings,
    uint8_t rx_delay, const uint8_t *cf_list, uint8_t ret_frame[33])
{
    bool is_1_1 = network->is_1_1 && (dl_settings & OPT_NEG) != 0;
    size_t length = cf_list != NULL ? 33 : 17;
    uint8_t whole[11 + 33] = { type };
    uint8_t *frame = whole + 11;
    uint8_t key[16];

    reverse(network->join_eui, 8, whole + 1);
    put(whole + 9, nonce, 2);
    frame[0] = 0x20;
    put(frame + 1, ++network->join_nonce, 3);
    reverse(network->net_id, 3, frame + 4);
    reverse(network->dev_addr, 4, frame + 7);
    frame[11] = dl_settings;
    frame[12] = rx_delay;
    if (cf_list != NULL)
        memcpy(frame + 13, cf_list, 16);
    js_key(network, 6, key);
    if (is_1_1)
        mic(key, whole, 11 + length - 4, frame + length - 4);
    else
        mic(join_key(network), frame, length - 4, frame + length - 4);
    memcpy(key, join_key(network), 16);
    if (type != 0xFF)
        js_key(network, 5, key);
    network_aes(key, true, frame + 1, length - 1);
    memcpy(ret_frame, frame, length);
    derive_all(network, is_1_1, nonce);
    return length;
}

static void block(const struct network *network, uint8_t kind, bool down, uint32_t fcnt,
    uint8_t last, uint8_t ret_block[16])
{
    memset(ret_block, 0, 16);
    ret_block[0] = kind;
    ret_block[5] = down ? 1 : 0;
    reverse(network->dev_addr, 4, ret_block + 6);
    put(ret_block + 10, fcnt, 4);
    ret_block[15] = last;
}

static void crypt(const struct network *network, bool down, uint32_t fcnt, uint8_t port,
    uint8_t *payload, size_t length)
{
    uint8_t stream[16];

    for (size_t i = 0; i < length; i++) {
        if (i % 16 == 0) {
            block(network, 1, down, fcnt, (uint8_t)(i / 16 + 1), stream);
            network_aes(port == 0 ? network->nwk_s_enc : network->app_s, false, stream, 16);
        }
        payload[i] ^= stream[i % 16];
    }
}

static bool has_1_1_session(const struct network *network)
{
    return memcmp(network->f_nwk_s_int, network->s_nwk_s_int, 16) != 0;
}

void network_uplink(struct network *network, const uint8_t *frame, size_t length, uint8_t data_rate,
    uint8_t channel, uint8_t ret_payload[NETWORK_FRAME_MAX], size_t *ret_length, uint8_t *ret_port)
{
    uint8_t work[16 + NETWORK_FRAME_MAX];
    size_t header = 8U + (frame[5] & 0xFU);
    uint8_t address[4];
    uint8_t expected[4];
    uint8_t s_mic[4];
    uint32_t fcnt = (network->fcnt_up & 0xFFFF0000U) | (uint32_t)(frame[6] | frame[7] << 8);

    assert_true(length >= header + 4);
    reverse(network->dev_addr, 4, address);
    assert_memory_equal(frame + 1, address, 4);
    assert_true(fcnt >= network->fcnt_up);
    memcpy(work + 16, frame, length);
    block(network, 0x49, false, fcnt, (uint8_t)(length - 4), work);
    mic(network->f_nwk_s_int, work, 16 + length - 4, expected);
    if (has_1_1_session(network)) {
        work[3] = data_rate;
        work[4] = channel;
        mic(network->s_nwk_s_int, work, 16 + length - 4, s_mic);
        memcpy(expected + 2, expected, 2);
        memcpy(expected, s_mic, 2);
    }
    assert_memory_equal(frame + length - 4, expected, 4);
    *ret_length = length > header + 5 ? length - header - 5 : 0;
    *ret_port = length > header + 4 ? frame[header] : 0;
    memcpy(ret_payload, frame + header + 1, *ret_length);
    crypt(network, false, fcnt, *ret_port, ret_payload, *ret_length);
    network->fcnt_up = fcnt + 1;
}

size_t network_downlink(struct network *network, uint8_t port, const uint8_t *payload,
    size_t length, uint8_t ret_frame[NETWORK_FRAME_MAX])
{
    bool app_counter = has_1_1_session(network) && port > 0;
    uint32_t fcnt = app_counter ? network->afcnt_down++ : network->fcnt_down++;
    uint8_t work[16 + NETWORK_FRAME_MAX] = { 0 };
    uint8_t *frame = work + 16;

    frame[0] = 0x60;
    reverse(network->dev_addr, 4, frame + 1);
    put(frame + 6, fcnt, 2);
    frame[8] = port;
    memcpy(frame + 9, payload, length);
    crypt(network, true, fcnt, port, frame + 9, length);
    block(network, 0x49, true, fcnt, (uint8_t)(9 + length), work);
    mic(network->s_nwk_s_int, work, 16 + 9 + length, frame + 9 + length);
    memcpy(ret_frame, frame, 13 + length);
    return 13 + length;
}
