/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/programmer/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void exchange(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    struct sim_board *board = user;
    ssize_t got = sim_board_exec(board, request, length, ret_response, PRG_PACKET_MAX);
    /* An acquire by the probe says "wait" some times before its answer; this wire has room for one.
     */
    for (ssize_t next = got; got > 0 && next > 0;) {
        got = next;
        next = sim_probe_next(board->probe, ret_response, PRG_PACKET_MAX);
    }
    *ret_length = got < 0 ? 0 : (size_t)got;
}

static void connect_link(struct desk *desk)
{
    struct base_err err = { .status = BASE_OK };
    struct prg_wire wire;
    assert_int_equal(prg_wire_memory(exchange, desk->board, &wire, &err), BASE_OK);
    assert_int_equal(prg_link_open_wire(&wire, NULL, &desk->link, &err), BASE_OK);
    assert_int_equal(prg_psoc6_new(desk->link, &desk->chip, &err), BASE_OK);
}

static void make_board(
    struct desk *desk, uint16_t packet_size, const struct sim_kitprog_opts *kitprog)
{
    static const struct sim_board_opts fresh = {
        .chip = { .unique_id = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF },
            .trng_seed = 42 },
    };
    struct sim_board_opts opts = fresh;
    struct base_err err = { .status = BASE_OK };
    memset(desk, 0, sizeof(*desk));
    opts.probe.packet_size = packet_size;
    opts.probe.kitprog = *kitprog;
    if (kitprog->model != SIM_KITPROG_NONE) {
        opts.probe.product =
            kitprog->model == SIM_KITPROG_MINIPROG4 ? "MiniProg4 CMSIS-DAP" : "KitProg3 CMSIS-DAP";
    }
    assert_int_equal(sim_board_new(&opts, &desk->board, &err), BASE_OK);
}

void desk_init(struct desk *desk, uint16_t packet_size)
{
    static const struct sim_kitprog_opts none = { .model = SIM_KITPROG_NONE };
    make_board(desk, packet_size, &none);
    connect_link(desk);
}

void desk_init_kitprog(struct desk *desk, const struct sim_kitprog_opts *kitprog)
{
    make_board(desk, 0, kitprog);
    connect_link(desk);
}

void desk_fork(const struct desk *desk, struct desk *ret_copy)
{
    memset(ret_copy, 0, sizeof(*ret_copy));
    assert_int_equal(sim_board_fork(desk->board, &ret_copy->board, NULL), BASE_OK);
    connect_link(ret_copy);
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

void desk_cut_reply(struct desk *desk, uint64_t number)
{
    const struct sim_probe_fault fault = { SIM_PROBE_FAULT_CUT_REPLY, number, 0 };
    sim_probe_set_fault(desk->board->probe, &fault);
}

void desk_mend(struct desk *desk)
{
    (void)desk;
}

unsigned desk_stride(void)
{
    return 1;
}
