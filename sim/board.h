/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_BOARD_H
#define SIM_BOARD_H

/**
 * @file
 * A chip on a probe: what stands on a desk. A running board can be forked, which makes exhaustive
 * tests affordable.
 */

#include "sim/chip.h"
#include "sim/probe.h"

struct sim_board {
    struct sim_chip *chip;   /**< owned */
    struct sim_probe *probe; /**< owned */
    uint64_t restore_us;     /**< see sim_board_opts */
    uint64_t off_since_ps;   /**< while the supply is off and shall come back */
    bool off;
    uint64_t power_cuts; /**< times the supply was found to have failed */
    /** Called after each request: lets a test play what else is on the board. NULL = nothing; not
     * part of a fork. */
    void (*watch)(void *user);
    void *watch_user;
};

struct sim_board_opts {
    struct sim_chip_opts chip;
    struct sim_probe_opts
        probe;           /**< target_id 0 = what fits the chip; serial NULL = its unique id */
    uint64_t restore_us; /**< a planned power cut ends after this much virtual time; 0 = the supply
                            stays off until sim_chip_set_power() */
};

#define SIM_BOARD_RESTORE_US UINT64_C(100000)

/** BASE_E_NOMEM, BASE_E_ARG (packet size). */
BASE_MUST_CHECK
enum base_status sim_board_new(
    const struct sim_board_opts *opts, struct sim_board **ret_board, struct base_err *err);

/** Accepts NULL. */
void sim_board_free(struct sim_board *board);

/** An independent copy in the same state: chip, debug port and probe. BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status sim_board_fork(
    const struct sim_board *board, struct sim_board **ret_copy, struct base_err *err);

/** As sim_probe_exec(), and ends a power cut when its time is over. */
ssize_t sim_board_exec(struct sim_board *board, const uint8_t *request, size_t length,
    uint8_t *response, size_t capacity);

/** Run the chip up to the present time, as sim_board_exec() leaves it to the next access. */
void sim_board_settle(struct sim_board *board);

#endif
