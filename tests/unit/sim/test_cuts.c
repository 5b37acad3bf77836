/* SPDX-License-Identifier: Apache-2.0 */
/* A supply that fails before an exact instruction, and flash that takes its time. */
#include "tests/unit/sim/die_helpers.h"

#define CODE    0x08010000U
#define COUNTER 0x08020000U

/* Counts in RAM: two instructions before the loop of three. */
static void run_counter(struct sim_chip *chip)
{
    static const uint16_t code[] = {
        0x4802, /* ldr r0, [pc, #8] */
        0x2100, /* movs r1, #0 */
        0x3101, /* adds r1, #1 */
        0x6001, /* str r1, [r0] */
        0xE7FC, /* b to adds */
        0x0000,
    };
    die_load(chip, CODE, code, sizeof(code) / sizeof(code[0]));
    die_poke(chip, CODE + 12, COUNTER);
    die_poke(chip, COUNTER, 0);
    sim_chip_test_start(chip, 0x08030000U, CODE);
}

static void test_cut_before_an_instruction(void **state)
{
    struct sim_chip *chip = *state;
    run_counter(chip);
    uint64_t done = sim_chip_test_core(chip, SIM_AP_CM0).instructions;
    /* 2 before the loop, then adds, str, b. The second str is number 2 + 3 + 2. */
    sim_chip_set_power_cut_instruction(chip, done + 7);
    die_run_us(chip, 1000);
    assert_false(sim_chip_powered(chip));
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).instructions, done + 6);
    assert_int_equal(die_peek(chip, COUNTER), 1);
    sim_chip_set_power(chip, true);
    die_run_us(chip, 1000);
    assert_true(sim_chip_powered(chip)); /* once */
}

static void test_cut_is_forgotten(void **state)
{
    struct sim_chip *chip = *state;
    run_counter(chip);
    sim_chip_set_power_cut_instruction(
        chip, sim_chip_test_core(chip, SIM_AP_CM0).instructions + 100);
    sim_chip_set_power_cut_instruction(chip, 0);
    die_run_us(chip, 1000);
    assert_true(sim_chip_powered(chip));
    assert_true(die_peek(chip, COUNTER) > 100);
}

static uint64_t erase_time_us(struct sim_chip *chip)
{
    uint64_t start_ps = sim_chip_time_ps(chip);
    assert_int_equal(die_call(chip, 0x1C000100U, 0x100C0200U, 0, 0), 0xA0000000U);
    return (sim_chip_time_ps(chip) - start_ps) / SIM_PS_PER_US;
}

static void test_slow_flash(void **state)
{
    struct sim_chip *chip = *state;
    die_park(chip);
    uint64_t usual_us = erase_time_us(chip);
    assert_in_range(usual_us, 11000, 12000);
    sim_chip_set_flash_time(chip, 300);
    assert_in_range(erase_time_us(chip), 33000, 34000);
    sim_chip_set_flash_time(chip, 100);
    assert_int_equal(erase_time_us(chip), usual_us);
    sim_chip_set_flash_time(chip, 0);
    assert_int_equal(erase_time_us(chip), usual_us);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut_before_an_instruction, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_cut_is_forgotten, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_slow_flash, die_setup, die_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
