/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Exceptions of the processor: priorities, stacks, returns, events, faults and their causes. */

#define CODE    0x08002000U
#define STACK   0x08004000U
#define HANDLER 0x08002100U

/* Vectors in RAM: every exception n to its own two-instruction handler that counts in r(7) and
 * returns, unless a test puts another one there. */
static int vectors_setup(void **state)
{
    static const uint16_t count[] = { 0x3701, 0x4770 }; /* adds r7, #1; bx lr */
    if (die_setup(state) != 0)
        return -1;
    die_load(*state, HANDLER, count, 2);
    for (uint32_t i = 2; i < 48; i++)
        die_poke(*state, 0x08000000U + i * 4, HANDLER + 1);
    die_write(*state, 0xE000ED08U, 0x08000000U);
    return 0;
}

static uint32_t reg(struct sim_chip *chip, unsigned index)
{
    return sim_chip_test_reg(chip, SIM_AP_CM0, index);
}

static void start(struct sim_chip *chip, const uint16_t *code, size_t count)
{
    die_load(chip, CODE, code, count);
    sim_chip_test_start(chip, STACK, CODE);
}

static void stop_at(struct sim_chip *chip, uint32_t pc)
{
    assert_true(sim_chip_test_run_to(chip, pc, sim_chip_time_ps(chip) + 1000 * SIM_PS_PER_US));
}

static void test_entry_cost_and_frame(void **state)
{
    static const uint16_t code[] = {
        0x2700, /* movs r7, #0 */
        0xDF00, /* svc #0 */
        0xE7FE,
    };
    struct sim_chip *chip = *state;
    start(chip, code, 3);
    stop_at(chip, CODE + 2);
    uint64_t before = sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles;
    stop_at(chip, HANDLER);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles - before, 1 + 15);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 11);
    assert_int_equal(reg(chip, 14), 0xFFFFFFF9U);
    assert_int_equal(reg(chip, 13), STACK - 32);
    assert_int_equal(die_peek(chip, STACK - 8), CODE + 4);
    assert_int_equal(die_peek(chip, STACK - 4) & 0x01000000U, 0x01000000U);
    stop_at(chip, CODE + 4);
    assert_int_equal(reg(chip, 7), 1);
    assert_int_equal(reg(chip, 13), STACK);
}

/* A stack that is only word-aligned is aligned for the frame and restored. */
static void test_stack_alignment(void **state)
{
    static const uint16_t code[] = { 0xB081, 0xDF00, 0xE7FE }; /* sub sp, #4; svc; b . */
    struct sim_chip *chip = *state;
    start(chip, code, 3);
    stop_at(chip, HANDLER);
    assert_int_equal(reg(chip, 13), STACK - 40);
    assert_int_equal(die_peek(chip, STACK - 40 + 28) >> 9 & 1U, 1);
    stop_at(chip, CODE + 4);
    assert_int_equal(reg(chip, 13), STACK - 4);
}

/* PendSV at a lower priority waits for the SVC handler that asked for it. */
static void test_pendsv_waits(void **state)
{
    static const uint16_t code[] = { 0xDF00, 0xE7FE };
    static const uint16_t svc[] = {
        0x4903,         /* 0: ldr r1, =0xE000ED04 */
        0x2001,         /* 1: movs r0, #1 */
        0x0700,         /* 2: lsls r0, #28 */
        0x6008,         /* 3: str r0, [r1] */
        0x463E,         /* 4: mov r6, r7 (PendSV has not run yet) */
        0x4770,         /* 5: bx lr */
        0x46C0, 0x46C0, /* 6 */
        0xED04, 0xE000, /* 8 */
    };
    struct sim_chip *chip = *state;
    die_load(chip, 0x08002200U, svc, sizeof(svc) / 2);
    die_poke(chip, 11 * 4 + 0x08000000U, 0x08002201U);
    die_write(chip, 0xE000ED20U, 0xC0U << 16);
    start(chip, code, 2);
    stop_at(chip, CODE + 2);
    assert_int_equal(reg(chip, 7) - reg(chip, 6), 1);
}

/* A better interrupt preempts the handler of a worse one; an equal one does not. */
static void test_interrupt_priorities(void **state)
{
    static const uint16_t code[] = { 0x2700, 0xBF30, 0xE7FD };
    static const uint16_t slow[] = {
        0x4902,         /* 0: ldr r1, =0xE000E200 */
        0x2006,         /* 1: movs r0, #6 (pend IRQ 1 and 2) */
        0x6008,         /* 2: str r0, [r1] */
        0x463E,         /* 3: mov r6, r7: after the preemption */
        0x4770,         /* 4: bx lr */
        0x46C0,         /* 5 */
        0xE200, 0xE000, /* 6 */
    };
    struct sim_chip *chip = *state;
    die_load(chip, 0x08002200U, slow, sizeof(slow) / 2);
    die_poke(chip, 16 * 4 + 0x08000000U, 0x08002201U);
    die_write(chip, 0xE000E400U, 0x00804080U); /* IRQ 0: 0x80, 1: 0x40, 2: 0x80 */
    die_write(chip, 0xE000E100U, 7);
    start(chip, code, 3);
    die_run_us(chip, 5);
    die_write(chip, 0xE000E200U, 1);
    die_run_us(chip, 10);
    assert_int_equal(reg(chip, 6), 1); /* IRQ 1 came in between, IRQ 2 did not */
    assert_int_equal(reg(chip, 7), 2);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
}

static void test_process_stack(void **state)
{
    static const uint16_t code[] = {
        0x4804,         /* 0: ldr r0, =0x08005000 */
        0xF380, 0x8809, /* 1: msr psp, r0 */
        0x2002,         /* 3: movs r0, #2 */
        0xF380, 0x8814, /* 4: msr control, r0 */
        0xDF00,         /* 6: svc */
        0xF3EF, 0x8314, /* 7: mrs r3, control */
        0xE7FE,         /* 9 */
        0x5000, 0x0800, /* 10 */
    };
    struct sim_chip *chip = *state;
    start(chip, code, sizeof(code) / 2);
    stop_at(chip, HANDLER);
    assert_int_equal(reg(chip, 14), 0xFFFFFFFDU);
    assert_int_equal(reg(chip, 13), STACK); /* main stack untouched */
    assert_int_equal(die_peek(chip, 0x08005000U - 8), CODE + 14);
    stop_at(chip, CODE + 18);
    assert_int_equal(reg(chip, 13), 0x08005000U);
    assert_int_equal(reg(chip, 3), 2);
}

static void test_primask_and_wfi(void **state)
{
    static const uint16_t code[] = {
        0x2700, /* movs r7, #0 */
        0xB672, /* cpsid i */
        0xBF30, /* wfi: wakes, but the handler has to wait */
        0x2601, /* movs r6, #1 */
        0x463D, /* mov r5, r7 */
        0xB662, /* cpsie i */
        0xE7FE,
    };
    struct sim_chip *chip = *state;
    die_write(chip, 0xE000E100U, 1);
    start(chip, code, sizeof(code) / 2);
    die_run_us(chip, 10);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    die_write(chip, 0xE000E200U, 1);
    stop_at(chip, CODE + 12);
    assert_int_equal(reg(chip, 5), 0);
    assert_int_equal(reg(chip, 6), 1);
    assert_int_equal(reg(chip, 7), 1);
}

static void test_wfe_and_sev(void **state)
{
    static const uint16_t code[] = {
        0xBF40, /* sev */
        0xBF20, /* wfe: falls through */
        0x2601, /* movs r6, #1 */
        0xBF20, /* wfe: sleeps */
        0x2602, /* movs r6, #2 */
        0xE7FE,
    };
    struct sim_chip *chip = *state;
    start(chip, code, sizeof(code) / 2);
    die_run_us(chip, 10);
    assert_int_equal(reg(chip, 6), 1);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    die_write(chip, 0xE000ED10U, 0x10);                        /* SEVONPEND */
    die_write(chip, 0xE000E200U, 1);                           /* pending, not enabled */
    die_write(chip, 0x40210020U, die_read(chip, 0x40210020U)); /* routes again */
    die_run_us(chip, 10);
    assert_int_equal(reg(chip, 6), 2);
}

/* A count of instructions is exact even when the last one sleeps and something wakes at once. */
static void test_exact_count_across_sleep(void **state)
{
    static const uint16_t code[] = {
        0xB672, /* cpsid i */
        0xBF30, /* wfi: an interrupt is pending */
        0x3601, /* adds r6, #1 */
        0xE7FD, /* b back */
    };
    struct sim_chip *chip = *state;
    start(chip, code, 4);
    die_write(chip, 0xE000E100U, 1);
    uint64_t count = sim_chip_test_core(chip, SIM_AP_CM0).instructions;
    uint64_t limit = sim_chip_time_ps(chip) + 1000 * SIM_PS_PER_US;
    for (uint64_t i = 1; i <= 10; i++) {
        assert_true(sim_chip_test_run_instructions(chip, count + i, limit));
        assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).instructions, count + i);
        die_write(chip, 0xE000E200U, 1);
    }
}

/* Each of these instructions must fault at its own address. */
static void test_faults(void **state)
{
    static const struct {
        uint16_t code[4];
        unsigned at; /* index of the faulting instruction */
    } cases[] = {
        { { 0x2001, 0x6800, 0xE7FE, 0 }, 1 },      /* ldr from 1: unaligned */
        { { 0x2000, 0x6000, 0xE7FE, 0 }, 1 },      /* str to ROM */
        { { 0x2005, 0x0740, 0x6800, 0xE7FE }, 2 }, /* ldr from 0xA0000000: nothing there */
        { { 0xBE00, 0xE7FE, 0, 0 }, 0 },           /* bkpt without a debugger */
        { { 0xB100, 0xE7FE, 0, 0 }, 0 },           /* cbz: not in ARMv6-M */
        { { 0xBF08, 0xE7FE, 0, 0 }, 0 },           /* it: not in ARMv6-M */
        { { 0xF8D0, 0x0000, 0xE7FE, 0 }, 0 },      /* ldr.w: not in ARMv6-M */
        { { 0xB672, 0xDF00, 0xE7FE, 0 }, 1 },      /* svc with PRIMASK */
        { { 0x20FF, 0x0600, 0x4700, 0xE7FE }, 3 }, /* bx to 0xFF000000: see below */
    };
    struct sim_chip *chip = *state;
    for (size_t i = 0; i + 1 < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sim_chip *copy = NULL;
        assert_int_equal(sim_chip_fork(chip, &copy, NULL), BASE_OK);
        start(copy, cases[i].code, 4);
        stop_at(copy, HANDLER);
        assert_int_equal(sim_chip_test_core(copy, SIM_AP_CM0).ipsr, 3);
        assert_int_equal(die_peek(copy, reg(copy, 13) + 24), CODE + cases[i].at * 2);
        sim_chip_free(copy);
    }
    start(chip, cases[8].code, 4); /* the target is what cannot be executed */
    stop_at(chip, HANDLER);
    assert_int_equal(die_peek(chip, reg(chip, 13) + 24), 0xFF000000U);
}

/* ---- frames without privilege ---- */

#define PROCESS_STACK 0x08005000U
#define SVC_HANDLER   0x08002200U

/* Thread mode with this CONTROL on the process stack, then SVC. */
static void start_on_process_stack(struct sim_chip *chip, uint16_t control)
{
    const uint16_t code[] = {
        0x4804,                           /* 0: ldr r0, =0x08005000 */
        0xF380, 0x8809,                   /* 1: msr psp, r0 */
        0x2000 | control, 0xF380, 0x8814, /* 3: msr control, r0 */
        0xDF00,                           /* 6: svc */
        0xE7FE,                           /* 7 */
        0x46C0, 0x46C0,                   /* 8 */
        0x5000, 0x0800,                   /* 10 */
    };

    start(chip, code, sizeof(code) / 2);
}

/* All may be read, written and executed, but the process stack has these access permissions. */
static void protect_process_stack(struct sim_chip *chip, uint32_t permissions)
{
    die_write(chip, 0xE000ED98U, 0);
    die_write(chip, 0xE000ED9CU, 0);
    die_write(chip, 0xE000EDA0U, 3U << 24 | 31U << 1 | 1U);
    die_write(chip, 0xE000ED98U, 1);
    die_write(chip, 0xE000ED9CU, PROCESS_STACK - 256U);
    die_write(chip, 0xE000EDA0U, permissions << 24 | 7U << 1 | 1U);
    die_write(chip, 0xE000ED94U, 1);
}

static void check_hard_fault(struct sim_chip *chip, uint32_t lr)
{
    stop_at(chip, HANDLER);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 3);
    assert_int_equal(reg(chip, 14), lr);
    assert_int_equal(reg(chip, 13), STACK);
}

/* The frame is stored with the rights of the code that was interrupted (PushStack). */
static void test_push_without_privilege(void **state)
{
    struct sim_chip *chip = *state;

    start_on_process_stack(chip, 3);
    stop_at(chip, CODE + 12);
    protect_process_stack(chip, 1); /* privileged only */
    check_hard_fault(chip, 0xFFFFFFFDU);
    assert_int_equal(die_read(chip, 0xE000ED24U) & 0x8000U, 0x8000U); /* the SVC still waits */
}

/* It is fetched with the rights of the code that it returns to (ExceptionReturn, PopStack), and a
 * fault of that is the HardFault's own: the left handler is over, no second frame is stored. */
static void test_pop_without_privilege(void **state)
{
    static const uint16_t svc[] = {
        0x2003, 0xF380, 0x8814, /* 0: msr control, 3 */
        0x4770,                 /* 3: bx lr */
    };

    for (uint32_t permissions = 1; permissions <= 3; permissions += 2) {
        struct sim_chip *chip = NULL;

        assert_int_equal(sim_chip_fork(*state, &chip, NULL), BASE_OK);
        die_load(chip, SVC_HANDLER, svc, sizeof(svc) / 2);
        die_poke(chip, 11 * 4 + 0x08000000U, SVC_HANDLER + 1);
        start_on_process_stack(chip, 2); /* privileged: the frame can be stored */
        stop_at(chip, SVC_HANDLER);
        protect_process_stack(chip, permissions);
        if (permissions == 3) {
            stop_at(chip, CODE + 14); /* anybody's: it goes back */
            assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 0);
        } else {
            check_hard_fault(chip, 0xFFFFFFFDU);
        }
        assert_int_equal(die_read(chip, 0xE000ED24U) & 0x80U, 0); /* no SVC is active */
        sim_chip_free(chip);
    }
}

/* ---- lockup ---- */

/* A fault whose frame cannot be stored, while SysTick interrupts. */
static void lock_up(struct sim_chip *chip)
{
    static const uint16_t code[] = {
        0x2700,         /* 0: movs r7, #0 */
        0x2080,         /* 1: movs r0, #0x80 (ROM) */
        0xF380, 0x8809, /* 2: msr psp, r0 */
        0x2002,         /* 4: movs r0, #2 */
        0xF380, 0x8814, /* 5: msr control, r0 */
        0xDE00,         /* 7: udf */
    };

    die_write(chip, 0xE000E014U, 99);
    die_write(chip, 0xE000E018U, 0);
    die_write(chip, 0xE000E010U, 7);
    start(chip, code, sizeof(code) / 2);
    stop_at(chip, CODE + 14);
    die_run_us(chip, 100); /* 25 ticks */
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
}

/* Priority -1: no tick ends it. The NMI does, and goes back to it. */
static void test_lockup(void **state)
{
    struct sim_chip *chip = *state;

    lock_up(chip);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 3);
    assert_int_equal(die_read(chip, 0xE000ED04U) & 1U << 26, 1U << 26); /* the tick waits */
    assert_int_equal(reg(chip, 7), 0);                                  /* nobody's handler ran */
    die_write(chip, 0xE000ED04U, 1U << 31);
    stop_at(chip, HANDLER);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 2);
    assert_false(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
    die_run_us(chip, 100);
    assert_int_equal(reg(chip, 7), 1);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
}

/* No vector can be read: first the exception's own, then the HardFault's; then the NMI's. */
static void test_lockup_without_vectors(void **state)
{
    static const uint16_t code[] = { 0xDF00, 0xE7FE };
    struct sim_chip *chip = *state;

    die_write(chip, 0xE000ED08U, 0xA0000000U);
    start(chip, code, 2);
    die_run_us(chip, 10);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 3);
    die_write(chip, 0xE000ED04U, 1U << 31);
    die_run_us(chip, 10);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).locked_up);
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).ipsr, 2);
}

static void test_load_multiple_with_base(void **state)
{
    static const uint16_t code[] = {
        0x4803,                 /* 0: ldr r0, =0x08005000 */
        0x4601,                 /* 1: mov r1, r0 */
        0xC906,                 /* 2: ldmia r1, {r1, r2}: the base is loaded, no write-back */
        0xC005,                 /* 3: stmia r0!, {r0, r2}: the old base is stored */
        0xE7FE,                 /* 4 */
        0x46C0, 0x46C0, 0x46C0, /* 5 */
        0x5000, 0x0800,         /* 8 */
    };
    struct sim_chip *chip = *state;
    die_poke(chip, 0x08005000U, 0x11);
    die_poke(chip, 0x08005004U, 0x22);
    start(chip, code, sizeof(code) / 2);
    stop_at(chip, CODE + 8);
    assert_int_equal(reg(chip, 1), 0x11);
    assert_int_equal(reg(chip, 2), 0x22);
    assert_int_equal(reg(chip, 0), 0x08005008U);
    assert_int_equal(die_peek(chip, 0x08005000U), 0x08005000U);
}

static void test_systick_registers(void **state)
{
    struct sim_chip *chip = *state;
    die_write(chip, 0xE000E014U, 999);
    die_write(chip, 0xE000E018U, 0);
    die_write(chip, 0xE000E010U, 5); /* no interrupt */
    die_run_us(chip, 10);            /* 250 clocks */
    uint32_t left = die_read(chip, 0xE000E018U);
    assert_in_range(left, 740, 760);
    assert_int_equal(die_read(chip, 0xE000E010U), 5);
    die_run_us(chip, 40);
    assert_int_equal(die_read(chip, 0xE000E010U), 0x10005U);
    assert_int_equal(die_read(chip, 0xE000E010U), 5);                /* COUNTFLAG reads once */
    assert_true(die_write_faults(chip, SIM_AP_CM0, 0xE000E010U, 1)); /* external clock */
    assert_true(die_write_faults(chip, SIM_AP_CM0, 0xE000ED10U, 4)); /* deep sleep */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_entry_cost_and_frame, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_stack_alignment, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_pendsv_waits, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_interrupt_priorities, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_process_stack, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_primask_and_wfi, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_wfe_and_sev, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_exact_count_across_sleep, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_faults, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_push_without_privilege, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_pop_without_privilege, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_lockup, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_lockup_without_vectors, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_load_multiple_with_base, vectors_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_systick_registers, vectors_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
