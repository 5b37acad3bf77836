/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

#include <string.h>

/* ROM and flash boot as a timeline. While it runs the CM0+ stands in a loop of a small ROM image of
 * our own; the ROM's fault, park and NMI code really executes. */

#define ROM_TIME_PS    (1000 * SIM_PS_PER_US)
#define HALT_POLL_PS   (100 * SIM_PS_PER_US)
#define ROM_STACK      (SIM_RAM_BASE + SIM_RAM_SIZE)
#define ROM_FAULT_LOOP 0xE07AU
#define ROM_NMI        0x106U
#define ROM_DEAD       0x10CU
#define BOOT_ERROR     (SIM_RAM_BASE + 0x40000U)

#define SFLASH_TOC1  0x7800U
#define SFLASH_TOC2  0x7C00U
#define SFLASH_RTOC2 0x7E00U
#define TOC1_MAGIC   0x01211219U
#define TOC2_MAGIC   0x01211220U
#define TOC_SIZE     0x1FCU

#define FUSE_LIFECYCLE    0x2BU
#define FUSE_FACTORY_HASH 0x2CU

#define SYSCALL_INTERRUPT 25U /* system interrupt of IPC interrupt struct 0 */

/* The word at 0xC is both the HardFault vector (0xE07B) and the first instruction of the NMI
 * handler (a branch to ROM_NMI), because vector tables of this family name 0xD for the NMI. */
void sim_boot_build_rom(struct sim_chip *chip)
{
    uint8_t *rom = chip->rom;
    for (uint32_t i = 0; i < SIM_ROM_SIZE; i += 2)
        sim_mem_put16(rom + i, 0xDEFFU); /* permanently undefined */
    for (uint32_t i = 0; i < 48; i++)
        sim_mem_put32(rom + i * 4, ROM_FAULT_LOOP | 1U);
    sim_mem_put32(rom + 0x00, ROM_STACK);
    sim_mem_put32(rom + 0x04, SIM_ROM_BOOT_LOOP | 1U);
    sim_mem_put32(rom + 0x08, 0x0000000DU);
    sim_mem_put16(rom + 0x0C, 0xE07BU);
    sim_mem_put16(rom + 0x0E, 0x0000U);
    sim_mem_put16(rom + SIM_ROM_BOOT_LOOP, 0xE7FEU);     /* b . */
    sim_mem_put16(rom + SIM_ROM_PARK_LOOP, 0xBF30U);     /* wfi */
    sim_mem_put16(rom + SIM_ROM_PARK_LOOP + 2, 0xE7FDU); /* b back */
    sim_mem_put16(rom + ROM_NMI, 0xDE01U);               /* udf #1: begin the call, wait */
    sim_mem_put16(rom + ROM_NMI + 2, 0xDE02U);           /* udf #2: answer */
    sim_mem_put16(rom + ROM_NMI + 4, 0x4770U);           /* bx lr */
    sim_mem_put16(rom + ROM_DEAD, 0xDE03U);              /* udf #3: DEAD */
    sim_mem_put16(rom + ROM_DEAD + 2, 0xE7FEU);
    sim_mem_put16(rom + ROM_FAULT_LOOP, 0xE7FEU);
    sim_mem_put32(rom + 0xD18, ROM_DEAD | 1U);
    sim_mem_put32(rom + 0xD20, ROM_NMI | 1U);
}

bool sim_bus_rom_service(struct sim_core *core, uint32_t number)
{
    if (core->is_cm4 || core->r[15] > SIM_ROM_SIZE)
        return false;
    switch (number) {
    case 1:
        sim_srom_begin(core->chip);
        return true;
    case 2:
        sim_srom_finish(core->chip);
        return true;
    case 3:
        sim_boot_enter_dead(core->chip);
        return true;
    default:
        return false;
    }
}

void sim_boot_factory(struct sim_chip *chip)
{
    uint8_t *sflash = chip->nvm.sflash;
    uint64_t state = 0x50534F43; /* the flash boot's image: arbitrary, the same in every die */
    for (uint32_t i = 0x2000; i < 0x5A00; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sflash[i] = (uint8_t)(state >> 56);
    }
    sim_mem_put32(sflash + 0x2000, 0x3A00U);
    sflash[1] = 0x21; /* silicon revision: major 2, minor 1 */
    sim_mem_put16(sflash + 2, chip->silicon_id);
    sim_mem_put16(sflash + 0xC, 0x100U);
    for (unsigned i = 0; i < 7; i++)
        sflash[0x600 + i] = (uint8_t)(chip->unique_id >> (i * 8));
    uint8_t top = (uint8_t)(chip->unique_id >> 56);
    sflash[0x607] = top & 1U; /* minor revision */
    sflash[0x608] = 1;        /* day */
    sflash[0x609] = 1;        /* month */
    sflash[0x60A] = top >> 1; /* year */
    sim_mem_put32(sflash + SFLASH_TOC1, TOC_SIZE);
    sim_mem_put32(sflash + SFLASH_TOC1 + 4, TOC1_MAGIC);
    chip->nvm.efuse[FUSE_LIFECYCLE] = 1; /* NORMAL */
    sim_srom_hash(chip, false, &chip->nvm.efuse[FUSE_FACTORY_HASH]);
}

/* ---- TOC2 ---- */

uint16_t sim_boot_crc16(const uint8_t *data, size_t length)
{
    uint32_t crc = 0xFFFF;
    for (size_t i = 0; i < length; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000U) != 0 ? crc << 1 ^ 0x1021U : crc << 1;
    }
    return (uint16_t)crc;
}

static bool toc2_valid(const uint8_t *toc)
{
    return sim_mem_get32(toc) == TOC_SIZE && sim_mem_get32(toc + 4) == TOC2_MAGIC &&
           sim_mem_get32(toc + TOC_SIZE) >> 16 == sim_boot_crc16(toc, TOC_SIZE);
}

const uint8_t *sim_boot_toc2(const struct sim_chip *chip)
{
    if (toc2_valid(chip->nvm.sflash + SFLASH_TOC2))
        return chip->nvm.sflash + SFLASH_TOC2;
    if (toc2_valid(chip->nvm.sflash + SFLASH_RTOC2))
        return chip->nvm.sflash + SFLASH_RTOC2;
    return NULL;
}

static uint32_t toc2_word(const struct sim_chip *chip, uint32_t offset)
{
    const uint8_t *toc = sim_boot_toc2(chip);
    return toc != NULL ? sim_mem_get32(toc + offset) : 0;
}

static uint32_t toc2_flags(const struct sim_chip *chip)
{
    return toc2_word(chip, 0x1F8);
}

/* ---- the timeline ---- */

void sim_boot_begin(struct sim_chip *chip)
{
    for (unsigned i = 0; i < SIM_EVENT_COUNT; i++)
        chip->event_ps[i] = SIM_NEVER;
    memset(&chip->regs, 0, sizeof(chip->regs));
    sim_regs_reset(chip);
    sim_prot_reset(chip);
    sim_prot_rom(chip);
    sim_ppu_reset(chip);
    sim_ppu_rom(chip);
    sim_crypto_reset(chip);
    sim_core_reset(&chip->cm0);
    sim_core_reset(&chip->cm4);
    chip->call.active = false;
    chip->swd_connected = false;
    chip->reset_count++;
    chip->boot = SIM_BOOT_ROM;
    chip->period_ps = 40000; /* 25 MHz */
    chip->cm0.r[13] = ROM_STACK;
    chip->cm0.banked_sp = 0;
    chip->cm0.r[15] = SIM_ROM_BOOT_LOOP;
    sim_event_at(chip, SIM_EVENT_BOOT, chip->time_ps + ROM_TIME_PS);
}

/* Stopped in ROM; the ports are what DEAD_ACCESS_RESTRICT leaves open. */
void sim_boot_enter_dead(struct sim_chip *chip)
{
    chip->boot = SIM_BOOT_DEAD;
    chip->regs.protection = 4;
    sim_restrict(chip, SIM_RESTRICT_DEAD);
    chip->regs.ap_ctl |= 7U;
    sim_swj_select(chip, SIM_SWJ_ON);
    sim_core_hold(&chip->cm0, true);
    sim_core_hold(&chip->cm4, true);
}

/* Stopped in ROM with everything closed. */
static void stop_closed(struct sim_chip *chip, uint32_t protection)
{
    chip->boot = SIM_BOOT_DEAD;
    chip->regs.protection = protection;
    chip->regs.ap_ctl = 0;
    sim_swj_select(chip, 0);
    sim_core_hold(&chip->cm0, true);
}

static void fail_app(struct sim_chip *chip, uint32_t error, const char *why)
{
    sim_bus_note(chip, why);
    sim_mem_put32(chip->ram + (BOOT_ERROR - SIM_RAM_BASE), error);
}

static void park(struct sim_chip *chip)
{
    chip->boot = SIM_BOOT_PARKED;
    sim_core_start(&chip->cm0, ROM_STACK, SIM_ROM_PARK_LOOP | 1U);
}

static uint32_t flash_word(struct sim_chip *chip, uint32_t address)
{
    struct sim_flash_place place;
    if ((address & 3U) != 0 || !sim_flash_find(chip, address, &place))
        return 0;
    return sim_mem_get32(place.host + place.offset);
}

/* Address of the CM0+ vector table of the first application, 0 when it cannot be started. */
static uint32_t find_vectors(struct sim_chip *chip)
{
    uint32_t app = toc2_word(chip, 0x10);
    uint32_t format = toc2_word(chip, 0x14);
    if (app == 0 || app == UINT32_MAX)
        return SIM_FLASH_BASE;
    if (format == 0)
        return app;
    if (format == 1 && (flash_word(chip, app + 4) & 0xFFF0U) == 0x8000U)
        return app + 0x10 + flash_word(chip, app + 0x10);
    fail_app(chip, SIM_BOOT_ERROR_DATA,
        "flash boot: the application has no Cypress header, or TOC2 a format that is not modelled");
    return 0;
}

/* In SECURE the application must verify; in NORMAL TOC2 may ask for it. */
static bool must_verify(const struct sim_chip *chip)
{
    return chip->regs.protection == 3 || (toc2_flags(chip) & 1U << 31) != 0;
}

static void start_application(struct sim_chip *chip)
{
    uint32_t error = must_verify(chip) ? sim_secure_check_app(chip, sim_boot_toc2(chip)) : 0;
    if (error != 0) {
        fail_app(chip, error, "flash boot: the application is not started");
        if (chip->regs.protection == 3)
            sim_boot_enter_dead(chip);
        else
            park(chip);
        return;
    }
    uint32_t vectors = find_vectors(chip);
    uint32_t sp = flash_word(chip, vectors);
    uint32_t entry = flash_word(chip, vectors + 4);
    if (vectors == 0 || sp == 0 || entry == 0 || sp == UINT32_MAX || entry == UINT32_MAX) {
        park(chip);
        return;
    }
    chip->boot = SIM_BOOT_APP;
    chip->regs.cm0_vector_base = vectors & 0xFFFFFF00U;
    chip->cm0.vtor = vectors & 0xFFFFFF00U;
    sim_core_start(&chip->cm0, sp, entry);
}

/* What boot code sets up before it listens, whatever the lifecycle. */
static void prepare(struct sim_chip *chip, uint32_t protection)
{
    static const uint32_t periods[4] = { 40000, 125000, 20000, 40000 };
    chip->regs.protection = protection;
    chip->regs.wdt_ctl = 0xC0000000U;
    chip->regs.cm0_nmi_ctl = SYSCALL_INTERRUPT;
    chip->regs.cm0_pc0_handler = ROM_NMI;
    chip->period_ps = periods[toc2_flags(chip) & 3U];
    chip->boot = SIM_BOOT_LISTEN;
}

static void listen(struct sim_chip *chip, enum sim_restriction restriction)
{
    static const uint32_t windows_ms[8] = { 20, 10, 1, 0, 100, 20, 20, 20 };
    sim_restrict(chip, restriction);
    chip->regs.ap_ctl |= 7U;
    sim_swj_select(chip, SIM_SWJ_ON);
    uint64_t window = windows_ms[toc2_flags(chip) >> 2 & 7U] * 1000 * SIM_PS_PER_US;
    sim_event_at(chip, SIM_EVENT_BOOT, chip->time_ps + window);
}

/* Assumed (no source says): with the pins off flash boot does not wait for TEST_MODE. */
static void boot_secure(struct sim_chip *chip, bool with_debug)
{
    prepare(chip, 3);
    if (!sim_secure_hash_good(chip)) {
        sim_boot_enter_dead(chip);
    } else if (with_debug) {
        listen(chip, SIM_RESTRICT_NONE);
    } else {
        sim_restrict(chip, SIM_RESTRICT_SECURE);
        sim_event_at(chip, SIM_EVENT_BOOT, chip->time_ps);
    }
}

static void leave_rom(struct sim_chip *chip)
{
    switch (sim_lifecycle(chip)) {
    case SIM_LIFECYCLE_NORMAL:
        prepare(chip, 2);
        listen(chip, SIM_RESTRICT_NORMAL);
        break;
    case SIM_LIFECYCLE_SECURE_DEBUG:
        boot_secure(chip, true);
        break;
    case SIM_LIFECYCLE_SECURE:
        boot_secure(chip, false);
        break;
    case SIM_LIFECYCLE_RMA:
        sim_bus_note(chip, "ROM: in RMA the ports open by a signed object only");
        prepare(chip, 3);
        park(chip);
        break;
    case SIM_LIFECYCLE_VIRGIN:
        sim_bus_note(chip, "ROM: VIRGIN is for the factory; stopped with the port closed");
        stop_closed(chip, 1);
        break;
    }
}

void sim_boot_event(struct sim_chip *chip)
{
    if (chip->boot == SIM_BOOT_ROM) {
        leave_rom(chip);
        return;
    }
    if (chip->cm0.halted) { /* flash boot makes no progress while a debugger holds the core */
        sim_event_at(chip, SIM_EVENT_BOOT, chip->time_ps + HALT_POLL_PS);
        return;
    }
    if (chip->cm0.r[15] != SIM_ROM_BOOT_LOOP) { /* a debugger took the core away from flash boot */
        chip->boot = SIM_BOOT_APP;
        sim_core_hold(&chip->cm0, false);
    } else if (chip->regs.test_mode) {
        park(chip);
    } else {
        start_application(chip);
    }
}
