/* SPDX-License-Identifier: Apache-2.0 */
/* Orders: new keys for a unit that has some, or no keys any more. */
#include <string.h>

#include "kms/asking.h"
#include "kms/finishing.h"

/* A chip whose vault was put back to an earlier state says less than what its receipt proved. */
static enum base_status check_vault(
    struct kms_call *call, const struct kms_grant *current, const struct kms_asking *asking)
{
    const struct proto_statement *statement = &asking->statement;
    bool holds = statement->vault_state == PROTO_VAULT_COMMITTED ||
                 statement->vault_state == PROTO_VAULT_LOCKED ||
                 statement->vault_state == PROTO_VAULT_ZEROISED;
    if (!holds || (int64_t)statement->key_version < current->key_version) {
        return kms_refuse(call, KMS_PROBLEM_STATEMENT_BAD,
            "the chip knows nothing of key version %lld, which its receipt proved: its vault was "
            "put back; set the board aside",
            (long long)current->key_version);
    }
    return BASE_OK;
}

enum base_status kms_check_order(struct kms_call *call, const struct kms_grant *current,
    struct kms_asking *asking, struct base_err *err)
{
    struct kms_order order;
    enum base_status status = kms_order_pending(call->core->store, current->chip_id, &order, err);
    if (status == BASE_E_NOTFOUND) {
        return kms_refuse(call, KMS_PROBLEM_REWORK_NEEDED,
            "this chip is confirmed; new keys need a rework order");
    }
    if (status != BASE_OK) {
        return status;
    }
    if (memcmp(order.public_key, asking->statement.public_key, sizeof(order.public_key)) != 0) {
        return kms_refuse(call, KMS_PROBLEM_CHIP_KNOWN,
            "the order is for another device key than this chip has now; set the board aside");
    }
    status = check_vault(call, current, asking);
    if (status == BASE_OK) {
        asking->ordered = true;
        asking->order = order;
        memcpy(asking->dev_eui, current->dev_eui, sizeof(asking->dev_eui));
    }
    return status;
}

enum base_status kms_replace_current(
    struct kms_call *call, const struct kms_grant *grant, struct base_err *err)
{
    struct kms_grant current;
    bool changed = false;
    enum base_status status = kms_grant_current(call->core->store, grant->chip_id, &current, err);
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, BASE_E_CORRUPT, "KMS", 0,
            "grant %s replaces keys that this KMS has no grant for; restore a backup", grant->id);
    }
    if (status == BASE_OK) {
        status = kms_grant_supersede(call->core->store, current.id, call->now_us, &changed, err);
    }
    if (status == BASE_OK && current.locked_us != 0) { /* its port opens no more */
        status = kms_grant_inherit_lock(call->core->store, grant->id, &current, err);
    }
    if (status == BASE_OK) {
        status = kms_call_event(call, "superseded", current.lot, current.id, err);
    }
    call->wiped = true;
    return status;
}

enum base_status kms_retire_unit(
    struct kms_call *call, const struct kms_grant *grant, struct base_err *err)
{
    bool changed = false;
    enum base_status status =
        kms_grant_retire(call->core->store, grant->dev_eui, call->now_us, &changed, err);
    return status == BASE_OK && changed
               ? kms_call_event(call, "unit.retired", grant->lot, grant->id, err)
               : status;
}
