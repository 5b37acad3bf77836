/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/journal.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "lpa/journal_row.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID  0x4C50414A /* "LPAJ" */
#define SCHEMA_VERSION  3
#define BUSY_TIMEOUT_MS 3000
#define SQL_MAX         8192U

/* One write that waits for a commit; lives on the stack of the thread that waits. */
struct pending {
    const struct lpa_unit *unit;
    struct pending *next;
    bool durable; /**< the commit waits for the disk */
    bool done;
    enum base_status status;
    struct base_err err;
};

struct lpa_journal {
    sqlite3 *db;
    sqlite3_stmt *put;
    sqlite3_stmt *load;
    char *path;
    pthread_mutex_t lock;    /**< queue, leader, dead */
    pthread_mutex_t db_lock; /**< the connection and its statements */
    pthread_cond_t changed;
    struct pending *first;
    struct pending **last;
    bool leading; /**< a thread is committing a batch */
    bool synced;  /**< what "PRAGMA synchronous" says: FULL, not NORMAL; under `db_lock` */
    bool dead;    /**< an fsync failed: the state of the disk is unknown */
};

/* Version 1. A fresh journal goes through all versions, as an old one does. */
static const char schema[] =
    "CREATE TABLE unit("
    "lot TEXT NOT NULL, chip BLOB NOT NULL CHECK(length(chip)=8), attempt INTEGER NOT NULL,"
    "state INTEGER NOT NULL, step INTEGER NOT NULL, phase INTEGER NOT NULL,"
    "result INTEGER NOT NULL, permanent INTEGER NOT NULL, code TEXT NOT NULL,"
    "message TEXT NOT NULL, site TEXT NOT NULL, grant_id TEXT NOT NULL, dev_eui BLOB NOT NULL,"
    "key_version INTEGER NOT NULL, statement BLOB NOT NULL, receipt BLOB NOT NULL,"
    "started_us INTEGER NOT NULL, updated_us INTEGER NOT NULL,"
    "PRIMARY KEY(lot, chip)) WITHOUT ROWID;";

/* What each version did not know: which probe it was; permits, records and locks. */
static const char *const renewals[SCHEMA_VERSION] = {
    schema,
    "ALTER TABLE unit ADD COLUMN probe_vendor TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE unit ADD COLUMN probe_product TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE unit ADD COLUMN probe_serial TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE unit ADD COLUMN probe_firmware TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE unit ADD COLUMN permit TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE unit ADD COLUMN record TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE unit ADD COLUMN lock INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE unit ADD COLUMN lock_answer BLOB NOT NULL DEFAULT x'';",
};

/* Side files are grown by other calls than write, which SQLite reports as plain I/O errors. */
static bool is_out_of_space(const struct lpa_journal *journal, int extended)
{
    int cause = journal->db == NULL ? 0 : sqlite3_system_errno(journal->db);
    return cause == ENOSPC || cause == EDQUOT || extended == SQLITE_IOERR_SHMSIZE;
}

static enum base_status sql_error(
    struct lpa_journal *journal, int code, const char *what, struct base_err *err)
{
    const char *cause = journal->db == NULL ? "no memory" : sqlite3_errmsg(journal->db);
    int extended = journal->db == NULL ? code : sqlite3_extended_errcode(journal->db);
    enum base_status status = BASE_E_IO;
    const char *name = "";
    const char *next = "";
    if (is_out_of_space(journal, extended)) {
        code = SQLITE_FULL;
    }
    switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
        status = BASE_E_CORRUPT;
        name = "journal_corrupt";
        next = "; rebuild it with lpa-provision status --rebuild --lot LOT";
        break;
    case SQLITE_FULL:
        name = "disk_full";
        next = "; free some space, then run the board again: nothing is lost";
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = BASE_E_BUSY;
        next = "; end the other program that uses it";
        break;
    case SQLITE_NOMEM:
        status = BASE_E_NOMEM;
        break;
    default:
        if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC) {
            journal->dead = true;
        }
        break;
    }
    (void)base_err_set(err, status, "SQLite", extended, "cannot %s the journal %s: %s%s", what,
        journal->path, cause, next);
    base_err_set_code(err, name);
    return status;
}

static enum base_status run(
    struct lpa_journal *journal, const char *sql, const char *what, struct base_err *err)
{
    int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? BASE_OK : sql_error(journal, code, what, err);
}

static enum base_status query_int(
    struct lpa_journal *journal, const char *sql, int64_t *ret_value, struct base_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(journal->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
    }
    enum base_status status = BASE_OK;
    if (code == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(stmt, 0);
    } else {
        status = sql_error(journal, code, "read", err);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

static enum base_status corrupt(struct lpa_journal *journal, const char *what, struct base_err *err)
{
    (void)base_err_set(err, BASE_E_CORRUPT, "journal", 0,
        "the journal %s is damaged (%s); rebuild it with lpa-provision status --rebuild --lot LOT",
        journal->path, what);
    base_err_set_code(err, "journal_corrupt");
    return BASE_E_CORRUPT;
}

static enum base_status check_integrity(struct lpa_journal *journal, struct base_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(journal->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
    }
    enum base_status status = BASE_OK;
    if (code != SQLITE_ROW) {
        status = sql_error(journal, code, "check", err);
    } else {
        const unsigned char *text = sqlite3_column_text(stmt, 0);
        if (text == NULL || strcmp((const char *)text, "ok") != 0) {
            status = corrupt(journal, text == NULL ? "no answer" : (const char *)text, err);
        }
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

/* One transaction: a file is of one version or of another, never between. */
static enum base_status renew(struct lpa_journal *journal, int64_t version, struct base_err *err)
{
    struct base_buf sql;
    base_buf_init(&sql, SQL_MAX);
    enum base_status status = base_buf_printf(&sql, err, "BEGIN IMMEDIATE;");
    for (size_t i = (size_t)version; i < SCHEMA_VERSION && status == BASE_OK; i++) {
        status = base_buf_printf(&sql, err, "%s", renewals[i]);
    }
    if (status == BASE_OK) {
        status =
            base_buf_printf(&sql, err, "PRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT",
                APPLICATION_ID, SCHEMA_VERSION);
    }
    const char *text = status == BASE_OK ? base_buf_text(&sql) : NULL;
    if (status == BASE_OK) {
        status = text == NULL ? base_err_set(err, BASE_E_NOMEM, "journal", 0, "no memory")
                              : run(journal, text, "renew", err);
    }
    base_buf_done(&sql);
    return status;
}

/* A fresh file gets its marks; an old one must carry them. */
static enum base_status check_version(struct lpa_journal *journal, struct base_err *err)
{
    int64_t id = 0;
    int64_t version = 0;
    int64_t tables = 0;
    enum base_status status = query_int(journal, "PRAGMA application_id", &id, err);
    if (status == BASE_OK) {
        status = query_int(journal, "PRAGMA user_version", &version, err);
    }
    if (status == BASE_OK) {
        status = query_int(journal, "SELECT count(*) FROM sqlite_schema", &tables, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (id == 0 && version == 0 && tables == 0) {
        return renew(journal, 0, err);
    }
    if (id != APPLICATION_ID || version < 1 || version > SCHEMA_VERSION) {
        char text[96];
        (void)snprintf(text, sizeof(text), "application id %lld, version %lld", (long long)id,
            (long long)version);
        return corrupt(journal, text, err);
    }
    status = check_integrity(journal, err);
    return status == BASE_OK && version < SCHEMA_VERSION ? renew(journal, version, err) : status;
}

static enum base_status prepare(struct lpa_journal *journal, struct base_err *err)
{
    int code = sqlite3_prepare_v3(journal->db,
        "INSERT OR REPLACE INTO unit(" LPA_JOURNAL_COLUMNS
        ")VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        -1, SQLITE_PREPARE_PERSISTENT, &journal->put, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_prepare_v3(journal->db,
            "SELECT " LPA_JOURNAL_COLUMNS " FROM unit WHERE lot=? AND chip=?", -1,
            SQLITE_PREPARE_PERSISTENT, &journal->load, NULL);
    }
    return code == SQLITE_OK ? BASE_OK : sql_error(journal, code, "use", err);
}

static enum base_status open_db(struct lpa_journal *journal, struct base_err *err)
{
    /* SQLite creates with the umask; the file is made first so that its mode is ours. */
    int fd = open(journal->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot open the journal %s", journal->path);
    }
    (void)close(fd);
    int code = sqlite3_open_v2(
        journal->path, &journal->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        return sql_error(journal, code, "open", err);
    }
    (void)sqlite3_busy_timeout(journal->db, BUSY_TIMEOUT_MS);
    enum base_status status = check_version(journal, err);
    if (status == BASE_OK) {
        status = run(journal, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;", "set up", err);
    }
    journal->synced = true;
    return status == BASE_OK ? prepare(journal, err) : status;
}

enum base_status lpa_journal_open(
    const char *path, struct lpa_journal **ret_journal, struct base_err *err)
{
    if (path == NULL || path[0] == '\0') {
        return base_err_set(err, BASE_E_ARG, "journal", 0, "the journal needs a path");
    }
    struct lpa_journal *journal = calloc(1, sizeof(*journal));
    if (journal == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "journal", 0, "no memory for the journal");
    }
    (void)pthread_mutex_init(&journal->lock, NULL);
    (void)pthread_mutex_init(&journal->db_lock, NULL);
    (void)pthread_cond_init(&journal->changed, NULL);
    journal->last = &journal->first;
    journal->path = strdup(path);
    enum base_status status = journal->path == NULL
                                  ? base_err_set(err, BASE_E_NOMEM, "journal", 0, "no memory")
                                  : open_db(journal, err);
    if (status != BASE_OK) {
        lpa_journal_close(journal);
        return status;
    }
    *ret_journal = journal;
    return BASE_OK;
}

void lpa_journal_close(struct lpa_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    (void)sqlite3_finalize(journal->put);
    (void)sqlite3_finalize(journal->load);
    (void)sqlite3_close(journal->db);
    (void)pthread_mutex_destroy(&journal->lock);
    (void)pthread_mutex_destroy(&journal->db_lock);
    (void)pthread_cond_destroy(&journal->changed);
    free(journal->path);
    free(journal);
}

/* In a write-ahead log NORMAL leaves a commit to the system's cache; the next commit with FULL
 * makes the whole log durable, those before it too. */
static enum base_status set_synced(struct lpa_journal *journal, bool synced, struct base_err *err)
{
    if (journal->synced == synced) {
        return BASE_OK;
    }
    enum base_status status = run(
        journal, synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", "write", err);
    if (status == BASE_OK) {
        journal->synced = synced;
    }
    return status;
}

static enum base_status write_batch(
    struct lpa_journal *journal, struct pending *batch, struct base_err *err)
{
    bool durable = false;
    for (struct pending *p = batch; p != NULL; p = p->next) {
        durable = durable || p->durable;
    }
    enum base_status status = set_synced(journal, durable, err);
    if (status == BASE_OK) {
        status = run(journal, "BEGIN IMMEDIATE", "write", err);
    }
    for (struct pending *p = batch; p != NULL && status == BASE_OK; p = p->next) {
        lpa_journal_bind(journal->put, p->unit);
        int code = sqlite3_step(journal->put);
        if (code != SQLITE_DONE) {
            status = sql_error(journal, code, "write", err);
        }
        (void)sqlite3_reset(journal->put);
        (void)sqlite3_clear_bindings(journal->put);
    }
    if (status == BASE_OK) {
        status = run(journal, "COMMIT", "make durable", err);
    }
    if (status != BASE_OK && sqlite3_get_autocommit(journal->db) == 0) {
        (void)sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}

/* Commit everything that waits, until nothing does. Called and left with `lock` held. */
static void lead(struct lpa_journal *journal)
{
    journal->leading = true;
    while (journal->first != NULL) {
        struct pending *batch = journal->first;
        journal->first = NULL;
        journal->last = &journal->first;
        bool dead = journal->dead;
        (void)pthread_mutex_unlock(&journal->lock);
        struct base_err err = { 0 };
        enum base_status status = BASE_E_IO;
        (void)pthread_mutex_lock(&journal->db_lock);
        if (dead) {
            (void)base_err_set(&err, BASE_E_IO, "journal", 0,
                "the journal %s takes no more writes since its disk failed; check the disk and "
                "start again",
                journal->path);
        } else {
            status = write_batch(journal, batch, &err);
        }
        (void)pthread_mutex_unlock(&journal->db_lock);
        (void)pthread_mutex_lock(&journal->lock);
        for (struct pending *p = batch; p != NULL;) {
            struct pending *next = p->next;
            p->status = status;
            p->err = err;
            p->done = true; /* its owner may go on: not touched after this */
            p = next;
        }
        (void)pthread_cond_broadcast(&journal->changed);
    }
    journal->leading = false;
}

static enum base_status write_row(
    struct lpa_journal *journal, const struct lpa_unit *unit, bool durable, struct base_err *err)
{
    if (unit->lot[0] == '\0' || unit->statement_length > sizeof(unit->statement) ||
        unit->receipt_length > sizeof(unit->receipt) ||
        unit->record_length >= sizeof(unit->record) ||
        unit->lock_answer_length > sizeof(unit->lock_answer)) {
        return base_err_set(
            err, BASE_E_ARG, "journal", 0, "a journal row needs a lot and whole messages");
    }
    struct pending mine = { .unit = unit, .durable = durable };
    (void)pthread_mutex_lock(&journal->lock);
    *journal->last = &mine;
    journal->last = &mine.next;
    if (!journal->leading) {
        lead(journal);
    }
    while (!mine.done) {
        (void)pthread_cond_wait(&journal->changed, &journal->lock);
    }
    (void)pthread_mutex_unlock(&journal->lock);
    if (mine.status != BASE_OK && err != NULL && err->status == BASE_OK) {
        *err = mine.err;
    }
    return mine.status;
}

enum base_status lpa_journal_put(
    struct lpa_journal *journal, const struct lpa_unit *unit, struct base_err *err)
{
    return write_row(journal, unit, true, err);
}

enum base_status lpa_journal_note(
    struct lpa_journal *journal, const struct lpa_unit *unit, struct base_err *err)
{
    return write_row(journal, unit, false, err);
}

enum base_status lpa_journal_load(struct lpa_journal *journal, const char *lot,
    const uint8_t chip_id[PROTO_CHIP_ID_SIZE], struct lpa_unit *ret_unit, bool *ret_found,
    struct base_err *err)
{
    enum base_status status = BASE_OK;
    (void)pthread_mutex_lock(&journal->db_lock);
    (void)sqlite3_bind_text(journal->load, 1, lot, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(journal->load, 2, chip_id, PROTO_CHIP_ID_SIZE, SQLITE_STATIC);
    int code = sqlite3_step(journal->load);
    if (code == SQLITE_ROW) {
        if (lpa_journal_take(journal->load, ret_unit)) {
            *ret_found = true;
        } else {
            status = corrupt(journal, "a row has values outside their limits", err);
        }
    } else if (code == SQLITE_DONE) {
        *ret_found = false;
    } else {
        status = sql_error(journal, code, "read", err);
    }
    (void)sqlite3_reset(journal->load);
    (void)sqlite3_clear_bindings(journal->load);
    (void)pthread_mutex_unlock(&journal->db_lock);
    return status;
}

static enum base_status walk(struct lpa_journal *journal, sqlite3_stmt *stmt, lpa_unit_fn *each,
    void *user, struct base_err *err)
{
    for (;;) {
        int code = sqlite3_step(stmt);
        if (code == SQLITE_DONE) {
            return BASE_OK;
        }
        if (code != SQLITE_ROW) {
            return sql_error(journal, code, "read", err);
        }
        struct lpa_unit unit;
        if (!lpa_journal_take(stmt, &unit)) {
            return corrupt(journal, "a row has values outside their limits", err);
        }
        enum base_status status = each(user, &unit, err);
        if (status != BASE_OK) {
            return status;
        }
    }
}

enum base_status lpa_journal_each(struct lpa_journal *journal, const char *lot, lpa_unit_fn *each,
    void *user, struct base_err *err)
{
    sqlite3_stmt *stmt = NULL;
    (void)pthread_mutex_lock(&journal->db_lock);
    int code = sqlite3_prepare_v2(journal->db,
        "SELECT " LPA_JOURNAL_COLUMNS " FROM unit WHERE ?1 IS NULL OR lot=?1 ORDER BY lot,chip", -1,
        &stmt, NULL);
    enum base_status status = BASE_OK;
    if (code != SQLITE_OK) {
        status = sql_error(journal, code, "read", err);
    } else {
        if (lot != NULL) {
            (void)sqlite3_bind_text(stmt, 1, lot, -1, SQLITE_STATIC);
        }
        status = walk(journal, stmt, each, user, err);
    }
    (void)sqlite3_finalize(stmt);
    (void)pthread_mutex_unlock(&journal->db_lock);
    return status;
}

enum base_status lpa_journal_set_aside(const char *path, int64_t wall_us, struct base_err *err)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    char time_text[BASE_CLOCK_TEXT_SIZE];
    base_clock_format(wall_us, time_text);
    for (size_t i = 0; i < 3; i++) {
        char from[BASE_FILE_PATH_SIZE];
        char to[BASE_FILE_PATH_SIZE];
        int need = snprintf(to, sizeof(to), "%s.damaged-%s%s", path, time_text, suffixes[i]);
        if (need < 0 || (size_t)need >= sizeof(to)) {
            return base_err_set(err, BASE_E_ARG, "path", need, "the journal's path is too long");
        }
        (void)snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return base_err_errno(err, BASE_E_IO, errno, "cannot rename %s", from);
        }
    }
    return base_file_sync_folder(path, err);
}

static enum base_status op_load(void *user, const char *lot,
    const uint8_t chip_id[PROTO_CHIP_ID_SIZE], struct lpa_unit *ret_unit, bool *ret_found,
    struct base_err *err)
{
    return lpa_journal_load(user, lot, chip_id, ret_unit, ret_found, err);
}

static enum base_status op_put(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    return lpa_journal_put(user, unit, err);
}

static enum base_status op_note(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    return lpa_journal_note(user, unit, err);
}

const struct lpa_journal_ops lpa_journal_job_ops = {
    .load = op_load,
    .put = op_put,
    .note = op_note,
};
