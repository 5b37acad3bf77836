/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_SIM_STATUS_H
#define CMD_LPA_SIM_STATUS_H

/** @file One line on a terminal that says what the boards are doing. Boards may tell from threads
 * of their own. */

#include "base/clock.h"
#include "sim/board.h"

#include <stdio.h>

struct sim_status;

/** @p out is borrowed. NULL: no memory. */
struct sim_status *sim_status_new(FILE *out, const struct base_clock *clock, unsigned boards);

/** Ends the line. Accepts NULL. */
void sim_status_free(struct sim_status *status);

/** What board @p index does now; shown at once when a client came or went, else five times a
 * second. Accepts NULL. */
void sim_status_tell(
    struct sim_status *status, unsigned index, const struct sim_board *board, bool client);

#endif
