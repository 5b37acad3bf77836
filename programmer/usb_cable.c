/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/usb_cable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PRG_CABLE_TEXT_SIZE == PRG_USB_TEXT_SIZE, "serial numbers are copied whole");

enum base_status prg_usb_cable_list(
    enum prg_usb_kind kind, prg_probe_fn *each, void *user, struct base_err *err)
{
    struct prg_usb_device *devices = NULL;
    size_t count = 0;
    enum base_status status = prg_usb_scan(NULL, &devices, &count, err);
    bool more = true;
    for (size_t i = 0; status == BASE_OK && i < count && more; i++) {
        const struct prg_usb_device *device = &devices[i];
        char url[PRG_URL_SIZE];
        char text[4 * PRG_USB_TEXT_SIZE];
        if (prg_usb_interface_of(device, kind) == NULL) {
            continue;
        }
        prg_usb_url(kind, device, devices, count, sizeof(url), url);
        (void)snprintf(text, sizeof(text), "%s %s, release %x.%02x, port %s%s", device->vendor,
            device->product, (unsigned)(device->release >> 8), (unsigned)(device->release & 0xFFU),
            device->port,
            prg_usb_check_interfaces(device, NULL) == BASE_OK ? ""
                                                              : ", not used: more than a probe");
        more = each(user, url, text);
    }
    free(devices);
    return status;
}

enum base_status prg_usb_cable_find(enum prg_usb_kind kind, const char *address,
    struct prg_cable *ret_cable, struct prg_usb_interface *ret_interface, struct base_err *err)
{
    struct prg_usb_address wanted;
    struct prg_usb_device *devices = NULL;
    const struct prg_usb_device *device = NULL;
    size_t count = 0;
    enum base_status status = prg_usb_address_parse(kind, address, &wanted, err);
    if (status == BASE_OK) {
        status = prg_usb_scan(NULL, &devices, &count, err);
    }
    if (status == BASE_OK) {
        status = prg_usb_choose(&wanted, devices, count, &device, err);
    }
    if (status == BASE_OK) {
        status = prg_usb_check_interfaces(device, err);
    }
    if (status == BASE_OK) {
        struct prg_cable cable = { .vendor_id = device->vendor_id,
            .product_id = device->product_id,
            .release = device->release };
        memcpy(cable.serial, device->serial, sizeof(cable.serial));
        memcpy(cable.port, device->port, sizeof(cable.port));
        *ret_cable = cable;
        *ret_interface = *prg_usb_interface_of(device, kind);
    }
    free(devices);
    return status;
}

enum base_status prg_usb_cable_refused(const char *node, int errnum, struct base_err *err)
{
    if (errnum == EACCES || errnum == EPERM) {
        return base_err_set(err, BASE_E_IO, "errno", errnum,
            "this user may not open the probe's device %s; join the group lpa, which the udev "
            "rules give it to",
            node);
    }
    if (errnum == EBUSY) {
        return base_err_set(
            err, BASE_E_BUSY, "errno", errnum, "another program is using the probe at %s", node);
    }
    return base_err_errno(err, BASE_E_LINK, errnum, "the probe at %s cannot be opened", node);
}
