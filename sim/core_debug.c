/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/core_int.h"

#include "sim/bus.h"

/* Halting debug (ARM DDI 0419 C1): registers the access port of a core sees and its program does
 * not. */

#define DFSR        0xE000ED30U
#define DHCSR       0xE000EDF0U
#define DCRSR       0xE000EDF4U
#define DCRDR       0xE000EDF8U
#define DEMCR       0xE000EDFCU
#define DWT_CTRL    0xE0001000U
#define DWT_PCSR    0xE000101CU
#define DWT_COMP    0xE0001020U
#define BPU_CTRL    0xE0002000U
#define BPU_COMP    0xE0002008U
#define DHCSR_KEY   0xA05FU
#define DEMCR_MASK  0x01000401U
#define DEMCR_MASK4 0x010F07F1U

void sim_core_halt(struct sim_core *core, uint32_t dfsr_bit)
{
    core->halted = true;
    core->halt_request = true;
    core->step_armed = false;
    core->dfsr |= dfsr_bit;
    sim_core_update(core);
}

void sim_core_catch_reset(struct sim_core *core)
{
    sim_core_halt(core, 8);
}

bool sim_core_breakpoint(struct sim_core *core)
{
    if (!core->debug_enabled)
        return false;
    core->r[15] -= 2; /* the PC stays at the BKPT */
    sim_core_halt(core, 2);
    return true;
}

static uint32_t read_dhcsr(struct sim_core *core)
{
    uint32_t value = (core->debug_enabled ? 1U : 0) | (core->halt_request ? 2U : 0) |
                     (core->step ? 4U : 0) | (core->mask_ints ? 8U : 0) | 1U << 16 |
                     (core->halted ? 1U << 17 : 0) | (sim_core_sleeping(core) ? 1U << 18 : 0) |
                     ((core->attention & SIM_ATTENTION_LOCKUP) != 0 ? 1U << 19 : 0) |
                     (core->reset_sticky ? 1U << 25 : 0);
    bool running =
        !core->halted &&
        (core->attention & (SIM_ATTENTION_SLEEP | SIM_ATTENTION_HELD | SIM_ATTENTION_LOCKUP)) == 0;
    if (running || core->retire_sticky)
        value |= 1U << 24;
    core->retire_sticky = false;
    core->reset_sticky = false;
    return value;
}

static void write_dhcsr(struct sim_core *core, uint32_t value)
{
    if (value >> 16 != DHCSR_KEY)
        return;
    bool was_halted = core->halted;
    core->debug_enabled = (value & 1U) != 0;
    core->halt_request = core->debug_enabled && (value & 2U) != 0;
    core->step = core->debug_enabled && (value & 4U) != 0;
    core->mask_ints = core->debug_enabled && (value & 8U) != 0;
    if (core->halt_request) {
        core->step = core->step && was_halted;
        sim_core_update(core);
        if (!was_halted)
            sim_core_halt(core, 1);
        return;
    }
    if (was_halted) {
        core->halted = false;
        core->retire_sticky = true;
        core->step_armed = core->step;
        core->attention &= ~SIM_ATTENTION_SLEEP;
    }
    sim_core_update(core);
}

static uint32_t *gpr(struct sim_core *core, uint32_t select)
{
    if (select <= 15)
        return &core->r[select];
    if (select == 17)
        return core->sp_is_psp ? &core->banked_sp : &core->r[13];
    if (select == 18)
        return core->sp_is_psp ? &core->r[13] : &core->banked_sp;
    return NULL;
}

static void transfer_in(struct sim_core *core, uint32_t select, uint32_t value)
{
    uint32_t *reg = gpr(core, select);
    if (reg != NULL) {
        *reg = select == 15 ? value & ~1U : select == 13 || select > 15 ? value & ~3U : value;
        if (select == 15)
            core->attention &= ~(SIM_ATTENTION_LOCKUP | SIM_ATTENTION_SLEEP);
    } else if (select == 16) {
        sim_core_set_xpsr_flags(core, value);
        core->thumb = (value >> 24 & 1U) != 0;
        /* The written exception replaces the present one: tools start code in Thread mode out of a
         * fault handler this way, and it must neither lock up nor spoil the next return. */
        core->active &= ~(UINT64_C(1) << core->ipsr);
        core->ipsr = value & 0x3FU;
        core->active |= core->ipsr != 0 ? UINT64_C(1) << core->ipsr : 0;
    } else if (select == 20) {
        core->primask = (value & 1U) != 0;
        sim_core_set_control(core, value >> 24);
    }
    sim_core_update(core);
}

static void transfer_out(struct sim_core *core, uint32_t select)
{
    const uint32_t *reg = gpr(core, select);
    if (reg != NULL)
        core->dcrdr = *reg;
    else if (select == 16)
        core->dcrdr = sim_core_xpsr(core);
    else if (select == 20)
        core->dcrdr = sim_core_control(core) << 24 | (core->primask ? 1U : 0);
    else
        core->dcrdr = 0; /* no such register: UNKNOWN by the architecture */
}

static void write_dcrsr(struct sim_core *core, uint32_t value)
{
    if (!core->halted)
        return;
    if ((value & 1U << 16) != 0)
        transfer_in(core, value & 0x1FU, core->dcrdr);
    else
        transfer_out(core, value & 0x1FU);
}

static bool bpu_read(const struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    unsigned count = core->is_cm4 ? SIM_FPB_COUNT : SIM_BPU_COUNT;
    if (address == BPU_CTRL) {
        *ret_value = (core->is_cm4 ? 0x260U : 0x40U) | (core->bpu_ctrl & 1U);
        return true;
    }
    if (address < BPU_COMP || address >= BPU_COMP + count * 4)
        return false;
    *ret_value = core->bpu_comp[(address - BPU_COMP) / 4];
    return true;
}

static bool bpu_write(struct sim_core *core, uint32_t address, uint32_t value)
{
    unsigned count = core->is_cm4 ? SIM_FPB_COUNT : SIM_BPU_COUNT;
    if (address == BPU_CTRL) {
        if ((value & 2U) != 0)
            core->bpu_ctrl = value & 1U;
    } else if (address >= BPU_COMP && address < BPU_COMP + count * 4) {
        core->bpu_comp[(address - BPU_COMP) / 4] = value & 0xDFFFFFFDU;
    } else {
        return false;
    }
    sim_core_update(core);
    return true;
}

static bool dwt_read(const struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    unsigned count = core->is_cm4 ? 4 : 2;
    if (address == DWT_CTRL) {
        *ret_value = (uint32_t)count << 28;
        return true;
    }
    if (address == DWT_PCSR) {
        *ret_value = core->halted ? UINT32_MAX : core->r[15];
        return true;
    }
    if (address == 0xE0001FBCU) { /* DEVARCH: none before ARMv8-M */
        *ret_value = 0;
        return true;
    }
    uint32_t index = (address - DWT_COMP) / 16;
    uint32_t field = (address - DWT_COMP) % 16 / 4;
    if (address < DWT_COMP || index >= count || field > 2)
        return false;
    *ret_value = core->dwt[index][field];
    return true;
}

static bool dwt_write(struct sim_core *core, uint32_t address, uint32_t value)
{
    unsigned count = core->is_cm4 ? 4 : 2;
    if (address == DWT_CTRL)
        return value == 0;
    uint32_t index = (address - DWT_COMP) / 16;
    uint32_t field = (address - DWT_COMP) % 16 / 4;
    if (address < DWT_COMP || index >= count || field > 2)
        return false;
    if (field == 2 && value != 0) {
        sim_bus_note(core->chip, "DWT: watchpoints are not modelled");
        return false;
    }
    core->dwt[index][field] = value;
    return true;
}

bool sim_core_debug_read(struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    switch (address) {
    case DFSR:
        *ret_value = core->dfsr;
        return true;
    case DHCSR:
        *ret_value = read_dhcsr(core);
        return true;
    case DCRDR:
        *ret_value = core->dcrdr;
        return true;
    case DEMCR:
        *ret_value = core->demcr;
        return true;
    default:
        return bpu_read(core, address, ret_value) || dwt_read(core, address, ret_value);
    }
}

bool sim_core_debug_write(struct sim_core *core, uint32_t address, uint32_t value)
{
    switch (address) {
    case DFSR:
        core->dfsr &= ~value;
        return true;
    case DHCSR:
        write_dhcsr(core, value);
        return true;
    case DCRSR:
        write_dcrsr(core, value);
        return true;
    case DCRDR:
        core->dcrdr = value;
        return true;
    case DEMCR:
        core->demcr = value & (core->is_cm4 ? DEMCR_MASK4 : DEMCR_MASK);
        return true;
    default:
        return bpu_write(core, address, value) || dwt_write(core, address, value);
    }
}

/* CoreSight identification at the end of a 4 KB component: PIDR4-7, PIDR0-3, CIDR0-3. */
static uint32_t component_id(uint32_t pidr, uint32_t pidr4, uint32_t class, uint32_t offset)
{
    if (offset == 0xFD0U)
        return pidr4;
    if (offset < 0xFE0U)
        return 0;
    if (offset < 0xFF0U)
        return pidr >> ((offset - 0xFE0U) / 4 * 8) & 0xFFU;
    return (0xB105000DU | class << 12) >> ((offset - 0xFF0U) / 4 * 8) & 0xFFU;
}

bool sim_core_id_read(const struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    static const uint32_t bases[4] = { 0xE000E000U, 0xE0001000U, 0xE0002000U, 0xE00FF000U };
    static const uint32_t pidr_m0[4] = { 0x000BB008U, 0x000BB00AU, 0x000BB00BU, 0x000BB4C0U };
    static const uint32_t pidr_m4[4] = { 0x000BB00CU, 0x003BB002U, 0x002BB003U, 0x000B4100U };
    static const uint32_t table[4] = { 0xFFF0F003U, 0xFFF02003U, 0xFFF03003U, 0 };
    uint32_t offset = address & 0xFFFU;
    for (unsigned i = 0; i < 4; i++) {
        if ((address & ~0xFFFU) != bases[i] || (address & 3U) != 0)
            continue;
        bool rom_table = i == 3;
        if (rom_table && offset < 0x10U) {
            *ret_value = table[offset / 4];
            return true;
        }
        if (rom_table && offset == 0xFCCU) { /* MEMTYPE: system memory present */
            *ret_value = 1;
            return true;
        }
        if (offset < 0xFD0U)
            return false;
        uint32_t pidr = core->is_cm4 ? pidr_m4[i] : pidr_m0[i];
        uint32_t jep_pages = pidr >> 12 == 0xB4U ? 0 : 4;
        *ret_value = component_id(pidr, jep_pages, rom_table ? 1 : 0xE, offset);
        return true;
    }
    return false;
}
