/* SPDX-License-Identifier: Apache-2.0 */
/* Permits for irreversible acts. */
#include <string.h>

#include "kms/rows.h"
#include "kms/rows_private.h"

#define PERMIT_COLUMNS "id, lot, acts, chip_id, until_us, created_us, revoked_us, note"

const char *kms_act_name(unsigned bit)
{
    static const char *const names[KMS_ACTS] = { "rehearse", "restrict", "lock", "efuse", "zeroise",
        "settle" };
    return bit < KMS_ACTS ? names[bit] : "";
}

enum base_status kms_permit_insert(
    struct kms_store *store, const struct kms_permit *permit, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_text(permit->id),
        kms_text(permit->lot),
        kms_int(permit->acts),
        kms_blob(permit->chip_id, permit->for_chip ? 8 : 0),
        kms_int(permit->until_us),
        kms_int(permit->created_us),
        kms_text(permit->note),
    };
    return KMS_RUN(store,
        "INSERT INTO permits(id, lot, acts, chip_id, until_us, created_us, note)"
        " VALUES($1, $2, $3, $4, $5, $6, $7)",
        values, err);
}

static void permit_of_row(struct kms_row *row, struct kms_permit *permit)
{
    memset(permit, 0, sizeof(*permit));
    kms_row_text(row, 0, sizeof(permit->id), permit->id);
    kms_row_text(row, 1, sizeof(permit->lot), permit->lot);
    permit->acts = kms_row_int(row, 2);
    size_t length = kms_row_blob(row, 3, sizeof(permit->chip_id), permit->chip_id);
    permit->for_chip = length == sizeof(permit->chip_id);
    row->bad = row->bad || (length != 0 && !permit->for_chip);
    permit->until_us = kms_row_int(row, 4);
    permit->created_us = kms_row_int(row, 5);
    permit->revoked_us = kms_row_int(row, 6);
    kms_row_text(row, 7, sizeof(permit->note), permit->note);
}

struct permit_reader {
    struct kms_permit permit;
    bool found;
};

static enum base_status read_permit(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct permit_reader *reader = user;
    reader->found = true;
    permit_of_row(row, &reader->permit);
    return BASE_OK;
}

enum base_status kms_permit_get(
    struct kms_store *store, const char *id, struct kms_permit *ret_permit, struct base_err *err)
{
    struct permit_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(id) };
    enum base_status status = KMS_ONE(store, "SELECT " PERMIT_COLUMNS " FROM permits WHERE id = $1",
        values, read_permit, reader, err);
    if (status == BASE_OK) {
        *ret_permit = reader.permit;
    }
    return status;
}

enum base_status kms_permit_for(struct kms_store *store, const char *lot, const uint8_t *chip_id,
    int64_t now_us, struct kms_permit *ret_permit, struct base_err *err)
{
    struct permit_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(lot), kms_int(now_us),
        kms_blob(chip_id, chip_id != NULL ? 8 : 0), kms_blob(NULL, 0) };
    enum base_status status = KMS_ONE(store,
        "SELECT " PERMIT_COLUMNS " FROM permits WHERE lot = $1 AND until_us > $2"
        " AND revoked_us = 0 AND (chip_id = $3 OR chip_id = $4)"
        " ORDER BY CASE WHEN chip_id = $3 THEN 0 ELSE 1 END, created_us DESC, id LIMIT 1",
        values, read_permit, reader, err);
    if (status == BASE_OK) {
        *ret_permit = reader.permit;
    }
    return status;
}

enum base_status kms_permit_revoke(struct kms_store *store, const char *id, int64_t now_us,
    bool *ret_revoked, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(id) };
    return KMS_CHANGED(store, "UPDATE permits SET revoked_us = $1 WHERE id = $2 AND revoked_us = 0",
        values, ret_revoked, err);
}

struct each_permit {
    kms_permit_fn *each;
    void *user;
};

static enum base_status forward_permit(void *user, struct kms_row *row, struct base_err *err)
{
    const struct each_permit *forward = user;
    struct kms_permit permit;
    permit_of_row(row, &permit);
    return row->bad ? BASE_OK : forward->each(forward->user, &permit, err);
}

enum base_status kms_permit_each(
    struct kms_store *store, const char *lot, kms_permit_fn *each, void *user, struct base_err *err)
{
    struct each_permit forward = { .each = each, .user = user };
    const struct kms_value values[] = { kms_text(lot != NULL ? lot : "") };
    const struct kms_statement query = {
        .sql = "SELECT " PERMIT_COLUMNS " FROM permits WHERE ($1 = '' OR lot = $1)"
               " ORDER BY created_us, id",
        .values = values,
        .value_count = 1,
        .each = forward_permit,
        .user = &forward,
    };
    return kms_store_run(store, &query, NULL, err);
}
