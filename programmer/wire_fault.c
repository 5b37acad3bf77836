/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "programmer/trace.h"

struct faulty {
    struct prg_transport transport; /* the inner one's properties, our functions */
    struct prg_wire inner;
    struct prg_wire_fault fault;
    uint64_t sent, got; /* got: answers that were or would have been handed on */
    uint8_t again[PRG_PACKET_MAX];
    size_t again_length;
};

static enum base_status cut(struct base_err *err)
{
    return base_err_set(err, BASE_E_LINK, "probe", 0, "the probe is gone (planned fault)");
}

static bool strikes(const struct faulty *faulty, enum prg_wire_fault_kind kind, uint64_t packet)
{
    return faulty->fault.kind == kind && faulty->fault.packet == packet;
}

static enum base_status fault_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct faulty *faulty = state;
    faulty->sent++;
    if (faulty->fault.kind == PRG_WIRE_FAULT_CUT && faulty->sent >= faulty->fault.packet) {
        return cut(err);
    }
    if (strikes(faulty, PRG_WIRE_FAULT_LOSE_REQUEST, faulty->sent)) {
        faulty->fault.kind = PRG_WIRE_FAULT_NONE;
        return BASE_OK;
    }
    return faulty->inner.transport->submit(faulty->inner.state, packet, length, timeout_us, err);
}

static enum base_status fault_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct faulty *faulty = state;
    if (faulty->fault.kind == PRG_WIRE_FAULT_CUT && faulty->sent >= faulty->fault.packet) {
        return cut(err);
    }
    if (faulty->again_length > 0 && faulty->again_length <= size) {
        memcpy(ret_packet, faulty->again, faulty->again_length);
        *ret_length = faulty->again_length;
        faulty->again_length = 0;
        return BASE_OK;
    }
    enum base_status status = faulty->inner.transport->collect(
        faulty->inner.state, timeout_us, size, ret_packet, ret_length, err);
    if (status != BASE_OK) {
        return status;
    }
    faulty->got++;
    if (strikes(faulty, PRG_WIRE_FAULT_LOSE_REPLY, faulty->got)) {
        faulty->fault.kind = PRG_WIRE_FAULT_NONE;
        return base_err_set(
            err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer (planned fault)");
    }
    if (strikes(faulty, PRG_WIRE_FAULT_SHORT_REPLY, faulty->got) &&
        *ret_length > faulty->fault.bytes) {
        *ret_length = faulty->fault.bytes;
    }
    if (strikes(faulty, PRG_WIRE_FAULT_TWICE, faulty->got) &&
        *ret_length <= sizeof(faulty->again)) {
        memcpy(faulty->again, ret_packet, *ret_length);
        faulty->again_length = *ret_length;
    }
    return BASE_OK;
}

static void fault_describe(void *state, struct prg_cable *ret_cable)
{
    struct faulty *faulty = state;
    faulty->inner.transport->describe(faulty->inner.state, ret_cable);
}

static void fault_set_packet_size(void *state, size_t packet_size)
{
    struct faulty *faulty = state;
    faulty->inner.transport->set_packet_size(faulty->inner.state, packet_size);
}

static void fault_close(void *state)
{
    struct faulty *faulty = state;
    if (faulty != NULL) {
        prg_wire_close(&faulty->inner);
        free(faulty);
    }
}

enum base_status prg_wire_add_fault(struct prg_wire *wire, const struct prg_wire_fault *fault,
    struct prg_wire *ret_wire, struct base_err *err)
{
    struct faulty *faulty = calloc(1, sizeof(*faulty));
    if (faulty == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a planned fault");
    }
    faulty->transport = *wire->transport;
    faulty->transport.submit = fault_submit;
    faulty->transport.collect = fault_collect;
    faulty->transport.close = fault_close;
    faulty->transport.describe = wire->transport->describe == NULL ? NULL : fault_describe;
    faulty->transport.set_packet_size =
        wire->transport->set_packet_size == NULL ? NULL : fault_set_packet_size;
    faulty->inner = *wire;
    faulty->fault = *fault;
    wire->transport = NULL;
    wire->state = NULL;
    ret_wire->transport = &faulty->transport;
    ret_wire->state = faulty;
    return BASE_OK;
}
