/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* AES, SHA and string instructions of the crypto block (vectors: FIPS 197 appendix C, FIPS 180-4).
 */

#define CRYPTO 0x40110000U
#define FF_WR  (CRYPTO + 0x48U)
#define INTR   (CRYPTO + 0x7C0U)
#define A      0x08001000U
#define B      0x08001100U
#define C      0x08001200U

static int crypto_setup(void **state)
{
    if (die_setup(state) != 0)
        return -1;
    die_write(*state, CRYPTO, 0x80000003U);
    return 0;
}

static void set_regs(struct sim_chip *chip, unsigned count, const uint32_t *values)
{
    die_write(chip, FF_WR, 0x40000000U + ((uint32_t)(count - 1) << 24) + 0x3210U);
    for (unsigned i = 0; i < count; i++)
        die_write(chip, FF_WR, values[i]);
}

static void put(struct sim_chip *chip, uint32_t address, const void *data, size_t length)
{
    assert_true(sim_chip_test_write(chip, address, data, length));
}

static void expect(struct sim_chip *chip, uint32_t address, const void *data, size_t length)
{
    uint8_t got[64];
    assert_true(sim_chip_test_read(chip, address, got, length));
    assert_memory_equal(got, data, length);
}

static void aes_case(struct sim_chip *chip, uint32_t mode, const uint8_t *cipher)
{
    uint8_t key[32];
    uint8_t plain[16];
    for (unsigned i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    for (unsigned i = 0; i < 16; i++)
        plain[i] = (uint8_t)(i * 0x11);
    put(chip, A, key, sizeof(key));
    put(chip, B, plain, sizeof(plain));
    die_write(chip, CRYPTO + 0x100U, mode);
    set_regs(chip, 3, (const uint32_t[]){ A, B, C });
    die_write(chip, FF_WR, 0x44002010U);
    assert_int_equal(die_read(chip, CRYPTO + 4), 0);
    expect(chip, C, cipher, 16);
    set_regs(chip, 2, (const uint32_t[]){ A, A + 64 });
    die_write(chip, FF_WR, 0x46000100U);
    set_regs(chip, 3, (const uint32_t[]){ A + 64, C, C });
    die_write(chip, FF_WR, 0x45002010U);
    expect(chip, C, plain, 16);
}

static void test_aes(void **state)
{
    static const uint8_t c128[16] = { 0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd,
        0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a };
    static const uint8_t c192[16] = { 0xdd, 0xa9, 0x7c, 0xa4, 0x86, 0x4c, 0xdf, 0xe0, 0x6e, 0xaf,
        0x70, 0xa0, 0xec, 0x0d, 0x71, 0x91 };
    static const uint8_t c256[16] = { 0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc,
        0x49, 0x90, 0x4b, 0x49, 0x60, 0x89 };
    aes_case(*state, 0, c128);
    aes_case(*state, 1, c192);
    aes_case(*state, 2, c256);
}

static void test_sha256(void **state)
{
    static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
        0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    static const uint32_t abc[8] = { 0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3,
        0x96177a9c, 0xb410ff61, 0xf20015ad };
    struct sim_chip *chip = *state;
    uint8_t block[64] = { 'a', 'b', 'c', 0x80, [63] = 24 };
    put(chip, A, block, sizeof(block));
    for (uint32_t i = 0; i < 8; i++)
        die_poke(chip, B + i * 4, initial[i]);
    die_write(chip, CRYPTO + 0x300U, 1);
    set_regs(chip, 4, (const uint32_t[]){ A, B, C, B });
    die_write(chip, FF_WR, 0x4C003210U);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(die_peek(chip, B + i * 4), abc[i]);
    die_write(chip, CRYPTO + 0x300U, 2); /* SHA-512: refused aloud */
    die_write(chip, FF_WR, 0x4C003210U);
    assert_int_equal(die_read(chip, INTR) >> 16 & 1U, 1);
}

static void test_strings(void **state)
{
    struct sim_chip *chip = *state;
    put(chip, A, "hello, world", 12);
    set_regs(chip, 3, (const uint32_t[]){ A, B, 12 });
    die_write(chip, FF_WR, 0x50000210U);
    expect(chip, B, "hello, world", 12);
    die_write(chip, FF_WR, 0x52000210U);
    assert_int_equal(die_read(chip, CRYPTO + 0x180U), 0);
    set_regs(chip, 4, (const uint32_t[]){ B, 0, 3, 'x' });
    die_write(chip, FF_WR, 0x51003200U);
    expect(chip, B, "xxxlo, world", 12);
    set_regs(chip, 3, (const uint32_t[]){ A, B, 12 });
    die_write(chip, FF_WR, 0x52000210U);
    assert_int_equal(die_read(chip, CRYPTO + 0x180U), 1);
    assert_int_equal(die_read(chip, INTR), 0);
    set_regs(chip, 3, (const uint32_t[]){ A, 0x10000000U, 12 }); /* flash: bus error */
    die_write(chip, FF_WR, 0x50000210U);
    assert_int_equal(die_read(chip, INTR) >> 18 & 1U, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_aes, crypto_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_sha256, crypto_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_strings, crypto_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
