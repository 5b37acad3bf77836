/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include "tests/unit/device-fw/board_secure.h"

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "programmer/psoc6_secure.h"
#include "tests/unit/device-fw/rsa_key.h"

#define SFLASH_KEY     0x16005A00U
#define SFLASH_TOC1    0x16007800U
#define SFLASH_TOC2    0x16007C00U
#define FUSE_HASH      0x14U
#define FUSE_ZEROS     0x26U
#define FUSE_RESTRICT  0x27U
#define FUSE_LIFECYCLE 0x2BU
#define SECURE         5U

static EVP_PKEY *read_key(void)
{
    const unsigned char *at = test_rsa_key;
    EVP_PKEY *key = d2i_PrivateKey(EVP_PKEY_RSA, NULL, &at, sizeof(test_rsa_key));

    assert_non_null(key);
    return key;
}

static void write_key_object(struct board *board, EVP_PKEY *key, uint8_t *ret_object)
{
    uint8_t modulus[PRG_PSOC6_RSA_BYTES];
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &number), 1);
    assert_int_equal(BN_bn2binpad(number, modulus, sizeof(modulus)), sizeof(modulus));
    BN_free(number);
    assert_int_equal(prg_psoc6_key_encode(modulus, 65537, ret_object, NULL), BASE_OK);
    assert_true(sim_chip_test_write(board->chip, SFLASH_KEY, ret_object, PRG_PSOC6_KEY_SIZE));
}

static void sign(struct board *board, EVP_PKEY *key)
{
    uint8_t signature[PRG_PSOC6_RSA_BYTES];
    size_t length = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    assert_non_null(context);
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &length, board->image.data, board->image.length), 1);
    EVP_MD_CTX_free(context);
    assert_true(sim_chip_test_write(board->chip,
        PROTO_IMAGE_ADDRESS + (uint32_t)board->image.length, signature, sizeof(signature)));
}

static void put_fuses(struct board *board, uint32_t byte, const uint8_t *values, size_t count)
{
    assert_true(sim_chip_test_write(board->chip, BOARD_FUSES + byte, values, count));
}

void board_secure_make(
    struct board *board, uint8_t flags, const uint8_t restrictions[PROTO_RESTRICT_SIZE])
{
    static const uint8_t lifecycle = SECURE;
    uint8_t object[PRG_PSOC6_KEY_SIZE];
    uint8_t toc1[PRG_PSOC6_ROW_SIZE];
    uint8_t toc2[PRG_PSOC6_ROW_SIZE];
    uint8_t hash[PRG_SECURE_HASH_SIZE];
    uint8_t zeros = 0;
    EVP_PKEY *key = read_key();

    board_make(board, flags);
    write_key_object(board, key, object);
    sign(board, key);
    EVP_PKEY_free(key);
    prg_psoc6_build_secure_toc2(toc2);
    assert_true(sim_chip_test_write(board->chip, SFLASH_TOC2, toc2, sizeof(toc2)));
    assert_true(sim_chip_test_write(board->chip, SFLASH_TOC2 + 0x200, toc2, sizeof(toc2)));
    assert_true(sim_chip_test_read(board->chip, SFLASH_TOC1, toc1, sizeof(toc1)));
    prg_psoc6_secure_hash(toc1, toc2, object, hash, &zeros);
    put_fuses(board, FUSE_HASH, hash, sizeof(hash));
    put_fuses(board, FUSE_ZEROS, &zeros, 1);
    put_fuses(board, FUSE_RESTRICT, restrictions, PROTO_RESTRICT_SIZE);
    put_fuses(board, FUSE_LIFECYCLE, &lifecycle, 1);
}

void board_secure_cycle(struct board *board, uint32_t ms)
{
    sim_chip_set_power(board->chip, false);
    sim_chip_set_power(board->chip, true);
    board->sequence = 0;
    board->power_lost = false;
    sim_chip_run_until(
        board->chip, sim_chip_time_ps(board->chip) + UINT64_C(1000) * ms * SIM_PS_PER_US);
}

bool board_listens(const struct board *board)
{
    uint32_t magic = 0;

    return sim_chip_swd_connected(board->chip) &&
           sim_chip_ap_access(board->chip, SIM_AP_SYS, PROTO_MAILBOX_ADDRESS, 4, false, true,
               &magic) == SIM_BUS_OK &&
           magic == PROTO_MAILBOX_MAGIC;
}
