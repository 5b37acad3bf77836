/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void watch(void *user)
{
    struct bench *bench = user;
    if (bench->device != NULL) {
        bench->device(bench);
    }
}

void bench_make(struct bench *bench, uint16_t packet_size, uint8_t packet_count)
{
    const struct sim_board_opts opts = { .chip = { .trng_seed = 1 },
        .probe = { .packet_size = packet_size, .packet_count = packet_count } };
    memset(bench, 0, sizeof(*bench));
    assert_int_equal(sim_board_new(&opts, &bench->board, NULL), BASE_OK);
    bench->chip = bench->board->chip;
    bench->probe = bench->board->probe;
    bench->board->watch = watch;
    bench->board->watch_user = bench;
}
