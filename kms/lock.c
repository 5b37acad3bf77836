/* SPDX-License-Identifier: Apache-2.0 */
/* The chip's own word that its port opens no more. Needs only the certificate of a station. */
#include <string.h>

#include "base/hash.h"
#include "base/hex.h"
#include "device-fw/protocol/messages.h"
#include "kms/finishing.h"

/* The lock key is drawn from the receipt key by its label. */
static enum base_status check_mac(struct kms_call *call, const struct kms_grant *grant,
    const uint8_t answer[PROTO_LOCK_ANSWER_SIZE], bool *ret_good, struct base_err *err)
{
    static const char label[] = PROTO_LABEL_LOCK;
    struct base_secret key = { 0 };
    struct base_secret lock_key = { 0 };
    enum base_status status = kms_receipt_key(call, grant->receipt_key_wrapped, &key, err);
    if (status == BASE_OK) {
        status = base_secret_init(&lock_key, PROTO_MAC_SIZE, err);
    }
    if (status == BASE_OK) {
        uint8_t mac[PROTO_MAC_SIZE];
        const struct base_part text = { label, sizeof(label) - 1 };
        const struct base_part body = { answer, PROTO_LOCK_BODY_SIZE };
        base_hmac_sha256(key.data, PROTO_MAC_SIZE, &text, 1, lock_key.data);
        base_hmac_sha256(lock_key.data, PROTO_MAC_SIZE, &body, 1, mac);
        *ret_good = base_equal_ct(mac, answer + PROTO_LOCK_BODY_SIZE, PROTO_MAC_SIZE);
        base_wipe(mac, sizeof(mac));
    }
    base_secret_done(&key);
    base_secret_done(&lock_key);
    return status;
}

/* The record that was locked must be the one that the receipt named. */
static bool fits(const struct proto_lock_answer *answer, const struct kms_grant *grant,
    const struct proto_receipt *receipt)
{
    char id[KMS_GRANT_ID_SIZE];
    base_hex_encode(answer->envelope_id, sizeof(answer->envelope_id), id);
    return strcmp(id, grant->id) == 0 && memcmp(answer->chip_id, grant->chip_id, 8) == 0 &&
           (int64_t)answer->key_version == grant->key_version &&
           memcmp(answer->record_hash, receipt->record_hash, sizeof(answer->record_hash)) == 0;
}

static enum base_status check_answer(struct kms_call *call, const struct kms_grant *grant,
    const uint8_t *bytes, size_t length, struct base_err *err)
{
    struct proto_lock_answer answer;
    struct proto_receipt receipt;
    uint8_t stored[PROTO_RECEIPT_SIZE];
    bool good = false;
    enum proto_status decoded = proto_lock_answer_decode(bytes, length, &answer);
    if (decoded != PROTO_OK) {
        return kms_refuse(call, KMS_PROBLEM_LOCK_BAD, "the lock answer does not decode: %s",
            proto_status_text(decoded));
    }
    enum base_status status = check_mac(call, grant, bytes, &good, err);
    if (status == BASE_OK) {
        status = kms_grant_receipt(call->core->store, grant->id, stored, err);
    }
    if (status == BASE_OK && proto_receipt_decode(stored, sizeof(stored), &receipt) != PROTO_OK) {
        status = base_err_set(err, BASE_E_CORRUPT, "KMS", 0,
            "the stored receipt of grant %s does not decode; restore a backup", grant->id);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (!good || !fits(&answer, grant, &receipt)) {
        return kms_refuse(call, KMS_PROBLEM_LOCK_BAD, "%s",
            good ? "the lock answer is about another record than this grant's receipt"
                 : "the lock answer's MAC does not fit this grant; is it another board's?");
    }
    return BASE_OK;
}

static enum base_status lock(struct kms_call *call, const struct kms_grant *grant,
    const uint8_t *bytes, bool *ret_changed, struct base_err *err)
{
    enum base_status status =
        kms_grant_lock(call->core->store, grant->id, bytes, call->now_us, ret_changed, err);
    return status == BASE_OK && *ret_changed
               ? kms_call_event(call, "locked", grant->lot, grant->id, err)
               : status;
}

enum base_status kms_handle_lock(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "answer" };
    json_auto_t *body = NULL;
    struct kms_grant grant;
    uint8_t bytes[PROTO_LOCK_ANSWER_SIZE];
    size_t length = 0;
    bool changed = false;
    enum base_status status = kms_call_body(call, names, 1, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_base64(body, "answer", sizeof(bytes), bytes, &length, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    status = kms_call_grant(call, &grant, err);
    if (status == BASE_OK) {
        status = kms_refuse_ended(call, &grant);
    }
    if (status == BASE_OK && grant.state == KMS_GRANT_OPEN) {
        return kms_refuse(call, KMS_PROBLEM_NOT_CONFIRMED,
            "this grant is open: hand in the receipt before the board is locked");
    }
    if (status == BASE_OK) {
        status = check_answer(call, &grant, bytes, length, err);
    }
    if (status == BASE_OK) {
        status = lock(call, &grant, bytes, &changed, err);
    }
    return status == BASE_OK ? kms_answer(call, 200, json_pack("{s:b}", "repeated", !changed), err)
                             : status;
}
