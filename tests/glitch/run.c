/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
#define PRIMITIVE_STEPS 40000000U /* of one primitive; the longest needs 26 million */
#define LOOP_WINDOWS    16U       /* in a loop that has come back to where it was */
#define FAR_STOPS       128U /* states of a run are kept at stops 1, 2, 4, ... and every so many */
#define PATIENCE        6U   /* stops in vain, before only */
#define RARE_STOPS      16U  /* every so many are looked at */
#define RETURN_PS       (2000000U * SIM_PS_PER_US)
#define VICTIM_PS       (10000000U * SIM_PS_PER_US)
#define FAULT_FUNCTION  "bl_fault_end"

static const char *const kind_names[KIND_COUNT] = { "instruction skipped", "branch inverted",
    "primitive not called", "primitive's result changed", "inside a primitive" };

enum ending {
    ENDING_GOES_ON,
    ENDING_DONE,
    ENDING_CONVERGED,
    ENDING_MET,   /* came into the state of an earlier run that was disturbed */
    ENDING_STUCK, /* fault handler, lockup, endless sleep, reset, too many instructions */
    ENDING_COUNT
};

/* How a glitch ended, for those that come into the same state later. */
struct outcome {
    uint8_t ending;
    uint8_t verdict;
    const char *why;
};

struct run {
    const struct run_opts *opts;
    struct outcome *outcomes; /* by the point's number */
    uint32_t number;          /* of the present point */
    uint32_t met;             /* the point whose state this victim came into */
    uint64_t operations;      /* of the leader's and the victim's flash when last copied whole */
    struct golden golden;
    struct sim_chip *leader;
    struct sim_chip *victim;
    struct run_counts kinds[KIND_COUNT];
    uint32_t fault_at;
    uint32_t fault_size;
    bool poked;        /* this victim */
    uint64_t until_ps; /* no victim runs longer, even one that executes nothing */
    bool plain;        /* without shortcuts */
    uint64_t compared[ENDING_COUNT];
    uint32_t resets; /* of the start */
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
    const struct sim_chip_test_marks marks = golden_marks(&run->golden);
    const uint8_t mask = run->plain ? 0 : MARK_HOST;
    struct sim_chip *victim = run->victim;
    uint64_t limit = victim->cm0.instructions + PRIMITIVE_STEPS;
    uint64_t until = sim_chip_time_ps(victim) + WINDOW_PS;
    unsigned idle = 0;
    enum ending ending = ENDING_GOES_ON;

    while (ending == ENDING_GOES_ON) {
        if (!sim_chip_test_run_to_mark(victim, &marks, mask, back, until)) {
            ending = look(run, &idle);
            until = sim_chip_time_ps(victim) + WINDOW_PS;
        } else if (victim->cm0.r[15] == (back & ~1U)) {
            break;
        } else if (!golden_on_host(&run->golden, victim) && !golden_step(victim)) {
            ending = ENDING_STUCK;
        }
        if (victim->cm0.instructions > limit)
            ending = ENDING_STUCK;
    }
    return ending;
}

/* The victim's way after the glitch. */
struct way {
    uint64_t own; /* instructions of ours */
    uint64_t calls;
    uint64_t stops;
    uint64_t alike; /* stops where only the processor was as in another run */
    unsigned idle;
    unsigned windows; /* since it came back to where it was; 0 = it did not */
};

/* Has anybody been here? */
static enum ending meet(struct run *run, struct way *way)
{
    uint32_t owner;
    enum states_found found;

    if (run->plain || way->windows > 0)
        return ENDING_GOES_ON;
    way->stops++;
    if (way->alike > PATIENCE && way->stops % RARE_STOPS != 0)
        return ENDING_GOES_ON; /* something lasting differs */
    found = states_find(run->golden.states, run->victim, run->poked, &owner);
    if (found == STATES_SAME) {
        if (owner == STATE_UNDISTURBED)
            return ENDING_CONVERGED;
        if (owner != run->number) {
            run->met = owner;
            return ENDING_MET;
        }
        way->windows = 1;
        return ENDING_GOES_ON;
    }
    way->alike += found == STATES_ALIKE;
    if ((way->stops & (way->stops - 1)) == 0 || way->stops % FAR_STOPS == 0)
        states_add(run->golden.states, run->victim, run->poked, run->number);
    return ENDING_GOES_ON;
}

static enum ending at_mark(struct run *run, struct way *way)
{
    struct sim_chip *victim = run->victim;
    enum ending ending = ENDING_GOES_ON;

    if (golden_is_stop(&run->golden, victim->cm0.r[15]) && run->opts->done(run->opts->user, victim))
        return ENDING_DONE;
    ending = meet(run, way);
    if (ending != ENDING_GOES_ON)
        return ending;
    if (!firmware_is_primitive(run->opts->firmware, victim->cm0.r[15])) {
        if (!golden_step(victim))
            return ENDING_STUCK;
        way->own++;
        return ENDING_GOES_ON;
    }
    way->idle = 0;
    way->calls++;
    if (run->plain || !golden_multiply(&run->golden, victim))
        ending = leave_primitive(run, victim->cm0.r[14]);
    return ending;
}

static enum ending finish(struct run *run)
{
    const struct sim_chip_test_marks marks = golden_marks(&run->golden);
    const uint8_t mask = MARK_PRIMITIVE | MARK_STOP | (run->plain ? 0 : MARK_FUNCTION);
    struct sim_chip *victim = run->victim;
    struct way way = { .own = 0 };
    uint64_t until = sim_chip_time_ps(victim) + WINDOW_PS;
    enum ending ending = ENDING_GOES_ON;

    while (ending == ENDING_GOES_ON) {
        uint64_t before = victim->cm0.instructions;
        bool marked = sim_chip_test_run_to_mark(victim, &marks, mask, 0, until);

        way.own += victim->cm0.instructions - before;
        if (way.own > run->golden.own + EXTRA_STEPS ||
            way.calls > run->golden.entry_count + EXTRA_CALLS)
            return ENDING_STUCK;
        if (marked) {
            ending = at_mark(run, &way);
            continue;
        }
        ending = look(run, &way.idle);
        until = sim_chip_time_ps(victim) + WINDOW_PS;
        if (ending == ENDING_GOES_ON && way.windows > 0 && ++way.windows > LOOP_WINDOWS)
            ending = ENDING_STUCK;
    }
    return ending;
}

static void set_pc(struct sim_chip *chip, uint32_t pc)
{
    sim_chip_test_set_reg(chip, SIM_AP_CM0, 15, pc & ~1U);
}

/* Do it to the victim, which stands right before it. */
static enum ending strike(struct run *run, const struct point *point)
{
    struct sim_chip *victim = run->victim;
    uint32_t pc = victim->cm0.r[15];
    uint32_t back = victim->cm0.r[14];
    uint32_t length = 0;
    uint32_t target = 0;
    enum ending ending = ENDING_GOES_ON;

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
            ending = leave_primitive(run, back);
        sim_chip_test_set_reg(victim, SIM_AP_CM0, 0,
            point->variant == 0 ? (victim->cm0.r[0] == 0 ? 1U : 0U) : ~victim->cm0.r[0]);
        break;
    case KIND_COUNT:
    default:
        break;
    }
    if (point->kind == KIND_RANDOM)
        ending = leave_primitive(run, run->golden.entries[point->call].back);
    return ending;
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

/* The victim becomes the leader. Non-volatile memory is copied only where it may have changed. */
static void follow_leader(struct run *run)
{
    const struct sim_chip *leader = run->leader;
    struct sim_chip *victim = run->victim;

    if (leader->flash_op_count == run->operations && victim->flash_op_count == run->operations) {
        sim_chip_test_copy_volatile(victim, leader);
        return;
    }
    sim_chip_test_copy(victim, leader);
    run->operations = leader->flash_op_count;
}

/* The victim's way from the leader's state to its end. */
static enum ending disturb(struct run *run, const struct point *point)
{
    enum ending ending;

    follow_leader(run);
    run->until_ps = sim_chip_time_ps(run->victim) + VICTIM_PS;
    run->poked = point->at >= run->golden.poked_at;
    ending = strike(run, point);
    return ending == ENDING_GOES_ON ? finish(run) : ending;
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

/* The same glitch without shortcuts ends alike and with the same verdict, and but for those that
 * are stuck, with the same vault, mailbox and ports where the end is at hand. */
static void compare(struct run *run, const struct point *point, enum ending ending)
{
    const struct outcome *outcome = &run->outcomes[run->number];
    struct sim_chip *quick = NULL;
    const struct sim_chip *end = ending == ENDING_CONVERGED ? run->golden.end : run->victim;
    const char *why = "";
    enum ending slow;

    assert_int_equal(sim_chip_fork(end, &quick, NULL), BASE_OK);
    run->plain = true;
    slow = disturb(run, point);
    run->plain = false;
    run->compared[ending]++;
    assert_int_equal(
        slow, outcome->ending == ENDING_CONVERGED ? ENDING_DONE : (enum ending)outcome->ending);
    assert_int_equal(
        run->opts->judge(run->opts->user, run->victim, &why), (enum verdict)outcome->verdict);
    if (slow == ENDING_STUCK || ending == ENDING_MET) {
        sim_chip_free(quick);
        return;
    }
    expect_same(run->victim, quick, PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_SIZE);
    expect_same(run->victim, quick, PROTO_VAULT_HOME_1, PROTO_VAULT_HOME_SIZE);
    expect_same(run->victim, quick, PROTO_MAILBOX_ADDRESS, PROTO_MAILBOX_SIZE);
    for (enum sim_ap ap = SIM_AP_SYS; ap < SIM_AP_COUNT; ap++)
        assert_int_equal(sim_chip_ap_enabled(run->victim, ap), sim_chip_ap_enabled(quick, ap));
    sim_chip_free(quick);
}

/* Keep how the present point ended. */
static struct outcome *note_outcome(struct run *run, enum ending ending)
{
    struct outcome *outcome = &run->outcomes[run->number];
    enum verdict verdict = VERDICT_HELD;

    outcome->why = "";
    if (ending == ENDING_MET) {
        *outcome = run->outcomes[run->met];
        return outcome;
    }
    if (ending != ENDING_CONVERGED)
        verdict = run->opts->judge(run->opts->user, run->victim, &outcome->why);
    outcome->ending = (uint8_t)ending;
    outcome->verdict = (uint8_t)verdict;
    return outcome;
}

static void one(struct run *run, const struct point *point)
{
    struct run_counts *counts = &run->kinds[point->kind];
    uint32_t every = run->opts->compare_every;
    enum ending ending = disturb(run, point);
    const struct outcome *outcome = note_outcome(run, ending);

    counts->done++;
    counts->hung += outcome->ending == ENDING_STUCK;
    counts->converged += ending == ENDING_CONVERGED;
    counts->met += ending == ENDING_MET;
    counts->broken += outcome->verdict == VERDICT_BROKEN;
    counts->damaged += outcome->verdict == VERDICT_DAMAGED;
    if (outcome->verdict != VERDICT_HELD)
        report(run, point, (enum verdict)outcome->verdict, outcome->why);
    if (every != 0 && run->number % every == every - 1)
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

static uint64_t compared(const struct run *run)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ENDING_COUNT; i++)
        sum += run->compared[i];
    return sum;
}

/* From the start again. */
static void restart_leader(struct run *run)
{
    sim_chip_test_copy(run->leader, run->opts->start);
    sim_chip_test_copy(run->victim, run->leader);
    run->operations = run->leader->flash_op_count;
}

static void run_points(struct run *run)
{
    const struct golden *golden = &run->golden;
    time_t begin = time(NULL);

    for (size_t i = 0; i < golden->point_count; i++) {
        const struct point *point = &golden->points[i];

        if (run->opts->seconds != 0 && time(NULL) - begin >= run->opts->seconds &&
            (run->opts->compare_every == 0 || compared(run) > 0))
            break;
        if (i == 0 || golden->points[i - 1].pass != point->pass)
            restart_leader(run);
        advance(run, point->at);
        run->number = (uint32_t)i;
        one(run, point);
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
                      "%llu, as an earlier one %llu\n",
            name, kind_names[kind], (unsigned long long)counts->done,
            (unsigned long long)counts->total, (unsigned long long)counts->broken,
            (unsigned long long)counts->damaged, (unsigned long long)counts->hung,
            (unsigned long long)counts->converged, (unsigned long long)counts->met);
        sum.done += counts->done;
        sum.broken += counts->broken;
        sum.damaged += counts->damaged;
        sum.hung += counts->hung;
        sum.converged += counts->converged;
        sum.met += counts->met;
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
    run.outcomes = calloc(run.golden.point_count, sizeof(*run.outcomes));
    assert_non_null(run.outcomes);
    print_message("%s: %llu instructions undisturbed, %zu primitive calls, %zu multiplications\n",
        name, (unsigned long long)run.golden.instructions, run.golden.entry_count,
        run.golden.memo_count);
    run_points(&run);
    sum = print_counts(name, &run);
    if (opts->compare_every != 0) {
        print_message("%s: compared with runs without shortcuts: %llu to the end, %llu as "
                      "undisturbed, %llu as an earlier one, %llu stuck\n",
            name, (unsigned long long)run.compared[ENDING_DONE],
            (unsigned long long)run.compared[ENDING_CONVERGED],
            (unsigned long long)run.compared[ENDING_MET],
            (unsigned long long)run.compared[ENDING_STUCK]);
        assert_true(compared(&run) > 0);
    }
    if (run.golden.left_out > 0)
        print_message(
            "%s: repetitions in long loops that decide nothing: %llu, of which at most %u "
            "were drawn\n",
            name, (unsigned long long)run.golden.left_out, opts->random_points);
    sim_chip_free(run.leader);
    sim_chip_free(run.victim);
    free(run.outcomes);
    golden_done(&run.golden);
    return sum;
}
