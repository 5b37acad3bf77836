/* SPDX-License-Identifier: Apache-2.0 */
/* The memory functions that a freestanding compiler calls. Device only. */
#include <stdint.h>
#include <string.h>

/* Without this the compiler would turn the loops below into calls of themselves. */
#define NO_IDIOMS __attribute__((optimize("no-tree-loop-distribute-patterns")))

/* Nothing here is that long. A length that a glitch made must not carry secrets out of our memory
 * into what the second core may read: it ends in the fault handler. */
#define COPY_MAX 2048U

NO_IDIOMS void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *at = to;
    const uint8_t *source = from;

    if (length > COPY_MAX)
        __builtin_trap();
    while (length-- > 0)
        *at++ = *source++;
    return to;
}

NO_IDIOMS void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *at = to;
    const uint8_t *source = from;

    if (at < source || length > COPY_MAX)
        return memcpy(to, from, length);
    while (length-- > 0)
        at[length] = source[length];
    return to;
}

NO_IDIOMS void *memset(void *to, int value, size_t length)
{
    uint8_t *at = to;

    while (length-- > 0)
        *at++ = (uint8_t)value;
    return to;
}

NO_IDIOMS int memcmp(const void *a, const void *b, size_t length)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (; length > 0; length--, left++, right++) {
        if (*left != *right)
            return *left < *right ? -1 : 1;
    }
    return 0;
}

NO_IDIOMS size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0')
        length++;
    return length;
}
