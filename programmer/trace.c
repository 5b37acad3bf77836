/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/hex.h"
#include "programmer/dap.h"

#define WORDS_SHOWN 16U
#define ITEMS_SHOWN 24U

struct line {
    char *text;
    size_t size, used;
};

static void __attribute__((format(printf, 2, 3))) put(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int need = vsnprintf(line->text + line->used, line->size - line->used, format, args);
    va_end(args);
    size_t room = line->size - line->used - 1;
    line->used += need < 0 ? 0 : ((size_t)need < room ? (size_t)need : room);
}

static const char *command_name(uint8_t command)
{
    static const struct {
        uint8_t command;
        const char *name;
    } names[] = { { 0x00, "Info" }, { 0x01, "HostStatus" }, { 0x02, "Connect" },
        { 0x03, "Disconnect" }, { 0x04, "TransferConfigure" }, { 0x05, "Transfer" },
        { 0x06, "TransferBlock" }, { 0x07, "TransferAbort" }, { 0x08, "WriteABORT" },
        { 0x09, "Delay" }, { 0x0A, "ResetTarget" }, { 0x10, "SWJ_Pins" }, { 0x11, "SWJ_Clock" },
        { 0x12, "SWJ_Sequence" }, { 0x13, "SWD_Configure" }, { 0x1D, "SWD_Sequence" },
        { 0x80, "KitProg version" }, { 0x83, "KitProg light" }, { 0x84, "KitProg power" },
        { 0x85, "KitProg acquire" }, { 0xFF, "unknown command" } };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].command == command) {
            return names[i].name;
        }
    }
    return NULL;
}

static void put_name(struct line *line, uint8_t command)
{
    const char *name = command_name(command);
    if (name == NULL) {
        put(line, "command %02x", command);
    } else {
        put(line, "%s", name);
    }
}

static void put_bytes(struct line *line, const uint8_t *bytes, size_t length)
{
    size_t shown = length < 4 * WORDS_SHOWN ? length : 4 * WORDS_SHOWN;
    for (size_t i = 0; i < shown; i++) {
        put(line, "%s%02x", i == 0 ? " " : "", bytes[i]);
    }
    if (shown < length) {
        put(line, " and %zu bytes", length - shown);
    }
}

static void put_words(struct line *line, const uint8_t *bytes, size_t length)
{
    size_t words = length / 4;
    for (size_t i = 0; i < words && i < WORDS_SHOWN; i++) {
        put(line, " %08" PRIx32, base_get_le32(bytes + 4 * i));
    }
    if (words > WORDS_SHOWN) {
        put(line, " and %zu words", words - WORDS_SHOWN);
    }
}

/* Register of one transfer; which bank of an access port SELECT has chosen is not known here. */
static void put_register(struct line *line, uint8_t request)
{
    static const char *const read[4] = { "DPIDR", "CTRL/STAT", "RESEND", "RDBUFF" };
    static const char *const write[4] = { "ABORT", "CTRL/STAT", "SELECT", "TARGETSEL" };
    unsigned at = request >> 2 & 3U;
    if ((request & PRG_DAP_AP) != 0) {
        put(line, "AP+%x", at * 4);
    } else {
        put(line, "%s", (request & PRG_DAP_READ) != 0 ? read[at] : write[at]);
    }
}

static void put_transfers(struct line *line, const uint8_t *packet, size_t length)
{
    unsigned count = packet[2];
    size_t at = 3;
    put(line, " %u:", count);
    for (unsigned i = 0; i < count && at < length; i++) {
        uint8_t request = packet[at++];
        bool has_word = prg_dap_request_has_word(request);
        if (has_word && length - at < 4) {
            put(line, " cut short");
            return;
        }
        if (i < ITEMS_SHOWN) {
            put(line, "%s ", i == 0 ? "" : ",");
            if ((request & PRG_DAP_MASK) != 0) {
                put(line, "mask");
            } else {
                put_register(line, request);
            }
            if (has_word) {
                put(line, "%s%08" PRIx32, (request & PRG_DAP_MATCH) != 0 ? "==" : "=",
                    base_get_le32(packet + at));
            }
        }
        at += has_word ? 4 : 0;
    }
    if (count > ITEMS_SHOWN) {
        put(line, " and %u more", count - ITEMS_SHOWN);
    }
}

static void put_request(struct line *line, const uint8_t *packet, size_t length)
{
    put(line, "> ");
    put_name(line, packet[0]);
    if (packet[0] == PRG_DAP_TRANSFER && length >= 3) {
        put_transfers(line, packet, length);
    } else if (packet[0] == PRG_DAP_TRANSFER_BLOCK && length >= 5) {
        put(line, " %u: ", base_get_le16(packet + 2));
        put_register(line, packet[4]);
        if ((packet[4] & PRG_DAP_READ) == 0) {
            put_words(line, packet + 5, length - 5);
        }
    } else if (packet[0] == PRG_DAP_SWJ_CLOCK && length >= 5) {
        put(line, " %" PRIu32 " Hz", base_get_le32(packet + 1));
    } else if (packet[0] == PRG_DAP_DELAY && length >= 3) {
        put(line, " %u us", base_get_le16(packet + 1));
    } else {
        put_bytes(line, packet + 1, length - 1);
    }
}

static void put_response(struct line *line, const uint8_t *packet, size_t length)
{
    struct prg_dap_result result;
    bool block = packet[0] == PRG_DAP_TRANSFER_BLOCK;
    put(line, "< ");
    put_name(line, packet[0]);
    if ((packet[0] == PRG_DAP_TRANSFER || block) && length >= (block ? 4U : 3U)) {
        size_t header = block ? 4 : 3;
        uint32_t done = block ? base_get_le16(packet + 1) : packet[1];
        /* The count that was asked for is not known: the answer's own is taken. */
        bool told = prg_dap_parse_batch(packet[0], done, length, true, packet, length, &result);
        put(line, " %" PRIu32 " %s", done, told ? prg_dap_ack_text(result.ack) : "malformed");
        put_words(line, packet + header, length - header);
    } else {
        put_bytes(line, packet + 1, length - 1);
    }
}

void prg_trace_text(
    enum prg_trace_kind kind, const uint8_t *packet, size_t length, size_t size, char *ret_text)
{
    struct line line = { ret_text, size, 0 };
    ret_text[0] = '\0';
    if (length == 0) {
        put(&line, "%s nothing", kind == PRG_TRACE_REQUEST ? ">" : "<");
    } else if (kind == PRG_TRACE_REQUEST) {
        put_request(&line, packet, length);
    } else {
        put_response(&line, packet, length);
    }
}

void prg_tracer_begin(
    struct prg_tracer *tracer, FILE *text, FILE *record, const struct base_clock *clock)
{
    *tracer = (struct prg_tracer){ .text = text, .record = record, .clock = clock };
    tracer->begin_us = base_clock_mono_us(clock);
    if (record != NULL) {
        (void)fputs("lpa-wire 1\n", record);
    }
}

bool prg_tracer_packet(
    void *user, enum prg_trace_kind kind, uint8_t *packet, size_t *length, size_t size)
{
    (void)size;
    struct prg_tracer *tracer = user;
    size_t shown = *length < PRG_PACKET_MAX ? *length : PRG_PACKET_MAX;
    tracer->packets += kind == PRG_TRACE_REQUEST ? 1 : 0;
    if (tracer->text != NULL) {
        char text[PRG_TRACE_TEXT_SIZE];
        int64_t spent_us = base_clock_mono_us(tracer->clock) - tracer->begin_us;
        prg_trace_text(kind, packet, shown, sizeof(text), text);
        (void)fprintf(
            tracer->text, "%9.3f ms %5lu %s\n", (double)spent_us / 1000.0, tracer->packets, text);
    }
    if (tracer->record != NULL) {
        char hex[2 * PRG_PACKET_MAX + 1];
        base_hex_encode(packet, shown, hex);
        (void)fprintf(tracer->record, "%s %s\n", kind == PRG_TRACE_REQUEST ? ">" : "<", hex);
    }
    return true;
}
