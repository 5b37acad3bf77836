/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_USB_DESC_H
#define TESTS_USB_DESC_H

/** @file USB descriptors of a simulated probe (USB 2.0 §9.6, HID 1.11 §6.2, CMSIS-DAP "USB
 * configuration"). */

#include "tests/usb/usb_probe.h"

#define USB_DESC_DEVICE_SIZE   18U
#define USB_DESC_MAX           256U
#define USB_DESC_BESIDE        3U
#define USB_DESC_BRIDGE_REPORT 25U

struct usb_desc_interface {
    const char *name;
    uint8_t class, subclass, endpoints;
};

/** What a composite probe has beside its own interface, which is number 0; the first is HID. */
extern const struct usb_desc_interface usb_desc_beside[USB_DESC_BESIDE];
/** Report descriptor of that one: reports both ways, on a page that is not CMSIS-DAP's. */
extern const uint8_t usb_desc_bridge_report[USB_DESC_BRIDGE_REPORT];

#define USB_ENDPOINT_OUT 0x01U
#define USB_ENDPOINT_IN  0x82U

/** Indices of the strings. */
enum usb_string {
    USB_STRING_LANGUAGES,
    USB_STRING_MANUFACTURER,
    USB_STRING_PRODUCT,
    USB_STRING_SERIAL,
    USB_STRING_INTERFACE,
};

/* Each returns the descriptor's length; buffers hold USB_DESC_MAX bytes. */
size_t usb_desc_device(const struct usb_probe_opts *opts, uint8_t *ret_desc);
size_t usb_desc_configuration(const struct usb_probe_opts *opts, uint8_t *ret_desc);
/** 0: there is no such string. */
size_t usb_desc_string(const struct usb_probe_opts *opts, unsigned index, uint8_t *ret_desc);
size_t usb_desc_report(const struct usb_probe_opts *opts, uint8_t *ret_desc);
/** Device and configuration of a hub, as port paths need them. */
size_t usb_desc_hub(uint8_t *ret_desc);

#endif
