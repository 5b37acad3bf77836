/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes that take the keys off boards whose units are at their end. */
#include <string.h>

#include "kms/rows.h"
#include "kms/rows_private.h"

#define COLUMNS                                                                                    \
    "id, grant_id, chip_id, public_key, nonce, key_version, statement, envelope,"                  \
    " receipt_key_wrapped, station, created_us, wiped_us, receipt, forget"

enum base_status kms_wipe_insert(
    struct kms_store *store, const struct kms_wipe *wipe, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_text(wipe->id),
        kms_text(wipe->grant_id),
        kms_blob(wipe->chip_id, 8),
        kms_blob(wipe->public_key, 65),
        kms_blob(wipe->nonce, 16),
        kms_int(wipe->key_version),
        kms_blob(wipe->statement, sizeof(wipe->statement)),
        kms_blob(wipe->envelope, sizeof(wipe->envelope)),
        kms_blob(wipe->receipt_key_wrapped, sizeof(wipe->receipt_key_wrapped)),
        kms_text(wipe->station),
        kms_int(wipe->created_us),
        kms_int(0),
        kms_blob(wipe->receipt, sizeof(wipe->receipt)),
        kms_blob(wipe->forget, sizeof(wipe->forget)),
    };
    return KMS_RUN(store,
        "INSERT INTO wipes(" COLUMNS
        ") VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        values, err);
}

struct wipe_reader {
    struct kms_wipe wipe;
    bool found;
};

static enum base_status read_wipe(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct wipe_reader *reader = user;
    struct kms_wipe *wipe = &reader->wipe;
    reader->found = true;
    kms_row_text(row, 0, sizeof(wipe->id), wipe->id);
    kms_row_text(row, 1, sizeof(wipe->grant_id), wipe->grant_id);
    kms_row_bytes(row, 2, 8, wipe->chip_id);
    kms_row_bytes(row, 3, 65, wipe->public_key);
    kms_row_bytes(row, 4, 16, wipe->nonce);
    wipe->key_version = kms_row_int(row, 5);
    kms_row_bytes(row, 6, sizeof(wipe->statement), wipe->statement);
    kms_row_bytes(row, 7, sizeof(wipe->envelope), wipe->envelope);
    kms_row_bytes(row, 8, sizeof(wipe->receipt_key_wrapped), wipe->receipt_key_wrapped);
    kms_row_text(row, 9, sizeof(wipe->station), wipe->station);
    wipe->created_us = kms_row_int(row, 10);
    wipe->wiped_us = kms_row_int(row, 11);
    kms_row_bytes(row, 12, sizeof(wipe->receipt), wipe->receipt);
    kms_row_bytes(row, 13, sizeof(wipe->forget), wipe->forget);
    return BASE_OK;
}

enum base_status kms_wipe_by_id(
    struct kms_store *store, const char *id, struct kms_wipe *ret_wipe, struct base_err *err)
{
    struct wipe_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(id) };
    enum base_status status = KMS_ONE(
        store, "SELECT " COLUMNS " FROM wipes WHERE id = $1", values, read_wipe, reader, err);
    if (status == BASE_OK) {
        *ret_wipe = reader.wipe;
    }
    return status;
}

enum base_status kms_wipe_by_statement(struct kms_store *store, const uint8_t chip_id[8],
    const uint8_t public_key[65], const uint8_t nonce[16], struct kms_wipe *ret_wipe,
    struct base_err *err)
{
    struct wipe_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8), kms_blob(public_key, 65),
        kms_blob(nonce, 16) };
    enum base_status status = KMS_ONE(store,
        "SELECT " COLUMNS " FROM wipes WHERE chip_id = $1 AND public_key = $2 AND nonce = $3",
        values, read_wipe, reader, err);
    if (status == BASE_OK) {
        *ret_wipe = reader.wipe;
    }
    return status;
}

enum base_status kms_wipe_end(struct kms_store *store, const struct kms_wipe *wipe,
    const uint8_t receipt[PROTO_RECEIPT_SIZE], int64_t now_us, bool *ret_changed,
    struct base_err *err)
{
    static const uint8_t zeros[KMS_RECEIPT_WRAPPED];
    const struct kms_value values[] = { kms_int(now_us), kms_blob(receipt, PROTO_RECEIPT_SIZE),
        kms_blob(zeros, sizeof(zeros)), kms_blob(wipe->forget, sizeof(wipe->forget)),
        kms_text(wipe->id) };
    const struct kms_value ended[] = { kms_int(now_us), kms_blob(wipe->chip_id, 8),
        kms_blob(wipe->public_key, 65) };
    enum base_status status = KMS_CHANGED(store,
        "UPDATE wipes SET wiped_us = $1, receipt = $2, receipt_key_wrapped = $3, forget = $4"
        " WHERE id = $5 AND wiped_us = 0",
        values, ret_changed, err);
    return status == BASE_OK
               ? KMS_RUN(store,
                     "UPDATE grants SET wiped_us = $1 WHERE chip_id = $2 AND public_key = $3"
                     " AND wiped_us = 0 AND state IN ('scrapped', 'retired', 'superseded')",
                     ended, err)
               : status;
}
