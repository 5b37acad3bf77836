/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random ARMv6-M instructions on the simulated processor and on Unicorn's Cortex-M0: same
 * registers, flags, memory and faults, or the difference is one of Unicorn's known errors.
 *
 * usage: test_unicorn [--cases N] [--seconds N] [--seed N] [--soak]
 *
 * LPA_SECONDS limits the time; 0 makes ten million cases of the hundred thousand, as --soak does.
 * Prints cases and disagreements by class. Ends with 1 on a disagreement that no rule excuses, or
 * when a bug planted on our side (SBC executed as ADC, and others) stays unseen.
 */
#include "tests/interop/unicorn_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/core_int.h"

#define DATA_WINDOW 0x08004000U
#define DATA_SIZE   0x2000U
#define CODE_WINDOW 0x08010000U
#define CODE_SLOTS  2048U
#define SLOT_SIZE   32U
#define STACK_TOP   0x08005000U
#define SOAK_CASES  10000000U
#define SHOW_FIRST  10U

struct instruction_class {
    const char *name;
    uint16_t base, random_bits;
    uint64_t cases, excused, disagreements;
};

enum {
    CLASS_BL = 16,
    CLASS_SYSTEM,
    CLASS_ANY,
    CLASS_COUNT
};

static const struct instruction_class class_table[CLASS_COUNT] = {
    { "shift by immediate", 0x0000, 0x1FFF, 0, 0, 0 },
    { "add, subtract", 0x1800, 0x07FF, 0, 0, 0 },
    { "immediate", 0x2000, 0x1FFF, 0, 0, 0 },
    { "data processing", 0x4000, 0x03FF, 0, 0, 0 },
    { "high registers, BX, BLX", 0x4400, 0x03FF, 0, 0, 0 },
    { "load literal", 0x4800, 0x07FF, 0, 0, 0 },
    { "load, store by register", 0x5000, 0x0FFF, 0, 0, 0 },
    { "load, store word", 0x6000, 0x0FFF, 0, 0, 0 },
    { "load, store byte", 0x7000, 0x0FFF, 0, 0, 0 },
    { "load, store half-word", 0x8000, 0x0FFF, 0, 0, 0 },
    { "load, store by SP", 0x9000, 0x0FFF, 0, 0, 0 },
    { "address from PC, SP", 0xA000, 0x0FFF, 0, 0, 0 },
    { "miscellaneous", 0xB000, 0x0FFF, 0, 0, 0 },
    { "multiple", 0xC000, 0x0FFF, 0, 0, 0 },
    { "conditional branch, SVC", 0xD000, 0x0FFF, 0, 0, 0 },
    { "branch", 0xE000, 0x07FF, 0, 0, 0 },
    [CLASS_BL] = { "BL", 0xF000, 0x07FF, 0, 0, 0 },
    [CLASS_SYSTEM] = { "MRS, MSR, barriers", 0xF380, 0x000F, 0, 0, 0 },
    [CLASS_ANY] = { "any half-words", 0x0000, 0xFFFF, 0, 0, 0 },
};

struct run {
    struct pair pair;
    struct instruction_class classes[CLASS_COUNT];
    uint64_t excuses[EXCUSE_COUNT];
    uint64_t random;
    uint64_t cases, disagreements;
    uint64_t shown;
    unsigned plant; /* the planted bug, 0 = none */
    bool quiet;
};

static uint64_t draw(struct run *run)
{
    uint64_t z = run->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* ---- making a case ---- */

/* Values on which arithmetic turns. */
static uint32_t draw_value(struct run *run)
{
    static const uint32_t edges[] = { 0, 1, 2, 31, 32, 33, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000,
        0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFE, 0xFFFFFFFF };
    uint64_t bits = draw(run);
    if ((bits & 3U) == 0)
        return edges[(bits >> 2) % (sizeof(edges) / sizeof(edges[0]))];
    return (uint32_t)(bits >> 32) >> (bits >> 2 & 1U ? (bits >> 3 & 31U) : 0);
}

/* Addresses below the peripherals: most in RAM, some where nothing or nothing writable is. */
static uint32_t draw_address(struct run *run)
{
    uint64_t bits = draw(run);
    uint32_t offset = (uint32_t)(bits >> 32);
    uint32_t align = (bits & 7U) == 0 ? 0 : (bits & 7U) == 1 ? 1 : 3;
    switch (bits >> 3 & 15U) {
    case 0:
        return (0x1000U + offset % 0x1E000U) & ~align;
    case 1:
        return (SIM_FLASH_BASE + 0x1000U + offset % 0xF0000U) & ~align;
    case 2:
        return (0x20000000U + offset % 0x10000000U) & ~align;
    case 3:
        return (SIM_RAM_BASE + SIM_RAM_SIZE - 16U + offset % 32U) & ~align;
    default:
        return (DATA_WINDOW + 0x400U + offset % (DATA_SIZE - 0x800U)) & ~align;
    }
}

static bool is_memory_class(const struct one_case *c)
{
    uint32_t top = c->insn >> 12;
    return (top >= 5 && top <= 8) || top == 0xC;
}

static void draw_state(struct run *run, struct one_case *c)
{
    struct pair_state *state = &c->before;
    memset(state, 0, sizeof(*state));
    for (unsigned i = 0; i < 15; i++)
        state->r[i] = is_memory_class(c) ? draw_address(run) : draw_value(run);
    if (c->insn >> 12 == 5) /* the index must not carry an address beyond the memories */
        state->r[bits(c->insn, 6, 3)] = (uint32_t)(draw(run) % 64);
    if (c->insn >> 12 == 5 && bits(c->insn, 6, 3) == bits(c->insn, 3, 3))
        state->r[bits(c->insn, 3, 3)] = (draw_address(run) & ~3U) / 2;
    if ((c->insn & 0xFF00U) == 0x4700U && (draw(run) & 1U) != 0)
        state->r[bits(c->insn, 3, 4)] = (CODE_WINDOW + (uint32_t)(draw(run) % 0x10000)) | 1U;
    state->r[13] = (uint32_t)(STACK_TOP + (draw(run) % 0x400)) & ~3U;
    state->r[15] = c->address;
    state->flags = (uint32_t)draw(run) & 0xF0000000U;
    state->msp = state->r[13];
    state->psp = (uint32_t)(STACK_TOP + 0x800U + (draw(run) % 0x400)) & ~3U;
    state->primask = (uint32_t)(draw(run) & 1U);
    state->thumb = true;
}

static void draw_system(struct run *run, struct one_case *c)
{
    static const uint8_t numbers[] = { 0, 1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 18, 19, 20 };
    uint32_t number = numbers[draw(run) % sizeof(numbers)];
    uint32_t reg = (uint32_t)(draw(run) % 13);
    uint64_t kind = draw(run) % 8;
    if (kind == 0) {
        c->insn = 0xF3BF;
        c->second = (uint16_t)(0x8F40U + (draw(run) % 3) * 0x10U + (draw(run) & 15U));
    } else if (kind < 4) {
        c->insn = (uint16_t)(0xF380U | reg);
        c->second = (uint16_t)(0x8800U | number);
    } else {
        c->insn = 0xF3EF;
        c->second = (uint16_t)(0x8000U | reg << 8 | number);
    }
}

static void draw_case(struct run *run, struct one_case *c)
{
    memset(c, 0, sizeof(*c));
    unsigned index = (unsigned)(draw(run) % CLASS_COUNT);
    c->class = &run->classes[index];
    c->address = CODE_WINDOW + (uint32_t)(run->cases % CODE_SLOTS) * SLOT_SIZE;
    c->address += (uint32_t)(draw(run) & 2U);
    c->insn = (uint16_t)(c->class->base | (draw(run) & c->class->random_bits));
    c->second = (uint16_t)draw(run);
    if (index == CLASS_BL) {
        c->second |= 0xD000U;
        if ((draw(run) & 3U) != 0) { /* near, so that the target is memory */
            c->insn = (draw(run) & 1U) != 0 ? 0xF000 : 0xF7FF;
            c->second |= 0xF800U;
        }
    }
    if (index == CLASS_SYSTEM)
        draw_system(run, c);
    draw_state(run, c);
}

/* ---- running it ---- */

/* The half-word that our side executes when a bug is planted; the same one otherwise. */
static uint16_t planted(const struct run *run, const struct one_case *c)
{
    if (run->plant == 1 && (c->insn & 0xFFC0U) == 0x4180U)
        return (uint16_t)(c->insn ^ 0x00C0U); /* SBC as ADC */
    if (run->plant == 2 && (c->insn & 0xF800U) == 0x1000U)
        return (uint16_t)(c->insn ^ 0x1800U); /* ASR as LSR */
    if (run->plant == 3 && (c->insn & 0xFE00U) == 0x5600U)
        return (uint16_t)(c->insn | 0x0A00U); /* LDRSB as LDRB */
    if (run->plant == 4 && (c->insn & 0xFF00U) == 0xDA00U)
        return (uint16_t)(c->insn ^ 0x0600U); /* BGE as BGT */
    return c->insn;
}

static void put_halfword(struct run *run, uint32_t address, uint16_t value, uint16_t our_value)
{
    uint8_t theirs[2], ours[2];
    sim_mem_put16(theirs, value);
    sim_mem_put16(ours, our_value);
    (void)sim_chip_test_write(run->pair.chip, address, ours, 2);
    (void)uc_mem_write(run->pair.uc, address, theirs, 2);
}

static void place(struct run *run, const struct one_case *c)
{
    put_halfword(run, c->address, c->insn, planted(run, c));
    put_halfword(run, c->address + 2, c->second, c->second);
    (void)uc_ctl_remove_cache(run->pair.uc, (uint64_t)c->address, (uint64_t)c->address + 8);
}

static void load_ours(struct run *run, const struct pair_state *state)
{
    struct sim_core *core = &run->pair.chip->cm0;
    sim_core_set_control(core, 0);
    core->ipsr = 0;
    core->active = 0;
    core->pending = 0;
    core->event = false;
    core->attention = 0;
    sim_core_set_control(core, 0);
    memcpy(core->r, state->r, sizeof(core->r));
    core->banked_sp = state->psp;
    sim_core_set_xpsr_flags(core, state->flags);
    core->thumb = true;
    core->primask = state->primask != 0;
}

/* After an exception entry: what the registers were when the instruction faulted. */
static void unstack(struct run *run, struct one_case *c)
{
    uint8_t frame[32];
    struct pair_state *ours = &c->ours;
    c->frame =
        ours->control == 0 && run->pair.chip->cm0.r[14] == 0xFFFFFFFDU ? ours->psp : ours->msp;
    (void)sim_chip_test_read(run->pair.chip, c->frame, frame, sizeof(frame));
    for (unsigned i = 0; i < 4; i++)
        ours->r[i] = sim_mem_get32(frame + i * 4);
    ours->r[12] = sim_mem_get32(frame + 16);
    ours->r[14] = sim_mem_get32(frame + 20);
    ours->r[15] = sim_mem_get32(frame + 24);
    uint32_t psr = sim_mem_get32(frame + 28);
    ours->flags = psr & 0xF0000000U;
    ours->thumb = (psr >> 24 & 1U) != 0;
    ours->r[13] = c->frame + 32 + (psr >> 7 & 4U);
    ours->msp = ours->r[13];
    /* the stacked frame is an effect that Unicorn does not have */
    uint8_t theirs[32];
    (void)uc_mem_read(run->pair.uc, c->frame, theirs, sizeof(theirs));
    (void)sim_chip_test_write(run->pair.chip, c->frame, theirs, sizeof(theirs));
}

static void execute(struct run *run, struct one_case *c)
{
    place(run, c);
    load_ours(run, &c->before);
    pair_put_state(&run->pair, &c->before);
    c->our_outcome = pair_step_ours(&run->pair);
    c->ours = pair_ours(&run->pair);
    c->their_outcome = pair_step_theirs(&run->pair, c->address);
    c->theirs = pair_theirs(&run->pair);
    if (c->our_outcome == PAIR_FAULT)
        unstack(run, c);
    put_halfword(run, c->address, c->insn, c->insn);
}

/* ---- judging it ---- */

static void show_state(const char *name, const struct pair_state *s, enum pair_outcome outcome)
{
    printf("  %-7s outcome %d", name, (int)outcome);
    for (unsigned i = 0; i < 16; i++)
        printf(" %08x", s->r[i]);
    printf(" flags %x t%d msp %08x psp %08x c%x p%x\n", s->flags >> 28, s->thumb, s->msp, s->psp,
        s->control, s->primask);
}

static void show(struct run *run, const struct one_case *c, uint32_t memory)
{
    if (run->quiet || run->shown++ >= SHOW_FIRST)
        return;
    printf("disagreement, %s: %04x %04x at %08x, memory %08x\n", c->class->name, c->insn, c->second,
        c->address, memory);
    show_state("before", &c->before, PAIR_DONE);
    show_state("ours", &c->ours, c->our_outcome);
    show_state("Unicorn", &c->theirs, c->their_outcome);
}

static void judge(struct run *run, const struct one_case *c)
{
    bool all = run->cases % 512 == 0;
    uint32_t memory = all ? pair_compare(&run->pair, SIM_RAM_BASE, SIM_RAM_SIZE)
                          : pair_compare(&run->pair, DATA_WINDOW, DATA_SIZE);
    run->cases++;
    c->class->cases++;
    if (unicorn_judge_agrees(c) && memory == UINT32_MAX)
        return;
    if (memory != UINT32_MAX)
        pair_copy_memory(&run->pair, SIM_RAM_BASE, SIM_RAM_SIZE);
    enum excuse excuse = unicorn_judge_excuse(c);
    if (excuse != EXCUSE_NONE) {
        if (pair_compare(&run->pair, SIM_RAM_BASE, SIM_RAM_SIZE) != UINT32_MAX)
            pair_copy_memory(&run->pair, SIM_RAM_BASE, SIM_RAM_SIZE);
        c->class->excused++;
        run->excuses[excuse]++;
        return;
    }
    c->class->disagreements++;
    run->disagreements++;
    show(run, c, memory);
}

/* ---- the whole ---- */

static bool run_open(struct run *run, uint64_t seed)
{
    struct sim_chip_opts opts = { .unique_id = { 1 }, .trng_seed = seed };
    struct sim_chip *chip = NULL;
    memset(run, 0, sizeof(*run));
    memcpy(run->classes, class_table, sizeof(class_table));
    run->random = seed;
    if (sim_chip_new(&opts, &chip, NULL) != BASE_OK)
        return false;
    sim_chip_test_start(chip, STACK_TOP, CODE_WINDOW);
    return pair_open(&run->pair, chip);
}

static void run_close(struct run *run)
{
    pair_close(&run->pair);
    sim_chip_free(run->pair.chip);
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_cases(struct run *run, uint64_t cases, double seconds)
{
    double end = now_seconds() + seconds;
    while (run->cases < cases) {
        struct one_case c;
        if (seconds > 0 && run->cases % 256 == 0 && now_seconds() > end)
            break;
        draw_case(run, &c);
        execute(run, &c);
        judge(run, &c);
    }
}

static void report(const struct run *run, uint64_t cases, uint64_t seed)
{
    printf("%-26s %10s %10s %10s\n", "class", "cases", "excused", "disagree");
    for (unsigned i = 0; i < CLASS_COUNT; i++) {
        const struct instruction_class *class = &run->classes[i];
        printf("%-26s %10llu %10llu %10llu\n", class->name, (unsigned long long)class->cases,
            (unsigned long long)class->excused, (unsigned long long)class->disagreements);
    }
    for (unsigned i = 1; i < EXCUSE_COUNT; i++)
        printf("excused %8llu: %s\n", (unsigned long long)run->excuses[i], unicorn_judge_names[i]);
    printf("%llu of %llu random instructions, seed %llu, %llu disagreements\n",
        (unsigned long long)run->cases, (unsigned long long)cases, (unsigned long long)seed,
        (unsigned long long)run->disagreements);
}

/* A harness that cannot fail proves nothing: each of these bugs must be seen. */
static bool planted_bugs_are_seen(uint64_t seed)
{
    bool all = true;
    for (unsigned plant = 1; plant <= 4; plant++) {
        struct run run;
        if (!run_open(&run, seed + plant))
            return false;
        run.plant = plant;
        run.quiet = true;
        while (run.disagreements == 0 && run.cases < 60000)
            run_cases(&run, run.cases + 500, 0);
        printf("planted bug %u: %s after %llu cases\n", plant,
            run.disagreements != 0 ? "seen" : "NOT SEEN", (unsigned long long)run.cases);
        all = all && run.disagreements != 0;
        run_close(&run);
    }
    return all;
}

int main(int argc, char **argv)
{
    uint64_t cases = 100000, seed = 20261124;
    const char *limit = getenv("LPA_SECONDS");
    double seconds = limit != NULL ? strtod(limit, NULL) : 0;
    if (limit != NULL && seconds <= 0)
        cases = SOAK_CASES;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--soak") == 0) {
            cases = SOAK_CASES;
        } else if (strcmp(argv[i], "--cases") == 0 && i + 1 < argc) {
            cases = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            seconds = strtod(argv[++i], NULL);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else {
            (void)fputs(
                "usage: test_unicorn [--cases N] [--seconds N] [--seed N] [--soak]\n", stderr);
            return 2;
        }
    }
    struct run run;
    if (!run_open(&run, seed))
        return 1;
    run_cases(&run, cases, seconds);
    report(&run, cases, seed);
    bool good = run.disagreements == 0 && run.cases > 0;
    run_close(&run);
    good = planted_bugs_are_seen(seed) && good;
    return good ? 0 : 1;
}
