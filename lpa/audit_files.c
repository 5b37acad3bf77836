/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/audit_files.h"

#include "base/file.h"
#include "lpa/audit_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_DIGITS 12U
#define SEGMENT_SUFFIX ".jsonl"
#define CHUNK_BYTES    (256U * 1024U)

void lpa_audit_segment_name(uint64_t first, char ret_name[LPA_AUDIT_SEGMENT_NAME_SIZE])
{
    (void)snprintf(ret_name, LPA_AUDIT_SEGMENT_NAME_SIZE, "%012" PRIu64 SEGMENT_SUFFIX,
        first % UINT64_C(1000000000000));
}

static bool is_segment(const char *name)
{
    return strspn(name, "0123456789") == SEGMENT_DIGITS &&
           strcmp(name + SEGMENT_DIGITS, SEGMENT_SUFFIX) == 0;
}

static int keep_segment(const struct dirent *entry)
{
    return is_segment(entry->d_name) ? 1 : 0;
}

struct reader {
    lpa_line_fn *each;
    void *user;
    char *buffer; /**< CHUNK_BYTES */
    size_t used;  /**< bytes of an incomplete line at the front */
    struct lpa_audit_tail tail;
};

/* Hand out the whole lines of the buffer and move the rest to the front. */
static enum base_status drain(struct reader *reader, struct base_err *err)
{
    char *line = reader->buffer;
    char *end = reader->buffer + reader->used;
    for (;;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL) {
            break;
        }
        enum base_status status = reader->each(reader->user, line, (size_t)(newline - line), err);
        if (status != BASE_OK) {
            return status;
        }
        reader->tail.records++;
        reader->tail.last_bytes += (uint64_t)(newline - line) + 1;
        line = newline + 1;
    }
    reader->used = (size_t)(end - line);
    memmove(reader->buffer, line, reader->used);
    return BASE_OK;
}

static enum base_status read_fd(
    struct reader *reader, int fd, const char *path, struct base_err *err)
{
    for (;;) {
        if (reader->used == CHUNK_BYTES) {
            return base_err_set(err, BASE_E_CORRUPT, "log", (int64_t)reader->tail.records,
                "record %" PRIu64 " in %s is longer than any record may be", reader->tail.records,
                path);
        }
        ssize_t got = read(fd, reader->buffer + reader->used, CHUNK_BYTES - reader->used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return base_err_errno(err, BASE_E_IO, errno, "cannot read %s", path);
        }
        if (got == 0) {
            return BASE_OK;
        }
        reader->used += (size_t)got;
        enum base_status status = drain(reader, err);
        if (status != BASE_OK) {
            return status;
        }
    }
}

static enum base_status read_segment(
    struct reader *reader, const char *folder, const char *name, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    char due[LPA_AUDIT_SEGMENT_NAME_SIZE];
    enum base_status status = base_file_join(folder, name, sizeof(path), path, err);
    if (status != BASE_OK) {
        return status;
    }
    lpa_audit_segment_name(reader->tail.records, due);
    if (strcmp(name, due) != 0 || reader->used != 0) {
        return base_err_set(err, BASE_E_CORRUPT, "log", (int64_t)reader->tail.records,
            "record %" PRIu64 " is due, but the next segment of the log is %s: records are missing",
            reader->tail.records, name);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot open %s", path);
    }
    reader->tail.have_segment = true;
    reader->tail.last_first = reader->tail.records;
    reader->tail.last_bytes = 0;
    status = read_fd(reader, fd, path, err);
    (void)close(fd);
    return status;
}

enum base_status lpa_audit_read(const char *folder, lpa_line_fn *each, void *user,
    struct lpa_audit_tail *ret_tail, struct base_err *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, keep_segment, alphasort);
    if (count < 0) {
        return base_err_errno(err, errno == ENOENT ? BASE_E_NOTFOUND : BASE_E_IO, errno,
            "cannot read the log folder %s", folder);
    }
    struct reader reader = { .each = each, .user = user, .buffer = malloc(CHUNK_BYTES) };
    enum base_status status = BASE_OK;
    if (reader.buffer == NULL) {
        status = base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory to read the log");
    }
    for (int i = 0; i < count; i++) {
        if (status == BASE_OK) {
            status = read_segment(&reader, folder, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    free(reader.buffer);
    reader.tail.torn_bytes = reader.used;
    if (status == BASE_OK) {
        *ret_tail = reader.tail;
    }
    return status;
}

/* End of the note that begins at @p start: the line after its signatures, which is empty or the
 * end of the text. NULL when there is none. */
static const char *note_end(const char *start, const char *end)
{
    const char *line = start;
    unsigned empty_lines = 0;
    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        if (newline == NULL) {
            return NULL;
        }
        if (newline == line && ++empty_lines == 2) {
            return line;
        }
        line = newline + 1;
    }
    return empty_lines == 1 ? end : NULL;
}

static enum base_status walk_notes(const struct base_buf *text, const char *name, lpa_note_fn *each,
    void *user, struct base_err *err)
{
    if (text->length == 0) {
        return BASE_OK;
    }
    const char *at = (const char *)text->data;
    const char *end = at + text->length;
    while (at < end) {
        const char *stop = note_end(at, end);
        if (stop == NULL) {
            return base_err_set(err, BASE_E_CORRUPT, "log",
                (int64_t)(at - (const char *)text->data),
                "the file %s of the log is not a list of signed notes", name);
        }
        enum base_status status = each(user, at, (size_t)(stop - at), err);
        if (status != BASE_OK) {
            return status;
        }
        at = stop < end ? stop + 1 : end;
    }
    return BASE_OK;
}

enum base_status lpa_audit_read_notes(
    const char *folder, const char *name, lpa_note_fn *each, void *user, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    enum base_status status = base_file_join(folder, name, sizeof(path), path, err);
    if (status != BASE_OK) {
        return status;
    }
    struct base_buf text;
    struct base_err cause = { 0 };
    base_buf_init(&text, LPA_AUDIT_NOTES_MAX);
    status = base_file_read(path, &text, &cause);
    if (status == BASE_OK) {
        status = walk_notes(&text, name, each, user, err);
    } else if (status == BASE_E_NOTFOUND) {
        status = BASE_OK;
    } else if (err != NULL && err->status == BASE_OK) {
        *err = cause;
    }
    base_buf_done(&text);
    return status;
}
