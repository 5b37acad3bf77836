/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_JOIN_H
#define BL_JOIN_H

/** @file The mailbox self-test: a LoRaWAN join-request made with the committed root key. */

#include "device-fw/bootloader/device.h"

/**
 * Use up the next DevNonce and give the join-request with it (TS001 §6.2.4): MHDR, JoinEUI, DevEUI,
 * DevNonce, all little-endian, and the MIC under AppKey (1.0) or NwkKey (1.1).
 *
 * @return PROTO_OK, PROTO_NO_RECORD, PROTO_FLASH_FAILED, PROTO_WRONG_STATE (no DevNonce left)
 */
enum proto_status bl_join_request(struct bl_device *device, struct bl_answer *ret_answer);

/** Encode and sign; EUIs most significant byte first. */
void bl_join_encode(const uint8_t join_eui[PROTO_EUI_SIZE], const uint8_t dev_eui[PROTO_EUI_SIZE],
    uint16_t dev_nonce, const uint8_t key[PROTO_ROOT_KEY_SIZE],
    uint8_t ret_bytes[PROTO_JOIN_REQUEST_SIZE]);

#endif
