/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cut before, during and after every flash operation of identify, install, rework, zeroise
 * and lock, on the real image and the simulated die: the next boot holds the old state or the new
 * one, and the work done again ends the same.
 *
 * Takes the time LPA_SECONDS says for each of them (default 4, 0 = no limit) and prints cases done
 * of total. With the argument "planted" every cut also loses the vault, as a bug would: the test
 * must then fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cmac.h"
#include "tests/unit/device-fw/board.h"

#define OPERATIONS     4U  /* erase and program, twice */
#define PATTERNS       16U /* kinds of half-done cells times seeds */
#define CASES_PER_OP   (2U + PATTERNS)
#define REPAIR_CUTS    3U /* none, in the first operation of the repair, in the second */
#define CASES          (OPERATIONS * CASES_PER_OP * REPAIR_CUTS)
#define STRIDE         7U /* coprime to CASES, so that a slice is spread over all */
#define DEFAULT_BUDGET 4L
#define BOOT_STEPS     3000U /* milliseconds */
#define OLD_KEY        0x5AU
#define NEW_KEY        0x6BU
#define NEAR_PS        (20U * SIM_PS_PER_US)

static struct board board; /* right before the command's first flash operation */
static struct proto_statement statement;
static uint8_t envelope[PROTO_ENVELOPE_SIZE];
static uint8_t receipt_key[PROTO_HASH_SIZE];
static uint8_t confirmation[PROTO_MAC_SIZE];

static uint64_t first_operation_ps;

static void note_operation(
    void *user, uint64_t operation, bool is_erase, uint32_t address, uint32_t length)
{
    (void)operation;
    (void)is_erase;
    (void)address;
    (void)length;
    if (first_operation_ps == 0)
        first_operation_ps = sim_chip_time_ps(user);
}

/* Begin a command and bring the board to right before its first flash operation. */
static void approach(uint32_t command, const uint8_t *payload, size_t length)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t answer_length = 0;
    struct board scout;

    board_begin(&board, command, payload, length);
    scout = board_fork(&board);
    first_operation_ps = 0;
    sim_chip_test_on_flash(scout.chip, note_operation, scout.chip);
    assert_int_equal(board_finish(&scout, answer, &answer_length), PROTO_OK);
    sim_chip_free(scout.chip);
    assert_true(first_operation_ps > NEAR_PS);
    sim_chip_run_until(board.chip, first_operation_ps - NEAR_PS);
}

static void plan(struct board *victim, uint32_t operation, uint32_t kind)
{
    struct sim_power_cut cut = {
        .when = kind == 0   ? SIM_CUT_BEFORE
                : kind == 1 ? SIM_CUT_AFTER
                            : SIM_CUT_DURING,
        .operation = sim_chip_flash_operations(victim->chip) + operation,
        .pattern = kind < 2 ? 0 : (kind - 2) * 0x9E37U + (kind - 2) % 4,
    };

    sim_chip_set_power_cut(victim->chip, &cut);
}

static bool planted;

static void lose_vault(struct board *victim)
{
    static const uint8_t blank[PROTO_VAULT_HOME_SIZE];

    assert_true(sim_chip_test_write(victim->chip, PROTO_VAULT_HOME_0, blank, sizeof(blank)));
    assert_true(sim_chip_test_write(victim->chip, PROTO_VAULT_HOME_1, blank, sizeof(blank)));
}

/* Until the board listens, or has shut its port for good, or loses its power once more. */
static void boot(struct board *victim)
{
    sim_chip_set_power(victim->chip, false);
    sim_chip_set_power(victim->chip, true);
    victim->sequence = 0;
    victim->power_lost = false;
    for (unsigned i = 0; i < BOOT_STEPS; i++) {
        sim_chip_run_until(
            victim->chip, sim_chip_time_ps(victim->chip) + UINT64_C(1000) * SIM_PS_PER_US);
        if (!sim_chip_powered(victim->chip)) {
            victim->power_lost = true;
            return;
        }
        if (sim_chip_ap_enabled(victim->chip, SIM_AP_SYS)
                ? board_mailbox_get(victim, PROTO_MAILBOX_MAGIC_AT) == PROTO_MAILBOX_MAGIC
                : sim_chip_test_core(victim->chip, SIM_AP_CM0).sleeping)
            return;
    }
    fail_msg("the board does not start");
}

/* One case: @p number says where the power goes. */
static void cut(uint32_t number, void (*check)(struct board *victim))
{
    struct board victim = board_fork(&board);
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    uint32_t repair = number % REPAIR_CUTS;
    uint32_t kind = number / REPAIR_CUTS % CASES_PER_OP;

    plan(&victim, 1 + number / (REPAIR_CUTS * CASES_PER_OP), kind);
    assert_int_equal(board_finish(&victim, answer, &length), 0);
    assert_true(victim.power_lost);
    sim_chip_set_power_cut(victim.chip, NULL);
    if (planted)
        lose_vault(&victim);
    if (repair > 0)
        plan(&victim, repair, (kind + number) % CASES_PER_OP);
    boot(&victim);
    sim_chip_set_power_cut(victim.chip, NULL);
    if (victim.power_lost)
        boot(&victim);
    check(&victim);
    board_check_vault(&victim);
    sim_chip_free(victim.chip);
}

static void cut_everywhere(void (*check)(struct board *victim))
{
    const char *text = getenv("LPA_SECONDS");
    long budget = text == NULL || *text == '\0' ? DEFAULT_BUDGET : strtol(text, NULL, 10);
    time_t begin = time(NULL);
    uint32_t done = 0;

    while (done < CASES && (budget == 0 || time(NULL) - begin < budget)) {
        cut(done * STRIDE % CASES, check);
        done++;
    }
    print_message("%u of %u cases\n", done, CASES);
    assert_true(done > 0);
}

/* Nobody has heard of the identity yet, so that another one may be made; but it must be whole. */
static void check_identify(struct board *victim)
{
    struct proto_statement first;
    struct proto_statement again;

    board_identify(victim, &first);
    assert_int_equal(first.vault_state, PROTO_VAULT_IDENTITY);
    board_identify(victim, &again);
    assert_memory_equal(first.public_key, again.public_key, PROTO_PUBLIC_KEY_SIZE);
    assert_memory_equal(first.nonce, again.nonce, PROTO_NONCE_SIZE);
}

static void check_join(struct board *victim, uint8_t key_byte)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t key[PROTO_ROOT_KEY_SIZE];
    uint8_t mac[16];
    size_t length = 0;

    assert_int_equal(board_ask(victim, PROTO_CMD_SELF_TEST, NULL, 0, answer, &length), PROTO_OK);
    memset(key, key_byte, sizeof(key));
    assert_int_equal(base_cmac_aes128(key, answer, 19, mac, NULL), BASE_OK);
    assert_memory_equal(answer + 19, mac, 4);
}

static bool is_in_vault(const struct board *victim, const uint8_t *bytes, size_t length)
{
    static const uint32_t homes[2] = { PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1 };
    uint8_t sector[0x8000]; /* cells that were disturbed may hold anything, but not this */

    for (unsigned i = 0; i < 2; i++) {
        assert_true(sim_chip_test_read(victim->chip, homes[i], sector, sizeof(sector)));
        if (memmem(sector, sizeof(sector), bytes, length) != NULL)
            return true;
    }
    return false;
}

static bool is_root_key_in_vault(const struct board *victim, uint8_t key_byte)
{
    uint8_t key[PROTO_ROOT_KEY_SIZE];

    memset(key, key_byte, sizeof(key));
    return is_in_vault(victim, key, sizeof(key));
}

/* The same envelope again: taken where the old state was found, known where the new one was. */
static void check_install(struct board *victim)
{
    uint8_t state = board_hello(victim).vault_state;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    assert_true(state == PROTO_VAULT_IDENTITY || state == PROTO_VAULT_COMMITTED);
    assert_int_equal(
        board_ask(victim, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        state == PROTO_VAULT_IDENTITY ? PROTO_OK : PROTO_ALREADY);
    authority_check_receipt(receipt_key, envelope, answer, &receipt);
    check_join(victim, OLD_KEY);
}

/* The second order's envelope, of either purpose. */
static void check_order(struct board *victim, uint32_t command)
{
    uint32_t version = board_hello(victim).key_version;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    assert_true(version == 1 || version == 2);
    if (version == 1)
        assert_true(is_root_key_in_vault(victim, OLD_KEY));
    assert_int_equal(board_ask(victim, command, envelope, sizeof(envelope), answer, &length),
        version == 1 ? PROTO_OK : PROTO_ALREADY);
    authority_check_receipt(receipt_key, envelope, answer, &receipt);
    assert_false(is_root_key_in_vault(victim, OLD_KEY));
}

static void check_rework(struct board *victim)
{
    check_order(victim, PROTO_CMD_INSTALL);
    check_join(victim, NEW_KEY);
}

static void check_zeroise(struct board *victim)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    check_order(victim, PROTO_CMD_ZEROISE);
    assert_int_equal(board_hello(victim).vault_state, PROTO_VAULT_ZEROISED);
    assert_int_equal(
        board_ask(victim, PROTO_CMD_SELF_TEST, NULL, 0, answer, &length), PROTO_NO_RECORD);
}

/* Wiped as before and ready to forget, or nothing of the identity is left; forgotten after that. */
static void check_forget(struct board *victim)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    if (board_hello(victim).vault_state == PROTO_VAULT_ZEROISED) {
        assert_true(is_in_vault(victim, statement.public_key, sizeof(statement.public_key)));
        assert_int_equal(board_ask(victim, PROTO_CMD_RECEIPT, NULL, 0, answer, &length), PROTO_OK);
        authority_check_receipt(receipt_key, envelope, answer, &receipt);
        assert_int_equal(board_ask(victim, PROTO_CMD_FORGET, confirmation, sizeof(confirmation),
                             answer, &length),
            PROTO_OK);
    }
    assert_int_equal(board_hello(victim).vault_state, PROTO_VAULT_FORGOTTEN);
    assert_int_equal(
        board_ask(victim, PROTO_CMD_RECEIPT, NULL, 0, answer, &length), PROTO_FORGOTTEN);
    assert_false(is_in_vault(victim, statement.public_key, sizeof(statement.public_key)));
    assert_false(is_in_vault(victim, receipt_key, sizeof(receipt_key)));
}

/* Locked and mute, or as before and ready to lock; with its keys in both cases. */
static void check_lock(struct board *victim)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t row[PROTO_VAULT_HOME_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    assert_true(sim_chip_test_read(victim->chip, PROTO_VAULT_HOME_1, row, sizeof(row)));
    if (row[5] == PROTO_VAULT_COMMITTED) {
        assert_int_equal(board_ask(victim, PROTO_CMD_RECEIPT, NULL, 0, answer, &length), PROTO_OK);
        authority_check_receipt(receipt_key, envelope, answer, &receipt);
        assert_int_equal(board_ask(victim, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
        authority_check_lock(receipt_key, &receipt, answer);
        boot(victim);
        assert_true(sim_chip_test_read(victim->chip, PROTO_VAULT_HOME_1, row, sizeof(row)));
    }
    assert_int_equal(row[5], PROTO_VAULT_LOCKED);
    assert_true(sim_chip_swd_connected(victim->chip));
    for (unsigned ap = 0; ap < SIM_AP_COUNT; ap++)
        assert_false(sim_chip_ap_enabled(victim->chip, (enum sim_ap)ap));
    assert_true(is_root_key_in_vault(victim, OLD_KEY));
    assert_false(is_in_vault(victim, receipt_key, sizeof(receipt_key)));
}

static int setup(void **state)
{
    (void)state;
    board_init(&board);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_done(&board);
    return 0;
}

static void cut_identify(void **state)
{
    (void)state;
    approach(PROTO_CMD_STATEMENT, board.authority.key_id, PROTO_KEY_ID_SIZE);
    cut_everywhere(check_identify);
}

static void cut_install(void **state)
{
    (void)state;
    board_identify(&board, &statement);
    board_seal(&board, &statement, 1, OLD_KEY, envelope, receipt_key);
    approach(PROTO_CMD_INSTALL, envelope, sizeof(envelope));
    cut_everywhere(check_install);
}

static void install(void)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    board_identify(&board, &statement);
    board_seal(&board, &statement, 1, OLD_KEY, envelope, receipt_key);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
}

static void order(enum proto_purpose purpose)
{
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    struct proto_envelope_header header;

    board_identify(&board, &statement);
    header = authority_header(&board.authority, &statement, 2);
    header.purpose = (uint8_t)purpose;
    if (purpose == PROTO_PURPOSE_ZEROISE)
        header.keys = 0;
    else
        memset(plain + PROTO_ROOT_KEY_SIZE, NEW_KEY, PROTO_ROOT_KEY_SIZE);
    authority_seal(&board.authority, &header, statement.public_key, plain, envelope, receipt_key);
}

static void cut_rework(void **state)
{
    (void)state;
    install();
    order(PROTO_PURPOSE_REWORK);
    approach(PROTO_CMD_INSTALL, envelope, sizeof(envelope));
    cut_everywhere(check_rework);
}

static void cut_zeroise(void **state)
{
    (void)state;
    install();
    order(PROTO_PURPOSE_ZEROISE);
    approach(PROTO_CMD_ZEROISE, envelope, sizeof(envelope));
    cut_everywhere(check_zeroise);
}

static void cut_forget(void **state)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    (void)state;
    install();
    order(PROTO_PURPOSE_ZEROISE);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_ZEROISE, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    authority_forget(receipt_key, statement.chip_id, 2, confirmation);
    approach(PROTO_CMD_FORGET, confirmation, sizeof(confirmation));
    cut_everywhere(check_forget);
}

static void cut_lock(void **state)
{
    (void)state;
    install();
    approach(PROTO_CMD_LOCK, NULL, 0);
    cut_everywhere(check_lock);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(int argc, char **argv)
{
    planted = argc > 1 && strcmp(argv[1], "planted") == 0;
    const struct CMUnitTest tests[] = {
        TEST(cut_identify),
        TEST(cut_install),
        TEST(cut_rework),
        TEST(cut_zeroise),
        TEST(cut_forget),
        TEST(cut_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
