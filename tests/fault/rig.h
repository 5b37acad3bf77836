/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FAULT_RIG_H
#define TESTS_FAULT_RIG_H

/**
 * @file
 * A simulated board behind a wire whose time is virtual: a time-out costs what it would cost, and
 * nothing of the tester's life.
 *
 * A run without faults is taped. Any later run can be begun from the middle: the tape answers the
 * programmer up to some request, and from there on a fork of the board as it was at that moment
 * does, with a fault planned.
 */

#include "programmer/transport.h"
#include "sim/board.h"
#include "sim/link.h"

struct rig_event {
    bool is_submit;
    enum base_status status;
    int64_t timeout_us;
    int64_t after_us; /**< virtual time when it was over */
    uint32_t bytes;   /**< where its packet begins on the tape */
    uint32_t length;
    uint64_t transfers; /**< SWD packets of a request */
};

struct rig_tape {
    struct rig_event *events;
    size_t count, capacity;
    uint8_t *bytes;
    size_t used, size;
};

struct rig {
    struct sim_board *board;
    struct sim_link *link;
    struct base_clock clock; /**< virtual */
    int64_t now_us;          /**< of the tape while it plays */
    struct rig_tape *record; /**< NULL = not taped */
    const struct rig_tape *play;
    size_t at, live_from; /**< event that plays next; the first one that is carried out */
    bool broken;          /**< the programmer did not do again what is on the tape */
    uint64_t requests;    /**< carried out */
    uint64_t most;        /**< requests after which nothing is answered any more; 0 = no limit */
};

/** A wire to the rig, which must outlive it. */
struct prg_wire rig_wire(struct rig *rig);

/** Both are the rig's from now on. */
void rig_init(struct rig *rig, struct sim_board *board, struct sim_link *link);
void rig_done(struct rig *rig);

/** A rig in the same state on forks of board and link. Ends the process when memory is short. */
void rig_fork(const struct rig *rig, struct rig *ret_copy);

/** Carry out one event of the tape again. */
void rig_repeat(struct rig *rig, const struct rig_tape *tape, size_t event);

int64_t rig_now_us(const struct rig *rig);

void rig_tape_done(struct rig_tape *tape);

#endif
