/* SPDX-License-Identifier: Apache-2.0 */
/* The vendor commands of KitProg3 and MiniProg4, with a real die behind the probe. */
#include "base/buf.h"
#include "sim/board.h"
#include "sim/chip_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct sim_board *board;
    uint8_t response[SIM_PROBE_MAX_PACKET];
    ssize_t length;
};

static struct fixture start(struct sim_kitprog_opts kitprog)
{
    struct fixture f = { 0 };
    struct sim_board_opts opts = {
        .chip = { .unique_id = { 1, 2, 3, 4, 5, 6, 7, 8 }, .trng_seed = 1 },
        .probe = { .packet_size = 64, .round_trip_us = 1000, .kitprog = kitprog },
        .restore_us = 1000,
    };
    assert_int_equal(sim_board_new(&opts, &f.board, NULL), BASE_OK);
    return f;
}

static void stop(struct fixture *f)
{
    sim_board_free(f->board);
}

static void send(struct fixture *f, const uint8_t *request, size_t length)
{
    f->length = sim_board_exec(f->board, request, length, f->response, sizeof(f->response));
}

static void expect(struct fixture *f, const uint8_t *bytes, size_t length)
{
    assert_int_equal(f->length, length);
    assert_memory_equal(f->response, bytes, length);
}

#define BYTES(...)     ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })
#define SEND(f, ...)   send((f), BYTES(__VA_ARGS__))
#define EXPECT(f, ...) expect((f), BYTES(__VA_ARGS__))

static void other_probes_do_not_know_them(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_NONE });
    for (uint8_t id = 0x80; id < 0xA0; id++) {
        SEND(&f, id, 0x11, 0, 0);
        EXPECT(&f, 0xFF);
    }
    stop(&f);
}

static void malformed(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_ON_BOARD });
    SEND(&f, 0x83);
    EXPECT(&f, 0xFF);
    SEND(&f, 0x83, 4);
    EXPECT(&f, 0x83, 0x81);
    SEND(&f, 0x84);
    EXPECT(&f, 0xFF);
    SEND(&f, 0x84, 0x12);
    EXPECT(&f, 0x84, 0x81);
    SEND(&f, 0x84, 0x10);
    EXPECT(&f, 0xFF);
    SEND(&f, 0x84, 0x10, 3);
    EXPECT(&f, 0x84, 0x81);
    SEND(&f, 0x84, 0x10, 2, 0x00);
    EXPECT(&f, 0xFF);
    SEND(&f, 0x82, 2);
    EXPECT(&f, 0xFF);
    SEND(&f, 0x91, 9, 0);
    EXPECT(&f, 0x91, 0x81);
    SEND(&f, 0x85, 2, 0, 1); /* SWD is not connected */
    EXPECT(&f, 0xFF);
    assert_true(sim_chip_powered(f.board->chip));
    stop(&f);
}

static void identity(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_ON_BOARD });
    SEND(&f, 0x80);
    EXPECT(&f, 0x80, 0x00, 2, 0, 82, 0, 0, 0, 2, 4, 0xC7, 0x06);
    SEND(&f, 0x00, 0x04);
    EXPECT(&f, 0x00, 6, '2', '.', '0', '.', '0', 0);
    SEND(&f, 0x92);
    EXPECT(&f, 0x92, 0x00, 0xFF);
    SEND(&f, 0x90);
    assert_int_equal(f.length, 15);
    assert_int_equal(f.response[2] & 0x30, 0x30);
    SEND(&f, 0x83, 2);
    EXPECT(&f, 0x83, 0x00);
    assert_int_equal(sim_probe_light(f.board->probe), 2);
    SEND(&f, 0x81); /* the probe resets itself */
    assert_int_equal(f.length, SIM_PROBE_CUT);
    stop(&f);
    struct sim_kitprog_opts old = { .model = SIM_KITPROG_ON_BOARD };
    assert_false(sim_kitprog_parse_version("", &old));
    assert_false(sim_kitprog_parse_version("1.20", &old));
    assert_false(sim_kitprog_parse_version("1.20.70000", &old));
    assert_false(sim_kitprog_parse_version("1.20.5x", &old));
    assert_true(sim_kitprog_parse_version("1.20.590", &old));
    f = start(old);
    SEND(&f, 0x80);
    EXPECT(&f, 0x80, 0x00, 1, 0, 20, 0, 0, 0, 2, 4, 0x4E, 0x02);
    stop(&f);
}

static void supply_of_a_kit(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_ON_BOARD });
    SEND(&f, 0x84, 0x11);
    EXPECT(&f, 0x84, 0x00, 1, 0xE4, 0x0C, 0xE4, 0x0C, 1); /* 3300 mV */
    SEND(&f, 0x84, 0x10, 0x00);
    EXPECT(&f, 0x84, 0x00);
    assert_false(sim_chip_powered(f.board->chip));
    /* It stays off, other than after a planned cut. */
    SEND(&f, 0x09, 0xFF, 0xFF);
    SEND(&f, 0x84, 0x11);
    EXPECT(&f, 0x84, 0x00, 0, 0x00, 0x00, 0xE4, 0x0C, 1);
    SEND(&f, 0x84, 0x10, 0x02, 0xC4, 0x09); /* 2500 mV switches it on */
    EXPECT(&f, 0x84, 0x00);
    assert_true(sim_chip_powered(f.board->chip));
    SEND(&f, 0x84, 0x11);
    EXPECT(&f, 0x84, 0x00, 1, 0xC4, 0x09, 0xC4, 0x09, 1);
    SEND(&f, 0x84, 0x10, 0x02, 0x00, 0x70);
    EXPECT(&f, 0x84, 0x82, 0x80);
    SEND(&f, 0x84, 0x11);
    EXPECT(&f, 0x84, 0x00, 1, 0xC4, 0x09, 0xC4, 0x09, 1);
    stop(&f);
}

static void supply_of_miniprog4(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_MINIPROG4 });
    assert_false(sim_chip_powered(f.board->chip));
    SEND(&f, 0x84, 0x11);
    EXPECT(&f, 0x84, 0x00, 0, 0x00, 0x00, 0xE4, 0x0C, 1);
    SEND(&f, 0x84, 0x10, 0x01);
    EXPECT(&f, 0x84, 0x00);
    assert_true(sim_chip_powered(f.board->chip));
    stop(&f);
    /* Not against a supply that is there already. */
    f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_MINIPROG4, .external_mv = 1800 });
    SEND(&f, 0x84, 0x11);
    EXPECT(&f, 0x84, 0x00, 0, 0x08, 0x07, 0xE4, 0x0C, 1);
    SEND(&f, 0x84, 0x10, 0x01);
    EXPECT(&f, 0x84, 0x82, 0x80);
    SEND(&f, 0x84, 0x10, 0x02, 0xC4, 0x09);
    EXPECT(&f, 0x84, 0x82, 0x80);
    SEND(&f, 0x84, 0x10, 0x00);
    assert_true(sim_chip_powered(f.board->chip));
    stop(&f);
}

/* Answers that follow one request: how many signs of life, and the result. */
static unsigned beats(struct fixture *f, unsigned *ret_result)
{
    unsigned count = 0;
    while (f->length > 0 && f->response[1] == 0x01) {
        EXPECT(f, 0x85, 0x01);
        count++;
        f->length = sim_probe_next(f->board->probe, f->response, sizeof(f->response));
    }
    assert_int_equal(f->length, 3);
    assert_int_equal(f->response[0], 0x85);
    assert_int_equal(f->response[1], 0x00);
    *ret_result = f->response[2];
    assert_int_equal(sim_probe_next(f->board->probe, f->response, sizeof(f->response)), 0);
    return count;
}

static void acquire_by_reset(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_ON_BOARD });
    unsigned result = 9;
    SEND(&f, 0x02, 0x01);
    SEND(&f, 0x85, 2, 0, 1);
    assert_int_equal(beats(&f, &result), 1);
    assert_int_equal(result, 1);
    sim_probe_pass_us(f.board->probe, 50000);
    sim_board_settle(f.board);
    assert_true(sim_chip_test_core(f.board->chip, SIM_AP_CM0).sleeping); /* parked, not started */
    /* The debug port is left as found: reading goes on at once. */
    SEND(&f, 0x05, 0, 2, 0x07, 0x02);
    assert_int_equal(f.response[1], 2);
    assert_int_equal(base_get_le32(f.response + 3), 0x40260100);
    stop(&f);
}

static void acquire_by_power(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_MINIPROG4 });
    unsigned result = 9;
    SEND(&f, 0x02, 0x01);
    SEND(&f, 0x85, 2, 1, 1);
    assert_int_equal(beats(&f, &result), 1);
    assert_int_equal(result, 1);
    assert_true(sim_chip_powered(f.board->chip));
    stop(&f);
}

static void acquire_in_vain(void **state)
{
    (void)state;
    struct fixture f = start((struct sim_kitprog_opts){ .model = SIM_KITPROG_MINIPROG4 });
    unsigned result = 9;
    SEND(&f, 0x02, 0x01);
    SEND(&f, 0x91, 0, 2); /* two seconds, for one attempt only */
    EXPECT(&f, 0x91, 0x00);
    SEND(&f, 0x85, 2, 0, 1); /* the target has no supply */
    assert_int_equal(beats(&f, &result), 5);
    assert_int_equal(result, 0);
    SEND(&f, 0x85, 2, 0, 1);
    assert_int_equal(beats(&f, &result), 3);
    assert_int_equal(result, 0);
    SEND(&f, 0x85, 0, 0, 1); /* not such a target */
    assert_int_equal(beats(&f, &result), 3);
    assert_int_equal(result, 0);
    SEND(&f, 0x85, 2, 0, 0);
    EXPECT(&f, 0x85, 0x00, 0x00);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_probes_do_not_know_them),
        cmocka_unit_test(malformed),
        cmocka_unit_test(identity),
        cmocka_unit_test(supply_of_a_kit),
        cmocka_unit_test(supply_of_miniprog4),
        cmocka_unit_test(acquire_by_reset),
        cmocka_unit_test(acquire_by_power),
        cmocka_unit_test(acquire_in_vain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
