/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "programmer/psoc6_private.h"
#include "tests/unit/programmer/desk.h"

/* What breaks in the middle of programming is told, and doing it again ends well. */

static uint8_t bytes[6 * 1024];

static void fill(uint32_t seed)
{
    for (size_t i = 0; i < sizeof(bytes); i++) {
        seed = seed * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static enum base_status program_once(struct desk *desk, struct base_err *err)
{
    struct prg_segment segment = { 0x10000000, sizeof(bytes), bytes };
    const struct prg_image image = {
        .segments = &segment, .count = 1, .total_bytes = sizeof(bytes)
    };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum prg_psoc6_change change;
    enum base_status status = prg_psoc6_acquire(desk->chip, NULL, &outcome, err);
    if (status == BASE_OK && outcome != PRG_PSOC6_ACQUIRED) {
        return base_err_set(err, BASE_E_TIMEOUT, "acquire", (int64_t)outcome, "not acquired");
    }
    if (status == BASE_OK) {
        status = prg_psoc6_program(desk->chip, &image, NULL, NULL, &change, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_write_toc2(desk->chip, &change, err);
    }
    return status;
}

static void expect_programmed(struct desk *desk)
{
    static uint8_t have[sizeof(bytes)];
    enum prg_psoc6_toc2 toc2;
    assert_int_equal(prg_psoc6_read(desk->chip, 0x10000000, sizeof(have), have, NULL), BASE_OK);
    assert_memory_equal(have, bytes, sizeof(bytes));
    assert_int_equal(prg_psoc6_read_toc2(desk->chip, &toc2, NULL), BASE_OK);
    assert_int_equal(toc2, PRG_PSOC6_TOC2_OURS);
}

static uint64_t count_packets(uint16_t packet_size)
{
    struct desk desk;
    struct sim_probe_stats before;
    struct sim_probe_stats after;
    desk_init(&desk, packet_size);
    sim_probe_get_stats(desk.board->probe, &before);
    assert_int_equal(program_once(&desk, NULL), BASE_OK);
    sim_probe_get_stats(desk.board->probe, &after);
    desk_done(&desk);
    return after.packets - before.packets;
}

/* Each reply of the probe lost once, request executed: unknown outcomes everywhere. */
static void ends_well_after_any_lost_reply(void **state)
{
    (void)state;
    fill(1);
    uint64_t packets = count_packets(512);
    assert_in_range(packets, 30, 400);
    unsigned failed = 0;
    unsigned tried = 0;
    for (uint64_t number = 1; number <= packets; number += desk_stride()) {
        struct desk desk;
        struct base_err err = { .status = BASE_OK };
        desk_init(&desk, 512);
        desk_cut_reply(&desk, number);
        tried++;
        if (program_once(&desk, &err) != BASE_OK) {
            failed++;
            assert_true(strlen(err.message) > 10);
            base_err_clear(&err);
            desk_mend(&desk);
            if (program_once(&desk, &err) != BASE_OK) {
                fail_msg("reply %u: %s", (unsigned)number, err.message);
            }
        }
        expect_programmed(&desk);
        desk_done(&desk);
    }
    assert_true(failed > tried / 2);
}

/* Bits of SWD transfers flipped: the data may be wrong only until the compare finds it. */
static void ends_well_after_flipped_bits(void **state)
{
    (void)state;
    fill(2);
    unsigned failed = 0;
    unsigned tried = 0;
    for (uint64_t number = 20; number < 4000; number += 37U * desk_stride()) {
        struct desk desk;
        struct base_err err = { .status = BASE_OK };
        const struct sim_probe_fault fault = { SIM_PROBE_FAULT_FLIP_BIT, number,
            (uint32_t)(number * 11 % 46) };
        desk_init(&desk, 512);
        sim_probe_set_fault(desk.board->probe, &fault);
        tried++;
        if (program_once(&desk, &err) != BASE_OK) {
            failed++;
            base_err_clear(&err);
            if (program_once(&desk, &err) != BASE_OK) {
                fail_msg("transfer %u: %s", (unsigned)number, err.message);
            }
        }
        expect_programmed(&desk);
        desk_done(&desk);
    }
    assert_true(failed > tried / 11);
}

/* Power lost around each flash operation. */
static void ends_well_after_any_power_cut(void **state)
{
    (void)state;
    fill(3);
    for (uint64_t operation = 1; operation <= 16; operation++) {
        struct desk desk;
        struct base_err err = { .status = BASE_OK };
        desk_init(&desk, 512);
        const struct sim_power_cut cut = { .operation = operation,
            .when = operation % 3 == 0   ? SIM_CUT_BEFORE
                    : operation % 3 == 1 ? SIM_CUT_DURING
                                         : SIM_CUT_AFTER,
            .pattern = (uint32_t)operation };
        /* Over a cable the host's patience ends by its own clock, which the board does not see. */
        desk.board->restore_us = desk_stride() == 1 ? SIM_BOARD_RESTORE_US : 2000;
        sim_chip_set_power_cut(desk.board->chip, &cut);
        if (program_once(&desk, &err) != BASE_OK) {
            base_err_clear(&err);
            enum base_status status = BASE_E_TIMEOUT;
            for (unsigned i = 0; i < 3 && status != BASE_OK; i++) {
                base_err_clear(&err);
                status = program_once(&desk, &err);
            }
            if (status != BASE_OK) {
                fail_msg("operation %u: %s", (unsigned)operation, err.message);
            }
        }
        expect_programmed(&desk);
        desk_done(&desk);
    }
}

/* A listen window of 0 ms leaves no moment to stop the chip: told apart from a silent one. */
static void tells_a_missed_window(void **state)
{
    (void)state;
    struct desk desk;
    struct prg_image image;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_change change;
    enum prg_psoc6_acquire outcome = PRG_PSOC6_ACQUIRED;
    const struct prg_psoc6_acquire_opts opts = { .timeout_ms = 50 };
    /* Vectors and an endless loop, as a chip with a blank TOC2 boots it. */
    static const uint8_t loop[16] = { 0x00, 0x80, 0x04, 0x08, 0x0D, 0x00, 0x00, 0x10, 0, 0, 0, 0,
        0xFE, 0xE7, 0xFE, 0xE7 };
    uint8_t row[PRG_PSOC6_ROW_SIZE];
    desk_init(&desk, 0);
    desk_acquire(&desk);
    assert_int_equal(prg_image_parse(loop, sizeof(loop), "loop", NULL, &image, &err), BASE_OK);
    assert_int_equal(prg_psoc6_program(desk.chip, &image, NULL, NULL, &change, &err), BASE_OK);
    prg_image_done(&image);
    prg_psoc6_build_toc2(row);
    base_put_le32(row + 0x14, 0);              /* plain vector table */
    base_put_le32(row + 0x1F8, 2U | 3U << 2U); /* window 0 ms */
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < 0x1FC; i++) {
        crc ^= (uint32_t)row[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000U) != 0 ? (crc << 1 ^ 0x1021U) & 0xFFFFU : crc << 1;
        }
    }
    base_put_le32(row + 0x1FC, crc << 16);
    assert_int_equal(
        prg_psoc6_write_sflash_row(desk.chip, 0x16007C00, row, &change, &err), BASE_OK);
    if (prg_psoc6_acquire(desk.chip, &opts, &outcome, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(outcome, PRG_PSOC6_MISSED);
    desk_done(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_well_after_any_lost_reply),
        cmocka_unit_test(ends_well_after_flipped_bits),
        cmocka_unit_test(ends_well_after_any_power_cut),
        cmocka_unit_test(tells_a_missed_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
