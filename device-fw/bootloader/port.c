/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/port.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/wipe.h"
#include "device-fw/protocol/messages.h"

/* The first 1/16 of SRAM: all that a restricted port reaches. */
#define WINDOW_ADDRESS 0x08000000U
#define WINDOW_SIZE    0x4000U

_Static_assert(PROTO_MAILBOX_ADDRESS - WINDOW_ADDRESS <= WINDOW_SIZE - PROTO_MAILBOX_SIZE,
    "the mailbox lies in what the port reaches");
_Static_assert(
    sizeof(((struct bl_answer *)0)->payload) <= PROTO_MAILBOX_PAYLOAD_SIZE, "answers fit");

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
    /* RAM keeps its contents over a reset: what an application has left there is not for the port.
     */
    for (uint32_t at = 0; at < WINDOW_SIZE; at += 4)
        bl_hal_write32(WINDOW_ADDRESS + at, 0);
    bl_wipe(ret_port, sizeof(*ret_port));
    put_word(PROTO_MAILBOX_VERSION_AT, PROTO_VERSION);
    put_word(PROTO_MAILBOX_BOOT_AT, boot_word);
    put_word(PROTO_MAILBOX_MAGIC_AT, PROTO_MAILBOX_MAGIC);
}

void bl_port_close(void)
{
    put_word(PROTO_MAILBOX_MAGIC_AT, 0);
}

/* The only way out of the mailbox: every word of a request once, into memory that the port cannot
 * reach, before anything about it is believed. False: longer than a mailbox can hold. */
static bool take_request(struct bl_port *port)
{
    port->command = get_word(PROTO_MAILBOX_REQ_COMMAND_AT);
    port->length = get_word(PROTO_MAILBOX_REQ_LENGTH_AT);
    port->crc = get_word(PROTO_MAILBOX_REQ_CRC_AT);
    if (port->length > sizeof(port->request))
        return false;
    for (uint32_t at = 0; at < port->length; at += 4) {
        uint32_t word = get_word(PROTO_MAILBOX_REQ_PAYLOAD_AT + at);

        for (uint32_t i = 0; i < 4; i++)
            port->request[at + i] = (uint8_t)(word >> 8U * i);
    }
    return true;
}

/* The only way in: an answer, all of which is public, and its number last. */
static void give_answer(struct bl_port *port, enum proto_status status, uint32_t sequence)
{
    const struct bl_answer *answer = &port->answer;
    uint32_t length = (uint32_t)answer->length;

    for (uint32_t at = 0; at < length; at += 4) {
        uint32_t word = 0;

        for (uint32_t i = 0; i < 4 && at + i < length; i++)
            word |= (uint32_t)answer->payload[at + i] << 8U * i;
        put_word(PROTO_MAILBOX_RSP_PAYLOAD_AT + at, word);
    }
    put_word(PROTO_MAILBOX_RSP_STATUS_AT, status);
    put_word(PROTO_MAILBOX_RSP_LENGTH_AT, length);
    put_word(
        PROTO_MAILBOX_RSP_CRC_AT, proto_mailbox_crc(status, length, sequence, answer->payload));
    port->answered = sequence;
    put_word(PROTO_MAILBOX_RSP_SEQUENCE_AT, sequence);
}

static enum proto_status execute(struct bl_port *port, struct bl_device *device, uint32_t sequence)
{
    if (!take_request(port))
        return PROTO_BAD_LENGTH;
    if (proto_mailbox_crc(port->command, port->length, sequence, port->request) != port->crc)
        return PROTO_BAD_CRC;
    return bl_device_execute(device, port->command, port->request, port->length, &port->answer);
}

/* What was said before to a device that has forgotten itself names its key and its nonces. And the
 * record is looked at: a glitch may have said so of another command. */
static enum proto_status finish_forget(struct bl_port *port, const struct bl_device *device)
{
    port->answer.length = 0;
    bl_wipe(port->request, sizeof(port->request));
    bl_wipe(port->answer.payload, sizeof(port->answer.payload));
    for (uint32_t at = 0; at < PROTO_MAILBOX_PAYLOAD_SIZE; at += 4) {
        put_word(PROTO_MAILBOX_REQ_PAYLOAD_AT + at, 0);
        put_word(PROTO_MAILBOX_RSP_PAYLOAD_AT + at, 0);
    }
    return device->vault.record.state == PROTO_VAULT_FORGOTTEN ? PROTO_OK : PROTO_FLASH_FAILED;
}

bool bl_port_poll(struct bl_port *port, struct bl_device *device)
{
    uint32_t sequence = get_word(PROTO_MAILBOX_REQ_SEQUENCE_AT);
    enum proto_status status;

    /* 0 is no number: a mailbox that the station has cleared holds no command. */
    if (sequence == port->answered || sequence == 0)
        return false;
    port->answer.length = 0;
    status = execute(port, device, sequence);
    /* The cryptography's own frames held secrets. */
    bl_hal_clear_stack();
    if (port->command == PROTO_CMD_FORGET && status == PROTO_OK)
        status = finish_forget(port, device);
    give_answer(port, status, sequence);
    return true;
}
