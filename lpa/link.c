/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/link.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

static enum base_status kms_get_unit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct auth_unit *ret_unit, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_get_unit(kms, link->lot->id, chip_id, ret_unit, err);
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
            kms, link->session, link->lot->id, statement, length, intent, ret_grant, err);
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
    void *user, const uint8_t *statement, size_t length, const char *record, struct base_err *err)
{
    const struct lpa_link *link = user;
    const struct auth_registration registration = { link->lot->id, statement, length, record };
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_register(kms, link->session, &registration, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

/* The KMS tells the time of its own clock, and the permit's end is in that time. */
static int64_t kms_time_us(const struct lpa_link *link)
{
    return base_clock_wall_us(link->clock) + link->session->clock_offset_us;
}

enum base_status lpa_link_permit(const struct lpa_link *link, struct auth_kms *kms,
    const uint8_t *chip_id, struct lpa_permit *ret_permit, struct base_err *err)
{
    char note[AUTH_NOTE_MAX];
    struct auth_permit permit;
    struct lpa_permit minted;
    struct base_err cause = { 0 };
    enum base_status status =
        auth_kms_permit(kms, link->session, link->lot->id, chip_id, note, &cause);
    if (status != BASE_OK) {
        /* None, revoked or over: what is missing is leave, not a thing. */
        bool none = strcmp(cause.code, "permit_missing") == 0;
        cause.status = none ? BASE_E_DENIED : cause.status;
        if (err != NULL && err->status == BASE_OK) {
            *err = cause;
        }
        return cause.status;
    }
    status = auth_permit_parse(note, strlen(note), link->kms_vkey, kms_time_us(link), &permit, err);
    if (status == BASE_OK) {
        status = lpa_permit_mint(&permit, link->lot, link->local, kms_time_us(link), &minted, err);
    }
    if (status == BASE_OK) {
        minted.until_wall_us -= link->session->clock_offset_us;
        *ret_permit = minted;
    }
    return status;
}

static enum base_status kms_permit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct lpa_permit *ret_permit, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = lpa_link_permit(link, kms, chip_id, ret_permit, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_lock(
    void *user, const char *grant_id, const uint8_t *answer, size_t length, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_lock(kms, grant_id, answer, length, NULL, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_settle(
    void *user, const char *grant_id, const char *permit_id, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_settle(kms, grant_id, permit_id, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_wipe(void *user, const char *grant_id, const uint8_t *statement,
    size_t length, struct auth_wipe *ret_wipe, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_wipe(kms, grant_id, statement, length, ret_wipe, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

static enum base_status kms_wiped(void *user, const char *grant_id, const uint8_t *receipt,
    size_t length, struct auth_forget *ret_forget, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_kms *kms = NULL;
    enum base_status status = lpa_kms_pool_take(link->pool, &kms, err);
    if (status == BASE_OK) {
        status = auth_kms_wiped(kms, grant_id, receipt, length, ret_forget, err);
    }
    lpa_kms_pool_give(link->pool, kms);
    return status;
}

const struct lpa_kms_ops lpa_link_kms_ops = {
    .get_unit = kms_get_unit,
    .grant = kms_grant,
    .confirm = kms_confirm,
    .register_unit = kms_register_unit,
    .permit = kms_permit,
    .settle = kms_settle,
    .wipe = kms_wipe,
    .wiped = kms_wiped,
    .lock = kms_lock,
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

static enum base_status log_sign_record(void *user, const struct auth_record *record,
    char *ret_note, size_t *ret_length, struct base_err *err)
{
    const struct lpa_link *link = user;
    struct auth_record whole = *record;
    struct base_buf note;
    base_buf_init(&note, LPA_RECORD_MAX - 1);
    (void)snprintf(whole.lot, sizeof(whole.lot), "%s", link->lot->id);
    (void)snprintf(whole.station, sizeof(whole.station), "%s", link->station);
    (void)snprintf(whole.tester, sizeof(whole.tester), "%s", link->session->tester);
    whole.at_us = kms_time_us(link);
    enum base_status status = auth_record_sign(&whole, link->signer, &note, err);
    if (status == BASE_OK) {
        memcpy(ret_note, note.data, note.length);
        ret_note[note.length] = '\0';
        *ret_length = note.length;
    }
    base_buf_done(&note);
    return status;
}

const struct lpa_log_ops lpa_link_log_ops = {
    .append = log_append,
    .intent = log_intent,
    .sign_record = log_sign_record,
};
