/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static void refuses_no_source(void **state)
{
    (void)state;
    uint8_t data[4] = { 1, 2, 3, 4 };
    const struct base_random none = { NULL, NULL };
    struct base_err err = { 0 };
    assert_int_equal(base_random_fill(NULL, data, sizeof(data), &err), BASE_E_ARG);
    assert_int_equal(base_random_fill(&none, data, sizeof(data), NULL), BASE_E_ARG);
    assert_memory_equal(data, ((uint8_t[]){ 1, 2, 3, 4 }), 4);
    assert_string_not_equal(err.message, "");
}

static void system_source_differs_each_time(void **state)
{
    (void)state;
    uint8_t a[300] = { 0 };
    uint8_t b[300] = { 0 };
    assert_int_equal(base_random_fill(base_random_system(), a, sizeof(a), NULL), BASE_OK);
    assert_int_equal(base_random_fill(base_random_system(), b, sizeof(b), NULL), BASE_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    /* The last bytes are filled too: sixteen zeros do not happen. */
    assert_memory_not_equal(a + 284, ((uint8_t[16]){ 0 }), 16);
}

static void seeded_source_repeats(void **state)
{
    (void)state;
    struct base_random_seeded one;
    struct base_random_seeded two;
    uint8_t a[100];
    uint8_t b[100];
    base_random_seeded_init(&one, 7);
    base_random_seeded_init(&two, 7);
    assert_int_equal(base_random_fill(&one.random, a, sizeof(a), NULL), BASE_OK);
    assert_int_equal(base_random_fill(&two.random, b, sizeof(b), NULL), BASE_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(base_random_fill(&two.random, b, sizeof(b), NULL), BASE_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    base_random_seeded_init(&two, 8);
    assert_int_equal(base_random_fill(&two.random, b, sizeof(b), NULL), BASE_OK);
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_no_source),
        cmocka_unit_test(system_source_differs_each_time),
        cmocka_unit_test(seeded_source_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
