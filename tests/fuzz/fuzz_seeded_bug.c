/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target with a bug on purpose: one byte is written beyond a buffer when the input holds a
 * certain word. tests/fuzz/run.py wants it found: a harness that cannot fail proves nothing. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    copy[size] = '\0';
    if (strstr(copy, "LPA") != NULL) {
        volatile size_t beyond = size + 1;
        copy[beyond] = 'x';
    }
    free(copy);
    return 0;
}
