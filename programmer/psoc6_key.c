/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/bn.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/rsa.h"
#include "programmer/psoc6_regs.h"
#include "programmer/psoc6_secure.h"

/* The public key of the boot ROM, as the vendor's secure image keeps it in supervisory flash. All
 * numbers little-endian; the last three are precomputed so that the ROM needs no division. */
#define SIZE_AT         0x00U
#define SCHEME_AT       0x04U
#define MODULUS_PTR     0x08U
#define MODULUS_BITS    0x0CU
#define EXPONENT_PTR    0x10U
#define EXPONENT_BITS   0x14U
#define BARRETT_PTR     0x18U
#define INVERSE_PTR     0x1CU
#define RBAR_PTR        0x20U
#define MODULUS_AT      0x24U
#define EXPONENT_AT     (MODULUS_AT + PRG_PSOC6_RSA_BYTES)
#define EXPONENT_BYTES  32U
#define BARRETT_AT      (EXPONENT_AT + EXPONENT_BYTES)
#define BARRETT_BYTES   (PRG_PSOC6_RSA_BYTES + 4U)
#define INVERSE_AT      (BARRETT_AT + BARRETT_BYTES)
#define RBAR_AT         (INVERSE_AT + PRG_PSOC6_RSA_BYTES)
#define SCHEME_RSA_2048 0U
#define KEY_BITS        2048

_Static_assert(RBAR_AT + PRG_PSOC6_RSA_BYTES == PRG_PSOC6_KEY_SIZE, "key object");
_Static_assert(PRG_PSOC6_RSA_BYTES == BASE_RSA_BYTES, "RSA-2048");

struct numbers {
    BN_CTX *ctx;
    BIGNUM *n, *r, *square, *barrett, *inverse, *rbar;
};

/* Barrett: floor(2^4096 / n). Inverse: n' with r r' - n n' = 1, r = 2^2048, so n' = -1/n mod r.
 * rBar: r mod n. */
static bool compute(struct numbers *to, const uint8_t modulus[PRG_PSOC6_RSA_BYTES])
{
    return to->rbar != NULL && BN_bin2bn(modulus, PRG_PSOC6_RSA_BYTES, to->n) != NULL &&
           BN_set_bit(to->r, KEY_BITS) == 1 && BN_set_bit(to->square, 2 * KEY_BITS) == 1 &&
           BN_div(to->barrett, to->rbar, to->square, to->n, to->ctx) == 1 &&
           BN_mod(to->rbar, to->r, to->n, to->ctx) == 1 &&
           BN_mod_inverse(to->inverse, to->n, to->r, to->ctx) != NULL &&
           BN_sub(to->inverse, to->r, to->inverse) == 1;
}

static bool store(const struct numbers *from, uint8_t key[PRG_PSOC6_KEY_SIZE])
{
    return BN_bn2lebinpad(from->n, key + MODULUS_AT, PRG_PSOC6_RSA_BYTES) > 0 &&
           BN_bn2lebinpad(from->barrett, key + BARRETT_AT, BARRETT_BYTES) > 0 &&
           BN_bn2lebinpad(from->inverse, key + INVERSE_AT, PRG_PSOC6_RSA_BYTES) > 0 &&
           BN_bn2lebinpad(from->rbar, key + RBAR_AT, PRG_PSOC6_RSA_BYTES) > 0;
}

static bool put_numbers(const uint8_t modulus[PRG_PSOC6_RSA_BYTES], uint8_t key[PRG_PSOC6_KEY_SIZE])
{
    struct numbers numbers = { .ctx = BN_CTX_new() };
    if (numbers.ctx == NULL) {
        return false;
    }
    BN_CTX_start(numbers.ctx);
    numbers.n = BN_CTX_get(numbers.ctx);
    numbers.r = BN_CTX_get(numbers.ctx);
    numbers.square = BN_CTX_get(numbers.ctx);
    numbers.barrett = BN_CTX_get(numbers.ctx);
    numbers.inverse = BN_CTX_get(numbers.ctx);
    numbers.rbar = BN_CTX_get(numbers.ctx);
    bool ok = compute(&numbers, modulus) && store(&numbers, key);
    BN_CTX_end(numbers.ctx);
    BN_CTX_free(numbers.ctx);
    return ok;
}

enum base_status prg_psoc6_key_encode(const uint8_t modulus[PRG_PSOC6_RSA_BYTES], uint32_t exponent,
    uint8_t ret_key[PRG_PSOC6_KEY_SIZE], struct base_err *err)
{
    uint8_t key[PRG_PSOC6_KEY_SIZE] = { 0 };
    if ((modulus[0] & 0x80U) == 0 || (modulus[PRG_PSOC6_RSA_BYTES - 1] & 1U) == 0 || exponent < 3 ||
        exponent % 2 == 0) {
        return base_err_set(err, BASE_E_ARG, "key", exponent, "this is no RSA-2048 public key");
    }
    base_put_le32(key + SIZE_AT, PRG_PSOC6_KEY_SIZE);
    base_put_le32(key + SCHEME_AT, SCHEME_RSA_2048);
    base_put_le32(key + MODULUS_PTR, PSOC6_SFLASH_KEY + MODULUS_AT);
    base_put_le32(key + MODULUS_BITS, KEY_BITS);
    base_put_le32(key + EXPONENT_PTR, PSOC6_SFLASH_KEY + EXPONENT_AT);
    base_put_le32(key + EXPONENT_BITS, EXPONENT_BYTES * 8);
    base_put_le32(key + BARRETT_PTR, PSOC6_SFLASH_KEY + BARRETT_AT);
    base_put_le32(key + INVERSE_PTR, PSOC6_SFLASH_KEY + INVERSE_AT);
    base_put_le32(key + RBAR_PTR, PSOC6_SFLASH_KEY + RBAR_AT);
    base_put_le32(key + EXPONENT_AT, exponent);
    if (!put_numbers(modulus, key)) {
        return base_err_set(err, BASE_E_NOMEM, "key", 0, "no memory for a key's numbers");
    }
    memcpy(ret_key, key, sizeof(key));
    return BASE_OK;
}

static void reverse(const uint8_t from[PRG_PSOC6_RSA_BYTES], uint8_t ret_bytes[PRG_PSOC6_RSA_BYTES])
{
    for (size_t i = 0; i < PRG_PSOC6_RSA_BYTES; i++) {
        ret_bytes[i] = from[PRG_PSOC6_RSA_BYTES - 1 - i];
    }
}

/* Encoding is a function of modulus and exponent: what does not come out the same is wrong. */
enum base_status prg_psoc6_key_decode(const uint8_t *key, size_t length,
    uint8_t ret_modulus[PRG_PSOC6_RSA_BYTES], uint32_t *ret_exponent, struct base_err *err)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    uint8_t again[PRG_PSOC6_KEY_SIZE];
    struct base_err cause = { .status = BASE_OK };
    if (length != PRG_PSOC6_KEY_SIZE) {
        return base_err_set(err, BASE_E_CORRUPT, "key", (int64_t)length,
            "a key object has %u bytes, not %zu; make one with lpa-image key", PRG_PSOC6_KEY_SIZE,
            length);
    }
    reverse(key + MODULUS_AT, modulus);
    uint32_t exponent = base_get_le32(key + EXPONENT_AT);
    enum base_status status = prg_psoc6_key_encode(modulus, exponent, again, &cause);
    if (status == BASE_E_NOMEM) {
        return base_err_set(err, status, cause.domain, 0, "%s", cause.message);
    }
    for (size_t i = 0; status == BASE_OK && i < sizeof(again); i++) {
        if (again[i] != key[i]) {
            return base_err_set(err, BASE_E_CORRUPT, "key", (int64_t)i,
                "the key object is damaged at byte %zu; make it again with lpa-image key", i);
        }
    }
    if (status != BASE_OK) {
        return base_err_set(
            err, BASE_E_CORRUPT, "key", 0, "the key object holds no RSA-2048 public key");
    }
    memcpy(ret_modulus, modulus, sizeof(modulus));
    *ret_exponent = exponent;
    return BASE_OK;
}

enum base_status prg_psoc6_key_verify(const uint8_t key[PRG_PSOC6_KEY_SIZE], const uint8_t *data,
    size_t length, const uint8_t signature[PRG_PSOC6_RSA_BYTES], struct base_err *err)
{
    struct base_rsa_public public;
    enum base_status status =
        prg_psoc6_key_decode(key, PRG_PSOC6_KEY_SIZE, public.modulus, &public.exponent, err);
    return status == BASE_OK ? base_rsa_verify(&public, data, length, signature, err) : status;
}

void prg_psoc6_secure_hash(const uint8_t toc1[PRG_PSOC6_ROW_SIZE],
    const uint8_t toc2[PRG_PSOC6_ROW_SIZE], const uint8_t key[PRG_PSOC6_KEY_SIZE],
    uint8_t ret_hash[PRG_SECURE_HASH_SIZE], uint8_t *ret_zeros)
{
    struct base_sha256 hash;
    uint8_t digest[BASE_SHA256_BYTES];
    unsigned zeros = 0;
    base_sha256_init(&hash);
    base_sha256_update(&hash, toc1, PRG_PSOC6_ROW_SIZE);
    base_sha256_update(&hash, toc2, PRG_PSOC6_ROW_SIZE);
    base_sha256_update(&hash, key, PRG_PSOC6_KEY_SIZE);
    base_sha256_final(&hash, digest);
    for (unsigned i = 0; i < PRG_SECURE_HASH_SIZE * 8; i++) {
        zeros += (digest[i / 8] >> i % 8 & 1U) == 0;
    }
    memcpy(ret_hash, digest, PRG_SECURE_HASH_SIZE);
    *ret_zeros = (uint8_t)zeros;
}
