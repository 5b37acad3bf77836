/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_PORT_H
#define BL_PORT_H

/**
 * @file
 * The device's side of the mailbox (device-fw/protocol/mailbox.h).
 *
 * Everything in the mailbox may change at any moment, so that each word is read once, into the
 * port's own memory, before anything about it is believed. Only public answers are written.
 */

#include "device-fw/bootloader/device.h"

struct bl_port {
    uint32_t answered; /**< the last answered sequence number; the mailbox's own copy is not read */
    uint32_t command;  /**< the request's own copy, as are the following */
    uint32_t length;
    uint32_t crc;
    uint8_t request[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct bl_answer answer;
};

/** Empty all the memory that the port reaches and open the mailbox. @p boot_word differs from that
 * of the boot before. */
void bl_port_open(struct bl_port *ret_port, uint32_t boot_word);

/** Execute the waiting command, if there is one. False when there was none. */
bool bl_port_poll(struct bl_port *port, struct bl_device *device);

/** Close the mailbox: its magic word is gone. */
void bl_port_close(void);

#endif
