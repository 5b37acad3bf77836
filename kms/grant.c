/* SPDX-License-Identifier: Apache-2.0 */
/* Granting keys to a unit: the rules of lpa(7), "A unit's life". */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/hex.h"
#include "kms/asking.h"
#include "kms/finishing.h"
#include "kms/signed.h"

/* --- grants already made for this chip or key --- */

static enum base_status answer_grant(
    struct kms_call *call, const struct kms_grant *grant, bool repeated, struct base_err *err)
{
    char envelope[BASE_BASE64_SIZE(PROTO_ENVELOPE_SIZE)];
    base_base64_encode(grant->envelope, sizeof(grant->envelope), envelope);
    json_t *object = json_object();
    enum base_status status = kms_grant_json(grant, object, err);
    json_t *more = json_pack("{s:s, s:s, s:b, s:s, s:s}", "work", kms_work_name(grant->purpose),
        "device_trust", kms_trust_name(grant->device_trust), "repeated", repeated, "envelope",
        envelope, "signed_grant", grant->note);
    if (status == BASE_OK && (more == NULL || json_object_update(object, more) != 0)) {
        status = base_err_set(err, BASE_E_NOMEM, "JSON", 0, "out of memory for a grant");
    }
    json_decref(more);
    if (status != BASE_OK) {
        json_decref(object);
        return status;
    }
    return kms_answer(call, repeated ? 200 : 201, object, err);
}

/* Rule 2: the same chip, key and nonce get the same bytes, whatever became of quota and lot. */
static enum base_status answer_repeat(struct kms_call *call, const struct kms_asking *asking,
    const struct kms_grant *grant, struct base_err *err)
{
    enum base_status status = kms_refuse_ended(call, grant);
    if (status != BASE_OK) {
        return status;
    }
    if (strcmp(grant->lot, asking->lot.id) != 0) {
        return kms_refuse(call, KMS_PROBLEM_UNIT_ELSEWHERE,
            "this chip is being provisioned in lot %s; finish it there", grant->lot);
    }
    call->core->metrics.grants_repeated++;
    return answer_grant(call, grant, true, err);
}

/* A grant of this chip that is open or confirmed leaves room for one thing only: an order. */
static enum base_status check_live(struct kms_call *call, struct kms_asking *asking,
    const struct kms_grant *grant, struct base_err *err)
{
    if (memcmp(grant->public_key, asking->statement.public_key, 65) != 0) {
        return kms_refuse(call, KMS_PROBLEM_CHIP_KNOWN,
            "this chip has a grant for another device key in lot %s; that grant must be scrapped "
            "first",
            grant->lot);
    }
    if (strcmp(grant->lot, asking->lot.id) != 0) {
        return kms_refuse(call, KMS_PROBLEM_UNIT_ELSEWHERE,
            "this chip belongs to lot %s; finish it there", grant->lot);
    }
    if (grant->state == KMS_GRANT_OPEN) {
        return kms_refuse(call, KMS_PROBLEM_RECEIPT_FIRST,
            "a grant of this chip is open: fetch the receipt from the chip and hand it in");
    }
    return kms_check_order(call, grant, asking, err);
}

/* After scrapping: a key that was scrapped is never granted again, whatever key came after it;
 * another key may be, by another party in production. */
static enum base_status check_scrapped(struct kms_call *call, const struct kms_asking *asking,
    const struct kms_grant *grant, struct base_err *err)
{
    bool scrapped = false;
    enum base_status status = kms_grant_key_scrapped(
        call->core->store, asking->statement.public_key, asking->statement.chip_id, &scrapped, err);
    if (status != BASE_OK) {
        return status;
    }
    if (scrapped) {
        return kms_refuse(call, KMS_PROBLEM_GRANT_SCRAPPED,
            "the grant of this chip was scrapped, which is final; set the board aside");
    }
    if (!call->core->policy.development && strcmp(grant->scrapped_by, call->station.name) == 0) {
        return kms_refuse(call, KMS_PROBLEM_SAME_PARTY,
            "this station scrapped the chip's last grant; another station must go on");
    }
    return BASE_OK;
}

static enum base_status check_by_state(struct kms_call *call, struct kms_asking *asking,
    const struct kms_grant *grant, struct base_err *err)
{
    if (grant->state == KMS_GRANT_OPEN || grant->state == KMS_GRANT_CONFIRMED) {
        return check_live(call, asking, grant, err);
    }
    if (grant->state == KMS_GRANT_SCRAPPED) {
        return check_scrapped(call, asking, grant, err);
    }
    return kms_refuse_ended(call, grant);
}

/* Rules 3 and 4. @p ret_done true when the call is answered. */
static enum base_status check_earlier(
    struct kms_call *call, struct kms_asking *asking, bool *ret_done, struct base_err *err)
{
    const struct proto_statement *statement = &asking->statement;
    struct kms_grant grant;
    enum base_status status = kms_grant_by_statement(call->core->store, statement->chip_id,
        statement->public_key, statement->nonce, &grant, err);
    if (status == BASE_OK) {
        *ret_done = true;
        return answer_repeat(call, asking, &grant, err);
    }
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    *ret_done = false;
    status = kms_grant_of_chip(call->core->store, statement->chip_id, &grant, err);
    if (status == BASE_OK) {
        status = check_by_state(call, asking, &grant, err);
    }
    if (status != BASE_OK && status != BASE_E_NOTFOUND) {
        return status;
    }
    bool elsewhere = false;
    status = kms_grant_key_elsewhere(
        call->core->store, statement->public_key, statement->chip_id, &elsewhere, err);
    if (status == BASE_OK && elsewhere) {
        return kms_refuse(call, KMS_PROBLEM_CHIP_KNOWN,
            "this device key was granted to another chip: one of the two is a copy; set both "
            "aside");
    }
    if (status == BASE_OK && !asking->ordered && statement->vault_state != PROTO_VAULT_IDENTITY) {
        return kms_refuse(call, KMS_PROBLEM_REWORK_NEEDED,
            "the chip holds keys that this KMS knows nothing of; new keys need a rework order");
    }
    return status;
}

/* --- trust --- */

static enum base_status check_party(struct kms_call *call, const struct kms_unit *unit)
{
    const struct kms_station *station = &call->station;
    if (strcmp(unit->station, station->name) == 0 ||
        memcmp(unit->spki_sha256, station->spki_sha256, 32) == 0 ||
        memcmp(unit->log_id, station->log_id, 32) == 0 ||
        strcmp(unit->tester, call->session.tester) == 0 ||
        strcmp(unit->record_tester, call->session.tester) == 0) {
        return kms_refuse(call, KMS_PROBLEM_SAME_PARTY,
            "this station or tester personalised the unit itself; another party must provision it");
    }
    return BASE_OK;
}

/* The record was verified when it came; its permit may have been revoked since. */
static enum base_status check_attested(
    struct kms_call *call, const struct kms_unit *unit, struct base_err *err)
{
    if (unit->record[0] == '\0') {
        return kms_refuse(call, KMS_PROBLEM_RECORD_MISSING,
            "this chip was registered without the signed record that lot %s wants; have it "
            "personalised again",
            unit->lot);
    }
    return kms_check_permit(call, unit->lot, unit->permit, NULL, err);
}

/* Rule 8. */
static enum base_status check_trust(
    struct kms_call *call, const struct kms_asking *asking, struct base_err *err)
{
    struct kms_unit unit;
    enum base_status status =
        kms_unit_get(call->core->store, asking->statement.chip_id, &unit, err);
    if (status == BASE_E_NOTFOUND) {
        return asking->lot.trust == KMS_TRUST_TOFU
                   ? BASE_OK
                   : kms_refuse(call, KMS_PROBLEM_NOT_REGISTERED,
                         "this chip is not registered for lot %s; have it personalised first",
                         asking->lot.id);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (memcmp(unit.public_key, asking->statement.public_key, sizeof(unit.public_key)) != 0) {
        return kms_refuse(call, KMS_PROBLEM_CHIP_KNOWN,
            "this chip is registered with another device key; have it personalised again");
    }
    if (asking->lot.trust == KMS_TRUST_TOFU) {
        return BASE_OK;
    }
    if (strcmp(unit.lot, asking->lot.id) != 0) {
        return kms_refuse(call, KMS_PROBLEM_NOT_REGISTERED,
            "this chip is registered for lot %s, not for lot %s", unit.lot, asking->lot.id);
    }
    status = check_party(call, &unit);
    return status == BASE_OK && asking->lot.trust == KMS_TRUST_ATTESTED
               ? check_attested(call, &unit, err)
               : status;
}

/* --- a new grant --- */

/* Slows a station that lies in a lot of first-use trust, so that people have time to see it. */
static enum base_status check_rate(
    struct kms_call *call, const struct kms_lot *lot, struct base_err *err)
{
    int64_t at_us = 0;
    enum base_status status = kms_lot_rate(call->core->store, lot, call->now_us, &at_us, err);
    if (status != BASE_OK || at_us == 0) {
        return status;
    }
    int64_t wait_s = (at_us - call->now_us + 999999) / 1000000;
    kms_call_problem(call, KMS_PROBLEM_RATE_LIMITED,
        "lot %s gives %lld grants an hour, and these are made: the next one in %lld minutes",
        lot->id, (long long)lot->rate, (long long)((wait_s + 59) / 60));
    call->response->retry_after_s = wait_s;
    return kms_refuse_number(call, "retry_after_s", wait_s, err);
}

static enum base_status take_quota(
    struct kms_call *call, const struct kms_lot *lot, struct base_err *err)
{
    int64_t good = 0;
    bool taken = false;
    enum base_status status = kms_lot_good(call->core->store, lot, &good, err);
    if (status == BASE_OK && good >= lot->target) {
        return kms_refuse(call, KMS_PROBLEM_QUOTA_USED_UP,
            "lot %s wants %lld good units and has that many open or confirmed", lot->id,
            (long long)lot->target);
    }
    if (status == BASE_OK && lot->granted < lot->allowance) {
        status = check_rate(call, lot, err);
    }
    if (status == BASE_OK) {
        status = kms_lot_take(call->core->store, lot->id, &taken, err);
    }
    if (status == BASE_OK && !taken) {
        return kms_refuse(call, KMS_PROBLEM_QUOTA_USED_UP,
            "lot %s has made all of its %lld grants; ask the KMS's operator", lot->id,
            (long long)lot->allowance);
    }
    return status;
}

static enum base_status next_version(struct kms_call *call, const struct kms_asking *asking,
    uint32_t *ret_version, struct base_err *err)
{
    int64_t highest = 0;
    enum base_status status =
        kms_grant_highest_version(call->core->store, asking->statement.chip_id, &highest, err);
    if (status != BASE_OK) {
        return status;
    }
    if (highest < asking->statement.key_version) {
        highest = asking->statement.key_version;
    }
    if (highest >= UINT32_MAX) {
        return kms_refuse(call, KMS_PROBLEM_STATEMENT_BAD,
            "the chip's key version counter is at its end; set the board aside");
    }
    *ret_version = (uint32_t)highest + 1;
    return BASE_OK;
}

static void write_header(const struct kms_call *call, const struct kms_asking *asking,
    const uint8_t envelope_id[16], uint32_t version, struct kms_grant *grant)
{
    struct proto_envelope_header header = {
        .purpose = grant->purpose,
        .lorawan_version = asking->lot.lorawan,
        .keys = grant->purpose == PROTO_PURPOSE_ZEROISE    ? 0
                : asking->lot.lorawan == PROTO_LORAWAN_1_1 ? PROTO_KEY_NWK | PROTO_KEY_APP
                                                           : PROTO_KEY_APP,
        .key_version = version,
    };
    memcpy(header.envelope_id, envelope_id, sizeof(header.envelope_id));
    memcpy(header.chip_id, asking->statement.chip_id, sizeof(header.chip_id));
    memcpy(header.dev_eui, grant->dev_eui, sizeof(header.dev_eui));
    memcpy(header.join_eui, asking->lot.join_eui, sizeof(header.join_eui));
    memcpy(header.nonce, asking->statement.nonce, sizeof(header.nonce));
    memcpy(header.authority_key_id, call->core->keys->authority_key_id,
        sizeof(header.authority_key_id));
    proto_envelope_header_encode(&header, grant->envelope);
}

/* Roots and receipt key are in clear only in this function's locked memory. */
static enum base_status seal_envelope(struct kms_call *call, const struct kms_asking *asking,
    struct kms_grant *grant, struct base_err *err)
{
    struct kms_keystore *keys = call->core->keys;
    struct base_secret secret = { 0 };
    enum base_status status =
        base_secret_init(&secret, PROTO_ENVELOPE_PLAIN_SIZE + PROTO_MAC_SIZE, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t *roots = secret.data; /* NwkKey, AppKey; an absent key is zeros */
    uint8_t *receipt_key = secret.data + PROTO_ENVELOPE_PLAIN_SIZE;
    bool any = grant->purpose != PROTO_PURPOSE_ZEROISE;
    size_t skip = asking->lot.lorawan == PROTO_LORAWAN_1_1 ? 0 : PROTO_ROOT_KEY_SIZE;
    memset(roots, 0, PROTO_ENVELOPE_PLAIN_SIZE);
    if (any) {
        status =
            base_random_fill(keys->random, roots + skip, PROTO_ENVELOPE_PLAIN_SIZE - skip, err);
    }
    if (status == BASE_OK) {
        status =
            kms_keystore_seal(keys, grant->public_key, roots, grant->envelope, receipt_key, err);
    }
    if (status == BASE_OK && any) {
        status =
            kms_keystore_wrap(keys, roots, PROTO_ENVELOPE_PLAIN_SIZE, grant->roots_wrapped, err);
    }
    if (status == BASE_OK) {
        status =
            kms_keystore_wrap(keys, receipt_key, PROTO_MAC_SIZE, grant->receipt_key_wrapped, err);
    }
    base_secret_done(&secret);
    return status;
}

enum base_status kms_envelope_make(struct kms_call *call, const struct kms_asking *asking,
    struct kms_grant *grant, struct base_err *err)
{
    uint8_t envelope_id[PROTO_ENVELOPE_ID_SIZE];
    uint32_t version = 0;
    enum base_status status = next_version(call, asking, &version, err);
    if (status == BASE_OK) {
        status = base_random_fill(call->core->random, envelope_id, sizeof(envelope_id), err);
    }
    if (status != BASE_OK) {
        return status;
    }
    grant->key_version = version;
    base_hex_encode(envelope_id, sizeof(envelope_id), grant->id);
    write_header(call, asking, envelope_id, version, grant);
    return seal_envelope(call, asking, grant, err);
}

/* "lpa grant v1", a line of canonical JSON; signed. No key material. */
static enum base_status sign_grant(struct kms_call *call, const struct kms_asking *asking,
    struct kms_grant *grant, struct base_err *err)
{
    char digests[3][65];
    uint8_t hash[32];
    base_sha256(grant->envelope, sizeof(grant->envelope), hash);
    base_hex_encode(hash, 32, digests[0]);
    base_hex_encode(asking->sha256, 32, digests[1]);
    base_hex_encode(asking->intent_sha256, 32, digests[2]);
    json_auto_t *object = json_object();
    struct base_buf note;
    base_buf_init(&note, KMS_NOTE_SIZE - 1);
    enum base_status status = kms_grant_json(grant, object, err);
    json_auto_t *more = json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "device_trust",
        kms_trust_name(grant->device_trust), "development", call->core->policy.development,
        "envelope_sha256", digests[0], "statement_sha256", digests[1], "intent_sha256", digests[2],
        "station", grant->station, "tester", grant->tester, "granted_us", (json_int_t)call->now_us,
        "unattended", grant->unattended);
    if (status == BASE_OK && (more == NULL || json_object_update(object, more) != 0)) {
        status = base_err_set(err, BASE_E_NOMEM, "JSON", 0, "out of memory for a grant");
    }
    if (status == BASE_OK) {
        status = kms_sign_json(call->core->keys, "lpa grant v1", object, call->now_us, &note, err);
    }
    if (status == BASE_OK) {
        memcpy(grant->note, note.data, note.length);
        grant->note[note.length] = '\0';
    }
    base_buf_done(&note);
    return status;
}

static void describe(
    const struct kms_call *call, const struct kms_asking *asking, struct kms_grant *grant)
{
    memcpy(grant->lot, asking->lot.id, sizeof(grant->lot));
    memcpy(grant->chip_id, asking->statement.chip_id, 8);
    memcpy(grant->public_key, asking->statement.public_key, 65);
    memcpy(grant->nonce, asking->statement.nonce, 16);
    if (asking->ordered) {
        memcpy(grant->dev_eui, asking->dev_eui, sizeof(grant->dev_eui));
        memcpy(grant->order_id, asking->order.id, sizeof(grant->order_id));
        grant->purpose = asking->order.purpose;
    } else {
        /* granted was read before kms_lot_take() raised it, in the same transaction */
        kms_eui_bytes(asking->lot.deveui_first + (uint64_t)asking->lot.granted, grant->dev_eui);
        grant->purpose = PROTO_PURPOSE_INSTALL;
    }
    grant->state = KMS_GRANT_OPEN;
    grant->device_trust = asking->lot.trust;
    grant->unattended = call->session.unattended;
    memcpy(grant->station, call->station.name, sizeof(grant->station));
    memcpy(grant->tester, call->session.tester, sizeof(grant->tester));
    memcpy(grant->statement, asking->bytes, sizeof(grant->statement));
    memcpy(grant->intent_sha256, asking->intent_sha256, 32);
    grant->created_us = call->now_us;
}

static enum base_status make_grant(
    struct kms_call *call, const struct kms_asking *asking, struct base_err *err)
{
    struct kms_grant grant = { .id = "" };
    describe(call, asking, &grant);
    enum base_status status = kms_envelope_make(call, asking, &grant, err);
    if (status == BASE_OK) {
        status = sign_grant(call, asking, &grant, err);
    }
    if (status == BASE_OK) {
        status = kms_grant_insert(call->core->store, &grant, err);
    }
    if (status == BASE_OK) {
        status = kms_call_event(
            call, grant.unattended ? "grant.unattended" : "grant", grant.lot, grant.id, err);
    }
    if (status == BASE_OK) {
        status = answer_grant(call, &grant, false, err);
    }
    if (status == BASE_OK) {
        call->core->metrics.grants++;
    }
    return status;
}

/* An order serves once. It stands beyond the lot's end, and takes nothing of its quota: the DevEUI
 * has been given. */
static enum base_status use_order(
    struct kms_call *call, const struct kms_asking *asking, struct base_err *err)
{
    bool changed = false;
    enum base_status status =
        kms_order_end(call->core->store, asking->order.id, call->now_us, &changed, err);
    return status == BASE_OK && !changed
               ? base_err_set(err, BASE_E_BUSY, "KMS", 0, "another node used this order")
               : status;
}

static enum base_status grant_checked(
    struct kms_call *call, struct kms_asking *asking, struct base_err *err)
{
    bool done = false;
    enum base_status status = check_earlier(call, asking, &done, err);
    if (status != BASE_OK || done) {
        return status;
    }
    status = asking->ordered ? kms_check_attendance(call, &asking->lot)
                             : kms_check_lot_open(call, &asking->lot);
    if (status == BASE_OK) {
        status = kms_check_claims(call, asking);
    }
    if (status == BASE_OK) {
        status = check_trust(call, asking, err);
    }
    if (status == BASE_OK) {
        status =
            asking->ordered ? use_order(call, asking, err) : take_quota(call, &asking->lot, err);
    }
    return status == BASE_OK ? make_grant(call, asking, err) : status;
}

static enum base_status try_grant(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "statement", "intent" };
    if (call->session.role != KMS_ROLE_PROVISION) {
        return kms_refuse(call, KMS_PROBLEM_ROLE,
            "tester %s is a personaliser and may not ask for grants", call->session.tester);
    }
    struct kms_asking asking = { .bytes = { 0 } };
    json_auto_t *body = NULL;
    enum base_status status = kms_call_body(call, names, 2, &body, err);
    if (status == BASE_OK) {
        status = kms_call_lot(call, &asking.lot, err);
    }
    if (status == BASE_OK) {
        status = kms_read_statement(call, body, &asking, err);
    }
    if (status == BASE_OK) {
        status =
            kms_intent_check(call, body, asking.lot.id, asking.sha256, asking.intent_sha256, err);
    }
    return status == BASE_OK ? grant_checked(call, &asking, err) : status;
}

enum base_status kms_handle_grant(struct kms_call *call, struct base_err *err)
{
    enum base_status status = try_grant(call, err);
    if (status == BASE_E_DENIED) {
        call->core->metrics.grants_refused++;
    }
    return status;
}
