/* SPDX-License-Identifier: Apache-2.0 */
/* Reading calls: lots, units, unfinished grants, public keys. */
#include <string.h>

#include "base/hash.h"
#include "base/hex.h"
#include "kms/call.h"
#include "kms/signed.h"

#define GRANTS_PER_ANSWER 100

const char *kms_trust_name(enum kms_trust trust)
{
    switch (trust) {
    case KMS_TRUST_TOFU:
        return "tofu";
    case KMS_TRUST_MANIFEST:
        return "manifest";
    case KMS_TRUST_ATTESTED:
    default:
        return "attested";
    }
}

const char *kms_restrict_name(int64_t policy)
{
    return policy == KMS_RESTRICT_NONE ? "none" : "secure";
}

const char *kms_lock_name(int64_t policy)
{
    return policy == KMS_LOCK_NONE ? "none" : (policy == KMS_LOCK_APS ? "aps" : "dark");
}

const char *kms_lock_state_name(const struct kms_grant *grant)
{
    bool settled = grant->settled_permit[0] != '\0' && !grant->lock_answered;
    return grant->locked_us == 0 ? "none" : settled ? "settled" : "answered";
}

const char *kms_work_name(int64_t purpose)
{
    return purpose == PROTO_PURPOSE_REWORK
               ? "rework"
               : (purpose == PROTO_PURPOSE_ZEROISE ? "zeroise" : "none");
}

bool kms_lot_has_application(const struct kms_lot *lot)
{
    static const uint8_t none[sizeof(lot->application_sha256)];
    return memcmp(lot->application_sha256, none, sizeof(none)) != 0;
}

static enum base_status put_text(
    json_t *object, const char *name, const char *text, enum base_status *status)
{
    if (*status == BASE_OK) {
        *status = base_json_set_text(object, name, text, NULL);
    }
    return *status;
}

static enum base_status put_int(
    json_t *object, const char *name, int64_t value, enum base_status *status)
{
    if (*status == BASE_OK) {
        *status = base_json_set_int(object, name, value, NULL);
    }
    return *status;
}

static enum base_status put_bool(
    json_t *object, const char *name, bool value, enum base_status *status)
{
    if (*status == BASE_OK) {
        *status = base_json_set_bool(object, name, value, NULL);
    }
    return *status;
}

static enum base_status put_hex(
    json_t *object, const char *name, const void *data, size_t length, enum base_status *status)
{
    if (*status == BASE_OK) {
        *status = base_json_set_hex(object, name, data, length, NULL);
    }
    return *status;
}

/* What a lot says of restriction, lock, floors and application; a digest that is not there is left
 * out. */
static void put_restriction(json_t *object, const struct kms_lot *lot, enum base_status *status)
{
    (void)put_text(object, "restrict", kms_restrict_name(lot->restrict_policy), status);
    (void)put_text(object, "lock", kms_lock_name(lot->lock_policy), status);
    (void)put_int(object, "min_bootloader", lot->min_bootloader, status);
    (void)put_int(object, "min_protocol", lot->min_protocol, status);
    if (lot->restrict_policy != KMS_RESTRICT_NONE) {
        (void)put_hex(object, "key_sha256", lot->key_sha256, sizeof(lot->key_sha256), status);
        (void)put_hex(object, "secure_hash", lot->secure_hash, sizeof(lot->secure_hash), status);
    }
    if (kms_lot_has_application(lot)) {
        json_t *application = json_object();
        (void)put_hex(application, "sha256", lot->application_sha256, 32, status);
        (void)put_int(application, "version", lot->application_version, status);
        enum base_status put = base_json_set_value(object, "application", application, NULL);
        *status = *status == BASE_OK ? put : *status;
    }
}

static json_t *lot_object(const struct kms_call *call, const struct kms_lot *lot,
    const struct kms_counts *counts, enum base_status *status)
{
    json_t *object = json_object();
    (void)put_text(object, "id", lot->id, status);
    (void)put_text(object, "chip", lot->chip, status);
    (void)put_hex(object, "image_sha256", lot->image_sha256, 32, status);
    (void)put_hex(
        object, "authority_key_id", call->core->keys->authority_key_id, PROTO_KEY_ID_SIZE, status);
    (void)put_int(object, "lorawan", lot->lorawan, status);
    (void)put_hex(object, "join_eui", lot->join_eui, 8, status);
    (void)put_text(object, "trust", kms_trust_name(lot->trust), status);
    put_restriction(object, lot, status);
    (void)put_bool(object, "development", call->core->policy.development, status);
    (void)put_bool(object, "unattended", lot->unattended, status);
    (void)put_bool(object, "closed", lot->closed_us != 0, status);
    (void)put_int(object, "target", lot->target, status);
    (void)put_int(object, "allowance", lot->allowance, status);
    (void)put_int(object, "rate", lot->rate, status);
    (void)put_int(object, "granted", lot->granted, status);
    (void)put_int(object, "confirmed", counts->confirmed, status);
    (void)put_int(object, "scrapped", counts->scrapped, status);
    (void)put_int(object, "open", counts->open, status);
    (void)put_int(object, "expires_us", lot->expires_us, status);
    return object;
}

enum base_status kms_handle_get_lot(struct kms_call *call, struct base_err *err)
{
    struct kms_lot lot;
    struct kms_counts counts;
    enum base_status status = kms_call_lot(call, &lot, err);
    if (status == BASE_OK) {
        status = kms_lot_counts(call->core->store, lot.id, &counts, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    json_auto_t *object = lot_object(call, &lot, &counts, &status);
    struct base_buf note;
    base_buf_init(&note, KMS_NOTE_SIZE);
    if (status == BASE_OK) {
        status = kms_sign_json(call->core->keys, "lpa lot v1", object, call->now_us, &note, err);
    }
    const char *text = status == BASE_OK ? base_buf_text(&note) : NULL;
    if (text != NULL) {
        (void)put_text(object, "signed_lot", text, &status);
    } else if (status == BASE_OK) {
        status = BASE_E_NOMEM;
    }
    base_buf_done(&note);
    return status == BASE_OK ? kms_answer(call, 200, json_incref(object), err) : status;
}

enum base_status kms_grant_json(const struct kms_grant *grant, json_t *object, struct base_err *err)
{
    enum base_status status = BASE_OK;
    uint8_t digest[32];
    base_sha256(grant->public_key, sizeof(grant->public_key), digest);
    (void)put_hex(object, "chip_id", grant->chip_id, 8, &status);
    bool zeroised = grant->state == KMS_GRANT_CONFIRMED && grant->purpose == PROTO_PURPOSE_ZEROISE;
    (void)put_text(
        object, "state", zeroised ? "zeroised" : kms_grant_state_name(grant->state), &status);
    (void)put_text(object, "lot", grant->lot, &status);
    (void)put_text(object, "grant_id", grant->id, &status);
    (void)put_hex(object, "dev_eui", grant->dev_eui, 8, &status);
    (void)put_int(object, "key_version", grant->key_version, &status);
    (void)put_hex(object, "public_key_sha256", digest, 32, &status);
    (void)put_bool(object, "locked", grant->locked_us != 0, &status);
    (void)put_text(object, "lock", kms_lock_state_name(grant), &status);
    (void)put_bool(object, "wiped", grant->wiped_us != 0, &status);
    (void)put_text(object, "work",
        kms_work_name(grant->state == KMS_GRANT_OPEN ? grant->purpose : PROTO_PURPOSE_INSTALL),
        &status);
    return status == BASE_OK ? BASE_OK
                             : base_err_set(err, status, "JSON", 0, "cannot write a grant as JSON");
}

/* A chip without any grant: registered in a manifest, or never heard of. */
static enum base_status ungranted(
    struct kms_call *call, const uint8_t chip_id[8], json_t *object, struct base_err *err)
{
    struct kms_unit unit;
    enum base_status put = BASE_OK;
    enum base_status status = kms_unit_get(call->core->store, chip_id, &unit, err);
    (void)put_hex(object, "chip_id", chip_id, 8, &put);
    if (status == BASE_E_NOTFOUND) {
        return put_text(object, "state", "unknown", &put);
    }
    if (status != BASE_OK) {
        return status;
    }
    uint8_t digest[32];
    base_sha256(unit.public_key, sizeof(unit.public_key), digest);
    (void)put_text(object, "state", "registered", &put);
    (void)put_text(object, "lot", unit.lot, &put);
    (void)put_hex(object, "public_key_sha256", digest, 32, &put);
    return put;
}

/* What the operator ordered for a confirmed unit and nobody has begun. */
static enum base_status put_order(
    struct kms_call *call, const uint8_t chip_id[8], json_t *object, struct base_err *err)
{
    struct kms_order order;
    enum base_status status = kms_order_pending(call->core->store, chip_id, &order, err);
    if (status == BASE_OK) {
        (void)put_text(object, "work", kms_work_name(order.purpose), &status);
    }
    return status == BASE_E_NOTFOUND ? BASE_OK : status;
}

enum base_status kms_handle_get_unit(struct kms_call *call, struct base_err *err)
{
    struct kms_lot lot;
    uint8_t chip_id[8];
    enum base_status status = kms_call_lot(call, &lot, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_hex_decode(call->args[1], 8, chip_id, NULL) != BASE_OK) {
        return kms_refuse(call, KMS_PROBLEM_REQUEST_BAD, "a chip id is 16 hexadecimal digits");
    }
    struct kms_grant grant = { .id = "" };
    json_auto_t *object = json_object();
    status = kms_grant_of_chip(call->core->store, chip_id, &grant, err);
    if (status == BASE_E_NOTFOUND) {
        status = ungranted(call, chip_id, object, err);
    } else if (status == BASE_OK) {
        status = kms_grant_json(&grant, object, err);
        if (status == BASE_OK &&
            (grant.state == KMS_GRANT_OPEN || grant.state == KMS_GRANT_CONFIRMED) &&
            strcmp(grant.lot, lot.id) != 0) {
            (void)put_text(object, "state", "elsewhere", &status);
        }
    }
    if (status == BASE_OK && grant.state == KMS_GRANT_CONFIRMED) {
        status = put_order(call, chip_id, object, err);
    }
    return status == BASE_OK ? kms_answer(call, 200, json_incref(object), err) : status;
}

struct listing {
    json_t *array; /* borrowed */
    size_t count;
    uint8_t last[8];
};

static enum base_status add_grant(void *user, const struct kms_grant *grant, struct base_err *err)
{
    struct listing *listing = user;
    json_t *object = json_object();
    enum base_status status = kms_grant_json(grant, object, err);
    if (json_array_append_new(listing->array, object) != 0 && status == BASE_OK) {
        status = base_err_set(err, BASE_E_NOMEM, "JSON", 0, "out of memory for a list of grants");
    }
    listing->count++;
    memcpy(listing->last, grant->chip_id, 8);
    return status;
}

/* "state=open" and, from the second page on, "&after=CHIP". */
static bool parse_query(const char *query, uint8_t ret_after[8], bool *ret_has_after)
{
    static const char prefix[] = "state=open";
    static const char after[] = "&after=";
    if (query == NULL || strncmp(query, prefix, sizeof(prefix) - 1) != 0) {
        return false;
    }
    query += sizeof(prefix) - 1;
    *ret_has_after = *query != '\0';
    return *query == '\0' ||
           (strncmp(query, after, sizeof(after) - 1) == 0 &&
               base_hex_decode(query + sizeof(after) - 1, 8, ret_after, NULL) == BASE_OK);
}

enum base_status kms_handle_list_grants(struct kms_call *call, struct base_err *err)
{
    struct kms_lot lot;
    uint8_t after[8];
    bool has_after = false;
    enum base_status status = kms_call_lot(call, &lot, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!parse_query(call->request->query, after, &has_after)) {
        return kms_refuse(call, KMS_PROBLEM_REQUEST_BAD,
            "only state=open is listed, continued with after=CHIP-ID");
    }
    json_auto_t *object = json_object();
    struct listing listing = { .array = json_array() };
    const struct kms_grant_filter filter = {
        .lot = lot.id,
        .only_open = true,
        .after_chip_id = has_after ? after : NULL,
        .limit = GRANTS_PER_ANSWER,
    };
    status = kms_grant_each(call->core->store, &filter, add_grant, &listing, err);
    enum base_status put = base_json_set_value(object, "units", listing.array, err);
    if (status == BASE_OK && put == BASE_OK && listing.count == GRANTS_PER_ANSWER) {
        (void)put_hex(object, "next", listing.last, 8, &put);
    }
    status = status == BASE_OK ? put : status;
    return status == BASE_OK ? kms_answer(call, 200, json_incref(object), err) : status;
}

enum base_status kms_handle_keys(struct kms_call *call, struct base_err *err)
{
    const struct kms_keystore *keys = call->core->keys;
    char log_vkey[BASE_NOTE_VKEY_SIZE];
    char cosigner_vkey[BASE_NOTE_VKEY_SIZE];
    enum base_status status = BASE_OK;
    base_note_verifier_format(&keys->log.verifier, log_vkey);
    base_note_verifier_format(&keys->cosigner.verifier, cosigner_vkey);
    json_auto_t *object = json_object();
    (void)put_hex(object, "authority", keys->authority.public_key, PROTO_PUBLIC_KEY_SIZE, &status);
    (void)put_text(object, "log_vkey", log_vkey, &status);
    (void)put_text(object, "cosigner_vkey", cosigner_vkey, &status);
    (void)put_bool(object, "development", keys->development, &status);
    return status == BASE_OK ? kms_answer(call, 200, json_incref(object), err) : status;
}
