/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/link.h"

static enum base_status kms_get_unit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct auth_unit *ret_unit, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_get_unit(kms, link->lot, chip_id, ret_unit, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_grant(void *user, const uint8_t *statement, size_t length,
    const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_grant(
            kms, link->session, link->lot, statement, length, intent, ret_grant, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_confirm(void *user, const char *grant_id, const uint8_t *receipt,
    size_t length, struct auth_confirmation *ret_confirmation, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_confirm(kms, grant_id, receipt, length, ret_confirmation, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_register_unit(
    void *user, const uint8_t *statement, size_t length, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_register_unit(kms, link->session, link->lot, statement, length, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

const struct lpa_kms_ops lpa_link_kms_ops = {
    .get_unit = kms_get_unit,
    .grant = kms_grant,
    .confirm = kms_confirm,
    .register_unit = kms_register_unit,
};

enum base_status lpa_link_witness(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err)
{
    return auth_kms_witness(user, old_size, proof, proof_count, checkpoint, ret_witness, ret_size,
        ret_cosignature, err);
}

/* Only the site whose turn it is to have the log cosigned takes a client. */
static enum base_status witness_of_pool(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err)
{
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(user, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_witness(kms, old_size, proof, proof_count, checkpoint, ret_witness,
            ret_size, ret_cosignature, err);
    }
    lpa_kms_pool_give(user, kms);
    return status;
}

static enum base_status log_append(void *user, const struct lpa_event *event, struct base_err *err)
{
    const struct lpa_link *link = user;
    return lpa_audit_append(link->audit, event, err);
}

static enum base_status log_intent(
    void *user, const struct lpa_event *event, struct lpa_intent *ret_intent, struct base_err *err)
{
    const struct lpa_link *link = user;
    return lpa_audit_intent(link->audit, event, witness_of_pool, link->pool, ret_intent, err);
}

const struct lpa_log_ops lpa_link_log_ops = { .append = log_append, .intent = log_intent };
