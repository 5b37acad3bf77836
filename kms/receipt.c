/* SPDX-License-Identifier: Apache-2.0 */
/* Finishing a begun unit: receipt and scrap. Both need only the certificate of a station. */
#include <string.h>

#include "base/hash.h"
#include "base/hex.h"
#include "device-fw/protocol/messages.h"
#include "kms/finishing.h"
#include "kms/label.h"

enum base_status kms_call_grant(
    struct kms_call *call, struct kms_grant *ret_grant, struct base_err *err)
{
    struct kms_wipe wipe;
    enum base_status status = kms_grant_by_id(call->core->store, call->args[0], ret_grant, err);
    if (status == BASE_E_NOTFOUND) {
        status = kms_wipe_by_id(call->core->store, call->args[0], &wipe, err);
        if (status == BASE_OK) {
            return kms_refuse(call, KMS_PROBLEM_GRANT_SCRAPPED,
                "this envelope wiped the board of a scrapped unit; hand its receipt in with "
                "lpa-provision unit scrap");
        }
    }
    if (status == BASE_E_NOTFOUND) {
        return kms_refuse(call, KMS_PROBLEM_GRANT_UNKNOWN,
            "this KMS made no such grant; was the unit provisioned with another KMS?");
    }
    return status;
}

enum base_status kms_refuse_ended(struct kms_call *call, const struct kms_grant *grant)
{
    switch (grant->state) {
    case KMS_GRANT_SCRAPPED:
        return kms_refuse(call, KMS_PROBLEM_GRANT_SCRAPPED,
            "this grant was scrapped, which is final; set the board aside");
    case KMS_GRANT_SUPERSEDED:
        return kms_refuse(call, KMS_PROBLEM_SUPERSEDED,
            "the keys of this grant were replaced by newer ones and never come back");
    case KMS_GRANT_RETIRED:
        return kms_refuse(call, KMS_PROBLEM_UNIT_RETIRED,
            "this unit was retired, which is final; destroy the board");
    case KMS_GRANT_OPEN:
    case KMS_GRANT_CONFIRMED:
    default:
        return BASE_OK;
    }
}

enum base_status kms_receipt_key(struct kms_call *call, const uint8_t wrapped[KMS_RECEIPT_WRAPPED],
    struct base_secret *ret_key, struct base_err *err)
{
    enum base_status status = base_secret_init(ret_key, PROTO_MAC_SIZE, err);
    return status == BASE_OK ? kms_keystore_unwrap(call->core->keys, wrapped, KMS_RECEIPT_WRAPPED,
                                   ret_key->data, err)
                             : status;
}

static enum base_status check_mac(struct kms_call *call, const struct kms_sealed *sealed,
    const uint8_t receipt[PROTO_RECEIPT_SIZE], bool *ret_good, struct base_err *err)
{
    struct base_secret key = { 0 };
    enum base_status status = kms_receipt_key(call, sealed->receipt_key_wrapped, &key, err);
    if (status == BASE_OK) {
        uint8_t mac[PROTO_MAC_SIZE];
        const struct base_part body = { receipt, PROTO_RECEIPT_BODY_SIZE };
        base_hmac_sha256(key.data, PROTO_MAC_SIZE, &body, 1, mac);
        *ret_good = base_equal_ct(mac, receipt + PROTO_RECEIPT_BODY_SIZE, PROTO_MAC_SIZE);
        base_wipe(mac, sizeof(mac));
    }
    base_secret_done(&key);
    return status;
}

static bool fits(const struct proto_receipt *receipt, const struct kms_sealed *sealed)
{
    char id[KMS_GRANT_ID_SIZE];
    uint8_t hash[32];
    base_hex_encode(receipt->envelope_id, sizeof(receipt->envelope_id), id);
    base_sha256(sealed->envelope, PROTO_ENVELOPE_SIZE, hash);
    return receipt->purpose == sealed->purpose && strcmp(id, sealed->id) == 0 &&
           memcmp(receipt->chip_id, sealed->chip_id, 8) == 0 &&
           (int64_t)receipt->key_version == sealed->key_version &&
           memcmp(receipt->envelope_hash, hash, 32) == 0;
}

enum base_status kms_check_receipt(struct kms_call *call, const struct kms_sealed *sealed,
    const uint8_t *bytes, size_t length, struct base_err *err)
{
    struct proto_receipt receipt;
    bool good = false;
    enum proto_status decoded = proto_receipt_decode(bytes, length, &receipt);
    if (decoded != PROTO_OK) {
        return kms_refuse(call, KMS_PROBLEM_RECEIPT_BAD, "the receipt does not decode: %s",
            proto_status_text(decoded));
    }
    enum base_status status = check_mac(call, sealed, bytes, &good, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!good || !fits(&receipt, sealed)) {
        return kms_refuse(call, KMS_PROBLEM_RECEIPT_BAD, "%s",
            good ? "the receipt is for another envelope than this grant's"
                 : "the receipt's MAC does not fit this grant; fetch it from the chip again");
    }
    return BASE_OK;
}

static enum base_status check_receipt(struct kms_call *call, const struct kms_grant *grant,
    const uint8_t *bytes, size_t length, struct base_err *err)
{
    const struct kms_sealed sealed = { .id = grant->id,
        .chip_id = grant->chip_id,
        .key_version = grant->key_version,
        .purpose = grant->purpose,
        .envelope = grant->envelope,
        .receipt_key_wrapped = grant->receipt_key_wrapped };
    return kms_check_receipt(call, &sealed, bytes, length, err);
}

/* Open work of the same chip, so that a station learns of it with the confirmation (rule 4). */
static enum base_status open_work(
    struct kms_call *call, const struct kms_grant *grant, json_t **ret_work, struct base_err *err)
{
    struct kms_grant other;
    enum base_status status = kms_grant_of_chip(call->core->store, grant->chip_id, &other, err);
    if (status != BASE_OK || strcmp(other.id, grant->id) == 0 || other.state != KMS_GRANT_OPEN) {
        *ret_work = json_null();
        return status == BASE_E_NOTFOUND ? BASE_OK : status;
    }
    *ret_work = json_object();
    return kms_grant_json(&other, *ret_work, err);
}

static enum base_status answer_confirmed(
    struct kms_call *call, const struct kms_grant *grant, bool repeated, struct base_err *err)
{
    struct kms_lot lot;
    json_t *work = NULL;
    char label[KMS_LABEL_SIZE];
    char dev_eui[17];
    enum base_status status = kms_lot_get(call->core->store, grant->lot, &lot, err);
    if (status == BASE_OK) {
        status = open_work(call, grant, &work, err);
    }
    if (status != BASE_OK) {
        json_decref(work);
        return status;
    }
    kms_label_format(lot.join_eui, grant->dev_eui, lot.profile, label);
    base_hex_encode(grant->dev_eui, 8, dev_eui);
    return kms_answer(call, 200,
        json_pack("{s:b, s:s, s:s, s:o}", "repeated", repeated, "dev_eui", dev_eui, "label", label,
            "open_work", work),
        err);
}

static enum base_status confirm(struct kms_call *call, const struct kms_grant *grant,
    const uint8_t *bytes, struct base_err *err)
{
    bool changed = false;
    enum base_status status = BASE_OK;
    if (grant->order_id[0] != '\0') {
        status = kms_replace_current(call, grant, err);
    }
    if (status == BASE_OK) {
        status =
            kms_grant_confirm(call->core->store, grant->id, bytes, call->now_us, &changed, err);
    }
    if (status == BASE_OK && !changed) {
        status = base_err_set(err, BASE_E_BUSY, "KMS", 0, "another node changed this grant");
    }
    if (status == BASE_OK) {
        status = kms_call_event(call, "confirmed", grant->lot, grant->id, err);
    }
    if (status == BASE_OK) {
        call->core->metrics.confirmed++;
    }
    return status;
}

enum base_status kms_handle_receipt(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "receipt" };
    json_auto_t *body = NULL;
    struct kms_grant grant;
    uint8_t bytes[PROTO_RECEIPT_SIZE];
    size_t length = 0;
    enum base_status status = kms_call_body(call, names, 1, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_base64(body, "receipt", sizeof(bytes), bytes, &length, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    status = kms_call_grant(call, &grant, err);
    if (status == BASE_OK) {
        status = kms_refuse_ended(call, &grant);
    }
    if (status == BASE_OK) {
        status = check_receipt(call, &grant, bytes, length, err);
    }
    bool repeated = status == BASE_OK && grant.state == KMS_GRANT_CONFIRMED;
    if (status == BASE_OK && !repeated) {
        status = confirm(call, &grant, bytes, err);
    }
    return status == BASE_OK ? answer_confirmed(call, &grant, repeated, err) : status;
}

/* Of rework or zeroise nobody knows what the chip holds now, so the whole unit ends with it. */
static enum base_status scrap(struct kms_call *call, const struct kms_grant *grant,
    const char *reason, bool *ret_changed, struct base_err *err)
{
    enum base_status status = kms_grant_scrap(
        call->core->store, grant->id, call->station.name, reason, call->now_us, ret_changed, err);
    if (status == BASE_OK) {
        status = kms_call_event(call, "scrapped", grant->lot, grant->id, err);
    }
    if (status == BASE_OK && grant->order_id[0] != '\0') {
        status = kms_retire_unit(call, grant, err);
    }
    call->wiped = true;
    call->core->metrics.scrapped += status == BASE_OK && *ret_changed ? 1 : 0;
    return status;
}

enum base_status kms_handle_scrap(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "reason" };
    json_auto_t *body = NULL;
    struct kms_grant grant;
    const char *reason = NULL;
    bool changed = false;
    enum base_status status = kms_call_body(call, names, 1, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_text(body, "reason", KMS_REASON_SIZE - 1, &reason, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    status = kms_call_grant(call, &grant, err);
    if (status == BASE_OK && grant.state == KMS_GRANT_CONFIRMED) {
        return kms_refuse(call, KMS_PROBLEM_GRANT_CONFIRMED,
            "this unit is confirmed and cannot be scrapped; the KMS's operator retires it with "
            "lpa-kms unit retire");
    }
    if (status == BASE_OK && grant.state != KMS_GRANT_SCRAPPED) {
        status = kms_refuse_ended(call, &grant);
    }
    if (status == BASE_OK && grant.state == KMS_GRANT_OPEN) {
        status = scrap(call, &grant, reason, &changed, err);
    }
    return status == BASE_OK ? kms_answer(call, 200, json_pack("{s:b}", "repeated", !changed), err)
                             : status;
}
