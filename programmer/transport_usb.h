/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_TRANSPORT_USB_H
#define PRG_TRANSPORT_USB_H

/**
 * @file
 * CMSIS-DAP v2 over USB bulk endpoints, by libusb. Transfers are asynchronous: every packet that
 * is sent has its read waiting already, so that a full-speed bus is never idle in between.
 *
 * A message ends with a short packet, or with the probe's packet size: one that is shorter but
 * fills its last USB packet is followed by an empty one. A halted endpoint is cleared after it
 * failed, never as a precaution. One libusb context per open probe: two probes share nothing.
 */

#include "programmer/transport.h"

/** "usb:VID:PID[:SERIAL]", "usb@BUS-PORT[.PORT…]". */
extern const struct prg_transport prg_transport_usb;

#endif
