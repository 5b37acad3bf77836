/* SPDX-License-Identifier: Apache-2.0 */
#include "base/aead.h"

#include "base/secret.h"

#include <limits.h>
#include <openssl/evp.h>

static const EVP_CIPHER *cipher_of(enum base_aead aead)
{
    switch (aead) {
    case BASE_AEAD_AES_128_GCM:
        return EVP_aes_128_gcm();
    case BASE_AEAD_AES_256_GCM:
        return EVP_aes_256_gcm();
    case BASE_AEAD_CHACHA20_POLY1305:
        return EVP_chacha20_poly1305();
    default:
        return NULL;
    }
}

size_t base_aead_key_bytes(enum base_aead aead)
{
    const EVP_CIPHER *cipher = cipher_of(aead);
    return cipher == NULL ? 0 : (size_t)EVP_CIPHER_get_key_length(cipher);
}

static enum base_status check_opts(
    const struct base_aead_opts *opts, size_t length, struct base_err *err)
{
    if (cipher_of(opts->aead) == NULL) {
        return base_err_set(err, BASE_E_ARG, "AEAD", (int64_t)opts->aead,
            "authenticated cipher %d is not known", (int)opts->aead);
    }
    if (opts->key == NULL || opts->nonce == NULL || (opts->aad == NULL && opts->aad_length > 0) ||
        opts->aad_length > INT_MAX || length > INT_MAX - BASE_AEAD_TAG_BYTES) {
        return base_err_set(err, BASE_E_ARG, "AEAD", (int64_t)length,
            "key, nonce or data of an authenticated cipher is missing or too long");
    }
    return BASE_OK;
}

static enum base_status refused(struct base_err *err)
{
    return base_err_set(
        err, BASE_E_INTERNAL, "OpenSSL", 0, "OpenSSL refused an authenticated cipher");
}

static bool begin(EVP_CIPHER_CTX *ctx, const struct base_aead_opts *opts, int encrypt)
{
    int unused = 0;
    return EVP_CipherInit_ex(ctx, cipher_of(opts->aead), NULL, opts->key, opts->nonce, encrypt) ==
               1 &&
           (opts->aad_length == 0 ||
               EVP_CipherUpdate(ctx, NULL, &unused, opts->aad, (int)opts->aad_length) == 1);
}

enum base_status base_aead_seal(const struct base_aead_opts *opts, const void *plaintext,
    size_t length, uint8_t *ret_ciphertext, struct base_err *err)
{
    enum base_status status = check_opts(opts, length, err);
    if (status != BASE_OK) {
        return status;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int used = 0;
    int last = 0;
    bool ok = ctx != NULL && begin(ctx, opts, 1) &&
              (length == 0 ||
                  EVP_CipherUpdate(ctx, ret_ciphertext, &used, plaintext, (int)length) == 1) &&
              EVP_CipherFinal_ex(ctx, ret_ciphertext + used, &last) == 1 &&
              EVP_CIPHER_CTX_ctrl(
                  ctx, EVP_CTRL_AEAD_GET_TAG, BASE_AEAD_TAG_BYTES, ret_ciphertext + length) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? BASE_OK : refused(err);
}

enum base_status base_aead_open(const struct base_aead_opts *opts, const void *ciphertext,
    size_t length, uint8_t *ret_plaintext, struct base_err *err)
{
    if (length < BASE_AEAD_TAG_BYTES) {
        return base_err_set(err, BASE_E_VERIFY, "AEAD", (int64_t)length,
            "a ciphertext of %zu bytes is shorter than its tag", length);
    }
    size_t text_length = length - BASE_AEAD_TAG_BYTES;
    enum base_status status = check_opts(opts, text_length, err);
    if (status != BASE_OK) {
        return status;
    }
    /* OpenSSL takes the tag through a non-const pointer: give it a copy. */
    uint8_t tag[BASE_AEAD_TAG_BYTES];
    const uint8_t *bytes = ciphertext;
    for (size_t i = 0; i < sizeof(tag); i++) {
        tag[i] = bytes[text_length + i];
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int used = 0;
    int last = 0;
    uint8_t none;
    uint8_t *to = text_length == 0 ? &none : ret_plaintext;
    bool ready =
        ctx != NULL && begin(ctx, opts, 0) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
        (text_length == 0 || EVP_CipherUpdate(ctx, to, &used, ciphertext, (int)text_length) == 1);
    bool fits = ready && EVP_CipherFinal_ex(ctx, to + used, &last) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (fits) {
        return BASE_OK;
    }
    if (text_length > 0) {
        base_wipe(ret_plaintext, text_length);
    }
    return ready ? base_err_set(err, BASE_E_VERIFY, "AEAD", 0,
                       "the ciphertext was changed or belongs to another key")
                 : refused(err);
}
