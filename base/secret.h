/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

/**
 * @file
 * The one type for secret bytes: locked in memory between pages that cannot be touched, left out of
 * core dumps and of forked children, wiped on free, compared in constant time. A few wiped pages
 * are kept for the next secrets of the process (32 KiB at most), locked as they are.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct base_secret {
    uint8_t *data; /**< page-aligned, pages of its own; NULL when empty */
    size_t length; /**< bytes in use */
    size_t mapped; /**< bytes of its pages */
};

/**
 * Make room for @p length secret bytes, all zero.
 *
 * @return BASE_OK; BASE_E_NOMEM when memory cannot be had or cannot be locked (RLIMIT_MEMLOCK): the
 * sentence says which
 */
BASE_MUST_CHECK
enum base_status base_secret_init(struct base_secret *secret, size_t length, struct base_err *err);

/** As base_secret_init() and copy @p data into it; the caller wipes its own copy. */
BASE_MUST_CHECK
enum base_status base_secret_copy(
    struct base_secret *secret, const void *data, size_t length, struct base_err *err);

/** Wipe, then unmap or keep the page for another secret; accepts NULL and a zeroed object. */
void base_secret_done(struct base_secret *secret);

/** Wipe any memory so that the compiler cannot leave it out. */
void base_wipe(void *data, size_t length);

/** Constant-time comparison of two byte strings of the same length. */
bool base_equal_ct(const void *a, const void *b, size_t length);

/**
 * Read a secret from a file descriptor until end of file or the first newline, which is dropped.
 *
 * @param max_length  longer input is refused with BASE_E_ARG
 */
BASE_MUST_CHECK
enum base_status base_secret_read_fd(
    struct base_secret *ret_secret, int fd, size_t max_length, struct base_err *err);

/**
 * Read a whole secret file, which must be a regular file owned by the caller (or root) with mode
 * 0600 or stricter.
 *
 * @return BASE_OK; BASE_E_CONFIG with the mode when others may read it; BASE_E_IO, BASE_E_NOTFOUND,
 * BASE_E_ARG (too long)
 */
BASE_MUST_CHECK
enum base_status base_secret_read_file(
    struct base_secret *ret_secret, const char *path, size_t max_length, struct base_err *err);

/** Ask for a secret on the controlling terminal without echo. BASE_E_CONFIG when there is no
 * terminal. A signal that ends the program (Ctrl-C) does so after echo is on again; where the
 * program catches it, BASE_E_CANCELLED. */
BASE_MUST_CHECK
enum base_status base_secret_prompt(
    struct base_secret *ret_secret, const char *prompt, size_t max_length, struct base_err *err);

/** No core dumps and no ptrace by others for the rest of the process: call first in every main().
 */
void base_secret_harden_process(void);

#endif
