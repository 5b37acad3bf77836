/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_TRANSPORT_HID_H
#define PRG_TRANSPORT_HID_H

/**
 * @file
 * CMSIS-DAP v1 over HID reports, by hidapi. Every packet fills one report of exactly the size that
 * the probe's report descriptor states; what follows an answer in its report means nothing.
 */

#include "programmer/transport.h"

/** "hid:VID:PID[:SERIAL]", "hid@BUS-PORT[.PORT…]". */
extern const struct prg_transport prg_transport_hid;

#endif
