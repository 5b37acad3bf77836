/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ATTACK_TABLE_H
#define TESTS_ATTACK_TABLE_H

/** @file The tables of man/lpa-port.7: what a port reaches in a state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_MAX  128U
#define TABLE_TEXT 32U

struct table_row {
    char state[TABLE_TEXT];
    char port[TABLE_TEXT];
    uint32_t first, last; /**< bytes, both inclusive */
    bool read, write;
};

struct table {
    struct table_row rows[TABLE_MAX];
    size_t count;
};

/** Read every row "STATE Ta PORT Ta FIRST Ta LAST Ta ACCESS"; fails the running test when the file
 * cannot be read, has none, or has one that is malformed. */
void table_load(struct table *table, const char *path);

/** May this port do it in this state? */
bool table_allows(
    const struct table *table, const char *state, const char *port, uint32_t address, bool write);

#endif
