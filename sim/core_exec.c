/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/core_int.h"

#include "sim/bus.h"

#include <stddef.h>

/* The 16-bit Thumb instructions of ARMv6-M (ARM DDI 0419 A5.2), one function per encoding group.
 * Each returns the cycles taken, or CORE_FAULT with the machine state unchanged enough to take
 * the HardFault at this instruction. */

static void set_nz(struct sim_core *core, uint32_t result)
{
    core->n_result = result;
    core->z_result = result;
}

static uint32_t add_flags(struct sim_core *core, uint32_t a, uint32_t b, uint32_t carry_in)
{
    uint64_t wide = (uint64_t)a + b + carry_in;
    uint32_t result = (uint32_t)wide;
    core->carry = (wide >> 32) != 0;
    core->overflow = ((~(a ^ b) & (a ^ result)) >> 31) != 0;
    set_nz(core, result);
    return result;
}

static uint32_t shift_left(struct sim_core *core, uint32_t value, uint32_t count)
{
    if (count == 0)
        return value;
    core->carry = count <= 32 && ((value >> (32 - count)) & 1U) != 0;
    return count < 32 ? value << count : 0;
}

static uint32_t shift_right(struct sim_core *core, uint32_t value, uint32_t count)
{
    if (count == 0)
        return value;
    core->carry = count <= 32 && ((value >> (count - 1)) & 1U) != 0;
    return count < 32 ? value >> count : 0;
}

static uint32_t shift_arithmetic(struct sim_core *core, uint32_t value, uint32_t count)
{
    if (count == 0)
        return value;
    uint32_t sign = (value >> 31) != 0 ? UINT32_MAX : 0;
    if (count >= 32) {
        core->carry = sign != 0;
        return sign;
    }
    core->carry = ((value >> (count - 1)) & 1U) != 0;
    return value >> count | (sign & ~(UINT32_MAX >> count));
}

static uint32_t rotate_right(struct sim_core *core, uint32_t value, uint32_t count)
{
    if (count == 0)
        return value;
    count &= 31;
    uint32_t result = count == 0 ? value : value >> count | value << (32 - count);
    core->carry = (result >> 31) != 0;
    return result;
}

static int exec_shift_imm(struct sim_core *core, uint32_t insn)
{
    uint32_t value = core->r[bits(insn, 3, 3)];
    uint32_t count = bits(insn, 6, 5);
    uint32_t kind = bits(insn, 11, 2);
    if (kind == 0)
        value = shift_left(core, value, count);
    else if (kind == 1)
        value = shift_right(core, value, count == 0 ? 32 : count);
    else
        value = shift_arithmetic(core, value, count == 0 ? 32 : count);
    core->r[bits(insn, 0, 3)] = value;
    set_nz(core, value);
    return 1;
}

static int exec_add_sub(struct sim_core *core, uint32_t insn)
{
    uint32_t a = core->r[bits(insn, 3, 3)];
    uint32_t b = bits(insn, 6, 3);
    if ((insn & 0x0400U) == 0)
        b = core->r[b];
    bool subtract = (insn & 0x0200U) != 0;
    core->r[bits(insn, 0, 3)] = subtract ? add_flags(core, a, ~b, 1) : add_flags(core, a, b, 0);
    return 1;
}

static int exec_imm8(struct sim_core *core, uint32_t insn)
{
    uint32_t imm = insn & 0xFFU;
    uint32_t *rd = &core->r[bits(insn, 8, 3)];
    switch (bits(insn, 11, 2)) {
    case 0:
        *rd = imm;
        set_nz(core, imm);
        break;
    case 1:
        (void)add_flags(core, *rd, ~imm, 1);
        break;
    case 2:
        *rd = add_flags(core, *rd, imm, 0);
        break;
    default:
        *rd = add_flags(core, *rd, ~imm, 1);
        break;
    }
    return 1;
}

/* Shifts by register, which keep C when the count is zero; the count is the low byte. */
static uint32_t alu_shift(struct sim_core *core, uint32_t op, uint32_t a, uint32_t b)
{
    uint32_t count = b & 0xFFU;
    if (op == 2)
        return shift_left(core, a, count);
    if (op == 3)
        return shift_right(core, a, count);
    if (op == 4)
        return shift_arithmetic(core, a, count);
    return rotate_right(core, a, count);
}

static int exec_alu(struct sim_core *core, uint32_t insn)
{
    uint32_t *rd = &core->r[bits(insn, 0, 3)];
    uint32_t a = *rd;
    uint32_t b = core->r[bits(insn, 3, 3)];
    uint32_t op = bits(insn, 6, 4);
    uint32_t result = a;
    bool keep = true;
    switch (op) {
    case 0x0:
        result = a & b;
        break;
    case 0x1:
        result = a ^ b;
        break;
    case 0x5:
        result = add_flags(core, a, b, core->carry ? 1 : 0);
        break;
    case 0x6:
        result = add_flags(core, a, ~b, core->carry ? 1 : 0);
        break;
    case 0x8:
        result = a & b;
        keep = false;
        break;
    case 0x9:
        result = add_flags(core, 0, ~b, 1);
        break;
    case 0xA:
        result = add_flags(core, a, ~b, 1);
        keep = false;
        break;
    case 0xB:
        result = add_flags(core, a, b, 0);
        keep = false;
        break;
    case 0xC:
        result = a | b;
        break;
    case 0xD:
        result = a * b;
        break;
    case 0xE:
        result = a & ~b;
        break;
    case 0xF:
        result = ~b;
        break;
    default:
        result = alu_shift(core, op, a, b);
        break;
    }
    set_nz(core, result);
    if (keep)
        *rd = result;
    return 1;
}

static uint32_t read_high(const struct sim_core *core, uint32_t reg)
{
    return reg == 15 ? core->r[15] + 2 : core->r[reg];
}

static int write_high(struct sim_core *core, uint32_t reg, uint32_t value)
{
    if (reg == 15) {
        core->r[15] = value & ~1U;
        return CYCLES_BRANCH;
    }
    core->r[reg] = reg == 13 ? value & ~3U : value;
    if (reg == 13)
        sim_core_note_sp(core);
    return 1;
}

static int exec_high(struct sim_core *core, uint32_t insn)
{
    uint32_t rm = bits(insn, 3, 4);
    uint32_t rd = bits(insn, 0, 3) | (insn & 0x80U) >> 4;
    uint32_t value = read_high(core, rm);
    switch (bits(insn, 8, 2)) {
    case 0:
        return write_high(core, rd, read_high(core, rd) + value);
    case 1:
        (void)add_flags(core, read_high(core, rd), ~value, 1);
        return 1;
    case 2:
        return write_high(core, rd, value);
    default:
        break;
    }
    if ((insn & 7U) != 0)
        return CORE_FAULT;
    if ((insn & 0x80U) != 0) {
        core->r[14] = core->r[15] | 1U;
        core->thumb = (value & 1U) != 0;
        core->r[15] = value & ~1U;
        return CYCLES_BRANCH;
    }
    return sim_core_branch(core, value) ? CYCLES_BRANCH : CORE_FAULT;
}

static int exec_load_literal(struct sim_core *core, uint32_t insn)
{
    uint32_t address = ((core->r[15] + 2) & ~3U) + (insn & 0xFFU) * 4;
    uint32_t value;
    if (!sim_core_load(core, address, 4, &value))
        return CORE_FAULT;
    core->r[bits(insn, 8, 3)] = value;
    return CYCLES_MEMORY;
}

static int load_to(struct sim_core *core, uint32_t address, unsigned size, bool sign, uint32_t reg)
{
    uint32_t value;
    if (!sim_core_load(core, address, size, &value))
        return CORE_FAULT;
    if (sign)
        value = size == 1 ? (uint32_t)(int32_t)(int8_t)value : (uint32_t)(int32_t)(int16_t)value;
    core->r[reg] = value;
    return CYCLES_MEMORY;
}

static int store_from(struct sim_core *core, uint32_t address, unsigned size, uint32_t reg)
{
    return sim_core_store(core, address, size, core->r[reg]) ? CYCLES_MEMORY : CORE_FAULT;
}

static int exec_memory_reg(struct sim_core *core, uint32_t insn)
{
    static const uint8_t sizes[8] = { 4, 2, 1, 1, 4, 2, 1, 2 };
    uint32_t address = core->r[bits(insn, 3, 3)] + core->r[bits(insn, 6, 3)];
    uint32_t reg = bits(insn, 0, 3);
    uint32_t op = bits(insn, 9, 3);
    if (op < 3)
        return store_from(core, address, sizes[op], reg);
    return load_to(core, address, sizes[op], op == 3 || op == 7, reg);
}

static int exec_memory_imm(struct sim_core *core, uint32_t insn, unsigned size)
{
    uint32_t address = core->r[bits(insn, 3, 3)] + bits(insn, 6, 5) * size;
    uint32_t reg = bits(insn, 0, 3);
    if ((insn & 0x0800U) == 0)
        return store_from(core, address, size, reg);
    return load_to(core, address, size, false, reg);
}

static int exec_memory_sp(struct sim_core *core, uint32_t insn)
{
    uint32_t address = core->r[13] + (insn & 0xFFU) * 4;
    uint32_t reg = bits(insn, 8, 3);
    if ((insn & 0x0800U) == 0)
        return store_from(core, address, 4, reg);
    return load_to(core, address, 4, false, reg);
}

static int exec_address(struct sim_core *core, uint32_t insn)
{
    uint32_t base = (insn & 0x0800U) != 0 ? core->r[13] : (core->r[15] + 2) & ~3U;
    core->r[bits(insn, 8, 3)] = base + (insn & 0xFFU) * 4;
    return 1;
}

static int exec_push(struct sim_core *core, uint32_t insn)
{
    uint32_t list = (insn & 0xFFU) | (insn & 0x100U) << 6;
    int count = __builtin_popcount(list);
    uint32_t address = core->r[13] - (uint32_t)count * 4;
    uint32_t bottom = address;
    for (unsigned reg = 0; reg < 15; reg++) {
        if ((list >> reg & 1U) == 0)
            continue;
        if (!sim_core_store(core, address, 4, core->r[reg]))
            return CORE_FAULT;
        address += 4;
    }
    core->r[13] = bottom;
    sim_core_note_sp(core);
    return 1 + count;
}

static int exec_pop(struct sim_core *core, uint32_t insn)
{
    uint32_t loaded[9];
    int count = __builtin_popcount(insn & 0x1FFU);
    uint32_t address = core->r[13];
    for (int i = 0; i < count; i++, address += 4) {
        if (!sim_core_load(core, address, 4, &loaded[i]))
            return CORE_FAULT;
    }
    int next = 0;
    for (unsigned reg = 0; reg < 8; reg++) {
        if ((insn >> reg & 1U) != 0)
            core->r[reg] = loaded[next++];
    }
    core->r[13] = address;
    if ((insn & 0x100U) == 0)
        return 1 + count;
    return sim_core_branch(core, loaded[next]) ? 3 + count : CORE_FAULT;
}

static int exec_store_multiple(struct sim_core *core, uint32_t insn)
{
    uint32_t base = bits(insn, 8, 3);
    uint32_t address = core->r[base];
    int count = __builtin_popcount(insn & 0xFFU);
    for (unsigned reg = 0; reg < 8; reg++) {
        if ((insn >> reg & 1U) == 0)
            continue;
        if (!sim_core_store(core, address, 4, core->r[reg]))
            return CORE_FAULT;
        address += 4;
    }
    core->r[base] = address;
    return 1 + count;
}

static int exec_load_multiple(struct sim_core *core, uint32_t insn)
{
    uint32_t loaded[8];
    uint32_t base = bits(insn, 8, 3);
    uint32_t address = core->r[base];
    int count = __builtin_popcount(insn & 0xFFU);
    for (int i = 0; i < count; i++, address += 4) {
        if (!sim_core_load(core, address, 4, &loaded[i]))
            return CORE_FAULT;
    }
    core->r[base] = address;
    int next = 0;
    for (unsigned reg = 0; reg < 8; reg++) {
        if ((insn >> reg & 1U) != 0)
            core->r[reg] = loaded[next++];
    }
    return 1 + count;
}

static int exec_extend(struct sim_core *core, uint32_t insn)
{
    uint32_t value = core->r[bits(insn, 3, 3)];
    uint32_t *rd = &core->r[bits(insn, 0, 3)];
    switch (bits(insn, 6, 2)) {
    case 0:
        *rd = (uint32_t)(int32_t)(int16_t)value;
        break;
    case 1:
        *rd = (uint32_t)(int32_t)(int8_t)value;
        break;
    case 2:
        *rd = value & 0xFFFFU;
        break;
    default:
        *rd = value & 0xFFU;
        break;
    }
    return 1;
}

static int exec_reverse(struct sim_core *core, uint32_t insn)
{
    uint32_t value = core->r[bits(insn, 3, 3)];
    uint32_t swapped = __builtin_bswap32(value);
    uint32_t *rd = &core->r[bits(insn, 0, 3)];
    uint32_t op = bits(insn, 6, 2);
    if (op == 2)
        return CORE_FAULT;
    if (op == 0)
        *rd = swapped;
    else if (op == 1)
        *rd = swapped >> 16 | swapped << 16;
    else
        *rd = (uint32_t)(int32_t)(int16_t)(swapped >> 16);
    return 1;
}

static int exec_hint(struct sim_core *core, uint32_t insn)
{
    if ((insn & 0xFU) != 0)
        return CORE_FAULT; /* IT: not in ARMv6-M */
    switch (bits(insn, 4, 4)) {
    case 2:
        core->wfe = true;
        if (core->event)
            core->event = false;
        else
            core->attention |= SIM_ATTENTION_SLEEP;
        break;
    case 3:
        core->wfe = false;
        core->attention |= SIM_ATTENTION_SLEEP;
        break;
    case 4:
        sim_bus_send_event(core->chip);
        break;
    default: /* NOP, YIELD and the reserved hints, which execute as NOP */
        break;
    }
    return 1;
}

static int exec_misc(struct sim_core *core, uint32_t insn)
{
    uint32_t group = bits(insn, 8, 4);
    switch (group) {
    case 0x0: {
        uint32_t offset = (insn & 0x7FU) * 4;
        core->r[13] = (insn & 0x80U) != 0 ? core->r[13] - offset : core->r[13] + offset;
        sim_core_note_sp(core);
        return 1;
    }
    case 0x2:
        return exec_extend(core, insn);
    case 0x4:
    case 0x5:
        return exec_push(core, insn);
    case 0x6:
        if ((insn & 0xFFEFU) != 0xB662U)
            return CORE_FAULT;
        if (sim_core_privileged(core)) { /* CPS is a NOP without privilege */
            core->primask = (insn & 0x10U) != 0;
            sim_core_update(core);
        }
        return 1;
    case 0xA:
        return exec_reverse(core, insn);
    case 0xC:
    case 0xD:
        return exec_pop(core, insn);
    case 0xE:
        return sim_core_breakpoint(core) ? 0 : CORE_FAULT;
    case 0xF:
        return exec_hint(core, insn);
    default:
        return CORE_FAULT;
    }
}

int sim_core_exec(struct sim_core *core, uint32_t insn)
{
    switch (insn >> 11) {
    case 0x00:
    case 0x01:
    case 0x02:
        return exec_shift_imm(core, insn);
    case 0x03:
        return exec_add_sub(core, insn);
    case 0x04:
    case 0x05:
    case 0x06:
    case 0x07:
        return exec_imm8(core, insn);
    case 0x08:
        return (insn & 0x0400U) == 0 ? exec_alu(core, insn) : exec_high(core, insn);
    case 0x09:
        return exec_load_literal(core, insn);
    case 0x0A:
    case 0x0B:
        return exec_memory_reg(core, insn);
    case 0x0C:
    case 0x0D:
        return exec_memory_imm(core, insn, 4);
    case 0x0E:
    case 0x0F:
        return exec_memory_imm(core, insn, 1);
    case 0x10:
    case 0x11:
        return exec_memory_imm(core, insn, 2);
    case 0x12:
    case 0x13:
        return exec_memory_sp(core, insn);
    case 0x14:
    case 0x15:
        return exec_address(core, insn);
    case 0x16:
    case 0x17:
        return exec_misc(core, insn);
    case 0x18:
        return exec_store_multiple(core, insn);
    case 0x19:
        return exec_load_multiple(core, insn);
    case 0x1A:
    case 0x1B:
        return sim_core_exec_branch_cond(core, insn);
    case 0x1C:
        return sim_core_exec_branch(core, insn);
    case 0x1E:
        return sim_core_exec_wide(core, insn);
    default: /* the 32-bit space of ARMv7-M */
        return CORE_FAULT;
    }
}
