/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/glitch/run.h"

#include <cmocka.h>

#include "tests/glitch/golden.h"

/* Not a multiple of the tick, so that a sleeping core is not always met awake. */
#define WINDOW_PS    (193U * SIM_PS_PER_US)
#define IDLE_WINDOWS 8U
/* What a disturbed run may need beyond the undisturbed one before it counts as stuck. */
#define EXTRA_STEPS     500000U   /* of our own code */
#define EXTRA_CALLS     64U       /* of primitives */
#define PRIMITIVE_STEPS 20000000U /* of one primitive */
#define RETURN_PS       (2000000U * SIM_PS_PER_US)
#define VICTIM_PS       (10000000U * SIM_PS_PER_US)
#define FAULT_FUNCTION  "bl_fault_end"

static const char *const kind_names[KIND_COUNT] = { "instruction skipped", "branch inverted",
    "primitive not called", "primitive's result changed", "inside a primitive" };

struct run {
    const struct run_opts *opts;
    struct golden golden;
    struct sim_chip *leader;
    struct sim_chip *victim;
    struct run_counts kinds[KIND_COUNT];
    uint32_t fault_at;
    uint32_t fault_size;
    bool poked;        /* this victim */
    uint64_t until_ps; /* no victim runs longer, even one that executes nothing */
    bool plain;        /* without shortcuts */
    uint64_t compared;
    uint32_t resets; /* of the start */
};

enum ending {
    ENDING_GOES_ON,
    ENDING_DONE,
    ENDING_CONVERGED,
    ENDING_STUCK, /* fault handler, lockup, endless sleep, reset, too many instructions */
};

static enum ending look(struct run *run, unsigned *idle)
{
    struct sim_chip_test_core core = sim_chip_test_core(run->victim, SIM_AP_CM0);

    if (!run->poked && run->opts->poke != NULL)
        run->poked = run->opts->poke(run->opts->user, run->victim);
    if (run->opts->done(run->opts->user, run->victim))
        return ENDING_DONE;
    if (core.locked_up || core.pc - run->fault_at < run->fault_size ||
        sim_chip_reset_count(run->victim) != run->resets || !sim_chip_powered(run->victim))
        return ENDING_STUCK;
    if (sim_chip_time_ps(run->victim) > run->until_ps)
        return ENDING_STUCK;
    *idle = core.sleeping ? *idle + 1 : 0;
    return *idle > IDLE_WINDOWS ? ENDING_STUCK : ENDING_GOES_ON;
}

/* Through a primitive to where it goes back. */
static enum ending leave_primitive(struct run *run, uint32_t back)
{
    const struct sim_chip_test_range stops[2] = { { back & ~1U, back | 1U },
        { run->golden.compress, run->golden.compress + (run->plain ? 0U : 1U) } };
    uint64_t limit = run->victim->cm0.instructions + PRIMITIVE_STEPS;
    unsigned idle = 0;
    enum ending ending = ENDING_GOES_ON;

    while (ending == ENDING_GOES_ON) {
        if (sim_chip_test_run_into(run->victim, stops, sim_chip_time_ps(run->victim) + WINDOW_PS)) {
            if (run->victim->cm0.r[15] == stops[0].low)
                break;
            if (!golden_compress(&run->golden, run->victim))
                golden_step(run->victim);
        } else {
            ending = look(run, &idle);
        }
        if (run->victim->cm0.instructions > limit)
            ending = ENDING_STUCK;
    }
    return ending;
}

static enum ending finish(struct run *run, uint32_t call)
{
    const struct firmware *firmware = run->opts->firmware;
    const struct sim_chip_test_range stops[2] = {
        { firmware->primitive_low, firmware->primitive_high }, { 0, 0 }
    };
    struct sim_chip *victim = run->victim;
    uint64_t own = 0; /* instructions of ours */
    uint64_t calls = 0;
    unsigned idle = 0;
    enum ending ending = ENDING_GOES_ON;

    while (ending == ENDING_GOES_ON) {
        uint64_t before = victim->cm0.instructions;
        bool at_primitive =
            sim_chip_test_run_into(victim, stops, sim_chip_time_ps(victim) + WINDOW_PS);

        own += victim->cm0.instructions - before;
        if (own > run->golden.own + EXTRA_STEPS || calls > run->golden.entry_count + EXTRA_CALLS)
            return ENDING_STUCK;
        if (!at_primitive) {
            ending = look(run, &idle);
            continue;
        }
        idle = 0;
        calls++;
        if (!run->plain && golden_converged(&run->golden, victim, &call))
            return ENDING_CONVERGED;
        if (run->plain || !golden_multiply(&run->golden, victim))
            ending = leave_primitive(run, victim->cm0.r[14]);
    }
    return ending;
}

static void set_pc(struct sim_chip *chip, uint32_t pc)
{
    sim_chip_test_set_reg(chip, SIM_AP_CM0, 15, pc & ~1U);
}

/* Do it to the victim, which stands right before it. Returns the next primitive call's number. */
static uint32_t strike(struct run *run, const struct point *point)
{
    struct sim_chip *victim = run->victim;
    uint32_t pc = victim->cm0.r[15];
    uint32_t back = victim->cm0.r[14];
    uint32_t length = 0;
    uint32_t target = 0;

    switch ((enum kind)point->kind) {
    case KIND_SKIP:
    case KIND_RANDOM:
        (void)golden_instruction(victim, pc, &length);
        set_pc(victim, pc + length);
        break;
    case KIND_BRANCH:
        assert_true(golden_other_way(victim, pc, &target));
        set_pc(victim, target);
        break;
    case KIND_CALL:
        set_pc(victim, back);
        break;
    case KIND_RESULT:
        if (run->plain || !golden_multiply(&run->golden, victim))
            (void)leave_primitive(run, back);
        sim_chip_test_set_reg(victim, SIM_AP_CM0, 0,
            point->variant == 0 ? (victim->cm0.r[0] == 0 ? 1U : 0U) : ~victim->cm0.r[0]);
        break;
    case KIND_COUNT:
    default:
        break;
    }
    if (point->kind == KIND_RANDOM)
        (void)leave_primitive(run, run->golden.entries[point->call]->r[14]);
    return point->kind == KIND_SKIP || point->kind == KIND_BRANCH ? point->call : point->call + 1;
}

static void report(
    const struct run *run, const struct point *point, enum verdict verdict, const char *why)
{
    uint32_t length = 0;
    uint32_t function = point->pc;

    if (!run->opts->verbose && verdict != VERDICT_BROKEN)
        return;
    (void)golden_instruction(run->opts->start, point->pc, &length);
    print_message("  %s: %s at 0x%08x in %s, instruction %llu, variant %u: %s\n",
        verdict == VERDICT_BROKEN ? "BROKEN" : "damaged", kind_names[point->kind], point->pc,
        firmware_name_at(run->opts->firmware, function), (unsigned long long)point->at,
        point->variant, why);
}

/* The victim's way from the leader's state to its end. */
static enum ending disturb(struct run *run, const struct point *point)
{
    sim_chip_test_copy(run->victim, run->leader);
    run->until_ps = sim_chip_time_ps(run->victim) + VICTIM_PS;
    run->poked = point->at >= run->golden.poked_at;
    return finish(run, strike(run, point));
}

static void expect_same(
    const struct sim_chip *a, const struct sim_chip *b, uint32_t from, size_t length)
{
    uint8_t bytes[2][PROTO_MAILBOX_SIZE];

    assert_true(length <= sizeof(bytes[0]));
    assert_true(sim_chip_test_read(a, from, bytes[0], length));
    assert_true(sim_chip_test_read(b, from, bytes[1], length));
    assert_memory_equal(bytes[0], bytes[1], length);
}

/* The same glitch without shortcuts ends in the same vault, mailbox and ports. */
static void compare(struct run *run, const struct point *point, enum ending ending)
{
    struct sim_chip *quick = NULL;
    const struct sim_chip *end = ending == ENDING_CONVERGED ? run->golden.end : run->victim;

    assert_int_equal(sim_chip_fork(end, &quick, NULL), BASE_OK);
    run->plain = true;
    assert_int_equal(disturb(run, point), ending == ENDING_CONVERGED ? ENDING_DONE : ending);
    run->plain = false;
    run->compared++;
    expect_same(run->victim, quick, PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_SIZE);
    expect_same(run->victim, quick, PROTO_VAULT_HOME_1, PROTO_VAULT_HOME_SIZE);
    expect_same(run->victim, quick, PROTO_MAILBOX_ADDRESS, PROTO_MAILBOX_SIZE);
    for (enum sim_ap ap = SIM_AP_SYS; ap < SIM_AP_COUNT; ap++)
        assert_int_equal(sim_chip_ap_enabled(run->victim, ap), sim_chip_ap_enabled(quick, ap));
    sim_chip_free(quick);
}

static void one(struct run *run, const struct point *point, size_t number)
{
    struct run_counts *counts = &run->kinds[point->kind];
    uint32_t every = run->opts->compare_every;
    const char *why = "";
    enum ending ending = disturb(run, point);
    enum verdict verdict = VERDICT_HELD;

    if (ending != ENDING_CONVERGED)
        verdict = run->opts->judge(run->opts->user, run->victim, &why);
    counts->done++;
    counts->hung += ending == ENDING_STUCK;
    counts->converged += ending == ENDING_CONVERGED;
    counts->broken += verdict == VERDICT_BROKEN;
    counts->damaged += verdict == VERDICT_DAMAGED;
    if (verdict != VERDICT_HELD)
        report(run, point, verdict, why);
    if (every != 0 && number % every == every - 1 && ending != ENDING_STUCK)
        compare(run, point, ending);
}

static void advance_to(struct run *run, uint64_t at)
{
    assert_true(sim_chip_test_run_instructions(
        run->leader, run->golden.base + at, sim_chip_time_ps(run->leader) + 10 * RETURN_PS));
}

static void advance(struct run *run, uint64_t at)
{
    uint64_t poked_at = run->golden.poked_at;

    if (at >= poked_at && run->leader->cm0.instructions - run->golden.base < poked_at)
        advance_to(run, poked_at);
    if (run->leader->cm0.instructions - run->golden.base == poked_at)
        (void)run->opts->poke(run->opts->user, run->leader);
    advance_to(run, at);
}

static void run_points(struct run *run)
{
    const struct golden *golden = &run->golden;
    time_t begin = time(NULL);

    for (size_t i = 0; i < golden->point_count; i++) {
        const struct point *point = &golden->points[i];

        if (run->opts->seconds != 0 && time(NULL) - begin >= run->opts->seconds &&
            (run->opts->compare_every == 0 || run->compared > 0))
            break;
        if (i == 0 || golden->points[i - 1].pass != point->pass)
            sim_chip_test_copy(run->leader, run->opts->start);
        advance(run, point->at);
        one(run, point, i);
        if (run->opts->until_broken && run->kinds[point->kind].broken > 0)
            break;
    }
}

static struct run_counts print_counts(const char *name, const struct run *run)
{
    struct run_counts sum = { .total = run->golden.point_count };

    for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
        const struct run_counts *counts = &run->kinds[kind];

        print_message("%s: %s: %llu of %llu, broken %llu, damaged %llu, stuck %llu, as undisturbed "
                      "%llu\n",
            name, kind_names[kind], (unsigned long long)counts->done,
            (unsigned long long)counts->total, (unsigned long long)counts->broken,
            (unsigned long long)counts->damaged, (unsigned long long)counts->hung,
            (unsigned long long)counts->converged);
        sum.done += counts->done;
        sum.broken += counts->broken;
        sum.damaged += counts->damaged;
        sum.hung += counts->hung;
        sum.converged += counts->converged;
    }
    print_message("%s: %llu of %llu glitches, broken %llu, damaged %llu, seed %llu\n", name,
        (unsigned long long)sum.done, (unsigned long long)sum.total, (unsigned long long)sum.broken,
        (unsigned long long)sum.damaged, (unsigned long long)run->opts->seed);
    return sum;
}

struct run_counts run_scenario(const char *name, const struct run_opts *opts)
{
    struct run run = { .opts = opts, .resets = sim_chip_reset_count(opts->start) };
    struct run_counts sum;

    run.fault_at = firmware_symbol(opts->firmware, FAULT_FUNCTION, &run.fault_size);
    golden_record(&run.golden, opts);
    for (size_t i = 0; i < run.golden.point_count; i++)
        run.kinds[run.golden.points[i].kind].total++;
    assert_int_equal(sim_chip_fork(opts->start, &run.leader, NULL), BASE_OK);
    assert_int_equal(sim_chip_fork(opts->start, &run.victim, NULL), BASE_OK);
    print_message("%s: %llu instructions undisturbed, %zu primitive calls, %zu multiplications\n",
        name, (unsigned long long)run.golden.instructions, run.golden.entry_count,
        run.golden.memo_count);
    run_points(&run);
    sum = print_counts(name, &run);
    if (opts->compare_every != 0) {
        print_message("%s: %llu compared with runs without shortcuts\n", name,
            (unsigned long long)run.compared);
        assert_true(run.compared > 0);
    }
    if (run.golden.left_out > 0)
        print_message("%s: repetitions left out in long loops that decide nothing: %llu\n", name,
            (unsigned long long)run.golden.left_out);
    sim_chip_free(run.leader);
    sim_chip_free(run.victim);
    golden_done(&run.golden);
    return sum;
}
