/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* CPUSS, SRSS, FLASHC and eFuse registers. A register without an entry here is a bus fault. */

#define CM4_KEY 0x05FAU

void sim_regs_reset(struct sim_chip *chip)
{
    struct sim_regs *regs = &chip->regs;
    regs->cm0_ctl = 0xFA050002U;
    for (unsigned i = 0; i < 8; i++)
        regs->cm0_int_ctl[i] = 0xF0F0F0F0U;
    regs->cm0_nmi_ctl = 0xF0;
    regs->cm4_pwr_ctl = 1;
    regs->cm4_nmi_ctl = 0xF0;
    regs->wdt_ctl = 0xC0000001U;
    regs->ca_ctl = 0xC0000000U;
}

void sim_route_interrupts(struct sim_chip *chip)
{
    const struct sim_regs *regs = &chip->regs;
    uint64_t lines = (uint64_t)sim_ipc_lines(chip) << 25; /* system interrupts 25 … 40 */
    uint32_t irq = 0;
    for (unsigned i = 0; i < 32; i++) {
        uint32_t source = regs->cm0_int_ctl[i / 4] >> (i % 4 * 8) & 0xFFU;
        if (source < 64 && (lines >> source & 1U) != 0)
            irq |= 1U << i;
    }
    uint32_t nmi = regs->cm0_nmi_ctl & 0xFFU;
    sim_core_set_lines(&chip->cm0, irq, nmi < 64 && (lines >> nmi & 1U) != 0);
    /* the CM4's inputs are the system interrupts themselves */
    nmi = regs->cm4_nmi_ctl & 0xFFU;
    sim_core_set_lines(&chip->cm4, lines, nmi < 64 && (lines >> nmi & 1U) != 0);
    sim_cores_woken(chip);
}

/* PWR_DONE at once; without power or in reset it reads as asleep. */
static uint32_t cm4_status(const struct sim_chip *chip)
{
    if (chip->regs.cm4_pwr_ctl != 3)
        return 0x13U;
    return 0x10U | (sim_core_sleeping(&chip->cm4) ? 1U : 0);
}

static uint32_t dp_status(const struct sim_chip *chip)
{
    return 4U | (chip->swd_connected ? 1U : 0) | (chip->debug_power ? 2U : 0);
}

bool sim_cpuss_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    const struct sim_regs *regs = &chip->regs;
    if (offset >= 0x20U && offset < 0x40U) {
        *ret_value = regs->cm0_int_ctl[(offset - 0x20U) / 4];
        return true;
    }
    switch (offset) {
    case 0x000:
        *ret_value = regs->cm0_ctl;
        return true;
    case 0x008:
        *ret_value = sim_core_sleeping(&chip->cm0) ? 1U : 0;
        return true;
    case 0x080:
        *ret_value = 0xFA050000U | regs->cm4_pwr_ctl;
        return true;
    case 0x088:
        *ret_value = cm4_status(chip);
        return true;
    case 0x0A0:
        *ret_value = regs->cm4_nmi_ctl;
        return true;
    case 0x208:
        *ret_value = dp_status(chip);
        return true;
    case 0x2B0:
        *ret_value = regs->cm0_vector_base;
        return true;
    case 0x2C0:
        *ret_value = regs->cm4_vector_base;
        return true;
    case 0x320:
        *ret_value = regs->cm0_pc0_handler;
        return true;
    case 0x400:
        *ret_value = sim_prot_attributes(chip, access);
        return true;
    case 0x500:
        *ret_value = regs->protection;
        return true;
    case 0x520:
        *ret_value = regs->cm0_nmi_ctl;
        return true;
    case 0x540:
        *ret_value = regs->ap_ctl;
        return true;
    default:
        return false;
    }
}

static bool write_cm0_ctl(struct sim_chip *chip, uint32_t value)
{
    if (value >> 16 != CM4_KEY)
        return true;
    if ((value & 2U) == 0) {
        sim_bus_note(chip, "CPUSS: a warm reset of the CM0+ alone is not modelled");
        return false;
    }
    chip->regs.cm0_ctl = 0xFA050002U | (value & 1U);
    return true;
}

static bool write_cm4_power(struct sim_chip *chip, uint32_t value)
{
    if (value >> 16 != CM4_KEY)
        return true;
    uint32_t before = chip->regs.cm4_pwr_ctl;
    if ((value & 3U) == 2) {
        sim_bus_note(chip, "CPUSS: the CM4's retained mode is not modelled");
        return false;
    }
    chip->regs.cm4_pwr_ctl = value & 3U;
    if ((value & 3U) != before)
        chip->cm4_reset_due = true; /* between two instructions: it may be the CM4 itself */
    if (chip->running != NULL)
        sim_core_yield(chip->running);
    return true;
}

/* PROTECTION is one-way: 0 to anything, 2 to 4, 3 to 4. */
static bool write_protection(struct sim_chip *chip, uint32_t value)
{
    uint32_t before = chip->regs.protection;
    value &= 7U;
    if (before == 0 || ((before == 2 || before == 3) && value == 4))
        chip->regs.protection = value;
    return true;
}

bool sim_cpuss_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    struct sim_regs *regs = &chip->regs;
    (void)access;
    if (offset >= 0x20U && offset < 0x40U) {
        regs->cm0_int_ctl[(offset - 0x20U) / 4] = value;
        sim_route_interrupts(chip);
        return true;
    }
    switch (offset) {
    case 0x000:
        return write_cm0_ctl(chip, value);
    case 0x080:
        return write_cm4_power(chip, value);
    case 0x0A0:
        regs->cm4_nmi_ctl = value & 0xFFU;
        sim_route_interrupts(chip);
        return true;
    case 0x2B0:
        regs->cm0_vector_base = value & 0xFFFFFF00U;
        return true;
    case 0x2C0:
        regs->cm4_vector_base = value & 0xFFFFFC00U;
        return true;
    case 0x500:
        return write_protection(chip, value);
    case 0x520:
        regs->cm0_nmi_ctl = value & 0xFFU;
        sim_route_interrupts(chip);
        return true;
    case 0x540:
        /* a closed port stays closed until the next reset */
        regs->ap_ctl = (value & 0x00070007U) | (regs->ap_ctl & 0x00070000U);
        return true;
    default: /* CM0_PC0_HANDLER too: only ROM writes it */
        return false;
    }
}

bool sim_srss_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    (void)access;
    switch (offset) {
    case 0x100:
        *ret_value = chip->regs.test_mode ? 1U << 31 : 0;
        return true;
    case 0x180:
        *ret_value = chip->regs.wdt_ctl;
        return true;
    case 0x51C:
        *ret_value = 1U << 31;
        return true;
    case 0x800:
        *ret_value = chip->reset_cause;
        return true;
    default:
        return false;
    }
}

static bool write_wdt(struct sim_chip *chip, uint32_t value)
{
    uint32_t lock = chip->regs.wdt_ctl >> 30;
    bool was_locked = lock != 0;
    uint32_t change = value >> 30; /* 1 clears bit 0 of the lock, 2 bit 1, 3 sets both */
    if (change == 3)
        lock = 3;
    else
        lock &= ~change;
    chip->regs.wdt_ctl = (chip->regs.wdt_ctl & 0x3FFFFFFFU) | lock << 30;
    if (was_locked)
        return true;
    if ((value & 1U) != 0) {
        sim_bus_note(chip, "SRSS: a running watchdog is not modelled");
        return false;
    }
    chip->regs.wdt_ctl = lock << 30;
    return true;
}

bool sim_srss_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    (void)access;
    switch (offset) {
    case 0x100:
        chip->regs.test_mode = (value & 1U << 31) != 0;
        return true;
    case 0x180:
        return write_wdt(chip, value);
    case 0x800: /* write 1 to clear */
        chip->reset_cause &= ~value;
        return true;
    default:
        return false;
    }
}

bool sim_flashc_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    (void)access;
    switch (offset) {
    case 0x0000:
        *ret_value = chip->regs.flash_ctl;
        return true;
    case 0x0008: /* invalidation is complete at once: nothing is cached */
        *ret_value = 0;
        return true;
    case 0x0400:
        *ret_value = chip->regs.ca_ctl;
        return true;
    case 0xF00C:
        *ret_value = 0x0301FF94U;
        return true;
    case 0xF060:
        *ret_value = chip->regs.bookmark;
        return true;
    default:
        return false;
    }
}

bool sim_flashc_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    (void)access;
    switch (offset) {
    case 0x0000:
        chip->regs.flash_ctl = value;
        return true;
    case 0x0008:
        return true;
    case 0x0400:
        chip->regs.ca_ctl = value & 0xC0000000U;
        return true;
    case 0xF060:
        chip->regs.bookmark = value;
        return true;
    default:
        return false;
    }
}

/* ---- port 6 ---- */

/* HSIOM_PRT6.PORT_SEL1 and GPIO_PRT6.CFG: what an application of a SECURE part writes to connect
 * the SWD pins. Function 29 of P6.6 and P6.7 is the debug port. */
#define PRT6_PORT_SEL1 0x00064U
#define PRT6_CFG       0x10328U

void sim_swj_select(struct sim_chip *chip, uint32_t select)
{
    chip->regs.swj_select = select & 0x1F1F1F1FU;
    chip->swd_connected = (select & 0x1F1F0000U) == SIM_SWJ_ON;
}

bool sim_hsiom_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    (void)access;
    if (offset == PRT6_PORT_SEL1)
        *ret_value = chip->regs.swj_select;
    else if (offset == PRT6_CFG)
        *ret_value = chip->regs.swj_drive_mode;
    else
        return false;
    return true;
}

bool sim_hsiom_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    (void)access;
    if (offset == PRT6_PORT_SEL1)
        sim_swj_select(chip, value);
    else if (offset == PRT6_CFG)
        chip->regs.swj_drive_mode = value;
    else
        return false;
    return true;
}

/* ---- eFuse ---- */

#define FUSE_CUSTOMER 0x40U

bool sim_efuse_blow(struct sim_chip *chip, unsigned byte, unsigned bit)
{
    uint8_t mask = (uint8_t)(1U << bit);
    bool supply_ok = chip->vddio_mv >= 2375 && chip->vddio_mv <= 2625; /* 2.5 V +/- 5 % */
    if (!sim_nvm_begin(chip, false, 0x402C0800U + byte, 1))
        return false;
    bool half_way = sim_nvm_cut_is(chip, SIM_CUT_DURING);
    if (supply_ok && (!half_way || (sim_nvm_cut_random(chip) & 1U) != 0))
        chip->nvm.efuse[byte] |= mask;
    if (half_way || sim_nvm_cut_is(chip, SIM_CUT_AFTER))
        sim_nvm_cut_now(chip);
    return (chip->nvm.efuse[byte] & mask) != 0;
}

/* Outside context 0 only the customer's half may be read. */
bool sim_efuse_window(struct sim_chip *chip, const struct sim_access *access, uint32_t byte,
    unsigned size, uint32_t *ret_value)
{
    if (access->context != 0 && byte < FUSE_CUSTOMER)
        return false;
    *ret_value = sim_mem_get(chip->nvm.efuse + byte, size);
    return true;
}

bool sim_efuse_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    (void)access;
    if (offset == 0x00)
        *ret_value = chip->regs.efuse_ctl;
    else if (offset == 0x10)
        *ret_value = 0; /* START has cleared itself */
    else
        return false;
    return true;
}

bool sim_efuse_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    if (access->context != 0)
        return false; /* fixed protection of the fuse controller */
    if (offset == 0x00) {
        chip->regs.efuse_ctl = value & 1U << 31;
        return true;
    }
    unsigned byte = (value >> 16 & 0xFU) * 32 + (value >> 8 & 0x1FU);
    if (offset != 0x10 || chip->regs.efuse_ctl == 0 || byte >= SIM_EFUSE_BYTES)
        return false;
    if ((value & 1U << 31) != 0 && (value & 1U) != 0)
        (void)sim_efuse_blow(chip, byte, value >> 4 & 7U);
    return true;
}
