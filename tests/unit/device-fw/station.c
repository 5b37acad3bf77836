/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/station.h"

#include <cmocka.h>

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/protect.h"

static uint32_t get(uint32_t at)
{
    return bl_hal_read32(PROTO_MAILBOX_ADDRESS + at);
}

static void put(uint32_t at, uint32_t value)
{
    bl_hal_write32(PROTO_MAILBOX_ADDRESS + at, value);
}

void station_boot(struct station *station)
{
    chip_power_on();
    bl_device_start(&station->device, bl_protect_apply());
    bl_port_open(&station->port, 1);
    station->sequence = 0;
    assert_int_equal(get(PROTO_MAILBOX_MAGIC_AT), PROTO_MAILBOX_MAGIC);
    assert_int_equal(get(PROTO_MAILBOX_RSP_SEQUENCE_AT), 0);
}

void station_begin(struct station *station, struct authority *authority)
{
    authority_init(authority, 1);
    chip_new(1);
    chip_bind(authority->public_key, NULL, true);
    station_boot(station);
}

enum proto_status station_ask(struct station *station, uint32_t command, const void *payload,
    size_t length, struct bl_answer *ret_answer)
{
    uint32_t sequence = ++station->sequence;
    uint32_t status;

    memcpy(chip.mailbox + PROTO_MAILBOX_REQ_PAYLOAD_AT, payload, length);
    put(PROTO_MAILBOX_REQ_COMMAND_AT, command);
    put(PROTO_MAILBOX_REQ_LENGTH_AT, (uint32_t)length);
    put(PROTO_MAILBOX_REQ_CRC_AT, proto_mailbox_crc(command, (uint32_t)length, sequence, payload));
    put(PROTO_MAILBOX_REQ_SEQUENCE_AT, sequence);
    assert_true(bl_port_poll(&station->port, &station->device));
    assert_false(bl_port_poll(&station->port, &station->device));
    assert_int_equal(get(PROTO_MAILBOX_RSP_SEQUENCE_AT), sequence);
    status = get(PROTO_MAILBOX_RSP_STATUS_AT);
    ret_answer->length = get(PROTO_MAILBOX_RSP_LENGTH_AT);
    assert_true(ret_answer->length <= sizeof(ret_answer->payload));
    memcpy(ret_answer->payload, chip.mailbox + PROTO_MAILBOX_RSP_PAYLOAD_AT, ret_answer->length);
    assert_int_equal(get(PROTO_MAILBOX_RSP_CRC_AT),
        proto_mailbox_crc(status, (uint32_t)ret_answer->length, sequence, ret_answer->payload));
    return (enum proto_status)status;
}

enum proto_status station_status(
    struct station *station, uint32_t command, const void *payload, size_t length)
{
    struct bl_answer answer;
    enum proto_status status = station_ask(station, command, payload, length, &answer);

    if (status != PROTO_OK && status != PROTO_ALREADY)
        assert_int_equal(answer.length, 0);
    return status;
}

struct proto_hello station_hello(struct station *station)
{
    struct bl_answer answer;
    struct proto_hello ret;

    assert_int_equal(station_ask(station, PROTO_CMD_HELLO, "", 0, &answer), PROTO_OK);
    assert_int_equal(proto_hello_decode(answer.payload, answer.length, &ret), PROTO_OK);
    return ret;
}

void station_identify(struct station *station, const struct authority *authority,
    struct proto_statement *ret_statement)
{
    struct bl_answer answer;

    assert_int_equal(
        station_ask(station, PROTO_CMD_STATEMENT, authority->key_id, PROTO_KEY_ID_SIZE, &answer),
        PROTO_OK);
    assert_int_equal(answer.length, PROTO_STATEMENT_SIZE);
    authority_check_statement(authority, answer.payload, ret_statement);
}

enum proto_status station_install(struct station *station, const struct authority *authority,
    const struct proto_statement *statement, uint32_t key_version)
{
    struct proto_envelope_header header = authority_header(authority, statement, key_version);
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;
    struct bl_answer answer;
    enum proto_status status;

    memset(plain + PROTO_ROOT_KEY_SIZE, (int)(0x40 + key_version), PROTO_ROOT_KEY_SIZE);
    authority_seal(authority, &header, statement->public_key, plain, envelope, receipt_key);
    status = station_ask(station, PROTO_CMD_INSTALL, envelope, sizeof(envelope), &answer);
    if (status == PROTO_OK || status == PROTO_ALREADY) {
        assert_int_equal(answer.length, PROTO_RECEIPT_SIZE);
        authority_check_receipt(receipt_key, envelope, answer.payload, &receipt);
    } else {
        assert_int_equal(answer.length, 0);
    }
    return status;
}
