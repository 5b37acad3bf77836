/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_AIR_CUTS_H
#define TESTS_DEVICE_FW_AIR_CUTS_H

/**
 * @file
 * Power cuts around every flash operation of something that a board with an application does: once
 * both homes of the vault are rewritten. Half-done cells hold five kinds of garbage from several
 * seeds; the repair at the next boot may be cut as well.
 */

#include <time.h>

#include "tests/unit/device-fw/air.h"
#include "tests/unit/device-fw/cuts.h"

#define AIR_CUTS_OPERATIONS    4U                    /**< erase and program, twice */
#define AIR_CUTS_NEAR_PS       (20U * SIM_PS_PER_US) /**< how exactly a place is run to */
#define AIR_CUTS_FLASH_PERCENT 5U /**< of flash's time after the cut, which needs no more */

struct air_cuts {
    const char *name;  /**< of the scene */
    size_t scenes;     /**< that share the time */
    long seconds;      /**< of processor time for all of them where LPA_SECONDS says nothing */
    uint64_t limit_ps; /**< from the beginning to the cut */
    /** The application has just come up after the cut: does the board end right? */
    void (*check)(struct air *victim);
};

/** Both homes are the same: their bytes. */
void air_cuts_read_homes(const struct air *air, uint8_t ret_row[PROTO_VAULT_HOME_SIZE]);

/**
 * Copies of @p air, which is about to begin its first flash operation, cut at one place each: all
 * of them, or in an order that is spread over all until the time since @p start is over, but one at
 * least. Says how many of how many; the case without a cut, which is the caller's, counts.
 */
void air_cuts_all(const struct air_cuts *cuts, const struct air *air, clock_t start);

/** Arguments of the program: the first chooses scenes by name, the second is a planted bug's.
 * Returns how many of @p scenes share the time. */
size_t air_cuts_choose(
    int argc, char **argv, size_t scenes, const char *planted, bool *ret_is_planted);

#endif
