/* SPDX-License-Identifier: Apache-2.0 */
/* The demonstration application on the simulated CM4: verified, started, joined, talking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/app_board.h"

/* Downlink numbers that one write of the vault reserves, and a power cut loses. */
#define APP_DOWN_STEP 64U

static struct app_board app;

static int setup(void **state)
{
    (void)state;
    app_board_init(&app);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    app_board_done(&app);
    return 0;
}

/* Answer the join-request that the program sent, and take its "hello". */
static void join(uint8_t dl_settings)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    uint8_t accept[33];
    size_t length = 0;
    uint16_t nonce;

    app_board_hear(&app, APP_RADIO_LORA, SVC_OK, frame, &length);
    assert_int_equal(length, PROTO_JOIN_REQUEST_SIZE);
    nonce = network_check_join(&app.network, frame);
    length = network_accept(&app.network, SVC_JOIN_TYPE, nonce, dl_settings, 1, NULL, accept);
    app_board_tell(&app, APP_RADIO_LORA, accept, length);
    app_board_expect(&app, "hello");
}

static void echo(uint8_t port, const char *text)
{
    uint8_t frame[NETWORK_FRAME_MAX];
    size_t length =
        network_downlink(&app.network, port, (const uint8_t *)text, strlen(text), frame);

    app_board_tell(&app, APP_RADIO_LORA, frame, length);
    app_board_expect(&app, text);
}

static void talks_as(enum proto_lorawan version)
{
    int64_t cycles;

    app_board_install(&app, version, 1);
    cycles = board_cycles(&app.board);
    app_board_run(&app);
    print_message("new application: %lld cycles until it runs\n",
        (long long)(board_cycles(&app.board) - cycles));
    join(version == PROTO_LORAWAN_1_1 ? 0x80 : 0);
    echo(1, "one");
    echo(7, "a payload that is longer than one block of AES");
    /* The session is still there after a power cut, with counters that go on. */
    app_board_restart(&app);
    app.network.fcnt_down = APP_DOWN_STEP; /* numbers below may have been seen */
    app.network.afcnt_down = APP_DOWN_STEP;
    echo(1, "after power came back");
}

static void talks_as_1_0_4(void **state)
{
    (void)state;
    talks_as(PROTO_LORAWAN_1_0);
}

static void talks_as_1_1(void **state)
{
    (void)state;
    talks_as(PROTO_LORAWAN_1_1);
}

/* The mailbox is closed: rework and zeroise come through the application. */
static void takes_envelopes(void **state)
{
    uint8_t bytes[NETWORK_FRAME_MAX];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;
    struct proto_receipt receipt;
    size_t length = 0;

    (void)state;
    app_board_install(&app, PROTO_LORAWAN_1_0, 1);
    app_board_run(&app);
    join(0);
    for (unsigned round = 0; round < 2; round++) {
        app_board_tell(&app, APP_RADIO_STATEMENT, app.board.authority.key_id, PROTO_KEY_ID_SIZE);
        app_board_hear(&app, APP_RADIO_STATEMENT, SVC_STATUS_DEVICE | PROTO_OK, bytes, &length);
        authority_check_statement(&app.board.authority, bytes, &statement);
        app_board_seal(&app, &statement, round == 0 ? PROTO_PURPOSE_REWORK : PROTO_PURPOSE_ZEROISE,
            2 + round, envelope, receipt_key);
        app_board_tell(&app, APP_RADIO_ENVELOPE, envelope, sizeof(envelope));
        app_board_hear(&app, APP_RADIO_ENVELOPE, SVC_STATUS_DEVICE | PROTO_OK, bytes, &length);
        authority_check_receipt(receipt_key, envelope, bytes, &receipt);
        assert_int_equal(receipt.key_version, 2 + round);
        if (round == 0)
            join(0); /* by the new key */
    }
    /* Zeroised: the program asks to join, and there is no key. */
    app_board_hear(&app, APP_RADIO_LORA, SVC_NO_KEYS, bytes, &length);
    app_board_tell(&app, APP_RADIO_RECEIPT, bytes, 0);
    app_board_hear(&app, APP_RADIO_RECEIPT, SVC_STATUS_DEVICE | PROTO_OK, bytes, &length);
    authority_check_receipt(receipt_key, envelope, bytes, &receipt);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(talks_as_1_0_4),
        TEST(talks_as_1_1),
        TEST(takes_envelopes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
