/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SVC_GATE_H
#define SVC_GATE_H

/**
 * @file
 * The one way to the key services. A caller's message may change at any moment, so that each word
 * of it is read once, into the gate's own memory, before anything about it is believed; and the
 * gate, which may write anywhere, writes into the caller's own memory only.
 */

#include "device-fw/services/core.h"

/** Who calls: which memory a message may lie in. */
enum svc_caller {
    SVC_CALLER_CM4,   /**< SVC_SHARED_BASE … SVC_SHARED_END */
    SVC_CALLER_LAYER, /**< a context of its own on the CM0+: SVC_LAYER_BASE … SVC_LAYER_END */
};

struct svc_gate {
    struct svc svc;
    struct svc_answer answer;
    uint8_t request[SVC_PAYLOAD_MAX];
};

/** Empty the IPC channels and read the services' state. */
void svc_gate_start(struct svc_gate *gate, struct bl_device *device);

/** Serve the request that waits in SVC_CHANNEL. False: none waits. */
bool svc_gate_poll(struct svc_gate *gate);

/**
 * Serve one message at an address that the caller gave.
 *
 * @return false when no message may lie there; nothing was read or written then
 */
bool svc_gate_serve(struct svc_gate *gate, enum svc_caller caller, uint32_t address);

#endif
