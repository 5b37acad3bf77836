/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_GUARD_H
#define BL_GUARD_H

/**
 * @file
 * The last look at a record before it is written: each act may change its own part of the row and
 * nothing else.
 */

#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/record.h"

/* Acts, as far from each other as BL_YES from BL_NO. */
#define BL_ACT_COUNTERS 0x6C3A95D2U /**< DevNonces, floors, authority, application, services */
#define BL_ACT_IDENTITY 0x93E55A1CU /**< the first record */
#define BL_ACT_ENVELOPE 0x2D96C3B4U /**< what an envelope orders */
#define BL_ACT_LOCK     0xD3581E6AU /**< the lock */
#define BL_ACT_FORGET   0x78A6E12DU /**< zeroised, and now the identity goes too; the last act */

/**
 * May this row follow that one?
 *
 * @param row     the encoded new record
 * @param old     the row in flash; not looked at for BL_ACT_IDENTITY
 * @param second  BL_ACT_ENVELOPE: the installed part, made a second time from the envelope;
 *                BL_ACT_FORGET: zeros but for the receipt key's place, which holds what the
 *                confirmation differs by from the right one, found a second time
 * @return BL_YES or something else
 */
uint32_t bl_guard_row(uint32_t act, const uint8_t row[BL_RECORD_SIZE],
    const uint8_t old[BL_RECORD_SIZE], const struct bl_installed *second);

#endif
