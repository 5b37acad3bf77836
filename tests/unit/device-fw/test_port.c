/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of the mailbox against a station that says anything at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/hal.h"
#include "tests/unit/device-fw/station.h"

#define WILD_ROUNDS 20000U

static struct station station;
static struct authority authority;

static int setup(void **state)
{
    (void)state;
    station_begin(&station, &authority);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    authority_done(&authority);
    return 0;
}

static uint32_t get(uint32_t at)
{
    return bl_hal_read32(PROTO_MAILBOX_ADDRESS + at);
}

static void put(uint32_t at, uint32_t value)
{
    bl_hal_write32(PROTO_MAILBOX_ADDRESS + at, value);
}

static void command(uint32_t number, uint32_t length, uint32_t crc, uint32_t sequence)
{
    put(PROTO_MAILBOX_REQ_COMMAND_AT, number);
    put(PROTO_MAILBOX_REQ_LENGTH_AT, length);
    put(PROTO_MAILBOX_REQ_CRC_AT, crc);
    put(PROTO_MAILBOX_REQ_SEQUENCE_AT, sequence);
}

static void bad_frames_are_answered(void **state)
{
    static const uint32_t lengths[] = { PROTO_MAILBOX_PAYLOAD_SIZE + 1, 0x10000, UINT32_MAX };
    uint32_t sequence = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        command(PROTO_CMD_HELLO, lengths[i], 0, ++sequence);
        assert_true(bl_port_poll(&station.port, &station.device));
        assert_int_equal(get(PROTO_MAILBOX_RSP_STATUS_AT), PROTO_BAD_LENGTH);
    }
    command(PROTO_CMD_HELLO, 0, proto_mailbox_crc(PROTO_CMD_HELLO, 0, sequence + 1, NULL) ^ 1,
        sequence + 1);
    assert_true(bl_port_poll(&station.port, &station.device));
    assert_int_equal(get(PROTO_MAILBOX_RSP_STATUS_AT), PROTO_BAD_CRC);
    assert_int_equal(get(PROTO_MAILBOX_RSP_LENGTH_AT), 0);
    assert_int_equal(get(PROTO_MAILBOX_RSP_SEQUENCE_AT), sequence + 1);
}

static void same_number_is_not_executed_again(void **state)
{
    struct bl_answer answer;

    (void)state;
    assert_int_equal(station_ask(&station, PROTO_CMD_HELLO, "", 0, &answer), PROTO_OK);
    command(PROTO_CMD_RESET, 0, proto_mailbox_crc(PROTO_CMD_RESET, 0, 1, NULL), 1);
    assert_false(bl_port_poll(&station.port, &station.device));
    assert_false(station.device.reset_wanted);
    /* Not even when the station overwrites the number that the device gave. */
    put(PROTO_MAILBOX_RSP_SEQUENCE_AT, 0);
    assert_false(bl_port_poll(&station.port, &station.device));
    put(PROTO_MAILBOX_REQ_SEQUENCE_AT, 0);
    assert_false(bl_port_poll(&station.port, &station.device));
}

static void answers_are_padded_with_zeros(void **state)
{
    struct proto_statement statement;
    struct bl_answer answer;

    (void)state;
    station_identify(&station, &authority, &statement);
    assert_int_equal(station_install(&station, &authority, &statement, 1), PROTO_OK);
    assert_int_equal(station_ask(&station, PROTO_CMD_SELF_TEST, "", 0, &answer), PROTO_OK);
    assert_int_equal(answer.length, PROTO_JOIN_REQUEST_SIZE);
    assert_int_equal(chip.mailbox[PROTO_MAILBOX_RSP_PAYLOAD_AT + PROTO_JOIN_REQUEST_SIZE], 0);
}

static void opening_leaves_nothing_of_before(void **state)
{
    (void)state;
    memset(chip.mailbox, 0xEE, sizeof(chip.mailbox));
    bl_port_open(&station.port, 0x12345678);
    assert_int_equal(get(PROTO_MAILBOX_MAGIC_AT), PROTO_MAILBOX_MAGIC);
    assert_int_equal(get(PROTO_MAILBOX_VERSION_AT), PROTO_VERSION);
    assert_int_equal(get(PROTO_MAILBOX_BOOT_AT), 0x12345678);
    for (uint32_t at = 0xC; at < PROTO_MAILBOX_SIZE; at += 4)
        assert_int_equal(get(at), 0);
    bl_port_close();
    assert_int_equal(get(PROTO_MAILBOX_MAGIC_AT), 0);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* Anything in the mailbox, half of it with a right checksum: always an answer, never a change. */
static void wild_commands_change_nothing(void **state)
{
    uint64_t seed = 20261124;
    struct proto_statement statement;
    uint8_t home[PROTO_VAULT_HOME_SIZE];

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    station_identify(&station, &authority, &statement);
    memcpy(home, chip.home[0], sizeof(home));
    for (uint32_t i = 2; i < WILD_ROUNDS; i++) {
        uint32_t number = next_random(&seed) % 12;
        uint32_t length = next_random(&seed) % (next_random(&seed) % 2 == 0 ? 200 : 600);
        uint8_t *payload = chip.mailbox + PROTO_MAILBOX_REQ_PAYLOAD_AT;
        uint32_t crc = next_random(&seed);

        for (uint32_t at = 0; at < PROTO_MAILBOX_PAYLOAD_SIZE; at++)
            payload[at] = (uint8_t)next_random(&seed);
        payload[0] = (uint8_t)(next_random(&seed) % 3);
        payload[1] = (uint8_t)(next_random(&seed) % 3);
        payload[2] = (uint8_t)(next_random(&seed) % 5);
        if (next_random(&seed) % 2 == 0 && length <= PROTO_MAILBOX_PAYLOAD_SIZE)
            crc = proto_mailbox_crc(number, length, i, payload);
        command(number, length, crc, i);
        assert_true(bl_port_poll(&station.port, &station.device));
        assert_int_equal(get(PROTO_MAILBOX_RSP_SEQUENCE_AT), i);
        assert_true(get(PROTO_MAILBOX_RSP_STATUS_AT) >= PROTO_OK);
        assert_true(get(PROTO_MAILBOX_RSP_LENGTH_AT) <= PROTO_STATEMENT_SIZE);
    }
    assert_memory_equal(chip.home[0], home, sizeof(home));
    assert_memory_equal(chip.home[1], home, sizeof(home));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_frames_are_answered),
        TEST(same_number_is_not_executed_again),
        TEST(answers_are_padded_with_zeros),
        TEST(opening_leaves_nothing_of_before),
        TEST(wild_commands_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
