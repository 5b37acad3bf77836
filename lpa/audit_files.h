/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_AUDIT_FILES_H
#define LPA_AUDIT_FILES_H

/**
 * @file
 * How a log lies on disk: segments "NNNNNNNNNNNN.jsonl" named by their first sequence number, one
 * record a line, and three files of checkpoints: "signed" (the last one the station signed),
 * "checkpoint" (the last one the KMS cosigned) and "history" (some of the cosigned ones, one after
 * the other). Only printable lines, so that standard tools can read all of it.
 */

#include "base/buf.h"

#include <stdio.h>

#define LPA_AUDIT_NOTES_MAX         (64U * 1024U * 1024U) /**< bytes of a file of notes */
#define LPA_AUDIT_SEGMENT_NAME_SIZE 24

/** Name of the segment that begins with record @p first. */
void lpa_audit_segment_name(uint64_t first, char ret_name[LPA_AUDIT_SEGMENT_NAME_SIZE]);

/** Receives one whole line without its newline. */
typedef enum base_status lpa_line_fn(
    void *user, const char *line, size_t length, struct base_err *err);

struct lpa_audit_tail {
    uint64_t records;    /**< whole lines in all segments */
    uint64_t last_first; /**< first record of the last segment */
    bool have_segment;   /**< false where the log is empty */
    uint64_t last_bytes; /**< bytes of whole lines in the last segment */
    uint64_t torn_bytes; /**< bytes after the last newline of the last segment */
};

/**
 * Read all records in order. A segment that does not begin with the record that is due, and an
 * incomplete line anywhere but at the very end, end the walk with BASE_E_CORRUPT.
 *
 * @return what @p each returned when it was not BASE_OK; BASE_E_IO; BASE_E_CORRUPT; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status lpa_audit_read(const char *folder, lpa_line_fn *each, void *user,
    struct lpa_audit_tail *ret_tail, struct base_err *err);

/** Receives one note of a file of notes: body, empty line, signature lines. */
typedef enum base_status lpa_note_fn(
    void *user, const char *note, size_t length, struct base_err *err);

/** Walk the notes of a file ("signed", "checkpoint", "history"); a missing file has none. */
BASE_MUST_CHECK
enum base_status lpa_audit_read_notes(
    const char *folder, const char *name, lpa_note_fn *each, void *user, struct base_err *err);

#endif
