/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_SECURE_H
#define PRG_PSOC6_SECURE_H

/**
 * @file
 * The way of a PSoC 6 BLE-2 from NORMAL to SECURE, and what its port shows on the way.
 *
 *   rehearse  signature key and TOC2 to supervisory flash; TOC2 lists the key as hash object and
 *             asks flash boot to verify the application in NORMAL already. Can be undone.
 *   restrict  fuses: SECURE_HASH and its zero count, DEAD_ACCESS_RESTRICT, SECURE_ACCESS_RESTRICT,
 *             the lifecycle's SECURE bit last. Cannot be undone.
 *
 * Each do acquires the chip itself, is safe to repeat, and goes on where another ended: a fuse that
 * has its target's value is left alone, one that the target does not want ends everything before
 * anything is blown. Each check only reads. Failures with code "unknown" leave it open whether the
 * last fuse or row was written: run it again.
 *
 * What SECURE_HASH covers is the ROM's affair: a board is restricted only when the ROM's own
 * GenerateHash gives what is computed here.
 */

#include "programmer/permit.h"
#include "programmer/psoc6.h"

#define PRG_PSOC6_KEY_SIZE       1096U /**< key object of the ROM: header, RSA-2048, coefficients */
#define PRG_PSOC6_RSA_BYTES      256U
#define PRG_PSOC6_RESTRICT_BYTES 4U   /**< DEAD0, DEAD1, SECURE0, SECURE1 */
#define PRG_PSOC6_PLAN_MAX       169U /**< 16 + 1 + 4 bytes and one bit */

/* ------------------------------------------------------------------- target: pure, nothing is sent
 */

/**
 * The public key as the ROM wants it (little-endian: size, scheme 0, addresses and sizes, modulus,
 * exponent, Barrett coefficient, inverse of the modulus, 2^2048 mod modulus).
 *
 * @param modulus   most significant byte first; odd, top bit set
 * @param exponent  odd, 3 or more
 * @return BASE_OK; BASE_E_ARG; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_key_encode(const uint8_t modulus[PRG_PSOC6_RSA_BYTES], uint32_t exponent,
    uint8_t ret_key[PRG_PSOC6_KEY_SIZE], struct base_err *err);

/** Take one apart, every derived number checked. BASE_E_CORRUPT with what is wrong. */
BASE_MUST_CHECK
enum base_status prg_psoc6_key_decode(const uint8_t *key, size_t length,
    uint8_t ret_modulus[PRG_PSOC6_RSA_BYTES], uint32_t *ret_exponent, struct base_err *err);

/** RSASSA-PKCS1-v1_5 with SHA-256 over @p data, signature with its most significant byte first.
 * BASE_OK; BASE_E_VERIFY; BASE_E_CORRUPT: the key object is none. */
BASE_MUST_CHECK
enum base_status prg_psoc6_key_verify(const uint8_t key[PRG_PSOC6_KEY_SIZE], const uint8_t *data,
    size_t length, const uint8_t signature[PRG_PSOC6_RSA_BYTES], struct base_err *err);

/** TOC2 of a restricted board: as prg_psoc6_build_toc2(), the key at 0x16005A00 its one hash
 * object, validation asked for in NORMAL. */
void prg_psoc6_build_secure_toc2(uint8_t ret_row[PRG_PSOC6_ROW_SIZE]);

/** TOC1 as this die leaves the factory: size and magic, no objects. */
void prg_psoc6_factory_toc1(uint8_t ret_row[PRG_PSOC6_ROW_SIZE]);

/** SECURE_HASH over TOC1, TOC2 and the key, and the number of its zero bits. */
void prg_psoc6_secure_hash(const uint8_t toc1[PRG_PSOC6_ROW_SIZE],
    const uint8_t toc2[PRG_PSOC6_ROW_SIZE], const uint8_t key[PRG_PSOC6_KEY_SIZE],
    uint8_t ret_hash[PRG_SECURE_HASH_SIZE], uint8_t *ret_zeros);

/** Where a board shall end. */
struct prg_psoc6_target {
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    uint8_t toc2[PRG_PSOC6_ROW_SIZE];
    uint8_t secure_hash[PRG_SECURE_HASH_SIZE];
    uint8_t zeros; /**< zero bits of secure_hash */
    uint8_t restrictions[PRG_PSOC6_RESTRICT_BYTES];
    uint32_t image_bytes; /**< application and signature */
    uint8_t image_sha256[PRG_PERMIT_HASH_SIZE];
    uint8_t key_sha256[PRG_PERMIT_HASH_SIZE];
};

/**
 * Make the target of a signed image and its key.
 *
 * @param image         Cypress application whose first word is its size, 256 bytes of signature
 *                      behind it and nothing else
 * @param restrictions  what the four fuse bytes shall hold
 * @return BASE_OK; BASE_E_CORRUPT: no image, no key object; BASE_E_VERIFY: not signed by this key;
 * BASE_E_ARG: restrictions that leave something of DEAD open
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_target_make(const uint8_t *image, size_t image_length,
    const uint8_t *key, size_t key_length, const uint8_t restrictions[PRG_PSOC6_RESTRICT_BYTES],
    struct prg_psoc6_target *ret_target, struct base_err *err);

/** Permit and target speak of the same image, key and hash. BASE_OK; BASE_E_DENIED code "permit".
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_target_check_permit(
    const struct prg_psoc6_target *target, const struct prg_permit *permit, struct base_err *err);

/* --------------------------------------------------------------------- fuses: the plan, also pure
 */

struct prg_psoc6_fuse {
    uint8_t byte;  /**< 0 … 127 */
    uint8_t bit;   /**< 0 … 7 */
    char name[40]; /**< "SECURE_HASH bit 17", "DEAD_ACCESS_RESTRICT0.CM0_AP", "LIFECYCLE.SECURE" */
};

struct prg_psoc6_plan {
    size_t count;   /**< bits to blow */
    size_t already; /**< bits that the target wants and that are blown */
    struct prg_psoc6_fuse fuses[PRG_PSOC6_PLAN_MAX]; /**< in the order of blowing */
};

/** The name of any fuse bit. */
void prg_psoc6_fuse_name(unsigned byte, unsigned bit, struct prg_psoc6_fuse *ret_fuse);

/**
 * Which bits will be blown, in order.
 *
 * @param fuses  all fuse bytes as read; only 0x14 … 0x2B are looked at
 * @return BASE_OK; BASE_E_VERIFY code "fuse_foreign": a bit is blown that the target does not want,
 * the first one is named
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_secure_plan(const struct prg_psoc6_target *target,
    const uint8_t fuses[PRG_PSOC6_FUSE_BYTES], struct prg_psoc6_plan *ret_plan,
    struct base_err *err);

/* ------------------------------------------------------------------------------------- on a chip
 */

/** Read the fuse bytes that a plan is made of (0x14 … 0x2B); the others are 0. Needs acquire. */
BASE_MUST_CHECK
enum base_status prg_psoc6_read_secure_fuses(
    struct prg_psoc6 *chip, uint8_t ret_fuses[PRG_PSOC6_FUSE_BYTES], struct base_err *err);

/** What prg_psoc6_blow_fuse() refuses without a look at the chip. BASE_OK; BASE_E_DENIED code
 * "permit"; BASE_E_ARG: no such bit, or one of the factory's. */
BASE_MUST_CHECK
enum base_status prg_psoc6_fuse_permitted(
    const struct prg_permit *permit, unsigned byte, unsigned bit, struct base_err *err);

/** The supply that the probe measures is one that fuses can be blown at. BASE_OK; BASE_E_LINK code
 * "voltage"; BASE_E_UNSUPPORTED: it does not measure. */
BASE_MUST_CHECK
enum base_status prg_psoc6_check_fuse_supply(struct prg_link *link, struct base_err *err);

/**
 * Blow one fuse bit and read it back; one that is blown is left alone. Needs acquire, and 2.5 V at
 * VDDIO0 which is the caller's affair.
 *
 * Bytes 0x14 … 0x2B (life cycle, hash, restrictions) need PRG_ACT_RESTRICT, all others
 * PRG_ACT_EFUSE.
 *
 * @return BASE_OK; BASE_E_DENIED code "permit"; BASE_E_ARG; BASE_E_TARGET domain "SROM";
 * BASE_E_VERIFY: the fuse does not read 1
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_blow_fuse(struct prg_psoc6 *chip, const struct prg_permit *permit,
    unsigned byte, unsigned bit, enum prg_psoc6_change *ret_change, struct base_err *err);

enum prg_psoc6_stage {
    PRG_PSOC6_STAGE_NORMAL = 1, /**< no fuse of the plan is blown, SFlash not as the target wants */
    PRG_PSOC6_STAGE_REHEARSED,  /**< key and TOC2 are there, no fuse is blown */
    PRG_PSOC6_STAGE_PARTIAL,    /**< some fuses are blown, all of them wanted: restrict goes on */
    PRG_PSOC6_STAGE_SECURE,     /**< SECURE, and the port shows the mailbox and nothing else */
    PRG_PSOC6_STAGE_CLOSED,  /**< the debug port answers, every access port refuses: locked, or DEAD
                              */
    PRG_PSOC6_STAGE_SILENT,  /**< no debug port answers */
    PRG_PSOC6_STAGE_FOREIGN, /**< fuses blown for another target, or a port that is open otherwise
                              */
};

/** Static sentence for an operator: the state and what can still be done. */
const char *prg_psoc6_stage_text(enum prg_psoc6_stage stage);

/** Called before and after each fuse is blown, for the audit log; false stops before it is. */
typedef bool prg_psoc6_fuse_fn(void *user, const struct prg_psoc6_fuse *fuse, bool blown);

struct prg_psoc6_secure_opts {
    uint32_t mailbox;        /**< address of the mailbox in SRAM, for what a SECURE port shows */
    uint32_t mailbox_bytes;  /**< 0 = its first word only */
    uint32_t attach_ms;      /**< how long to wait for a SECURE board's port; 0 = 2000 */
    bool external_supply;    /**< VDDIO0 is held at 2.5 V by others: send no supply command */
    prg_psoc6_fuse_fn *fuse; /**< NULL = nobody is told */
    void *user;
};

/**
 * Find out where a board stands. Resets it. A board that can be acquired stays acquired.
 *
 * @param[out] ret_plan  what is left to blow; count 0 where it cannot be read. May be NULL
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_secure_examine(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_psoc6_secure_opts *opts,
    enum prg_psoc6_stage *ret_stage, struct prg_psoc6_plan *ret_plan, struct base_err *err);

/**
 * Write key and TOC2, reset. The image must have been programmed.
 *
 * @param[out] ret_change  PRG_PSOC6_UNCHANGED: both were there
 * @return BASE_OK; BASE_E_DENIED code "permit"; BASE_E_VERIFY: image, fuses or TOC1 do not fit the
 * target; BASE_E_LOCKED code "stage": the board is beyond it, with prg_psoc6_stage_text()
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_rehearse_do(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_permit *permit,
    enum prg_psoc6_change *ret_change, struct base_err *err);

/**
 * Is everything as it must be before fuses: signed image in flash, key, TOC2 and RTOC2 in SFlash,
 * flash boot accepted the signature in NORMAL, CheckFactoryHash, GenerateHash equal to the target's
 * and fuses a subset of it. Reads only (and resets); leaves the chip acquired.
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_rehearse_check(
    struct prg_psoc6 *chip, const struct prg_psoc6_target *target, struct base_err *err);

/**
 * Blow what is left of the plan, at 2.5 V, and reset into SECURE.
 *
 * Before the first fuse everything that prg_psoc6_rehearse_check() looks at is looked at again;
 * before the last one all others are read back and both homes of the vault must be blank.
 *
 * @param[out] ret_change  PRG_PSOC6_UNCHANGED: the board was SECURE and showed exactly the mailbox
 * @return BASE_OK; BASE_E_DENIED code "permit" or "vault_not_blank"; BASE_E_UNSUPPORTED code
 * "supply": the probe cannot supply 2.5 V; BASE_E_LINK code "voltage": it did not come to that;
 * BASE_E_VERIFY; BASE_E_LOCKED code "stage"; BASE_E_CANCELLED: the caller's function said so
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_restrict_do(struct prg_psoc6 *chip,
    const struct prg_psoc6_target *target, const struct prg_permit *permit,
    const struct prg_psoc6_secure_opts *opts, enum prg_psoc6_change *ret_change,
    struct base_err *err);

/** Reset, and see a restricted board. As prg_psoc6_port_check(). */
BASE_MUST_CHECK
enum base_status prg_psoc6_restrict_check(
    struct prg_psoc6 *chip, const struct prg_psoc6_secure_opts *opts, struct base_err *err);

/**
 * What a running SECURE board shows is exactly the mailbox: CM0-AP and CM4-AP refuse, the SYS-AP
 * reads the mailbox and refuses every other kind of memory. Does not reset.
 *
 * @return BASE_OK; BASE_E_VERIFY code "port_open": what is open is named; BASE_E_LOCKED code
 * "port_closed": not even the mailbox; BASE_E_TIMEOUT code "swd_silent"
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_port_check(
    struct prg_psoc6 *chip, const struct prg_psoc6_secure_opts *opts, struct base_err *err);

/**
 * A locked board, after a reset of its own: supply present where the probe can tell, DPIDR answers,
 * every access port refuses. Does not reset.
 *
 * @param timeout_ms  wait for the debug port; 0 = 2000
 * @return BASE_OK; BASE_E_VERIFY code "port_open"; BASE_E_TIMEOUT code "swd_silent": no proof
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_lock_check(
    struct prg_psoc6 *chip, uint32_t timeout_ms, struct base_err *err);

#endif
