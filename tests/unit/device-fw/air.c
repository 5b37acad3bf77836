/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/air.h"

#include <cmocka.h>

#define MTYPE_MASK    0xE0U
#define MTYPE_JOIN    0x00U
#define MTYPE_REJOIN  0xC0U
#define OPT_NEG       0x80U
#define DOWN_PORT     3U
#define DOWN_GAP      1000U /* more than resets skip */
#define REJOIN_0_SIZE 19U
#define REJOIN_1_SIZE 24U

void air_init(struct air *air, enum proto_lorawan version)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    memset(air, 0, sizeof(*air));
    air->dev_nonce = -1;
    air->rj_count[0] = -1;
    air->rj_count[1] = -1;
    app_board_init(&air->app);
    app_board_install(&air->app, version, 1);
    assert_int_equal(
        board_ask(&air->app.board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
    app_board_restart(&air->app);
    air_listen(air);
}

void air_done(struct air *air)
{
    app_board_done(&air->app);
}

struct air air_fork(const struct air *air)
{
    struct air copy = *air;

    copy.app.board = board_fork(&air->app.board);
    return copy;
}

static void take_join(struct air *air, const uint8_t *frame, size_t length)
{
    assert_int_equal(length, PROTO_JOIN_REQUEST_SIZE);
    air->request_nonce = network_check_join(&air->app.network, frame);
    air->request_type = SVC_JOIN_TYPE;
    if (air->request_nonce <= air->dev_nonce)
        fail_msg("DevNonce %u after %d", air->request_nonce, (int)air->dev_nonce);
    air->dev_nonce = air->request_nonce;
}

static void take_rejoin(struct air *air, const uint8_t *frame, size_t length)
{
    bool is_type_1 = frame[1] == 1;
    int32_t *last = &air->rj_count[is_type_1 ? 1 : 0];

    assert_int_equal(length, is_type_1 ? REJOIN_1_SIZE : REJOIN_0_SIZE);
    air->request_nonce = (uint16_t)(frame[length - 6] | frame[length - 5] << 8);
    air->request_type = frame[1];
    if (air->request_nonce <= *last)
        fail_msg("RJcount%d %u after %d", is_type_1, air->request_nonce, (int)*last);
    *last = air->request_nonce;
}

static void take_uplink(struct air *air, const uint8_t *frame, size_t length)
{
    uint8_t payload[NETWORK_FRAME_MAX];
    uint8_t port = 0;
    uint32_t fcnt = (uint32_t)(frame[6] | frame[7] << 8);

    if (fcnt < air->app.network.fcnt_up)
        fail_msg("FCntUp %u after %u", (unsigned)fcnt, (unsigned)air->app.network.fcnt_up - 1U);
    network_uplink(&air->app.network, frame, length, APP_RADIO_DATA_RATE, APP_RADIO_CHANNEL,
        payload, &length, &port);
}

void air_listen(struct air *air)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_hear(&air->app, APP_RADIO_LORA, SVC_OK, frame, &length);
    assert_true(length > 0);
    if ((frame[0] & MTYPE_MASK) == MTYPE_JOIN)
        take_join(air, frame, length);
    else if ((frame[0] & MTYPE_MASK) == MTYPE_REJOIN)
        take_rejoin(air, frame, length);
    else
        take_uplink(air, frame, length);
}

void air_ask_join(struct air *air, uint8_t type)
{
    app_board_tell(&air->app, APP_RADIO_JOIN, &type, 1);
}

void air_ask_uplink(struct air *air, size_t length)
{
    static const uint8_t payload[NETWORK_FRAME_MAX];

    app_board_tell(&air->app, APP_RADIO_SEND, payload, length);
}

void air_give_accept(struct air *air)
{
    air->accept_length = network_accept(&air->app.network, air->request_type, air->request_nonce,
        air->app.network.is_1_1 ? OPT_NEG : 0, 1, NULL, air->accept);
    air->has_session = true;
    air->rj_count[0] = -1;
    air->down_length = 0;
    app_board_tell(&air->app, APP_RADIO_LORA, air->accept, air->accept_length);
}

void air_give_downlink(struct air *air)
{
    static const uint8_t text[] = "down";

    air->app.network.fcnt_down += DOWN_GAP;
    air->app.network.afcnt_down += DOWN_GAP;
    air->down_length =
        network_downlink(&air->app.network, DOWN_PORT, text, sizeof(text), air->down);
    app_board_tell(&air->app, APP_RADIO_LORA, air->down, air->down_length);
}

/* The application takes a lower counter for one that has overflowed, whose MIC is another. */
void air_replay_downlink(struct air *air)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_tell(&air->app, APP_RADIO_LORA, air->down, air->down_length);
    app_board_hear(&air->app, APP_RADIO_LORA, SVC_BAD_MIC, frame, &length);
}

void air_replay_accept(struct air *air)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length = 0;

    app_board_tell(&air->app, APP_RADIO_LORA, air->accept, air->accept_length);
    app_board_hear(&air->app, APP_RADIO_LORA, SVC_REFUSED, frame, &length);
}
