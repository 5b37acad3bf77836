/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_probe.h"

#include <stdlib.h>
#include <string.h>

/* More than any probe's packet count, with room for what faults add. */
#define REPLIES_MAX 512U

struct reply {
    size_t length;
    size_t sent;      /**< v2: bytes handed over */
    bool zlp_pending; /**< v2: an empty packet is still to follow */
    uint8_t data[SIM_PROBE_MAX_PACKET];
};

struct usb_probe {
    struct sim_board *board;
    struct usb_probe_opts opts;
    char manufacturer[USB_PROBE_TEXT_SIZE];
    char product[USB_PROBE_TEXT_SIZE];
    char serial[USB_PROBE_TEXT_SIZE];
    char interface_name[USB_PROBE_TEXT_SIZE];

    uint8_t request[SIM_PROBE_MAX_PACKET];
    size_t request_length;
    struct reply *replies; /**< ring of REPLIES_MAX */
    unsigned first;
    unsigned count;
    int64_t idle_since_us; /**< by the clock of opts.realtime */
};

static const char *keep(char *to, const char *text, const char *fallback)
{
    if (text == NULL) {
        text = fallback;
    }
    size_t length = strnlen(text, USB_PROBE_TEXT_SIZE - 1);
    memcpy(to, text, length);
    to[length] = '\0';
    return to;
}

struct usb_probe *usb_probe_new(struct sim_board *board, const struct usb_probe_opts *opts)
{
    struct usb_probe *probe = calloc(1, sizeof(*probe));
    if (probe == NULL) {
        return NULL;
    }
    probe->board = board;
    probe->opts = *opts;
    probe->opts.manufacturer = keep(probe->manufacturer, opts->manufacturer, "lpa-sim");
    probe->opts.product = keep(probe->product, opts->product, "Simulated CMSIS-DAP");
    probe->opts.serial = keep(probe->serial, opts->serial, "");
    probe->opts.interface_name = keep(probe->interface_name, opts->interface_name, "CMSIS-DAP v2");
    if (opts->realtime != NULL) {
        probe->idle_since_us = base_clock_mono_us(opts->realtime);
    }
    probe->replies = calloc(REPLIES_MAX, sizeof(*probe->replies));
    if (probe->replies == NULL) {
        usb_probe_free(probe);
        return NULL;
    }
    return probe;
}

void usb_probe_free(struct usb_probe *probe)
{
    if (probe != NULL) {
        free(probe->replies);
        free(probe);
    }
}

const struct usb_probe_opts *usb_probe_get_opts(const struct usb_probe *probe)
{
    return &probe->opts;
}

struct sim_board *usb_probe_board(struct usb_probe *probe)
{
    return probe->board;
}

void usb_probe_opened(struct usb_probe *probe)
{
    probe->request_length = 0;
    sim_probe_disconnected(probe->board->probe);
}

void usb_probe_lost_supply(struct usb_probe *probe)
{
    usb_probe_opened(probe);
    probe->first = 0;
    probe->count = 0;
}

bool usb_probe_naks(const struct usb_probe *probe)
{
    return probe->count >= sim_probe_packet_count(probe->board->probe);
}

static void add_reply(struct usb_probe *probe, const uint8_t *data, size_t length)
{
    if (probe->count == REPLIES_MAX) {
        return;
    }
    struct reply *reply = &probe->replies[(probe->first + probe->count) % REPLIES_MAX];
    probe->count++;
    memcpy(reply->data, data, length);
    reply->length = length;
    reply->sent = 0;
    bool full = length % (probe->opts.max_packet != 0 ? probe->opts.max_packet : 64U) == 0;
    reply->zlp_pending =
        !probe->opts.no_zlp && full && length < sim_probe_packet_size(probe->board->probe);
}

static void drop_reply(struct usb_probe *probe)
{
    probe->first = (probe->first + 1) % REPLIES_MAX;
    probe->count--;
}

static void credit_idle(struct usb_probe *probe)
{
    if (probe->opts.realtime == NULL) {
        return;
    }
    int64_t idle_us = base_clock_mono_us(probe->opts.realtime) - probe->idle_since_us;
    if (idle_us > USB_PROBE_IDLE_CREDIT_US) {
        idle_us = USB_PROBE_IDLE_CREDIT_US;
    }
    if (idle_us > 0) {
        sim_probe_pass_us(probe->board->probe, (uint64_t)idle_us);
    }
}

static void execute(struct usb_probe *probe, const uint8_t *request, size_t length)
{
    uint8_t response[SIM_PROBE_MAX_PACKET];
    credit_idle(probe);
    /* A host that sends its next request before it fetched the last reply does not pay the way
     * there and back again. */
    sim_probe_set_back_to_back(probe->board->probe, probe->count > 0);
    ssize_t answered = sim_board_exec(probe->board, request, length, response, sizeof(response));
    while (answered > 0) {
        add_reply(probe, response, (size_t)answered);
        answered = sim_probe_next(probe->board->probe, response, sizeof(response));
    }
    if (probe->opts.realtime != NULL) {
        probe->idle_since_us = base_clock_mono_us(probe->opts.realtime);
    }
}

static void end_request(struct usb_probe *probe)
{
    /* An empty transfer is no request. */
    if (probe->request_length > 0) {
        execute(probe, probe->request, probe->request_length);
    }
    probe->request_length = 0;
}

void usb_probe_bulk_out(
    struct usb_probe *probe, const uint8_t *data, size_t length, bool end_marked)
{
    const size_t packet_size = sim_probe_packet_size(probe->board->probe);
    size_t left = length;
    while (left > 0) {
        size_t take = packet_size - probe->request_length;
        take = take < left ? take : left;
        memcpy(probe->request + probe->request_length, data, take);
        probe->request_length += take;
        data += take;
        left -= take;
        if (probe->request_length == packet_size) {
            end_request(probe);
        }
    }
    if (length % probe->opts.max_packet != 0 || length == 0 || end_marked) {
        end_request(probe);
    }
}

enum usb_probe_in usb_probe_bulk_in(
    struct usb_probe *probe, uint8_t *buffer, size_t capacity, size_t *have)
{
    const size_t max_packet = probe->opts.max_packet;
    while (probe->count > 0) {
        struct reply *reply = &probe->replies[probe->first];
        size_t packet = reply->length - reply->sent;
        packet = packet < max_packet ? packet : max_packet;
        if (packet > capacity - *have) {
            drop_reply(probe);
            return USB_PROBE_IN_OVERFLOW;
        }
        memcpy(buffer + *have, reply->data + reply->sent, packet);
        *have += packet;
        reply->sent += packet;
        if (reply->sent == reply->length && (packet < max_packet || !reply->zlp_pending)) {
            drop_reply(probe);
        }
        /* An empty packet that is still to come when the buffer is full ends the next transfer. */
        if (packet < max_packet || *have == capacity) {
            return USB_PROBE_IN_DONE;
        }
    }
    return USB_PROBE_IN_WAIT;
}

void usb_probe_report_out(struct usb_probe *probe, const uint8_t *report, size_t length)
{
    size_t packet_size = sim_probe_packet_size(probe->board->probe);
    execute(probe, report, length < packet_size ? length : packet_size);
}

bool usb_probe_report_ready(const struct usb_probe *probe)
{
    return probe->count > 0;
}

size_t usb_probe_report_in(struct usb_probe *probe, uint8_t *report, size_t capacity)
{
    if (probe->count == 0) {
        return 0;
    }
    const struct reply *reply = &probe->replies[probe->first];
    size_t size = probe->opts.report_size < capacity ? probe->opts.report_size : capacity;
    size_t used = reply->length < size ? reply->length : size;
    memset(report, 0, size);
    memcpy(report, reply->data, used);
    drop_reply(probe);
    return size;
}
