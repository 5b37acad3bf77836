/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/hex.h"
#include "tests/unit/lpa/factory_parts.h"

#include <string.h>

/* Offset of the purpose in an envelope. */
#define PURPOSE_AT 2

size_t factory_chip(const struct factory *f, const uint8_t id[8])
{
    for (size_t i = 0; i < FACTORY_CHIPS; i++) {
        if (memcmp(f->chips[i].id, id, 8) == 0) {
            return i;
        }
    }
    return 0;
}

static struct grant *live_grant(struct factory *f, const uint8_t chip_id[8])
{
    struct grant *found = NULL;
    for (size_t i = 0; i < f->grant_count; i++) {
        struct grant *grant = &f->grants[i];
        if (memcmp(grant->chip_id, chip_id, 8) != 0 || grant->state == GRANT_SUPERSEDED) {
            continue;
        }
        if (found == NULL || found->state != GRANT_OPEN) {
            found = grant;
        }
    }
    return found;
}

static void describe(struct factory *f, const uint8_t chip_id[8], struct auth_unit *ret_unit)
{
    static const enum auth_unit_state states[] = { AUTH_UNIT_UNKNOWN, AUTH_UNIT_OPEN,
        AUTH_UNIT_CONFIRMED, AUTH_UNIT_SCRAPPED, AUTH_UNIT_UNKNOWN };
    struct grant *grant = live_grant(f, chip_id);
    memset(ret_unit, 0, sizeof(*ret_unit));
    if (grant == NULL) {
        bool registered = f->registered[factory_chip(f, chip_id)];
        ret_unit->state = registered ? AUTH_UNIT_REGISTERED : AUTH_UNIT_UNKNOWN;
        return;
    }
    ret_unit->state = states[grant->state];
    memcpy(ret_unit->lot, grant->lot, sizeof(ret_unit->lot));
    base_hex_encode(grant->envelope_id, 16, ret_unit->grant_id);
    memcpy(ret_unit->dev_eui, grant->dev_eui, 8);
    size_t chip = factory_chip(f, chip_id);
    ret_unit->wiped = grant->state == GRANT_SCRAPPED && f->wipes[chip].state == GRANT_CONFIRMED;
    if (grant->state == GRANT_CONFIRMED && grant->envelope[PURPOSE_AT] == PROTO_PURPOSE_ZEROISE) {
        ret_unit->state = AUTH_UNIT_ZEROISED;
    }
    ret_unit->work = f->zeroise[chip]  ? AUTH_WORK_ZEROISE
                     : f->rework[chip] ? AUTH_WORK_REWORK
                                       : AUTH_WORK_NONE;
    bool elsewhere = strcmp(grant->lot, f->lot.id) != 0;
    if (elsewhere && grant->state != GRANT_SCRAPPED) {
        ret_unit->state = AUTH_UNIT_ELSEWHERE;
    }
}

static enum base_status kms_get_unit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct auth_unit *ret_unit, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    describe(f, chip_id, ret_unit);
    END(BASE_E_REMOTE);
}

static enum base_status deny(struct base_err *err, const char *code)
{
    (void)base_err_set(err, BASE_E_DENIED, "HTTP", 409, "refused: %s", code);
    base_err_set_code(err, code);
    return BASE_E_DENIED;
}

static void answer(const struct grant *grant, bool repeated, struct auth_grant *ret_grant)
{
    memset(ret_grant, 0, sizeof(*ret_grant));
    base_hex_encode(grant->envelope_id, 16, ret_grant->grant_id);
    memcpy(ret_grant->dev_eui, grant->dev_eui, 8);
    ret_grant->key_version = grant->key_version;
    ret_grant->device_trust = AUTH_TRUST_TOFU;
    ret_grant->repeated = repeated;
    ret_grant->work = grant->envelope[PURPOSE_AT] == PROTO_PURPOSE_ZEROISE  ? AUTH_WORK_ZEROISE
                      : grant->envelope[PURPOSE_AT] == PROTO_PURPOSE_REWORK ? AUTH_WORK_REWORK
                                                                            : AUTH_WORK_NONE;
    memcpy(ret_grant->envelope, grant->envelope, PROTO_ENVELOPE_SIZE);
    ret_grant->envelope_length = PROTO_ENVELOPE_SIZE;
}

static void make_envelope(struct factory *f, struct grant *grant, enum proto_purpose purpose)
{
    struct proto_envelope_header header = { .purpose = (uint8_t)purpose,
        .lorawan_version = f->lot.lorawan_version,
        .keys = purpose == PROTO_PURPOSE_ZEROISE ? 0 : PROTO_KEY_APP,
        .key_version = grant->key_version };
    memcpy(header.envelope_id, grant->envelope_id, 16);
    memcpy(header.chip_id, grant->chip_id, 8);
    memcpy(header.dev_eui, grant->dev_eui, 8);
    memcpy(header.join_eui, f->lot.join_eui, 8);
    memcpy(header.nonce, grant->nonce, 16);
    memcpy(header.authority_key_id, f->lot.authority_key_id, 8);
    factory_draw(f, grant->envelope, sizeof(grant->envelope));
    proto_envelope_header_encode(&header, grant->envelope);
    grant->envelope[PROTO_ENVELOPE_HEADER_SIZE] = 4;
}

static enum base_status new_grant(struct factory *f, const struct proto_statement *statement,
    const struct grant *old, bool zeroise, struct auth_grant *ret_grant, struct base_err *err)
{
    enum proto_purpose purpose = old == NULL ? PROTO_PURPOSE_INSTALL
                                 : zeroise   ? PROTO_PURPOSE_ZEROISE
                                             : PROTO_PURPOSE_REWORK;
    if (old == NULL && f->dev_euis >= f->allowance) {
        return deny(err, "quota_used_up");
    }
    if (f->grant_count == FACTORY_GRANTS) {
        return deny(err, "quota_used_up");
    }
    struct grant *grant = &f->grants[f->grant_count++];
    memset(grant, 0, sizeof(*grant));
    grant->state = GRANT_OPEN;
    memcpy(grant->lot, f->lot.id, sizeof(grant->lot));
    memcpy(grant->chip_id, statement->chip_id, 8);
    memcpy(grant->key, statement->public_key, 65);
    memcpy(grant->nonce, statement->nonce, 16);
    factory_draw(f, grant->envelope_id, 16);
    grant->key_version = old == NULL ? 1 : old->key_version + 1;
    if (old == NULL) {
        grant->dev_eui[7] = (uint8_t)++f->dev_euis;
    } else {
        memcpy(grant->dev_eui, old->dev_eui, 8);
    }
    make_envelope(f, grant, purpose);
    answer(grant, false, ret_grant);
    return BASE_OK;
}

static enum base_status decide_grant(struct factory *f, const struct proto_statement *statement,
    struct auth_grant *ret_grant, struct base_err *err)
{
    for (size_t i = 0; i < f->grant_count && !f->no_idempotency; i++) {
        const struct grant *grant = &f->grants[i];
        if (memcmp(grant->chip_id, statement->chip_id, 8) == 0 &&
            memcmp(grant->key, statement->public_key, 65) == 0 &&
            memcmp(grant->nonce, statement->nonce, 16) == 0) {
            if (grant->state == GRANT_SCRAPPED) {
                return deny(err, "grant_scrapped");
            }
            answer(grant, true, ret_grant);
            return BASE_OK;
        }
    }
    bool attested = f->lot.trust == AUTH_TRUST_ATTESTED;
    if (attested && !f->registered[factory_chip(f, statement->chip_id)]) {
        return deny(err, "not_registered");
    }
    if (attested && statement->lifecycle != PROTO_LIFECYCLE_SECURE) {
        return deny(err, "not_restricted");
    }
    const struct grant *live = f->no_idempotency ? NULL : live_grant(f, statement->chip_id);
    size_t chip = factory_chip(f, statement->chip_id);
    if (live == NULL) {
        return new_grant(f, statement, NULL, false, ret_grant, err);
    }
    if (memcmp(live->key, statement->public_key, 65) != 0) {
        return deny(err, "chip_known");
    }
    if (live->state == GRANT_OPEN) {
        return deny(err, "receipt_first");
    }
    bool zeroise = f->zeroise[chip];
    if (live->state == GRANT_SCRAPPED || !(f->rework[chip] || zeroise)) {
        return deny(err, "rework_needed");
    }
    f->rework[chip] = false;
    f->zeroise[chip] = false;
    return new_grant(f, statement, live, zeroise, ret_grant, err);
}

/* The intent must stand in journal and log before the request leaves. */
static bool written_down(
    const struct factory *f, enum lpa_step_id step, const uint8_t *statement, size_t length)
{
    struct proto_statement decoded;
    uint8_t hash[32];
    char text[65];
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return false;
    }
    size_t chip = factory_chip(f, decoded.chip_id);
    const struct lpa_unit *row = &f->rows[chip];
    base_sha256(statement, length, hash);
    base_hex_encode(hash, 32, text);
    return f->have_row[chip] && row->step == step && row->phase == LPA_PHASE_DO &&
           row->statement_length == length && memcmp(row->statement, statement, length) == 0 &&
           strcmp(text, f->last_intent) == 0;
}

static enum base_status kms_grant(void *user, const uint8_t *statement, size_t length,
    const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_statement decoded;
    if (intent == NULL || intent->record_length == 0 ||
        !written_down(f, LPA_STEP_GRANT, statement, length)) {
        f->asked_without_intent = true;
    }
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return deny(err, "statement_bad");
    }
    enum base_status status = decide_grant(f, &decoded, ret_grant, err);
    if (status != BASE_OK) {
        return status;
    }
    END(BASE_E_REMOTE);
}

static void supersede(struct factory *f, const struct grant *by)
{
    for (size_t i = 0; i < f->grant_count; i++) {
        struct grant *grant = &f->grants[i];
        if (grant != by && memcmp(grant->chip_id, by->chip_id, 8) == 0 &&
            grant->state == GRANT_CONFIRMED) {
            grant->state = GRANT_SUPERSEDED;
        }
    }
}

static enum base_status decide_confirm(struct factory *f, const char *grant_id,
    const uint8_t *receipt, size_t length, struct auth_confirmation *ret, struct base_err *err)
{
    struct proto_receipt decoded;
    if (proto_receipt_decode(receipt, length, &decoded) != PROTO_OK) {
        return deny(err, "receipt_bad");
    }
    for (size_t i = 0; i < f->grant_count; i++) {
        struct grant *grant = &f->grants[i];
        char id[33];
        uint8_t hash[32];
        base_hex_encode(grant->envelope_id, 16, id);
        if (strcmp(id, grant_id) != 0) {
            continue;
        }
        base_sha256(grant->envelope, sizeof(grant->envelope), hash);
        if (memcmp(hash, decoded.envelope_hash, 32) != 0 ||
            memcmp(decoded.chip_id, grant->chip_id, 8) != 0) {
            return deny(err, "receipt_bad");
        }
        if (grant->state == GRANT_SCRAPPED) {
            return deny(err, "grant_scrapped");
        }
        memset(ret, 0, sizeof(*ret));
        ret->repeated = grant->state != GRANT_OPEN;
        memcpy(ret->dev_eui, grant->dev_eui, 8);
        if (grant->state == GRANT_OPEN) {
            grant->state = GRANT_CONFIRMED;
            supersede(f, grant);
        }
        struct grant *live = live_grant(f, grant->chip_id);
        if (live != NULL && live != grant && live->state == GRANT_OPEN) {
            ret->open_work.state = AUTH_UNIT_OPEN;
        }
        return BASE_OK;
    }
    return deny(err, "grant_unknown");
}

static enum base_status kms_confirm(void *user, const char *grant_id, const uint8_t *receipt,
    size_t length, struct auth_confirmation *ret_confirmation, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    enum base_status status = decide_confirm(f, grant_id, receipt, length, ret_confirmation, err);
    if (status != BASE_OK) {
        return status;
    }
    END(BASE_E_REMOTE);
}

static enum base_status kms_register(
    void *user, const uint8_t *statement, size_t length, const char *record, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_statement decoded;
    char chip[17];
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return deny(err, "statement_bad");
    }
    base_hex_encode(decoded.chip_id, sizeof(decoded.chip_id), chip);
    bool wanted = f->lot.trust == AUTH_TRUST_ATTESTED;
    if (wanted && (record == NULL || strcmp(record, chip) != 0)) {
        return deny(err, "record_bad");
    }
    f->registered[factory_chip(f, decoded.chip_id)] = true;
    END(BASE_E_REMOTE);
}

static enum base_status kms_permit(void *user, const uint8_t chip_id[PROTO_CHIP_ID_SIZE],
    struct lpa_permit *ret_permit, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    (void)chip_id;
    if (f->revoked) {
        return deny(err, "permit_missing");
    }
    *ret_permit = f->permit;
    END(BASE_E_REMOTE);
}

static enum base_status kms_lock(
    void *user, const char *grant_id, const uint8_t *answer, size_t length, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_lock_answer decoded;
    char id[33];
    if (proto_lock_answer_decode(answer, length, &decoded) != PROTO_OK) {
        return deny(err, "answer_bad");
    }
    base_hex_encode(decoded.envelope_id, sizeof(decoded.envelope_id), id);
    struct grant *grant = live_grant(f, decoded.chip_id);
    if (grant == NULL || grant->state != GRANT_CONFIRMED || strcmp(id, grant_id) != 0) {
        return deny(err, "answer_bad");
    }
    f->kms_locked[factory_chip(f, decoded.chip_id)] = true;
    END(BASE_E_REMOTE);
}

static struct grant *grant_by_id(struct factory *f, const char *grant_id)
{
    for (size_t i = 0; i < f->grant_count; i++) {
        char id[33];
        base_hex_encode(f->grants[i].envelope_id, 16, id);
        if (strcmp(id, grant_id) == 0) {
            return &f->grants[i];
        }
    }
    return NULL;
}

static enum base_status kms_settle(
    void *user, const char *grant_id, const char *permit_id, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    const struct grant *grant = grant_by_id(f, grant_id);
    if (grant == NULL || grant->state != GRANT_CONFIRMED) {
        return deny(err, "not_confirmed");
    }
    if (strcmp(permit_id, f->permit.prg.id) != 0 || f->revoked) {
        return deny(err, "permit_revoked");
    }
    size_t chip = factory_chip(f, grant->chip_id);
    f->kms_settled[chip] = !f->kms_locked[chip];
    f->kms_locked[chip] = true;
    END(BASE_E_REMOTE);
}

/* One wipe a chip is enough: another nonce makes it another one. */
static enum base_status decide_wipe(struct factory *f, const struct grant *ended,
    const struct proto_statement *statement, struct auth_wipe *ret_wipe, struct base_err *err)
{
    struct grant *wipe = &f->wipes[factory_chip(f, statement->chip_id)];
    if (ended == NULL || ended->state != GRANT_SCRAPPED) {
        return deny(err, ended == NULL ? "grant_unknown" : "not_scrapped");
    }
    if (memcmp(ended->chip_id, statement->chip_id, 8) != 0 ||
        memcmp(ended->key, statement->public_key, 65) != 0) {
        return deny(err, "chip_known");
    }
    memset(ret_wipe, 0, sizeof(*ret_wipe));
    ret_wipe->repeated =
        wipe->state != 0 && memcmp(wipe->nonce, statement->nonce, sizeof(wipe->nonce)) == 0;
    if (!ret_wipe->repeated) {
        memset(wipe, 0, sizeof(*wipe));
        wipe->state = GRANT_OPEN;
        memcpy(wipe->chip_id, statement->chip_id, 8);
        memcpy(wipe->nonce, statement->nonce, sizeof(wipe->nonce));
        wipe->key_version = statement->key_version + 1;
        factory_draw(f, wipe->envelope_id, sizeof(wipe->envelope_id));
        make_envelope(f, wipe, PROTO_PURPOSE_ZEROISE);
        f->wipes_made++;
    }
    base_hex_encode(wipe->envelope_id, 16, ret_wipe->wipe_id);
    memcpy(ret_wipe->envelope, wipe->envelope, sizeof(wipe->envelope));
    ret_wipe->envelope_length = sizeof(wipe->envelope);
    return BASE_OK;
}

static enum base_status kms_wipe(void *user, const char *grant_id, const uint8_t *statement,
    size_t length, struct auth_wipe *ret_wipe, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_statement decoded;
    if (!written_down(f, LPA_STEP_WIPE, statement, length)) {
        f->asked_without_intent = true;
    }
    if (proto_statement_decode(statement, length, &decoded) != PROTO_OK) {
        return deny(err, "statement_bad");
    }
    enum base_status status = decide_wipe(f, grant_by_id(f, grant_id), &decoded, ret_wipe, err);
    if (status != BASE_OK) {
        return status;
    }
    END(BASE_E_REMOTE);
}

static enum base_status kms_wiped(void *user, const char *grant_id, const uint8_t *receipt,
    size_t length, struct auth_forget *ret_forget, struct base_err *err)
{
    BEGIN(BASE_E_REMOTE)
    struct proto_receipt decoded;
    if (grant_by_id(f, grant_id) == NULL ||
        proto_receipt_decode(receipt, length, &decoded) != PROTO_OK) {
        return deny(err, "receipt_bad");
    }
    struct grant *wipe = &f->wipes[factory_chip(f, decoded.chip_id)];
    if (wipe->state == 0 || memcmp(wipe->envelope_id, decoded.envelope_id, 16) != 0) {
        return deny(err, "receipt_bad");
    }
    wipe->state = GRANT_CONFIRMED;
    *ret_forget = (struct auth_forget){ .given = !f->no_confirmation };
    memcpy(ret_forget->confirmation, wipe->envelope_id, sizeof(wipe->envelope_id));
    END(BASE_E_REMOTE);
}

const struct lpa_kms_ops factory_kms_ops = {
    .get_unit = kms_get_unit,
    .grant = kms_grant,
    .confirm = kms_confirm,
    .register_unit = kms_register,
    .permit = kms_permit,
    .settle = kms_settle,
    .wipe = kms_wipe,
    .wiped = kms_wiped,
    .lock = kms_lock,
};
