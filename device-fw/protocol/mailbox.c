/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/protocol/mailbox.h"

#include "device-fw/protocol/messages.h"

#define CRC32_POLYNOMIAL 0xEDB88320U

/* Bit by bit: a command is at most 512 bytes, and a table would cost the device 1 KiB of flash. */
static uint32_t crc_byte(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (unsigned bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (CRC32_POLYNOMIAL & (0U - (crc & 1U)));
    return crc;
}

/* Words count in the byte order in which they lie in the mailbox. */
static uint32_t crc_word(uint32_t crc, uint32_t word)
{
    for (unsigned shift = 0; shift < 32; shift += 8)
        crc = crc_byte(crc, (uint8_t)(word >> shift));
    return crc;
}

uint32_t proto_mailbox_crc(
    uint32_t command, uint32_t length, uint32_t sequence, const uint8_t *payload)
{
    uint32_t crc = 0xFFFFFFFFU;

    crc = crc_word(crc, command);
    crc = crc_word(crc, length);
    crc = crc_word(crc, sequence);
    for (uint32_t i = 0; i < length; i++)
        crc = crc_byte(crc, payload[i]);
    return ~crc;
}

static const char *const status_texts[] = {
    [PROTO_OK] = "ok",
    [PROTO_ALREADY] = "already installed",
    [PROTO_BAD_CRC] = "command damaged on its way",
    [PROTO_BAD_LENGTH] = "wrong length",
    [PROTO_BAD_COMMAND] = "unknown command",
    [PROTO_BAD_VERSION] = "unknown protocol version",
    [PROTO_BAD_SUITE] = "unknown cipher suite",
    [PROTO_BAD_PURPOSE] = "wrong purpose",
    [PROTO_BAD_FIELD] = "field out of range",
    [PROTO_WRONG_CHIP] = "wrong chip",
    [PROTO_WRONG_NONCE] = "wrong nonce",
    [PROTO_OLD_KEY_VERSION] = "key version not above the last one",
    [PROTO_WRONG_AUTHORITY] = "unknown provisioning authority",
    [PROTO_BAD_POINT] = "key is not a point of the curve",
    [PROTO_BAD_MAC] = "envelope does not open",
    [PROTO_NOT_BOUND] = "image is not bound to an authority",
    [PROTO_NO_IDENTITY] = "no identity yet",
    [PROTO_NO_RECORD] = "no keys committed",
    [PROTO_NOT_RESTRICTED] = "debug port is open",
    [PROTO_TRNG_FAILED] = "random number generator failed its health test",
    [PROTO_FLASH_FAILED] = "flash write failed",
    [PROTO_VAULT_CORRUPT] = "key vault is corrupt",
    [PROTO_FOREIGN_RECORD] = "key vault belongs to another chip",
    [PROTO_UNSUPPORTED] = "not supported by this image",
    [PROTO_WRONG_STATE] = "not possible in the present state",
    [PROTO_FORGOTTEN] = "this chip was scrapped and has forgotten its identity",
    [PROTO_BAD_CONFIRMATION] = "confirmation is not for this chip's receipt",
};

const char *proto_status_text(uint32_t status)
{
    if (status < PROTO_OK || status >= sizeof(status_texts) / sizeof(status_texts[0]))
        return "unknown status";
    return status_texts[status];
}
