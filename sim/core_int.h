/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CORE_INT_H
#define SIM_CORE_INT_H

/** @file Shared by the files of the processor model only. */

#include "sim/core.h"
#include "sim/mem.h"

#define CORE_FAULT    (-1) /**< instead of a cycle count: the instruction faulted */
#define CYCLES_MEMORY 2
#define CYCLES_BRANCH 2

/** Execute one 16-bit instruction whose address is r[15] - 2. Returns cycles or CORE_FAULT. */
int sim_core_exec(struct sim_core *core, uint32_t insn);

/* Encoding groups that live in core_branch.c. */
int sim_core_exec_branch_cond(struct sim_core *core, uint32_t insn);
int sim_core_exec_branch(struct sim_core *core, uint32_t insn);
int sim_core_exec_wide(struct sim_core *core, uint32_t first);

/* Slow paths of the memory accesses below. */
bool sim_core_load_slow(
    struct sim_core *core, uint32_t address, unsigned size, uint32_t *ret_value);
bool sim_core_store_slow(struct sim_core *core, uint32_t address, unsigned size, uint32_t value);
bool sim_core_fetch_slow(struct sim_core *core, uint32_t address, uint32_t *ret_insn);

/** Special registers of MRS and MSR by SYSm number (ARM DDI 0419 B5.2.2). */
bool sim_core_special_exists(uint32_t number);
uint32_t sim_core_special_read(const struct sim_core *core, uint32_t number);
void sim_core_special_write(struct sim_core *core, uint32_t number, uint32_t value);

/** Branch to a value as BX does: EXC_RETURN in handler mode, else interworking. */
bool sim_core_branch(struct sim_core *core, uint32_t value);
/** Take exceptions, wake, halt: false when the core has nothing to execute now. */
bool sim_core_attend(struct sim_core *core);
/** Exception entry. False: locked up. */
bool sim_core_enter(struct sim_core *core, unsigned number, uint32_t return_address);
/** EXC_RETURN. False: fault. */
bool sim_core_leave(struct sim_core *core, uint32_t value);
/** The present instruction at @p address faulted: HardFault or lockup. */
void sim_core_fault(struct sim_core *core, uint32_t address);
/** BKPT instruction or breakpoint match. True: the core halted. */
bool sim_core_breakpoint(struct sim_core *core);
/** Recompute the attention flags after priorities, masks or pending bits changed. */
void sim_core_update(struct sim_core *core);
/** Priority of the running code: -3 … 256 (lower wins). @p ignore_primask for wake-up. */
int sim_core_exec_priority(const struct sim_core *core, bool ignore_primask);
/** Pending exception with the best priority, 0 when none is enabled. */
unsigned sim_core_best_pending(const struct sim_core *core, int *ret_priority);
/** Make exceptions (a mask by number) pending; SEVONPEND sees it. */
void sim_core_pend(struct sim_core *core, uint64_t exceptions);
void sim_core_halt(struct sim_core *core, uint32_t dfsr_bit);
void sim_core_set_control(struct sim_core *core, uint32_t value);
uint32_t sim_core_control(const struct sim_core *core);
void sim_core_set_xpsr_flags(struct sim_core *core, uint32_t value);
uint32_t sim_core_msp(const struct sim_core *core);
uint32_t sim_core_psp(const struct sim_core *core);
void sim_core_set_msp(struct sim_core *core, uint32_t value);
void sim_core_set_psp(struct sim_core *core, uint32_t value);
void sim_core_systick_sync(struct sim_core *core);
bool sim_core_debug_read(struct sim_core *core, uint32_t address, uint32_t *ret_value);
bool sim_core_debug_write(struct sim_core *core, uint32_t address, uint32_t value);
bool sim_core_id_read(const struct sim_core *core, uint32_t address, uint32_t *ret_value);

/** The field of @p count bits from bit @p low. */
static inline uint32_t bits(uint32_t insn, unsigned low, unsigned count)
{
    return (insn >> low) & ((1U << count) - 1);
}

static inline uint32_t sim_core_key(const struct sim_core *core, uint32_t address)
{
    uint32_t user = core->unprivileged && core->ipsr == 0 ? 1U : 0U;
    return (address & ~(SIM_PAGE_SIZE - 1)) | 2U | user;
}

static inline uint8_t *sim_core_fast(
    struct sim_core *core, uint32_t address, unsigned size, uint32_t perm)
{
    const struct sim_tlb_entry *entry = &core->tlb[(address / SIM_PAGE_SIZE) % SIM_CORE_TLB_SIZE];
    if (entry->key != sim_core_key(core, address) || (entry->perms & perm) == 0 ||
        (address & (size - 1)) != 0)
        return NULL;
    return entry->page + (address & (SIM_PAGE_SIZE - 1));
}

static inline bool sim_core_load(
    struct sim_core *core, uint32_t address, unsigned size, uint32_t *ret_value)
{
    const uint8_t *host = sim_core_fast(core, address, size, SIM_PERM_READ);
    if (host == NULL)
        return sim_core_load_slow(core, address, size, ret_value);
    *ret_value = sim_mem_get(host, size);
    return true;
}

static inline bool sim_core_store(
    struct sim_core *core, uint32_t address, unsigned size, uint32_t value)
{
    uint8_t *host = sim_core_fast(core, address, size, SIM_PERM_WRITE);
    if (host == NULL)
        return sim_core_store_slow(core, address, size, value);
    sim_mem_put(host, size, value);
    return true;
}

static inline bool sim_core_fetch(struct sim_core *core, uint32_t address, uint32_t *ret_insn)
{
    const uint8_t *host = sim_core_fast(core, address, 2, SIM_PERM_EXEC);
    if (host == NULL)
        return sim_core_fetch_slow(core, address, ret_insn);
    *ret_insn = sim_mem_get(host, 2);
    return true;
}

static inline bool sim_core_stop_is_at(const struct sim_stop *stop, uint32_t pc)
{
    uint32_t at = pc - stop->low;

    return at < stop->size && (stop->flags == NULL || (stop->flags[at / 2] & stop->mask) != 0);
}

/** Does a test want to stop before the next instruction? */
static inline bool sim_core_stop_matches(const struct sim_core *core)
{
    return sim_core_stop_is_at(&core->stop[0], core->r[15]) ||
           sim_core_stop_is_at(&core->stop[1], core->r[15]);
}

static inline void sim_core_note_sp(struct sim_core *core)
{
    if (core->r[13] < core->min_sp)
        core->min_sp = core->r[13];
}

#endif
