/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/admin.h"

#include <stdio.h>
#include <string.h>

#include "auth/totp.h"
#include "base/hash.h"
#include "device-fw/protocol/image.h"
#include "kms/pki.h"

#define CHIP_NAME "psoc6-ble2"
#define UNITS_MAX INT64_C(1000000)
#define URI_SIZE  256

/* A shift uses the allowance up evenly; a small lot is not held up. */
#define RATE_SHIFT_HOURS 8
#define RATE_LEAST       60

static enum base_status note_event(struct kms_home *home, const char *kind, const char *lot,
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

/* End a transaction as its outcome demands. */
static enum base_status end(struct kms_home *home, enum base_status status, struct base_err *err)
{
    if (status == BASE_OK) {
        return kms_store_commit(&home->store, err);
    }
    kms_store_rollback(&home->store);
    return status;
}

static enum base_status check_id(const char *text, const char *what, struct base_err *err)
{
    return kms_id_valid(text)
               ? BASE_OK
               : base_err_set(err, BASE_E_ARG, "KMS", 0,
                     "a %s's name is 1 to 64 of A-Z a-z 0-9 . _ - and does not begin with . or -",
                     what);
}

/* --- lots --- */

static bool names_authority(const struct proto_binding *binding, const struct kms_home *home)
{
    for (int i = 0; i < 2; i++) {
        if (memcmp(binding->authority_key[i], home->keys.authority.public_key,
                PROTO_PUBLIC_KEY_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static enum base_status check_image(
    const struct kms_home *home, const struct kms_lot_request *request, struct base_err *err)
{
    struct proto_image image;
    uint8_t digest[32];
    enum proto_status decoded = proto_image_decode(request->image, request->image_length, &image);
    if (decoded != PROTO_OK) {
        return base_err_set(err, BASE_E_VERIFY, "image", (int64_t)decoded,
            "the image is not a whole device image (%s): give the file that lpa-image bind wrote",
            proto_status_text(decoded));
    }
    base_sha256(image.binding_bytes, PROTO_BINDING_HASH_AT, digest);
    if (memcmp(digest, image.binding_bytes + PROTO_BINDING_HASH_AT, sizeof(digest)) != 0 ||
        !names_authority(&image.binding, home)) {
        return base_err_set(err, BASE_E_VERIFY, "image", 0,
            "the image is not bound to this KMS: bind it with the key that lpa-kms authority "
            "prints");
    }
    if ((image.binding.flags & PROTO_FLAG_LAB) != 0 && !home->config.development) {
        return base_err_set(err, BASE_E_DENIED, "image", 0,
            "the image has the lab flag and this KMS is not a development one: bind it without "
            "--lab");
    }
    return BASE_OK;
}

static enum base_status check_policy(
    const struct kms_home *home, const struct kms_lot_request *request, struct base_err *err)
{
    if (!request->restrict_none) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "lot", 0,
            "only --restrict none is supported by this version: it cannot restrict a chip's debug "
            "port yet");
    }
    if (!request->lock_none) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "lot", 0,
            "only --lock none is supported by this version: it cannot lock a chip yet");
    }
    if (request->trust == KMS_TRUST_ATTESTED) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "lot", 0,
            "--trust attested is not supported by this version: it cannot restrict a chip and so "
            "has nothing to attest");
    }
    if (request->trust == KMS_TRUST_TOFU && (!request->consent_tofu || !home->config.development)) {
        return base_err_set(err, BASE_E_DENIED, "lot", 0,
            "trust tofu lets a station that lies take keys up to the allowance: say --consent-tofu "
            "to accept that, or use --trust manifest");
    }
    return BASE_OK;
}

static enum base_status check_numbers(
    const struct kms_lot_request *request, int64_t now_us, struct base_err *err)
{
    if (request->target < 1 || request->target > UNITS_MAX) {
        return base_err_set(err, BASE_E_ARG, "lot", request->target,
            "the target is 1 to %lld good units", (long long)UNITS_MAX);
    }
    if (request->allowance < request->target || request->allowance > UNITS_MAX) {
        return base_err_set(err, BASE_E_ARG, "lot", request->allowance,
            "the allowance of grants is at least the target (%lld) and at most %lld",
            (long long)request->target, (long long)UNITS_MAX);
    }
    if (request->deveui_count < request->allowance || request->deveui_count > UNITS_MAX ||
        request->deveui_first > UINT64_MAX - (uint64_t)request->deveui_count) {
        return base_err_set(err, BASE_E_ARG, "lot", request->deveui_count,
            "a range of %lld DevEUIs from %016llx does not do: it needs one for each of the %lld "
            "grants allowed, and must end below the last EUI",
            (long long)request->deveui_count, (unsigned long long)request->deveui_first,
            (long long)request->allowance);
    }
    if (request->rate < KMS_RATE_DEFAULT || request->rate > UNITS_MAX ||
        (request->rate == 0 && request->trust == KMS_TRUST_TOFU)) {
        return base_err_set(err, BASE_E_ARG, "lot", request->rate,
            "the rate is 1 to %lld grants an hour; only a lot that is not of trust tofu may have "
            "0, no limit",
            (long long)UNITS_MAX);
    }
    if (request->lorawan != PROTO_LORAWAN_1_0 && request->lorawan != PROTO_LORAWAN_1_1) {
        return base_err_set(
            err, BASE_E_ARG, "lot", request->lorawan, "the LoRaWAN version is 1.0.4 or 1.1");
    }
    if (request->expires_us <= now_us) {
        return base_err_set(
            err, BASE_E_ARG, "lot", 0, "the lot's end lies in the past; say for example +30d");
    }
    return BASE_OK;
}

static int64_t rate_of(const struct kms_lot_request *request)
{
    if (request->rate != KMS_RATE_DEFAULT) {
        return request->rate;
    }
    if (request->trust != KMS_TRUST_TOFU) {
        return 0;
    }
    int64_t rate = (request->allowance + RATE_SHIFT_HOURS - 1) / RATE_SHIFT_HOURS;
    return rate < RATE_LEAST ? RATE_LEAST : rate;
}

static void describe_lot(const struct kms_lot_request *request, int64_t now_us, struct kms_lot *lot)
{
    *lot = (struct kms_lot){
        .chip = CHIP_NAME,
        .lorawan = request->lorawan,
        .deveui_first = request->deveui_first,
        .deveui_count = request->deveui_count,
        .trust = request->trust,
        .unattended = request->unattended,
        .target = request->target,
        .allowance = request->allowance,
        .rate = rate_of(request),
        .created_us = now_us,
        .expires_us = request->expires_us,
    };
    memcpy(lot->id, request->id, strlen(request->id) + 1);
    memcpy(lot->join_eui, request->join_eui, sizeof(lot->join_eui));
    memcpy(lot->profile, request->profile, sizeof(lot->profile));
    base_sha256(request->image, request->image_length, lot->image_sha256);
}

static enum base_status insert_lot(
    struct kms_home *home, const struct kms_lot *lot, struct base_err *err)
{
    char other[KMS_ID_SIZE];
    struct kms_lot same;
    enum base_status status = kms_lot_get(&home->store, lot->id, &same, err);
    if (status == BASE_OK) {
        return base_err_set(err, BASE_E_EXISTS, "lot", 0,
            "there is a lot %s already: choose another name", lot->id);
    }
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    status = kms_lot_overlap(&home->store, lot->deveui_first,
        lot->deveui_first + (uint64_t)lot->deveui_count - 1, other, err);
    if (status == BASE_OK) {
        return base_err_set(err, BASE_E_EXISTS, "lot", 0,
            "the DevEUI range overlaps that of lot %s: choose another range", other);
    }
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    status = kms_lot_insert(&home->store, lot, err);
    return status == BASE_OK ? note_event(home, "lot.added", lot->id, "", err) : status;
}

enum base_status kms_admin_lot_add(
    struct kms_home *home, const struct kms_lot_request *request, struct base_err *err)
{
    int64_t now_us = kms_store_now_us(&home->store);
    struct kms_lot lot;
    enum base_status status = check_id(request->id, "lot", err);
    if (status == BASE_OK) {
        status = check_policy(home, request, err);
    }
    if (status == BASE_OK) {
        status = check_numbers(request, now_us, err);
    }
    if (status == BASE_OK) {
        status = check_image(home, request, err);
    }
    if (status == BASE_OK) {
        status = kms_store_begin(&home->store, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    describe_lot(request, now_us, &lot);
    return end(home, insert_lot(home, &lot, err), err);
}

static enum base_status view_lot(
    struct kms_home *home, const char *id, struct kms_lot_view *ret_view, struct base_err *err)
{
    enum base_status status = kms_lot_get(&home->store, id, &ret_view->lot, err);
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, BASE_E_NOTFOUND, "lot", 0,
            "there is no lot %.64s: lpa-kms lot list shows all", id);
    }
    return status == BASE_OK ? kms_lot_counts(&home->store, id, &ret_view->counts, err) : status;
}

enum base_status kms_admin_lot_view(
    struct kms_home *home, const char *id, struct kms_lot_view *ret_view, struct base_err *err)
{
    struct kms_lot_view view;
    enum base_status status = view_lot(home, id, &view, err);
    if (status == BASE_OK) {
        *ret_view = view;
    }
    return status;
}

struct open_ids {
    char ids[64][KMS_GRANT_ID_SIZE];
    size_t count;
};

static enum base_status collect_id(void *user, const struct kms_grant *grant, struct base_err *err)
{
    (void)err;
    struct open_ids *open = user;
    memcpy(open->ids[open->count++], grant->id, sizeof(grant->id));
    return BASE_OK;
}

/* In slices, because a statement must not change rows that it is reading. */
static enum base_status scrap_open_grants(
    struct kms_home *home, const char *id, struct base_err *err)
{
    for (;;) {
        struct open_ids open = { .count = 0 };
        bool changed = false;
        const struct kms_grant_filter filter = { .lot = id, .only_open = true, .limit = 64 };
        enum base_status status = kms_grant_each(&home->store, &filter, collect_id, &open, err);
        for (size_t i = 0; i < open.count && status == BASE_OK; i++) {
            status = kms_grant_scrap(&home->store, open.ids[i], "lpa-kms", "lot closed",
                kms_store_now_us(&home->store), &changed, err);
            if (status == BASE_OK) {
                status = note_event(home, "scrapped", id, open.ids[i], err);
            }
        }
        if (status != BASE_OK || open.count == 0) {
            return status;
        }
    }
}

static enum base_status close_lot(struct kms_home *home, const char *id, bool scrap_open,
    struct kms_lot_view *view, struct base_err *err)
{
    enum base_status status = view_lot(home, id, view, err);
    if (status == BASE_OK && view->counts.open > 0 && !scrap_open) {
        base_err_set_code(err, "open_grants");
        return base_err_set(err, BASE_E_DENIED, "lot", view->counts.open,
            "lot %s has %lld open grants: finish those units, or close with --scrap-open --permit",
            id, (long long)view->counts.open);
    }
    if (status == BASE_OK) {
        status = scrap_open_grants(home, id, err);
    }
    if (status == BASE_OK) {
        status = kms_lot_close(&home->store, id, kms_store_now_us(&home->store), err);
    }
    if (status == BASE_OK) {
        status = note_event(home, "lot.closed", id, "", err);
    }
    if (status == BASE_OK) {
        status = view_lot(home, id, view, err);
    }
    const struct kms_counts *counts = &view->counts;
    if (status == BASE_OK &&
        view->lot.granted != counts->open + counts->confirmed + counts->scrapped) {
        return base_err_set(err, BASE_E_CORRUPT, "lot", view->lot.granted,
            "the books of lot %s do not balance: granted %lld, confirmed %lld, scrapped %lld, open "
            "%lld",
            id, (long long)view->lot.granted, (long long)counts->confirmed,
            (long long)counts->scrapped, (long long)counts->open);
    }
    return status;
}

enum base_status kms_admin_lot_close(struct kms_home *home, const char *id, bool scrap_open,
    struct kms_lot_view *ret_view, struct base_err *err)
{
    struct kms_lot_view view;
    enum base_status status = kms_store_begin(&home->store, err);
    if (status != BASE_OK) {
        return status;
    }
    status = end(home, close_lot(home, id, scrap_open, &view, err), err);
    if (status == BASE_OK) {
        *ret_view = view;
    }
    return status;
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
    return status == BASE_OK ? note_event(home, "tester.added", "", tester->name, err) : status;
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
            status = end(home, insert_tester(home, tester, err), err);
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
    enum base_status status = check_id(name, "tester", err);
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
    return note_event(
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
    return end(home, revoked(home, status, found, "tester", name, err), err);
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
    enum base_status status = check_id(name, "station", err);
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
        status = note_event(home, "station.added", "", name, err);
    }
    return end(home, status, err);
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
    return status == BASE_OK ? note_event(home, "station.renewed", "", station->name, err) : status;
}

enum base_status kms_admin_station_renew(struct kms_home *home, const char *name, const char *csr,
    struct base_buf *certificate, struct base_err *err)
{
    struct kms_station station = { .name = "" };
    enum base_status status = check_id(name, "station", err);
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
    return end(home, status, err);
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
    return end(home, revoked(home, status, found, "station", name, err), err);
}
