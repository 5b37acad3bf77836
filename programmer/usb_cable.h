/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_USB_CABLE_H
#define PRG_USB_CABLE_H

/** @file What the two USB transports share; internal to programmer/. */

#include "programmer/transport.h"
#include "programmer/usb_id.h"

/** Tell every probe of this kind, those that would be refused included (the description says so).
 */
BASE_MUST_CHECK
enum base_status prg_usb_cable_list(
    enum prg_usb_kind kind, prg_probe_fn *each, void *user, struct base_err *err);

/** Find the device of an address and look at its interfaces. Errors of prg_usb_choose() and
 * prg_usb_check_interfaces(). */
BASE_MUST_CHECK
enum base_status prg_usb_cable_find(enum prg_usb_kind kind, const char *address,
    struct prg_cable *ret_cable, struct prg_usb_interface *ret_interface, struct base_err *err);

/** The sentence for a device node that cannot be opened. BASE_E_IO (permission), BASE_E_BUSY,
 * BASE_E_LINK (gone). */
enum base_status prg_usb_cable_refused(const char *node, int errnum, struct base_err *err);

#endif
