/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_ADMIN_H
#define KMS_ADMIN_H

/**
 * @file
 * What the KMS's operator does on its host: lots, testers, stations. Works on the store directly,
 * also while a server runs on it; each call is one transaction.
 */

#include "base/buf.h"
#include "kms/home.h"
#include "kms/rows.h"

#define KMS_RATE_DEFAULT  (-1)
#define KMS_FLOOR_DEFAULT (-1)

struct kms_lot_request {
    const char *id;
    const uint8_t *image; /**< bytes of the bound image file */
    size_t image_length;
    uint8_t lorawan; /**< enum proto_lorawan */
    uint8_t join_eui[8];
    uint8_t profile[4];
    uint64_t deveui_first;
    int64_t deveui_count;
    int64_t target;
    int64_t allowance;
    int64_t rate; /**< grants within any hour; 0 = no limit (not for tofu), -1 = the default */
    enum kms_trust trust;
    bool consent_tofu;
    enum kms_restrict restrict_policy;
    enum kms_lock lock_policy;
    int64_t min_bootloader;   /**< -1: what the image's binding block says */
    int64_t min_protocol;     /**< the same */
    const uint8_t *image_key; /**< key object that the ROM verifies the image with; NULL: none */
    size_t image_key_length;
    const uint8_t *secure_hash; /**< KMS_SECURE_HASH_SIZE bytes; NULL: none */
    const uint8_t *application; /**< bytes of the application image; NULL: the lot names none */
    size_t application_length;
    bool unattended;
    int64_t expires_us;
};

/**
 * Add a lot.
 *
 * @return BASE_OK; BASE_E_EXISTS (id, or the DevEUI range overlaps another lot's);
 * BASE_E_DENIED (tofu without consent, lab image in production or in a restricted lot, no
 * restriction in production, a lock or trust that needs restriction); BASE_E_ARG (numbers, key
 * object or hash missing); BASE_E_VERIFY (image: not whole, not bound to this KMS, not signed,
 * below the floor; application: none)
 */
BASE_MUST_CHECK
enum base_status kms_admin_lot_add(
    struct kms_home *home, const struct kms_lot_request *request, struct base_err *err);

struct kms_lot_view {
    struct kms_lot lot;
    struct kms_counts counts;
};

/** BASE_E_NOTFOUND: no such lot. */
BASE_MUST_CHECK
enum base_status kms_admin_lot_view(
    struct kms_home *home, const char *id, struct kms_lot_view *ret_view, struct base_err *err);

/**
 * Close a lot for good.
 *
 * @param scrap_open  scrap what is open (the caller holds the operator's permit)
 * @param[out] ret_view  after closing: granted = confirmed + scrapped, open = 0
 * @return BASE_OK, also when it was closed before; BASE_E_NOTFOUND; BASE_E_DENIED with code
 * "open_grants": open grants and no @p scrap_open; BASE_E_CORRUPT: the books do not balance
 */
BASE_MUST_CHECK
enum base_status kms_admin_lot_close(struct kms_home *home, const char *id, bool scrap_open,
    struct kms_lot_view *ret_view, struct base_err *err);

struct kms_permit_request {
    const char *lot;
    int64_t acts;           /**< of enum kms_act */
    const uint8_t *chip_id; /**< 8 bytes; NULL: any chip of the lot */
    int64_t until_us;
};

/**
 * Give leave for irreversible acts; the permit's digests are the lot's.
 *
 * @return BASE_OK; BASE_E_NOTFOUND (lot); BASE_E_ARG (acts, time); BASE_E_DENIED (the lot is
 * closed, or does not do such acts)
 */
BASE_MUST_CHECK
enum base_status kms_admin_permit_add(struct kms_home *home,
    const struct kms_permit_request *request, struct kms_permit *ret_permit, struct base_err *err);
/** Take it back; doing so twice is fine. Stations that hold the note do not learn of it before they
 * ask again; registrations and grants that rest on it are refused at once. BASE_E_NOTFOUND. */
BASE_MUST_CHECK
enum base_status kms_admin_permit_revoke(
    struct kms_home *home, const char *id, struct base_err *err);

/**
 * Order new keys (PROTO_PURPOSE_REWORK) for a unit that is confirmed, or that it loses its keys
 * (PROTO_PURPOSE_ZEROISE). One-use, for the device key that was confirmed; a repeat finds the order
 * that is there.
 *
 * @param reason  for the books; at most KMS_REASON_SIZE - 1 characters
 * @return BASE_OK; BASE_E_NOTFOUND (chip without keys); BASE_E_DENIED (its grant is open or
 * scrapped, the unit retired or already zeroised); BASE_E_EXISTS (another kind of order is pending)
 */
BASE_MUST_CHECK
enum base_status kms_admin_unit_order(struct kms_home *home, const uint8_t chip_id[8],
    uint8_t purpose, const char *reason, struct kms_order *ret_order, struct base_err *err);
/** Take a pending order back. BASE_E_NOTFOUND: there is none. */
BASE_MUST_CHECK
enum base_status kms_admin_unit_cancel(
    struct kms_home *home, const uint8_t chip_id[8], struct base_err *err);
/**
 * Retire a unit for good: its DevEUI is never served again, and its keys are wiped from the store.
 * Doing so twice is fine.
 *
 * @return BASE_OK; BASE_E_NOTFOUND; BASE_E_DENIED (its grant is open or scrapped)
 */
BASE_MUST_CHECK
enum base_status kms_admin_unit_retire(
    struct kms_home *home, const uint8_t chip_id[8], struct base_err *err);

/**
 * Add a tester and draw the TOTP secret.
 *
 * @param[out] ret_uri  otpauth URI with NUL: shown once, then wiped by the caller
 * @return BASE_OK; BASE_E_EXISTS; BASE_E_ARG (name)
 */
BASE_MUST_CHECK
enum base_status kms_admin_tester_add(struct kms_home *home, const char *name, enum kms_role role,
    struct base_secret *ret_uri, struct base_err *err);
/** End a tester's access; sessions end with it. BASE_E_NOTFOUND. */
BASE_MUST_CHECK
enum base_status kms_admin_tester_revoke(
    struct kms_home *home, const char *name, struct base_err *err);

/**
 * Sign a station's request and remember the station.
 *
 * @param csr          PEM text; hostile
 * @param log_vkey     public key of the station's audit log, "name+id+key"
 * @param certificate  PEM text is appended
 * @return BASE_OK; BASE_E_EXISTS (name or log key in use); BASE_E_ARG (name, request, key)
 */
BASE_MUST_CHECK
enum base_status kms_admin_station_add(struct kms_home *home, const char *name, const char *csr,
    const char *log_vkey, enum kms_role role, struct base_buf *certificate, struct base_err *err);
/**
 * Sign a new certificate for a station in use: same name, key, log key and role. The certificate it
 * had ends at once, and sessions with it.
 *
 * @return BASE_OK; BASE_E_NOTFOUND (no such station in use); BASE_E_ARG (name, request, or a
 * request for another key: revoke and add the station then)
 */
BASE_MUST_CHECK
enum base_status kms_admin_station_renew(struct kms_home *home, const char *name, const char *csr,
    struct base_buf *certificate, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_admin_station_revoke(
    struct kms_home *home, const char *name, struct base_err *err);

#endif
