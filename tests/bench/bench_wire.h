/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

/**
 * @file
 * A simulated board behind a cable with timing, all in virtual time: host, cable, probe and chip in
 * one process, so that every figure is exact and the same each time.
 *
 * A packet leaves when the host submits it, not before the cable's next slot (interval_us); it
 * reaches the probe half a round trip later, and is executed as soon as the probe has finished
 * those before it. The answer comes half a round trip after its end. The host itself costs nothing.
 */

#include "base/clock.h"
#include "programmer/transport.h"
#include "sim/board.h"

struct bench_cable {
    const char *name;
    uint32_t round_trip_us;
    uint32_t interval_us; /**< one packet each way per interval, as HID reports; 0 = no limit */
    uint16_t packet_size;
    uint8_t packet_count;
    uint32_t swclk_hz;
};

#define BENCH_WIRE_DEPTH 64U

struct bench_wire {
    struct bench_cable cable;
    struct sim_board *board; /**< borrowed */
    struct base_clock clock; /**< the host's, in virtual time */
    uint64_t host_ps;
    uint64_t last_out_ps, last_in_ps; /**< when the cable's last packet each way set out */
    uint64_t packets;
    uint64_t waits; /**< times the host had to wait for an answer */
    unsigned first, count;

    struct {
        uint8_t bytes[PRG_PACKET_MAX];
        size_t length;
        uint64_t at_ps;
    } answer[BENCH_WIRE_DEPTH];
};

/** @p wire is the caller's, and stays at its place as long as the cable is used. */
void bench_wire_init(
    struct bench_wire *wire, const struct bench_cable *cable, struct sim_board *board);

/** The cable, for prg_link_open_wire(). */
struct prg_wire bench_wire_cable(struct bench_wire *wire);

/** The cables that speed is stated for, ended by a NULL name. */
extern const struct bench_cable bench_cables[];

#endif
