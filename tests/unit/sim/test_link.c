/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "sim/link.h"
#include "tests/unit/sim/fake_chip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000

/* Requests whose replies differ, so that order shows. */
static const uint8_t ask_size[] = { 0x00, 0xFF };
static const uint8_t size_reply[] = { 0x00, 0x02, 0x40, 0x00 };
static const uint8_t ask_count[] = { 0x00, 0xFE };
static const uint8_t count_reply[] = { 0x00, 0x01, 0x04 };

struct fixture {
    struct sim_board *board;
    struct sim_link *link;
    int64_t now_us;
};

static int fresh(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sim_board_opts opts = {
        .probe = { .packet_size = 64, .round_trip_us = SIM_PROBE_ROUND_TRIP_US },
        .restore_us = 1000,
    };
    if (f == NULL || sim_board_new(&opts, &f->board, NULL) != BASE_OK) {
        return 1;
    }
    f->link = sim_link_new(f->board);
    f->now_us = 1000000;
    *state = f;
    return f->link == NULL;
}

static int done(void **state)
{
    struct fixture *f = *state;
    sim_link_free(f->link);
    sim_board_free(f->board);
    free(f);
    return 0;
}

static void plan(struct fixture *f, const char *text)
{
    struct sim_fault fault;
    assert_int_equal(sim_fault_parse(text, &fault, NULL), BASE_OK);
    assert_int_equal(sim_link_add_fault(f->link, &fault, NULL), BASE_OK);
}

static enum sim_link_result ask(struct fixture *f, const uint8_t *request)
{
    return sim_link_request(f->link, f->now_us, request, 2, false);
}

static void expect(struct fixture *f, const uint8_t *bytes, size_t length)
{
    const struct sim_link_reply *reply = sim_link_peek(f->link, f->now_us);
    assert_non_null(reply);
    assert_int_equal(reply->length, length);
    assert_memory_equal(reply->data, bytes, length);
    sim_link_pop(f->link);
}

static void expect_none(struct fixture *f)
{
    assert_null(sim_link_peek(f->link, f->now_us));
}

#define ASK_SIZE(f)     assert_int_equal(ask((f), ask_size), SIM_LINK_TAKEN)
#define ASK_COUNT(f)    assert_int_equal(ask((f), ask_count), SIM_LINK_TAKEN)
#define EXPECT_SIZE(f)  expect((f), size_reply, sizeof(size_reply))
#define EXPECT_COUNT(f) expect((f), count_reply, sizeof(count_reply))

static void too_many_are_refused(void **state)
{
    struct fixture *f = *state;
    struct sim_fault fault = { .kind = SIM_FAULT_LOSE, .number = 1000 };
    for (unsigned i = 0; i < SIM_LINK_FAULTS_MAX; i++) {
        assert_int_equal(sim_link_add_fault(f->link, &fault, NULL), BASE_OK);
    }
    assert_int_equal(sim_link_add_fault(f->link, &fault, NULL), BASE_E_ARG);
    fault = (struct sim_fault){ .kind = SIM_FAULT_FLASH_TIME, .number = 10001 };
    assert_int_equal(sim_link_add_fault(f->link, &fault, NULL), BASE_E_ARG);
    fault = (struct sim_fault){ .kind = SIM_FAULT_BIT_ERRORS, .number = 1000000001 };
    assert_int_equal(sim_link_add_fault(f->link, &fault, NULL), BASE_E_ARG);
}

static void in_order(void **state)
{
    struct fixture *f = *state;
    ASK_SIZE(f);
    ASK_COUNT(f);
    assert_int_equal(sim_link_waiting(f->link), 2);
    assert_false(sim_link_full(f->link));
    EXPECT_SIZE(f);
    EXPECT_COUNT(f);
    expect_none(f);
    assert_true(sim_link_next_us(f->link) == INT64_MAX);
    for (int i = 0; i < 4; i++) {
        ASK_SIZE(f);
    }
    assert_true(sim_link_full(f->link));
}

static void late(void **state)
{
    struct fixture *f = *state;
    plan(f, "late=2:30");
    ASK_SIZE(f);
    ASK_COUNT(f);
    ASK_SIZE(f);
    EXPECT_SIZE(f);
    expect_none(f);
    assert_true(sim_link_next_us(f->link) == f->now_us + 30 * MS);
    f->now_us += 30 * MS;
    EXPECT_COUNT(f);
    EXPECT_SIZE(f);
}

static void shapes(void **state)
{
    struct fixture *f = *state;
    plan(f, "short=1:2");
    plan(f, "long=2:1");
    plan(f, "empty=3");
    plan(f, "wrong-id=4");
    for (int i = 0; i < 4; i++) {
        ASK_SIZE(f);
    }
    expect(f, (const uint8_t[]){ 0x00, 0x02 }, 2);
    expect(f, (const uint8_t[]){ 0x00, 0x02, 0x40, 0x00, 0xA5 }, 5);
    const struct sim_link_reply *reply = sim_link_peek(f->link, f->now_us);
    assert_non_null(reply);
    assert_true(reply->misshapen);
    expect(f, NULL, 0);
    expect(f, (const uint8_t[]){ 0x05, 0x02, 0x40, 0x00 }, 4);
    ASK_SIZE(f);
    EXPECT_SIZE(f);
}

static void expect_nothing_more(struct fixture *f)
{
    expect_none(f);
    ASK_SIZE(f);
    EXPECT_SIZE(f);
    expect_none(f);
}

static void lost_and_doubled(void **state)
{
    struct fixture *f = *state;
    plan(f, "lose=1");
    plan(f, "duplicate=2");
    ASK_SIZE(f);
    expect_none(f);
    ASK_COUNT(f);
    EXPECT_COUNT(f);
    EXPECT_COUNT(f);
    expect_nothing_more(f);
}

static void off_by_one(void **state)
{
    struct fixture *f = *state;
    plan(f, "stale=2");
    ASK_SIZE(f);
    EXPECT_SIZE(f);
    ASK_COUNT(f);
    EXPECT_SIZE(f);
    EXPECT_COUNT(f);
    expect_nothing_more(f);
}

static void swapped(void **state)
{
    struct fixture *f = *state;
    plan(f, "swap=1");
    ASK_SIZE(f);
    expect_none(f);
    assert_int_equal(sim_link_waiting(f->link), 1);
    ASK_COUNT(f);
    EXPECT_COUNT(f);
    EXPECT_SIZE(f);
    expect_nothing_more(f);
}

static void not_taken_for_a_while(void **state)
{
    struct fixture *f = *state;
    plan(f, "nak=1:5");
    assert_true(sim_link_busy(f->link, f->now_us));
    assert_int_equal(ask(f, ask_size), SIM_LINK_BUSY);
    assert_true(sim_link_next_us(f->link) == f->now_us + 5 * MS);
    f->now_us += 5 * MS;
    assert_false(sim_link_busy(f->link, f->now_us));
    ASK_SIZE(f);
    EXPECT_SIZE(f);
    struct sim_probe_stats stats;
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.packets, 1);
}

static void stalls(void **state)
{
    struct fixture *f = *state;
    plan(f, "stall-out=1");
    plan(f, "stall-in=2");
    assert_int_equal(ask(f, ask_size), SIM_LINK_STALLED);
    assert_int_equal(ask(f, ask_size), SIM_LINK_STALLED);
    expect_none(f);
    sim_link_clear_stall(f->link);
    ASK_COUNT(f);
    assert_true(sim_link_in_stalled(f->link));
    expect_none(f);
    sim_link_clear_stall(f->link);
    EXPECT_COUNT(f);
}

static void cuts(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats stats;
    plan(f, "cut-request=2");
    plan(f, "cut-reply=3");
    ASK_SIZE(f);
    assert_int_equal(ask(f, ask_size), SIM_LINK_CUT);
    assert_int_equal(ask(f, ask_size), SIM_LINK_CUT);
    assert_true(sim_link_is_cut(f->link));
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.packets, 1);
    sim_link_reset(f->link);
    expect_none(f); /* nothing survives */
    assert_int_equal(ask(f, ask_size), SIM_LINK_CUT);
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.packets, 2);
    sim_link_reset(f->link);
    ASK_SIZE(f);
    EXPECT_SIZE(f);
}

static void left_over(void **state)
{
    struct fixture *f = *state;
    static const uint8_t left[] = { 0x05, 0x01, 0x01, 0x77, 0x24, 0xA0, 0x6B };
    plan(f, "left-over=2");
    ASK_SIZE(f);
    expect(f, left, sizeof(left));
    expect(f, left, sizeof(left));
    EXPECT_SIZE(f);
}

static void firmware_that_does_not_keep_its_word(void **state)
{
    struct fixture *f = *state;
    struct sim_link_quirks quirks = { .buffers = 1 };
    sim_link_set_quirks(f->link, &quirks);
    ASK_SIZE(f);
    ASK_COUNT(f); /* lost */
    EXPECT_SIZE(f);
    expect_none(f);
    quirks = (struct sim_link_quirks){ .hangs_when_pipelined = true };
    sim_link_set_quirks(f->link, &quirks);
    ASK_SIZE(f);
    assert_int_equal(sim_link_request(f->link, f->now_us, ask_count, 2, true), SIM_LINK_TAKEN);
    EXPECT_SIZE(f);
    ASK_SIZE(f);
    expect_none(f);
    sim_link_reset(f->link);
    ASK_SIZE(f);
    EXPECT_SIZE(f);
}

static void forks_go_their_own_ways(void **state)
{
    struct fixture *f = *state;
    plan(f, "lose=2");
    ASK_SIZE(f);
    struct fixture other = { .now_us = f->now_us };
    assert_int_equal(sim_board_fork(f->board, &other.board, NULL), BASE_OK);
    other.link = sim_link_fork(f->link, other.board);
    assert_non_null(other.link);
    ASK_COUNT(f);
    EXPECT_SIZE(f);
    expect_none(f);
    EXPECT_SIZE(&other);
    ASK_COUNT(&other);
    expect_none(&other);
    sim_link_clear_faults(other.link);
    ASK_COUNT(&other);
    EXPECT_COUNT(&other);
    sim_link_free(other.link);
    sim_board_free(other.board);
}

/* --- the wire --- */

static size_t transfer(struct fixture *f, const uint8_t *request, size_t length, uint8_t *ret_reply)
{
    assert_int_equal(sim_link_request(f->link, f->now_us, request, length, false), SIM_LINK_TAKEN);
    const struct sim_link_reply *reply = sim_link_peek(f->link, f->now_us);
    assert_non_null(reply);
    size_t got = reply->length;
    memcpy(ret_reply, reply->data, got);
    sim_link_pop(f->link);
    return got;
}

#define LE32(v) (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)
#define TRANSFER(f, reply, ...)                                                                    \
    transfer((f), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), reply)

static int powered(void **state)
{
    if (fresh(state) != 0) {
        return 1;
    }
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    TRANSFER(f, reply, 0x02, 0x01);
    TRANSFER(f, reply, 0x12, 136, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00);
    TRANSFER(f, reply, 0x05, 0, 5, 0x02, 0x04, LE32(0x50000000U), 0x08, LE32(0x01000000U), 0x01,
        LE32(0x23000012U), 0x05, LE32(FAKE_BASE));
    return reply[1] != 5 || reply[2] != 1;
}

static void wait_storm(void **state)
{
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    plan(f, "wait=2:5");
    /* DPIDR is always answered; the probe repeats the other until it is, too. */
    TRANSFER(f, reply, 0x05, 0, 2, 0x02, 0x0F);
    assert_int_equal(reply[1], 2);
    assert_int_equal(reply[2], 1);
    struct sim_probe_stats stats;
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.waits, 5);
    plan(f, "wait=1:0");
    TRANSFER(f, reply, 0x05, 0, 1, 0x0F);
    assert_int_equal(reply[1], 0);
    assert_int_equal(reply[2], 2);
    TRANSFER(f, reply, 0x05, 0, 1, 0x0F);
    assert_int_equal(reply[2], 2);
    sim_link_clear_faults(f->link);
    TRANSFER(f, reply, 0x05, 0, 1, 0x0F);
    assert_int_equal(reply[2], 1);
}

/* The count includes a read whose word is not in the answer (Arm's firmware). */
static void fault_in_a_run_of_reads(void **state)
{
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    plan(f, "fault=3");
    size_t length = TRANSFER(f, reply, 0x05, 0, 4, 0x0F, 0x0F, 0x0F, 0x0F);
    assert_int_equal(reply[2], 4);
    assert_int_equal(reply[1], 2);
    assert_int_equal(length, 3 + 4);
    TRANSFER(f, reply, 0x05, 0, 1, 0x0F);
    assert_int_equal(reply[2], 4); /* it stands */
    TRANSFER(f, reply, 0x05, 0, 2, 0x00, LE32(0x1EU), 0x0F);
    assert_int_equal(reply[2], 1);
}

static void nobody_answers(void **state)
{
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    plan(f, "no-ack=1:1");
    TRANSFER(f, reply, 0x05, 0, 1, 0x02);
    assert_int_equal(reply[1], 0);
    assert_int_equal(reply[2], 7);
    TRANSFER(f, reply, 0x12, 64, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00);
    TRANSFER(f, reply, 0x05, 0, 1, 0x02);
    assert_int_equal(reply[2], 1);
}

static void wire_held_low(void **state)
{
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    plan(f, "stuck-low=1:2");
    for (int i = 0; i < 2; i++) {
        TRANSFER(f, reply, 0x05, 0, 1, 0x02);
        assert_int_equal(reply[1], 0);
        assert_int_equal(reply[2], 0); /* not "OK": no bit of it is set */
    }
    TRANSFER(f, reply, 0x12, 64, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00);
    TRANSFER(f, reply, 0x05, 0, 1, 0x02);
    assert_int_equal(reply[2], 1);
}

static void write_that_fails_later(void **state)
{
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    plan(f, "write-fault=2");
    TRANSFER(f, reply, 0x05, 0, 3, 0x0D, LE32(1U), 0x0D, LE32(2U), 0x0D, LE32(3U));
    assert_int_equal(reply[1], 2);
    assert_int_equal(reply[2], 4);
    assert_int_equal(fake_chip_word(f->board->chip, FAKE_BASE), 1);
    assert_int_equal(fake_chip_word(f->board->chip, FAKE_BASE + 4), 0);
    /* The last write of a packet: all counted, and still a fault. */
    TRANSFER(f, reply, 0x05, 0, 1, 0x00, LE32(0x1EU));
    plan(f, "write-fault=1");
    TRANSFER(f, reply, 0x05, 0, 1, 0x0D, LE32(4U));
    assert_int_equal(reply[1], 1);
    assert_int_equal(reply[2], 4);
}

static void bit_errors_come_at_their_rate(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    sim_probe_get_stats(f->board->probe, &before);
    plan(f, "bit-errors=1000000:20260101");
    for (int i = 0; i < 2000; i++) {
        TRANSFER(f, reply, 0x05, 0, 2, 0x02, 0x02);
    }
    sim_probe_get_stats(f->board->probe, &after);
    uint64_t clocks = after.swclk_clocks - before.swclk_clocks;
    assert_in_range(after.flipped_bits, clocks / 1300, clocks / 800);
    sim_link_clear_faults(f->link);
    TRANSFER(f, reply, 0x12, 64, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00);
    TRANSFER(f, reply, 0x05, 0, 1, 0x02);
    assert_int_equal(reply[2], 1);
}

static void supply_fails_at_a_clock(void **state)
{
    struct fixture *f = *state;
    uint8_t reply[SIM_LINK_REPLY_MAX];
    struct sim_probe_stats before;
    sim_probe_get_stats(f->board->probe, &before);
    plan(f, "power-cut-clock=47");
    TRANSFER(f, reply, 0x05, 0, 1, 0x02);
    assert_int_equal(reply[2], 1);
    assert_true(sim_chip_powered(f->board->chip));
    TRANSFER(f, reply, 0x05, 0, 1, 0x02);
    assert_int_equal(reply[2], 7);
    assert_int_equal(f->board->power_cuts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(too_many_are_refused, fresh, done),
        cmocka_unit_test_setup_teardown(in_order, fresh, done),
        cmocka_unit_test_setup_teardown(late, fresh, done),
        cmocka_unit_test_setup_teardown(shapes, fresh, done),
        cmocka_unit_test_setup_teardown(lost_and_doubled, fresh, done),
        cmocka_unit_test_setup_teardown(off_by_one, fresh, done),
        cmocka_unit_test_setup_teardown(swapped, fresh, done),
        cmocka_unit_test_setup_teardown(not_taken_for_a_while, fresh, done),
        cmocka_unit_test_setup_teardown(stalls, fresh, done),
        cmocka_unit_test_setup_teardown(cuts, fresh, done),
        cmocka_unit_test_setup_teardown(left_over, fresh, done),
        cmocka_unit_test_setup_teardown(firmware_that_does_not_keep_its_word, fresh, done),
        cmocka_unit_test_setup_teardown(forks_go_their_own_ways, fresh, done),
        cmocka_unit_test_setup_teardown(wait_storm, powered, done),
        cmocka_unit_test_setup_teardown(fault_in_a_run_of_reads, powered, done),
        cmocka_unit_test_setup_teardown(nobody_answers, powered, done),
        cmocka_unit_test_setup_teardown(wire_held_low, powered, done),
        cmocka_unit_test_setup_teardown(write_that_fails_later, powered, done),
        cmocka_unit_test_setup_teardown(bit_errors_come_at_their_rate, powered, done),
        cmocka_unit_test_setup_teardown(supply_fails_at_a_clock, powered, done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
