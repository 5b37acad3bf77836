/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what a station reads of a KMS's answers. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "auth/kms_private.h"

static void read_all(const json_t *answer)
{
    struct auth_lot lot;
    struct auth_unit unit;
    static struct auth_grant grant;
    static struct auth_confirmation confirmation;
    uint8_t chip_id[8];
    if (auth_kms_read_lot(answer, &lot, NULL) == BASE_OK) {
        FUZZ_CHECK(strnlen(lot.id, sizeof(lot.id)) < sizeof(lot.id));
        FUZZ_CHECK(lot.trust >= AUTH_TRUST_TOFU && lot.trust <= AUTH_TRUST_ATTESTED);
    }
    if (auth_kms_read_unit(answer, chip_id, &unit, NULL) == BASE_OK) {
        FUZZ_CHECK(strnlen(unit.grant_id, sizeof(unit.grant_id)) < sizeof(unit.grant_id));
    }
    if (auth_kms_read_grant(answer, &grant, NULL) == BASE_OK) {
        FUZZ_CHECK(grant.envelope_length <= sizeof(grant.envelope));
        FUZZ_CHECK(
            strnlen(grant.signed_grant, sizeof(grant.signed_grant)) < sizeof(grant.signed_grant));
    }
    if (auth_kms_read_confirmation(answer, &confirmation, NULL) == BASE_OK) {
        FUZZ_CHECK(
            strnlen(confirmation.label, sizeof(confirmation.label)) < sizeof(confirmation.label));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct auth_kms kms = { .http = NULL };
    struct auth_session session = { .expires_wall_us = 0 };
    struct base_err err = { 0 };
    json_t *answer = NULL;
    if (base_json_parse(data, size, AUTH_HTTP_BODY_MAX, &answer, NULL) == BASE_OK) {
        read_all(answer);
        json_decref(answer);
    }
    base_buf_init(&kms.body, AUTH_HTTP_BODY_MAX);
    if (base_buf_append(&kms.body, data, size, NULL) == BASE_OK) {
        FUZZ_CHECK(auth_kms_problem(&kms, 409, &err) != BASE_OK && err.message[0] != '\0');
        if (auth_kms_read_session(&kms, 0, &session, NULL) == BASE_OK) {
            FUZZ_CHECK(session.token.length > 0);
        }
        auth_session_done(&session);
    }
    base_buf_done(&kms.body);
    return 0;
}
