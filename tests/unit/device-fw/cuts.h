/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_CUTS_H
#define TESTS_DEVICE_FW_CUTS_H

/** @file Power cuts around one flash operation, and what they leave in the cells. */

#include "sim/chip_test.h"

#define CUT_SEEDS   3U
#define CUT_GARBAGE 5U                             /**< enum sim_cut_pattern, and stuck bits */
#define CUT_KINDS   (2U + CUT_GARBAGE * CUT_SEEDS) /**< before, after, during */

struct cut_watch {
    struct sim_chip *chip;
    uint64_t first_ps; /**< when the first operation began; 0: none yet */
    uint32_t address;  /**< of the last one */
};

/** Note the flash operations of a chip from now on. @p watch must stay where it is. */
void cut_watch_begin(struct cut_watch *watch, struct sim_chip *chip);
void cut_watch_end(const struct cut_watch *watch);

/** Plan a cut of one of CUT_KINDS in the @p operation th flash operation from now, from 1. */
void cut_plan(struct sim_chip *chip, uint32_t operation, uint32_t kind);

/** After the cut: bits of the row at @p address that did not take their new value, where the kind
 * says so. */
void cut_stick(struct sim_chip *chip, uint32_t address, uint32_t kind);

#endif
