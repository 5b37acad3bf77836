/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Instructions, cycles, exceptions, sleep and debug of the processor, with hand-assembled code in
 * RAM. */

#define CODE  0x08000100U
#define DATA  0x08001000U
#define STACK 0x08004000U

/* Run code to its final `b .` (given as the index of that instruction); returns busy cycles. */
static uint64_t run(struct sim_chip *chip, const uint16_t *code, size_t count, size_t last)
{
    die_load(chip, CODE, code, count);
    sim_chip_test_start(chip, STACK, CODE);
    uint64_t before = sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles;
    uint64_t limit = sim_chip_time_ps(chip) + 1000 * SIM_PS_PER_US;
    assert_true(sim_chip_test_run_to(chip, CODE + (uint32_t)last * 2, limit));
    return sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles - before;
}

static uint32_t reg(struct sim_chip *chip, unsigned index)
{
    return sim_chip_test_reg(chip, SIM_AP_CM0, index);
}

static void test_bad_arguments(void **state)
{
    struct base_err err = { 0 };
    struct sim_chip *chip = NULL;
    uint8_t byte = 0;
    assert_int_equal(sim_chip_new(NULL, &chip, &err), BASE_E_ARG);
    assert_null(chip);
    assert_false(sim_chip_test_read(*state, 0x20000000U, &byte, 1));
    assert_false(sim_chip_test_write(*state, 0, &byte, 1)); /* ROM */
    sim_chip_free(NULL);
}

static void test_sum_loop(void **state)
{
    static const uint16_t code[] = {
        0x2000, /* movs r0, #0 */
        0x210A, /* movs r1, #10 */
        0x1840, /* loop: adds r0, r0, r1 */
        0x3901, /* subs r1, #1 */
        0xD1FC, /* bne loop */
        0xE7FE, /* b . */
    };
    uint64_t cycles = run(*state, code, 6, 5);
    assert_int_equal(reg(*state, 0), 55);
    assert_int_equal(cycles, 2 + 10 * 2 + 9 * 2 + 1);
    assert_int_equal(sim_chip_test_core(*state, SIM_AP_CM0).instructions, 2 + 30);
}

static void test_memory_cycles(void **state)
{
    static const uint16_t code[] = {
        0x4806,         /* ldr r0, [pc, #24] -> DATA            2 */
        0x21A5,         /* movs r1, #0xA5                       1 */
        0x6001,         /* str r1, [r0]                         2 */
        0x7802,         /* ldrb r2, [r0]                        2 */
        0x8043,         /* strh r3, [r0, #2]                    2 */
        0xB50F,         /* push {r0-r3, lr}                     6 */
        0xC806,         /* ldmia r0!, {r1, r2}                  3 */
        0xBC0F,         /* pop {r0-r3}                          5 */
        0xB001,         /* add sp, #4                           1 */
        0x434A,         /* muls r2, r1                          1 */
        0xF000, 0xF804, /* bl +8                        3 */
        0xE7FE,         /* 12: b . */
        0x46C0,         /* nop */
        0x1000, 0x0800, /* literal DATA */
        0x4770,         /* bx lr                                2 */
    };
    static const uint16_t literal_at_14 = 0x1000;
    assert_int_equal(code[14], literal_at_14);
    uint64_t cycles = run(*state, code, sizeof(code) / 2, 12);
    assert_int_equal(reg(*state, 2), 0xA5 * 0xA5);
    assert_int_equal(reg(*state, 0), DATA);
    assert_int_equal(reg(*state, 13), STACK);
    assert_int_equal(cycles, 2 + 1 + 2 + 2 + 2 + 6 + 3 + 5 + 1 + 1 + 3 + 2);
    assert_int_equal(sim_chip_test_stack_low(*state, SIM_AP_CM0), STACK - 20);
}

static void test_flags(void **state)
{
    static const uint16_t code[] = {
        0x2000,
        0x43C0, /* movs r0, #0; mvns r0, r0 */
        0x1C41, /* adds r1, r0, #1 : Z C */
        0xF3EF,
        0x8200, /* mrs r2, apsr */
        0x2001,
        0x07C0, /* movs r0, #1; lsls r0, #31 */
        0x1E43, /* subs r3, r0, #1 : V C */
        0xF3EF,
        0x8400, /* mrs r4, apsr */
        0x2504,
        0x41E8, /* movs r5, #4; rors r0, r5 */
        0xBA06, /* rev r6, r0 */
        0xB2C7, /* uxtb r7, r0 */
        0xE7FE,
    };
    (void)run(*state, code, sizeof(code) / 2, 14);
    assert_int_equal(reg(*state, 1), 0);
    assert_int_equal(reg(*state, 2) >> 28, 0x6);
    assert_int_equal(reg(*state, 3), 0x7FFFFFFF);
    assert_int_equal(reg(*state, 4) >> 28, 0x3);
    assert_int_equal(reg(*state, 0), 0x08000000);
    assert_int_equal(reg(*state, 6), 0x00000008);
}

/* Vector table in RAM: SVC and SysTick handlers count in memory. */
static void test_svc_and_systick(void **state)
{
    static const uint16_t code[] = {
        0xDF01, /* 0: svc #1 */
        0xBF30, /* 1: wfi */
        0xE7FD, /* 2: b 1 */
        0x46C0, /* 3 */
        0x3701, /* 4: svc handler: adds r7, #1 (not stacked) */
        0x4770, /* 5: bx lr */
        0x3601, /* 6: systick handler: adds r6, #1 */
        0x4770, /* 7: bx lr */
    };
    struct sim_chip *chip = *state;
    die_load(chip, CODE, code, 8);
    die_poke(chip, 0x08000000U + 11 * 4, CODE + 8 + 1);
    die_poke(chip, 0x08000000U + 15 * 4, CODE + 12 + 1);
    die_write(chip, 0xE000ED08U, 0x08000000U);
    die_write(chip, 0xE000E014U, 24999); /* 1 ms at 25 MHz */
    die_write(chip, 0xE000E018U, 0);
    die_write(chip, 0xE000E010U, 7);
    sim_chip_test_start(chip, STACK, CODE);
    die_run_us(chip, 10500);
    assert_int_equal(reg(chip, 7), 1);
    assert_int_equal(reg(chip, 6), 10);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles < 400);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 18 & 1U, 1);
}

static void test_hardfault_and_lockup(void **state)
{
    static const uint16_t code[] = {
        0xDE00,         /* udf */
        0x46C0, 0xDE00, /* handler faults again */
    };
    struct sim_chip *chip = *state;
    die_load(chip, CODE, code, 3);
    die_poke(chip, 0x08000000U + 3 * 4, CODE + 4 + 1);
    die_write(chip, 0xE000ED08U, 0x08000000U);
    sim_chip_test_start(chip, STACK, CODE);
    die_run_us(chip, 10);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
    uint8_t pc[4];
    assert_true(sim_chip_test_read(chip, STACK - 8, pc, 4));
    assert_int_equal(pc[0] | pc[1] << 8, CODE & 0xFFFF); /* the stacked PC is the fault */
}

static void test_halt_step_breakpoint(void **state)
{
    static const uint16_t code[] = {
        0x2001, /* movs r0, #1 */
        0x2002, /* movs r0, #2 */
        0x2003, /* movs r0, #3 */
        0xBE00, /* bkpt */
        0xE7FE,
    };
    struct sim_chip *chip = *state;
    die_write(chip, 0xE000EDF0U, 0xA05F0003U);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 17 & 1U, 1);
    die_load(chip, CODE, code, 5);
    die_write(chip, 0xE000EDF8U, CODE);
    die_write(chip, 0xE000EDF4U, 0x1000FU);
    die_write(chip, 0xE000EDF8U, 0x01000000U);
    die_write(chip, 0xE000EDF4U, 0x10010U);
    sim_chip_test_start(chip, STACK, CODE);
    die_write(chip, 0xE000EDF0U, 0xA05F0005U); /* step */
    die_run_us(chip, 1);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 17 & 1U, 1);
    assert_int_equal(reg(chip, 0), 1);
    assert_int_equal(reg(chip, 15), CODE + 2);
    die_write(chip, 0xE0002008U, ((CODE + 4) & 0x1FFFFFFCU) | 0x40000001U);
    die_write(chip, 0xE0002000U, 3);
    die_write(chip, 0xE000EDF0U, 0xA05F0001U);
    die_run_us(chip, 1);
    assert_int_equal(reg(chip, 15), CODE + 4);
    assert_int_equal(die_read(chip, 0xE000ED30U) & 2U, 2);
    die_write(chip, 0xE0002008U, 0);
    die_write(chip, 0xE000EDF0U, 0xA05F0001U);
    die_run_us(chip, 1);
    assert_int_equal(reg(chip, 15), CODE + 6); /* at the BKPT */
    assert_int_equal(reg(chip, 0), 3);
    die_write(chip, 0xE000EDF4U, 0x10); /* read xPSR */
    assert_int_equal(die_read(chip, 0xE000EDF8U) & 0x0100003FU, 0x01000000U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_arguments, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_sum_loop, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_memory_cycles, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_flags, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_svc_and_systick, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_hardfault_and_lockup, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_halt_step_breakpoint, die_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
