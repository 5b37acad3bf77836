/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/hardened.h"

/* BL_YES for zero, BL_NO for anything else, without a branch. */
static uint32_t answer(uint32_t differs)
{
    uint32_t mask = 0U - ((differs | (0U - differs)) >> 31);

    return (BL_YES & ~mask) | (BL_NO & mask);
}

/* What both passes have seen, and how far the second one went. */
static uint32_t decide(const volatile uint32_t *up, const volatile uint32_t *down,
    const volatile uint32_t *count, size_t length)
{
    uint32_t first = answer(*up);

    return first & answer(*down | (*count ^ (uint32_t)length));
}

uint32_t bl_hardened_equal(const void *a, const void *b, size_t length)
{
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    volatile uint32_t up = 0;
    volatile uint32_t down = 0;
    volatile uint32_t count = 0;

    for (size_t i = 0; i < length; i++)
        up |= (uint32_t)left[i] ^ right[i];
    for (size_t i = length; i > 0; i--) {
        down |= (uint32_t)left[i - 1] ^ right[i - 1];
        count++;
    }
    return decide(&up, &down, &count, length);
}

uint32_t bl_hardened_zero(const void *data, size_t length)
{
    const volatile uint8_t *at = data;
    volatile uint32_t up = 0;
    volatile uint32_t down = 0;
    volatile uint32_t count = 0;

    for (size_t i = 0; i < length; i++)
        up |= at[i];
    for (size_t i = length; i > 0; i--) {
        down |= at[i - 1];
        count++;
    }
    return decide(&up, &down, &count, length);
}
