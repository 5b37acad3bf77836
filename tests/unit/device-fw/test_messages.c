/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Fill with a counted pattern, so that a swapped or shifted field shows. */
static void fill(uint8_t *data, size_t length, uint8_t first)
{
    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)(first + i);
}

static struct proto_hello make_hello(void)
{
    struct proto_hello hello = {
        .flags = PROTO_FLAG_LAB | PROTO_FLAG_BOUND,
        .lifecycle = PROTO_LIFECYCLE_NORMAL,
        .restrictions = { 1, 2, 3, 4 },
        .vault_state = PROTO_VAULT_IDENTITY,
        .silicon_id = 0x0100E207,
        .bootloader_version = 0x00010203,
        .key_version = 7,
        .health = PROTO_OK,
    };

    fill(hello.chip_id, sizeof(hello.chip_id), 0x10);
    fill(hello.bootloader_hash, sizeof(hello.bootloader_hash), 0x20);
    fill(hello.authority_key_id[0], PROTO_KEY_ID_SIZE, 0x40);
    fill(hello.authority_key_id[1], PROTO_KEY_ID_SIZE, 0x50);
    return hello;
}

static struct proto_statement make_statement(void)
{
    struct proto_statement statement = {
        .silicon_id = 0x0100E207,
        .lifecycle = PROTO_LIFECYCLE_SECURE,
        .restrictions = { 0x9F, 0x9F, 0xA8, 0xBF },
        .flags = PROTO_FLAG_LAB,
        .bootloader_version = 0x01020304,
        .vault_state = PROTO_VAULT_COMMITTED,
        .key_version = 0x0A0B0C0D,
    };

    fill(statement.authority_key_id, PROTO_KEY_ID_SIZE, 0x01);
    fill(statement.chip_id, PROTO_CHIP_ID_SIZE, 0x11);
    fill(statement.bootloader_hash, PROTO_HASH_SIZE, 0x21);
    fill(statement.public_key, PROTO_PUBLIC_KEY_SIZE, 0x04);
    fill(statement.nonce, PROTO_NONCE_SIZE, 0x61);
    fill(statement.mac, PROTO_MAC_SIZE, 0x81);
    return statement;
}

static struct proto_envelope_header make_header(void)
{
    struct proto_envelope_header header = {
        .purpose = PROTO_PURPOSE_INSTALL,
        .lorawan_version = PROTO_LORAWAN_1_0,
        .keys = PROTO_KEY_APP,
        .key_version = 0x01020304,
    };

    fill(header.envelope_id, PROTO_ENVELOPE_ID_SIZE, 0x10);
    fill(header.chip_id, PROTO_CHIP_ID_SIZE, 0x20);
    fill(header.dev_eui, PROTO_EUI_SIZE, 0x30);
    fill(header.join_eui, PROTO_EUI_SIZE, 0x40);
    fill(header.nonce, PROTO_NONCE_SIZE, 0x50);
    fill(header.authority_key_id, PROTO_KEY_ID_SIZE, 0x60);
    return header;
}

static struct proto_receipt make_receipt(void)
{
    struct proto_receipt receipt = {
        .purpose = PROTO_PURPOSE_REWORK,
        .slot = 1,
        .key_version = 0x11223344,
    };

    fill(receipt.envelope_id, PROTO_ENVELOPE_ID_SIZE, 0x10);
    fill(receipt.chip_id, PROTO_CHIP_ID_SIZE, 0x20);
    fill(receipt.envelope_hash, PROTO_HASH_SIZE, 0x30);
    fill(receipt.record_hash, PROTO_HASH_SIZE, 0x50);
    fill(receipt.mac, PROTO_MAC_SIZE, 0x70);
    return receipt;
}

static struct proto_lock_answer make_lock_answer(void)
{
    struct proto_lock_answer answer = { .key_version = 0x11223344 };

    fill(answer.chip_id, PROTO_CHIP_ID_SIZE, 0x20);
    fill(answer.envelope_id, PROTO_ENVELOPE_ID_SIZE, 0x10);
    fill(answer.record_hash, PROTO_HASH_SIZE, 0x50);
    fill(answer.mac, PROTO_MAC_SIZE, 0x70);
    return answer;
}

static void hello_refuses_bad_bytes(void **state)
{
    struct proto_hello hello = make_hello();
    struct proto_hello ret;
    uint8_t bytes[PROTO_HELLO_SIZE + 1] = { 0 };

    (void)state;
    memset(&ret, 0xEE, sizeof(ret));
    proto_hello_encode(&hello, bytes);
    assert_int_equal(proto_hello_decode(bytes, 0, &ret), PROTO_BAD_LENGTH);
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE - 1, &ret), PROTO_BAD_LENGTH);
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE + 1, &ret), PROTO_BAD_LENGTH);
    bytes[0] = 2;
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE, &ret), PROTO_BAD_VERSION);
    bytes[0] = 1;
    bytes[1] = 4;
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE, &ret), PROTO_BAD_FIELD);
    bytes[1] = 0;
    bytes[2] = 7;
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE, &ret), PROTO_BAD_FIELD);
    bytes[2] = 2;
    bytes[7] = PROTO_VAULT_FORGOTTEN + 1;
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE, &ret), PROTO_BAD_FIELD);
    bytes[7] = 0;
    memset(bytes + 76, 0, 4);
    assert_int_equal(proto_hello_decode(bytes, PROTO_HELLO_SIZE, &ret), PROTO_BAD_FIELD);
    assert_int_equal(ret.flags, 0xEE);
}

static void hello_has_exact_bytes(void **state)
{
    static const uint8_t expected[PROTO_HELLO_SIZE] = { 1, 3, 2, 1, 2, 3, 4, 1, 0x10, 0x11, 0x12,
        0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0x00, 0xE2, 0x07, 0x00, 0x01, 0x02, 0x03, 0x20, 0x21,
        0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x30,
        0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
        0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56,
        0x57, 0, 0, 0, 7, 0, 0, 0, 1 };
    struct proto_hello hello = make_hello();
    struct proto_hello ret;
    uint8_t bytes[PROTO_HELLO_SIZE];

    (void)state;
    memset(&ret, 0, sizeof(ret));
    proto_hello_encode(&hello, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
    assert_int_equal(proto_hello_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
    memset(bytes, 0, sizeof(bytes));
    proto_hello_encode(&ret, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void statement_refuses_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 0, PROTO_BAD_VERSION },
        { 1, 2, PROTO_BAD_SUITE },
        { 22, 7, PROTO_BAD_FIELD },
        { 27, 2, PROTO_BAD_FIELD },
        { 64, 2, PROTO_BAD_FIELD },
        { 145, 5, PROTO_BAD_FIELD },
        { 150, 1, PROTO_BAD_FIELD },
        { 151, 1, PROTO_BAD_FIELD },
    };
    struct proto_statement statement = make_statement();
    struct proto_statement ret;
    uint8_t bytes[PROTO_STATEMENT_SIZE];

    (void)state;
    memset(&ret, 0xEE, sizeof(ret));
    proto_statement_encode(&statement, bytes);
    assert_int_equal(
        proto_statement_decode(bytes, PROTO_STATEMENT_SIZE - 1, &ret), PROTO_BAD_LENGTH);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_statement_encode(&statement, bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(proto_statement_decode(bytes, sizeof(bytes), &ret), cases[i].status);
    }
    assert_int_equal(ret.flags, 0xEE);
}

static void statement_has_exact_bytes(void **state)
{
    static const uint8_t start[36] = { 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15,
        0x16, 0x17, 0x18, 0x01, 0x00, 0xE2, 0x07, 3, 0x9F, 0x9F, 0xA8, 0xBF, 1, 1, 2, 3, 4, 0x21,
        0x22, 0x23, 0x24 };
    static const uint8_t end[14] = { 0x6E, 0x6F, 0x70, 2, 0x0A, 0x0B, 0x0C, 0x0D, 0, 0, 0x81, 0x82,
        0x83, 0x84 };
    struct proto_statement statement = make_statement();
    struct proto_statement ret;
    uint8_t bytes[PROTO_STATEMENT_SIZE];

    (void)state;
    memset(&ret, 0, sizeof(ret));
    proto_statement_encode(&statement, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    assert_int_equal(bytes[64], 0x04);
    assert_int_equal(bytes[128], 0x44);
    assert_int_equal(bytes[129], 0x61);
    assert_memory_equal(bytes + 142, end, sizeof(end));
    assert_int_equal(bytes[183], 0xA0);
    assert_int_equal(proto_statement_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
    assert_memory_equal(ret.mac, statement.mac, PROTO_MAC_SIZE);
    proto_statement_encode(&ret, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    assert_memory_equal(bytes + 142, end, sizeof(end));
}

static void envelope_refuses_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 2, PROTO_BAD_VERSION },
        { 1, 0, PROTO_BAD_SUITE },
        { 2, 0, PROTO_BAD_PURPOSE },
        { 2, 4, PROTO_BAD_PURPOSE },
        { 2, 3, PROTO_BAD_FIELD },
        { 3, 0x12, PROTO_BAD_FIELD },
        { 3, 0x11, PROTO_BAD_FIELD },
        { 4, 0, PROTO_BAD_FIELD },
        { 4, 1, PROTO_BAD_FIELD },
        { 4, 3, PROTO_BAD_FIELD },
        { 5, 1, PROTO_BAD_FIELD },
        { 74, 1, PROTO_BAD_FIELD },
        { 75, 49, PROTO_BAD_FIELD },
    };
    struct proto_envelope_header header = make_header();
    struct proto_envelope ret = { .aad = NULL };
    uint8_t bytes[PROTO_ENVELOPE_SIZE] = { 0 };

    (void)state;
    proto_envelope_header_encode(&header, bytes);
    assert_int_equal(proto_envelope_decode(bytes, PROTO_ENVELOPE_SIZE - 1, &ret), PROTO_BAD_LENGTH);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_envelope_header_encode(&header, bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(proto_envelope_decode(bytes, sizeof(bytes), &ret), cases[i].status);
    }
    assert_null(ret.aad);
}

static void envelope_has_exact_bytes(void **state)
{
    static const uint8_t expected[PROTO_ENVELOPE_HEADER_SIZE] = { 1, 1, 1, 0x10, 2, 0, 0x10, 0x11,
        0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0x20,
        0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37,
        0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 1, 2, 3, 4, 0x50, 0x51, 0x52, 0x53, 0x54,
        0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x5B, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x62, 0x63,
        0x64, 0x65, 0x66, 0x67, 0, 48 };
    struct proto_envelope_header header = make_header();
    struct proto_envelope ret;
    uint8_t bytes[PROTO_ENVELOPE_SIZE] = { 0 };

    (void)state;
    proto_envelope_header_encode(&header, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
    assert_int_equal(proto_envelope_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
    assert_ptr_equal(ret.aad, bytes);
    assert_ptr_equal(ret.enc, bytes + 76);
    assert_ptr_equal(ret.ciphertext, bytes + 141);
    proto_envelope_header_encode(&ret.header, bytes);
    assert_memory_equal(bytes, expected, sizeof(expected));
}

static void envelope_takes_both_keys_and_zeroise(void **state)
{
    struct proto_envelope_header header = make_header();
    struct proto_envelope ret;
    uint8_t bytes[PROTO_ENVELOPE_SIZE] = { 0 };

    (void)state;
    header.lorawan_version = PROTO_LORAWAN_1_1;
    header.keys = PROTO_KEY_NWK | PROTO_KEY_APP;
    proto_envelope_header_encode(&header, bytes);
    assert_int_equal(proto_envelope_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
    header.purpose = PROTO_PURPOSE_ZEROISE;
    header.keys = 0;
    proto_envelope_header_encode(&header, bytes);
    assert_int_equal(proto_envelope_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
}

static void receipt_refuses_bad_bytes(void **state)
{
    struct proto_receipt receipt = make_receipt();
    struct proto_receipt ret;
    uint8_t bytes[PROTO_RECEIPT_SIZE];

    (void)state;
    memset(&ret, 0xEE, sizeof(ret));
    proto_receipt_encode(&receipt, bytes);
    assert_int_equal(proto_receipt_decode(bytes, 0, &ret), PROTO_BAD_LENGTH);
    bytes[0] = 0;
    assert_int_equal(proto_receipt_decode(bytes, sizeof(bytes), &ret), PROTO_BAD_VERSION);
    bytes[0] = 1;
    bytes[1] = 0;
    assert_int_equal(proto_receipt_decode(bytes, sizeof(bytes), &ret), PROTO_BAD_SUITE);
    bytes[1] = 1;
    bytes[2] = 0;
    assert_int_equal(proto_receipt_decode(bytes, sizeof(bytes), &ret), PROTO_BAD_PURPOSE);
    bytes[2] = 1;
    bytes[3] = 2;
    assert_int_equal(proto_receipt_decode(bytes, sizeof(bytes), &ret), PROTO_BAD_FIELD);
    assert_int_equal(ret.slot, 0xEE);
}

static void receipt_has_exact_bytes(void **state)
{
    static const uint8_t start[36] = { 1, 1, 2, 1, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
        0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
        0x27, 0x11, 0x22, 0x33, 0x44, 0x30, 0x31, 0x32, 0x33 };
    struct proto_receipt receipt = make_receipt();
    struct proto_receipt ret;
    uint8_t bytes[PROTO_RECEIPT_SIZE];

    (void)state;
    memset(&ret, 0, sizeof(ret));
    proto_receipt_encode(&receipt, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    assert_int_equal(bytes[63], 0x4F);
    assert_int_equal(bytes[64], 0x50);
    assert_int_equal(bytes[96], 0x70);
    assert_int_equal(bytes[127], 0x8F);
    assert_int_equal(proto_receipt_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
    assert_memory_equal(ret.record_hash, receipt.record_hash, PROTO_HASH_SIZE);
    assert_memory_equal(ret.mac, receipt.mac, PROTO_MAC_SIZE);
    assert_int_equal(ret.key_version, receipt.key_version);
}

static void lock_answer_refuses_bad_bytes(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum proto_status status;
    } cases[] = {
        { 0, 2, PROTO_BAD_VERSION },
        { 1, 2, PROTO_BAD_SUITE },
        { 2, PROTO_VAULT_COMMITTED, PROTO_BAD_FIELD },
        { 2, PROTO_VAULT_ZEROISED, PROTO_BAD_FIELD },
        { 3, 1, PROTO_BAD_FIELD },
    };
    struct proto_lock_answer answer = make_lock_answer();
    struct proto_lock_answer ret;
    uint8_t bytes[PROTO_LOCK_ANSWER_SIZE + 1] = { 0 };

    (void)state;
    memset(&ret, 0xEE, sizeof(ret));
    proto_lock_answer_encode(&answer, bytes);
    assert_int_equal(
        proto_lock_answer_decode(bytes, PROTO_LOCK_ANSWER_SIZE - 1, &ret), PROTO_BAD_LENGTH);
    assert_int_equal(
        proto_lock_answer_decode(bytes, PROTO_LOCK_ANSWER_SIZE + 1, &ret), PROTO_BAD_LENGTH);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_lock_answer_encode(&answer, bytes);
        bytes[cases[i].at] = cases[i].value;
        assert_int_equal(
            proto_lock_answer_decode(bytes, PROTO_LOCK_ANSWER_SIZE, &ret), cases[i].status);
    }
    assert_int_equal(ret.chip_id[0], 0xEE);
}

static void lock_answer_has_exact_bytes(void **state)
{
    static const uint8_t start[36] = { 1, 1, 3, 0, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27,
        0x11, 0x22, 0x33, 0x44, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1A,
        0x1B, 0x1C, 0x1D, 0x1E, 0x1F, 0x50, 0x51, 0x52, 0x53 };
    struct proto_lock_answer answer = make_lock_answer();
    struct proto_lock_answer ret;
    uint8_t bytes[PROTO_LOCK_ANSWER_SIZE];

    (void)state;
    memset(&ret, 0, sizeof(ret));
    proto_lock_answer_encode(&answer, bytes);
    assert_memory_equal(bytes, start, sizeof(start));
    assert_int_equal(bytes[63], 0x6F);
    assert_int_equal(bytes[64], 0x70);
    assert_int_equal(bytes[95], 0x8F);
    assert_int_equal(proto_lock_answer_decode(bytes, sizeof(bytes), &ret), PROTO_OK);
    assert_memory_equal(&ret, &answer, sizeof(ret));
}

static void mailbox_crc_is_ieee(void **state)
{
    static const uint8_t payload[] = { 'a', 'b', 'c' };

    (void)state;
    /* CRC-32 of twelve zero bytes, and of 01000000 03000000 02000000 "abc". */
    assert_int_equal(proto_mailbox_crc(0, 0, 0, NULL), 0x7BD5C66FU);
    assert_int_equal(proto_mailbox_crc(1, 3, 2, payload), 0xAA3037F7U);
}

static void every_status_has_a_text(void **state)
{
    (void)state;
    assert_string_equal(proto_status_text(0), "unknown status");
    assert_string_equal(proto_status_text(PROTO_BAD_CONFIRMATION + 1), "unknown status");
    assert_string_equal(proto_status_text(UINT32_MAX), "unknown status");
    assert_string_equal(proto_status_text(PROTO_WRONG_CHIP), "wrong chip");
    for (uint32_t i = PROTO_OK; i <= PROTO_BAD_CONFIRMATION; i++)
        assert_string_not_equal(proto_status_text(i), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_refuses_bad_bytes),
        cmocka_unit_test(hello_has_exact_bytes),
        cmocka_unit_test(statement_refuses_bad_bytes),
        cmocka_unit_test(statement_has_exact_bytes),
        cmocka_unit_test(envelope_refuses_bad_bytes),
        cmocka_unit_test(envelope_has_exact_bytes),
        cmocka_unit_test(envelope_takes_both_keys_and_zeroise),
        cmocka_unit_test(receipt_refuses_bad_bytes),
        cmocka_unit_test(receipt_has_exact_bytes),
        cmocka_unit_test(lock_answer_refuses_bad_bytes),
        cmocka_unit_test(lock_answer_has_exact_bytes),
        cmocka_unit_test(mailbox_crc_is_ieee),
        cmocka_unit_test(every_status_has_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
