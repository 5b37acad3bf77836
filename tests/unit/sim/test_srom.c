/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* System calls of the ROM over IPC: arguments, answers, flash rules and times. */

#define ROW  0x10020000U
#define DATA 0x08001000U

static int park_setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_park(*state);
    return 0;
}

static void fill_data(struct sim_chip *chip, uint8_t first)
{
    uint8_t row[512];
    for (size_t i = 0; i < sizeof(row); i++)
        row[i] = (uint8_t)(first + i);
    assert_true(sim_chip_test_write(chip, DATA, row, sizeof(row)));
}

static void test_bad_calls(void **state)
{
    struct sim_chip *chip = *state;
    assert_int_equal(die_call(chip, 0x99000000U, 0, 0, 0), 0xF000000BU);
    die_call_start(chip, 0x08000802U);
    assert_int_equal(die_call_finish(chip), 0xF0000013U);
    die_call_start(chip, 0x10000000U);
    assert_int_equal(die_call_finish(chip), 0xF0000013U);
    assert_int_equal(die_call(chip, 0x1C000100U, 0x10100000U, 0, 0), 0xF0000004U);
    assert_int_equal(die_call(chip, 0x1C000100U, ROW + 4, 0, 0), 0xF0000004U);
    assert_int_equal(die_call(chip, 0x05000100U, 0, 0x16000000U, DATA), 0xF00000B2U);
    assert_int_equal(die_call(chip, 0x06000100U, 0x106, ROW, 0x10000000U), 0xF0000013U);
    assert_int_equal(die_call(chip, 0x05000000U, 0, ROW, DATA), 0xF000000FU);
    /* IPC 0 belongs to the CM0+: from the SYS-AP it is the wrong one */
    uint32_t value = 0;
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_SYS, 0x40230000U, 4, false, true, &value), SIM_BUS_OK);
    assert_int_equal(value, 0x80000F03U);
    die_write(chip, 0x4023000CU, 1);
    die_write(chip, 0x40231008U, 0x00070000U);
    die_write(chip, 0x40230008U, 1);
    die_run_us(chip, 200);
    assert_int_equal(die_read(chip, 0x4023000CU), 0xF0000006U);
    assert_int_equal(die_read(chip, 0x40230010U), 0);
}

static void test_identity_calls(void **state)
{
    struct sim_chip *chip = *state;
    die_call_start(chip, 0x00000001U);
    assert_int_equal(die_call_finish(chip), 0xA0210100U);
    die_call_start(chip, 0x00000101U);
    assert_int_equal(die_call_finish(chip), 0xA012E207U);
    assert_int_equal(die_call(chip, 0x1F000000U, 0, 0, 0), 0xA0000000U);
    assert_int_equal(die_peek(chip, BLOCK + 4), 0x05060708U);
    assert_int_equal(die_peek(chip, BLOCK + 8), 0x01020304U & 0x01FFFFFFU);
    assert_int_equal(die_peek(chip, BLOCK + 12), 0x00000101U);
    die_call_start(chip, 0x27000001U);
    assert_int_equal(die_call_finish(chip), 0xA0000000U);
    die_call_start(chip, 0x03000001U | 0x2BU << 8);
    assert_int_equal(die_call_finish(chip), 0xA0000001U);
    assert_int_equal(die_call(chip, 0x1E000000U, 0, 0, 0), 0xA0000000U);
}

static void test_write_and_program(void **state)
{
    struct sim_chip *chip = *state;
    fill_data(chip, 1);
    assert_int_equal(die_call(chip, 0x06000100U, 0x106, ROW, DATA), 0xA0000000U);
    assert_int_equal(die_peek(chip, ROW), 0x04030201U);
    fill_data(chip, 2);
    assert_int_equal(die_call(chip, 0x06000100U, 0x106, ROW, DATA), 0xF00000A4U);
    assert_int_equal(die_peek(chip, ROW) & 0xFFU, 3);
    assert_int_equal(die_call(chip, 0x05000100U, 0, ROW, DATA), 0xA0000000U);
    assert_int_equal(die_peek(chip, ROW), 0x05040302U);
    assert_int_equal(sim_chip_row_erases(chip, ROW), 1);
    assert_int_equal(sim_chip_flash_operations(chip), 4);
    assert_int_equal(die_call(chip, 0x1C000100U, ROW, 0, 0), 0xA0000000U);
    assert_int_equal(die_peek(chip, ROW), 0);
    assert_int_equal(die_call(chip, 0x14000100U, 0x10000000U, 0, 0), 0xA0000000U);
    assert_int_equal(sim_chip_row_erases(chip, ROW), 3);
    assert_int_equal(die_call(chip, 0x05000100U, 0, 0x16000800U, DATA), 0xA0000000U);
    assert_int_equal(die_peek(chip, 0x16000800U), 0x05040302U);
    assert_int_equal(die_call(chip, 0x14000100U, 0x14000000U, 0, 0), 0xA0000000U);
    assert_int_equal(sim_chip_row_erases(chip, 0x14007E00U), 1);
}

static void test_times_and_block_out(void **state)
{
    struct sim_chip *chip = *state;
    fill_data(chip, 1);
    die_poke(chip, 0x10080000U, 0x12345678U);
    die_poke(chip, BLOCK, 0x05000100U);
    die_poke(chip, BLOCK + 4, 0);
    die_poke(chip, BLOCK + 8, ROW);
    die_poke(chip, BLOCK + 12, DATA);
    uint64_t start = sim_chip_time_ps(chip);
    die_call_start(chip, BLOCK);
    die_run_us(chip, 1000); /* start of the erase: nobody reads flash */
    assert_true(die_read_faults(chip, SIM_AP_SYS, 0x10080000U));
    die_run_us(chip, 4000); /* 5 ms in: the other sector pair is readable */
    assert_int_equal(die_read(chip, 0x10080000U), 0x12345678U);
    assert_true(die_read_faults(chip, SIM_AP_SYS, 0x10000000U));
    assert_true(die_read_faults(chip, SIM_AP_CM0, ROW));
    die_run_us(chip, 10900);
    assert_int_equal(die_read(chip, 0x40230050U) >> 31, 1);
    die_run_us(chip, 200);
    assert_int_equal(die_read(chip, 0x40230050U) >> 31, 0);
    assert_int_equal((sim_chip_time_ps(chip) - start) / SIM_PS_PER_US, 16100);
    assert_int_equal(die_read(chip, ROW), 0x04030201U);
}

static void test_halted_core_serves_nothing(void **state)
{
    struct sim_chip *chip = *state;
    die_write(chip, 0xE000EDF0U, 0xA05F0003U);
    die_call_start(chip, 0x00000001U);
    die_run_us(chip, 50000);
    assert_int_equal(die_read(chip, 0x40230050U) >> 31, 1);
    die_write(chip, 0xE000EDF0U, 0xA05F0001U);
    assert_int_equal(die_call_finish(chip), 0xA0210100U);
}

static void test_fuses(void **state)
{
    struct sim_chip *chip = *state;
    uint32_t blow = 0x01000001U | 2U << 12 | 5U << 16 | 3U << 8; /* byte 0x45, bit 3 */
    die_call_start(chip, blow);
    assert_int_equal(die_call_finish(chip), 0xF00000CBU); /* 3.3 V */
    sim_chip_set_vddio_mv(chip, 2500);
    die_call_start(chip, blow);
    assert_int_equal(die_call_finish(chip), 0xA0000000U);
    sim_chip_set_vddio_mv(chip, 3300);
    die_call_start(chip, blow); /* blown is blown */
    assert_int_equal(die_call_finish(chip), 0xA0000000U);
    die_call_start(chip, 0x03000001U | 0x45U << 8);
    assert_int_equal(die_call_finish(chip), 0xA0000008U);
    die_call_start(chip, 0x01000001U); /* factory byte */
    assert_int_equal(die_call_finish(chip), 0xF0000002U);
}

/* 0xFEE7 is undefined: HardFault in ROM's loop, from where the NMI still serves calls. */
static void test_call_from_hardfault_loop(void **state)
{
    struct sim_chip *chip = *state;
    die_write(chip, 0xE000EDF0U, 0xA05F0003U);
    die_poke(chip, 0x08000000U, 0xFEE7FEE7U);
    static const uint32_t regs[4][2] = { { 15, 0x08000000U }, { 13, 0x08000800U },
        { 16, 0x01000000U }, { 20, 1 } };
    for (unsigned i = 0; i < 4; i++) {
        die_write(chip, 0xE000EDF8U, regs[i][1]);
        die_write(chip, 0xE000EDF4U, 0x10000U | regs[i][0]);
    }
    die_write(chip, 0xE000ED08U, 0);
    die_write(chip, 0xE000EDF0U, 0xA05F0001U);
    die_run_us(chip, 100);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).pc, 0xE07A);
    die_call_start(chip, 0x00000101U);
    assert_int_equal(die_call_finish(chip), 0xA012E207U);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).pc, 0xE07A);
    assert_int_equal(die_read(chip, 0xE000EDF0U) >> 19 & 1U, 0);
}

/* A program on the CM0+ calls over IPC 0 as drivers do: acquire, block pointer, notify, spin. */
static void test_call_from_firmware(void **state)
{
    static const uint16_t code[] = {
        0x4806, /* 0: ldr r0, =0x40230000 */
        0x6801, /* 1: ldr r1, [r0] (acquire) */
        0x4A06, /* 2: ldr r2, =BLOCK */
        0x60C2, /* 3: str r2, [r0, #0xC] */
        0x2301, /* 4: movs r3, #1 */
        0x6083, /* 5: str r3, [r0, #8] (notify) */
        0x6901, /* 6: ldr r1, [r0, #0x10] */
        0x2900, /* 7: cmp r1, #0 */
        0xDBFC, /* 8: blt 6 */
        0x6817, /* 9: ldr r7, [r2] */
        0xE7FE, /* 10: b . */
        0x46C0,
        0x46C0,
        0x46C0,
        0x0000,
        0x4023,
        0x0800,
        0x0800,
    };
    struct sim_chip *chip = *state;
    die_load(chip, 0x08002000U, code, sizeof(code) / 2);
    die_write(chip, 0x40231008U, 0x00010000U);
    fill_data(chip, 9);
    die_poke(chip, BLOCK, 0x06000100U);
    die_poke(chip, BLOCK + 4, 0x106);
    die_poke(chip, BLOCK + 8, 0x14000200U);
    die_poke(chip, BLOCK + 12, DATA);
    sim_chip_test_start(chip, 0x08003000U, 0x08002000U);
    assert_true(
        sim_chip_test_run_to(chip, 0x08002014U, sim_chip_time_ps(chip) + 10000 * SIM_PS_PER_US));
    assert_int_equal(sim_chip_test_reg(chip, SIM_AP_CM0, 7), 0xA0000000U);
    assert_int_equal(die_peek(chip, 0x14000200U), 0x0C0B0A09U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_calls, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_identity_calls, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_write_and_program, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_times_and_block_out, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_halted_core_serves_nothing, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_fuses, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_call_from_hardfault_loop, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_call_from_firmware, park_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
