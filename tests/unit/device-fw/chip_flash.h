/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_CHIP_FLASH_H
#define TESTS_DEVICE_FW_CHIP_FLASH_H

/** @file The flash behind bl_hal_* in host tests, for chip.c alone. */

#include <stdbool.h>
#include <stdint.h>

#define CHIP_SROM_SUCCESS    0xA0000000U
#define CHIP_SROM_BAD_OPCODE 0xF000000BU
#define CHIP_SROM_NOT_ERASED 0xF00000A4U
#define CHIP_SROM_BAD_ADDR   0xF0000004U

/** Erase (@p new_row all zeros) or program one row of the vault, or do to it what struct chip says:
 * cut, refuse, lie. Returns the ROM's status; CHIP_SROM_BAD_ADDR for any other @p row, NULL too. */
uint32_t chip_flash_write(uint8_t *row, const uint8_t *new_row, bool must_be_blank);

#endif
