/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_CONTROL_H
#define TESTS_USB_CONTROL_H

/**
 * @file
 * How a program that runs under usb-host pulls and plugs the boards: one line of text per
 * connection to the Unix socket that USB_HOST_CONTROL names, answered by one line, "ok" or
 * "error: …", once it is done.
 *
 *   unplug BOARD
 *   plug BOARD [serial=TEXT] [port=1-N] [mode=hid|bulk]   mode: as KitProg3's button
 *   fault BOARD FAULT        as sim/fault.h writes them
 *   clear-faults BOARD
 *   stats BOARD              answered "ok packets=N swclk_clocks=N transfers=N virtual_us=N"
 *
 * From a shell or Python any stream socket will do.
 */

#include "base/err.h"

#include <stdbool.h>

#define USB_CONTROL_VARIABLE "USB_HOST_CONTROL"
#define USB_CONTROL_LINE_MAX 256U

struct usb_rack;
struct usb_control;

/** Make the socket and name it in the environment. BASE_E_IO, BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status usb_control_open(struct usb_control **ret_control, struct base_err *err);

/** Accepts NULL. */
void usb_control_close(struct usb_control *control);

/** To be watched for input. */
int usb_control_fd(const struct usb_control *control);

/** Serve one connection. */
void usb_control_serve(struct usb_control *control, struct usb_rack *rack);

/** For programs under usb-host: send one command and wait for its answer. False: it failed. */
bool usb_control_send(const char *command);

#endif
