/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_PERMIT_H
#define LPA_PERMIT_H

/**
 * @file
 * The permit for what cannot be undone. The KMS signs it for one lot; what it names, the lot and
 * the files on the station must say the same, or nothing is done.
 */

#include "auth/kms_client.h"
#include "auth/permit.h"
#include "programmer/permit.h"

/** What the station has on disk for a lot. */
struct lpa_local {
    uint8_t image_sha256[32];
    bool have_key;                             /**< the image's public key was given */
    uint8_t key_sha256[32];                    /**< of the key object */
    uint8_t secure_hash[PRG_SECURE_HASH_SIZE]; /**< as the ROM will compute it */
    bool have_application;                     /**< an application image was given */
    uint8_t application_sha256[32];
    uint32_t application_version; /**< major << 24 | minor << 16 | revision */
};

/** A permit that was verified, and can be handed to the programmer. */
struct lpa_permit {
    struct prg_permit prg;
    int64_t until_wall_us; /**< in the time of the clock it is compared with */
};

/**
 * Make the programmer's permit from the KMS's.
 *
 * @param permit  verified by auth_permit_parse()
 * @param local   NULL where no file takes part: permit and lot are compared
 * @return BASE_OK
 *         BASE_E_DENIED  code "permit_lot": made for another lot; "permit_differs": image, key or
 *                        hash are not those of lot and files
 *         BASE_E_EXPIRED code "permit_expired"
 */
BASE_MUST_CHECK
enum base_status lpa_permit_mint(const struct auth_permit *permit, const struct auth_lot *lot,
    const struct lpa_local *local, int64_t now_wall_us, struct lpa_permit *ret_permit,
    struct base_err *err);

/** May these acts be done now? BASE_E_DENIED code "permit_act"; BASE_E_EXPIRED code
 * "permit_expired". */
BASE_MUST_CHECK
enum base_status lpa_permit_allows(
    const struct lpa_permit *permit, uint32_t acts, int64_t now_wall_us, struct base_err *err);

/** Such as "rehearse, restrict" for a set of enum prg_act, into @p size bytes. */
void lpa_permit_acts_text(uint32_t acts, size_t size, char *ret_text);

#endif
