/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/attack/secure_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/hash.h"
#include "base/rsa.h"
#include "device-fw/protocol/image.h"
#include "programmer/psoc6_regs.h"
#include "tests/attack/image_key.h"

#define FUSES       0x402C0800U
#define PORT_US     400000U
#define APPKEY_BYTE 0x5AU

const char *board_state_name(enum board_state state)
{
    static const char *const names[BOARD_STATES] = { "test mode", "NORMAL", "rehearsed", "SECURE",
        "provisioned", "locked", "DEAD, image", "DEAD, TOC2", "DEAD, key" };
    return names[state];
}

static void write_chip(struct sim_chip *chip, uint32_t address, const void *bytes, size_t length)
{
    assert_true(sim_chip_test_write(chip, address, bytes, length));
}

static void run_us(struct sim_chip *chip, uint64_t us)
{
    sim_chip_run_until(chip, sim_chip_time_ps(chip) + us * SIM_PS_PER_US);
}

/* As a probe does it: TEST_MODE set through the SYS-AP before the window closes. */
static void enter_test_mode(struct sim_chip *chip)
{
    uint32_t test_mode = PSOC6_TST_MODE_TEST;
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    run_us(chip, 2000);
    assert_int_equal(
        sim_chip_ap_access(chip, SIM_AP_SYS, PSOC6_TST_MODE, 4, true, true, &test_mode),
        SIM_BUS_OK);
    run_us(chip, PORT_US);
}

void secure_board_reset(struct sim_chip *chip)
{
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    run_us(chip, PORT_US);
}

/* Production: no lab flag; then the signature. */
static void sign_image(struct board *board, uint8_t ret_key[PRG_PSOC6_KEY_SIZE])
{
    const uint8_t *der = image_key_der;
    uint8_t *block = board->image.data + PROTO_BINDING_OFFSET;
    struct proto_binding binding;
    struct base_rsa_public public = { .exponent = 65537 };
    uint8_t signature[PROTO_IMAGE_SIGNATURE_SIZE];
    size_t size = sizeof(signature);
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &der, (long)sizeof(image_key_der));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    BIGNUM *modulus = NULL;
    assert_non_null(key);
    assert_int_equal(proto_binding_decode(block, &binding), PROTO_OK);
    binding.flags = 0;
    proto_binding_encode(&binding, block);
    base_sha256(block, PROTO_BINDING_HASH_AT, block + PROTO_BINDING_HASH_AT);
    proto_image_mark_signed(board->image.data);
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(ctx, signature, &size, board->image.data, board->image.length), 1);
    assert_int_equal(EVP_PKEY_get_bn_param(key, "n", &modulus), 1);
    assert_int_equal(BN_bn2binpad(modulus, public.modulus, BASE_RSA_BYTES), BASE_RSA_BYTES);
    assert_int_equal(prg_psoc6_key_encode(public.modulus, public.exponent, ret_key, NULL), BASE_OK);
    assert_int_equal(base_buf_append(&board->image, signature, sizeof(signature), NULL), BASE_OK);
    BN_free(modulus);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
}

static void put_secure_tables(struct secure_boards *boards, struct sim_chip *chip)
{
    const struct prg_psoc6_target *target = &boards->target;
    write_chip(chip, PSOC6_SFLASH_KEY, target->key, sizeof(target->key));
    write_chip(chip, PSOC6_SFLASH_TOC2, target->toc2, sizeof(target->toc2));
    write_chip(chip, PSOC6_SFLASH_RTOC2, target->toc2, sizeof(target->toc2));
}

static void blow_all(struct secure_boards *boards, struct sim_chip *chip)
{
    const struct prg_psoc6_target *target = &boards->target;
    const uint8_t lifecycle = 5;
    write_chip(chip, FUSES + PSOC6_FUSE_SECURE_HASH, target->secure_hash, PRG_SECURE_HASH_SIZE);
    write_chip(chip, FUSES + PSOC6_FUSE_SECURE_ZEROS, &target->zeros, 1);
    write_chip(chip, FUSES + PSOC6_FUSE_DEAD0, target->restrictions, PRG_PSOC6_RESTRICT_BYTES);
    write_chip(chip, FUSES + PSOC6_FUSE_LIFECYCLE, &lifecycle, 1);
}

static struct sim_chip *fork_of(const struct sim_chip *chip)
{
    struct sim_chip *copy = NULL;
    assert_int_equal(sim_chip_fork(chip, &copy, NULL), BASE_OK);
    return copy;
}

/* Keys through the mailbox, as a station does it. */
static void provision(struct secure_boards *boards)
{
    struct board board = boards->first;
    struct proto_statement statement;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t answer[PROTO_MAILBOX_PAYLOAD_SIZE];
    size_t length = 0;
    board.chip = fork_of(boards->chips[BOARD_SECURE]);
    board_identify(&board, &statement);
    assert_int_equal(statement.lifecycle, PROTO_LIFECYCLE_SECURE);
    board_seal(&board, &statement, 1, APPKEY_BYTE, envelope, receipt_key);
    assert_int_equal(
        board_ask(&board, PROTO_CMD_INSTALL, envelope, sizeof(envelope), answer, &length),
        PROTO_OK);
    boards->chips[BOARD_PROVISIONED] = fork_of(board.chip);
    assert_int_equal(board_ask(&board, PROTO_CMD_LOCK, NULL, 0, answer, &length), PROTO_OK);
    secure_board_reset(board.chip);
    boards->chips[BOARD_LOCKED] = board.chip;
}

static void kill(struct secure_boards *boards, enum board_state state, uint32_t address)
{
    const uint8_t blank[PSOC6_ROW_BYTES] = { 0 };
    struct sim_chip *chip = fork_of(boards->chips[BOARD_LOCKED]);
    write_chip(chip, address, blank, sizeof(blank));
    if (address == PSOC6_SFLASH_TOC2)
        write_chip(chip, PSOC6_SFLASH_RTOC2, blank, sizeof(blank));
    secure_board_reset(chip);
    boards->chips[state] = chip;
}

void secure_boards_init(struct secure_boards *boards)
{
    static const uint8_t required[] = PROTO_RESTRICT_REQUIRED;
    uint8_t key[PRG_PSOC6_KEY_SIZE];
    struct sim_chip *chip;
    memset(boards, 0, sizeof(*boards));
    board_init(&boards->first);
    sign_image(&boards->first, key);
    assert_int_equal(prg_psoc6_target_make(boards->first.image.data, boards->first.image.length,
                         key, sizeof(key), required, &boards->target, NULL),
        BASE_OK);
    chip = boards->first.chip;
    const uint8_t blank[PSOC6_ROW_BYTES] = {
        0
    }; /* what the lab image had made on its first boot */
    write_chip(chip, PROTO_VAULT_HOME_0, blank, sizeof(blank));
    write_chip(chip, PROTO_VAULT_HOME_1, blank, sizeof(blank));
    write_chip(chip, PROTO_IMAGE_ADDRESS, boards->first.image.data, boards->first.image.length);
    boards->chips[BOARD_NORMAL] = fork_of(chip);
    secure_board_reset(boards->chips[BOARD_NORMAL]);
    boards->chips[BOARD_TEST_MODE] = fork_of(chip);
    enter_test_mode(boards->chips[BOARD_TEST_MODE]);
    put_secure_tables(boards, chip);
    boards->chips[BOARD_REHEARSED] = fork_of(chip);
    secure_board_reset(boards->chips[BOARD_REHEARSED]);
    blow_all(boards, chip);
    boards->chips[BOARD_SECURE] = fork_of(chip);
    struct board running = boards->first;
    running.chip = boards->chips[BOARD_SECURE];
    board_power_cycle(&running);
    provision(boards);
    kill(boards, BOARD_DEAD_IMAGE, PROTO_IMAGE_ADDRESS + 0x2000U);
    kill(boards, BOARD_DEAD_TOC2, PSOC6_SFLASH_TOC2);
    kill(boards, BOARD_DEAD_KEY, PSOC6_SFLASH_KEY);
}

void secure_boards_done(struct secure_boards *boards)
{
    for (unsigned i = 0; i < BOARD_STATES; i++)
        sim_chip_free(boards->chips[i]);
    board_done(&boards->first);
}
