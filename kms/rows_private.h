/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_ROWS_PRIVATE_H
#define KMS_ROWS_PRIVATE_H

/** @file Short forms that the kms/rows_*.c files share. @p values are arrays, not pointers. */

#include "kms/rows.h"
#include "kms/store.h"

/** Run a query; BASE_E_NOTFOUND when its callback has not set @p found. */
BASE_MUST_CHECK
enum base_status kms_rows_one(struct kms_store *store, const struct kms_statement *statement,
    const bool *found, struct base_err *err);
/** Run a change; tells whether any row changed. */
BASE_MUST_CHECK
enum base_status kms_rows_changed(struct kms_store *store, const struct kms_statement *statement,
    bool *ret_changed, struct base_err *err);

#define KMS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define KMS_RUN(store, text, params, err)                                                          \
    kms_store_run((store),                                                                         \
        &(const struct kms_statement){                                                             \
            .sql = (text), .values = (params), .value_count = KMS_COUNT(params) },                 \
        NULL, (err))

#define KMS_CHANGED(store, text, params, ret_changed, err)                                         \
    kms_rows_changed((store),                                                                      \
        &(const struct kms_statement){                                                             \
            .sql = (text), .values = (params), .value_count = KMS_COUNT(params) },                 \
        (ret_changed), (err))

/** @p reader is a struct with a member `found`. */
#define KMS_ONE(store, text, params, callback, reader, err)                                        \
    kms_rows_one((store),                                                                          \
        &(const struct kms_statement){ .sql = (text),                                              \
            .values = (params),                                                                    \
            .value_count = KMS_COUNT(params),                                                      \
            .each = (callback),                                                                    \
            .user = &(reader) },                                                                   \
        &(reader).found, (err))

#define KMS_GRANT_COLUMNS                                                                          \
    "id, lot, chip_id, public_key, nonce, dev_eui, key_version, state, device_trust,"              \
    " unattended, station, tester, statement, envelope, roots_wrapped, receipt_key_wrapped,"       \
    " intent_sha256, note, created_us, confirmed_us, scrapped_us, scrapped_by, purpose,"           \
    " order_id, ended_us, locked_us, wiped_us,"                                                    \
    " lock_answer IS NOT NULL, settled_by, settled_permit"

struct kms_grant_reader {
    struct kms_grant grant;
    bool found;
};

/** Row callback for a struct kms_grant_reader and KMS_GRANT_COLUMNS. */
BASE_MUST_CHECK
enum base_status kms_rows_read_grant(void *user, struct kms_row *row, struct base_err *err);

#endif
