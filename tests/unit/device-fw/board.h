/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_BOARD_H
#define TESTS_DEVICE_FW_BOARD_H

/** @file A simulated die with the real device image on it, reached through its debug port. */

#include "base/buf.h"
#include "sim/chip_test.h"
#include "tests/unit/device-fw/authority.h"

struct board {
    struct sim_chip *chip;
    struct authority authority;
    struct base_buf image; /**< bound, as it lies in flash */
    uint32_t sequence;
    bool power_lost; /**< a planned cut struck; the board is dark until board_power_cycle() */
};

/** A fresh die with the image that the environment variable LPA_TEST_IMAGE names, bound for the
 * lab, booted at 50 MHz. Fails the running test when there is no image. */
void board_init(struct board *board);
/** The same with other flags in the binding block, and not booted yet. */
void board_make(struct board *board, uint8_t flags);
void board_done(struct board *board);

/** Another board in the same state, sharing image and authority: end it with sim_chip_free(). */
struct board board_fork(const struct board *board);

/** Power off and on, and wait for the bootloader to listen, or for a planned cut. */
void board_power_cycle(struct board *board);

/** Hand a command over; board_finish() takes the answer. */
void board_begin(struct board *board, uint32_t command, const uint8_t *payload, size_t length);

/** Wait for the answer. 0 when the power went away. */
uint32_t board_finish(
    struct board *board, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length);

/** Both. */
uint32_t board_ask(struct board *board, uint32_t command, const uint8_t *payload, size_t length,
    uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length);

/** Hello; fails the running test when the device has none. */
struct proto_hello board_hello(struct board *board);

/** Ask for a statement and check it. */
void board_identify(struct board *board, struct proto_statement *ret_statement);

/** Seal an envelope of LoRaWAN 1.0 whose AppKey is 16 times @p key. */
void board_seal(const struct board *board, const struct proto_statement *statement,
    uint32_t key_version, uint8_t key, uint8_t ret_envelope[PROTO_ENVELOPE_SIZE],
    uint8_t ret_receipt_key[PROTO_HASH_SIZE]);

/** CPU cycles of the CM0+ since power-on. */
int64_t board_cycles(const struct board *board);

uint32_t board_mailbox_get(const struct board *board, uint32_t at);

/** One word of memory past every protection: of any chip. */
uint32_t board_peek(const struct sim_chip *chip, uint32_t address);
void board_poke(struct sim_chip *chip, uint32_t address, uint32_t value);

/** Both vault homes hold the same record. */
void board_check_vault(const struct board *board);

#endif
