/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>

#include "base/utf8.h"

void base_log(const struct base_log *log, enum base_log_level level, const char *format, ...)
{
    if (log == NULL || log->emit == NULL || level > log->level) {
        return;
    }
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    base_utf8_make_printable(line);
    log->emit(log->user, level, line);
}

void base_log_to_file(void *user, enum base_log_level level, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug", "trace" };
    (void)fprintf(user, "%s: %s\n", names[level], line);
}
