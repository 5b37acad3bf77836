/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/keywrap.h"
#include "base/p256.h"
#include "kms/keystore.h"

#define KEK_BYTES     32
#define KEK_MARK      "lpa development kek "
#define KEK_MARK_SIZE (sizeof(KEK_MARK) - 1)

struct state {
    struct base_p256 *authority;
    struct base_secret kek;
    struct base_note_key log;
    struct base_note_key cosigner;
};

static enum base_status key_path(
    const char *dir, const char *name, char ret_path[BASE_FILE_PATH_SIZE], struct base_err *err)
{
    char folder[BASE_FILE_PATH_SIZE];
    enum base_status status = base_file_join(dir, "keys", sizeof(folder), folder, err);
    if (status != BASE_OK) {
        return status;
    }
    return base_file_join(folder, name, BASE_FILE_PATH_SIZE, ret_path, err);
}

static enum base_status create_kek(
    const char *dir, const struct base_random *random, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_secret text = { 0 };
    enum base_status status = key_path(dir, "kek.key", path, err);
    if (status == BASE_OK) {
        /* mark, 64 digits, newline; room for the NUL of the hex text, and the raw key after it */
        status = base_secret_init(&text, KEK_MARK_SIZE + 2 * KEK_BYTES + 1 + KEK_BYTES, err);
    }
    if (status == BASE_OK) {
        uint8_t *raw = text.data + KEK_MARK_SIZE + 2 * KEK_BYTES + 1;
        status = base_random_fill(random, raw, KEK_BYTES, err);
        if (status == BASE_OK) {
            memcpy(text.data, KEK_MARK, KEK_MARK_SIZE);
            base_hex_encode(raw, KEK_BYTES, (char *)text.data + KEK_MARK_SIZE);
            text.data[KEK_MARK_SIZE + 2 * KEK_BYTES] = '\n';
            status =
                base_file_replace(path, text.data, KEK_MARK_SIZE + 2 * KEK_BYTES + 1, 0600, err);
        }
    }
    base_secret_done(&text);
    return status;
}

static enum base_status load_kek(const char *dir, struct base_secret *ret_kek, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_secret text = { 0 };
    struct base_secret kek = { 0 };
    enum base_status status = key_path(dir, "kek.key", path, err);
    if (status == BASE_OK) {
        status = base_secret_read_file(&text, path, 256, err);
    }
    if (status == BASE_OK) {
        status = base_secret_init(&kek, KEK_BYTES, err);
    }
    if (status == BASE_OK) {
        /* The last byte is a newline; it becomes the end of the hex text. */
        bool shaped = text.length == KEK_MARK_SIZE + 2 * KEK_BYTES + 1 &&
                      memcmp(text.data, KEK_MARK, KEK_MARK_SIZE) == 0;
        text.data[text.length - 1] = 0;
        if (!shaped || base_hex_decode((const char *)text.data + KEK_MARK_SIZE, KEK_BYTES, kek.data,
                           NULL) != BASE_OK) {
            status = base_err_set(err, BASE_E_CONFIG, "KMS", 0,
                "%s is not a key-encryption key file; restore it from your backup", path);
        }
    }
    base_secret_done(&text);
    if (status != BASE_OK) {
        base_secret_done(&kek);
        return status;
    }
    *ret_kek = kek;
    return BASE_OK;
}

static enum base_status create_authority(
    const char *dir, const struct base_random *random, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_p256 *key = NULL;
    enum base_status status = key_path(dir, "authority.key", path, err);
    if (status == BASE_OK) {
        status = base_p256_generate(random, &key, err);
    }
    if (status == BASE_OK) {
        status = base_p256_store(key, path, err);
    }
    base_p256_free(key);
    return status;
}

static enum base_status create_log_key(
    const char *dir, const char *name, const struct base_random *random, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_note_key key = { 0 };
    enum base_status status = key_path(dir, "log.key", path, err);
    if (status == BASE_OK) {
        status = base_note_key_generate(name, BASE_NOTE_ED25519, random, &key, err);
    }
    if (status == BASE_OK) {
        status = base_note_key_store(&key, path, err);
    }
    base_note_key_done(&key);
    return status;
}

enum base_status kms_keystore_file_create(
    const char *dir, const char *name, const struct base_random *random, struct base_err *err)
{
    char folder[BASE_FILE_PATH_SIZE];
    enum base_status status = base_file_join(dir, "keys", sizeof(folder), folder, err);
    if (status == BASE_OK) {
        status = base_file_make_folder(folder, err);
    }
    if (status == BASE_OK) {
        status = create_authority(dir, random, err);
    }
    if (status == BASE_OK) {
        status = create_kek(dir, random, err);
    }
    if (status == BASE_OK) {
        status = create_log_key(dir, name, random, err);
    }
    return status;
}

static enum base_status file_wrap(
    void *user, const uint8_t *key, size_t length, uint8_t *ret_wrapped, struct base_err *err)
{
    struct state *state = user;
    return base_keywrap_wrap(state->kek.data, KEK_BYTES, key, length, ret_wrapped, err);
}

static enum base_status file_unwrap(
    void *user, const uint8_t *wrapped, size_t length, uint8_t *ret_key, struct base_err *err)
{
    struct state *state = user;
    return base_keywrap_unwrap(state->kek.data, KEK_BYTES, wrapped, length, ret_key, err);
}

static void file_close(void *user)
{
    struct state *state = user;
    if (state == NULL) {
        return;
    }
    base_p256_free(state->authority);
    base_secret_done(&state->kek);
    base_note_key_done(&state->log);
    base_note_key_done(&state->cosigner);
    free(state);
}

static const struct kms_keystore_ops file_ops = {
    .name = "file",
    .wrap = file_wrap,
    .unwrap = file_unwrap,
    .close = file_close,
};

static enum base_status load_all(const char *dir, struct state *state, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    enum base_status status = key_path(dir, "authority.key", path, err);
    if (status == BASE_OK) {
        status = base_p256_load(path, &state->authority, err);
    }
    if (status == BASE_OK) {
        status = load_kek(dir, &state->kek, err);
    }
    if (status == BASE_OK) {
        status = key_path(dir, "log.key", path, err);
    }
    if (status == BASE_OK) {
        status = base_note_key_load(path, &state->log, err);
    }
    if (status == BASE_OK) {
        status = base_secret_copy(
            &state->cosigner.seed, state->log.seed.data, state->log.seed.length, err);
    }
    if (status == BASE_OK) {
        status = base_note_verifier_init(state->log.verifier.name, BASE_NOTE_COSIGNATURE,
            state->log.verifier.public_key, &state->cosigner.verifier, err);
    }
    return status;
}

enum base_status kms_keystore_file_open(const char *dir, const struct base_random *random,
    struct kms_keystore *ret_keys, struct base_err *err)
{
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "KMS", 0, "out of memory for the key store");
    }
    enum base_status status = load_all(dir, state, err);
    if (status != BASE_OK) {
        file_close(state);
        return status;
    }
    struct kms_keystore keys = {
        .ops = &file_ops, .state = state, .development = true, .random = random
    };
    base_p256_hpke(state->authority, &keys.authority);
    uint8_t digest[BASE_SHA256_BYTES];
    base_sha256(keys.authority.public_key, keys.authority.public_length, digest);
    memcpy(keys.authority_key_id, digest, sizeof(keys.authority_key_id));
    base_note_key_signer(&state->log, &keys.log);
    base_note_key_signer(&state->cosigner, &keys.cosigner);
    *ret_keys = keys;
    return BASE_OK;
}
