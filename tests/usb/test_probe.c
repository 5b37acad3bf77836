/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of the endpoints: where messages end, what reports hold. */
#include "tests/usb/usb_desc.h"
#include "tests/usb/usb_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1000

struct fixture {
    struct sim_board *board;
    struct sim_link *link;
    struct usb_probe *probe;
    uint8_t buffer[SIM_PROBE_MAX_PACKET];
    size_t have;
};

static void start(struct fixture *f, uint16_t packet_size, const struct usb_probe_opts *opts)
{
    struct sim_board_opts board = { .probe = { .packet_size = packet_size } };
    memset(f, 0, sizeof(*f));
    assert_int_equal(sim_board_new(&board, &f->board, NULL), BASE_OK);
    f->link = sim_link_new(f->board);
    assert_non_null(f->link);
    f->probe = usb_probe_new(f->link, opts);
    assert_non_null(f->probe);
}

static void stop(struct fixture *f)
{
    usb_probe_free(f->probe);
    sim_link_free(f->link);
    sim_board_free(f->board);
}

/* 31 commands of two bytes each in reply: 64 bytes, a whole packet. */
static size_t whole_packet_request(uint8_t *ret_request)
{
    ret_request[0] = 0x7F;
    ret_request[1] = 31;
    for (size_t i = 0; i < 31; i++) {
        memcpy(ret_request + 2 + 3 * i, (const uint8_t[]){ 0x01, 0x00, 0x00 }, 3);
    }
    return 2 + 3 * 31;
}

static enum usb_probe_in in(struct fixture *f, size_t capacity)
{
    return usb_probe_bulk_in(f->probe, NOW, f->buffer, capacity, &f->have);
}

static enum sim_link_result out(struct fixture *f, const uint8_t *data, size_t length, bool marked)
{
    return usb_probe_bulk_out(f->probe, NOW, data, length, marked, false);
}

static void reply_that_fills_its_last_packet_is_ended(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t request[128];
    size_t length = whole_packet_request(request);
    start(&f, 512, &(struct usb_probe_opts){ .max_packet = 64 });
    assert_int_equal(out(&f, request, length, false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_DONE);
    assert_int_equal(f.have, 64);
    /* A buffer that is full ends the transfer; the empty packet ends the next one. */
    assert_int_equal(out(&f, request, length, false), SIM_LINK_TAKEN);
    f.have = 0;
    assert_int_equal(in(&f, 64), USB_PROBE_IN_DONE);
    f.have = 0;
    assert_int_equal(in(&f, 64), USB_PROBE_IN_DONE);
    assert_int_equal(f.have, 0);
    assert_int_equal(in(&f, 64), USB_PROBE_IN_WAIT);
    stop(&f);
}

static void reply_without_its_end_waits_for_the_next(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t request[128];
    size_t length = whole_packet_request(request);
    start(&f, 512, &(struct usb_probe_opts){ .max_packet = 64, .no_zlp = true });
    assert_int_equal(out(&f, request, length, false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_WAIT);
    assert_int_equal(f.have, 64);
    assert_int_equal(out(&f, (const uint8_t[]){ 0x00, 0xFE }, 2, false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_DONE);
    assert_int_equal(f.have, 67); /* glued */
    stop(&f);
}

static void request_without_its_end_waits_for_more(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t request[64] = { 0x00, 0xFF };
    start(&f, 512, &(struct usb_probe_opts){ .max_packet = 64 });
    assert_int_equal(out(&f, request, sizeof(request), false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_WAIT);
    assert_int_equal(out(&f, request, 0, false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_DONE);
    assert_int_equal(f.have, 4);
    f.have = 0;
    assert_int_equal(out(&f, request, sizeof(request), true), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_DONE);
    f.have = 0;
    /* A host that opens the device does not inherit half a request. */
    assert_int_equal(out(&f, request, sizeof(request), false), SIM_LINK_TAKEN);
    usb_probe_opened(f.probe);
    assert_int_equal(out(&f, (const uint8_t[]){ 0x00, 0xFE }, 2, false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 512), USB_PROBE_IN_DONE);
    assert_int_equal(f.have, 3);
    stop(&f);
}

static void full_size_request_needs_no_end(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t request[64] = { 0x00, 0xFF };
    start(&f, 64, &(struct usb_probe_opts){ .max_packet = 64 });
    for (int i = 0; i < 4; i++) {
        assert_false(usb_probe_naks(f.probe, NOW));
        assert_int_equal(out(&f, request, sizeof(request), true), SIM_LINK_TAKEN);
    }
    assert_true(usb_probe_naks(f.probe, NOW));
    for (int i = 0; i < 4; i++) {
        f.have = 0;
        assert_int_equal(in(&f, 64), USB_PROBE_IN_DONE);
        assert_int_equal(f.have, 4);
    }
    assert_int_equal(in(&f, 64), USB_PROBE_IN_WAIT);
    stop(&f);
}

static void buffer_too_small(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, 64, &(struct usb_probe_opts){ .max_packet = 64 });
    assert_int_equal(out(&f, (const uint8_t[]){ 0x00, 0xFF }, 2, false), SIM_LINK_TAKEN);
    assert_int_equal(in(&f, 3), USB_PROBE_IN_OVERFLOW);
    assert_int_equal(f.have, 0);
    stop(&f);
}

static void report_ends_with_zeros_or_old_bytes(void **state)
{
    (void)state;
    for (int stale = 0; stale < 2; stale++) {
        struct fixture f;
        uint8_t report[64];
        start(&f, 64,
            &(struct usb_probe_opts){
                .hid = true, .report_size = 64, .stale_padding = stale == 1 });
        assert_false(usb_probe_report_ready(f.probe, NOW));
        (void)usb_probe_report_out(f.probe, NOW, (const uint8_t[]){ 0x00, 0x01 }, 2, false);
        assert_int_equal(usb_probe_report_in(f.probe, NOW, report, sizeof(report)), 64);
        assert_string_equal((const char *)report + 2, "lpa-sim");
        (void)usb_probe_report_out(f.probe, NOW, (const uint8_t[]){ 0x00, 0xFE }, 2, false);
        assert_int_equal(usb_probe_report_in(f.probe, NOW, report, sizeof(report)), 64);
        assert_int_equal(report[2], 4);
        assert_int_equal(report[3], stale == 1 ? 'p' : 0);
        stop(&f);
    }
}

static void misshapen_report_keeps_its_shape(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t report[64];
    start(&f, 64, &(struct usb_probe_opts){ .hid = true, .report_size = 64 });
    struct sim_fault fault = { .kind = SIM_FAULT_SHORT, .number = 1, .amount = 2 };
    assert_int_equal(sim_link_add_fault(f.link, &fault, NULL), BASE_OK);
    (void)usb_probe_report_out(f.probe, NOW, (const uint8_t[]){ 0x00, 0x01 }, 2, false);
    assert_int_equal(usb_probe_report_in(f.probe, NOW, report, sizeof(report)), 2);
    stop(&f);
}

static void descriptors(void **state)
{
    (void)state;
    uint8_t desc[USB_DESC_MAX];
    struct fixture f;
    start(&f, 64,
        &(struct usb_probe_opts){ .hid = true,
            .report_size = 64,
            .vendor_id = 0x04B4,
            .product_id = 0xF154,
            .bcd_device = 0x0200 });
    const struct usb_probe_opts *opts = usb_probe_get_opts(f.probe);
    assert_int_equal(usb_desc_device(opts, desc), 18);
    assert_memory_equal(desc + 8, ((const uint8_t[]){ 0xB4, 0x04, 0x54, 0xF1, 0x00, 0x02 }), 6);
    assert_int_equal(desc[16], 0); /* no serial number, no index */
    size_t length = usb_desc_configuration(opts, desc);
    assert_int_equal(length, 9 + 9 + 9 + 7 + 7);
    assert_int_equal(desc[2], length);
    uint8_t report[USB_DESC_MAX];
    assert_int_equal(desc[9 + 9 + 7], usb_desc_report(opts, report));
    assert_int_equal(usb_desc_string(opts, USB_STRING_SERIAL, desc), 0);
    assert_int_equal(usb_desc_string(opts, USB_STRING_MANUFACTURER, desc), 2 + 2 * 7);
    assert_int_equal(usb_desc_string(opts, 9, desc), 0);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_that_fills_its_last_packet_is_ended),
        cmocka_unit_test(reply_without_its_end_waits_for_the_next),
        cmocka_unit_test(request_without_its_end_waits_for_more),
        cmocka_unit_test(full_size_request_needs_no_end),
        cmocka_unit_test(buffer_too_small),
        cmocka_unit_test(report_ends_with_zeros_or_old_bytes),
        cmocka_unit_test(misshapen_report_keeps_its_shape),
        cmocka_unit_test(descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
