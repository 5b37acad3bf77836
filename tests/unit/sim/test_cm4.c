/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* The CM4 as second core: power and start, interrupts, events, IPC and system calls, its debug
 * port, interleaving with the CM0+, and flash that is being written. */

#define CM0_CODE  0x08002000U
#define CM4_BASE  0x08010000U
#define CM4_CODE  (CM4_BASE + 0x400U)
#define HANDLER   (CM4_BASE + 0x800U)
#define CM4_STACK 0x08020000U
#define FLAG      0x08006000U

#define PWR_CTL     0x40210080U
#define CM4_STATUS  0x40210088U
#define VECTOR_BASE 0x402102C0U
#define DHCSR       0xE000EDF0U
#define DCRSR       0xE000EDF4U
#define DCRDR       0xE000EDF8U
#define DEMCR       0xE000EDFCU
#define AIRCR       0xE000ED0CU
#define DFSR        0xE000ED30U

static const uint16_t count_code[] = { 0x2700, 0x3701, 0xE7FD };
static const uint16_t wfi_code[] = { 0x2700, 0xBF30, 0xE7FD };

static int parked_setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_park(*state);
    return 0;
}

static struct sim_chip_test_core cm4(const struct sim_chip *chip)
{
    return sim_chip_test_core(chip, SIM_AP_CM4);
}

static uint32_t cm4_reg(const struct sim_chip *chip, unsigned reg)
{
    return sim_chip_test_reg(chip, SIM_AP_CM4, reg);
}

static uint32_t ap4_read(struct sim_chip *chip, uint32_t address)
{
    uint32_t value = 0xDEADBEEF;
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_CM4, address, 4, false, true, &value), SIM_BUS_OK);
    return value;
}

static void ap4_write(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_CM4, address, 4, true, true, &value), SIM_BUS_OK);
}

/* Program and vector table of the CM4: every exception to HANDLER, which counts in r7. */
static void load_cm4(struct sim_chip *chip, uint32_t base, const uint16_t *code, size_t count)
{
    static const uint16_t handler[] = { 0x3701, 0x4770 };
    die_poke(chip, base, CM4_STACK);
    die_poke(chip, base + 4, base + 0x401U);
    for (uint32_t i = 2; i < 64; i++)
        die_poke(chip, base + i * 4, HANDLER | 1U);
    die_load(chip, base + 0x400U, code, count);
    die_load(chip, HANDLER, handler, 2);
    die_write(chip, VECTOR_BASE, base);
}

static void power(struct sim_chip *chip, uint32_t mode)
{
    die_write(chip, PWR_CTL, 0x05FA0000U | mode);
}

static void test_power_and_start(void **state)
{
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, count_code, 3);
    assert_int_equal(die_read(chip, PWR_CTL), 0xFA050001U);
    assert_int_equal(die_read(chip, CM4_STATUS), 0x13);
    die_run_us(chip, 100);
    assert_int_equal(cm4(chip).instructions, 0);
    die_write(chip, PWR_CTL, 3); /* no key, no effect */
    assert_int_equal(die_read(chip, PWR_CTL), 0xFA050001U);
    power(chip, 3);
    assert_int_equal(die_read(chip, PWR_CTL), 0xFA050003U);
    assert_int_equal(die_read(chip, CM4_STATUS), 0x10);
    die_run_us(chip, 100);
    /* 100 us at 25 MHz: 2500 edges, a pass takes 3 */
    assert_in_range(cm4_reg(chip, 7), 832, 834);
    assert_int_equal(ap4_read(chip, 0xE000ED08U), CM4_BASE);
    assert_int_equal(cm4(chip).context, 0);
    power(chip, 0);
    assert_int_equal(die_read(chip, CM4_STATUS), 0x13);
    uint64_t stopped = cm4(chip).instructions;
    die_run_us(chip, 100);
    assert_int_equal(cm4(chip).instructions, stopped);
    power(chip, 3);
    die_run_us(chip, 10);
    assert_in_range(cm4_reg(chip, 7), 82, 84); /* started afresh */
    uint32_t value = 0x05FA0002U;              /* retained: not modelled, refused loudly */
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_CM0, PWR_CTL, 4, true, true, &value), SIM_BUS_FAULT);
    die_write(chip, AIRCR, 0x05FA0004U);
    die_run_us(chip, 2000);
    assert_int_equal(die_read(chip, CM4_STATUS), 0x13);
}

static void test_sleep_costs_nothing(void **state)
{
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, wfi_code, 3);
    power(chip, 3);
    die_run_us(chip, 10);
    assert_true(cm4(chip).sleeping);
    assert_int_equal(die_read(chip, CM4_STATUS), 0x11);
    uint64_t busy = cm4(chip).busy_cycles;
    die_run_us(chip, 1000000);
    assert_int_equal(cm4(chip).busy_cycles, busy);
}

/* IPC channel 8, interrupt struct 9 = system interrupt 34 = input 34 of the CM4's NVIC. */
static void test_ipc_interrupt(void **state)
{
    static const uint16_t code[] = { 0x4802, 0x2104, 0x6001, 0x2700, 0xBF30, 0xE7FD, 0xE104,
        0xE000 };
    static const uint16_t handler[] = { 0x4C02, 0x6820, 0x6020, 0x3701, 0x4770, 0x0000, 0x1120,
        0x4023 };
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, code, 8);
    die_load(chip, HANDLER, handler, 8);
    power(chip, 3);
    die_run_us(chip, 10);
    die_write(chip, 0x40231128U, 1U << 24);
    die_write(chip, 0x40230108U, 1U << 9);
    die_run_us(chip, 10);
    assert_int_equal(cm4_reg(chip, 7), 1);
    assert_true(cm4(chip).sleeping);
    assert_int_equal(die_read(chip, 0x40231120U), 0);
    assert_int_equal(ap4_read(chip, 0xE000E104U), 4);
    assert_true(die_read_faults(chip, SIM_AP_CM0, 0xE000E104U)); /* the CM0+ has 32 inputs */
    die_write(chip, 0x402100A0U, 34);                            /* the same interrupt as NMI */
    die_write(chip, 0x40230108U, 1U << 9);
    die_run_us(chip, 10);
    assert_true(cm4_reg(chip, 7) >= 2);
}

/* A system call of the CM4: IPC 1, served by the CM0+ in ROM. */
static void test_system_call(void **state)
{
    static const uint16_t code[] = { 0x4C06, 0x6820, 0x0FC1, 0xD0FC, 0x4905, 0x60E1, 0x2101, 0x60A1,
        0x6920, 0x0FC1, 0xD1FC, 0x68E6, 0xE7FE, 0x0000, 0x0020, 0x4023, 0x0101, 0x0000 };
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, code, 18);
    die_write(chip, 0x40231008U, 0x00070000U);
    power(chip, 3);
    die_run_us(chip, 1000);
    assert_int_equal(cm4_reg(chip, 6), 0xA012E207U);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
}

static void test_events(void **state)
{
    static const uint16_t wait[] = { 0x2700, 0xBF20, 0x3701, 0xE7FC };
    static const uint16_t send[] = { 0x2700, 0x3701, 0xBF40, 0x20C8, 0x3801, 0xD1FD, 0xE7F9 };
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, wait, 4);
    die_load(chip, CM0_CODE, send, 7);
    power(chip, 3);
    sim_chip_test_start(chip, 0x08003000U, CM0_CODE);
    die_run_us(chip, 1000);
    uint32_t sent = sim_chip_test_reg(chip, SIM_AP_CM0, 7);
    assert_true(sent > 30);
    assert_in_range(cm4_reg(chip, 7), sent - 1, sent);
}

/* ---- interleaving ---- */

static const uint16_t ping[] = { 0x4C04, 0x2500, 0x6820, 0x42A8, 0xD1FC, 0x3001, 0x6020, 0x3502,
    0x3701, 0xE7F7, 0x6000, 0x0800 };
static const uint16_t pong[] = { 0x4C04, 0x2501, 0x6820, 0x42A8, 0xD1FC, 0x3001, 0x6020, 0x3502,
    0x3701, 0xE7F7, 0x6000, 0x0800 };

static void start_ping_pong(struct sim_chip *chip)
{
    load_cm4(chip, CM4_BASE, pong, 12);
    die_load(chip, CM0_CODE, ping, 12);
    die_poke(chip, FLAG, 0);
    sim_chip_test_start(chip, 0x08003000U, CM0_CODE);
    power(chip, 3);
}

static void assert_same(const struct sim_chip *a, const struct sim_chip *b)
{
    for (enum sim_ap ap = SIM_AP_CM0; ap <= SIM_AP_CM4; ap++) {
        struct sim_chip_test_core left = sim_chip_test_core(a, ap);
        struct sim_chip_test_core right = sim_chip_test_core(b, ap);
        assert_int_equal(left.busy_cycles, right.busy_cycles);
        assert_int_equal(left.instructions, right.instructions);
        for (unsigned reg = 0; reg < 16; reg++)
            assert_int_equal(sim_chip_test_reg(a, ap, reg), sim_chip_test_reg(b, ap, reg));
    }
    assert_int_equal(die_peek(a, FLAG), die_peek(b, FLAG));
}

/* Each core waits for the other: the turns happen, and always at the same moments, however the time
 * is cut into slices. */
static void test_interleaving_is_exact(void **state)
{
    struct sim_chip *chip = *state;
    struct sim_chip *whole = NULL;
    struct sim_chip *sliced = NULL;
    start_ping_pong(chip);
    assert_int_equal(sim_chip_fork(chip, &whole, NULL), BASE_OK);
    assert_int_equal(sim_chip_fork(chip, &sliced, NULL), BASE_OK);
    die_run_us(whole, 2000);
    for (unsigned i = 0; i < 2000; i++)
        die_run_us(sliced, 1);
    assert_same(whole, sliced);
    uint32_t turns = sim_chip_test_reg(whole, SIM_AP_CM0, 7);
    assert_true(turns > 1000);
    uint32_t both = turns + sim_chip_test_reg(whole, SIM_AP_CM4, 7);
    assert_in_range(die_peek(whole, FLAG), both, both + 1); /* stored, then counted */
    /* a fork in the middle goes on alike */
    struct sim_chip *later = NULL;
    die_run_us(chip, 777);
    assert_int_equal(sim_chip_fork(chip, &later, NULL), BASE_OK);
    die_run_us(later, 1223);
    assert_same(whole, later);
    sim_chip_free(later);
    sim_chip_free(whole);
    sim_chip_free(sliced);
}

/* System calls one after the other from the CM4: events of the ROM fall between the slices. */
static void test_calls_are_exact(void **state)
{
    static const uint16_t code[] = { 0x4C06, 0x6820, 0x0FC1, 0xD0FC, 0x4905, 0x60E1, 0x2101, 0x60A1,
        0x6920, 0x0FC1, 0xD1FC, 0x68E6, 0xE7F3, 0x0000, 0x0020, 0x4023, 0x0101, 0x0000 };
    struct sim_chip *chip = *state;
    struct sim_chip *sliced = NULL;
    load_cm4(chip, CM4_BASE, code, 18);
    die_write(chip, 0x40231008U, 0x00070000U);
    power(chip, 3);
    assert_int_equal(sim_chip_fork(chip, &sliced, NULL), BASE_OK);
    die_run_us(chip, 3000);
    for (unsigned i = 0; i < 75000; i++) /* one clock edge at a time */
        sim_chip_run_until(sliced, sim_chip_time_ps(sliced) + 40000);
    assert_int_equal(sim_chip_time_ps(chip), sim_chip_time_ps(sliced));
    assert_same(chip, sliced);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).instructions > 100);
    sim_chip_free(sliced);
}

/* Two loops of the same length in step: neither core gains an edge on the other. */
static void test_cores_keep_step(void **state)
{
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, count_code, 3);
    die_load(chip, CM0_CODE, count_code, 3);
    power(chip, 3);
    sim_chip_test_start(chip, 0x08003000U, CM0_CODE);
    for (unsigned i = 0; i < 50; i++) {
        die_run_us(chip, 7);
        assert_int_equal(sim_chip_test_reg(chip, SIM_AP_CM0, 7), cm4_reg(chip, 7));
    }
}

/* ---- debug ---- */

static void test_debug_port(void **state)
{
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, count_code, 3);
    power(chip, 3);
    die_run_us(chip, 10);
    ap4_write(chip, DHCSR, 0xA05F0003U);
    assert_int_equal(ap4_read(chip, DHCSR) >> 17 & 1U, 1);
    uint64_t stopped = cm4(chip).instructions;
    die_run_us(chip, 10);
    assert_int_equal(cm4(chip).instructions, stopped);
    assert_false(sim_chip_test_core(chip, SIM_AP_CM0).halted);
    ap4_write(chip, DCRSR, 15);
    assert_in_range(ap4_read(chip, DCRDR), CM4_CODE + 2, CM4_CODE + 4);
    ap4_write(chip, DHCSR, 0xA05F0005U); /* one step */
    die_run_us(chip, 1);
    assert_int_equal(cm4(chip).instructions, stopped + 1);
    assert_true(cm4(chip).halted);
    ap4_write(chip, DEMCR, 0x01000001U); /* vector catch, local reset */
    ap4_write(chip, AIRCR, 0x05FA0001U);
    die_run_us(chip, 1);
    assert_true(cm4(chip).halted);
    assert_int_equal(cm4(chip).pc, CM4_CODE);
    assert_int_equal(cm4(chip).sp, CM4_STACK);
    assert_int_equal(ap4_read(chip, DFSR) & 8U, 8);
    ap4_write(chip, DHCSR, 0xA05F0001U);
    die_run_us(chip, 10);
    assert_true(cm4_reg(chip, 7) > 80);
}

/* Without power the port of the CM4 answers only while the debugger asks for power. */
static void test_debug_power(void **state)
{
    struct sim_chip *chip = *state;
    power(chip, 0);
    assert_true(die_read_faults(chip, SIM_AP_CM4, 0xE000ED00U));
    sim_chip_set_debug_power(chip, true);
    assert_int_equal(ap4_read(chip, 0xE000ED00U), 0x410FC241U);
    assert_int_equal(cm4(chip).instructions, 0);
}

/* ---- flash ---- */

static void start_row_erase(struct sim_chip *chip, uint32_t address)
{
    die_poke(chip, BLOCK, 0x1C000100U);
    die_poke(chip, BLOCK + 4, address);
    die_call_start(chip, BLOCK);
}

/* Executing from the sector pair that is being written faults at once; from the other pair in the
 * block-out windows at the start and at the end; from RAM never. */
static void test_flash_being_written(void **state)
{
    static const struct {
        uint32_t base, erased, after_us;
        bool faults;
    } cases[] = {
        { 0x10000000U, 0x10060000U, 5500, true }, /* pair S0 + S1 */
        { 0x10000000U, 0x100C0000U, 200, true },  /* other pair: window at the start */
        { CM4_BASE, 0x10000000U, 10000, false },
    };
    struct sim_chip *parked = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_chip *chip = NULL;
        assert_int_equal(sim_chip_fork(parked, &chip, NULL), BASE_OK);
        load_cm4(chip, cases[i].base, count_code, 3);
        power(chip, 3);
        die_run_us(chip, 10);
        assert_int_equal(cm4(chip).ipsr, 0);
        start_row_erase(chip, cases[i].erased);
        die_run_us(chip, cases[i].after_us);
        struct sim_chip_test_core core = cm4(chip);
        assert_int_equal(core.ipsr == 3 || core.locked_up, cases[i].faults);
        assert_int_equal(die_call_finish(chip), BLOCK);
        assert_int_equal(die_peek(chip, BLOCK), 0xA0000000U);
        sim_chip_free(chip);
    }
}

/* Data of the other pair can be read between the windows. */
static void test_read_while_write(void **state)
{
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, wfi_code, 3);
    power(chip, 3);
    start_row_erase(chip, 0x100C0000U);
    die_run_us(chip, 200);
    assert_true(die_read_faults(chip, SIM_AP_CM4, 0x10000000U));
    die_run_us(chip, 5000);
    assert_false(die_read_faults(chip, SIM_AP_CM4, 0x10000000U));
    assert_true(die_read_faults(chip, SIM_AP_CM4, 0x10080000U));
    die_run_us(chip, 5800);
    assert_true(die_read_faults(chip, SIM_AP_CM4, 0x10000000U));
    (void)die_call_finish(chip);
    assert_false(die_read_faults(chip, SIM_AP_CM4, 0x10080000U));
}

/* ARMv7-M instructions are not in the subset: HardFault, never silence. */
static void test_subset(void **state)
{
    static const uint16_t code[] = { 0x2700, 0xFB91, 0xF0F2, 0xE7FE }; /* sdiv r0, r1, r2 */
    struct sim_chip *chip = *state;
    load_cm4(chip, CM4_BASE, code, 4);
    power(chip, 3);
    die_run_us(chip, 10);
    assert_true(cm4_reg(chip, 7) > 0); /* the handler ran */
    assert_int_equal(die_peek(chip, CM4_STACK - 8), CM4_CODE + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_power_and_start, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_sleep_costs_nothing, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_ipc_interrupt, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_system_call, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_events, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_interleaving_is_exact, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_calls_are_exact, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_cores_keep_step, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_debug_port, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_debug_power, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_flash_being_written, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_read_while_write, parked_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_subset, parked_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
