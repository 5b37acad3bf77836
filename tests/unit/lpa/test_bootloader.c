/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/hex.h"
#include "device-fw/protocol/binding.h"
#include "device-fw/protocol/messages.h"
#include "tests/unit/programmer/desk.h"

/* The real bootloader, executed by the simulated chip, programmed and asked by this library. */

static const char *image_path(void)
{
    const char *path = getenv("LPA_BOOTLOADER");
    return path == NULL ? LPA_BOOTLOADER_DEFAULT : path;
}

/* Any valid point serves as the authority: the generator of P-256 (FIPS 186-4 D.1.2.3). */
static const char generator[] = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                                "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

static void bind(struct prg_image *image, uint8_t ret_key_id[PROTO_KEY_ID_SIZE])
{
    struct proto_binding binding;
    uint8_t digest[32];
    uint8_t *block = image->segments[0].data + PROTO_BINDING_OFFSET;
    assert_int_equal(proto_binding_decode(block, &binding), PROTO_OK);
    binding.flags |= PROTO_FLAG_LAB;
    assert_int_equal(
        base_hex_decode(generator, PROTO_PUBLIC_KEY_SIZE, binding.authority_key[0], NULL), BASE_OK);
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    base_sha256(binding.authority_key[0], PROTO_PUBLIC_KEY_SIZE, digest);
    memcpy(ret_key_id, digest, PROTO_KEY_ID_SIZE);
}

static void program_bootloader(struct desk *desk, uint8_t ret_key_id[PROTO_KEY_ID_SIZE])
{
    struct prg_image image;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_change change;
    if (prg_image_load(image_path(), NULL, &image, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    if (ret_key_id != NULL) {
        bind(&image, ret_key_id);
    }
    desk_acquire(desk);
    if (prg_psoc6_program(desk->chip, &image, NULL, NULL, &change, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    prg_image_done(&image);
    assert_int_equal(prg_psoc6_write_toc2(desk->chip, &change, &err), BASE_OK);
    assert_int_equal(prg_psoc6_reset(desk->chip, &err), BASE_OK);
}

static struct lpa_mailbox *open_box(struct desk *desk)
{
    struct lpa_mailbox *mailbox = NULL;
    struct base_err err = { .status = BASE_OK };
    if (lpa_mailbox_open(desk->link, 3000, &mailbox, &err) != BASE_OK) {
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
        program_bootloader(&desk, NULL);
        struct lpa_mailbox *mailbox = open_box(&desk);
        for (unsigned k = 0; k < 3; k++) {
            uint64_t before = prg_link_stats(desk.link).round_trips;
            if (lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(bytes), &answered,
                    bytes, &length, &err) != BASE_OK) {
                fail_msg("%s", err.message);
            }
            assert_int_equal(prg_link_stats(desk.link).round_trips - before, 2);
            assert_int_equal(answered, PROTO_OK);
            assert_int_equal(proto_hello_decode(bytes, length, &hello), PROTO_OK);
            assert_memory_equal(hello.chip_id, uid, sizeof(uid));
        }
        lpa_mailbox_close(mailbox);
        desk_done(&desk);
    }
}

/* Key generation and two multiplications take longer than one value match of the probe: still two
 * round trips, and the same statement when asked again. */
static void makes_a_statement_in_two_round_trips(void **state)
{
    (void)state;
    static const uint16_t sizes[] = { 64, 512 };
    for (size_t i = 0; i < 2; i++) {
        struct desk desk;
        struct base_err err = { .status = BASE_OK };
        uint8_t bytes[2][PROTO_MAILBOX_PAYLOAD_SIZE];
        uint8_t key_id[PROTO_KEY_ID_SIZE];
        struct proto_statement statement;
        desk_init(&desk, sizes[i]);
        program_bootloader(&desk, key_id);
        struct lpa_mailbox *mailbox = open_box(&desk);
        for (unsigned k = 0; k < 2; k++) {
            uint64_t before = prg_link_stats(desk.link).round_trips;
            uint32_t answered = 0;
            size_t length = 0;
            if (lpa_mailbox_call(mailbox, PROTO_CMD_STATEMENT, key_id, sizeof(key_id), 0,
                    sizeof(bytes[k]), &answered, bytes[k], &length, &err) != BASE_OK) {
                fail_msg("%s", err.message);
            }
            assert_int_equal(prg_link_stats(desk.link).round_trips - before, 2);
            assert_string_equal(proto_status_text(answered), "ok");
            assert_int_equal(proto_statement_decode(bytes[k], length, &statement), PROTO_OK);
        }
        assert_memory_equal(bytes[0], bytes[1], PROTO_STATEMENT_SIZE);
        lpa_mailbox_close(mailbox);
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
    program_bootloader(&desk, NULL);
    struct lpa_mailbox *mailbox = open_box(&desk);
    uint32_t boot = lpa_mailbox_boot_word(mailbox);
    assert_int_equal(prg_psoc6_reset(desk.chip, NULL), BASE_OK);
    assert_int_equal(prg_link_delay(desk.link, 1000000, NULL), BASE_OK);
    enum base_status status = lpa_mailbox_call(
        mailbox, PROTO_CMD_HELLO, NULL, 0, 300, sizeof(bytes), &answered, bytes, &length, &err);
    assert_int_not_equal(status, BASE_OK);
    assert_string_equal(err.code, "reset");
    lpa_mailbox_close(mailbox);
    mailbox = open_box(&desk);
    assert_int_not_equal(lpa_mailbox_boot_word(mailbox), boot);
    assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(bytes),
                         &answered, bytes, &length, NULL),
        BASE_OK);
    lpa_mailbox_close(mailbox);
    desk_done(&desk);
}

/* Right after a reset the mailbox of the boot before still stands in memory. */
static void opens_only_what_listens(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t bytes[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint32_t answered = 0;
    size_t length = 0;
    desk_init(&desk, 0);
    program_bootloader(&desk, NULL);
    struct lpa_mailbox *mailbox = open_box(&desk);
    for (unsigned i = 0; i < 3; i++) {
        uint32_t boot = lpa_mailbox_boot_word(mailbox);
        lpa_mailbox_close(mailbox);
        assert_int_equal(prg_psoc6_reset(desk.chip, NULL), BASE_OK);
        mailbox = open_box(&desk);
        assert_int_not_equal(lpa_mailbox_boot_word(mailbox), boot);
        assert_int_equal(lpa_mailbox_call(mailbox, PROTO_CMD_HELLO, NULL, 0, 0, sizeof(bytes),
                             &answered, bytes, &length, NULL),
            BASE_OK);
    }
    lpa_mailbox_close(mailbox);
    desk_done(&desk);
}

/* A bootloader runs: the chip can still be stopped, read and programmed. */
static void can_be_acquired_again(void **state)
{
    (void)state;
    struct desk desk;
    struct prg_psoc6_info info;
    desk_init(&desk, 0);
    program_bootloader(&desk, NULL);
    lpa_mailbox_close(open_box(&desk));
    desk_acquire(&desk);
    assert_int_equal(prg_psoc6_identify(desk.chip, &info, NULL), BASE_OK);
    desk_done(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_hello),
        cmocka_unit_test(makes_a_statement_in_two_round_trips),
        cmocka_unit_test(notices_a_reset),
        cmocka_unit_test(opens_only_what_listens),
        cmocka_unit_test(can_be_acquired_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
