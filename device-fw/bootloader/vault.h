/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_VAULT_H
#define BL_VAULT_H

/**
 * @file
 * The key vault: one record in two homes that lie in different flash sectors. At rest both hold the
 * same record. A change writes the first, then the second; starting repairs what a power cut left.
 * So the next boot finds the old state or the new one, and a key that was replaced is gone from
 * flash once a change has returned (tests/model/vault.pml, layout MIRROR).
 */

#include "device-fw/bootloader/guard.h"
#include "device-fw/bootloader/record.h"
#include "device-fw/protocol/mailbox.h"

struct bl_vault {
    enum proto_status status; /**< PROTO_OK, or why the vault cannot be used */
    bool present;             /**< a record exists; otherwise `record` is zeros */
    struct bl_record record;  /**< as it lies in flash */
    struct bl_record draft;   /**< the caller's next record; wiped by the commit */
    _Alignas(4) uint8_t rows[2U * BL_RECORD_SIZE]; /**< both homes, while they are worked on */
};

/**
 * Read both homes, choose the newer valid record, and make both homes hold it.
 *
 * @return the vault's status: PROTO_OK; PROTO_VAULT_CORRUPT when neither home is valid although the
 *         second, written last, is not blank; PROTO_FOREIGN_RECORD when the only valid record names
 *         another chip; PROTO_FLASH_FAILED when the repair could not be written
 */
enum proto_status bl_vault_load(struct bl_vault *vault, const uint8_t chip_id[PROTO_CHIP_ID_SIZE]);

/** Make the draft a copy of the present record (or zeros with the chip's id), and give it. */
struct bl_record *bl_vault_draft(struct bl_vault *vault, const uint8_t chip_id[PROTO_CHIP_ID_SIZE]);

/** Does either home, read from flash at this moment, bear a record that says LOCKED, whatever else
 * is wrong with it? BL_NO when none does; anything else counts as yes. */
uint32_t bl_vault_shows_lock(void);

/** BL_YES when both homes hold, at this moment, the record in memory; looked at byte by byte. */
uint32_t bl_vault_is_true(struct bl_vault *vault);

/**
 * Write the draft, with the next sequence number, to both homes and verify both.
 *
 * Before that: the record in memory must be the one in flash, two encodings of the draft must
 * agree, and bl_guard_row() must allow the step.
 *
 * @param act     BL_ACT_IDENTITY when there is no record; else one of the others
 * @param second  BL_ACT_ENVELOPE, BL_ACT_FORGET: the installed part as it was made the second time
 * @return PROTO_OK; PROTO_FLASH_FAILED, and the vault then holds whatever flash holds
 */
enum proto_status bl_vault_commit_as(
    struct bl_vault *vault, uint32_t act, const struct bl_installed *second);

/** The same for everything that moves counters and leaves state, keys, nonce and receipt alone. */
enum proto_status bl_vault_commit(struct bl_vault *vault);

/** SHA-256 of the installed part as it reads from flash at this moment. */
void bl_vault_installed_hash(uint8_t ret_hash[PROTO_HASH_SIZE]);

/** The home that bl_vault_installed_hash() reads: at rest both are equal. */
#define BL_VAULT_RECEIPT_SLOT 0U

#endif
