/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "kms/store.h"

#define SCHEMA_VERSION 6
#define CACHE_SIZE     128
#define BUSY_MS        5000
#define COLUMNS_MAX    40

struct cached {
    const char *sql; /* address of the literal */
    sqlite3_stmt *statement;
};

struct state {
    sqlite3 *db;
    const struct base_clock *clock;
    struct cached cache[CACHE_SIZE];
    size_t cached;
    bool in_transaction;
};

/* The first form; what came after it follows in its own list. */
static const char *const schema[] = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE stations(certificate_sha256 BLOB PRIMARY KEY, name TEXT NOT NULL,"
    " role TEXT NOT NULL, spki_sha256 BLOB NOT NULL, not_after_us INTEGER NOT NULL,"
    " log_vkey TEXT NOT NULL, log_id BLOB NOT NULL, created_us INTEGER NOT NULL,"
    " revoked_us INTEGER NOT NULL DEFAULT 0)",
    "CREATE UNIQUE INDEX station_name ON stations(name) WHERE revoked_us = 0",
    "CREATE UNIQUE INDEX station_key ON stations(spki_sha256) WHERE revoked_us = 0",
    "CREATE UNIQUE INDEX station_log ON stations(log_id) WHERE revoked_us = 0",
    "CREATE TABLE testers(name TEXT PRIMARY KEY, role TEXT NOT NULL, totp_wrapped BLOB NOT NULL,"
    " last_step INTEGER NOT NULL DEFAULT 0, burned_step INTEGER NOT NULL DEFAULT 0,"
    " failures INTEGER NOT NULL DEFAULT 0, first_failure_us INTEGER NOT NULL DEFAULT 0,"
    " locks INTEGER NOT NULL DEFAULT 0, locked_until_us INTEGER NOT NULL DEFAULT 0,"
    " created_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE sessions(token_sha256 BLOB PRIMARY KEY, tester TEXT NOT NULL,"
    " certificate_sha256 BLOB NOT NULL, role TEXT NOT NULL, unattended INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL, used_us INTEGER NOT NULL, expires_us INTEGER NOT NULL)",
    "CREATE TABLE lots(id TEXT PRIMARY KEY, chip TEXT NOT NULL, image_sha256 BLOB NOT NULL,"
    " lorawan INTEGER NOT NULL, join_eui BLOB NOT NULL, profile BLOB NOT NULL,"
    " deveui_first BLOB NOT NULL, deveui_last BLOB NOT NULL, deveui_count INTEGER NOT NULL,"
    " trust INTEGER NOT NULL, restrict_policy INTEGER NOT NULL, lock_policy INTEGER NOT NULL,"
    " unattended INTEGER NOT NULL, target INTEGER NOT NULL, allowance INTEGER NOT NULL,"
    " rate INTEGER NOT NULL,"
    " granted INTEGER NOT NULL DEFAULT 0, created_us INTEGER NOT NULL,"
    " expires_us INTEGER NOT NULL, closed_us INTEGER NOT NULL DEFAULT 0,"
    " CHECK (granted <= allowance), CHECK (granted <= deveui_count),"
    " CHECK (rate > 0 OR trust <> 1))",
    "CREATE TABLE units(chip_id BLOB PRIMARY KEY, public_key BLOB NOT NULL, lot TEXT NOT NULL,"
    " statement BLOB NOT NULL, station TEXT NOT NULL, spki_sha256 BLOB NOT NULL,"
    " log_id BLOB NOT NULL, tester TEXT NOT NULL, created_us INTEGER NOT NULL)",
    "CREATE TABLE devices(dev_eui BLOB PRIMARY KEY, lot TEXT NOT NULL, chip_id BLOB NOT NULL)",
    "CREATE TABLE grants(id TEXT PRIMARY KEY, lot TEXT NOT NULL, chip_id BLOB NOT NULL,"
    " public_key BLOB NOT NULL, nonce BLOB NOT NULL, dev_eui BLOB NOT NULL,"
    " key_version INTEGER NOT NULL, state TEXT NOT NULL, device_trust INTEGER NOT NULL,"
    " unattended INTEGER NOT NULL, station TEXT NOT NULL, tester TEXT NOT NULL,"
    " statement BLOB NOT NULL, envelope BLOB NOT NULL, roots_wrapped BLOB NOT NULL,"
    " receipt_key_wrapped BLOB NOT NULL, intent_sha256 BLOB NOT NULL, note TEXT NOT NULL,"
    " created_us INTEGER NOT NULL, receipt BLOB, confirmed_us INTEGER NOT NULL DEFAULT 0,"
    " scrapped_us INTEGER NOT NULL DEFAULT 0, scrapped_by TEXT NOT NULL DEFAULT '',"
    " scrap_reason TEXT NOT NULL DEFAULT '')",
    "CREATE UNIQUE INDEX grant_once ON grants(chip_id, public_key, nonce)",
    "CREATE UNIQUE INDEX grant_live ON grants(chip_id) WHERE state IN ('open', 'confirmed')",
    "CREATE INDEX grant_lot ON grants(lot, state, chip_id)",
    "CREATE INDEX grant_time ON grants(lot, created_us)",
    "CREATE INDEX grant_key ON grants(public_key)",
    "CREATE TABLE logs(log_id BLOB PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL,"
    " root BLOB NOT NULL, checkpoint TEXT NOT NULL, updated_us INTEGER NOT NULL)",
    "CREATE TABLE events(id BLOB PRIMARY KEY, at_us INTEGER NOT NULL, kind TEXT NOT NULL,"
    " station TEXT NOT NULL, tester TEXT NOT NULL, lot TEXT NOT NULL, subject TEXT NOT NULL)",
    "INSERT INTO meta VALUES('schema', '2')",
};

#define ZEROS_16 "X'00000000000000000000000000000000'"
#define ZEROS_32 "X'0000000000000000000000000000000000000000000000000000000000000000'"

/* From 2 to 3: restriction and lock, permits, the personaliser's record, orders. */
static const char *const upgrade_to_3[] = {
    "ALTER TABLE lots ADD COLUMN min_bootloader INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE lots ADD COLUMN min_protocol INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE lots ADD COLUMN key_sha256 BLOB NOT NULL DEFAULT " ZEROS_32,
    "ALTER TABLE lots ADD COLUMN secure_hash BLOB NOT NULL DEFAULT " ZEROS_16,
    "ALTER TABLE lots ADD COLUMN application_sha256 BLOB NOT NULL DEFAULT " ZEROS_32,
    "ALTER TABLE lots ADD COLUMN application_version INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE units ADD COLUMN record TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE units ADD COLUMN record_tester TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE units ADD COLUMN permit TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE grants ADD COLUMN purpose INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE grants ADD COLUMN order_id TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE grants ADD COLUMN ended_us INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE grants ADD COLUMN locked_us INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE grants ADD COLUMN lock_answer BLOB",
    "DROP INDEX grant_live",
    /* of a chip: one grant that is open, one that is current, one first installation that was not
     * scrapped; and an order serves once */
    "CREATE UNIQUE INDEX grant_open ON grants(chip_id) WHERE state = 'open'",
    "CREATE UNIQUE INDEX grant_current ON grants(chip_id) WHERE state = 'confirmed'",
    "CREATE UNIQUE INDEX grant_install ON grants(chip_id)"
    " WHERE order_id = '' AND state <> 'scrapped'",
    "CREATE UNIQUE INDEX grant_order ON grants(order_id) WHERE order_id <> ''",
    "CREATE TABLE permits(id TEXT PRIMARY KEY, lot TEXT NOT NULL, acts INTEGER NOT NULL,"
    " chip_id BLOB NOT NULL, until_us INTEGER NOT NULL, created_us INTEGER NOT NULL,"
    " revoked_us INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL)",
    "CREATE INDEX permit_lot ON permits(lot, created_us)",
    "CREATE TABLE orders(id TEXT PRIMARY KEY, chip_id BLOB NOT NULL, public_key BLOB NOT NULL,"
    " purpose INTEGER NOT NULL, reason TEXT NOT NULL, created_us INTEGER NOT NULL,"
    " ended_us INTEGER NOT NULL DEFAULT 0)",
    "CREATE UNIQUE INDEX order_pending ON orders(chip_id) WHERE ended_us = 0",
    "UPDATE meta SET value = '3' WHERE name = 'schema'",
};

/* From 3 to 4: scrapped boards that are wiped, locks that a person settled. */
static const char *const upgrade_to_4[] = {
    "ALTER TABLE grants ADD COLUMN wiped_us INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE grants ADD COLUMN settled_by TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE grants ADD COLUMN settled_permit TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX grant_settled ON grants(settled_permit) WHERE settled_permit <> ''",
    "CREATE TABLE wipes(id TEXT PRIMARY KEY, grant_id TEXT NOT NULL, chip_id BLOB NOT NULL,"
    " public_key BLOB NOT NULL, nonce BLOB NOT NULL, key_version INTEGER NOT NULL,"
    " statement BLOB NOT NULL, envelope BLOB NOT NULL, receipt_key_wrapped BLOB NOT NULL,"
    " station TEXT NOT NULL, created_us INTEGER NOT NULL, wiped_us INTEGER NOT NULL DEFAULT 0,"
    " receipt BLOB NOT NULL)",
    "CREATE UNIQUE INDEX wipe_once ON wipes(chip_id, public_key, nonce)",
    "UPDATE meta SET value = '4' WHERE name = 'schema'",
};

/* From 4 to 5: failed logins are counted for every name, a tester's or not, and for stations;
 * counts of a lot come from indexes. */
static const char *const upgrade_to_5[] = {
    "CREATE TABLE login_counts(kind INTEGER NOT NULL, name TEXT NOT NULL,"
    " failures INTEGER NOT NULL, first_failure_us INTEGER NOT NULL, locks INTEGER NOT NULL,"
    " locked_until_us INTEGER NOT NULL, forget_us INTEGER NOT NULL, PRIMARY KEY(kind, name))",
    "CREATE INDEX login_forget ON login_counts(forget_us)",
    /* a day after the last of window (an hour) and lock */
    "INSERT INTO login_counts SELECT 1, name, failures, first_failure_us, locks, locked_until_us,"
    " MAX(locked_until_us, first_failure_us) + 90000000000 FROM testers"
    " WHERE failures > 0 OR locks > 0",
    /* what is counted is in the indexes: no reading of whole grants */
    "DROP INDEX grant_lot",
    "CREATE INDEX grant_lot ON grants(lot, state, chip_id, order_id)",
    "DROP INDEX grant_time",
    "CREATE INDEX grant_time ON grants(lot, created_us) WHERE order_id = ''",
    "ALTER TABLE testers DROP COLUMN failures",
    "ALTER TABLE testers DROP COLUMN first_failure_us",
    "ALTER TABLE testers DROP COLUMN locks",
    "ALTER TABLE testers DROP COLUMN locked_until_us",
    "UPDATE meta SET value = '5' WHERE name = 'schema'",
};

/* From 5 to 6: a wiped board forgets its identity too. */
static const char *const upgrade_to_6[] = {
    "ALTER TABLE wipes ADD COLUMN forget BLOB NOT NULL DEFAULT " ZEROS_32,
    "UPDATE meta SET value = '6' WHERE name = 'schema'",
};

static enum base_status failed(
    struct state *state, int result, const char *what, struct base_err *err)
{
    enum base_status status = BASE_E_IO;
    switch (result & 0xFF) {
    case SQLITE_CONSTRAINT:
        status = BASE_E_EXISTS;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = BASE_E_BUSY;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        status = BASE_E_CORRUPT;
        break;
    case SQLITE_NOMEM:
        status = BASE_E_NOMEM;
        break;
    default:
        break;
    }
    return base_err_set(err, status, "SQL", sqlite3_extended_errcode(state->db),
        "the KMS database refused to %s: %s", what, sqlite3_errmsg(state->db));
}

static enum base_status plain(
    struct state *state, const char *sql, const char *what, struct base_err *err)
{
    int result = sqlite3_exec(state->db, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? BASE_OK : failed(state, result, what, err);
}

static enum base_status sqlite_begin(void *user, struct base_err *err)
{
    struct state *state = user;
    enum base_status status = plain(state, "BEGIN IMMEDIATE", "begin a transaction", err);
    state->in_transaction = status == BASE_OK;
    return status;
}

static void sqlite_rollback(void *user)
{
    struct state *state = user;
    if (state->in_transaction) {
        (void)sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
        state->in_transaction = false;
    }
}

static enum base_status sqlite_commit(void *user, struct base_err *err)
{
    struct state *state = user;
    enum base_status status = plain(state, "COMMIT", "commit", err);
    if (status != BASE_OK) {
        sqlite_rollback(state);
    }
    state->in_transaction = false;
    return status;
}

static enum base_status prepare(
    struct state *state, const char *sql, sqlite3_stmt **ret_statement, struct base_err *err)
{
    for (size_t i = 0; i < state->cached; i++) {
        if (state->cache[i].sql == sql) {
            *ret_statement = state->cache[i].statement;
            return BASE_OK;
        }
    }
    if (state->cached == CACHE_SIZE) {
        return base_err_set(err, BASE_E_INTERNAL, "SQL", CACHE_SIZE, "statement cache is full");
    }
    sqlite3_stmt *statement = NULL;
    int result =
        sqlite3_prepare_v3(state->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (result != SQLITE_OK) {
        return failed(state, result, "prepare a statement", err);
    }
    state->cache[state->cached++] = (struct cached){ .sql = sql, .statement = statement };
    *ret_statement = statement;
    return BASE_OK;
}

static int bind_one(sqlite3_stmt *statement, int index, const struct kms_value *value)
{
    switch (value->type) {
    case KMS_VALUE_INT:
        return sqlite3_bind_int64(statement, index, value->number);
    case KMS_VALUE_TEXT:
        return sqlite3_bind_text64(
            statement, index, value->data, value->length, SQLITE_STATIC, SQLITE_UTF8);
    case KMS_VALUE_BLOB:
        return value->length == 0 ? sqlite3_bind_zeroblob(statement, index, 0)
                                  : sqlite3_bind_blob64(statement, index, value->data,
                                        value->length, SQLITE_STATIC);
    case KMS_VALUE_NULL:
    default:
        return sqlite3_bind_null(statement, index);
    }
}

static int bind_all(sqlite3_stmt *statement, const struct kms_statement *what)
{
    for (size_t i = 0; i < what->value_count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "$%zu", i + 1);
        int index = sqlite3_bind_parameter_index(statement, name);
        if (index == 0) {
            return SQLITE_RANGE;
        }
        int result = bind_one(statement, index, &what->values[i]);
        if (result != SQLITE_OK) {
            return result;
        }
    }
    return SQLITE_OK;
}

static struct kms_value column(sqlite3_stmt *statement, int index)
{
    struct kms_value value = { .type = KMS_VALUE_NULL };
    switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
        return kms_int(sqlite3_column_int64(statement, index));
    case SQLITE_TEXT:
        value.type = KMS_VALUE_TEXT;
        value.data = sqlite3_column_text(statement, index);
        value.length = (size_t)sqlite3_column_bytes(statement, index);
        return value;
    case SQLITE_BLOB:
        value.type = KMS_VALUE_BLOB;
        value.data = sqlite3_column_blob(statement, index);
        value.length = (size_t)sqlite3_column_bytes(statement, index);
        return value;
    default:
        return value;
    }
}

static enum base_status deliver(
    sqlite3_stmt *statement, const struct kms_statement *what, struct base_err *err)
{
    struct kms_value values[COLUMNS_MAX];
    int count = sqlite3_column_count(statement);
    if (what->each == NULL || count > COLUMNS_MAX) {
        return BASE_OK;
    }
    for (int i = 0; i < count; i++) {
        values[i] = column(statement, i);
    }
    struct kms_row row = { .values = values, .count = (size_t)count };
    enum base_status status = what->each(what->user, &row, err);
    if (status == BASE_OK && row.bad) {
        status = base_err_set(err, BASE_E_CORRUPT, "SQL", 0,
            "the KMS database holds a row of another shape than expected; restore a backup");
    }
    return status;
}

static enum base_status sqlite_run(
    void *user, const struct kms_statement *what, int64_t *ret_changed, struct base_err *err)
{
    struct state *state = user;
    sqlite3_stmt *statement = NULL;
    enum base_status status = prepare(state, what->sql, &statement, err);
    if (status != BASE_OK) {
        return status;
    }
    int result = bind_all(statement, what);
    if (result == SQLITE_OK) {
        result = sqlite3_step(statement);
        while (result == SQLITE_ROW && status == BASE_OK) {
            status = deliver(statement, what, err);
            if (status == BASE_OK) {
                result = sqlite3_step(statement);
            }
        }
    }
    if (status == BASE_OK && result != SQLITE_DONE) {
        status = failed(state, result, "run a statement", err);
    }
    int64_t changed = sqlite3_changes64(state->db);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (status == BASE_OK) {
        *ret_changed = changed;
    }
    return status;
}

static int64_t sqlite_now(void *user)
{
    struct state *state = user;
    return base_clock_wall_us(state->clock);
}

/* The write-ahead log holds earlier pages until it is written over; truncating it forgets them. The
 * pages themselves are overwritten (secure_delete). */
static enum base_status sqlite_purge(void *user, struct base_err *err)
{
    return plain(user, "PRAGMA wal_checkpoint(TRUNCATE)", "empty its write-ahead log", err);
}

static void sqlite_close(void *user)
{
    struct state *state = user;
    if (state == NULL) {
        return;
    }
    sqlite_rollback(state);
    for (size_t i = 0; i < state->cached; i++) {
        (void)sqlite3_finalize(state->cache[i].statement);
    }
    (void)sqlite3_close(state->db);
    free(state);
}

static const struct kms_store_ops sqlite_ops = {
    .name = "sqlite",
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .run = sqlite_run,
    .now_us = sqlite_now,
    .purge = sqlite_purge,
    .close = sqlite_close,
};

static enum base_status run_all(struct state *state, const char *const *statements, size_t count,
    const char *what, struct base_err *err)
{
    enum base_status status = BASE_OK;
    for (size_t i = 0; status == BASE_OK && i < count; i++) {
        status = plain(state, statements[i], what, err);
    }
    return status;
}

static enum base_status create_tables(struct state *state, struct base_err *err)
{
    enum base_status status = sqlite_begin(state, err);
    if (status == BASE_OK) {
        status =
            run_all(state, schema, sizeof(schema) / sizeof(schema[0]), "create its tables", err);
    }
    if (status == BASE_OK) {
        return sqlite_commit(state, err);
    }
    sqlite_rollback(state);
    return status;
}

static enum base_status read_version(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    char text[16];
    kms_row_text(row, 0, sizeof(text), text);
    *(long *)user = strtol(text, NULL, 10);
    return BASE_OK;
}

static enum base_status get_version(struct state *state, long *ret_version, struct base_err *err)
{
    int64_t changed;
    const struct kms_statement query = { .sql = "SELECT value FROM meta WHERE name = 'schema'",
        .each = read_version,
        .user = ret_version };
    return sqlite_run(state, &query, &changed, err);
}

/* From schema 2 on, one step each. */
static const struct {
    const char *const *statements;
    size_t count;
} upgrades[] = {
    { upgrade_to_3, sizeof(upgrade_to_3) / sizeof(upgrade_to_3[0]) },
    { upgrade_to_4, sizeof(upgrade_to_4) / sizeof(upgrade_to_4[0]) },
    { upgrade_to_5, sizeof(upgrade_to_5) / sizeof(upgrade_to_5[0]) },
    { upgrade_to_6, sizeof(upgrade_to_6) / sizeof(upgrade_to_6[0]) },
};

_Static_assert(sizeof(upgrades) / sizeof(upgrades[0]) == SCHEMA_VERSION - 2, "a step each");

/* Within a transaction that looks again, because another process may do the same. */
static enum base_status upgrade_tables(struct state *state, struct base_err *err)
{
    long version = 0;
    enum base_status status = sqlite_begin(state, err);
    if (status == BASE_OK) {
        status = get_version(state, &version, err);
    }
    for (; status == BASE_OK && version >= 2 && version < SCHEMA_VERSION; version++) {
        status = run_all(state, upgrades[version - 2].statements, upgrades[version - 2].count,
            "upgrade its tables", err);
    }
    if (status == BASE_OK) {
        return sqlite_commit(state, err);
    }
    sqlite_rollback(state);
    return status;
}

static enum base_status check_version(struct state *state, struct base_err *err)
{
    long version = 0;
    enum base_status status = get_version(state, &version, err);
    if (status == BASE_OK && version >= 2 && version < SCHEMA_VERSION) {
        status = upgrade_tables(state, err);
        version = SCHEMA_VERSION;
    }
    if (status == BASE_OK && version != SCHEMA_VERSION) {
        return base_err_set(err, BASE_E_CONFIG, "SQL", version,
            "the KMS database has schema %ld and this program needs %d: use the program that "
            "made it",
            version, SCHEMA_VERSION);
    }
    return status;
}

/* The file is made here with mode 0600 before SQLite opens it, so that its WAL gets the same mode.
 */
static enum base_status make_file(const char *path, bool create, struct base_err *err)
{
    if (strcmp(path, ":memory:") == 0) {
        return BASE_OK;
    }
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0);
    int fd = open(path, flags, 0600);
    if (fd < 0) {
        int errnum = errno;
        return base_err_errno(err, errnum == ENOENT ? BASE_E_NOTFOUND : BASE_E_IO, errnum,
            "cannot %s the KMS database %s", create ? "create" : "open", path);
    }
    (void)close(fd);
    return BASE_OK;
}

enum base_status kms_store_sqlite_open(const char *path, bool create,
    const struct base_clock *clock, struct kms_store *ret_store, struct base_err *err)
{
    enum base_status status = make_file(path, create, err);
    if (status != BASE_OK) {
        return status;
    }
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "SQL", 0, "out of memory for the KMS database");
    }
    state->clock = clock;
    int result =
        sqlite3_open_v2(path, &state->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK) {
        status = failed(state, result, "open", err);
    } else {
        (void)sqlite3_busy_timeout(state->db, BUSY_MS);
        (void)sqlite3_extended_result_codes(state->db, 1);
        status = plain(state,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
            "PRAGMA secure_delete = ON",
            "set its modes", err);
    }
    if (status == BASE_OK && create) {
        status = create_tables(state, err);
    }
    if (status == BASE_OK) {
        status = check_version(state, err);
    }
    if (status != BASE_OK) {
        sqlite_close(state);
        return status;
    }
    ret_store->ops = &sqlite_ops;
    ret_store->state = state;
    return BASE_OK;
}
