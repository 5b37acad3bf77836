/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

size_t base_utf8_length(const uint8_t *at, size_t left)
{
    if (at[0] < 0x80) {
        return 1;
    }
    size_t length = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || length > left) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool beyond = (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF4 && at[1] > 0x8F);
    return overlong || beyond ? 0 : length;
}

static uint32_t code_point(const uint8_t *at, size_t length)
{
    if (length == 1) {
        return at[0];
    }
    uint32_t code = at[0] & (0xFFU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        code = code << 6 | (at[i] & 0x3FU);
    }
    return code;
}

/* Controls, zero-width and direction marks (Unicode general categories Cc, Zl, Zp and the part of
 * Cf that hides or reorders text). */
static bool is_dangerous(uint32_t code)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        { 0x00, 0x1F },
        { 0x7F, 0x9F },
        { 0xAD, 0xAD },
        { 0x61C, 0x61C },
        { 0x200B, 0x200F },
        { 0x2028, 0x202E },
        { 0x2060, 0x206F },
        { 0xFEFF, 0xFEFF },
        { 0xFFF9, 0xFFFB },
        { 0xE0000, 0xE007F },
    };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

void base_utf8_make_printable(char *text)
{
    uint8_t *from = (uint8_t *)text;
    uint8_t *to = (uint8_t *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t length = base_utf8_length(from, left);
        if (length == 0) {
            *to++ = '?';
            length = 1;
        } else if (is_dangerous(code_point(from, length))) {
            *to++ = ' ';
        } else {
            memmove(to, from, length);
            to += length;
        }
        from += length;
        left -= length;
    }
    *to = '\0';
}
