/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the device's side of the mailbox, host build of the bootloader. A station that
 * writes anything at all: the device answers every number once, within its answer area, and its
 * vault keeps holding no key, since no authority ever sealed an envelope. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "device-fw/bootloader/hal.h"
#include "tests/unit/device-fw/station.h"

#define FRAMES_MAX 12

static void put(uint32_t at, uint32_t value)
{
    bl_hal_write32(PROTO_MAILBOX_ADDRESS + at, value);
}

static uint32_t get(uint32_t at)
{
    return bl_hal_read32(PROTO_MAILBOX_ADDRESS + at);
}

/* One frame of the input: command, flags, length, payload. Flag 1 lies about the CRC, flag 2 about
 * the length, flag 4 takes the command from outside the list. */
static void send_frame(struct base_cursor *cursor, uint32_t sequence)
{
    uint8_t payload[PROTO_MAILBOX_PAYLOAD_SIZE] = { 0 };
    uint32_t command = base_cursor_u8(cursor);
    uint8_t flags = base_cursor_u8(cursor);
    uint32_t length = base_cursor_le16(cursor) % (sizeof(payload) + 1);
    const uint8_t *bytes = base_cursor_take(cursor, length);
    if (bytes == NULL) {
        length = 0;
    } else {
        memcpy(payload, bytes, length);
    }
    command = (flags & 4) != 0 ? command * 0x01010101U : command % (PROTO_CMD_FORGET + 1);
    uint32_t crc = proto_mailbox_crc(command, length, sequence, payload);
    for (uint32_t at = 0; at < length; at += 4) {
        put(PROTO_MAILBOX_REQ_PAYLOAD_AT + at, base_get_le32(payload + at));
    }
    put(PROTO_MAILBOX_REQ_COMMAND_AT, command);
    put(PROTO_MAILBOX_REQ_LENGTH_AT, (flags & 2) != 0 ? length ^ 0xFFFF0000U : length);
    put(PROTO_MAILBOX_REQ_CRC_AT, (flags & 1) != 0 ? crc ^ 1 : crc);
    put(PROTO_MAILBOX_REQ_SEQUENCE_AT, sequence);
}

static void check_answer(uint32_t sequence)
{
    uint32_t length = get(PROTO_MAILBOX_RSP_LENGTH_AT);
    uint32_t status = get(PROTO_MAILBOX_RSP_STATUS_AT);
    uint8_t payload[PROTO_MAILBOX_PAYLOAD_SIZE];
    FUZZ_CHECK(get(PROTO_MAILBOX_RSP_SEQUENCE_AT) == sequence);
    FUZZ_CHECK(length <= PROTO_STATEMENT_SIZE);
    FUZZ_CHECK(length == 0 || status == PROTO_OK || status == PROTO_ALREADY);
    FUZZ_CHECK(PROTO_MAILBOX_RSP_PAYLOAD_AT + length <= sizeof(chip.mailbox));
    memcpy(payload, chip.mailbox + PROTO_MAILBOX_RSP_PAYLOAD_AT, length);
    FUZZ_CHECK(
        get(PROTO_MAILBOX_RSP_CRC_AT) == proto_mailbox_crc(status, length, sequence, payload));
}

/* A bound chip with its identity, made once: each run starts from a copy. */
static void prepare(struct station *station, struct chip *ret_fresh)
{
    struct authority authority;
    struct bl_answer answer;
    authority_init(&authority, 1);
    chip_new(1);
    chip_bind(authority.public_key, NULL, true);
    station_boot(station);
    FUZZ_CHECK(station_ask(station, PROTO_CMD_STATEMENT, authority.key_id, PROTO_KEY_ID_SIZE,
                   &answer) == PROTO_OK);
    authority_done(&authority);
    *ret_fresh = chip;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct station fresh_station; /* libFuzzer offers no other place */
    static struct chip fresh_chip;
    static bool ready;
    if (!ready) {
        prepare(&fresh_station, &fresh_chip);
        ready = true;
    }
    struct station station = fresh_station;
    struct base_cursor cursor;
    chip = fresh_chip;
    base_cursor_init(&cursor, data, size);
    uint32_t sequence = station.port.answered;
    for (unsigned i = 0; i < FRAMES_MAX && base_cursor_left(&cursor) > 0; i++) {
        sequence++;
        send_frame(&cursor, sequence);
        if (bl_port_poll(&station.port, &station.device)) {
            check_answer(sequence);
            FUZZ_CHECK(!bl_port_poll(&station.port, &station.device));
        }
    }
    FUZZ_CHECK(memcmp(chip.home, fresh_chip.home, sizeof(chip.home)) == 0);
    return 0;
}
