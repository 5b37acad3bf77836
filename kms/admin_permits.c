/* SPDX-License-Identifier: Apache-2.0 */
/* The operator gives leave for irreversible acts, and takes it back. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "kms/admin_private.h"
#include "kms/call.h"
#include "kms/signed.h"

#define ID_BYTES 16U

static enum base_status check_request(const struct kms_permit_request *request,
    const struct kms_lot *lot, int64_t now_us, struct base_err *err)
{
    const int64_t of_restriction = KMS_ACT_REHEARSE | KMS_ACT_RESTRICT;
    if (request->acts <= 0 || request->acts >= INT64_C(1) << KMS_ACTS) {
        return base_err_set(
            err, BASE_E_ARG, "permit", request->acts, "a permit names at least one act");
    }
    if (request->until_us <= now_us) {
        return base_err_set(err, BASE_E_ARG, "permit", 0,
            "the permit's end lies in the past; say for example +12h");
    }
    if (lot->closed_us != 0) {
        return base_err_set(err, BASE_E_DENIED, "permit", 0,
            "lot %s is closed; nothing is built in it any more", lot->id);
    }
    if ((request->acts & of_restriction) != 0 && lot->restrict_policy == KMS_RESTRICT_NONE) {
        return base_err_set(err, BASE_E_DENIED, "permit", 0,
            "lot %s restricts no chip: a permit to rehearse or restrict needs a lot with "
            "--restrict secure",
            lot->id);
    }
    if ((request->acts & KMS_ACT_LOCK) != 0 && lot->lock_policy == KMS_LOCK_NONE) {
        return base_err_set(err, BASE_E_DENIED, "permit", 0,
            "lot %s locks no chip: a permit to lock needs a lot with --lock aps or dark", lot->id);
    }
    return BASE_OK;
}

static json_t *acts_json(int64_t acts)
{
    json_t *array = json_array();
    for (unsigned bit = 0; bit < KMS_ACTS; bit++) {
        if ((acts >> bit & 1) != 0 &&
            json_array_append_new(array, json_string(kms_act_name(bit))) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* The digests are the lot's: a permit for another image is worth nothing on this lot's boards. */
static json_t *permit_json(const struct kms_permit *permit, const struct kms_lot *lot)
{
    char image[65];
    char key[65];
    char hash[2 * KMS_SECURE_HASH_SIZE + 1];
    char chip[17];
    base_hex_encode(lot->image_sha256, 32, image);
    base_hex_encode(lot->key_sha256, 32, key);
    base_hex_encode(lot->secure_hash, KMS_SECURE_HASH_SIZE, hash);
    base_hex_encode(permit->chip_id, 8, chip);
    return json_pack("{s:s, s:s, s:o, s:s*, s:s, s:s, s:s, s:I}", "id", permit->id, "lot", lot->id,
        "acts", acts_json(permit->acts), "chip", permit->for_chip ? chip : NULL, "image_sha256",
        image, "key_sha256", key, "secure_hash", hash, "until_us", (json_int_t)permit->until_us);
}

static enum base_status sign_permit(struct kms_home *home, const struct kms_lot *lot,
    struct kms_permit *permit, struct base_err *err)
{
    struct base_buf note;
    base_buf_init(&note, KMS_NOTE_SIZE - 1);
    json_auto_t *object = permit_json(permit, lot);
    enum base_status status =
        object != NULL ? BASE_OK
                       : base_err_set(err, BASE_E_NOMEM, "JSON", 0, "out of memory for a permit");
    if (status == BASE_OK) {
        status =
            kms_sign_json(&home->keys, "lpa permit v1", object, permit->created_us, &note, err);
    }
    if (status == BASE_OK) {
        memcpy(permit->note, note.data, note.length);
        permit->note[note.length] = '\0';
    }
    base_buf_done(&note);
    return status;
}

static enum base_status add_permit(struct kms_home *home, const struct kms_permit_request *request,
    struct kms_permit *permit, struct base_err *err)
{
    struct kms_lot lot;
    uint8_t id[ID_BYTES];
    enum base_status status = kms_lot_get(&home->store, request->lot, &lot, err);
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, BASE_E_NOTFOUND, "lot", 0,
            "there is no lot %.64s: lpa-kms lot list shows all", request->lot);
    }
    if (status == BASE_OK) {
        status = check_request(request, &lot, permit->created_us, err);
    }
    if (status == BASE_OK) {
        status = base_random_fill(home->random, id, sizeof(id), err);
    }
    if (status != BASE_OK) {
        return status;
    }
    base_hex_encode(id, sizeof(id), permit->id);
    memcpy(permit->lot, lot.id, sizeof(permit->lot));
    status = sign_permit(home, &lot, permit, err);
    if (status == BASE_OK) {
        status = kms_permit_insert(&home->store, permit, err);
    }
    return status == BASE_OK ? kms_admin_event(home, "permit.added", permit->lot, permit->id, err)
                             : status;
}

enum base_status kms_admin_permit_add(struct kms_home *home,
    const struct kms_permit_request *request, struct kms_permit *ret_permit, struct base_err *err)
{
    struct kms_permit permit = {
        .acts = request->acts,
        .for_chip = request->chip_id != NULL,
        .until_us = request->until_us,
        .created_us = kms_store_now_us(&home->store),
    };
    if (permit.for_chip) {
        memcpy(permit.chip_id, request->chip_id, sizeof(permit.chip_id));
    }
    enum base_status status = kms_store_begin(&home->store, err);
    if (status == BASE_OK) {
        status = kms_admin_end(home, add_permit(home, request, &permit, err), err);
    }
    if (status == BASE_OK) {
        *ret_permit = permit;
    }
    return status;
}

static enum base_status revoke_permit(struct kms_home *home, const char *id, struct base_err *err)
{
    struct kms_permit permit;
    bool revoked = false;
    enum base_status status = kms_permit_get(&home->store, id, &permit, err);
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, BASE_E_NOTFOUND, "permit", 0,
            "there is no permit %.39s: lpa-kms permit list shows all", id);
    }
    if (status == BASE_OK) {
        status = kms_permit_revoke(&home->store, id, kms_store_now_us(&home->store), &revoked, err);
    }
    return status == BASE_OK && revoked
               ? kms_admin_event(home, "permit.revoked", permit.lot, id, err)
               : status;
}

enum base_status kms_admin_permit_revoke(
    struct kms_home *home, const char *id, struct base_err *err)
{
    enum base_status status = kms_store_begin(&home->store, err);
    return status == BASE_OK ? kms_admin_end(home, revoke_permit(home, id, err), err) : status;
}
