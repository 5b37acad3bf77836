/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory keeps its content over a reset. A command that the reset cut off still stands in the
 * mailbox of the boot before, until the bootloader clears it: whoever opens the mailbox meanwhile
 * must end with the new one.
 *
 * usage: test_board_reset IMAGE
 */
#include "tests/support/desk.h"
#include "tests/unit/device-fw/authority.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *image_path;

static void a_command_cut_by_reset_is_forgotten(void **state)
{
    (void)state;
    struct authority authority;
    struct desk_image image;
    struct desk desk;
    authority_init(&authority, 1);
    desk_image_load(&image, image_path, authority.public_key, true);
    desk_init(&desk, 1);
    desk_program(&desk, &image);
    desk_boot(&desk);

    /* A command stands there that nobody has answered, and the reset comes first. */
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    uint32_t status = 0;
    static const uint8_t asked[4] = { 0x55 };
    struct base_err err = { 0 };
    assert_int_equal(prg_psoc6_reset(desk.chip, &err), BASE_OK);
    assert_true(sim_chip_test_write(desk.board->chip,
        PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_REQ_SEQUENCE_AT, asked, sizeof(asked)));

    /* One try, with the mailbox's own patience, right after the reset. */
    lpa_mailbox_close(desk.mailbox);
    desk.mailbox = NULL;
    enum base_status opened = lpa_mailbox_open(desk.link, 2000, &desk.mailbox, &err);
    if (opened != BASE_OK) {
        fail_msg("%s: %s", err.code, err.message);
    }
    assert_int_equal(desk_call(&desk, PROTO_CMD_HELLO, NULL, 0, &status, answer, &length), BASE_OK);
    assert_int_equal(status, PROTO_OK);
    desk_done(&desk);
    desk_image_done(&image);
    authority_done(&authority);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("usage: test_board_reset IMAGE\n", stderr);
        return 2;
    }
    image_path = argv[1];
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_command_cut_by_reset_is_forgotten) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
