/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_SROM_H
#define BL_SROM_H

/**
 * @file
 * System calls into the chip's ROM over IPC structure 0 (the CM0+'s), blocking.
 */

#include <stdbool.h>
#include <stdint.h>

/** Opcode and arguments; the ROM puts its status into word 0. Must lie in the bootloader's SRAM. */
struct bl_srom_block {
    uint32_t word[4];
};

/**
 * Do one call.
 *
 * @param block  parameters in, status out; untouched by us when the call could not be made
 * @return true when the ROM answered success (0xAxxxxxxx); false on an error status, or when the
 *         IPC structure could not be had within a bounded number of tries
 */
bool bl_srom_call(struct bl_srom_block *block);

/** One eFuse byte. False when the ROM refuses. */
bool bl_srom_read_fuse(uint32_t byte, uint8_t *ret_value);

/** Erase the 512-byte row at @p address (erased flash reads 0). */
bool bl_srom_erase_row(uint32_t address);

/** Program the erased row at @p address with 512 bytes of word-aligned SRAM. */
bool bl_srom_program_row(uint32_t address, const void *data);

#endif
