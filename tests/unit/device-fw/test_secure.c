/* SPDX-License-Identifier: Apache-2.0 */
/* The real image on a board whose fuses are blown: what its debug port shows, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/device-fw/board_secure.h"

#define WINDOW_SIZE 0x4000U
#define BOOT_MS     400U /* ROM, verification, self-tests; far more than it takes */

static const uint8_t required[PROTO_RESTRICT_SIZE] = PROTO_RESTRICT_REQUIRED;

static struct board board;

static int setup(void **state)
{
    (void)state;
    board_secure_make(&board, 0, required);
    board_power_cycle(&board);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_done(&board);
    return 0;
}

static bool reaches(enum sim_ap ap, uint32_t address, bool write)
{
    uint32_t value = 0;

    return sim_chip_ap_access(board.chip, ap, address, 4, write, true, &value) == SIM_BUS_OK;
}

/* Every kilobyte of memory, the places that matter, and registers. */
static void check_port_shows(bool window)
{
    static const struct {
        uint32_t address, length, step;
    } areas[] = {
        { 0x00000000U, 0x20000U, 0x400U }, /* ROM */
        { 0x08000000U, 0x48000U, 0x100U },
        { 0x10000000U, 0x100000U, 0x400U },
        { 0x14000000U, 0x8000U, 0x200U },
        { 0x16000000U, 0x8000U, 0x200U },
        { 0x18000000U, 0x10000U, 0x1000U },
        { 0x40000000U, 0x700000U, 0x1000U },
        { 0x40210000U, 0x600U, 4U },
        { 0x40230000U, 0x1200U, 4U }, /* IPC */
        { 0x40240000U, 0x8000U, 0x20U },
        { 0x402C0800U, 0x80U, 4U }, /* fuses */
        { 0xE000E000U, 0x1000U, 4U },
    };

    unsigned open = 0;
    unsigned tried = 0;

    for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
        for (uint32_t at = 0; at < areas[i].length; at += areas[i].step) {
            for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++) {
                uint32_t address = areas[i].address + at;
                bool in_window = address - 0x08000000U < WINDOW_SIZE;
                bool expected = window && ap == SIM_AP_SYS && in_window;

                if (reaches((enum sim_ap)ap, address, false) != expected ||
                    (!in_window && reaches((enum sim_ap)ap, address, true)))
                    fail_msg(
                        "port %u, 0x%08X: expected %s", ap, address, expected ? "open" : "closed");
                open += expected ? 1U : 0;
                tried++;
            }
        }
    }
    print_message("%u of %u places open\n", open, tried);
}

static void install(uint32_t key_version, uint8_t *ret_receipt_key, struct proto_receipt *receipt)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    struct proto_statement statement;
    size_t length = 0;

    board_identify(&board, &statement);
    assert_int_equal(statement.flags, 0);
    assert_int_equal(statement.lifecycle, PROTO_LIFECYCLE_SECURE);
    board_seal(&board, &statement, key_version, 0x5A, envelope, ret_receipt_key);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    authority_check_receipt(ret_receipt_key, envelope, answer, receipt);
}

static void port_shows_the_mailbox_alone(void **state)
{
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;

    (void)state;
    assert_true(board_listens(&board));
    assert_int_equal(board_hello(&board).health, PROTO_OK);
    assert_int_equal(board_hello(&board).lifecycle, PROTO_LIFECYCLE_SECURE);
    check_port_shows(true);
    install(1, receipt_key, &receipt);
    check_port_shows(true);
}

/* What an application of before left in that memory is gone when the port opens. */
static void window_is_empty_when_it_opens(void **state)
{
    uint8_t window[WINDOW_SIZE];

    (void)state;
    memset(window, 0xEE, sizeof(window));
    assert_true(sim_chip_test_write(board.chip, 0x08000000U, window, sizeof(window)));
    sim_chip_set_xres(board.chip, true);
    sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 10U * SIM_PS_PER_US);
    sim_chip_set_xres(board.chip, false);
    while (!sim_chip_swd_connected(board.chip))
        sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 10U * SIM_PS_PER_US);
    assert_true(sim_chip_test_read(board.chip, 0x08000000U, window, sizeof(window)));
    memset(window + (PROTO_MAILBOX_ADDRESS - 0x08000000U), 0, 12);
    for (size_t i = 0; i < sizeof(window); i++)
        assert_int_equal(window[i], 0);
}

static void locked_board_answers_its_name_only(void **state)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t again[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    (void)state;
    assert_int_equal(
        board_ask(&board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_WRONG_STATE);
    install(1, receipt_key, &receipt);
    assert_int_equal(board_ask(&board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(length, PROTO_LOCK_ANSWER_SIZE);
    authority_check_lock(receipt_key, &receipt, answer);
    assert_int_equal(board_ask(&board, PROTO_CMD_LOCK, NULL, 0, again, &length), PROTO_ALREADY);
    assert_memory_equal(again, answer, PROTO_LOCK_ANSWER_SIZE);
    assert_int_equal(board_ask(&board, PROTO_CMD_RESET, NULL, 0, answer, &length), PROTO_OK);
    sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 3000000U * SIM_PS_PER_US);
    /* The pins answer; every port refuses, for good. */
    assert_true(sim_chip_swd_connected(board.chip));
    for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++)
        assert_false(sim_chip_ap_enabled(board.chip, (enum sim_ap)ap));
    check_port_shows(false);
    board_secure_cycle(&board, BOOT_MS);
    assert_true(sim_chip_swd_connected(board.chip));
    assert_false(board_listens(&board));
    check_port_shows(false);
}

/* Fuses that are not exact: production opens nothing and makes no key, at any later moment. */
static void inexact_fuses_open_nothing(void **state)
{
    static const uint8_t blank[PROTO_VAULT_HOME_SIZE];
    uint8_t home[PROTO_VAULT_HOME_SIZE];

    (void)state;
    for (uint32_t i = 0; i < PROTO_RESTRICT_SIZE; i++) {
        uint8_t wrong = required[i] ^ (i == 2 ? 0x08U : 0x40U);

        assert_true(sim_chip_test_write(board.chip, BOARD_FUSES + 0x27 + i, &wrong, 1));
        board_secure_cycle(&board, BOOT_MS);
        assert_true(sim_chip_swd_connected(board.chip));
        check_port_shows(false);
        assert_true(sim_chip_test_write(board.chip, BOARD_FUSES + 0x27 + i, &required[i], 1));
    }
    assert_true(sim_chip_test_read(board.chip, PROTO_VAULT_HOME_0, home, sizeof(home)));
    assert_memory_equal(home, blank, sizeof(home));
    board_power_cycle(&board);
    assert_int_equal(board_hello(&board).health, PROTO_OK);
}

/* A locked board with keys whose verification fails: the ROM stops it, and no port opens. */
static void dead_board_shows_nothing(void **state)
{
    static const uint8_t blank[PROTO_VAULT_HOME_SIZE];
    static const uint32_t broken[] = { PROTO_IMAGE_ADDRESS + 0x1000U, 0x16007C00U, 0x16005A00U };
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;

    (void)state;
    install(1, receipt_key, &receipt);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct board dead = board_fork(&board);
        struct board whole = board;

        board.chip = dead.chip;
        assert_true(sim_chip_test_write(board.chip, broken[i], blank, sizeof(blank)));
        if (broken[i] == 0x16007C00U)
            assert_true(sim_chip_test_write(board.chip, broken[i] + 0x200U, blank, sizeof(blank)));
        board_secure_cycle(&board, BOOT_MS);
        check_port_shows(false);
        board = whole;
        sim_chip_free(dead.chip);
    }
}

/* Flash, work flash and SFlash of one board on another: no statement, no receipt, no lock. */
static void copied_board_refuses_the_record(void **state)
{
    static uint8_t flash[0x100000];
    static uint8_t work[0x8000];
    static uint8_t sflash[0x8000];
    uint8_t die[11];
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE] = { 0 };
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t home[PROTO_VAULT_HOME_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    (void)state;
    install(1, receipt_key, &receipt);
    assert_true(sim_chip_test_read(board.chip, 0x10000000U, flash, sizeof(flash)));
    assert_true(sim_chip_test_read(board.chip, 0x14000000U, work, sizeof(work)));
    assert_true(sim_chip_test_read(board.chip, 0x16000000U, sflash, sizeof(sflash)));
    board_done(&board);
    board_secure_make(&board, 0, required);
    assert_true(sim_chip_test_read(board.chip, 0x16000600U, die, sizeof(die)));
    die[3] ^= 0x55; /* another wafer */
    assert_true(sim_chip_test_write(board.chip, 0x10000000U, flash, sizeof(flash)));
    assert_true(sim_chip_test_write(board.chip, 0x14000000U, work, sizeof(work)));
    assert_true(sim_chip_test_write(board.chip, 0x16000000U, sflash, sizeof(sflash)));
    assert_true(sim_chip_test_write(board.chip, 0x16000600U, die, sizeof(die)));
    board_power_cycle(&board);
    assert_int_equal(board_hello(&board).health, PROTO_FOREIGN_RECORD);
    assert_int_equal(board_hello(&board).vault_state, PROTO_VAULT_EMPTY);
    assert_int_equal(board_ask(&board, PROTO_CMD_STATEMENT, board.authority.key_id,
                         PROTO_KEY_ID_SIZE, answer, &length),
        PROTO_FOREIGN_RECORD);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_RECEIPT, NULL, 0, answer, &length), PROTO_FOREIGN_RECORD);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_FOREIGN_RECORD);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_SELF_TEST, NULL, 0, answer, &length), PROTO_FOREIGN_RECORD);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_FOREIGN_RECORD);
    assert_int_equal(length, 0);
    assert_true(sim_chip_test_read(board.chip, PROTO_VAULT_HOME_0, home, sizeof(home)));
    assert_memory_equal(home, work, sizeof(home));
}

/* 2 s of its own time, or until the station speaks; without an application the mailbox stays. */
static void board_with_keys_still_listens_after_its_window(void **state)
{
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;

    (void)state;
    install(1, receipt_key, &receipt);
    board_secure_cycle(&board, 3000);
    assert_true(board_listens(&board));
    assert_int_equal(board_hello(&board).vault_state, PROTO_VAULT_COMMITTED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_shows_the_mailbox_alone),
        TEST(window_is_empty_when_it_opens),
        TEST(locked_board_answers_its_name_only),
        TEST(inexact_fuses_open_nothing),
        TEST(dead_board_shows_nothing),
        TEST(copied_board_refuses_the_record),
        TEST(board_with_keys_still_listens_after_its_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
