/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"
#include "base/name.h"
#include "base/utf8.h"

#include <stdlib.h>

static void hex_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "0", "000", "0g", "0x", " 0", "0\n" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t byte = 0xAA;
        struct base_err err = { 0 };
        assert_int_equal(base_hex_decode(bad[i], 1, &byte, &err), BASE_E_ARG);
        assert_int_equal(byte, 0xAA);
        assert_string_not_equal(err.message, "");
    }
}

static void hex_both_ways(void **state)
{
    (void)state;
    uint8_t bytes[4];
    char text[9];
    assert_int_equal(base_hex_decode("00fFaB19", 4, bytes, NULL), BASE_OK);
    assert_memory_equal(bytes, "\x00\xFF\xAB\x19", 4);
    base_hex_encode(bytes, 4, text);
    assert_string_equal(text, "00ffab19");
    base_hex_encode(bytes, 0, text);
    assert_string_equal(text, "");
    assert_int_equal(base_hex_decode("", 0, bytes, NULL), BASE_OK);
}

static void time_as_text(void **state)
{
    (void)state;

    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { 1, "1970-01-01T00:00:00.000001Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { 951782400123456, "2000-02-29T00:00:00.123456Z" },
        { INT64_MAX, "0000-00-00T00:00:00.000000Z" },
        { INT64_MIN, "0000-00-00T00:00:00.000000Z" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[BASE_CLOCK_TEXT_SIZE];
        base_clock_format(cases[i].us, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void system_clock_moves_on(void **state)
{
    (void)state;
    const struct base_clock *clock = base_clock_system();
    int64_t before = base_clock_mono_us(clock);
    base_clock_sleep_us(clock, 1000);
    base_clock_sleep_us(clock, -5);
    assert_true(base_clock_mono_us(clock) >= before + 1000);
    assert_true(base_clock_wall_us(clock) > INT64_C(1700000000000000));
}

struct seen {
    unsigned lines;
    char last[64];
};

static void note_line(void *user, enum base_log_level level, const char *line)
{
    (void)level;
    struct seen *seen = user;
    seen->lines++;
    (void)snprintf(seen->last, sizeof(seen->last), "%s", line);
}

static void log_drops_what_is_too_detailed(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    const struct base_log log = { BASE_LOG_INFO, note_line, &seen };
    const struct base_log nowhere = { BASE_LOG_TRACE, NULL, NULL };
    base_log(NULL, BASE_LOG_ERROR, "x");
    base_log(&nowhere, BASE_LOG_ERROR, "x");
    base_log(&log, BASE_LOG_DEBUG, "x");
    assert_int_equal(seen.lines, 0);
    base_log(&log, BASE_LOG_INFO, "a\n%s\x1B", "b");
    assert_int_equal(seen.lines, 1);
    assert_string_equal(seen.last, "a b ");
}

static void log_writes_its_level(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    base_log_to_file(file, BASE_LOG_WARN, "careful");
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "warning: careful\n");
    free(text);
}

static void strangers_text_is_harmless(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        { "", "" },
        { "plain ~", "plain ~" },
        { "a\x1B[31mb\x7F\r\n", "a [31mb   " },
        { "CSI \xC2\x9B"
          "31m",
            "CSI  31m" }, /* U+009B */
        { "raw \x9B"
          "31m",
            "raw ?31m" }, /* not UTF-8 */
        { "\xE2\x80\xAE"
          "gnp.exe",
            " gnp.exe" }, /* U+202E turns round what follows */
        { "a\xE2\x80\x8B"
          "b",
            "a b" }, /* zero width */
        { "\xEF\xBB\xBFx", " x" },
        { "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x94\x91",
            "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x94\x91" },
        { "\xC0\x9B\xED\xA0\x80\xF5", "??????" }, /* overlong, surrogate, beyond */
        { "cut \xE2\x82", "cut ??" },
        { "\xF3\xA0\x81\x81tag", " tag" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s", cases[i].from);
        base_utf8_make_printable(text);
        assert_string_equal(text, cases[i].to);
    }
}

/* A message that is cut in the middle of a character still fits into JSON. */
static void cut_messages_are_still_text(void **state)
{
    (void)state;
    for (size_t before = 0; before < 4; before++) {
        struct base_err err = { 0 };
        char text[2 * BASE_ERR_MESSAGE_SIZE];
        for (size_t i = 0; i + 2 < sizeof(text); i += 2) {
            memcpy(text + i, "\xC3\xBC", 3);
        }
        (void)base_err_set(&err, BASE_E_IO, "test", 0, "%.*s%s", (int)before, "....", text);
        json_t *object = json_pack("{s:s}", "message", err.message);
        assert_non_null(object);
        json_decref(object);
        (void)base_err_prefix(&err, "x");
        object = json_pack("{s:s}", "message", err.message);
        assert_non_null(object);
        json_decref(object);
    }
    struct base_err err = { 0 };
    (void)base_err_set(&err, BASE_E_IO, "test", 0,
        "a\xC2\x9B"
        "b");
    assert_string_equal(err.message, "a b");
}

static void test_names(void **state)
{
    (void)state;
    static const char longest[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    char longer[sizeof(longest) + 1];
    (void)snprintf(longer, sizeof(longer), "%sx", longest);
    assert_false(base_name_valid(NULL));
    assert_false(base_name_valid(""));
    assert_false(base_name_valid("a b"));
    assert_false(base_name_valid("a/b"));
    assert_false(base_name_valid("../x"));
    assert_false(base_name_valid("-x"));
    assert_false(base_name_valid("\xC3\xA4"));
    assert_false(base_name_valid(longer));
    assert_true(base_name_valid(longest));
    assert_true(base_name_valid("station-1.A_b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_refuses),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(time_as_text),
        cmocka_unit_test(system_clock_moves_on),
        cmocka_unit_test(log_drops_what_is_too_detailed),
        cmocka_unit_test(log_writes_its_level),
        cmocka_unit_test(strangers_text_is_harmless),
        cmocka_unit_test(cut_messages_are_still_text),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
