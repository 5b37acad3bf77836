/* SPDX-License-Identifier: Apache-2.0 */
/* Lots and the manifest. */
#include <string.h>

#include "base/buf.h"
#include "kms/rows.h"
#include "kms/rows_private.h"

#define HOUR_US INT64_C(3600000000)

#define LOT_COLUMNS                                                                                \
    "id, chip, image_sha256, lorawan, join_eui, profile, deveui_first, deveui_count, trust,"       \
    " restrict_policy, lock_policy, unattended, target, allowance, granted, created_us,"           \
    " expires_us, closed_us, rate, min_bootloader, min_protocol, key_sha256, secure_hash,"         \
    " application_sha256, application_version"

enum base_status kms_lot_insert(
    struct kms_store *store, const struct kms_lot *lot, struct base_err *err)
{
    uint8_t first[8];
    uint8_t last[8];
    kms_eui_bytes(lot->deveui_first, first);
    kms_eui_bytes(lot->deveui_first + (uint64_t)lot->deveui_count - 1, last);
    const struct kms_value values[] = {
        kms_text(lot->id),
        kms_text(lot->chip),
        kms_blob(lot->image_sha256, 32),
        kms_int(lot->lorawan),
        kms_blob(lot->join_eui, 8),
        kms_blob(lot->profile, 4),
        kms_blob(first, 8),
        kms_blob(last, 8),
        kms_int(lot->deveui_count),
        kms_int(lot->trust),
        kms_int(lot->restrict_policy),
        kms_int(lot->lock_policy),
        kms_int(lot->unattended),
        kms_int(lot->target),
        kms_int(lot->allowance),
        kms_int(lot->created_us),
        kms_int(lot->expires_us),
        kms_int(lot->rate),
        kms_int(lot->min_bootloader),
        kms_int(lot->min_protocol),
        kms_blob(lot->key_sha256, sizeof(lot->key_sha256)),
        kms_blob(lot->secure_hash, sizeof(lot->secure_hash)),
        kms_blob(lot->application_sha256, sizeof(lot->application_sha256)),
        kms_int(lot->application_version),
    };
    return KMS_RUN(store,
        "INSERT INTO lots(id, chip, image_sha256, lorawan, join_eui, profile, deveui_first,"
        " deveui_last, deveui_count, trust, restrict_policy, lock_policy, unattended, target,"
        " allowance, created_us, expires_us, rate, min_bootloader, min_protocol, key_sha256,"
        " secure_hash, application_sha256, application_version)"
        " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
        " $19, $20, $21, $22, $23, $24)",
        values, err);
}

static void lot_of_row(struct kms_row *row, struct kms_lot *lot)
{
    uint8_t first[8];
    memset(lot, 0, sizeof(*lot));
    kms_row_text(row, 0, sizeof(lot->id), lot->id);
    kms_row_text(row, 1, sizeof(lot->chip), lot->chip);
    kms_row_bytes(row, 2, 32, lot->image_sha256);
    lot->lorawan = (uint8_t)kms_row_int(row, 3);
    kms_row_bytes(row, 4, 8, lot->join_eui);
    kms_row_bytes(row, 5, 4, lot->profile);
    kms_row_bytes(row, 6, 8, first);
    lot->deveui_first = base_get_be64(first);
    lot->deveui_count = kms_row_int(row, 7);
    lot->trust = (enum kms_trust)kms_row_int(row, 8);
    lot->restrict_policy = kms_row_int(row, 9);
    lot->lock_policy = kms_row_int(row, 10);
    lot->unattended = kms_row_int(row, 11) != 0;
    lot->target = kms_row_int(row, 12);
    lot->allowance = kms_row_int(row, 13);
    lot->granted = kms_row_int(row, 14);
    lot->created_us = kms_row_int(row, 15);
    lot->expires_us = kms_row_int(row, 16);
    lot->closed_us = kms_row_int(row, 17);
    lot->rate = kms_row_int(row, 18);
    lot->min_bootloader = kms_row_int(row, 19);
    lot->min_protocol = kms_row_int(row, 20);
    kms_row_bytes(row, 21, sizeof(lot->key_sha256), lot->key_sha256);
    kms_row_bytes(row, 22, sizeof(lot->secure_hash), lot->secure_hash);
    kms_row_bytes(row, 23, sizeof(lot->application_sha256), lot->application_sha256);
    lot->application_version = kms_row_int(row, 24);
}

struct lot_reader {
    struct kms_lot lot;
    bool found;
};

static enum base_status read_lot(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct lot_reader *reader = user;
    reader->found = true;
    lot_of_row(row, &reader->lot);
    return BASE_OK;
}

enum base_status kms_lot_get(
    struct kms_store *store, const char *id, struct kms_lot *ret_lot, struct base_err *err)
{
    struct lot_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(id) };
    enum base_status status = KMS_ONE(
        store, "SELECT " LOT_COLUMNS " FROM lots WHERE id = $1", values, read_lot, reader, err);
    if (status == BASE_OK) {
        *ret_lot = reader.lot;
    }
    return status;
}

enum base_status kms_lot_take(
    struct kms_store *store, const char *id, bool *ret_taken, struct base_err *err)
{
    const struct kms_value values[] = { kms_text(id) };
    return KMS_CHANGED(store,
        "UPDATE lots SET granted = granted + 1 WHERE id = $1 AND granted < allowance"
        " AND granted < deveui_count AND closed_us = 0",
        values, ret_taken, err);
}

struct time_reader {
    int64_t at_us;
    bool found;
};

static enum base_status read_time(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct time_reader *reader = user;
    reader->found = true;
    reader->at_us = kms_row_int(row, 0);
    return BASE_OK;
}

enum base_status kms_lot_rate(struct kms_store *store, const struct kms_lot *lot, int64_t now_us,
    int64_t *ret_at_us, struct base_err *err)
{
    struct time_reader reader = { .found = false };
    if (lot->rate == 0 || lot->granted < lot->rate) {
        *ret_at_us = 0; /* so many were not made at any time */
        return BASE_OK;
    }
    /* The grant that must be an hour old before the next one; scrapped ones count. */
    const struct kms_value values[] = { kms_text(lot->id), kms_int(now_us - HOUR_US),
        kms_int(lot->rate - 1) };
    enum base_status status = KMS_ONE(store,
        "SELECT created_us FROM grants WHERE lot = $1 AND created_us > $2 AND order_id = ''"
        " ORDER BY created_us DESC LIMIT 1 OFFSET $3",
        values, read_time, reader, err);
    if (status == BASE_OK || status == BASE_E_NOTFOUND) {
        *ret_at_us = status == BASE_OK ? reader.at_us + HOUR_US : 0;
        return BASE_OK;
    }
    return status;
}

enum base_status kms_lot_close(
    struct kms_store *store, const char *id, int64_t now_us, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(id) };
    return KMS_RUN(
        store, "UPDATE lots SET closed_us = $1 WHERE id = $2 AND closed_us = 0", values, err);
}

static enum base_status read_count(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct kms_counts *counts = user;
    char state[16];
    kms_row_text(row, 0, sizeof(state), state);
    int64_t count = kms_row_int(row, 1);
    if (strcmp(state, "open") == 0) {
        counts->open += count;
    } else if (strcmp(state, "confirmed") == 0 || strcmp(state, "superseded") == 0) {
        counts->confirmed += count;
    } else if (strcmp(state, "scrapped") == 0 || strcmp(state, "retired") == 0) {
        counts->scrapped += count;
    } else {
        row->bad = true;
    }
    return BASE_OK;
}

/* By DevEUI, each of which had one first installation: one whose keys were replaced is a confirmed
 * unit, one that was retired is not a unit any more. */
enum base_status kms_lot_counts(
    struct kms_store *store, const char *id, struct kms_counts *ret_counts, struct base_err *err)
{
    struct kms_counts counts = { 0 };
    const struct kms_value values[] = { kms_text(id) };
    const struct kms_statement query = {
        .sql = "SELECT state, COUNT(*) FROM grants WHERE lot = $1 AND order_id = ''"
               " GROUP BY state",
        .values = values,
        .value_count = 1,
        .each = read_count,
        .user = &counts,
    };
    enum base_status status = kms_store_run(store, &query, NULL, err);
    if (status == BASE_OK) {
        *ret_counts = counts;
    }
    return status;
}

static enum base_status read_number(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    *(int64_t *)user = kms_row_int(row, 0);
    return BASE_OK;
}

enum base_status kms_lot_good(
    struct kms_store *store, const struct kms_lot *lot, int64_t *ret_good, struct base_err *err)
{
    int64_t lost = 0;
    const struct kms_value values[] = { kms_text(lot->id) };
    const struct kms_statement query = {
        .sql = "SELECT COUNT(*) FROM grants WHERE lot = $1 AND state IN ('scrapped', 'retired')"
               " AND order_id = ''",
        .values = values,
        .value_count = 1,
        .each = read_number,
        .user = &lost,
    };
    enum base_status status = kms_store_run(store, &query, NULL, err);
    if (status == BASE_OK) {
        *ret_good = lot->granted - lost;
    }
    return status;
}

struct id_reader {
    char id[KMS_ID_SIZE];
    bool found;
};

static enum base_status read_id(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct id_reader *reader = user;
    reader->found = true;
    kms_row_text(row, 0, sizeof(reader->id), reader->id);
    return BASE_OK;
}

enum base_status kms_lot_overlap(struct kms_store *store, uint64_t first, uint64_t last,
    char ret_id[KMS_ID_SIZE], struct base_err *err)
{
    struct id_reader reader = { .found = false };
    uint8_t low[8];
    uint8_t high[8];
    kms_eui_bytes(first, low);
    kms_eui_bytes(last, high);
    /* Big-endian byte strings compare as the numbers do. */
    const struct kms_value values[] = { kms_blob(low, 8), kms_blob(high, 8) };
    enum base_status status =
        KMS_ONE(store, "SELECT id FROM lots WHERE deveui_last >= $1 AND deveui_first <= $2 LIMIT 1",
            values, read_id, reader, err);
    if (status == BASE_OK) {
        memcpy(ret_id, reader.id, sizeof(reader.id));
    }
    return status;
}

struct each_lot {
    kms_lot_fn *each;
    void *user;
};

static enum base_status forward_lot(void *user, struct kms_row *row, struct base_err *err)
{
    const struct each_lot *forward = user;
    struct kms_lot lot;
    lot_of_row(row, &lot);
    return row->bad ? BASE_OK : forward->each(forward->user, &lot, err);
}

enum base_status kms_lot_each(
    struct kms_store *store, kms_lot_fn *each, void *user, struct base_err *err)
{
    struct each_lot forward = { .each = each, .user = user };
    const struct kms_statement query = {
        .sql = "SELECT " LOT_COLUMNS " FROM lots ORDER BY created_us, id",
        .each = forward_lot,
        .user = &forward,
    };
    return kms_store_run(store, &query, NULL, err);
}

struct unit_reader {
    struct kms_unit unit;
    bool found;
};

#define UNIT_COLUMNS                                                                               \
    "chip_id, public_key, lot, statement, station, spki_sha256, log_id, tester, created_us,"       \
    " record, record_tester, permit"

static void unit_of_row(struct kms_row *row, struct kms_unit *unit)
{
    kms_row_bytes(row, 0, 8, unit->chip_id);
    kms_row_bytes(row, 1, 65, unit->public_key);
    kms_row_text(row, 2, sizeof(unit->lot), unit->lot);
    kms_row_bytes(row, 3, sizeof(unit->statement), unit->statement);
    kms_row_text(row, 4, sizeof(unit->station), unit->station);
    kms_row_bytes(row, 5, 32, unit->spki_sha256);
    kms_row_bytes(row, 6, 32, unit->log_id);
    kms_row_text(row, 7, sizeof(unit->tester), unit->tester);
    unit->created_us = kms_row_int(row, 8);
    kms_row_text(row, 9, sizeof(unit->record), unit->record);
    kms_row_text(row, 10, sizeof(unit->record_tester), unit->record_tester);
    kms_row_text(row, 11, sizeof(unit->permit), unit->permit);
}

static enum base_status read_unit(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct unit_reader *reader = user;
    reader->found = true;
    unit_of_row(row, &reader->unit);
    return BASE_OK;
}

struct each_unit {
    kms_unit_fn *each;
    void *user;
};

static enum base_status forward_unit(void *user, struct kms_row *row, struct base_err *err)
{
    const struct each_unit *forward = user;
    struct kms_unit unit;
    unit_of_row(row, &unit);
    return row->bad ? BASE_OK : forward->each(forward->user, &unit, err);
}

enum base_status kms_unit_each_ungranted(
    struct kms_store *store, const char *lot, kms_unit_fn *each, void *user, struct base_err *err)
{
    struct each_unit forward = { .each = each, .user = user };
    const struct kms_value values[] = { kms_text(lot != NULL ? lot : "") };
    const struct kms_statement query = {
        .sql = "SELECT " UNIT_COLUMNS " FROM units WHERE ($1 = '' OR lot = $1)"
               " AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.chip_id = units.chip_id)"
               " ORDER BY chip_id",
        .values = values,
        .value_count = 1,
        .each = forward_unit,
        .user = &forward,
    };
    return kms_store_run(store, &query, NULL, err);
}

enum base_status kms_unit_get(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_unit *ret_unit, struct base_err *err)
{
    struct unit_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(chip_id, 8) };
    enum base_status status = KMS_ONE(store,
        "SELECT " UNIT_COLUMNS " FROM units WHERE chip_id = $1", values, read_unit, reader, err);
    if (status == BASE_OK) {
        *ret_unit = reader.unit;
    }
    return status;
}

enum base_status kms_unit_put(
    struct kms_store *store, const struct kms_unit *unit, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_blob(unit->chip_id, 8),
        kms_blob(unit->public_key, 65),
        kms_text(unit->lot),
        kms_blob(unit->statement, sizeof(unit->statement)),
        kms_text(unit->station),
        kms_blob(unit->spki_sha256, 32),
        kms_blob(unit->log_id, 32),
        kms_text(unit->tester),
        kms_int(unit->created_us),
        kms_text(unit->record),
        kms_text(unit->record_tester),
        kms_text(unit->permit),
    };
    return KMS_RUN(store,
        "INSERT INTO units(chip_id, public_key, lot, statement, station, spki_sha256, log_id,"
        " tester, created_us, record, record_tester, permit)"
        " VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        " ON CONFLICT (chip_id) DO UPDATE SET public_key = excluded.public_key,"
        " lot = excluded.lot, statement = excluded.statement, station = excluded.station,"
        " spki_sha256 = excluded.spki_sha256, log_id = excluded.log_id,"
        " tester = excluded.tester, created_us = excluded.created_us, record = excluded.record,"
        " record_tester = excluded.record_tester, permit = excluded.permit",
        values, err);
}
