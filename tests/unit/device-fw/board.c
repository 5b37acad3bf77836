/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/device-fw/board.h"

#include <cmocka.h>

#include "base/file.h"
#include "base/hash.h"
#include "device-fw/protocol/image.h"

#define TOC2_50_MHZ         2U
#define TOC2_FORMAT_CYPRESS 1U
#define POLL_PS             (100U * SIM_PS_PER_US)
#define BOOT_LIMIT_PS       (3000000U * SIM_PS_PER_US)
#define COMMAND_LIMIT_PS    (5000000U * SIM_PS_PER_US)
#define IMAGE_FILE_MAX      (1U << 20)

int64_t board_cycles(const struct board *board)
{
    return (int64_t)sim_chip_test_core(board->chip, SIM_AP_CM0).busy_cycles;
}

uint32_t board_mailbox_get(const struct board *board, uint32_t at)
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

uint32_t board_peek(const struct sim_chip *chip, uint32_t address)
{
    uint8_t bytes[4];

    assert_true(sim_chip_test_read(chip, address, bytes, sizeof(bytes)));
    return base_get_le32(bytes);
}

void board_poke(struct sim_chip *chip, uint32_t address, uint32_t value)
{
    uint8_t bytes[4];

    base_put_le32(bytes, value);
    assert_true(sim_chip_test_write(chip, address, bytes, sizeof(bytes)));
}

/* Run until a mailbox word has a value. False when the power went away before. */
static bool wait_for(struct board *board, uint32_t at, uint32_t value, uint64_t limit_ps)
{
    uint64_t end = sim_chip_time_ps(board->chip) + limit_ps;

    for (;;) {
        if (!sim_chip_powered(board->chip)) {
            board->power_lost = true;
            return false;
        }
        if (sim_chip_ap_enabled(board->chip, SIM_AP_SYS) && board_mailbox_get(board, at) == value)
            return true;
        if (sim_chip_time_ps(board->chip) > end) {
            struct sim_chip_test_core core = sim_chip_test_core(board->chip, SIM_AP_CM0);

            fail_msg("mailbox word 0x%X does not become 0x%X; pc 0x%08X ipsr %u", at, value,
                core.pc, core.ipsr);
        }
        sim_chip_run_until(board->chip, sim_chip_time_ps(board->chip) + POLL_PS);
    }
}

void board_power_cycle(struct board *board)
{
    sim_chip_set_power(board->chip, false);
    sim_chip_set_power(board->chip, true);
    board->sequence = 0;
    board->power_lost = false;
    (void)wait_for(board, PROTO_MAILBOX_MAGIC_AT, PROTO_MAILBOX_MAGIC, BOOT_LIMIT_PS);
}

void board_begin(struct board *board, uint32_t command, const uint8_t *payload, size_t length)
{
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
}

uint32_t board_finish(
    struct board *board, uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length)
{
    uint32_t status;

    if (!wait_for(board, PROTO_MAILBOX_RSP_SEQUENCE_AT, board->sequence, COMMAND_LIMIT_PS))
        return 0;
    status = board_mailbox_get(board, PROTO_MAILBOX_RSP_STATUS_AT);
    *ret_length = board_mailbox_get(board, PROTO_MAILBOX_RSP_LENGTH_AT);
    assert_true(*ret_length <= PROTO_MAILBOX_PAYLOAD_SIZE);
    for (uint32_t at = 0; at < *ret_length; at += 4)
        base_put_le32(ret_answer + at, board_mailbox_get(board, PROTO_MAILBOX_RSP_PAYLOAD_AT + at));
    assert_int_equal(board_mailbox_get(board, PROTO_MAILBOX_RSP_CRC_AT),
        proto_mailbox_crc(status, (uint32_t)*ret_length, board->sequence, ret_answer));
    return status;
}

uint32_t board_ask(struct board *board, uint32_t command, const uint8_t *payload, size_t length,
    uint8_t ret_answer[PROTO_MAILBOX_PAYLOAD_SIZE], size_t *ret_length)
{
    board_begin(board, command, payload, length);
    return board_finish(board, ret_answer, ret_length);
}

/* What lpa-image bind does. */
static void bind_image(struct board *board, uint8_t flags)
{
    struct proto_image image;
    struct proto_binding binding;
    uint8_t *block = board->image.data + PROTO_BINDING_OFFSET;

    assert_int_equal(proto_image_decode(board->image.data, board->image.length, &image), PROTO_OK);
    binding = image.binding;
    binding.flags = flags;
    memcpy(binding.authority_key[0], board->authority.public_key, PROTO_PUBLIC_KEY_SIZE);
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
}

void board_make(struct board *board, uint8_t flags)
{
    struct sim_chip_opts opts = { .unique_id = { 1, 2, 3, 4, 5, 6, 7, 8 }, .trng_seed = 7 };
    const char *path = getenv("LPA_TEST_IMAGE");

    memset(board, 0, sizeof(*board));
    authority_init(&board->authority, 1);
    base_buf_init(&board->image, IMAGE_FILE_MAX);
    if (path == NULL || base_file_read(path, &board->image, NULL) != BASE_OK)
        fail_msg("LPA_TEST_IMAGE must name the device image");
    bind_image(board, flags);
    assert_int_equal(sim_chip_new(&opts, &board->chip, NULL), BASE_OK);
    assert_true(sim_chip_test_write(
        board->chip, PROTO_IMAGE_ADDRESS, board->image.data, board->image.length));
    sim_chip_test_write_toc2(board->chip, TOC2_50_MHZ, PROTO_IMAGE_ADDRESS, TOC2_FORMAT_CYPRESS);
}

void board_init(struct board *board)
{
    board_make(board, PROTO_FLAG_LAB);
    board_power_cycle(board);
}

void board_done(struct board *board)
{
    sim_chip_free(board->chip);
    base_buf_done(&board->image);
    authority_done(&board->authority);
}

struct board board_fork(const struct board *board)
{
    struct board copy = *board;

    assert_int_equal(sim_chip_fork(board->chip, &copy.chip, NULL), BASE_OK);
    return copy;
}

struct proto_hello board_hello(struct board *board)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    struct proto_hello hello;
    size_t length = 0;

    assert_int_equal(board_ask(board, PROTO_CMD_HELLO, NULL, 0, answer, &length), PROTO_OK);
    assert_int_equal(proto_hello_decode(answer, length, &hello), PROTO_OK);
    return hello;
}

void board_identify(struct board *board, struct proto_statement *ret_statement)
{
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;

    assert_int_equal(board_ask(board, PROTO_CMD_STATEMENT, board->authority.key_id,
                         PROTO_KEY_ID_SIZE, answer, &length),
        PROTO_OK);
    assert_int_equal(length, PROTO_STATEMENT_SIZE);
    authority_check_statement(&board->authority, answer, ret_statement);
}

void board_seal(const struct board *board, const struct proto_statement *statement,
    uint32_t key_version, uint8_t key, uint8_t ret_envelope[PROTO_ENVELOPE_SIZE],
    uint8_t ret_receipt_key[PROTO_HASH_SIZE])
{
    struct proto_envelope_header header =
        authority_header(&board->authority, statement, key_version);
    uint8_t plain[PROTO_ENVELOPE_PLAIN_SIZE] = { 0 };

    memset(plain + PROTO_ROOT_KEY_SIZE, key, PROTO_ROOT_KEY_SIZE);
    authority_seal(
        &board->authority, &header, statement->public_key, plain, ret_envelope, ret_receipt_key);
}

void board_check_vault(const struct board *board)
{
    uint8_t home[2][PROTO_VAULT_HOME_SIZE];

    assert_true(sim_chip_test_read(board->chip, PROTO_VAULT_HOME_0, home[0], sizeof(home[0])));
    assert_true(sim_chip_test_read(board->chip, PROTO_VAULT_HOME_1, home[1], sizeof(home[1])));
    assert_memory_equal(home[0], home[1], sizeof(home[0]));
    assert_memory_equal(home[0], "LPAV", 4);
}
