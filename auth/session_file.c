/* SPDX-License-Identifier: Apache-2.0 */
/* A session between two runs of a program, sealed under a key derived from the station's own. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "auth/kms_client.h"
#include "base/aead.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"

#define MAGIC        "LPASESS1"
#define MAGIC_SIZE   8U
#define KEY_MAX      16384
#define TOKEN_MAX    128U
#define PLAIN_SIZE   (16U + AUTH_ID_SIZE + 1U + TOKEN_MAX) /* times, tester, token length, token */
#define HEADER_SIZE  (MAGIC_SIZE + BASE_AEAD_NONCE_BYTES)
#define SEALED_SIZE  (HEADER_SIZE + PLAIN_SIZE + BASE_AEAD_TAG_BYTES)
#define SESSION_SALT "lpa session file v1"

static enum base_status derive_key(
    const char *key_file, struct base_secret *ret_key, struct base_err *err)
{
    struct base_secret pem = { 0 };
    struct base_secret key = { 0 };
    enum base_status status = base_secret_read_file(&pem, key_file, KEY_MAX, err);
    if (status == BASE_OK) {
        status = base_secret_init(&key, 64, err);
    }
    if (status == BASE_OK) {
        const struct base_part ikm = { pem.data, pem.length };
        const struct base_part info = { "aes-256-gcm", 11 };
        base_hkdf_extract(SESSION_SALT, sizeof(SESSION_SALT) - 1, &ikm, 1, key.data + 32);
        status = base_hkdf_expand(key.data + 32, &info, 1, 32, key.data, err);
    }
    base_secret_done(&pem);
    if (status != BASE_OK) {
        base_secret_done(&key);
        return status;
    }
    *ret_key = key;
    return BASE_OK;
}

static void pack(const struct auth_session *session, uint8_t *plain)
{
    memset(plain, 0, PLAIN_SIZE);
    base_put_be64(plain, (uint64_t)session->expires_wall_us);
    base_put_be64(plain + 8, (uint64_t)session->clock_offset_us);
    memcpy(plain + 16, session->tester, AUTH_ID_SIZE);
    plain[16 + AUTH_ID_SIZE] = (uint8_t)session->token.length;
    memcpy(plain + 17 + AUTH_ID_SIZE, session->token.data, session->token.length);
}

enum base_status auth_session_store(const struct auth_session *session, const char *key_file,
    const char *path, struct base_err *err)
{
    struct base_secret key = { 0 };
    struct base_secret plain = { 0 };
    uint8_t sealed[SEALED_SIZE];
    if (session->token.data == NULL || session->token.length > TOKEN_MAX) {
        return base_err_set(err, BASE_E_ARG, "session", 0, "there is no session to store");
    }
    enum base_status status = derive_key(key_file, &key, err);
    if (status == BASE_OK) {
        status = base_secret_init(&plain, PLAIN_SIZE, err);
    }
    if (status == BASE_OK) {
        memcpy(sealed, MAGIC, MAGIC_SIZE);
        status =
            base_random_fill(base_random_system(), sealed + MAGIC_SIZE, BASE_AEAD_NONCE_BYTES, err);
    }
    if (status == BASE_OK) {
        const struct base_aead_opts opts = {
            .aead = BASE_AEAD_AES_256_GCM,
            .key = key.data,
            .nonce = sealed + MAGIC_SIZE,
            .aad = sealed,
            .aad_length = MAGIC_SIZE,
        };
        pack(session, plain.data);
        status = base_aead_seal(&opts, plain.data, PLAIN_SIZE, sealed + HEADER_SIZE, err);
    }
    if (status == BASE_OK) {
        status = base_file_replace(path, sealed, sizeof(sealed), 0600, err);
    }
    base_secret_done(&key);
    base_secret_done(&plain);
    return status;
}

static enum base_status unpack(
    const uint8_t *plain, struct auth_session *ret_session, struct base_err *err)
{
    struct auth_session session = { .expires_wall_us = (int64_t)base_get_be64(plain) };
    session.clock_offset_us = (int64_t)base_get_be64(plain + 8);
    memcpy(session.tester, plain + 16, AUTH_ID_SIZE);
    size_t length = plain[16 + AUTH_ID_SIZE];
    if (session.tester[AUTH_ID_SIZE - 1] != '\0' || length == 0 || length > TOKEN_MAX) {
        return base_err_set(
            err, BASE_E_CORRUPT, "session", 0, "the session file is damaged; log in again");
    }
    enum base_status status =
        base_secret_copy(&session.token, plain + 17 + AUTH_ID_SIZE, length, err);
    if (status == BASE_OK) {
        *ret_session = session;
    }
    return status;
}

static enum base_status open_sealed(const char *key_file, const char *path, const uint8_t *sealed,
    struct auth_session *ret_session, struct base_err *err)
{
    struct base_secret key = { 0 };
    struct base_secret plain = { 0 };
    enum base_status status = derive_key(key_file, &key, err);
    if (status == BASE_OK) {
        status = base_secret_init(&plain, PLAIN_SIZE, err);
    }
    if (status == BASE_OK) {
        const struct base_aead_opts opts = {
            .aead = BASE_AEAD_AES_256_GCM,
            .key = key.data,
            .nonce = sealed + MAGIC_SIZE,
            .aad = sealed,
            .aad_length = MAGIC_SIZE,
        };
        struct base_err cause = { 0 };
        status = base_aead_open(
            &opts, sealed + HEADER_SIZE, PLAIN_SIZE + BASE_AEAD_TAG_BYTES, plain.data, &cause);
        if (status != BASE_OK) {
            status = base_err_set(err, BASE_E_CORRUPT, "session", 0,
                "the session file %s is damaged or of another station key; log in again", path);
        }
    }
    if (status == BASE_OK) {
        status = unpack(plain.data, ret_session, err);
    }
    base_secret_done(&key);
    base_secret_done(&plain);
    return status;
}

enum base_status auth_session_load(const char *key_file, const char *path,
    const struct base_clock *clock, struct auth_session *ret_session, struct base_err *err)
{
    struct base_secret sealed = { 0 };
    struct auth_session session = { .expires_wall_us = 0 };
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        return base_err_set(err, BASE_E_NOTFOUND, "session", 0,
            "nobody is logged in at this station; log in first");
    }
    enum base_status status = base_secret_read_file(&sealed, path, SEALED_SIZE, err);
    if (status == BASE_OK &&
        (sealed.length != SEALED_SIZE || memcmp(sealed.data, MAGIC, MAGIC_SIZE) != 0)) {
        status = base_err_set(err, BASE_E_CORRUPT, "session", (int64_t)sealed.length,
            "%s is not a session file; log in again", path);
    }
    if (status == BASE_OK) {
        status = open_sealed(key_file, path, sealed.data, &session, err);
    }
    base_secret_done(&sealed);
    if (status != BASE_OK) {
        return status;
    }
    if (base_clock_wall_us(clock) + session.clock_offset_us >= session.expires_wall_us) {
        auth_session_done(&session);
        (void)unlink(path);
        return base_err_set(err, BASE_E_EXPIRED, "session", 0, "the session is over; log in again");
    }
    *ret_session = session;
    return BASE_OK;
}
