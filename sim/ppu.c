/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* Peripheral protection units (CPUSS v1): 16 programmable ones, and fixed ones for each peripheral
 * group, for each peripheral and for single structs. Their layout is that of the SMPU structs; base
 * and size of a fixed one cannot be changed. Assumed order: programmable (highest index first),
 * then the fixed one of the struct, of the peripheral, of the group; the first enabled one decides.
 */

#define PPU_PR   0x40014000U
#define PPU_GR   0x40015000U
#define PPU_RG   0x40201000U
#define STRUCT   0x40U
#define READABLE 0x009U /* UR, PR */
#define ALL_PCS  0xFF00U
#define NONE     UINT32_MAX

/* Structs of group 2 with a fixed unit of their own, in the order of the units. */
static const struct {
    uint32_t base, size;
    unsigned count;
} region_units[] = {
    { 0x40230000U, 0x20, 8 },   /* IPC structs */
    { 0x40231000U, 0x20, 8 },   /* IPC interrupt structs */
    { 0x40280800U, 0x20, 4 },   /* channels of DW0 */
    { 0x40281800U, 0x20, 4 },   /* channels of DW1 */
    { 0x40240000U, 0x4000, 1 }, /* MSx_CTL and the SMPU */
    { 0x40244000U, 0x400, 2 },  /* MPU and context of CM0+, crypto block */
    { 0x40247800U, 0x400, 2 },  /* of CM4, test controller */
};

void sim_ppu_reset(struct sim_chip *chip)
{
    for (unsigned i = 0; i < SIM_PPU_PROGRAMMABLE; i++) {
        chip->regs.ppu_pr[i].att0 = 0x100;
        chip->regs.ppu_pr[i].att1 = 0x07000109U;
    }
    for (unsigned i = 0; i < SIM_PPU_FIXED; i++) {
        chip->regs.ppu_fixed[i].att0 = 0x100;
        chip->regs.ppu_fixed[i].att1 = 0x07000109U;
    }
}

static void reserve(struct sim_chip *chip, unsigned unit, uint32_t base, uint32_t closed_subregions,
    uint32_t log2, uint32_t rights)
{
    struct sim_smpu *pr = &chip->regs.ppu_pr[unit];
    pr->addr0 = base | (~closed_subregions & 0xFFU);
    pr->att0 = SIM_PROT_ENABLED | (log2 - 1) << 24 | ALL_PCS | 0x40U | rights;
    pr->att1 = SIM_PROT_ENABLED | 0x07000149U; /* the pair itself: context 0 */
}

void sim_ppu_rom(struct sim_chip *chip)
{
    reserve(chip, 15, 0x40210500U, 0x07, 8, READABLE); /* PROTECTION, CM0_NMI_CTL, AP_CTL */
    reserve(chip, 14, 0x40210300U, 0x02, 8, READABLE); /* CM0_PC0_HANDLER */
    reserve(chip, 13, 0x4025F000U, 0x08, 8, READABLE); /* BOOKMARK */
    reserve(chip, 12, 0x402C0800U, 0x03, 8, 0);        /* fuses but the customer's */
    reserve(chip, 11, 0x40230000U, 0x07, 8, READABLE); /* IPC 0 to 2, while a call runs */
    reserve(chip, 10, 0x40110000U, 0xFF, 16, 0);       /* crypto block, while a call runs */
    reserve(chip, 9, 0x4025F000U, 0xFF, 12, READABLE); /* flash macro */
    sim_ppu_during_call(chip, false);
}

void sim_ppu_during_call(struct sim_chip *chip, bool running)
{
    for (unsigned i = 10; i <= 11; i++) {
        chip->regs.ppu_pr[i].att0 &= ~SIM_PROT_ENABLED;
        chip->regs.ppu_pr[i].att0 |= running ? SIM_PROT_ENABLED : 0;
    }
}

/* ---- which fixed unit ---- */

/* Index in ppu_fixed: regions from 0, peripherals from 32 (16 for each group), groups from 96. */
#define FIRST_SLAVE 32U
#define FIRST_GROUP 96U

static uint32_t region_unit(uint32_t address)
{
    uint32_t unit = 0;
    for (size_t i = 0; i < sizeof(region_units) / sizeof(region_units[0]); i++) {
        uint32_t offset = address - region_units[i].base;
        if (offset < region_units[i].size * region_units[i].count)
            return unit + offset / region_units[i].size;
        unit += region_units[i].count;
    }
    return NONE;
}

static uint32_t slave_unit(uint32_t address)
{
    uint32_t group = address >> 20 & 0xFU;
    if (address - 0x40281000U < 0x1000U) /* DW1 shares DW0's 64 KB, its unit is the next one */
        return FIRST_SLAVE + 16 + 9;
    return group >= 1 && group <= 3 ? FIRST_SLAVE + (group - 1) * 16 + (address >> 16 & 0xFU)
                                    : NONE;
}

/* ---- decision ---- */

bool sim_ppu_allows(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet)
{
    const struct sim_regs *regs = &chip->regs;
    if (access->context == 0 || address < 0x40000000U || address >= 0x60000000U)
        return true;
    for (int i = SIM_PPU_PROGRAMMABLE - 1; i >= 0; i--) {
        bool matches = false;
        if (!sim_prot_covers(&regs->ppu_pr[i], address))
            continue;
        bool allowed = sim_prot_struct_allows(
            chip, access, &regs->ppu_pr[i], address, quiet ? NULL : "PPU", (unsigned)i, &matches);
        if (matches)
            return allowed;
    }
    const uint32_t units[3] = { region_unit(address), slave_unit(address),
        FIRST_GROUP + (address >> 20 & 0xFU) };
    for (unsigned i = 0; i < 3; i++) {
        if (units[i] == NONE || (regs->ppu_fixed[units[i]].att0 & SIM_PROT_ENABLED) == 0)
            continue;
        bool matches = false;
        struct sim_smpu whole = regs->ppu_fixed[units[i]]; /* the address is known to be inside */
        whole.addr0 = 0;
        whole.att0 |= 0x1F000000U;
        bool allowed = sim_prot_struct_allows(
            chip, access, &whole, address, quiet ? NULL : "fixed PPU", units[i], &matches);
        if (matches)
            return allowed;
    }
    return true;
}

/* ---- registers ---- */

/* The struct at a bus address, and whether it is a fixed one; NULL when there is none. */
static struct sim_smpu *find(struct sim_chip *chip, uint32_t address, bool *ret_fixed)
{
    struct sim_regs *regs = &chip->regs;
    uint32_t group = address >> 20 & 0xFU;
    *ret_fixed = true;
    if (address - PPU_PR < SIM_PPU_PROGRAMMABLE * STRUCT) {
        *ret_fixed = false;
        return &regs->ppu_pr[(address - PPU_PR) / STRUCT];
    }
    if (address - PPU_GR < 16 * STRUCT)
        return &regs->ppu_fixed[FIRST_GROUP + (address - PPU_GR) / STRUCT];
    if (address - PPU_RG < 29 * STRUCT)
        return &regs->ppu_fixed[(address - PPU_RG) / STRUCT];
    if (group >= 1 && group <= 3 && (address & 0xFFFFFU) < 16 * STRUCT)
        return &regs->ppu_fixed[FIRST_SLAVE + (group - 1) * 16 + (address & 0xFFFFFU) / STRUCT];
    return NULL;
}

bool sim_ppu_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, uint32_t *ret_value)
{
    bool fixed;
    const struct sim_smpu *unit = find(chip, address, &fixed);
    (void)access;
    if (unit == NULL)
        return false;
    switch (address & (STRUCT - 1)) {
    case 0x00:
        *ret_value = unit->addr0;
        return !fixed;
    case 0x04:
        *ret_value = unit->att0;
        return true;
    case 0x20:
        *ret_value = unit->addr1;
        return !fixed;
    case 0x24:
        *ret_value = unit->att1;
        return true;
    default:
        return false;
    }
}

bool sim_ppu_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, uint32_t value)
{
    bool fixed;
    struct sim_smpu *unit = find(chip, address, &fixed);
    if (unit == NULL)
        return false;
    if (!sim_prot_may_configure(chip, access, unit)) {
        sim_bus_note(chip, "PPU: the struct's own protection refuses the write");
        return false;
    }
    switch (address & (STRUCT - 1)) {
    case 0x00:
        unit->addr0 = value;
        return !fixed;
    case 0x04: /* execution from a peripheral is never granted */
        unit->att0 = (value & 0xDFFFFF5BU) | 0x100U;
        return true;
    case 0x24:
        unit->att1 = (value & 0xC0FFFE52U) | 0x07000109U;
        return true;
    default:
        return false;
    }
}
