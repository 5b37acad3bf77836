/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_KMS_PRIVATE_H
#define AUTH_KMS_PRIVATE_H

/** @file What the files of the KMS client share. */

#include "auth/http.h"
#include "auth/kms_client.h"
#include "base/json.h"

struct auth_kms {
    struct auth_http *http;
    const struct base_clock *clock;
    bool unattended;
    struct base_buf body; /**< of the last answer */
};

/** One call of the API. */
struct auth_api_call {
    enum auth_http_method method;
    const char *path;
    const struct auth_session *session; /**< NULL: certificate only */
    json_t *body;                       /**< taken over; NULL for none */
};

/**
 * Call, turn refusals into errors, parse the answer.
 *
 * @param[out] ret_answer  owned by the caller; NULL for an answer without body. May be NULL.
 */
BASE_MUST_CHECK
enum base_status auth_kms_call(struct auth_kms *kms, const struct auth_api_call *call,
    json_t **ret_answer, struct base_err *err);

/** Fill @p err from a problem document in kms->body. */
BASE_MUST_CHECK
enum base_status auth_kms_problem(struct auth_kms *kms, int http_status, struct base_err *err);

/** The answer does not have the form that kms/openapi.yaml gives it. */
BASE_MUST_CHECK
enum base_status auth_kms_odd_answer(struct base_err *err);

/** Read a unit object of the API; @p ret_chip_id may be NULL. */
BASE_MUST_CHECK
enum base_status auth_kms_read_unit(
    const json_t *object, uint8_t *ret_chip_id, struct auth_unit *ret_unit, struct base_err *err);

/* As openapi.yaml describes them; BASE_E_PROTO otherwise. */
BASE_MUST_CHECK
enum base_status auth_kms_read_lot(
    const json_t *object, struct auth_lot *ret_lot, struct base_err *err);
BASE_MUST_CHECK
enum base_status auth_kms_read_grant(
    const json_t *answer, struct auth_grant *ret_grant, struct base_err *err);
BASE_MUST_CHECK
enum base_status auth_kms_read_confirmation(
    const json_t *answer, struct auth_confirmation *ret_confirmation, struct base_err *err);

/**
 * Read a login's answer in kms->body: the token goes into a secret and is blanked in the body
 * before that is parsed. On failure @p session may hold a token; the caller calls
 * auth_session_done().
 *
 * @param middle_us  station time half-way through the call
 */
BASE_MUST_CHECK
enum base_status auth_kms_read_session(
    struct auth_kms *kms, int64_t middle_us, struct auth_session *session, struct base_err *err);

#endif
