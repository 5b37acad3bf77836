/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_CHIP_H
#define SIM_CHIP_H

/**
 * @file
 * One simulated PSoC 6 BLE-2 die, seen from its pins and its debug access ports. Knows nothing of
 * who uses it.
 *
 * Time is virtual and exact: it moves only when somebody calls sim_chip_run_until(). One thread per
 * chip; two chips share nothing.
 *
 * What a program on the CM0+ finds, where sources leave room:
 * - Flash boot hands over with MSP, PC and VTOR from the application's vector table, in protection
 *   context 0, interrupts enabled, the CPU clock as TOC2 says (no TOC2: 25 MHz).
 * - System calls enter ROM by the NMI: its vector is 0x0000000D, the same entry stands at [0xD20].
 *   The mask of IPC interrupt struct 0 is 0 after reset: callers set bit 16 + IPC themselves.
 * - ROM keeps SMPU structs 14 and 15, the last 2 KB of RAM and the programmable PPUs 9 to 15 for
 *   context 0. A programmable PPU decides before the fixed one of a struct, that before the one of
 *   the peripheral, that before the one of the group. Fixed units exist for groups 1 to 3.
 * - DW0 and DW1 have channel 0, started by PERI_TR_CMD: bus master 2 and 3 with the rights of
 * whoever wrote CH_CTL; done at once.
 * - A SMPU region whose NS bit is 0 refuses masters whose MSx_CTL.NS is 1, which is the reset
 * value.
 * - RAM is noise after power-up, and kept over every other reset.
 * - SECURE: SECURE_HASH is the first half of SHA-256 over TOC1, TOC2 and the objects that TOC2
 * lists (count at +20, addresses from +24; the first is the public key); the signature behind the
 *   application has its most significant byte first; flash boot leaves pins and AP_CTL off and does
 *   not listen. The application connects the pins by HSIOM_PRT6.PORT_SEL1 (0x40310064, function 29
 *   for P6.6 and P6.7) and enables ports in AP_CTL; DISABLE bits stay until the next reset.
 * BlowFuse, bulk erase and writing of SFlash are refused.
 * - The CM4 runs the ARMv6-M subset on the CM0+'s clock, starts from CM4_VECTOR_TABLE_BASE when
 *   CM4_PWR_CTL enables it, and has 48 interrupt inputs = system interrupts 0 … 47.
 * - ROM checks the client's SMPU rights on flash it writes, and on what Checksum and ReadFuseByte
 *   read.
 * - What is not modelled answers with a bus fault, never with zeros: peripherals (HSIOM and
 *   GPIO but port 6's two registers, SCB, clocks), deep sleep, a running watchdog, ARMv7-M
 *   instructions, OpenRMA. sim_chip_set_log() of sim/chip_test.h says which it was.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SIM_PS_PER_US UINT64_C(1000000)

struct sim_chip;

enum sim_ap {
    SIM_AP_SYS = 0,
    SIM_AP_CM0 = 1,
    SIM_AP_CM4 = 2,
    SIM_AP_COUNT
};

enum sim_bus_result {
    SIM_BUS_OK,
    SIM_BUS_FAULT, /**< bus error: unmapped, not modelled, or refused by a protection unit */
    SIM_BUS_WAIT,  /**< the bus is busy; ask again after some virtual time */
};

struct sim_chip_opts {
    uint8_t unique_id[8]; /**< UniqueId of the die as an integer, most significant byte first
                             (SFlash 0x600) */
    uint64_t trng_seed;   /**< seed of the noise source; two chips need different ones */
    uint16_t silicon_id;  /**< 0 = 0xE207 (CY8C6347BZI-BLD53) */
    uint16_t vddio_mv;    /**< 0 = 3300 */
};

/** A factory-fresh die in NORMAL, powered, at time 0, just out of reset. Caller owns it.
 * BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status sim_chip_new(
    const struct sim_chip_opts *opts, struct sim_chip **ret_chip, struct base_err *err);

/** Accepts NULL. */
void sim_chip_free(struct sim_chip *chip);

/** An independent copy of a running chip: memories, cores, peripherals, time. BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status sim_chip_fork(
    const struct sim_chip *chip, struct sim_chip **ret_copy, struct base_err *err);

/** Keep what survives without power (flash, work flash, SFlash, eFuse, wear) in a file, atomically;
 * read it back. A file of another die, version or length is refused with BASE_E_CORRUPT. Loading
 * powers the chip off and on. */
BASE_MUST_CHECK
enum base_status sim_chip_save(const struct sim_chip *chip, const char *path, struct base_err *err);
BASE_MUST_CHECK
enum base_status sim_chip_load(struct sim_chip *chip, const char *path, struct base_err *err);

/** Picoseconds of virtual time since the chip was made. */
uint64_t sim_chip_time_ps(const struct sim_chip *chip);

/** Let everything on the die run until this moment (no-op when it lies in the past). Sleeping cores
 * cost nothing. */
void sim_chip_run_until(struct sim_chip *chip, uint64_t time_ps);

/** XRES pin: true = pulled low (the chip is held in reset). */
void sim_chip_set_xres(struct sim_chip *chip, bool low);
/** Supply of the whole chip; off loses all volatile state and cuts a flash operation in progress.
 */
void sim_chip_set_power(struct sim_chip *chip, bool on);

/** When a planned power cut strikes, relative to one operation on non-volatile memory. */
enum sim_cut_when {
    SIM_CUT_NONE,
    SIM_CUT_BEFORE, /**< the operation has not touched the cells yet */
    SIM_CUT_DURING, /**< the cells are in between: see sim_power_cut.pattern */
    SIM_CUT_AFTER,  /**< the cells are done, nobody has been told */
};

struct sim_power_cut {
    enum sim_cut_when when;
    uint64_t operation; /**< from 1; as sim_chip_flash_operations() counts */
    uint32_t pattern;   /**< seed of what a cut in the middle leaves in the cells */
};

/** Operations on non-volatile memory begun since the chip was made: row erase, row program, sector
 * or bulk erase of flash, work flash and SFlash, and blowing of a fuse byte. */
uint64_t sim_chip_flash_operations(const struct sim_chip *chip);

/** Plan one power cut (NULL or SIM_CUT_NONE: none). When it strikes, the chip is as after
 * sim_chip_set_power(chip, false) until somebody turns the supply on again. */
void sim_chip_set_power_cut(struct sim_chip *chip, const struct sim_power_cut *cut);

/** Plan one power cut before the CM0+ executes its @p number th instruction since the chip was made
 * (0: none). Not together with sim_chip_test_run_…() of sim/chip_test.h. */
void sim_chip_set_power_cut_instruction(struct sim_chip *chip, uint64_t number);

#define SIM_FLASH_TIME_MAX_PERCENT 10000U
/** Operations on flash take that much of their time from now on; 100 is what the datasheet says,
 * 0 counts as 100, and more than the maximum as the maximum. */
void sim_chip_set_flash_time(struct sim_chip *chip, uint32_t percent);

/** True while the supply is on. */
bool sim_chip_powered(const struct sim_chip *chip);

/** VDDIO0 in millivolt; fuses blow only at 2500 +/- 5 %. */
void sim_chip_set_vddio_mv(struct sim_chip *chip, uint16_t millivolt);

/** False while the SWD pins are not connected to the debug port (reset, boot, locked product). */
bool sim_chip_swd_connected(const struct sim_chip *chip);
/** Counts resets of the debug-visible system: when it changes, every AP's CSW and TAR are back at
 * their reset values. */
uint32_t sim_chip_reset_count(const struct sim_chip *chip);
/** The debug port's power-up requests (CTRL/STAT CDBGPWRUPREQ or CSYSPWRUPREQ), as the chip sees
 * them. */
void sim_chip_set_debug_power(struct sim_chip *chip, bool requested);

/** AP_CTL says enabled and not disabled. */
bool sim_chip_ap_enabled(const struct sim_chip *chip, enum sim_ap ap);

/**
 * One bus access through an AP, at the present time.
 *
 * @param address     byte address; natural alignment for @p size or SIM_BUS_FAULT
 * @param size        1, 2 or 4
 * @param privileged  HPROT[1] as the AP's CSW says
 * @param value       in for a write, out for a read that answers SIM_BUS_OK; right-aligned
 */
enum sim_bus_result sim_chip_ap_access(struct sim_chip *chip, enum sim_ap ap, uint32_t address,
    unsigned size, bool write, bool privileged, uint32_t *value);

#endif
