/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_BOARD_SECURE_H
#define TESTS_DEVICE_FW_BOARD_SECURE_H

/** @file A board in the SECURE life cycle, as the station's rehearse and restrict leave it. */

#include "tests/unit/device-fw/board.h"

#define BOARD_FUSES 0x402C0800U /**< window of the fuse bytes */

/**
 * A fresh die with the image bound with @p flags and signed, key object and TOC2 in SFlash,
 * SECURE_HASH, zero count and these restrictions in the fuses, life cycle SECURE. Not booted yet.
 */
void board_secure_make(
    struct board *board, uint8_t flags, const uint8_t restrictions[PROTO_RESTRICT_SIZE]);

/** Power off and on, and let the board run for @p ms of its time, whether its mailbox opens or not.
 */
void board_secure_cycle(struct board *board, uint32_t ms);

/** The mailbox answers through the system port. */
bool board_listens(const struct board *board);

#endif
