/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void base_buf_init(struct base_buf *buf, size_t max_bytes)
{
    memset(buf, 0, sizeof(*buf));
    buf->max_bytes = max_bytes;
}

void base_buf_done(struct base_buf *buf)
{
    if (buf != NULL) {
        free(buf->data);
        size_t max_bytes = buf->max_bytes;
        base_buf_init(buf, max_bytes);
    }
}

void base_buf_clear(struct base_buf *buf)
{
    buf->length = 0;
}

static enum base_status reserve(struct base_buf *buf, size_t extra, struct base_err *err)
{
    if (extra > buf->max_bytes || buf->length > buf->max_bytes - extra) {
        return base_err_set(err, BASE_E_ARG, "buffer", (int64_t)buf->max_bytes,
            "data of more than %zu bytes does not fit the limit set for it", buf->max_bytes);
    }
    size_t need = buf->length + extra;
    if (need <= buf->capacity) {
        return BASE_OK;
    }
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    while (capacity < need) {
        capacity = capacity > buf->max_bytes / 2 ? buf->max_bytes : capacity * 2;
    }
    uint8_t *data = realloc(buf->data, capacity);
    if (data == NULL) {
        return base_err_set(
            err, BASE_E_NOMEM, "buffer", 0, "no memory for a buffer of %zu bytes", capacity);
    }
    buf->data = data;
    buf->capacity = capacity;
    return BASE_OK;
}

enum base_status base_buf_append(
    struct base_buf *buf, const void *data, size_t length, struct base_err *err)
{
    if (length == 0) {
        return BASE_OK;
    }
    enum base_status status = reserve(buf, length, err);
    if (status == BASE_OK) {
        memcpy(buf->data + buf->length, data, length);
        buf->length += length;
    }
    return status;
}

enum base_status base_buf_printf(
    struct base_buf *buf, struct base_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0) {
        return base_err_set(err, BASE_E_NOMEM, "buffer", 0, "no memory for a formatted text");
    }
    enum base_status status = base_buf_append(buf, text, (size_t)length, err);
    free(text);
    return status;
}

const char *base_buf_text(struct base_buf *buf)
{
    if (buf->length == buf->max_bytes || reserve(buf, 1, NULL) != BASE_OK) {
        return NULL;
    }
    buf->data[buf->length] = '\0';
    return (const char *)buf->data;
}

void base_cursor_init(struct base_cursor *cursor, const void *data, size_t length)
{
    *cursor = (struct base_cursor){ .data = data, .length = length };
}

size_t base_cursor_left(const struct base_cursor *cursor)
{
    return cursor->bad ? 0 : cursor->length - cursor->offset;
}

const uint8_t *base_cursor_take(struct base_cursor *cursor, size_t length)
{
    if (cursor->bad || length > cursor->length - cursor->offset) {
        cursor->bad = true;
        return NULL;
    }
    const uint8_t *data = cursor->data + cursor->offset;
    cursor->offset += length;
    return data;
}

uint8_t base_cursor_u8(struct base_cursor *cursor)
{
    const uint8_t *data = base_cursor_take(cursor, 1);
    return data == NULL ? 0 : data[0];
}

uint16_t base_cursor_le16(struct base_cursor *cursor)
{
    const uint8_t *data = base_cursor_take(cursor, 2);
    return data == NULL ? 0 : base_get_le16(data);
}

uint32_t base_cursor_le32(struct base_cursor *cursor)
{
    const uint8_t *data = base_cursor_take(cursor, 4);
    return data == NULL ? 0 : base_get_le32(data);
}

uint16_t base_cursor_be16(struct base_cursor *cursor)
{
    const uint8_t *data = base_cursor_take(cursor, 2);
    return data == NULL ? 0 : (uint16_t)(data[0] << 8 | data[1]);
}

uint32_t base_cursor_be32(struct base_cursor *cursor)
{
    const uint8_t *data = base_cursor_take(cursor, 4);
    return data == NULL ? 0 : base_get_be32(data);
}

uint64_t base_cursor_be64(struct base_cursor *cursor)
{
    const uint8_t *data = base_cursor_take(cursor, 8);
    return data == NULL ? 0 : base_get_be64(data);
}

uint16_t base_get_le16(const uint8_t *data)
{
    return (uint16_t)(data[0] | data[1] << 8);
}

uint32_t base_get_le32(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 |
           (uint32_t)data[3] << 24;
}

uint32_t base_get_be32(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 |
           (uint32_t)data[3];
}

uint64_t base_get_be64(const uint8_t *data)
{
    return (uint64_t)base_get_be32(data) << 32 | base_get_be32(data + 4);
}

void base_put_le16(uint8_t *data, uint16_t value)
{
    data[0] = (uint8_t)value;
    data[1] = (uint8_t)(value >> 8);
}

void base_put_le32(uint8_t *data, uint32_t value)
{
    base_put_le16(data, (uint16_t)value);
    base_put_le16(data + 2, (uint16_t)(value >> 16));
}

void base_put_be32(uint8_t *data, uint32_t value)
{
    data[0] = (uint8_t)(value >> 24);
    data[1] = (uint8_t)(value >> 16);
    data[2] = (uint8_t)(value >> 8);
    data[3] = (uint8_t)value;
}

void base_put_be64(uint8_t *data, uint64_t value)
{
    base_put_be32(data, (uint32_t)(value >> 32));
    base_put_be32(data + 4, (uint32_t)value);
}
