/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    struct bench *bench = user;
    ssize_t got = sim_probe_exec(bench->probe, request, length, ret_response, PRG_PACKET_MAX);
    *ret_length = got < 0 || bench->silent ? 0 : (size_t)got;
    if (bench->device != NULL) {
        bench->device(bench);
    }
}

void bench_init(struct bench *bench, uint16_t packet_size, uint8_t packet_count)
{
    struct base_err err = { .status = BASE_OK };
    const struct sim_chip_opts chip_opts = { .trng_seed = 1 };
    const struct sim_probe_opts probe_opts = { .packet_size = packet_size,
        .packet_count = packet_count };
    memset(bench, 0, sizeof(*bench));
    assert_int_equal(sim_chip_new(&chip_opts, &bench->chip, &err), BASE_OK);
    assert_int_equal(sim_probe_new(bench->chip, &probe_opts, &bench->probe, &err), BASE_OK);
    struct prg_wire wire;
    assert_int_equal(prg_wire_memory(exchange, bench, &wire, &err), BASE_OK);
    assert_int_equal(prg_link_open_wire(&wire, NULL, &bench->link, &err), BASE_OK);
}

void bench_done(struct bench *bench)
{
    prg_link_close(bench->link);
    sim_probe_free(bench->probe);
    sim_chip_free(bench->chip);
}
