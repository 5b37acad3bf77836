/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_CABLE_H
#define TESTS_USB_CABLE_H

/** @file A real cable between programmer and simulated board, for tests that were written without
 * one: what LPA_CABLE says, "usb", "hid" or "tcp". One at a time in a process. */

#include "programmer/link.h"
#include "sim/board.h"
#include "sim/fault.h"

/** Plug the board in (borrowed until cable_unplug()) and open it. Fails the test when that does not
 * work. */
struct prg_link *cable_plug(struct sim_board *board, uint16_t packet_size);

/** Close the link and take the board away. */
void cable_unplug(struct prg_link *link);

/** Let a fault of sim/fault.h strike; numbers count from now. */
void cable_fault(enum sim_fault_kind kind, uint64_t number);

/** Where a fault has pulled the cable out: close the link, plug in again, open it again. Otherwise
 * the same link. */
struct prg_link *cable_mend(struct prg_link *link);

#endif
