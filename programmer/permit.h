/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PERMIT_H
#define PRG_PERMIT_H

/**
 * @file
 * Leave to do what cannot be undone. Only those mint one who have checked who gave it (the station
 * from the KMS's signed note, lpa-probe from its file); the functions of programmer/ only ask what
 * it says.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define PRG_PERMIT_ID_SIZE   40U
#define PRG_PERMIT_HASH_SIZE 32U
#define PRG_SECURE_HASH_SIZE 16U /**< what the fuses hold */
#define PRG_PERMIT_CHIP_SIZE 8U

/** Kinds of acts; a permit holds any set of them. */
enum prg_act {
    PRG_ACT_REHEARSE = 1,
    PRG_ACT_RESTRICT = 2,
    PRG_ACT_LOCK = 4,
    PRG_ACT_EFUSE = 8,
    PRG_ACT_ZEROISE = 16,
    PRG_ACT_SETTLE = 32,
};

struct prg_permit {
    char id[PRG_PERMIT_ID_SIZE];           /**< for logs and sentences; NUL-terminated, not empty */
    uint32_t acts;                         /**< of enum prg_act */
    bool for_chip;                         /**< only the chip below; else any chip of the lot */
    uint8_t chip_id[PRG_PERMIT_CHIP_SIZE]; /**< UniqueId, most significant byte first */
    uint8_t image_sha256[PRG_PERMIT_HASH_SIZE];
    uint8_t key_sha256[PRG_PERMIT_HASH_SIZE]; /**< of the key object */
    uint8_t secure_hash[PRG_SECURE_HASH_SIZE];
};

/** Stable name of one act: "rehearse", "restrict", "lock", "efuse", "zeroise", "settle"; NULL for
 * what is not exactly one of them. Static storage. */
const char *prg_act_name(uint32_t act);

/** The act of that name; 0 when there is none. */
uint32_t prg_act_parse(const char *name);

/**
 * Does the permit allow this act?
 *
 * @param permit  NULL = there is none
 * @return BASE_OK; BASE_E_DENIED code "permit"
 */
BASE_MUST_CHECK
enum base_status prg_permit_check(
    const struct prg_permit *permit, enum prg_act act, struct base_err *err);

/** Does it allow it on this chip? BASE_OK; BASE_E_DENIED code "permit". */
BASE_MUST_CHECK
enum base_status prg_permit_check_chip(const struct prg_permit *permit,
    const uint8_t chip_id[PRG_PERMIT_CHIP_SIZE], struct base_err *err);

#endif
