/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_FINISHING_H
#define KMS_FINISHING_H

/** @file What receipt, lock and scrap share: the grant that the path names. */

#include "kms/call.h"

/** Read the grant that the first path part names; refuses "grant_unknown". */
BASE_MUST_CHECK
enum base_status kms_call_grant(
    struct kms_call *call, struct kms_grant *ret_grant, struct base_err *err);

/** Refuse "grant_scrapped", "superseded" or "unit_retired" for a grant that is past; BASE_OK for
 * one that is open or confirmed. */
BASE_MUST_CHECK
enum base_status kms_refuse_ended(struct kms_call *call, const struct kms_grant *grant);

/** Unwrap the receipt key into locked memory; the caller calls base_secret_done(). */
BASE_MUST_CHECK
enum base_status kms_receipt_key(struct kms_call *call, const uint8_t wrapped[KMS_RECEIPT_WRAPPED],
    struct base_secret *ret_key, struct base_err *err);

/** What a receipt must answer to: an envelope of this KMS. Borrowed. */
struct kms_sealed {
    const char *id; /**< envelope id in hex */
    const uint8_t *chip_id;
    int64_t key_version;
    uint8_t purpose;                    /**< enum proto_purpose */
    const uint8_t *envelope;            /**< PROTO_ENVELOPE_SIZE bytes */
    const uint8_t *receipt_key_wrapped; /**< KMS_RECEIPT_WRAPPED bytes */
};

/** Codec, MAC and content of a receipt. Refuses "receipt_bad". */
BASE_MUST_CHECK
enum base_status kms_check_receipt(struct kms_call *call, const struct kms_sealed *sealed,
    const uint8_t *bytes, size_t length, struct base_err *err);

/** Before the receipt of an order's grant counts: what was current is superseded, its keys wiped.
 */
BASE_MUST_CHECK
enum base_status kms_replace_current(
    struct kms_call *call, const struct kms_grant *grant, struct base_err *err);

/** Retire the DevEUI of an order's grant that was scrapped. */
BASE_MUST_CHECK
enum base_status kms_retire_unit(
    struct kms_call *call, const struct kms_grant *grant, struct base_err *err);

#endif
