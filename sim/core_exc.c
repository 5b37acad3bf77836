/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/core_int.h"

#include "sim/bus.h"

/* Exceptions: priorities, entry, return, faults, sleep and lockup (ARM DDI 0419 B1.5). */

#define ENTRY_CYCLES    15 /* ARM DDI 0484: interrupt latency with zero wait states */
#define PRIORITY_THREAD 256
#define SYSTEM_ENABLED                                                                             \
    (UINT64_C(1) << SIM_EXC_NMI | UINT64_C(1) << SIM_EXC_HARDFAULT |                               \
        UINT64_C(1) << SIM_EXC_SVCALL | UINT64_C(1) << SIM_EXC_PENDSV |                            \
        UINT64_C(1) << SIM_EXC_SYSTICK)
#define NOT_INTERRUPTED (UINT64_C(1) << SIM_EXC_NMI | UINT64_C(1) << SIM_EXC_HARDFAULT)
#define MASKABLE_BY_DEBUG                                                                          \
    (~(UINT64_C(1) << SIM_EXC_NMI | UINT64_C(1) << SIM_EXC_HARDFAULT |                             \
        UINT64_C(1) << SIM_EXC_SVCALL))

static int priority_of(const struct sim_core *core, unsigned number)
{
    if (number == SIM_EXC_NMI)
        return -2;
    if (number == SIM_EXC_HARDFAULT)
        return -1;
    return core->priority[number];
}

int sim_core_exec_priority(const struct sim_core *core, bool ignore_primask)
{
    int priority = PRIORITY_THREAD;
    for (uint64_t left = core->active; left != 0; left &= left - 1) {
        int candidate = priority_of(core, (unsigned)__builtin_ctzll(left));
        if (candidate < priority)
            priority = candidate;
    }
    if (core->primask && !ignore_primask && priority > 0)
        priority = 0;
    return priority;
}

unsigned sim_core_best_pending(const struct sim_core *core, int *ret_priority)
{
    uint64_t enabled = SYSTEM_ENABLED | core->irq_enabled << SIM_EXC_IRQ0;
    uint64_t left = core->pending & enabled;
    if (core->debug_enabled && core->mask_ints)
        left &= ~MASKABLE_BY_DEBUG;
    unsigned best = 0;
    int best_priority = PRIORITY_THREAD;
    for (; left != 0; left &= left - 1) {
        unsigned number = (unsigned)__builtin_ctzll(left);
        int candidate = priority_of(core, number);
        if (candidate < best_priority) {
            best = number;
            best_priority = candidate;
        }
    }
    *ret_priority = best_priority;
    return best;
}

void sim_core_update(struct sim_core *core)
{
    int priority;
    unsigned best = sim_core_best_pending(core, &priority);
    if (best != 0 && priority < sim_core_exec_priority(core, false))
        core->attention |= SIM_ATTENTION_EXCEPTION;
    else
        core->attention &= ~SIM_ATTENTION_EXCEPTION;
    if ((core->bpu_ctrl & 1U) != 0 && core->debug_enabled)
        core->attention |= SIM_ATTENTION_BPU;
    else
        core->attention &= ~SIM_ATTENTION_BPU;
    if (core->halted || core->halt_request || core->step)
        core->attention |= SIM_ATTENTION_HALT;
    else
        core->attention &= ~SIM_ATTENTION_HALT;
}

void sim_core_pend(struct sim_core *core, uint64_t exceptions)
{
    if ((exceptions & ~core->pending) != 0 && (core->scr & 0x10U) != 0)
        core->event = true; /* SEVONPEND */
    core->pending |= exceptions;
}

/* A line that is still high after its handler ran makes the interrupt pending again. */
static void latch_lines(struct sim_core *core)
{
    uint64_t levels = core->irq_level << SIM_EXC_IRQ0;
    if (core->nmi_level)
        levels |= UINT64_C(1) << SIM_EXC_NMI;
    sim_core_pend(core, levels & ~core->active);
}

void sim_core_set_lines(struct sim_core *core, uint64_t irq_level, bool nmi_level)
{
    core->irq_level = irq_level;
    core->nmi_level = nmi_level;
    latch_lines(core);
    sim_core_update(core);
}

static void lock_up(struct sim_core *core)
{
    sim_bus_note_fault(core, "lockup");
    core->attention |= SIM_ATTENTION_LOCKUP;
    core->r[15] = 0xFFFFFFFEU;
    sim_core_update(core);
}

static bool push_frame(struct sim_core *core, uint32_t return_address)
{
    uint32_t align = core->r[13] & 4U;
    uint32_t psr = sim_core_xpsr(core) | align << 7;
    uint32_t frame[8] = { core->r[0], core->r[1], core->r[2], core->r[3], core->r[12], core->r[14],
        return_address, psr };
    core->r[13] = (core->r[13] - 32) & ~7U;
    sim_core_note_sp(core);
    for (unsigned i = 0; i < 8; i++) {
        if (!sim_core_store(core, core->r[13] + i * 4, 4, frame[i]))
            return false;
    }
    return true;
}

/* The MPU's answers change with the execution priority unless HFNMIENA is set. */
static void flush_for_priority(struct sim_core *core, unsigned number)
{
    if (number <= SIM_EXC_HARDFAULT && (core->mpu_ctrl & 3U) == 1)
        sim_core_flush_tlb(core);
}

/* Handler mode: privileged, on the main stack, at the exception's priority. */
static void activate(struct sim_core *core, unsigned number, uint32_t lr)
{
    core->ipsr = number;
    if (core->sp_is_psp) {
        uint32_t psp = core->r[13];
        core->r[13] = core->banked_sp;
        core->banked_sp = psp;
        core->sp_is_psp = false;
    }
    core->r[14] = lr;
    core->active |= UINT64_C(1) << number;
    core->pending &= ~(UINT64_C(1) << number);
    core->event = true;
    core->attention &= ~SIM_ATTENTION_LOCKUP;
    flush_for_priority(core, number);
}

/* ExceptionTaken(): begin the handler. One whose vector cannot be read stays pending, and its fault
 * is taken instead. */
static bool take(struct sim_core *core, unsigned number, uint32_t lr)
{
    uint32_t vector;

    activate(core, number, lr);
    while (!sim_core_load(core, core->vtor + number * 4, 4, &vector)) {
        if (number <= SIM_EXC_HARDFAULT) {
            lock_up(core);
            return false;
        }
        core->active &= ~(UINT64_C(1) << number);
        core->pending |= UINT64_C(1) << number;
        number = SIM_EXC_HARDFAULT;
        activate(core, number, lr);
    }
    core->r[15] = vector & ~1U;
    core->thumb = (vector & 1U) != 0;
    sim_core_update(core);
    return true;
}

bool sim_core_enter(struct sim_core *core, unsigned number, uint32_t return_address)
{
    core->cycles += ENTRY_CYCLES;
    core->busy_cycles += ENTRY_CYCLES;
    uint32_t lr = core->ipsr != 0 ? 0xFFFFFFF1U : core->sp_is_psp ? 0xFFFFFFFDU : 0xFFFFFFF9U;
    if (!push_frame(core, return_address)) {
        sim_bus_note_fault(core, "fault while stacking");
        if (number <= SIM_EXC_HARDFAULT) { /* at its priority, which only a better one ends */
            activate(core, number, lr);
            lock_up(core);
            return false;
        }
        number = SIM_EXC_HARDFAULT; /* the first one stays pending */
    }
    return take(core, number, lr);
}

/* Where the frame of this EXC_RETURN lies, NULL when the value is not a legal one here. */
static const uint32_t *return_stack(const struct sim_core *core, uint32_t value)
{
    uint64_t others = core->active & ~(UINT64_C(1) << core->ipsr);
    switch (value) {
    case 0xFFFFFFF1U:
        return others != 0 ? &core->r[13] : NULL;
    case 0xFFFFFFF9U:
        return others == 0 ? &core->r[13] : NULL;
    case 0xFFFFFFFDU:
        return others == 0 ? &core->banked_sp : NULL;
    default:
        return NULL;
    }
}

/* A fault of the return itself is taken at once, as if the return had been the instruction before:
 * nothing is stored, and the frame stays where it is. Without knowing what to go back to, or at a
 * priority that no fault interrupts, the processor locks up. */
static void fault_on_return(struct sim_core *core, uint32_t value, bool is_lost)
{
    sim_bus_note_fault(core, "fault while unstacking");
    if (is_lost || (core->active & NOT_INTERRUPTED) != 0) {
        activate(core, SIM_EXC_HARDFAULT, value);
        lock_up(core);
        return;
    }
    core->cycles += ENTRY_CYCLES;
    core->busy_cycles += ENTRY_CYCLES;
    (void)take(core, SIM_EXC_HARDFAULT, value);
}

/* PopStack(). False: a fault, and @p ret_lost says whether the status was among what is missing,
 * which on the main stack nothing replaces (ARM DUI 0662 2.4.1, lockup). */
static bool pop_frame(struct sim_core *core, uint32_t sp, uint32_t ret_frame[8], bool *ret_lost)
{
    bool done = true;

    *ret_lost = false;
    for (unsigned i = 0; i < 8; i++) {
        if (sim_core_load(core, sp + i * 4, 4, &ret_frame[i]))
            continue;
        done = false;
        *ret_lost = i == 7;
    }
    return done;
}

static void resume(struct sim_core *core, uint32_t value, const uint32_t frame[8], uint32_t sp)
{
    for (unsigned i = 0; i < 4; i++)
        core->r[i] = frame[i];
    core->r[12] = frame[4];
    if (value == 0xFFFFFFFDU) {
        core->banked_sp = core->r[13];
        core->sp_is_psp = true;
    }
    core->r[13] = (sp + 32) | (frame[7] >> 7 & 4U);
    core->r[14] = frame[5];
    core->r[15] = frame[6] & ~1U;
    sim_core_set_xpsr_flags(core, frame[7]);
    core->thumb = (frame[7] >> 24 & 1U) != 0;
    core->ipsr = frame[7] & 0x3FU;
}

bool sim_core_leave(struct sim_core *core, uint32_t value)
{
    const uint32_t *stack = return_stack(core, value);
    uint32_t frame[8];
    bool lost;
    if (stack == NULL)
        return false;
    uint32_t sp = *stack;
    unsigned left = core->ipsr;
    bool to_handler = value == 0xFFFFFFF1U;
    /* Mode, and with it privilege, and priority are those returned to before the frame is read. */
    core->active &= ~(UINT64_C(1) << left);
    core->ipsr = to_handler ? left : SIM_EXC_THREAD;
    core->event = true;
    flush_for_priority(core, left);
    if (!pop_frame(core, sp, frame, &lost)) {
        fault_on_return(core, value, lost && value != 0xFFFFFFFDU);
        return true;
    }
    if (to_handler != ((frame[7] & 0x3FU) != 0)) {
        fault_on_return(core, value, false);
        return true;
    }
    resume(core, value, frame, sp);
    latch_lines(core);
    sim_core_update(core);
    if (core->ipsr == 0 && (core->scr & 2U) != 0) {
        core->wfe = false;
        core->attention |= SIM_ATTENTION_SLEEP; /* SLEEPONEXIT */
    }
    return true;
}

bool sim_core_branch(struct sim_core *core, uint32_t value)
{
    if (core->ipsr != 0 && value >> 28 == 0xF)
        return sim_core_leave(core, value);
    core->thumb = (value & 1U) != 0;
    core->r[15] = value & ~1U;
    return true;
}

void sim_core_fault(struct sim_core *core, uint32_t address)
{
    core->r[15] = address;
    sim_bus_note_fault(core, "HardFault");
    if ((core->active & NOT_INTERRUPTED) != 0) {
        core->cycles++;
        lock_up(core);
        return;
    }
    bool entered = sim_core_enter(core, SIM_EXC_HARDFAULT, address);
    if (entered && core->debug_enabled && (core->demcr & 1U << 10) != 0)
        sim_core_halt(core, 8); /* VC_HARDERR */
}

bool sim_core_wakes(const struct sim_core *core)
{
    int priority;
    unsigned best = sim_core_best_pending(core, &priority);
    bool interrupt = best != 0 && priority < sim_core_exec_priority(core, !core->wfe);
    return interrupt || (core->wfe && core->event);
}

static bool wake(struct sim_core *core)
{
    if (!sim_core_wakes(core))
        return false;
    if (core->wfe)
        core->event = false;
    core->attention &= ~SIM_ATTENTION_SLEEP;
    return true;
}

static bool breakpoint_matches(const struct sim_core *core)
{
    uint32_t pc = core->r[15];
    unsigned count = core->is_cm4 ? 6 : SIM_BPU_COUNT;
    for (unsigned i = 0; i < count; i++) {
        uint32_t comp = core->bpu_comp[i];
        uint32_t half = pc & 2U ? 0x80000000U : 0x40000000U;
        if ((comp & 1U) != 0 && ((comp ^ pc) & 0x1FFFFFFCU) == 0 && (comp & half) != 0 &&
            pc < 0x20000000U)
            return true;
    }
    return false;
}

static bool attend_halt(struct sim_core *core)
{
    if (core->halted)
        return true;
    if (!core->debug_enabled)
        return false;
    if (core->step) {
        if (core->step_armed) {
            core->step_armed = false;
            return false;
        }
        core->halt_request = true;
    }
    if (!core->halt_request)
        return false;
    sim_core_halt(core, 1);
    return true;
}

bool sim_core_attend(struct sim_core *core)
{
    uint32_t why = core->attention;
    if ((why & SIM_ATTENTION_YIELD) != 0)
        return false;
    if ((why & SIM_ATTENTION_HALT) != 0 && attend_halt(core))
        return false;
    if ((why & SIM_ATTENTION_HELD) != 0)
        return false;
    if ((why & SIM_ATTENTION_SLEEP) != 0 && !wake(core))
        return false;
    if ((core->attention & SIM_ATTENTION_EXCEPTION) != 0) {
        int priority;
        unsigned best = sim_core_best_pending(core, &priority);
        if (!sim_core_enter(core, best, core->r[15]))
            return false;
    }
    if ((core->attention & SIM_ATTENTION_LOCKUP) != 0)
        return false;
    if ((why & SIM_ATTENTION_BPU) != 0 && breakpoint_matches(core)) {
        sim_core_halt(core, 2);
        return false;
    }
    if ((why & SIM_ATTENTION_STOP) != 0 && sim_core_stop_matches(core)) {
        core->stopped = true;
        return false;
    }
    return true;
}
