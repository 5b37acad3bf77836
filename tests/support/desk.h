/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SUPPORT_DESK_H
#define TESTS_SUPPORT_DESK_H

/**
 * @file
 * A simulated board with the real bootloader on it and the real programmer in front of it, in one
 * process: programmer and simulator meet over CMSIS-DAP packets. Failures fail the running test.
 */

#include "lpa/mailbox.h"
#include "programmer/psoc6.h"
#include "sim/board.h"
#include "sim/chip_test.h"

struct desk {
    struct sim_board *board;
    struct prg_link *link;       /**< NULL while unplugged */
    struct prg_psoc6 *chip;      /**< NULL while unplugged */
    struct lpa_mailbox *mailbox; /**< NULL until desk_boot() */
};

struct desk_image {
    uint8_t *bytes; /**< owned */
    size_t length;
};

/** Read the unbound image and bind it to an authority's public key, lab flag as asked. */
void desk_image_load(
    struct desk_image *image, const char *path, const uint8_t public_key[65], bool lab);
void desk_image_done(struct desk_image *image);

/** A fresh board number @p number (unique id and noise depend on it) with a link to its probe. */
void desk_init(struct desk *desk, uint8_t number);
void desk_done(struct desk *desk);

/** An independent copy of the board, with a link of its own; its mailbox is not open yet. */
void desk_fork(const struct desk *desk, struct desk *ret_desk);

/** Forget link and mailbox and open the probe again. */
void desk_replug(struct desk *desk);

/** Acquire, program the image and both tables of contents. */
void desk_program(struct desk *desk, const struct desk_image *image);

/** Reset and open the mailbox. */
void desk_boot(struct desk *desk);

/** Open the mailbox of a running board, without reset. */
void desk_open_mailbox(struct desk *desk);

/**
 * One mailbox command.
 * @return what lpa_mailbox_call() returned; @p ret_status is written on BASE_OK only
 */
enum base_status desk_call(struct desk *desk, uint32_t command, const uint8_t *payload,
    size_t length, uint32_t *ret_status, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE],
    size_t *ret_length);

/** As desk_call(), and the device must answer with this status. */
void desk_expect(struct desk *desk, uint32_t command, const uint8_t *payload, size_t length,
    uint32_t status, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length);

#endif
