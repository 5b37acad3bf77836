/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPAC_PORT_CM4_H
#define LPAC_PORT_CM4_H

/** @file The CM4's way to the gate. Its code marked LPAC_IN_SRAM must run from SRAM: the linker
 * script puts section .ramfunc there, the start-up code copies it. */

#include "device-fw/client/port.h"

#define LPAC_IN_SRAM __attribute__((section(".ramfunc"), noinline))

/** System interrupt of the park request: input 34 of the CM4's NVIC. */
#define LPAC_PARK_IRQ 34U

/** Let the park request reach the NVIC. Needed where a layer on the CM0+ uses the gate too. */
void lpac_port_listen(void);

/** The handler of LPAC_PARK_IRQ, with the highest priority: waits in SRAM while the CM0+ writes the
 * vault. The vector table must lie in SRAM as well. */
void lpac_port_park(void);

#endif
