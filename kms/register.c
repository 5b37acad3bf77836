/* SPDX-License-Identifier: Apache-2.0 */
/* Statements, and registering a unit from one: the personaliser's call. */
#include <string.h>

#include "base/hash.h"
#include "base/hex.h"
#include "kms/asking.h"

/* Codec, MAC and what no lot lifts. */
enum base_status kms_read_statement(
    struct kms_call *call, const json_t *body, struct kms_asking *asking, struct base_err *err)
{
    size_t length = 0;
    if (base_json_get_base64(
            body, "statement", sizeof(asking->bytes), asking->bytes, &length, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    enum proto_status decoded = proto_statement_decode(asking->bytes, length, &asking->statement);
    if (decoded != PROTO_OK) {
        return kms_refuse(call, KMS_PROBLEM_STATEMENT_BAD, "the statement does not decode: %s",
            proto_status_text(decoded));
    }
    if (memcmp(asking->statement.authority_key_id, call->core->keys->authority_key_id,
            PROTO_KEY_ID_SIZE) != 0) {
        return kms_refuse(call, KMS_PROBLEM_STATEMENT_BAD,
            "the statement is for another authority key; program the lot's image first");
    }
    enum base_status status = kms_keystore_check_statement(call->core->keys, asking->bytes, err);
    if (status == BASE_E_VERIFY) {
        status = kms_refuse(call, KMS_PROBLEM_STATEMENT_BAD, "%s", err->message);
        base_err_clear(err);
    }
    base_sha256(asking->bytes, sizeof(asking->bytes), asking->sha256);
    return status;
}

/* A restricted chip says so itself; that it says so truly is what the record is for. */
static enum base_status check_restriction(struct kms_call *call, const struct kms_asking *asking)
{
    static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;
    const struct proto_statement *statement = &asking->statement;
    if (asking->lot.restrict_policy == KMS_RESTRICT_NONE) {
        return BASE_OK;
    }
    if ((statement->flags & PROTO_FLAG_LAB) != 0) {
        return kms_refuse(call, KMS_PROBLEM_LAB_REFUSED,
            "the chip runs a lab image (it works with its debug port open) and lot %s wants "
            "restricted chips",
            asking->lot.id);
    }
    if (statement->lifecycle != PROTO_LIFECYCLE_SECURE ||
        memcmp(statement->restrictions, required, sizeof(required)) != 0) {
        return kms_refuse(call, KMS_PROBLEM_LOT_RESTRICT,
            "lot %s demands a chip in SECURE with its port restricted, and this one says that it "
            "is not; have it personalised first",
            asking->lot.id);
    }
    return BASE_OK;
}

/* What the statement claims against what the lot demands. */
enum base_status kms_check_claims(struct kms_call *call, const struct kms_asking *asking)
{
    const struct proto_statement *statement = &asking->statement;
    if ((int64_t)statement->bootloader_version < asking->lot.min_bootloader ||
        asking->bytes[0] < asking->lot.min_protocol) {
        return kms_refuse(call, KMS_PROBLEM_VERSION_OLD,
            "the chip's bootloader %u.%u.%u is older than lot %s allows; program the lot's image",
            statement->bootloader_version >> 24, statement->bootloader_version >> 16 & 0xFFU,
            statement->bootloader_version & 0xFFFFU, asking->lot.id);
    }
    if (memcmp(statement->bootloader_hash, asking->lot.image_sha256, 32) != 0) {
        return kms_refuse(call, KMS_PROBLEM_IMAGE_UNKNOWN,
            "the chip runs another image than lot %s names; program the lot's image",
            asking->lot.id);
    }
    if ((statement->flags & PROTO_FLAG_LAB) != 0 && !call->core->policy.development) {
        return kms_refuse(call, KMS_PROBLEM_LAB_REFUSED,
            "the chip runs a lab image (it works with its debug port open) and this KMS is not a "
            "development one");
    }
    return check_restriction(call, asking);
}

enum base_status kms_check_lot_open(struct kms_call *call, const struct kms_lot *lot)
{
    if (lot->closed_us != 0) {
        return kms_refuse(
            call, KMS_PROBLEM_LOT_CLOSED, "lot %s is closed; ask for another lot", lot->id);
    }
    if (call->now_us >= lot->expires_us) {
        return kms_refuse(call, KMS_PROBLEM_LOT_EXPIRED,
            "lot %s has expired; ask the KMS's operator for a new lot", lot->id);
    }
    return kms_check_attendance(call, lot);
}

enum base_status kms_check_attendance(struct kms_call *call, const struct kms_lot *lot)
{
    if (call->session.unattended && !lot->unattended) {
        return kms_refuse(call, KMS_PROBLEM_UNATTENDED,
            "lot %s wants a person's code, and this session's came from a command", lot->id);
    }
    return BASE_OK;
}

/* --- registration by the personaliser --- */

/* An entry may be replaced only while no grant hangs on it. @p ret_same: nothing is to be done. */
static enum base_status check_entry(struct kms_call *call, const struct kms_asking *asking,
    const char *record, bool *ret_same, struct base_err *err)
{
    struct kms_unit unit;
    struct kms_grant grant;
    enum base_status status =
        kms_unit_get(call->core->store, asking->statement.chip_id, &unit, err);
    bool entry = status == BASE_OK;
    if (status != BASE_OK && status != BASE_E_NOTFOUND) {
        return status;
    }
    *ret_same = entry && strcmp(unit.lot, asking->lot.id) == 0 &&
                memcmp(unit.public_key, asking->statement.public_key, 65) == 0 &&
                (record == NULL || strcmp(unit.record, record) == 0);
    if (*ret_same) {
        return BASE_OK;
    }
    status = kms_grant_of_chip(call->core->store, asking->statement.chip_id, &grant, err);
    if (status == BASE_E_NOTFOUND) {
        return BASE_OK;
    }
    if (status == BASE_OK && grant.state != KMS_GRANT_SCRAPPED) {
        return kms_refuse(call, KMS_PROBLEM_CHIP_KNOWN,
            "this chip has a grant in lot %s; it must be scrapped before the chip is registered "
            "anew",
            grant.lot);
    }
    return status;
}

static enum base_status put_entry(struct kms_call *call, const struct kms_asking *asking,
    const char *record, struct base_err *err)
{
    struct kms_unit unit = { .created_us = call->now_us };
    char chip[17];
    enum base_status status = BASE_OK;
    if (record != NULL) {
        status = kms_check_record(call, asking, record, &unit, err);
    } else if (asking->lot.trust == KMS_TRUST_ATTESTED) {
        status = kms_refuse(call, KMS_PROBLEM_RECORD_MISSING,
            "lot %s wants the signed record of what was read back from the chip before it was "
            "restricted",
            asking->lot.id);
    }
    if (status != BASE_OK) {
        return status;
    }
    memcpy(unit.chip_id, asking->statement.chip_id, 8);
    memcpy(unit.public_key, asking->statement.public_key, 65);
    memcpy(unit.lot, asking->lot.id, sizeof(unit.lot));
    memcpy(unit.statement, asking->bytes, sizeof(unit.statement));
    memcpy(unit.station, call->station.name, sizeof(unit.station));
    memcpy(unit.spki_sha256, call->station.spki_sha256, 32);
    memcpy(unit.log_id, call->station.log_id, 32);
    memcpy(unit.tester, call->session.tester, sizeof(unit.tester));
    status = kms_unit_put(call->core->store, &unit, err);
    base_hex_encode(unit.chip_id, 8, chip);
    return status == BASE_OK ? kms_call_event(call, "unit.registered", unit.lot, chip, err)
                             : status;
}

static enum base_status register_checked(struct kms_call *call, const struct kms_asking *asking,
    const char *record, struct base_err *err)
{
    bool same = false;
    enum base_status status = check_entry(call, asking, record, &same, err);
    if (status == BASE_OK && !same) {
        status = kms_check_lot_open(call, &asking->lot);
        if (status == BASE_OK) {
            status = kms_check_claims(call, asking);
        }
        if (status == BASE_OK) {
            status = put_entry(call, asking, record, err);
        }
    }
    if (status != BASE_OK) {
        return status;
    }
    return kms_answer(call, same ? 200 : 201, json_pack("{s:b}", "repeated", same), err);
}

enum base_status kms_handle_register_unit(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "lot", "statement", "record" };
    if (call->session.role != KMS_ROLE_PERSONALISE || call->station.role != KMS_ROLE_PERSONALISE) {
        return kms_refuse(call, KMS_PROBLEM_ROLE,
            "only a personaliser at a personalising station may register units");
    }
    struct kms_asking asking = { .bytes = { 0 } };
    json_auto_t *body = NULL;
    const char *lot = NULL;
    const char *record = NULL;
    enum base_status status = kms_call_body(call, names, 3, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_text(body, "lot", KMS_ID_SIZE - 1, &lot, err) != BASE_OK ||
        (base_json_has(body, "record") &&
            base_json_get_lines(body, "record", KMS_NOTE_SIZE - 1, &record, err) != BASE_OK)) {
        return kms_refuse_body(call, err);
    }
    if (!base_name_valid(lot)) {
        return kms_refuse(call, KMS_PROBLEM_REQUEST_BAD, "the lot's name is malformed");
    }
    memcpy(call->args[0], lot, strlen(lot) + 1);
    status = kms_call_lot(call, &asking.lot, err);
    if (status == BASE_OK) {
        status = kms_read_statement(call, body, &asking, err);
    }
    return status == BASE_OK ? register_checked(call, &asking, record, err) : status;
}
