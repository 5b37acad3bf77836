/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, calling, and the calls about sessions and readiness. */
#include "auth/kms_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/kms_private.h"

#define TOKEN_TEXT_MAX 128

enum base_status auth_kms_open(
    const struct auth_kms_opts *opts, struct auth_kms **ret_kms, struct base_err *err)
{
    struct auth_kms *kms = calloc(1, sizeof(*kms));
    if (kms == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "HTTP", 0, "out of memory for a KMS client");
    }
    kms->clock = opts->clock;
    kms->unattended = opts->unattended;
    base_buf_init(&kms->body, AUTH_HTTP_BODY_MAX);
    const struct auth_http_opts http = {
        .url = opts->url,
        .ca_file = opts->ca_file,
        .certificate_file = opts->certificate_file,
        .key_file = opts->key_file,
        .connect_timeout_ms = opts->connect_timeout_ms > 0 ? opts->connect_timeout_ms : 5000,
        .request_timeout_ms = opts->request_timeout_ms > 0 ? opts->request_timeout_ms : 15000,
        .log = opts->log,
    };
    enum base_status status = auth_http_open(&http, &kms->http, err);
    if (status != BASE_OK) {
        auth_kms_close(kms);
        return status;
    }
    *ret_kms = kms;
    return BASE_OK;
}

void auth_kms_close(struct auth_kms *kms)
{
    if (kms == NULL) {
        return;
    }
    auth_http_close(kms->http);
    base_buf_done(&kms->body);
    free(kms);
}

enum base_status auth_kms_odd_answer(struct base_err *err)
{
    base_err_set_code(err, "unknown");
    if (err != NULL && err->status != BASE_OK) {
        err->status = BASE_E_REMOTE;
        (void)base_err_prefix(err, "the KMS's answer is malformed: ");
        return BASE_E_REMOTE;
    }
    return base_err_set(err, BASE_E_REMOTE, "HTTP", 0,
        "the KMS's answer is malformed: are KMS and station of the same version?");
}

/* Which status a refusal becomes, by its code; everything else that is refused is DENIED. */
static enum base_status status_of(const char *code, int http_status)
{
    static const struct {
        const char *code;
        enum base_status status;
    } table[] = {
        { "lot_unknown", BASE_E_NOTFOUND },
        { "permit_missing", BASE_E_NOTFOUND },
        { "lot_expired", BASE_E_EXPIRED },
        { "revoked", BASE_E_EXPIRED },
        { "request_bad", BASE_E_REMOTE },
        { "no_such_call", BASE_E_REMOTE },
        { "too_large", BASE_E_REMOTE },
    };

    if (http_status >= 500) {
        return BASE_E_REMOTE;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].code, code) == 0) {
            return table[i].status;
        }
    }
    return BASE_E_DENIED;
}

enum base_status auth_kms_problem(struct auth_kms *kms, int http_status, struct base_err *err)
{
    json_auto_t *problem = NULL;
    json_t *parsed = NULL;
    const char *code = NULL;
    const char *detail = NULL;
    bool readable = base_json_parse(kms->body.data, kms->body.length, AUTH_HTTP_BODY_MAX, &parsed,
                        NULL) == BASE_OK;
    problem = parsed;
    readable =
        readable && base_json_get_text(problem, "code", 47, &code, NULL) == BASE_OK &&
        base_json_get_text(problem, "detail", BASE_ERR_MESSAGE_SIZE - 1, &detail, NULL) == BASE_OK;
    if (http_status >= 500 || !readable) {
        base_err_set_code(err, "unknown");
        return base_err_set(err, BASE_E_REMOTE, "HTTP", http_status, "the KMS answered HTTP %d%s%s",
            http_status, readable ? ": " : "", readable ? detail : "; is it an LPA KMS?");
    }
    base_err_set_code(err, code);
    return base_err_set(
        err, status_of(code, http_status), "HTTP", http_status, "the KMS refused: %s", detail);
}

enum base_status auth_kms_call(struct auth_kms *kms, const struct auth_api_call *call,
    json_t **ret_answer, struct base_err *err)
{
    json_auto_t *owned = call->body;
    struct base_buf text;
    int http_status = 0;
    base_buf_init(&text, AUTH_HTTP_BODY_MAX);
    enum base_status status = BASE_OK;
    if (owned != NULL) {
        status = base_json_canonical(owned, &text, err);
    }
    if (status == BASE_OK) {
        const struct auth_http_call http = {
            .method = call->method,
            .path = call->path,
            .bearer = call->session != NULL && call->session->token.data != NULL
                          ? &call->session->token
                          : NULL,
            .body = owned != NULL ? text.data : NULL,
            .body_length = text.length,
        };
        status = auth_http_run(kms->http, &http, &kms->body, &http_status, err);
    }
    base_buf_done(&text);
    if (status != BASE_OK) {
        return status;
    }
    if (http_status < 200 || http_status > 299) {
        return auth_kms_problem(kms, http_status, err);
    }
    if (ret_answer == NULL) {
        return BASE_OK;
    }
    status = base_json_parse(kms->body.data, kms->body.length, AUTH_HTTP_BODY_MAX, ret_answer, err);
    return status == BASE_OK ? BASE_OK : auth_kms_odd_answer(err);
}

/* {"tester":…,"code":…,"unattended":…} in locked memory: the code gets no copy that stays. */
static enum base_status login_body(const struct auth_kms *kms, const char *tester,
    const struct base_secret *code, struct base_secret *ret_body, struct base_err *err)
{
    enum base_status status = base_secret_init(ret_body, 256, err);
    if (status != BASE_OK) {
        return status;
    }
    int length = snprintf((char *)ret_body->data, ret_body->length,
        "{\"code\":\"%.*s\",\"tester\":\"%s\",\"unattended\":%s}", (int)code->length,
        (const char *)code->data, tester, kms->unattended ? "true" : "false");
    ret_body->length = (size_t)length;
    return BASE_OK;
}

/* Move the token out of the answer into a secret and blank it, before JSON is parsed. */
static enum base_status take_token(
    struct base_buf *body, struct base_secret *ret_token, struct base_err *err)
{
    static const char mark[] = "\"token\":\"";
    char *at = body->length == 0 ? NULL : memmem(body->data, body->length, mark, sizeof(mark) - 1);
    if (at == NULL) {
        return auth_kms_odd_answer(err);
    }
    at += sizeof(mark) - 1;
    size_t left = body->length - (size_t)((uint8_t *)at - body->data);
    char *end = memchr(at, '"', left < TOKEN_TEXT_MAX ? left : TOKEN_TEXT_MAX);
    if (end == NULL || end == at) {
        return auth_kms_odd_answer(err);
    }
    enum base_status status = base_secret_copy(ret_token, at, (size_t)(end - at), err);
    memset(at, '-', (size_t)(end - at));
    return status;
}

enum base_status auth_kms_read_session(
    struct auth_kms *kms, int64_t middle_us, struct auth_session *session, struct base_err *err)
{
    json_auto_t *answer = NULL;
    json_t *parsed = NULL;
    int64_t now_us = 0;
    enum base_status status = take_token(&kms->body, &session->token, err);
    if (status != BASE_OK) {
        return status;
    }
    status = base_json_parse(kms->body.data, kms->body.length, AUTH_HTTP_BODY_MAX, &parsed, err);
    answer = parsed;
    if (status != BASE_OK ||
        base_json_copy_text(answer, "tester", sizeof(session->tester), session->tester, err) !=
            BASE_OK ||
        base_json_get_int(answer, "expires_us", 0, BASE_JSON_INT_MAX, &session->expires_wall_us,
            err) != BASE_OK ||
        base_json_get_int(answer, "time_us", 0, BASE_JSON_INT_MAX, &now_us, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    session->clock_offset_us = now_us - middle_us;
    return BASE_OK;
}

static bool digits_only(const struct base_secret *code)
{
    for (size_t i = 0; i < code->length; i++) {
        if (code->data[i] < '0' || code->data[i] > '9') {
            return false;
        }
    }
    return code->length > 0 && code->length <= 10;
}

enum base_status auth_kms_login(struct auth_kms *kms, const char *tester,
    const struct base_secret *code, struct auth_session *ret_session, struct base_err *err)
{
    struct base_secret body = { 0 };
    struct auth_session session = { .expires_wall_us = 0 };
    int http_status = 0;
    if (!base_name_valid(tester)) {
        return base_err_set(
            err, BASE_E_ARG, "KMS", 0, "a tester's name is 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    if (code == NULL || code->data == NULL || !digits_only(code)) {
        base_err_set_code(err, "totp_wrong");
        return base_err_set(
            err, BASE_E_DENIED, "KMS", 0, "a code is six digits; read it from the authenticator");
    }
    enum base_status status = login_body(kms, tester, code, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    const struct auth_http_call call = {
        .method = AUTH_HTTP_POST,
        .path = "/v1/session",
        .body = body.data,
        .body_length = body.length,
    };
    int64_t before_us = base_clock_wall_us(kms->clock);
    status = auth_http_run(kms->http, &call, &kms->body, &http_status, err);
    int64_t after_us = base_clock_wall_us(kms->clock);
    base_secret_done(&body);
    if (status != BASE_OK) {
        return status;
    }
    status = http_status == 201
                 ? auth_kms_read_session(kms, before_us + (after_us - before_us) / 2, &session, err)
                 : auth_kms_problem(kms, http_status, err);
    if (kms->body.data != NULL) {
        base_wipe(kms->body.data, kms->body.capacity);
    }
    if (status != BASE_OK) {
        auth_session_done(&session);
        return status;
    }
    *ret_session = session;
    return BASE_OK;
}

enum base_status auth_kms_logout(
    struct auth_kms *kms, const struct auth_session *session, struct base_err *err)
{
    const struct auth_api_call call = {
        .method = AUTH_HTTP_DELETE, .path = "/v1/session", .session = session
    };
    return auth_kms_call(kms, &call, NULL, err);
}

void auth_session_done(struct auth_session *session)
{
    if (session == NULL) {
        return;
    }
    base_secret_done(&session->token);
    memset(session, 0, sizeof(*session));
}

enum base_status auth_kms_ready(struct auth_kms *kms, int64_t *ret_offset_us, struct base_err *err)
{
    json_auto_t *answer = NULL;
    int64_t now_us = 0;
    const struct auth_api_call call = { .method = AUTH_HTTP_GET, .path = "/readyz" };
    int64_t before_us = base_clock_wall_us(kms->clock);
    enum base_status status = auth_kms_call(kms, &call, &answer, err);
    int64_t after_us = base_clock_wall_us(kms->clock);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_int(answer, "time_us", 0, BASE_JSON_INT_MAX, &now_us, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    *ret_offset_us = now_us - (before_us + (after_us - before_us) / 2);
    return BASE_OK;
}

enum base_status auth_kms_get_keys(
    struct auth_kms *kms, struct auth_kms_keys *ret_keys, struct base_err *err)
{
    json_auto_t *answer = NULL;
    struct auth_kms_keys keys;
    const struct auth_api_call call = { .method = AUTH_HTTP_GET, .path = "/v1/keys" };
    enum base_status status = auth_kms_call(kms, &call, &answer, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_json_get_hex(answer, "authority", sizeof(keys.authority), keys.authority, err) !=
            BASE_OK ||
        base_json_copy_text(answer, "log_vkey", sizeof(keys.log_vkey), keys.log_vkey, err) !=
            BASE_OK ||
        base_json_copy_text(answer, "cosigner_vkey", sizeof(keys.cosigner_vkey), keys.cosigner_vkey,
            err) != BASE_OK ||
        base_json_get_bool(answer, "development", &keys.development, err) != BASE_OK) {
        return auth_kms_odd_answer(err);
    }
    *ret_keys = keys;
    return BASE_OK;
}
