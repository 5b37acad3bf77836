/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_probe.h"

#include <stdlib.h>
#include <string.h>

/* What one transfer can hold beyond the request that is being executed. */
#define JOBS_MAX 8U

struct usb_probe {
    struct sim_link *link;
    struct usb_probe_opts opts;
    char manufacturer[USB_PROBE_TEXT_SIZE];
    char product[USB_PROBE_TEXT_SIZE];
    char serial[USB_PROBE_TEXT_SIZE];
    char interface_name[USB_PROBE_TEXT_SIZE];

    uint8_t request[SIM_PROBE_MAX_PACKET];
    size_t request_length;
    size_t sent; /**< v2: bytes of the first reply handed over */
    struct usb_probe_job jobs[JOBS_MAX];
    unsigned job_count;
    bool executing;
    int64_t idle_since_us;                /**< by the clock of opts.realtime */
    uint8_t report[SIM_PROBE_MAX_PACKET]; /**< v1: the last input report */
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

struct usb_probe *usb_probe_new(struct sim_link *link, const struct usb_probe_opts *opts)
{
    struct usb_probe *probe = calloc(1, sizeof(*probe));
    if (probe == NULL) {
        return NULL;
    }
    probe->link = link;
    probe->opts = *opts;
    probe->opts.manufacturer = keep(probe->manufacturer, opts->manufacturer, "lpa-sim");
    probe->opts.product = keep(probe->product, opts->product, "Simulated CMSIS-DAP");
    probe->opts.serial = keep(probe->serial, opts->serial, "");
    probe->opts.interface_name = keep(probe->interface_name, opts->interface_name, "CMSIS-DAP v2");
    if (opts->realtime != NULL) {
        probe->idle_since_us = base_clock_mono_us(opts->realtime);
    }
    return probe;
}

void usb_probe_free(struct usb_probe *probe)
{
    free(probe);
}

const struct usb_probe_opts *usb_probe_get_opts(const struct usb_probe *probe)
{
    return &probe->opts;
}

struct sim_link *usb_probe_link(struct usb_probe *probe)
{
    return probe->link;
}

static struct sim_probe *inside(const struct usb_probe *probe)
{
    return sim_link_board(probe->link)->probe;
}

void usb_probe_opened(struct usb_probe *probe)
{
    probe->request_length = 0;
    sim_probe_disconnected(inside(probe));
}

void usb_probe_reset(struct usb_probe *probe)
{
    probe->request_length = 0;
    probe->sent = 0;
    probe->job_count = 0;
    sim_link_reset(probe->link);
}

bool usb_probe_busy(const struct usb_probe *probe)
{
    return probe->executing || probe->job_count > 0 || sim_link_waiting(probe->link) > 0;
}

bool usb_probe_has_job(const struct usb_probe *probe)
{
    return probe->job_count > 0;
}

bool usb_probe_naks(struct usb_probe *probe, int64_t now_us)
{
    /* The kernel fetches reports by itself, whether or not somebody reads them. */
    bool full = !probe->opts.hid && sim_link_full(probe->link);
    return probe->executing || probe->job_count > 0 || full || sim_link_busy(probe->link, now_us);
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
        sim_probe_pass_us(inside(probe), (uint64_t)idle_us);
    }
}

bool usb_probe_take_job(struct usb_probe *probe, struct usb_probe_job *ret_job)
{
    if (probe->executing || probe->job_count == 0) {
        return false;
    }
    *ret_job = probe->jobs[0];
    probe->job_count--;
    memmove(probe->jobs, probe->jobs + 1, probe->job_count * sizeof(probe->jobs[0]));
    probe->executing = true;
    return true;
}

void usb_probe_compute(
    struct usb_probe *probe, const struct usb_probe_job *job, struct sim_link_batch *batch)
{
    credit_idle(probe);
    (void)sim_link_compute(probe->link, job->request, job->length, job->queued, batch);
    if (probe->opts.realtime != NULL) {
        probe->idle_since_us = base_clock_mono_us(probe->opts.realtime);
    }
}

enum sim_link_result usb_probe_finish(
    struct usb_probe *probe, int64_t now_us, struct sim_link_batch *batch)
{
    probe->executing = false;
    return sim_link_deliver(probe->link, now_us, batch);
}

static enum sim_link_result execute(
    struct usb_probe *probe, int64_t now_us, const uint8_t *request, size_t length, bool early)
{
    bool wanted = false;
    bool queued = early || sim_link_waiting(probe->link) > 0;
    enum sim_link_result result = sim_link_accept(probe->link, now_us, queued, &wanted);
    if (result != SIM_LINK_TAKEN || !wanted || probe->job_count == JOBS_MAX) {
        return result;
    }
    struct usb_probe_job *job = &probe->jobs[probe->job_count++];
    memcpy(job->request, request, length);
    job->length = length;
    job->queued = queued;
    if (probe->opts.deferred) {
        return result;
    }
    struct usb_probe_job now;
    struct sim_link_batch batch = { 0 };
    (void)usb_probe_take_job(probe, &now);
    usb_probe_compute(probe, &now, &batch);
    result = usb_probe_finish(probe, now_us, &batch);
    sim_link_batch_done(&batch);
    return result;
}

static enum sim_link_result end_request(struct usb_probe *probe, int64_t now_us, bool early)
{
    size_t length = probe->request_length;
    probe->request_length = 0;
    /* An empty transfer is no request. */
    return length == 0 ? SIM_LINK_TAKEN : execute(probe, now_us, probe->request, length, early);
}

enum sim_link_result usb_probe_bulk_out(struct usb_probe *probe, int64_t now_us,
    const uint8_t *data, size_t length, bool end_marked, bool early)
{
    const size_t packet_size = sim_probe_packet_size(inside(probe));
    enum sim_link_result result = SIM_LINK_TAKEN;
    size_t left = length;
    while (left > 0 && result == SIM_LINK_TAKEN) {
        size_t take = packet_size - probe->request_length;
        take = take < left ? take : left;
        memcpy(probe->request + probe->request_length, data, take);
        probe->request_length += take;
        data += take;
        left -= take;
        if (probe->request_length == packet_size) {
            result = end_request(probe, now_us, early);
        }
    }
    bool ends = length % probe->opts.max_packet != 0 || length == 0 || end_marked;
    return ends && result == SIM_LINK_TAKEN ? end_request(probe, now_us, early) : result;
}

/* Next packet of the reply begun; its end is known by its length, an empty one included. */
static size_t next_packet(struct usb_probe *probe, const struct sim_link_reply *reply)
{
    size_t left = reply->length - probe->sent;
    return left < probe->opts.max_packet ? left : probe->opts.max_packet;
}

static bool ends_with_empty_packet(
    const struct usb_probe *probe, const struct sim_link_reply *reply)
{
    return !probe->opts.no_zlp && reply->length % probe->opts.max_packet == 0 &&
           reply->length < sim_probe_packet_size(inside(probe));
}

static void drop_reply(struct usb_probe *probe)
{
    sim_link_pop(probe->link);
    probe->sent = 0;
}

enum usb_probe_in usb_probe_bulk_in(
    struct usb_probe *probe, int64_t now_us, uint8_t *buffer, size_t capacity, size_t *have)
{
    const size_t max_packet = probe->opts.max_packet;
    const struct sim_link_reply *reply;
    if (sim_link_in_stalled(probe->link)) {
        return USB_PROBE_IN_STALL;
    }
    while ((reply = sim_link_peek(probe->link, now_us)) != NULL) {
        size_t packet = next_packet(probe, reply);
        if (packet > capacity - *have) {
            drop_reply(probe);
            return USB_PROBE_IN_OVERFLOW;
        }
        memcpy(buffer + *have, reply->data + probe->sent, packet);
        *have += packet;
        probe->sent += packet;
        bool all = probe->sent == reply->length;
        /* An empty packet that is still to come when the buffer is full ends the next transfer. */
        if (all && (packet < max_packet || !ends_with_empty_packet(probe, reply))) {
            drop_reply(probe);
        }
        if (packet < max_packet || *have == capacity) {
            return USB_PROBE_IN_DONE;
        }
    }
    return USB_PROBE_IN_WAIT;
}

enum sim_link_result usb_probe_report_out(
    struct usb_probe *probe, int64_t now_us, const uint8_t *report, size_t length, bool early)
{
    size_t packet_size = sim_probe_packet_size(inside(probe));
    return execute(probe, now_us, report, length < packet_size ? length : packet_size, early);
}

bool usb_probe_report_ready(struct usb_probe *probe, int64_t now_us)
{
    return sim_link_peek(probe->link, now_us) != NULL;
}

size_t usb_probe_report_in(
    struct usb_probe *probe, int64_t now_us, uint8_t *report, size_t capacity)
{
    const struct sim_link_reply *reply = sim_link_peek(probe->link, now_us);
    if (reply == NULL) {
        return 0;
    }
    size_t size = reply->misshapen ? reply->length : probe->opts.report_size;
    if (size > sizeof(probe->report)) {
        size = sizeof(probe->report);
    }
    size_t used = reply->length < size ? reply->length : size;
    if (!probe->opts.stale_padding) {
        memset(probe->report, 0, size);
    }
    memcpy(probe->report, reply->data, used);
    size = size < capacity ? size : capacity;
    memcpy(report, probe->report, size);
    sim_link_pop(probe->link);
    return size;
}
