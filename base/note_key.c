/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/note.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define KEY_BYTES 33 /* type and Ed25519 key, in the text forms */

static const char private_prefix[] = "PRIVATE+KEY+";

/* signed-note: not empty, no Unicode spaces, no plus. Ours are printable ASCII, which has no
 * look-alikes. */
static bool name_fits(const char *name)
{
    size_t length = strnlen(name, BASE_NOTE_NAME_SIZE);
    if (length == 0 || length == BASE_NOTE_NAME_SIZE) {
        return false;
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (*at <= ' ' || *at >= 0x7F || *at == '+') {
            return false;
        }
    }
    return true;
}

enum base_status base_note_verifier_init(const char *name, enum base_note_type type,
    const uint8_t public_key[32], struct base_note_verifier *ret_verifier, struct base_err *err)
{
    if (!name_fits(name) || (type != BASE_NOTE_ED25519 && type != BASE_NOTE_COSIGNATURE)) {
        return base_err_set(err, BASE_E_ARG, "note", (int64_t)type,
            "a note key needs a name of 1 to %d printable ASCII characters without spaces and plus "
            "signs, and type 1 or 4",
            BASE_NOTE_NAME_SIZE - 1);
    }
    struct base_note_verifier verifier = { .type = type };
    memcpy(verifier.name, name, strlen(name) + 1);
    memcpy(verifier.public_key, public_key, sizeof(verifier.public_key));
    uint8_t typed[2] = { '\n', (uint8_t)type };
    uint8_t digest[BASE_SHA256_BYTES];
    struct base_sha256 hash;
    base_sha256_init(&hash);
    base_sha256_update(&hash, name, strlen(name));
    base_sha256_update(&hash, typed, sizeof(typed));
    base_sha256_update(&hash, public_key, 32);
    base_sha256_final(&hash, digest);
    memcpy(verifier.key_id, digest, sizeof(verifier.key_id));
    *ret_verifier = verifier;
    return BASE_OK;
}

static enum base_status bad_key(struct base_err *err)
{
    return base_err_set(err, BASE_E_ARG, "note", 0,
        "the text is not a note key NAME+ID+KEY of type Ed25519 or cosignature");
}

/* The parts of NAME+8HEX+BASE64: the base64 may itself hold plus signs, a name may not. */
static enum base_status split_key(const char *text, size_t length, char *ret_name,
    uint8_t ret_id[4], uint8_t ret_key[KEY_BYTES], struct base_err *err)
{
    const char *plus = memchr(text, '+', length);
    size_t name_length = plus == NULL ? 0 : (size_t)(plus - text);
    size_t rest = length - name_length;
    if (plus == NULL || name_length >= BASE_NOTE_NAME_SIZE || rest < 10 || plus[9] != '+') {
        return bad_key(err);
    }
    char id[9];
    memcpy(id, plus + 1, 8);
    id[8] = '\0';
    size_t key_length = 0;
    for (size_t i = 0; i < 8; i++) {
        if (id[i] >= 'A' && id[i] <= 'F') {
            return bad_key(err);
        }
    }
    if (base_hex_decode(id, 4, ret_id, NULL) != BASE_OK ||
        base_base64_decode(plus + 10, rest - 10, KEY_BYTES, ret_key, &key_length, NULL) !=
            BASE_OK ||
        key_length != KEY_BYTES) {
        return bad_key(err);
    }
    memcpy(ret_name, text, name_length);
    ret_name[name_length] = '\0';
    return BASE_OK;
}

enum base_status base_note_verifier_parse(
    const char *text, struct base_note_verifier *ret_verifier, struct base_err *err)
{
    char name[BASE_NOTE_NAME_SIZE];
    uint8_t id[4];
    uint8_t key[KEY_BYTES];
    struct base_note_verifier verifier;
    enum base_status status =
        split_key(text, strnlen(text, BASE_NOTE_VKEY_SIZE), name, id, key, err);
    if (status == BASE_OK) {
        status =
            base_note_verifier_init(name, (enum base_note_type)key[0], key + 1, &verifier, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (memcmp(id, verifier.key_id, sizeof(id)) != 0) {
        return base_err_set(err, BASE_E_ARG, "note", 0,
            "the note key of %s does not fit its key id: it was mistyped or changed", name);
    }
    *ret_verifier = verifier;
    return BASE_OK;
}

/* "NAME+ID+BASE64" of either half; @p size counts the NUL. */
static void format_key(
    const struct base_note_verifier *verifier, const uint8_t key[32], char *text, size_t size)
{
    uint8_t typed[KEY_BYTES];
    char id[9];
    char key_text[BASE_BASE64_SIZE(KEY_BYTES)];
    typed[0] = (uint8_t)verifier->type;
    memcpy(typed + 1, key, 32);
    base_hex_encode(verifier->key_id, sizeof(verifier->key_id), id);
    base_base64_encode(typed, sizeof(typed), key_text);
    (void)snprintf(text, size, "%s+%s+%s", verifier->name, id, key_text);
    base_wipe(typed, sizeof(typed));
    base_wipe(key_text, sizeof(key_text));
}

void base_note_verifier_format(
    const struct base_note_verifier *verifier, char ret_text[BASE_NOTE_VKEY_SIZE])
{
    format_key(verifier, verifier->public_key, ret_text, BASE_NOTE_VKEY_SIZE);
}

void base_note_key_done(struct base_note_key *key)
{
    if (key != NULL) {
        base_secret_done(&key->seed);
        memset(key, 0, sizeof(*key));
    }
}

static enum base_status public_of(
    const uint8_t seed[32], uint8_t ret_public[32], struct base_err *err)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    size_t length = 32;
    bool ok = pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, ret_public, &length) == 1;
    EVP_PKEY_free(pkey);
    return ok ? BASE_OK
              : base_err_set(err, BASE_E_INTERNAL, "OpenSSL", 0, "OpenSSL refused an Ed25519 key");
}

static enum base_status key_from_seed(const char *name, enum base_note_type type,
    const uint8_t seed[32], struct base_note_key *ret_key, struct base_err *err)
{
    uint8_t public_key[32];
    struct base_note_key key = { 0 };
    enum base_status status = public_of(seed, public_key, err);
    if (status == BASE_OK) {
        status = base_note_verifier_init(name, type, public_key, &key.verifier, err);
    }
    if (status == BASE_OK) {
        status = base_secret_copy(&key.seed, seed, 32, err);
    }
    if (status == BASE_OK) {
        *ret_key = key;
    }
    return status;
}

enum base_status base_note_key_generate(const char *name, enum base_note_type type,
    const struct base_random *random, struct base_note_key *ret_key, struct base_err *err)
{
    uint8_t seed[32];
    enum base_status status = base_random_fill(random, seed, sizeof(seed), err);
    if (status == BASE_OK) {
        status = key_from_seed(name, type, seed, ret_key, err);
    }
    base_wipe(seed, sizeof(seed));
    return status;
}

enum base_status base_note_key_parse(
    const struct base_secret *text, struct base_note_key *ret_key, struct base_err *err)
{
    const char *at = (const char *)text->data;
    size_t length = text->length;
    size_t prefix = sizeof(private_prefix) - 1;
    while (length > 0 && (at[length - 1] == '\n' || at[length - 1] == '\r')) {
        length--;
    }
    if (length <= prefix || memcmp(at, private_prefix, prefix) != 0) {
        return base_err_set(err, BASE_E_ARG, "note", 0,
            "the text is not a private note key (it begins with %s)", private_prefix);
    }
    char name[BASE_NOTE_NAME_SIZE];
    uint8_t id[4];
    uint8_t typed[KEY_BYTES];
    struct base_note_key key = { 0 };
    enum base_status status = split_key(at + prefix, length - prefix, name, id, typed, err);
    if (status == BASE_OK) {
        status = key_from_seed(name, (enum base_note_type)typed[0], typed + 1, &key, err);
    }
    base_wipe(typed, sizeof(typed));
    if (status != BASE_OK) {
        return status;
    }
    if (memcmp(id, key.verifier.key_id, sizeof(id)) != 0) {
        base_note_key_done(&key);
        return base_err_set(err, BASE_E_ARG, "note", 0,
            "the private note key of %s does not fit its key id: it was changed", name);
    }
    *ret_key = key;
    return BASE_OK;
}

enum base_status base_note_key_format(
    const struct base_note_key *key, struct base_secret *ret_text, struct base_err *err)
{
    size_t prefix = sizeof(private_prefix) - 1;
    struct base_secret text;
    enum base_status status = base_secret_init(&text, prefix + BASE_NOTE_VKEY_SIZE, err);
    if (status != BASE_OK) {
        return status;
    }
    memcpy(text.data, private_prefix, prefix);
    format_key(&key->verifier, key->seed.data, (char *)text.data + prefix, BASE_NOTE_VKEY_SIZE);
    text.length = strlen((const char *)text.data);
    *ret_text = text;
    return BASE_OK;
}

enum base_status base_note_key_load(
    const char *path, struct base_note_key *ret_key, struct base_err *err)
{
    struct base_secret text = { 0 };
    enum base_status status = base_secret_read_file(&text, path, 1024, err);
    if (status == BASE_OK && (status = base_note_key_parse(&text, ret_key, err)) != BASE_OK) {
        (void)base_err_prefix(err, "key file %s: ", path);
    }
    base_secret_done(&text);
    return status;
}

enum base_status base_note_key_store(
    const struct base_note_key *key, const char *path, struct base_err *err)
{
    struct base_secret text;
    enum base_status status = base_note_key_format(key, &text, err);
    if (status == BASE_OK) {
        text.data[text.length] = '\n'; /* the mapping is longer than the text */
        status = base_file_replace(path, text.data, text.length + 1, 0600, err);
        base_secret_done(&text);
    }
    return status;
}

static enum base_status sign_with_key(
    void *user, const void *message, size_t length, uint8_t ret_signature[64], struct base_err *err)
{
    const struct base_note_key *key = user;
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->seed.data, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t used = 64;
    bool ok = pkey != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
              EVP_DigestSign(ctx, ret_signature, &used, message, length) == 1 && used == 64;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok ? BASE_OK
              : base_err_set(err, BASE_E_INTERNAL, "OpenSSL", 0, "OpenSSL refused to sign a note");
}

void base_note_key_signer(const struct base_note_key *key, struct base_note_signer *ret_signer)
{
    union {
        const struct base_note_key *borrowed;
        void *user; /* sign_with_key() only reads it */
    } pass = { .borrowed = key };

    *ret_signer = (struct base_note_signer){ key->verifier, sign_with_key, pass.user };
}
