/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what a station reads of a KMS's answers. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "auth/kms_private.h"
#include "auth/permit.h"
#include "base/note.h"

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

/* A permit, as it stands and under a signature that is good. */
static void read_permits(const uint8_t *data, size_t size)
{
    static struct base_random_seeded random; /* libFuzzer offers no other place */
    static struct base_note_key key;
    static char vkey[BASE_NOTE_VKEY_SIZE];
    struct auth_permit permit;
    struct base_note_signer signer;
    struct base_buf body;
    struct base_buf note;
    if (key.seed.data == NULL) {
        base_random_seeded_init(&random, 1);
        FUZZ_CHECK(base_note_key_generate("kms", BASE_NOTE_ED25519, &random.random, &key, NULL) ==
                   BASE_OK);
        base_note_verifier_format(&key.verifier, vkey);
    }
    FUZZ_CHECK(auth_permit_parse((const char *)data, size, vkey, 0, &permit, NULL) != BASE_OK);
    base_note_key_signer(&key, &signer);
    base_buf_init(&body, AUTH_NOTE_MAX);
    base_buf_init(&note, 2 * AUTH_NOTE_MAX);
    if (base_buf_printf(&body, NULL, "lpa permit v1\n") == BASE_OK &&
        base_buf_append(&body, data, size, NULL) == BASE_OK &&
        base_buf_append(&body, "\n", 1, NULL) == BASE_OK &&
        base_note_sign(&signer, (const char *)body.data, body.length, 0, &note, NULL) == BASE_OK &&
        auth_permit_parse((const char *)note.data, note.length, vkey, 0, &permit, NULL) ==
            BASE_OK) {
        FUZZ_CHECK(
            permit.id[0] != '\0' && strnlen(permit.id, sizeof(permit.id)) < sizeof(permit.id));
        FUZZ_CHECK(permit.acts < 64 && permit.until_us > 0);
    }
    base_buf_done(&body);
    base_buf_done(&note);
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
    read_permits(data, size);
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
