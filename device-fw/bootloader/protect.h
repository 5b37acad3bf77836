/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_PROTECT_H
#define BL_PROTECT_H

/** @file Keep the CM4 and the debug port's own bus master away from vault, bootloader memory,
 * system calls and from what keeps them away. */

#include <stdbool.h>

/** The bootloader's SRAM; the linker script keeps everything of it in here. */
#define BL_PROTECT_SRAM      0x08010000U
#define BL_PROTECT_SRAM_LOG2 15U

/**
 * Put CM4 and debug master into protection contexts of their own, and give both vault homes, the
 * bootloader's SRAM, the crypto block and the protection units to context 1 alone (the CM0+ runs in
 * context 0, which passes everywhere, and in 1 once a layer has started). The layer's SRAM, and the
 * CM0+'s choice between 1 and 2 in privileged code, are for contexts 1 and 2. CM4 and layer make no
 * system calls and do not write the CPU subsystem; the CM4 reads the bootloader's image. Safe to
 * repeat.
 *
 * @return true when every register reads back as written
 */
bool bl_protect_apply(void);

/** Read all of it again: true when everything still is as bl_protect_apply() wrote it. */
bool bl_protect_holds(void);

#endif
