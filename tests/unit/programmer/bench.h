/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_PROGRAMMER_BENCH_H
#define TESTS_UNIT_PROGRAMMER_BENCH_H

/** @file A link to a simulated probe in front of a chip that is only memory. */

#include "programmer/link.h"
#include "sim/probe.h"
#include "tests/unit/sim/fake_chip.h"

struct bench {
    struct sim_chip *chip;
    struct sim_probe *probe;
    struct prg_link *link;
    /** Called after each packet: lets a test play the device. */
    void (*device)(struct bench *bench);
    void *user;
    bool silent; /**< the probe does not answer any more */
};

/** Everything up to an open link at 4 MHz. */
void bench_init(struct bench *bench, uint16_t packet_size, uint8_t packet_count);
void bench_done(struct bench *bench);

#endif
