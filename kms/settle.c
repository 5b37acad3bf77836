/* SPDX-License-Identifier: Apache-2.0 */
/* A lock whose answer was lost, settled by a person who read the board's label, under a permit for
 * that chip alone. Needs only the certificate of a station. */
#include <string.h>

#include "kms/finishing.h"

/* The operator gave leave for this very chip, and it is good now. */
static enum base_status check_permit(
    struct kms_call *call, const struct kms_grant *grant, const char *id, struct base_err *err)
{
    struct kms_permit permit;
    bool used = false;
    enum base_status status = kms_permit_get(call->core->store, id, &permit, err);
    if (status == BASE_E_NOTFOUND || (status == BASE_OK && strcmp(permit.lot, grant->lot) != 0)) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_REVOKED,
            "this KMS gave no such permit for lot %s", grant->lot);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (!permit.for_chip || memcmp(permit.chip_id, grant->chip_id, sizeof(grant->chip_id)) != 0) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_REVOKED,
            "permit %s does not name this chip; lpa-kms permit add --acts settle --chip gives one "
            "that does",
            permit.id);
    }
    if ((permit.acts & KMS_ACT_SETTLE) == 0 || permit.revoked_us != 0 ||
        permit.until_us <= call->now_us) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_REVOKED, "permit %s %s", permit.id,
            permit.revoked_us != 0            ? "was revoked"
            : permit.until_us <= call->now_us ? "is over; ask the KMS's operator for another one"
                                              : "gives no leave to settle a lock");
    }
    status = kms_grant_settled_under(call->core->store, permit.id, grant->id, &used, err);
    if (status == BASE_OK && used) {
        return kms_refuse(call, KMS_PROBLEM_PERMIT_USED,
            "permit %s was used for another grant of this chip; ask the KMS's operator for another "
            "one",
            permit.id);
    }
    return status;
}

static enum base_status check_state(
    struct kms_call *call, const struct kms_grant *grant, struct base_err *err)
{
    struct kms_lot lot;
    enum base_status status = kms_refuse_ended(call, grant);
    if (status == BASE_OK && grant->state == KMS_GRANT_OPEN) {
        return kms_refuse(call, KMS_PROBLEM_NOT_CONFIRMED,
            "this grant is open: hand in the receipt before the board is called locked");
    }
    if (status == BASE_OK) {
        status = kms_lot_get(call->core->store, grant->lot, &lot, err);
    }
    if (status == BASE_OK && lot.lock_policy == KMS_LOCK_NONE) {
        return kms_refuse(call, KMS_PROBLEM_LOCK_BAD,
            "lot %s locks no board, so there is nothing to settle", lot.id);
    }
    return status;
}

static enum base_status settle(
    struct kms_call *call, const struct kms_grant *grant, const char *permit, struct base_err *err)
{
    bool changed = false;
    enum base_status status = check_permit(call, grant, permit, err);
    if (status == BASE_OK) {
        status = kms_grant_settle(
            call->core->store, grant->id, call->station.name, permit, call->now_us, &changed, err);
    }
    if (status == BASE_OK && !changed) {
        status = base_err_set(err, BASE_E_BUSY, "KMS", 0, "another node changed this grant");
    }
    return status == BASE_OK ? kms_call_event(call, "lock.settled", grant->lot, grant->id, err)
                             : status;
}

enum base_status kms_handle_settle(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "permit" };
    json_auto_t *body = NULL;
    struct kms_grant grant;
    const char *permit = NULL;
    enum base_status status = kms_call_body(call, names, 1, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_text(body, "permit", KMS_PERMIT_ID_SIZE - 1, &permit, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    status = kms_call_grant(call, &grant, err);
    if (status == BASE_OK) {
        status = check_state(call, &grant, err);
    }
    bool repeated = status == BASE_OK && grant.locked_us != 0;
    if (status == BASE_OK && !repeated) {
        status = settle(call, &grant, permit, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    bool answered = repeated && strcmp(kms_lock_state_name(&grant), "answered") == 0;
    return kms_answer(call, 200,
        json_pack("{s:b, s:s}", "repeated", repeated, "lock", answered ? "answered" : "settled"),
        err);
}
