/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_DEBUG_H
#define BL_DEBUG_H

/** @file The debug port's pins and access ports, which a SECURE chip leaves to its application. */

#include <stdbool.h>
#include <stdint.h>

/**
 * Connect the pins with the system access port alone; what it reaches is up to the restriction
 * fuses. Both cores' ports are off until the next reset.
 *
 * Precondition: the protection units hold, and nothing secret lies where the port looks.
 *
 * @param permit  BL_YES from bl_device_confirm_open()
 * @return false without permit, or when a register does not read back so; everything is shut then
 */
bool bl_debug_open(uint32_t permit);

/** Connect the pins, so that the port tells who it is, with every access port off until the next
 * reset. */
void bl_debug_shut(void);

#endif
