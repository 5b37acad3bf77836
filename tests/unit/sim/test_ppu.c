/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Peripheral protection units and the DMA: registers, the units that ROM keeps, order of the units,
 * whose rights a DMA has. */

#define PR_ADDR0(i) (0x40014000U + 0x40U * (i))
#define PR_ATT0(i)  (PR_ADDR0(i) + 4U)
#define PR_ATT1(i)  (PR_ADDR0(i) + 0x24U)
#define GR_ATT0(g)  (0x40015004U + 0x40U * (g))
#define SL_SRSS     0x40200184U
#define SL_IPC      0x402000C4U
#define RG_IPC5     0x40201144U

#define ENABLED   0x80000000U
#define NS        0x40U
#define RW        0x1BU
#define READ      0x09U
#define SIZE(l2)  ((uint32_t)((l2)-1) << 24)
#define FOR_PC(n) (1U << (8 + (n)))

/* The test controller in context 7, the CM0+ in 0. */
static int setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_park(*state);
    die_write(*state, 0x4024003CU, 0x303U | 1U << 23);
    die_write(*state, 0x40247C00U, 7);
    return 0;
}

static bool reads(struct sim_chip *chip, uint32_t address)
{
    return !die_read_faults(chip, SIM_AP_SYS, address);
}

static bool writes(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    return !die_write_faults(chip, SIM_AP_SYS, address, value);
}

static void test_registers(void **state)
{
    struct sim_chip *chip = *state;
    assert_int_equal(die_read(chip, PR_ATT0(0)), 0x100);
    assert_int_equal(die_read(chip, PR_ATT1(0)), 0x07000109U);
    die_write(chip, PR_ADDR0(0), 0x40260155U);
    assert_int_equal(die_read(chip, PR_ADDR0(0)), 0x40260155U);
    die_write(chip, PR_ATT0(0), UINT32_MAX);
    assert_int_equal(die_read(chip, PR_ATT0(0)) & 0x24U, 0);             /* never executable */
    assert_true(die_write_faults(chip, SIM_AP_CM0, PR_ADDR0(0) + 8, 0)); /* no such register */
    assert_true(die_write_faults(chip, SIM_AP_CM0, GR_ATT0(2) - 4, 0));  /* fixed address */
    assert_true(die_write_faults(chip, SIM_AP_CM0, 0x40010000U, 0));     /* not modelled */
}

/* What ROM and flash boot keep for context 0: readable or not, never writable. */
static void test_reserved_units(void **state)
{
    static const struct {
        uint32_t address;
        bool readable;
    } cases[] = {
        { 0x40210500U, true },                         /* 15: PROTECTION */
        { 0x40210520U, true },                         /*     CM0_NMI_CTL */
        { 0x40210540U, true },                         /*     AP_CTL */
        { 0x40210320U, true },                         /* 14: CM0_PC0_HANDLER */
        { 0x4025F060U, true },                         /* 13: BOOKMARK */
        { 0x402C0814U, false },                        /* 12: fuses */
        { 0x402C082CU, false }, { 0x4025F00CU, true }, /* 9: flash macro */
    };
    struct sim_chip *chip = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(reads(chip, cases[i].address), cases[i].readable);
        assert_false(writes(chip, cases[i].address, 0));
    }
    for (unsigned i = 9; i < 16; i++)
        assert_false(writes(chip, PR_ATT0(i), 0));
    assert_true(reads(chip, 0x402C0840U)); /* the customer's fuses */
    assert_true(writes(chip, 0x40210020U, 0xF0F0F0F0U));
    die_write(chip, 0x40210540U, 7); /* context 0 may */
}

/* 11 and 10: IPC 0 to 2 and the crypto block, while a call runs. */
static void test_units_during_a_call(void **state)
{
    struct sim_chip *chip = *state;
    assert_true(writes(chip, 0x4023004CU, 0));
    assert_true(writes(chip, 0x40110000U, 0x80000003U));
    die_poke(chip, BLOCK, 0x1C000100U);
    die_poke(chip, BLOCK + 4, 0x100C0000U);
    die_call_start(chip, BLOCK);
    die_run_us(chip, 1000);
    assert_false(writes(chip, 0x4023004CU, 0));
    assert_true(reads(chip, 0x40230050U));     /* whether the lock is free may be polled */
    assert_true(writes(chip, 0x4023006CU, 0)); /* IPC 3 */
    assert_false(reads(chip, 0x40110004U));
    (void)die_call_finish(chip);
    assert_true(writes(chip, 0x4023004CU, 0));
    assert_true(reads(chip, 0x40110004U));
}

static void test_order(void **state)
{
    struct sim_chip *chip = *state;
    assert_true(reads(chip, 0x402300B0U)); /* IPC 5 */
    die_write(chip, GR_ATT0(2), ENABLED | FOR_PC(1) | NS | RW);
    assert_false(reads(chip, 0x402300B0U)); /* the group closes */
    assert_false(reads(chip, 0x40260800U));
    assert_true(reads(chip, 0x40310064U)); /* another group */
    die_write(chip, SL_IPC, ENABLED | FOR_PC(7) | NS | RW);
    assert_true(reads(chip, 0x402300B0U)); /* its peripheral opens */
    assert_false(reads(chip, 0x40260800U));
    die_write(chip, RG_IPC5, ENABLED | FOR_PC(1) | NS | RW);
    assert_false(reads(chip, 0x402300B0U)); /* its struct closes */
    assert_true(reads(chip, 0x402300D0U));
    die_write(chip, PR_ADDR0(3), 0x40230000U);
    die_write(chip, PR_ATT0(3), ENABLED | SIZE(8) | FOR_PC(7) | NS | READ);
    assert_true(reads(chip, 0x402300B0U)); /* a programmable one decides before all */
    assert_false(writes(chip, 0x402300ACU, 0));
    die_write(chip, PR_ADDR0(4), 0x40230000U);
    die_write(chip, PR_ATT0(4), ENABLED | SIZE(8) | FOR_PC(1) | NS | RW);
    assert_false(reads(chip, 0x402300B0U));    /* the higher one before the lower */
    die_write(chip, PR_ADDR0(4), 0x40230020U); /* subregion 5 left out: not its matter */
    assert_true(reads(chip, 0x402300B0U));
    assert_false(die_read_faults(chip, SIM_AP_CM0, 0x40260800U)); /* context 0 is not asked */
}

static void test_user_and_nonsecure(void **state)
{
    struct sim_chip *chip = *state;
    uint32_t value = 0;
    die_write(chip, SL_SRSS, ENABLED | FOR_PC(7) | NS | 0x18U); /* privileged only */
    assert_true(reads(chip, 0x40260800U));
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_SYS, 0x40260800U, 4, false, false, &value), SIM_BUS_FAULT);
    die_write(chip, SL_SRSS, ENABLED | FOR_PC(7) | 0x1BU); /* secure masters only */
    assert_false(reads(chip, 0x40260800U));
    die_write(chip, 0x4024003CU, 0x301U | 1U << 23);
    assert_true(reads(chip, 0x40260800U));
}

/* ---- DMA ---- */

#define DESCRIPTOR 0x08006100U
#define SOURCE     0x08006000U
#define TARGET     0x08006200U
#define DW(n)      (0x40280000U + 0x1000U * (n))
#define TR_CMD     0x40010400U

static void put_descriptor(struct sim_chip *chip, uint32_t control, uint32_t x_ctl)
{
    die_poke(chip, DESCRIPTOR, control);
    die_poke(chip, DESCRIPTOR + 4, SOURCE);
    die_poke(chip, DESCRIPTOR + 8, TARGET);
    die_poke(chip, DESCRIPTOR + 12, x_ctl);
    die_poke(chip, DESCRIPTOR + 16, 0);
}

static void arm(struct sim_chip *chip, unsigned n)
{
    die_write(chip, DW(n), ENABLED);
    die_write(chip, DW(n) + 0x80CU, DESCRIPTOR);
    die_write(chip, DW(n) + 0x810U, 1);
    die_write(chip, DW(n) + 0x800U, ENABLED);
}

static void test_dma_copies(void **state)
{
    struct sim_chip *chip = *state;
    for (unsigned n = 0; n < 2; n++) {
        for (uint32_t i = 0; i < 64; i += 4) {
            die_poke(chip, SOURCE + i, 0x01020304U * (i + n + 1));
            die_poke(chip, TARGET + i, 0);
        }
        put_descriptor(chip, 1U << 30 | 3U << 26 | 2U << 16 | 1U << 6, 1U | 1U << 12 | 7U << 24);
        arm(chip, n);
        die_write(chip, TR_CMD, 0xC0000000U | n << 8);
        assert_int_equal(die_read(chip, DW(n) + 0x804U), 1); /* completion */
        assert_int_equal(die_read(chip, DW(n) + 0x810U), 1);
        for (uint32_t i = 0; i < 64; i += 4)
            assert_int_equal(die_peek(chip, TARGET + i), i < 32 ? die_peek(chip, SOURCE + i) : 0);
        assert_int_equal(die_read(chip, DW(n) + 0x80CU), 0); /* no descriptor follows */
        die_write(chip, DW(n) + 0x810U, 1);
        die_write(chip, TR_CMD, 0xC0000000U | n << 8);
        assert_int_equal(die_read(chip, DW(n) + 0x804U), 6);
    }
    put_descriptor(chip, 2U << 30, 0);
    arm(chip, 0);
    assert_true(die_write_faults(chip, SIM_AP_CM0, TR_CMD, 0xC0000000U)); /* two dimensions */
    assert_true(die_write_faults(chip, SIM_AP_CM0, TR_CMD, 0xC0000001U)); /* channel 1 */
    assert_true(die_read_faults(chip, SIM_AP_CM0, DW(0) + 0x820U));
}

/* The channel has the context of the one who wrote its control, whatever that one writes there. */
static void test_dma_has_its_owners_rights(void **state)
{
    struct sim_chip *chip = *state;
    die_write(chip, 0x40242000U, SOURCE); /* SMPU 0: the source for context 1 alone */
    die_write(chip, 0x40242004U, ENABLED | SIZE(8) | 0xFE00U | NS | RW);
    die_write(chip, 0x40242004U, ENABLED | SIZE(8) | FOR_PC(1) | NS | RW);
    die_poke(chip, SOURCE, 77);
    put_descriptor(chip, 3U << 26 | 2U << 16, 0);
    die_poke(chip, 0x08006300U, 3U << 26 | 2U << 16); /* its descriptor outside the region */
    die_poke(chip, 0x08006304U, SOURCE);
    die_poke(chip, 0x08006308U, TARGET);
    die_poke(chip, 0x0800630CU, 0);
    arm(chip, 0);
    die_write(chip, DW(0) + 0x80CU, 0x08006300U);
    assert_true(writes(chip, DW(0) + 0x800U, ENABLED | 1U << 4)); /* the SYS-AP takes it over */
    assert_int_equal(die_read(chip, DW(0) + 0x800U) >> 4 & 0xFU, 7);
    die_write(chip, TR_CMD, 0xC0000000U);
    assert_int_equal(die_read(chip, DW(0) + 0x804U), 2); /* bus error at the source */
    assert_int_equal(die_read(chip, DW(0) + 0x800U) >> 31, 0);
    die_write(chip, DW(0) + 0x800U, ENABLED); /* context 0 */
    die_write(chip, TR_CMD, 0xC0000000U);
    assert_int_equal(die_read(chip, DW(0) + 0x804U), 1);
    assert_int_equal(die_peek(chip, TARGET), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registers, setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_reserved_units, setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_units_during_a_call, setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_user_and_nonsecure, setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_dma_copies, setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_dma_has_its_owners_rights, setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
