/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_RECORD_H
#define AUTH_RECORD_H

/**
 * @file
 * What the personaliser read back from a chip before the last fuse made it SECURE, signed by the
 * station's log key: a note, "lpa unit record v1" and a line of canonical JSON. Grants of trust
 * attested rest on it.
 */

#include "auth/permit.h"
#include "base/buf.h"
#include "base/note.h"

struct auth_record {
    char lot[AUTH_ID_SIZE];
    uint8_t chip_id[8];
    uint8_t image_sha256[32];         /**< as read back from flash */
    bool has_application;             /**< the lot names an application; else nothing is said */
    uint8_t application_sha256[32];   /**< as read back from flash */
    uint8_t key_sha256[32];           /**< key object as read back from SFlash */
    uint8_t toc2_sha256[32];          /**< TOC2 row as read back from SFlash */
    uint8_t secure_hash[16];          /**< from the fuses */
    uint8_t restrictions[4];          /**< DEAD0, DEAD1, SECURE0, SECURE1 from the fuses */
    char permit[AUTH_PERMIT_ID_SIZE]; /**< under which the fuses were blown */
    char station[AUTH_ID_SIZE];       /**< who signs: as the KMS knows it */
    char tester[AUTH_ID_SIZE];        /**< who did it */
    int64_t at_us;                    /**< KMS time */
};

/**
 * Write and sign a record. Life cycle in it is "normal": it is made before the last fuse.
 *
 * @param signer  the station's log key
 * @param note    the note is appended
 * @return BASE_OK; BASE_E_ARG: a name that is none; what the signer says
 */
BASE_MUST_CHECK
enum base_status auth_record_sign(const struct auth_record *record,
    const struct base_note_signer *signer, struct base_buf *note, struct base_err *err);

#endif
