/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_ATTACK_SECURE_BOARD_H
#define TESTS_ATTACK_SECURE_BOARD_H

/** @file A simulated die with the real device image, bound for production and signed, in any state
 * of its life. */

#include "programmer/psoc6_secure.h"
#include "tests/unit/device-fw/board.h"

enum board_state {
    BOARD_TEST_MODE,   /**< NORMAL, stopped in the listen window: the programmer's state */
    BOARD_NORMAL,      /**< image and TOC2 of any lot, running */
    BOARD_REHEARSED,   /**< key and secure TOC2, running */
    BOARD_SECURE,      /**< restricted, no keys */
    BOARD_PROVISIONED, /**< with keys, not locked */
    BOARD_LOCKED,      /**< locked and reset */
    BOARD_DEAD_IMAGE,  /**< a locked one whose image has a row erased */
    BOARD_DEAD_TOC2,   /**< a locked one whose tables are broken */
    BOARD_DEAD_KEY,    /**< a locked one whose signature key is broken */
    BOARD_STATES
};

/** As man/lpa-port.7 calls it. */
const char *board_state_name(enum board_state state);

/** One board of each state, with the same keys, running. LPA_TEST_IMAGE names the device image. */
struct secure_boards {
    struct board first; /**< owns authority and image */
    struct prg_psoc6_target target;
    struct sim_chip *chips[BOARD_STATES];
};

void secure_boards_init(struct secure_boards *boards);
void secure_boards_done(struct secure_boards *boards);

/** Reset by XRES and let it boot as far as it comes. */
void secure_board_reset(struct sim_chip *chip);

#endif
