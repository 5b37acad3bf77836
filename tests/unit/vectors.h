/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_VECTORS_H
#define TESTS_UNIT_VECTORS_H

/**
 * @file
 * Test vector files: tests/vectors, or the folder that the environment variable LPA_VECTORS names,
 * so that other files of the same form run without a rebuild.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define VECTOR_BYTES_MAX 8192

/** The parsed file; fails the running test when there is none or its list "vectors" is empty. The
 * caller frees it with json_decref(). */
json_t *vectors_load(const char *name);

/** The list of vectors in a file. */
json_t *vectors_list(const json_t *file);

/** Bytes of a hex member, up to VECTOR_BYTES_MAX; 0 bytes where the member is missing or null. */
size_t vectors_hex(const json_t *vector, const char *name, uint8_t ret_data[VECTOR_BYTES_MAX]);

/** Text of a member, or "" where it is missing. */
const char *vectors_text(const json_t *vector, const char *name);

/** Whole number of a member, or 0 where it is missing. */
int64_t vectors_int(const json_t *vector, const char *name);

#endif
