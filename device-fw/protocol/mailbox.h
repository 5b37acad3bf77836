/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROTO_MAILBOX_H
#define PROTO_MAILBOX_H

/**
 * @file
 * The mailbox: a fixed block of SRAM through which station and bootloader exchange one command at a
 * time.
 *
 * All header fields are 32-bit words in the target's byte order (little-endian), because both sides
 * reach them with word accesses; payloads are the big-endian messages of the other headers, padded
 * with zeros to a whole word. Polled, no doorbell. The station writes everything else first and the
 * sequence number last; the device copies the command out, checks the copy, acts, writes the
 * answer, and last the answered sequence number. While both numbers are equal the device has
 * nothing to do, so a repeated command is answered again (its answer still stands there) and not
 * executed again. After a reset both are 0; the station's next number is the answered one plus 1 (0
 * is skipped).
 */

#include "device-fw/protocol/layout.h"

#define PROTO_MAILBOX_ADDRESS      0x08002000U
#define PROTO_MAILBOX_MAGIC        0x4D41504CU /**< "LPAM" in memory order */
#define PROTO_MAILBOX_PAYLOAD_SIZE 0x200U

/* Byte offsets from PROTO_MAILBOX_ADDRESS. */
#define PROTO_MAILBOX_MAGIC_AT                                                                     \
    0x00U /**< device: PROTO_MAILBOX_MAGIC once it listens, 0 otherwise */
#define PROTO_MAILBOX_VERSION_AT      0x04U /**< device: PROTO_VERSION */
#define PROTO_MAILBOX_BOOT_AT         0x08U /**< device: random word, another after each reset */
#define PROTO_MAILBOX_REQ_COMMAND_AT  0x10U
#define PROTO_MAILBOX_REQ_LENGTH_AT   0x14U /**< payload bytes */
#define PROTO_MAILBOX_REQ_CRC_AT      0x18U /**< proto_mailbox_crc() of the request */
#define PROTO_MAILBOX_REQ_SEQUENCE_AT 0x1CU /**< written last */
#define PROTO_MAILBOX_RSP_SEQUENCE_AT 0x20U /**< written last by the device */
#define PROTO_MAILBOX_RSP_STATUS_AT   0x24U /**< enum proto_status */
#define PROTO_MAILBOX_RSP_LENGTH_AT   0x28U
#define PROTO_MAILBOX_RSP_CRC_AT                                                                   \
    0x2CU /**< proto_mailbox_crc() of the answer, status in the place of command */
#define PROTO_MAILBOX_REQ_PAYLOAD_AT 0x40U
#define PROTO_MAILBOX_RSP_PAYLOAD_AT 0x240U
#define PROTO_MAILBOX_SIZE           0x440U

enum proto_command {
    PROTO_CMD_HELLO = 1, /**< – → hello */
    PROTO_CMD_STATEMENT =
        2, /**< authority key id → statement; makes identity and nonce when there are none */
    PROTO_CMD_INSTALL = 3,   /**< envelope (install, rework) → receipt */
    PROTO_CMD_RECEIPT = 4,   /**< – → receipt of the last commit */
    PROTO_CMD_ZEROISE = 5,   /**< envelope (zeroise) → receipt */
    PROTO_CMD_LOCK = 6,      /**< – → lock answer */
    PROTO_CMD_RUN = 7,       /**< – → –; the application starts */
    PROTO_CMD_RESET = 8,     /**< – → –; the chip resets right after the answer */
    PROTO_CMD_SELF_TEST = 9, /**< – → LoRaWAN join-request with the next DevNonce */
    PROTO_CMD_FORGET = 10,   /**< the KMS's confirmation (PROTO_MAC_SIZE) → –; a zeroised device
                                  forgets its identity */
};

/** What the device answers; append-only. */
enum proto_status {
    PROTO_OK = 1,
    PROTO_ALREADY = 2, /**< this very envelope is committed; its receipt follows */
    PROTO_BAD_CRC = 3,
    PROTO_BAD_LENGTH = 4,
    PROTO_BAD_COMMAND = 5,
    PROTO_BAD_VERSION = 6,
    PROTO_BAD_SUITE = 7,
    PROTO_BAD_PURPOSE = 8,
    PROTO_BAD_FIELD =
        9, /**< a field outside its values, or a key mask that the LoRaWAN version does not allow */
    PROTO_WRONG_CHIP = 10,
    PROTO_WRONG_NONCE = 11,
    PROTO_OLD_KEY_VERSION = 12,
    PROTO_WRONG_AUTHORITY = 13,
    PROTO_BAD_POINT = 14, /**< enc is not a point of the curve */
    PROTO_BAD_MAC =
        15, /**< the envelope does not open: altered, or not from this authority to this device */
    PROTO_NOT_BOUND = 16, /**< no authority key in the binding block */
    PROTO_NO_IDENTITY = 17,
    PROTO_NO_RECORD = 18,
    PROTO_NOT_RESTRICTED = 19, /**< production build, and the port is open */
    PROTO_TRNG_FAILED = 20,
    PROTO_FLASH_FAILED = 21,
    PROTO_VAULT_CORRUPT = 22,  /**< neither home holds a valid record although one was written */
    PROTO_FOREIGN_RECORD = 23, /**< the record names another chip */
    PROTO_UNSUPPORTED = 24,
    PROTO_WRONG_STATE = 25,
    PROTO_FORGOTTEN = 26,        /**< the device has forgotten who it was, and works no more */
    PROTO_BAD_CONFIRMATION = 27, /**< not the KMS's word for this chip's receipt */
};

#endif
