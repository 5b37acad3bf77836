/* SPDX-License-Identifier: Apache-2.0 */
/* The plain SHA-256 calls of OpenSSL are marked deprecated in favour of EVP. They are used here all
 * the same: they neither allocate nor look up a provider, which makes a short hash several times
 * cheaper and unable to fail, and a Merkle tree is nothing but short hashes. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/hash.h"

#include "base/secret.h"

#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct base_sha256), "SHA-256 state does not fit");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct base_sha256), "SHA-256 state alignment");

#define BLOCK_BYTES 64

static SHA256_CTX *context(struct base_sha256 *hash)
{
    return (SHA256_CTX *)(void *)hash->state;
}

void base_sha256_init(struct base_sha256 *hash)
{
    (void)SHA256_Init(context(hash));
}

void base_sha256_update(struct base_sha256 *hash, const void *data, size_t length)
{
    if (length > 0) {
        (void)SHA256_Update(context(hash), data, length);
    }
}

void base_sha256_final(struct base_sha256 *hash, uint8_t ret_digest[BASE_SHA256_BYTES])
{
    (void)SHA256_Final(ret_digest, context(hash));
    base_wipe(hash, sizeof(*hash));
}

void base_sha256(const void *data, size_t length, uint8_t ret_digest[BASE_SHA256_BYTES])
{
    struct base_sha256 hash;
    base_sha256_init(&hash);
    base_sha256_update(&hash, data, length);
    base_sha256_final(&hash, ret_digest);
}

/* Begin a hash with the key, xored with the inner or outer pad (RFC 2104 §2). */
static void begin_keyed(struct base_sha256 *hash, const uint8_t key[BLOCK_BYTES], uint8_t pad)
{
    uint8_t block[BLOCK_BYTES];
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = key[i] ^ pad;
    }
    base_sha256_init(hash);
    base_sha256_update(hash, block, sizeof(block));
    base_wipe(block, sizeof(block));
}

void base_hmac_sha256(const void *key, size_t key_length, const struct base_part *parts,
    size_t part_count, uint8_t ret_mac[BASE_SHA256_BYTES])
{
    uint8_t block[BLOCK_BYTES] = { 0 };
    if (key_length > sizeof(block)) {
        base_sha256(key, key_length, block);
    } else if (key_length > 0) {
        memcpy(block, key, key_length);
    }
    struct base_sha256 hash;
    uint8_t inner[BASE_SHA256_BYTES];
    begin_keyed(&hash, block, 0x36);
    for (size_t i = 0; i < part_count; i++) {
        base_sha256_update(&hash, parts[i].data, parts[i].length);
    }
    base_sha256_final(&hash, inner);
    begin_keyed(&hash, block, 0x5C);
    base_sha256_update(&hash, inner, sizeof(inner));
    base_sha256_final(&hash, ret_mac);
    base_wipe(inner, sizeof(inner));
    base_wipe(block, sizeof(block));
}

void base_hkdf_extract(const void *salt, size_t salt_length, const struct base_part *parts,
    size_t part_count, uint8_t ret_prk[BASE_SHA256_BYTES])
{
    base_hmac_sha256(salt, salt_length, parts, part_count, ret_prk);
}

#define INFO_PARTS_MAX 6

enum base_status base_hkdf_expand(const uint8_t prk[BASE_SHA256_BYTES],
    const struct base_part *info, size_t info_count, size_t length, uint8_t *ret_key,
    struct base_err *err)
{
    if (length == 0 || length > BASE_HKDF_MAX_BYTES || info_count > INFO_PARTS_MAX) {
        return base_err_set(err, BASE_E_ARG, "HKDF", (int64_t)length,
            "HKDF-SHA-256 gives 1 to %d bytes from at most %d parts, not %zu bytes from %zu",
            BASE_HKDF_MAX_BYTES, INFO_PARTS_MAX, length, info_count);
    }
    /* T(i) = HMAC(prk, T(i-1) | info | i), RFC 5869 §2.3. */
    struct base_part parts[INFO_PARTS_MAX + 2];
    uint8_t block[BASE_SHA256_BYTES];
    uint8_t counter = 0;
    for (size_t done = 0; done < length;) {
        counter++;
        parts[0] = (struct base_part){ block, counter == 1 ? 0 : sizeof(block) };
        for (size_t i = 0; i < info_count; i++) {
            parts[1 + i] = info[i];
        }
        parts[1 + info_count] = (struct base_part){ &counter, 1 };
        base_hmac_sha256(prk, BASE_SHA256_BYTES, parts, info_count + 2, block);
        size_t take = length - done < sizeof(block) ? length - done : sizeof(block);
        memcpy(ret_key + done, block, take);
        done += take;
    }
    base_wipe(block, sizeof(block));
    return BASE_OK;
}
