/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

/**
 * @file
 * Growable byte buffer with a stated maximum, and a cursor that reads bytes with every length
 * checked before use. Not for secrets: see base/secret.h.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct base_buf {
    uint8_t *data;    /**< owned; NULL while empty */
    size_t length;    /**< bytes in use */
    size_t capacity;  /**< bytes allocated */
    size_t max_bytes; /**< growth beyond this is refused with BASE_E_ARG */
};

/** Initialise caller's memory; nothing is allocated yet. */
void base_buf_init(struct base_buf *buf, size_t max_bytes);

/** Free what the buffer holds; accepts NULL, a zeroed object and repeated calls. */
void base_buf_done(struct base_buf *buf);

/** Forget the content, keep the memory. */
void base_buf_clear(struct base_buf *buf);

/** Append bytes. BASE_E_ARG: maximum exceeded (nothing appended); BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status base_buf_append(
    struct base_buf *buf, const void *data, size_t length, struct base_err *err);

/** Append formatted text without its terminating NUL. Same errors as base_buf_append(). */
BASE_MUST_CHECK
enum base_status base_buf_printf(struct base_buf *buf, struct base_err *err, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/** NUL-terminate (the NUL is not counted in length) and return the text; NULL when out of memory or
 * at the maximum. */
const char *base_buf_text(struct base_buf *buf);

/** Reader over borrowed bytes. Once a read fails, `bad` stays set and every later read gives zeros.
 */
struct base_cursor {
    const uint8_t *data;
    size_t length;
    size_t offset;
    bool bad;
};

void base_cursor_init(struct base_cursor *cursor, const void *data, size_t length);
/** Bytes not read yet; 0 once bad. */
size_t base_cursor_left(const struct base_cursor *cursor);
/** Borrow the next @p length bytes; NULL and bad when there are fewer. */
const uint8_t *base_cursor_take(struct base_cursor *cursor, size_t length);
uint8_t base_cursor_u8(struct base_cursor *cursor);
uint16_t base_cursor_le16(struct base_cursor *cursor);
uint32_t base_cursor_le32(struct base_cursor *cursor);
uint16_t base_cursor_be16(struct base_cursor *cursor);
uint32_t base_cursor_be32(struct base_cursor *cursor);
uint64_t base_cursor_be64(struct base_cursor *cursor);

/* Fixed-width access to caller's memory of sufficient size. */
uint32_t base_get_le32(const uint8_t *data);
uint16_t base_get_le16(const uint8_t *data);
uint32_t base_get_be32(const uint8_t *data);
uint64_t base_get_be64(const uint8_t *data);
void base_put_le32(uint8_t *data, uint32_t value);
void base_put_le16(uint8_t *data, uint16_t value);
void base_put_be32(uint8_t *data, uint32_t value);
void base_put_be64(uint8_t *data, uint64_t value);

#endif
