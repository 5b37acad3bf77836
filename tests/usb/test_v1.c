/* SPDX-License-Identifier: Apache-2.0 */
/* Under usb-host --v1 --boards 2: unmodified hidapi on simulated probes. The one argument is the
 * report size. */
#include "tests/usb/usb_control.h"

#include <hidapi.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cmocka.h>

#define VENDOR_ID  0x1209
#define PRODUCT_ID 0x0001
#define REPORT_MAX 1024
#define TIMEOUT_MS 1000

static const wchar_t first_serial[] = L"1122334455667700";
static const wchar_t second_serial[] = L"1122334455667701";

static size_t report_size(void **state)
{
    return *(const size_t *)*state;
}

static void ask(hid_device *device, size_t size, uint8_t command, uint8_t argument)
{
    uint8_t report[REPORT_MAX + 1] = { 0, command, argument };
    assert_int_equal(hid_write(device, report, size + 1), (int)size + 1);
}

static void test_enumeration(void **state)
{
    (void)state;
    struct hid_device_info *list = hid_enumerate(VENDOR_ID, PRODUCT_ID);
    int count = 0;
    for (const struct hid_device_info *at = list; at != NULL; at = at->next) {
        count++;
        assert_int_equal(wcscmp(at->product_string, L"Simulated CMSIS-DAP"), 0);
        assert_int_equal(at->usage_page, 0xFF00);
        assert_int_equal(at->release_number, 0x0100);
    }
    assert_int_equal(count, 2);
    hid_free_enumeration(list);
}

static void test_round_trip_and_silence(void **state)
{
    hid_device *device = hid_open(VENDOR_ID, PRODUCT_ID, first_serial);
    assert_non_null(device);
    uint8_t reply[REPORT_MAX];
    int size = (int)report_size(state);
    ask(device, report_size(state), 0x00, 0xFF);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), size);
    const uint8_t expected[] = { 0x00, 0x02, (uint8_t)size, (uint8_t)(size >> 8) };
    assert_memory_equal(reply, expected, sizeof(expected));
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), 50), 0);
    hid_close(device);
}

/* Reports keep their boundaries however many wait. */
static void test_many_in_flight(void **state)
{
    hid_device *first = hid_open(VENDOR_ID, PRODUCT_ID, first_serial);
    hid_device *second = hid_open(VENDOR_ID, PRODUCT_ID, second_serial);
    assert_non_null(first);
    assert_non_null(second);
    uint8_t reply[REPORT_MAX];
    for (int i = 0; i < 8; i++) {
        ask(first, report_size(state), 0x00, i % 2 == 0 ? 0x03 : 0xFE);
        ask(second, report_size(state), 0x00, 0x03);
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(
            hid_read_timeout(first, reply, sizeof(reply), TIMEOUT_MS), (int)report_size(state));
        if (i % 2 == 0) {
            assert_string_equal((const char *)reply + 2, "1122334455667700");
        } else {
            assert_int_equal(reply[2], 4);
        }
        assert_int_equal(
            hid_read_timeout(second, reply, sizeof(reply), TIMEOUT_MS), (int)report_size(state));
        assert_string_equal((const char *)reply + 2, "1122334455667701");
    }
    hid_close(first);
    hid_close(second);
}

static void test_faults(void **state)
{
    hid_device *device = hid_open(VENDOR_ID, PRODUCT_ID, first_serial);
    assert_non_null(device);
    uint8_t reply[REPORT_MAX];
    int size = (int)report_size(state);
    assert_true(usb_control_send("fault 0 late=1:100"));
    assert_true(usb_control_send("fault 0 duplicate=2"));
    assert_true(usb_control_send("fault 0 short=3:2"));
    assert_true(usb_control_send("fault 0 nak=4:50"));
    ask(device, report_size(state), 0x00, 0xFE);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), 20), 0);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), size);
    ask(device, report_size(state), 0x00, 0xFE);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), size);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), size);
    ask(device, report_size(state), 0x00, 0xFE);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), 2);
    ask(device, report_size(state), 0x00, 0xFE);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), size);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), 20), 0);
    hid_close(device);
}

static void test_unplugged_by_a_fault(void **state)
{
    hid_device *device = hid_open(VENDOR_ID, PRODUCT_ID, second_serial);
    assert_non_null(device);
    uint8_t reply[REPORT_MAX + 1] = { 0 };
    assert_true(usb_control_send("fault 1 cut-request=1"));
    assert_int_equal(hid_write(device, reply, report_size(state) + 1), -1);
    assert_int_equal(hid_read_timeout(device, reply, sizeof(reply), TIMEOUT_MS), -1);
    hid_close(device);
}

static void test_unplug(void **state)
{
    hid_device *device = hid_open(VENDOR_ID, PRODUCT_ID, first_serial);
    assert_non_null(device);
    uint8_t report[REPORT_MAX + 1] = { 0 };
    assert_true(usb_control_send("unplug 0"));
    assert_int_equal(hid_read_timeout(device, report, sizeof(report), TIMEOUT_MS), -1);
    assert_int_equal(hid_write(device, report, report_size(state) + 1), -1);
    hid_close(device);
    assert_null(hid_open(VENDOR_ID, PRODUCT_ID, first_serial));
    assert_true(usb_control_send("plug 0 serial=ANOTHER"));
    device = hid_open(VENDOR_ID, PRODUCT_ID, L"ANOTHER");
    assert_non_null(device);
    ask(device, report_size(state), 0x00, 0xFE);
    assert_int_equal(
        hid_read_timeout(device, report, sizeof(report), TIMEOUT_MS), (int)report_size(state));
    hid_close(device);
}

int main(int argc, char **argv)
{
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_enumeration, &size),
        cmocka_unit_test_prestate(test_round_trip_and_silence, &size),
        cmocka_unit_test_prestate(test_many_in_flight, &size),
        cmocka_unit_test_prestate(test_faults, &size),
        cmocka_unit_test_prestate(test_unplug, &size),
        cmocka_unit_test_prestate(test_unplugged_by_a_fault, &size),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)hid_exit();
    return failed;
}
