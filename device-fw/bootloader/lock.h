/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_LOCK_H
#define BL_LOCK_H

/** @file The end of the mailbox: a locked device opens its port no more. */

#include "device-fw/bootloader/device.h"

/**
 * Commit the locked state and give the lock answer. The receipt key, which authenticates the
 * answer, is gone from flash with that commit.
 *
 * @param command  what the station sent, looked at once more: a glitch among the commands must not
 *                 make a lock of another one
 * @return PROTO_OK with the answer; PROTO_ALREADY with the same bytes when asked again before the
 *         reset; PROTO_WRONG_STATE without committed record; PROTO_FLASH_FAILED;
 *         PROTO_BAD_COMMAND for any other than PROTO_CMD_LOCK
 */
enum proto_status bl_lock(struct bl_device *device, uint32_t command, struct bl_answer *ret_answer);

/** The vault says that this device is locked. */
bool bl_lock_is_set(const struct bl_device *device);

#endif
