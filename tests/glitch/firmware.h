/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GLITCH_FIRMWARE_H
#define TESTS_GLITCH_FIRMWARE_H

/** @file The device image's symbols: what is our code, what is a cryptographic primitive. */

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct firmware {
    struct base_buf elf;
    uint32_t symtab_at;
    uint32_t symtab_count;
    uint32_t strtab_at;
    /** Primitives: [primitive_low, primitive_high). BearSSL is linked as one block behind our own
     * objects; what the compiler's own library brings follows it, and counts as our code. */
    uint32_t primitive_low;
    uint32_t primitive_high;
    uint32_t text_end;
    uint32_t stack_bottom;
    uint32_t stack_top;
};

/** Read the ELF file that the environment variable LPA_TEST_ELF names; fails the running test when
 * there is none, or when its symbols do not lie as struct firmware says. */
void firmware_load(struct firmware *ret_firmware);
void firmware_done(struct firmware *firmware);

/** Value of a symbol, without the Thumb bit; what the compiler appends to a name after a full stop
 * does not count. Fails the running test when there is none. */
uint32_t firmware_symbol(const struct firmware *firmware, const char *name, uint32_t *ret_size);

/** The same for a symbol that the compiler may have made part of another function. */
bool firmware_find(const struct firmware *firmware, const char *name, uint32_t *ret_value);

/** Name of the function that holds this address, "?" for none. */
const char *firmware_name_at(const struct firmware *firmware, uint32_t address);

/** Address of the function that symbol @p index is; 0: it is none. */
uint32_t firmware_function(const struct firmware *firmware, uint32_t index);

/** Code of ours, flash only. */
bool firmware_is_own(const struct firmware *firmware, uint32_t address);
bool firmware_is_primitive(const struct firmware *firmware, uint32_t address);

#endif
