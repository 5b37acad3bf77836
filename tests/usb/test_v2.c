/* SPDX-License-Identifier: Apache-2.0 */
/* Under usb-host --v2 --boards 3 --port 1-1 --port 1-2.3 --replug '50 serial=CHANGED': unmodified
 * libusb on simulated probes. */
#include "tests/usb/usb_control.h"

#include <libusb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define VENDOR_ID  0x1209
#define PRODUCT_ID 0x0001
#define OUT        0x01
#define IN         0x82
#define PACKET     512
#define TIMEOUT_MS 1000

static const uint8_t info_size[] = { 0x00, 0xFF };
static const uint8_t info_size_reply[] = { 0x00, 0x02, 0x00, 0x02 };

/* Opens the probe with this serial number; NULL: there is none. */
static libusb_device_handle *open_serial(libusb_context *context, const char *serial)
{
    libusb_device **list = NULL;
    libusb_device_handle *found = NULL;
    ssize_t count = libusb_get_device_list(context, &list);
    for (ssize_t i = 0; i < count && found == NULL; i++) {
        struct libusb_device_descriptor desc;
        unsigned char text[64] = "";
        assert_int_equal(libusb_get_device_descriptor(list[i], &desc), 0);
        if (desc.idVendor != VENDOR_ID || desc.idProduct != PRODUCT_ID ||
            libusb_open(list[i], &found) != 0) {
            continue;
        }
        (void)libusb_get_string_descriptor_ascii(found, desc.iSerialNumber, text, sizeof(text));
        if (strcmp((const char *)text, serial) != 0) {
            libusb_close(found);
            found = NULL;
        }
    }
    libusb_free_device_list(list, 1);
    return found;
}

static libusb_device_handle *open_board(libusb_context *context, const char *serial)
{
    libusb_device_handle *handle = open_serial(context, serial);
    assert_non_null(handle);
    assert_int_equal(libusb_claim_interface(handle, 0), 0);
    return handle;
}

static void ask(libusb_device_handle *handle, const uint8_t *request, int length)
{
    unsigned char data[PACKET];
    int moved = 0;
    memcpy(data, request, (size_t)length);
    assert_int_equal(libusb_bulk_transfer(handle, OUT, data, length, &moved, TIMEOUT_MS), 0);
    assert_int_equal(moved, length);
}

static int get(libusb_device_handle *handle, uint8_t ret_reply[PACKET], unsigned timeout_ms)
{
    int moved = 0;
    int result = libusb_bulk_transfer(handle, IN, ret_reply, PACKET, &moved, timeout_ms);
    return result < 0 ? result : moved;
}

static void test_descriptors(void **state)
{
    libusb_device_handle *handle = open_board(*state, "1122334455667701");
    libusb_device *device = libusb_get_device(handle);
    uint8_t ports[7];
    assert_int_equal(libusb_get_port_numbers(device, ports, 7), 2);
    assert_int_equal(ports[0], 2);
    assert_int_equal(ports[1], 3);
    struct libusb_config_descriptor *config = NULL;
    assert_int_equal(libusb_get_active_config_descriptor(device, &config), 0);
    const struct libusb_interface_descriptor *interface = config->interface[0].altsetting;
    unsigned char name[64] = "";
    assert_true(
        libusb_get_string_descriptor_ascii(handle, interface->iInterface, name, sizeof(name)) > 0);
    assert_non_null(strstr((const char *)name, "CMSIS-DAP"));
    assert_int_equal(interface->bInterfaceClass, 0xFF);
    assert_int_equal(interface->bNumEndpoints, 2);
    assert_int_equal(interface->endpoint[0].bEndpointAddress, OUT);
    assert_int_equal(interface->endpoint[1].bEndpointAddress, IN);
    assert_int_equal(interface->endpoint[1].wMaxPacketSize, PACKET);
    libusb_free_config_descriptor(config);
    libusb_close(handle);
}

static void test_round_trip_and_silence(void **state)
{
    libusb_device_handle *handle = open_board(*state, "1122334455667700");
    uint8_t reply[PACKET];
    ask(handle, info_size, sizeof(info_size));
    assert_int_equal(get(handle, reply, TIMEOUT_MS), sizeof(info_size_reply));
    assert_memory_equal(reply, info_size_reply, sizeof(info_size_reply));
    assert_int_equal(get(handle, reply, 50), LIBUSB_ERROR_TIMEOUT);
    libusb_close(handle);
}

static void test_second_claim_is_refused(void **state)
{
    libusb_device_handle *first = open_board(*state, "1122334455667700");
    libusb_device_handle *second = open_serial(*state, "1122334455667700");
    assert_non_null(second);
    assert_int_equal(libusb_claim_interface(second, 0), LIBUSB_ERROR_BUSY);
    libusb_close(first);
    assert_int_equal(libusb_claim_interface(second, 0), 0);
    libusb_close(second);
}

/* Two boards with requests in flight at once, answers each its own. */
static void test_boards_side_by_side(void **state)
{
    static const uint8_t info_serial[] = { 0x00, 0x03 };
    libusb_device_handle *first = open_board(*state, "1122334455667700");
    libusb_device_handle *second = open_board(*state, "1122334455667702");
    uint8_t reply[PACKET];
    for (int i = 0; i < 3; i++) {
        ask(first, info_serial, sizeof(info_serial));
        ask(second, info_serial, sizeof(info_serial));
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(get(second, reply, TIMEOUT_MS), 19);
        assert_string_equal((const char *)reply + 2, "1122334455667702");
        assert_int_equal(get(first, reply, TIMEOUT_MS), 19);
        assert_string_equal((const char *)reply + 2, "1122334455667700");
    }
    libusb_close(first);
    libusb_close(second);
}

static void test_halted_endpoints(void **state)
{
    libusb_device_handle *handle = open_board(*state, "1122334455667700");
    uint8_t reply[PACKET];
    int moved = 0;
    assert_true(usb_control_send("fault 0 stall-out=1"));
    memcpy(reply, info_size, sizeof(info_size));
    assert_int_equal(
        libusb_bulk_transfer(handle, OUT, reply, 2, &moved, TIMEOUT_MS), LIBUSB_ERROR_PIPE);
    assert_int_equal(libusb_clear_halt(handle, OUT), 0);
    assert_true(usb_control_send("fault 0 stall-in=1"));
    ask(handle, info_size, sizeof(info_size));
    assert_int_equal(get(handle, reply, TIMEOUT_MS), LIBUSB_ERROR_PIPE);
    assert_int_equal(libusb_clear_halt(handle, IN), 0);
    assert_int_equal(get(handle, reply, TIMEOUT_MS), sizeof(info_size_reply));
    libusb_close(handle);
}

static void test_late_and_refused(void **state)
{
    libusb_device_handle *handle = open_board(*state, "1122334455667700");
    uint8_t reply[PACKET];
    int moved = 0;
    assert_true(usb_control_send("fault 0 late=1:150"));
    ask(handle, info_size, sizeof(info_size));
    assert_int_equal(get(handle, reply, 20), LIBUSB_ERROR_TIMEOUT);
    assert_int_equal(get(handle, reply, TIMEOUT_MS), sizeof(info_size_reply));
    assert_true(usb_control_send("fault 0 nak=1:150"));
    memcpy(reply, info_size, sizeof(info_size));
    assert_int_equal(libusb_bulk_transfer(handle, OUT, reply, 2, &moved, 20), LIBUSB_ERROR_TIMEOUT);
    assert_int_equal(moved, 0);
    ask(handle, info_size, sizeof(info_size));
    assert_int_equal(get(handle, reply, TIMEOUT_MS), sizeof(info_size_reply));
    assert_int_equal(get(handle, reply, 20), LIBUSB_ERROR_TIMEOUT);
    libusb_close(handle);
}

/* A fault pulls the board out at its second request; it comes back under another name. */
static void test_unplugged_by_a_fault(void **state)
{
    libusb_device_handle *handle = open_board(*state, "1122334455667702");
    uint8_t reply[PACKET];
    assert_true(usb_control_send("fault 2 cut-reply=2"));
    ask(handle, info_size, sizeof(info_size));
    assert_int_equal(get(handle, reply, TIMEOUT_MS), sizeof(info_size_reply));
    ask(handle, info_size, sizeof(info_size)); /* taken; then the board is gone */
    assert_int_equal(get(handle, reply, TIMEOUT_MS), LIBUSB_ERROR_NO_DEVICE);
    libusb_close(handle);
    for (int i = 0; i < 100; i++) {
        struct timeval pause = { .tv_usec = 20000 };
        (void)libusb_handle_events_timeout_completed(*state, &pause, NULL);
        handle = open_serial(*state, "CHANGED");
        if (handle != NULL) {
            break;
        }
    }
    assert_non_null(handle);
    assert_int_equal(libusb_claim_interface(handle, 0), 0);
    ask(handle, info_size, sizeof(info_size));
    assert_int_equal(get(handle, reply, TIMEOUT_MS), sizeof(info_size_reply));
    libusb_close(handle);
}

struct flight {
    int ended;
    enum libusb_transfer_status status;
    int hotplug;
};

static void LIBUSB_CALL transfer_ended(struct libusb_transfer *transfer)
{
    struct flight *flight = transfer->user_data;
    flight->ended = 1;
    flight->status = transfer->status;
}

static int LIBUSB_CALL device_event(
    libusb_context *context, libusb_device *device, libusb_hotplug_event event, void *user)
{
    (void)context;
    (void)device;
    (void)event;
    struct flight *flight = user;
    flight->hotplug++;
    return 0;
}

static void wait_for(libusb_context *context, const int *flag, int value)
{
    for (int i = 0; i < 100 && *flag != value; i++) {
        struct timeval pause = { .tv_usec = 50000 };
        assert_int_equal(libusb_handle_events_timeout_completed(context, &pause, NULL), 0);
    }
    assert_int_equal(*flag, value);
}

static void test_unplug_ends_what_is_in_flight(void **state)
{
    libusb_device_handle *handle = open_board(*state, "1122334455667700");
    libusb_hotplug_callback_handle callback;
    struct flight flight = { 0 };
    uint8_t buffer[PACKET];
    assert_int_equal(
        libusb_hotplug_register_callback(*state, LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, 0, VENDOR_ID,
            PRODUCT_ID, LIBUSB_HOTPLUG_MATCH_ANY, device_event, &flight, &callback),
        0);
    struct libusb_transfer *transfer = libusb_alloc_transfer(0);
    assert_non_null(transfer);
    libusb_fill_bulk_transfer(transfer, handle, IN, buffer, PACKET, transfer_ended, &flight, 5000);
    assert_int_equal(libusb_submit_transfer(transfer), 0);
    assert_true(usb_control_send("unplug 0"));
    wait_for(*state, &flight.ended, 1);
    assert_int_equal(flight.status, LIBUSB_TRANSFER_NO_DEVICE);
    wait_for(*state, &flight.hotplug, 1);
    libusb_free_transfer(transfer);
    assert_int_equal(get(handle, buffer, 100), LIBUSB_ERROR_NO_DEVICE);
    libusb_hotplug_deregister_callback(*state, callback);
    libusb_close(handle);
    assert_null(open_serial(*state, "1122334455667700"));

    assert_true(usb_control_send("plug 0 serial=ANOTHER port=1-9"));
    for (int i = 0; i < 100 && handle != NULL; i++) {
        struct timeval pause = { .tv_usec = 20000 };
        (void)libusb_handle_events_timeout_completed(*state, &pause, NULL);
        libusb_device_handle *again = open_serial(*state, "ANOTHER");
        if (again != NULL) {
            libusb_close(again);
            handle = NULL;
        }
    }
    assert_null(handle);
    assert_true(usb_control_send("unplug 0"));
    assert_true(usb_control_send("plug 0"));
    assert_false(usb_control_send("plug 0"));
}

static int open_context(void **state)
{
    libusb_context *context = NULL;
    if (libusb_init(&context) != 0) {
        return -1;
    }
    *state = context;
    return 0;
}

static int close_context(void **state)
{
    libusb_exit(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_descriptors, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_round_trip_and_silence, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_second_claim_is_refused, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_boards_side_by_side, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_halted_endpoints, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_late_and_refused, open_context, close_context),
        cmocka_unit_test_setup_teardown(test_unplugged_by_a_fault, open_context, close_context),
        cmocka_unit_test_setup_teardown(
            test_unplug_ends_what_is_in_flight, open_context, close_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
