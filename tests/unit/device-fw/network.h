/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_NETWORK_H
#define TESTS_DEVICE_FW_NETWORK_H

/**
 * @file
 * A double of Join Server and network server for one device: answers join-requests, checks uplinks
 * and makes downlinks. Its cryptography is OpenSSL's, and test_services.c holds it to the same
 * vectors as the services.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_FRAME_MAX 255U

struct network {
    bool is_1_1;         /**< root keys and construction of LoRaWAN 1.1 */
    uint8_t nwk_key[16]; /**< 1.1 only */
    uint8_t app_key[16];
    uint8_t dev_eui[8]; /**< most significant byte first */
    uint8_t join_eui[8];
    uint8_t net_id[3];   /**< the same */
    uint8_t dev_addr[4]; /**< the same */
    uint32_t join_nonce; /**< of the last join-accept */
    uint8_t f_nwk_s_int[16], s_nwk_s_int[16], nwk_s_enc[16], app_s[16];
    uint32_t fcnt_up, fcnt_down, afcnt_down; /**< next values */
};

/** E of AES-128, or its inverse, on whole blocks. */
void network_aes(const uint8_t key[16], bool decrypt, uint8_t *blocks, size_t length);

/** Take a join-request: checks EUIs and MIC; gives its DevNonce. Fails the running test. */
uint16_t network_check_join(const struct network *network, const uint8_t frame[23]);

/**
 * Answer a join-request (type 0xFF) or a rejoin-request (0, 1, 2) and derive the session.
 *
 * @param cf_list   16 bytes, or NULL
 * @param ret_frame 17 or 33 bytes
 * @return length of the frame
 */
size_t network_accept(struct network *network, uint8_t type, uint16_t nonce, uint8_t dl_settings,
    uint8_t rx_delay, const uint8_t *cf_list, uint8_t ret_frame[33]);

/** Check an uplink's MIC and counter, decrypt its payload. Fails the running test. */
void network_uplink(struct network *network, const uint8_t *frame, size_t length, uint8_t data_rate,
    uint8_t channel, uint8_t ret_payload[NETWORK_FRAME_MAX], size_t *ret_length, uint8_t *ret_port);

/** Make a downlink with the next counter; gives the frame's length. */
size_t network_downlink(struct network *network, uint8_t port, const uint8_t *payload,
    size_t length, uint8_t ret_frame[NETWORK_FRAME_MAX]);

#endif
