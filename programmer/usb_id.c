/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/usb_id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define CLASS_COMM     0x02U
#define CLASS_HID      0x03U
#define CLASS_STORAGE  0x08U
#define CLASS_DATA     0x0AU
#define CLASS_SPECIFIC 0xFEU
#define CLASS_VENDOR   0xFFU
#define COMM_ACM       0x02U
#define SPECIFIC_DFU   0x01U
/* A class above this is none that a driver of the kernel might know by that number. */
#define CLASS_STANDARD_MAX 0x12U

static const char marker[] = "CMSIS-DAP";

static const char *scheme(enum prg_usb_kind kind)
{
    return kind == PRG_USB_HID ? "hid" : "usb";
}

/* ------------------------------------------------------------------------------------- address */

static enum base_status bad_address(
    enum prg_usb_kind kind, const char *address, struct base_err *err)
{
    const char *name = scheme(kind);
    return base_err_set(err, BASE_E_ARG, "probe", 0,
        "%s%s%.80s is not a probe URL; write %s:VID:PID:SERIAL or %s@BUS-PORT, as lpa-probe list "
        "shows them",
        name, address[0] == '@' ? "" : ":", address, name, name);
}

static bool parse_id(const char *text, uint16_t *ret_id)
{
    char digits[5] = "";
    if (strspn(text, "0123456789abcdefABCDEF") != 4) {
        return false;
    }
    memcpy(digits, text, 4);
    *ret_id = (uint16_t)strtoul(digits, NULL, 16);
    return true;
}

static bool parse_port(const char *text, struct prg_usb_address *address)
{
    size_t length = strnlen(text, PRG_USB_PORT_SIZE);
    size_t bus = strspn(text, "0123456789");
    if (length == PRG_USB_PORT_SIZE || bus == 0 || text[bus] != '-' || bus + 1 == length ||
        strspn(text + bus + 1, "0123456789.") != length - bus - 1 || text[length - 1] == '.') {
        return false;
    }
    memcpy(address->port, text, length + 1);
    address->by_port = true;
    return true;
}

static bool parse_serial(const char *text, struct prg_usb_address *address)
{
    size_t length = strnlen(text, PRG_USB_TEXT_SIZE);
    if (length == 0 || length == PRG_USB_TEXT_SIZE) {
        return false;
    }
    memcpy(address->serial, text, length + 1);
    address->has_serial = true;
    return true;
}

enum base_status prg_usb_address_parse(enum prg_usb_kind kind, const char *address,
    struct prg_usb_address *ret_address, struct base_err *err)
{
    struct prg_usb_address parsed = { .kind = kind };
    bool ok = false;
    if (address[0] == '@') {
        ok = parse_port(address + 1, &parsed);
    } else {
        ok = parse_id(address, &parsed.vendor_id) && address[4] == ':' &&
             parse_id(address + 5, &parsed.product_id) &&
             (address[9] == '\0' || (address[9] == ':' && parse_serial(address + 10, &parsed)));
    }
    if (!ok) {
        return bad_address(kind, address, err);
    }
    *ret_address = parsed;
    return BASE_OK;
}

/* ----------------------------------------------------------------------------------- interfaces */

/* CMSIS-DAP v2: vendor class and the marker in the interface's name or the product's. Another class
 * only with a certain name, and only one that no other kind of device has (KitProg3 1.01 has 0). */
static bool is_bulk(const struct prg_usb_device *device, const struct prg_usb_interface *interface)
{
    bool named = strstr(interface->name, marker) != NULL;
    if (interface->endpoints < 2) {
        return false;
    }
    if (interface->class == CLASS_VENDOR) {
        return interface->subclass == 0 && (named || strstr(device->product, marker) != NULL);
    }
    return named && (interface->class == 0 || interface->class > CLASS_STANDARD_MAX);
}

/* CMSIS-DAP v1: a vendor page, reports without ids both ways. KitProg3's bridge to I2C is HID too,
 * on another page. */
static bool is_hid(const struct prg_usb_device *device, const struct prg_usb_interface *interface)
{
    const struct prg_hid_report *report = &interface->report;
    bool named = strstr(interface->name, marker) != NULL;
    return interface->class == CLASS_HID && interface->protocol == 0 && interface->report_known &&
           report->usage_page == PRG_HID_PAGE_VENDOR && !report->has_ids &&
           report->input_bytes >= 32 && report->output_bytes >= 32 &&
           (named || strstr(device->product, marker) != NULL);
}

const struct prg_usb_interface *prg_usb_interface_of(
    const struct prg_usb_device *device, enum prg_usb_kind kind)
{
    for (unsigned i = 0; i < device->interface_count; i++) {
        const struct prg_usb_interface *interface = &device->interfaces[i];
        bool fits = kind == PRG_USB_HID ? is_hid(device, interface) : is_bulk(device, interface);
        if (fits) {
            return interface;
        }
    }
    return NULL;
}

static bool is_expected(const struct prg_usb_interface *interface)
{
    switch (interface->class) {
    case 0: /* KitProg3's probe interface */
    case CLASS_DATA:
    case CLASS_STORAGE: /* DAPLink's drive */
    case CLASS_VENDOR:
        return true;
    case CLASS_COMM:
        return interface->subclass == COMM_ACM;
    case CLASS_SPECIFIC:
        return interface->subclass == SPECIFIC_DFU;
    case CLASS_HID:
        return interface->protocol == 0 &&
               !(interface->report_known && interface->report.acts_for_a_person);
    default:
        return false;
    }
}

enum base_status prg_usb_check_interfaces(const struct prg_usb_device *device, struct base_err *err)
{
    enum base_status status = BASE_OK;
    if (device->too_many_interfaces) {
        status = base_err_set(err, BASE_E_DENIED, "probe", PRG_USB_INTERFACES,
            "the device at USB port %s has more than %u interfaces, which no probe needs; it is "
            "not used",
            device->port, PRG_USB_INTERFACES);
    }
    for (unsigned i = 0; i < device->interface_count && status == BASE_OK; i++) {
        const struct prg_usb_interface *interface = &device->interfaces[i];
        if (!is_expected(interface)) {
            status = base_err_set(err, BASE_E_DENIED, "probe", interface->number,
                "the device at USB port %s is more than a probe: its interface %u has class "
                "%02x/%02x/%02x%s; unplug it and find out why",
                device->port, interface->number, interface->class, interface->subclass,
                interface->protocol, interface->class == CLASS_HID ? " (keyboard or mouse)" : "");
        }
    }
    if (status != BASE_OK) {
        base_err_set_code(err, "extra_interface");
    }
    return status;
}

/* --------------------------------------------------------------------------------------- choice */

static bool matches(const struct prg_usb_address *address, const struct prg_usb_device *device)
{
    if (prg_usb_interface_of(device, address->kind) == NULL) {
        return false;
    }
    if (address->by_port) {
        return strcmp(address->port, device->port) == 0;
    }
    return address->vendor_id == device->vendor_id && address->product_id == device->product_id &&
           (!address->has_serial || strcmp(address->serial, device->serial) == 0);
}

static void describe(const struct prg_usb_address *address, size_t size, char *ret_text)
{
    if (address->by_port) {
        (void)snprintf(ret_text, size, "%s@%s", scheme(address->kind), address->port);
    } else {
        (void)snprintf(ret_text, size, "%s:%04x:%04x%s%s", scheme(address->kind),
            address->vendor_id, address->product_id, address->has_serial ? ":" : "",
            address->serial);
    }
}

static enum base_status not_there(const struct prg_usb_address *address,
    const struct prg_usb_device *devices, size_t count, struct base_err *err)
{
    char name[PRG_USB_TEXT_SIZE + 32];
    struct prg_usb_address other = *address;
    other.kind = address->kind == PRG_USB_HID ? PRG_USB_BULK : PRG_USB_HID;
    describe(address, sizeof(name), name);
    for (size_t i = 0; i < count; i++) {
        if (matches(&other, &devices[i])) {
            return base_err_set(err, BASE_E_LINK, "probe", 0,
                "the probe %s speaks CMSIS-DAP %s only; write %s@%s", name,
                other.kind == PRG_USB_HID ? "v1" : "v2", scheme(other.kind), devices[i].port);
        }
    }
    return base_err_set(err, BASE_E_LINK, "probe", 0,
        "no probe %s is plugged in; lpa-probe list shows those that are", name);
}

static enum base_status ambiguous(const struct prg_usb_address *address,
    const struct prg_usb_device *devices, size_t count, size_t found, struct base_err *err)
{
    char name[PRG_USB_TEXT_SIZE + 32];
    char ports[256] = "";
    size_t used = 0;
    describe(address, sizeof(name), name);
    for (size_t i = 0; i < count && used + PRG_USB_PORT_SIZE + 8 < sizeof(ports); i++) {
        if (matches(address, &devices[i])) {
            int put = snprintf(ports + used, sizeof(ports) - used, "%s%s@%s",
                used == 0 ? "" : " or ", scheme(address->kind), devices[i].port);
            used += put > 0 ? (size_t)put : 0;
        }
    }
    enum base_status status = base_err_set(err, BASE_E_CONFIG, "probe", (int64_t)found,
        "%zu probes answer to %s; name one by its port: %s", found, name, ports);
    base_err_set_code(err, "ambiguous_probe");
    return status;
}

enum base_status prg_usb_choose(const struct prg_usb_address *address,
    const struct prg_usb_device *devices, size_t count, const struct prg_usb_device **ret_device,
    struct base_err *err)
{
    size_t found = 0;
    const struct prg_usb_device *chosen = NULL;
    for (size_t i = 0; i < count; i++) {
        if (matches(address, &devices[i])) {
            chosen = &devices[i];
            found++;
        }
    }
    if (found == 0) {
        return not_there(address, devices, count, err);
    }
    if (found > 1) {
        return ambiguous(address, devices, count, found, err);
    }
    *ret_device = chosen;
    return BASE_OK;
}

/* What a shell and a configuration file take without quotes. */
static bool is_plain(const char *text)
{
    return text[0] != '\0' &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:+") ==
               strlen(text);
}

void prg_usb_url(enum prg_usb_kind kind, const struct prg_usb_device *device,
    const struct prg_usb_device *devices, size_t count, size_t size, char *ret_url)
{
    struct prg_usb_address address = { .kind = kind,
        .vendor_id = device->vendor_id,
        .product_id = device->product_id,
        .has_serial = true };
    const struct prg_usb_device *only = NULL;
    memcpy(address.serial, device->serial, sizeof(address.serial));
    bool unique = is_plain(device->serial) &&
                  prg_usb_choose(&address, devices, count, &only, NULL) == BASE_OK;
    if (!unique) {
        memset(&address, 0, sizeof(address));
        address.kind = kind;
        address.by_port = true;
        memcpy(address.port, device->port, sizeof(address.port));
    }
    describe(&address, size, ret_url);
}
