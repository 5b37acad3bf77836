/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_DIE_H
#define SIM_DIE_H

/** @file The state of the die, shared by the files of the chip model only. All of it is in one
 * block without pointers into itself except the cores' caches, so that a fork is one copy. */

#include <stdio.h>

#include "base/log.h"
#include "sim/bus.h"
#include "sim/chip.h"
#include "sim/chip_test.h"
#include "sim/core.h"
#include "sim/mem.h"

#define SIM_NEVER UINT64_MAX

#define SIM_ROM_SIZE         0x20000U
#define SIM_RAM_BASE         0x08000000U
#define SIM_RAM_SIZE         0x48000U
#define SIM_FLASH_BASE       0x10000000U
#define SIM_FLASH_SIZE       0x100000U
#define SIM_WORK_BASE        0x14000000U
#define SIM_WORK_SIZE        0x8000U
#define SIM_SFLASH_BASE      0x16000000U
#define SIM_SFLASH_SIZE      0x8000U
#define SIM_ROW_SIZE         512U
#define SIM_SECTOR_SIZE      0x40000U
#define SIM_EFUSE_BYTES      128U
#define SIM_FLASH_ROWS       (SIM_FLASH_SIZE / SIM_ROW_SIZE)
#define SIM_WORK_ROWS        (SIM_WORK_SIZE / SIM_ROW_SIZE)
#define SIM_SFLASH_ROWS      (SIM_SFLASH_SIZE / SIM_ROW_SIZE)
#define SIM_ALL_ROWS         (SIM_FLASH_ROWS + SIM_WORK_ROWS + SIM_SFLASH_ROWS)
#define SIM_IPC_COUNT        16
#define SIM_SMPU_COUNT       16
#define SIM_MASTERS          16
#define SIM_PPU_PROGRAMMABLE 16
#define SIM_PPU_FIXED        112
#define SIM_DW_COUNT         2
#define SIM_TC_REGIONS       8
#define SIM_NOTE_COUNT       64

/** One-shot events of virtual time. */
enum sim_event {
    SIM_EVENT_BOOT,  /**< next stage of ROM and flash boot */
    SIM_EVENT_ROM,   /**< a system call's time is over */
    SIM_EVENT_FLASH, /**< the flash operation is over */
    SIM_EVENT_TRNG,  /**< random bits are ready */
    SIM_EVENT_CUT,   /**< an armed power cut is due */
    SIM_EVENT_COUNT
};

/** Stages of the lifecycle fuses, in the order of their precedence. */
enum sim_lifecycle {
    SIM_LIFECYCLE_VIRGIN,
    SIM_LIFECYCLE_NORMAL,
    SIM_LIFECYCLE_SECURE_DEBUG,
    SIM_LIFECYCLE_SECURE,
    SIM_LIFECYCLE_RMA
};

/** Where the two bytes of access restrictions come from. */
enum sim_restriction {
    SIM_RESTRICT_NONE,
    SIM_RESTRICT_NORMAL, /**< NAR of the SFlash, with the layout of the fuses */
    SIM_RESTRICT_SECURE,
    SIM_RESTRICT_DEAD
};

enum sim_boot_stage {
    SIM_BOOT_OFF,    /**< no power or XRES low */
    SIM_BOOT_ROM,    /**< ROM runs, port closed */
    SIM_BOOT_LISTEN, /**< flash boot listens for TEST_MODE */
    SIM_BOOT_PARKED, /**< in the ROM's WFI loop */
    SIM_BOOT_APP,    /**< the application was started */
    SIM_BOOT_DEAD    /**< stopped in ROM with the port closed */
};

/** What survives without power. */
struct sim_nvm {
    uint8_t flash[SIM_FLASH_SIZE];
    uint8_t work[SIM_WORK_SIZE];
    uint8_t sflash[SIM_SFLASH_SIZE];
    uint8_t efuse[SIM_EFUSE_BYTES];
    uint32_t row_erases[SIM_ALL_ROWS];
};

struct sim_flash_op {
    bool active;
    bool is_erase;
    uint32_t address; /**< first byte */
    uint32_t length;
    uint64_t start_ps;
    uint64_t end_ps;
    uint8_t data[SIM_ROW_SIZE]; /**< of a program operation */
};

/** A system call between its start and its answer. */
struct sim_rom_call {
    bool active;
    unsigned ipc;
    uint32_t block;  /**< address of the parameter block; 0: arguments were in DATA */
    uint32_t opcode; /**< opcode word */
    uint32_t result;
    uint32_t address; /**< of the flash row, for the second half of WriteRow */
    bool program_next;
    uint8_t saved_context;
    uint8_t data[SIM_ROW_SIZE];
};

struct sim_ipc {
    bool locked;
    uint32_t owner; /**< attributes of ACQUIRE */
    uint32_t data;
};

struct sim_ipc_intr {
    uint32_t intr;
    uint32_t mask;
};

struct sim_smpu {
    uint32_t addr0, att0, addr1, att1;
};

/** Channel 0 of a data wire (DMA). */
struct sim_dw {
    uint32_t ctl, ch_ctl, status, index, descriptor, intr, mask;
};

struct sim_trng {
    uint32_t ctl0, ctl1, poly[2], result;
    uint32_t mon_ctl, mon_cmd;
    uint32_t rc_ctl, rc_bit, rc_count;
    uint32_t ap_ctl, ap_bit, ap_count, ap_index;
    uint64_t noise;                /**< seed of the noise source */
    uint64_t drawn;                /**< samples so far */
    uint32_t outcome, next_result; /**< when the present draw is over */
    bool initialised;
    bool stuck; /**< a draw that will never end */
    enum sim_trng_fault fault;
    uint32_t fault_parameter;
};

struct sim_crypto {
    uint32_t ctl, ff_ctl, intr, intr_mask, aes_ctl, sha_ctl, str_result;
    uint32_t rf[16];
    uint32_t operand_left; /**< data words the present instruction still wants */
    uint32_t operand_regs; /**< nibbles of the registers they go to */
    uint32_t operand_index;
    struct sim_trng trng;
};

/** What is lost with power or reset. */
struct sim_regs {
    uint32_t cm0_ctl, cm0_int_ctl[8], cm0_vector_base, cm0_nmi_ctl;
    uint32_t cm4_pwr_ctl, cm4_vector_base, cm4_nmi_ctl;
    uint32_t cm0_pc0_handler;
    uint32_t protection, ap_ctl;
    uint32_t wdt_ctl, flash_ctl, bookmark, ca_ctl;
    uint32_t efuse_ctl;
    bool test_mode;
    uint8_t restrict0, restrict1;        /**< access restrictions in force */
    uint32_t swj_select, swj_drive_mode; /**< HSIOM and GPIO registers of port 6 */
    struct sim_ipc ipc[SIM_IPC_COUNT];
    struct sim_ipc_intr ipc_intr[SIM_IPC_COUNT];
    struct sim_smpu ppu_pr[SIM_PPU_PROGRAMMABLE];
    struct sim_smpu ppu_fixed[SIM_PPU_FIXED];
    struct sim_dw dw[SIM_DW_COUNT];
    uint32_t ms_ctl[SIM_MASTERS];
    uint8_t context[SIM_MASTERS];
    uint8_t context_saved[SIM_MASTERS];
    struct sim_smpu smpu[SIM_SMPU_COUNT];
    struct sim_smpu tc_mpu[SIM_TC_REGIONS];
};

struct sim_hooks {
    const struct base_log *log;
    sim_chip_test_flash_fn flash_fn;
    void *flash_user;
    sim_chip_test_store_fn store_fn;
    void *store_user;
    uint32_t store_first; /**< RAM whose stores are told */
    uint32_t store_length;
    sim_chip_test_call_fn call_fn;
    void *call_user;
    struct sim_power_cut cut;
    uint64_t cut_instruction; /**< of the CM0+, from 1; 0 = none */
    uint32_t flash_percent;   /**< 0 = 100 */
};

struct sim_chip {
    uint64_t time_ps;
    uint64_t event_ps[SIM_EVENT_COUNT];
    struct sim_core cm0;
    struct sim_core cm4;
    struct sim_core *running; /**< the core whose program is executing right now */
    uint32_t period_ps;       /**< of the CPU clock */
    enum sim_boot_stage boot;
    bool powered;
    bool xres_low;
    bool debug_power;
    bool swd_connected;
    bool reset_due;
    bool cm4_reset_due;
    bool cut_due;
    uint16_t vddio_mv;
    uint16_t silicon_id;
    uint32_t reset_count;
    uint32_t reset_cause;
    uint64_t unique_id;
    struct sim_regs regs;
    struct sim_crypto crypto;
    struct sim_flash_op flash_op;
    struct sim_rom_call call;
    uint64_t flash_op_count;
    struct sim_hooks hooks;
    uint32_t notes[SIM_NOTE_COUNT]; /**< hashes of what was already said */
    unsigned note_count;
    uint8_t rom[SIM_ROM_SIZE];
    uint8_t ram[SIM_RAM_SIZE];
    struct sim_nvm nvm;
};

/* ---- chip.c ---- */
/** Make one die like another, as sim_chip_fork() does. */
void sim_copy(struct sim_chip *to, const struct sim_chip *from);
uint64_t sim_now(const struct sim_chip *chip);
void sim_event_at(struct sim_chip *chip, enum sim_event event, uint64_t time_ps);
/** Something happened that may end a core's sleep: the running core lets the other one in. */
void sim_cores_woken(struct sim_chip *chip);
/** CM4_PWR_CTL, or the debugger's VECTRESET: start the CM4 from its vectors if it is enabled, else
 * hold it in reset. */
void sim_cm4_restart(struct sim_chip *chip);
/** Interrupt lines from the peripherals to the cores, after one of them changed. */
void sim_route_interrupts(struct sim_chip *chip);

/* ---- boot.c ---- */
#define SIM_ROM_BOOT_LOOP 0x100U /**< where the CM0+ stands while ROM and flash boot work */
#define SIM_ROM_PARK_LOOP 0x102U /**< WFI loop */
/** The ROM's function that ends in DEAD. */
void sim_boot_enter_dead(struct sim_chip *chip);
void sim_boot_build_rom(struct sim_chip *chip);
void sim_boot_begin(struct sim_chip *chip);
void sim_boot_event(struct sim_chip *chip);
/** The valid one of TOC2 and RTOC2; NULL when neither is. */
const uint8_t *sim_boot_toc2(const struct sim_chip *chip);
/** CRC-16/CCITT-FALSE of the TOC2. */
uint16_t sim_boot_crc16(const uint8_t *data, size_t length);
/** Default content of a factory-fresh die. */
void sim_boot_factory(struct sim_chip *chip);

/* ---- ppu.c ---- */
void sim_ppu_reset(struct sim_chip *chip);
/** The units that ROM and flash boot keep for themselves. */
void sim_ppu_rom(struct sim_chip *chip);
/** A system call begins or ends: IPC 0 to 2 and the crypto block belong to ROM meanwhile. */
void sim_ppu_during_call(struct sim_chip *chip, bool running);
bool sim_ppu_allows(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet);
/** Registers of a unit by bus address; false = bus fault. */
bool sim_ppu_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, uint32_t *ret_value);
bool sim_ppu_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, uint32_t value);

/* ---- dw.c ---- */
bool sim_dw_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_dw_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
/** PERI_TR_CMD: a trigger by software. False = bus fault. */
bool sim_dw_trigger(struct sim_chip *chip, uint32_t command);

/* ---- secure.c ---- */
#define SIM_BOOT_ERROR_SIGNATURE 0xF1000100U
#define SIM_BOOT_ERROR_TOC       0xF1000101U
#define SIM_BOOT_ERROR_DATA      0xF1000107U
enum sim_lifecycle sim_lifecycle(const struct sim_chip *chip);
/** Put access restrictions in force: closed ports in AP_CTL, and what the SYS-AP may reach. No port
 * is enabled afterwards. */
void sim_restrict(struct sim_chip *chip, enum sim_restriction from);
/** May the SYS-AP reach this address? */
bool sim_restrict_allows(const struct sim_chip *chip, uint32_t address);
/** SECURE_HASH and its zero count against the objects of TOC1 and TOC2. */
bool sim_secure_hash_good(struct sim_chip *chip);
/** Header, size and signature of the first application of TOC2: 0, or flash boot's error word. */
uint32_t sim_secure_check_app(struct sim_chip *chip, const uint8_t *toc2);
/** A signature by the key that TOC2 names, over @p data. */
bool sim_secure_signature_good(struct sim_chip *chip, const uint8_t *toc2, const uint8_t *data,
    uint32_t length, const uint8_t *signature);

/* ---- srom.c ---- */
/** UDF services of the ROM's NMI handler. */
void sim_srom_begin(struct sim_chip *chip);
void sim_srom_finish(struct sim_chip *chip);
void sim_srom_event(struct sim_chip *chip);
/** The flash operation that a call waits for is complete. */
void sim_srom_flash_done(struct sim_chip *chip);

/* ---- srom_flash.c, srom_info.c ---- */
/** Carry out one call: sets chip->call.result; starts a flash operation where one is due. False:
 * not one of theirs. */
bool sim_srom_flash_call(struct sim_chip *chip);
bool sim_srom_info_call(struct sim_chip *chip);
/** May the client's protection context touch this place of flash or SFlash, although ROM itself may
 * always? Assumed: the SMPU counts, the access restrictions of the SYS-AP do not. */
bool sim_srom_client_owns(struct sim_chip *chip, uint32_t address, uint32_t length, uint32_t kind);
/** Protection context of the call's client. */
uint8_t sim_srom_client_context(const struct sim_chip *chip);
/** SECURE or SECURE_WITH_DEBUG, where ROM refuses more. */
bool sim_srom_is_secure(const struct sim_chip *chip);
uint32_t sim_srom_argument(struct sim_chip *chip, unsigned index);
void sim_srom_return(struct sim_chip *chip, unsigned index, uint32_t value);
bool sim_srom_client_may(struct sim_chip *chip, uint32_t address, uint32_t length, uint32_t kind);
/** 16-byte hash over the objects of TOC1 (factory) or of TOC1 and TOC2 (secure). */
void sim_srom_hash(const struct sim_chip *chip, bool secure, uint8_t ret_hash[16]);

/* ---- flash.c ---- */
struct sim_flash_place {
    uint8_t *host;
    uint32_t base;   /**< bus address of the region */
    uint32_t size;   /**< bytes */
    uint32_t offset; /**< of the address in the region */
    unsigned row;    /**< index into row_erases */
};

bool sim_flash_find(struct sim_chip *chip, uint32_t address, struct sim_flash_place *ret_place);
void sim_flash_start(
    struct sim_chip *chip, bool is_erase, uint32_t address, uint32_t length, const uint8_t *data);
void sim_flash_event(struct sim_chip *chip);
/** Count one operation on non-volatile memory and tell the hook. False: the armed cut struck before
 * it. */
bool sim_nvm_begin(struct sim_chip *chip, bool is_erase, uint32_t address, uint32_t length);
/** Is a cut planned for the present operation, at this point of it? */
bool sim_nvm_cut_is(const struct sim_chip *chip, enum sim_cut_when when);
void sim_nvm_cut_now(struct sim_chip *chip);
/** What the plan's pattern draws for the present operation. */
uint64_t sim_nvm_cut_random(struct sim_chip *chip);
/** Power is lost in the middle of an operation. */
void sim_flash_cut(struct sim_chip *chip);
/** May @p access read this flash address now, or is it blocked out by an operation? */
bool sim_flash_readable(
    const struct sim_chip *chip, const struct sim_access *access, uint32_t address);

/* ---- regs.c, ipc.c, prot.c, crypto.c, efuse.c: 32-bit registers; false = bus fault ---- */
typedef bool (*sim_reg_read_fn)(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value);
typedef bool (*sim_reg_write_fn)(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value);
bool sim_cpuss_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_cpuss_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_srss_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_srss_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_flashc_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_flashc_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_ipc_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_ipc_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_prot_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_prot_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_crypto_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_crypto_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_hsiom_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_hsiom_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
bool sim_efuse_read(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t *);
bool sim_efuse_write(struct sim_chip *, const struct sim_access *, uint32_t, uint32_t);
/** Window of fuse bytes at +0x800. */
bool sim_efuse_window(struct sim_chip *chip, const struct sim_access *access, uint32_t byte,
    unsigned size, uint32_t *ret_value);
/** Try to blow one fuse: true when it reads 1 afterwards. */
bool sim_efuse_blow(struct sim_chip *chip, unsigned byte, unsigned bit);
/** Route the SWD pins of port 6 to the debug port, as boot code or an application does. */
void sim_swj_select(struct sim_chip *chip, uint32_t select);
#define SIM_SWJ_ON 0x1D1D0000U /**< inputs 6 and 7 of port 6 to the debug port */
void sim_regs_reset(struct sim_chip *chip);
void sim_prot_reset(struct sim_chip *chip);
void sim_prot_rom(struct sim_chip *chip);
void sim_crypto_reset(struct sim_chip *chip);
void sim_trng_draw(struct sim_chip *chip, unsigned bits);
void sim_trng_event(struct sim_chip *chip);
void sim_trng_start_monitors(struct sim_trng *trng, uint32_t which);
/** AES, SHA and string instructions. False: not one of them. */
bool sim_crypto_function(struct sim_chip *chip, uint32_t instruction);
/** IPC interrupt structs whose masked cause is not empty, as a bit mask. */
uint32_t sim_ipc_lines(const struct sim_chip *chip);
bool sim_prot_smpu_allows(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet);
bool sim_prot_tc_allows(
    struct sim_chip *chip, const struct sim_access *access, uint32_t address, bool quiet);
#define SIM_PROT_ENABLED (1U << 31)

static inline uint32_t sim_prot_size_log2(uint32_t att)
{
    return (att >> 24 & 0x1FU) + 1;
}

/** Is the struct on, and the address in it? Inline, because each access to a register asks all. */
static inline bool sim_prot_covers(const struct sim_smpu *region, uint32_t address)
{
    uint32_t log2 = sim_prot_size_log2(region->att0);

    if ((region->att0 & SIM_PROT_ENABLED) == 0 || log2 < 8)
        return false;
    if (log2 < 32 && (address ^ region->addr0) >> log2 != 0)
        return false;
    return (region->addr0 >> (address >> (log2 - 3) & 7U) & 1U) == 0; /* subregion not disabled */
}

/** Does one protection struct cover the address (with its context, under PC_MATCH)? If so, may the
 * access happen? @p unit names the kind of struct for the log; NULL: say nothing. */
bool sim_prot_struct_allows(struct sim_chip *chip, const struct sim_access *access,
    const struct sim_smpu *region, uint32_t address, const char *unit, unsigned index,
    bool *ret_matches);
/** The second pair of a struct says who may write it. */
bool sim_prot_may_configure(
    struct sim_chip *chip, const struct sim_access *access, const struct sim_smpu *region);
bool sim_prot_uniform(const struct sim_chip *chip, const struct sim_access *access, uint32_t page);
/** Attributes of IDENTITY and of IPC owners: P b0, NS b1, PC[7:4], MS[11:8]. */
uint32_t sim_prot_attributes(const struct sim_chip *chip, const struct sim_access *access);

#endif
