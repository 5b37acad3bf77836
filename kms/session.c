/* SPDX-License-Identifier: Apache-2.0 */
/* Login, logout, and the check of a session on every call that wants one. */
#include <stdio.h>
#include <string.h>

#include "auth/totp.h"
#include "base/base64.h"
#include "base/hash.h"
#include "kms/call.h"
#include "kms/login_gate.h"

#define TOKEN_BYTES       32
#define DEFAULT_IDLE_US   (INT64_C(30) * 60 * 1000000)
#define DEFAULT_MAX_US    (INT64_C(12) * 3600 * 1000000)
#define TOUCH_US          (INT64_C(30) * 1000000) /* not a durable write for every call */
#define SESSION_LINGER_US (INT64_C(24) * 3600 * 1000000)

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

/* One login: who somebody says to be, and what is known of the name. */
struct login {
    struct kms_login_gate gate;
    const char *code;
    bool unattended;
    bool known;
    struct kms_tester tester; /* where known; else a name and a secret that nobody has */
};

static enum base_status make_decoy(struct kms_core *core, struct base_err *err)
{
    uint8_t secret[KMS_TOTP_WRAPPED - KMS_WRAP_EXTRA] = { 0 };
    if (core->have_decoy) {
        return BASE_OK;
    }
    enum base_status status = base_random_fill(core->random, secret, AUTH_TOTP_SECRET_SIZE, err);
    if (status == BASE_OK) {
        status = kms_keystore_wrap(core->keys, secret, sizeof(secret), core->decoy_wrapped, err);
    }
    core->have_decoy = status == BASE_OK;
    base_wipe(secret, sizeof(secret));
    return status;
}

static enum base_status find_tester(
    struct kms_call *call, struct login *login, struct base_err *err)
{
    enum base_status status =
        kms_tester_get(call->core->store, login->gate.name, &login->tester, err);
    login->known = status == BASE_OK;
    if (status != BASE_E_NOTFOUND) {
        return status;
    }
    (void)snprintf(login->tester.name, sizeof(login->tester.name), "%s", login->gate.name);
    memcpy(login->tester.totp_wrapped, call->core->decoy_wrapped, KMS_TOTP_WRAPPED);
    return BASE_OK;
}

static enum base_status check_code(struct kms_call *call, const struct login *login,
    enum auth_totp_result *ret_result, uint64_t *ret_step, struct base_err *err)
{
    struct base_secret secret = { 0 };
    enum base_status status = base_secret_init(&secret, KMS_TOTP_WRAPPED - KMS_WRAP_EXTRA, err);
    if (status == BASE_OK) {
        status = kms_keystore_unwrap(
            call->core->keys, login->tester.totp_wrapped, KMS_TOTP_WRAPPED, secret.data, err);
    }
    if (status == BASE_OK) {
        status = auth_totp_check(secret.data, AUTH_TOTP_SECRET_SIZE, login->code,
            call->now_us / 1000000, ret_result, ret_step, err);
    }
    if (!login->known) {
        *ret_result = AUTH_TOTP_WRONG; /* whatever fits by chance */
    }
    base_secret_done(&secret);
    return status;
}

/* Write the failure in a transaction that is committed although the call is refused: BASE_OK with a
 * problem document as the answer. */
static enum base_status count_failure(struct kms_call *call, struct login *login,
    enum kms_problem problem, const char *sentence, struct base_err *err)
{
    enum base_status status = kms_login_gate_failed(call, &login->gate, err);
    if (status == BASE_OK) {
        status = kms_call_event(call, "login.refused", "", login->tester.name, err);
    }
    if (status == BASE_OK) {
        call->core->metrics.logins_refused++;
        kms_call_problem(call, problem, "%s", sentence);
    }
    return status;
}

static enum base_status refuse_clock(
    struct kms_call *call, struct login *login, uint64_t step, struct base_err *err)
{
    int64_t off = (int64_t)step - call->now_us / 1000000 / AUTH_TOTP_STEP_SECONDS;
    int64_t minutes = (off < 0 ? -off : off) * AUTH_TOTP_STEP_SECONDS / 60;
    char sentence[200];
    (void)snprintf(sentence, sizeof(sentence),
        "the code is right for a time %lld minutes %s the KMS's: set the clock of the "
        "authenticator, then log in with a new code",
        (long long)minutes, off < 0 ? "before" : "after");
    /* Whoever is told that a code is right for another step must not use it at that step. */
    enum base_status status =
        kms_tester_burn(call->core->store, login->tester.name, (int64_t)step, err);
    return status == BASE_OK ? count_failure(call, login, KMS_PROBLEM_CLOCK_OFF, sentence, err)
                             : status;
}

static enum base_status refuse_used(struct kms_call *call)
{
    call->core->metrics.logins_refused++;
    return kms_refuse(call, KMS_PROBLEM_TOTP_USED,
        "this code was used already: wait for the next one, at most %d seconds",
        AUTH_TOTP_STEP_SECONDS);
}

/* One success per step, ever: compare-and-set in the store. */
static enum base_status accept_step(
    struct kms_call *call, const struct kms_tester *tester, uint64_t step, struct base_err *err)
{
    bool accepted = false;
    if ((int64_t)step == tester->burned_step) {
        return refuse_used(call);
    }
    enum base_status status =
        kms_tester_accept(call->core->store, tester->name, (int64_t)step, &accepted, err);
    if (status != BASE_OK) {
        return status;
    }
    return accepted ? BASE_OK : refuse_used(call);
}

static enum base_status answer_login(
    struct kms_call *call, const uint8_t token[TOKEN_BYTES], struct base_err *err)
{
    char text[BASE_BASE64_SIZE(TOKEN_BYTES)];
    base_base64url_encode(token, TOKEN_BYTES, text);
    const struct kms_session *session = &call->session;
    /* Not through the JSON tree, so that the token has no copy that nobody wipes. */
    enum base_status status = base_buf_printf(&call->response->body, err,
        "{\"expires_us\":%lld,\"idle_us\":%lld,\"role\":\"%s\",\"tester\":\"%s\",\"time_us\":%lld,"
        "\"token\":\"%s\"}",
        (long long)session->expires_us,
        (long long)or_default(call->core->policy.session_idle_us, DEFAULT_IDLE_US),
        session->role == KMS_ROLE_PERSONALISE ? "personaliser" : "tester", session->tester,
        (long long)call->now_us, text);
    base_wipe(text, sizeof(text));
    if (status == BASE_OK) {
        call->response->status = 201;
        call->response->content_type = "application/json";
    }
    return status;
}

static enum base_status open_session(
    struct kms_call *call, const struct kms_tester *tester, bool unattended, struct base_err *err)
{
    uint8_t token[TOKEN_BYTES];
    enum base_status status = base_random_fill(call->core->random, token, sizeof(token), err);
    if (status != BASE_OK) {
        return status;
    }
    struct kms_session *session = &call->session;
    memcpy(session->tester, tester->name, sizeof(session->tester));
    memcpy(session->certificate_sha256, call->request->certificate_sha256, 32);
    session->role = tester->role;
    session->unattended = unattended;
    session->created_us = call->now_us;
    session->used_us = call->now_us;
    session->expires_us =
        call->now_us + or_default(call->core->policy.session_max_us, DEFAULT_MAX_US);
    base_sha256(token, sizeof(token), session->token_sha256);
    status = kms_session_purge(call->core->store, call->now_us - SESSION_LINGER_US, err);
    if (status == BASE_OK) {
        status = kms_session_insert(call->core->store, session, err);
    }
    if (status == BASE_OK) {
        status =
            kms_call_event(call, unattended ? "login.unattended" : "login", "", tester->name, err);
    }
    if (status == BASE_OK) {
        status = answer_login(call, token, err);
    }
    base_wipe(token, sizeof(token));
    if (status == BASE_OK) {
        call->core->metrics.logins++;
    }
    return status;
}

static enum base_status log_in(struct kms_call *call, struct login *login, struct base_err *err)
{
    enum auth_totp_result result = AUTH_TOTP_WRONG;
    uint64_t step = 0;
    enum base_status status = check_code(call, login, &result, &step, err);
    if (status != BASE_OK) {
        return status;
    }
    if (result == AUTH_TOTP_WRONG) {
        return count_failure(call, login, KMS_PROBLEM_TOTP_WRONG,
            "wrong tester name or code: check the name and wait for the next code", err);
    }
    if (result == AUTH_TOTP_CLOCK_OFF) {
        return refuse_clock(call, login, step, err);
    }
    status = accept_step(call, &login->tester, step, err);
    if (status == BASE_OK) {
        status = kms_login_gate_succeeded(call, &login->gate, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (login->tester.revoked_us != 0) {
        return kms_refuse(call, KMS_PROBLEM_REVOKED,
            "tester %s was revoked; ask the KMS's operator", login->tester.name);
    }
    return open_session(call, &login->tester, login->unattended, err);
}

enum base_status kms_handle_login(struct kms_call *call, struct base_err *err)
{
    static const char *const names[] = { "tester", "code", "unattended" };
    json_auto_t *body = NULL;
    enum base_status status = kms_call_body(call, names, 3, &body, err);
    if (status != BASE_OK) {
        return status;
    }
    const char *name = NULL;
    struct login login = { .code = NULL };
    if (base_json_get_text(body, "tester", KMS_ID_SIZE - 1, &name, err) != BASE_OK ||
        base_json_get_text(body, "code", 16, &login.code, err) != BASE_OK ||
        (base_json_has(body, "unattended") &&
            base_json_get_bool(body, "unattended", &login.unattended, err) != BASE_OK)) {
        return kms_refuse_body(call, err);
    }
    status = kms_login_gate_pass(call, name, &login.gate, err);
    if (status == BASE_OK) {
        status = make_decoy(call->core, err);
    }
    if (status == BASE_OK) {
        status = find_tester(call, &login, err);
    }
    return status == BASE_OK ? log_in(call, &login, err) : status;
}

static bool token_hash(const char *token, uint8_t ret_hash[32])
{
    uint8_t raw[TOKEN_BYTES];
    size_t length = 0;
    if (token == NULL ||
        base_base64url_decode(token, strnlen(token, 128), sizeof(raw), raw, &length, NULL) !=
            BASE_OK ||
        length != sizeof(raw)) {
        return false;
    }
    base_sha256(raw, sizeof(raw), ret_hash);
    base_wipe(raw, sizeof(raw));
    return true;
}

static enum base_status refuse_expired(struct kms_call *call)
{
    return kms_refuse(call, KMS_PROBLEM_SESSION_EXPIRED, "the session is over; log in again");
}

static enum base_status check_tester(struct kms_call *call, struct base_err *err)
{
    struct kms_tester tester;
    enum base_status status = kms_tester_get(call->core->store, call->session.tester, &tester, err);
    if (status == BASE_E_NOTFOUND || (status == BASE_OK && tester.revoked_us != 0)) {
        return kms_refuse(call, KMS_PROBLEM_REVOKED,
            "tester %s was revoked; ask the KMS's operator", call->session.tester);
    }
    return status;
}

enum base_status kms_session_check(struct kms_call *call, struct base_err *err)
{
    uint8_t hash[32];
    struct kms_session *session = &call->session;
    if (call->request->token == NULL) {
        return kms_refuse(call, KMS_PROBLEM_SESSION_MISSING, "nobody is logged in; log in first");
    }
    if (!token_hash(call->request->token, hash)) {
        return refuse_expired(call);
    }
    enum base_status status = kms_session_get(call->core->store, hash, session, err);
    if (status == BASE_E_NOTFOUND) {
        return refuse_expired(call);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (!base_equal_ct(session->certificate_sha256, call->request->certificate_sha256, 32)) {
        memset(session, 0, sizeof(*session));
        return kms_refuse(call, KMS_PROBLEM_SESSION_FOREIGN,
            "this session was opened with another certificate; log in at this station");
    }
    int64_t idle_us = or_default(call->core->policy.session_idle_us, DEFAULT_IDLE_US);
    if (call->now_us >= session->expires_us || call->now_us - session->used_us > idle_us) {
        return refuse_expired(call);
    }
    status = check_tester(call, err);
    if (status == BASE_OK && call->now_us - session->used_us >= TOUCH_US) {
        status = kms_session_touch(call->core->store, hash, call->now_us, err);
    }
    return status;
}

enum base_status kms_handle_logout(struct kms_call *call, struct base_err *err)
{
    uint8_t hash[32];
    struct kms_session session;
    enum base_status status = BASE_OK;
    /* Ending what is over is fine; ending another certificate's session is not. */
    if (token_hash(call->request->token, hash)) {
        status = kms_session_get(call->core->store, hash, &session, err);
        if (status == BASE_OK &&
            base_equal_ct(session.certificate_sha256, call->request->certificate_sha256, 32)) {
            status = kms_session_delete(call->core->store, hash, err);
        } else if (status == BASE_OK) {
            return kms_refuse(call, KMS_PROBLEM_SESSION_FOREIGN,
                "this session was opened with another certificate");
        }
    }
    if (status != BASE_OK && status != BASE_E_NOTFOUND) {
        return status;
    }
    call->response->status = 204;
    return BASE_OK;
}
