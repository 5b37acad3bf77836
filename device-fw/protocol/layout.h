/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_LAYOUT_H
#define PROTO_LAYOUT_H

/**
 * @file
 * Sizes, places and numbers that bootloader, station and KMS share. Freestanding C11.
 *
 * The texts are man lpa-envelope(5) and lpa(7). A change here is a new protocol version.
 */

#include <stdint.h>

#define PROTO_VERSION 1U

/** DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, auth mode (RFC 9180). */
#define PROTO_SUITE_P256 1U

#define PROTO_CHIP_ID_SIZE     8U  /**< the die's 64-bit unique id, most significant byte first */
#define PROTO_EUI_SIZE         8U  /**< DevEUI, JoinEUI: most significant byte first */
#define PROTO_KEY_ID_SIZE      8U  /**< first bytes of SHA-256 of the 65-byte public key */
#define PROTO_PUBLIC_KEY_SIZE  65U /**< SEC 1 uncompressed point: 04, x, y */
#define PROTO_NONCE_SIZE       16U
#define PROTO_ENVELOPE_ID_SIZE 16U
#define PROTO_HASH_SIZE        32U /**< SHA-256 */
#define PROTO_MAC_SIZE         32U /**< HMAC-SHA-256, not truncated */
#define PROTO_ROOT_KEY_SIZE    16U
#define PROTO_RESTRICT_SIZE    4U /**< DEAD0, DEAD1, SECURE0, SECURE1 restriction fuse bytes */

/* Lengths of the encoded messages. */
#define PROTO_STATEMENT_SIZE       184U
#define PROTO_STATEMENT_BODY_SIZE  152U /**< the part that the MAC covers */
#define PROTO_ENVELOPE_HEADER_SIZE 76U  /**< AAD */
#define PROTO_ENVELOPE_PLAIN_SIZE  32U  /**< NwkKey, AppKey; an absent key is zeros */
#define PROTO_ENVELOPE_SIZE        189U /**< header, enc (65), ciphertext (32) with tag (16) */
#define PROTO_RECEIPT_SIZE         128U
#define PROTO_RECEIPT_BODY_SIZE    96U
#define PROTO_LOCK_ANSWER_SIZE     96U
#define PROTO_LOCK_BODY_SIZE       64U
#define PROTO_FORGET_BODY_SIZE     25U
#define PROTO_HELLO_SIZE           80U
#define PROTO_JOIN_REQUEST_SIZE    23U

/* Labels of key derivation; bytes without the terminating NUL. */
#define PROTO_LABEL_ENVELOPE_INFO "lpa envelope v1"  /**< HPKE info */
#define PROTO_LABEL_RECEIPT       "lpa receipt v1"   /**< HPKE exporter context, 32 bytes out */
#define PROTO_LABEL_STATEMENT     "lpa statement v1" /**< HKDF salt of the statement key */
/** HMAC-SHA-256 of this label under the receipt key is the key of the lock answer. */
#define PROTO_LABEL_LOCK "lpa lock v1"
/** Begins what the KMS authenticates when a wiped chip may forget itself, see
 * proto_forget_body_encode(). */
#define PROTO_LABEL_FORGET "lpa forget v1"

enum proto_purpose {
    PROTO_PURPOSE_INSTALL = 1,
    PROTO_PURPOSE_REWORK = 2,
    PROTO_PURPOSE_ZEROISE = 3,
};

/** LoRaWAN version byte: major in the high nibble, minor in the low one. */
enum proto_lorawan {
    PROTO_LORAWAN_1_0 = 0x10, /**< 1.0.x: AppKey only */
    PROTO_LORAWAN_1_1 = 0x11, /**< NwkKey and AppKey */
};

#define PROTO_KEY_NWK 1U
#define PROTO_KEY_APP 2U

/** Flags of statement and hello. */
#define PROTO_FLAG_LAB   1U /**< made to work with the debug port open */
#define PROTO_FLAG_BOUND 2U /**< the binding block holds an authority key (hello only) */

enum proto_vault_state {
    PROTO_VAULT_EMPTY = 0,     /**< no identity yet */
    PROTO_VAULT_IDENTITY = 1,  /**< identity key and nonce committed, no root keys */
    PROTO_VAULT_COMMITTED = 2, /**< root keys committed, receipt available */
    PROTO_VAULT_LOCKED = 3,    /**< committed, and the port opens no more */
    PROTO_VAULT_ZEROISED = 4,  /**< identity kept, root keys wiped, receipt available */
    PROTO_VAULT_FORGOTTEN = 5, /**< nothing secret kept, and no new identity ever */
};

/** Lifecycle byte of the chip (facts of the die's PROTECTION and LIFECYCLE, one value per stage).
 */
enum proto_lifecycle {
    PROTO_LIFECYCLE_UNKNOWN = 0,
    PROTO_LIFECYCLE_VIRGIN = 1,
    PROTO_LIFECYCLE_NORMAL = 2,
    PROTO_LIFECYCLE_SECURE = 3,
    PROTO_LIFECYCLE_DEAD = 4,
    PROTO_LIFECYCLE_SECURE_WITH_DEBUG = 5,
    PROTO_LIFECYCLE_RMA = 6,
};

/**
 * What the restriction fuses must hold before a production image makes an identity key. DEAD: all
 * three APs off, nothing reachable. SECURE: CM0-AP and CM4-AP off, SYS-AP behind its MPU with the
 * first 1/16 of SRAM and no flash, SFlash, MMIO or XIP; DirectExecute off.
 */
#define PROTO_RESTRICT_REQUIRED                                                                    \
    {                                                                                              \
        0xBF, 0xFF, 0xBB, 0xF7                                                                     \
    }

/* Places on the first target, PSoC 6 BLE-2 die. */
#define PROTO_IMAGE_ADDRESS   0x10000000U /**< Cypress application header, then vectors and code */
#define PROTO_IMAGE_MAX_SIZE  0x0000C000U /**< 48 KiB */
#define PROTO_VECTOR_OFFSET   0x100U
#define PROTO_BINDING_OFFSET  0x400U
#define PROTO_BINDING_SIZE    0x400U
#define PROTO_VAULT_HOME_0    0x14000000U /**< work flash, row 0 */
#define PROTO_VAULT_HOME_1    0x100C0000U /**< main flash sector 3, row 0 */
#define PROTO_VAULT_HOME_SIZE 0x200U

#endif
