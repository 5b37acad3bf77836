/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CTIME_ROUTINE_H
#define TESTS_CTIME_ROUTINE_H

/**
 * @file
 * Call single functions of a device image on the simulated CM0+, without booting it, and count
 * cycles. A failure ends the running test.
 */

#include "sim/chip_test.h"

#include <stddef.h>
#include <stdint.h>

#define ROUTINE_ARGUMENTS_MAX 8U
/** Memory for arguments, 64 KiB from here; the image's own data lies below, the stack above. */
#define ROUTINE_SCRATCH 0x08020000U

struct routine {
    struct sim_chip *chip;
    uint8_t *file; /**< the ELF file */
    size_t length;
    uint32_t text_bytes; /**< of the image in flash */
};

/** A fresh die with the image's segments in flash. */
void routine_open(struct routine *routine, const char *elf_path);
void routine_close(struct routine *routine);

/** Address of a function or object. Fails the running test when the image has none of this name. */
uint32_t routine_symbol(const struct routine *routine, const char *name);

void routine_put(const struct routine *routine, uint32_t address, const void *data, size_t length);
void routine_get(const struct routine *routine, uint32_t address, void *ret_data, size_t length);

/**
 * Call a function and wait until it returns.
 *
 * @param ret_value  its r0; may be NULL
 * @return cycles from the call to the return
 */
uint64_t routine_call(const struct routine *routine, uint32_t function, const uint32_t *arguments,
    size_t count, uint32_t *ret_value);

/** Lowest stack pointer of the last call, as bytes used. */
uint32_t routine_stack(const struct routine *routine);

#endif
