/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_CALL_H
#define KMS_CALL_H

/** @file What the handlers of kms/core.c share: one call in progress, refusals, answers. */

#include "base/json.h"
#include "kms/core.h"
#include "kms/rows.h"

/** X(enum, code, HTTP status, title) — codes are stable: append only. */
#define KMS_PROBLEM_LIST(X)                                                                        \
    X(REQUEST_BAD, "request_bad", 400, "Malformed request")                                        \
    X(NO_SUCH_CALL, "no_such_call", 404, "No such call")                                           \
    X(TOO_LARGE, "too_large", 413, "Body too large")                                               \
    X(CERTIFICATE, "certificate", 403, "Station certificate not accepted")                         \
    X(TOTP_WRONG, "totp_wrong", 401, "Wrong tester or code")                                       \
    X(TOTP_USED, "totp_used", 401, "Code already used")                                            \
    X(CLOCK_OFF, "clock_off", 401, "Clock is off")                                                 \
    X(LOCKED_OUT, "locked_out", 429, "Too many wrong codes")                                       \
    X(REVOKED, "revoked", 403, "Tester revoked")                                                   \
    X(SESSION_MISSING, "session_missing", 401, "Nobody is logged in")                              \
    X(SESSION_EXPIRED, "session_expired", 401, "Session is over")                                  \
    X(SESSION_FOREIGN, "session_foreign", 401, "Session of another certificate")                   \
    X(ROLE, "role", 403, "Role does not allow this")                                               \
    X(LOT_UNKNOWN, "lot_unknown", 404, "No such lot")                                              \
    X(LOT_EXPIRED, "lot_expired", 403, "Lot has expired")                                          \
    X(LOT_CLOSED, "lot_closed", 403, "Lot is closed")                                              \
    X(LOT_RESTRICT, "lot_restrict", 403, "Restriction missing")                                    \
    X(UNATTENDED, "unattended_refused", 403, "Lot needs a person")                                 \
    X(STATEMENT_BAD, "statement_bad", 422, "Statement not accepted")                               \
    X(IMAGE_UNKNOWN, "image_unknown", 403, "Image is not the lot's")                               \
    X(LAB_REFUSED, "lab_refused", 403, "Lab image refused")                                        \
    X(NOT_REGISTERED, "not_registered", 403, "Unit is not registered")                             \
    X(SAME_PARTY, "same_party", 403, "Another party must do this")                                 \
    X(CHIP_KNOWN, "chip_known", 409, "Chip known with another key")                                \
    X(RECEIPT_FIRST, "receipt_first", 409, "Receipt first")                                        \
    X(UNIT_ELSEWHERE, "unit_elsewhere", 409, "Unit belongs to another lot")                        \
    X(REWORK_NEEDED, "rework_needed", 409, "Rework order needed")                                  \
    X(GRANT_SCRAPPED, "grant_scrapped", 409, "Unit was scrapped")                                  \
    X(QUOTA_USED_UP, "quota_used_up", 403, "Quota used up")                                        \
    X(INTENT_MISSING, "intent_missing", 422, "Intent not proved")                                  \
    X(RECEIPT_BAD, "receipt_bad", 422, "Receipt not accepted")                                     \
    X(GRANT_UNKNOWN, "grant_unknown", 404, "No such grant")                                        \
    X(GRANT_CONFIRMED, "grant_confirmed", 409, "Unit is confirmed")                                \
    X(CHECKPOINT_BAD, "checkpoint_bad", 403, "Checkpoint not accepted")                            \
    X(STALE, "stale", 409, "Another size was cosigned")                                            \
    X(INCONSISTENT, "inconsistent", 422, "Log was rolled back or forked")                          \
    X(BUSY, "busy", 503, "Busy")                                                                   \
    X(INTERNAL, "internal", 500, "Internal error")                                                 \
    X(RATE_LIMITED, "rate_limited", 429, "Too many grants within an hour")                         \
    X(PERMIT_MISSING, "permit_missing", 404, "No permit")                                          \
    X(PERMIT_REVOKED, "permit_revoked", 403, "Permit not accepted")                                \
    X(VERSION_OLD, "version_old", 403, "Older than the lot allows")                                \
    X(RECORD_MISSING, "record_missing", 403, "Signed record missing")                              \
    X(RECORD_BAD, "record_bad", 422, "Signed record not accepted")                                 \
    X(NOT_CONFIRMED, "not_confirmed", 409, "Receipt first")                                        \
    X(LOCK_BAD, "lock_bad", 422, "Lock answer not accepted")                                       \
    X(SUPERSEDED, "superseded", 409, "Keys were replaced")                                         \
    X(UNIT_RETIRED, "unit_retired", 409, "Unit was retired")                                       \
    X(NOT_SCRAPPED, "not_scrapped", 409, "Scrap the unit first")                                   \
    X(PERMIT_USED, "permit_used", 409, "Permit was used")

enum kms_problem {
#define X(name, code, http, title) KMS_PROBLEM_##name,
    KMS_PROBLEM_LIST(X)
#undef X
};

struct kms_call {
    struct kms_core *core;
    const struct kms_request *request;
    struct kms_response *response;
    int64_t now_us; /**< the store's clock, read once per call */
    struct kms_station station;
    struct kms_session session; /**< filled where the route wants a session */
    bool wiped;                 /**< keys were overwritten: let nothing of them stay on disk */
    char args[2][KMS_ID_SIZE];  /**< path parts in the places of the route's stars */
};

/** Write a problem document (RFC 9457). The sentence names cause and next action; no secret. */
void kms_call_problem(struct kms_call *call, enum kms_problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same, and return BASE_E_DENIED, which makes the caller roll back. */
BASE_MUST_CHECK
enum base_status kms_refuse(struct kms_call *call, enum kms_problem problem, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/** Add a number to the problem document that kms_refuse() wrote. BASE_E_DENIED, or what failed. */
BASE_MUST_CHECK
enum base_status kms_refuse_number(
    struct kms_call *call, const char *name, int64_t value, struct base_err *err);

/** Write @p object (taken over) as the answer with this HTTP status. */
BASE_MUST_CHECK
enum base_status kms_answer(
    struct kms_call *call, int http_status, json_t *object, struct base_err *err);

/** Parse the body as an object with only these members; a bad body is refused with its reason. */
BASE_MUST_CHECK
enum base_status kms_call_body(struct kms_call *call, const char *const *names, size_t name_count,
    json_t **ret_object, struct base_err *err);

/** Turn a failed getter (@p err) into a refusal "request_bad" and clear it. */
BASE_MUST_CHECK
enum base_status kms_refuse_body(struct kms_call *call, struct base_err *err);

/** Note an event of this call. */
BASE_MUST_CHECK
enum base_status kms_call_event(struct kms_call *call, const char *kind, const char *lot,
    const char *subject, struct base_err *err);

/** Read the lot named by the first path part; refuses "lot_unknown". */
BASE_MUST_CHECK
enum base_status kms_call_lot(struct kms_call *call, struct kms_lot *ret_lot, struct base_err *err);

/** "unit" object of an API answer. */
BASE_MUST_CHECK
enum base_status kms_grant_json(
    const struct kms_grant *grant, json_t *object, struct base_err *err);

/** "tofu", "manifest", "attested". */
const char *kms_trust_name(enum kms_trust trust);

/** "rework", "zeroise", else "none", of enum proto_purpose. */
const char *kms_work_name(int64_t purpose);
/** "none", "secure". */
const char *kms_restrict_name(int64_t policy);
/** "none", "answered" (by the chip, under a MAC), "settled" (by a person, by label and permit). */
const char *kms_lock_state_name(const struct kms_grant *grant);
/** "none", "aps", "dark". */
const char *kms_lock_name(int64_t policy);
/** Does the lot name an application image? */
bool kms_lot_has_application(const struct kms_lot *lot);

/** A route's work. BASE_OK: answered, commit. BASE_E_DENIED: refused, roll back. */
typedef enum base_status kms_handler_fn(struct kms_call *call, struct base_err *err);

/* Handlers, one per route; see kms/openapi.yaml. */
BASE_MUST_CHECK
enum base_status kms_handle_login(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_logout(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_get_lot(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_get_permit(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_get_unit(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_list_grants(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_register_unit(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_grant(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_receipt(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_lock(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_settle(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_scrap(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_wipe(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_wiped(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_checkpoint(struct kms_call *call, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_handle_keys(struct kms_call *call, struct base_err *err);

/** Check the bearer token against store and certificate, and move its idle time on. */
BASE_MUST_CHECK
enum base_status kms_session_check(struct kms_call *call, struct base_err *err);

/** Verify the intent record of a grant request; refuses "intent_missing". */
BASE_MUST_CHECK
enum base_status kms_intent_check(struct kms_call *call, const json_t *body, const char *lot,
    const uint8_t statement_sha256[32], uint8_t ret_record_sha256[32], struct base_err *err);

#endif
