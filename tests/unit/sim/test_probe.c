/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/board.h"
#include "tests/unit/sim/fake_chip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKET 512U

struct fixture {
    struct sim_board *board;
    struct sim_chip *chip;
    uint8_t response[SIM_PROBE_MAX_PACKET];
    ssize_t length;
};

static void start_with(struct fixture *f, uint16_t packet_size, uint8_t packet_count)
{
    struct sim_board_opts opts = {
        .chip = { .unique_id = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 } },
        .probe = { .packet_size = packet_size,
            .packet_count = packet_count,
            .round_trip_us = SIM_PROBE_ROUND_TRIP_US },
        .restore_us = 1000,
    };
    memset(f, 0, sizeof(*f));
    assert_int_equal(sim_board_new(&opts, &f->board, NULL), BASE_OK);
    f->chip = f->board->chip;
}

static int done(void **state)
{
    struct fixture *f = *state;
    sim_board_free(f->board);
    free(f);
    return 0;
}

static int fresh(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return 1;
    }
    start_with(f, 0, 0);
    *state = f;
    return 0;
}

static void exec(struct fixture *f, const uint8_t *request, size_t length)
{
    memset(f->response, 0xEE, sizeof(f->response));
    f->length = sim_board_exec(f->board, request, length, f->response, sizeof(f->response));
}

static void expect_bytes(struct fixture *f, const uint8_t *bytes, size_t length)
{
    assert_int_equal(f->length, length);
    assert_memory_equal(f->response, bytes, length);
}

/* SEND(f, bytes...) executes, EXPECT(f, bytes...) compares the whole answer. */
#define BYTES(...)     ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })
#define SEND(f, ...)   exec((f), BYTES(__VA_ARGS__))
#define EXPECT(f, ...) expect_bytes((f), BYTES(__VA_ARGS__))
#define LE32(v)        (uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)

static int connected(void **state)
{
    if (fresh(state) != 0) {
        return 1;
    }
    struct fixture *f = *state;
    SEND(f, 0x02, 0x01);
    EXPECT(f, 0x02, 0x01);
    SEND(f, 0x12, 136, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0x00);
    EXPECT(f, 0x12, 0x00);
    SEND(f, 0x05, 0, 1, 0x02);
    EXPECT(f, 0x05, 1, 0x01, LE32(0x6BA02477U));
    return 0;
}

static int powered(void **state)
{
    if (connected(state) != 0) {
        return 1;
    }
    struct fixture *f = *state;
    SEND(f, 0x05, 0, 4, 0x04, LE32(0x50000000U), 0x08, LE32(0x01000000U), 0x01, LE32(0x23000012U),
        0x05, LE32(FAKE_BASE));
    EXPECT(f, 0x05, 4, 0x01);
    return 0;
}

static void info(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x00, 0x01);
    EXPECT(f, 0x00, 8, 'l', 'p', 'a', '-', 's', 'i', 'm', 0);
    SEND(f, 0x00, 0x03);
    EXPECT(f, 0x00, 17, '5', '1', 'a', '0', '0', '0', '0', '0', '0', '0', 'c', '0', '0', '0', '0',
        '1', 0);
    SEND(f, 0x00, 0x04);
    EXPECT(f, 0x00, 6, '2', '.', '1', '.', '2', 0);
    SEND(f, 0x00, 0x05);
    EXPECT(f, 0x00, 0);
    SEND(f, 0x00, 0xF0);
    EXPECT(f, 0x00, 2, 0x11, 0x00);
    SEND(f, 0x00, 0xFE);
    EXPECT(f, 0x00, 1, 4);
    SEND(f, 0x00, 0xFF);
    EXPECT(f, 0x00, 2, 0x00, 0x02);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct sim_board_opts opts = { .probe = { .packet_size = 65 } };
    struct sim_board *board = NULL;
    struct base_err err = { 0 };
    assert_int_equal(sim_board_new(&opts, &board, &err), BASE_E_ARG);
    assert_null(board);
    sim_board_free(NULL);
    sim_probe_free(NULL);
}

static void small_commands(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x01, 0x00, 0x01);
    EXPECT(f, 0x01, 0x00);
    SEND(f, 0x01, 0x02, 0x01);
    EXPECT(f, 0x01, 0xFF);
    SEND(f, 0x02, 0x02); /* JTAG is not there */
    EXPECT(f, 0x02, 0x00);
    SEND(f, 0x02, 0x00);
    EXPECT(f, 0x02, 0x01);
    SEND(f, 0x03);
    EXPECT(f, 0x03, 0x00);
    SEND(f, 0x04, 2, 0x34, 0x12, 0x78, 0x56);
    EXPECT(f, 0x04, 0x00);
    SEND(f, 0x0A);
    EXPECT(f, 0x0A, 0x00, 0x00);
    SEND(f, 0x11, LE32(0U));
    EXPECT(f, 0x11, 0xFF);
    SEND(f, 0x11, LE32(1000000U));
    EXPECT(f, 0x11, 0x00);
    SEND(f, 0x13, 0x00);
    EXPECT(f, 0x13, 0x00);
    SEND(f, 0x07);
    assert_int_equal(f->length, 0);
    static const uint8_t unknown[] = { 0x0B, 0x14, 0x17, 0x1F, 0x80, 0x84, 0x85, 0x91, 0xFF };
    for (size_t i = 0; i < sizeof(unknown); i++) {
        SEND(f, unknown[i], 0, 0, 0, 0);
        EXPECT(f, 0xFF);
    }
}

static void not_connected(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x05, 0, 1, 0x02);
    EXPECT(f, 0x05, 0, 0);
    SEND(f, 0x06, 0, 1, 0, 0x02);
    EXPECT(f, 0x06, 0, 0, 0);
    SEND(f, 0x08, 0, LE32(0x1EU));
    EXPECT(f, 0x08, 0xFF);
    SEND(f, 0x12, 8, 0xFF);
    EXPECT(f, 0x12, 0x00);
    struct sim_probe_stats stats;
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.swclk_clocks, 0);
    SEND(f, 0x02, 0x01);
    SEND(f, 0x05, 0, 1, 0x02); /* no switch sequence: nobody answers */
    EXPECT(f, 0x05, 0, 0x07);
}

/* Every proper prefix of a well-formed request is refused without touching the wire. */
static void cut_short(void **state)
{
    struct fixture *f = *state;

    static const struct {
        uint8_t length;
        uint8_t bytes[24];
    } whole[] = {
        { 2, { 0x00, 0x04 } },
        { 3, { 0x01, 0x00, 0x01 } },
        { 2, { 0x02, 0x01 } },
        { 6, { 0x04, 0, 100, 0, 0, 0 } },
        { 9, { 0x05, 0, 2, 0x02, 0x08, 0, 0, 0, 0 } },
        { 8, { 0x05, 0, 1, 0x12, 0, 0, 0, 0 } },
        { 13, { 0x06, 0, 2, 0, 0x0D, 1, 2, 3, 4, 5, 6, 7, 8 } },
        { 6, { 0x08, 0, 0x1E, 0, 0, 0 } },
        { 3, { 0x09, 1, 0 } },
        { 7, { 0x10, 0, 0, 0, 0, 0, 0 } },
        { 5, { 0x11, 0x40, 0x42, 0x0F, 0 } },
        { 4, { 0x12, 9, 0xFF, 0xFF } },
        { 2, { 0x13, 0 } },
        { 6, { 0x1D, 2, 0x85, 16, 0, 0 } },
    };
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        for (uint8_t cut = 1; cut < whole[i].length; cut++) {
            sim_probe_get_stats(f->board->probe, &before);
            exec(f, whole[i].bytes, cut);
            sim_probe_get_stats(f->board->probe, &after);
            EXPECT(f, 0xFF);
            assert_int_equal(before.swclk_clocks, after.swclk_clocks);
        }
        exec(f, whole[i].bytes, whole[i].length);
        assert_true(f->length >= 2);
        assert_int_equal(f->response[0], whole[i].bytes[0]);
    }
    exec(f, whole[0].bytes, 0);
    EXPECT(f, 0xFF);
}

static void too_large(void **state)
{
    struct fixture *f = *state;
    uint8_t request[SIM_PROBE_MAX_PACKET] = { 0x05, 0, 128 };
    memset(request + 3, 0x0F, 128);
    exec(f, request, 3 + 128); /* 3 + 4 * 128 bytes of answer do not fit 512 */
    EXPECT(f, 0xFF);
    request[2] = 127;
    exec(f, request, 3 + 127);
    assert_int_equal(f->length, 3 + 4 * 127);
    assert_int_equal(f->response[1], 127);
    SEND(f, 0x06, 0, 0xFF, 0xFF, 0x0F);
    EXPECT(f, 0xFF);
    SEND(f, 0x06, 0, 127, 0, 0x0F);
    assert_int_equal(f->length, 4 + 4 * 127);
    exec(f, request, PACKET + 1);
    EXPECT(f, 0xFF);
    /* An answer buffer smaller than the packet is respected. */
    f->length = sim_board_exec(f->board, request, 3 + 127, f->response, 16);
    EXPECT(f, 0xFF);
}

static void posted_reads_and_writes(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x05, 0, 4, 0x0D, LE32(0xA1A2A3A4U), 0x0D, LE32(0xB1B2B3B4U), 0x05, LE32(FAKE_BASE),
        0x07);
    EXPECT(f, 0x05, 4, 0x01, LE32(FAKE_BASE));
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    sim_probe_get_stats(f->board->probe, &before);
    SEND(f, 0x05, 0, 4, 0x0F, 0x0F, 0x06, 0x07);
    EXPECT(f, 0x05, 4, 0x01, LE32(0xA1A2A3A4U), LE32(0xB1B2B3B4U), LE32(0xF0000040U),
        LE32(FAKE_BASE + 8U));
    sim_probe_get_stats(f->board->probe, &after);
    /* Two AP reads, RDBUFF, CTRL/STAT, AP read, RDBUFF. */
    assert_int_equal(after.transfers - before.transfers, 6);
    assert_int_equal(after.swclk_clocks - before.swclk_clocks, 6 * 46);
    assert_int_equal(
        after.virtual_time_ps - before.virtual_time_ps, (250 + 6 * 46) * SIM_PS_PER_US);
}

static void block_transfers(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x06, 0, 3, 0, 0x0D, LE32(1U), LE32(2U), LE32(3U));
    EXPECT(f, 0x06, 3, 0, 0x01);
    SEND(f, 0x05, 0, 1, 0x05, LE32(FAKE_BASE));
    SEND(f, 0x06, 0, 3, 0, 0x0F);
    EXPECT(f, 0x06, 3, 0, 0x01, LE32(1U), LE32(2U), LE32(3U));
    SEND(f, 0x06, 0, 2, 0, 0x06);
    EXPECT(f, 0x06, 2, 0, 0x01, LE32(0xF0000040U), LE32(0xF0000040U));
    SEND(f, 0x06, 0, 0, 0, 0x0F);
    EXPECT(f, 0x06, 0, 0, 0x00);
}

static void count_and_data_disagree_after_fault(void **state)
{
    struct fixture *f = *state;
    fake_chip_set_word(f->chip, FAKE_BASE + 0xFFF8, 0x11);
    fake_chip_set_word(f->chip, FAKE_BASE + 0xFFFC, 0x22);
    /* No increment past the end: the second word's read is posted and then fails. */
    SEND(f, 0x05, 0, 3, 0x05, LE32(FAKE_BASE + 0x10000U), 0x0F, 0x0F);
    EXPECT(f, 0x05, 2, 0x04); /* one read counted, no data */
    SEND(f, 0x05, 0, 1, 0x0F);
    EXPECT(f, 0x05, 0, 0x04);
    SEND(f, 0x05, 0, 1, 0x06);
    EXPECT(f, 0x05, 1, 0x01, LE32(0xF0000020U));
    SEND(f, 0x08, 0, LE32(0x1EU));
    EXPECT(f, 0x08, 0x00);
    /* A write fault shows in the check at the end: full count and FAULT. */
    SEND(f, 0x05, 0, 2, 0x05, LE32(0x30000000U), 0x0D, LE32(1U));
    EXPECT(f, 0x05, 2, 0x04);
    SEND(f, 0x08, 0, LE32(0x1EU));
    SEND(f, 0x06, 0, 1, 0, 0x0D, LE32(1U));
    EXPECT(f, 0x06, 1, 0, 0x04);
}

static void wait_is_repeated_by_the_probe(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats stats;
    SEND(f, 0x04, 0, 5, 0, 0, 0);
    f->chip->waits = 5;
    SEND(f, 0x05, 0, 1, 0x0F);
    EXPECT(f, 0x05, 1, 0x01, LE32(0U));
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.waits, 4);
    f->chip->waits_for_ever = true;
    SEND(f, 0x05, 0, 2, 0x0F, 0x0F);
    EXPECT(f, 0x05, 1, 0x02); /* the first is counted, its word is missing */
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.waits, 4 + 6);
    SEND(f, 0x08, 0, LE32(0x01U));
    f->chip->waits_for_ever = false;
    SEND(f, 0x05, 0, 1, 0x07);
    EXPECT(f, 0x05, 1, 0x01, LE32(FAKE_BASE + 4U));
}

static void match_polling(void **state)
{
    struct fixture *f = *state;
    fake_chip_set_word(f->chip, FAKE_BASE, 0x80000001);
    SEND(f, 0x04, 0, 100, 0, 9, 0);
    /* Mask, then poll for the top bit; no increment. */
    SEND(f, 0x05, 0, 4, 0x01, LE32(0x23000002U), 0x20, LE32(0x80000000U), 0x1F, LE32(0x80000000U),
        0x06);
    EXPECT(f, 0x05, 4, 0x01, LE32(0xF0000040U));
    unsigned before = f->chip->accesses;
    SEND(f, 0x05, 0, 2, 0x1F, LE32(0U), 0x06);
    EXPECT(f, 0x05, 0, 0x11);
    assert_int_equal(f->chip->accesses - before, 11); /* posted, then match_retry + 1 reads */
    SEND(f, 0x05, 0, 1, 0x16, LE32(0x80000000U));     /* of a DP register */
    EXPECT(f, 0x05, 1, 0x01);
}

static void parity_error_is_8(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_fault fault = { .kind = SIM_PROBE_FAULT_FLIP_BIT, .number = 2, .bit = 20 };
    sim_probe_set_fault(f->board->probe, &fault);
    SEND(f, 0x05, 0, 3, 0x06, 0x06, 0x06);
    EXPECT(f, 0x05, 1, 0x08, LE32(0xF0000040U));
    SEND(f, 0x05, 0, 1, 0x06); /* the line is still in step */
    EXPECT(f, 0x05, 1, 0x01, LE32(0xF0000040U));
    fault.number = 1;
    fault.bit = 8 + 1 + 3 + 1 + 7;
    sim_probe_set_fault(f->board->probe, &fault);
    SEND(f, 0x05, 0, 2, 0x0D, LE32(0x55U), 0x06);
    EXPECT(f, 0x05, 2, 0x01, LE32(0xF00000C0U)); /* WDATAERR */
    assert_int_equal(fake_chip_word(f->chip, FAKE_BASE), 0);
}

static void raw_sequences(void **state)
{
    struct fixture *f = *state;
    /* A DPIDR read by hand: 8 out, 1 turn + 3 ACK in, 33 in, 1 turn in, 2 idle out. */
    SEND(f, 0x1D, 5, 8, 0xA5, 0x84, 0x80 | 33, 0x81, 2, 0x00);
    EXPECT(f, 0x1D, 0x00, 0x03, LE32(0x6BA02477U), 0x01, 0x01);
    SEND(f, 0x1D, 1, 0x80); /* 64 in: nobody drives */
    EXPECT(f, 0x1D, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF);
}

static void pins_and_reset(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    SEND(f, 0x10, 0, 0, LE32(0U));
    EXPECT(f, 0x10, 0xA3);
    sim_probe_get_stats(f->board->probe, &before);
    SEND(f, 0x10, 0x00, 0x80, LE32(400U));
    EXPECT(f, 0x10, 0x23);
    sim_probe_get_stats(f->board->probe, &after);
    /* The pin follows at once, so the wait ends at once. */
    assert_int_equal(after.virtual_time_ps - before.virtual_time_ps, 250 * SIM_PS_PER_US);
    assert_true(f->chip->xres_low);
    assert_int_equal(f->chip->time_ps, after.virtual_time_ps);
    SEND(f, 0x05, 0, 1, 0x02);
    EXPECT(f, 0x05, 0, 0x07);
    SEND(f, 0x10, 0x80, 0x80, LE32(0U));
    EXPECT(f, 0x10, 0xA3);
    assert_false(f->chip->xres_low);
    SEND(f, 0x10, 0x00, 0x80, LE32(0U));
    SEND(f, 0x03); /* the pins float: the pull-up ends the reset */
    assert_false(f->chip->xres_low);
}

static void clock_by_hand(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    sim_probe_get_stats(f->board->probe, &before);
    SEND(f, 0x10, 0x00, 0x03, LE32(0U));
    EXPECT(f, 0x10, 0xA0);
    SEND(f, 0x10, 0x01, 0x03, LE32(0U));
    EXPECT(f, 0x10, 0xA1);
    SEND(f, 0x10, 0x01, 0x01, LE32(0U)); /* no edge */
    sim_probe_get_stats(f->board->probe, &after);
    assert_int_equal(after.swclk_clocks - before.swclk_clocks, 1);
}

static void time_of_clock_and_delay(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    SEND(f, 0x11, LE32(10000000U));
    sim_probe_get_stats(f->board->probe, &before);
    SEND(f, 0x05, 0, 1, 0x02);
    sim_probe_get_stats(f->board->probe, &after);
    assert_int_equal(after.virtual_time_ps - before.virtual_time_ps,
        250 * SIM_PS_PER_US + 46 * UINT64_C(100000));
    sim_probe_set_back_to_back(f->board->probe, true);
    SEND(f, 0x09, 0x10, 0x27);
    EXPECT(f, 0x09, 0x00);
    sim_probe_get_stats(f->board->probe, &before);
    assert_int_equal(before.virtual_time_ps - after.virtual_time_ps, 10000 * SIM_PS_PER_US);
}

static void follows_a_chip_that_ran_ahead(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_stats stats;
    sim_chip_run_until(f->chip, UINT64_C(5000) * 1000 * SIM_PS_PER_US);
    SEND(f, 0x00, 0xFE);
    sim_probe_get_stats(f->board->probe, &stats);
    assert_int_equal(stats.virtual_time_ps, UINT64_C(5000250) * SIM_PS_PER_US);
}

static void execute_commands(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x7F, 3, 0x00, 0xFE, 0x05, 0, 1, 0x02, 0x0A);
    EXPECT(f, 0x7F, 3, 0x00, 1, 4, 0x05, 1, 1, LE32(0x6BA02477U), 0x0A, 0, 0);
    SEND(f, 0x7F, 3, 0x00, 0xFE, 0x77, 0x0A);
    EXPECT(f, 0x7F, 3, 0x00, 1, 4, 0xFF);
    SEND(f, 0x7F, 2, 0x00, 0xFE);
    EXPECT(f, 0x7F, 2, 0x00, 1, 4, 0xFF);
    SEND(f, 0x7F, 1, 0x7F, 1, 0x0A);
    EXPECT(f, 0x7F, 1, 0xFF);
    SEND(f, 0x7F);
    EXPECT(f, 0xFF);
}

static void queue_commands(void **state)
{
    struct fixture *f = *state;
    SEND(f, 0x7E, 1, 0x00, 0xFE);
    assert_int_equal(f->length, 0);
    SEND(f, 0x7E, 1, 0x0A);
    assert_int_equal(f->length, 0);
    SEND(f, 0x00, 0xFF);
    EXPECT(f, 0x7F, 1, 0x00, 1, 4);
    f->length = sim_probe_next(f->board->probe, f->response, sizeof(f->response));
    EXPECT(f, 0x7F, 1, 0x0A, 0, 0);
    f->length = sim_probe_next(f->board->probe, f->response, sizeof(f->response));
    EXPECT(f, 0x00, 2, 0x00, 0x02);
    assert_int_equal(sim_probe_next(f->board->probe, f->response, sizeof(f->response)), 0);
    /* Four packets fill the probe: the fourth ends the queue whatever it is. */
    for (int i = 0; i < 3; i++) {
        SEND(f, 0x7E, 1, 0x0A);
        assert_int_equal(f->length, 0);
    }
    SEND(f, 0x7E, 1, 0x0A);
    EXPECT(f, 0x7F, 1, 0x0A, 0, 0);
    sim_probe_disconnected(f->board->probe);
    assert_int_equal(sim_probe_next(f->board->probe, f->response, sizeof(f->response)), 0);
}

static void cuts(void **state)
{
    struct fixture *f = *state;
    struct sim_probe_fault fault = { .kind = SIM_PROBE_FAULT_CUT_REQUEST, .number = 2 };
    sim_probe_set_fault(f->board->probe, &fault);
    SEND(f, 0x05, 0, 1, 0x0D, LE32(1U));
    EXPECT(f, 0x05, 1, 1);
    SEND(f, 0x05, 0, 1, 0x0D, LE32(2U));
    assert_int_equal(f->length, SIM_PROBE_CUT);
    assert_int_equal(fake_chip_word(f->chip, FAKE_BASE + 4), 0);
    SEND(f, 0x05, 0, 1, 0x0D, LE32(3U));
    EXPECT(f, 0x05, 1, 1);
    fault = (struct sim_probe_fault){ .kind = SIM_PROBE_FAULT_CUT_REPLY, .number = 1 };
    sim_probe_set_fault(f->board->probe, &fault);
    SEND(f, 0x05, 0, 1, 0x0D, LE32(4U));
    assert_int_equal(f->length, SIM_PROBE_CUT);
    assert_int_equal(fake_chip_word(f->chip, FAKE_BASE + 4), 3);
    assert_int_equal(fake_chip_word(f->chip, FAKE_BASE + 8), 4);
    SEND(f, 0x05, 0, 1, 0x0D, LE32(5U));
    EXPECT(f, 0x05, 1, 1);
}

/* A fork taken between posting a value and using it goes its own way. */
static void forked_boards_are_independent(void **state)
{
    struct fixture *f = *state;
    struct fixture copy = { 0 };
    SEND(f, 0x05, 0, 1, 0x0D, LE32(0x11U));
    assert_int_equal(sim_board_fork(f->board, &copy.board, NULL), BASE_OK);
    copy.chip = copy.board->chip;
    SEND(&copy, 0x05, 0, 1, 0x0D, LE32(0x22U));
    EXPECT(&copy, 0x05, 1, 1);
    assert_int_equal(fake_chip_word(copy.chip, FAKE_BASE + 4), 0x22);
    assert_int_equal(fake_chip_word(f->chip, FAKE_BASE + 4), 0);
    SEND(f, 0x05, 0, 1, 0x0D, LE32(0x33U));
    assert_int_equal(fake_chip_word(f->chip, FAKE_BASE + 4), 0x33);
    assert_int_equal(f->chip->time_ps, copy.chip->time_ps);
    sim_board_free(copy.board);
}

static void power_comes_back(void **state)
{
    struct fixture *f = *state;
    sim_chip_set_power(f->chip, false);
    SEND(f, 0x05, 0, 1, 0x02);
    EXPECT(f, 0x05, 0, 0x07);
    SEND(f, 0x09, 0xE8, 0x03);
    assert_true(sim_chip_powered(f->chip));
    SEND(f, 0x12, 136, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0x00);
    SEND(f, 0x05, 0, 1, 0x02);
    EXPECT(f, 0x05, 1, 0x01, LE32(0x6BA02477U));
}

/* Any bytes are answered, with at most a packet, and change nothing outside the answer. */
static void random_requests(void **state)
{
    struct fixture *f = *state;
    uint32_t seed = 0x5EED1234;
    for (int i = 0; i < 20000; i++) {
        uint8_t request[64];
        for (size_t j = 0; j < sizeof(request); j++) {
            seed = seed * 1664525U + 1013904223U;
            request[j] = (uint8_t)(seed >> 24);
        }
        request[0] = (uint8_t)(request[0] % 0x20U);
        /* Seconds of waiting and clocks of minutes would only cost time. */
        size_t length = request[63] % 64U;
        exec(f, request, length);
        assert_true(f->length >= 0 && f->length <= (ssize_t)PACKET);
        assert_int_equal(f->response[PACKET], 0xEE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(info, fresh, done),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test_setup_teardown(small_commands, fresh, done),
        cmocka_unit_test_setup_teardown(not_connected, fresh, done),
        cmocka_unit_test_setup_teardown(cut_short, powered, done),
        cmocka_unit_test_setup_teardown(too_large, powered, done),
        cmocka_unit_test_setup_teardown(posted_reads_and_writes, powered, done),
        cmocka_unit_test_setup_teardown(block_transfers, powered, done),
        cmocka_unit_test_setup_teardown(count_and_data_disagree_after_fault, powered, done),
        cmocka_unit_test_setup_teardown(wait_is_repeated_by_the_probe, powered, done),
        cmocka_unit_test_setup_teardown(match_polling, powered, done),
        cmocka_unit_test_setup_teardown(parity_error_is_8, powered, done),
        cmocka_unit_test_setup_teardown(raw_sequences, connected, done),
        cmocka_unit_test_setup_teardown(pins_and_reset, connected, done),
        cmocka_unit_test_setup_teardown(clock_by_hand, connected, done),
        cmocka_unit_test_setup_teardown(time_of_clock_and_delay, connected, done),
        cmocka_unit_test_setup_teardown(follows_a_chip_that_ran_ahead, connected, done),
        cmocka_unit_test_setup_teardown(execute_commands, connected, done),
        cmocka_unit_test_setup_teardown(queue_commands, fresh, done),
        cmocka_unit_test_setup_teardown(cuts, powered, done),
        cmocka_unit_test_setup_teardown(forked_boards_are_independent, powered, done),
        cmocka_unit_test_setup_teardown(power_comes_back, connected, done),
        cmocka_unit_test_setup_teardown(random_requests, powered, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
