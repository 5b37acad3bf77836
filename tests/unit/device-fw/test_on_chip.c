/* SPDX-License-Identifier: Apache-2.0 */
/* The real device image on the simulated die, through the debug port, with its cycles and stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cmac.h"
#include "base/hash.h"
#include "tests/unit/device-fw/board.h"

/* Budgets: CPU cycles of identify and install, bytes of stack. */
#define FIRST_BOOT_CYCLES INT64_C(72000000)
#define LATER_CYCLES      INT64_C(32000000)
#define STACK_BYTES       8192U
#define STACK_PAINT       0xA5A5A5A5U

#define SRAM             0x08000000U
#define SRAM_TOP_OF_OURS 0x08017FFCU

static struct board board;

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

static void hello_is_right(void **state)
{
    static const uint8_t chip_id[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    uint8_t digest[PROTO_HASH_SIZE];
    struct proto_hello hello;

    (void)state;
    print_message("boot to mailbox: %lld cycles, image %zu bytes\n",
        (long long)board_cycles(&board), board.image.length);
    hello = board_hello(&board);
    assert_int_equal(hello.health, PROTO_OK);
    assert_int_equal(hello.lifecycle, PROTO_LIFECYCLE_NORMAL);
    assert_int_equal(hello.flags, PROTO_FLAG_LAB | PROTO_FLAG_BOUND);
    assert_int_equal(hello.silicon_id, 0x0100E207);
    assert_memory_equal(hello.chip_id, chip_id, sizeof(chip_id));
    base_sha256(board.image.data, board.image.length, digest);
    assert_memory_equal(hello.bootloader_hash, digest, sizeof(digest));
    assert_true(board.image.length <= PROTO_IMAGE_MAX_SIZE);
}

/* One command, its cycles printed. */
static uint32_t ask_and_print(const char *name, uint32_t command, const uint8_t *payload,
    size_t length, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length)
{
    int64_t start = board_cycles(&board);
    uint32_t status = board_ask(&board, command, payload, length, ret_answer, ret_length);

    print_message("%s: %lld cycles\n", name, (long long)(board_cycles(&board) - start));
    return status;
}

static void install(const struct proto_statement *statement, uint32_t key_version)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t again[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    board_seal(&board, statement, key_version, 0x5A, envelope, receipt_key);
    assert_int_equal(
        ask_and_print("install", PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    assert_int_equal(length, PROTO_RECEIPT_SIZE);
    authority_check_receipt(receipt_key, envelope, answer, &receipt);
    assert_int_equal(
        ask_and_print("receipt", PROTO_CMD_RECEIPT, NULL, 0, again, &length), PROTO_OK);
    assert_memory_equal(again, answer, PROTO_RECEIPT_SIZE);
}

static void check_self_test(uint16_t dev_nonce)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t key[PROTO_ROOT_KEY_SIZE];
    uint8_t mac[16];
    size_t length = 0;

    memset(key, 0x5A, sizeof(key));
    assert_int_equal(
        ask_and_print("join-request", PROTO_CMD_SELF_TEST, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(length, PROTO_JOIN_REQUEST_SIZE);
    assert_int_equal(answer[17] | answer[18] << 8, dev_nonce);
    assert_int_equal(base_cmac_aes128(key, answer, 19, mac, NULL), BASE_OK);
    assert_memory_equal(answer + 19, mac, 4);
}

/* Homes, stack and data are out of the debug master's reach; the mailbox is not. */
static void check_protection(void)
{
    static const uint32_t closed[] = { PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1, 0x08010000,
        SRAM_TOP_OF_OURS };
    uint32_t value = 0;

    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        assert_int_equal(
            sim_chip_ap_access(board.chip, SIM_AP_SYS, closed[i], 4, false, true, &value),
            SIM_BUS_FAULT);
        assert_int_equal(
            sim_chip_ap_access(board.chip, SIM_AP_SYS, closed[i], 4, true, true, &value),
            SIM_BUS_FAULT);
    }
}

/* The first vector is the stack's top; its lowest pointer and the paint agree on what was used. */
static void check_stack(void)
{
    uint32_t top = base_get_le32(board.image.data + PROTO_VECTOR_OFFSET);
    uint32_t low = sim_chip_test_stack_low(board.chip, SIM_AP_CM0);
    uint8_t word[4] = { 0 };

    print_message("stack: %u bytes\n", top - low);
    assert_true(low < top && top - low <= STACK_BYTES);
    assert_true(sim_chip_test_read(board.chip, top - STACK_BYTES, word, sizeof(word)));
    assert_int_equal(base_get_le32(word), STACK_PAINT);
}

/* The key lies in the vault's record in memory, once, and nowhere else: not on the stack. */
static void check_memory(void)
{
    static uint8_t sram[0x48000];
    uint32_t stack = base_get_le32(board.image.data + PROTO_VECTOR_OFFSET) - STACK_BYTES;
    uint8_t key[PROTO_ROOT_KEY_SIZE];
    unsigned found = 0;

    memset(key, 0x5A, sizeof(key));
    assert_true(sim_chip_test_read(board.chip, SRAM, sram, sizeof(sram)));
    for (uint32_t at = 0; at + sizeof(key) <= sizeof(sram); at++) {
        if (memcmp(sram + at, key, sizeof(key)) != 0)
            continue;
        found++;
        assert_true(SRAM + at < stack || SRAM + at >= stack + STACK_BYTES);
    }
    assert_int_equal(found, 1);
}

static void life_within_its_budget(void **state)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_statement statement;
    size_t length = 0;
    int64_t start = board_cycles(&board);
    int64_t identified;
    int64_t used;

    (void)state;
    board_identify(&board, &statement);
    identified = board_cycles(&board) - start;
    board_check_vault(&board);
    check_protection();
    install(&statement, 1);
    used = board_cycles(&board) - start;
    print_message("identify: %lld cycles, identify + install at first boot: %lld\n",
        (long long)identified, (long long)used);
    assert_true(used <= FIRST_BOOT_CYCLES);
    board_check_vault(&board);
    check_self_test(0);
    check_stack();
    check_memory();

    board_power_cycle(&board);
    start = board_cycles(&board);
    board_identify(&board, &statement);
    assert_int_equal(statement.vault_state, PROTO_VAULT_COMMITTED);
    install(&statement, 2);
    used = board_cycles(&board) - start;
    print_message("identify + install later: %lld cycles\n", (long long)used);
    assert_true(used <= LATER_CYCLES);
    check_self_test(16);
    check_stack();
    assert_int_equal(board_ask(&board, PROTO_CMD_RUN, NULL, 0, answer, &length), PROTO_UNSUPPORTED);
}

static void reset_command_resets(void **state)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    uint32_t before = sim_chip_reset_count(board.chip);
    uint32_t boot_word = board_mailbox_get(&board, PROTO_MAILBOX_BOOT_AT);

    (void)state;
    assert_int_equal(board_ask(&board, PROTO_CMD_RESET, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(sim_chip_reset_count(board.chip), before);
    sim_chip_run_until(board.chip, sim_chip_time_ps(board.chip) + 400000U * SIM_PS_PER_US);
    assert_int_equal(sim_chip_reset_count(board.chip), before + 1);
    board.sequence = 0;
    assert_int_equal(board_mailbox_get(&board, PROTO_MAILBOX_MAGIC_AT), PROTO_MAILBOX_MAGIC);
    assert_int_equal(board_mailbox_get(&board, PROTO_MAILBOX_RSP_SEQUENCE_AT), 0);
    assert_int_not_equal(board_mailbox_get(&board, PROTO_MAILBOX_BOOT_AT), boot_word);
    assert_int_equal(board_hello(&board).health, PROTO_OK);
}

static void check_no_key(void)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(board_ask(&board, PROTO_CMD_STATEMENT, board.authority.key_id,
                         PROTO_KEY_ID_SIZE, answer, &length),
        PROTO_TRNG_FAILED);
    assert_int_equal(length, 0);
    assert_int_equal(board_hello(&board).health, PROTO_TRNG_FAILED);
    assert_int_equal(sim_chip_row_erases(board.chip, PROTO_VAULT_HOME_0), 0);
}

/* A source that is bad from the start, and one that goes bad after the start-up tests. */
static void bad_noise_makes_no_key(void **state)
{
    static const struct {
        enum sim_trng_fault fault;
        uint32_t parameter;
    } cases[] = {
        { SIM_TRNG_STUCK, 0 },
        { SIM_TRNG_STUCK, 1 },
        { SIM_TRNG_BIASED, 100 },
        { SIM_TRNG_BIASED, 900 },
        { SIM_TRNG_PERIOD, 1 },
        { SIM_TRNG_PERIOD, 3 },
        { SIM_TRNG_PERIOD, 17 },
        { SIM_TRNG_PERIOD, 32 },
        { SIM_TRNG_PERIOD, 33 },
        { SIM_TRNG_PERIOD, 64 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sim_chip_test_trng_fault(board.chip, SIM_TRNG_GOOD, 0);
        board_power_cycle(&board);
        assert_int_equal(board_hello(&board).health, PROTO_OK);
        sim_chip_test_trng_fault(board.chip, cases[i].fault, cases[i].parameter);
        check_no_key();
        board_power_cycle(&board);
        check_no_key();
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_is_right),
        TEST(life_within_its_budget),
        TEST(reset_command_resets),
        TEST(bad_noise_makes_no_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
