/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/hid_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool parse(const uint8_t *desc, size_t length, struct prg_hid_report *ret_report)
{
    /* In memory of its own length, so that a byte too far is noticed. */
    uint8_t *copy = test_malloc(length + 1);
    if (length > 0) {
        memcpy(copy + 1, desc, length);
    }
    bool ok = prg_hid_report_parse(copy + 1, length, ret_report);
    test_free(copy);
    return ok;
}

static void refuses_malformed(void **state)
{
    (void)state;
    struct prg_hid_report report = { .usage = 7 };
    static const uint8_t cut[] = { 0x06, 0x00 };
    static const uint8_t pop[] = { 0xB4 };
    static const uint8_t pushes[] = { 0xA4, 0xA4, 0xA4, 0xA4, 0xA4 };
    static const uint8_t huge[] = { 0x75, 0xFF, 0x97, 0xFF, 0xFF, 0xFF, 0x7F, 0x81, 0x02 };
    static const uint8_t id_0[] = { 0x85, 0x00 };
    static const uint8_t long_item[] = { 0xFE, 0x05, 0x00, 0x01 };
    assert_false(parse(cut, sizeof(cut), &report));
    assert_false(parse(pop, sizeof(pop), &report));
    assert_false(parse(pushes, sizeof(pushes), &report));
    assert_false(parse(huge, sizeof(huge), &report));
    assert_false(parse(id_0, sizeof(id_0), &report));
    assert_false(parse(long_item, sizeof(long_item), &report));
    assert_int_equal(report.usage, 7);
    assert_true(parse(NULL, 0, &report));
    assert_int_equal(report.output_bytes, 0);
}

static void reads_a_probe(void **state)
{
    (void)state;
    static const uint8_t desc[] = { 0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01, 0x15, 0x00, 0x26,
        0xFF, 0x00, 0x75, 0x08, 0x96, 0x00, 0x02, 0x09, 0x01, 0x81, 0x02, 0x95, 0x40, 0x09, 0x01,
        0x91, 0x02, 0x95, 0x01, 0x09, 0x01, 0xB1, 0x02, 0xC0 };
    struct prg_hid_report report;
    assert_true(parse(desc, sizeof(desc), &report));
    assert_int_equal(report.input_bytes, 512);
    assert_int_equal(report.output_bytes, 64);
    assert_int_equal(report.usage_page, 0xFF00);
    assert_int_equal(report.usage, 1);
    assert_false(report.has_ids);
    assert_false(report.acts_for_a_person);
}

/* A keyboard behind a vendor collection, reports told apart by ids. */
static void finds_a_keyboard(void **state)
{
    (void)state;
    static const uint8_t desc[] = { 0x06, 0x00, 0xFF, 0x09, 0x01, 0xA1, 0x01, 0x85, 0x01, 0x75,
        0x08, 0x95, 0x3F, 0x81, 0x02, 0xC0, 0x05, 0x01, 0x09, 0x06, 0xA1, 0x01, 0x85, 0x02, 0x75,
        0x01, 0x95, 0x09, 0x81, 0x02, 0xC0 };
    static const uint8_t wide[] = { 0x0B, 0x06, 0x00, 0x01, 0x00, 0xA1, 0x01, 0xC0 };
    struct prg_hid_report report;
    assert_true(parse(desc, sizeof(desc), &report));
    assert_true(report.has_ids);
    assert_true(report.acts_for_a_person);
    assert_int_equal(report.usage_page, 0xFF00);
    assert_int_equal(report.input_bytes, 63);
    assert_true(parse(wide, sizeof(wide), &report));
    assert_true(report.acts_for_a_person);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_malformed),
        cmocka_unit_test(reads_a_probe),
        cmocka_unit_test(finds_a_keyboard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
