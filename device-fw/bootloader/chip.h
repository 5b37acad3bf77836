/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_CHIP_H
#define BL_CHIP_H

/** @file Who the chip is and in which life cycle, as hello and statement report it. */

#include "device-fw/protocol/layout.h"

#include <stdbool.h>

struct bl_chip {
    uint8_t id[PROTO_CHIP_ID_SIZE]; /**< unique id, most significant byte first */
    uint32_t silicon_id;            /**< family << 16 | silicon id */
    uint8_t lifecycle;              /**< enum proto_lifecycle */
    uint8_t restrictions[PROTO_RESTRICT_SIZE];
    uint32_t restricted; /**< BL_CHIP_RESTRICTED, or something else */
};

#define BL_CHIP_RESTRICTED 0x5A3CC3A5U

/** Read all of it, life cycle and restrictions twice. A fuse that the ROM will not give, or gives
 * differently the second time, leaves the life cycle UNKNOWN, which no production image accepts. */
void bl_chip_read(struct bl_chip *ret_chip);

/** True when life cycle and all four restriction bytes had exactly the values of
 * PROTO_RESTRICT_REQUIRED, both times: the port shows the mailbox and nothing else, in SECURE and
 * in DEAD. */
bool bl_chip_is_restricted(const struct bl_chip *chip);

#endif
