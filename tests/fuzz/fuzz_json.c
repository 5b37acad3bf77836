/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: JSON text, typed getters, canonical form. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "base/json.h"

static void use_getters(const json_t *object)
{
    static const char *const choices[] = { "tofu", "manifest" };
    const char *text = NULL;
    char copy[16];
    int64_t number = 0;
    bool flag = false;
    uint8_t bytes[32];
    size_t length = 0;
    json_t *value = NULL;
    struct base_err err = { 0 };
    FUZZ_CHECK(base_json_get_text(object, "a", 8, &text, &err) != BASE_OK || strlen(text) <= 8);
    FUZZ_CHECK(base_json_copy_text(object, "a", sizeof(copy), copy, &err) != BASE_OK ||
               strlen(copy) < sizeof(copy));
    FUZZ_CHECK(base_json_get_int(object, "a", -5, 5, &number, &err) != BASE_OK ||
               (number >= -5 && number <= 5));
    (void)!base_json_get_bool(object, "a", &flag, &err);
    (void)!base_json_get_hex(object, "a", sizeof(bytes), bytes, &err);
    FUZZ_CHECK(base_json_get_base64(object, "a", sizeof(bytes), bytes, &length, &err) != BASE_OK ||
               length <= sizeof(bytes));
    (void)!base_json_get_array(object, "a", 4, &value, &err);
    (void)!base_json_get_object(object, "a", &value, &err);
    (void)!base_json_get_choice(object, "a", choices, 2, &length, &err);
    (void)!base_json_get_lines(object, "a", 100, &text, &err);
    (void)!base_json_only(object, choices, 2, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *object = NULL;
    struct base_err err = { 0 };
    if (base_json_parse(data, size, 65536, &object, &err) != BASE_OK) {
        FUZZ_CHECK(err.message[0] != '\0' && object == NULL);
        return 0;
    }
    use_getters(object);
    struct base_buf once;
    struct base_buf twice;
    base_buf_init(&once, 1U << 20);
    base_buf_init(&twice, 1U << 20);
    if (base_json_canonical(object, &once, NULL) == BASE_OK) {
        json_t *again = NULL;
        FUZZ_CHECK(base_json_parse(once.data, once.length, 1U << 20, &again, NULL) == BASE_OK);
        FUZZ_CHECK(json_equal(object, again) == 1);
        FUZZ_CHECK(base_json_canonical(again, &twice, NULL) == BASE_OK);
        FUZZ_CHECK(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0);
        json_decref(again);
    }
    base_buf_done(&once);
    base_buf_done(&twice);
    json_decref(object);
    return 0;
}
