/* SPDX-License-Identifier: Apache-2.0 */
/* The KMS as witness of the stations' audit logs (C2SP tlog-witness semantics), and the proof that
 * a grant's intent stands in such a log. */
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "kms/call.h"

#define RECORD_MAX 16384U

static enum base_status read_proof(const json_t *object, const char *name,
    struct base_merkle_proof *ret_proof, struct base_err *err)
{
    json_t *array = NULL;
    enum base_status status =
        base_json_get_array(object, name, BASE_MERKLE_PROOF_MAX - 1, &array, err);
    if (status != BASE_OK) {
        return status;
    }
    memset(ret_proof, 0, sizeof(*ret_proof));
    ret_proof->count = json_array_size(array);
    for (size_t i = 0; i < ret_proof->count; i++) {
        const json_t *item = json_array_get(array, i);
        const char *text = json_string_value(item);
        size_t length = 0;
        if (text == NULL ||
            base_base64_decode(text, json_string_length(item), 32, ret_proof->hashes[i], &length,
                NULL) != BASE_OK ||
            length != 32) {
            return base_err_set(err, BASE_E_PROTO, "JSON", (int64_t)i,
                "element %zu of \"%s\" is not a base64 hash of 32 bytes", i, name);
        }
    }
    return BASE_OK;
}

/* Open a checkpoint signed by this station and, for intents, cosigned by this KMS. */
static enum base_status open_checkpoint(struct kms_call *call, const char *text, bool cosigned,
    struct base_checkpoint *ret_checkpoint, struct base_err *err)
{
    struct base_note_verifier verifiers[2];
    struct base_note_opened opened;
    enum base_status status = base_note_verifier_parse(call->station.log_vkey, &verifiers[0], err);
    if (status != BASE_OK) {
        return status;
    }
    verifiers[1] = call->core->keys->cosigner.verifier;
    status = base_note_open(text, strlen(text), verifiers, 2, &opened, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!opened.by[0].valid || (cosigned && !opened.by[1].valid)) {
        return base_err_set(err, BASE_E_VERIFY, "note", 0, "%s",
            opened.by[0].valid ? "the checkpoint lacks this KMS's cosignature"
                               : "the checkpoint is not signed by this station's log key");
    }
    struct base_checkpoint checkpoint;
    status = base_checkpoint_parse(text, opened.body_length, &checkpoint, err);
    if (status == BASE_OK && strcmp(checkpoint.origin, verifiers[0].name) != 0) {
        return base_err_set(err, BASE_E_VERIFY, "note", 0,
            "the checkpoint's origin is not the name of this station's log key");
    }
    if (status == BASE_OK) {
        *ret_checkpoint = checkpoint;
    }
    return status;
}

static enum base_status refuse_stale(struct kms_call *call, uint64_t size, struct base_err *err)
{
    kms_call_problem(call, KMS_PROBLEM_STALE,
        "this KMS cosigned size %llu of this log; prove consistency from there",
        (unsigned long long)size);
    /* The problem document carries the size, so that the station can go on from it. */
    return kms_refuse_number(call, "size", (int64_t)size, err);
}

static enum base_status cosign(struct kms_call *call, const char *checkpoint, size_t body_length,
    uint64_t size, struct base_err *err)
{
    struct base_buf line;
    base_buf_init(&line, KMS_NOTE_SIZE);
    enum base_status status = base_note_sign_line(&call->core->keys->cosigner, checkpoint,
        body_length, (uint64_t)(call->now_us / 1000000), &line, err);
    if (status == BASE_OK) {
        json_t *object = json_pack("{s:s#, s:I}", "cosignature", (const char *)line.data,
            (int)line.length, "size", (json_int_t)size);
        status = kms_answer(call, 200, object, err);
    }
    base_buf_done(&line);
    return status;
}

static size_t body_length_of(const char *note)
{
    const char *end = strstr(note, "\n\n");
    return end == NULL ? 0 : (size_t)(end - note) + 1;
}

/* The station's log as this KMS knows it; size 0 when it is new. */
static enum base_status known_log(
    struct kms_call *call, struct kms_log *ret_log, struct base_err *err)
{
    struct kms_log log = { .origin = "" };
    enum base_status status = kms_log_get(call->core->store, call->station.log_id, &log, err);
    if (status == BASE_E_NOTFOUND) {
        memcpy(log.log_id, call->station.log_id, sizeof(log.log_id));
        struct base_merkle_range empty = { 0 };
        base_merkle_range_root(&empty, log.head.root);
        status = BASE_OK;
    }
    if (status == BASE_OK) {
        *ret_log = log;
    }
    return status;
}

static enum base_status advance(struct kms_call *call, struct kms_log *log,
    const struct base_checkpoint *checkpoint, const char *text, struct base_err *err)
{
    uint64_t old_size = log->head.size;
    bool advanced = false;
    memcpy(log->origin, checkpoint->origin, sizeof(log->origin));
    log->head = checkpoint->head;
    enum base_status status =
        kms_log_advance(call->core->store, log, old_size, text, call->now_us, &advanced, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!advanced) {
        return base_err_set(err, BASE_E_BUSY, "KMS", 0, "another node moved this log on");
    }
    call->core->metrics.cosigned++;
    return cosign(call, text, body_length_of(text), checkpoint->head.size, err);
}

enum base_status kms_handle_checkpoint(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "old_size", "proof", "checkpoint" };
    json_auto_t *body = NULL;
    enum base_status status = kms_call_body(call, names, 3, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    int64_t old_size = 0;
    const char *text = NULL;
    struct base_merkle_proof proof;
    if (base_json_get_int(body, "old_size", 0, BASE_JSON_INT_MAX, &old_size, err) != BASE_OK ||
        read_proof(body, "proof", &proof, err) != BASE_OK ||
        base_json_get_lines(body, "checkpoint", KMS_NOTE_SIZE - 1, &text, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    struct base_checkpoint checkpoint = { .origin = "" };
    struct kms_log log;
    if (open_checkpoint(call, text, false, &checkpoint, err) != BASE_OK ||
        checkpoint.head.size > (uint64_t)BASE_JSON_INT_MAX) {
        base_err_clear(err);
        return kms_refuse(call, KMS_PROBLEM_CHECKPOINT_BAD,
            "the checkpoint is not one of station %s's log; was the log key replaced?",
            call->station.name);
    }
    status = known_log(call, &log, err);
    if (status != BASE_OK) {
        return status;
    }
    if ((uint64_t)old_size != log.head.size) {
        return refuse_stale(call, log.head.size, err);
    }
    if (checkpoint.head.size < log.head.size ||
        base_merkle_verify_consistency(&log.head, &checkpoint.head, &proof, err) != BASE_OK) {
        base_err_clear(err);
        return kms_refuse(call, KMS_PROBLEM_INCONSISTENT,
            "the log of station %s does not continue what this KMS cosigned at size %llu: it was "
            "rolled back or forked; stop and have it examined",
            call->station.name, (unsigned long long)log.head.size);
    }
    return advance(call, &log, &checkpoint, text, err);
}

/* A text member of an object member. */
static enum base_status get_nested(const json_t *object, const char *group, const char *name,
    const char **ret_text, struct base_err *err)
{
    json_t *inner = NULL;
    enum base_status status = base_json_get_object(object, group, &inner, err);
    return status == BASE_OK ? base_json_get_text(inner, name, KMS_ID_SIZE - 1, ret_text, err)
                             : status;
}

struct request_of_intent {
    const char *lot;
    const char *origin;
    const uint8_t *statement_sha256;
    uint64_t index;
};

/* The record must be the intent for exactly this statement in this lot, at its place in this log.
 */
static enum base_status check_record(
    const json_t *record, const struct request_of_intent *request, struct base_err *err)
{
    const char *event = NULL;
    const char *origin = NULL;
    const char *lot = NULL;
    const char *digest = NULL;
    int64_t sequence = 0;
    char expected[BASE_BASE64_SIZE(32)];
    base_base64url_encode(request->statement_sha256, 32, expected);
    enum base_status status = base_json_get_text(record, "ev", 64, &event, err);
    if (status == BASE_OK) {
        status = base_json_get_text(record, "log", BASE_NOTE_NAME_SIZE, &origin, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(record, "seq", 0, BASE_JSON_INT_MAX, &sequence, err);
    }
    if (status == BASE_OK) {
        status = get_nested(record, "lot", "id", &lot, err);
    }
    if (status == BASE_OK) {
        status = get_nested(record, "x", "statement_sha256", &digest, err);
    }
    if (status == BASE_OK &&
        (strcmp(event, "key.request") != 0 || strcmp(lot, request->lot) != 0 ||
            strcmp(origin, request->origin) != 0 || strcmp(digest, expected) != 0 ||
            (uint64_t)sequence != request->index)) {
        status = base_err_set(err, BASE_E_VERIFY, "KMS", sequence,
            "the record is not the intent of this very request");
    }
    return status;
}

struct intent {
    uint8_t record[RECORD_MAX];
    size_t record_length;
    int64_t index;
    const char *checkpoint;
    struct base_merkle_proof proof;
};

static enum base_status read_intent(
    const json_t *body, struct intent *ret_intent, struct base_err *err)
{
    static const char *const names[] = { "record", "index", "proof", "checkpoint" };
    json_t *object = NULL;
    enum base_status status = base_json_get_object(body, "intent", &object, err);
    if (status == BASE_OK) {
        status = base_json_only(object, names, 4, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_base64(
            object, "record", RECORD_MAX, ret_intent->record, &ret_intent->record_length, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_int(object, "index", 0, BASE_JSON_INT_MAX, &ret_intent->index, err);
    }
    if (status == BASE_OK) {
        status = read_proof(object, "proof", &ret_intent->proof, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_lines(
            object, "checkpoint", KMS_NOTE_SIZE - 1, &ret_intent->checkpoint, err);
    }
    return status;
}

static enum base_status verify_intent(struct kms_call *call, const struct intent *intent,
    const char *lot, const uint8_t statement_sha256[32], struct base_err *err)
{
    struct base_checkpoint checkpoint = { .origin = "" };
    uint8_t leaf[32];
    enum base_status status = open_checkpoint(call, intent->checkpoint, true, &checkpoint, err);
    if (status == BASE_OK) {
        base_merkle_leaf(intent->record, intent->record_length, leaf);
        status = base_merkle_verify_inclusion(leaf, (uint64_t)intent->index, checkpoint.head.size,
            &intent->proof, checkpoint.head.root, err);
    }
    json_t *record = NULL;
    if (status == BASE_OK) {
        status = base_json_parse(intent->record, intent->record_length, RECORD_MAX, &record, err);
    }
    if (status == BASE_OK) {
        const struct request_of_intent request = {
            .lot = lot,
            .origin = checkpoint.origin,
            .statement_sha256 = statement_sha256,
            .index = (uint64_t)intent->index,
        };
        status = check_record(record, &request, err);
    }
    json_decref(record);
    return status;
}

enum base_status kms_intent_check(struct kms_call *call, const json_t *body, const char *lot,
    const uint8_t statement_sha256[32], uint8_t ret_record_sha256[32], struct base_err *err)
{
    if (!base_json_has(body, "intent")) {
        return kms_refuse(call, KMS_PROBLEM_INTENT_MISSING,
            "no intent record came with the request: record it in the audit log first");
    }
    struct intent intent;
    if (read_intent(body, &intent, err) != BASE_OK) {
        return kms_refuse_body(call, err);
    }
    enum base_status status = verify_intent(call, &intent, lot, statement_sha256, err);
    if (status == BASE_E_INTERNAL || status == BASE_E_NOMEM) {
        return status;
    }
    if (status != BASE_OK) {
        status = kms_refuse(call, KMS_PROBLEM_INTENT_MISSING,
            "the intent is not proved: %s; have the log cosigned, then ask again", err->message);
        base_err_clear(err);
        return status;
    }
    base_sha256(intent.record, intent.record_length, ret_record_sha256);
    return BASE_OK;
}
