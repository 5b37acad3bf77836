/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: asking for them, and what becomes of them. */
#include <string.h>

#include "kms/rows.h"
#include "kms/rows_private.h"

static const char *const state_names[] = {
    [KMS_GRANT_OPEN] = "open",
    [KMS_GRANT_CONFIRMED] = "confirmed",
    [KMS_GRANT_SCRAPPED] = "scrapped",
    [KMS_GRANT_SUPERSEDED] = "superseded",
    [KMS_GRANT_RETIRED] = "retired",
};

const char *kms_grant_state_name(enum kms_grant_state state)
{
    return state_names[state];
}

static enum kms_grant_state state_of(struct kms_row *row, size_t column)
{
    char text[16];
    kms_row_text(row, column, sizeof(text), text);
    for (int i = KMS_GRANT_OPEN; i <= KMS_GRANT_RETIRED; i++) {
        if (strcmp(text, state_names[i]) == 0) {
            return (enum kms_grant_state)i;
        }
    }
    row->bad = true;
    return KMS_GRANT_SCRAPPED;
}

static enum base_status insert_device(
    struct kms_store *store, const struct kms_grant *grant, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_blob(grant->dev_eui, 8),
        kms_text(grant->lot),
        kms_blob(grant->chip_id, 8),
    };
    return KMS_RUN(
        store, "INSERT INTO devices(dev_eui, lot, chip_id) VALUES($1, $2, $3)", values, err);
}

enum base_status kms_grant_insert(
    struct kms_store *store, const struct kms_grant *grant, struct base_err *err)
{
    /* rework and zeroise keep the DevEUI */
    enum base_status status =
        grant->order_id[0] == '\0' ? insert_device(store, grant, err) : BASE_OK;
    if (status != BASE_OK) {
        return status;
    }
    const struct kms_value values[] = {
        kms_text(grant->id),
        kms_text(grant->lot),
        kms_blob(grant->chip_id, 8),
        kms_blob(grant->public_key, 65),
        kms_blob(grant->nonce, 16),
        kms_blob(grant->dev_eui, 8),
        kms_int(grant->key_version),
        kms_text(kms_grant_state_name(grant->state)),
        kms_int(grant->device_trust),
        kms_int(grant->unattended),
        kms_text(grant->station),
        kms_text(grant->tester),
        kms_blob(grant->statement, sizeof(grant->statement)),
        kms_blob(grant->envelope, sizeof(grant->envelope)),
        kms_blob(grant->roots_wrapped, sizeof(grant->roots_wrapped)),
        kms_blob(grant->receipt_key_wrapped, sizeof(grant->receipt_key_wrapped)),
        kms_blob(grant->intent_sha256, 32),
        kms_text(grant->note),
        kms_int(grant->created_us),
        kms_int(grant->purpose),
        kms_text(grant->order_id),
    };
    return KMS_RUN(store,
        "INSERT INTO grants(id, lot, chip_id, public_key, nonce, dev_eui, key_version, state,"
        " device_trust, unattended, station, tester, statement, envelope, roots_wrapped,"
        " receipt_key_wrapped, intent_sha256, note, created_us, purpose, order_id)"
        " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
        " $18, $19, $20, $21)",
        values, err);
}

static void grant_of_row(struct kms_row *row, struct kms_grant *grant)
{
    kms_row_text(row, 0, sizeof(grant->id), grant->id);
    kms_row_text(row, 1, sizeof(grant->lot), grant->lot);
    kms_row_bytes(row, 2, 8, grant->chip_id);
    kms_row_bytes(row, 3, 65, grant->public_key);
    kms_row_bytes(row, 4, 16, grant->nonce);
    kms_row_bytes(row, 5, 8, grant->dev_eui);
    grant->key_version = kms_row_int(row, 6);
    grant->state = state_of(row, 7);
    grant->device_trust = (enum kms_trust)kms_row_int(row, 8);
    grant->unattended = kms_row_int(row, 9) != 0;
    kms_row_text(row, 10, sizeof(grant->station), grant->station);
    kms_row_text(row, 11, sizeof(grant->tester), grant->tester);
    kms_row_bytes(row, 12, sizeof(grant->statement), grant->statement);
    kms_row_bytes(row, 13, sizeof(grant->envelope), grant->envelope);
    kms_row_bytes(row, 14, sizeof(grant->roots_wrapped), grant->roots_wrapped);
    kms_row_bytes(row, 15, sizeof(grant->receipt_key_wrapped), grant->receipt_key_wrapped);
    kms_row_bytes(row, 16, 32, grant->intent_sha256);
    kms_row_text(row, 17, sizeof(grant->note), grant->note);
    grant->created_us = kms_row_int(row, 18);
    grant->confirmed_us = kms_row_int(row, 19);
    grant->scrapped_us = kms_row_int(row, 20);
    kms_row_text(row, 21, sizeof(grant->scrapped_by), grant->scrapped_by);
    grant->purpose = (uint8_t)kms_row_int(row, 22);
    kms_row_text(row, 23, sizeof(grant->order_id), grant->order_id);
    grant->ended_us = kms_row_int(row, 24);
    grant->locked_us = kms_row_int(row, 25);
    grant->wiped_us = kms_row_int(row, 26);
    grant->lock_answered = kms_row_int(row, 27) != 0;
    kms_row_text(row, 28, sizeof(grant->settled_by), grant->settled_by);
    kms_row_text(row, 29, sizeof(grant->settled_permit), grant->settled_permit);
}

enum base_status kms_rows_read_grant(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct kms_grant_reader *reader = user;
    reader->found = true;
    grant_of_row(row, &reader->grant);
    return BASE_OK;
}

enum base_status kms_grant_by_id(
    struct kms_store *store, const char *id, struct kms_grant *ret_grant, struct base_err *err)
{
    struct kms_grant_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(id) };
    enum base_status status =
        KMS_ONE(store, "SELECT " KMS_GRANT_COLUMNS " FROM grants WHERE id = $1", values,
            kms_rows_read_grant, reader, err);
    if (status == BASE_OK) {
        *ret_grant = reader.grant;
    }
    return status;
}

enum base_status kms_grant_by_statement(struct kms_store *store, const uint8_t chip_id[8],
    const uint8_t public_key[65], const uint8_t nonce[16], struct kms_grant *ret_grant,
    struct base_err *err)
{
    struct kms_grant_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8), kms_blob(public_key, 65),
        kms_blob(nonce, 16) };
    enum base_status status = KMS_ONE(store,
        "SELECT " KMS_GRANT_COLUMNS
        " FROM grants WHERE chip_id = $1 AND public_key = $2 AND nonce = $3",
        values, kms_rows_read_grant, reader, err);
    if (status == BASE_OK) {
        *ret_grant = reader.grant;
    }
    return status;
}

enum base_status kms_grant_of_chip(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_grant *ret_grant, struct base_err *err)
{
    struct kms_grant_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8) };
    enum base_status status = KMS_ONE(store,
        "SELECT " KMS_GRANT_COLUMNS " FROM grants WHERE chip_id = $1"
        " ORDER BY CASE state WHEN 'open' THEN 0 WHEN 'confirmed' THEN 1 WHEN 'retired' THEN 2"
        " ELSE 3 END, key_version DESC LIMIT 1",
        values, kms_rows_read_grant, reader, err);
    if (status == BASE_OK) {
        *ret_grant = reader.grant;
    }
    return status;
}

struct number_reader {
    int64_t number;
    bool found;
};

static enum base_status read_number(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct number_reader *reader = user;
    reader->found = true;
    reader->number = kms_row_int(row, 0);
    return BASE_OK;
}

enum base_status kms_grant_key_elsewhere(struct kms_store *store, const uint8_t public_key[65],
    const uint8_t chip_id[8], bool *ret_found, struct base_err *err)
{
    struct number_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(public_key, 65), kms_blob(chip_id, 8) };
    enum base_status status =
        KMS_ONE(store, "SELECT COUNT(*) FROM grants WHERE public_key = $1 AND chip_id <> $2",
            values, read_number, reader, err);
    if (status == BASE_OK) {
        *ret_found = reader.number > 0;
    }
    return status;
}

enum base_status kms_grant_settled_under(struct kms_store *store, const char *permit,
    const char *not_id, bool *ret_found, struct base_err *err)
{
    struct number_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(permit), kms_text(not_id) };
    enum base_status status =
        KMS_ONE(store, "SELECT COUNT(*) FROM grants WHERE settled_permit = $1 AND id <> $2", values,
            read_number, reader, err);
    if (status == BASE_OK) {
        *ret_found = reader.number > 0;
    }
    return status;
}

enum base_status kms_grant_key_scrapped(struct kms_store *store, const uint8_t public_key[65],
    const uint8_t chip_id[8], bool *ret_found, struct base_err *err)
{
    struct number_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(public_key, 65), kms_blob(chip_id, 8) };
    enum base_status status = KMS_ONE(store,
        "SELECT COUNT(*) FROM grants WHERE public_key = $1 AND chip_id = $2"
        " AND state = 'scrapped'",
        values, read_number, reader, err);
    if (status == BASE_OK) {
        *ret_found = reader.number > 0;
    }
    return status;
}

enum base_status kms_grant_highest_version(
    struct kms_store *store, const uint8_t chip_id[8], int64_t *ret_version, struct base_err *err)
{
    struct number_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8) };
    enum base_status status = KMS_ONE(store,
        "SELECT COALESCE(MAX(key_version), 0) FROM (SELECT key_version FROM grants"
        " WHERE chip_id = $1 UNION ALL SELECT key_version FROM wipes WHERE chip_id = $1)",
        values, read_number, reader, err);
    if (status == BASE_OK) {
        *ret_version = reader.number;
    }
    return status;
}

enum base_status kms_grant_confirm(struct kms_store *store, const char *id, const uint8_t *receipt,
    int64_t now_us, bool *ret_changed, struct base_err *err)
{
    const struct kms_value values[] = { kms_blob(receipt, PROTO_RECEIPT_SIZE), kms_int(now_us),
        kms_text(id) };
    return KMS_CHANGED(store,
        "UPDATE grants SET state = 'confirmed', receipt = $1, confirmed_us = $2"
        " WHERE id = $3 AND state = 'open'",
        values, ret_changed, err);
}

struct each_grant {
    kms_grant_fn *each;
    void *user;
};

static enum base_status forward_grant(void *user, struct kms_row *row, struct base_err *err)
{
    const struct each_grant *forward = user;
    struct kms_grant grant;
    grant_of_row(row, &grant);
    return row->bad ? BASE_OK : forward->each(forward->user, &grant, err);
}

enum base_status kms_grant_each(struct kms_store *store, const struct kms_grant_filter *filter,
    kms_grant_fn *each, void *user, struct base_err *err)
{
    struct each_grant forward = { .each = each, .user = user };
    const struct kms_value values[] = {
        kms_text(filter->lot != NULL ? filter->lot : ""),
        kms_text(filter->only_open ? "open" : ""),
        kms_blob(filter->after_chip_id, filter->after_chip_id != NULL ? 8 : 0),
        kms_int(filter->limit),
        kms_int(filter->only_first),
        kms_int(filter->only_unwiped),
    };
    const struct kms_statement query = {
        .sql = "SELECT " KMS_GRANT_COLUMNS " FROM grants WHERE ($1 = '' OR lot = $1)"
               " AND ($2 = '' OR state = $2) AND chip_id > $3"
               " AND ($5 = 0 OR order_id = '')"
               " AND ($6 = 0 OR (wiped_us = 0 AND state IN ('scrapped', 'retired') AND NOT EXISTS"
               " (SELECT 1 FROM grants AS live WHERE live.chip_id = grants.chip_id"
               " AND live.state IN ('open', 'confirmed'))))"
               " ORDER BY chip_id, created_us LIMIT $4",
        .values = values,
        .value_count = KMS_COUNT(values),
        .each = forward_grant,
        .user = &forward,
    };
    return kms_store_run(store, &query, NULL, err);
}
