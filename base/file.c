/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum base_status base_file_read(const char *path, struct base_buf *buf, struct base_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return base_err_errno(
            err, errno == ENOENT ? BASE_E_NOTFOUND : BASE_E_IO, errno, "cannot open %s", path);
    }
    enum base_status status = BASE_OK;
    while (status == BASE_OK) {
        uint8_t chunk[16384];
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            status = base_err_errno(err, BASE_E_IO, errno, "cannot read %s", path);
        } else if (got == 0) {
            break;
        } else {
            status = base_buf_append(buf, chunk, (size_t)got, err);
        }
    }
    (void)close(fd);
    if (status == BASE_E_ARG) {
        (void)base_err_prefix(err, "%s: ", path);
    }
    return status;
}

enum base_status base_file_write_all(
    int fd, const void *data, size_t length, const char *path, struct base_err *err)
{
    const uint8_t *bytes = data;
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return base_err_errno(err, BASE_E_IO, errno, "cannot write %s", path);
        }
        bytes += put;
        length -= (size_t)put;
    }
    return BASE_OK;
}

enum base_status base_file_sync_folder(const char *path, struct base_err *err)
{
    char folder[BASE_FILE_PATH_SIZE];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (length >= sizeof(folder)) {
        return base_err_set(err, BASE_E_ARG, "path", (int64_t)length,
            "a path of %zu characters is too long", length);
    }
    if (slash == NULL) {
        memcpy(folder, ".", 2);
    } else {
        /* The root folder is its own slash. */
        length = length == 0 ? 1 : length;
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot open folder %s", folder);
    }
    enum base_status status = BASE_OK;
    if (fsync(fd) != 0) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot make folder %s durable", folder);
    }
    (void)close(fd);
    return status;
}

static enum base_status fill_temporary(
    int fd, const char *path, const void *data, size_t length, mode_t mode, struct base_err *err)
{
    enum base_status status = base_file_write_all(fd, data, length, path, err);
    if (status != BASE_OK) {
        return status;
    }
    if (fchmod(fd, mode) != 0 || fsync(fd) != 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot make %s durable", path);
    }
    return BASE_OK;
}

enum base_status base_file_replace(
    const char *path, const void *data, size_t length, mode_t mode, struct base_err *err)
{
    char temporary[BASE_FILE_PATH_SIZE];
    int need = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (need < 0 || (size_t)need >= sizeof(temporary)) {
        return base_err_set(
            err, BASE_E_ARG, "path", need, "a path of %d characters is too long", need);
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot create a file beside %s", path);
    }
    enum base_status status = fill_temporary(fd, path, data, length, mode, err);
    if (close(fd) != 0 && status == BASE_OK) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot close %s", temporary);
    }
    if (status == BASE_OK && rename(temporary, path) != 0) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot replace %s", path);
    }
    if (status != BASE_OK) {
        (void)unlink(temporary);
        return status;
    }
    return base_file_sync_folder(path, err);
}

enum base_status base_file_make_folder(const char *path, struct base_err *err)
{
    if (mkdir(path, 0700) == 0) {
        return base_file_sync_folder(path, err);
    }
    int errnum = errno;
    struct stat info;
    if (errnum != EEXIST || stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return base_err_errno(err, BASE_E_IO, errnum, "cannot create folder %s", path);
    }
    /* Whoever may write there could put other keys and other logs in the place of ours. */
    if ((info.st_uid != geteuid() && info.st_uid != 0) || (info.st_mode & 022) != 0) {
        return base_err_set(err, BASE_E_CONFIG, "mode", info.st_mode & 07777,
            "the folder %s has mode %04o or another owner: take one of your own that nobody else "
            "may write to",
            path, (unsigned)(info.st_mode & 07777));
    }
    return BASE_OK;
}

enum base_status base_file_join(
    const char *folder, const char *name, size_t size, char *ret_path, struct base_err *err)
{
    int need = snprintf(NULL, 0, "%s/%s", folder, name);
    if (need < 0 || (size_t)need >= size) {
        return base_err_set(
            err, BASE_E_ARG, "path", need, "the path %.80s/%.80s is too long", folder, name);
    }
    (void)snprintf(ret_path, size, "%s/%s", folder, name);
    return BASE_OK;
}
