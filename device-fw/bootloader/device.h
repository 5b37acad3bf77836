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

/**
 * Execute one command.
 *
 * @param payload     the device's own copy of the command's bytes
 * @param ret_answer  payload for PROTO_OK and PROTO_ALREADY; length 0 otherwise
 */
enum proto_status bl_device_execute(struct bl_device *device, uint32_t command,
    const uint8_t *payload, size_t length, struct bl_answer *ret_answer);

#endif
