/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    struct bench *bench = user;
    ssize_t got = sim_board_exec(bench->board, request, length, ret_response, PRG_PACKET_MAX);
    *ret_length = got < 0 ? 0 : (size_t)got;
}

void bench_init(struct bench *bench, uint16_t packet_size, uint8_t packet_count)
{
    struct base_err err = { .status = BASE_OK };
    struct prg_wire wire;
    bench_make(bench, packet_size, packet_count);
    assert_int_equal(prg_wire_memory(exchange, bench, &wire, &err), BASE_OK);
    assert_int_equal(prg_link_open_wire(&wire, NULL, &bench->link, &err), BASE_OK);
}

void bench_done(struct bench *bench)
{
    prg_link_close(bench->link);
    sim_board_free(bench->board);
}

void bench_lose_reply(struct bench *bench, uint64_t number)
{
    const struct sim_probe_fault fault = { SIM_PROBE_FAULT_CUT_REPLY, number, 0 };
    sim_probe_set_fault(bench->probe, &fault);
}

unsigned bench_stride(void)
{
    return 1;
}
