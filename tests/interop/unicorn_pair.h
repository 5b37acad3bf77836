/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_INTEROP_UNICORN_PAIR_H
#define TESTS_INTEROP_UNICORN_PAIR_H

/**
 * @file
 * The processor of the simulated chip beside Unicorn's Cortex-M0, with the same memories and
 * registers, to be stepped one instruction at a time.
 *
 * Unicorn knows no exceptions, no system control space and no peripherals; they exist on our side
 * only, and the callers leave them out of the comparison or copy their effects over.
 */

#include <stdbool.h>
#include <stdint.h>

#include <unicorn/unicorn.h>

#include "sim/die.h"

/** What both processors show. */
struct pair_state {
    uint32_t r[16]; /**< r[15] is the next instruction's address */
    uint32_t flags; /**< NZCV in bits 31..28 */
    uint32_t msp, psp, control, primask;
    bool thumb;
};

enum pair_outcome {
    PAIR_DONE,      /**< the instruction completed */
    PAIR_CALL,      /**< SVC */
    PAIR_FAULT,     /**< undefined, unaligned or refused access */
    PAIR_FETCH,     /**< Unicorn only: faulted on fetching after a branch that completed */
    PAIR_EVENT,     /**< Unicorn only: WFE, which it reports as undefined */
    PAIR_BREAKPOINT /**< BKPT, which is a fault without a debugger */
};

struct pair {
    struct sim_chip *chip; /**< borrowed */
    uc_engine *uc;         /**< owned */
    uint32_t interrupt;    /**< number of Unicorn's last exception, UINT32_MAX = none */
    bool wrong_fetch;
};

/** Open Unicorn beside a chip whose CM0+ has been started. False: Unicorn refused, said on stderr.
 */
bool pair_open(struct pair *pair, struct sim_chip *chip);
void pair_close(struct pair *pair);

/** Copy memories and registers of the chip to Unicorn. */
void pair_copy_memory(struct pair *pair, uint32_t address, uint32_t length);
void pair_copy_all_memory(struct pair *pair);
void pair_put_state(struct pair *pair, const struct pair_state *state);

struct pair_state pair_ours(const struct pair *pair);
struct pair_state pair_theirs(const struct pair *pair);

/** One instruction, or one exception entry, on our side. */
enum pair_outcome pair_step_ours(struct pair *pair);
/** One instruction in Unicorn at @p address. */
enum pair_outcome pair_step_theirs(struct pair *pair, uint32_t address);

/** First address whose contents differ, UINT32_MAX when none does. */
uint32_t pair_compare(struct pair *pair, uint32_t address, uint32_t length);

#endif
