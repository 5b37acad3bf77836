/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_AGENT_H
#define PRG_PSOC6_AGENT_H

/**
 * @file
 * Work done by the chip's own parked CM0+, with code of ours in its SRAM (psoc6_agent.S); internal
 * to programmer/. Rows then need no packet of their own to be programmed and none to be looked at.
 *
 * Needs acquire, the CM0 access port, and a core that sleeps in the ROM's loop: it is halted, given
 * our entry and let go in one flight. Every job ends in a WFI loop of ours, where SROM calls work
 * as before. Nothing here reads or writes flash but the rows it is told. The code is in RAM, so a
 * reset forgets it.
 *
 * Bits of rows: the first row is bit 31 of the first word.
 */

#include "programmer/psoc6_private.h"

#define PRG_AGENT_ROWS_MAX 1536U /**< main flash below the vault's sector */
#define PRG_AGENT_WORDS    (PRG_AGENT_ROWS_MAX / 32)

static inline bool prg_agent_bit(const uint32_t *bits, uint32_t row)
{
    return (bits[row / 32] >> (31 - row % 32) & 1U) != 0;
}

static inline void prg_agent_set_bit(uint32_t *bits, uint32_t row, bool on)
{
    uint32_t mask = UINT32_C(1) << (31 - row % 32);
    bits[row / 32] = on ? bits[row / 32] | mask : bits[row / 32] & ~mask;
}

/** *ret_usable false: the chip has no open CM0 access port, or is another die. */
BASE_MUST_CHECK
enum base_status prg_agent_usable(struct prg_psoc6 *chip, bool *ret_usable, struct base_err *err);

/** Which rows are blank (all bytes 0). @p rows a multiple of 32, at most PRG_AGENT_ROWS_MAX. */
BASE_MUST_CHECK
enum base_status prg_agent_blank(struct prg_psoc6 *chip, uint32_t address, uint32_t rows,
    uint32_t *ret_bits, struct base_err *err);

/**
 * CRC-32 (IEEE 802.3) of each row, 1 … PRG_AGENT_ROWS_MAX of them: what faulty wires and cells do
 * shows, what somebody made to fit does not.
 *
 * @param ret_crc    one word a row; NULL = not fetched
 * @param ret_total  prg_agent_total() over all of them
 */
BASE_MUST_CHECK
enum base_status prg_agent_digest(struct prg_psoc6 *chip, uint32_t address, uint32_t rows,
    uint32_t *ret_crc, uint32_t *ret_total, struct base_err *err);

/** One word for many CRCs: any single one that differs shows in it. Begins with 0. */
static inline uint32_t prg_agent_total(uint32_t total, uint32_t crc)
{
    return (total >> 1 | total << 31) ^ crc;
}

/** The same on the host. */
uint32_t prg_agent_row_crc(const uint8_t row[PRG_PSOC6_ROW_SIZE]);

/** Give the bytes of one row. */
typedef void prg_agent_row_fn(
    const void *user, uint32_t address, uint8_t ret_row[PRG_PSOC6_ROW_SIZE]);

struct prg_agent_job {
    uint32_t address;     /**< first row */
    uint32_t rows;        /**< at most PRG_AGENT_ROWS_MAX */
    const uint32_t *bits; /**< those to program */
    prg_agent_row_fn *row;
    const void *user;
    prg_progress_fn *progress; /**< may be NULL; counts the rows to program, in bytes */
    void *progress_user;
};

/**
 * ProgramRow for every row asked for, all of them erased before. Rows travel while earlier ones are
 * written.
 *
 * @return BASE_OK; BASE_E_TARGET domain "SROM": the ROM refused a row, which the sentence names;
 * BASE_E_CANCELLED; else as prg_swd_flush(). Unless BASE_OK: some of the rows may be written.
 */
BASE_MUST_CHECK
enum base_status prg_agent_program(
    struct prg_psoc6 *chip, const struct prg_agent_job *job, struct base_err *err);

#endif
