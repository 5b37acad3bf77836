/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Protection: contexts and SMPU on processors and debug ports, MPU of the core and of the test
 * controller, interrupt routing. */

#define CODE   0x08002000U
#define STACK  0x08003000U
#define SECRET 0x14000000U

#define MS_CTL(n)     (0x40240000U + 4U * (n))
#define SMPU_ADDR0(i) (0x40242000U + 0x40U * (i))
#define SMPU_ATT0(i)  (SMPU_ADDR0(i) + 4U)
#define SMPU_ATT1(i)  (SMPU_ADDR0(i) + 0x24U)
#define MPU_PC(n)     (0x40244000U + 0x400U * (n))
#define TC_ADDR(i)    (0x40247E00U + 0x20U * (i))
#define TC_ATT(i)     (TC_ADDR(i) + 4U)

#define ENABLED   0x80000000U
#define NS        0x40U
#define PR_PW     0x18U
#define SIZE(l2)  ((uint32_t)((l2)-1) << 24)
#define FOR_PC(n) (1U << (8 + (n)))

static int park_setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_park(*state);
    return 0;
}

/* Work flash for context 1 only; CM0+ in 1, CM4 in 6, test controller in 7. */
static void protect(struct sim_chip *chip)
{
    die_poke(chip, SECRET, 0x5EC2E7U);
    die_write(chip, MS_CTL(0), 0x303U | 6U << 16);
    die_write(chip, MS_CTL(14), 0x303U | 1U << 22);
    die_write(chip, MS_CTL(15), 0x303U | 1U << 23);
    die_write(chip, SMPU_ADDR0(3), SECRET);
    die_write(chip, SMPU_ATT0(3), ENABLED | SIZE(15) | FOR_PC(1) | NS | PR_PW);
    die_write(chip, MPU_PC(14), 6);
    die_write(chip, MPU_PC(15), 7);
    die_write(chip, MPU_PC(0), 1);
}

static void test_registers(void **state)
{
    struct sim_chip *chip = *state;
    assert_int_equal(die_read(chip, MS_CTL(14)), 0x303);
    assert_true(die_read_faults(chip, SIM_AP_CM0, MS_CTL(5))); /* no such master */
    assert_int_equal(die_read(chip, SMPU_ATT0(0)), 0x100);
    assert_int_equal(die_read(chip, SMPU_ATT1(0)), 0x07000109U);
    die_write(chip, MPU_PC(14), 3); /* not in the mask: no effect */
    assert_int_equal(die_read(chip, MPU_PC(14)), 0);
    die_write(chip, MS_CTL(14), 0xFFFFFFFFU);
    assert_int_equal(die_read(chip, MS_CTL(14)), 0x00FE0303U);
    die_write(chip, MPU_PC(14), 3);
    assert_int_equal(die_read(chip, MPU_PC(14)), 3);
    die_write(chip, MPU_PC(14), 0); /* nobody writes himself back to context 0 */
    assert_int_equal(die_read(chip, MPU_PC(14)), 3);
    assert_int_equal(die_read(chip, 0x40210400U), 3); /* IDENTITY: privileged, non-secure */
}

static void test_smpu_on_debug_ports(void **state)
{
    struct sim_chip *chip = *state;
    assert_false(die_read_faults(chip, SIM_AP_SYS, SECRET));
    protect(chip);
    assert_true(die_read_faults(chip, SIM_AP_SYS, SECRET));
    assert_true(die_read_faults(chip, SIM_AP_SYS, SECRET + 0x7FFCU));
    assert_true(die_read_faults(chip, SIM_AP_CM4, SECRET));
    assert_int_equal(die_read(chip, SECRET), 0x5EC2E7U); /* the CM0-AP sees what the CM0+ sees */
    assert_false(die_read_faults(chip, SIM_AP_SYS, 0x10000000U));
    assert_true(die_read_faults(chip, SIM_AP_CM0, 0x08047FFCU)); /* ROM's stack */
    assert_true(die_write_faults(chip, SIM_AP_CM0, SMPU_ATT0(15), 0));
    die_write(chip, SMPU_ATT0(3), ENABLED | SIZE(15) | FOR_PC(1) | PR_PW); /* NS forgotten */
    assert_true(die_read_faults(chip, SIM_AP_CM0, SECRET));
}

static void test_smpu_subregions_and_order(void **state)
{
    struct sim_chip *chip = *state;
    protect(chip);
    die_write(chip, SMPU_ADDR0(3), SECRET | 0x02U); /* second 4 KB not covered */
    assert_true(die_read_faults(chip, SIM_AP_SYS, SECRET));
    assert_false(die_read_faults(chip, SIM_AP_SYS, SECRET + 0x1000U));
    assert_true(die_read_faults(chip, SIM_AP_SYS, SECRET + 0x2000U));
    /* a higher region wins */
    die_write(chip, SMPU_ADDR0(5), SECRET);
    die_write(chip, SMPU_ATT0(5), ENABLED | SIZE(8) | FOR_PC(7) | FOR_PC(1) | NS | PR_PW);
    assert_false(die_read_faults(chip, SIM_AP_SYS, SECRET));
    assert_true(die_read_faults(chip, SIM_AP_SYS, SECRET + 0x100U));
}

static void test_smpu_on_the_cpu(void **state)
{
    static const uint16_t code[] = {
        0x4802, /* 0: ldr r0, =SECRET */
        0x6801, /* 1: ldr r1, [r0] */
        0x2201, /* 2: movs r2, #1 */
        0xE7FE, /* 3: b . */
        0x46C0,
        0x46C0,
        0x0000,
        0x1400,
    };
    struct sim_chip *chip = *state;
    protect(chip);
    die_load(chip, CODE, code, sizeof(code) / 2);
    sim_chip_test_start(chip, STACK, CODE);
    die_run_us(chip, 10);
    assert_int_equal(sim_chip_test_reg(chip, SIM_AP_CM0, 1), 0x5EC2E7U);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).context, 1);
    die_write(chip, MPU_PC(0), 2); /* the same code in context 2 faults */
    sim_chip_test_start(chip, STACK, CODE);
    die_run_us(chip, 10);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 3);
    /* a call of the ROM runs in context 0 and gives context 2 back */
    die_call_start(chip, 0x00000101U);
    assert_int_equal(die_call_finish(chip), 0xA012E207U);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).context, 2);
}

static void test_call_block_out_of_reach(void **state)
{
    static const uint16_t wait[] = { 0xBF30, 0xE7FD }; /* wfi; b back */
    struct sim_chip *chip = *state;
    protect(chip);
    die_load(chip, CODE, wait, 2);
    sim_chip_test_start(chip, STACK, CODE); /* context 1 has no right to the ROM's own stack */
    die_write(chip, SMPU_ADDR0(4), 0x08008000U);
    die_write(chip, SMPU_ATT0(4), ENABLED | SIZE(12) | FOR_PC(1) | NS | PR_PW);
    die_poke(chip, 0x08008000U, 0x1F000000U);
    uint32_t value = 0;
    assert_int_equal(/* the SYS-AP asks for a place that it may not see itself */
        sim_chip_ap_access(chip, SIM_AP_SYS, 0x40230040U, 4, false, true, &value), SIM_BUS_OK);
    assert_int_equal(value, 0x80000F73U);
    die_write(chip, 0x4023004CU, 0x08008000U);
    die_write(chip, 0x40231008U, 0x00040000U);
    die_write(chip, 0x40230048U, 1);
    assert_int_equal(die_call_finish(chip), 0xF0000008U);
}

static void test_tc_mpu(void **state)
{
    struct sim_chip *chip = *state;
    /* nothing but the first 16 KB of RAM */
    die_write(chip, TC_ADDR(0), 0);
    die_write(chip, TC_ATT(0), ENABLED | SIZE(32) | NS);
    die_write(chip, TC_ADDR(1), 0x08000000U);
    die_write(chip, TC_ATT(1), ENABLED | SIZE(14) | NS | PR_PW | 3U);
    assert_false(die_read_faults(chip, SIM_AP_SYS, 0x08003FFCU));
    assert_true(die_read_faults(chip, SIM_AP_SYS, 0x08004000U));
    assert_true(die_read_faults(chip, SIM_AP_SYS, 0x10000000U));
    assert_true(die_read_faults(chip, SIM_AP_SYS, 0x40230040U));
    assert_false(die_read_faults(chip, SIM_AP_CM0, 0x10000000U));
}

/* Unprivileged code may read its own region and nothing else. */
static void test_core_mpu(void **state)
{
    static const uint16_t code[] = {
        0x2003,         /* 0: movs r0, #3 */
        0xF380, 0x8814, /* 1: msr control, r0 : unprivileged, PSP */
        0x4903,         /* 3: ldr r1, =0x08003000 (literal in the code region) */
        0x680A,         /* 4: ldr r2, [r1] : allowed */
        0x3180, 0x3180, /* 5: r1 += 0x100 */
        0x680B,         /* 7: ldr r3, [r1] : refused */
        0xE7FE,         /* 8 */
        0x46C0,         /* 9 */
        0x3000, 0x0800, /* 10 */
    };
    struct sim_chip *chip = *state;
    die_load(chip, CODE, code, sizeof(code) / 2);
    die_poke(chip, 0x08003000U, 77);
    die_write(chip, 0xE000ED9CU, CODE | 0x10U);
    die_write(chip, 0xE000EDA0U, 1U | 7U << 1 | 6U << 24); /* 256 B, read only, executable */
    die_write(chip, 0xE000ED9CU, 0x08003000U | 0x11U);
    die_write(chip, 0xE000EDA0U, 1U | 7U << 1 | 3U << 24 | 1U << 28);
    die_write(chip, 0xE000ED94U, 5);
    assert_int_equal(die_read(chip, 0xE000ED90U), 0x800);
    sim_chip_test_start(chip, 0x08005000U, CODE);
    die_write(chip, 0xE000EDF0U, 0xA05F0003U);
    die_write(chip, 0xE000EDF8U, 0x08003100U); /* PSP inside the user's region */
    die_write(chip, 0xE000EDF4U, 0x10012U);
    die_write(chip, 0xE000EDF0U, 0xA05F0001U);
    die_run_us(chip, 10);
    assert_int_equal(sim_chip_test_reg(chip, SIM_AP_CM0, 2), 77);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 3);
    assert_int_equal(die_peek(chip, 0x08003100U - 8), CODE + 14); /* stacked PC */
}

/* IPC channel 8 to interrupt struct 8 to NVIC input 3. */
static void test_ipc_interrupt(void **state)
{
    static const uint16_t code[] = {
        0xBF30,         /* 0: wfi */
        0xE7FD,         /* 1: b 0 */
        0x4902,         /* 2: ldr r1, =0x40231100 (handler) */
        0x6808,         /* 3: ldr r0, [r1] */
        0x6008,         /* 4: str r0, [r1] */
        0x3701,         /* 5: adds r7, #1 */
        0x4770,         /* 6: bx lr */
        0x46C0,         /* 7 */
        0x1100, 0x4023, /* 8 */
    };
    struct sim_chip *chip = *state;
    die_load(chip, CODE, code, sizeof(code) / 2);
    die_poke(chip, 0x08000000U + (16 + 3) * 4, CODE + 4 + 1);
    die_write(chip, 0xE000ED08U, 0x08000000U);
    die_write(chip, 0xE000E100U, 1U << 3);
    die_write(chip, 0x40210020U, (0xF0F0F0F0U & ~(0xFFU << 24)) | 33U << 24);
    die_write(chip, 0x40231108U, 1U << 24);
    sim_chip_test_start(chip, STACK, CODE);
    die_run_us(chip, 10);
    assert_int_equal(die_read(chip, 0x40230100U) >> 31, 1);
    assert_int_equal(die_read(chip, 0x40230100U) >> 31, 0); /* taken */
    die_write(chip, 0x40230108U, 1U << 8);
    die_run_us(chip, 10);
    assert_int_equal(sim_chip_test_reg(chip, SIM_AP_CM0, 7), 1);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    die_write(chip, 0x40230104U, 0);
    assert_int_equal(die_read(chip, 0x40230110U), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registers, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_smpu_on_debug_ports, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_smpu_subregions_and_order, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_smpu_on_the_cpu, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_call_block_out_of_reach, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_tc_mpu, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_core_mpu, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_ipc_interrupt, park_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
