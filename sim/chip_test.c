/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/chip_test.h"

#include <stddef.h>
#include <string.h>

#include "sim/die.h"

static uint8_t *memory(struct sim_chip *chip, uint32_t address, size_t length)
{
    struct sim_flash_place place;
    if (address - 0x402C0800U < SIM_EFUSE_BYTES) {
        size_t left = SIM_EFUSE_BYTES - (address - 0x402C0800U);
        return length <= left ? chip->nvm.efuse + (address - 0x402C0800U) : NULL;
    }
    if (address < SIM_ROM_SIZE)
        return length <= SIM_ROM_SIZE - address ? chip->rom + address : NULL;
    if (address - SIM_RAM_BASE < SIM_RAM_SIZE) {
        size_t left = SIM_RAM_SIZE - (address - SIM_RAM_BASE);
        return length <= left ? chip->ram + (address - SIM_RAM_BASE) : NULL;
    }
    if (!sim_flash_find(chip, address, &place) || length > place.size - place.offset)
        return NULL;
    return place.host + place.offset;
}

bool sim_chip_test_read(
    const struct sim_chip *chip, uint32_t address, void *ret_data, size_t length)
{
    /* memory() only finds the place; nothing is written through it here */
    const uint8_t *host = memory((struct sim_chip *)(uintptr_t)chip, address, length);
    if (host != NULL)
        memcpy(ret_data, host, length);
    return host != NULL;
}

bool sim_chip_test_write(struct sim_chip *chip, uint32_t address, const void *data, size_t length)
{
    uint8_t *host = address < SIM_ROM_SIZE ? NULL : memory(chip, address, length);
    if (host != NULL)
        memcpy(host, data, length);
    return host != NULL;
}

static const struct sim_core *core_of(const struct sim_chip *chip, enum sim_ap ap)
{
    return ap == SIM_AP_CM4 ? &chip->cm4 : &chip->cm0;
}

struct sim_chip_test_core sim_chip_test_core(const struct sim_chip *chip, enum sim_ap ap)
{
    const struct sim_core *core = core_of(chip, ap);
    struct sim_chip_test_core state = {
        .busy_cycles = core->busy_cycles,
        .instructions = core->instructions,
        .pc = core->r[15],
        .sp = core->r[13],
        .ipsr = core->ipsr,
        .xpsr = sim_core_xpsr(core),
        .context = chip->regs.context[core->master],
        .sleeping = sim_core_sleeping(core),
        .halted = core->halted,
        .locked_up = (core->attention & SIM_ATTENTION_LOCKUP) != 0,
    };
    return state;
}

uint32_t sim_chip_test_reg(const struct sim_chip *chip, enum sim_ap ap, unsigned reg)
{
    return core_of(chip, ap)->r[reg & 15U];
}

void sim_chip_test_set_reg(struct sim_chip *chip, enum sim_ap ap, unsigned reg, uint32_t value)
{
    struct sim_core *core = ap == SIM_AP_CM4 ? &chip->cm4 : &chip->cm0;
    core->r[reg & 15U] = value;
}

void sim_chip_test_copy(struct sim_chip *to, const struct sim_chip *from)
{
    sim_copy(to, from);
}

static void move_pages(struct sim_core *core, const struct sim_chip *from, struct sim_chip *to)
{
    for (unsigned i = 0; i < SIM_CORE_TLB_SIZE; i++) {
        struct sim_tlb_entry *entry = &core->tlb[i];
        if (entry->key != 0)
            entry->page = (uint8_t *)to + (entry->page - (const uint8_t *)from);
    }
    core->chip = to;
}

void sim_chip_test_copy_volatile(struct sim_chip *to, const struct sim_chip *from)
{
    memcpy(to, from, offsetof(struct sim_chip, rom));
    memcpy(to->ram, from->ram, sizeof(to->ram));
    to->running = NULL;
    sim_chip_test_on_flash(to, NULL, NULL);
    sim_chip_test_on_call(to, NULL, NULL);
    move_pages(&to->cm0, from, to);
    move_pages(&to->cm4, from, to);
    if (to->hooks.store_fn != NULL)
        sim_chip_test_on_store(to, 0, 0, NULL, NULL);
}

uint32_t sim_chip_test_stack_low(const struct sim_chip *chip, enum sim_ap ap)
{
    return core_of(chip, ap)->min_sp;
}

void sim_chip_test_stack_restart(struct sim_chip *chip, enum sim_ap ap)
{
    struct sim_core *core = ap == SIM_AP_CM4 ? &chip->cm4 : &chip->cm0;
    core->min_sp = core->r[13];
}

void sim_chip_test_start(struct sim_chip *chip, uint32_t sp, uint32_t pc)
{
    if (chip->boot == SIM_BOOT_ROM)
        sim_boot_event(chip);
    chip->event_ps[SIM_EVENT_BOOT] = SIM_NEVER;
    chip->boot = SIM_BOOT_APP;
    sim_core_start(&chip->cm0, sp, pc | 1U);
}

void sim_chip_test_write_toc2(
    struct sim_chip *chip, uint32_t flags, uint32_t app_address, uint32_t app_format)
{
    uint8_t *toc = chip->nvm.sflash + 0x7C00;
    memset(toc, 0, SIM_ROW_SIZE);
    sim_mem_put32(toc, 0x1FC);
    sim_mem_put32(toc + 0x04, 0x01211220U);
    sim_mem_put32(toc + 0x10, app_address);
    sim_mem_put32(toc + 0x14, app_format);
    sim_mem_put32(toc + 0x1F8, flags);
    sim_mem_put32(toc + 0x1FC, (uint32_t)sim_boot_crc16(toc, 0x1FC) << 16);
    memcpy(toc + SIM_ROW_SIZE, toc, SIM_ROW_SIZE);
}

uint16_t sim_chip_test_toc2_crc(const struct sim_chip *chip)
{
    return sim_boot_crc16(chip->nvm.sflash + 0x7C00, 0x1FC);
}

bool sim_chip_test_run_to(struct sim_chip *chip, uint32_t pc, uint64_t time_ps)
{
    const struct sim_chip_test_range place[2] = { { pc & ~1U, (pc & ~1U) + 1 }, { 0, 0 } };
    return sim_chip_test_run_into(chip, place, time_ps);
}

static bool run_to_stop(struct sim_chip *chip, uint64_t time_ps)
{
    struct sim_core *core = &chip->cm0;
    core->attention |= SIM_ATTENTION_STOP;
    sim_chip_run_until(chip, time_ps);
    bool there = core->stopped;
    core->stopped = false;
    core->attention &= ~SIM_ATTENTION_STOP;
    return there;
}

bool sim_chip_test_run_instructions(struct sim_chip *chip, uint64_t count, uint64_t time_ps)
{
    struct sim_core *core = &chip->cm0;
    core->insn_limit = count > core->instructions ? count : core->instructions;
    sim_chip_run_until(chip, time_ps);
    bool there = core->instructions >= count;
    core->stopped = false;
    core->insn_limit = UINT64_MAX;
    return there;
}

bool sim_chip_test_run_into(
    struct sim_chip *chip, const struct sim_chip_test_range ranges[2], uint64_t time_ps)
{
    for (unsigned i = 0; i < SIM_CORE_STOPS; i++) {
        chip->cm0.stop[i] =
            (struct sim_stop){ .low = ranges[i].low, .size = ranges[i].high - ranges[i].low };
    }
    return run_to_stop(chip, time_ps);
}

bool sim_chip_test_run_to_mark(struct sim_chip *chip, const struct sim_chip_test_marks *marks,
    uint8_t mask, uint32_t also, uint64_t time_ps)
{
    chip->cm0.stop[0] = (struct sim_stop){
        .low = marks->low, .size = 2 * marks->count, .flags = marks->flags, .mask = mask
    };
    chip->cm0.stop[1] = (struct sim_stop){ .low = also & ~1U, .size = also == 0 ? 0 : 2 };
    return run_to_stop(chip, time_ps);
}

uint32_t sim_chip_row_erases(const struct sim_chip *chip, uint32_t address)
{
    struct sim_flash_place place;
    if (!sim_flash_find((struct sim_chip *)(uintptr_t)chip, address, &place))
        return 0;
    return chip->nvm.row_erases[place.row];
}

void sim_chip_test_on_flash(struct sim_chip *chip, sim_chip_test_flash_fn fn, void *user)
{
    chip->hooks.flash_fn = fn;
    chip->hooks.flash_user = user;
}

void sim_chip_test_on_store(
    struct sim_chip *chip, uint32_t first, uint32_t length, sim_chip_test_store_fn fn, void *user)
{
    chip->hooks.store_first = first;
    chip->hooks.store_length = length;
    chip->hooks.store_fn = fn;
    chip->hooks.store_user = user;
    sim_bus_flush(chip);
}

void sim_chip_test_on_call(struct sim_chip *chip, sim_chip_test_call_fn fn, void *user)
{
    chip->hooks.call_fn = fn;
    chip->hooks.call_user = user;
}

void sim_chip_test_trng_fault(struct sim_chip *chip, enum sim_trng_fault fault, uint32_t parameter)
{
    chip->crypto.trng.fault = fault;
    chip->crypto.trng.fault_parameter = parameter;
}

void sim_chip_set_log(struct sim_chip *chip, const struct base_log *log)
{
    chip->hooks.log = log;
}
