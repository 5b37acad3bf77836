/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/** @file Diagnosis through an object that the caller gives. Libraries emit debug and trace only;
 * cmd/ emits the rest. */

#include <stdio.h>

enum base_log_level {
    BASE_LOG_ERROR,
    BASE_LOG_WARN,
    BASE_LOG_INFO,
    BASE_LOG_DEBUG,
    BASE_LOG_TRACE
};

struct base_log {
    enum base_log_level level; /**< more detailed lines are dropped */
    /** Receives one line without newline. */
    void (*emit)(void *user, enum base_log_level level, const char *line);
    void *user; /**< borrowed */
};

/** Format one line, make it harmless (base_utf8_make_printable()) and hand it on; NULL @p log drops
 * it. */
void base_log(const struct base_log *log, enum base_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Ready-made emit function: `user` is a FILE *; writes "level: line". */
void base_log_to_file(void *user, enum base_log_level level, const char *line);

#endif
