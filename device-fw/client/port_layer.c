/* SPDX-License-Identifier: Apache-2.0 */
/* The layer's way to the gate: a supervisor call, during which it does not run. */
#include "device-fw/client/port.h"

/* A CM4 that is about to make a call of its own cannot be parked for as long as that takes. */
#define PARK_TRIES 3U

static void supervisor_call(uint32_t address)
{
    register uint32_t r0 __asm__("r0") = address;

    __asm__ volatile("svc 0" ::"r"(r0) : "memory");
}

void lpac_port_call(struct svc_message *message)
{
    const uint32_t length = message->length;

    for (uint32_t i = 0; i < PARK_TRIES; i++) {
        message->length = length;
        message->flags = 0;
        message->status = 0;
        supervisor_call((uint32_t)(uintptr_t)message);
        if (message->status != SVC_NOT_PARKED)
            break;
    }
    /* The gate writes nothing where no message may lie. */
    if (message->status == 0)
        message->status = SVC_BAD_MESSAGE;
}
