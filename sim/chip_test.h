/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CHIP_TEST_H
#define SIM_CHIP_TEST_H

/**
 * @file
 * The back door of a simulated die for tests and measurements: nothing here exists on silicon, and
 * none of it takes virtual time.
 */

#include "base/log.h"
#include "sim/chip.h"

/* ---- look and touch ---- */

/** Copy out of RAM, ROM, flash, work flash, SFlash or the fuse window (0x402C0800) past every
 * protection. False: not memory, or beyond its end. */
bool sim_chip_test_read(
    const struct sim_chip *chip, uint32_t address, void *ret_data, size_t length);
/** Copy into RAM, flash, work flash, SFlash or fuses, past every protection and rule. */
bool sim_chip_test_write(struct sim_chip *chip, uint32_t address, const void *data, size_t length);

/** Counters of a core since the chip was made: clock edges spent executing, instructions, and where
 * it is.
 */
struct sim_chip_test_core {
    uint64_t busy_cycles;  /**< executing; asleep, halted and held in ROM not counted */
    uint64_t instructions; /**< retired */
    uint32_t pc;           /**< next instruction */
    uint32_t sp;
    uint32_t ipsr;
    uint32_t xpsr;   /**< flags of APSR in bits 31 … 28 */
    uint8_t context; /**< protection context of its bus master */
    bool sleeping;
    bool halted;
    bool locked_up;
};

struct sim_chip_test_core sim_chip_test_core(const struct sim_chip *chip, enum sim_ap ap);
/** Value of r0 … r15 now. */
uint32_t sim_chip_test_reg(const struct sim_chip *chip, enum sim_ap ap, unsigned reg);
/** Change one: what a fault in the core does. 15 is the address of the next instruction. */
void sim_chip_test_set_reg(struct sim_chip *chip, enum sim_ap ap, unsigned reg, uint32_t value);
/** Make a chip a copy of another one, as sim_chip_fork() does, in place. */
void sim_chip_test_copy(struct sim_chip *to, const struct sim_chip *from);
/** The same without ROM and non-volatile memory, which the caller knows to be equal. Quick. */
void sim_chip_test_copy_volatile(struct sim_chip *to, const struct sim_chip *from);
/** Lowest stack pointer since reset or since sim_chip_test_stack_restart(). */
uint32_t sim_chip_test_stack_low(const struct sim_chip *chip, enum sim_ap ap);
void sim_chip_test_stack_restart(struct sim_chip *chip, enum sim_ap ap);

/** Start the CM0+ at an address with a stack at once, skipping the boot. For tests of bare code. */
void sim_chip_test_start(struct sim_chip *chip, uint32_t sp, uint32_t pc);
/** Put raw words into a fresh die's TOC2 with its CRC, in TOC2 and RTOC2: flags of +1F8 and first
 * application (0 = none, vector table at 0x10000000). */
void sim_chip_test_write_toc2(
    struct sim_chip *chip, uint32_t flags, uint32_t app_address, uint32_t app_format);

/** CRC that the TOC2 in SFlash should have, after a test changed it; its place is the upper half of
 * the word at +1FC. */
uint16_t sim_chip_test_toc2_crc(const struct sim_chip *chip);

/* ---- stop somewhere ---- */

/** Run until the CM0+ is about to execute @p pc or @p time_ps has come. True: it is there (at once,
 * if it stands there already). */
bool sim_chip_test_run_to(struct sim_chip *chip, uint32_t pc, uint64_t time_ps);

/** Addresses from low up to, but without, high. */
struct sim_chip_test_range {
    uint32_t low;
    uint32_t high;
};

/** The same for any instruction of two ranges. */
bool sim_chip_test_run_into(
    struct sim_chip *chip, const struct sim_chip_test_range ranges[2], uint64_t time_ps);

/** Marked instructions: the half-word i from low on is one when flags[i] has a bit of the mask. */
struct sim_chip_test_marks {
    uint32_t low;
    uint32_t count;       /**< half-words */
    const uint8_t *flags; /**< borrowed */
};

/** The same for any marked instruction, and for the one at @p also (0 = none). */
bool sim_chip_test_run_to_mark(struct sim_chip *chip, const struct sim_chip_test_marks *marks,
    uint8_t mask, uint32_t also, uint64_t time_ps);
/** Run until the CM0+ has retired that many instructions in all, or @p time_ps has come. True: it
 * has. */
bool sim_chip_test_run_instructions(struct sim_chip *chip, uint64_t count, uint64_t time_ps);

/* ---- flash (planned power cuts: sim_chip_set_power_cut()) ---- */

/** Times each row was erased. 0 for an address outside the three flash memories. */
uint32_t sim_chip_row_erases(const struct sim_chip *chip, uint32_t address);

/** What struct sim_power_cut's pattern means for a cut in the middle: the low two bits choose, the
 * rest seeds the random bytes. */
enum sim_cut_pattern {
    SIM_CUT_PATTERN_ROW = 0,      /**< random bytes in what was being written */
    SIM_CUT_PATTERN_SECTOR = 1,   /**< that, and random bits disturbed in the rest of the sector */
    SIM_CUT_PATTERN_HALF = 2,     /**< first half done, second half as before */
    SIM_CUT_PATTERN_UNSTABLE = 3, /**< random mixture of old and new bits */
};

/** Called when a flash operation begins (numbered from 1). A fork does not inherit it. */
typedef void (*sim_chip_test_flash_fn)(
    void *user, uint64_t operation, bool is_erase, uint32_t address, uint32_t length);
void sim_chip_test_on_flash(struct sim_chip *chip, sim_chip_test_flash_fn fn, void *user);

/* ---- stores ---- */

/** Called after each store of a bus master to the watched part of RAM and to any register, while
 * the chip runs: it may look, but not run the chip. */
typedef void (*sim_chip_test_store_fn)(void *user, uint32_t address);
/** Watch RAM from @p first on. A fork does not inherit it. NULL: no more. */
void sim_chip_test_on_store(
    struct sim_chip *chip, uint32_t first, uint32_t length, sim_chip_test_store_fn fn, void *user);

/* ---- system calls ---- */

/** An answer that takes the supply away instead, before the call has done anything. */
#define SIM_CHIP_TEST_CALL_CUT 1U

/** Called when ROM is about to carry out a system call whose arguments it could read. Returns 0 to
 * let it, or the status word that it shall answer without doing anything. A fork does not inherit
 * it. */
typedef uint32_t (*sim_chip_test_call_fn)(void *user, uint32_t opcode);
void sim_chip_test_on_call(struct sim_chip *chip, sim_chip_test_call_fn fn, void *user);

/* ---- noise source ---- */

enum sim_trng_fault {
    SIM_TRNG_GOOD,
    SIM_TRNG_STUCK,  /**< parameter 0 or 1: always that bit */
    SIM_TRNG_BIASED, /**< parameter: ones per 1024 samples */
    SIM_TRNG_PERIOD, /**< parameter: samples after which the sequence repeats, 1 … 64 */
};

void sim_chip_test_trng_fault(struct sim_chip *chip, enum sim_trng_fault fault, uint32_t parameter);

/* ---- diagnosis ---- */

/** Where the model says what it refuses: unmodelled registers, protection violations, faults of the
 * cores. Each is said once per chip. Borrowed; NULL = nowhere. A fork inherits it. */
void sim_chip_set_log(struct sim_chip *chip, const struct base_log *log);

#endif
