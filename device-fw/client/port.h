/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPAC_PORT_H
#define LPAC_PORT_H

/**
 * @file
 * How the client's messages get to the gate: port_cm4.c on the CM4, port_layer.c in a layer on
 * the CM0+.
 */

#include "device-fw/services/message.h"

/** Hand the message over and wait for its answer. The gate has set status afterwards, or it is
 * SVC_BAD_MESSAGE when no message may lie there. */
void lpac_port_call(struct svc_message *message);

#endif
