/* SPDX-License-Identifier: Apache-2.0 */
/* The whole board in one process: a real die behind its debug port and probe. */
#include "base/buf.h"
#include "sim/board.h"
#include "sim/chip_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DP_ABORT    0x00U
#define DP_RDPIDR   0x02U
#define DP_CTRL     0x04U
#define DP_SELECT   0x08U
#define DP_RDBUFF   0x0EU
#define AP_CSW      0x01U
#define AP_TAR      0x05U
#define AP_DRW      0x0DU
#define AP_RDRW     0x0FU
#define MATCH_VALUE 0x10U
#define MATCH_MASK  0x20U

#define TEST_MODE   UINT32_C(0x40260100)
#define IPC2        UINT32_C(0x40230040)
#define IPC2_NOTIFY (IPC2 + 0x08)
#define IPC2_DATA   (IPC2 + 0x0C)
#define IPC2_LOCK   (IPC2 + 0x10)
#define IPC_MASK    UINT32_C(0x40231008)
#define BLOCK       UINT32_C(0x08000800)
#define ROW         UINT32_C(0x10002000)
#define ROW_BYTES   512U

/* One DAP_Transfer under construction. */
struct burst {
    uint8_t bytes[512];
    size_t length;
};

static void burst_start(struct burst *burst)
{
    memset(burst, 0, sizeof(*burst));
    burst->bytes[0] = 0x05;
    burst->length = 3;
}

static void add_read(struct burst *burst, uint8_t request)
{
    burst->bytes[burst->length++] = request;
    burst->bytes[2]++;
}

static void add(struct burst *burst, uint8_t request, uint32_t value)
{
    add_read(burst, request);
    base_put_le32(burst->bytes + burst->length, value);
    burst->length += 4;
}

/* Returns the acknowledge; up to @p words words of data. */
static unsigned run(
    struct sim_board *board, const struct burst *burst, uint32_t *data, size_t words)
{
    uint8_t response[SIM_PROBE_MAX_PACKET];
    ssize_t length = sim_board_exec(board, burst->bytes, burst->length, response, sizeof(response));
    assert_true(length >= 3);
    for (size_t i = 0; i < words && 3 + 4 * i + 4 <= (size_t)length; i++) {
        data[i] = base_get_le32(response + 3 + 4 * i);
    }
    return response[2];
}

static void command(struct sim_board *board, const uint8_t *bytes, size_t length)
{
    uint8_t response[SIM_PROBE_MAX_PACKET];
    assert_true(sim_board_exec(board, bytes, length, response, sizeof(response)) > 0);
    assert_int_equal(response[0], bytes[0]);
}

#define COMMAND(board, ...)                                                                        \
    command((board), (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void jtag_to_swd(struct sim_board *board)
{
    COMMAND(board, 0x12, 136, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00);
}

/* Reset by XRES and set TEST_MODE in the listen window, as the vendor's tools do. */
static bool acquire(struct sim_board *board)
{
    COMMAND(board, 0x10, 0x00, 0x80, 0, 0, 0, 0);
    COMMAND(board, 0x09, 0x90, 0x01);
    COMMAND(board, 0x10, 0x80, 0x80, 0, 0, 0, 0);
    struct burst burst;
    burst_start(&burst);
    add_read(&burst, DP_RDPIDR);
    add(&burst, DP_ABORT, 0x1E);
    add(&burst, DP_CTRL, 0x50000000);
    add(&burst, DP_SELECT, 0);
    add(&burst, AP_CSW, 0x23000002);
    add(&burst, AP_TAR, TEST_MODE);
    add(&burst, AP_DRW, 0x80000000);
    add_read(&burst, DP_RDBUFF);
    for (int i = 0; i < 100; i++) {
        uint32_t dpidr = 0;
        jtag_to_swd(board);
        if (run(board, &burst, &dpidr, 1) == 1) {
            assert_int_equal(dpidr, 0x6BA02477);
            return true;
        }
    }
    return false;
}

static void select_cm0(struct sim_board *board)
{
    struct burst burst;
    burst_start(&burst);
    add_read(&burst, DP_RDPIDR);
    add(&burst, DP_ABORT, 0x1E);
    add(&burst, DP_CTRL, 0x50000000);
    add(&burst, DP_SELECT, 0x01000000);
    add(&burst, AP_CSW, 0x23000012);
    assert_int_equal(run(board, &burst, NULL, 0), 1);
}

static uint32_t read_word(struct sim_board *board, uint32_t address)
{
    struct burst burst;
    uint32_t value = 0;
    burst_start(&burst);
    add(&burst, AP_TAR, address);
    add_read(&burst, AP_RDRW);
    assert_int_equal(run(board, &burst, &value, 1), 1);
    return value;
}

static void write_word(struct sim_board *board, uint32_t address, uint32_t value)
{
    struct burst burst;
    burst_start(&burst);
    add(&burst, AP_TAR, address);
    add(&burst, AP_DRW, value);
    assert_int_equal(run(board, &burst, NULL, 0), 1);
}

/* Parameter block and data of a ProgramRow call, ready to be notified. */
static void prepare_row(struct sim_board *board)
{
    struct burst burst;
    burst_start(&burst);
    add(&burst, AP_TAR, BLOCK);
    add(&burst, AP_DRW, 0x06000100);
    add(&burst, AP_DRW, 0x00000106);
    add(&burst, AP_DRW, ROW);
    add(&burst, AP_DRW, BLOCK + 0x10);
    assert_int_equal(run(board, &burst, NULL, 0), 1);
    for (uint32_t i = 0; i < ROW_BYTES; i += 4) {
        write_word(board, BLOCK + 0x10 + i, 0xC0000000U + i);
    }
    write_word(board, IPC_MASK, 0x00040000);
    assert_true((read_word(board, IPC2) & 0x80000000U) != 0);
    write_word(board, IPC2_DATA, BLOCK);
}

/* Notify and let the probe poll for the release. Returns the acknowledge. */
static unsigned notify_and_wait(struct sim_board *board)
{
    struct burst burst;
    COMMAND(board, 0x04, 0, 100, 0, 0xFF, 0xFF);
    burst_start(&burst);
    add(&burst, AP_TAR, IPC2_NOTIFY);
    add(&burst, AP_DRW, 1);
    add(&burst, AP_CSW, 0x23000002);
    add(&burst, AP_TAR, IPC2_LOCK);
    add(&burst, MATCH_MASK, 0x80000000);
    add(&burst, AP_RDRW | MATCH_VALUE, 0);
    unsigned ack = run(board, &burst, NULL, 0);
    return ack;
}

static struct sim_board *new_board(void)
{
    struct sim_board_opts opts = {
        .chip = { .unique_id = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 }, .trng_seed = 1 },
        .probe = { .round_trip_us = SIM_PROBE_ROUND_TRIP_US },
        .restore_us = SIM_BOARD_RESTORE_US,
    };
    struct sim_board *board = NULL;
    assert_int_equal(sim_board_new(&opts, &board, NULL), BASE_OK);
    COMMAND(board, 0x02, 0x01);
    COMMAND(board, 0x11, 0x00, 0x09, 0x3D, 0x00); /* 4 MHz */
    return board;
}

static int acquired(void **state)
{
    struct sim_board *board = new_board();
    *state = board;
    assert_true(acquire(board));
    select_cm0(board);
    return 0;
}

static int done(void **state)
{
    sim_board_free(*state);
    return 0;
}

static void acquire_and_look(void **state)
{
    struct sim_board *board = *state;
    uint8_t uid[8];
    /* Parked by the boot code: TEST_MODE is latched, the core sleeps. */
    COMMAND(board, 0x09, 0xFF, 0xFF);
    assert_int_equal(read_word(board, TEST_MODE), 0x80000000);
    assert_true((read_word(board, 0xE000EDF0) & 1U << 18) != 0);
    assert_int_equal(read_word(board, 0x16000000) >> 16, 0xE207);
    base_put_le32(uid, read_word(board, 0x16000600));
    base_put_le32(uid + 4, read_word(board, 0x16000604));
    assert_memory_equal(uid, ((const uint8_t[]){ 1, 0, 0xC0, 0, 0, 0, 0xA0 }), 7);
    struct burst burst;
    uint32_t target_id = 0;
    burst_start(&burst);
    add(&burst, DP_SELECT, 2);
    add_read(&burst, 0x06);
    assert_int_equal(run(board, &burst, &target_id, 1), 1);
    assert_int_equal(target_id, 0x2E207069);
}

static void program_a_row(void **state)
{
    struct sim_board *board = *state;
    prepare_row(board);
    uint64_t before = sim_chip_flash_operations(board->chip);
    assert_int_equal(notify_and_wait(board), 1);
    assert_int_equal(sim_chip_flash_operations(board->chip) - before, 1);
    select_cm0(board);
    assert_int_equal(read_word(board, BLOCK) >> 28, 0xA);
    assert_int_equal(read_word(board, ROW), 0xC0000000);
    assert_int_equal(read_word(board, ROW + ROW_BYTES - 4), 0xC0000000U + ROW_BYTES - 4);
}

static void forks_repeat_exactly(void **state)
{
    struct sim_board *board = *state;
    struct sim_board *copy[2];
    struct sim_probe_stats stats[2];
    prepare_row(board);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sim_board_fork(board, &copy[i], NULL), BASE_OK);
        assert_int_equal(notify_and_wait(copy[i]), 1);
        sim_probe_get_stats(copy[i]->probe, &stats[i]);
    }
    assert_memory_equal(&stats[0], &stats[1], sizeof(stats[0]));
    uint32_t word = 1;
    assert_true(sim_chip_test_read(board->chip, ROW, &word, sizeof(word)));
    assert_int_equal(word, 0);
    assert_true(sim_chip_test_read(copy[0]->chip, ROW, &word, sizeof(word)));
    assert_int_equal(word, 0xC0000000);
    sim_board_free(copy[0]);
    sim_board_free(copy[1]);
}

static void power_cuts_around_a_row(void **state)
{
    struct sim_board *board = *state;

    static const enum sim_cut_when whens[] = { SIM_CUT_BEFORE, SIM_CUT_DURING, SIM_CUT_AFTER };

    prepare_row(board);
    for (size_t i = 0; i < 3; i++) {
        struct sim_board *copy = NULL;
        uint32_t row[ROW_BYTES / 4];
        assert_int_equal(sim_board_fork(board, &copy, NULL), BASE_OK);
        struct sim_power_cut cut = {
            .when = whens[i], .operation = sim_chip_flash_operations(copy->chip) + 1, .pattern = 7
        };
        sim_chip_set_power_cut(copy->chip, &cut);
        /* The line dies in the middle of the polling: nobody answers; that the value did not match
         * is said too. */
        assert_int_equal(notify_and_wait(copy), 0x17);
        assert_false(sim_chip_powered(copy->chip));
        assert_int_equal(copy->power_cuts, 1);
        assert_true(sim_chip_test_read(copy->chip, ROW, row, sizeof(row)));
        assert_true(whens[i] != SIM_CUT_BEFORE || row[0] == 0);
        assert_true(whens[i] != SIM_CUT_AFTER || row[ROW_BYTES / 4 - 1] == 0xC00001FC);
        for (int wait = 0; wait < 3 && !sim_chip_powered(copy->chip); wait++) {
            COMMAND(copy, 0x09, 0x50, 0xC3);
        }
        assert_true(sim_chip_powered(copy->chip));
        assert_true(acquire(copy));
        sim_board_free(copy);
    }
}

static void no_test_mode_without_the_window(void **state)
{
    (void)state;
    struct sim_board *board = new_board();
    /* A fresh die has no application: its ports open and stay open, with TEST_MODE or without. */
    COMMAND(board, 0x09, 0xFF, 0xFF);
    COMMAND(board, 0x09, 0xFF, 0xFF);
    jtag_to_swd(board);
    select_cm0(board);
    assert_int_equal(read_word(board, TEST_MODE), 0);
    sim_board_free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acquire_and_look, acquired, done),
        cmocka_unit_test_setup_teardown(program_a_row, acquired, done),
        cmocka_unit_test_setup_teardown(forks_repeat_exactly, acquired, done),
        cmocka_unit_test_setup_teardown(power_cuts_around_a_row, acquired, done),
        cmocka_unit_test(no_test_mode_without_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
