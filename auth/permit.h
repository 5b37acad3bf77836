/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_PERMIT_H
#define AUTH_PERMIT_H

/**
 * @file
 * The KMS's leave for irreversible acts: a signed note, "lpa permit v1" and a line of canonical
 * JSON. What it says is good on the boards that fit its digests, and nowhere else.
 */

#include "auth/kms_client.h"

/** Kinds of acts, as bits; the numbers of programmer/permit.h. */
enum auth_act {
    AUTH_ACT_REHEARSE = 1,
    AUTH_ACT_RESTRICT = 2,
    AUTH_ACT_LOCK = 4,
    AUTH_ACT_EFUSE = 8,
    AUTH_ACT_ZEROISE = 16,
    AUTH_ACT_SETTLE = 32,
};

#define AUTH_PERMIT_ID_SIZE 40 /**< with NUL */

struct auth_permit {
    char id[AUTH_PERMIT_ID_SIZE];
    char lot[AUTH_ID_SIZE];
    uint32_t acts; /**< of enum auth_act */
    bool for_chip; /**< for the chip below alone; else for any chip of the lot */
    uint8_t chip_id[8];
    uint8_t image_sha256[32];
    uint8_t key_sha256[32];  /**< of the image key's object; zeros: the lot restricts nothing */
    uint8_t secure_hash[16]; /**< zeros: the lot restricts nothing */
    int64_t until_us;        /**< KMS time */
};

/**
 * Verify and read a permit.
 *
 * @param note      text of the note, @p length bytes; hostile
 * @param log_vkey  the KMS's log key (auth_kms_get_keys(), or `lpa-kms authority --log`)
 * @param now_us    KMS time
 *
 * @return BASE_OK; BASE_E_ARG: no verifier key; BASE_E_PROTO: not a permit; BASE_E_VERIFY: not
 * signed by this KMS; BASE_E_EXPIRED code "permit_expired"
 */
BASE_MUST_CHECK
enum base_status auth_permit_parse(const char *note, size_t length, const char *log_vkey,
    int64_t now_us, struct auth_permit *ret_permit, struct base_err *err);

#endif
