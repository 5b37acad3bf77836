/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/queue.h"

#include <string.h>

#include "base/buf.h"

/* DAP_Transfer with a response byte for status: a probe that takes 10 s for a plain command is
 * gone. */
#define PLAIN_BUDGET_US 100000

int64_t prg_link_clocks_us(const struct prg_link *link, uint64_t clocks)
{
    return (int64_t)((clocks * 1000000U + link->swclk_hz - 1) / link->swclk_hz);
}

int64_t prg_link_match_us(const struct prg_link *link)
{
    return prg_link_clocks_us(link, (uint64_t)link->match_retry * PRG_CLOCKS_PER_TRANSFER);
}

static int64_t slack_us(const struct prg_link *link)
{
    return (int64_t)link->wire.transport->slack_ms * 1000;
}

static bool usable(const struct prg_link *link)
{
    return link->queue.fault == PRG_FAULT_NONE && !link->poisoned && !link->gone;
}

/* First failure wins, except that a lost session outweighs what the line seemed to say: once an
 * answer is missing, those before it may have belonged to other requests. */
static void fail(struct prg_link *link, enum prg_fault fault, const struct base_err *cause)
{
    struct prg_queue *queue = &link->queue;
    if (fault == PRG_FAULT_SESSION) {
        link->poisoned = true;
        link->selected = false;
    }
    if (fault == PRG_FAULT_CABLE) {
        link->gone = true;
        link->selected = false;
    }
    if (queue->fault == PRG_FAULT_NONE || (fault >= PRG_FAULT_SESSION && queue->fault < fault)) {
        queue->fault = fault;
        if (cause != NULL) {
            queue->err = *cause;
            base_log(link->log, BASE_LOG_DEBUG, "probe: %s", cause->message);
        }
    }
}

static void fail_session(struct prg_link *link, const char *sentence, int64_t detail)
{
    struct base_err cause = { .status = BASE_OK };
    (void)base_err_set(&cause, BASE_E_PROTO, "CMSIS-DAP", detail, "%s", sentence);
    fail(link, PRG_FAULT_SESSION, &cause);
}

/* ------------------------------------------------------------------------------------- answers */

static void deliver(const struct prg_pending *pending, const uint8_t *data)
{
    if (pending->block != NULL) {
        memcpy(pending->block, data, (size_t)pending->count * 4);
        return;
    }
    for (uint32_t i = 0; i < pending->reads; i++) {
        if (pending->reads_to[i] != NULL) {
            memcpy(pending->reads_to[i], data + (size_t)i * 4, 4);
        }
    }
}

static void take_batch(
    struct prg_link *link, const struct prg_pending *pending, const uint8_t *answer, size_t length)
{
    struct prg_dap_result result;
    if (!prg_dap_parse_batch(pending->command, pending->count, pending->response_length,
            link->wire.transport->padded, answer, length, &result)) {
        fail_session(link, "the probe's answer does not fit the transfers asked for",
            length > 0 ? answer[0] : -1);
        return;
    }
    link->wire_us += prg_link_clocks_us(link, (uint64_t)result.done * PRG_CLOCKS_PER_TRANSFER);
    if (result.ack == PRG_DAP_ACK_OK) {
        if (usable(link)) {
            deliver(pending, result.data);
        }
        return;
    }
    if (result.ack == PRG_DAP_ACK_MISMATCH) {
        link->wire_us += prg_link_match_us(link);
        if (pending->tolerant) {
            return;
        }
    }
    if (usable(link)) {
        link->queue.ack = result.ack;
        link->queue.response = result.response;
        link->queue.done = result.done;
        link->queue.writes_behind = link->queue.count > 0;
        fail(link, PRG_FAULT_SWD, NULL);
    }
}

static void take_plain(
    struct prg_link *link, const struct prg_pending *pending, const uint8_t *answer, size_t length)
{
    if (length < 2 || answer[0] != pending->command) {
        fail_session(
            link, "the probe's answer belongs to another command", length > 0 ? answer[0] : -1);
        return;
    }
    link->wire_us += pending->wire_us;
    /* SWJ_Pins answers with the pins, Connect with the port, everything else with a status. */
    uint8_t good = pending->command == PRG_DAP_CONNECT ? 1 : 0;
    if (pending->command != PRG_DAP_SWJ_PINS && answer[1] != good) {
        struct base_err cause = { .status = BASE_OK };
        (void)base_err_set(&cause, BASE_E_PROTO, "CMSIS-DAP", pending->command,
            "the probe refused command %02x", pending->command);
        fail(link, PRG_FAULT_REFUSED, &cause);
    }
}

static void collect_one(struct prg_link *link)
{
    struct prg_queue *queue = &link->queue;
    const struct prg_pending *pending = &queue->pending[queue->first];
    queue->first = (queue->first + 1) % PRG_QUEUE_MAX_IN_FLIGHT;
    queue->count--;
    if (link->poisoned || link->gone) {
        return;
    }
    uint8_t answer[PRG_PACKET_MAX];
    size_t length = 0;
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = link->wire.transport->collect(link->wire.state,
        pending->budget_us + slack_us(link), sizeof(answer), answer, &length, &cause);
    if (status != BASE_OK) {
        fail(link, status == BASE_E_LINK ? PRG_FAULT_CABLE : PRG_FAULT_SESSION, &cause);
        return;
    }
    link->stats.bytes_in += length;
    if (pending->batch) {
        take_batch(link, pending, answer, length);
    } else {
        take_plain(link, pending, answer, length);
    }
}

/* ------------------------------------------------------------------------------------- sending */

static void send_packet(
    struct prg_link *link, const uint8_t *packet, size_t length, const struct prg_pending *pending)
{
    struct prg_queue *queue = &link->queue;
    while (queue->count >= link->probe.in_flight) {
        collect_one(link);
    }
    if (!usable(link)) {
        return;
    }
    struct base_err cause = { .status = BASE_OK };
    enum base_status status = link->wire.transport->submit(
        link->wire.state, packet, length, PLAIN_BUDGET_US + slack_us(link), &cause);
    if (status != BASE_OK) {
        fail(link, status == BASE_E_LINK ? PRG_FAULT_CABLE : PRG_FAULT_SESSION, &cause);
        return;
    }
    unsigned slot = (queue->first + queue->count) % PRG_QUEUE_MAX_IN_FLIGHT;
    queue->pending[slot] = *pending;
    queue->count++;
    link->stats.packets++;
    link->stats.transfers += pending->batch ? pending->count : 0;
    link->stats.bytes_out += length;
}

/* Deadline by arithmetic: every transfer may wait its full number of retries, a match its own. */
static void set_times(struct prg_link *link, struct prg_pending *pending, bool has_match)
{
    uint64_t clocks = (uint64_t)pending->count * PRG_CLOCKS_PER_TRANSFER;
    pending->wire_us = prg_link_clocks_us(link, clocks);
    pending->budget_us = prg_link_clocks_us(link, clocks * (1U + link->wait_retry)) +
                         PLAIN_BUDGET_US + (has_match ? 2 * prg_link_match_us(link) : 0);
}

static void begin_batch(struct prg_link *link)
{
    struct prg_queue *queue = &link->queue;
    prg_dap_batch_init(&queue->batch, link->probe.packet_size);
    queue->filling.reads = 0;
    queue->filling.block = NULL;
    queue->filling.tolerant = false;
    queue->has_match = false;
}

static void send_batch(struct prg_link *link)
{
    struct prg_queue *queue = &link->queue;
    if (queue->batch.count > 0 && usable(link)) {
        struct prg_pending *pending = &queue->filling;
        pending->command = queue->batch.packet[0];
        pending->batch = true;
        pending->count = queue->batch.count;
        pending->response_length = queue->batch.response_length;
        set_times(link, pending, queue->has_match);
        send_packet(link, queue->batch.packet, queue->batch.length, pending);
    }
    begin_batch(link);
}

void prg_queue_command(struct prg_link *link, const uint8_t *packet, size_t length, int64_t wire_us)
{
    send_batch(link);
    if (!usable(link)) {
        return;
    }
    struct prg_pending pending = {
        .command = packet[0], .wire_us = wire_us, .budget_us = wire_us + PLAIN_BUDGET_US
    };
    send_packet(link, packet, length, &pending);
}

void prg_queue_transfer(struct prg_link *link, uint8_t request, uint32_t value, uint8_t *dest)
{
    struct prg_queue *queue = &link->queue;
    if (!usable(link)) {
        return;
    }
    if (!prg_dap_batch_fits(&queue->batch, request)) {
        send_batch(link);
    }
    if (prg_dap_request_returns(request)) {
        queue->filling.reads_to[queue->filling.reads++] = dest;
    }
    queue->has_match = queue->has_match || (request & PRG_DAP_MATCH) != 0;
    prg_dap_batch_add(&queue->batch, request, value);
}

void prg_queue_fence(struct prg_link *link, size_t request_bytes, size_t response_bytes)
{
    const struct prg_dap_batch *batch = &link->queue.batch;
    if (batch->count > 0 &&
        (batch->length + request_bytes > batch->limit ||
            batch->response_length + response_bytes > batch->limit || batch->count > 200)) {
        send_batch(link);
    }
}

void prg_queue_end_tolerant(struct prg_link *link)
{
    link->queue.filling.tolerant = true;
    send_batch(link);
}

static void run_of_transfers(
    struct prg_link *link, uint8_t request, const uint8_t *words, uint8_t *dest, uint32_t count)
{
    bool read = (request & PRG_DAP_READ) != 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = read ? 0 : base_get_le32(words + 4 * (size_t)i);
        prg_queue_transfer(link, request, value, read ? dest + (size_t)i * 4 : NULL);
    }
}

/* Whole packets of blocks. What is left over opens a packet of transfers, in which whatever comes
 * next goes on. */
static void run_of_blocks(
    struct prg_link *link, uint8_t request, const uint8_t *words, uint8_t *dest, uint32_t count)
{
    struct prg_queue *queue = &link->queue;
    bool read = (request & PRG_DAP_READ) != 0;
    uint32_t capacity = prg_dap_block_capacity(link->probe.packet_size, read);
    uint32_t at = 0;
    send_batch(link);
    for (; count - at >= capacity && usable(link); at += capacity) {
        prg_dap_batch_block(&queue->batch, request, read ? NULL : words + (size_t)at * 4, capacity);
        queue->filling.block = read ? dest + (size_t)at * 4 : NULL;
        send_batch(link);
    }
    if (usable(link)) {
        run_of_transfers(link, request, read ? NULL : words + (size_t)at * 4,
            read ? dest + (size_t)at * 4 : NULL, count - at);
    }
}

void prg_queue_run(
    struct prg_link *link, uint8_t request, const uint8_t *words, uint8_t *dest, uint32_t count)
{
    struct prg_queue *queue = &link->queue;
    bool read = (request & PRG_DAP_READ) != 0;
    size_t size = link->probe.packet_size;
    uint32_t capacity = prg_dap_block_capacity(size, read);
    /* A run of transfers goes on in the packet being filled; blocks need packets of their own and
     * close it. Both in bytes of the direction that fills up first. */
    size_t used = queue->batch.count == 0
                      ? 0
                      : (read ? queue->batch.response_length - 3 : queue->batch.length - 3);
    size_t per_word = read ? 4 : 5;
    size_t streamed = (used + (size_t)count * per_word + size - 4) / (size - 3);
    size_t blocked = (queue->batch.count > 0 ? 1U : 0U) + (count + capacity - 1) / capacity;
    if (blocked < streamed) {
        run_of_blocks(link, request, words, dest, count);
    } else {
        run_of_transfers(link, request, words, dest, count);
    }
}

/* ------------------------------------------------------------------------------------ outcomes */

static enum base_status report(struct prg_link *link, struct base_err *err)
{
    struct prg_queue *queue = &link->queue;
    enum base_status status = BASE_OK;
    switch (queue->fault) {
    case PRG_FAULT_NONE:
        return BASE_OK;
    case PRG_FAULT_SWD:
        return BASE_E_TARGET;
    case PRG_FAULT_REFUSED:
        return base_err_set(
            err, BASE_E_PROTO, queue->err.domain, queue->err.detail, "%s", queue->err.message);
    case PRG_FAULT_SESSION:
        status = base_err_set(err, BASE_E_PROTO, queue->err.domain, queue->err.detail,
            "%s; what was in flight may have been carried out", queue->err.message);
        break;
    case PRG_FAULT_CABLE:
        status = base_err_set(
            err, BASE_E_LINK, queue->err.domain, queue->err.detail, "%s", queue->err.message);
        break;
    }
    base_err_set_code(err, "unknown");
    return status;
}

enum base_status prg_queue_flush(struct prg_link *link, struct base_err *err)
{
    struct prg_queue *queue = &link->queue;
    if (link->gone && queue->fault == PRG_FAULT_NONE) {
        begin_batch(link);
        return base_err_set(
            err, BASE_E_LINK, "probe", 0, "the probe is gone; connect it and open it again");
    }
    if (link->poisoned && queue->fault == PRG_FAULT_NONE) {
        begin_batch(link);
        return base_err_set(
            err, BASE_E_PROTO, "CMSIS-DAP", 0, "the probe's session is out of step; open it again");
    }
    send_batch(link);
    link->stats.round_trips += queue->count > 0 ? 1U : 0U;
    while (queue->count > 0) {
        collect_one(link);
    }
    begin_batch(link);
    enum base_status status = report(link, err);
    if (queue->fault == PRG_FAULT_SESSION && !link->resyncing) {
        /* Prove the session again at once; should that fail too, every later call says so. */
        (void)!prg_link_resync(link, NULL);
    }
    return status;
}

void prg_queue_reset(struct prg_link *link)
{
    link->queue.fault = PRG_FAULT_NONE;
    link->queue.err.status = BASE_OK;
    link->queue.first = 0;
    link->queue.count = 0;
    begin_batch(link);
}

enum base_status prg_queue_exchange(struct prg_link *link, const uint8_t *packet, size_t length,
    uint8_t ret_answer[PRG_PACKET_MAX], size_t *ret_length, struct base_err *err)
{
    enum base_status status = link->wire.transport->submit(
        link->wire.state, packet, length, PLAIN_BUDGET_US + slack_us(link), err);
    if (status == BASE_OK) {
        link->stats.packets++;
        link->stats.round_trips++;
        link->stats.bytes_out += length;
        status = link->wire.transport->collect(link->wire.state, PLAIN_BUDGET_US + slack_us(link),
            PRG_PACKET_MAX, ret_answer, ret_length, err);
    }
    if (status != BASE_OK) {
        link->gone = link->gone || status == BASE_E_LINK;
        return status;
    }
    link->stats.bytes_in += *ret_length;
    if (*ret_length < 1 || ret_answer[0] != packet[0]) {
        return base_err_set(err, BASE_E_PROTO, "CMSIS-DAP", ret_answer[0],
            "the probe answered command %02x to command %02x", ret_answer[0], packet[0]);
    }
    return BASE_OK;
}
