/* SPDX-License-Identifier: Apache-2.0 */
/* Login, logout, and the check of a session on every call that wants one. */
#include <stdio.h>
#include <string.h>

#include "auth/totp.h"
#include "base/base64.h"
#include "base/hash.h"
#include "kms/call.h"

#define TOKEN_BYTES    32
#define FAILURES_MAX   5
#define LOCK_US        (INT64_C(15) * 60 * 1000000)
#define LOCK_DOUBLINGS 3 /* 15, 30, 60, 120 minutes */
/* Longer than a lock, so that four guesses, a pause and four more are no way round it: under 100
 * guesses a day, each right for three codes in a million. */
#define COUNT_US          (INT64_C(60) * 60 * 1000000)
#define DEFAULT_IDLE_US   (INT64_C(30) * 60 * 1000000)
#define DEFAULT_MAX_US    (INT64_C(12) * 3600 * 1000000)
#define TOUCH_US          (INT64_C(30) * 1000000) /* not a durable write for every call */
#define SESSION_LINGER_US (INT64_C(24) * 3600 * 1000000)

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static enum base_status check_code(struct kms_call *call, const struct kms_tester *tester,
    const char *code, enum auth_totp_result *ret_result, uint64_t *ret_step, struct base_err *err)
{
    struct base_secret secret = { 0 };
    enum base_status status = base_secret_init(&secret, KMS_TOTP_WRAPPED - KMS_WRAP_EXTRA, err);
    if (status == BASE_OK) {
        status = kms_keystore_unwrap(
            call->core->keys, tester->totp_wrapped, KMS_TOTP_WRAPPED, secret.data, err);
    }
    if (status == BASE_OK) {
        status = auth_totp_check(secret.data, AUTH_TOTP_SECRET_SIZE, code, call->now_us / 1000000,
            ret_result, ret_step, err);
    }
    base_secret_done(&secret);
    return status;
}

/* Write the failure in a transaction that is committed although the call is refused: BASE_OK with a
 * problem document as the answer. */
static enum base_status count_failure(struct kms_call *call, struct kms_tester *tester,
    enum kms_problem problem, const char *sentence, struct base_err *err)
{
    if (tester->failures == 0 || call->now_us - tester->first_failure_us >= COUNT_US) {
        tester->failures = 0;
        tester->first_failure_us = call->now_us;
    }
    if (++tester->failures >= FAILURES_MAX) {
        int64_t doublings = tester->locks < LOCK_DOUBLINGS ? tester->locks : LOCK_DOUBLINGS;
        tester->locked_until_us = call->now_us + (LOCK_US << doublings);
        tester->locks++;
        tester->failures = 0;
    }
    enum base_status status = kms_tester_failed(call->core->store, tester, err);
    if (status == BASE_OK) {
        status = kms_call_event(call, "login.refused", "", tester->name, err);
    }
    if (status == BASE_OK) {
        call->core->metrics.logins_refused++;
        kms_call_problem(call, problem, "%s", sentence);
    }
    return status;
}

static enum base_status refuse_clock(
    struct kms_call *call, struct kms_tester *tester, uint64_t step, struct base_err *err)
{
    int64_t off = (int64_t)step - call->now_us / 1000000 / AUTH_TOTP_STEP_SECONDS;
    int64_t minutes = (off < 0 ? -off : off) * AUTH_TOTP_STEP_SECONDS / 60;
    char sentence[200];
    (void)snprintf(sentence, sizeof(sentence),
        "the code is right for a time %lld minutes %s the KMS's: set the clock of the "
        "authenticator, then log in with a new code",
        (long long)minutes, off < 0 ? "before" : "after");
    /* Whoever is told that a code is right for another step must not use it at that step. */
    tester->burned_step = (int64_t)step;
    return count_failure(call, tester, KMS_PROBLEM_CLOCK_OFF, sentence, err);
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

static enum base_status login_tester(struct kms_call *call, struct kms_tester *tester,
    const char *code, bool unattended, struct base_err *err)
{
    enum auth_totp_result result = AUTH_TOTP_WRONG;
    uint64_t step = 0;
    if (tester->locked_until_us > call->now_us) {
        call->core->metrics.logins_refused++;
        return kms_refuse(call, KMS_PROBLEM_LOCKED_OUT,
            "too many wrong codes for tester %s: wait %lld minutes", tester->name,
            (long long)((tester->locked_until_us - call->now_us) / 60000000 + 1));
    }
    enum base_status status = check_code(call, tester, code, &result, &step, err);
    if (status != BASE_OK) {
        return status;
    }
    if (result == AUTH_TOTP_WRONG) {
        return count_failure(call, tester, KMS_PROBLEM_TOTP_WRONG,
            "wrong tester name or code: check the name and wait for the next code", err);
    }
    if (result == AUTH_TOTP_CLOCK_OFF) {
        return refuse_clock(call, tester, step, err);
    }
    status = accept_step(call, tester, step, err);
    if (status != BASE_OK) {
        return status;
    }
    if (tester->revoked_us != 0) {
        return kms_refuse(call, KMS_PROBLEM_REVOKED,
            "tester %s was revoked; ask the KMS's operator", tester->name);
    }
    return open_session(call, tester, unattended, err);
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
    const char *code = NULL;
    bool unattended = false;
    if (base_json_get_text(body, "tester", KMS_ID_SIZE - 1, &name, err) != BASE_OK ||
        base_json_get_text(body, "code", 16, &code, err) != BASE_OK ||
        (base_json_has(body, "unattended") &&
            base_json_get_bool(body, "unattended", &unattended, err) != BASE_OK)) {
        return kms_refuse_body(call, err);
    }
    struct kms_tester tester;
    status = kms_tester_get(call->core->store, name, &tester, err);
    if (status == BASE_E_NOTFOUND) {
        call->core->metrics.logins_refused++;
        return kms_refuse(call, KMS_PROBLEM_TOTP_WRONG,
            "wrong tester name or code: check the name and wait for the next code");
    }
    return status == BASE_OK ? login_tester(call, &tester, code, unattended, err) : status;
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
