/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

static json_t *parsed(const char *text)
{
    json_t *object = NULL;
    assert_int_equal(base_json_parse(text, strlen(text), 4096, &object, NULL), BASE_OK);
    return object;
}

static void refuses_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = { "", " ", "[]", "1", "\"a\"", "null", "{", "{}x", "{} {}",
        "{\"a\":1,\"a\":2}", "{\"a\":1,}", "{'a':1}", "{\"a\":01}", "{\"a\":9223372036854775808}",
        "{\"a\":\"\\u0000\"}", "{\"a\":\"\xFF\"}", "{\"a\":\"\xED\xA0\x80\"}", "{\"a\":NaN}",
        "{\"a\":\"\x01\"}", "{\"a\":1e999}", "\xEF\xBB\xBF{}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *object = NULL;
        struct base_err err = { 0 };
        if (base_json_parse(bad[i], strlen(bad[i]), 4096, &object, &err) != BASE_E_PROTO) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_null(object);
        assert_string_not_equal(err.message, "");
    }
    json_t *object = NULL;
    assert_int_equal(base_json_parse("{\"a\":1}\0", 8, 4096, &object, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_parse("{\"a\":1}", 7, 6, &object, NULL), BASE_E_PROTO);
    assert_null(object);
}

static void refuses_deep_text(void **state)
{
    (void)state;
    char text[2 * BASE_JSON_DEPTH_MAX + 16];
    for (int depth = BASE_JSON_DEPTH_MAX; depth <= BASE_JSON_DEPTH_MAX + 1; depth++) {
        size_t used = 0;
        memcpy(text, "{\"a\":", 5);
        used += 5;
        for (int i = 1; i < depth; i++) {
            text[used++] = '[';
        }
        for (int i = 1; i < depth; i++) {
            text[used++] = ']';
        }
        text[used++] = '}';
        json_t *object = NULL;
        enum base_status status = base_json_parse(text, used, 4096, &object, NULL);
        assert_int_equal(status, depth <= BASE_JSON_DEPTH_MAX ? BASE_OK : BASE_E_PROTO);
        json_decref(object);
    }
    /* Brackets in a text are no depth. */
    json_t *object = parsed("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[\\\"{{{{{{{{{{{{\"}");
    json_decref(object);
}

static void getters_refuse(void **state)
{
    (void)state;
    json_t *object = parsed("{\"n\":5,\"f\":1.5,\"t\":\"abc\",\"b\":true,\"z\":null,\"o\":{},"
                            "\"a\":[1,2],\"c\":\"a\\nb\",\"h\":\"0g\",\"s\":\"Zg=\",\"u\":"
                            "\"\\u009b3\",\"e\":\"\\u00e9\"}");
    const char *text = "kept";
    char copy[3] = "k";
    int64_t number = 42;
    bool flag = true;
    uint8_t data[4] = { 0xAA };
    size_t length = 42;
    json_t *value = NULL;
    static const char *const choices[] = { "x", "y" };
    struct base_err err = { 0 };
    assert_int_equal(base_json_get_text(object, "missing", 9, &text, &err), BASE_E_PROTO);
    assert_non_null(strstr(err.message, "missing"));
    assert_int_equal(base_json_get_text(object, "n", 9, &text, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_text(object, "z", 9, &text, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_text(object, "t", 2, &text, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_text(object, "c", 9, &text, NULL), BASE_E_PROTO);
    /* the control character CSI, which steers terminals as ESC [ does */
    assert_int_equal(base_json_get_text(object, "u", 9, &text, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_copy_text(object, "t", sizeof(copy), copy, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_int(object, "t", 0, 9, &number, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_int(object, "f", 0, 9, &number, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_int(object, "n", 6, 9, &number, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_int(object, "n", 0, 4, &number, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_bool(object, "n", &flag, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_hex(object, "h", 1, data, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_hex(object, "t", 2, data, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_base64(object, "s", 4, data, &length, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_object(object, "a", &value, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_array(object, "o", 9, &value, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_array(object, "a", 1, &value, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_get_choice(object, "t", choices, 2, &length, NULL), BASE_E_PROTO);
    assert_int_equal(base_json_only(object, (const char *const[]){ "n" }, 1, NULL), BASE_E_PROTO);
    assert_string_equal(text, "kept");
    assert_string_equal(copy, "k");
    assert_int_equal(number, 42);
    assert_int_equal(data[0], 0xAA);
    assert_int_equal(length, 42);
    assert_null(value);
    assert_int_equal(base_json_get_text(object, "e", 9, &text, NULL), BASE_OK);
    json_decref(object);
}

static void members_round_trip(void **state)
{
    (void)state;
    json_t *object = json_object();
    static const uint8_t bytes[] = { 0xDE, 0xAD, 0xBE };
    assert_int_equal(base_json_set_text(object, "t", "h\xC3\xA9", NULL), BASE_OK);
    assert_int_equal(base_json_set_int(object, "n", -BASE_JSON_INT_MAX, NULL), BASE_OK);
    assert_int_equal(base_json_set_bool(object, "b", false, NULL), BASE_OK);
    assert_int_equal(base_json_set_hex(object, "h", bytes, 3, NULL), BASE_OK);
    assert_int_equal(base_json_set_base64(object, "s", bytes, 3, NULL), BASE_OK);
    assert_int_equal(base_json_set_value(object, "o", json_object(), NULL), BASE_OK);
    assert_int_equal(base_json_set_text(object, "x", "\xFF", NULL), BASE_E_ARG);
    assert_int_equal(base_json_set_int(object, "x", BASE_JSON_INT_MAX + 1, NULL), BASE_E_ARG);
    assert_int_equal(base_json_set_value(object, "x", NULL, NULL), BASE_E_NOMEM);
    assert_int_equal(base_json_set_text(NULL, "x", "y", NULL), BASE_E_NOMEM);
    assert_false(base_json_has(object, "x"));
    assert_true(base_json_has(object, "t"));
    const char *text = NULL;
    char copy[4];
    int64_t number = 0;
    bool flag = true;
    uint8_t data[4];
    size_t length = 0;
    json_t *value = NULL;
    assert_int_equal(base_json_get_text(object, "t", 3, &text, NULL), BASE_OK);
    assert_string_equal(text, "h\xC3\xA9");
    assert_int_equal(base_json_copy_text(object, "t", sizeof(copy), copy, NULL), BASE_OK);
    assert_int_equal(base_json_get_int(object, "n", INT64_MIN, INT64_MAX, &number, NULL), BASE_OK);
    assert_int_equal(number, -BASE_JSON_INT_MAX);
    assert_int_equal(base_json_get_bool(object, "b", &flag, NULL), BASE_OK);
    assert_false(flag);
    assert_int_equal(base_json_get_hex(object, "h", 3, data, NULL), BASE_OK);
    assert_memory_equal(data, bytes, 3);
    assert_int_equal(base_json_get_base64(object, "s", 4, data, &length, NULL), BASE_OK);
    assert_int_equal(length, 3);
    assert_int_equal(base_json_get_object(object, "o", &value, NULL), BASE_OK);
    json_decref(object);
}

static void canonical_text(void **state)
{
    (void)state;
    json_t *object = parsed("{ \"b\" : [ 1, -2, true, null, { \"z\":\"q\\\"\\\\\\n\\u00e9\" } ],"
                            " \"a\" : {}, \"B\":\"/\" }");
    struct base_buf text;
    base_buf_init(&text, 4096);
    assert_int_equal(base_json_canonical(object, &text, NULL), BASE_OK);
    assert_string_equal(base_buf_text(&text),
        "{\"B\":\"/\",\"a\":{},\"b\":[1,-2,true,null,{\"z\":\"q\\\"\\\\\\n\xC3\xA9\"}]}");
    json_decref(object);
    static const char *const bad[] = { "{\"a\":1.5}", "{\"a\":9007199254740992}",
        "{\"\xC3\xA9\":1}", "{\"a\":\"\\u0001\"}", "{\"a\":[1,\"\\t\"]}" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct base_err err = { 0 };
        object = parsed(bad[i]);
        base_buf_clear(&text);
        assert_int_equal(base_json_canonical(object, &text, &err), BASE_E_ARG);
        assert_int_equal(text.length, 0);
        assert_string_not_equal(err.message, "");
        json_decref(object);
    }
    base_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_text),
        cmocka_unit_test(refuses_deep_text),
        cmocka_unit_test(getters_refuse),
        cmocka_unit_test(members_round_trip),
        cmocka_unit_test(canonical_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
