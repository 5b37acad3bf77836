/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/admin.h"

#include <stdio.h>
#include <string.h>

#include "auth/totp.h"
#include "base/hash.h"
#include "kms/admin_private.h"
#include "kms/pki.h"

#define URI_SIZE 256

enum base_status kms_admin_event(struct kms_home *home, const char *kind, const char *lot,
    const char *subject, struct base_err *err)
{
    struct kms_event event = {
        .at_us = kms_store_now_us(&home->store),
        .kind = kind,
        .station = "",
        .tester = "",
        .lot = lot,
        .subject = subject,
    };
    enum base_status status = base_random_fill(home->random, event.id, sizeof(event.id), err);
    return status == BASE_OK ? kms_event_insert(&home->store, &event, err) : status;
}

enum base_status kms_admin_end(struct kms_home *home, enum base_status status, struct base_err *err)
{
    if (status == BASE_OK) {
        return kms_store_commit(&home->store, err);
    }
    kms_store_rollback(&home->store);
    return status;
}

enum base_status kms_admin_check_id(const char *text, const char *what, struct base_err *err)
{
    return base_name_valid(text)
               ? BASE_OK
               : base_err_set(err, BASE_E_ARG, "KMS", 0,
                     "a %s's name is 1 to 64 of A-Z a-z 0-9 . _ - and does not begin with . or -",
                     what);
}

/* --- testers --- */

static enum base_status insert_tester(
    struct kms_home *home, const struct kms_tester *tester, struct base_err *err)
{
    struct kms_tester same;
    enum base_status status = kms_tester_get(&home->store, tester->name, &same, err);
    if (status == BASE_OK) {
        return base_err_set(err, BASE_E_EXISTS, "tester", 0,
            "there is a tester %s already, and names are never used twice", tester->name);
    }
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    status = kms_tester_insert(&home->store, tester, kms_store_now_us(&home->store), err);
    return status == BASE_OK ? kms_admin_event(home, "tester.added", "", tester->name, err)
                             : status;
}

static enum base_status write_uri(
    const char *name, const uint8_t *secret, struct base_secret *ret_uri, struct base_err *err)
{
    char base32[40];
    struct base_secret uri = { 0 };
    enum base_status status =
        auth_totp_base32(secret, AUTH_TOTP_SECRET_SIZE, sizeof(base32), base32, err);
    if (status == BASE_OK) {
        status = base_secret_init(&uri, URI_SIZE, err);
    }
    if (status == BASE_OK) {
        (void)snprintf((char *)uri.data, URI_SIZE,
            "otpauth://totp/LPA:%s?secret=%s&issuer=LPA&algorithm=SHA1&digits=%d&period=%d", name,
            base32, AUTH_TOTP_DIGITS, AUTH_TOTP_STEP_SECONDS);
        *ret_uri = uri;
    }
    base_wipe(base32, sizeof(base32));
    return status;
}

static enum base_status add_with_secret(struct kms_home *home, struct kms_tester *tester,
    const uint8_t *secret, struct base_secret *ret_uri, struct base_err *err)
{
    struct base_secret uri = { 0 };
    enum base_status status = kms_keystore_wrap(
        &home->keys, secret, KMS_TOTP_WRAPPED - KMS_WRAP_EXTRA, tester->totp_wrapped, err);
    if (status == BASE_OK) {
        status = write_uri(tester->name, secret, &uri, err);
    }
    if (status == BASE_OK) {
        status = kms_store_begin(&home->store, err);
        if (status == BASE_OK) {
            status = kms_admin_end(home, insert_tester(home, tester, err), err);
        }
    }
    if (status != BASE_OK) {
        base_secret_done(&uri);
        return status;
    }
    *ret_uri = uri;
    return BASE_OK;
}

enum base_status kms_admin_tester_add(struct kms_home *home, const char *name, enum kms_role role,
    struct base_secret *ret_uri, struct base_err *err)
{
    struct base_secret secret = { 0 };
    struct kms_tester tester = { .role = role };
    enum base_status status = kms_admin_check_id(name, "tester", err);
    if (status == BASE_OK) {
        memcpy(tester.name, name, strlen(name) + 1);
        /* wrapping wants a multiple of 8: the tail stays zero */
        status = base_secret_init(&secret, KMS_TOTP_WRAPPED - KMS_WRAP_EXTRA, err);
    }
    if (status == BASE_OK) {
        status = base_random_fill(home->random, secret.data, AUTH_TOTP_SECRET_SIZE, err);
    }
    if (status == BASE_OK) {
        status = add_with_secret(home, &tester, secret.data, ret_uri, err);
    }
    base_secret_done(&secret);
    return status;
}

static enum base_status revoked(struct kms_home *home, enum base_status status, bool found,
    const char *kind, const char *name, struct base_err *err)
{
    if (status == BASE_OK && !found) {
        return base_err_set(
            err, BASE_E_NOTFOUND, "KMS", 0, "there is no %s %.64s in use", kind, name);
    }
    if (status != BASE_OK) {
        return status;
    }
    return kms_admin_event(
        home, strcmp(kind, "tester") == 0 ? "tester.revoked" : "station.revoked", "", name, err);
}

enum base_status kms_admin_tester_revoke(
    struct kms_home *home, const char *name, struct base_err *err)
{
    bool found = false;
    enum base_status status = kms_store_begin(&home->store, err);
    if (status != BASE_OK) {
        return status;
    }
    status = kms_tester_revoke(&home->store, name, kms_store_now_us(&home->store), &found, err);
    return kms_admin_end(home, revoked(home, status, found, "tester", name, err), err);
}

/* --- stations --- */

static enum base_status read_vkey(
    const char *text, struct kms_station *station, struct base_err *err)
{
    struct base_note_verifier verifier;
    enum base_status status = base_note_verifier_parse(text, &verifier, err);
    if (status == BASE_OK && verifier.type != BASE_NOTE_ED25519) {
        status = base_err_set(err, BASE_E_ARG, "note", (int64_t)verifier.type,
            "the log key is not an Ed25519 signing key");
    }
    if (status != BASE_OK) {
        (void)base_err_prefix(err, "log key: ");
        return status;
    }
    base_note_verifier_format(&verifier, station->log_vkey);
    base_sha256(verifier.public_key, sizeof(verifier.public_key), station->log_id);
    return BASE_OK;
}

enum base_status kms_admin_station_add(struct kms_home *home, const char *name, const char *csr,
    const char *log_vkey, enum kms_role role, struct base_buf *certificate, struct base_err *err)
{
    int64_t now_us = kms_store_now_us(&home->store);
    struct kms_station station = { .role = role, .created_us = now_us };
    enum base_status status = kms_admin_check_id(name, "station", err);
    if (status == BASE_OK) {
        memcpy(station.name, name, strlen(name) + 1);
        status = read_vkey(log_vkey, &station, err);
    }
    if (status == BASE_OK) {
        const struct kms_pki_request request = {
            .csr = csr,
            .station = name,
            .now_us = now_us,
            .days = (int)home->config.station_days,
        };
        status = kms_pki_sign(home->dir, &request, home->random, certificate, &station, err);
    }
    if (status == BASE_OK) {
        status = kms_store_begin(&home->store, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    struct base_err cause = { 0 };
    status = kms_station_insert(&home->store, &station, &cause);
    if (status == BASE_E_EXISTS) {
        status = base_err_set(err, BASE_E_EXISTS, "station", 0,
            "station %s, its key or its log key is in use already: revoke the old one first", name);
    } else if (status != BASE_OK) {
        status = base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
    }
    if (status == BASE_OK) {
        status = kms_admin_event(home, "station.added", "", name, err);
    }
    return kms_admin_end(home, status, err);
}

/* The old row stays, revoked: what its certificate did remains explained. */
static enum base_status replace_station(struct kms_home *home, const char *csr,
    struct kms_station *station, struct base_buf *certificate, struct base_err *err)
{
    int64_t now_us = kms_store_now_us(&home->store);
    uint8_t spki_sha256[32];
    bool found = false;
    memcpy(spki_sha256, station->spki_sha256, sizeof(spki_sha256));
    const struct kms_pki_request request = {
        .csr = csr,
        .station = station->name,
        .now_us = now_us,
        .days = (int)home->config.station_days,
    };
    enum base_status status =
        kms_pki_sign(home->dir, &request, home->random, certificate, station, err);
    if (status == BASE_OK && memcmp(spki_sha256, station->spki_sha256, sizeof(spki_sha256)) != 0) {
        status = base_err_set(err, BASE_E_ARG, "station", 0,
            "the request is for another key than station %s has: a certificate is renewed for the "
            "same key; revoke the station and add it for another",
            station->name);
    }
    if (status == BASE_OK) {
        status = kms_station_revoke(&home->store, station->name, now_us, &found, err);
    }
    if (status == BASE_OK) {
        station->created_us = now_us;
        status = kms_station_insert(&home->store, station, err);
    }
    return status == BASE_OK ? kms_admin_event(home, "station.renewed", "", station->name, err)
                             : status;
}

enum base_status kms_admin_station_renew(struct kms_home *home, const char *name, const char *csr,
    struct base_buf *certificate, struct base_err *err)
{
    struct kms_station station = { .name = "" };
    enum base_status status = kms_admin_check_id(name, "station", err);
    if (status == BASE_OK) {
        status = kms_store_begin(&home->store, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    status = kms_station_by_name(&home->store, name, &station, err);
    if (status == BASE_E_NOTFOUND) {
        status = base_err_set(err, BASE_E_NOTFOUND, "station", 0,
            "there is no station %s in use: lpa-kms station list shows all", name);
    }
    if (status == BASE_OK) {
        status = replace_station(home, csr, &station, certificate, err);
    }
    return kms_admin_end(home, status, err);
}

enum base_status kms_admin_station_revoke(
    struct kms_home *home, const char *name, struct base_err *err)
{
    bool found = false;
    enum base_status status = kms_store_begin(&home->store, err);
    if (status != BASE_OK) {
        return status;
    }
    status = kms_station_revoke(&home->store, name, kms_store_now_us(&home->store), &found, err);
    return kms_admin_end(home, revoked(home, status, found, "station", name, err), err);
}
