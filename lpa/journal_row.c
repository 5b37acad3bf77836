/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/journal_row.h"

#include <string.h>

void lpa_journal_bind(sqlite3_stmt *stmt, const struct lpa_unit *unit)
{
    int at = 1;
    (void)sqlite3_bind_text(stmt, at++, unit->lot, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(stmt, at++, unit->chip_id, PROTO_CHIP_ID_SIZE, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, at++, unit->attempt);
    (void)sqlite3_bind_int(stmt, at++, (int)unit->state);
    (void)sqlite3_bind_int(stmt, at++, (int)unit->step);
    (void)sqlite3_bind_int(stmt, at++, (int)unit->phase);
    (void)sqlite3_bind_int(stmt, at++, (int)unit->result);
    (void)sqlite3_bind_int(stmt, at++, unit->permanent ? 1 : 0);
    (void)sqlite3_bind_text(stmt, at++, unit->code, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->message, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->grant_id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(stmt, at++, unit->dev_eui, PROTO_EUI_SIZE, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, at++, unit->key_version);
    (void)sqlite3_bind_blob(
        stmt, at++, unit->statement, (int)unit->statement_length, SQLITE_STATIC);
    (void)sqlite3_bind_blob(stmt, at++, unit->receipt, (int)unit->receipt_length, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, at++, unit->started_wall_us);
    (void)sqlite3_bind_int64(stmt, at++, unit->updated_wall_us);
    (void)sqlite3_bind_text(stmt, at++, unit->probe.vendor, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->probe.product, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->probe.serial, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->probe.firmware, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->permit_id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(stmt, at++, unit->record, (int)unit->record_length, SQLITE_STATIC);
    (void)sqlite3_bind_int(stmt, at++, (int)unit->lock);
    (void)sqlite3_bind_blob(
        stmt, at, unit->lock_answer, (int)unit->lock_answer_length, SQLITE_STATIC);
}

static bool take_text(sqlite3_stmt *stmt, int column, size_t size, char *ret_text)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    int length = sqlite3_column_bytes(stmt, column);
    if (text == NULL || length < 0 || (size_t)length >= size) {
        return false;
    }
    memcpy(ret_text, text, (size_t)length);
    ret_text[length] = '\0';
    return true;
}

static bool take_blob(
    sqlite3_stmt *stmt, int column, size_t size, uint8_t *ret_data, size_t *ret_length)
{
    const void *data = sqlite3_column_blob(stmt, column);
    int length = sqlite3_column_bytes(stmt, column);
    if (length < 0 || (length != 0 && (size_t)length != size)) {
        return false;
    }
    if (length != 0) {
        memcpy(ret_data, data, size);
    }
    *ret_length = (size_t)length;
    return true;
}

static bool take_number(sqlite3_stmt *stmt, int column, int64_t max, int64_t *ret_value)
{
    int64_t value = sqlite3_column_int64(stmt, column);
    if (sqlite3_column_type(stmt, column) != SQLITE_INTEGER || value < 0 || value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

/* A row is input like any other: a damaged or edited file must not become a state. */
bool lpa_journal_take(sqlite3_stmt *stmt, struct lpa_unit *ret_unit)
{
    struct lpa_unit unit = { 0 };
    size_t length[2] = { 0 };
    int64_t number[10] = { 0 };
    bool good =
        take_text(stmt, 0, sizeof(unit.lot), unit.lot) &&
        take_blob(stmt, 1, sizeof(unit.chip_id), unit.chip_id, &length[0]) &&
        take_number(stmt, 2, UINT32_MAX, &number[0]) &&
        take_number(stmt, 3, LPA_STATE_FORGOTTEN, &number[1]) &&
        take_number(stmt, 4, LPA_STEP_FORGET, &number[2]) &&
        take_number(stmt, 5, LPA_PHASE_DONE, &number[3]) &&
        take_number(stmt, 6, LPA_RESULT_UNKNOWN, &number[4]) &&
        take_number(stmt, 7, 1, &number[5]) && take_text(stmt, 8, sizeof(unit.code), unit.code) &&
        take_text(stmt, 9, sizeof(unit.message), unit.message) &&
        take_text(stmt, 10, sizeof(unit.site), unit.site) &&
        take_text(stmt, 11, sizeof(unit.grant_id), unit.grant_id) &&
        take_blob(stmt, 12, sizeof(unit.dev_eui), unit.dev_eui, &length[1]) &&
        take_number(stmt, 13, UINT32_MAX, &number[6]) &&
        take_blob(stmt, 14, sizeof(unit.statement), unit.statement, &unit.statement_length) &&
        take_blob(stmt, 15, sizeof(unit.receipt), unit.receipt, &unit.receipt_length) &&
        take_number(stmt, 16, INT64_MAX, &number[7]) &&
        take_number(stmt, 17, INT64_MAX, &number[8]) &&
        take_text(stmt, 18, sizeof(unit.probe.vendor), unit.probe.vendor) &&
        take_text(stmt, 19, sizeof(unit.probe.product), unit.probe.product) &&
        take_text(stmt, 20, sizeof(unit.probe.serial), unit.probe.serial) &&
        take_text(stmt, 21, sizeof(unit.probe.firmware), unit.probe.firmware) &&
        take_text(stmt, 22, sizeof(unit.permit_id), unit.permit_id) &&
        take_text(stmt, 23, sizeof(unit.record), unit.record) &&
        take_number(stmt, 24, LPA_LOCK_SETTLED, &number[9]) &&
        take_blob(stmt, 25, sizeof(unit.lock_answer), unit.lock_answer, &unit.lock_answer_length);
    if (!good || length[0] != PROTO_CHIP_ID_SIZE || length[1] != PROTO_EUI_SIZE) {
        return false;
    }
    unit.attempt = (uint32_t)number[0];
    unit.state = (enum lpa_state)number[1];
    unit.step = (enum lpa_step_id)number[2];
    unit.phase = (enum lpa_phase)number[3];
    unit.result = (enum lpa_result)number[4];
    unit.permanent = number[5] != 0;
    unit.key_version = (uint32_t)number[6];
    unit.started_wall_us = number[7];
    unit.updated_wall_us = number[8];
    unit.record_length = strlen(unit.record);
    unit.lock = (enum lpa_lock)number[9];
    *ret_unit = unit;
    return true;
}
