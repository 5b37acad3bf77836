/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    ssize_t got = sim_board_exec(user, request, length, ret_response, PRG_PACKET_MAX);
    *ret_length = got < 0 ? 0 : (size_t)got;
}

void desk_init(struct desk *desk, uint16_t packet_size)
{
    static const struct sim_board_opts fresh = {
        .chip = { .unique_id = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF },
            .trng_seed = 42 },
    };
    struct sim_board_opts opts = fresh;
    struct base_err err = { .status = BASE_OK };
    struct prg_wire wire;
    memset(desk, 0, sizeof(*desk));
    opts.probe.packet_size = packet_size;
    assert_int_equal(sim_board_new(&opts, &desk->board, &err), BASE_OK);
    assert_int_equal(prg_wire_memory(exchange, desk->board, &wire, &err), BASE_OK);
    assert_int_equal(prg_link_open_wire(&wire, NULL, &desk->link, &err), BASE_OK);
    assert_int_equal(prg_psoc6_new(desk->link, &desk->chip, &err), BASE_OK);
}

void desk_done(struct desk *desk)
{
    prg_psoc6_free(desk->chip);
    prg_link_close(desk->link);
    sim_board_free(desk->board);
}

void desk_acquire(struct desk *desk)
{
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    struct base_err err = { .status = BASE_OK };
    if (prg_psoc6_acquire(desk->chip, NULL, &outcome, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(outcome, PRG_PSOC6_ACQUIRED);
}
