/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_AIR_H
#define TESTS_DEVICE_FW_AIR_H

/**
 * @file
 * A locked board with the demonstration application, and all that was ever sent to or from it: what
 * an eavesdropper knows. Each function fails the running test when the board uses a counter again.
 */

#include "tests/unit/device-fw/app_board.h"

/** Plain values: air_fork() copies the board's chip, everything else is copied by assignment. */
struct air {
    struct app_board app;
    bool has_session;
    int32_t dev_nonce;   /**< the greatest that was sent; -1: none */
    int32_t rj_count[2]; /**< the same of RJcount0, in this session, and of RJcount1 */
    uint16_t request_nonce;
    uint8_t request_type; /**< of the last join- or rejoin-request */
    uint8_t accept[33];   /**< the last join-accept that the board may have taken */
    size_t accept_length;
    uint8_t down[NETWORK_FRAME_MAX]; /**< the last downlink that the board may have taken */
    size_t down_length;
};

/** A board with keys, locked, started once; its application has sent a join-request. */
void air_init(struct air *air, enum proto_lorawan version);
void air_done(struct air *air);

/** The same world once more, with a board of its own: end it with sim_chip_free(). */
struct air air_fork(const struct air *air);

/** Take one frame of the application: its MIC is right and its counters are new. */
void air_listen(struct air *air);

/** Tell the application to send a request of this JoinReqType; air_listen() takes it. */
void air_ask_join(struct air *air, uint8_t type);

/** Tell it to send an uplink with so many bytes; air_listen() takes it. */
void air_ask_uplink(struct air *air, size_t length);

/** Answer the last request: the session that the network has from here on is the new one. The
 * application's "hello" comes. */
void air_give_accept(struct air *air);

/** A downlink with a counter far above all that a reset may have skipped; it will be echoed. */
void air_give_downlink(struct air *air);

/** The last downlink once more: the application must refuse it. */
void air_replay_downlink(struct air *air);

/** The last join-accept once more, while a request is open: the application must refuse it. */
void air_replay_accept(struct air *air);

#endif
