/* SPDX-License-Identifier: Apache-2.0 */
/* The calls about lots, units, grants and the log: requests, and which answer is read how. */
#include <stdio.h>
#include <string.h>

#include "auth/kms_private.h"
#include "base/base64.h"
#include "base/hex.h"

#define PATH_SIZE 256

static enum base_status check_id(const char *text, const char *what, struct base_err *err)
{
    return base_name_valid(text) ? BASE_OK
                                 : base_err_set(err, BASE_E_ARG, "KMS", 0,
                                       "a %s is 1 to 64 of A-Z a-z 0-9 . _ -", what);
}

enum base_status auth_kms_get_lot(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, struct auth_lot *ret_lot, struct base_err *err)
{
    char path[PATH_SIZE];
    json_auto_t *answer = NULL;
    enum base_status status = check_id(lot, "lot's name", err);
    if (status != BASE_OK) {
        return status;
    }
    (void)snprintf(path, sizeof(path), "/v1/lots/%s", lot);
    const struct auth_api_call call = { .method = AUTH_HTTP_GET, .path = path, .session = session };
    status = auth_kms_call(kms, &call, &answer, err);
    if (status == BASE_OK && auth_kms_read_lot(answer, ret_lot, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    return status;
}

enum base_status auth_kms_get_unit(struct auth_kms *kms, const char *lot, const uint8_t chip_id[8],
    struct auth_unit *ret_unit, struct base_err *err)
{
    char path[PATH_SIZE];
    char chip[17];
    uint8_t answered[8];
    struct auth_unit unit;
    json_auto_t *answer = NULL;
    enum base_status status = check_id(lot, "lot's name", err);
    if (status != BASE_OK) {
        return status;
    }
    base_hex_encode(chip_id, 8, chip);
    (void)snprintf(path, sizeof(path), "/v1/lots/%s/units/%s", lot, chip);
    const struct auth_api_call call = { .method = AUTH_HTTP_GET, .path = path };
    status = auth_kms_call(kms, &call, &answer, err);
    if (status != BASE_OK) {
        return status;
    }
    if (auth_kms_read_unit(answer, answered, &unit, err) != BASE_OK ||
        memcmp(answered, chip_id, 8) != 0) {
        return auth_kms_odd_answer(err);
    }
    *ret_unit = unit;
    return BASE_OK;
}

/* One page; @p next gets the hex chip id to go on after, or "". */
static enum base_status list_page(struct auth_kms *kms, const char *path, auth_unit_fn *each,
    void *user, char next[17], struct base_err *err)
{
    json_auto_t *answer = NULL;
    json_t *units = NULL;
    const struct auth_api_call call = { .method = AUTH_HTTP_GET, .path = path };
    enum base_status status = auth_kms_call(kms, &call, &answer, err);
    if (status != BASE_OK) {
        return status;
    }
    next[0] = '\0';
    if (base_json_get_array(answer, "units", 1000, &units, err) != BASE_OK ||
        (base_json_has(answer, "next") &&
            base_json_copy_text(answer, "next", 17, next, err) != BASE_OK)) {
        return auth_kms_odd_answer(err);
    }
    for (size_t i = 0; i < json_array_size(units); i++) {
        struct auth_unit unit;
        uint8_t chip_id[8];
        if (auth_kms_read_unit(json_array_get(units, i), chip_id, &unit, err) != BASE_OK) {
            return auth_kms_odd_answer(err);
        }
        status = each(user, chip_id, &unit);
        if (status != BASE_OK) {
            return base_err_set(
                err, status, "KMS", (int64_t)i, "the list of open grants was not taken");
        }
    }
    return BASE_OK;
}

enum base_status auth_kms_list_open(
    struct auth_kms *kms, const char *lot, auth_unit_fn *each, void *user, struct base_err *err)
{
    char path[PATH_SIZE];
    char next[17] = "";
    char before[17] = "";
    enum base_status status = check_id(lot, "lot's name", err);
    while (status == BASE_OK) {
        (void)snprintf(path, sizeof(path), "/v1/lots/%s/grants?state=open%s%s", lot,
            next[0] != '\0' ? "&after=" : "", next);
        memcpy(before, next, sizeof(before));
        status = list_page(kms, path, each, user, next, err);
        /* chip ids rise from page to page; an answer that goes back would go on for ever */
        if (status != BASE_OK || next[0] == '\0') {
            return status;
        }
        if (strcmp(next, before) <= 0) {
            return auth_kms_odd_answer(err);
        }
    }
    return status;
}

static json_t *statement_body(
    const uint8_t *statement, size_t length, struct base_err *err, enum base_status *ret_status)
{
    json_t *body = json_object();
    *ret_status = base_json_set_base64(body, "statement", statement, length, err);
    return body;
}

enum base_status auth_kms_register(struct auth_kms *kms, const struct auth_session *session,
    const struct auth_registration *registration, struct base_err *err)
{
    enum base_status status = check_id(registration->lot, "lot's name", err);
    if (status != BASE_OK) {
        return status;
    }
    json_t *body =
        statement_body(registration->statement, registration->statement_length, err, &status);
    if (status == BASE_OK) {
        status = base_json_set_text(body, "lot", registration->lot, err);
    }
    if (status == BASE_OK && registration->record != NULL) {
        status = base_json_set_text(body, "record", registration->record, err);
    }
    if (status != BASE_OK) {
        json_decref(body);
        return status;
    }
    const struct auth_api_call call = {
        .method = AUTH_HTTP_POST, .path = "/v1/units", .session = session, .body = body
    };
    return auth_kms_call(kms, &call, NULL, err);
}

enum base_status auth_kms_register_unit(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, const uint8_t *statement, size_t statement_length, struct base_err *err)
{
    const struct auth_registration registration = { lot, statement, statement_length, NULL };
    return auth_kms_register(kms, session, &registration, err);
}

enum base_status auth_kms_permit(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, const uint8_t *chip_id, char *ret_note, struct base_err *err)
{
    char path[PATH_SIZE];
    char chip[17] = "";
    json_auto_t *answer = NULL;
    const char *note = NULL;
    enum base_status status = check_id(lot, "lot's name", err);
    if (status != BASE_OK) {
        return status;
    }
    if (chip_id != NULL) {
        base_hex_encode(chip_id, 8, chip);
    }
    (void)snprintf(
        path, sizeof(path), "/v1/lots/%s/permit%s%s", lot, chip_id != NULL ? "?chip=" : "", chip);
    const struct auth_api_call call = { .method = AUTH_HTTP_GET, .path = path, .session = session };
    status = auth_kms_call(kms, &call, &answer, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_lines(answer, "permit", AUTH_NOTE_MAX - 1, &note, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    memcpy(ret_note, note, strlen(note) + 1);
    return BASE_OK;
}

static enum base_status add_proof(
    json_t *object, const uint8_t (*proof)[32], size_t count, struct base_err *err)
{
    json_t *array = json_array();
    if (count > AUTH_PROOF_MAX) {
        json_decref(array);
        return base_err_set(err, BASE_E_ARG, "KMS", (int64_t)count, "a proof has at most %d hashes",
            AUTH_PROOF_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        char text[BASE_BASE64_SIZE(32)];
        base_base64_encode(proof[i], 32, text);
        if (json_array_append_new(array, json_string(text)) != 0) {
            json_decref(array);
            return base_err_set(err, BASE_E_NOMEM, "JSON", 0, "out of memory for a proof");
        }
    }
    return base_json_set_value(object, "proof", array, err);
}

static enum base_status add_intent(
    json_t *body, const struct auth_intent *intent, struct base_err *err)
{
    json_t *object = json_object();
    enum base_status status =
        base_json_set_base64(object, "record", intent->record, intent->record_length, err);
    if (status == BASE_OK) {
        status = base_json_set_int(object, "index", (int64_t)intent->index, err);
    }
    if (status == BASE_OK) {
        status = add_proof(object, intent->proof, intent->proof_count, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(object, "checkpoint", intent->checkpoint, err);
    }
    if (status != BASE_OK) {
        json_decref(object);
        return status;
    }
    return base_json_set_value(body, "intent", object, err);
}

enum base_status auth_kms_grant(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, const uint8_t *statement, size_t statement_length,
    const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err)
{
    char path[PATH_SIZE];
    json_auto_t *answer = NULL;
    enum base_status status = check_id(lot, "lot's name", err);
    if (status != BASE_OK) {
        return status;
    }
    (void)snprintf(path, sizeof(path), "/v1/lots/%s/grants", lot);
    json_t *body = statement_body(statement, statement_length, err, &status);
    if (status == BASE_OK && intent != NULL) {
        status = add_intent(body, intent, err);
    }
    if (status != BASE_OK) {
        json_decref(body);
        return status;
    }
    const struct auth_api_call call = {
        .method = AUTH_HTTP_POST, .path = path, .session = session, .body = body
    };
    status = auth_kms_call(kms, &call, &answer, err);
    if (status == BASE_OK && auth_kms_read_grant(answer, ret_grant, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    return status;
}

static enum base_status grant_path(
    const char *grant_id, const char *verb, char path[PATH_SIZE], struct base_err *err)
{
    enum base_status status = check_id(grant_id, "grant id", err);
    if (status == BASE_OK) {
        (void)snprintf(path, PATH_SIZE, "/v1/grants/%s/%s", grant_id, verb);
    }
    return status;
}

/* Finishing a unit: one member with bytes, and no session. */
static enum base_status finish(struct auth_kms *kms, const char *grant_id, const char *verb,
    const char *member, const uint8_t *bytes, size_t length, json_t **ret_answer,
    struct base_err *err)
{
    char path[PATH_SIZE];
    enum base_status status = grant_path(grant_id, verb, path, err);
    if (status != BASE_OK) {
        return status;
    }
    json_t *body = json_object();
    status = base_json_set_base64(body, member, bytes, length, err);
    if (status != BASE_OK) {
        json_decref(body);
        return status;
    }
    const struct auth_api_call call = { .method = AUTH_HTTP_POST, .path = path, .body = body };
    return auth_kms_call(kms, &call, ret_answer, err);
}

enum base_status auth_kms_confirm(struct auth_kms *kms, const char *grant_id,
    const uint8_t *receipt, size_t receipt_length, struct auth_confirmation *ret_confirmation,
    struct base_err *err)
{
    json_auto_t *answer = NULL;
    enum base_status status =
        finish(kms, grant_id, "receipt", "receipt", receipt, receipt_length, &answer, err);
    if (status == BASE_OK && auth_kms_read_confirmation(answer, ret_confirmation, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    return status;
}

/* The same with a text. */
static enum base_status finish_text(struct auth_kms *kms, const char *grant_id, const char *verb,
    const char *member, const char *text, struct base_err *err)
{
    char path[PATH_SIZE];
    enum base_status status = grant_path(grant_id, verb, path, err);
    if (status != BASE_OK) {
        return status;
    }
    json_t *body = json_object();
    status = base_json_set_text(body, member, text, err);
    if (status != BASE_OK) {
        json_decref(body);
        return status;
    }
    const struct auth_api_call call = { .method = AUTH_HTTP_POST, .path = path, .body = body };
    return auth_kms_call(kms, &call, NULL, err);
}

enum base_status auth_kms_scrap(
    struct auth_kms *kms, const char *grant_id, const char *reason, struct base_err *err)
{
    return finish_text(kms, grant_id, "scrap", "reason", reason, err);
}

enum base_status auth_kms_settle(
    struct auth_kms *kms, const char *grant_id, const char *permit_id, struct base_err *err)
{
    return finish_text(kms, grant_id, "settle", "permit", permit_id, err);
}

enum base_status auth_kms_lock(struct auth_kms *kms, const char *grant_id, const uint8_t *answer,
    size_t answer_length, bool *ret_repeated, struct base_err *err)
{
    json_auto_t *reply = NULL;
    bool repeated = false;
    enum base_status status =
        finish(kms, grant_id, "lock", "answer", answer, answer_length, &reply, err);
    if (status == BASE_OK && base_json_get_bool(reply, "repeated", &repeated, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    if (status == BASE_OK && ret_repeated != NULL) {
        *ret_repeated = repeated;
    }
    return status;
}

enum base_status auth_kms_wipe(struct auth_kms *kms, const char *grant_id, const uint8_t *statement,
    size_t statement_length, struct auth_wipe *ret_wipe, struct base_err *err)
{
    struct auth_wipe wipe = { .wipe_id = "" };
    json_auto_t *answer = NULL;
    enum base_status status =
        finish(kms, grant_id, "wipe", "statement", statement, statement_length, &answer, err);
    if (status != BASE_OK) {
        return status;
    }
    status = base_json_copy_text(answer, "wipe_id", sizeof(wipe.wipe_id), wipe.wipe_id, err);
    if (status == BASE_OK) {
        status = base_json_get_bool(answer, "repeated", &wipe.repeated, err);
    }
    if (status == BASE_OK) {
        status = base_json_get_base64(
            answer, "envelope", sizeof(wipe.envelope), wipe.envelope, &wipe.envelope_length, err);
    }
    if (status != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    *ret_wipe = wipe;
    return BASE_OK;
}

enum base_status auth_kms_wiped(struct auth_kms *kms, const char *grant_id, const uint8_t *receipt,
    size_t receipt_length, struct auth_forget *ret_forget, struct base_err *err)
{
    struct auth_forget forget = { .given = false };
    json_auto_t *answer = NULL;
    size_t length = 0;
    enum base_status status =
        finish(kms, grant_id, "wiped", "receipt", receipt, receipt_length, &answer, err);
    if (status != BASE_OK) {
        return status;
    }
    forget.given = json_object_get(answer, "forget") != NULL;
    if (forget.given) {
        status = base_json_get_base64(
            answer, "forget", sizeof(forget.confirmation), forget.confirmation, &length, err);
        if (status != BASE_OK || length != sizeof(forget.confirmation)) {
            return auth_kms_odd_answer(err);
        }
    }
    *ret_forget = forget;
    return BASE_OK;
}

/* 409 "stale" carries the size that the KMS knows. */
static bool stale_size(const struct auth_kms *kms, int64_t *ret_size)
{
    json_t *problem = NULL;
    bool found =
        base_json_parse(kms->body.data, kms->body.length, AUTH_HTTP_BODY_MAX, &problem, NULL) ==
            BASE_OK &&
        base_json_get_int(problem, "size", 0, BASE_JSON_INT_MAX, ret_size, NULL) == BASE_OK;
    json_decref(problem);
    return found;
}

static json_t *witness_body(uint64_t old_size, const uint8_t (*proof)[32], size_t proof_count,
    const char *checkpoint, enum base_status *ret_status, struct base_err *err)
{
    json_t *body = json_object();
    enum base_status status = base_json_set_int(body, "old_size", (int64_t)old_size, err);
    if (status == BASE_OK) {
        status = add_proof(body, proof, proof_count, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(body, "checkpoint", checkpoint, err);
    }
    *ret_status = status;
    return body;
}

enum base_status auth_kms_witness(struct auth_kms *kms, uint64_t old_size,
    const uint8_t (*proof)[32], size_t proof_count, const char *checkpoint,
    enum auth_witness *ret_witness, uint64_t *ret_size, char *ret_cosignature, struct base_err *err)
{
    json_auto_t *answer = NULL;
    struct base_err cause = { 0 };
    const char *line = NULL;
    int64_t size = 0;
    enum base_status status = BASE_OK;
    json_t *body = witness_body(old_size, proof, proof_count, checkpoint, &status, err);
    if (status != BASE_OK) {
        json_decref(body);
        return status;
    }
    const struct auth_api_call call = {
        .method = AUTH_HTTP_POST, .path = "/v1/log/checkpoints", .body = body
    };
    status = auth_kms_call(kms, &call, &answer, &cause);
    if (status != BASE_OK && strcmp(cause.code, "stale") == 0 && stale_size(kms, &size)) {
        *ret_witness = AUTH_WITNESS_STALE;
        *ret_size = (uint64_t)size;
        return BASE_OK;
    }
    if (status != BASE_OK) {
        base_err_set_code(err, cause.code);
        return base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
    }
    if (base_json_get_lines(answer, "cosignature", AUTH_NOTE_MAX - 1, &line, err) != BASE_OK ||
        base_json_get_int(answer, "size", 0, BASE_JSON_INT_MAX, &size, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    memcpy(ret_cosignature, line, strlen(line) + 1);
    *ret_size = (uint64_t)size;
    *ret_witness = AUTH_WITNESS_COSIGNED;
    return BASE_OK;
}
