/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

void base_err_clear(struct base_err *err)
{
    if (err != NULL) {
        memset(err, 0, sizeof(*err));
    }
}

static enum base_status __attribute__((format(printf, 5, 0))) set_v(struct base_err *err,
    enum base_status status, const char *domain, int64_t detail, const char *format, va_list args)
{
    if (err == NULL || err->status != BASE_OK) {
        return status;
    }
    err->status = status;
    err->detail = detail;
    copy_text(err->domain, sizeof(err->domain), domain);
    (void)vsnprintf(err->message, sizeof(err->message), format, args);
    base_utf8_make_printable(err->message);
    return status;
}

enum base_status base_err_set(struct base_err *err, enum base_status status, const char *domain,
    int64_t detail, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_v(err, status, domain, detail, format, args);
    va_end(args);
    return status;
}

enum base_status base_err_errno(
    struct base_err *err, enum base_status status, int errnum, const char *format, ...)
{
    if (err == NULL || err->status != BASE_OK) {
        return status;
    }
    va_list args;
    va_start(args, format);
    set_v(err, status, "errno", errnum, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    (void)snprintf(
        err->message + used, sizeof(err->message) - used, ": %s", strerrordesc_np(errnum));
    return status;
}

void base_err_prefix(struct base_err *err, const char *format, ...)
{
    if (err == NULL || err->status == BASE_OK) {
        return;
    }
    char text[BASE_ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (written > 0) {
        size_t used = strnlen(text, sizeof(text) - 1);
        copy_text(text + used, sizeof(text) - used, err->message);
        base_utf8_make_printable(text);
        memcpy(err->message, text, sizeof(text));
    }
}

void base_err_set_code(struct base_err *err, const char *code)
{
    if (err != NULL) {
        copy_text(err->code, sizeof(err->code), code);
    }
}
