/* SPDX-License-Identifier: Apache-2.0 */
#include "base/keywrap.h"

#include "base/secret.h"

#include <openssl/evp.h>

static const EVP_CIPHER *cipher_of(size_t kek_length)
{
    switch (kek_length) {
    case 16:
        return EVP_aes_128_wrap();
    case 24:
        return EVP_aes_192_wrap();
    case 32:
        return EVP_aes_256_wrap();
    default:
        return NULL;
    }
}

static enum base_status check_lengths(size_t kek_length, size_t key_length, struct base_err *err)
{
    if (cipher_of(kek_length) == NULL) {
        return base_err_set(err, BASE_E_ARG, "keywrap", (int64_t)kek_length,
            "a key-encryption key has 16, 24 or 32 bytes, not %zu", kek_length);
    }
    /* One block of 8 bytes is not defined by RFC 3394 (§2: n >= 2). */
    if (key_length < 16 || key_length % 8 != 0 || key_length > BASE_KEYWRAP_KEY_MAX_BYTES) {
        return base_err_set(err, BASE_E_ARG, "keywrap", (int64_t)key_length,
            "AES key wrap takes keys of 16 to %d bytes in steps of 8, not %zu",
            BASE_KEYWRAP_KEY_MAX_BYTES, key_length);
    }
    return BASE_OK;
}

/* One shot in either direction; the lengths were checked. */
static bool run(const uint8_t *kek, size_t kek_length, const uint8_t *from, size_t length,
    bool encrypt, uint8_t *to)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return false;
    }
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    int used = 0;
    size_t want = encrypt ? length + 8 : length - 8;
    bool ok =
        EVP_CipherInit_ex(ctx, cipher_of(kek_length), NULL, kek, NULL, encrypt ? 1 : 0) == 1 &&
        EVP_CipherUpdate(ctx, to, &used, from, (int)length) == 1 && (size_t)used == want;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

enum base_status base_keywrap_wrap(const uint8_t *kek, size_t kek_length, const uint8_t *key,
    size_t key_length, uint8_t *ret_wrapped, struct base_err *err)
{
    enum base_status status = check_lengths(kek_length, key_length, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!run(kek, kek_length, key, key_length, true, ret_wrapped)) {
        return base_err_set(err, BASE_E_INTERNAL, "OpenSSL", 0, "OpenSSL refused to wrap a key");
    }
    return BASE_OK;
}

enum base_status base_keywrap_unwrap(const uint8_t *kek, size_t kek_length, const uint8_t *wrapped,
    size_t wrapped_length, uint8_t *ret_key, struct base_err *err)
{
    size_t key_length =
        wrapped_length < BASE_KEYWRAP_EXTRA_BYTES ? 0 : wrapped_length - BASE_KEYWRAP_EXTRA_BYTES;
    enum base_status status = check_lengths(kek_length, key_length, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!run(kek, kek_length, wrapped, wrapped_length, false, ret_key)) {
        base_wipe(ret_key, key_length);
        return base_err_set(err, BASE_E_VERIFY, "keywrap", 0,
            "the wrapped key was changed or belongs to another key-encryption key");
    }
    return BASE_OK;
}
