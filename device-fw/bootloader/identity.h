/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_IDENTITY_H
#define BL_IDENTITY_H

/** @file The device's identity key and the statement made with it. */

#include "device-fw/bootloader/device.h"

/**
 * The statement towards one provisioning authority. Makes identity key and nonce first where there
 * are none, and commits them before anything leaves the device.
 *
 * @param payload  PROTO_KEY_ID_SIZE bytes: id of an authority key of the binding block
 * @return PROTO_OK, PROTO_BAD_LENGTH, PROTO_WRONG_AUTHORITY, PROTO_BAD_POINT (the authority key is
 *         not on the curve), PROTO_TRNG_FAILED, PROTO_FLASH_FAILED
 */
enum proto_status bl_identity_statement(
    struct bl_device *device, const uint8_t *payload, size_t length, struct bl_answer *ret_answer);

/** The slot (0 or 1) of an authority key in the binding block, or -1. */
int bl_identity_find_authority(
    const struct bl_device *device, const uint8_t key_id[PROTO_KEY_ID_SIZE]);

#endif
