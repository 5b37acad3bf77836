/* SPDX-License-Identifier: Apache-2.0 */
/* Health tests of the noise source, at their exact limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/bootloader/random.h"
#include "tests/unit/device-fw/chip.h"

static const uint8_t chip_id[PROTO_CHIP_ID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void repetition_fails_at_its_cutoff(void **state)
{
    struct bl_health health;

    (void)state;
    /* 40 equal bits pass, 41 do not. */
    bl_health_init(&health);
    assert_true(bl_health_feed(&health, 0xFFFFFFFFU));
    assert_true(bl_health_feed(&health, 0x000000FFU));
    bl_health_init(&health);
    assert_true(bl_health_feed(&health, 0xFFFFFFFFU));
    assert_false(bl_health_feed(&health, 0x000001FFU));
    assert_int_equal(health.failed, true);
    /* And then for ever. */
    assert_false(bl_health_feed(&health, 0x55555555U));
}

/* A window of ones with @p zeros single zeros in it, spread so that no run gets long. */
static bool feed_window(unsigned zeros)
{
    struct bl_health health;
    bool good = true;

    bl_health_init(&health);
    for (unsigned word = 0; word < BL_HEALTH_WINDOW / 32; word++) {
        uint32_t bits = UINT32_MAX;
        unsigned share = zeros / 32 + (word < zeros % 32 ? 1 : 0);

        for (unsigned i = 0; i < share; i++)
            bits &= ~(1U << (1 + 3 * i));
        good = bl_health_feed(&health, bits) && good;
    }
    return good;
}

static void proportion_fails_at_its_cutoff(void **state)
{
    (void)state;
    assert_true(feed_window(BL_HEALTH_WINDOW - BL_HEALTH_PROPORTION_CUTOFF + 1));
    assert_false(feed_window(BL_HEALTH_WINDOW - BL_HEALTH_PROPORTION_CUTOFF));
}

/* Balanced patterns that repeat: neither of the two tests above sees them. */
static void short_periods_fail(void **state)
{
    (void)state;
    for (unsigned period = 2; period <= BL_HEALTH_LAGS; period++) {
        struct bl_health health;
        bool good = true;

        bl_health_init(&health);
        for (unsigned word = 0; word < 3 * BL_HEALTH_WINDOW / 32; word++) {
            uint32_t bits = 0;

            for (unsigned i = 0; i < 32; i++)
                bits |= ((32 * word + i) % period % 2) << i;
            good = bl_health_feed(&health, bits) && good;
        }
        assert_false(good);
    }
}

static void good_noise_passes(void **state)
{
    static struct bl_random random_state;
    uint8_t first[32];
    uint8_t second[32];

    (void)state;
    chip_new(1);
    assert_true(bl_random_start(&random_state, chip_id));
    assert_true(bl_random_bytes(&random_state, first, sizeof(first)));
    assert_true(bl_random_bytes(&random_state, second, sizeof(second)));
    assert_memory_not_equal(first, second, sizeof(first));
    for (unsigned i = 0; i < 2000; i++)
        assert_true(bl_random_reseed(&random_state));
}

/* The same noise on another chip gives other bytes. */
static void chips_are_personalised(void **state)
{
    static const uint8_t other_id[PROTO_CHIP_ID_SIZE] = { 1, 2, 3, 4, 5, 6, 7, 9 };
    static struct bl_random random_state;
    uint8_t first[32];
    uint8_t second[32];

    (void)state;
    chip_new(1);
    assert_true(bl_random_start(&random_state, chip_id));
    assert_true(bl_random_bytes(&random_state, first, sizeof(first)));
    chip_new(1);
    assert_true(bl_random_start(&random_state, other_id));
    assert_true(bl_random_bytes(&random_state, second, sizeof(second)));
    assert_memory_not_equal(first, second, sizeof(first));
}

static void bad_noise_gives_zeros(void **state)
{
    static struct bl_random random_state;
    uint8_t bytes[32];

    (void)state;
    chip_new(1);
    chip.noise = CHIP_NOISE_BIASED;
    chip.noise_good_words = 160;
    assert_true(bl_random_start(&random_state, chip_id));
    memset(bytes, 0xEE, sizeof(bytes));
    assert_false(bl_random_bytes(&random_state, bytes, sizeof(bytes)));
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repetition_fails_at_its_cutoff),
        cmocka_unit_test(proportion_fails_at_its_cutoff),
        cmocka_unit_test(short_periods_fail),
        cmocka_unit_test(good_noise_passes),
        cmocka_unit_test(chips_are_personalised),
        cmocka_unit_test(bad_noise_gives_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
