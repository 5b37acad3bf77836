/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hex.h"
#include "programmer/link.h"

static void expect_text(enum prg_trace_kind kind, const char *hex, const char *text)
{
    uint8_t packet[PRG_PACKET_MAX];
    char have[PRG_TRACE_TEXT_SIZE];
    size_t length = strlen(hex) / 2;
    assert_int_equal(base_hex_decode(hex, length, packet, NULL), BASE_OK);
    prg_trace_text(kind, packet, length, sizeof(have), have);
    assert_string_equal(have, text);
}

static void says_what_packets_mean(void **state)
{
    (void)state;
    expect_text(PRG_TRACE_REQUEST, "", "> nothing");
    expect_text(PRG_TRACE_REQUEST, "00fe", "> Info fe");
    expect_text(PRG_TRACE_REQUEST, "99", "> command 99");
    expect_text(PRG_TRACE_REQUEST, "1100093d00", "> SWJ_Clock 4000000 Hz");
    expect_text(PRG_TRACE_REQUEST, "09d007", "> Delay 2000 us");
    expect_text(
        PRG_TRACE_REQUEST, "0500030204000000500f", "> Transfer 3: DPIDR, CTRL/STAT=50000000, AP+c");
    expect_text(PRG_TRACE_REQUEST, "05000220ff0000001f01000000",
        "> Transfer 2: mask=000000ff, AP+c==00000001");
    expect_text(PRG_TRACE_REQUEST, "0500030204000000", "> Transfer 3: DPIDR cut short");
    expect_text(PRG_TRACE_REQUEST, "060002000d0100000002000000",
        "> TransferBlock 2: AP+c 00000001 00000002");
    expect_text(PRG_TRACE_RESPONSE, "0502017724a06b00000000", "< Transfer 2 OK 6ba02477 00000000");
    expect_text(PRG_TRACE_RESPONSE, "050104", "< Transfer 1 FAULT");
    expect_text(PRG_TRACE_RESPONSE, "ff", "< unknown command");
    expect_text(PRG_TRACE_RESPONSE, "0001", "< Info 01");
}

static void survives_any_bytes(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t packet[PRG_PACKET_MAX];
        char text[64];
        size_t length = i % 70;
        for (size_t at = 0; at < length; at++) {
            seed = seed * 1664525U + 1013904223U;
            packet[at] = (uint8_t)(seed >> (at == 0 ? 29 : 24));
        }
        prg_trace_text(i % 2 == 0 ? PRG_TRACE_REQUEST : PRG_TRACE_RESPONSE, packet, length,
            sizeof(text), text);
        assert_true(strnlen(text, sizeof(text)) < sizeof(text));
    }
}

/* ---------------------------------------------------------------------------------- recordings */

/* Just enough of a probe for a session. */
static void probe(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    (void)user;
    (void)length;
    ret_response[0] = request[0];
    ret_response[1] = request[0] == 0x02 ? 1 : 0;
    *ret_length = 2;
    if (request[0] == 0 && request[1] == 0xFE) {
        ret_response[1] = 1;
        ret_response[2] = 4;
        *ret_length = 3;
    } else if (request[0] == 0 && request[1] == 0xFF) {
        ret_response[1] = 2;
        ret_response[2] = 64;
        ret_response[3] = 0;
        *ret_length = 4;
    } else if (request[0] == 0 && request[1] == 0xF0) {
        ret_response[1] = 1;
        ret_response[2] = 1;
        *ret_length = 3;
    }
}

static enum base_status session(
    struct prg_wire *wire, const struct prg_link_opts *opts, unsigned delays, struct base_err *err)
{
    struct prg_link *link = NULL;
    enum base_status status = prg_link_open_wire(wire, opts, &link, err);
    for (unsigned i = 0; i < delays && status == BASE_OK; i++) {
        status = prg_link_delay(link, 100 + i, err);
    }
    prg_link_close(link);
    return status;
}

static void make_recording(char *path)
{
    struct base_err err = { .status = BASE_OK };
    struct prg_wire wire;
    struct prg_tracer tracer;
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    prg_tracer_begin(&tracer, NULL, file, base_clock_system());
    const struct prg_link_opts opts = { .trace = prg_tracer_packet, .trace_user = &tracer };
    assert_int_equal(prg_wire_memory(probe, NULL, &wire, &err), BASE_OK);
    assert_int_equal(session(&wire, &opts, 3, &err), BASE_OK);
    assert_int_equal(fclose(file), 0);
    assert_true(tracer.packets > 10);
}

static void answers_from_a_recording(void **state)
{
    (void)state;
    char path[] = "/tmp/test_trace.XXXXXX";
    char url[128];
    struct base_err err = { .status = BASE_OK };
    struct prg_wire wire = { .transport = NULL };
    make_recording(path);
    (void)snprintf(url, sizeof(url), "replay:%s", path);
    assert_int_equal(prg_wire_open(url, base_clock_system(), &wire, &err), BASE_OK);
    assert_int_equal(session(&wire, NULL, 3, &err), BASE_OK);

    (void)snprintf(url, sizeof(url), "replay:%s@2000", path);
    int64_t begin_us = base_clock_mono_us(base_clock_system());
    assert_int_equal(prg_wire_open(url, base_clock_system(), &wire, &err), BASE_OK);
    assert_int_equal(session(&wire, NULL, 3, &err), BASE_OK);
    /* Nine questions, one group of settings, three delays, one farewell: 2 ms each. */
    assert_true(base_clock_mono_us(base_clock_system()) - begin_us >= 14 * 2000);

    (void)snprintf(url, sizeof(url), "replay:%s", path);
    assert_int_equal(prg_wire_open(url, base_clock_system(), &wire, &err), BASE_OK);
    assert_int_equal(session(&wire, NULL, 4, &err), BASE_E_PROTO);
    (void)unlink(path);
}

static void refuses_what_is_no_recording(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "lpa-wire 2\n", "> 00\n", "lpa-wire 1\n> 0\n",
        "lpa-wire 1\n? 00\n", "lpa-wire 1\n>00fe\n", "lpa-wire 1\n\n", "lpa-wire 1\n> zz\n",
        "lpa-wire 1\n> \n" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char path[] = "/tmp/test_trace.XXXXXX";
        struct base_err err = { .status = BASE_OK };
        struct prg_wire wire = { .transport = NULL };
        int fd = mkstemp(path);
        assert_int_equal(write(fd, texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
        assert_int_equal(close(fd), 0);
        assert_int_equal(
            prg_wire_replay(path, base_clock_system(), 0, &wire, &err), BASE_E_CORRUPT);
        assert_null(wire.transport);
        (void)unlink(path);
    }
    struct prg_wire wire = { .transport = NULL };
    assert_int_equal(
        prg_wire_open("replay:/nonexistent", base_clock_system(), &wire, NULL), BASE_E_NOTFOUND);
    assert_int_equal(prg_wire_open("replay:", base_clock_system(), &wire, NULL), BASE_E_ARG);
}

/* --------------------------------------------------------------------------------------- faults */

static enum base_status with_fault(enum prg_wire_fault_kind kind, uint64_t packet, size_t bytes)
{
    const struct prg_wire_fault fault = { kind, packet, bytes };
    struct base_err err = { .status = BASE_OK };
    struct prg_wire inner;
    struct prg_wire wire;
    assert_int_equal(prg_wire_memory(probe, NULL, &inner, &err), BASE_OK);
    assert_int_equal(prg_wire_add_fault(&inner, &fault, &wire, &err), BASE_OK);
    assert_null(inner.transport);
    return session(&wire, NULL, 1, &err);
}

static void breaks_once(void **state)
{
    (void)state;
    assert_int_equal(with_fault(PRG_WIRE_FAULT_NONE, 0, 0), BASE_OK);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_CUT, 5, 0), BASE_E_LINK);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_LOSE_REQUEST, 5, 0), BASE_E_TIMEOUT);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_LOSE_REPLY, 5, 0), BASE_E_TIMEOUT);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_LOSE_REPLY, 13, 0), BASE_E_PROTO);
    /* While a session begins, what may be a left-over is asked for again. */
    assert_int_equal(with_fault(PRG_WIRE_FAULT_SHORT_REPLY, 5, 1), BASE_OK);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_SHORT_REPLY, 13, 1), BASE_E_PROTO);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_TWICE, 9, 0), BASE_OK);
    assert_int_equal(with_fault(PRG_WIRE_FAULT_CUT, 99, 0), BASE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_packets_mean),
        cmocka_unit_test(survives_any_bytes),
        cmocka_unit_test(answers_from_a_recording),
        cmocka_unit_test(refuses_what_is_no_recording),
        cmocka_unit_test(breaks_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
