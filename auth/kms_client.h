/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_KMS_CLIENT_H
#define AUTH_KMS_CLIENT_H

/**
 * @file
 * The station's side of the KMS API (kms/openapi.yaml): typed calls over HTTPS, TLS 1.3 only,
 * private CA only, client certificate, deadlines, limits on what is read. One object per thread.
 *
 * A failure that leaves the outcome open (no answer, a cut answer, 5xx) is BASE_E_REMOTE with
 * `err->code` "unknown": the request may have been carried out. A refusal carries the KMS's stable
 * code in `err->code` ("quota_used_up", "receipt_first", …), its sentence in `err->message` and the
 * HTTP status in `err->detail`.
 */

#include "base/clock.h"
#include "base/log.h"
#include "base/name.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define AUTH_ID_SIZE       BASE_NAME_SIZE
#define AUTH_GRANT_ID_SIZE 33  /**< 32 lower-case hex digits and NUL: the envelope id */
#define AUTH_ENVELOPE_MAX  512 /**< bytes */
#define AUTH_FORGET_SIZE   32U
#define AUTH_NOTE_MAX      4096
#define AUTH_PROOF_MAX     63 /**< hashes of a Merkle proof */

struct auth_kms_opts {
    const char *url;              /**< https://host:port, borrowed during open */
    const char *ca_file;          /**< PEM of the private CA: nothing else is trusted */
    const char *certificate_file; /**< PEM of the station */
    const char *key_file;         /**< PEM, mode 0600 */
    int64_t connect_timeout_ms;   /**< 0 = 5000 */
    int64_t request_timeout_ms;   /**< 0 = 15000, whole call */
    bool unattended;              /**< codes come from a configured command: said at login */
    const struct base_clock *clock;
    const struct base_log *log; /**< may be NULL; never gets a body, a token or a code */
};

struct auth_kms;

BASE_MUST_CHECK
enum base_status auth_kms_open(
    const struct auth_kms_opts *opts, struct auth_kms **ret_kms, struct base_err *err);
void auth_kms_close(struct auth_kms *kms);

struct auth_session {
    struct base_secret token; /**< opaque */
    char tester[AUTH_ID_SIZE];
    int64_t expires_wall_us; /**< KMS time */
    int64_t clock_offset_us; /**< KMS time minus station time, measured half-way through the call */
};

/** Log in. DENIED with code "totp_wrong", "totp_used", "clock_off", "locked_out", "certificate";
 * EXPIRED for revoked. */
BASE_MUST_CHECK
enum base_status auth_kms_login(struct auth_kms *kms, const char *tester,
    const struct base_secret *code, struct auth_session *ret_session, struct base_err *err);
/** End the session at the KMS; the session object is wiped by auth_session_done() all the same. */
BASE_MUST_CHECK
enum base_status auth_kms_logout(
    struct auth_kms *kms, const struct auth_session *session, struct base_err *err);
void auth_session_done(struct auth_session *session);

/* A session between two runs of a program: sealed with AES-256-GCM under a key derived (HKDF) from
 * the station's private key, in a 0600 file that logout deletes. */
BASE_MUST_CHECK
enum base_status auth_session_store(const struct auth_session *session, const char *key_file,
    const char *path, struct base_err *err);
/** BASE_E_NOTFOUND: nobody is logged in. BASE_E_EXPIRED: the time is over (the file is removed). */
BASE_MUST_CHECK
enum base_status auth_session_load(const char *key_file, const char *path,
    const struct base_clock *clock, struct auth_session *ret_session, struct base_err *err);

enum auth_trust {
    AUTH_TRUST_TOFU = 1,
    AUTH_TRUST_MANIFEST = 2,
    AUTH_TRUST_ATTESTED = 3
};

enum auth_restrict {
    AUTH_RESTRICT_NONE = 0,
    AUTH_RESTRICT_SECURE = 1
};

enum auth_lock {
    AUTH_LOCK_NONE = 0,
    AUTH_LOCK_APS = 1,
    AUTH_LOCK_DARK = 2
};

struct auth_lot {
    char id[AUTH_ID_SIZE];
    char chip[32]; /**< "psoc6-ble2" */
    uint8_t image_sha256[32];
    uint8_t authority_key_id[8];
    uint8_t lorawan_version; /**< enum proto_lorawan */
    uint8_t join_eui[8];
    enum auth_trust trust;
    enum auth_restrict restrict_policy;
    enum auth_lock lock_policy;
    bool development; /**< the KMS is a development one */
    bool unattended;  /**< a TOTP code from a configured command is allowed */
    bool closed;
    uint32_t target_units; /**< good units wanted */
    uint32_t allowance;    /**< grants that may ever be made */
    uint32_t granted, confirmed, scrapped, open;
    int64_t expires_wall_us;
    uint32_t min_bootloader; /**< floor: major << 24 | minor << 16 | patch */
    uint8_t min_protocol;    /**< floor */
    uint8_t key_sha256[32];  /**< of the image key's object; zeros where nothing is restricted */
    uint8_t secure_hash[16]; /**< what the fuses shall hold; zeros where nothing is restricted */
    bool has_application;    /**< the lot names an application image */
    uint8_t application_sha256[32];
    uint32_t application_version; /**< major << 24 | minor << 16 | revision */
};

BASE_MUST_CHECK
enum base_status auth_kms_get_lot(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, struct auth_lot *ret_lot, struct base_err *err);

enum auth_unit_state {
    AUTH_UNIT_UNKNOWN = 0,    /**< the KMS has never heard of this chip */
    AUTH_UNIT_REGISTERED = 1, /**< in a manifest, no grant */
    AUTH_UNIT_OPEN = 2,       /**< granted, not confirmed */
    AUTH_UNIT_CONFIRMED = 3,
    AUTH_UNIT_SCRAPPED = 4,
    AUTH_UNIT_ELSEWHERE = 5, /**< open or confirmed in another lot */
    AUTH_UNIT_ZEROISED = 6,  /**< confirmed without keys: they were taken off again */
    AUTH_UNIT_RETIRED = 7,   /**< its DevEUI is never served again */
};

/** What the KMS's operator ordered for a unit that is confirmed. */
enum auth_work {
    AUTH_WORK_NONE = 0,
    AUTH_WORK_REWORK = 1,  /**< new keys */
    AUTH_WORK_ZEROISE = 2, /**< take the keys off */
};

struct auth_unit {
    enum auth_unit_state state;
    char lot[AUTH_ID_SIZE];
    char grant_id[AUTH_GRANT_ID_SIZE]; /**< empty where there is no grant */
    uint8_t dev_eui[8];
    uint32_t key_version;
    uint8_t public_key_sha256[32]; /**< zeros where unknown */
    bool locked;         /**< the KMS holds the chip's lock answer, or a person settled it */
    bool settled;        /**< by a person's word, and no answer of the chip came */
    bool wiped;          /**< scrapped or retired, and the board's keys are gone */
    enum auth_work work; /**< ordered and not begun (state confirmed, zeroised), or begun (open) */
};

BASE_MUST_CHECK
enum base_status auth_kms_get_unit(struct auth_kms *kms, const char *lot, const uint8_t chip_id[8],
    struct auth_unit *ret_unit, struct base_err *err);

/** Receives each unfinished grant of the lot that this station may finish. */
typedef enum base_status auth_unit_fn(
    void *user, const uint8_t chip_id[8], const struct auth_unit *unit);
BASE_MUST_CHECK
enum base_status auth_kms_list_open(
    struct auth_kms *kms, const char *lot, auth_unit_fn *each, void *user, struct base_err *err);

/**
 * The KMS's leave for irreversible acts on a lot's chips, as a signed note for auth_permit_parse().
 *
 * @param chip_id   8 bytes: one for this chip is preferred to one for all; NULL: one for all
 * @param ret_note  AUTH_NOTE_MAX bytes
 * @return BASE_OK; NOTFOUND with code "permit_missing", "lot_unknown"; DENIED with
 * "session_expired", …
 */
BASE_MUST_CHECK
enum base_status auth_kms_permit(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, const uint8_t *chip_id, char *ret_note, struct base_err *err);

/** What a personaliser hands in for one unit. */
struct auth_registration {
    const char *lot;
    const uint8_t *statement;
    size_t statement_length;
    const char *record; /**< signed note of auth_record_sign(); NULL: none (lots that are not of
                           trust attested) */
};

/**
 * Personaliser: register a unit, with the signed record where there is one. Repeating the same is
 * fine (idempotent).
 *
 * DENIED codes: "role", "lot_closed", "lot_expired", "statement_bad", "image_unknown",
 * "version_old", "lot_restrict", "lab_refused", "record_missing", "record_bad", "permit_revoked",
 * "chip_known".
 */
BASE_MUST_CHECK
enum base_status auth_kms_register(struct auth_kms *kms, const struct auth_session *session,
    const struct auth_registration *registration, struct base_err *err);

/** Personaliser: register a unit for manifest lots from its statement. Repeating the same is fine
 * (idempotent). */
BASE_MUST_CHECK
enum base_status auth_kms_register_unit(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, const uint8_t *statement, size_t statement_length, struct base_err *err);

/** Proof that the intent record stands in a log whose checkpoint the KMS has cosigned. */
struct auth_intent {
    const uint8_t *record; /**< canonical JSON bytes of the record */
    size_t record_length;
    uint64_t index;             /**< leaf index */
    const uint8_t (*proof)[32]; /**< RFC 6962 inclusion path, leaf to root */
    size_t proof_count;         /**< at most AUTH_PROOF_MAX */
    const char *checkpoint;     /**< signed note with the KMS's cosignature line */
};

struct auth_grant {
    char grant_id[AUTH_GRANT_ID_SIZE];
    uint8_t dev_eui[8];
    uint32_t key_version;
    enum auth_trust device_trust;
    enum auth_work work; /**< NONE: first keys; else which order the envelope carries out */
    bool repeated;       /**< the same grant as before, byte for byte */
    uint8_t envelope[AUTH_ENVELOPE_MAX];
    size_t envelope_length;
    char signed_grant[AUTH_NOTE_MAX]; /**< signed note of the KMS: what was granted to whom, no key
                                         material */
};

/**
 * Ask for a grant. A repeat with the same chip id, device key and nonce gets the same bytes.
 *
 * DENIED codes: "receipt_first", "unit_elsewhere", "chip_known", "rework_needed", "quota_used_up",
 * "rate_limited", "same_party", "not_registered", "statement_bad", "image_unknown", "lab_refused",
 * "intent_missing", "lot_closed", "lot_restrict", "grant_scrapped", "unattended_refused",
 * "session_expired", "session_foreign", "role", "version_old", "record_missing", "record_bad",
 * "permit_revoked", "superseded", "unit_retired"; EXPIRED: "lot_expired".
 */
BASE_MUST_CHECK
enum base_status auth_kms_grant(struct auth_kms *kms, const struct auth_session *session,
    const char *lot, const uint8_t *statement, size_t statement_length,
    const struct auth_intent *intent, struct auth_grant *ret_grant, struct base_err *err);

struct auth_confirmation {
    bool repeated;
    uint8_t dev_eui[8];
    char label[256];            /**< label text (TR005 without owner token in this version) */
    struct auth_unit open_work; /**< the unit's remaining open work; state UNKNOWN where none */
};

/** Hand in the device's receipt. Needs only the certificate. DENIED: "receipt_bad",
 * "grant_unknown", "grant_scrapped", "superseded", "unit_retired". */
BASE_MUST_CHECK
enum base_status auth_kms_confirm(struct auth_kms *kms, const char *grant_id,
    const uint8_t *receipt, size_t receipt_length, struct auth_confirmation *ret_confirmation,
    struct base_err *err);

/**
 * Hand in the chip's lock answer (PROTO_LOCK_ANSWER_SIZE bytes). Needs only the certificate;
 * repeating is fine.
 *
 * @param[out] ret_repeated  it was locked before; may be NULL
 * @return BASE_OK; DENIED with "lock_bad", "not_confirmed", "grant_unknown", "grant_scrapped",
 * "superseded", "unit_retired"
 */
BASE_MUST_CHECK
enum base_status auth_kms_lock(struct auth_kms *kms, const char *grant_id, const uint8_t *answer,
    size_t answer_length, bool *ret_repeated, struct base_err *err);

/** Scrap an open grant: final; of rework or zeroise it retires the whole unit. Repeating is fine.
 * DENIED: "grant_confirmed", "grant_unknown". */
BASE_MUST_CHECK
enum base_status auth_kms_scrap(
    struct auth_kms *kms, const char *grant_id, const char *reason, struct base_err *err);

/**
 * Say that a person found the board of a confirmed grant locked, by its label, under this permit.
 * Needs only the certificate; repeating is fine.
 *
 * @return BASE_OK; DENIED with "permit_revoked" (not for this chip, over, revoked), "permit_used",
 * "not_confirmed", "lock_bad", "grant_unknown", "grant_scrapped", "superseded", "unit_retired"
 */
BASE_MUST_CHECK
enum base_status auth_kms_settle(
    struct auth_kms *kms, const char *grant_id, const char *permit_id, struct base_err *err);

/** An envelope that takes the keys off a scrapped board. */
struct auth_wipe {
    char wipe_id[AUTH_GRANT_ID_SIZE]; /**< the envelope's id */
    bool repeated;                    /**< the same bytes as before */
    uint8_t envelope[AUTH_ENVELOPE_MAX];
    size_t envelope_length;
};

/**
 * Ask for the envelope that wipes the board of a scrapped or retired grant. Needs only the
 * certificate. A repeat with the same statement gets the same bytes.
 *
 * @return BASE_OK; DENIED with "not_scrapped", "chip_known", "statement_bad", "grant_unknown"
 */
BASE_MUST_CHECK
enum base_status auth_kms_wipe(struct auth_kms *kms, const char *grant_id, const uint8_t *statement,
    size_t statement_length, struct auth_wipe *ret_wipe, struct base_err *err);

/** What lets a wiped board forget its identity too. */
struct auth_forget {
    bool given; /**< not by a KMS older than this, nor for a receipt that such a one took */
    uint8_t confirmation[AUTH_FORGET_SIZE]; /**< see lpa-envelope(5); no secret */
};

/** Hand in the receipt of a wiped board. Needs only the certificate; repeating is fine, and gets
 * the same answer. DENIED: "receipt_bad", "grant_unknown". */
BASE_MUST_CHECK
enum base_status auth_kms_wiped(struct auth_kms *kms, const char *grant_id, const uint8_t *receipt,
    size_t receipt_length, struct auth_forget *ret_forget, struct base_err *err);

enum auth_witness {
    AUTH_WITNESS_COSIGNED = 1, /**< stored and cosigned */
    AUTH_WITNESS_STALE = 2,    /**< the KMS knows another size than old_size (409): see ret_size */
};

/**
 * Have a checkpoint cosigned (C2SP tlog-witness add-checkpoint semantics).
 *
 * @param old_size          size the caller believes the KMS cosigned last (0 at first)
 * @param proof             RFC 6962 consistency proof from old_size to the checkpoint's size
 * @param[out] ret_witness  which of the two it was
 * @param[out] ret_size     size now known to the KMS
 * @param ret_cosignature   the cosignature line of the signed note ("— name base64\n"),
 * AUTH_NOTE_MAX bytes DENIED: "checkpoint_bad" (unknown log key, bad signature), "inconsistent"
 * (the proof fails: fork or roll-back).
 */
BASE_MUST_CHECK
enum base_status auth_kms_witness(struct auth_kms *kms, uint64_t old_size,
    const uint8_t (*proof)[32], size_t proof_count, const char *checkpoint,
    enum auth_witness *ret_witness, uint64_t *ret_size, char *ret_cosignature,
    struct base_err *err);

/** Public keys of the KMS, for verifiers of its signed notes and cosignatures. */
struct auth_kms_keys {
    uint8_t authority[65];   /**< provisioning authority key */
    char log_vkey[256];      /**< signs grants and lots */
    char cosigner_vkey[256]; /**< cosigns checkpoints */
    bool development;
};

BASE_MUST_CHECK
enum base_status auth_kms_get_keys(
    struct auth_kms *kms, struct auth_kms_keys *ret_keys, struct base_err *err);

/** KMS reachable and ready; @p ret_offset_us is KMS time minus station time. */
BASE_MUST_CHECK
enum base_status auth_kms_ready(struct auth_kms *kms, int64_t *ret_offset_us, struct base_err *err);

#endif
