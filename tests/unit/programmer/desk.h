/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROGRAMMER_DESK_H
#define TESTS_UNIT_PROGRAMMER_DESK_H

/** @file A link to a whole simulated board. desk.c puts both into one process,
 * tests/usb/desk_cable.c a real cable between them. */

#include "programmer/psoc6.h"
#include "sim/board.h"

struct desk {
    struct sim_board *board;
    struct prg_link *link;
    struct prg_psoc6 *chip;
};

/** A factory-fresh BLE-2 board with unique id 0x0123456789ABCDEF; @p packet_size 0 = 512. */
void desk_init(struct desk *desk, uint16_t packet_size);
/** The same behind a KitProg3 or MiniProg4. */
void desk_init_kitprog(struct desk *desk, const struct sim_kitprog_opts *kitprog);
/** A desk on a copy of the board, with a link of its own. */
void desk_fork(const struct desk *desk, struct desk *ret_copy);
void desk_done(struct desk *desk);

/** Acquire and insist that it worked. */
void desk_acquire(struct desk *desk);

/** The reply to the @p number-th packet from now is lost; over a real cable, that is pulled out
 * instead of it. */
void desk_cut_reply(struct desk *desk, uint64_t number);

/** After a failure: a cable that was pulled out is plugged in and opened again. */
void desk_mend(struct desk *desk);

/** As bench_stride(). */
unsigned desk_stride(void);

#endif
