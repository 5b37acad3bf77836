/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/port.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/messages.h"

static uint32_t get_word(uint32_t offset)
{
    return bl_hal_read32(PROTO_MAILBOX_ADDRESS + offset);
}

static void put_word(uint32_t offset, uint32_t value)
{
    bl_hal_write32(PROTO_MAILBOX_ADDRESS + offset, value);
}

void bl_port_open(struct bl_port *ret_port, uint32_t boot_word)
{
    for (uint32_t at = 0; at < PROTO_MAILBOX_SIZE; at += 4)
        put_word(at, 0);
    bl_wipe(ret_port, sizeof(*ret_port));
    put_word(PROTO_MAILBOX_VERSION_AT, PROTO_VERSION);
    put_word(PROTO_MAILBOX_BOOT_AT, boot_word);
    put_word(PROTO_MAILBOX_MAGIC_AT, PROTO_MAILBOX_MAGIC);
}

void bl_port_close(void)
{
    put_word(PROTO_MAILBOX_MAGIC_AT, 0);
}

static void copy_in(struct bl_port *port, uint32_t length)
{
    for (uint32_t at = 0; at < length; at += 4) {
        uint32_t word = get_word(PROTO_MAILBOX_REQ_PAYLOAD_AT + at);

        for (uint32_t i = 0; i < 4; i++)
            port->request[at + i] = (uint8_t)(word >> 8U * i);
    }
}

static void copy_out(const struct bl_answer *answer)
{
    for (uint32_t at = 0; at < answer->length; at += 4) {
        uint32_t word = 0;

        for (uint32_t i = 0; i < 4 && at + i < answer->length; i++)
            word |= (uint32_t)answer->payload[at + i] << 8U * i;
        put_word(PROTO_MAILBOX_RSP_PAYLOAD_AT + at, word);
    }
}

static enum proto_status execute(struct bl_port *port, struct bl_device *device, uint32_t sequence)
{
    uint32_t command = get_word(PROTO_MAILBOX_REQ_COMMAND_AT);
    uint32_t length = get_word(PROTO_MAILBOX_REQ_LENGTH_AT);
    uint32_t crc = get_word(PROTO_MAILBOX_REQ_CRC_AT);

    if (length > PROTO_MAILBOX_PAYLOAD_SIZE)
        return PROTO_BAD_LENGTH;
    copy_in(port, length);
    if (proto_mailbox_crc(command, length, sequence, port->request) != crc)
        return PROTO_BAD_CRC;
    return bl_device_execute(device, command, port->request, length, &port->answer);
}

bool bl_port_poll(struct bl_port *port, struct bl_device *device)
{
    uint32_t sequence = get_word(PROTO_MAILBOX_REQ_SEQUENCE_AT);
    uint32_t length;
    enum proto_status status;

    /* 0 is no number: a mailbox that the station has cleared holds no command. */
    if (sequence == port->answered || sequence == 0)
        return false;
    port->answer.length = 0;
    status = execute(port, device, sequence);
    /* The cryptography's own frames held secrets. */
    bl_hal_clear_stack();
    length = (uint32_t)port->answer.length;
    copy_out(&port->answer);
    put_word(PROTO_MAILBOX_RSP_STATUS_AT, status);
    put_word(PROTO_MAILBOX_RSP_LENGTH_AT, length);
    put_word(PROTO_MAILBOX_RSP_CRC_AT,
        proto_mailbox_crc(status, length, sequence, port->answer.payload));
    port->answered = sequence;
    put_word(PROTO_MAILBOX_RSP_SEQUENCE_AT, sequence);
    return true;
}
