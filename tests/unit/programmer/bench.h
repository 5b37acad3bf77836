/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROGRAMMER_BENCH_H
#define TESTS_UNIT_PROGRAMMER_BENCH_H

/** @file A link to a simulated probe in front of a chip that is only memory. bench.c puts both into
 * one process, tests/usb/bench_cable.c a real cable between them. */

#include "programmer/link.h"
#include "sim/board.h"
#include "tests/unit/sim/fake_chip.h"

struct bench {
    struct sim_board *board;
    struct sim_chip *chip;   /**< of the board */
    struct sim_probe *probe; /**< of the board */
    struct prg_link *link;
    /** Called after each packet: lets a test play the device. */
    void (*device)(struct bench *bench);
    void *user;
};

/** The board alone; for those who open the link. */
void bench_make(struct bench *bench, uint16_t packet_size, uint8_t packet_count);

/** Everything up to an open link at 4 MHz. */
void bench_init(struct bench *bench, uint16_t packet_size, uint8_t packet_count);
void bench_done(struct bench *bench);

/** The reply to the @p number-th packet from now never comes. */
void bench_lose_reply(struct bench *bench, uint64_t number);

/** Every so many of a long row of cases are to be tried: 1, and more over a real cable, where each
 * takes real time and all of them have been tried without. */
unsigned bench_stride(void);

#endif
