/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_DAP_H
#define PRG_DAP_H

/**
 * @file
 * CMSIS-DAP packets, pure: bytes in, bytes out. Sources: Arm CMSIS-DAP 2.1 command reference and
 * the behaviour of Arm's reference firmware.
 */

#include "programmer/transport.h"

enum prg_dap_command {
    PRG_DAP_INFO = 0x00,
    PRG_DAP_HOST_STATUS = 0x01,
    PRG_DAP_CONNECT = 0x02,
    PRG_DAP_DISCONNECT = 0x03,
    PRG_DAP_TRANSFER_CONFIGURE = 0x04,
    PRG_DAP_TRANSFER = 0x05,
    PRG_DAP_TRANSFER_BLOCK = 0x06,
    PRG_DAP_WRITE_ABORT = 0x08,
    PRG_DAP_DELAY = 0x09,
    PRG_DAP_SWJ_PINS = 0x10,
    PRG_DAP_SWJ_CLOCK = 0x11,
    PRG_DAP_SWJ_SEQUENCE = 0x12,
    PRG_DAP_SWD_CONFIGURE = 0x13,
};

/* DAP_Info ids. */
#define PRG_DAP_INFO_VENDOR       0x01U
#define PRG_DAP_INFO_PRODUCT      0x02U
#define PRG_DAP_INFO_SERIAL       0x03U
#define PRG_DAP_INFO_PROTOCOL     0x04U
#define PRG_DAP_INFO_FIRMWARE     0x09U
#define PRG_DAP_INFO_CAPABILITIES 0xF0U
#define PRG_DAP_INFO_PACKET_COUNT 0xFEU
#define PRG_DAP_INFO_PACKET_SIZE  0xFFU

#define PRG_DAP_CAPABILITY_SWD 0x01U

#define PRG_DAP_PIN_NRESET 0x80U

/* Transfer request byte: what is asked of the SWD line. */
#define PRG_DAP_AP    0x01U
#define PRG_DAP_READ  0x02U
#define PRG_DAP_MATCH 0x10U /**< read until (value & mask) equals the given word */
#define PRG_DAP_MASK  0x20U /**< write the match mask; nothing goes over the line */

/** Small fixed commands; each writes one packet of at most 64 bytes and returns its length. */
size_t prg_dap_encode_info(uint8_t id, uint8_t *ret_packet);
size_t prg_dap_encode_connect_swd(uint8_t *ret_packet);
size_t prg_dap_encode_disconnect(uint8_t *ret_packet);
size_t prg_dap_encode_configure(
    uint8_t idle_cycles, uint16_t wait_retry, uint16_t match_retry, uint8_t *ret_packet);
size_t prg_dap_encode_delay(uint16_t duration_us, uint8_t *ret_packet);
size_t prg_dap_encode_pins(uint8_t out, uint8_t select, uint32_t wait_us, uint8_t *ret_packet);
size_t prg_dap_encode_clock(uint32_t hz, uint8_t *ret_packet);
/** @param bits  1 … 256, @p data holds them, first bit lowest */
size_t prg_dap_encode_sequence(const uint8_t *data, unsigned bits, uint8_t *ret_packet);
size_t prg_dap_encode_swd_configure(uint8_t config, uint8_t *ret_packet);

/** True when this request is followed by a data word in the packet. */
bool prg_dap_request_has_word(uint8_t request);
/** True when this request brings a data word back (a match read does not). */
bool prg_dap_request_returns(uint8_t request);

/** A DAP_Transfer or DAP_TransferBlock packet in the making. */
struct prg_dap_batch {
    uint8_t packet[PRG_PACKET_MAX];
    size_t limit;           /**< the probe's packet size, request and response */
    size_t length;          /**< request bytes so far */
    size_t response_length; /**< bytes of a complete answer so far */
    uint32_t count;         /**< transfers so far */
};

/** Start an empty DAP_Transfer. */
void prg_dap_batch_init(struct prg_dap_batch *batch, size_t packet_size);

/** True when request, response and the count byte still have room for one more transfer. */
bool prg_dap_batch_fits(const struct prg_dap_batch *batch, uint8_t request);

/** Add one transfer that fits. @p value is used where the request has a word. */
void prg_dap_batch_add(struct prg_dap_batch *batch, uint8_t request, uint32_t value);

/** Words that one DAP_TransferBlock packet carries. */
uint32_t prg_dap_block_capacity(size_t packet_size, bool read);

/** Make a DAP_TransferBlock of @p count words; @p words are little-endian bytes, NULL for reads. */
void prg_dap_batch_block(
    struct prg_dap_batch *batch, uint8_t request, const uint8_t *words, uint32_t count);

/** How the SWD line did. */
enum prg_dap_ack {
    PRG_DAP_ACK_OK,
    PRG_DAP_ACK_WAIT,          /**< access port busy after all the probe's retries */
    PRG_DAP_ACK_FAULT,         /**< a sticky flag is set */
    PRG_DAP_ACK_NONE,          /**< nobody answers, or an impossible answer */
    PRG_DAP_ACK_PARITY,        /**< read data came with a wrong parity bit */
    PRG_DAP_ACK_MISMATCH,      /**< value match ran out; the line itself is well */
    PRG_DAP_ACK_NOT_CONNECTED, /**< the probe has forgotten DAP_Connect */
};

struct prg_dap_result {
    enum prg_dap_ack ack;
    uint8_t response;    /**< the byte as it came */
    uint32_t done;       /**< transfers carried out, as the probe counts them */
    const uint8_t *data; /**< read words, little-endian; meaningful only with ACK_OK */
};

/**
 * Take an answer to a batch apart.
 *
 * Bit 3 (parity) is looked at before the ACK bits: Arm's firmware reports a read parity error as
 * 0x08 with an ACK field of 0.
 *
 * @param padded  bytes after the answer mean nothing (HID); otherwise the length must be exact
 * @return true; false when the answer cannot belong to this batch
 */
bool prg_dap_parse_batch(uint8_t command, uint32_t count, size_t response_length, bool padded,
    const uint8_t *answer, size_t length, struct prg_dap_result *ret_result);

/** Text of an ACK for sentences; static storage. */
const char *prg_dap_ack_text(enum prg_dap_ack ack);

/**
 * Take a DAP_Info answer apart.
 *
 * @param[out] ret_data  borrows @p answer; *ret_length 0 when the probe does not tell
 * @return false: not an answer to DAP_Info, or its length byte exceeds what came
 */
bool prg_dap_parse_info(
    const uint8_t *answer, size_t length, const uint8_t **ret_data, size_t *ret_length);

/** Copy hostile text: printable ASCII only, others become '?', up to the first NUL. */
void prg_dap_copy_text(const uint8_t *data, size_t length, size_t size, char *ret_text);

#endif
