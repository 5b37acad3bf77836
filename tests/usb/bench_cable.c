/* SPDX-License-Identifier: Apache-2.0 */

/* The bench of tests/unit/programmer/bench.h, with a real cable between programmer and probe. */

#include "tests/unit/programmer/bench.h"

#include "tests/usb/cable.h"

#define STRIDE 9U

void bench_init(struct bench *bench, uint16_t packet_size, uint8_t packet_count)
{
    bench_make(bench, packet_size, packet_count);
    bench->link = cable_plug(bench->board, packet_size);
}

void bench_done(struct bench *bench)
{
    cable_unplug(bench->link);
    sim_board_free(bench->board);
}

void bench_lose_reply(struct bench *bench, uint64_t number)
{
    (void)bench;
    cable_fault(SIM_FAULT_LOSE, number);
}

unsigned bench_stride(void)
{
    return STRIDE;
}
