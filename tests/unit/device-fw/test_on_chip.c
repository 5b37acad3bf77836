/* SPDX-License-Identifier: Apache-2.0 */
/* The real device image on the simulated die, through the debug port, with its cycles and stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cmac.h"
#include "base/file.h"
#include "base/hash.h"
#include "device-fw/protocol/image.h"
#include "sim/chip_test.h"
#include "tests/unit/device-fw/authority.h"

#define TOC2_50_MHZ         2U
#define TOC2_FORMAT_CYPRESS 1U
#define POLL_PS             (100U * SIM_PS_PER_US)
#define BOOT_LIMIT_PS       (3000000U * SIM_PS_PER_US)
#define COMMAND_LIMIT_PS    (5000000U * SIM_PS_PER_US)

/* Budgets: CPU cycles of identify and install, bytes of stack. */
#define FIRST_BOOT_CYCLES UINT64_C(72000000)
#define LATER_CYCLES      UINT64_C(32000000)
#define STACK_BYTES       8192U
#define STACK_PAINT       0xA5A5A5A5U

struct board {
    struct sim_chip *chip;
    struct authority authority;
    struct base_buf image;
    uint32_t sequence;
};

static int64_t cycles(const struct board *board)
{
    return (int64_t)sim_chip_test_core(board->chip, SIM_AP_CM0).busy_cycles;
}

static uint32_t get(const struct board *board, uint32_t at)
{
    uint32_t value = 0;

    assert_int_equal(sim_chip_ap_access(board->chip, SIM_AP_SYS, PROTO_MAILBOX_ADDRESS + at, 4,
                         false, true, &value),
        SIM_BUS_OK);
    return value;
}

static void put(const struct board *board, uint32_t at, uint32_t value)
{
    assert_int_equal(sim_chip_ap_access(board->chip, SIM_AP_SYS, PROTO_MAILBOX_ADDRESS + at, 4,
                         true, true, &value),
        SIM_BUS_OK);
}

/* Run until a mailbox word has a value. */
static void wait_for(const struct board *board, uint32_t at, uint32_t value, uint64_t limit_ps)
{
    uint64_t end = sim_chip_time_ps(board->chip) + limit_ps;

    while (!sim_chip_ap_enabled(board->chip, SIM_AP_SYS) || get(board, at) != value) {
        if (sim_chip_time_ps(board->chip) > end) {
            struct sim_chip_test_core core = sim_chip_test_core(board->chip, SIM_AP_CM0);

            fail_msg("mailbox word 0x%X does not become 0x%X; pc 0x%08X ipsr %u", at, value,
                core.pc, core.ipsr);
        }
        sim_chip_run_until(board->chip, sim_chip_time_ps(board->chip) + POLL_PS);
    }
}

/* Power off and on, and wait for the bootloader to listen. */
static void power_cycle(struct board *board)
{
    sim_chip_set_power(board->chip, false);
    sim_chip_set_power(board->chip, true);
    board->sequence = 0;
    wait_for(board, PROTO_MAILBOX_MAGIC_AT, PROTO_MAILBOX_MAGIC, BOOT_LIMIT_PS);
}

static enum proto_status ask(struct board *board, uint32_t command, const uint8_t *payload,
    size_t length, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length)
{
    uint32_t status;

    board->sequence++;
    for (uint32_t at = 0; at < length; at += 4) {
        uint8_t word[4] = { 0 };

        memcpy(word, payload + at, length - at < 4 ? length - at : 4);
        put(board, PROTO_MAILBOX_REQ_PAYLOAD_AT + at, base_get_le32(word));
    }
    put(board, PROTO_MAILBOX_REQ_COMMAND_AT, command);
    put(board, PROTO_MAILBOX_REQ_LENGTH_AT, (uint32_t)length);
    put(board, PROTO_MAILBOX_REQ_CRC_AT,
        proto_mailbox_crc(command, (uint32_t)length, board->sequence, payload));
    put(board, PROTO_MAILBOX_REQ_SEQUENCE_AT, board->sequence);
    wait_for(board, PROTO_MAILBOX_RSP_SEQUENCE_AT, board->sequence, COMMAND_LIMIT_PS);
    status = get(board, PROTO_MAILBOX_RSP_STATUS_AT);
    *ret_length = get(board, PROTO_MAILBOX_RSP_LENGTH_AT);
    assert_true(*ret_length <= PROTO_MAILBOX_PAYLOAD_SIZE);
    for (uint32_t at = 0; at < *ret_length; at += 4)
        base_put_le32(ret_answer + at, get(board, PROTO_MAILBOX_RSP_PAYLOAD_AT + at));
    assert_int_equal(get(board, PROTO_MAILBOX_RSP_CRC_AT),
        proto_mailbox_crc(status, (uint32_t)*ret_length, board->sequence, ret_answer));
    return (enum proto_status)status;
}

/* What lpa-image bind does. */
static void bind_image(struct board *board)
{
    struct proto_image image;
    struct proto_binding binding;
    uint8_t *block = board->image.data + PROTO_BINDING_OFFSET;

    assert_int_equal(proto_image_decode(board->image.data, board->image.length, &image), PROTO_OK);
    binding = image.binding;
    binding.flags = PROTO_FLAG_LAB;
    memcpy(binding.authority_key[0], board->authority.public_key, PROTO_PUBLIC_KEY_SIZE);
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
}

static int setup(void **state)
{
    static struct board board;
    struct sim_chip_opts opts = { .unique_id = { 1, 2, 3, 4, 5, 6, 7, 8 }, .trng_seed = 7 };

    memset(&board, 0, sizeof(board));
    authority_init(&board.authority, 1);
    base_buf_init(&board.image, 1U << 20);
    if (base_file_read(getenv("LPA_TEST_IMAGE"), &board.image, NULL) != BASE_OK)
        return -1;
    bind_image(&board);
    if (sim_chip_new(&opts, &board.chip, NULL) != BASE_OK)
        return -1;
    sim_chip_test_write(board.chip, PROTO_IMAGE_ADDRESS, board.image.data, board.image.length);
    sim_chip_test_write_toc2(board.chip, TOC2_50_MHZ, PROTO_IMAGE_ADDRESS, TOC2_FORMAT_CYPRESS);
    power_cycle(&board);
    *state = &board;
    return 0;
}

static int teardown(void **state)
{
    struct board *board = *state;

    sim_chip_free(board->chip);
    base_buf_done(&board->image);
    authority_done(&board->authority);
    return 0;
}

static void hello_is_right(void **state)
{
    struct board *board = *state;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t digest[PROTO_HASH_SIZE];
    struct proto_hello hello;
    size_t length = 0;

    assert_int_equal(ask(board, PROTO_CMD_HELLO, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(proto_hello_decode(answer, length, &hello), PROTO_OK);
    assert_int_equal(hello.health, PROTO_OK);
    assert_int_equal(hello.lifecycle, PROTO_LIFECYCLE_NORMAL);
    assert_int_equal(hello.flags, PROTO_FLAG_LAB | PROTO_FLAG_BOUND);
    assert_int_equal(hello.silicon_id, 0x0100E207);
    assert_memory_equal(hello.chip_id, ((uint8_t[]){ 1, 2, 3, 4, 5, 6, 7, 8 }), 8);
    base_sha256(board->image.data, board->image.length, digest);
    assert_memory_equal(hello.bootloader_hash, digest, sizeof(digest));
    print_message("boot to mailbox: %lld cycles, image %zu bytes\n", (long long)cycles(board),
        board->image.length);
    assert_true(board->image.length <= PROTO_IMAGE_MAX_SIZE);
}

static void identify(struct board *board, struct proto_statement *ret_statement)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(ask(board, PROTO_CMD_STATEMENT, board->authority.key_id, PROTO_KEY_ID_SIZE,
                         answer, &length),
        PROTO_OK);
    assert_int_equal(length, PROTO_STATEMENT_SIZE);
    authority_check_statement(&board->authority, answer, ret_statement);
}

static void install(struct board *board, const struct proto_statement *statement,
    uint32_t key_version, const uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE])
{
    struct proto_envelope_header header =
        authority_header(&board->authority, statement, key_version);
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t again[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    struct proto_receipt receipt;
    size_t length = 0;

    authority_seal(&board->authority, &header, statement->public_key, plain, envelope, receipt_key);
    assert_int_equal(
        ask(board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length), PROTO_OK);
    assert_int_equal(length, PROTO_RECEIPT_SIZE);
    authority_check_receipt(receipt_key, envelope, answer, &receipt);
    assert_int_equal(ask(board, PROTO_CMD_RECEIPT, NULL, 0, again, &length), PROTO_OK);
    assert_memory_equal(again, answer, PROTO_RECEIPT_SIZE);
}

static void check_self_test(struct board *board, const uint8_t *key, uint16_t dev_nonce)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    uint8_t mac[16];
    size_t length = 0;

    assert_int_equal(ask(board, PROTO_CMD_SELF_TEST, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(length, PROTO_JOIN_REQUEST_SIZE);
    assert_int_equal(answer[17] | answer[18] << 8, dev_nonce);
    assert_int_equal(base_cmac_aes128(key, answer, 19, mac, NULL), BASE_OK);
    assert_memory_equal(answer + 19, mac, 4);
}

/* Homes, stack and data are out of the debug master's reach; the mailbox is not. */
static void check_protection(const struct board *board)
{
    static const uint32_t closed[] = { PROTO_VAULT_HOME_0, PROTO_VAULT_HOME_1, 0x08010000,
        0x08017FFC };
    uint32_t value = 0;

    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        assert_int_equal(
            sim_chip_ap_access(board->chip, SIM_AP_SYS, closed[i], 4, false, true, &value),
            SIM_BUS_FAULT);
        assert_int_equal(
            sim_chip_ap_access(board->chip, SIM_AP_SYS, closed[i], 4, true, true, &value),
            SIM_BUS_FAULT);
    }
}

static void check_vault(const struct board *board)
{
    uint8_t home[2][PROTO_VAULT_HOME_SIZE];

    assert_true(sim_chip_test_read(board->chip, PROTO_VAULT_HOME_0, home[0], sizeof(home[0])));
    assert_true(sim_chip_test_read(board->chip, PROTO_VAULT_HOME_1, home[1], sizeof(home[1])));
    assert_memory_equal(home[0], home[1], sizeof(home[0]));
    assert_memory_equal(home[0], "LPAV", 4);
}

/* The first vector is the stack's top; its lowest pointer and the paint agree on what was used. */
static void check_stack(const struct board *board)
{
    uint32_t top = base_get_le32(board->image.data + PROTO_VECTOR_OFFSET);
    uint32_t low = sim_chip_test_stack_low(board->chip, SIM_AP_CM0);
    uint8_t word[4] = { 0 };

    print_message("stack: %u bytes\n", top - low);
    assert_true(low < top && top - low <= STACK_BYTES);
    assert_true(sim_chip_test_read(board->chip, top - STACK_BYTES, word, sizeof(word)));
    assert_int_equal(base_get_le32(word), STACK_PAINT);
}

static void life_within_its_budget(void **state)
{
    struct board *board = *state;
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_statement statement;
    size_t length = 0;
    int64_t start = cycles(board);
    int64_t identified;
    int64_t later;

    memset(plain + PROTO_ROOT_KEY_SIZE, 0x5A, PROTO_ROOT_KEY_SIZE);
    identify(board, &statement);
    identified = cycles(board) - start;
    check_vault(board);
    check_protection(board);
    install(board, &statement, 1, plain);
    print_message("identify: %lld cycles, identify + install first boot: %lld\n",
        (long long)identified, (long long)(cycles(board) - start));
    assert_true(cycles(board) - start <= (int64_t)FIRST_BOOT_CYCLES);
    check_vault(board);
    check_self_test(board, plain + PROTO_ROOT_KEY_SIZE, 0);
    check_stack(board);

    power_cycle(board);
    later = cycles(board);
    identify(board, &statement);
    assert_int_equal(statement.vault_state, PROTO_VAULT_COMMITTED);
    install(board, &statement, 2, plain);
    later = cycles(board) - later;
    print_message("identify + install later: %lld cycles\n", (long long)later);
    assert_true(later <= (int64_t)LATER_CYCLES);
    check_self_test(board, plain + PROTO_ROOT_KEY_SIZE, 16);
    check_stack(board);
    assert_int_equal(ask(board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_UNSUPPORTED);
}

static void reset_command_resets(void **state)
{
    struct board *board = *state;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    uint32_t before = sim_chip_reset_count(board->chip);
    uint32_t boot_word = get(board, PROTO_MAILBOX_BOOT_AT);

    assert_int_equal(ask(board, PROTO_CMD_RESET, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(sim_chip_reset_count(board->chip), before);
    sim_chip_run_until(board->chip, sim_chip_time_ps(board->chip) + 50000U * SIM_PS_PER_US);
    assert_int_equal(sim_chip_reset_count(board->chip), before + 1);
    wait_for(board, PROTO_MAILBOX_MAGIC_AT, PROTO_MAILBOX_MAGIC, BOOT_LIMIT_PS);
    assert_int_equal(get(board, PROTO_MAILBOX_RSP_SEQUENCE_AT), 0);
    assert_int_not_equal(get(board, PROTO_MAILBOX_BOOT_AT), boot_word);
}

static void stuck_noise_is_noticed(void **state)
{
    struct board *board = *state;
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_hello hello;
    size_t length = 0;

    sim_chip_test_trng_fault(board->chip, SIM_TRNG_STUCK, 1);
    power_cycle(board);
    assert_int_equal(ask(board, PROTO_CMD_HELLO, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(proto_hello_decode(answer, length, &hello), PROTO_OK);
    assert_int_equal(hello.health, PROTO_TRNG_FAILED);
    assert_int_equal(ask(board, PROTO_CMD_STATEMENT, board->authority.key_id, PROTO_KEY_ID_SIZE,
                         answer, &length),
        PROTO_TRNG_FAILED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_is_right),
        TEST(life_within_its_budget),
        TEST(reset_command_resets),
        TEST(stuck_noise_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
