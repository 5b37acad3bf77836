/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_STATION_H
#define TESTS_DEVICE_FW_STATION_H

/** @file The other side of the mailbox, in one process with the bootloader's code. */

#include "device-fw/bootloader/port.h"
#include "tests/unit/device-fw/authority.h"
#include "tests/unit/device-fw/chip.h"

struct station {
    struct bl_device device;
    struct bl_port port;
    uint32_t sequence;
};

/** What bl_main() does up to its loop: power has come back. */
void station_boot(struct station *station);

/** A fresh chip bound to a laboratory's authority, number 1, and started. End with
 * authority_done(). */
void station_begin(struct station *station, struct authority *authority);

/** One command through the mailbox. Fails the running test unless the answer is well formed. */
enum proto_status station_ask(struct station *station, uint32_t command, const void *payload,
    size_t length, struct bl_answer *ret_answer);

/** The status alone; a refusal says nothing else. */
enum proto_status station_status(
    struct station *station, uint32_t command, const void *payload, size_t length);

struct proto_hello station_hello(struct station *station);

/** Ask for a statement and check it. */
void station_identify(struct station *station, const struct authority *authority,
    struct proto_statement *ret_statement);

/** Seal an envelope for key version @p key_version with keys that depend on it, and install it. */
enum proto_status station_install(struct station *station, const struct authority *authority,
    const struct proto_statement *statement, uint32_t key_version);

#endif
