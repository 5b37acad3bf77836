/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_STORE_H
#define KMS_STORE_H

/**
 * @file
 * The database behind one table of functions: transactions and single statements. The SQL of the
 * KMS (kms/rows_*.c) keeps to what SQLite and PostgreSQL-wire engines both take: parameters $1 …
 * $n, UPDATE … WHERE as compare-and-set, INSERT … ON CONFLICT DO NOTHING, unique constraints that
 * do the enforcing; no triggers, serial keys, advisory locks.
 */

#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum kms_value_type {
    KMS_VALUE_NULL = 0,
    KMS_VALUE_INT = 1,
    KMS_VALUE_TEXT = 2,
    KMS_VALUE_BLOB = 3,
};

/** A parameter or a column; text and blobs are borrowed. */
struct kms_value {
    enum kms_value_type type;
    int64_t number;
    const void *data;
    size_t length;
};

struct kms_value kms_int(int64_t number);
struct kms_value kms_text(const char *text);
struct kms_value kms_blob(const void *data, size_t length);

/** One result row, valid during the callback only. */
struct kms_row {
    const struct kms_value *values;
    size_t count;
    bool bad; /**< a getter below found another type or length than asked for */
};

/** Readers: a column of another shape gives zeros and marks the row bad. */
int64_t kms_row_int(struct kms_row *row, size_t column);
void kms_row_text(struct kms_row *row, size_t column, size_t size, char *ret_text);
void kms_row_bytes(struct kms_row *row, size_t column, size_t length, uint8_t *ret_data);
/** Blob of at most @p size bytes. */
size_t kms_row_blob(struct kms_row *row, size_t column, size_t size, uint8_t *ret_data);

/** Receives each row; anything but BASE_OK ends the statement with that status. */
typedef enum base_status kms_row_fn(void *user, struct kms_row *row, struct base_err *err);

struct kms_statement {
    const char *sql;                /**< a string literal: its address is the cache key */
    const struct kms_value *values; /**< $1 … */
    size_t value_count;
    kms_row_fn *each; /**< NULL where no rows are wanted */
    void *user;
};

struct kms_store {
    const struct kms_store_ops *ops;
    void *state; /**< owned by the store */
};

struct kms_store_ops {
    const char *name;
    enum base_status (*begin)(void *state, struct base_err *err);
    enum base_status (*commit)(void *state, struct base_err *err);
    void (*rollback)(void *state);
    /**
     * BASE_OK; BASE_E_EXISTS (unique constraint); BASE_E_BUSY (another writer, may be retried);
     * BASE_E_CORRUPT, BASE_E_IO (domain "SQL").
     */
    enum base_status (*run)(void *state, const struct kms_statement *statement,
        int64_t *ret_changed, struct base_err *err);
    /** Time for TOTP, sessions and expiry: one clock for all nodes of a database. */
    int64_t (*now_us)(void *state);
    /** Let nothing stay on disk of what committed transactions wrote over; NULL: nothing to do. */
    enum base_status (*purge)(void *state, struct base_err *err);
    void (*close)(void *state);
};

/** Begin a writing transaction; BASE_E_BUSY after the store's waiting time. */
BASE_MUST_CHECK
enum base_status kms_store_begin(struct kms_store *store, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_store_commit(struct kms_store *store, struct base_err *err);
void kms_store_rollback(struct kms_store *store);
/** @p ret_changed may be NULL. See kms_store_ops.run. */
BASE_MUST_CHECK
enum base_status kms_store_run(struct kms_store *store, const struct kms_statement *statement,
    int64_t *ret_changed, struct base_err *err);
int64_t kms_store_now_us(struct kms_store *store);
/** After a commit that wiped keys: see kms_store_ops.purge. */
BASE_MUST_CHECK
enum base_status kms_store_purge(struct kms_store *store, struct base_err *err);
/** Close; accepts NULL and a zeroed object. */
void kms_store_close(struct kms_store *store);

/**
 * SQLite in WAL mode, synchronous FULL. Creates the file (0600) and the tables when @p create.
 *
 * @param path   file; ":memory:" for tests
 * @param clock  borrowed until close
 * @return BASE_OK; BASE_E_NOTFOUND; BASE_E_CONFIG (newer schema); BASE_E_CORRUPT, BASE_E_IO
 */
BASE_MUST_CHECK
enum base_status kms_store_sqlite_open(const char *path, bool create,
    const struct base_clock *clock, struct kms_store *ret_store, struct base_err *err);

#endif
