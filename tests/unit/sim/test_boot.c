/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Boot timeline, resets, ports, power cuts, forks and the board file. */

#include <stdlib.h>
#include <unistd.h>

#define APP 0x10000000U

/* Application: counts in r7 for ever. */
static void install_app(struct sim_chip *chip, uint32_t vectors)
{
    static const uint16_t code[] = { 0x2700, 0x3701, 0xE7FD };
    die_poke(chip, vectors, 0x08002000U);
    die_poke(chip, vectors + 4, vectors + 0x101U);
    die_load(chip, vectors + 0x100, code, 3);
}

static int fresh_setup(void **state)
{
    struct sim_chip_opts opts = { .unique_id = { 1, 2, 3, 4, 5, 6, 7, 8 }, .trng_seed = 1 };
    return sim_chip_new(&opts, (struct sim_chip **)state, NULL) == BASE_OK ? 0 : -1;
}

static void test_timeline_blank(void **state)
{
    struct sim_chip *chip = *state;
    assert_false(sim_chip_swd_connected(chip));
    die_run_us(chip, 999);
    assert_false(sim_chip_swd_connected(chip));
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM0));
    die_run_us(chip, 2);
    assert_true(sim_chip_swd_connected(chip));
    assert_true(sim_chip_ap_enabled(chip, SIM_AP_SYS));
    die_run_us(chip, 19990);
    assert_false(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    die_run_us(chip, 20); /* the window is over: blank flash parks */
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    assert_int_equal(die_read(chip, 0x402102B0U), 0);
    assert_int_equal(die_read(chip, 0x40210500U), 2);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 18 & 1U, 1);
    assert_int_equal(die_read(chip, 0x4025F00CU), 0x0301FF94U);
    assert_int_equal(die_read(chip, 0xF0000FE4U), 0x41);
    assert_true(die_read_faults(chip, SIM_AP_CM0, 0x40320000U)); /* GPIO: not modelled */
    assert_true(die_read_faults(chip, SIM_AP_SYS, 0xE000ED00U)); /* not in its view */
    uint32_t value = 0;
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_SYS, 0xF1000FE8U, 4, false, true, &value), SIM_BUS_OK);
    assert_int_equal(value, 0x0B);
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_CM4, 0xE000ED00U, 4, false, true, &value), SIM_BUS_OK);
    assert_int_equal(value, 0x410FC241U);
}

static void test_application_starts(void **state)
{
    struct sim_chip *chip = *state;
    install_app(chip, APP);
    die_run_us(chip, 22000);
    assert_true(sim_chip_test_reg(chip, SIM_AP_CM0, 7) > 1000);
    assert_int_equal(die_read(chip, 0x402102B0U), APP);
    assert_int_equal(die_read(chip, 0xE000ED08U), APP);
    /* TEST_MODE after the window changes nothing until the next reset */
    die_write(chip, 0x40260100U, 0x80000000U);
    die_run_us(chip, 1000);
    assert_false(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
}

static void test_toc2_clock_window_and_header(void **state)
{
    struct sim_chip *chip = *state;
    uint32_t vectors = 0x10010400U;
    install_app(chip, vectors);
    die_poke(chip, 0x10010000U, 0x1000); /* Cypress header */
    die_poke(chip, 0x10010004U, 0x00018001U);
    die_poke(chip, 0x10010010U, vectors - 0x10010010U);
    sim_chip_test_write_toc2(chip, 2U | 2U << 2, 0x10010000U, 1); /* 50 MHz, 1 ms */
    die_run_us(chip, 2001);
    uint64_t before = sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles;
    die_run_us(chip, 1000);
    uint64_t spent = sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles - before;
    assert_in_range(spent, 49990, 50010);
    assert_int_equal(die_read(chip, 0x402102B0U), vectors);
}

static void test_broken_toc2_falls_back(void **state)
{
    struct sim_chip *chip = *state;
    install_app(chip, APP);
    sim_chip_test_write_toc2(chip, 2U << 2, 0, 0);
    die_poke(chip, 0x16007C10U, 1); /* TOC2 broken, RTOC2 good: 1 ms window */
    die_run_us(chip, 2100);
    assert_int_equal(die_read(chip, 0x402102B0U), APP);
    die_poke(chip, 0x16007E10U, 1);
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 2100);
    assert_int_equal(die_read(chip, 0x402102B0U), 0); /* default window again */
}

static void test_resets(void **state)
{
    struct sim_chip *chip = *state;
    install_app(chip, APP);
    die_run_us(chip, 25000);
    uint32_t count = sim_chip_reset_count(chip);
    die_write(chip, 0x08001000U, 0xCAFEF00DU);
    die_write(chip, 0xE000EDFCU, 0x01000000U);
    die_write(chip, 0xE000EDF0U, 0xA05F0001U);
    die_write(chip, 0xE0002008U, ((APP + 0x100U) & 0x1FFFFFFCU) | 0x40000001U);
    die_write(chip, 0xE0002000U, 3);
    die_write(chip, 0xE000ED0CU, 0x05FA0004U);
    assert_int_equal(sim_chip_reset_count(chip), count + 1);
    assert_false(sim_chip_swd_connected(chip));
    die_run_us(chip, 25000); /* the breakpoint stops it at the application's first instruction */
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).halted);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).pc, APP + 0x100U);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 25 & 1U, 1);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 25 & 1U, 0);
    assert_int_equal(die_read(chip, 0xE000EDFCU), 0x01000000U);
    assert_int_equal(die_read(chip, 0x08001000U), 0xCAFEF00DU);
    sim_chip_set_xres(chip, true);
    assert_false(sim_chip_swd_connected(chip));
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 25000); /* XRES forgets the breakpoint, not the RAM */
    assert_false(sim_chip_test_core(chip, SIM_AP_CM0).halted);
    assert_int_equal(die_read(chip, 0x08001000U), 0xCAFEF00DU);
    sim_chip_set_power(chip, false);
    assert_false(sim_chip_swd_connected(chip));
    sim_chip_set_power(chip, true);
    die_run_us(chip, 2000);
    assert_int_not_equal(die_peek(chip, 0x08001000U), 0xCAFEF00DU);
    assert_int_equal(die_read(chip, 0xE0002008U), 0);
}

static void cut_at(struct sim_chip *chip, enum sim_cut_when when, uint64_t operation, uint32_t seed)
{
    struct sim_power_cut cut = { .when = when, .operation = operation, .pattern = seed };
    uint8_t row[512];
    memset(row, 0x5A, sizeof(row));
    assert_true(sim_chip_test_write(chip, 0x08001000U, row, sizeof(row)));
    sim_chip_set_power_cut(chip, &cut);
    die_poke(chip, BLOCK, 0x05000100U);
    die_poke(chip, BLOCK + 4, 0);
    die_poke(chip, BLOCK + 8, 0x10000200U);
    die_poke(chip, BLOCK + 12, 0x08001000U);
    die_call_start(chip, BLOCK);
    die_run_us(chip, 30000);
    assert_false(sim_chip_powered(chip));
}

static void test_power_cuts(void **state)
{
    struct sim_chip *base = *state;
    die_poke(base, 0x10000200U, 0x11111111U);
    die_run_us(base, 2000);
    die_park(base);

    static const struct {
        enum sim_cut_when when;
        uint64_t operation;
        uint32_t expected;
    } cases[] = {
        { SIM_CUT_BEFORE, 1, 0x11111111U },
        { SIM_CUT_AFTER, 1, 0 },
        { SIM_CUT_BEFORE, 2, 0 },
        { SIM_CUT_DURING, 2, 0x5A5A5A5AU }, /* half pattern: the first half is done */
        { SIM_CUT_AFTER, 2, 0x5A5A5A5AU },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_chip *chip = NULL;
        assert_int_equal(sim_chip_fork(base, &chip, NULL), BASE_OK);
        cut_at(chip, cases[i].when, cases[i].operation, SIM_CUT_PATTERN_HALF);
        assert_int_equal(die_peek(chip, 0x10000200U), cases[i].expected);
        sim_chip_set_power_cut(chip, NULL);
        sim_chip_set_power(chip, true);
        die_run_us(chip, 2000);
        assert_true(sim_chip_swd_connected(chip));
        sim_chip_free(chip);
    }
    assert_int_equal(die_peek(base, 0x10000200U), 0x11111111U);
    assert_int_equal(sim_chip_flash_operations(base), 0);
}

static void test_fork_is_independent(void **state)
{
    struct sim_chip *chip = *state;
    struct sim_chip *copy = NULL;
    install_app(chip, APP);
    die_run_us(chip, 25000);
    assert_int_equal(sim_chip_fork(chip, &copy, NULL), BASE_OK);
    die_run_us(chip, 1000);
    uint32_t counted = sim_chip_test_reg(chip, SIM_AP_CM0, 7);
    assert_true(sim_chip_test_reg(copy, SIM_AP_CM0, 7) < counted);
    die_run_us(copy, 1000);
    assert_int_equal(sim_chip_test_reg(copy, SIM_AP_CM0, 7), counted);
    assert_int_equal(sim_chip_time_ps(copy), sim_chip_time_ps(chip));
    sim_chip_free(copy);
}

static void test_board_file(void **state)
{
    struct sim_chip *chip = *state;
    char path[] = "/tmp/sim_boot_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    struct base_err err = { 0 };
    install_app(chip, APP);
    assert_int_equal(sim_chip_save(chip, path, &err), BASE_OK);
    die_poke(chip, APP, 0);
    assert_int_equal(sim_chip_load(chip, path, &err), BASE_OK);
    assert_int_equal(die_peek(chip, APP), 0x08002000U);
    struct sim_chip_opts opts = { .unique_id = { 9 } };
    struct sim_chip *other = NULL;
    assert_int_equal(sim_chip_new(&opts, &other, &err), BASE_OK);
    assert_int_equal(sim_chip_load(other, path, &err), BASE_E_CORRUPT);
    assert_int_equal(truncate(path, 1000), 0);
    base_err_clear(&err);
    assert_int_equal(sim_chip_load(chip, path, &err), BASE_E_CORRUPT);
    assert_int_equal(die_peek(chip, APP), 0x08002000U);
    assert_int_equal(unlink(path), 0);
    base_err_clear(&err);
    assert_int_equal(sim_chip_load(chip, path, &err), BASE_E_NOTFOUND);
    sim_chip_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timeline_blank, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_application_starts, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(
            test_toc2_clock_window_and_header, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_broken_toc2_falls_back, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_resets, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_power_cuts, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_fork_is_independent, fresh_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_board_file, fresh_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
