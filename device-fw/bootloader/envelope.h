/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_ENVELOPE_H
#define BL_ENVELOPE_H

/** @file Envelopes in, receipts out. */

#include "device-fw/bootloader/device.h"

/**
 * Open an envelope, commit what it orders, and give the receipt.
 *
 * Checks from cheap to dear; nothing is written before all of them have passed.
 *
 * A locked device stays locked, and takes rework and zeroise alone. What the services kept for the
 * keys before goes with those.
 *
 * @return PROTO_OK with the receipt; PROTO_ALREADY with the receipt when this very envelope is
 *         committed; else a refusal of enum proto_status, and the vault is as it was (with
 *         PROTO_FLASH_FAILED it is as flash says)
 */
enum proto_status bl_envelope_install(
    struct bl_device *device, const uint8_t *payload, size_t length, struct bl_answer *ret_answer);

/** The receipt of the last commit, the same bytes each time. PROTO_NO_RECORD when there is none, or
 * none any more: locking takes its key away. */
enum proto_status bl_envelope_receipt(struct bl_device *device, struct bl_answer *ret_answer);

#endif
