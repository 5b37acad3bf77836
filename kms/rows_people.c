/* SPDX-License-Identifier: Apache-2.0 */
/* Stations, testers, sessions, events. */
#include <string.h>

#include "base/buf.h"
#include "kms/rows.h"
#include "kms/rows_private.h"

const char *kms_role_name(enum kms_role role)
{
    return role == KMS_ROLE_PERSONALISE ? "personalise" : "provision";
}

void kms_eui_bytes(uint64_t eui, uint8_t ret_bytes[8])
{
    base_put_be64(ret_bytes, eui);
}

enum base_status kms_rows_one(struct kms_store *store, const struct kms_statement *statement,
    const bool *found, struct base_err *err)
{
    enum base_status status = kms_store_run(store, statement, NULL, err);
    return status != BASE_OK || *found ? status : BASE_E_NOTFOUND;
}

enum base_status kms_rows_changed(struct kms_store *store, const struct kms_statement *statement,
    bool *ret_changed, struct base_err *err)
{
    int64_t changed = 0;
    enum base_status status = kms_store_run(store, statement, &changed, err);
    if (status == BASE_OK) {
        *ret_changed = changed > 0;
    }
    return status;
}

static enum kms_role role_of(struct kms_row *row, size_t column)
{
    char text[16];
    kms_row_text(row, column, sizeof(text), text);
    if (strcmp(text, "personalise") == 0) {
        return KMS_ROLE_PERSONALISE;
    }
    if (strcmp(text, "provision") != 0) {
        row->bad = true;
    }
    return KMS_ROLE_PROVISION;
}

enum base_status kms_station_insert(
    struct kms_store *store, const struct kms_station *station, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_blob(station->certificate_sha256, 32),
        kms_text(station->name),
        kms_text(kms_role_name(station->role)),
        kms_blob(station->spki_sha256, 32),
        kms_int(station->not_after_us),
        kms_text(station->log_vkey),
        kms_blob(station->log_id, 32),
        kms_int(station->created_us),
    };
    return KMS_RUN(store,
        "INSERT INTO stations(certificate_sha256, name, role, spki_sha256, not_after_us,"
        " log_vkey, log_id, created_us) VALUES($1, $2, $3, $4, $5, $6, $7, $8)",
        values, err);
}

#define STATION_COLUMNS                                                                            \
    "certificate_sha256, name, role, spki_sha256, not_after_us, log_vkey, log_id, created_us,"     \
    " revoked_us"

struct station_reader {
    struct kms_station station;
    bool found;
};

static void station_of_row(struct kms_row *row, struct kms_station *station)
{
    kms_row_bytes(row, 0, 32, station->certificate_sha256);
    kms_row_text(row, 1, sizeof(station->name), station->name);
    station->role = role_of(row, 2);
    kms_row_bytes(row, 3, 32, station->spki_sha256);
    station->not_after_us = kms_row_int(row, 4);
    kms_row_text(row, 5, sizeof(station->log_vkey), station->log_vkey);
    kms_row_bytes(row, 6, 32, station->log_id);
    station->created_us = kms_row_int(row, 7);
    station->revoked_us = kms_row_int(row, 8);
}

static enum base_status read_station(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct station_reader *reader = user;
    reader->found = true;
    station_of_row(row, &reader->station);
    return BASE_OK;
}

enum base_status kms_station_by_certificate(struct kms_store *store, const uint8_t sha256[32],
    struct kms_station *ret_station, struct base_err *err)
{
    struct station_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(sha256, 32) };
    enum base_status status =
        KMS_ONE(store, "SELECT " STATION_COLUMNS " FROM stations WHERE certificate_sha256 = $1",
            values, read_station, reader, err);
    if (status == BASE_OK) {
        *ret_station = reader.station;
    }
    return status;
}

enum base_status kms_station_by_name(struct kms_store *store, const char *name,
    struct kms_station *ret_station, struct base_err *err)
{
    struct station_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(name) };
    enum base_status status = KMS_ONE(store,
        "SELECT " STATION_COLUMNS " FROM stations WHERE name = $1 AND revoked_us = 0", values,
        read_station, reader, err);
    if (status == BASE_OK) {
        *ret_station = reader.station;
    }
    return status;
}

struct each_station {
    kms_station_fn *each;
    void *user;
};

static enum base_status forward_station(void *user, struct kms_row *row, struct base_err *err)
{
    const struct each_station *forward = user;
    struct kms_station station;
    station_of_row(row, &station);
    return row->bad ? BASE_OK : forward->each(forward->user, &station, err);
}

enum base_status kms_station_each(
    struct kms_store *store, kms_station_fn *each, void *user, struct base_err *err)
{
    struct each_station forward = { .each = each, .user = user };
    const struct kms_statement query = {
        .sql = "SELECT " STATION_COLUMNS " FROM stations ORDER BY name, created_us",
        .each = forward_station,
        .user = &forward,
    };
    return kms_store_run(store, &query, NULL, err);
}

enum base_status kms_station_revoke(struct kms_store *store, const char *name, int64_t now_us,
    bool *ret_revoked, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(name) };
    return KMS_CHANGED(store,
        "UPDATE stations SET revoked_us = $1 WHERE name = $2 AND revoked_us = 0", values,
        ret_revoked, err);
}

enum base_status kms_tester_insert(
    struct kms_store *store, const struct kms_tester *tester, int64_t now_us, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_text(tester->name),
        kms_text(kms_role_name(tester->role)),
        kms_blob(tester->totp_wrapped, KMS_TOTP_WRAPPED),
        kms_int(now_us),
    };
    return KMS_RUN(store,
        "INSERT INTO testers(name, role, totp_wrapped, created_us) VALUES($1, $2, $3, $4)", values,
        err);
}

#define TESTER_COLUMNS                                                                             \
    "name, role, totp_wrapped, last_step, burned_step, revoked_us,"                                \
    " COALESCE((SELECT locked_until_us FROM login_counts AS c WHERE c.kind = 1"                    \
    " AND c.name = testers.name), 0)"

struct tester_reader {
    struct kms_tester tester;
    bool found;
};

static void tester_of_row(struct kms_row *row, struct kms_tester *tester)
{
    kms_row_text(row, 0, sizeof(tester->name), tester->name);
    tester->role = role_of(row, 1);
    kms_row_bytes(row, 2, KMS_TOTP_WRAPPED, tester->totp_wrapped);
    tester->last_step = kms_row_int(row, 3);
    tester->burned_step = kms_row_int(row, 4);
    tester->revoked_us = kms_row_int(row, 5);
    tester->locked_until_us = kms_row_int(row, 6);
}

static enum base_status read_tester(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct tester_reader *reader = user;
    reader->found = true;
    tester_of_row(row, &reader->tester);
    return BASE_OK;
}

enum base_status kms_tester_get(
    struct kms_store *store, const char *name, struct kms_tester *ret_tester, struct base_err *err)
{
    struct tester_reader reader = { .found = false };
    const struct kms_value values[] = { kms_text(name) };
    enum base_status status = KMS_ONE(store,
        "SELECT " TESTER_COLUMNS " FROM testers WHERE name = $1", values, read_tester, reader, err);
    if (status == BASE_OK) {
        *ret_tester = reader.tester;
    }
    return status;
}

struct each_tester {
    kms_tester_fn *each;
    void *user;
};

static enum base_status forward_tester(void *user, struct kms_row *row, struct base_err *err)
{
    const struct each_tester *forward = user;
    struct kms_tester tester;
    tester_of_row(row, &tester);
    return row->bad ? BASE_OK : forward->each(forward->user, &tester, err);
}

enum base_status kms_tester_each(
    struct kms_store *store, kms_tester_fn *each, void *user, struct base_err *err)
{
    struct each_tester forward = { .each = each, .user = user };
    const struct kms_statement query = {
        .sql = "SELECT " TESTER_COLUMNS " FROM testers ORDER BY name",
        .each = forward_tester,
        .user = &forward,
    };
    return kms_store_run(store, &query, NULL, err);
}

enum base_status kms_tester_accept(struct kms_store *store, const char *name, int64_t step,
    bool *ret_accepted, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(step), kms_text(name) };
    return KMS_CHANGED(store,
        "UPDATE testers SET last_step = $1 WHERE name = $2 AND last_step < $1", values,
        ret_accepted, err);
}

enum base_status kms_tester_burn(
    struct kms_store *store, const char *name, int64_t step, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(step), kms_text(name) };
    return KMS_RUN(store, "UPDATE testers SET burned_step = $1 WHERE name = $2", values, err);
}

enum base_status kms_tester_revoke(struct kms_store *store, const char *name, int64_t now_us,
    bool *ret_revoked, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_text(name) };
    return KMS_CHANGED(store,
        "UPDATE testers SET revoked_us = $1 WHERE name = $2 AND revoked_us = 0", values,
        ret_revoked, err);
}

enum base_status kms_session_insert(
    struct kms_store *store, const struct kms_session *session, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_blob(session->token_sha256, 32),
        kms_text(session->tester),
        kms_blob(session->certificate_sha256, 32),
        kms_text(kms_role_name(session->role)),
        kms_int(session->unattended),
        kms_int(session->created_us),
        kms_int(session->used_us),
        kms_int(session->expires_us),
    };
    return KMS_RUN(store,
        "INSERT INTO sessions(token_sha256, tester, certificate_sha256, role, unattended,"
        " created_us, used_us, expires_us) VALUES($1, $2, $3, $4, $5, $6, $7, $8)",
        values, err);
}

struct session_reader {
    struct kms_session session;
    bool found;
};

static enum base_status read_session(void *user, struct kms_row *row, struct base_err *err)
{
    (void)err;
    struct session_reader *reader = user;
    struct kms_session *session = &reader->session;
    reader->found = true;
    kms_row_bytes(row, 0, 32, session->token_sha256);
    kms_row_text(row, 1, sizeof(session->tester), session->tester);
    kms_row_bytes(row, 2, 32, session->certificate_sha256);
    session->role = role_of(row, 3);
    session->unattended = kms_row_int(row, 4) != 0;
    session->created_us = kms_row_int(row, 5);
    session->used_us = kms_row_int(row, 6);
    session->expires_us = kms_row_int(row, 7);
    return BASE_OK;
}

enum base_status kms_session_get(struct kms_store *store, const uint8_t token_sha256[32],
    struct kms_session *ret_session, struct base_err *err)
{
    struct session_reader reader = { .found = false };
    const struct kms_value values[] = { kms_blob(token_sha256, 32) };
    enum base_status status = KMS_ONE(store,
        "SELECT token_sha256, tester, certificate_sha256, role, unattended, created_us, used_us,"
        " expires_us FROM sessions WHERE token_sha256 = $1",
        values, read_session, reader, err);
    if (status == BASE_OK) {
        *ret_session = reader.session;
    }
    return status;
}

enum base_status kms_session_touch(
    struct kms_store *store, const uint8_t token_sha256[32], int64_t now_us, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(now_us), kms_blob(token_sha256, 32) };
    return KMS_RUN(store, "UPDATE sessions SET used_us = $1 WHERE token_sha256 = $2", values, err);
}

enum base_status kms_session_delete(
    struct kms_store *store, const uint8_t token_sha256[32], struct base_err *err)
{
    const struct kms_value values[] = { kms_blob(token_sha256, 32) };
    return KMS_RUN(store, "DELETE FROM sessions WHERE token_sha256 = $1", values, err);
}

enum base_status kms_session_purge(struct kms_store *store, int64_t before_us, struct base_err *err)
{
    const struct kms_value values[] = { kms_int(before_us) };
    return KMS_RUN(store, "DELETE FROM sessions WHERE expires_us < $1", values, err);
}

enum base_status kms_event_insert(
    struct kms_store *store, const struct kms_event *event, struct base_err *err)
{
    const struct kms_value values[] = {
        kms_blob(event->id, sizeof(event->id)),
        kms_int(event->at_us),
        kms_text(event->kind),
        kms_text(event->station),
        kms_text(event->tester),
        kms_text(event->lot),
        kms_text(event->subject),
    };
    return KMS_RUN(store,
        "INSERT INTO events(id, at_us, kind, station, tester, lot, subject)"
        " VALUES($1, $2, $3, $4, $5, $6, $7)",
        values, err);
}
