/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of its 8 KiB of stack the real device image uses, operation by operation: its commands, the
 * application's verification, and each key service that the application asks for, on the CM4 or as
 * the layer (LPA_TEST_APP). The lowest stack pointer is exact, and the paint that the image puts
 * over the unused part agrees. The last line is the most of all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/app_board.h"

#define STACK_BYTES 8192U
#define STACK_PAINT 0xA5A5A5A5U

static struct app_board app;
static uint32_t most;
static bool planted;

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

/* What was used since the last call, or since reset. */
static void measured(const char *what)
{
    uint32_t top = base_get_le32(app.board.image.data + PROTO_VECTOR_OFFSET);
    uint32_t low = sim_chip_test_stack_low(app.board.chip, SIM_AP_CM0);
    uint8_t word[4] = { 0 };

    assert_true(low < top);
    print_message("stack, %s: %u bytes\n", what, top - low);
    if (top - low > most)
        most = top - low;
    if (planted)
        assert_true(sim_chip_test_write(app.board.chip, top - STACK_BYTES, word, sizeof(word)));
    assert_true(top - low <= STACK_BYTES);
    assert_true(sim_chip_test_read(app.board.chip, top - STACK_BYTES, word, sizeof(word)));
    assert_int_equal(base_get_le32(word), STACK_PAINT);
    sim_chip_test_stack_restart(app.board.chip, SIM_AP_CM0);
}

/* ---- commands ---- */

static void ask(const char *what, uint32_t command, const void *payload, size_t length)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t got = 0;

    assert_int_equal(board_ask(&app.board, command, payload, length, answer, &got), PROTO_OK);
    measured(what);
}

static void envelope(
    const char *what, uint32_t command, enum proto_purpose purpose, uint32_t version)
{
    uint8_t bytes[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;

    board_identify(&app.board, &statement);
    measured("statement");
    app_board_seal(&app, &statement, purpose, version, bytes, receipt_key);
    ask(what, command, bytes, sizeof(bytes));
}

static void commands(void **state)
{
    (void)state;
    measured("boot");
    ask("hello", PROTO_CMD_HELLO, NULL, 0);
    envelope("install", PROTO_CMD_INSTALL, PROTO_PURPOSE_INSTALL, 1);
    ask("receipt", PROTO_CMD_RECEIPT, NULL, 0);
    ask("self-test", PROTO_CMD_SELF_TEST, NULL, 0);
    board_power_cycle(&app.board);
    measured("boot with a record");
    envelope("rework", PROTO_CMD_INSTALL, PROTO_PURPOSE_REWORK, 2);
    envelope("zeroise", PROTO_CMD_ZEROISE, PROTO_PURPOSE_ZEROISE, 3);
    envelope("install again", PROTO_CMD_INSTALL, PROTO_PURPOSE_INSTALL, 4);
    ask("lock", PROTO_CMD_LOCK, NULL, 0);
    ask("run, a new application", PROTO_CMD_RUN, NULL, 0);
}

/* What is left of a board whose keys are off and whose receipt the KMS has. */
static void forgets(void **state)
{
    uint8_t bytes[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;

    (void)state;
    app_board_install(&app, PROTO_LORAWAN_1_0, 1);
    board_identify(&app.board, &statement);
    app_board_seal(&app, &statement, PROTO_PURPOSE_ZEROISE, 2, bytes, receipt_key);
    ask("install and zeroise", PROTO_CMD_ZEROISE, bytes, sizeof(bytes));
    authority_forget(receipt_key, statement.chip_id, 2, bytes);
    ask("forget", PROTO_CMD_FORGET, bytes, PROTO_MAC_SIZE);
    board_power_cycle(&app.board);
    measured("boot of a board that has forgotten");
}

/* ---- services ---- */

static void hear(const char *what, uint32_t kind, uint32_t status, uint8_t *ret_bytes)
{
    size_t length = 0;

    app_board_hear(&app, kind, status, ret_bytes, &length);
    measured(what);
}

/* The frame's own request is heard already; "hello" comes with the new session. */
static void accept(const char *what, uint8_t type, uint16_t nonce)
{
    uint8_t bytes[NETWORK_FRAME_MAX];
    size_t length =
        network_accept(&app.network, type, nonce, app.network.is_1_1 ? 0x80 : 0, 1, NULL, bytes);

    app_board_tell(&app, APP_RADIO_LORA, bytes, length);
    app_board_expect(&app, "hello");
    measured(what);
}

static void data_both_ways(void)
{
    static const char text[] = "a payload that is longer than one block of AES";
    uint8_t bytes[NETWORK_FRAME_MAX];
    size_t length =
        network_downlink(&app.network, 7, (const uint8_t *)text, sizeof(text) - 1, bytes);

    app_board_tell(&app, APP_RADIO_LORA, bytes, length);
    app_board_expect(&app, text);
    measured("downlink and uplink");
}

static void rejoin(void)
{
    static const uint8_t type = 1;
    uint8_t bytes[NETWORK_FRAME_MAX];

    app_board_tell(&app, APP_RADIO_JOIN, &type, 1);
    hear("rejoin-request", APP_RADIO_LORA, SVC_OK, bytes);
    accept("join-accept of a rejoin", type, (uint16_t)(bytes[18] | bytes[19] << 8));
}

static void order(const char *what, enum proto_purpose purpose, uint32_t version, uint32_t join)
{
    uint8_t bytes[NETWORK_FRAME_MAX];
    uint8_t sealed[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_statement statement;

    app_board_tell(&app, APP_RADIO_STATEMENT, app.board.authority.key_id, PROTO_KEY_ID_SIZE);
    hear("service statement", APP_RADIO_STATEMENT, SVC_STATUS_DEVICE | PROTO_OK, bytes);
    authority_check_statement(&app.board.authority, bytes, &statement);
    app_board_seal(&app, &statement, purpose, version, sealed, receipt_key);
    app_board_tell(&app, APP_RADIO_ENVELOPE, sealed, sizeof(sealed));
    hear(what, APP_RADIO_ENVELOPE, SVC_STATUS_DEVICE | PROTO_OK, bytes);
    hear("join-request", APP_RADIO_LORA, join, bytes);
}

static void services_as(enum proto_lorawan version)
{
    uint8_t bytes[NETWORK_FRAME_MAX];

    app_board_install(&app, version, 1);
    app_board_run(&app);
    hear("install, run and join-request", APP_RADIO_LORA, SVC_OK, bytes);
    accept("join-accept", SVC_JOIN_TYPE, network_check_join(&app.network, bytes));
    data_both_ways();
    if (version == PROTO_LORAWAN_1_1)
        rejoin();
    order("service rework", PROTO_PURPOSE_REWORK, 2, SVC_OK);
    order("service zeroise", PROTO_PURPOSE_ZEROISE, 3, SVC_NO_KEYS);
    app_board_tell(&app, APP_RADIO_RECEIPT, bytes, 0);
    hear("service receipt", APP_RADIO_RECEIPT, SVC_STATUS_DEVICE | PROTO_OK, bytes);
}

static void services_1_0(void **state)
{
    (void)state;
    services_as(PROTO_LORAWAN_1_0);
}

static void services_1_1(void **state)
{
    (void)state;
    services_as(PROTO_LORAWAN_1_1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = { TEST(commands), TEST(forgets), TEST(services_1_0),
        TEST(services_1_1) };
    int failed;

    planted = count > 1 && strcmp(arguments[1], "planted") == 0;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    print_message("stack, most of all: %u bytes\n", most);
    return failed;
}
