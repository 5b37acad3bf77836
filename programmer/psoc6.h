/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_H
#define PRG_PSOC6_H

/**
 * @file
 * PSoC 6 (CY8C61/62/63) over a probe: find, acquire, identify, SROM calls, flash, supervisory
 * flash, fuses (read only), reset. What cannot be undone stands in psoc6_secure.h.
 *
 * Everything that changes flash keeps off the vault's rows (0x14000000 … and 0x100C0000 …) and off
 * every supervisory row outside the allowed list. Nothing irreversible is offered here.
 *
 * Waiting is done by the probe (value match, DAP_Delay) and counted on the wire.
 */

#include "programmer/image.h"
#include "programmer/link.h"

#define PRG_PSOC6_ROW_SIZE   512U
#define PRG_PSOC6_UID_SIZE   8U
#define PRG_PSOC6_FUSE_BYTES 128U

enum prg_psoc6_family {
    PRG_PSOC6_UNKNOWN = 0,
    PRG_PSOC6_BLE2 = 0x100, /**< 1 MB, CY8C6xx6/6xx7 */
    PRG_PSOC6_2M = 0x102,
    PRG_PSOC6_512K = 0x105,
    PRG_PSOC6_256K = 0x10E,
};

enum prg_psoc6_ap {
    PRG_PSOC6_AP_SYS = 0,
    PRG_PSOC6_AP_CM0 = 1,
    PRG_PSOC6_AP_CM4 = 2,
};

struct prg_psoc6_info {
    uint32_t dpidr;
    bool ap_open[3];        /**< by enum prg_psoc6_ap: the port gives an IDR */
    uint16_t family;        /**< enum prg_psoc6_family, or the number read */
    uint16_t silicon_id;    /**< e.g. 0xE207 */
    uint8_t revision_major; /**< of the die */
    uint8_t revision_minor;
    uint8_t protection;      /**< CPUSS PROTECTION: 1 virgin, 2 normal, 3 secure, 4 dead */
    uint8_t lifecycle_fuses; /**< LIFECYCLE fuse byte: b0 NORMAL, b1 SECURE_WITH_DEBUG, b2 SECURE,
                                b3 RMA */
    uint8_t restrictions[4]; /**< fuse bytes DEAD0, DEAD1, SECURE0, SECURE1 */
    uint8_t unique_id[PRG_PSOC6_UID_SIZE]; /**< UniqueId as an integer, most significant byte first
                                            */
    uint32_t flash_bytes; /**< main flash, from the controller's geometry register */
    uint32_t rows, row_bytes;
};

struct prg_psoc6;

/** Nothing is sent. @p link is borrowed and must outlive the object. */
BASE_MUST_CHECK
enum base_status prg_psoc6_new(
    struct prg_link *link, struct prg_psoc6 **ret_chip, struct base_err *err);

/** Accepts NULL. The target is left as it is. */
void prg_psoc6_free(struct prg_psoc6 *chip);

enum prg_psoc6_acquire {
    PRG_PSOC6_ACQUIRED = 1, /**< test mode set in the listen window, CM0+ parked in ROM */
    PRG_PSOC6_SILENT,       /**< no debug port answers: no target, no power, or pins off */
    PRG_PSOC6_CLOSED,       /**< the debug port answers, the system access port does not */
    PRG_PSOC6_MISSED,       /**< ports open, test mode not taken (listen window of 0 ms) */
};

struct prg_psoc6_acquire_opts {
    uint32_t timeout_ms; /**< 0 = 300; counts from the release of XRES */
    bool no_xres;        /**< reset by the core's SYSRESETREQ instead of the XRES pin */
};

/**
 * Reset the chip and stop it before it runs the application: XRES pulse, then repeated attempts of
 * one SWJ_Sequence and one DAP_Transfer, both in flight at once, until one lands inside the listen
 * window. A probe that measures the target's supply is asked first (1.71 … 3.6 V), one with an
 * acquire of its own tries first.
 *
 * @param opts  NULL = defaults
 * @return BASE_OK with the outcome in @p ret_outcome; BASE_E_LINK, BASE_E_PROTO: the probe failed;
 * BASE_E_LINK code "voltage"
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_acquire(struct prg_psoc6 *chip,
    const struct prg_psoc6_acquire_opts *opts, enum prg_psoc6_acquire *ret_outcome,
    struct base_err *err);

/**
 * Connect to a running chip without reset: line switch, DPIDR, power-up. Waits for the port up to
 * @p timeout_ms (counted on the wire).
 *
 * @return BASE_OK; BASE_E_TIMEOUT code "swd_silent"; BASE_E_TARGET code "wrong_chip": another DPIDR
 * than this family's
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_attach(
    struct prg_psoc6 *chip, uint32_t timeout_ms, struct base_err *err);

/**
 * Read what the chip is. Needs acquire or attach before. After acquire all fields come from SROM
 * calls and memory; after attach only what an open port can read without disturbing the program
 * (memory reads), and what could not be read is zero.
 *
 * @return BASE_OK; BASE_E_LOCKED: no access port is open; BASE_E_TARGET: not a PSoC 6 of the
 * known families, with the numbers read
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_identify(
    struct prg_psoc6 *chip, struct prg_psoc6_info *ret_info, struct base_err *err);

/**
 * One SROM call. Needs acquire before.
 *
 * @param words       opcode word and arguments: bit 0 of words[0] set = the call is that one word
 * @param count       1 … 8
 * @param timeout_ms  0 = 1500; counted on the wire
 * @param[out] ret_words  what the argument block holds afterwards (@p count words); the first is
 * the status word 0xA…, may be NULL
 * @return BASE_OK; BASE_E_TARGET domain "SROM", detail = status word 0xF…; BASE_E_TIMEOUT code
 * "unknown"; BASE_E_LINK code "unknown"
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_srom(struct prg_psoc6 *chip, const uint32_t *words, size_t count,
    uint32_t timeout_ms, uint32_t *ret_words, struct base_err *err);

/** Static sentence part for an SROM status word. */
const char *prg_psoc6_srom_text(uint32_t status);

/** Read target memory through the best open port; any alignment, @p length <= 4 MiB. */
BASE_MUST_CHECK
enum base_status prg_psoc6_read(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    uint8_t *ret_bytes, struct base_err *err);

/** Told now and then how far a long call is; return false to stop it (BASE_E_CANCELLED). */
typedef bool prg_progress_fn(void *user, const char *what, uint64_t done, uint64_t total);

/**
 * Erase whole rows of main flash. Needs acquire before.
 *
 * Uses sectors and sub-sectors where the region covers them whole and touches no vault row.
 *
 * @param address, length  multiples of the row size
 * @return BASE_OK; BASE_E_ARG: not row aligned, or outside main flash; BASE_E_DENIED: a vault row
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_erase(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    prg_progress_fn *progress, void *user, struct base_err *err);

enum prg_psoc6_change {
    PRG_PSOC6_UNCHANGED = 1, /**< the right bytes were there already: nothing was written */
    PRG_PSOC6_WRITTEN,
};

/**
 * Check that every byte of the image lies where this chip can be programmed: main flash inside its
 * real size, no vault row. Sends nothing beyond the geometry read.
 *
 * @return BASE_OK; BASE_E_ARG: beyond flash or elsewhere; BASE_E_DENIED: a vault row
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_check_image(
    struct prg_psoc6 *chip, const struct prg_image *image, struct base_err *err);

/**
 * Program an image: its own rows only, skipped when all of them hold the image already. Bytes of a
 * row that the image leaves open become 0 (erased). Needs acquire before. Safe to repeat.
 *
 * Where the CM0 access port is open, the parked core does most of it with code of ours: it looks
 * for blank rows (they are not erased; a whole sector is, where nothing else in it is lost),
 * programs rows while others travel, and computes a CRC-32 of each row, by which the result is
 * verified. Otherwise by SROM calls, and verified by reading back.
 *
 * @return BASE_OK; BASE_E_ARG, BASE_E_DENIED as prg_psoc6_check_image(); BASE_E_VERIFY with the
 * address; BASE_E_TARGET domain "SROM"; BASE_E_CANCELLED
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_program(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change, struct base_err *err);

/** As prg_psoc6_program(), and rows whose CRC-32 is right already are left alone: quick where
 * little changed, but no proof against content that was made to have the same CRC. Without the CM0
 * access port nothing is left alone. */
BASE_MUST_CHECK
enum base_status prg_psoc6_update(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, enum prg_psoc6_change *ret_change, struct base_err *err);

/** Compare the image's bytes with the chip. BASE_E_VERIFY names the first address that differs. */
BASE_MUST_CHECK
enum base_status prg_psoc6_verify(struct prg_psoc6 *chip, const struct prg_image *image,
    prg_progress_fn *progress, void *user, struct base_err *err);

/**
 * SHA-256 over @p length bytes of target memory (read back over SWD).
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_digest(struct prg_psoc6 *chip, uint32_t address, uint32_t length,
    uint8_t ret_sha256[32], struct base_err *err);

/**
 * Write one supervisory flash row (skipped when equal), read back. Needs acquire before.
 *
 * Allowed rows: user 0x16000800 … 0x16000FFF, public key 0x16005A00 … 0x160065FF, TOC2 and RTOC2
 * 0x16007C00, 0x16007E00. The access-restriction row (NAR) is never written.
 *
 * @return BASE_OK; BASE_E_DENIED: another row; else as prg_psoc6_program()
 */
BASE_MUST_CHECK
enum base_status prg_psoc6_write_sflash_row(struct prg_psoc6 *chip, uint32_t address,
    const uint8_t row[PRG_PSOC6_ROW_SIZE], enum prg_psoc6_change *ret_change, struct base_err *err);

/** Build the second table of contents: application 1 at 0x10000000, Cypress format, boot clock 50
 * MHz, listen window 20 ms, with its CRC. Pure. */
void prg_psoc6_build_toc2(uint8_t ret_row[PRG_PSOC6_ROW_SIZE]);

/** Write TOC2 and RTOC2 as built above; rows that hold it already are left alone. */
BASE_MUST_CHECK
enum base_status prg_psoc6_write_toc2(
    struct prg_psoc6 *chip, enum prg_psoc6_change *ret_change, struct base_err *err);

enum prg_psoc6_toc2 {
    PRG_PSOC6_TOC2_BLANK = 1, /**< as shipped: defaults apply */
    PRG_PSOC6_TOC2_OURS,      /**< what prg_psoc6_write_toc2() writes */
    PRG_PSOC6_TOC2_OTHER,     /**< valid, but another one */
    PRG_PSOC6_TOC2_BAD,       /**< wrong size, magic or CRC */
    PRG_PSOC6_TOC2_SECURE,    /**< what prg_psoc6_rehearse_do() writes */
};

BASE_MUST_CHECK
enum base_status prg_psoc6_read_toc2(
    struct prg_psoc6 *chip, enum prg_psoc6_toc2 *ret_toc2, struct base_err *err);

/** Read one fuse byte by SROM call, @p byte 0 … 127. Needs acquire before. BASE_E_TARGET when the
 * chip keeps that fuse to itself. */
BASE_MUST_CHECK
enum base_status prg_psoc6_read_fuse(
    struct prg_psoc6 *chip, unsigned byte, uint8_t *ret_value, struct base_err *err);

/** Pulse XRES and let the chip boot its application. Test mode ends. The port is gone for a while:
 * follow with prg_psoc6_attach(). */
BASE_MUST_CHECK
enum base_status prg_psoc6_reset(struct prg_psoc6 *chip, struct base_err *err);

#endif
