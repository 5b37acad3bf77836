/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* Protection contexts, shared memory protection unit, memory protection of the test controller. */

#define SMPU_BASE 0x2000U
#define MPU_BASE  0x4000U
#define TC_MPU    0x7E00U /* regions of master 15 */

#define ATT_MASK0 0x7FFFFF7FU
#define PC_MATCH  (1U << 30)

void sim_prot_reset(struct sim_chip *chip)
{
    for (unsigned i = 0; i < SIM_MASTERS; i++)
        chip->regs.ms_ctl[i] = 0x303;
    for (unsigned i = 0; i < SIM_SMPU_COUNT; i++) {
        chip->regs.smpu[i].att0 = 0x100;
        chip->regs.smpu[i].att1 = 0x07000109U;
    }
}

/* What the ROM sets up before anything else runs: its stack in the last 2 KB of RAM, and the two
 * structs it uses, are for context 0 alone. */
void sim_prot_rom(struct sim_chip *chip)
{
    struct sim_smpu *stack = &chip->regs.smpu[15];
    stack->addr0 = SIM_RAM_BASE + SIM_RAM_SIZE - 2048;
    stack->att0 = SIM_PROT_ENABLED | 10U << 24 | 0x140U;
    stack->att1 = SIM_PROT_ENABLED | 0x07000149U;
    chip->regs.smpu[14].att1 = SIM_PROT_ENABLED | 0x07000149U;
}

static bool has_master(unsigned master)
{
    return master == 0 || master == 1 || master == 14 || master == 15;
}

uint32_t sim_prot_attributes(const struct sim_chip *chip, const struct sim_access *access)
{
    uint32_t nonsecure = chip->regs.ms_ctl[access->master] >> 1 & 1U;
    return (access->privileged ? 1U : 0) | nonsecure << 1 | (uint32_t)access->context << 4 |
           (uint32_t)access->master << 8;
}

static uint32_t granted(uint32_t att, bool privileged)
{
    uint32_t bits = privileged ? att >> 3 & 7U : att & 7U; /* R, W, X in this order */
    return bits;
}

static void note(struct sim_chip *chip, const struct sim_access *access, const char *unit,
    unsigned region, const char *why, uint32_t address)
{
    char text[140];
    (void)snprintf(text, sizeof(text),
        "%s region %u refuses access %u of master %u in context %u to 0x%08x: %s", unit, region,
        access->kind, access->master, access->context, address, why);
    sim_bus_note(chip, text);
}

/* Why one matching region refuses, NULL when it does not. */
static const char *refusal(
    const struct sim_chip *chip, const struct sim_access *access, uint32_t att, bool contexts)
{
    bool nonsecure = (chip->regs.ms_ctl[access->master] & 2U) != 0;
    if (contexts && (att & PC_MATCH) == 0 && (att >> 8 >> access->context & 1U) == 0)
        return "context";
    if ((att & 0x40U) == 0 && nonsecure)
        return "secure region, non-secure master (NS bit)";
    if ((granted(att, access->privileged) & access->kind) == 0)
        return "attributes";
    return NULL;
}

bool sim_prot_struct_allows(struct sim_chip *chip, const struct sim_access *access,
    const struct sim_smpu *region, uint32_t address, const char *unit, unsigned index,
    bool *ret_matches)
{
    bool in_mask = (region->att0 >> 8 >> access->context & 1U) != 0;
    bool by_context = (region->att0 & PC_MATCH) != 0; /* the context is part of the match */
    *ret_matches = sim_prot_covers(region, address) && (!by_context || in_mask);
    if (!*ret_matches)
        return true;
    const char *why = refusal(chip, access, region->att0, true);
    if (why != NULL && unit != NULL)
        note(chip, access, unit, index, why, address);
    return why == NULL;
}

bool sim_prot_smpu_allows(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet)
{
    if (access->context == 0 || address >= 0x40000000U)
        return true;
    for (int i = SIM_SMPU_COUNT - 1; i >= 0; i--) {
        bool matches = false;
        if (!sim_prot_covers(&chip->regs.smpu[i], address))
            continue;
        bool allowed = sim_prot_struct_allows(chip, access, &chip->regs.smpu[i], address,
            quiet ? NULL : "SMPU", (unsigned)i, &matches);
        if (matches)
            return allowed;
    }
    return true;
}

bool sim_prot_tc_allows(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet)
{
    if (access->master != 15)
        return true;
    if (!sim_restrict_allows(chip, address)) {
        if (!quiet)
            note(chip, access, "access restriction", 0, "outside what is open", address);
        return false;
    }
    for (int i = SIM_TC_REGIONS - 1; i >= 0; i--) {
        const struct sim_smpu *region = &chip->regs.tc_mpu[i];
        if (!sim_prot_covers(region, address))
            continue;
        const char *why = refusal(chip, access, region->att0, false);
        if (why != NULL && !quiet)
            note(chip, access, "MPU", (unsigned)i, why, address);
        return why == NULL;
    }
    return true;
}

static bool splits(uint32_t addr, uint32_t att, uint32_t page)
{
    uint32_t log2 = sim_prot_size_log2(att);
    return (att & SIM_PROT_ENABLED) != 0 && log2 >= 8 && log2 < 11 && (addr & 0xFFU) != 0 &&
           (page ^ addr) >> log2 == 0;
}

bool sim_prot_uniform(const struct sim_chip *chip, const struct sim_access *access, uint32_t page)
{
    (void)access;
    for (unsigned i = 0; i < SIM_SMPU_COUNT; i++) {
        if (splits(chip->regs.smpu[i].addr0, chip->regs.smpu[i].att0, page))
            return false;
    }
    return true;
}

/* ---- registers ---- */

/* The register of a SMPU struct, NULL where there is none. */
static uint32_t *smpu_register(struct sim_smpu *region, uint32_t field)
{
    switch (field) {
    case 0x00:
        return &region->addr0;
    case 0x04:
        return &region->att0;
    case 0x20:
        return &region->addr1;
    case 0x24:
        return &region->att1;
    default:
        return NULL;
    }
}

bool sim_prot_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    struct sim_regs *regs = &chip->regs;
    (void)access;
    if (offset < 0x40U && has_master(offset / 4)) {
        *ret_value = regs->ms_ctl[offset / 4];
        return true;
    }
    if (offset >= SMPU_BASE && offset < SMPU_BASE + SIM_SMPU_COUNT * 0x40) {
        const uint32_t *reg =
            smpu_register(&regs->smpu[(offset - SMPU_BASE) / 0x40], offset & 0x3FU);
        if (reg != NULL)
            *ret_value = *reg;
        return reg != NULL;
    }
    if (offset >= TC_MPU && offset < TC_MPU + SIM_TC_REGIONS * 0x20 && (offset & 0x1FU) < 8) {
        const struct sim_smpu *region = &regs->tc_mpu[(offset - TC_MPU) / 0x20];
        *ret_value = (offset & 4U) != 0 ? region->att0 : region->addr0;
        return true;
    }
    unsigned master = (offset - MPU_BASE) / 0x400;
    if (offset < MPU_BASE || (offset & 0x3FFU) != 0 || !has_master(master))
        return false;
    *ret_value = regs->context[master] | (uint32_t)regs->context_saved[master] << 16;
    return true;
}

bool sim_prot_may_configure(
    struct sim_chip *chip, const struct sim_access *access, const struct sim_smpu *region)
{
    if (access->context == 0 || (region->att1 & SIM_PROT_ENABLED) == 0)
        return true;
    struct sim_access asked = *access;
    asked.kind = SIM_PERM_WRITE;
    return refusal(chip, &asked, region->att1, true) == NULL;
}

static bool write_smpu(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    struct sim_smpu *region = &chip->regs.smpu[(offset - SMPU_BASE) / 0x40];
    uint32_t *reg = smpu_register(region, offset & 0x3FU);
    if (reg == NULL)
        return false;
    if (!sim_prot_may_configure(chip, access, region)) {
        sim_bus_note(chip, "SMPU: the struct's own protection refuses the write");
        return false;
    }
    if (reg == &region->att0)
        *reg = (value & (ATT_MASK0 | SIM_PROT_ENABLED)) | 0x100U;
    else if (reg == &region->att1) /* R and X of the pair are fixed; the size too */
        *reg = (value & 0xC0FFFE52U) | 0x07000109U;
    else if (reg == &region->addr0)
        *reg = value;
    else
        return false; /* ADDR1 is the struct's own address */
    sim_bus_flush(chip);
    return true;
}

/* A context is taken only when the master's mask allows it. Context 0 is not for writing. */
static void write_context(struct sim_chip *chip, unsigned master, uint32_t value)
{
    struct sim_regs *regs = &chip->regs;
    uint32_t wanted = value & 0xFU;
    if ((regs->ms_ctl[master] >> 16 >> wanted & 1U) != 0)
        regs->context[master] = (uint8_t)wanted;
    else
        sim_bus_note(chip, "MS_CTL: the protection context is not in the master's PC_MASK");
    sim_bus_flush(chip);
}

bool sim_prot_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    struct sim_regs *regs = &chip->regs;
    if (offset < 0x40U && has_master(offset / 4)) {
        regs->ms_ctl[offset / 4] = value & 0x00FE0303U; /* contexts 1 … 7 */
        sim_bus_flush(chip);
        return true;
    }
    if (offset >= SMPU_BASE && offset < SMPU_BASE + SIM_SMPU_COUNT * 0x40)
        return write_smpu(chip, access, offset, value);
    if (offset >= TC_MPU && offset < TC_MPU + SIM_TC_REGIONS * 0x20 && (offset & 0x1FU) < 8) {
        struct sim_smpu *region = &regs->tc_mpu[(offset - TC_MPU) / 0x20];
        *((offset & 4U) != 0 ? &region->att0 : &region->addr0) = value;
        sim_bus_flush(chip);
        return true;
    }
    unsigned master = (offset - MPU_BASE) / 0x400;
    if (offset < MPU_BASE || (offset & 0x3FFU) != 0 || !has_master(master))
        return false;
    write_context(chip, master, value);
    return true;
}
