/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/bus.h"

#include <stdio.h>
#include <string.h>

#include "sim/die.h"

/* The way of an access: protection units, then address decoding. */

#define PPB_BASE 0xE0000000U
#define PPB_END  0xE0100000U

struct sim_access sim_bus_core_access(const struct sim_core *core)
{
    struct sim_access access = {
        .master = core->master,
        .context = core->chip->regs.context[core->master],
        .privileged = sim_core_privileged(core),
        .kind = SIM_PERM_READ,
    };
    access.core = core->is_cm4 ? &core->chip->cm4 : &core->chip->cm0;
    return access;
}

void sim_bus_flush(struct sim_chip *chip)
{
    sim_core_flush_tlb(&chip->cm0);
    sim_core_flush_tlb(&chip->cm4);
}

void sim_bus_send_event(struct sim_chip *chip)
{
    chip->cm0.event = true;
    chip->cm4.event = true;
    sim_cores_woken(chip);
}

void sim_bus_request_reset(struct sim_chip *chip)
{
    chip->reset_due = true;
    sim_core_yield(&chip->cm0);
    sim_core_yield(&chip->cm4);
}

void sim_bus_request_core_reset(struct sim_core *core)
{
    if (core->is_cm4)
        core->chip->cm4_reset_due = true;
    sim_core_yield(core);
}

void sim_bus_note(struct sim_chip *chip, const char *text)
{
    uint32_t hash = 2166136261U;
    for (const char *c = text; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619U;
    for (unsigned i = 0; i < chip->note_count; i++) {
        if (chip->notes[i] == hash)
            return;
    }
    if (chip->note_count < SIM_NOTE_COUNT)
        chip->notes[chip->note_count++] = hash;
    base_log(chip->hooks.log, BASE_LOG_DEBUG, "chip: %s", text);
}

void sim_bus_note_fault(struct sim_core *core, const char *what)
{
    char text[120];
    (void)snprintf(text, sizeof(text), "%s of the %s at PC 0x%08x, SP 0x%08x, LR 0x%08x", what,
        core->is_cm4 ? "CM4" : "CM0+", core->r[15], core->r[13], core->r[14]);
    sim_bus_note(core->chip, text);
}

static void note_refusal(
    struct sim_chip *chip, const struct sim_access *access, const char *why, uint32_t address)
{
    char text[120];
    (void)snprintf(text, sizeof(text), "%s of 0x%08x by master %u in context %u refused: %s",
        access->kind == SIM_PERM_WRITE  ? "write"
        : access->kind == SIM_PERM_EXEC ? "fetch"
                                        : "read",
        address, access->master, access->context, why);
    sim_bus_note(chip, text);
}

static bool allowed(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet)
{
    if (access->core != NULL && !access->debugger &&
        (sim_core_mpu_perms(access->core, address, access->privileged) & access->kind) == 0) {
        if (!quiet)
            note_refusal(chip, access, "MPU of the core", address);
        return false;
    }
    return sim_prot_tc_allows(chip, access, address, quiet) &&
           sim_prot_smpu_allows(chip, access, address, quiet) &&
           sim_ppu_allows(chip, access, address, quiet);
}

bool sim_bus_allowed(struct sim_chip *chip, const struct sim_access *access, uint32_t address)
{
    return allowed(chip, access, address, false);
}

/* ---- memories ---- */

static uint8_t *memory_at(
    struct sim_chip *chip, uint32_t address, unsigned size, bool *ret_writable)
{
    struct sim_flash_place place;
    *ret_writable = false;
    if (address < SIM_ROM_SIZE)
        return chip->rom + address;
    if (address >= SIM_RAM_BASE && address - SIM_RAM_BASE <= SIM_RAM_SIZE - size) {
        *ret_writable = true;
        return chip->ram + (address - SIM_RAM_BASE);
    }
    if (sim_flash_find(chip, address, &place))
        return place.host + place.offset;
    return NULL;
}

/* Somebody wants to be told of stores to this page, so that none may take the fast way. */
static bool is_watched(const struct sim_chip *chip, uint32_t page)
{
    return chip->hooks.store_fn != NULL &&
           page - chip->hooks.store_first < chip->hooks.store_length;
}

bool sim_bus_page(struct sim_chip *chip, const struct sim_access *access, uint32_t page,
    uint8_t **ret_host, uint32_t *ret_perms)
{
    bool writable;
    uint8_t *host = memory_at(chip, page, 4, &writable);
    if (host == NULL || !sim_prot_uniform(chip, access, page) ||
        (access->core != NULL && !sim_core_mpu_uniform(access->core, page)))
        return false;
    if (chip->flash_op.active && page >= SIM_FLASH_BASE)
        return false; /* readable or not depends on the moment */
    uint32_t perms = 0;
    for (uint32_t kind = SIM_PERM_READ; kind <= SIM_PERM_EXEC; kind <<= 1) {
        struct sim_access asked = *access;
        asked.kind = kind;
        if ((kind != SIM_PERM_WRITE || (writable && !is_watched(chip, page))) &&
            allowed(chip, &asked, page, true))
            perms |= kind;
    }
    *ret_host = host;
    *ret_perms = perms;
    return true;
}

/* ---- registers ---- */

/* The first 64 KB of each peripheral group hold its protection units; group 0 also the triggers. */
#define PPU_BLOCK(name, base)                                                                      \
    static bool name##_read(                                                                       \
        struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *value)  \
    {                                                                                              \
        return sim_ppu_read(chip, access, (base) + offset, value);                                 \
    }                                                                                              \
    static bool name##_write(                                                                      \
        struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)   \
    {                                                                                              \
        return sim_ppu_write(chip, access, (base) + offset, value);                                \
    }

PPU_BLOCK(sim_ppu1, 0x40100000U)
PPU_BLOCK(sim_ppu2, 0x40200000U)
PPU_BLOCK(sim_ppu3, 0x40300000U)

#define PERI_TR_CMD 0x400U

static bool sim_peri_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *value)
{
    *value = 0; /* a trigger by software is over at once */
    return offset == PERI_TR_CMD || sim_ppu_read(chip, access, 0x40010000U + offset, value);
}

static bool sim_peri_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    if (offset == PERI_TR_CMD)
        return sim_dw_trigger(chip, value);
    return sim_ppu_write(chip, access, 0x40010000U + offset, value);
}

struct reg_block {
    uint32_t base;
    uint32_t size;
    sim_reg_read_fn read;
    sim_reg_write_fn write;
};

static const struct reg_block reg_blocks[] = {
    { 0x40010000U, 0x10000U, sim_peri_read, sim_peri_write },
    { 0x40100000U, 0x10000U, sim_ppu1_read, sim_ppu1_write },
    { 0x40110000U, 0x10000U, sim_crypto_read, sim_crypto_write },
    { 0x40200000U, 0x10000U, sim_ppu2_read, sim_ppu2_write },
    { 0x40210000U, 0x10000U, sim_cpuss_read, sim_cpuss_write },
    { 0x40230000U, 0x10000U, sim_ipc_read, sim_ipc_write },
    { 0x40240000U, 0x10000U, sim_prot_read, sim_prot_write },
    { 0x40250000U, 0x10000U, sim_flashc_read, sim_flashc_write },
    { 0x40260000U, 0x10000U, sim_srss_read, sim_srss_write },
    { 0x40280000U, 0x2000U, sim_dw_read, sim_dw_write },
    { 0x40300000U, 0x10000U, sim_ppu3_read, sim_ppu3_write },
    { 0x40310000U, 0x20000U, sim_hsiom_read, sim_hsiom_write },
    { 0x402C0000U, 0x10000U, sim_efuse_read, sim_efuse_write },
};

static bool register_access(struct sim_chip *chip, const struct sim_access *access,
    uint32_t address, unsigned size, uint32_t *value)
{
    if (access->kind == SIM_PERM_READ && address - 0x402C0800U < SIM_EFUSE_BYTES)
        return sim_efuse_window(chip, access, address - 0x402C0800U, size, value);
    for (size_t i = 0; i < sizeof(reg_blocks) / sizeof(reg_blocks[0]); i++) {
        const struct reg_block *block = &reg_blocks[i];
        if (address - block->base >= block->size)
            continue;
        if (size != 4 || access->kind == SIM_PERM_EXEC)
            return false;
        if (access->kind == SIM_PERM_WRITE)
            return block->write(chip, access, address - block->base, *value);
        return block->read(chip, access, address - block->base, value);
    }
    return false;
}

/* ROM tables of AP1 (0xF0000000) and of the SYS-AP (0xF1000000); both name the family. */
static bool rom_table_read(const struct sim_access *access, uint32_t address, uint32_t *ret_value)
{
    static const uint8_t pidr[4] = { 0x00, 0x41, 0x0B, 0x00 }; /* Cypress, family 0x100 */
    static const uint8_t cidr[4] = { 0x0D, 0x10, 0x05, 0xB1 };
    static const uint32_t m0_entries[4] = { 0xF00FF003U, 0x00002003U, 0x00003003U, 0 };
    uint32_t base = access->core == NULL ? 0xF1000000U : 0xF0000000U;
    uint32_t offset = address - base;
    if (offset >= 0x1000U || (access->core != NULL && access->core->is_cm4))
        return false;
    *ret_value = 0;
    if (offset < 0x10U)
        *ret_value = access->core == NULL ? 0 : m0_entries[offset / 4];
    else if (offset == 0xFCCU)
        *ret_value = 1;
    else if (offset >= 0xFF0U)
        *ret_value = cidr[(offset - 0xFF0U) / 4];
    else if (offset >= 0xFE0U)
        *ret_value = pidr[(offset - 0xFE0U) / 4];
    return offset < 0x10U || offset >= 0xFCCU;
}

static bool private_access(const struct sim_access *access, uint32_t address, uint32_t *value)
{
    if (address >= PPB_END) {
        return access->kind == SIM_PERM_READ && access->debugger &&
               rom_table_read(access, address, value);
    }
    if (access->core == NULL || access->kind == SIM_PERM_EXEC || !access->privileged)
        return false;
    if (access->kind == SIM_PERM_WRITE)
        return sim_core_ppb_write(access->core, address, access->debugger, *value);
    return sim_core_ppb_read(access->core, address, access->debugger, value);
}

static void tell_store(struct sim_chip *chip, uint32_t address, bool is_memory)
{
    const struct sim_hooks *hooks = &chip->hooks;
    if (hooks->store_fn != NULL &&
        (!is_memory || address - hooks->store_first < hooks->store_length))
        hooks->store_fn(hooks->store_user, address);
}

/* Memory and registers below the processors' private space. */
static bool system_access(struct sim_chip *chip, const struct sim_access *access, uint32_t address,
    unsigned size, uint32_t *value)
{
    bool writable;
    uint8_t *host = memory_at(chip, address, size, &writable);
    if (host == NULL) {
        bool done = register_access(chip, access, address, size, value);
        if (done && access->kind == SIM_PERM_WRITE)
            tell_store(chip, address, false);
        return done;
    }
    if (access->kind == SIM_PERM_WRITE) {
        if (writable) {
            sim_mem_put(host, size, *value);
            tell_store(chip, address, true);
        }
        return writable;
    }
    if (!sim_flash_readable(chip, access, address)) {
        note_refusal(chip, access, "flash is busy", address);
        return false;
    }
    *value = sim_mem_get(host, size);
    return true;
}

enum sim_bus_result sim_bus_access(struct sim_chip *chip, const struct sim_access *access,
    uint32_t address, unsigned size, uint32_t *value)
{
    if ((address & (size - 1)) != 0) {
        note_refusal(chip, access, "unaligned", address);
        return SIM_BUS_FAULT;
    }
    if (address >= PPB_BASE) {
        if (size == 4 && private_access(access, address, value))
            return SIM_BUS_OK;
        note_refusal(chip, access, "no such register", address);
        return SIM_BUS_FAULT;
    }
    if (!allowed(chip, access, address, false))
        return SIM_BUS_FAULT;
    if (system_access(chip, access, address, size, value))
        return SIM_BUS_OK;
    note_refusal(chip, access, "nothing there, not modelled, or not permitted", address);
    return SIM_BUS_FAULT;
}
