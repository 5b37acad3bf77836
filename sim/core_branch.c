/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/core_int.h"

#include "sim/bus.h"

/* Branches, SVC, UDF and the 32-bit instructions (ARM DDI 0419 A5.2, A5.3). */

static bool condition(const struct sim_core *core, uint32_t cond)
{
    bool negative = (core->n_result >> 31) != 0;
    bool zero = core->z_result == 0;
    bool result;
    switch (cond >> 1) {
    case 0:
        result = zero;
        break;
    case 1:
        result = core->carry;
        break;
    case 2:
        result = negative;
        break;
    case 3:
        result = core->overflow;
        break;
    case 4:
        result = core->carry && !zero;
        break;
    case 5:
        result = negative == core->overflow;
        break;
    default:
        result = !zero && negative == core->overflow;
        break;
    }
    return result != ((cond & 1U) != 0);
}

int sim_core_exec_branch_cond(struct sim_core *core, uint32_t insn)
{
    uint32_t cond = bits(insn, 8, 4);
    if (cond == 15) { /* SVC */
        core->pending |= UINT64_C(1) << SIM_EXC_SVCALL;
        sim_core_update(core);
        if (sim_core_exec_priority(core, false) <= core->priority[SIM_EXC_SVCALL]) {
            core->pending &= ~(UINT64_C(1) << SIM_EXC_SVCALL);
            return CORE_FAULT; /* cannot preempt: escalates to HardFault */
        }
        return 1;
    }
    if (cond == 14)
        return sim_bus_rom_service(core, insn & 0xFFU) ? 1 : CORE_FAULT;
    if (!condition(core, cond))
        return 1;
    core->r[15] += 2 + (uint32_t)((int32_t)(int8_t)(insn & 0xFFU) * 2);
    return CYCLES_BRANCH;
}

int sim_core_exec_branch(struct sim_core *core, uint32_t insn)
{
    uint32_t offset = (insn & 0x7FFU) << 1;
    if ((offset & 0x800U) != 0)
        offset |= 0xFFFFF000U;
    core->r[15] += 2 + offset;
    return CYCLES_BRANCH;
}

static int exec_bl(struct sim_core *core, uint32_t first, uint32_t second)
{
    uint32_t s = bits(first, 10, 1);
    uint32_t i1 = ~(bits(second, 13, 1) ^ s) & 1U;
    uint32_t i2 = ~(bits(second, 11, 1) ^ s) & 1U;
    uint32_t offset =
        s << 24 | i1 << 23 | i2 << 22 | (first & 0x3FFU) << 12 | (second & 0x7FFU) << 1;
    if (s != 0)
        offset |= 0xFE000000U;
    core->r[15] += 2;
    core->r[14] = core->r[15] | 1U;
    core->r[15] += offset;
    return 3;
}

/* The 32-bit instructions: BL, MSR, MRS, DSB, DMB, ISB. */
int sim_core_exec_wide(struct sim_core *core, uint32_t first)
{
    uint32_t second;
    if (!sim_core_fetch(core, core->r[15], &second))
        return CORE_FAULT;
    if ((second & 0xD000U) == 0xD000U)
        return exec_bl(core, first, second);
    if ((first & 0xFFF0U) == 0xF380U && (second & 0xFF00U) == 0x8800U) {
        if (!sim_core_special_exists(second & 0xFFU))
            return CORE_FAULT;
        sim_core_special_write(core, second & 0xFFU, core->r[first & 0xFU]);
        core->r[15] += 2;
        return 3;
    }
    if (first == 0xF3EFU && (second & 0xF000U) == 0x8000U) {
        uint32_t rd = bits(second, 8, 4);
        if (!sim_core_special_exists(second & 0xFFU) || rd == 13 || rd == 15)
            return CORE_FAULT;
        core->r[rd] = sim_core_special_read(core, second & 0xFFU);
        core->r[15] += 2;
        return 3;
    }
    if (first == 0xF3BFU && (second & 0xFF00U) == 0x8F00U && bits(second, 4, 4) >= 4 &&
        bits(second, 4, 4) <= 6) {
        core->r[15] += 2;
        return 3;
    }
    return CORE_FAULT;
}
