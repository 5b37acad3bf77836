/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_desc.h"

#include "base/buf.h"

#include <string.h>

#define TYPE_CONFIGURATION 2U
#define TYPE_STRING        3U
#define TYPE_INTERFACE     4U
#define TYPE_ENDPOINT      5U
#define TYPE_HID           0x21U
#define TYPE_HID_REPORT    0x22U
#define CLASS_HID          3U
#define CLASS_HUB          9U
#define TRANSFER_BULK      2U
#define TRANSFER_INTERRUPT 3U
#define LANGUAGE_ENGLISH   0x0409U
#define CONFIGURATION_SIZE 9U
#define BUS_POWERED        0x80U
#define MILLIAMPERE_500    250U

size_t usb_desc_device(const struct usb_probe_opts *opts, uint8_t *ret_desc)
{
    uint8_t desc[USB_DESC_DEVICE_SIZE] = { USB_DESC_DEVICE_SIZE, 1, 0x00, 0x02, 0, 0, 0, 64 };
    base_put_le16(desc + 8, opts->vendor_id);
    base_put_le16(desc + 10, opts->product_id);
    base_put_le16(desc + 12, opts->bcd_device);
    desc[14] = USB_STRING_MANUFACTURER;
    desc[15] = USB_STRING_PRODUCT;
    desc[16] = opts->serial[0] != '\0' ? USB_STRING_SERIAL : 0;
    desc[17] = 1;
    memcpy(ret_desc, desc, sizeof(desc));
    return sizeof(desc);
}

static size_t put_interface(
    uint8_t *at, uint8_t number, const struct usb_desc_interface *interface, uint8_t name)
{
    const uint8_t desc[9] = { 9, TYPE_INTERFACE, number, 0, interface->endpoints, interface->class,
        interface->subclass, 0, name };
    memcpy(at, desc, sizeof(desc));
    return sizeof(desc);
}

static size_t put_endpoint(
    uint8_t *at, uint8_t address, uint8_t type, uint16_t max_packet, uint8_t interval)
{
    uint8_t desc[7] = { 7, TYPE_ENDPOINT, address, type, 0, 0, interval };
    base_put_le16(desc + 4, max_packet);
    memcpy(at, desc, sizeof(desc));
    return sizeof(desc);
}

const struct usb_desc_interface usb_desc_beside[USB_DESC_BESIDE] = {
    { "KitProg3 bridge", CLASS_HID, 0, 2 },
    { "KitProg3 USBUART", 2, 2, 1 },
    { "", 10, 0, 2 },
};

const uint8_t usb_desc_bridge_report[USB_DESC_BRIDGE_REPORT] = {
    0x06,
    0x01,
    0xFF, /* usage page: vendor FF01 */
    0x09,
    0x01,
    0xA1,
    0x01, /* usage 1, collection: application */
    0x15,
    0x00,
    0x26,
    0xFF,
    0x00, /* 0 to 255 */
    0x75,
    0x08,
    0x95,
    0x40, /* 64 bytes */
    0x09,
    0x01,
    0x81,
    0x02,
    0x09,
    0x01, /* both ways */
    0x91,
    0x02,
    0xC0,
};

static size_t put_hid(uint8_t *at, size_t report_length)
{
    uint8_t hid[9] = { 9, TYPE_HID, 0x11, 0x01, 0, 1, TYPE_HID_REPORT, 0, 0 };
    base_put_le16(hid + 7, (uint16_t)report_length);
    memcpy(at, hid, sizeof(hid));
    return sizeof(hid);
}

/* What KitProg3 has beside its probe, on endpoints of its own. */
static size_t put_beside(uint8_t *at)
{
    size_t used = 0;
    uint8_t endpoint = 3;
    for (unsigned i = 0; i < USB_DESC_BESIDE; i++) {
        const struct usb_desc_interface *interface = &usb_desc_beside[i];
        bool bulk = interface->class == 10;
        uint8_t type = bulk ? TRANSFER_BULK : TRANSFER_INTERRUPT;
        used += put_interface(at + used, (uint8_t)(1 + i), interface, 0);
        used += interface->class == CLASS_HID ? put_hid(at + used, USB_DESC_BRIDGE_REPORT) : 0;
        for (unsigned k = 0; k < interface->endpoints; k++) {
            uint8_t in = k == 0 ? 0x80 : 0;
            used += put_endpoint(at + used, (uint8_t)(in | endpoint++), type, 64, bulk ? 0 : 1);
        }
    }
    return used;
}

static void put_configuration_head(uint8_t *at, size_t total, unsigned interfaces)
{
    const uint8_t head[CONFIGURATION_SIZE] = { CONFIGURATION_SIZE, TYPE_CONFIGURATION, 0, 0,
        (uint8_t)interfaces, 1, 0, BUS_POWERED, MILLIAMPERE_500 };
    memcpy(at, head, sizeof(head));
    base_put_le16(at + 2, (uint16_t)total);
}

size_t usb_desc_configuration(const struct usb_probe_opts *opts, uint8_t *ret_desc)
{
    size_t used = CONFIGURATION_SIZE;
    uint8_t interval = opts->hid ? 1 : 0;
    const struct usb_desc_interface probe = { "", opts->hid ? CLASS_HID : opts->interface_class, 0,
        2 };
    if (opts->hid) {
        uint8_t report[USB_DESC_MAX];
        used += put_interface(ret_desc + used, 0, &probe, USB_STRING_PRODUCT);
        used += put_hid(ret_desc + used, usb_desc_report(opts, report));
    } else {
        used += put_interface(ret_desc + used, 0, &probe, USB_STRING_INTERFACE);
    }
    uint8_t type = opts->hid ? TRANSFER_INTERRUPT : TRANSFER_BULK;
    uint16_t size = opts->hid ? opts->report_size : opts->max_packet;
    /* The order is part of CMSIS-DAP v2: OUT, IN. */
    used += put_endpoint(ret_desc + used, USB_ENDPOINT_OUT, type, size, interval);
    used += put_endpoint(ret_desc + used, USB_ENDPOINT_IN, type, size, interval);
    used += opts->composite ? put_beside(ret_desc + used) : 0;
    put_configuration_head(ret_desc, used, opts->composite ? 1 + USB_DESC_BESIDE : 1);
    return used;
}

static const char *string_of(const struct usb_probe_opts *opts, unsigned index)
{
    switch (index) {
    case USB_STRING_MANUFACTURER:
        return opts->manufacturer;
    case USB_STRING_PRODUCT:
        return opts->product;
    case USB_STRING_SERIAL:
        return opts->serial;
    case USB_STRING_INTERFACE:
        return opts->hid ? "" : opts->interface_name;
    default:
        return "";
    }
}

size_t usb_desc_string(const struct usb_probe_opts *opts, unsigned index, uint8_t *ret_desc)
{
    if (index == USB_STRING_LANGUAGES) {
        ret_desc[0] = 4;
        ret_desc[1] = TYPE_STRING;
        base_put_le16(ret_desc + 2, LANGUAGE_ENGLISH);
        return 4;
    }
    const char *text = string_of(opts, index);
    size_t length = strnlen(text, USB_PROBE_TEXT_SIZE - 1);
    if (length == 0) {
        return 0;
    }
    ret_desc[0] = (uint8_t)(2 + 2 * length);
    ret_desc[1] = TYPE_STRING;
    for (size_t i = 0; i < length; i++) {
        base_put_le16(ret_desc + 2 + 2 * i, (uint8_t)text[i]);
    }
    return ret_desc[0];
}

size_t usb_desc_report(const struct usb_probe_opts *opts, uint8_t *ret_desc)
{
    const uint8_t low = (uint8_t)opts->report_size;
    const uint8_t high = (uint8_t)(opts->report_size >> 8);
    const uint8_t desc[] = {
        0x06, 0x00, 0xFF,                        /* usage page: vendor FF00 */
        0x09, 0x01,                              /* usage 1 */
        0xA1, 0x01,                              /* collection: application */
        0x15, 0x00,                              /* logical minimum 0 */
        0x26, 0xFF, 0x00,                        /* logical maximum 255 */
        0x75, 0x08,                              /* report size 8 bits */
        0x96, low, high,                         /* report count */
        0x09, 0x01, 0x81, 0x02,                  /* input: data, variable, absolute */
        0x96, low, high, 0x09, 0x01, 0x91, 0x02, /* output */
        0x95, 0x01, 0x09, 0x01, 0xB1, 0x02,      /* feature, one byte */
        0xC0,                                    /* end of collection */
    };
    memcpy(ret_desc, desc, sizeof(desc));
    return sizeof(desc);
}

size_t usb_desc_hub(uint8_t *ret_desc)
{
    static const uint8_t device[USB_DESC_DEVICE_SIZE] = { USB_DESC_DEVICE_SIZE, 1, 0x00, 0x02,
        CLASS_HUB, 0, 1, 64, 0x6b, 0x1d, 0x02, 0x00, 0x01, 0x06, 0, 0, 0, 1 };
    static const uint8_t interface[9] = { 9, TYPE_INTERFACE, 0, 0, 1, CLASS_HUB, 0, 0, 0 };
    memcpy(ret_desc, device, sizeof(device));
    uint8_t *configuration = ret_desc + sizeof(device);
    size_t used = CONFIGURATION_SIZE;
    memcpy(configuration + used, interface, sizeof(interface));
    used += sizeof(interface);
    used += put_endpoint(configuration + used, 0x81, TRANSFER_INTERRUPT, 4, 12);
    put_configuration_head(configuration, used, 1);
    return sizeof(device) + used;
}
