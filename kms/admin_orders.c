/* SPDX-License-Identifier: Apache-2.0 */
/* The operator orders new keys for a unit, or that it loses them, or retires it. */
#include <string.h>

#include "base/hex.h"
#include "kms/admin_private.h"
#include "kms/call.h"

/* The grant of a chip that work may be done on. */
static enum base_status find_unit(struct kms_home *home, const uint8_t chip_id[8],
    struct kms_grant *ret_grant, struct base_err *err)
{
    char chip[17];
    struct kms_grant grant;
    base_hex_encode(chip_id, 8, chip);
    enum base_status status = kms_grant_of_chip(&home->store, chip_id, &grant, err);
    if (status == BASE_E_NOTFOUND) {
        return base_err_set(err, BASE_E_NOTFOUND, "unit", 0,
            "no chip %s has keys of this KMS: lpa-kms unit list shows all", chip);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (grant.state == KMS_GRANT_OPEN) {
        return base_err_set(err, BASE_E_DENIED, "unit", 0,
            "a grant of chip %s is open: have a station finish it, or scrap it, first", chip);
    }
    if (grant.state == KMS_GRANT_SCRAPPED) {
        return base_err_set(err, BASE_E_DENIED, "unit", 0,
            "the grant of chip %s was scrapped, which is final", chip);
    }
    *ret_grant = grant;
    return BASE_OK;
}

static enum base_status refuse_retired(const struct kms_grant *grant, struct base_err *err)
{
    return grant->state == KMS_GRANT_RETIRED ? base_err_set(err, BASE_E_DENIED, "unit", 0,
                                                   "this unit was retired, which is final")
                                             : BASE_OK;
}

/* A repeat finds the order that is there; another kind must wait for that one's end. */
static enum base_status find_order(struct kms_home *home, const struct kms_order *wanted,
    struct kms_order *ret_order, bool *ret_found, struct base_err *err)
{
    struct kms_order order;
    enum base_status status = kms_order_pending(&home->store, wanted->chip_id, &order, err);
    *ret_found = status == BASE_OK;
    if (status == BASE_E_NOTFOUND) {
        return BASE_OK;
    }
    if (status == BASE_OK && order.purpose != wanted->purpose) {
        return base_err_set(err, BASE_E_EXISTS, "unit", 0,
            "another order, %s, is pending for this chip: take it back with lpa-kms unit cancel "
            "first",
            kms_work_name(order.purpose));
    }
    if (status == BASE_OK) {
        *ret_order = order;
    }
    return status;
}

static enum base_status add_order(
    struct kms_home *home, struct kms_order *order, struct base_err *err)
{
    struct kms_grant grant;
    uint8_t id[16];
    bool found = false;
    enum base_status status = find_unit(home, order->chip_id, &grant, err);
    if (status == BASE_OK) {
        status = refuse_retired(&grant, err);
    }
    if (status == BASE_OK && order->purpose == PROTO_PURPOSE_ZEROISE &&
        grant.purpose == PROTO_PURPOSE_ZEROISE) {
        status =
            base_err_set(err, BASE_E_DENIED, "unit", 0, "this unit was zeroised and holds no keys");
    }
    if (status == BASE_OK) {
        status = find_order(home, order, order, &found, err);
    }
    if (status == BASE_OK && !found) {
        status = base_random_fill(home->random, id, sizeof(id), err);
    }
    if (status != BASE_OK || found) {
        return status;
    }
    base_hex_encode(id, sizeof(id), order->id);
    memcpy(order->public_key, grant.public_key, sizeof(order->public_key));
    status = kms_order_insert(&home->store, order, err);
    return status == BASE_OK
               ? kms_admin_event(home,
                     order->purpose == PROTO_PURPOSE_REWORK ? "rework.ordered" : "zeroise.ordered",
                     grant.lot, grant.id, err)
               : status;
}

enum base_status kms_admin_unit_order(struct kms_home *home, const uint8_t chip_id[8],
    uint8_t purpose, const char *reason, struct kms_order *ret_order, struct base_err *err)
{
    struct kms_order order = { .purpose = purpose, .created_us = kms_store_now_us(&home->store) };
    if (strlen(reason) >= sizeof(order.reason)) {
        return base_err_set(
            err, BASE_E_ARG, "unit", 0, "a reason has at most %d characters", KMS_REASON_SIZE - 1);
    }
    memcpy(order.chip_id, chip_id, sizeof(order.chip_id));
    memcpy(order.reason, reason, strlen(reason) + 1);
    enum base_status status = kms_store_begin(&home->store, err);
    if (status == BASE_OK) {
        status = kms_admin_end(home, add_order(home, &order, err), err);
    }
    if (status == BASE_OK) {
        *ret_order = order;
    }
    return status;
}

static enum base_status end_order(
    struct kms_home *home, const uint8_t chip_id[8], bool *ret_ended, struct base_err *err)
{
    struct kms_order order;
    *ret_ended = false;
    enum base_status status = kms_order_pending(&home->store, chip_id, &order, err);
    if (status == BASE_E_NOTFOUND) {
        return BASE_OK;
    }
    if (status == BASE_OK) {
        status =
            kms_order_end(&home->store, order.id, kms_store_now_us(&home->store), ret_ended, err);
    }
    return status == BASE_OK && *ret_ended
               ? kms_admin_event(home, "order.cancelled", "", order.id, err)
               : status;
}

enum base_status kms_admin_unit_cancel(
    struct kms_home *home, const uint8_t chip_id[8], struct base_err *err)
{
    bool ended = false;
    enum base_status status = kms_store_begin(&home->store, err);
    if (status != BASE_OK) {
        return status;
    }
    status = end_order(home, chip_id, &ended, err);
    if (status == BASE_OK && !ended) {
        status = base_err_set(err, BASE_E_NOTFOUND, "unit", 0,
            "no order is pending for this chip: was it used, or none given?");
    }
    return kms_admin_end(home, status, err);
}

static enum base_status retire(
    struct kms_home *home, const uint8_t chip_id[8], struct base_err *err)
{
    struct kms_grant grant;
    bool ended = false;
    bool changed = false;
    enum base_status status = find_unit(home, chip_id, &grant, err);
    if (status != BASE_OK || grant.state == KMS_GRANT_RETIRED) {
        return status; /* a second time it is done */
    }
    status = end_order(home, chip_id, &ended, err);
    if (status == BASE_OK) {
        status = kms_grant_retire(
            &home->store, grant.dev_eui, kms_store_now_us(&home->store), &changed, err);
    }
    return status == BASE_OK ? kms_admin_event(home, "unit.retired", grant.lot, grant.id, err)
                             : status;
}

enum base_status kms_admin_unit_retire(
    struct kms_home *home, const uint8_t chip_id[8], struct base_err *err)
{
    enum base_status status = kms_store_begin(&home->store, err);
    if (status == BASE_OK) {
        status = kms_admin_end(home, retire(home, chip_id, err), err);
    }
    return status == BASE_OK ? kms_store_purge(&home->store, err) : status;
}
