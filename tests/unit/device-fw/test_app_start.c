/* SPDX-License-Identifier: Apache-2.0 */
/* Which application images the bootloader starts on the simulated CM4, and at what cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/app_board.h"

static struct app_board app;

static int setup(void **state)
{
    (void)state;
    app_board_init(&app);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    app_board_done(&app);
    return 0;
}

static void flip(uint32_t at)
{
    uint8_t byte = 0;

    assert_true(sim_chip_test_read(app.board.chip, PROTO_APPLICATION_ADDRESS + at, &byte, 1));
    byte ^= 0x10;
    assert_true(sim_chip_test_write(app.board.chip, PROTO_APPLICATION_ADDRESS + at, &byte, 1));
}

static uint32_t run(void)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    return board_ask(&app.board, PROTO_CMD_RUN, NULL, 0, answer, &length);
}

static bool is_cm4_started(void)
{
    return sim_chip_test_core(app.board.chip, SIM_AP_CM4).instructions > 0;
}

static void refuses(void **state)
{
    /* Header, program, each entry of the end. */
    const uint32_t program = PROTO_APPLICATION_HEADER_SIZE;
    const uint32_t last = (uint32_t)app.image.length;
    const uint32_t places[] = { 12, 20, 23, 40, program, program + 1000, last - 200 + 60,
        last - 4 };

    (void)state;
    app_board_install(&app, PROTO_LORAWAN_1_0, 1);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint32_t status;

        flip(places[i]);
        status = run();
        if (status == PROTO_OK || is_cm4_started())
            fail_msg("an image with a wrong bit in byte %u starts", places[i]);
        flip(places[i]);
    }
    flip(0);
    assert_int_equal(run(), PROTO_UNSUPPORTED);
    flip(0);
    assert_int_equal(run(), PROTO_OK);
}

static void wrong_key_and_floor(void **state)
{
    struct signer other;

    (void)state;
    app_board_install(&app, PROTO_LORAWAN_1_0, 1);
    signer_init(&other);
    app_board_program(&app, &other, 0x01000000);
    assert_int_equal(run(), PROTO_BAD_MAC);
    signer_done(&other);
    app_board_program(&app, &app.signer, 0x02000000);
    app_board_run(&app);
    assert_true(is_cm4_started());
    board_check_vault(&app.board);
    app_board_program(&app, &app.signer, 0x01FFFFFF);
    board_power_cycle(&app.board);
    assert_int_equal(run(), PROTO_BAD_VERSION);
    app_board_program(&app, &app.signer, 0x02000001);
    assert_int_equal(run(), PROTO_OK);
}

/* The second start of an image needs no signature, and far less time. */
static void unchanged_is_quick(void **state)
{
    int64_t first = board_cycles(&app.board);
    int64_t second;

    (void)state;
    app_board_install(&app, PROTO_LORAWAN_1_0, 1);
    first = board_cycles(&app.board);
    assert_int_equal(run(), PROTO_OK);
    first = board_cycles(&app.board) - first;
    board_power_cycle(&app.board);
    second = board_cycles(&app.board);
    assert_int_equal(run(), PROTO_OK);
    second = board_cycles(&app.board) - second;
    print_message("application of %zu bytes: %lld cycles when new, %lld when unchanged\n",
        app.image.length, (long long)first, (long long)second);
    assert_true(first <= 47000000 && second <= 2000000);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses),
        TEST(wrong_key_and_floor),
        TEST(unchanged_is_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
