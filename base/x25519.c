/* SPDX-License-Identifier: Apache-2.0 */
#include "base/x25519.h"

#include "base/hpke_kdf.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct base_x25519 {
    EVP_PKEY *pkey;
    uint8_t public_key[BASE_X25519_BYTES];
};

void base_x25519_free(struct base_x25519 *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

enum base_status base_x25519_from_bytes(
    const uint8_t scalar[BASE_X25519_BYTES], struct base_x25519 **ret_key, struct base_err *err)
{
    struct base_x25519 *key = calloc(1, sizeof(*key));
    size_t length = BASE_X25519_BYTES;
    if (key != NULL) {
        key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, scalar, BASE_X25519_BYTES);
    }
    if (key == NULL || key->pkey == NULL ||
        EVP_PKEY_get_raw_public_key(key->pkey, key->public_key, &length) != 1) {
        base_x25519_free(key);
        return base_err_set(err, BASE_E_NOMEM, "OpenSSL", 0, "no memory for an X25519 key");
    }
    *ret_key = key;
    return BASE_OK;
}

enum base_status base_x25519_derive(
    const uint8_t *ikm, size_t ikm_length, struct base_x25519 **ret_key, struct base_err *err)
{
    if (ikm_length < BASE_X25519_BYTES) {
        return base_err_set(err, BASE_E_ARG, "X25519", (int64_t)ikm_length,
            "an X25519 key is derived from at least 32 bytes, not %zu", ikm_length);
    }
    uint8_t suite[BASE_HPKE_KEM_SUITE_BYTES];
    base_hpke_kdf_kem_suite(BASE_HPKE_KEM_X25519, suite);
    struct base_hpke_label label = { suite, sizeof(suite), "dkp_prk" };
    const struct base_part nothing = { NULL, 0 };
    uint8_t prk[BASE_SHA256_BYTES];
    uint8_t scalar[BASE_X25519_BYTES];
    base_hpke_kdf_extract(&label, &nothing, &(struct base_part){ ikm, ikm_length }, prk);
    label.text = "sk";
    enum base_status status =
        base_hpke_kdf_expand(&label, prk, &nothing, sizeof(scalar), scalar, err);
    if (status == BASE_OK) {
        status = base_x25519_from_bytes(scalar, ret_key, err);
    }
    base_wipe(prk, sizeof(prk));
    base_wipe(scalar, sizeof(scalar));
    return status;
}

/* OpenSSL refuses the all-zero result that a point of small order gives (RFC 7748 §6.1). */
static enum base_status hpke_dh(void *user, const uint8_t *peer, size_t peer_length,
    uint8_t ret_dh[BASE_HPKE_DH_BYTES], struct base_err *err)
{
    const struct base_x25519 *key = user;
    EVP_PKEY *peer_key =
        peer_length != BASE_X25519_BYTES
            ? NULL
            : EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, peer_length);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    uint8_t shared[BASE_HPKE_DH_BYTES];
    size_t length = sizeof(shared);
    bool ok = ctx != NULL && peer_key != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
              EVP_PKEY_derive_set_peer(ctx, peer_key) == 1 &&
              EVP_PKEY_derive(ctx, shared, &length) == 1 && length == sizeof(shared);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(peer_key);
    if (ok) {
        memcpy(ret_dh, shared, sizeof(shared));
    }
    base_wipe(shared, sizeof(shared));
    return ok ? BASE_OK
              : base_err_set(err, BASE_E_VERIFY, "X25519", 0,
                    "the public key is no X25519 key of full order");
}

void base_x25519_hpke(const struct base_x25519 *key, struct base_hpke_key *ret_key)
{
    union {
        const struct base_x25519 *borrowed;
        void *user; /* hpke_dh() only reads it */
    } pass = { .borrowed = key };

    *ret_key = (struct base_hpke_key){ .kem_id = BASE_HPKE_KEM_X25519,
        .public_length = BASE_X25519_BYTES,
        .dh = hpke_dh,
        .user = pass.user };
    memcpy(ret_key->public_key, key->public_key, BASE_X25519_BYTES);
}
