/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_HAL_H
#define BL_HAL_H

/**
 * @file
 * The only way from the bootloader to addresses of the chip. hal_device.c implements it on the
 * CM0+; host tests link their own model instead (memory, flash, register sequences).
 *
 * Addresses are bus addresses of the die. Nothing here fails: a bad access is a bus fault on the
 * chip and a test failure on the host.
 */

#include <stddef.h>
#include <stdint.h>

uint32_t bl_hal_read32(uint32_t address);
void bl_hal_write32(uint32_t address, uint32_t value);

/** Copy from chip memory (flash, SFlash, SRAM), byte by byte. */
void bl_hal_read(uint32_t address, void *ret_data, size_t length);

/** The bus address of an object of ours, for hardware that takes pointers. */
uint32_t bl_hal_address(const void *object);

/** Sleep until the next tick of the polling clock (BL_HAL_TICK_CYCLES) or any interrupt. */
void bl_hal_idle(void);

/** Overwrite the stack below the caller: what the functions it called have left there. */
void bl_hal_clear_stack(void);

/** Reset the whole chip. Does not return on the chip. */
void bl_hal_reset(void);

/** CPU cycles between two ticks: 40 us at the boot clock of 50 MHz, 80 us at 25 MHz. */
#define BL_HAL_TICK_CYCLES 2000U

#endif
