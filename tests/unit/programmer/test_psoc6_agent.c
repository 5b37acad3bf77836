/* SPDX-License-Identifier: Apache-2.0 */
/* What the parked core does for the programmer, and the plan made from what it sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "programmer/psoc6_agent.h"
#include "programmer/psoc6_flash.h"
#include "sim/chip_test.h"
#include "tests/unit/programmer/desk.h"

#define FLASH 0x10000000U
#define ROW   512U
#define NAR   0x16001A00U /* normal access restrictions: bit 0 closes the CM0 port */

static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static void poke(struct desk *desk, uint32_t address, const void *data, size_t length)
{
    assert_true(sim_chip_test_write(desk->board->chip, address, data, length));
}

static void expect_flash(struct desk *desk, uint32_t address, const uint8_t *want, size_t length)
{
    uint8_t *have = malloc(length);
    assert_non_null(have);
    assert_true(sim_chip_test_read(desk->board->chip, address, have, length));
    assert_memory_equal(have, want, length);
    free(have);
}

static enum prg_psoc6_change program(
    struct desk *desk, uint32_t address, uint8_t *data, uint32_t length, bool update)
{
    struct prg_segment segment = { .address = address, .length = length, .data = data };
    const struct prg_image image = { .segments = &segment, .count = 1, .total_bytes = length };
    enum prg_psoc6_change change = 0;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = (update ? prg_psoc6_update : prg_psoc6_program)(
        desk->chip, &image, NULL, NULL, &change, &err);
    if (status != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return change;
}

/* Erases and row programs that were begun. */
static uint64_t operations(const struct desk *desk)
{
    return sim_chip_flash_operations(desk->board->chip);
}

static int set_up(void **state)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    assert_non_null(desk);
    desk_init(desk, 64);
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    desk_done(desk);
    free(desk);
    return 0;
}

/* ------------------------------------------------------------------------------------ the agent */

static void crc_is_ieee(void **state)
{
    (void)state;
    uint8_t row[ROW] = { 0 };
    assert_int_equal(prg_agent_row_crc(row), 0xB2AA7578);
    for (size_t i = 0; i < ROW; i++) {
        row[i] = (uint8_t)i;
    }
    assert_int_equal(prg_agent_row_crc(row), 0x1C613576);
    assert_int_equal(prg_agent_total(1, 0), 0x80000000);
    assert_int_equal(prg_agent_total(0x10, 0x81), 0x89);
}

static void core_computes_digests(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[70 * ROW];
    uint32_t crc[70];
    uint32_t total = 0;
    uint32_t folded = 0;
    struct base_err err = { .status = BASE_OK };
    fill(bytes, sizeof(bytes), 1);
    poke(desk, FLASH + 0x3F000, bytes, sizeof(bytes));
    desk_acquire(desk);
    assert_int_equal(prg_agent_digest(desk->chip, FLASH + 0x3F000, 70, crc, &total, &err), BASE_OK);
    for (uint32_t row = 0; row < 70; row++) {
        assert_int_equal(crc[row], prg_agent_row_crc(bytes + row * ROW));
        folded = prg_agent_total(folded, crc[row]);
    }
    assert_int_equal(total, folded);
    assert_int_equal(
        prg_agent_digest(desk->chip, FLASH + 0x3F000, 70, NULL, &total, &err), BASE_OK);
    assert_int_equal(total, folded);
    /* The core sleeps again, and the ROM's calls still work. */
    assert_int_equal(prg_psoc6_erase(desk->chip, FLASH + 0x3F000, ROW, NULL, NULL, &err), BASE_OK);
    assert_true(sim_chip_test_core(desk->board->chip, SIM_AP_CM0).sleeping);
}

static void core_finds_blank_rows(void **state)
{
    struct desk *desk = *state;
    uint32_t bits[2] = { 0, 0 };
    struct base_err err = { .status = BASE_OK };
    poke(desk, FLASH + 0 * ROW, "\1", 1);
    poke(desk, FLASH + 31 * ROW + 511, "\200", 1);
    poke(desk, FLASH + 33 * ROW + 256, "\20", 1);
    desk_acquire(desk);
    assert_int_equal(prg_agent_blank(desk->chip, FLASH, 64, bits, &err), BASE_OK);
    assert_int_equal(bits[0], 0x7FFFFFFE);
    assert_int_equal(bits[1], 0xBFFFFFFF);
    assert_false(prg_agent_bit(bits, 33));
    assert_true(prg_agent_bit(bits, 34));
}

static void give_row(const void *user, uint32_t address, uint8_t ret_row[ROW])
{
    memcpy(ret_row, (const uint8_t *)user + (address - FLASH), ROW);
}

/* More rows than the ring holds, and every third left out. */
static void core_programs_rows(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[600 * ROW];
    uint32_t bits[PRG_AGENT_WORDS] = { 0 };
    struct base_err err = { .status = BASE_OK };
    fill(bytes, sizeof(bytes), 2);
    for (uint32_t row = 0; row < 600; row++) {
        prg_agent_set_bit(bits, row, row % 3 != 0);
        if (row % 3 == 0) {
            memset(bytes + (size_t)row * ROW, 0, ROW);
        }
    }
    const struct prg_agent_job job = {
        .address = FLASH, .rows = 600, .bits = bits, .row = give_row, .user = bytes
    };
    desk_acquire(desk);
    assert_int_equal(prg_agent_program(desk->chip, &job, &err), BASE_OK);
    expect_flash(desk, FLASH, bytes, sizeof(bytes));
    assert_int_equal(operations(desk), 400);
}

static void a_refused_row_is_named(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[8 * ROW];
    static const uint8_t nothing[3 * ROW];
    uint32_t bits[1] = { 0xFF000000 };
    uint32_t total = 0;
    struct base_err err = { .status = BASE_OK };
    const struct prg_agent_job job = {
        .address = FLASH, .rows = 8, .bits = bits, .row = give_row, .user = bytes
    };
    fill(bytes, sizeof(bytes), 3);
    poke(desk, FLASH + 4 * ROW, "\1", 1);
    desk_acquire(desk);
    assert_int_equal(prg_agent_program(desk->chip, &job, &err), BASE_E_TARGET);
    assert_string_equal(err.domain, "SROM");
    assert_int_equal(err.detail, 0xF00000A4);
    assert_non_null(strstr(err.message, "programming 10000800"));
    expect_flash(desk, FLASH, bytes, 4 * ROW);
    expect_flash(desk, FLASH + 5 * ROW, nothing, sizeof(nothing));
    base_err_clear(&err);
    assert_int_equal(prg_agent_digest(desk->chip, FLASH, 1, NULL, &total, &err), BASE_OK);
    assert_int_equal(total, prg_agent_row_crc(bytes));
}

static bool stop(void *user, const char *what, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    return strcmp(what, "program") != 0;
}

static void a_stopped_job_needs_acquire(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[100 * ROW];
    struct prg_segment segment = { .address = FLASH, .length = sizeof(bytes), .data = bytes };
    const struct prg_image image = {
        .segments = &segment, .count = 1, .total_bytes = sizeof(bytes)
    };
    enum prg_psoc6_change change = 0;
    struct base_err err = { .status = BASE_OK };
    fill(bytes, sizeof(bytes), 4);
    desk_acquire(desk);
    assert_int_equal(
        prg_psoc6_program(desk->chip, &image, stop, NULL, &change, &err), BASE_E_CANCELLED);
    base_err_clear(&err);
    assert_int_equal(prg_psoc6_program(desk->chip, &image, NULL, NULL, &change, &err), BASE_E_ARG);
    assert_non_null(strstr(err.message, "acquire it first"));
    desk_acquire(desk);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), false), PRG_PSOC6_WRITTEN);
    expect_flash(desk, FLASH, bytes, sizeof(bytes));
}

static void a_core_that_does_not_sleep_is_left_alone(void **state)
{
    struct desk *desk = *state;
    uint32_t total = 0;
    struct base_err err = { .status = BASE_OK };
    desk_acquire(desk);
    sim_board_settle(desk->board);
    sim_chip_run_until(
        desk->board->chip, sim_chip_time_ps(desk->board->chip) + 50000 * SIM_PS_PER_US);
    sim_chip_test_write(desk->board->chip, 0x08001000, "\xFE\xE7", 2); /* b . */
    sim_chip_test_start(desk->board->chip, 0x08002000, 0x08001001);
    assert_int_equal(prg_agent_digest(desk->chip, FLASH, 1, NULL, &total, &err), BASE_E_TIMEOUT);
    struct sim_chip_test_core core = sim_chip_test_core(desk->board->chip, SIM_AP_CM0);
    assert_false(core.halted);
    assert_int_equal(core.pc, 0x08001000);
}

/* ------------------------------------------------------------------------------------- the plan */

static void a_fresh_chip_is_not_erased(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[20 * ROW];
    fill(bytes, sizeof(bytes), 5);
    memset(bytes + 7 * ROW, 0, 3 * ROW); /* what shall be blank is not programmed */
    desk_acquire(desk);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), false), PRG_PSOC6_WRITTEN);
    expect_flash(desk, FLASH, bytes, sizeof(bytes));
    assert_int_equal(operations(desk), 17);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), false), PRG_PSOC6_UNCHANGED);
    assert_int_equal(operations(desk), 17);
}

static void a_sector_is_erased_whole_where_nothing_is_lost(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[20 * ROW];
    fill(bytes, sizeof(bytes), 6);
    poke(desk, FLASH + 0x1000, bytes, sizeof(bytes));
    fill(bytes, sizeof(bytes), 7);
    desk_acquire(desk);
    assert_int_equal(program(desk, FLASH + 0x1000, bytes, sizeof(bytes), false), PRG_PSOC6_WRITTEN);
    expect_flash(desk, FLASH + 0x1000, bytes, sizeof(bytes));
    assert_int_equal(operations(desk), 1 + 20);
    assert_int_equal(sim_chip_row_erases(desk->board->chip, FLASH + 0x3FE00), 1);
    assert_int_equal(sim_chip_row_erases(desk->board->chip, FLASH + 0x40000), 0);
}

static void neighbours_are_kept(void **state)
{
    struct desk *desk = *state;
    static uint8_t before[40 * ROW];
    static uint8_t bytes[20 * ROW];
    fill(before, sizeof(before), 8);
    fill(bytes, sizeof(bytes), 9);
    poke(desk, FLASH, before, sizeof(before));
    desk_acquire(desk);
    /* Rows 4 … 23: half a sub-sector, two whole ones. */
    assert_int_equal(
        program(desk, FLASH + 4 * ROW, bytes, sizeof(bytes), false), PRG_PSOC6_WRITTEN);
    memcpy(before + 4 * ROW, bytes, sizeof(bytes));
    expect_flash(desk, FLASH, before, sizeof(before));
    assert_int_equal(operations(desk), 4 + 2 + 20);
}

static void an_update_touches_what_changed(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[40 * ROW];
    fill(bytes, sizeof(bytes), 10);
    desk_acquire(desk);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), true), PRG_PSOC6_WRITTEN);
    uint64_t before = operations(desk);
    bytes[9 * ROW + 100] ^= 1;
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), true), PRG_PSOC6_WRITTEN);
    expect_flash(desk, FLASH, bytes, sizeof(bytes));
    assert_int_equal(operations(desk), before + 2);
    assert_int_equal(sim_chip_row_erases(desk->board->chip, FLASH + 9 * ROW), 1);
    assert_int_equal(sim_chip_row_erases(desk->board->chip, FLASH + 8 * ROW), 0);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), true), PRG_PSOC6_UNCHANGED);
}

/* Adding the polynomial itself anywhere leaves a CRC as it is. */
static void equal_crcs_do_not_pass_for_equal_bytes(void **state)
{
    struct desk *desk = *state;
    static const uint8_t polynomial[5] = { 0x41, 0x06, 0x71, 0xDB, 0x01 };
    static uint8_t bytes[10 * ROW];
    fill(bytes, sizeof(bytes), 11);
    poke(desk, FLASH, bytes, sizeof(bytes));
    uint32_t crc = prg_agent_row_crc(bytes + 3 * ROW);
    for (size_t i = 0; i < sizeof(polynomial); i++) {
        bytes[3 * ROW + 200 + i] ^= polynomial[i];
    }
    assert_int_equal(prg_agent_row_crc(bytes + 3 * ROW), crc);
    desk_acquire(desk);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), false), PRG_PSOC6_WRITTEN);
    expect_flash(desk, FLASH, bytes, sizeof(bytes));
}

static void works_without_the_core(void **state)
{
    struct desk *desk = *state;
    static uint8_t bytes[20 * ROW];
    bool usable = true;
    struct base_err err = { .status = BASE_OK };
    fill(bytes, sizeof(bytes), 12);
    poke(desk, NAR, "\1", 1);
    desk_acquire(desk);
    assert_int_equal(prg_agent_usable(desk->chip, &usable, &err), BASE_OK);
    assert_false(usable);
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), false), PRG_PSOC6_WRITTEN);
    expect_flash(desk, FLASH, bytes, sizeof(bytes));
    assert_int_equal(program(desk, FLASH, bytes, sizeof(bytes), true), PRG_PSOC6_UNCHANGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_ieee),
        cmocka_unit_test_setup_teardown(core_computes_digests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(core_finds_blank_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(core_programs_rows, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_row_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stopped_job_needs_acquire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_core_that_does_not_sleep_is_left_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fresh_chip_is_not_erased, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_sector_is_erased_whole_where_nothing_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(neighbours_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_update_touches_what_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equal_crcs_do_not_pass_for_equal_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(works_without_the_core, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
