/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GLITCH_STATE_H
#define TESTS_GLITCH_STATE_H

/**
 * @file
 * States of a die that runs have come through, and whose runs they were.
 *
 * A state is all that decides what comes next: the processor (with r12 and the flags except at a
 * function's entry, which no function expects from its caller), the whole RAM without the dead
 * stack, the registers of all peripherals, all non-volatile memory, an idle second core, and
 * whether the outside world has acted. Time is not part of it. While a system call, a flash
 * operation or a draw of random bits is under way, or the second core executes, there is no state.
 *
 * Contents are kept once each and compared byte by byte; hashes only say where to look.
 */

#include "sim/die.h"
#include "tests/glitch/firmware.h"

#define STATE_UNDISTURBED UINT32_MAX /* owner: the undisturbed run */

struct states;

/** @p start: the die where all runs begin. It and @p firmware are borrowed. */
struct states *states_new(const struct firmware *firmware, const struct sim_chip *start);
void states_free(struct states *states);

/** The next instruction is the first one of a function. */
bool states_is_entry(const struct states *states, uint32_t pc);

enum states_found {
    STATES_NONE,  /**< nobody's processor was like this */
    STATES_ALIKE, /**< somebody's was, but something else differs */
    STATES_SAME
};

/** Whose run came through this state? @p outside: the outside world has acted. */
enum states_found states_find(
    struct states *states, const struct sim_chip *chip, bool outside, uint32_t *ret_owner);

/** Remember. When there are too many, all but the undisturbed run's are forgotten. */
void states_add(struct states *states, const struct sim_chip *chip, bool outside, uint32_t owner);

#endif
