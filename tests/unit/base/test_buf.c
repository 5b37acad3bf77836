/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void refuses_growth_beyond_its_maximum(void **state)
{
    (void)state;
    struct base_buf buf;
    struct base_err err = { 0 };
    base_buf_init(&buf, 10);
    assert_int_equal(base_buf_append(&buf, "0123456789a", 11, &err), BASE_E_ARG);
    assert_int_equal(buf.length, 0);
    assert_string_not_equal(err.message, "");
    assert_int_equal(base_buf_append(&buf, "012345678", 9, NULL), BASE_OK);
    assert_int_equal(base_buf_append(&buf, "9a", 2, NULL), BASE_E_ARG);
    assert_int_equal(base_buf_append(&buf, "x", SIZE_MAX, NULL), BASE_E_ARG);
    assert_int_equal(base_buf_printf(&buf, NULL, "%d", 12), BASE_E_ARG);
    assert_int_equal(buf.length, 9);
    assert_string_equal(base_buf_text(&buf), "012345678");
    assert_int_equal(base_buf_append(&buf, "9", 1, NULL), BASE_OK);
    assert_null(base_buf_text(&buf)); /* no room for the NUL */
    base_buf_done(&buf);
    base_buf_done(&buf);
    base_buf_done(NULL);
    assert_int_equal(buf.max_bytes, 10);
}

static void appends_and_formats(void **state)
{
    (void)state;
    struct base_buf buf;
    base_buf_init(&buf, 1000);
    assert_int_equal(base_buf_append(&buf, NULL, 0, NULL), BASE_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(base_buf_printf(&buf, NULL, "%02d,", i), BASE_OK);
    }
    assert_int_equal(buf.length, 300);
    assert_memory_equal(base_buf_text(&buf) + 297, "99,", 4);
    base_buf_clear(&buf);
    assert_int_equal(buf.length, 0);
    assert_string_equal(base_buf_text(&buf), "");
    base_buf_done(&buf);
}

static void cursor_stops_at_the_end_and_stays_bad(void **state)
{
    (void)state;
    static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    struct base_cursor cursor;
    base_cursor_init(&cursor, data, sizeof(data));
    assert_int_equal(base_cursor_left(&cursor), 9);
    assert_null(base_cursor_take(&cursor, 10));
    assert_true(cursor.bad);
    assert_int_equal(base_cursor_left(&cursor), 0);
    assert_int_equal(base_cursor_u8(&cursor), 0);
    base_cursor_init(&cursor, data, sizeof(data));
    assert_null(base_cursor_take(&cursor, SIZE_MAX));
    base_cursor_init(&cursor, data, sizeof(data));
    assert_int_equal(base_cursor_be64(&cursor), 0x0102030405060708);
    assert_int_equal(base_cursor_be16(&cursor), 0);
    assert_true(cursor.bad);
    base_cursor_init(&cursor, NULL, 0);
    assert_int_equal(base_cursor_u8(&cursor), 0);
    assert_true(cursor.bad);
}

static void integers_both_ways(void **state)
{
    (void)state;
    static const uint8_t data[] = { 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88 };
    struct base_cursor cursor;
    uint8_t out[8];
    base_cursor_init(&cursor, data, sizeof(data));
    assert_int_equal(base_cursor_u8(&cursor), 0x81);
    assert_int_equal(base_cursor_le16(&cursor), 0x8382);
    assert_int_equal(base_cursor_be32(&cursor), 0x84858687);
    base_cursor_init(&cursor, data, sizeof(data));
    assert_int_equal(base_cursor_le32(&cursor), 0x84838281);
    assert_int_equal(base_cursor_be16(&cursor), 0x8586);
    assert_int_equal(base_get_le16(data), 0x8281);
    base_put_be64(out, base_get_be64(data));
    assert_memory_equal(out, data, 8);
    base_put_be32(out, base_get_be32(data));
    base_put_le32(out + 4, base_get_le32(data + 4));
    assert_memory_equal(out, data, 8);
    base_put_le16(out, 0x1234);
    assert_int_equal(out[0], 0x34);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_growth_beyond_its_maximum),
        cmocka_unit_test(cursor_stops_at_the_end_and_stays_bad),
        cmocka_unit_test(appends_and_formats),
        cmocka_unit_test(integers_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
