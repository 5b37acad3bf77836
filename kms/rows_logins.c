/* SPDX-License-Identifier: Apache-2.0 */
/* How often a login failed, for names that are known and for names that are not. */
#include <string.h>

#include "kms/rows.h"
#include "kms/rows_private.h"

static enum base_status read_count(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct kms_login_count *count = user;
    count->failures = kms_row_int(row, 0);
    count->first_failure_us = kms_row_int(row, 1);
    count->locks = kms_row_int(row, 2);
    count->locked_until_us = kms_row_int(row, 3);
    count->forget_us = kms_row_int(row, 4);
    return BASE_OK;
}

enum base_status kms_login_count_get(struct kms_store *store, enum kms_login_kind kind,
    const char *name, int64_t now_us, struct kms_login_count *ret_count, struct base_err *err)
{
    struct kms_login_count count = { .failures = 0 };
    const struct kms_value values[] = { kms_int(kind), kms_text(name), kms_int(now_us) };
    const struct kms_statement query = {
        .sql = "SELECT failures, first_failure_us, locks, locked_until_us, forget_us"
               " FROM login_counts WHERE kind = $1 AND name = $2 AND forget_us > $3",
        .values = values,
        .value_count = KMS_COUNT(values),
        .each = read_count,
        .user = &count,
    };
    enum base_status status = kms_store_run(store, &query, NULL, err);
    if (status == BASE_OK) {
        *ret_count = count;
    }
    return status;
}

enum base_status kms_login_count_put(struct kms_store *store, enum kms_login_kind kind,
    const char *name, const struct kms_login_count *count, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_int(kind),
        kms_text(name),
        kms_int(count->failures),
        kms_int(count->first_failure_us),
        kms_int(count->locks),
        kms_int(count->locked_until_us),
        kms_int(count->forget_us),
    };
    return KMS_RUN(store,
        "INSERT INTO login_counts(kind, name, failures, first_failure_us, locks, locked_until_us,"
        " forget_us) VALUES($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (kind, name) DO UPDATE SET failures = excluded.failures,"
        " first_failure_us = excluded.first_failure_us, locks = excluded.locks,"
        " locked_until_us = excluded.locked_until_us, forget_us = excluded.forget_us",
        values, err);
}

enum base_status kms_login_count_clear(
    struct kms_store *store, enum kms_login_kind kind, const char *name, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(kind), kms_text(name) };
    return KMS_RUN(store, "DELETE FROM login_counts WHERE kind = $1 AND name = $2", values, err);
}

enum base_status kms_login_count_purge(
    struct kms_store *store, int64_t now_us, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us) };
    return KMS_RUN(store, "DELETE FROM login_counts WHERE forget_us <= $1", values, err);
}
