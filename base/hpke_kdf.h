/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HPKE_KDF_H
#define BASE_HPKE_KDF_H

/** @file Labelled HKDF of RFC 9180 §4, shared by HPKE and by the derivation of key pairs. */

#include "base/hash.h"

/** Which suite id stands in the labels. */
struct base_hpke_label {
    const uint8_t *suite; /**< borrowed; "KEM" and kem_id, or "HPKE" and all three ids */
    size_t suite_length;
    const char *text; /**< the label itself */
};

#define BASE_HPKE_KEM_SUITE_BYTES 5
#define BASE_HPKE_SUITE_BYTES     10

void base_hpke_kdf_kem_suite(uint16_t kem_id, uint8_t ret_suite[BASE_HPKE_KEM_SUITE_BYTES]);

/** LabeledExtract(salt, label, ikm). */
void base_hpke_kdf_extract(const struct base_hpke_label *label, const struct base_part *salt,
    const struct base_part *ikm, uint8_t ret_prk[BASE_SHA256_BYTES]);

/** LabeledExpand(prk, label, info, length); BASE_E_ARG for a length beyond HKDF's. */
BASE_MUST_CHECK
enum base_status base_hpke_kdf_expand(const struct base_hpke_label *label,
    const uint8_t prk[BASE_SHA256_BYTES], const struct base_part *info, size_t length,
    uint8_t *ret_key, struct base_err *err);

#endif
