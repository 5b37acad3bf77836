/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench_wire.h"

#include <string.h>

/* Wall time of a run's beginning: 2026-01-01. */
#define EPOCH_US INT64_C(1767225600000000)

const struct bench_cable bench_cables[] = {
    { "hid 2 ms, 64 B, 1 MHz", 2000, 1000, 64, 4, 1000000 },
    { "bulk 1 ms, 64 B, 4 MHz", 1000, 0, 64, 4, 4000000 },
    { "bulk 0.25 ms, 512 B, 10 MHz", 250, 0, 512, 4, 10000000 },
    { NULL, 0, 0, 0, 0, 0 },
};

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t probe_ps(const struct bench_wire *wire)
{
    struct sim_probe_stats stats;
    sim_probe_get_stats(wire->board->probe, &stats);
    return stats.virtual_time_ps;
}

/* When a packet sets out, and the slot it takes. */
static uint64_t set_out(const struct bench_wire *wire, uint64_t ready_ps, uint64_t *last_ps)
{
    uint64_t slot = *last_ps + wire->cable.interval_us * SIM_PS_PER_US;
    *last_ps = later(ready_ps, *last_ps == 0 ? 0 : slot);
    return *last_ps;
}

static enum base_status wire_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct bench_wire *wire = state;
    (void)timeout_us;
    if (wire->count == BENCH_WIRE_DEPTH) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe takes no more packets");
    }
    uint64_t half_ps = wire->cable.round_trip_us * SIM_PS_PER_US / 2;
    uint64_t arrival_ps = set_out(wire, wire->host_ps, &wire->last_out_ps) + half_ps;
    uint64_t now_ps = probe_ps(wire);
    if (arrival_ps > now_ps) {
        uint64_t idle_us = (arrival_ps - now_ps + SIM_PS_PER_US - 1) / SIM_PS_PER_US;
        sim_probe_pass_us(wire->board->probe, idle_us);
    }
    unsigned slot = (wire->first + wire->count) % BENCH_WIRE_DEPTH;
    ssize_t answered = sim_board_exec(
        wire->board, packet, length, wire->answer[slot].bytes, sizeof(wire->answer[slot].bytes));
    wire->packets++;
    if (answered > 0) {
        wire->answer[slot].length = (size_t)answered;
        wire->answer[slot].at_ps = set_out(wire, probe_ps(wire), &wire->last_in_ps) + half_ps;
        wire->count++;
    }
    return BASE_OK;
}

static enum base_status wire_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct bench_wire *wire = state;
    if (wire->count == 0) {
        wire->host_ps += (uint64_t)timeout_us * SIM_PS_PER_US;
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer");
    }
    size_t length = wire->answer[wire->first].length;
    if (length > size) {
        return base_err_set(err, BASE_E_PROTO, "probe", (int64_t)length,
            "the probe sent a packet of %zu bytes", length);
    }
    wire->waits += wire->answer[wire->first].at_ps > wire->host_ps ? 1 : 0;
    wire->host_ps = later(wire->host_ps, wire->answer[wire->first].at_ps);
    memcpy(ret_packet, wire->answer[wire->first].bytes, length);
    *ret_length = length;
    wire->first = (wire->first + 1) % BENCH_WIRE_DEPTH;
    wire->count--;
    return BASE_OK;
}

static void wire_close(void *state)
{
    struct bench_wire *wire = state;
    wire->count = 0;
}

static const struct prg_transport transport = {
    .name = "bench",
    .summary = "a simulated board behind a cable with timing",
    .submit = wire_submit,
    .collect = wire_collect,
    .close = wire_close,
};

static int64_t mono_us(void *user)
{
    const struct bench_wire *wire = user;
    return (int64_t)(wire->host_ps / SIM_PS_PER_US);
}

static int64_t wall_us(void *user)
{
    return EPOCH_US + mono_us(user);
}

static void sleep_us(void *user, int64_t duration_us)
{
    struct bench_wire *wire = user;
    wire->host_ps += (uint64_t)duration_us * SIM_PS_PER_US;
}

void bench_wire_init(
    struct bench_wire *wire, const struct bench_cable *cable, struct sim_board *board)
{
    memset(wire, 0, sizeof(*wire));
    wire->cable = *cable;
    wire->board = board;
    wire->clock = (struct base_clock){
        .wall_us = wall_us, .mono_us = mono_us, .sleep_us = sleep_us, .user = wire
    };
}

struct prg_wire bench_wire_cable(struct bench_wire *wire)
{
    return (struct prg_wire){ .transport = &transport, .state = wire };
}
