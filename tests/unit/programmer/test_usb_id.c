/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/usb_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A folder made like /sys/bus/usb/devices. */
struct tree {
    char root[64];
    char undo[4096]; /* paths in order of making, each ended by NUL */
    size_t used;
};

static void remember(struct tree *tree, const char *path)
{
    size_t length = strlen(path) + 1;
    assert_true(tree->used + length < sizeof(tree->undo));
    memcpy(tree->undo + tree->used, path, length);
    tree->used += length;
}

static void make_folder(struct tree *tree, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", tree->root, name);
    assert_int_equal(mkdir(path, 0700), 0);
    remember(tree, path);
}

static void put(struct tree *tree, const char *name, const void *data, size_t length)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", tree->root, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    remember(tree, path);
}

static void put_attribute(struct tree *tree, const char *folder, const char *name, const char *text)
{
    char path[160];
    char line[80];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    int length = snprintf(line, sizeof(line), "%s\n", text);
    put(tree, path, line, (size_t)length);
}

static void put_device(
    struct tree *tree, const char *port, const char *id, const char *product, const char *serial)
{
    char product_id[5] = "";
    char vendor_id[5] = "";
    memcpy(vendor_id, id, 4);
    memcpy(product_id, id + 5, 4);
    make_folder(tree, port);
    put_attribute(tree, port, "idVendor", vendor_id);
    put_attribute(tree, port, "idProduct", product_id);
    put_attribute(tree, port, "bcdDevice", "0231");
    put_attribute(tree, port, "bDeviceClass", "ef");
    put_attribute(tree, port, "product", product);
    if (serial != NULL) {
        put_attribute(tree, port, "serial", serial);
    }
}

/* @p class "ff/00/00" */
static void put_interface(
    struct tree *tree, const char *port, unsigned number, const char *class, const char *name)
{
    char folder[80];
    char text[3] = "";
    (void)snprintf(folder, sizeof(folder), "%s/%s:1.%u", port, port, number);
    make_folder(tree, folder);
    put_attribute(tree, folder, "bInterfaceNumber", number == 0 ? "00" : number == 1 ? "01" : "02");
    memcpy(text, class, 2);
    put_attribute(tree, folder, "bInterfaceClass", text);
    memcpy(text, class + 3, 2);
    put_attribute(tree, folder, "bInterfaceSubClass", text);
    memcpy(text, class + 6, 2);
    put_attribute(tree, folder, "bInterfaceProtocol", text);
    put_attribute(tree, folder, "bNumEndpoints", "02");
    if (name != NULL) {
        put_attribute(tree, folder, "interface", name);
    }
}

static void put_hid(struct tree *tree, const char *port, unsigned number, uint8_t page)
{
    const uint8_t desc[] = { 0x06, 0x00, page, 0x09, 0x06, 0xA1, 0x01, 0x75, 0x08, 0x95, 0x40, 0x81,
        0x02, 0x91, 0x02, 0xC0 };
    const uint8_t keyboard[] = { 0x05, 0x01, 0x09, 0x06, 0xA1, 0x01, 0xC0 };
    char folder[120];
    (void)snprintf(folder, sizeof(folder), "%s/%s:1.%u/0003:04B4:F154.0001", port, port, number);
    make_folder(tree, folder);
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/report_descriptor", folder);
    put(tree, path, page == 0 ? keyboard : desc, page == 0 ? sizeof(keyboard) : sizeof(desc));
    (void)snprintf(path, sizeof(path), "%s/hidraw", folder);
    make_folder(tree, path);
    (void)snprintf(path, sizeof(path), "%s/hidraw/hidraw%u", folder, number + 4);
    make_folder(tree, path);
}

static int tree_init(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/test_usb_id.XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    *state = tree;
    return 0;
}

static int tree_done(void **state)
{
    struct tree *tree = *state;
    while (tree->used > 0) {
        size_t at = tree->used - 1;
        while (at > 0 && tree->undo[at - 1] != '\0') {
            at--;
        }
        (void)remove(tree->undo + at);
        tree->used = at;
    }
    (void)rmdir(tree->root);
    free(tree);
    return 0;
}

static size_t scan(const struct tree *tree, struct prg_usb_device **ret_devices)
{
    size_t count = 0;
    assert_int_equal(prg_usb_scan(tree->root, ret_devices, &count, NULL), BASE_OK);
    return count;
}

static enum base_status choose(const struct prg_usb_device *devices, size_t count,
    enum prg_usb_kind kind, const char *text, const char **ret_port, struct base_err *err)
{
    struct prg_usb_address address;
    const struct prg_usb_device *device = NULL;
    base_err_clear(err);
    assert_int_equal(prg_usb_address_parse(kind, text, &address, err), BASE_OK);
    enum base_status status = prg_usb_choose(&address, devices, count, &device, err);
    *ret_port = device == NULL ? "" : device->port;
    return status;
}

static void refuses_malformed_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = { "", ":", "04b4", "04b4:", "04b4:f15", "04b4:f1555",
        "4b4:f155", "04b4:f155:", "04b4-f155", "@", "@1", "@1-", "@-2", "@1-2.", "@a-2", "@1-2:1.0",
        "@1-2.3.4.5.6.7.8.9.10.11.12.13.14.15.16" };
    struct prg_usb_address address = { .vendor_id = 7 };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct base_err err = { .status = BASE_OK };
        if (prg_usb_address_parse(PRG_USB_HID, bad[i], &address, &err) != BASE_E_ARG) {
            fail_msg("\"%s\" was accepted", bad[i]);
        }
        assert_non_null(strstr(err.message, "hid@BUS-PORT"));
    }
    assert_int_equal(address.vendor_id, 7);
}

static void reads_addresses(void **state)
{
    (void)state;
    struct prg_usb_address address;
    assert_int_equal(
        prg_usb_address_parse(PRG_USB_BULK, "04B4:f155:A:B c", &address, NULL), BASE_OK);
    assert_int_equal(address.vendor_id, 0x04B4);
    assert_int_equal(address.product_id, 0xF155);
    assert_string_equal(address.serial, "A:B c");
    assert_int_equal(prg_usb_address_parse(PRG_USB_BULK, "@12-3.14", &address, NULL), BASE_OK);
    assert_true(address.by_port);
    assert_string_equal(address.port, "12-3.14");
}

static void finds_nothing_where_nothing_is(void **state)
{
    (void)state;
    struct prg_usb_device *devices = NULL;
    size_t count = 7;
    assert_int_equal(prg_usb_scan("/nonexistent", &devices, &count, NULL), BASE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(scan(*state, &devices), 0);
    free(devices);
}

static void tells_probes_apart(void **state)
{
    struct tree *tree = *state;
    struct prg_usb_device *devices = NULL;
    struct base_err err;
    const char *port = NULL;
    char url[256];
    put_device(tree, "1-2", "04b4:f155", "KitProg3", "0A1B");
    put_interface(tree, "1-2", 0, "00/00/00", "KitProg3 CMSIS-DAP");
    put_interface(tree, "1-2", 1, "03/00/00", "KitProg3 bridge");
    put_interface(tree, "1-2", 2, "02/02/01", NULL);
    put_device(tree, "1-3.1", "c251:f001", "CMSIS-DAP clone", "1234");
    put_interface(tree, "1-3.1", 0, "ff/00/00", NULL);
    put_device(tree, "1-3.10", "c251:f001", "CMSIS-DAP clone", "1234");
    put_interface(tree, "1-3.10", 0, "ff/00/00", NULL);
    put_device(tree, "1-3.2", "c251:f001", "CMSIS-DAP\tclone", NULL);
    put_interface(tree, "1-3.2", 0, "ff/00/00", NULL);
    put_device(tree, "2-1", "0bda:8153", "Network", "1");
    put_interface(tree, "2-1", 0, "ff/00/00", NULL);
    size_t count = scan(tree, &devices);
    assert_int_equal(count, 5);
    assert_string_equal(devices[3].port, "1-3.10");
    assert_string_equal(devices[2].product, "CMSIS-DAP?clone");
    assert_int_equal(devices[0].release, 0x0231);
    assert_int_equal(devices[0].interface_count, 3);
    assert_null(prg_usb_interface_of(&devices[4], PRG_USB_BULK));
    assert_null(prg_usb_interface_of(&devices[0], PRG_USB_HID));

    assert_int_equal(choose(devices, count, PRG_USB_BULK, "04b4:f155", &port, &err), BASE_OK);
    assert_string_equal(port, "1-2");
    assert_int_equal(choose(devices, count, PRG_USB_BULK, "@1-3.2", &port, &err), BASE_OK);
    assert_string_equal(port, "1-3.2");
    assert_int_equal(choose(devices, count, PRG_USB_BULK, "@2-1", &port, &err), BASE_E_LINK);
    assert_int_equal(
        choose(devices, count, PRG_USB_BULK, "04b4:f155:0a1b", &port, &err), BASE_E_LINK);
    assert_int_equal(choose(devices, count, PRG_USB_HID, "04b4:f155", &port, &err), BASE_E_LINK);
    assert_non_null(strstr(err.message, "usb@1-2"));
    assert_int_equal(
        choose(devices, count, PRG_USB_BULK, "c251:f001:1234", &port, &err), BASE_E_CONFIG);
    assert_string_equal(err.code, "ambiguous_probe");
    assert_non_null(strstr(err.message, "usb@1-3.1 or usb@1-3.10"));

    prg_usb_url(PRG_USB_BULK, &devices[0], devices, count, sizeof(url), url);
    assert_string_equal(url, "usb:04b4:f155:0A1B");
    prg_usb_url(PRG_USB_BULK, &devices[1], devices, count, sizeof(url), url);
    assert_string_equal(url, "usb@1-3.1");
    prg_usb_url(PRG_USB_BULK, &devices[2], devices, count, sizeof(url), url);
    assert_string_equal(url, "usb@1-3.2");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(prg_usb_check_interfaces(&devices[i], NULL), BASE_OK);
    }
    free(devices);
}

static void chooses_the_right_hid_interface(void **state)
{
    struct tree *tree = *state;
    struct prg_usb_device *devices = NULL;
    put_device(tree, "1-2", "04b4:f154", "KitProg3 CMSIS-DAP", "0A1B");
    put_interface(tree, "1-2", 0, "03/00/00", NULL);
    put_hid(tree, "1-2", 0, 0xFE);
    put_interface(tree, "1-2", 1, "03/00/00", NULL);
    put_hid(tree, "1-2", 1, 0xFF);
    assert_int_equal(scan(tree, &devices), 1);
    const struct prg_usb_interface *found = prg_usb_interface_of(&devices[0], PRG_USB_HID);
    assert_non_null(found);
    assert_int_equal(found->number, 1);
    assert_string_equal(found->hidraw, "hidraw5");
    assert_int_equal(found->report.output_bytes, 64);
    free(devices);
}

static void refuses_more_than_a_probe(void **state)
{
    struct tree *tree = *state;
    struct prg_usb_device *devices = NULL;
    put_device(tree, "1-1", "04b4:f155", "KitProg3 CMSIS-DAP", "1");
    put_interface(tree, "1-1", 0, "ff/00/00", NULL);
    put_interface(tree, "1-1", 1, "03/01/01", NULL);
    put_device(tree, "1-2", "04b4:f155", "KitProg3 CMSIS-DAP", "2");
    put_interface(tree, "1-2", 0, "ff/00/00", NULL);
    put_interface(tree, "1-2", 1, "03/00/00", NULL);
    put_hid(tree, "1-2", 1, 0);
    put_device(tree, "1-3", "04b4:f155", "KitProg3 CMSIS-DAP", "3");
    put_interface(tree, "1-3", 0, "ff/00/00", NULL);
    put_interface(tree, "1-3", 1, "02/06/00", NULL);
    assert_int_equal(scan(tree, &devices), 3);
    for (size_t i = 0; i < 3; i++) {
        struct base_err err = { .status = BASE_OK };
        assert_int_equal(prg_usb_check_interfaces(&devices[i], &err), BASE_E_DENIED);
        assert_string_equal(err.code, "extra_interface");
    }
    free(devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed_addresses),
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test_setup_teardown(finds_nothing_where_nothing_is, tree_init, tree_done),
        cmocka_unit_test_setup_teardown(tells_probes_apart, tree_init, tree_done),
        cmocka_unit_test_setup_teardown(chooses_the_right_hid_interface, tree_init, tree_done),
        cmocka_unit_test_setup_teardown(refuses_more_than_a_probe, tree_init, tree_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
