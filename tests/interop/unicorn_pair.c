/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/interop/unicorn_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_interrupt(uc_engine *uc, uint32_t number, void *user)
{
    struct pair *pair = user;
    pair->interrupt = number;
    (void)uc_emu_stop(uc);
}

static bool on_bad_memory(
    uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct pair *pair = user;
    (void)uc;
    (void)address;
    (void)size;
    (void)value;
    if (type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT)
        pair->wrong_fetch = true;
    return false;
}

static bool done(uc_err error, const char *what)
{
    if (error != UC_ERR_OK)
        (void)fprintf(stderr, "Unicorn refused %s: %s\n", what, uc_strerror(error));
    return error == UC_ERR_OK;
}

bool pair_open(struct pair *pair, struct sim_chip *chip)
{
    static const struct {
        uint32_t base, size, perms;
    } maps[] = {
        { 0, SIM_ROM_SIZE, UC_PROT_READ | UC_PROT_EXEC },
        { SIM_RAM_BASE, SIM_RAM_SIZE, UC_PROT_ALL },
        { SIM_FLASH_BASE, SIM_FLASH_SIZE, UC_PROT_READ | UC_PROT_EXEC },
        { SIM_WORK_BASE, SIM_WORK_SIZE, UC_PROT_READ | UC_PROT_EXEC },
        { SIM_SFLASH_BASE, SIM_SFLASH_SIZE, UC_PROT_READ | UC_PROT_EXEC },
    };

    memset(pair, 0, sizeof(*pair));
    pair->chip = chip;
    /* Without UC_MODE_MCLASS: with it, the model is ignored and a Cortex-M33 answers. */
    if (!done(uc_open(UC_ARCH_ARM, UC_MODE_THUMB, &pair->uc), "to open") ||
        !done(uc_ctl_set_cpu_model(pair->uc, UC_CPU_ARM_CORTEX_M0), "the model Cortex-M0"))
        return false;
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        if (!done(uc_mem_map(pair->uc, maps[i].base, maps[i].size, maps[i].perms), "a memory"))
            return false;
    }
    uc_hook hook;
    if (!done(
            uc_hook_add(pair->uc, &hook, UC_HOOK_INTR, (void *)(uintptr_t)on_interrupt, pair, 1, 0),
            "a hook") ||
        !done(uc_hook_add(pair->uc, &hook, UC_HOOK_MEM_FETCH_UNMAPPED | UC_HOOK_MEM_FETCH_PROT,
                  (void *)(uintptr_t)on_bad_memory, pair, 1, 0),
            "a hook"))
        return false;
    pair_copy_all_memory(pair);
    return true;
}

void pair_close(struct pair *pair)
{
    if (pair->uc != NULL)
        (void)uc_close(pair->uc);
    pair->uc = NULL;
}

static void *read_ours(const struct pair *pair, uint32_t address, uint32_t length)
{
    uint8_t *copy = malloc(length);
    if (copy == NULL || !sim_chip_test_read(pair->chip, address, copy, length)) {
        (void)fprintf(stderr, "no memory of the chip at 0x%08x\n", address);
        abort();
    }
    return copy;
}

void pair_copy_memory(struct pair *pair, uint32_t address, uint32_t length)
{
    void *copy = read_ours(pair, address, length);
    (void)done(uc_mem_write(pair->uc, address, copy, length), "a write");
    /* Translated code does not notice what the host writes. */
    (void)uc_ctl_remove_cache(pair->uc, (uint64_t)address, (uint64_t)address + length);
    free(copy);
}

void pair_copy_all_memory(struct pair *pair)
{
    pair_copy_memory(pair, 0, SIM_ROM_SIZE);
    pair_copy_memory(pair, SIM_RAM_BASE, SIM_RAM_SIZE);
    pair_copy_memory(pair, SIM_FLASH_BASE, SIM_FLASH_SIZE);
    pair_copy_memory(pair, SIM_WORK_BASE, SIM_WORK_SIZE);
    pair_copy_memory(pair, SIM_SFLASH_BASE, SIM_SFLASH_SIZE);
}

uint32_t pair_compare(struct pair *pair, uint32_t address, uint32_t length)
{
    uint8_t *ours = read_ours(pair, address, length);
    uint8_t *theirs = malloc(length);
    uint32_t different = UINT32_MAX;
    if (theirs == NULL)
        abort();
    if (uc_mem_read(pair->uc, address, theirs, length) != UC_ERR_OK)
        different = address;
    else if (memcmp(ours, theirs, length) != 0)
        for (uint32_t i = 0; different == UINT32_MAX; i++)
            different = ours[i] != theirs[i] ? address + i : UINT32_MAX;
    free(theirs);
    free(ours);
    return different;
}

/* ---- registers ---- */

#define REGS 21

static int reg_ids[REGS] = { UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_ARM_REG_R3,
    UC_ARM_REG_R4, UC_ARM_REG_R5, UC_ARM_REG_R6, UC_ARM_REG_R7, UC_ARM_REG_R8, UC_ARM_REG_R9,
    UC_ARM_REG_R10, UC_ARM_REG_R11, UC_ARM_REG_R12, UC_ARM_REG_R13, UC_ARM_REG_R14, UC_ARM_REG_R15,
    UC_ARM_REG_CPSR, UC_ARM_REG_MSP, UC_ARM_REG_PSP, UC_ARM_REG_CONTROL, UC_ARM_REG_PRIMASK };

struct pair_state pair_theirs(const struct pair *pair)
{
    struct pair_state state = { 0 };
    uint32_t values[REGS] = { 0 };
    void *places[REGS];
    for (unsigned i = 0; i < REGS; i++)
        places[i] = &values[i];
    (void)done(uc_reg_read_batch(pair->uc, reg_ids, places, REGS), "reading registers");
    memcpy(state.r, values, sizeof(state.r));
    state.r[15] &= ~1U;
    state.flags = values[16] & 0xF0000000U;
    state.thumb = (values[16] >> 5 & 1U) != 0;
    state.msp = values[17];
    state.psp = values[18];
    state.control = values[19];
    state.primask = values[20];
    return state;
}

void pair_put_state(struct pair *pair, const struct pair_state *state)
{
    uint32_t values[REGS];
    void *places[REGS];
    memcpy(values, state->r, sizeof(state->r));
    values[16] = state->flags | 0x20U | 0x13U;
    values[17] = state->msp;
    values[18] = state->psp;
    values[19] = state->control;
    values[20] = state->primask;
    for (unsigned i = 0; i < REGS; i++)
        places[i] = &values[i];
    values[15] |= 1U;
    (void)done(uc_reg_write_batch(pair->uc, reg_ids, places, REGS), "writing registers");
    /* CONTROL chose the bank after r13 was written */
    (void)uc_reg_write(pair->uc, UC_ARM_REG_R13, &state->r[13]);
}

struct pair_state pair_ours(const struct pair *pair)
{
    const struct sim_core *core = &pair->chip->cm0;
    struct pair_state state = { .thumb = core->thumb, .primask = core->primask ? 1 : 0 };
    memcpy(state.r, core->r, sizeof(state.r));
    state.flags = sim_core_xpsr(core) & 0xF0000000U;
    state.msp = core->sp_is_psp ? core->banked_sp : core->r[13];
    state.psp = core->sp_is_psp ? core->r[13] : core->banked_sp;
    state.control = (core->unprivileged ? 1U : 0) | (core->sp_is_psp ? 2U : 0);
    return state;
}

/* ---- steps ---- */

enum pair_outcome pair_step_ours(struct pair *pair)
{
    struct sim_core *core = &pair->chip->cm0;
    uint32_t before = core->ipsr;
    pair->chip->running = core;
    sim_core_run(core, core->now_ps + 1, pair->chip->period_ps);
    pair->chip->running = NULL;
    if (core->now_ps > pair->chip->time_ps)
        pair->chip->time_ps = core->now_ps;
    if (core->ipsr != before && core->ipsr == SIM_EXC_HARDFAULT)
        return PAIR_FAULT;
    return (core->pending >> SIM_EXC_SVCALL & 1U) != 0 ? PAIR_CALL : PAIR_DONE;
}

enum pair_outcome pair_step_theirs(struct pair *pair, uint32_t address)
{
    pair->interrupt = UINT32_MAX;
    pair->wrong_fetch = false;
    uc_err error = uc_emu_start(pair->uc, address | 1U, UINT32_MAX - 1, 0, 1);
    if (pair->interrupt == 2)
        return PAIR_CALL;
    if (pair->interrupt == 7)
        return PAIR_BREAKPOINT;
    if (pair->interrupt != UINT32_MAX)
        return PAIR_FAULT;
    if (error == UC_ERR_OK)
        return PAIR_DONE;
    return pair->wrong_fetch ? PAIR_FETCH : PAIR_FAULT;
}
