/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_HOST_H
#define TESTS_USB_HOST_H

/**
 * @file
 * A mock USB host (umockdev) with simulated probes plugged into it. Programs started by
 * usb_host_spawn() see these devices and no others: through libusb, hidapi, libudev, /sys and /dev.
 *
 * One per process: umockdev keeps its folder in the environment.
 */

#include "base/err.h"
#include "tests/usb/usb_probe.h"

#include <sys/types.h>

#define USB_HOST_SLOTS     32U
#define USB_HOST_PORT_SIZE 32U

struct usb_host;

/** Start this program again with umockdev's library preloaded, which events need; returns when that
 * has been done already (or cannot be done). To be called first in main(). */
void usb_host_preload(char *const argv[]);

/** BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status usb_host_new(struct usb_host **ret_host, struct base_err *err);

/** Accepts NULL. Children must have ended. */
void usb_host_free(struct usb_host *host);

/**
 * Plug a board into a port; the host gets an "add" event.
 *
 * @param slot  0 to USB_HOST_SLOTS - 1; nothing plugged there
 * @param link  borrowed until the slot is unplugged, then untouched again
 * @param port  "1-1" or, behind hubs that appear by themselves, "1-2.3"; NULL = slot + 1 on bus 1
 *
 * @return BASE_OK; BASE_E_ARG: the port is taken or no port; BASE_E_EXISTS: slot in use;
 *         BASE_E_NOMEM; BASE_E_INTERNAL: umockdev's sentence
 */
BASE_MUST_CHECK
enum base_status usb_host_plug(struct usb_host *host, unsigned slot, struct sim_link *link,
    const struct usb_probe_opts *opts, const char *port, struct base_err *err);

/** Pull it out: transfers in flight fail, the host gets a "remove" event. No-op on an empty slot.
 */
void usb_host_unplug(struct usb_host *host, unsigned slot);

/** Readable when a fault has pulled a board out; usb_host_fallen() then says which, so that the
 * caller can unplug it properly. */
int usb_host_event_fd(const struct usb_host *host);

/** A slot whose board a fault has pulled out; USB_HOST_SLOTS: none (any more). */
unsigned usb_host_fallen(struct usb_host *host);

/** Keep the responder from the boards while the caller looks at or changes them. */
void usb_host_lock(struct usb_host *host);
void usb_host_unlock(struct usb_host *host);

/**
 * Start a program that sees the mock devices.
 *
 * @param argv  NULL-terminated; argv[0] is looked up in PATH
 *
 * @return BASE_OK; BASE_E_NOTFOUND: no such program; BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status usb_host_spawn(
    struct usb_host *host, char *const argv[], pid_t *ret_pid, struct base_err *err);

#endif
