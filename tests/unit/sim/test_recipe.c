/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* The recipe "a region that only the CM0+ in context 1 can read", row by row, for every bus master:
 * both processors, the three access ports, the crypto block, a DMA. */

#define SECRET  0x100C0000U /* 16 KB of main flash */
#define VALUE   0x5EC2E75EU
#define CODE    0x08002000U
#define STACK   0x08003000U
#define CM4_RAM 0x08010000U

#define MS_CTL(n)     (0x40240000U + 4U * (n))
#define SMPU_ADDR0(i) (0x40242000U + 0x40U * (i))
#define SMPU_ATT0(i)  (SMPU_ADDR0(i) + 4U)
#define SMPU_ATT1(i)  (SMPU_ADDR0(i) + 0x24U)
#define MPU_PC(n)     (0x40244000U + 0x400U * (n))
#define RG_SMPU       0x40201604U
#define RG_MPU_CM0P   0x40201644U
#define RG_MPU_CM4    0x402016C4U
#define RG_MPU_TC     0x40201704U

#define ENABLED   0x80000000U
#define NS        0x40U
#define PR_PW     0x18U
#define PX        0x20U
#define USER_RW   0x03U
#define SIZE(l2)  ((uint32_t)((l2)-1) << 24)
#define FOR_PC(n) (1U << (8 + (n)))
#define MASK(pcs) (0x303U | (uint32_t)(pcs) << 16) /* bit k of pcs: context k */

#define REGION 7U /* the SMPU struct of the secret */

enum master {
    BY_CM0,
    BY_CM4,
    BY_SYS_AP,
    BY_CM0_AP,
    BY_CM4_AP,
    BY_CRYPTO,
    BY_DMA,
    MASTERS
};

static int park_setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_park(*state);
    die_poke(*state, SECRET, VALUE);
    return 0;
}

/* ---- the masters ---- */

/* ldr r0, =address; ldr r1, [r0] or str r1, [r0]; movs r7, #1; b . */
static void load_probe(struct sim_chip *chip, uint32_t at, uint32_t address, bool write)
{
    const uint16_t code[] = { 0x2700, 0x4902, 0x4802, write ? 0x6001 : 0x6801, 0x2701, 0xE7FE,
        0xBEEF, 0xDEAD, (uint16_t)address, (uint16_t)(address >> 16) };
    die_load(chip, at, code, sizeof(code) / 2);
}

static bool by_cm0(struct sim_chip *chip, uint32_t address, bool write)
{
    load_probe(chip, CODE, address, write);
    sim_chip_test_start(chip, STACK, CODE);
    die_run_us(chip, 20);
    return sim_chip_test_reg(chip, SIM_AP_CM0, 7) == 1;
}

static bool by_cm4(struct sim_chip *chip, uint32_t address, bool write)
{
    uint32_t word = 0x05FA0000U;
    die_poke(chip, CM4_RAM, 0x08020000U);
    die_poke(chip, CM4_RAM + 4, CM4_RAM + 0x401U);
    die_poke(chip, CM4_RAM + 12, CM4_RAM + 0x40BU); /* HardFault: stay at the branch */
    load_probe(chip, CM4_RAM + 0x400, address, write);
    die_write(chip, 0x402102C0U, CM4_RAM);
    die_write(chip, 0x40210080U, word);
    die_write(chip, 0x40210080U, word | 3U);
    die_run_us(chip, 20);
    return sim_chip_test_reg(chip, SIM_AP_CM4, 7) == 1;
}

static bool by_port(struct sim_chip *chip, enum sim_ap ap, uint32_t address, bool write)
{
    return write ? !die_write_faults(chip, ap, address, 0xDEADBEEFU)
                 : !die_read_faults(chip, ap, address);
}

/* MEMCPY of four bytes; its bus error interrupt tells. */
static bool by_crypto(struct sim_chip *chip, uint32_t address, bool write)
{
    const uint32_t words[] = { 0x42000210U, write ? 0x08006000U : address,
        write ? address : 0x08006000U, 4, 0x50000210U };
    die_write(chip, 0x40110000U, 0x80000003U);
    die_write(chip, 0x401107C0U, UINT32_MAX);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        die_write(chip, 0x40110048U, words[i]);
    return (die_read(chip, 0x401107C0U) & 1U << 18) == 0;
}

/* DW0 channel 0 owned by the CM0+ (through its port). */
static bool by_dma(struct sim_chip *chip, uint32_t address, bool write)
{
    die_poke(chip, 0x08006100U, 2U << 16 | 3U << 26);
    die_poke(chip, 0x08006104U, write ? 0x08006000U : address);
    die_poke(chip, 0x08006108U, write ? address : 0x08006000U);
    die_poke(chip, 0x0800610CU, 0);
    die_write(chip, 0x40280000U, ENABLED);
    die_write(chip, 0x4028080CU, 0x08006100U);
    die_write(chip, 0x40280810U, 1);
    die_write(chip, 0x40280800U, ENABLED);
    die_write(chip, 0x40010400U, 0xC0000000U);
    assert_int_equal(die_read(chip, 0x40280810U), 1);
    return die_read(chip, 0x40280804U) == 1;
}

static bool access_by(struct sim_chip *chip, enum master master, uint32_t address, bool write)
{
    switch (master) {
    case BY_CM0:
        return by_cm0(chip, address, write);
    case BY_CM4:
        return by_cm4(chip, address, write);
    case BY_SYS_AP:
        return by_port(chip, SIM_AP_SYS, address, write);
    case BY_CM0_AP:
        return by_port(chip, SIM_AP_CM0, address, write);
    case BY_CM4_AP:
        return by_port(chip, SIM_AP_CM4, address, write);
    case BY_CRYPTO:
        return by_crypto(chip, address, write);
    case BY_DMA:
        return by_dma(chip, address, write);
    case MASTERS:
        break;
    }
    return false;
}

static void expect(
    struct sim_chip *chip, enum master master, uint32_t address, bool write, bool may)
{
    if (access_by(chip, master, address, write) != may)
        fail_msg("master %d, 0x%08x, %s: expected %s", (int)master, address,
            write ? "write" : "read", may ? "allowed" : "refused");
}

static void expect_all(struct sim_chip *chip, uint32_t address, const bool may[MASTERS])
{
    for (enum master master = BY_CM0; master < MASTERS; master++)
        expect(chip, master, address, false, may[master]);
}

/* ---- the rows ---- */

static void masks(struct sim_chip *chip)
{
    die_write(chip, MS_CTL(0), MASK(1U << 1 | 1U << 2));
    die_write(chip, MS_CTL(1), MASK(1U << 3));
    die_write(chip, MS_CTL(14), MASK(1U << 6));
    die_write(chip, MS_CTL(15), MASK(1U << 7));
}

static void slave_region(struct sim_chip *chip, uint32_t extra)
{
    die_write(chip, SMPU_ADDR0(REGION), SECRET);
    die_write(chip, SMPU_ATT0(REGION), ENABLED | SIZE(14) | FOR_PC(1) | NS | PR_PW | extra);
}

static void contexts(struct sim_chip *chip)
{
    die_write(chip, MPU_PC(14), 6);
    die_write(chip, MPU_PC(15), 7);
    die_write(chip, MPU_PC(1), 3);
    die_write(chip, MPU_PC(0), 1);
}

/* Who reads the secret once everything is set up: the CM0+, its port, and a DMA it owns. */
static const bool protected_view[MASTERS] = {
    [BY_CM0] = true, [BY_CM0_AP] = true, [BY_DMA] = true
};
static const bool open_view[MASTERS] = { true, true, true, true, true, true, true };

/* Context 0 is not checked: the region binds nobody until the contexts are set. */
static void test_context_0_bypasses(void **state)
{
    struct sim_chip *chip = *state;
    slave_region(chip, 0);
    die_write(chip, SMPU_ATT0(REGION), ENABLED | SIZE(14)); /* nothing for nobody */
    expect_all(chip, SECRET, open_view);
}

static void test_masks(void **state)
{
    static const struct {
        unsigned master, wanted;
        bool taken;
    } cases[] = { { 14, 1, false }, { 15, 1, false }, { 14, 7, false }, { 14, 6, true },
        { 15, 7, true }, { 1, 1, false }, { 1, 3, true }, { 0, 3, false }, { 0, 2, true },
        { 0, 1, true }, { 0, 0, false } };
    struct sim_chip *chip = *state;
    masks(chip);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t before = die_read(chip, MPU_PC(cases[i].master));
        die_write(chip, MPU_PC(cases[i].master), cases[i].wanted);
        assert_int_equal(
            die_read(chip, MPU_PC(cases[i].master)), cases[i].taken ? cases[i].wanted : before);
    }
}

static void test_slave_region(void **state)
{
    struct sim_chip *chip = *state;
    masks(chip);
    slave_region(chip, 0);
    expect_all(chip, SECRET, open_view); /* contexts still 0 */
    contexts(chip);
    expect_all(chip, SECRET, protected_view);
    expect_all(chip, SECRET + 0x3FFCU, protected_view);
    expect_all(chip, SECRET + 0x4000U, open_view); /* right behind it */
    die_write(chip, MPU_PC(0), 2);                 /* the CM0+ in its other context */
    expect(chip, BY_CM0, SECRET, false, false);
    expect(chip, BY_CM0_AP, SECRET, false, false);
    expect(chip, BY_DMA, SECRET, false, false);
}

/* RAM: writes are refused as well as reads. */
static void test_slave_region_writes(void **state)
{
    struct sim_chip *chip = *state;
    masks(chip);
    slave_region(chip, 0);
    die_write(chip, SMPU_ADDR0(REGION), 0x08030000U);
    contexts(chip);
    for (enum master master = BY_CM0; master < MASTERS; master++) {
        die_poke(chip, 0x08030000U, VALUE);
        expect(chip, master, 0x08030000U, true, protected_view[master]);
        assert_int_equal(die_peek(chip, 0x08030000U) == VALUE, !protected_view[master]);
    }
}

/* Execution needs PX. */
static void test_slave_region_execution(void **state)
{
    static const uint16_t code[] = { 0x2701, 0xE7FE };
    struct sim_chip *chip = *state;
    die_load(chip, SECRET, code, 2);
    masks(chip);
    for (unsigned with_px = 0; with_px < 2; with_px++) {
        slave_region(chip, with_px != 0 ? PX : 0);
        contexts(chip);
        by_cm0(chip, 0x20000000U, false); /* r7 = 0 */
        sim_chip_test_start(chip, STACK, SECRET);
        die_run_us(chip, 20);
        assert_int_equal(sim_chip_test_reg(chip, SIM_AP_CM0, 7), with_px);
    }
}

/* Without the pair's own protection anybody could open the region again. */
static void test_master_struct(void **state)
{
    struct sim_chip *chip = *state;
    masks(chip);
    slave_region(chip, 0);
    contexts(chip);
    expect(chip, BY_SYS_AP, SMPU_ATT0(REGION), true, true); /* that is the hole */
    slave_region(chip, 0);
    die_write(chip, SMPU_ATT1(REGION), ENABLED | FOR_PC(1) | NS | PR_PW);
    expect(chip, BY_SYS_AP, SMPU_ATT0(REGION), true, false);
    expect(chip, BY_CM4_AP, SMPU_ATT1(REGION), true, false);
    expect(chip, BY_CM4, SMPU_ADDR0(REGION), true, false);
    expect_all(chip, SECRET, protected_view);
    slave_region(chip, 0); /* context 1 itself may */
}

/* Nor may anybody else touch masks and contexts. */
static void test_fixed_units(void **state)
{
    static const uint32_t guarded[] = { MS_CTL(0), MS_CTL(14), MS_CTL(15), MPU_PC(0), MPU_PC(14),
        MPU_PC(15), SMPU_ADDR0(0) };
    struct sim_chip *chip = *state;
    masks(chip);
    slave_region(chip, 0);
    uint32_t rights = ENABLED | FOR_PC(1) | NS | PR_PW | USER_RW;
    const uint32_t units[] = { RG_SMPU, RG_MPU_CM0P, RG_MPU_CM4, RG_MPU_TC };
    for (size_t i = 0; i < 4; i++) {
        die_write(chip, units[i] + 0x20, ENABLED | FOR_PC(1) | NS | PR_PW);
        die_write(chip, units[i], rights);
    }
    contexts(chip);
    for (size_t i = 0; i < sizeof(guarded) / sizeof(guarded[0]); i++) {
        expect(chip, BY_SYS_AP, guarded[i], true, false);
        expect(chip, BY_CM4_AP, guarded[i], true, false);
        expect(chip, BY_CM4, guarded[i], true, false);
        expect(chip, BY_CRYPTO, guarded[i], true, false);
        expect(chip, BY_SYS_AP, guarded[i], false, false);
    }
    expect(chip, BY_SYS_AP, RG_SMPU, true, false); /* nor the units themselves */
    die_write(chip, MPU_PC(0), 2);
    expect(chip, BY_CM0, MS_CTL(14), true, false); /* context 2 of the CM0+ neither */
    expect(chip, BY_CM0_AP, MS_CTL(14), true, false);
}

/* A free struct with a higher index would win over the secret's: all of them are taken away. */
static void test_higher_structs(void **state)
{
    uint32_t open = ENABLED | SIZE(14) | 0xFF00U | NS | PR_PW | USER_RW;
    struct sim_chip *chip = *state;
    masks(chip);
    slave_region(chip, 0);
    contexts(chip);
    assert_false(die_write_faults(chip, SIM_AP_SYS, SMPU_ADDR0(9), SECRET));
    assert_false(die_write_faults(chip, SIM_AP_SYS, SMPU_ATT0(9), open));
    expect(chip, BY_SYS_AP, SECRET, false, true); /* that is the hole */
    die_write(chip, SMPU_ATT0(9), 0);
    for (uint32_t i = REGION + 1; i < 14; i++)
        die_write(chip, SMPU_ATT1(i), ENABLED | FOR_PC(1) | NS | PR_PW);
    for (uint32_t i = REGION + 1; i < 16; i++) {
        assert_true(die_write_faults(chip, SIM_AP_SYS, SMPU_ADDR0(i), SECRET));
        assert_true(die_write_faults(chip, SIM_AP_CM4, SMPU_ATT0(i), open));
    }
    expect_all(chip, SECRET, protected_view);
}

/* Out of context 0 there is no way back but the ROM's entry and a reset. */
static void test_last_step(void **state)
{
    struct sim_chip *chip = *state;
    masks(chip);
    slave_region(chip, 0);
    contexts(chip);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).context, 1);
    die_write(chip, MPU_PC(0), 0);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).context, 1);
    die_write(chip, 0xE000ED0CU, 0x05FA0004U);
    die_run_us(chip, 1500);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).context, 0);
    expect(chip, BY_SYS_AP, SECRET, false, true); /* open until the application protects again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_context_0_bypasses, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_masks, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_slave_region, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_slave_region_writes, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_slave_region_execution, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_master_struct, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_fixed_units, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_higher_structs, park_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_last_step, park_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
