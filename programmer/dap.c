/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/dap.h"

#include <string.h>

#include "base/buf.h"

#define TRANSFER_HEADER 3U
#define BLOCK_HEADER    5U
#define BLOCK_ANSWER    4U

size_t prg_dap_encode_info(uint8_t id, uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_INFO;
    ret_packet[1] = id;
    return 2;
}

size_t prg_dap_encode_connect_swd(uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_CONNECT;
    ret_packet[1] = 1;
    return 2;
}

size_t prg_dap_encode_disconnect(uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_DISCONNECT;
    return 1;
}

size_t prg_dap_encode_configure(
    uint8_t idle_cycles, uint16_t wait_retry, uint16_t match_retry, uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_TRANSFER_CONFIGURE;
    ret_packet[1] = idle_cycles;
    base_put_le16(ret_packet + 2, wait_retry);
    base_put_le16(ret_packet + 4, match_retry);
    return 6;
}

size_t prg_dap_encode_delay(uint16_t duration_us, uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_DELAY;
    base_put_le16(ret_packet + 1, duration_us);
    return 3;
}

size_t prg_dap_encode_pins(uint8_t out, uint8_t select, uint32_t wait_us, uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_SWJ_PINS;
    ret_packet[1] = out;
    ret_packet[2] = select;
    base_put_le32(ret_packet + 3, wait_us);
    return 7;
}

size_t prg_dap_encode_clock(uint32_t hz, uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_SWJ_CLOCK;
    base_put_le32(ret_packet + 1, hz);
    return 5;
}

size_t prg_dap_encode_sequence(const uint8_t *data, unsigned bits, uint8_t *ret_packet)
{
    size_t bytes = (bits + 7U) / 8U;
    ret_packet[0] = PRG_DAP_SWJ_SEQUENCE;
    ret_packet[1] = (uint8_t)bits; /* 256 is sent as 0 */
    memcpy(ret_packet + 2, data, bytes);
    return 2 + bytes;
}

size_t prg_dap_encode_swd_configure(uint8_t config, uint8_t *ret_packet)
{
    ret_packet[0] = PRG_DAP_SWD_CONFIGURE;
    ret_packet[1] = config;
    return 2;
}

bool prg_dap_request_has_word(uint8_t request)
{
    return (request & PRG_DAP_READ) == 0 || (request & PRG_DAP_MATCH) != 0;
}

bool prg_dap_request_returns(uint8_t request)
{
    return (request & PRG_DAP_READ) != 0 && (request & PRG_DAP_MATCH) == 0;
}

void prg_dap_batch_init(struct prg_dap_batch *batch, size_t packet_size)
{
    batch->limit = packet_size;
    batch->packet[0] = PRG_DAP_TRANSFER;
    batch->packet[1] = 0; /* DAP index: JTAG only */
    batch->packet[2] = 0;
    batch->length = TRANSFER_HEADER;
    batch->response_length = TRANSFER_HEADER;
    batch->count = 0;
}

bool prg_dap_batch_fits(const struct prg_dap_batch *batch, uint8_t request)
{
    size_t out = prg_dap_request_has_word(request) ? 5 : 1;
    size_t in = prg_dap_request_returns(request) ? 4 : 0;
    return batch->count < 255 && batch->length + out <= batch->limit &&
           batch->response_length + in <= batch->limit;
}

void prg_dap_batch_add(struct prg_dap_batch *batch, uint8_t request, uint32_t value)
{
    batch->packet[batch->length++] = request;
    if (prg_dap_request_has_word(request)) {
        base_put_le32(batch->packet + batch->length, value);
        batch->length += 4;
    }
    if (prg_dap_request_returns(request)) {
        batch->response_length += 4;
    }
    batch->count++;
    batch->packet[2] = (uint8_t)batch->count;
}

uint32_t prg_dap_block_capacity(size_t packet_size, bool read)
{
    return (uint32_t)((packet_size - (read ? BLOCK_ANSWER : BLOCK_HEADER)) / 4);
}

void prg_dap_batch_block(
    struct prg_dap_batch *batch, uint8_t request, const uint8_t *words, uint32_t count)
{
    batch->packet[0] = PRG_DAP_TRANSFER_BLOCK;
    batch->packet[1] = 0;
    base_put_le16(batch->packet + 2, (uint16_t)count);
    batch->packet[4] = request;
    batch->length = BLOCK_HEADER;
    batch->response_length = BLOCK_ANSWER;
    batch->count = count;
    if ((request & PRG_DAP_READ) != 0) {
        batch->response_length += (size_t)count * 4;
    } else {
        memcpy(batch->packet + BLOCK_HEADER, words, (size_t)count * 4);
        batch->length += (size_t)count * 4;
    }
}

static enum prg_dap_ack classify(uint32_t done, uint8_t response)
{
    if (done == 0 && response == 0) {
        return PRG_DAP_ACK_NOT_CONNECTED;
    }
    if ((response & 0x08U) != 0) {
        return PRG_DAP_ACK_PARITY;
    }
    switch (response & 0x07U) {
    case 1:
        return (response & 0x10U) != 0 ? PRG_DAP_ACK_MISMATCH : PRG_DAP_ACK_OK;
    case 2:
        return PRG_DAP_ACK_WAIT;
    case 4:
        return PRG_DAP_ACK_FAULT;
    default:
        return PRG_DAP_ACK_NONE;
    }
}

bool prg_dap_parse_batch(uint8_t command, uint32_t count, size_t response_length, bool padded,
    const uint8_t *answer, size_t length, struct prg_dap_result *ret_result)
{
    size_t header = command == PRG_DAP_TRANSFER_BLOCK ? BLOCK_ANSWER : TRANSFER_HEADER;
    if (length < header || answer[0] != command) {
        return false;
    }
    uint32_t done = command == PRG_DAP_TRANSFER_BLOCK ? base_get_le16(answer + 1) : answer[1];
    uint8_t response = answer[header - 1];
    if (done > count || length > (padded ? PRG_PACKET_MAX : response_length)) {
        return false;
    }
    enum prg_dap_ack ack = classify(done, response);
    if (ack == PRG_DAP_ACK_OK &&
        (done != count || (padded ? length < response_length : length != response_length))) {
        return false;
    }
    ret_result->ack = ack;
    ret_result->response = response;
    ret_result->done = done;
    ret_result->data = answer + header;
    return true;
}

const char *prg_dap_ack_text(enum prg_dap_ack ack)
{
    switch (ack) {
    case PRG_DAP_ACK_OK:
        return "OK";
    case PRG_DAP_ACK_WAIT:
        return "WAIT after all retries";
    case PRG_DAP_ACK_FAULT:
        return "FAULT";
    case PRG_DAP_ACK_NONE:
        return "no acknowledge";
    case PRG_DAP_ACK_PARITY:
        return "a parity error in the data read";
    case PRG_DAP_ACK_MISMATCH:
        return "another value than waited for";
    case PRG_DAP_ACK_NOT_CONNECTED:
        return "that the probe is not connected";
    }
    return "an unknown answer";
}

bool prg_dap_parse_info(
    const uint8_t *answer, size_t length, const uint8_t **ret_data, size_t *ret_length)
{
    if (length < 2 || answer[0] != PRG_DAP_INFO || (size_t)answer[1] > length - 2) {
        return false;
    }
    *ret_data = answer + 2;
    *ret_length = answer[1];
    return true;
}

void prg_dap_copy_text(const uint8_t *data, size_t length, size_t size, char *ret_text)
{
    size_t used = 0;
    for (size_t i = 0; i < length && data[i] != 0 && used + 1 < size; i++) {
        bool printable = data[i] >= 0x20 && data[i] < 0x7F;
        ret_text[used++] = printable ? (char)data[i] : '?';
    }
    ret_text[used] = '\0';
}
