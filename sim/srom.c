/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

/* System calls: the ROM's NMI handler, from the notification to the answer. */

#define OVERHEAD_CYCLES 2000U
#define HALT_POLL_PS    (100 * SIM_PS_PER_US)

#define STATUS_WRONG_IPC   0xF0000006U
#define STATUS_NO_ACCESS   0xF0000008U
#define STATUS_OPCODE      0xF000000BU
#define STATUS_BAD_PLACE   0xF0000013U
#define STATUS_OUTSIDE_NMI 0xF0000014U

static uint32_t pending_calls(const struct sim_chip *chip)
{
    const struct sim_ipc_intr *intr = &chip->regs.ipc_intr[0];
    return (intr->intr & intr->mask) >> 16;
}

/* Entering the handler at CM0_PC0_HANDLER switches the CM0+ to protection context 0. */
void sim_srom_begin(struct sim_chip *chip)
{
    chip->regs.context_saved[0] = chip->regs.context[0];
    chip->regs.context[0] = 0;
    sim_bus_flush(chip);
    uint32_t calls = pending_calls(chip);
    chip->call.active = false;
    if (calls == 0)
        return;
    memset(&chip->call, 0, sizeof(chip->call));
    chip->call.active = true;
    sim_ppu_during_call(chip, true);
    chip->call.ipc = (unsigned)__builtin_ctz(calls);
    sim_core_hold(&chip->cm0, true);
    sim_event_at(chip, SIM_EVENT_ROM, sim_now(chip) + (uint64_t)OVERHEAD_CYCLES * chip->period_ps);
}

/* IPC 0 belongs to the CM0+, 1 to the CM4; 2 is for debuggers, through whichever port. */
static bool right_ipc(unsigned ipc, uint32_t owner)
{
    uint32_t master = owner >> 8 & 0xFU;
    return (ipc == 0 && master == 0) || (ipc == 1 && master == 14) || ipc == 2;
}

static bool in_ram(uint32_t address, uint32_t length)
{
    return address >= SIM_RAM_BASE && length <= SIM_RAM_SIZE &&
           address - SIM_RAM_BASE <= SIM_RAM_SIZE - length;
}

static struct sim_access client(const struct sim_chip *chip, uint32_t kind)
{
    uint32_t owner = chip->regs.ipc[chip->call.ipc].owner;
    struct sim_access access = {
        .master = owner >> 8 & 0xFU,
        .context = owner >> 4 & 0xFU,
        .privileged = (owner & 1U) != 0,
        .debugger = true,
        .kind = kind,
    };
    return access;
}

bool sim_srom_client_may(struct sim_chip *chip, uint32_t address, uint32_t length, uint32_t kind)
{
    struct sim_access access = client(chip, kind);
    if (!in_ram(address, length))
        return false;
    for (uint32_t offset = 0; offset < length; offset += 32) {
        if (!sim_bus_allowed(chip, &access, address + offset))
            return false;
    }
    return sim_bus_allowed(chip, &access, address + length - 1);
}

bool sim_srom_client_owns(struct sim_chip *chip, uint32_t address, uint32_t length, uint32_t kind)
{
    struct sim_access access = client(chip, kind);
    for (uint32_t offset = 0; offset < length; offset += 32) {
        if (!sim_prot_smpu_allows(chip, &access, address + offset, false))
            return false;
    }
    return true;
}

uint8_t sim_srom_client_context(const struct sim_chip *chip)
{
    return client(chip, SIM_PERM_READ).context;
}

bool sim_srom_is_secure(const struct sim_chip *chip)
{
    return chip->regs.protection == 3;
}

uint32_t sim_srom_argument(struct sim_chip *chip, unsigned index)
{
    uint32_t address = chip->call.block + index * 4;
    if (chip->call.block == 0 || !sim_srom_client_may(chip, address, 4, SIM_PERM_READ))
        return 0;
    return sim_mem_get32(chip->ram + (address - SIM_RAM_BASE));
}

void sim_srom_return(struct sim_chip *chip, unsigned index, uint32_t value)
{
    uint32_t address = chip->call.block + index * 4;
    if (chip->call.block != 0 && sim_srom_client_may(chip, address, 4, SIM_PERM_WRITE))
        sim_mem_put32(chip->ram + (address - SIM_RAM_BASE), value);
}

/* Find the arguments. False: result says why not. */
static bool take_arguments(struct sim_chip *chip)
{
    struct sim_rom_call *call = &chip->call;
    const struct sim_ipc *ipc = &chip->regs.ipc[call->ipc];
    if (!ipc->locked || !right_ipc(call->ipc, ipc->owner)) {
        call->result = STATUS_WRONG_IPC;
        return false;
    }
    if (chip->cm0.ipsr == 0) {
        call->result = STATUS_OUTSIDE_NMI;
        return false;
    }
    if ((ipc->data & 1U) != 0) {
        call->opcode = ipc->data;
        return true;
    }
    if ((ipc->data & 3U) != 0 || !in_ram(ipc->data, 4)) {
        call->result = STATUS_BAD_PLACE;
        return false;
    }
    if (!sim_srom_client_may(chip, ipc->data, 4, SIM_PERM_READ) ||
        !sim_srom_client_may(chip, ipc->data, 4, SIM_PERM_WRITE)) {
        call->result = STATUS_NO_ACCESS;
        return false;
    }
    call->block = ipc->data;
    call->opcode = sim_mem_get32(chip->ram + (ipc->data - SIM_RAM_BASE));
    return true;
}

static void resume(struct sim_chip *chip)
{
    if (!chip->flash_op.active && !chip->cut_due)
        sim_core_hold(&chip->cm0, false);
}

/* A test wants another answer, or the supply gone. */
static bool is_disturbed(struct sim_chip *chip)
{
    if (chip->hooks.call_fn == NULL)
        return false;
    uint32_t answer = chip->hooks.call_fn(chip->hooks.call_user, chip->call.opcode);
    if (answer == SIM_CHIP_TEST_CALL_CUT)
        sim_nvm_cut_now(chip);
    else if (answer != 0)
        chip->call.result = answer;
    return answer != 0;
}

/* The overhead is over: do what was asked. */
void sim_srom_event(struct sim_chip *chip)
{
    struct sim_rom_call *call = &chip->call;
    if (chip->cm0.halted) { /* a halted CM0+ serves nothing; look again later */
        sim_event_at(chip, SIM_EVENT_ROM, chip->time_ps + HALT_POLL_PS);
        return;
    }
    if (take_arguments(chip) && !is_disturbed(chip)) {
        call->result = STATUS_OPCODE;
        if (!sim_srom_flash_call(chip) && !sim_srom_info_call(chip))
            sim_bus_note(chip, "ROM: a system call that does not exist, or is not modelled, was "
                               "answered with F000000B");
    }
    resume(chip);
}

void sim_srom_flash_done(struct sim_chip *chip)
{
    struct sim_rom_call *call = &chip->call;
    if (call->active && call->program_next) {
        call->program_next = false;
        sim_flash_start(chip, false, call->address, SIM_ROW_SIZE, call->data);
    }
    resume(chip);
}

void sim_srom_finish(struct sim_chip *chip)
{
    struct sim_rom_call *call = &chip->call;
    if (call->active) {
        struct sim_ipc *ipc = &chip->regs.ipc[call->ipc];
        if (call->block != 0)
            sim_mem_put32(chip->ram + (call->block - SIM_RAM_BASE), call->result);
        else
            ipc->data = call->result;
        ipc->locked = false;
        ipc->owner = 0;
        chip->regs.ipc_intr[0].intr &= ~(1U << (16 + call->ipc));
        call->active = false;
        sim_ppu_during_call(chip, false);
    }
    chip->regs.context[0] = chip->regs.context_saved[0];
    sim_bus_flush(chip);
    sim_route_interrupts(chip);
}
