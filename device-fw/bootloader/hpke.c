/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/hpke.h"

#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/kdf.h"
#include "device-fw/bootloader/wipe.h"

#include <string.h>

#define MODE_BASE 0x00U
#define MODE_AUTH 0x02U

/* suite_id of KEM and of HPKE: kem 0x0010, kdf 0x0001, aead 0x0001 (RFC 9180 §4.1, §5.1). */
static const uint8_t kem_suite[] = { 'K', 'E', 'M', 0x00, 0x10 };
static const uint8_t hpke_suite[] = { 'H', 'P', 'K', 'E', 0x00, 0x10, 0x00, 0x01, 0x00, 0x01 };
static const char version_label[] = "HPKE-v1";

#define TEXT_PART(text)                                                                            \
    {                                                                                              \
        (text), sizeof(text) - 1U                                                                  \
    }
#define BYTES_PART(bytes)                                                                          \
    {                                                                                              \
        (bytes), sizeof(bytes)                                                                     \
    }

/* LabeledExtract with the HPKE suite. */
static void labeled_extract(const void *salt, size_t salt_length, const char *label,
    const struct bl_part *ikm, uint8_t ret_prk[PROTO_HASH_SIZE])
{
    struct bl_part parts[] = {
        TEXT_PART(version_label),
        BYTES_PART(hpke_suite),
        { label, strlen(label) },
        *ikm,
    };

    bl_hmac(salt, salt_length, parts, sizeof(parts) / sizeof(parts[0]), ret_prk);
}

/* LabeledExpand with the HPKE suite; the length is part of the info. */
static void labeled_expand(const uint8_t prk[PROTO_HASH_SIZE], const char *label,
    const struct bl_part *info, size_t length, uint8_t *ret_bytes)
{
    uint8_t coded_length[2] = { (uint8_t)(length >> 8), (uint8_t)length };
    struct bl_part parts[] = {
        BYTES_PART(coded_length),
        TEXT_PART(version_label),
        BYTES_PART(hpke_suite),
        { label, strlen(label) },
        *info,
    };

    bl_hkdf_expand(prk, parts, sizeof(parts) / sizeof(parts[0]), length, ret_bytes);
}

/* ExtractAndExpand of the KEM (RFC 9180 §4.1): dh is one or two x coordinates. */
static void extract_and_expand(const struct bl_hpke_keys *keys, const uint8_t *enc,
    const uint8_t dh[2 * BL_P256_SECRET_SIZE], uint8_t ret_shared[PROTO_HASH_SIZE])
{
    static const uint8_t coded_length[2] = { 0, PROTO_HASH_SIZE };
    bool auth = keys->sender_public != NULL;
    uint8_t prk[PROTO_HASH_SIZE];
    struct bl_part ikm[] = {
        TEXT_PART(version_label),
        BYTES_PART(kem_suite),
        TEXT_PART("eae_prk"),
        { dh, auth ? 2U * BL_P256_SECRET_SIZE : BL_P256_SECRET_SIZE },
    };
    struct bl_part info[] = {
        BYTES_PART(coded_length),
        TEXT_PART(version_label),
        BYTES_PART(kem_suite),
        TEXT_PART("shared_secret"),
        { enc, PROTO_PUBLIC_KEY_SIZE },
        { keys->public_key, PROTO_PUBLIC_KEY_SIZE },
        { keys->sender_public, auth ? PROTO_PUBLIC_KEY_SIZE : 0U },
    };

    bl_hmac(version_label, 0, ikm, sizeof(ikm) / sizeof(ikm[0]), prk);
    bl_hkdf_expand(prk, info, sizeof(info) / sizeof(info[0]), PROTO_HASH_SIZE, ret_shared);
    bl_wipe(prk, sizeof(prk));
}

/* KeySchedule (RFC 9180 §5.1) without a pre-shared key. */
static void key_schedule(uint8_t mode, const uint8_t shared[PROTO_HASH_SIZE], const void *info,
    size_t info_length, struct bl_hpke *ret_hpke)
{
    uint8_t context[1 + 2 * PROTO_HASH_SIZE];
    uint8_t secret[PROTO_HASH_SIZE];
    const struct bl_part nothing = { context, 0 };
    const struct bl_part info_part = { info, info_length };
    const struct bl_part context_part = BYTES_PART(context);

    context[0] = mode;
    labeled_extract(version_label, 0, "psk_id_hash", &nothing, context + 1);
    labeled_extract(version_label, 0, "info_hash", &info_part, context + 1 + PROTO_HASH_SIZE);
    labeled_extract(shared, PROTO_HASH_SIZE, "secret", &nothing, secret);
    labeled_expand(secret, "key", &context_part, BL_HPKE_KEY_SIZE, ret_hpke->key);
    labeled_expand(secret, "base_nonce", &context_part, BL_HPKE_NONCE_SIZE, ret_hpke->base_nonce);
    labeled_expand(secret, "exp", &context_part, PROTO_HASH_SIZE, ret_hpke->exporter_secret);
    bl_wipe(secret, sizeof(secret));
}

bool bl_hpke_agree(const struct bl_hpke_keys *keys, const uint8_t *enc, struct bl_hpke_dh *ret_dh)
{
    if (!bl_p256_dh(keys->secret, enc, ret_dh->bytes))
        return false;
    if (keys->sender_public != NULL)
        memcpy(ret_dh->bytes + BL_P256_SECRET_SIZE, keys->sender_dh, BL_P256_SECRET_SIZE);
    return true;
}

void bl_hpke_derive(const struct bl_hpke_keys *keys, const uint8_t *enc,
    const struct bl_hpke_dh *dh, const void *info, size_t info_length, struct bl_hpke *ret_hpke)
{
    uint8_t shared[PROTO_HASH_SIZE];

    extract_and_expand(keys, enc, dh->bytes, shared);
    key_schedule(
        keys->sender_public != NULL ? MODE_AUTH : MODE_BASE, shared, info, info_length, ret_hpke);
    bl_wipe(shared, sizeof(shared));
}

bool bl_hpke_setup(const struct bl_hpke_keys *keys, const uint8_t *enc, const void *info,
    size_t info_length, struct bl_hpke *ret_hpke)
{
    struct bl_hpke_dh dh;

    if (!bl_hpke_agree(keys, enc, &dh))
        return false;
    bl_hpke_derive(keys, enc, &dh, info, info_length, ret_hpke);
    bl_wipe(&dh, sizeof(dh));
    return true;
}

bool bl_hpke_open(const struct bl_hpke *hpke, uint32_t sequence, const struct bl_part *aad,
    const uint8_t *ciphertext, size_t length, uint8_t *ret_plain)
{
    br_aes_ct_ctr_keys aes;
    br_gcm_context gcm;
    uint8_t nonce[BL_HPKE_NONCE_SIZE];
    uint8_t tag[BL_HPKE_TAG_SIZE];
    bool good;

    memcpy(nonce, hpke->base_nonce, sizeof(nonce));
    for (unsigned i = 0; i < 4; i++)
        nonce[BL_HPKE_NONCE_SIZE - 1U - i] ^= (uint8_t)(sequence >> 8U * i);
    br_aes_ct_ctr_init(&aes, hpke->key, BL_HPKE_KEY_SIZE);
    br_gcm_init(&gcm, &aes.vtable, br_ghash_ctmul32);
    br_gcm_reset(&gcm, nonce, sizeof(nonce));
    br_gcm_aad_inject(&gcm, aad->data, aad->length);
    br_gcm_flip(&gcm);
    memcpy(ret_plain, ciphertext, length);
    br_gcm_run(&gcm, 0, ret_plain, length);
    br_gcm_get_tag(&gcm, tag);
    good = bl_hardened_equal(tag, ciphertext + length, sizeof(tag)) == BL_YES;
    if (!good)
        bl_wipe(ret_plain, length);
    bl_wipe(&aes, sizeof(aes));
    bl_wipe(&gcm, sizeof(gcm));
    bl_wipe(nonce, sizeof(nonce));
    bl_wipe(tag, sizeof(tag));
    return good;
}

void bl_hpke_export(const struct bl_hpke *hpke, const void *context, size_t context_length,
    size_t length, uint8_t *ret_bytes)
{
    const struct bl_part part = { context, context_length };

    labeled_expand(hpke->exporter_secret, "sec", &part, length, ret_bytes);
}
