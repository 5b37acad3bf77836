/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_DEVICE_H
#define BL_DEVICE_H

/**
 * @file
 * The device behind the mailbox: what it is, what it holds, and what it answers to each command.
 */

#include "device-fw/bootloader/chip.h"
#include "device-fw/bootloader/random.h"
#include "device-fw/bootloader/vault.h"
#include "device-fw/protocol/binding.h"

struct bl_device {
    struct bl_chip chip;
    struct proto_binding binding; /**< zeros unless `bound` */
    bool bound;                   /**< binding block valid, with an authority key in it */
    bool is_protected;            /**< bl_protect_apply() succeeded */
    uint8_t authority_key_id[2][PROTO_KEY_ID_SIZE]; /**< zeros: slot empty */
    uint8_t image_hash[PROTO_HASH_SIZE];
    struct bl_random random;
    struct bl_vault vault;
    uint32_t dev_nonce_next; /**< equal to the record's limit when none is reserved */
    bool reset_wanted;       /**< the answered command was reset */
    bool run_wanted;         /**< the answered command was run: the application runs */
    bool lock_answered;      /**< locked since the last reset, with this answer: */
    uint8_t lock_answer[PROTO_LOCK_ANSWER_SIZE];
};

struct bl_answer {
    uint8_t payload[PROTO_STATEMENT_SIZE]; /**< the longest answer */
    size_t length;
};

/** This build's version, major << 24 | minor << 16 | patch, from the build system. */
#define BL_VERSION LPA_BOOTLOADER_VERSION

/**
 * Read chip, binding block and vault, hash the image, start the random generator.
 *
 * Never fails: what is wrong shows in bl_device_health() and in the commands that need it.
 */
void bl_device_start(struct bl_device *ret_device, bool is_protected);

/** The first thing that is wrong, as hello reports it; PROTO_OK when nothing is. */
enum proto_status bl_device_health(const struct bl_device *device);

/** The record says that this device has, or had, keys to work with. */
bool bl_device_is_committed(const struct bl_device *device);

/**
 * May the debug port serve the mailbox? Not when locked; in SECURE only behind exact restrictions
 * (a lab image: any) and with the protection units in force; in NORMAL the ROM has opened it
 * anyway.
 */
bool bl_device_may_open(const struct bl_device *device);

/**
 * The same for SECURE, decided a second time and from the chip alone: life cycle and restrictions,
 * binding block, protection units and vault as they read at this moment.
 *
 * @return BL_YES or something else
 */
uint32_t bl_device_confirm_open(void);

/**
 * Open an envelope of any purpose and commit what it orders, whoever carries it: mailbox or
 * application. PROTO_OK or PROTO_ALREADY with the receipt; else see bl_envelope_install().
 */
enum proto_status bl_device_envelope(
    struct bl_device *device, const uint8_t *bytes, size_t length, struct bl_answer *ret_answer);

/** The statement towards an authority, see bl_identity_statement(). */
enum proto_status bl_device_statement(
    struct bl_device *device, const uint8_t *key_id, size_t length, struct bl_answer *ret_answer);

/** The receipt of the last commit, see bl_envelope_receipt(). */
enum proto_status bl_device_receipt(struct bl_device *device, struct bl_answer *ret_answer);

/** Verify and start the application; needs a committed record. See bl_app_start(). */
enum proto_status bl_device_run(struct bl_device *device);

/**
 * Execute one command of the mailbox.
 *
 * @param payload     the device's own copy of the command's bytes
 * @param ret_answer  payload for PROTO_OK and PROTO_ALREADY; length 0 otherwise
 */
enum proto_status bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer);

#endif
