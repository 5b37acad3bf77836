/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "late", "late=", "late=1", "late=1:", "late=0:5",
        "late=1:2:3", "late=1:2x", "late=-1:2", "late=1:4294967296", "LATE=1:2", "later=1:2",
        "cut-request=0", "cut-request=1:2", "cut-request=x", "flip-bit=3", "power-cut=1",
        "power-cut=1:soon", "power-cut=1:during:", "power-cut=1:during:x", "power-cut=1:duringly",
        "flash-time=", "no-ack=18446744073709551616:0" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sim_fault fault = { .kind = SIM_FAULT_NONE, .number = 77 };
        struct base_err err = { 0 };
        assert_int_equal(sim_fault_parse(bad[i], &fault, &err), BASE_E_ARG);
        assert_int_equal(fault.number, 77);
        assert_true(err.message[0] != '\0');
    }
    struct base_err err = { 0 };
    struct sim_fault fault;
    assert_int_equal(sim_fault_parse("late=1", &fault, &err), BASE_E_ARG);
    assert_non_null(strstr(err.message, "late=N:MS"));
}

static void understood(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        struct sim_fault fault;
    } good[] = {
        { "cut-request=3", { SIM_FAULT_CUT_REQUEST, 3, 0, SIM_CUT_NONE } },
        { "cut-reply=1", { SIM_FAULT_CUT_REPLY, 1, 0, SIM_CUT_NONE } },
        { "lose=0x10", { SIM_FAULT_LOSE, 16, 0, SIM_CUT_NONE } },
        { "late=2:150", { SIM_FAULT_LATE, 2, 150, SIM_CUT_NONE } },
        { "short=1:0", { SIM_FAULT_SHORT, 1, 0, SIM_CUT_NONE } },
        { "long=1:64", { SIM_FAULT_LONG, 1, 64, SIM_CUT_NONE } },
        { "empty=5", { SIM_FAULT_EMPTY, 5, 0, SIM_CUT_NONE } },
        { "duplicate=5", { SIM_FAULT_DUPLICATE, 5, 0, SIM_CUT_NONE } },
        { "stale=5", { SIM_FAULT_STALE, 5, 0, SIM_CUT_NONE } },
        { "swap=5", { SIM_FAULT_SWAP, 5, 0, SIM_CUT_NONE } },
        { "wrong-id=5", { SIM_FAULT_WRONG_ID, 5, 0, SIM_CUT_NONE } },
        { "nak=5:1", { SIM_FAULT_NAK, 5, 1, SIM_CUT_NONE } },
        { "stall-out=5", { SIM_FAULT_STALL_OUT, 5, 0, SIM_CUT_NONE } },
        { "stall-in=5", { SIM_FAULT_STALL_IN, 5, 0, SIM_CUT_NONE } },
        { "left-over=2", { SIM_FAULT_LEFT_OVER, 2, 0, SIM_CUT_NONE } },
        { "flip-bit=3:45", { SIM_FAULT_FLIP_BIT, 3, 45, SIM_CUT_NONE } },
        { "bit-errors=1000:7", { SIM_FAULT_BIT_ERRORS, 1000, 7, SIM_CUT_NONE } },
        { "wait=9:0", { SIM_FAULT_WAIT, 9, 0, SIM_CUT_NONE } },
        { "fault=9", { SIM_FAULT_FAULT, 9, 0, SIM_CUT_NONE } },
        { "no-ack=9:1", { SIM_FAULT_NO_ACK, 9, 1, SIM_CUT_NONE } },
        { "stuck-low=9:2", { SIM_FAULT_STUCK_LOW, 9, 2, SIM_CUT_NONE } },
        { "write-fault=9", { SIM_FAULT_WRITE_FAULT, 9, 0, SIM_CUT_NONE } },
        { "power-cut=12:before", { SIM_FAULT_POWER_CUT, 12, 0, SIM_CUT_BEFORE } },
        { "power-cut=12:during:0xFF", { SIM_FAULT_POWER_CUT, 12, 0xFF, SIM_CUT_DURING } },
        { "power-cut=12:after:1", { SIM_FAULT_POWER_CUT, 12, 1, SIM_CUT_AFTER } },
        { "power-cut-clock=1000", { SIM_FAULT_POWER_CUT_CLOCK, 1000, 0, SIM_CUT_NONE } },
        { "power-cut-instruction=7", { SIM_FAULT_POWER_CUT_INSTRUCTION, 7, 0, SIM_CUT_NONE } },
        { "flash-time=250", { SIM_FAULT_FLASH_TIME, 250, 0, SIM_CUT_NONE } },
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct sim_fault fault;
        assert_int_equal(sim_fault_parse(good[i].text, &fault, NULL), BASE_OK);
        assert_int_equal(fault.kind, good[i].fault.kind);
        assert_int_equal(fault.number, good[i].fault.number);
        assert_int_equal(fault.amount, good[i].fault.amount);
        assert_int_equal(fault.when, good[i].fault.when);
    }
}

static void singles(void **state)
{
    (void)state;
    assert_true(sim_fault_is_single(SIM_FAULT_BIT_ERRORS));
    assert_true(sim_fault_is_single(SIM_FAULT_POWER_CUT));
    assert_true(sim_fault_is_single(SIM_FAULT_FLASH_TIME));
    assert_false(sim_fault_is_single(SIM_FAULT_LATE));
    assert_false(sim_fault_is_single(SIM_FAULT_FLIP_BIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(understood),
        cmocka_unit_test(singles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
