/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/core_int.h"

#include "sim/bus.h"

/* System control space: SysTick, NVIC, SCB, MPU (ARM DDI 0419 B3). A register that the processor
 * does not have is a bus fault. */

#define SYST_CSR     0xE000E010U
#define SYST_RVR     0xE000E014U
#define SYST_CVR     0xE000E018U
#define NVIC_ISER    0xE000E100U
#define NVIC_ICER    0xE000E180U
#define NVIC_ISPR    0xE000E200U
#define NVIC_ICPR    0xE000E280U
#define NVIC_IPR     0xE000E400U
#define NVIC_IPR_END 0xE000E420U
#define NVIC_IPR_CM4 0xE000E430U
#define SCB_CPUID    0xE000ED00U
#define SCB_ICSR     0xE000ED04U
#define SCB_VTOR     0xE000ED08U
#define SCB_AIRCR    0xE000ED0CU
#define SCB_SCR      0xE000ED10U
#define SCB_CCR      0xE000ED14U
#define SCB_SHPR2    0xE000ED1CU
#define SCB_SHPR3    0xE000ED20U
#define SCB_SHCSR    0xE000ED24U
#define MPU_TYPE     0xE000ED90U
#define MPU_CTRL     0xE000ED94U
#define MPU_RNR      0xE000ED98U
#define MPU_RBAR     0xE000ED9CU
#define MPU_RASR     0xE000EDA0U
#define MVFR0        0xE000EF40U
#define MVFR1        0xE000EF44U

#define AIRCR_KEY 0x05FAU
#define RASR_MASK 0x173FFF3FU

void sim_core_systick_sync(struct sim_core *core)
{
    if ((core->systick_ctrl & 1U) == 0 || core->cycles < core->systick_zero)
        return;
    uint64_t period = (uint64_t)core->systick_load + 1;
    uint64_t missed = (core->cycles - core->systick_zero) / period;
    core->systick_zero += (missed + 1) * period;
    core->systick_ctrl |= 1U << 16;
    if ((core->systick_ctrl & 2U) != 0) {
        sim_core_pend(core, UINT64_C(1) << SIM_EXC_SYSTICK);
        sim_core_update(core);
    }
}

static uint32_t systick_current(struct sim_core *core)
{
    sim_core_systick_sync(core);
    if ((core->systick_ctrl & 1U) == 0)
        return core->systick_value;
    uint64_t left = core->systick_zero - core->cycles;
    return left > core->systick_load ? 0 : (uint32_t)left;
}

static bool systick_write_ctrl(struct sim_core *core, uint32_t value)
{
    if ((value & 5U) == 1U) {
        sim_bus_note(core->chip, "SysTick: the external reference clock is not modelled");
        return false;
    }
    uint32_t current = systick_current(core);
    bool was_on = (core->systick_ctrl & 1U) != 0;
    core->systick_ctrl = (core->systick_ctrl & 1U << 16) | (value & 7U);
    if ((value & 1U) != 0 && !was_on)
        core->systick_zero =
            core->cycles + (current != 0 ? current : (uint64_t)core->systick_load + 1);
    if ((value & 1U) == 0)
        core->systick_value = current;
    sim_core_yield(core); /* the batch was sized without the new deadline */
    return true;
}

static uint32_t read_icsr(struct sim_core *core)
{
    int priority;
    unsigned best = sim_core_best_pending(core, &priority);
    uint64_t external = core->pending >> SIM_EXC_IRQ0;
    return core->ipsr | best << 12 | (external != 0 ? 1U << 22 : 0) |
           ((core->pending >> SIM_EXC_SYSTICK & 1U) != 0 ? 1U << 26 : 0) |
           ((core->pending >> SIM_EXC_PENDSV & 1U) != 0 ? 1U << 28 : 0) |
           ((core->pending >> SIM_EXC_NMI & 1U) != 0 ? 1U << 31 : 0);
}

static void write_icsr(struct sim_core *core, uint32_t value)
{
    if ((value & 1U << 31) != 0)
        sim_core_pend(core, UINT64_C(1) << SIM_EXC_NMI);
    if ((value & 1U << 28) != 0)
        sim_core_pend(core, UINT64_C(1) << SIM_EXC_PENDSV);
    else if ((value & 1U << 27) != 0)
        core->pending &= ~(UINT64_C(1) << SIM_EXC_PENDSV);
    if ((value & 1U << 26) != 0)
        sim_core_pend(core, UINT64_C(1) << SIM_EXC_SYSTICK);
    else if ((value & 1U << 25) != 0)
        core->pending &= ~(UINT64_C(1) << SIM_EXC_SYSTICK);
}

static uint32_t read_priorities(const struct sim_core *core, unsigned first)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++)
        value |= (uint32_t)core->priority[first + i] << (i * 8);
    return value;
}

static void write_priorities(struct sim_core *core, unsigned first, uint32_t value, uint32_t mask)
{
    for (unsigned i = 0; i < 4; i++) {
        if ((mask >> i & 1U) != 0)
            core->priority[first + i] = (uint8_t)(value >> (i * 8) & 0xC0U);
    }
}

static void write_aircr(struct sim_core *core, uint32_t value, bool debugger)
{
    if (value >> 16 != AIRCR_KEY)
        return;
    if ((value & 4U) != 0)
        sim_bus_request_reset(core->chip);
    if ((value & 1U) != 0 && core->is_cm4 && debugger)
        sim_bus_request_core_reset(core);
    if ((value & 2U) != 0 && core->halted) {
        core->active = 0;
        core->ipsr = 0;
    }
}

static bool mpu_read(const struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    const struct sim_mpu_region *region = &core->mpu[core->mpu_rnr];
    switch (address) {
    case MPU_TYPE:
        *ret_value = SIM_MPU_REGIONS << 8;
        return true;
    case MPU_CTRL:
        *ret_value = core->mpu_ctrl;
        return true;
    case MPU_RNR:
        *ret_value = core->mpu_rnr;
        return true;
    case MPU_RBAR:
        *ret_value = region->rbar | core->mpu_rnr;
        return true;
    case MPU_RASR:
        *ret_value = region->rasr;
        return true;
    default:
        return false;
    }
}

static bool mpu_write(struct sim_core *core, uint32_t address, uint32_t value)
{
    switch (address) {
    case MPU_CTRL:
        core->mpu_ctrl = value & 7U;
        break;
    case MPU_RNR:
        core->mpu_rnr = value & (SIM_MPU_REGIONS - 1);
        break;
    case MPU_RBAR:
        if ((value & 0x10U) != 0)
            core->mpu_rnr = value & (SIM_MPU_REGIONS - 1);
        core->mpu[core->mpu_rnr].rbar = value & 0xFFFFFF00U;
        break;
    case MPU_RASR:
        core->mpu[core->mpu_rnr].rasr = value & RASR_MASK;
        break;
    default:
        return false;
    }
    sim_core_flush_tlb(core);
    return true;
}

static bool scb_read(struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    switch (address) {
    case SCB_CPUID:
        *ret_value = core->is_cm4 ? 0x410FC241U : 0x410CC601U;
        return true;
    case SCB_ICSR:
        *ret_value = read_icsr(core);
        return true;
    case SCB_VTOR:
        *ret_value = core->vtor;
        return true;
    case SCB_AIRCR:
        *ret_value = 0xFA050000U;
        return true;
    case SCB_SCR:
        *ret_value = core->scr;
        return true;
    case SCB_CCR:
        *ret_value = 0x208U;
        return true;
    case SCB_SHPR2:
        *ret_value = read_priorities(core, 8);
        return true;
    case SCB_SHPR3:
        *ret_value = read_priorities(core, 12);
        return true;
    case SCB_SHCSR:
        *ret_value = (core->pending >> SIM_EXC_SVCALL & 1U) != 0 ? 1U << 15 : 0;
        return true;
    case MVFR0:
        *ret_value = 0x10110021U;
        return core->is_cm4;
    case MVFR1:
        *ret_value = 0x11000011U;
        return core->is_cm4;
    default:
        return mpu_read(core, address, ret_value);
    }
}

static bool scb_write(struct sim_core *core, uint32_t address, uint32_t value, bool debugger)
{
    switch (address) {
    case SCB_ICSR:
        write_icsr(core, value);
        return true;
    case SCB_VTOR:
        core->vtor = value & 0xFFFFFF00U;
        return true;
    case SCB_AIRCR:
        write_aircr(core, value, debugger);
        return true;
    case SCB_SCR:
        if ((value & 4U) != 0) {
            sim_bus_note(core->chip, "SCR: deep sleep is not modelled");
            return false;
        }
        core->scr = value & 0x12U;
        return true;
    case SCB_CCR: /* read-only in ARMv6-M */
        return true;
    case SCB_SHPR2:
        write_priorities(core, 8, value, 8U);
        return true;
    case SCB_SHPR3:
        write_priorities(core, 12, value, 0xCU);
        return true;
    default:
        return mpu_write(core, address, value);
    }
}

/* The second word of the interrupt registers: inputs 32 to 47, on the CM4 only. */
static bool nvic_high_read(const struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    switch (address) {
    case NVIC_ISER + 4:
    case NVIC_ICER + 4:
        *ret_value = (uint32_t)(core->irq_enabled >> 32);
        return core->is_cm4;
    case NVIC_ISPR + 4:
    case NVIC_ICPR + 4:
        *ret_value = (uint32_t)(core->pending >> (SIM_EXC_IRQ0 + 32));
        return core->is_cm4;
    default:
        return false;
    }
}

static bool nvic_high_write(struct sim_core *core, uint32_t address, uint32_t value)
{
    uint64_t lines = (uint64_t)(value & 0xFFFFU) << 32;
    if (!core->is_cm4)
        return false;
    switch (address) {
    case NVIC_ISER + 4:
        core->irq_enabled |= lines;
        return true;
    case NVIC_ICER + 4:
        core->irq_enabled &= ~lines;
        return true;
    case NVIC_ISPR + 4:
        sim_core_pend(core, lines << SIM_EXC_IRQ0);
        return true;
    case NVIC_ICPR + 4:
        core->pending &= ~(lines << SIM_EXC_IRQ0);
        core->pending |= core->irq_level << SIM_EXC_IRQ0 & ~core->active;
        return true;
    default:
        return false;
    }
}

static uint32_t priorities_end(const struct sim_core *core)
{
    return core->is_cm4 ? NVIC_IPR_CM4 : NVIC_IPR_END;
}

static bool nvic_read(struct sim_core *core, uint32_t address, uint32_t *ret_value)
{
    if (address >= NVIC_IPR && address < priorities_end(core)) {
        *ret_value = read_priorities(core, SIM_EXC_IRQ0 + (address - NVIC_IPR));
        return true;
    }
    switch (address) {
    case SYST_CSR:
        sim_core_systick_sync(core);
        *ret_value = core->systick_ctrl;
        core->systick_ctrl &= ~(1U << 16);
        return true;
    case SYST_RVR:
        *ret_value = core->systick_load;
        return true;
    case SYST_CVR:
        *ret_value = systick_current(core);
        return true;
    case NVIC_ISER:
    case NVIC_ICER:
        *ret_value = (uint32_t)core->irq_enabled;
        return true;
    case NVIC_ISPR:
    case NVIC_ICPR:
        *ret_value = (uint32_t)(core->pending >> SIM_EXC_IRQ0);
        return true;
    default:
        return nvic_high_read(core, address, ret_value) || scb_read(core, address, ret_value);
    }
}

static bool nvic_write(struct sim_core *core, uint32_t address, uint32_t value, bool debugger)
{
    if (address >= NVIC_IPR && address < priorities_end(core)) {
        write_priorities(core, SIM_EXC_IRQ0 + (address - NVIC_IPR), value, 0xFU);
        return true;
    }
    switch (address) {
    case SYST_CSR:
        return systick_write_ctrl(core, value);
    case SYST_RVR:
        core->systick_load = value & 0xFFFFFFU;
        return true;
    case SYST_CVR: /* any write clears the counter; it reloads at the next clock */
        core->systick_value = 0;
        core->systick_ctrl &= ~(1U << 16);
        core->systick_zero = core->cycles + core->systick_load + 1;
        sim_core_yield(core);
        return true;
    case NVIC_ISER:
        core->irq_enabled |= value;
        return true;
    case NVIC_ICER:
        core->irq_enabled &= ~(uint64_t)value;
        return true;
    case NVIC_ISPR:
        sim_core_pend(core, (uint64_t)value << SIM_EXC_IRQ0);
        return true;
    case NVIC_ICPR:
        core->pending &= ~((uint64_t)value << SIM_EXC_IRQ0);
        core->pending |= core->irq_level << SIM_EXC_IRQ0 & ~core->active;
        return true;
    default:
        return nvic_high_write(core, address, value) || scb_write(core, address, value, debugger);
    }
}

bool sim_core_ppb_read(struct sim_core *core, uint32_t address, bool debugger, uint32_t *ret_value)
{
    if (debugger && sim_core_debug_read(core, address, ret_value))
        return true;
    if (sim_core_id_read(core, address, ret_value))
        return true;
    return nvic_read(core, address, ret_value);
}

bool sim_core_ppb_write(struct sim_core *core, uint32_t address, bool debugger, uint32_t value)
{
    if (debugger && sim_core_debug_write(core, address, value))
        return true;
    bool done = nvic_write(core, address, value, debugger);
    sim_core_update(core);
    return done;
}

/* ---- MPU (PMSAv6, ARM DDI 0419 B3.5) ---- */

static uint32_t default_map(uint32_t address)
{
    bool no_exec = (address >= 0x40000000U && address < 0x60000000U) || address >= 0xA0000000U;
    return SIM_PERM_READ | SIM_PERM_WRITE | (no_exec ? 0 : SIM_PERM_EXEC);
}

static uint32_t region_size_log2(const struct sim_mpu_region *region)
{
    return (region->rasr >> 1 & 0x1FU) + 1;
}

static bool region_matches(const struct sim_mpu_region *region, uint32_t address)
{
    uint32_t log2 = region_size_log2(region);
    if ((region->rasr & 1U) == 0 || log2 < 8)
        return false;
    if (log2 < 32 && (address ^ region->rbar) >> log2 != 0)
        return false;
    uint32_t part = address >> (log2 - 3) & 7U;
    return (region->rasr >> (8 + part) & 1U) == 0;
}

static uint32_t region_perms(const struct sim_mpu_region *region, bool privileged)
{
    static const uint8_t privileged_perms[8] = { 0, 3, 3, 3, 0, 1, 1, 1 };
    static const uint8_t user_perms[8] = { 0, 0, 1, 3, 0, 0, 1, 1 };
    uint32_t field = region->rasr >> 24 & 7U;
    uint32_t perms = privileged ? privileged_perms[field] : user_perms[field];
    if ((perms & SIM_PERM_READ) != 0 && (region->rasr & 1U << 28) == 0)
        perms |= SIM_PERM_EXEC;
    return perms;
}

uint32_t sim_core_mpu_perms(const struct sim_core *core, uint32_t address, bool privileged)
{
    bool high = (core->active & (1U << SIM_EXC_NMI | 1U << SIM_EXC_HARDFAULT)) != 0;
    if ((core->mpu_ctrl & 1U) == 0 || (high && (core->mpu_ctrl & 2U) == 0))
        return default_map(address);
    for (int i = SIM_MPU_REGIONS - 1; i >= 0; i--) {
        if (region_matches(&core->mpu[i], address))
            return region_perms(&core->mpu[i], privileged) & (default_map(address) | 3U);
    }
    return privileged && (core->mpu_ctrl & 4U) != 0 ? default_map(address) : 0;
}

bool sim_core_mpu_uniform(const struct sim_core *core, uint32_t page)
{
    if ((core->mpu_ctrl & 1U) == 0)
        return true;
    for (unsigned i = 0; i < SIM_MPU_REGIONS; i++) {
        const struct sim_mpu_region *region = &core->mpu[i];
        uint32_t log2 = region_size_log2(region);
        if ((region->rasr & 1U) != 0 && log2 >= 8 && log2 < 11 &&
            (page ^ region->rbar) >> log2 == 0)
            return false;
    }
    return true;
}
