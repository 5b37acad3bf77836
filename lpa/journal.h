/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_JOURNAL_H
#define LPA_JOURNAL_H

/**
 * @file
 * The station's durable memory of its units: SQLite, write-ahead log, one row per lot and chip
 * (man lpa-journal(5)). It holds no key, envelope, code or token.
 *
 * Several threads may use one journal: writes that arrive while one is being made durable are
 * committed together by one of the waiting threads (group commit).
 */

#include "lpa/job.h"

struct lpa_journal;

/**
 * Open or create a journal, mode 0600, and check it.
 *
 * @return BASE_OK
 *         BASE_E_CORRUPT  not a journal, of another version, or damaged; code "journal_corrupt";
 *                         the sentence names the way to rebuild it
 *         BASE_E_IO       folder or disk; code "disk_full" when there is no room
 *         BASE_E_BUSY     another program holds it
 */
BASE_MUST_CHECK
enum base_status lpa_journal_open(
    const char *path, struct lpa_journal **ret_journal, struct base_err *err);

/** Accepts NULL. No thread may be inside another call. */
void lpa_journal_close(struct lpa_journal *journal);

/**
 * Write a row; returns when it survives a power cut.
 *
 * @return BASE_OK; BASE_E_IO, code "disk_full" when there is no room: the old row stands;
 * BASE_E_CORRUPT. After a failed fsync every later write is refused: what is on the disk is unknown
 */
BASE_MUST_CHECK
enum base_status lpa_journal_put(
    struct lpa_journal *journal, const struct lpa_unit *unit, struct base_err *err);

/** The same, but the row survives a power cut only from the next put on; the end of this program at
 * once. */
BASE_MUST_CHECK
enum base_status lpa_journal_note(
    struct lpa_journal *journal, const struct lpa_unit *unit, struct base_err *err);

/** BASE_OK with *ret_found false where there is no row; @p ret_unit is written when found. */
BASE_MUST_CHECK
enum base_status lpa_journal_load(struct lpa_journal *journal, const char *lot,
    const uint8_t chip_id[PROTO_CHIP_ID_SIZE], struct lpa_unit *ret_unit, bool *ret_found,
    struct base_err *err);

/** Receives one row; a status other than BASE_OK ends the walk and is passed on. It must not call
 * the journal. */
typedef enum base_status lpa_unit_fn(void *user, const struct lpa_unit *unit, struct base_err *err);

/** Rows of one lot, or of all lots where @p lot is NULL, by lot and chip id. */
BASE_MUST_CHECK
enum base_status lpa_journal_each(struct lpa_journal *journal, const char *lot, lpa_unit_fn *each,
    void *user, struct base_err *err);

/** Rename a damaged journal and its side files to "PATH.damaged-TIME", so that a new one can be
 * begun; @p wall_us gives the time. A journal that is not there is fine. */
BASE_MUST_CHECK
enum base_status lpa_journal_set_aside(const char *path, int64_t wall_us, struct base_err *err);

/** For struct lpa_job_io; `user` is the journal. */
extern const struct lpa_journal_ops lpa_journal_job_ops;

#endif
