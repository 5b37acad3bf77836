/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rsa.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include "base/private_key.h"

#define KEY_FILE_MAX_BYTES 8192

struct base_rsa {
    EVP_PKEY *pkey;
};

void base_rsa_free(struct base_rsa *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

static enum base_status refused(struct base_err *err, const char *what)
{
    ERR_clear_error();
    return base_err_set(err, BASE_E_INTERNAL, "RSA", 0, "OpenSSL could not %s", what);
}

/* An encrypted PEM file would make OpenSSL ask on the terminal: say that there is no passphrase. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

static bool is_rsa_2048(const EVP_PKEY *pkey)
{
    return pkey != NULL && EVP_PKEY_is_a(pkey, "RSA") == 1 &&
           EVP_PKEY_get_bits(pkey) == BASE_RSA_BYTES * 8;
}

enum base_status base_rsa_load(const char *path, struct base_rsa **ret_key, struct base_err *err)
{
    EVP_PKEY *pkey = NULL;
    enum base_status status = base_private_key_load(path, &pkey, err);
    if (status != BASE_OK) {
        return status;
    }
    struct base_rsa *key = calloc(1, sizeof(*key));
    if (is_rsa_2048(pkey) && key != NULL) {
        key->pkey = pkey;
        *ret_key = key;
        return BASE_OK;
    }
    bool memory = key == NULL;
    EVP_PKEY_free(pkey);
    free(key);
    ERR_clear_error();
    return memory ? base_err_set(err, BASE_E_NOMEM, "RSA", 0, "no memory for a key")
                  : base_err_set(err, BASE_E_CONFIG, "RSA", 0,
                        "%s holds no unencrypted RSA-2048 private key in PEM form", path);
}

static bool get_number(const EVP_PKEY *pkey, const char *name, uint8_t *ret_bytes, int length)
{
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
              BN_bn2binpad(number, ret_bytes, length) == length;
    BN_free(number);
    return ok;
}

static enum base_status get_public(
    const EVP_PKEY *pkey, struct base_rsa_public *ret_public, struct base_err *err)
{
    struct base_rsa_public key;
    uint8_t exponent[4];
    if (!get_number(pkey, OSSL_PKEY_PARAM_RSA_N, key.modulus, BASE_RSA_BYTES) ||
        !get_number(pkey, OSSL_PKEY_PARAM_RSA_E, exponent, sizeof(exponent))) {
        ERR_clear_error();
        return base_err_set(err, BASE_E_CONFIG, "RSA", 0,
            "the RSA key's public exponent is longer than 32 bits; make one with 65537");
    }
    key.exponent = (uint32_t)exponent[0] << 24 | (uint32_t)exponent[1] << 16 |
                   (uint32_t)exponent[2] << 8 | exponent[3];
    *ret_public = key;
    return BASE_OK;
}

enum base_status base_rsa_public(
    const struct base_rsa *key, struct base_rsa_public *ret_public, struct base_err *err)
{
    return get_public(key->pkey, ret_public, err);
}

enum base_status base_rsa_parse_public(
    const char *text, size_t length, struct base_rsa_public *ret_public, struct base_err *err)
{
    BIO *bio = length > KEY_FILE_MAX_BYTES ? NULL : BIO_new_mem_buf(text, (int)length);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    enum base_status status =
        is_rsa_2048(pkey)
            ? get_public(pkey, ret_public, err)
            : base_err_set(err, BASE_E_CONFIG, "RSA", 0,
                  "this is no RSA-2048 public key in PEM form (openssl pkey -pubout)");
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return status;
}

enum base_status base_rsa_sign(const struct base_rsa *key, const void *data, size_t length,
    uint8_t ret_signature[BASE_RSA_BYTES], struct base_err *err)
{
    uint8_t signature[BASE_RSA_BYTES];
    size_t size = sizeof(signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL &&
              EVP_DigestSignInit_ex(
                  ctx, NULL, OSSL_DIGEST_NAME_SHA2_256, NULL, NULL, key->pkey, NULL) == 1 &&
              EVP_DigestSign(ctx, signature, &size, data, length) == 1 && size == sizeof(signature);
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        return refused(err, "sign with an RSA key");
    }
    memcpy(ret_signature, signature, sizeof(signature));
    return BASE_OK;
}

static EVP_PKEY *import(const struct base_rsa_public *key)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = BN_bin2bn(key->modulus, BASE_RSA_BYTES, NULL);
    OSSL_PARAM *params =
        build != NULL && modulus != NULL &&
                OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
                OSSL_PARAM_BLD_push_uint32(build, OSSL_PKEY_PARAM_RSA_E, key->exponent) == 1
            ? OSSL_PARAM_BLD_to_param(build)
            : NULL;
    EVP_PKEY_CTX *ctx = params == NULL ? NULL : EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1) {
        (void)EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    BN_free(modulus);
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

enum base_status base_rsa_verify(const struct base_rsa_public *key, const void *data, size_t length,
    const uint8_t signature[BASE_RSA_BYTES], struct base_err *err)
{
    EVP_PKEY *pkey = import(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ready =
        pkey != NULL && ctx != NULL &&
        EVP_DigestVerifyInit_ex(ctx, NULL, OSSL_DIGEST_NAME_SHA2_256, NULL, NULL, pkey, NULL) == 1;
    bool good = ready && EVP_DigestVerify(ctx, signature, BASE_RSA_BYTES, data, length) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (!ready) {
        return refused(err, "use an RSA public key");
    }
    return good ? BASE_OK
                : base_err_set(err, BASE_E_VERIFY, "RSA", 0,
                      "the signature was not made over these bytes by this key");
}
