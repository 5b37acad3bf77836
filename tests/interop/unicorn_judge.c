/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/interop/unicorn_judge.h"

#include "sim/core_int.h"

const char *const unicorn_judge_names[EXCUSE_COUNT] = {
    [EXCUSE_NONE] = "none",
    [EXCUSE_V7_CBZ] = "Unicorn accepts CBZ and CBNZ, which are ARMv7-M",
    [EXCUSE_V7_IT] = "Unicorn accepts IT, which is ARMv7-M",
    [EXCUSE_V6_SETEND] = "Unicorn accepts SETEND, which is of the other profiles",
    [EXCUSE_V7_SPECIAL] = "Unicorn accepts special registers that ARMv6-M does not have",
    [EXCUSE_SP_LOW_BITS] = "Unicorn keeps SP bits 1:0 in ADD, MOV and MSR to SP",
    [EXCUSE_EAGER_FETCH] = "Unicorn fetches the target of a branch at once",
    [EXCUSE_WFE] = "Unicorn does not execute WFE and YIELD",
    [EXCUSE_ESCALATION] = "Unicorn leaves it to its host that SVC under PRIMASK is a HardFault",
    [EXCUSE_PRIVILEGE] = "Unicorn's Cortex-M0 has no unprivileged mode, a Cortex-M0+ has",
    [EXCUSE_UNPREDICTABLE] = "UNPREDICTABLE by the architecture",
};

static uint32_t transfer_list(uint16_t insn)
{
    if ((insn & 0xF000U) == 0xC000U || (insn & 0xF600U) == 0xB400U)
        return insn & 0xFFU;
    return 0;
}

/* ARM DDI 0419: encodings and register uses without a defined result. */
static bool unpredictable(const struct one_case *c)
{
    uint16_t insn = c->insn;
    if ((insn & 0xF000U) == 0xC000U && (insn & 0xFFU) == 0)
        return true; /* LDM, STM of no register */
    if ((insn & 0xF600U) == 0xB400U && (insn & 0x1FFU) == 0)
        return true;                   /* PUSH, POP of no register */
    if ((insn & 0xF800U) == 0xC000U) { /* STM with the base in the list, but not first */
        uint32_t base = bits(insn, 8, 3);
        return (insn >> base & 1U) != 0 && (insn & ((1U << base) - 1)) != 0;
    }
    uint32_t rd = bits(insn, 0, 3) | (insn & 0x80U) >> 4;
    uint32_t rm = bits(insn, 3, 4);
    if ((insn & 0xFF00U) == 0x4500U)
        return rd == 15 || rm == 15 || (rd < 8 && rm < 8); /* CMP */
    if ((insn & 0xFF00U) == 0x4400U)
        return rd == 15 && rm == 15; /* ADD PC, PC */
    if ((insn & 0xFFE0U) == 0xB660U)
        return (insn & 0xFU) != 2; /* CPS with other bits than those of CPSIE i, CPSID i */
    if ((insn & 0xFF00U) == 0x4700U)
        return (insn & 7U) != 0 || rm == 15; /* BX, BLX: reserved bits, PC */
    if (insn == 0xF3EFU && (c->second & 0xF000U) == 0x8000U) {
        uint32_t to = bits(c->second, 8, 4);
        return to == 13 || to == 15 || !sim_core_special_exists(c->second & 0xFFU);
    }
    if ((insn & 0xFFF0U) == 0xF380U && (c->second & 0xFF00U) == 0x8800U) {
        uint32_t from = insn & 15U;
        return from == 13 || from == 15 || !sim_core_special_exists(c->second & 0xFFU);
    }
    return false;
}

static bool same_state(const struct pair_state *a, const struct pair_state *b, uint32_t but)
{
    for (unsigned i = 0; i < 16; i++) {
        if ((but >> i & 1U) == 0 && a->r[i] != b->r[i])
            return false;
    }
    bool sp = (but >> 13 & 1U) != 0 || (a->msp == b->msp && a->psp == b->psp);
    return a->flags == b->flags && sp && a->thumb == b->thumb && a->primask == b->primask &&
           a->control == b->control;
}

static bool same_outcome(const struct one_case *c)
{
    if (c->our_outcome == PAIR_FAULT && c->their_outcome == PAIR_BREAKPOINT)
        return (c->insn & 0xFF00U) == 0xBE00U;
    return c->our_outcome == c->their_outcome;
}

bool unicorn_judge_agrees(const struct one_case *c)
{
    uint32_t but = 0;
    if (!same_outcome(c))
        return false;
    if (c->our_outcome == PAIR_FAULT && (c->insn & 0x0800U) != 0)
        but = transfer_list(c->insn); /* UNKNOWN after a load multiple that faulted */
    if (c->our_outcome == PAIR_FAULT) /* where Unicorn's PC stands then means nothing */
        but |= c->ours.r[15] == c->address ? 1U << 15 : 0;
    return same_state(&c->ours, &c->theirs, but);
}

static bool executable(uint32_t address)
{
    return address < SIM_ROM_SIZE || address - SIM_RAM_BASE < SIM_RAM_SIZE ||
           address - SIM_FLASH_BASE < SIM_FLASH_SIZE || address - SIM_WORK_BASE < SIM_WORK_SIZE ||
           address - SIM_SFLASH_BASE < SIM_SFLASH_SIZE;
}

/* MRS or MSR of BASEPRI, BASEPRI_MAX, FAULTMASK. */
static bool v7_special(const struct one_case *c)
{
    uint32_t number = c->second & 0xFFU;
    bool mrs = c->insn == 0xF3EFU && (c->second & 0xF000U) == 0x8000U;
    bool msr = (c->insn & 0xFFF0U) == 0xF380U && (c->second & 0xFF00U) == 0x8800U;
    return (mrs || msr) && number >= 17 && number <= 19;
}

static bool sp_low_bits_only(const struct one_case *c)
{
    bool msr = (c->insn & 0xFFF0U) == 0xF380U && (c->second & 0xFFFEU) == 0x8808U;
    struct pair_state theirs = c->theirs;
    theirs.r[13] &= ~3U;
    theirs.msp &= ~3U;
    theirs.psp &= ~3U;
    return (msr || (c->insn & 0xFD87U) == 0x4485U) && c->our_outcome == PAIR_DONE &&
           c->their_outcome == PAIR_DONE && same_state(&c->ours, &theirs, 0);
}

static bool privilege_only(const struct one_case *c)
{
    struct pair_state theirs = c->theirs;
    theirs.control |= c->ours.control & 1U;
    return (c->insn & 0xFFF0U) == 0xF380U && (c->second & 0xFFFFU) == 0x8814U &&
           c->our_outcome == PAIR_DONE && c->their_outcome == PAIR_DONE &&
           same_state(&c->ours, &theirs, 0);
}

/* Our branch is complete, and the next step will fault: no memory there, or not Thumb state. */
static bool eager_fetch(const struct one_case *c)
{
    bool refused =
        c->their_outcome == PAIR_FETCH || (c->their_outcome == PAIR_FAULT && !c->ours.thumb);
    return c->our_outcome == PAIR_DONE && refused &&
           (!executable(c->ours.r[15]) || !c->ours.thumb) && same_state(&c->ours, &c->theirs, 0);
}

enum excuse unicorn_judge_excuse(const struct one_case *c)
{
    bool we_refuse = c->our_outcome == PAIR_FAULT && c->ours.r[15] == c->address &&
                     c->their_outcome != PAIR_FAULT;
    uint16_t insn = c->insn;
    if (we_refuse && v7_special(c))
        return EXCUSE_V7_SPECIAL;
    if (unpredictable(c))
        return EXCUSE_UNPREDICTABLE;
    if (we_refuse && (insn & 0xF500U) == 0xB100U)
        return EXCUSE_V7_CBZ;
    if (we_refuse && (insn & 0xFFF7U) == 0xB650U)
        return EXCUSE_V6_SETEND;
    if (c->our_outcome == PAIR_FAULT && c->ours.r[15] == c->address &&
        (insn & 0xFF00U) == 0xBF00U && (insn & 0xFU) != 0)
        return EXCUSE_V7_IT; /* whatever becomes of the instructions of its block */
    if ((insn & 0xFF00U) == 0xDF00U && c->before.primask != 0 && we_refuse &&
        c->their_outcome == PAIR_CALL && same_state(&c->ours, &c->theirs, 1U << 15))
        return EXCUSE_ESCALATION;
    if ((insn == 0xBF20U || insn == 0xBF10U) && c->our_outcome == PAIR_DONE &&
        c->their_outcome == PAIR_FAULT)
        return EXCUSE_WFE;
    if (sp_low_bits_only(c))
        return EXCUSE_SP_LOW_BITS;
    if (privilege_only(c))
        return EXCUSE_PRIVILEGE;
    if (eager_fetch(c))
        return EXCUSE_EAGER_FETCH;
    return EXCUSE_NONE;
}
