/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/dap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

static void expect_bytes(const uint8_t *bytes, size_t length, const char *hex)
{
    char text[2 * PRG_PACKET_MAX + 1];
    base_hex_encode(bytes, length, text);
    assert_string_equal(text, hex);
}

static void encodes_fixed_commands(void **state)
{
    (void)state;
    const uint8_t bits[2] = { 0x9E, 0xE7 };
    uint8_t p[64];
    expect_bytes(p, prg_dap_encode_info(0xFF, p), "00ff");
    expect_bytes(p, prg_dap_encode_connect_swd(p), "0201");
    expect_bytes(p, prg_dap_encode_disconnect(p), "03");
    expect_bytes(p, prg_dap_encode_configure(2, 100, 0x1234, p), "040264003412");
    expect_bytes(p, prg_dap_encode_delay(50000, p), "0950c3");
    expect_bytes(p, prg_dap_encode_pins(0, 0x80, 10000, p), "10008010270000");
    expect_bytes(p, prg_dap_encode_clock(4000000, p), "1100093d00");
    expect_bytes(p, prg_dap_encode_sequence(bits, 16, p), "12109ee7");
    expect_bytes(p, prg_dap_encode_swd_configure(0, p), "1300");
}

static void encodes_transfers(void **state)
{
    (void)state;
    struct prg_dap_batch batch;
    prg_dap_batch_init(&batch, 64);
    prg_dap_batch_add(&batch, 0x02, 0);
    prg_dap_batch_add(&batch, 0x08, 0x01000010);
    prg_dap_batch_add(&batch, 0x20, 0x80000000);
    prg_dap_batch_add(&batch, 0x1F, 0x80000000);
    expect_bytes(batch.packet, batch.length,
        "050004"
        "02"
        "0810000001"
        "2000000080"
        "1f00000080");
    /* A match read brings no word back. */
    assert_int_equal(batch.response_length, 3 + 4);
    assert_int_equal(batch.count, 4);
}

/* Words that fit, Arm's packet sizes: request and response both count. */
static void fills_packets_exactly(void **state)
{
    (void)state;

    static const struct {
        size_t packet;
        uint32_t block_write, block_read, write, read;
    } rows[] = { { 64, 14, 15, 12, 15 }, { 256, 62, 63, 50, 63 }, { 512, 126, 127, 101, 127 },
        { 1024, 254, 255, 204, 255 } };

    for (size_t i = 0; i < 4; i++) {
        struct prg_dap_batch batch;
        assert_int_equal(prg_dap_block_capacity(rows[i].packet, false), rows[i].block_write);
        assert_int_equal(prg_dap_block_capacity(rows[i].packet, true), rows[i].block_read);
        prg_dap_batch_init(&batch, rows[i].packet);
        while (prg_dap_batch_fits(&batch, 0x0D)) {
            prg_dap_batch_add(&batch, 0x0D, 0);
        }
        assert_int_equal(batch.count, rows[i].write);
        assert_true(batch.length <= rows[i].packet);
        prg_dap_batch_init(&batch, rows[i].packet);
        while (prg_dap_batch_fits(&batch, 0x0F)) {
            prg_dap_batch_add(&batch, 0x0F, 0);
        }
        assert_int_equal(batch.count, rows[i].read);
        assert_true(batch.response_length <= rows[i].packet);
    }
}

static void encodes_blocks(void **state)
{
    (void)state;
    const uint8_t words[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct prg_dap_batch batch;
    prg_dap_batch_init(&batch, 64);
    prg_dap_batch_block(&batch, 0x0D, words, 2);
    expect_bytes(batch.packet, batch.length, "060002000d0102030405060708");
    assert_int_equal(batch.response_length, 4);
    prg_dap_batch_block(&batch, 0x0F, NULL, 15);
    expect_bytes(batch.packet, batch.length, "06000f000f");
    assert_int_equal(batch.response_length, 64);
}

static bool parse(uint8_t command, uint32_t count, size_t expected, bool padded, const char *hex,
    struct prg_dap_result *ret_result)
{
    static uint8_t bytes[PRG_PACKET_MAX];
    size_t length = strlen(hex) / 2;
    assert_int_equal(base_hex_decode(hex, length, bytes, NULL), BASE_OK);
    return prg_dap_parse_batch(command, count, expected, padded, bytes, length, ret_result);
}

static void refuses_answers_that_do_not_fit(void **state)
{
    (void)state;
    struct prg_dap_result result;
    assert_false(parse(5, 1, 7, false, "", &result));
    assert_false(parse(5, 1, 7, false, "05", &result));
    assert_false(parse(5, 1, 7, false, "0501", &result));
    assert_false(parse(5, 1, 7, false, "06010111223344", &result)); /* other command */
    assert_false(parse(5, 1, 7, false, "050101112233", &result));   /* a byte short */
    assert_false(parse(5, 1, 7, false, "0501011122334455", &result));
    assert_false(parse(5, 1, 7, false, "05020111223344", &result)); /* more than asked */
    assert_false(parse(5, 2, 7, false, "05010111223344", &result)); /* OK but fewer */
    assert_false(parse(6, 1, 8, false, "0601", &result));
    /* HID reports carry old bytes behind the answer, and may not be shorter than it. */
    assert_true(parse(5, 1, 7, true, "0501011122334455aa", &result));
    assert_false(parse(5, 1, 7, true, "050101112233", &result));
}

static void classifies_acks(void **state)
{
    (void)state;

    static const struct {
        const char *answer;
        enum prg_dap_ack ack;
    } rows[] = {
        { "050201", PRG_DAP_ACK_OK },
        { "050102", PRG_DAP_ACK_WAIT },
        { "050204", PRG_DAP_ACK_FAULT }, /* the last write, found out behind it */
        { "050007", PRG_DAP_ACK_NONE },
        { "050100", PRG_DAP_ACK_NONE },
        { "050000", PRG_DAP_ACK_NOT_CONNECTED },
        { "050008", PRG_DAP_ACK_PARITY }, /* ACK field 0: bit 3 has to be looked at first */
        { "050109", PRG_DAP_ACK_PARITY },
        { "050111", PRG_DAP_ACK_MISMATCH },
        { "050103", PRG_DAP_ACK_NONE },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct prg_dap_result result;
        assert_true(parse(5, 2, 3, false, rows[i].answer, &result));
        assert_int_equal(result.ack, rows[i].ack);
        assert_non_null(prg_dap_ack_text(result.ack));
    }
}

static void reads_info(void **state)
{
    (void)state;
    const uint8_t *data = NULL;
    size_t length = 0;
    const uint8_t good[] = { 0x00, 2, 0x40, 0x00 };
    const uint8_t lying[] = { 0x00, 200, 0x40, 0x00 };
    const uint8_t other[] = { 0x01, 2, 0x40, 0x00 };
    assert_false(prg_dap_parse_info(good, 1, &data, &length));
    assert_false(prg_dap_parse_info(lying, sizeof(lying), &data, &length));
    assert_false(prg_dap_parse_info(other, sizeof(other), &data, &length));
    assert_true(prg_dap_parse_info(good, sizeof(good), &data, &length));
    assert_int_equal(length, 2);
    assert_ptr_equal(data, good + 2);
}

static void tames_hostile_text(void **state)
{
    (void)state;
    char text[8];
    prg_dap_copy_text((const uint8_t *)"a\x1B[2J\xFF", 6, sizeof(text), text);
    assert_string_equal(text, "a?[2J?");
    prg_dap_copy_text((const uint8_t *)"0123456789", 10, sizeof(text), text);
    assert_string_equal(text, "0123456");
    prg_dap_copy_text((const uint8_t *)"ab\0cd", 5, sizeof(text), text);
    assert_string_equal(text, "ab");
    prg_dap_copy_text(NULL, 0, sizeof(text), text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_answers_that_do_not_fit),
        cmocka_unit_test(encodes_fixed_commands),
        cmocka_unit_test(encodes_transfers),
        cmocka_unit_test(fills_packets_exactly),
        cmocka_unit_test(encodes_blocks),
        cmocka_unit_test(classifies_acks),
        cmocka_unit_test(reads_info),
        cmocka_unit_test(tames_hostile_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
