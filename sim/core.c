/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/core.h"

#include <string.h>

#include "sim/bus.h"
#include "sim/core_int.h"

/* Run loop, life cycle and memory access of the processor. */

void sim_core_init(struct sim_core *core, struct sim_chip *chip, bool is_cm4)
{
    memset(core, 0, sizeof(*core));
    core->chip = chip;
    core->is_cm4 = is_cm4;
    core->master = is_cm4 ? 14 : 0;
    core->insn_limit = UINT64_MAX;
    core->min_sp = UINT32_MAX;
    core->attention = SIM_ATTENTION_HELD;
}

void sim_core_reset(struct sim_core *core)
{
    core->r[14] = UINT32_MAX;
    core->thumb = true;
    core->sp_is_psp = false;
    core->unprivileged = false;
    core->primask = false;
    core->ipsr = 0;
    core->pending = 0;
    core->active = 0;
    core->irq_enabled = 0;
    memset(core->priority, 0, sizeof(core->priority));
    core->vtor = 0;
    core->scr = 0;
    core->event = false;
    core->systick_ctrl = 0;
    core->systick_value = 0;
    core->mpu_ctrl = 0;
    core->mpu_rnr = 0;
    memset(core->mpu, 0, sizeof(core->mpu));
    core->halted = false;
    core->halt_request = false;
    core->step = false;
    core->step_armed = false;
    core->mask_ints = false;
    core->reset_sticky = true;
    core->attention = SIM_ATTENTION_HELD | (core->attention & SIM_ATTENTION_STOP);
    sim_core_flush_tlb(core);
    sim_core_update(core);
}

void sim_core_start(struct sim_core *core, uint32_t sp, uint32_t pc)
{
    core->r[13] = sp & ~3U;
    core->r[15] = pc & ~1U;
    core->thumb = (pc & 1U) != 0;
    core->min_sp = core->r[13];
    core->attention &= ~(SIM_ATTENTION_SLEEP | SIM_ATTENTION_LOCKUP);
    sim_core_hold(core, false);
}

void sim_core_hold(struct sim_core *core, bool held)
{
    if (held)
        core->attention |= SIM_ATTENTION_HELD;
    else
        core->attention &= ~SIM_ATTENTION_HELD;
}

void sim_core_yield(struct sim_core *core)
{
    core->attention |= SIM_ATTENTION_YIELD;
}

void sim_core_flush_tlb(struct sim_core *core)
{
    memset(core->tlb, 0, sizeof(core->tlb));
}

uint64_t sim_core_now(const struct sim_core *core, uint32_t period_ps)
{
    return core->batch_ps + (core->cycles - core->batch_cycles) * period_ps;
}

/* The quick part of sim_core_attend(), once per instruction. */
static inline bool goes_on(struct sim_core *core)
{
    return core->attention == 0 ||
           (core->attention == SIM_ATTENTION_STOP && !sim_core_stop_matches(core)) ||
           sim_core_attend(core);
}

static void run_batch(struct sim_core *core, uint64_t end)
{
    while (core->cycles < end) {
        if (!goes_on(core)) {
            bool frozen =
                core->halted || core->stopped || (core->attention & SIM_ATTENTION_YIELD) != 0;
            if (!frozen)
                core->cycles = end;
            return;
        }
        uint32_t pc = core->r[15];
        uint32_t insn;
        if (!core->thumb || !sim_core_fetch(core, pc, &insn)) {
            sim_core_fault(core, pc);
            continue;
        }
        core->r[15] = pc + 2;
        int used = sim_core_exec(core, insn);
        if (used < 0) {
            sim_core_fault(core, pc);
            continue;
        }
        core->cycles += (unsigned)used;
        core->busy_cycles += (unsigned)used;
        core->instructions++;
    }
}

bool sim_core_run(struct sim_core *core, uint64_t limit_ps, uint32_t period_ps)
{
    while (core->now_ps < limit_ps) {
        core->batch_ps = core->now_ps;
        core->batch_cycles = core->cycles;
        uint64_t end = core->cycles + (limit_ps - core->now_ps + period_ps - 1) / period_ps;
        if ((core->systick_ctrl & 1U) != 0 && core->systick_zero < end)
            end = core->systick_zero;
        uint64_t left = core->insn_limit - core->instructions;
        bool asleep = (core->attention & SIM_ATTENTION_SLEEP) != 0 && !sim_core_wakes(core);
        bool idle = asleep || (core->attention & SIM_ATTENTION_HELD) != 0;
        if (left == 0 && !idle) {
            core->stopped = true;
            return false;
        }
        if (!idle && end - core->cycles > left)
            end = core->cycles + left;
        run_batch(core, end);
        sim_core_systick_sync(core);
        core->now_ps = sim_core_now(core, period_ps);
        if ((core->attention & SIM_ATTENTION_YIELD) != 0 || core->stopped) {
            core->attention &= ~SIM_ATTENTION_YIELD;
            return false;
        }
        if (core->halted)
            core->now_ps = limit_ps > core->now_ps ? limit_ps : core->now_ps;
    }
    return true;
}

bool sim_core_idle(const struct sim_core *core)
{
    if (core->halted || (core->attention & SIM_ATTENTION_HELD) != 0)
        return true;
    if ((core->attention & SIM_ATTENTION_LOCKUP) != 0) /* only the NMI ends it */
        return (core->attention & SIM_ATTENTION_EXCEPTION) == 0;
    return (core->attention & SIM_ATTENTION_SLEEP) != 0 && !sim_core_wakes(core);
}

uint64_t sim_core_alarm(const struct sim_core *core, uint32_t period_ps)
{
    if (core->halted || (core->systick_ctrl & 3U) != 3 || core->systick_zero < core->cycles)
        return UINT64_MAX;
    return core->now_ps + (core->systick_zero - core->cycles) * period_ps;
}

void sim_core_skip(struct sim_core *core, uint64_t time_ps, uint32_t period_ps)
{
    if (core->now_ps >= time_ps)
        return;
    if (core->halted) { /* a halted core's clock edges do not count */
        core->now_ps = time_ps;
        return;
    }
    uint64_t edges = (time_ps - core->now_ps + period_ps - 1) / period_ps;
    core->cycles += edges;
    core->now_ps += edges * period_ps;
    sim_core_systick_sync(core);
}

/* Make the next access to this page fast if it is plain memory with one answer for the whole page.
 */
static void fill_tlb(struct sim_core *core, uint32_t address)
{
    uint32_t page = address & ~(SIM_PAGE_SIZE - 1);
    struct sim_tlb_entry entry = { .key = sim_core_key(core, page) };
    struct sim_access access = sim_bus_core_access(core);
    if (!sim_bus_page(core->chip, &access, page, &entry.page, &entry.perms))
        return;
    core->tlb[(page / SIM_PAGE_SIZE) % SIM_CORE_TLB_SIZE] = entry;
}

bool sim_core_load_slow(struct sim_core *core, uint32_t address, unsigned size, uint32_t *ret_value)
{
    struct sim_access access = sim_bus_core_access(core);
    access.kind = SIM_PERM_READ;
    if (sim_bus_access(core->chip, &access, address, size, ret_value) != SIM_BUS_OK)
        return false;
    fill_tlb(core, address);
    return true;
}

bool sim_core_store_slow(struct sim_core *core, uint32_t address, unsigned size, uint32_t value)
{
    struct sim_access access = sim_bus_core_access(core);
    access.kind = SIM_PERM_WRITE;
    if (sim_bus_access(core->chip, &access, address, size, &value) != SIM_BUS_OK)
        return false;
    fill_tlb(core, address);
    return true;
}

bool sim_core_fetch_slow(struct sim_core *core, uint32_t address, uint32_t *ret_insn)
{
    struct sim_access access = sim_bus_core_access(core);
    access.kind = SIM_PERM_EXEC;
    if (sim_bus_access(core->chip, &access, address, 2, ret_insn) != SIM_BUS_OK)
        return false;
    fill_tlb(core, address);
    return true;
}

bool sim_core_sleeping(const struct sim_core *core)
{
    return (core->attention & SIM_ATTENTION_SLEEP) != 0 && !core->halted;
}

bool sim_core_handler_mode(const struct sim_core *core)
{
    return core->ipsr != 0;
}

bool sim_core_privileged(const struct sim_core *core)
{
    return core->ipsr != 0 || !core->unprivileged;
}

uint32_t sim_core_xpsr(const struct sim_core *core)
{
    return (core->n_result & 0x80000000U) | (core->z_result == 0 ? 1U << 30 : 0) |
           (core->carry ? 1U << 29 : 0) | (core->overflow ? 1U << 28 : 0) |
           (core->thumb ? 1U << 24 : 0) | core->ipsr;
}

void sim_core_set_xpsr_flags(struct sim_core *core, uint32_t value)
{
    core->n_result = value;
    core->z_result = (value >> 30 & 1U) != 0 ? 0 : 1;
    core->carry = (value >> 29 & 1U) != 0;
    core->overflow = (value >> 28 & 1U) != 0;
}

static void select_sp(struct sim_core *core, bool psp)
{
    if (core->sp_is_psp == psp)
        return;
    uint32_t live = core->r[13];
    core->r[13] = core->banked_sp;
    core->banked_sp = live;
    core->sp_is_psp = psp;
}

uint32_t sim_core_control(const struct sim_core *core)
{
    return (core->unprivileged ? 1U : 0) | (core->sp_is_psp ? 2U : 0);
}

void sim_core_set_control(struct sim_core *core, uint32_t value)
{
    core->unprivileged = (value & 1U) != 0;
    if (core->ipsr == 0) /* SPSEL is ignored in handler mode */
        select_sp(core, (value & 2U) != 0);
}

uint32_t sim_core_msp(const struct sim_core *core)
{
    return core->sp_is_psp ? core->banked_sp : core->r[13];
}

uint32_t sim_core_psp(const struct sim_core *core)
{
    return core->sp_is_psp ? core->r[13] : core->banked_sp;
}

void sim_core_set_msp(struct sim_core *core, uint32_t value)
{
    *(core->sp_is_psp ? &core->banked_sp : &core->r[13]) = value & ~3U;
}

void sim_core_set_psp(struct sim_core *core, uint32_t value)
{
    *(core->sp_is_psp ? &core->r[13] : &core->banked_sp) = value & ~3U;
}

uint32_t sim_core_special_read(const struct sim_core *core, uint32_t number)
{
    bool privileged = sim_core_privileged(core);
    if (number < 8) { /* xPSR family; EPSR reads as zero */
        uint32_t value = 0;
        if ((number & 1U) != 0 && privileged)
            value |= core->ipsr;
        if ((number & 4U) == 0)
            value |= sim_core_xpsr(core) & 0xF0000000U;
        return value;
    }
    if (number == 20)
        return sim_core_control(core);
    if (!privileged)
        return 0;
    if (number == 8)
        return sim_core_msp(core);
    if (number == 9)
        return sim_core_psp(core);
    return number == 16 && core->primask ? 1 : 0;
}

void sim_core_special_write(struct sim_core *core, uint32_t number, uint32_t value)
{
    if (number < 4)
        sim_core_set_xpsr_flags(core, value);
    if (number < 4 || !sim_core_privileged(core))
        return;
    if (number == 8) {
        sim_core_set_msp(core, value);
    } else if (number == 9) {
        sim_core_set_psp(core, value);
    } else if (number == 16) {
        core->primask = (value & 1U) != 0;
        sim_core_update(core);
    } else if (number == 20) {
        sim_core_set_control(core, value);
    }
}

bool sim_core_special_exists(uint32_t number)
{
    return number <= 3 || (number >= 5 && number <= 9) || number == 16 || number == 20;
}
