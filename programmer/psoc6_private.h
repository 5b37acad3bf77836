/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_PRIVATE_H
#define PRG_PSOC6_PRIVATE_H

/** @file What the files of the PSoC 6 driver share. */

#include "programmer/mem.h"
#include "programmer/psoc6.h"
#include "programmer/psoc6_regs.h"

/** What differs between the dies. */
struct prg_psoc6_die {
    uint16_t family;
    const char *name;
    bool programmable;    /**< this version writes to it */
    uint32_t ipc;         /**< IPC_STRUCT 0 */
    uint32_t ipc_intr;    /**< IPC_INTR_STRUCT 0 */
    uint32_t lock_status; /**< offset in an IPC structure */
    uint32_t vector_base; /**< CM0_VECTOR_TABLE_BASE */
    uint32_t protection;
    uint32_t geometry;
    uint32_t cm4_power;
};

struct prg_psoc6 {
    struct prg_link *link;
    const struct prg_psoc6_die *die; /**< NULL until identified */
    uint32_t dpidr;
    bool acquired;
    bool agent_loaded;    /**< our code lies in SRAM and its last job ended well */
    uint32_t ticket;      /**< of the last SROM call */
    uint32_t flash_bytes; /**< 0 until read */
};

/** Find the first open access port (SYS, CM0, CM4). BASE_E_LOCKED when there is none. */
BASE_MUST_CHECK
enum base_status prg_psoc6_port(struct prg_psoc6 *chip, unsigned *ret_ap, struct base_err *err);

/** Learn the die from its family number in supervisory flash. BASE_E_UNSUPPORTED. */
BASE_MUST_CHECK
enum base_status prg_psoc6_find_die(struct prg_psoc6 *chip, struct base_err *err);

/** BASE_OK when acquired and of a die that this version writes to. */
BASE_MUST_CHECK
enum base_status prg_psoc6_writable(struct prg_psoc6 *chip, struct base_err *err);

/** Let the interrupt of IPC structure 2 through, start the tickets. Once after acquire. */
BASE_MUST_CHECK
enum base_status prg_psoc6_srom_prepare(struct prg_psoc6 *chip, struct base_err *err);

/** Append the start of a call: acquire IPC 2, arguments, notify; nothing is carried out unless the
 * lock was got. */
void prg_psoc6_srom_queue_start(
    struct prg_psoc6 *chip, unsigned ap, const uint32_t *words, size_t count);

/** Append the wait for its end and the read of its results, flush, judge. */
BASE_MUST_CHECK
enum base_status prg_psoc6_srom_finish(struct prg_psoc6 *chip, unsigned ap, const uint32_t *words,
    size_t count, uint32_t timeout_ms, uint32_t *ret_words, struct base_err *err);

/** Main flash size from the geometry register, cached. */
BASE_MUST_CHECK
enum base_status prg_psoc6_flash_size(
    struct prg_psoc6 *chip, uint32_t *ret_bytes, struct base_err *err);

#endif
