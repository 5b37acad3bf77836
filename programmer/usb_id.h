/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_USB_ID_H
#define PRG_USB_ID_H

/**
 * @file
 * Which probes are plugged in, and which one a URL means.
 *
 * Everything is read from the kernel's sysfs: no device is opened or spoken to, because some
 * probes lose a running session when a second program asks them for their strings.
 *
 * A URL names a probe by VID:PID and serial number ("usb:04b4:f155:0A1B"), or by the port it is
 * plugged into ("usb@1-2.3", as the kernel numbers ports). Serial numbers of cheap probes are often
 * empty or all the same; then only the port tells them apart.
 */

#include "base/err.h"
#include "programmer/hid_report.h"

#define PRG_USB_TEXT_SIZE  64U
#define PRG_USB_PORT_SIZE  32U
#define PRG_USB_INTERFACES 16U
#define PRG_USB_DEVICES    128U

/** Which of its interfaces is spoken to. */
enum prg_usb_kind {
    PRG_USB_BULK, /**< CMSIS-DAP v2, URL scheme "usb" */
    PRG_USB_HID,  /**< CMSIS-DAP v1, URL scheme "hid" */
};

struct prg_usb_interface {
    uint8_t number, class, subclass, protocol, endpoints;
    char name[PRG_USB_TEXT_SIZE];
    char hidraw[16];              /**< HID only: "hidraw3"; empty where the kernel gave no node */
    struct prg_hid_report report; /**< HID only */
    bool report_known;
};

struct prg_usb_device {
    uint16_t vendor_id, product_id, release; /**< release: bcdDevice */
    uint8_t device_class;
    char port[PRG_USB_PORT_SIZE];   /**< "1-2.3" */
    char vendor[PRG_USB_TEXT_SIZE]; /**< printable ASCII, whatever the device sent */
    char product[PRG_USB_TEXT_SIZE];
    char serial[PRG_USB_TEXT_SIZE];
    struct prg_usb_interface interfaces[PRG_USB_INTERFACES];
    unsigned interface_count;
    bool too_many_interfaces;
};

struct prg_usb_address {
    enum prg_usb_kind kind;
    bool by_port;
    char port[PRG_USB_PORT_SIZE];
    uint16_t vendor_id, product_id;
    bool has_serial;
    char serial[PRG_USB_TEXT_SIZE];
};

/** @param address  what follows "usb:" or "hid:", or begins with the '@' of "usb@" or "hid@".
 * BASE_E_ARG with a sentence that shows what a URL looks like. */
BASE_MUST_CHECK
enum base_status prg_usb_address_parse(enum prg_usb_kind kind, const char *address,
    struct prg_usb_address *ret_address, struct base_err *err);

/**
 * Read what is plugged in.
 *
 * @param root  NULL = /sys/bus/usb/devices
 * @param[out] ret_devices  malloc()ed; released by free(); NULL when there are none. At most
 * PRG_USB_DEVICES, hubs left out
 * @return BASE_OK (no sysfs: no devices), BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prg_usb_scan(
    const char *root, struct prg_usb_device **ret_devices, size_t *ret_count, struct base_err *err);

/** The interface through which this device is a CMSIS-DAP probe of that kind; NULL: it is none. */
const struct prg_usb_interface *prg_usb_interface_of(
    const struct prg_usb_device *device, enum prg_usb_kind kind);

/**
 * The one device that an address means.
 *
 * @return BASE_OK; BASE_E_LINK: not plugged in; BASE_E_CONFIG: several answer to it, with the URLs
 * by port that tell them apart
 */
BASE_MUST_CHECK
enum base_status prg_usb_choose(const struct prg_usb_address *address,
    const struct prg_usb_device *devices, size_t count, const struct prg_usb_device **ret_device,
    struct base_err *err);

/**
 * A probe has a vendor interface, perhaps a serial port, a disk, a firmware loader and a bridge. A
 * device that is also a keyboard, a network card or anything else is refused: it could be made to
 * type.
 *
 * @return BASE_OK; BASE_E_DENIED code "extra_interface"
 */
BASE_MUST_CHECK
enum base_status prg_usb_check_interfaces(
    const struct prg_usb_device *device, struct base_err *err);

/** Shortest URL that means this device and no other of @p devices: by serial number, or by port
 * where that number is missing, not plain, or used twice. @p size of PRG_URL_SIZE is enough. */
void prg_usb_url(enum prg_usb_kind kind, const struct prg_usb_device *device,
    const struct prg_usb_device *devices, size_t count, size_t size, char *ret_url);

#endif
