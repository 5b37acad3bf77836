/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/**
 * @file
 * The error object that every fallible function fills: what to do (status), where it came from
 * (domain), the raw cause (detail) and one sentence for a person. First writer wins; callers only
 * prefix.
 */

#include "base/status.h"

#include <stdint.h>

#define BASE_ERR_DOMAIN_SIZE  16
#define BASE_ERR_MESSAGE_SIZE 512

struct base_err {
    enum base_status status;           /**< BASE_OK while nothing went wrong */
    char domain[BASE_ERR_DOMAIN_SIZE]; /**< source of @ref detail: "errno", "SWD", "SROM", "HTTP",
                                          "device", … */
    int64_t detail; /**< raw cause in the domain's own numbers; 0 where there is none */
    char code[48];  /**< stable machine code such as "receipt_first"; empty where none */
    char message[BASE_ERR_MESSAGE_SIZE]; /**< one sentence; no newline, no secret */
};

/** Make @p err say "no error". NULL is accepted. */
void base_err_clear(struct base_err *err);

/**
 * Record a failure and return its status, so that a function can end with `return base_err_set(…)`.
 *
 * Nothing is overwritten when @p err already holds a failure (first writer wins). The message is
 * made harmless (base_utf8_make_printable()), for parts of it come from strangers. One that does
 * not fit is cut.
 *
 * @param err     may be NULL
 * @param status  not BASE_OK
 * @param domain  at most 15 characters are kept; borrowed
 * @param detail  raw cause
 * @param format  printf format of the sentence: what was tried, with which value, what came back
 * @return @p status
 */
enum base_status base_err_set(struct base_err *err, enum base_status status, const char *domain,
    int64_t detail, const char *format, ...) __attribute__((format(printf, 5, 6)));

/** As base_err_set() with domain "errno" and ": strerror(errnum)" appended to the sentence. */
enum base_status base_err_errno(struct base_err *err, enum base_status status, int errnum,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/** Put a context such as "lot L-1: " before the sentence. No-op on NULL or no failure, so it has no
 * status to give: a caller returns the one it has. */
void base_err_prefix(struct base_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Set the stable machine code (cut at 47 characters). NULL @p err is accepted. */
void base_err_set_code(struct base_err *err, const char *code);

#endif
