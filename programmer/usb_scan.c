/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "programmer/dap.h"
#include "programmer/usb_id.h"

#define DEFAULT_ROOT    "/sys/bus/usb/devices"
#define SYS_PATH_SIZE   512U
#define REPORT_DESC_MAX 4096U
#define CLASS_HUB       9U
#define CLASS_HID       3U

/* A file of sysfs; 0 when it cannot be read. */
static size_t read_file(const char *folder, const char *name, size_t size, uint8_t *ret_bytes)
{
    char path[SYS_PATH_SIZE + 300];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    size_t length = 0;
    ssize_t got = 1;
    while (length < size && got > 0) {
        got = read(fd, ret_bytes + length, size - length);
        length += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    return length;
}

static void read_text(const char *folder, const char *name, char ret_text[PRG_USB_TEXT_SIZE])
{
    uint8_t bytes[4 * PRG_USB_TEXT_SIZE];
    size_t length = read_file(folder, name, sizeof(bytes), bytes);
    while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == ' ')) {
        length--;
    }
    prg_dap_copy_text(bytes, length, PRG_USB_TEXT_SIZE, ret_text);
}

static bool read_hex(const char *folder, const char *name, uint16_t *ret_value)
{
    char text[PRG_USB_TEXT_SIZE];
    char *end = NULL;
    read_text(folder, name, text);
    unsigned long value = strtoul(text, &end, 16);
    *ret_value = (uint16_t)value;
    return end != text && value <= 0xFFFFU;
}

static uint8_t read_byte(const char *folder, const char *name)
{
    uint16_t value = 0;
    return read_hex(folder, name, &value) ? (uint8_t)value : 0;
}

/* The name of a folder's first entry that begins so; false: there is none. */
static bool find_entry(const char *folder, const char *begin, size_t size, char *ret_name)
{
    DIR *dir = opendir(folder);
    bool found = false;
    if (dir == NULL) {
        return false;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL && !found; entry = readdir(dir)) {
        size_t length = strlen(entry->d_name);
        if (strncmp(entry->d_name, begin, strlen(begin)) == 0 && length < size) {
            memcpy(ret_name, entry->d_name, length + 1);
            found = true;
        }
    }
    (void)closedir(dir);
    return found;
}

/* What the HID layer of the kernel made of an interface: "0003:VID:PID.N" below it. */
static void read_hid(const char *folder, struct prg_usb_interface *interface)
{
    char name[64];
    char path[SYS_PATH_SIZE + 400];
    uint8_t desc[REPORT_DESC_MAX];
    if (!find_entry(folder, "0003:", sizeof(name), name)) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    size_t length = read_file(path, "report_descriptor", sizeof(desc), desc);
    interface->report_known = length > 0 && prg_hid_report_parse(desc, length, &interface->report);
    size_t used = strlen(path);
    (void)snprintf(path + used, sizeof(path) - used, "/hidraw");
    (void)find_entry(path, "hidraw", sizeof(interface->hidraw), interface->hidraw);
}

static void add_interface(const char *folder, struct prg_usb_device *device)
{
    if (device->interface_count == PRG_USB_INTERFACES) {
        device->too_many_interfaces = true;
        return;
    }
    struct prg_usb_interface *interface = &device->interfaces[device->interface_count++];
    interface->number = read_byte(folder, "bInterfaceNumber");
    interface->class = read_byte(folder, "bInterfaceClass");
    interface->subclass = read_byte(folder, "bInterfaceSubClass");
    interface->protocol = read_byte(folder, "bInterfaceProtocol");
    interface->endpoints = read_byte(folder, "bNumEndpoints");
    read_text(folder, "interface", interface->name);
    if (interface->class == CLASS_HID) {
        read_hid(folder, interface);
    }
}

static int by_number(const void *left, const void *right)
{
    const struct prg_usb_interface *a = left;
    const struct prg_usb_interface *b = right;
    return (int)a->number - (int)b->number;
}

/* Interfaces are folders "PORT:CONFIGURATION.NUMBER" in the device's own. */
static void read_interfaces(const char *folder, struct prg_usb_device *device)
{
    DIR *dir = opendir(folder);
    size_t length = strlen(device->port);
    if (dir == NULL) {
        return;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[SYS_PATH_SIZE + 300];
        if (strncmp(entry->d_name, device->port, length) == 0 && entry->d_name[length] == ':') {
            (void)snprintf(path, sizeof(path), "%s/%.255s", folder, entry->d_name);
            add_interface(path, device);
        }
    }
    (void)closedir(dir);
    qsort(device->interfaces, device->interface_count, sizeof(device->interfaces[0]), by_number);
}

/* Ports are named "BUS-PORT.PORT…"; root hubs "usb1"; interfaces have a colon. */
static bool is_port(const char *name)
{
    const char *dash = strchr(name, '-');
    return dash != NULL && dash != name && strlen(name) < PRG_USB_PORT_SIZE &&
           strspn(name, "0123456789") == (size_t)(dash - name) && dash[1] != '\0' &&
           strspn(dash + 1, "0123456789.") == strlen(dash + 1);
}

static bool read_device(const char *root, const char *port, struct prg_usb_device *ret_device)
{
    struct prg_usb_device device = { .interface_count = 0 };
    char folder[SYS_PATH_SIZE];
    int need = snprintf(folder, sizeof(folder), "%s/%s", root, port);
    if (need < 0 || (size_t)need >= sizeof(folder) ||
        !read_hex(folder, "idVendor", &device.vendor_id) ||
        !read_hex(folder, "idProduct", &device.product_id)) {
        return false;
    }
    memcpy(device.port, port, strlen(port) + 1);
    device.device_class = read_byte(folder, "bDeviceClass");
    if (device.device_class == CLASS_HUB) {
        return false;
    }
    (void)!read_hex(folder, "bcdDevice", &device.release);
    read_text(folder, "manufacturer", device.vendor);
    read_text(folder, "product", device.product);
    read_text(folder, "serial", device.serial);
    read_interfaces(folder, &device);
    *ret_device = device;
    return true;
}

static int by_port(const void *left, const void *right)
{
    const struct prg_usb_device *a = left;
    const struct prg_usb_device *b = right;
    return strverscmp(a->port, b->port);
}

enum base_status prg_usb_scan(
    const char *root, struct prg_usb_device **ret_devices, size_t *ret_count, struct base_err *err)
{
    root = root == NULL ? DEFAULT_ROOT : root;
    DIR *dir = opendir(root);
    if (dir == NULL) {
        *ret_devices = NULL;
        *ret_count = 0;
        return BASE_OK;
    }
    struct prg_usb_device *devices = calloc(PRG_USB_DEVICES, sizeof(*devices));
    size_t count = 0;
    if (devices == NULL) {
        (void)closedir(dir);
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for the list of probes");
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL && count < PRG_USB_DEVICES;
         entry = readdir(dir)) {
        if (is_port(entry->d_name) && read_device(root, entry->d_name, &devices[count])) {
            count++;
        }
    }
    (void)closedir(dir);
    qsort(devices, count, sizeof(devices[0]), by_port);
    *ret_devices = devices;
    *ret_count = count;
    return BASE_OK;
}
