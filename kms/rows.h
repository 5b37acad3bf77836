/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_ROWS_H
#define KMS_ROWS_H

/**
 * @file
 * What the KMS remembers, as structs, and the statements that read and write them. Callers hold a
 * transaction. A reader gives BASE_E_NOTFOUND when there is no such row (no sentence for people:
 * the caller knows what it looked for); writers that race give a count or a flag, see each.
 */

#include "base/merkle.h"
#include "base/name.h"
#include "base/note.h"
#include "device-fw/protocol/layout.h"
#include "kms/keystore.h"
#include "kms/store.h"

#include <stddef.h>
#include <stdint.h>

#define KMS_ID_SIZE         BASE_NAME_SIZE /**< lot, tester, station names with NUL */
#define KMS_GRANT_ID_SIZE   33
#define KMS_REASON_SIZE     129
#define KMS_NOTE_SIZE       4096
#define KMS_RECEIPT_WRAPPED (PROTO_MAC_SIZE + 8) /**< a receipt key as it is stored */

enum kms_role {
    KMS_ROLE_PROVISION = 1, /**< stations: asks grants. Testers: "tester" */
    KMS_ROLE_PERSONALISE = 2,
};

/** "provision" / "personalise". */
const char *kms_role_name(enum kms_role role);

struct kms_station {
    char name[KMS_ID_SIZE];
    enum kms_role role;
    uint8_t certificate_sha256[32]; /**< of the DER */
    uint8_t spki_sha256[32];        /**< of the public key info: survives a renewal */
    int64_t not_after_us;
    char log_vkey[BASE_NOTE_VKEY_SIZE];
    uint8_t log_id[32]; /**< SHA-256 of the log's public key */
    int64_t created_us;
    int64_t revoked_us; /**< 0 = in use */
};

/** BASE_E_EXISTS: name or log key already in use, or the same certificate. */
BASE_MUST_CHECK
enum base_status kms_station_insert(
    struct kms_store *store, const struct kms_station *station, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_station_by_certificate(struct kms_store *store, const uint8_t sha256[32],
    struct kms_station *ret_station, struct base_err *err);
/** The station of this name that is in use. */
BASE_MUST_CHECK
enum base_status kms_station_by_name(struct kms_store *store, const char *name,
    struct kms_station *ret_station, struct base_err *err);
typedef enum base_status kms_station_fn(
    void *user, const struct kms_station *station, struct base_err *err);
/** All, those with a revoked certificate too, by name and time. The callback must not use the
 * store. */
BASE_MUST_CHECK
enum base_status kms_station_each(
    struct kms_store *store, kms_station_fn *each, void *user, struct base_err *err);
/** @p ret_revoked false when no station of this name is in use. */
BASE_MUST_CHECK
enum base_status kms_station_revoke(struct kms_store *store, const char *name, int64_t now_us,
    bool *ret_revoked, struct base_err *err);

struct kms_tester {
    char name[KMS_ID_SIZE];
    enum kms_role role;
    uint8_t totp_wrapped[KMS_TOTP_WRAPPED];
    int64_t last_step;       /**< last accepted step: strictly rising */
    int64_t burned_step;     /**< step told "clock off" and so never accepted */
    int64_t locked_until_us; /**< of its login count; 0 = none */
    int64_t revoked_us;
};

BASE_MUST_CHECK
enum base_status kms_tester_insert(
    struct kms_store *store, const struct kms_tester *tester, int64_t now_us, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_tester_get(
    struct kms_store *store, const char *name, struct kms_tester *ret_tester, struct base_err *err);
typedef enum base_status kms_tester_fn(
    void *user, const struct kms_tester *tester, struct base_err *err);
/** All, revoked ones too, by name. The callback must not use the store. */
BASE_MUST_CHECK
enum base_status kms_tester_each(
    struct kms_store *store, kms_tester_fn *each, void *user, struct base_err *err);
/** Accept @p step once: compare-and-set of the last step; false when it is not above it. */
BASE_MUST_CHECK
enum base_status kms_tester_accept(struct kms_store *store, const char *name, int64_t step,
    bool *ret_accepted, struct base_err *err);
/** @p step is never accepted. */
BASE_MUST_CHECK
enum base_status kms_tester_burn(
    struct kms_store *store, const char *name, int64_t step, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_tester_revoke(struct kms_store *store, const char *name, int64_t now_us,
    bool *ret_revoked, struct base_err *err);

enum kms_login_kind {
    KMS_LOGIN_TESTER = 1,
    KMS_LOGIN_STATION = 2,
};

/** Logins that failed, for a name or at a station. */
struct kms_login_count {
    int64_t failures;         /**< since first_failure_us */
    int64_t first_failure_us; /**< start of the counting window */
    int64_t locks;            /**< lock-outs in a row */
    int64_t locked_until_us;
    int64_t forget_us; /**< from then on the row counts for nothing */
};

/** The count of a name, which need not be a tester's; zeros where there is none. */
BASE_MUST_CHECK
enum base_status kms_login_count_get(struct kms_store *store, enum kms_login_kind kind,
    const char *name, int64_t now_us, struct kms_login_count *ret_count, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_login_count_put(struct kms_store *store, enum kms_login_kind kind,
    const char *name, const struct kms_login_count *count, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_login_count_clear(
    struct kms_store *store, enum kms_login_kind kind, const char *name, struct base_err *err);
/** Remove what is forgotten. */
BASE_MUST_CHECK
enum base_status kms_login_count_purge(
    struct kms_store *store, int64_t now_us, struct base_err *err);

struct kms_session {
    uint8_t token_sha256[32];
    char tester[KMS_ID_SIZE];
    uint8_t certificate_sha256[32];
    enum kms_role role;
    bool unattended; /**< the code came from a configured command */
    int64_t created_us;
    int64_t used_us;
    int64_t expires_us;
};

BASE_MUST_CHECK
enum base_status kms_session_insert(
    struct kms_store *store, const struct kms_session *session, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_session_get(struct kms_store *store, const uint8_t token_sha256[32],
    struct kms_session *ret_session, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_session_touch(
    struct kms_store *store, const uint8_t token_sha256[32], int64_t now_us, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_session_delete(
    struct kms_store *store, const uint8_t token_sha256[32], struct base_err *err);
/** Forget sessions that ended before @p before_us. */
BASE_MUST_CHECK
enum base_status kms_session_purge(
    struct kms_store *store, int64_t before_us, struct base_err *err);

enum kms_trust {
    KMS_TRUST_TOFU = 1,
    KMS_TRUST_MANIFEST = 2,
    KMS_TRUST_ATTESTED = 3,
};

enum kms_restrict {
    KMS_RESTRICT_NONE = 0,
    KMS_RESTRICT_SECURE = 1,
};

enum kms_lock {
    KMS_LOCK_NONE = 0,
    KMS_LOCK_APS = 1,
    KMS_LOCK_DARK = 2,
};

#define KMS_SECURE_HASH_SIZE 16 /**< what the chip's fuses hold */

struct kms_lot {
    char id[KMS_ID_SIZE];
    char chip[32];
    uint8_t image_sha256[32];
    uint8_t lorawan; /**< enum proto_lorawan */
    uint8_t join_eui[8];
    uint8_t profile[4]; /**< TR005 profile id of the label; zeros without a vendor id */
    uint64_t deveui_first;
    int64_t deveui_count;
    enum kms_trust trust;
    int64_t restrict_policy; /**< enum kms_restrict */
    int64_t lock_policy;     /**< enum kms_lock */
    int64_t min_bootloader;  /**< older ones get no keys: major << 24 | minor << 16 | patch */
    int64_t min_protocol;
    uint8_t key_sha256[32];                    /**< of the image key's object; zeros: none */
    uint8_t secure_hash[KMS_SECURE_HASH_SIZE]; /**< zeros: none */
    uint8_t application_sha256[32];            /**< zeros: the lot names no application */
    int64_t application_version;
    bool unattended;
    int64_t target;
    int64_t allowance;
    int64_t rate;    /**< grants within any hour; 0 = no limit, never for tofu */
    int64_t granted; /**< grants ever made: scrap gives nothing back */
    int64_t created_us;
    int64_t expires_us;
    int64_t closed_us; /**< 0 = open */
};

/** DevEUIs of a lot by what became of them; scrapped ones include those retired later. */
struct kms_counts {
    int64_t open, confirmed, scrapped;
};

/** BASE_E_EXISTS: id in use. */
BASE_MUST_CHECK
enum base_status kms_lot_insert(
    struct kms_store *store, const struct kms_lot *lot, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_lot_get(
    struct kms_store *store, const char *id, struct kms_lot *ret_lot, struct base_err *err);
/** Take one of the allowance and the next DevEUI index; false when it is used up or lot closed. */
BASE_MUST_CHECK
enum base_status kms_lot_take(
    struct kms_store *store, const char *id, bool *ret_taken, struct base_err *err);
/**
 * When the lot may have its next grant under its rate.
 *
 * @param[out] ret_at_us  0: at once; else the time at which the oldest of the last `rate` grants
 *                        is an hour old
 */
BASE_MUST_CHECK
enum base_status kms_lot_rate(struct kms_store *store, const struct kms_lot *lot, int64_t now_us,
    int64_t *ret_at_us, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_lot_close(
    struct kms_store *store, const char *id, int64_t now_us, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_lot_counts(
    struct kms_store *store, const char *id, struct kms_counts *ret_counts, struct base_err *err);
/** Units open or confirmed: every first installation but the scrapped and retired ones, which alone
 * are counted. @p lot as read in this transaction. */
BASE_MUST_CHECK
enum base_status kms_lot_good(
    struct kms_store *store, const struct kms_lot *lot, int64_t *ret_good, struct base_err *err);
/** Lot whose DevEUI range overlaps first … last; NOTFOUND when there is none. */
BASE_MUST_CHECK
enum base_status kms_lot_overlap(struct kms_store *store, uint64_t first, uint64_t last,
    char ret_id[KMS_ID_SIZE], struct base_err *err);
typedef enum base_status kms_lot_fn(void *user, const struct kms_lot *lot, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_lot_each(
    struct kms_store *store, kms_lot_fn *each, void *user, struct base_err *err);

#define KMS_PERMIT_ID_SIZE 40 /**< with NUL */

/** Irreversible acts, as bits; the numbers of auth/permit.h. */
enum kms_act {
    KMS_ACT_REHEARSE = 1,
    KMS_ACT_RESTRICT = 2,
    KMS_ACT_LOCK = 4,
    KMS_ACT_EFUSE = 8,
    KMS_ACT_ZEROISE = 16,
    KMS_ACT_SETTLE = 32,
};

#define KMS_ACTS 6U

/** "rehearse", "restrict", … of bit 0 … KMS_ACTS - 1. */
const char *kms_act_name(unsigned bit);

/** Leave to do irreversible acts on the chips of a lot. */
struct kms_permit {
    char id[KMS_PERMIT_ID_SIZE];
    char lot[KMS_ID_SIZE];
    int64_t acts;  /**< of enum kms_act */
    bool for_chip; /**< for the chip below alone */
    uint8_t chip_id[8];
    int64_t until_us;
    int64_t created_us;
    int64_t revoked_us; /**< 0 = good */
    char note[KMS_NOTE_SIZE];
};

BASE_MUST_CHECK
enum base_status kms_permit_insert(
    struct kms_store *store, const struct kms_permit *permit, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_permit_get(
    struct kms_store *store, const char *id, struct kms_permit *ret_permit, struct base_err *err);
/**
 * The permit that serves a station: neither revoked nor over; one for this very chip before one for
 * all, a newer before an older one.
 *
 * @param chip_id  8 bytes; NULL: one for all chips
 */
BASE_MUST_CHECK
enum base_status kms_permit_for(struct kms_store *store, const char *lot, const uint8_t *chip_id,
    int64_t now_us, struct kms_permit *ret_permit, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_permit_revoke(struct kms_store *store, const char *id, int64_t now_us,
    bool *ret_revoked, struct base_err *err);
typedef enum base_status kms_permit_fn(
    void *user, const struct kms_permit *permit, struct base_err *err);
/** Of one lot or (NULL) of all, by time. The callback must not use the store. */
BASE_MUST_CHECK
enum base_status kms_permit_each(struct kms_store *store, const char *lot, kms_permit_fn *each,
    void *user, struct base_err *err);

/** An entry of the manifest: chip and key, and the party that registered it. */
struct kms_unit {
    uint8_t chip_id[8];
    uint8_t public_key[65];
    char lot[KMS_ID_SIZE];
    uint8_t statement[PROTO_STATEMENT_SIZE];
    char station[KMS_ID_SIZE];
    uint8_t spki_sha256[32];
    uint8_t log_id[32];
    char tester[KMS_ID_SIZE];
    int64_t created_us;
    char record[KMS_NOTE_SIZE];      /**< signed note of the station; "": none */
    char record_tester[KMS_ID_SIZE]; /**< who restricted the chip, by the record */
    char permit[KMS_PERMIT_ID_SIZE]; /**< under which, by the record */
};

BASE_MUST_CHECK
enum base_status kms_unit_get(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_unit *ret_unit, struct base_err *err);
/** Insert, or replace the entry of the same chip. */
BASE_MUST_CHECK
enum base_status kms_unit_put(
    struct kms_store *store, const struct kms_unit *unit, struct base_err *err);

typedef enum base_status kms_unit_fn(void *user, const struct kms_unit *unit, struct base_err *err);
/** Entries that no grant was made for, of one lot or (NULL) of all. The callback must not use the
 * store. */
BASE_MUST_CHECK
enum base_status kms_unit_each_ungranted(
    struct kms_store *store, const char *lot, kms_unit_fn *each, void *user, struct base_err *err);

enum kms_grant_state {
    KMS_GRANT_OPEN = 1,
    KMS_GRANT_CONFIRMED = 2,
    KMS_GRANT_SCRAPPED = 3,
    KMS_GRANT_SUPERSEDED = 4, /**< its keys were replaced or taken off; never current again */
    KMS_GRANT_RETIRED = 5,    /**< its DevEUI is never served again */
};

const char *kms_grant_state_name(enum kms_grant_state state);

struct kms_grant {
    char id[KMS_GRANT_ID_SIZE]; /**< envelope id in hex */
    char lot[KMS_ID_SIZE];
    uint8_t chip_id[8];
    uint8_t public_key[65];
    uint8_t nonce[16];
    uint8_t dev_eui[8];
    int64_t key_version;
    enum kms_grant_state state;
    enum kms_trust device_trust;
    bool unattended;
    char station[KMS_ID_SIZE];
    char tester[KMS_ID_SIZE];
    uint8_t statement[PROTO_STATEMENT_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t roots_wrapped[PROTO_ENVELOPE_PLAIN_SIZE + 8];
    uint8_t receipt_key_wrapped[KMS_RECEIPT_WRAPPED];
    uint8_t intent_sha256[32];
    char note[KMS_NOTE_SIZE];
    int64_t created_us;
    int64_t confirmed_us;
    int64_t scrapped_us;
    char scrapped_by[KMS_ID_SIZE];
    uint8_t purpose;                  /**< enum proto_purpose */
    char order_id[KMS_GRANT_ID_SIZE]; /**< order that it carries out; "": a first installation */
    int64_t ended_us;                 /**< superseded or retired */
    int64_t locked_us;                /**< 0: no lock answer came, and nobody settled it by label */
    bool lock_answered;               /**< the chip's own answer to this grant came */
    char settled_by[KMS_ID_SIZE];     /**< station at which a person settled it; "": none */
    char settled_permit[KMS_PERMIT_ID_SIZE]; /**< under which */
    int64_t wiped_us; /**< 0: no receipt says that the scrapped board was wiped */
};

/** BASE_E_EXISTS: the same (chip, key, nonce), or a live grant of the chip, or the DevEUI. */
BASE_MUST_CHECK
enum base_status kms_grant_insert(
    struct kms_store *store, const struct kms_grant *grant, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_grant_by_id(
    struct kms_store *store, const char *id, struct kms_grant *ret_grant, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_grant_by_statement(struct kms_store *store, const uint8_t chip_id[8],
    const uint8_t public_key[65], const uint8_t nonce[16], struct kms_grant *ret_grant,
    struct base_err *err);
/** Latest grant of a chip, open or confirmed ones before scrapped ones. */
BASE_MUST_CHECK
enum base_status kms_grant_of_chip(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_grant *ret_grant, struct base_err *err);
/** Any scrapped grant of this very key on this chip, however many other keys came after it. */
BASE_MUST_CHECK
enum base_status kms_grant_key_scrapped(struct kms_store *store, const uint8_t public_key[65],
    const uint8_t chip_id[8], bool *ret_found, struct base_err *err);
/** Any grant of this device key for another chip. */
BASE_MUST_CHECK
enum base_status kms_grant_key_elsewhere(struct kms_store *store, const uint8_t public_key[65],
    const uint8_t chip_id[8], bool *ret_found, struct base_err *err);
/** Highest key version of any envelope made for a chip; 0 when none. */
BASE_MUST_CHECK
enum base_status kms_grant_highest_version(
    struct kms_store *store, const uint8_t chip_id[8], int64_t *ret_version, struct base_err *err);
/** open → confirmed with the receipt's bytes; false when it was not open. */
BASE_MUST_CHECK
enum base_status kms_grant_confirm(struct kms_store *store, const char *id, const uint8_t *receipt,
    int64_t now_us, bool *ret_changed, struct base_err *err);
/** The receipt of a confirmed grant. */
BASE_MUST_CHECK
enum base_status kms_grant_receipt(struct kms_store *store, const char *id,
    uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err);
/** Keep the lock answer of a confirmed grant; false when it is there already. */
BASE_MUST_CHECK
enum base_status kms_grant_lock(struct kms_store *store, const char *id, const uint8_t *answer,
    int64_t now_us, bool *ret_changed, struct base_err *err);
/** open → scrapped, keys and envelope wiped; false when it was not open. */
BASE_MUST_CHECK
enum base_status kms_grant_scrap(struct kms_store *store, const char *id, const char *by,
    const char *reason, int64_t now_us, bool *ret_changed, struct base_err *err);
typedef enum base_status kms_grant_fn(
    void *user, const struct kms_grant *grant, struct base_err *err);

struct kms_grant_filter {
    const char *lot; /**< NULL: all lots */
    bool only_open;
    bool only_first;   /**< first installations, not what an order brought */
    bool only_unwiped; /**< at their end, the board not known to be wiped nor in use again */
    const uint8_t *after_chip_id; /**< 8 bytes: chips above this one; NULL: from the start */
    int64_t limit;
};

/** In order of chip id, then time. The callback must not use the store. */
BASE_MUST_CHECK
enum base_status kms_grant_each(struct kms_store *store, const struct kms_grant_filter *filter,
    kms_grant_fn *each, void *user, struct base_err *err);

/** The grant whose keys a chip holds, by its receipt. */
BASE_MUST_CHECK
enum base_status kms_grant_current(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_grant *ret_grant, struct base_err *err);
/** confirmed → superseded, keys and envelope wiped; false when it was not confirmed. */
BASE_MUST_CHECK
enum base_status kms_grant_supersede(struct kms_store *store, const char *id, int64_t now_us,
    bool *ret_changed, struct base_err *err);
/** Retire a DevEUI: what was confirmed or superseded, keys and envelopes wiped. False when nothing
 * changed. */
BASE_MUST_CHECK
enum base_status kms_grant_retire(struct kms_store *store, const uint8_t dev_eui[8], int64_t now_us,
    bool *ret_changed, struct base_err *err);
/** Say of a grant that its chip was locked before, as @p earlier has it. */
BASE_MUST_CHECK
enum base_status kms_grant_inherit_lock(
    struct kms_store *store, const char *id, const struct kms_grant *earlier, struct base_err *err);
/** Call the chip of a confirmed grant locked by a person's word; false when it was locked. */
BASE_MUST_CHECK
enum base_status kms_grant_settle(struct kms_store *store, const char *id, const char *station,
    const char *permit, int64_t now_us, bool *ret_changed, struct base_err *err);
/** Was this permit used to settle another grant? */
BASE_MUST_CHECK
enum base_status kms_grant_settled_under(struct kms_store *store, const char *permit,
    const char *not_id, bool *ret_found, struct base_err *err);

/** An envelope that takes the keys off a board whose unit is at its end. It is no grant: it holds
 * no key, takes no DevEUI and no quota. */
struct kms_wipe {
    char id[KMS_GRANT_ID_SIZE]; /**< envelope id in hex */
    char grant_id[KMS_GRANT_ID_SIZE];
    uint8_t chip_id[8];
    uint8_t public_key[65];
    uint8_t nonce[16];
    int64_t key_version;
    uint8_t statement[PROTO_STATEMENT_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key_wrapped[KMS_RECEIPT_WRAPPED];
    char station[KMS_ID_SIZE];
    int64_t created_us;
    int64_t wiped_us; /**< 0: its receipt has not come */
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    /** The confirmation that lets the chip forget its identity, made when the receipt came; zeros
     * before, and of wipes that ended before there was such a thing: their key is gone. */
    uint8_t forget[PROTO_MAC_SIZE];
};

/** BASE_E_EXISTS: the same (chip, key, nonce). */
BASE_MUST_CHECK
enum base_status kms_wipe_insert(
    struct kms_store *store, const struct kms_wipe *wipe, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_wipe_by_id(
    struct kms_store *store, const char *id, struct kms_wipe *ret_wipe, struct base_err *err);
BASE_MUST_CHECK
enum base_status kms_wipe_by_statement(struct kms_store *store, const uint8_t chip_id[8],
    const uint8_t public_key[65], const uint8_t nonce[16], struct kms_wipe *ret_wipe,
    struct base_err *err);
/** Keep the receipt and the wipe's forget, overwrite the receipt's key, and say of all that ended
 * for this chip and key that the board is wiped; false when the receipt was there already. */
BASE_MUST_CHECK
enum base_status kms_wipe_end(struct kms_store *store, const struct kms_wipe *wipe,
    const uint8_t receipt[PROTO_RECEIPT_SIZE], int64_t now_us, bool *ret_changed,
    struct base_err *err);

/** The operator's word that a chip shall get new keys, or lose those it has. */
struct kms_order {
    char id[KMS_GRANT_ID_SIZE];
    uint8_t chip_id[8];
    uint8_t public_key[65]; /**< device key that was confirmed: no other is served */
    uint8_t purpose;        /**< PROTO_PURPOSE_REWORK, PROTO_PURPOSE_ZEROISE */
    char reason[KMS_REASON_SIZE];
    int64_t created_us;
};

/** BASE_E_EXISTS: the chip has an order that is pending. */
BASE_MUST_CHECK
enum base_status kms_order_insert(
    struct kms_store *store, const struct kms_order *order, struct base_err *err);
/** The order of a chip that was neither used nor taken back. */
BASE_MUST_CHECK
enum base_status kms_order_pending(struct kms_store *store, const uint8_t chip_id[8],
    struct kms_order *ret_order, struct base_err *err);
/** Use it up, or take it back; false when it was not pending. */
BASE_MUST_CHECK
enum base_status kms_order_end(struct kms_store *store, const char *id, int64_t now_us,
    bool *ret_changed, struct base_err *err);

/** Last checkpoint of a station's log that this KMS cosigned. */
struct kms_log {
    uint8_t log_id[32];
    char origin[BASE_NOTE_NAME_SIZE];
    struct base_merkle_head head;
};

BASE_MUST_CHECK
enum base_status kms_log_get(struct kms_store *store, const uint8_t log_id[32],
    struct kms_log *ret_log, struct base_err *err);
/** Compare-and-set from @p old_size (0 with no row: insert); false when the size is another. */
BASE_MUST_CHECK
enum base_status kms_log_advance(struct kms_store *store, const struct kms_log *log,
    uint64_t old_size, const char *checkpoint, int64_t now_us, bool *ret_advanced,
    struct base_err *err);

/** What happened, for the operator; no secret, no code, no token. */
struct kms_event {
    uint8_t id[16];
    int64_t at_us;
    const char *kind, *station, *tester, *lot, *subject; /**< "" where there is none */
};

BASE_MUST_CHECK
enum base_status kms_event_insert(
    struct kms_store *store, const struct kms_event *event, struct base_err *err);

/** DevEUI as eight bytes, most significant first. */
void kms_eui_bytes(uint64_t eui, uint8_t ret_bytes[8]);

#endif
