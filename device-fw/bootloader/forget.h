/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_FORGET_H
#define BL_FORGET_H

/** @file The end of a scrapped device: it forgets who it was. */

#include "device-fw/bootloader/device.h"

/**
 * Overwrite identity key, static DH, nonce and receipt key of a zeroised device in both homes, and
 * what of the application was known. Chip id, key version and version floors stay, and the state
 * says why: nothing but hello and reset is answered from then on, and no new identity is made.
 *
 * @param payload  PROTO_MAC_SIZE bytes: the KMS's confirmation that it has the zeroise receipt, see
 *                 proto_forget_body_encode()
 * @return PROTO_OK; PROTO_WRONG_STATE when not zeroised; PROTO_BAD_LENGTH; PROTO_BAD_CONFIRMATION;
 *         PROTO_FLASH_FAILED. The vault is as it was for all but the first (with the last, as flash
 *         says)
 */
enum proto_status bl_forget(struct bl_device *device, const uint8_t *payload, size_t length);

#endif
