/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include <string.h>

void base_hex_encode(const void *data, size_t length, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < length; i++) {
        ret_text[2 * i] = digits[bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[bytes[i] & 0xF];
    }
    ret_text[2 * length] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

enum base_status base_hex_decode(
    const char *text, size_t length, uint8_t *ret_data, struct base_err *err)
{
    size_t text_length = strlen(text);
    if (text_length != 2 * length) {
        return base_err_set(err, BASE_E_ARG, "hex", (int64_t)text_length,
            "expected %zu hexadecimal digits, got %zu characters", 2 * length, text_length);
    }
    for (size_t i = 0; i < text_length; i++) {
        if (digit_value(text[i]) < 0) {
            return base_err_set(err, BASE_E_ARG, "hex", (int64_t)i,
                "character %zu is not a hexadecimal digit", i + 1);
        }
    }
    for (size_t i = 0; i < length; i++) {
        ret_data[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
    }
    return BASE_OK;
}
