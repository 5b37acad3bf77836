/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Random numbers of the crypto block, its monitors, and broken noise sources. */

#define CRYPTO  0x40110000U
#define FF_WR   (CRYPTO + 0x48U)
#define INTR    (CRYPTO + 0x7C0U)
#define READY   (1U << 3)
#define AP_FAIL (1U << 19)
#define RC_FAIL (1U << 20)

static void enable(struct sim_chip *chip)
{
    die_write(chip, CRYPTO, 0x80000003U);
    die_write(chip, CRYPTO + 0x280U, 3U << 16 | 1U << 24 | 3U << 28);
    die_write(chip, CRYPTO + 0x284U, 0x3FU);
}

static void monitor(struct sim_chip *chip)
{
    die_write(chip, CRYPTO + 0x280U, 3U << 16 | 3U << 28); /* no corrector */
    die_write(chip, CRYPTO + 0x2C0U, 2);
    die_write(chip, CRYPTO + 0x2D0U, 40);
    die_write(chip, CRYPTO + 0x2E0U, 1023U << 16 | 700U);
    die_write(chip, CRYPTO + 0x2C8U, 3);
}

/* Interrupts after one draw of 32 bits. */
static uint32_t draw(struct sim_chip *chip, uint32_t *ret_value)
{
    die_write(chip, INTR, UINT32_MAX);
    die_write(chip, FF_WR, 0x40000000U);
    die_write(chip, FF_WR, 32);
    die_write(chip, FF_WR, 0x60000000U);
    die_run_us(chip, 100);
    *ret_value = die_read(chip, CRYPTO + 0x288U);
    return die_read(chip, INTR);
}

static void test_refuses_before_enable(void **state)
{
    struct sim_chip *chip = *state;
    assert_true(die_read_faults(chip, SIM_AP_CM0, CRYPTO + 0x280U));
    enable(chip);
    assert_true(die_read_faults(chip, SIM_AP_CM0, CRYPTO + 0x500U));
    die_write(chip, FF_WR, 0x70000000U); /* DES: not modelled */
    assert_int_equal(die_read(chip, INTR) >> 16 & 1U, 1);
}

static void test_good_source(void **state)
{
    struct sim_chip *chip = *state;
    uint32_t values[64];
    unsigned ones = 0;
    enable(chip);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(draw(chip, &values[i]) & (READY | AP_FAIL | RC_FAIL), READY);
        ones += (unsigned)__builtin_popcount(values[i]);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(values[k], values[i]);
    }
    assert_in_range(ones, 900, 1150); /* of 2048 */
    monitor(chip);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(draw(chip, &values[i]) & (READY | AP_FAIL | RC_FAIL), READY);
}

static void test_takes_time(void **state)
{
    struct sim_chip *chip = *state;
    enable(chip);
    die_write(chip, FF_WR, 0x40000000U);
    die_write(chip, FF_WR, 32);
    die_write(chip, FF_WR, 0x60000000U);
    assert_int_equal(die_read(chip, CRYPTO + 4) >> 6 & 1U, 1);
    assert_int_equal(die_read(chip, INTR) & READY, 0);
    die_run_us(chip, 1); /* 25 clocks: too few for 32 bits */
    assert_int_equal(die_read(chip, INTR) & READY, 0);
    die_run_us(chip, 20);
    assert_int_equal(die_read(chip, INTR) & READY, READY);
}

static void test_broken_sources(void **state)
{
    struct sim_chip *chip = *state;
    uint32_t value = 0;
    uint32_t second = 0;
    enable(chip);
    sim_chip_test_trng_fault(chip, SIM_TRNG_STUCK, 1);
    assert_int_equal(draw(chip, &value) & READY, 0); /* the corrector never gives a bit */
    assert_int_equal(die_read(chip, CRYPTO + 4) >> 6 & 1U, 1);
    die_write(chip, CRYPTO + 0x40U, 0x30000U); /* clear the FIFO */
    monitor(chip);
    uint32_t intr = 0;
    for (unsigned i = 0; i < 3 && (intr & RC_FAIL) == 0; i++)
        intr = draw(chip, &value);
    assert_int_equal(intr & RC_FAIL, RC_FAIL);
    assert_int_equal(die_read(chip, CRYPTO + 0x284U), 0); /* stopped */
    sim_chip_test_trng_fault(chip, SIM_TRNG_BIASED, 900);
    die_write(chip, CRYPTO + 0x284U, 0x3FU);
    monitor(chip);
    die_write(chip, CRYPTO + 0x2C8U, 1); /* adaptive proportion alone */
    intr = 0;
    for (unsigned i = 0; i < 64 && (intr & AP_FAIL) == 0; i++)
        intr = draw(chip, &value);
    assert_int_equal(intr & AP_FAIL, AP_FAIL);
    sim_chip_test_trng_fault(chip, SIM_TRNG_PERIOD, 32);
    die_write(chip, CRYPTO + 0x284U, 0x3FU);
    die_write(chip, CRYPTO + 0x2C8U, 0);
    assert_int_equal(draw(chip, &value) & READY, READY);
    assert_int_equal(draw(chip, &second) & READY, READY);
    assert_int_equal(value, second);
}

static void test_seeds_differ(void **state)
{
    struct sim_chip_opts opts = { .unique_id = { 1 }, .trng_seed = 2 };
    struct sim_chip *other = NULL;
    uint32_t mine = 0;
    uint32_t theirs = 0;
    (void)sim_chip_test_core(*state, SIM_AP_CM0);
    assert_int_equal(sim_chip_new(&opts, &other, NULL), BASE_OK);
    die_run_us(other, 2000);
    enable(*state);
    enable(other);
    (void)draw(*state, &mine);
    (void)draw(other, &theirs);
    assert_int_not_equal(mine, theirs);
    sim_chip_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refuses_before_enable, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_good_source, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_takes_time, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_broken_sources, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_seeds_differ, die_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
