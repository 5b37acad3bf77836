/* SPDX-License-Identifier: Apache-2.0 */

/* The desk of tests/unit/programmer/desk.h, with a real cable between programmer and board. The
 * tests that use a desk stay the same. */

#include "tests/unit/programmer/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/usb/cable.h"

#define STRIDE 9U

void desk_init(struct desk *desk, uint16_t packet_size)
{
    static const struct sim_board_opts fresh = {
        .chip = { .unique_id = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF },
            .trng_seed = 42 },
    };
    struct sim_board_opts opts = fresh;
    memset(desk, 0, sizeof(*desk));
    opts.probe.packet_size = packet_size;
    assert_int_equal(sim_board_new(&opts, &desk->board, NULL), BASE_OK);
    desk->link = cable_plug(desk->board, packet_size);
    assert_int_equal(prg_psoc6_new(desk->link, &desk->chip, NULL), BASE_OK);
}

void desk_done(struct desk *desk)
{
    prg_psoc6_free(desk->chip);
    cable_unplug(desk->link);
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

void desk_cut_reply(struct desk *desk, uint64_t number)
{
    (void)desk;
    cable_fault(SIM_FAULT_CUT_REPLY, number);
}

void desk_mend(struct desk *desk)
{
    prg_psoc6_free(desk->chip);
    desk->chip = NULL;
    desk->link = cable_mend(desk->link);
    assert_int_equal(prg_psoc6_new(desk->link, &desk->chip, NULL), BASE_OK);
}

unsigned desk_stride(void)
{
    return STRIDE;
}
