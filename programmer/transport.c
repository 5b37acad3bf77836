/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/transport.h"

#include <stdlib.h>
#include <string.h>

#include "programmer/trace.h"
#include "programmer/transport_hid.h"
#include "programmer/transport_tcp.h"
#include "programmer/transport_usb.h"

const struct prg_transport *const *prg_transport_table(void)
{
    static const struct prg_transport *const table[] = { &prg_transport_usb, &prg_transport_hid,
        &prg_transport_tcp, &prg_transport_replay, NULL };
    return table;
}

enum base_status prg_transport_find(const char *url, const struct prg_transport **ret_transport,
    const char **ret_address, struct base_err *err)
{
    size_t length = strnlen(url, PRG_URL_SIZE);
    size_t end = strcspn(url, ":@");
    for (const struct prg_transport *const *entry = prg_transport_table();
         end < length && length < PRG_URL_SIZE && *entry != NULL; entry++) {
        if (strlen((*entry)->name) == end && memcmp(url, (*entry)->name, end) == 0) {
            *ret_transport = *entry;
            *ret_address = url + end + (url[end] == ':' ? 1 : 0);
            return BASE_OK;
        }
    }
    return base_err_set(err, BASE_E_ARG, "probe", 0,
        "\"%.80s\" is not a probe URL; it looks like usb:04b4:f155:SERIAL, usb@1-2.3, "
        "hid:04b4:f154:SERIAL or "
        "tcp:127.0.0.1:4441",
        url);
}

enum base_status prg_wire_open(const char *url, const struct base_clock *clock,
    struct prg_wire *ret_wire, struct base_err *err)
{
    const struct prg_transport *transport = NULL;
    const char *address = NULL;
    enum base_status status = prg_transport_find(url, &transport, &address, err);
    if (status != BASE_OK) {
        return status;
    }
    void *state = NULL;
    status = transport->open(address, clock, &state, err);
    if (status != BASE_OK) {
        return status;
    }
    ret_wire->transport = transport;
    ret_wire->state = state;
    return BASE_OK;
}

void prg_wire_close(struct prg_wire *wire)
{
    if (wire != NULL && wire->transport != NULL) {
        wire->transport->close(wire->state);
        wire->transport = NULL;
        wire->state = NULL;
    }
}

/* ------------------------------------------------------------------ probe in the same process */

#define MEMORY_DEPTH 64U

struct memory {
    prg_exchange_fn *exchange;
    void *user;
    uint8_t answer[MEMORY_DEPTH][PRG_PACKET_MAX];
    size_t length[MEMORY_DEPTH];
    unsigned first, count;
};

static enum base_status memory_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    (void)timeout_us;
    struct memory *memory = state;
    if (memory->count == MEMORY_DEPTH) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe takes no more packets");
    }
    unsigned slot = (memory->first + memory->count) % MEMORY_DEPTH;
    size_t answered = 0;
    memory->exchange(memory->user, packet, length, memory->answer[slot], &answered);
    if (answered > 0 && answered <= PRG_PACKET_MAX) {
        memory->length[slot] = answered;
        memory->count++;
    }
    return BASE_OK;
}

static enum base_status memory_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    (void)timeout_us;
    struct memory *memory = state;
    if (memory->count == 0) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer");
    }
    size_t length = memory->length[memory->first];
    if (length > size) {
        return base_err_set(err, BASE_E_PROTO, "probe", (int64_t)length,
            "the probe sent a packet of %zu bytes", length);
    }
    memcpy(ret_packet, memory->answer[memory->first], length);
    *ret_length = length;
    memory->first = (memory->first + 1) % MEMORY_DEPTH;
    memory->count--;
    return BASE_OK;
}

static const struct prg_transport transport_memory = {
    .name = "memory",
    .summary = "a probe in the same process",
    .submit = memory_submit,
    .collect = memory_collect,
    .close = free,
};

enum base_status prg_wire_memory(
    prg_exchange_fn *exchange, void *user, struct prg_wire *ret_wire, struct base_err *err)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    if (memory == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a probe");
    }
    memory->exchange = exchange;
    memory->user = user;
    ret_wire->transport = &transport_memory;
    ret_wire->state = memory;
    return BASE_OK;
}

/* ----------------------------------------------------------------------------------- decorator */

struct traced {
    struct prg_transport transport; /* the inner one's properties, our functions */
    struct prg_wire inner;
    prg_trace_fn *trace;
    void *user;
};

static enum base_status trace_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct traced *traced = state;
    uint8_t copy[PRG_PACKET_MAX];
    if (length > sizeof(copy)) {
        return base_err_set(err, BASE_E_INTERNAL, "probe", (int64_t)length,
            "a packet of %zu bytes is too long", length);
    }
    memcpy(copy, packet, length);
    if (!traced->trace(traced->user, PRG_TRACE_REQUEST, copy, &length, sizeof(copy))) {
        return BASE_OK;
    }
    return traced->inner.transport->submit(traced->inner.state, copy, length, timeout_us, err);
}

static enum base_status trace_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct traced *traced = state;
    enum base_status status = traced->inner.transport->collect(
        traced->inner.state, timeout_us, size, ret_packet, ret_length, err);
    if (status == BASE_OK &&
        !traced->trace(traced->user, PRG_TRACE_RESPONSE, ret_packet, ret_length, size)) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer");
    }
    return status;
}

static void trace_describe(void *state, struct prg_cable *ret_cable)
{
    struct traced *traced = state;
    traced->inner.transport->describe(traced->inner.state, ret_cable);
}

static void trace_set_packet_size(void *state, size_t packet_size)
{
    struct traced *traced = state;
    traced->inner.transport->set_packet_size(traced->inner.state, packet_size);
}

static void trace_close(void *state)
{
    struct traced *traced = state;
    if (traced != NULL) {
        prg_wire_close(&traced->inner);
        free(traced);
    }
}

enum base_status prg_wire_trace(struct prg_wire *wire, prg_trace_fn *trace, void *user,
    struct prg_wire *ret_wire, struct base_err *err)
{
    struct traced *traced = calloc(1, sizeof(*traced));
    if (traced == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a trace");
    }
    traced->transport = *wire->transport;
    traced->transport.submit = trace_submit;
    traced->transport.collect = trace_collect;
    traced->transport.close = trace_close;
    traced->transport.describe = wire->transport->describe == NULL ? NULL : trace_describe;
    traced->transport.set_packet_size =
        wire->transport->set_packet_size == NULL ? NULL : trace_set_packet_size;
    traced->inner = *wire;
    traced->trace = trace;
    traced->user = user;
    wire->transport = NULL;
    wire->state = NULL;
    ret_wire->transport = &traced->transport;
    ret_wire->state = traced;
    return BASE_OK;
}
