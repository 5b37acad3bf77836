/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static char *put_group(char *to, const uint8_t *from, size_t count, const char *digits)
{
    uint32_t group = (uint32_t)from[0] << 16;
    group |= count > 1 ? (uint32_t)from[1] << 8 : 0;
    group |= count > 2 ? (uint32_t)from[2] : 0;
    for (size_t i = 0; i <= count; i++) {
        *to++ = digits[group >> (18 - 6 * i) & 0x3F];
    }
    return to;
}

static void encode(const void *data, size_t length, const char *digits, bool padded, char *to)
{
    const uint8_t *from = data;
    for (; length >= 3; from += 3, length -= 3) {
        to = put_group(to, from, 3, digits);
    }
    if (length > 0) {
        to = put_group(to, from, length, digits);
        for (; padded && length < 3; length++) {
            *to++ = '=';
        }
    }
    *to = '\0';
}

void base_base64_encode(const void *data, size_t length, char *ret_text)
{
    encode(data, length, alphabet, true, ret_text);
}

void base_base64url_encode(const void *data, size_t length, char *ret_text)
{
    encode(data, length, alphabet_url, false, ret_text);
}

static int digit_value(char c, const char *digits)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == digits[62]) {
        return 62;
    }
    return c == digits[63] ? 63 : -1;
}

static enum base_status refuse(struct base_err *err, size_t place)
{
    return base_err_set(err, BASE_E_ARG, "base64", (int64_t)place,
        "the text is not strict base64 (character %zu)", place + 1);
}

/* Check everything before the first byte is written, so that a failure leaves the output alone. */
static enum base_status check_digits(
    const char *text, size_t length, const char *digits, struct base_err *err)
{
    for (size_t i = 0; i < length; i++) {
        if (digit_value(text[i], digits) < 0) {
            return refuse(err, i);
        }
    }
    if (length % 4 == 1) {
        return refuse(err, length);
    }
    if (length % 4 != 0) {
        /* Two digits carry 4 surplus bits, three carry 2: only zeros are canonical. */
        int surplus = length % 4 == 2 ? 0xF : 0x3;
        if ((digit_value(text[length - 1], digits) & surplus) != 0) {
            return refuse(err, length - 1);
        }
    }
    return BASE_OK;
}

static enum base_status decode(const char *text, size_t length, const char *digits, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err)
{
    enum base_status status = check_digits(text, length, digits, err);
    if (status != BASE_OK) {
        return status;
    }
    size_t bytes = length / 4 * 3 + (length % 4 != 0 ? length % 4 - 1 : 0);
    if (bytes > size) {
        return base_err_set(err, BASE_E_ARG, "base64", (int64_t)bytes,
            "the base64 text holds %zu bytes, at most %zu are expected", bytes, size);
    }
    uint32_t bits = 0;
    unsigned count = 0;
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        bits = bits << 6 | (uint32_t)digit_value(text[i], digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            ret_data[used++] = (uint8_t)(bits >> count);
        }
    }
    *ret_length = used;
    return BASE_OK;
}

enum base_status base_base64_decode(const char *text, size_t text_length, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err)
{
    if (text_length % 4 != 0) {
        return refuse(err, text_length);
    }
    size_t padding = 0;
    while (padding < 2 && padding < text_length && text[text_length - 1 - padding] == '=') {
        padding++;
    }
    return decode(text, text_length - padding, alphabet, size, ret_data, ret_length, err);
}

enum base_status base_base64url_decode(const char *text, size_t text_length, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err)
{
    return decode(text, text_length, alphabet_url, size, ret_data, ret_length, err);
}
