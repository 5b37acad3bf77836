/* SPDX-License-Identifier: Apache-2.0 */
#include "base/p256.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/hpke_kdf.h"
#include "base/private_key.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FILE_MAX_BYTES 8192

struct base_p256 {
    EVP_PKEY *pkey;
    uint8_t point[BASE_P256_POINT_BYTES];
};

static enum base_status refused(struct base_err *err, const char *what)
{
    return base_err_set(err, BASE_E_INTERNAL, "OpenSSL", 0, "OpenSSL refused to %s", what);
}

void base_p256_free(struct base_p256 *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey); /* wipes the scalar */
        free(key);
    }
}

/* The public point of a scalar; false also for a scalar of 0 or not below the group order. */
static bool point_of(const BIGNUM *scalar, uint8_t ret_point[BASE_P256_POINT_BYTES])
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
    bool ok = point != NULL && !BN_is_zero(scalar) &&
              BN_cmp(scalar, EC_GROUP_get0_order(group)) < 0 &&
              EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) == 1 &&
              EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret_point,
                  BASE_P256_POINT_BYTES, NULL) == BASE_P256_POINT_BYTES;
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return ok;
}

/* A key object from a public point and, where given, its scalar; NULL when OpenSSL refuses it. */
static EVP_PKEY *import(const BIGNUM *scalar, const uint8_t point[BASE_P256_POINT_BYTES])
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM *params = NULL;
    EVP_PKEY *pkey = NULL;
    if (builder != NULL && ctx != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
            1 &&
        OSSL_PARAM_BLD_push_octet_string(
            builder, OSSL_PKEY_PARAM_PUB_KEY, point, BASE_P256_POINT_BYTES) == 1 &&
        (scalar == NULL ||
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) == 1)) {
        params = OSSL_PARAM_BLD_to_param(builder);
    }
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(
            ctx, &pkey, scalar == NULL ? EVP_PKEY_PUBLIC_KEY : EVP_PKEY_KEYPAIR, params) != 1) {
        pkey = NULL;
    }
    OSSL_PARAM_free(params); /* wipes the copy of the scalar, which lies in secure memory */
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

static enum base_status wrap_pkey(EVP_PKEY *pkey, const uint8_t point[BASE_P256_POINT_BYTES],
    struct base_p256 **ret_key, struct base_err *err)
{
    struct base_p256 *key = calloc(1, sizeof(*key));
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return base_err_set(err, BASE_E_NOMEM, "P-256", 0, "no memory for a P-256 key");
    }
    key->pkey = pkey;
    memcpy(key->point, point, BASE_P256_POINT_BYTES);
    *ret_key = key;
    return BASE_OK;
}

enum base_status base_p256_from_scalar(
    const uint8_t scalar[BASE_P256_SCALAR_BYTES], struct base_p256 **ret_key, struct base_err *err)
{
    BIGNUM *number = BN_secure_new();
    uint8_t point[BASE_P256_POINT_BYTES];
    if (number == NULL || BN_bin2bn(scalar, BASE_P256_SCALAR_BYTES, number) == NULL) {
        BN_clear_free(number);
        return refused(err, "take a P-256 scalar");
    }
    BN_set_flags(number, BN_FLG_CONSTTIME);
    if (!point_of(number, point)) {
        BN_clear_free(number);
        return base_err_set(err, BASE_E_ARG, "P-256", 0,
            "the P-256 private key is zero or not below the order of the group");
    }
    EVP_PKEY *pkey = import(number, point);
    BN_clear_free(number);
    return pkey == NULL ? refused(err, "import a P-256 key") : wrap_pkey(pkey, point, ret_key, err);
}

enum base_status base_p256_derive(
    const uint8_t *ikm, size_t ikm_length, struct base_p256 **ret_key, struct base_err *err)
{
    if (ikm_length < BASE_P256_SCALAR_BYTES) {
        return base_err_set(err, BASE_E_ARG, "P-256", (int64_t)ikm_length,
            "a P-256 key is derived from at least 32 bytes, not %zu", ikm_length);
    }
    uint8_t suite[BASE_HPKE_KEM_SUITE_BYTES];
    base_hpke_kdf_kem_suite(BASE_HPKE_KEM_P256, suite);
    struct base_hpke_label label = { suite, sizeof(suite), "dkp_prk" };
    uint8_t prk[BASE_SHA256_BYTES];
    uint8_t scalar[BASE_P256_SCALAR_BYTES];
    base_hpke_kdf_extract(
        &label, &(struct base_part){ NULL, 0 }, &(struct base_part){ ikm, ikm_length }, prk);
    label.text = "candidate";
    enum base_status status = BASE_E_ARG;
    /* A candidate is out of range once in 2^32: the first one practically always fits. */
    for (unsigned counter = 0; counter < 256 && status == BASE_E_ARG; counter++) {
        uint8_t byte = (uint8_t)counter;
        status = base_hpke_kdf_expand(
            &label, prk, &(struct base_part){ &byte, 1 }, sizeof(scalar), scalar, NULL);
        if (status == BASE_OK) {
            status = base_p256_from_scalar(scalar, ret_key, NULL);
        }
    }
    base_wipe(prk, sizeof(prk));
    base_wipe(scalar, sizeof(scalar));
    if (status != BASE_OK) {
        return base_err_set(err, status, "P-256", 0, "no P-256 key could be derived");
    }
    return BASE_OK;
}

enum base_status base_p256_generate(
    const struct base_random *random, struct base_p256 **ret_key, struct base_err *err)
{
    uint8_t ikm[BASE_P256_SCALAR_BYTES];
    enum base_status status = base_random_fill(random, ikm, sizeof(ikm), err);
    if (status == BASE_OK) {
        status = base_p256_derive(ikm, sizeof(ikm), ret_key, err);
    }
    base_wipe(ikm, sizeof(ikm));
    return status;
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

static bool is_p256(const EVP_PKEY *pkey)
{
    char group[32] = "";
    return EVP_PKEY_is_a(pkey, "EC") == 1 &&
           EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static bool get_point(const EVP_PKEY *pkey, uint8_t ret_point[BASE_P256_POINT_BYTES])
{
    size_t length = 0;
    return EVP_PKEY_get_octet_string_param(
               pkey, OSSL_PKEY_PARAM_PUB_KEY, ret_point, BASE_P256_POINT_BYTES, &length) == 1 &&
           length == BASE_P256_POINT_BYTES && ret_point[0] == 4;
}

enum base_status base_p256_load(const char *path, struct base_p256 **ret_key, struct base_err *err)
{
    EVP_PKEY *pkey = NULL;
    enum base_status status = base_private_key_load(path, &pkey, err);
    if (status != BASE_OK) {
        return status;
    }
    uint8_t point[BASE_P256_POINT_BYTES];
    if (!is_p256(pkey) || !get_point(pkey, point)) {
        EVP_PKEY_free(pkey);
        return base_err_set(err, BASE_E_CONFIG, "P-256", 0,
            "%s holds no unencrypted P-256 private key in PEM form", path);
    }
    return wrap_pkey(pkey, point, ret_key, err);
}

enum base_status base_p256_store(
    const struct base_p256 *key, const char *path, struct base_err *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    if (bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) != 1) {
        BIO_free(bio);
        return refused(err, "write a P-256 key as PEM");
    }
    long length = BIO_get_mem_data(bio, &text);
    enum base_status status = base_file_replace(path, text, (size_t)length, 0600, err);
    base_wipe(text, (size_t)length);
    BIO_free(bio);
    return status;
}

void base_p256_public(const struct base_p256 *key, uint8_t ret_point[BASE_P256_POINT_BYTES])
{
    memcpy(ret_point, key->point, BASE_P256_POINT_BYTES);
}

static enum base_status off_curve(struct base_err *err)
{
    return base_err_set(
        err, BASE_E_VERIFY, "P-256", 0, "the public key is not a point of the curve P-256");
}

/* On the curve and not infinity. The import itself refuses points off the curve; this says so once
 * more. Takes over @p pkey, which may be NULL. */
static EVP_PKEY *keep_if_on_curve(EVP_PKEY *pkey)
{
    EVP_PKEY_CTX *ctx = pkey == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool ok = ctx != NULL && EVP_PKEY_public_check_quick(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        EVP_PKEY_free(pkey);
        return NULL;
    }
    return pkey;
}

/* Uncompressed form only: OpenSSL would take compressed and hybrid forms too. */
static EVP_PKEY *import_checked(const uint8_t point[BASE_P256_POINT_BYTES])
{
    return point[0] != 4 ? NULL : keep_if_on_curve(import(NULL, point));
}

/* The same with the group of a key at hand, which costs a quarter of making a new one. */
static EVP_PKEY *import_checked_like(
    const EVP_PKEY *like, const uint8_t point[BASE_P256_POINT_BYTES])
{
    EVP_PKEY *pkey = point[0] != 4 ? NULL : EVP_PKEY_new();
    if (pkey != NULL &&
        (EVP_PKEY_copy_parameters(pkey, like) != 1 ||
            EVP_PKEY_set1_encoded_public_key(pkey, point, BASE_P256_POINT_BYTES) != 1)) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return keep_if_on_curve(pkey);
}

enum base_status base_p256_check_point(
    const uint8_t point[BASE_P256_POINT_BYTES], struct base_err *err)
{
    EVP_PKEY *pkey = import_checked(point);
    if (pkey == NULL) {
        return off_curve(err);
    }
    EVP_PKEY_free(pkey);
    return BASE_OK;
}

enum base_status base_p256_ecdh(const struct base_p256 *key,
    const uint8_t peer[BASE_P256_POINT_BYTES], uint8_t ret_x[32], struct base_err *err)
{
    EVP_PKEY *peer_key = import_checked_like(key->pkey, peer);
    if (peer_key == NULL) {
        return off_curve(err);
    }
    uint8_t x[32];
    size_t length = sizeof(x);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer_ex(ctx, peer_key, 0) == 1 &&
              EVP_PKEY_derive(ctx, x, &length) == 1 && length == sizeof(x);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer_key);
    if (ok) {
        memcpy(ret_x, x, sizeof(x));
    }
    base_wipe(x, sizeof(x));
    return ok ? BASE_OK : refused(err, "do ECDH on P-256");
}

static enum base_status hpke_dh(void *user, const uint8_t *peer, size_t peer_length,
    uint8_t ret_dh[BASE_HPKE_DH_BYTES], struct base_err *err)
{
    if (peer_length != BASE_P256_POINT_BYTES) {
        return off_curve(err);
    }
    return base_p256_ecdh(user, peer, ret_dh, err);
}

enum base_status base_p256_sign(const struct base_p256 *key, const uint8_t digest[32],
    uint8_t ret_signature[BASE_P256_SIGNATURE_MAX], size_t *ret_length, struct base_err *err)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    size_t length = BASE_P256_SIGNATURE_MAX;
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
              EVP_PKEY_sign(ctx, ret_signature, &length, digest, 32) == 1;

    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        return refused(err, "sign with a P-256 key");
    *ret_length = length;
    return BASE_OK;
}

enum base_status base_p256_signature_der(const uint8_t raw[64],
    uint8_t ret_signature[BASE_P256_SIGNATURE_MAX], size_t *ret_length, struct base_err *err)
{
    uint8_t *at = ret_signature;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, 32, NULL);
    BIGNUM *s = BN_bin2bn(raw + 32, 32, NULL);
    bool taken = pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1;
    if (!taken) {
        BN_free(r);
        BN_free(s);
    }
    int length = taken ? i2d_ECDSA_SIG(pair, &at) : -1; /* two times 33 bytes at most, and heads */
    ECDSA_SIG_free(pair);
    if (length <= 0) {
        return refused(err, "write a signature as DER");
    }
    *ret_length = (size_t)length;
    return BASE_OK;
}

enum base_status base_p256_verify(const uint8_t point[BASE_P256_POINT_BYTES],
    const uint8_t digest[32], const uint8_t *signature, size_t length, struct base_err *err)
{
    EVP_PKEY *pkey = import_checked(point);
    if (pkey == NULL) {
        return off_curve(err);
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool ready = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1;
    bool good = ready && EVP_PKEY_verify(ctx, signature, length, digest, 32) == 1;
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (!ready) {
        return refused(err, "use a P-256 public key");
    }
    return good ? BASE_OK
                : base_err_set(err, BASE_E_VERIFY, "P-256", 0,
                      "the signature was not made over these bytes by this key");
}

void base_p256_hpke(const struct base_p256 *key, struct base_hpke_key *ret_key)
{
    union {
        const struct base_p256 *borrowed;
        void *user; /* hpke_dh() only reads it */
    } pass = { .borrowed = key };

    *ret_key = (struct base_hpke_key){ .kem_id = BASE_HPKE_KEM_P256,
        .public_length = BASE_P256_POINT_BYTES,
        .dh = hpke_dh,
        .user = pass.user };
    memcpy(ret_key->public_key, key->point, BASE_P256_POINT_BYTES);
}

static bool parse_hex_point(
    const char *text, size_t length, uint8_t ret_point[BASE_P256_POINT_BYTES])
{
    char digits[2 * BASE_P256_POINT_BYTES + 1];
    if (length != sizeof(digits) - 1) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    return base_hex_decode(digits, BASE_P256_POINT_BYTES, ret_point, NULL) == BASE_OK;
}

static bool parse_pem_point(
    const char *text, size_t length, uint8_t ret_point[BASE_P256_POINT_BYTES])
{
    if (length > INT_MAX) {
        return false;
    }
    BIO *bio = BIO_new_mem_buf(text, (int)length);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    bool ok = pkey != NULL && is_p256(pkey) && get_point(pkey, ret_point);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    return ok;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

enum base_status base_p256_parse_public(
    const char *text, size_t length, uint8_t ret_point[BASE_P256_POINT_BYTES], struct base_err *err)
{
    for (; length > 0 && is_space(text[0]); text++, length--) {
    }
    for (; length > 0 && is_space(text[length - 1]); length--) {
    }
    uint8_t point[BASE_P256_POINT_BYTES];
    if (!parse_hex_point(text, length, point) && !parse_pem_point(text, length, point)) {
        return base_err_set(err, BASE_E_CONFIG, "P-256", 0,
            "the text is neither a PEM public key on P-256 nor 130 hexadecimal digits");
    }
    enum base_status status = base_p256_check_point(point, err);
    if (status == BASE_OK) {
        memcpy(ret_point, point, sizeof(point));
    }
    return status;
}

enum base_status base_p256_format_public(const uint8_t point[BASE_P256_POINT_BYTES],
    char ret_text[BASE_P256_PEM_SIZE], struct base_err *err)
{
    EVP_PKEY *pkey = import_checked(point);
    if (pkey == NULL) {
        return off_curve(err);
    }
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long length = 0;
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, pkey) == 1) {
        length = BIO_get_mem_data(bio, &text);
    }
    bool ok = length > 0 && length < BASE_P256_PEM_SIZE;
    if (ok) {
        memcpy(ret_text, text, (size_t)length);
        ret_text[length] = '\0';
    }
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return ok ? BASE_OK : refused(err, "write a P-256 public key as PEM");
}
