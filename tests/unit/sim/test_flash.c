/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Flash and fuses: what power cuts and resets leave behind, sums, restrictions, determinism. */

#define ROW  0x100C0200U
#define DATA 0x08001000U

static int park_setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_park(*state);
    return 0;
}

static void fill(struct sim_chip *chip, uint32_t address, uint8_t value, size_t length)
{
    uint8_t bytes[4096];
    assert_true(length <= sizeof(bytes));
    memset(bytes, value, length);
    assert_true(sim_chip_test_write(chip, address, bytes, length));
}

static void start_write(struct sim_chip *chip, uint32_t opcode, uint32_t row)
{
    die_poke(chip, BLOCK, opcode);
    die_poke(chip, BLOCK + 4, opcode >> 24 == 0x1C ? row : 0x106);
    die_poke(chip, BLOCK + 8, row);
    die_poke(chip, BLOCK + 12, DATA);
    die_call_start(chip, BLOCK);
}

/* Bytes of a range that have this value. */
static unsigned count(const struct sim_chip *chip, uint32_t address, size_t length, uint8_t value)
{
    uint8_t bytes[4096];
    unsigned same = 0;
    assert_true(sim_chip_test_read(chip, address, bytes, length));
    for (size_t i = 0; i < length; i++)
        same += bytes[i] == value;
    return same;
}

static void test_cut_patterns(void **state)
{
    static const struct {
        enum sim_cut_pattern pattern;
        unsigned min_new, max_new, min_neighbours;
    } cases[] = {
        { SIM_CUT_PATTERN_ROW, 0, 20, 4096 },
        { SIM_CUT_PATTERN_SECTOR, 0, 20, 3900 },
        { SIM_CUT_PATTERN_HALF, 256, 256, 4096 },
        { SIM_CUT_PATTERN_UNSTABLE, 0, 20, 4096 },
    };
    struct sim_chip *base = *state;
    fill(base, ROW, 0, 512);
    fill(base, ROW + 512, 0x77, 4096);
    fill(base, DATA, 0xFF, 512);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_chip *chip = NULL;
        struct sim_power_cut cut = { .when = SIM_CUT_DURING, .operation = 1 };
        cut.pattern = (uint32_t)cases[i].pattern | 5U << 2;
        assert_int_equal(sim_chip_fork(base, &chip, NULL), BASE_OK);
        sim_chip_set_power_cut(chip, &cut);
        start_write(chip, 0x06000100U, ROW);
        die_run_us(chip, 10000);
        assert_false(sim_chip_powered(chip));
        assert_in_range(count(chip, ROW, 512, 0xFF), cases[i].min_new, cases[i].max_new);
        unsigned kept = count(chip, ROW + 512, 4096, 0x77);
        assert_in_range(kept, cases[i].min_neighbours, 4096);
        if (cases[i].pattern == SIM_CUT_PATTERN_SECTOR)
            assert_true(kept < 4096);
        sim_chip_free(chip);
    }
}

static void test_reset_cuts_too(void **state)
{
    struct sim_chip *chip = *state;
    fill(chip, ROW, 0x11, 512);
    start_write(chip, 0x1C000100U, ROW);
    die_run_us(chip, 5000);
    die_write(chip, 0xE000ED0CU, 0x05FA0004U);
    assert_true(count(chip, ROW, 512, 0x11) < 50);
    assert_true(count(chip, ROW, 512, 0x00) < 50);
    assert_int_equal(sim_chip_row_erases(chip, ROW), 1);
    die_run_us(chip, 30000);
    assert_true(sim_chip_swd_connected(chip));
    assert_int_equal(die_read(chip, 0x40230050U) >> 31, 0); /* nobody waits any more */
}

static void test_fuse_cut(void **state)
{
    uint32_t blow = 0x01000001U | 2U << 12; /* byte 0x40, bit 0 */
    for (enum sim_cut_when when = SIM_CUT_BEFORE; when <= SIM_CUT_AFTER; when++) {
        struct sim_chip *chip = NULL;
        struct sim_power_cut cut = { .when = when, .operation = 1 };
        assert_int_equal(sim_chip_fork(*state, &chip, NULL), BASE_OK);
        sim_chip_set_vddio_mv(chip, 2500);
        sim_chip_set_power_cut(chip, &cut);
        die_call_start(chip, blow);
        die_run_us(chip, 1000);
        assert_false(sim_chip_powered(chip));
        uint8_t fuse = 0;
        assert_true(sim_chip_test_read(chip, 0x402C0840U, &fuse, 1));
        if (when != SIM_CUT_DURING)
            assert_int_equal(fuse, when == SIM_CUT_AFTER ? 1 : 0);
        sim_chip_free(chip);
    }
}

static void test_checksums(void **state)
{
    struct sim_chip *chip = *state;
    fill(chip, 0x14000000U, 0, 512);
    fill(chip, 0x14000400U, 3, 512);
    die_call_start(chip, 0x0B000001U | 1U << 22 | 2U << 8);
    assert_int_equal(die_call_finish(chip), 0xA0000000U + 3 * 512);
    die_call_start(chip, 0x0B000001U | 1U << 22 | 1U << 21);
    assert_int_equal(die_call_finish(chip), 0xA0000000U + 3 * 512);
    die_call_start(chip, 0x0B000001U | 1U << 22 | 64U << 8); /* beyond work flash */
    assert_int_equal(die_call_finish(chip), 0xF000000EU);
}

static void test_erase_sizes(void **state)
{
    struct sim_chip *chip = *state;
    fill(chip, 0x100C0000U, 0x55, 4096);
    fill(chip, 0x100C1000U, 0x55, 512);
    assert_int_equal(die_call(chip, 0x1D000100U, 0x100C0200U, 0, 0), 0xF0000004U);
    assert_int_equal(die_call(chip, 0x1D000100U, 0x100C0000U, 0, 0), 0xA0000000U);
    assert_int_equal(count(chip, 0x100C0000U, 4096, 0), 4096);
    assert_int_equal(count(chip, 0x100C1000U, 512, 0x55), 512);
    assert_int_equal(die_call(chip, 0x1C000100U, 0x16000800U, 0, 0), 0xF0000021U);
    assert_int_equal(die_call(chip, 0x0A000100U, 0, 0, 0), 0xA0000000U);
    assert_int_equal(count(chip, 0x100C1000U, 512, 0), 512);
    uint8_t protect = 1;
    assert_true(sim_chip_test_write(chip, 0x1600000EU, &protect, 1));
    assert_int_equal(die_call(chip, 0x0A000100U, 0, 0, 0), 0xF0000005U);
}

/* Normal access restrictions only grow, and close ports at the next boot. */
static void test_nar(void **state)
{
    struct sim_chip *chip = *state;
    fill(chip, DATA, 0, 512);
    die_poke(chip, DATA, 2);
    assert_int_equal(die_call(chip, 0x05000100U, 0, 0x16001A00U, DATA), 0xA0000000U);
    die_poke(chip, DATA, 0);
    assert_int_equal(die_call(chip, 0x05000100U, 0, 0x16001A00U, DATA), 0xA0000000U);
    assert_int_equal(die_peek(chip, 0x16001A00U), 2);
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 2000);
    assert_true(sim_chip_ap_enabled(chip, SIM_AP_CM0));
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM4));
    assert_true(sim_chip_ap_enabled(chip, SIM_AP_SYS));
}

static void on_flash(
    void *user, uint64_t operation, bool is_erase, uint32_t address, uint32_t length)
{
    uint64_t *log = user;
    log[0]++;
    log[operation] = address + (is_erase ? 1 : 0);
    assert_int_equal(length, 512);
}

static void test_hook_and_count(void **state)
{
    uint64_t log[4] = { 0 };
    struct sim_chip *chip = *state;
    fill(chip, DATA, 1, 512);
    sim_chip_test_on_flash(chip, on_flash, log);
    start_write(chip, 0x05000100U, ROW);
    (void)die_call_finish(chip);
    assert_int_equal(log[0], 2);
    assert_int_equal(log[1], ROW + 1);
    assert_int_equal(log[2], ROW);
    assert_int_equal(sim_chip_flash_operations(chip), 2);
}

/* The course of events does not depend on how the caller cuts up time. */
static void test_slicing_changes_nothing(void **state)
{
    static const uint16_t code[] = { 0x3601, 0xBF30, 0xE7FC, 0x46C0, 0x3701, 0x4770 };
    struct sim_chip *whole = *state;
    struct sim_chip *sliced = NULL;
    die_load(whole, 0x08002000U, code, 6);
    die_poke(whole, 0x08000000U + 15 * 4, 0x08002009U);
    die_write(whole, 0xE000ED08U, 0x08000000U);
    die_write(whole, 0xE000E014U, 776);
    die_write(whole, 0xE000E018U, 0);
    die_write(whole, 0xE000E010U, 7);
    sim_chip_test_start(whole, 0x08003000U, 0x08002000U);
    assert_int_equal(sim_chip_fork(whole, &sliced, NULL), BASE_OK);
    uint64_t begin = sim_chip_time_ps(whole);
    uint64_t end = begin + 5000 * SIM_PS_PER_US;
    sim_chip_run_until(whole, end);
    for (uint64_t t = begin; t < end; t += 123457)
        sim_chip_run_until(sliced, t);
    sim_chip_run_until(sliced, end);
    struct sim_chip_test_core a = sim_chip_test_core(whole, SIM_AP_CM0);
    struct sim_chip_test_core b = sim_chip_test_core(sliced, SIM_AP_CM0);
    assert_int_equal(a.busy_cycles, b.busy_cycles);
    assert_int_equal(a.instructions, b.instructions);
    assert_int_equal(a.pc, b.pc);
    for (unsigned i = 0; i < 15; i++)
        assert_int_equal(
            sim_chip_test_reg(whole, SIM_AP_CM0, i), sim_chip_test_reg(sliced, SIM_AP_CM0, i));
    assert_true(sim_chip_test_reg(whole, SIM_AP_CM0, 7) > 150);
    sim_chip_free(sliced);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut_patterns, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_reset_cuts_too, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_fuse_cut, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_checksums, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_erase_sizes, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_nar, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_hook_and_count, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_slicing_changes_nothing, park_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
