/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

/** @file Whole-file reads with a limit, atomic and durable replacement, private folders. */

#include "base/buf.h"

#include <sys/types.h>

/**
 * Read a whole file into @p buf (appended; its max_bytes is the limit).
 *
 * @return BASE_OK, BASE_E_NOTFOUND, BASE_E_IO (domain errno), BASE_E_ARG (longer than the limit),
 * BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status base_file_read(const char *path, struct base_buf *buf, struct base_err *err);

/**
 * Replace (or create) a file so that a reader or a power cut sees the old content or the new one:
 * temporary file in the same folder, fsync, rename, fsync of the folder.
 *
 * @param mode  permission bits of the new file, for example 0600
 */
BASE_MUST_CHECK
enum base_status base_file_replace(
    const char *path, const void *data, size_t length, mode_t mode, struct base_err *err);

/** Write all bytes, through EINTR and short writes. */
BASE_MUST_CHECK
enum base_status base_file_write_all(
    int fd, const void *data, size_t length, const char *path, struct base_err *err);

/** fsync the folder that holds @p path. A failure is fatal for the caller: never retry fsync. */
BASE_MUST_CHECK
enum base_status base_file_sync_folder(const char *path, struct base_err *err);

/** Create one folder with mode 0700; an existing one is fine where it is ours or root's and nobody
 * else may write to it, otherwise BASE_E_CONFIG. */
BASE_MUST_CHECK
enum base_status base_file_make_folder(const char *path, struct base_err *err);

/** Join folder and name into @p ret_path of @p size bytes; BASE_E_ARG when it does not fit. */
BASE_MUST_CHECK
enum base_status base_file_join(
    const char *folder, const char *name, size_t size, char *ret_path, struct base_err *err);

#define BASE_FILE_PATH_SIZE 4096

#endif
