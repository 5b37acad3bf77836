/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_APP_BOARD_H
#define TESTS_DEVICE_FW_APP_BOARD_H

/** @file A simulated board with bootloader and application, and the network around it. */

#include "device-fw/app-demo/radio.h"
#include "device-fw/services/message.h"
#include "tests/unit/device-fw/application.h"
#include "tests/unit/device-fw/board.h"
#include "tests/unit/device-fw/network.h"

struct app_board {
    struct board board;
    struct signer signer;
    struct base_buf program; /**< as LPA_TEST_APP names it */
    struct base_buf image;   /**< signed, as it lies in flash */
    struct network network;
    uint32_t heard; /**< number of the last frame that came out */
    uint32_t told;  /**< of the last that went in */
};

/** A board whose binding block names the signer, with the application in flash, version 1.0.0. */
void app_board_init(struct app_board *app);
void app_board_done(struct app_board *app);

/** Put another signed image of the same program into flash. */
void app_board_program(struct app_board *app, const struct signer *signer, uint32_t version);

/** Put this program there instead, signed. */
void app_board_program_bytes(struct app_board *app, const void *program, size_t length);

/** Install root keys: made from @p key_version, and the network has them too. */
void app_board_install(struct app_board *app, enum proto_lorawan version, uint32_t key_version);

/** Seal an envelope for the statement; the network has its keys then. */
void app_board_seal(struct app_board *app, const struct proto_statement *statement,
    enum proto_purpose purpose, uint32_t key_version, uint8_t ret_envelope[PROTO_ENVELOPE_SIZE],
    uint8_t ret_receipt_key[PROTO_HASH_SIZE]);

/** Command run, and wait for the program. */
void app_board_run(struct app_board *app);

/** Power off and on, and wait until the program runs by itself. */
void app_board_restart(struct app_board *app);

/** The same; false when a planned cut took the power away before. */
bool app_board_boot(struct app_board *app);

/** A frame came out that was not taken yet. */
bool app_board_has_sent(const struct app_board *app);

/** Wait for a frame of the program; fails the test when it is of another kind or status. */
void app_board_hear(struct app_board *app, uint32_t kind, uint32_t status,
    uint8_t ret_data[NETWORK_FRAME_MAX], size_t *ret_length);

/** Give the program a frame. */
void app_board_tell(struct app_board *app, uint32_t kind, const uint8_t *data, size_t length);

/** Wait for an uplink with this payload. */
void app_board_expect(struct app_board *app, const char *text);

#endif
