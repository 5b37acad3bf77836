/* SPDX-License-Identifier: Apache-2.0 */
/* Taking the keys off a board whose unit is at its end: an envelope that holds none, and its
 * receipt. No grant is made or changed by it. Needs only the certificate of a station. */
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/hex.h"
#include "kms/asking.h"
#include "kms/finishing.h"

/* Scrapping and retiring are final, so what the chip holds is of no use to anybody; as long as
 * anything of the chip is open or confirmed, nobody takes its keys off but by an order. */
static enum base_status check_ended(
    struct kms_call *call, const struct kms_grant *grant, struct base_err *err)
{
    struct kms_grant latest;
    enum base_status status = kms_grant_of_chip(call->core->store, grant->chip_id, &latest, err);
    if (status != BASE_OK) {
        return status;
    }
    bool ended = grant->state == KMS_GRANT_SCRAPPED || grant->state == KMS_GRANT_RETIRED;
    if (!ended || latest.state == KMS_GRANT_OPEN || latest.state == KMS_GRANT_CONFIRMED) {
        return kms_refuse(call, KMS_PROBLEM_NOT_SCRAPPED,
            "this board's unit is not scrapped; only an operator's order (lpa-kms unit zeroise) "
            "takes the keys off a unit that is in use");
    }
    return BASE_OK;
}

static enum base_status check_board(
    struct kms_call *call, const struct kms_grant *grant, const struct proto_statement *statement)
{
    if (memcmp(statement->chip_id, grant->chip_id, sizeof(grant->chip_id)) != 0 ||
        memcmp(statement->public_key, grant->public_key, sizeof(grant->public_key)) != 0) {
        return kms_refuse(call, KMS_PROBLEM_CHIP_KNOWN,
            "the statement is of another chip or device key than this grant was made for");
    }
    if (statement->vault_state == PROTO_VAULT_IDENTITY) {
        return kms_refuse(call, KMS_PROBLEM_STATEMENT_BAD,
            "the chip holds no keys: there is nothing to take off");
    }
    return BASE_OK;
}

static enum base_status answer_wipe(
    struct kms_call *call, const struct kms_wipe *wipe, bool repeated, struct base_err *err)
{
    char envelope[BASE_BASE64_SIZE(PROTO_ENVELOPE_SIZE)];
    base_base64_encode(wipe->envelope, sizeof(wipe->envelope), envelope);
    return kms_answer(call, repeated ? 200 : 201,
        json_pack(
            "{s:s, s:b, s:s}", "wipe_id", wipe->id, "repeated", repeated, "envelope", envelope),
        err);
}

/* The envelope's header names neither DevEUI nor JoinEUI: the record that it leaves holds none. */
static enum base_status make_wipe(struct kms_call *call, const struct kms_grant *ended,
    struct kms_asking *asking, struct base_err *err)
{
    struct kms_grant sealed = { .purpose = PROTO_PURPOSE_ZEROISE };
    struct kms_wipe wipe = { .created_us = call->now_us };
    asking->lot.lorawan = PROTO_LORAWAN_1_0;
    memcpy(sealed.public_key, asking->statement.public_key, sizeof(sealed.public_key));
    enum base_status status = kms_envelope_make(call, asking, &sealed, err);
    if (status != BASE_OK) {
        return status;
    }
    memcpy(wipe.id, sealed.id, sizeof(wipe.id));
    memcpy(wipe.grant_id, ended->id, sizeof(wipe.grant_id));
    memcpy(wipe.chip_id, asking->statement.chip_id, sizeof(wipe.chip_id));
    memcpy(wipe.public_key, sealed.public_key, sizeof(wipe.public_key));
    memcpy(wipe.nonce, asking->statement.nonce, sizeof(wipe.nonce));
    wipe.key_version = sealed.key_version;
    memcpy(wipe.statement, asking->bytes, sizeof(wipe.statement));
    memcpy(wipe.envelope, sealed.envelope, sizeof(wipe.envelope));
    memcpy(wipe.receipt_key_wrapped, sealed.receipt_key_wrapped, sizeof(wipe.receipt_key_wrapped));
    memcpy(wipe.station, call->station.name, sizeof(wipe.station));
    status = kms_wipe_insert(call->core->store, &wipe, err);
    if (status == BASE_OK) {
        status = kms_call_event(call, "wipe.issued", ended->lot, wipe.id, err);
    }
    return status == BASE_OK ? answer_wipe(call, &wipe, false, err) : status;
}

enum base_status kms_handle_wipe(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "statement" };
    json_auto_t *body = NULL;
    struct kms_grant grant;
    struct kms_wipe wipe;
    struct kms_asking asking = { .bytes = { 0 } };
    enum base_status status = kms_call_body(call, names, 1, &body, err);
    if (status == BASE_OK) {
        status = kms_call_grant(call, &grant, err);
    }
    if (status == BASE_OK) {
        status = check_ended(call, &grant, err);
    }
    if (status == BASE_OK) {
        status = kms_read_statement(call, body, &asking, err);
    }
    if (status == BASE_OK) {
        status = check_board(call, &grant, &asking.statement);
    }
    if (status != BASE_OK) {
        return status;
    }
    status = kms_wipe_by_statement(
        call->core->store, grant.chip_id, grant.public_key, asking.statement.nonce, &wipe, err);
    if (status == BASE_OK) {
        return answer_wipe(call, &wipe, true, err);
    }
    return status == BASE_E_NOTFOUND ? make_wipe(call, &grant, &asking, err) : status;
}

/* The envelope that the receipt names, which must be one made for this grant's device. */
static enum base_status find_wipe(struct kms_call *call, const struct kms_grant *grant,
    const uint8_t bytes[PROTO_RECEIPT_SIZE], struct kms_wipe *ret_wipe, struct base_err *err)
{
    struct proto_receipt receipt;
    char id[KMS_GRANT_ID_SIZE];
    enum proto_status decoded = proto_receipt_decode(bytes, PROTO_RECEIPT_SIZE, &receipt);
    if (decoded != PROTO_OK) {
        return kms_refuse(call, KMS_PROBLEM_RECEIPT_BAD, "the receipt does not decode: %s",
            proto_status_text(decoded));
    }
    base_hex_encode(receipt.envelope_id, sizeof(receipt.envelope_id), id);
    enum base_status status = kms_wipe_by_id(call->core->store, id, ret_wipe, err);
    bool fits = status == BASE_OK && memcmp(ret_wipe->chip_id, grant->chip_id, 8) == 0 &&
                memcmp(ret_wipe->public_key, grant->public_key, 65) == 0;
    if (status == BASE_E_NOTFOUND || (status == BASE_OK && !fits)) {
        return kms_refuse(call, KMS_PROBLEM_RECEIPT_BAD,
            "the receipt is of no envelope that wipes this grant's board");
    }
    return status;
}

/* Kept with the receipt, because the key under which the chip verifies it goes now. */
static enum base_status make_forget(
    struct kms_call *call, struct kms_wipe *wipe, struct base_err *err)
{
    struct base_secret key = { 0 };
    enum base_status status = kms_receipt_key(call, wipe->receipt_key_wrapped, &key, err);
    if (status == BASE_OK) {
        uint8_t body[PROTO_FORGET_BODY_SIZE];
        const struct base_part part = { body, sizeof(body) };
        proto_forget_body_encode(wipe->chip_id, (uint32_t)wipe->key_version, body);
        base_hmac_sha256(key.data, PROTO_MAC_SIZE, &part, 1, wipe->forget);
    }
    base_secret_done(&key);
    return status;
}

static enum base_status end_wipe(struct kms_call *call, const struct kms_grant *grant,
    struct kms_wipe *wipe, const uint8_t bytes[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    bool changed = false;
    const struct kms_sealed sealed = { .id = wipe->id,
        .chip_id = wipe->chip_id,
        .key_version = wipe->key_version,
        .purpose = PROTO_PURPOSE_ZEROISE,
        .envelope = wipe->envelope,
        .receipt_key_wrapped = wipe->receipt_key_wrapped };
    enum base_status status = kms_check_receipt(call, &sealed, bytes, PROTO_RECEIPT_SIZE, err);
    if (status == BASE_OK) {
        status = make_forget(call, wipe, err);
    }
    if (status == BASE_OK) {
        status = kms_wipe_end(call->core->store, wipe, bytes, call->now_us, &changed, err);
    }
    call->wiped = true;
    return status == BASE_OK ? kms_call_event(call, "wiped", grant->lot, grant->id, err) : status;
}

/* A wipe that ended before this KMS made confirmations has none. */
static enum base_status answer_wiped(
    struct kms_call *call, const struct kms_wipe *wipe, bool repeated, struct base_err *err)
{
    static const uint8_t none[PROTO_MAC_SIZE];
    char forget[BASE_BASE64_SIZE(PROTO_MAC_SIZE)];
    if (memcmp(wipe->forget, none, sizeof(none)) == 0) {
        return kms_answer(call, 200, json_pack("{s:b}", "repeated", repeated), err);
    }
    base_base64_encode(wipe->forget, sizeof(wipe->forget), forget);
    return kms_answer(
        call, 200, json_pack("{s:b, s:s}", "repeated", repeated, "forget", forget), err);
}

enum base_status kms_handle_wiped(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "receipt" };
    json_auto_t *body = NULL;
    struct kms_grant grant;
    struct kms_wipe wipe;
    uint8_t bytes[PROTO_RECEIPT_SIZE] = { 0 };
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
        status = find_wipe(call, &grant, bytes, &wipe, err);
    }
    bool repeated = status == BASE_OK && wipe.wiped_us != 0;
    if (repeated && !base_equal_ct(wipe.receipt, bytes, sizeof(bytes))) {
        return kms_refuse(call, KMS_PROBLEM_RECEIPT_BAD,
            "another receipt of this envelope came before; fetch it from the chip again");
    }
    if (status == BASE_OK && !repeated) {
        status = end_wipe(call, &grant, &wipe, bytes, err);
    }
    return status == BASE_OK ? answer_wiped(call, &wipe, repeated, err) : status;
}
