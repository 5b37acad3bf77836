/* SPDX-License-Identifier: Apache-2.0 */
/* The logs of stations that this KMS witnesses. */
#include "kms/rows.h"
#include "kms/rows_private.h"

struct log_reader {
    struct kms_log log;
    bool found;
};

static enum base_status read_log(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct log_reader *reader = user;
    reader->found = true;
    kms_row_bytes(row, 0, 32, reader->log.log_id);
    kms_row_text(row, 1, sizeof(reader->log.origin), reader->log.origin);
    reader->log.head.size = (uint64_t)kms_row_int(row, 2);
    kms_row_bytes(row, 3, 32, reader->log.head.root);
    return BASE_OK;
}

enum base_status kms_log_get(struct kms_store *store, const uint8_t log_id[32],
    struct kms_log *ret_log, struct base_err *err)
{
    struct log_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(log_id, 32) };
    enum base_status status =
        KMS_ONE(store, "SELECT log_id, origin, size, root FROM logs WHERE log_id = $1", values,
            read_log, reader, err);
    if (status == BASE_OK) {
        *ret_log = reader.log;
    }
    return status;
}

enum base_status kms_log_advance(struct kms_store *store, const struct kms_log *log,
    uint64_t old_size, const char *checkpoint, int64_t now_us, bool *ret_advanced,
    struct base_err *err)
{
    const struct kms_value values[] = {
        kms_blob(log->log_id, 32),
        kms_text(log->origin),
        kms_int((int64_t)log->head.size),
        kms_blob(log->head.root, 32),
        kms_text(checkpoint),
        kms_int(now_us),
        kms_int((int64_t)old_size),
    };
    return KMS_CHANGED(store,
        "INSERT INTO logs(log_id, origin, size, root, checkpoint, updated_us)"
        " SELECT $1, $2, $3, $4, $5, $6 WHERE $7 = 0"
        " OR EXISTS (SELECT 1 FROM logs WHERE log_id = $1)"
        " ON CONFLICT (log_id) DO UPDATE SET size = excluded.size, root = excluded.root,"
        " checkpoint = excluded.checkpoint, updated_us = excluded.updated_us"
        " WHERE logs.size = $7",
        values, ret_advanced, err);
}
