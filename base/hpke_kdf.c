/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hpke_kdf.h"

#include <string.h>

static const char version[] = "HPKE-v1";

#define VERSION_BYTES (sizeof(version) - 1)

void base_hpke_kdf_kem_suite(uint16_t kem_id, uint8_t ret_suite[BASE_HPKE_KEM_SUITE_BYTES])
{
    memcpy(ret_suite, "KEM", 3);
    ret_suite[3] = (uint8_t)(kem_id >> 8);
    ret_suite[4] = (uint8_t)kem_id;
}

void base_hpke_kdf_extract(const struct base_hpke_label *label, const struct base_part *salt,
    const struct base_part *ikm, uint8_t ret_prk[BASE_SHA256_BYTES])
{
    const struct base_part parts[] = {
        { version, VERSION_BYTES },
        { label->suite, label->suite_length },
        { label->text, strlen(label->text) },
        *ikm,
    };
    base_hkdf_extract(salt->data, salt->length, parts, sizeof(parts) / sizeof(parts[0]), ret_prk);
}

enum base_status base_hpke_kdf_expand(const struct base_hpke_label *label,
    const uint8_t prk[BASE_SHA256_BYTES], const struct base_part *info, size_t length,
    uint8_t *ret_key, struct base_err *err)
{
    const uint8_t length_text[2] = { (uint8_t)(length >> 8), (uint8_t)length };
    const struct base_part parts[] = {
        { length_text, sizeof(length_text) },
        { version, VERSION_BYTES },
        { label->suite, label->suite_length },
        { label->text, strlen(label->text) },
        *info,
    };
    return base_hkdf_expand(prk, parts, sizeof(parts) / sizeof(parts[0]), length, ret_key, err);
}
