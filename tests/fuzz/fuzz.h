/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/**
 * @file
 * What the libFuzzer targets share. A target feeds hostile bytes to one parser and, where it can,
 * checks a property (what was accepted is written back as the same bytes). Sanitizers find the
 * rest.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** Entry point that libFuzzer calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** A property of the code under test; libFuzzer reports the input that breaks it. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
