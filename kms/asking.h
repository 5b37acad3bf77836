/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_ASKING_H
#define KMS_ASKING_H

/** @file A statement that came with a request, for granting and for registering. */

#include "device-fw/protocol/messages.h"
#include "kms/call.h"

struct kms_asking {
    struct kms_lot lot;
    uint8_t bytes[PROTO_STATEMENT_SIZE];
    struct proto_statement statement;
    uint8_t sha256[32];        /**< of bytes */
    uint8_t intent_sha256[32]; /**< of the intent record */
    bool ordered; /**< an order stands behind it: new keys for a confirmed unit, or none */
    struct kms_order order; /**< where ordered */
    uint8_t dev_eui[8];     /**< of the confirmed unit, where ordered */
};

/** Read member "statement" of @p body: codec, authority, MAC. Refuses "statement_bad". */
BASE_MUST_CHECK
enum base_status kms_read_statement(
    struct kms_call *call, const json_t *body, struct kms_asking *asking, struct base_err *err);

/** What the statement claims against what the lot demands: version, image, lab flag, restriction.
 */
BASE_MUST_CHECK
enum base_status kms_check_claims(struct kms_call *call, const struct kms_asking *asking);

/**
 * May an order be carried out on this confirmed unit? Fills the asking's members about it. Refuses
 * "rework_needed" (none is pending), "statement_bad" (the chip fell back behind what was
 * confirmed).
 */
BASE_MUST_CHECK
enum base_status kms_check_order(struct kms_call *call, const struct kms_grant *current,
    struct kms_asking *asking, struct base_err *err);

/**
 * Make an envelope for the device that made the statement: the next key version, a fresh id,
 * sealed. Reads the grant's purpose, DevEUI and public key and the asking's lot; fills the grant's
 * id, key version, envelope and wrapped keys. Purpose zeroise draws no root key.
 */
BASE_MUST_CHECK
enum base_status kms_envelope_make(struct kms_call *call, const struct kms_asking *asking,
    struct kms_grant *grant, struct base_err *err);

/** Does the lot take this session's kind of login? */
BASE_MUST_CHECK
enum base_status kms_check_attendance(struct kms_call *call, const struct kms_lot *lot);

/** Lot open, not expired, and taking this session's kind of login. */
BASE_MUST_CHECK
enum base_status kms_check_lot_open(struct kms_call *call, const struct kms_lot *lot);

/**
 * Verify a personaliser's signed record against lot, statement, station and permit, and put it into
 * @p unit. Refuses "record_bad", "permit_revoked".
 *
 * @param note  text of at most KMS_NOTE_SIZE - 1 bytes; hostile
 */
BASE_MUST_CHECK
enum base_status kms_check_record(struct kms_call *call, const struct kms_asking *asking,
    const char *note, struct kms_unit *unit, struct base_err *err);

/** The permit exists, is of this lot, and was not revoked. Refuses "permit_revoked". @p ret_permit
 * may be NULL. */
BASE_MUST_CHECK
enum base_status kms_check_permit(struct kms_call *call, const char *lot, const char *id,
    struct kms_permit *ret_permit, struct base_err *err);

#endif
