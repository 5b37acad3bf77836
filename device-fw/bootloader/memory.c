/* SPDX-License-Identifier: Apache-2.0 */
/* The memory functions that a freestanding compiler calls. Device only. */
#include <stdint.h>
#include <string.h>

/* Without this the compiler would turn the loops below into calls of themselves. */
#define NO_IDIOMS __attribute__((optimize("no-tree-loop-distribute-patterns")))

/* A copy that a glitch made endless must not carry secrets out of our memory into what others may
 * read. Nothing here is as long as this: what is longer ends in the fault handler. */
#define COPY_MAX 2048U

/* And a loop whose end was missed ends in the next round: the compiler must not know how the index
 * moves, or it asks for equality where we ask for less. */
#define OPAQUE(index) __asm__ volatile("" : "+r"(index))

NO_IDIOMS void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    uint8_t *at = to;
    const uint8_t *source = from;

    if (length > COPY_MAX)
        __builtin_trap();
    for (size_t i = 0; i < length; i++) {
        at[i] = source[i];
        OPAQUE(i);
    }
    return to;
}

NO_IDIOMS void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *at = to;
    const uint8_t *source = from;

    if (at < source || length > COPY_MAX)
        return memcpy(to, from, length);
    for (size_t i = length - 1; i < length; i--) {
        at[i] = source[i];
        OPAQUE(i);
    }
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
