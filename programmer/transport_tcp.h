/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_TRANSPORT_TCP_H
#define PRG_TRANSPORT_TCP_H

/**
 * @file
 * CMSIS-DAP over TCP with OpenOCD's framing: 8 bytes little-endian before each packet (signature
 * 0x00504144, payload length u16, kind 1 request or 2 response, 0). The protocol has neither
 * authentication nor encryption: loopback addresses only.
 */

#include "programmer/transport.h"

/** "tcp:127.0.0.1:4441", "tcp:localhost:4441", "tcp:[::1]:4441". */
extern const struct prg_transport prg_transport_tcp;

#endif
