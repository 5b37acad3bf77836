/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a grant after its receipt: lock, new keys, no keys, the end. Orders. */
#include <string.h>

#include "kms/rows.h"
#include "kms/rows_private.h"

/* What is written over keys that shall not stay. */
static const uint8_t zeros[PROTO_ENVELOPE_SIZE];

#define ROOTS_SIZE (PROTO_ENVELOPE_PLAIN_SIZE + 8)
#define KEY_SIZE   (PROTO_MAC_SIZE + 8)

struct receipt_reader {
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    bool found;
};

static enum base_status read_receipt(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct receipt_reader *reader = user;
    reader->found = true;
    kms_row_bytes(row, 0, sizeof(reader->receipt), reader->receipt);
    return BASE_OK;
}

enum base_status kms_grant_receipt(struct kms_store *store, const char *id,
    uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    struct receipt_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(id) };
    enum base_status status =
        KMS_ONE(store, "SELECT receipt FROM grants WHERE id = $1 AND state = 'confirmed'", values,
            read_receipt, reader, err);
    if (status == BASE_OK) {
        memcpy(ret_receipt, reader.receipt, sizeof(reader.receipt));
    }
    return status;
}

enum base_status kms_grant_lock(struct kms_store *store, const char *id, const uint8_t *answer,
    int64_t now_us, bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_blob(answer, PROTO_LOCK_ANSWER_SIZE),
        kms_text(id) };
    return KMS_CHANGED(store,
        "UPDATE grants SET locked_us = $1, lock_answer = $2"
        " WHERE id = $3 AND state = 'confirmed' AND lock_answer IS NULL",
        values, ret_changed, err);
}

enum base_status kms_grant_scrap(struct kms_store *store, const char *id, const char *by,
    const char *reason, int64_t now_us, bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(by), kms_text(reason),
        kms_blob(zeros, ROOTS_SIZE), kms_blob(zeros, KEY_SIZE),
        kms_blob(zeros, PROTO_ENVELOPE_SIZE), kms_text(id) };
    return KMS_CHANGED(store,
        "UPDATE grants SET state = 'scrapped', scrapped_us = $1, scrapped_by = $2,"
        " scrap_reason = $3, roots_wrapped = $4, receipt_key_wrapped = $5, envelope = $6"
        " WHERE id = $7 AND state = 'open'",
        values, ret_changed, err);
}

enum base_status kms_grant_current(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_grant *ret_grant, struct base_err *err)
{
    struct kms_grant_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8) };
    enum base_status status = KMS_ONE(store,
        "SELECT " KMS_GRANT_COLUMNS " FROM grants WHERE chip_id = $1 AND state = 'confirmed'",
        values, kms_rows_read_grant, reader, err);
    if (status == BASE_OK) {
        *ret_grant = reader.grant;
    }
    return status;
}

enum base_status kms_grant_supersede(struct kms_store *store, const char *id, int64_t now_us,
    bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_blob(zeros, ROOTS_SIZE),
        kms_blob(zeros, KEY_SIZE), kms_blob(zeros, PROTO_ENVELOPE_SIZE), kms_text(id) };
    return KMS_CHANGED(store,
        "UPDATE grants SET state = 'superseded', ended_us = $1, roots_wrapped = $2,"
        " receipt_key_wrapped = $3, envelope = $4 WHERE id = $5 AND state = 'confirmed'",
        values, ret_changed, err);
}

enum base_status kms_grant_retire(struct kms_store *store, const uint8_t dev_eui[8], int64_t now_us,
    bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_blob(zeros, ROOTS_SIZE),
        kms_blob(zeros, KEY_SIZE), kms_blob(zeros, PROTO_ENVELOPE_SIZE), kms_blob(dev_eui, 8) };
    return KMS_CHANGED(store,
        "UPDATE grants SET state = 'retired', ended_us = $1, roots_wrapped = $2,"
        " receipt_key_wrapped = $3, envelope = $4"
        " WHERE dev_eui = $5 AND state IN ('confirmed', 'superseded')",
        values, ret_changed, err);
}

enum base_status kms_grant_inherit_lock(
    struct kms_store *store, const char *id, const struct kms_grant *earlier, struct base_err *err)
{
    bool settled = !earlier->lock_answered;
    const struct kms_value values[] = { kms_int(earlier->locked_us),
        kms_text(settled ? earlier->settled_by : ""),
        kms_text(settled ? earlier->settled_permit : ""), kms_text(id) };
    return KMS_RUN(store,
        "UPDATE grants SET locked_us = $1, settled_by = $2, settled_permit = $3 WHERE id = $4",
        values, err);
}

enum base_status kms_grant_settle(struct kms_store *store, const char *id, const char *station,
    const char *permit, int64_t now_us, bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(station), kms_text(permit),
        kms_text(id) };
    return KMS_CHANGED(store,
        "UPDATE grants SET locked_us = $1, settled_by = $2, settled_permit = $3"
        " WHERE id = $4 AND state = 'confirmed' AND locked_us = 0",
        values, ret_changed, err);
}

enum base_status kms_order_insert(
    struct kms_store *store, const struct kms_order *order, struct base_err *err)
{
    const struct kms_value values[] = { kms_text(order->id), kms_blob(order->chip_id, 8),
        kms_blob(order->public_key, 65), kms_int(order->purpose), kms_text(order->reason),
        kms_int(order->created_us) };
    return KMS_RUN(store,
        "INSERT INTO orders(id, chip_id, public_key, purpose, reason, created_us)"
        " VALUES($1, $2, $3, $4, $5, $6)",
        values, err);
}

struct order_reader {
    struct kms_order order;
    bool found;
};

static enum base_status read_order(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct order_reader *reader = user;
    struct kms_order *order = &reader->order;
    reader->found = true;
    kms_row_text(row, 0, sizeof(order->id), order->id);
    kms_row_bytes(row, 1, 8, order->chip_id);
    kms_row_bytes(row, 2, 65, order->public_key);
    order->purpose = (uint8_t)kms_row_int(row, 3);
    kms_row_text(row, 4, sizeof(order->reason), order->reason);
    order->created_us = kms_row_int(row, 5);
    return BASE_OK;
}

enum base_status kms_order_pending(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_order *ret_order, struct base_err *err)
{
    struct order_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8) };
    enum base_status status = KMS_ONE(store,
        "SELECT id, chip_id, public_key, purpose, reason, created_us FROM orders"
        " WHERE chip_id = $1 AND ended_us = 0",
        values, read_order, reader, err);
    if (status == BASE_OK) {
        *ret_order = reader.order;
    }
    return status;
}

enum base_status kms_order_end(struct kms_store *store, const char *id, int64_t now_us,
    bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(id) };
    return KMS_CHANGED(store, "UPDATE orders SET ended_us = $1 WHERE id = $2 AND ended_us = 0",
        values, ret_changed, err);
}
