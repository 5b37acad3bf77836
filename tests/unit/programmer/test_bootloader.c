/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/protocol/messages.h"
#include "tests/unit/programmer/desk.h"

/* The real bootloader, executed by the simulated chip, programmed and asked by this library. */

static const char *image_path(void)
{
    const char *path = getenv("LPA_BOOTLOADER");
    return path == NULL ? LPA_BOOTLOADER_DEFAULT : path;
}

static void program_bootloader(struct desk *desk)
{
    struct prg_image image;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_change change;
    if (prg_image_load(image_path(), NULL, &image, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    desk_acquire(desk);
    if (prg_psoc6_program(desk->chip, &image, NULL, NULL, &change, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    prg_image_done(&image);
    assert_int_equal(prg_psoc6_write_toc2(desk->chip, &change, &err), BASE_OK);
    assert_int_equal(prg_psoc6_reset(desk->chip, &err), BASE_OK);
}

static struct prg_mailbox *open_box(struct desk *desk)
{
    struct prg_mailbox *mailbox = NULL;
    struct base_err err = { .status = BASE_OK };
    if (prg_mailbox_open(desk->link, 3000, &mailbox, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return mailbox;
}

static void says_hello(void **state)
{
    (void)state;
    static const uint16_t sizes[] = { 64, 512 };
    static const uint8_t uid[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF };
    for (size_t i = 0; i < 2; i++) {
        struct desk desk;
        struct base_err err = { .status = BASE_OK };
        uint8_t bytes[PROTO_MAILBOX_PAYLOAD_SIZE];
        struct proto_hello hello;
        uint32_t answered = 0;
        size_t length = 0;
        desk_init(&desk, sizes[i]);
        program_bootloader(&desk);
        struct prg_mailbox *mailbox = open_box(&desk);
        for (unsigned k = 0; k < 3; k++) {
            uint64_t before = prg_link_stats(desk.link).round_trips;
            if (prg_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(bytes), &answered,
                    bytes, &length, &err) != BASE_OK) {
                fail_msg("%s", err.message);
            }
            assert_int_equal(prg_link_stats(desk.link).round_trips - before, 2);
            assert_int_equal(answered, PROTO_OK);
            assert_int_equal(proto_hello_decode(bytes, length, &hello), PROTO_OK);
            assert_memory_equal(hello.chip_id, uid, sizeof(uid));
        }
        prg_mailbox_close(mailbox);
        desk_done(&desk);
    }
}

/* A reset behind our back is told, not mistaken for an answer. */
static void notices_a_reset(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    uint8_t bytes[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint32_t answered = 0;
    size_t length = 0;
    desk_init(&desk, 0);
    program_bootloader(&desk);
    struct prg_mailbox *mailbox = open_box(&desk);
    uint32_t boot = prg_mailbox_boot_word(mailbox);
    assert_int_equal(prg_psoc6_reset(desk.chip, NULL), BASE_OK);
    assert_int_equal(prg_link_delay(desk.link, 1000000, NULL), BASE_OK);
    enum base_status status = prg_mailbox_call(
        mailbox, PROTO_CMD_HELLO, NULL, 0, 300, sizeof(bytes), &answered, bytes, &length, &err);
    assert_int_not_equal(status, BASE_OK);
    assert_string_equal(err.code, "reset");
    prg_mailbox_close(mailbox);
    mailbox = open_box(&desk);
    assert_int_not_equal(prg_mailbox_boot_word(mailbox), boot);
    assert_int_equal(prg_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(bytes),
                         &answered, bytes, &length, NULL),
        BASE_OK);
    prg_mailbox_close(mailbox);
    desk_done(&desk);
}

/* A bootloader runs: the chip can still be stopped, read and programmed. */
static void can_be_acquired_again(void **state)
{
    (void)state;
    struct desk desk;
    struct prg_psoc6_info info;
    desk_init(&desk, 0);
    program_bootloader(&desk);
    prg_mailbox_close(open_box(&desk));
    desk_acquire(&desk);
    assert_int_equal(prg_psoc6_identify(desk.chip, &info, NULL), BASE_OK);
    desk_done(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_hello),
        cmocka_unit_test(notices_a_reset),
        cmocka_unit_test(can_be_acquired_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
