/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/base64.h"
#include "base/hex.h"

#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 256 /* members of one object that the canonical form sorts */

static enum base_status refuse(struct base_err *err, const char *name, const char *what)
{
    return base_err_set(err, BASE_E_PROTO, "JSON", 0, "JSON member \"%s\" %s", name, what);
}

/* jansson stops at 2048 levels only, deep enough to waste a stack. Brackets are counted outside of
 * strings; whether they fit together is the parser's business. */
static bool too_deep(const char *text, size_t length)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > BASE_JSON_DEPTH_MAX) {
                return true;
            }
        } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum base_status base_json_parse(
    const void *text, size_t length, size_t max_length, json_t **ret_object, struct base_err *err)
{
    if (length > max_length) {
        return base_err_set(err, BASE_E_PROTO, "JSON", (int64_t)length,
            "the JSON text of %zu bytes is longer than %zu", length, max_length);
    }
    if (too_deep(text, length)) {
        return base_err_set(err, BASE_E_PROTO, "JSON", BASE_JSON_DEPTH_MAX,
            "the JSON text is nested more than %d deep", BASE_JSON_DEPTH_MAX);
    }
    /* The library leaves the fault as it is where the first allocation fails. */
    json_error_t fault = { .text = "" };
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &fault);
    if (value == NULL &&
        (json_error_code(&fault) == json_error_out_of_memory || fault.text[0] == '\0')) {
        return base_err_set(err, BASE_E_NOMEM, "JSON", 0, "no memory for a JSON text");
    }
    if (value == NULL) {
        return base_err_set(err, BASE_E_PROTO, "JSON", fault.position,
            "the JSON text is malformed at byte %d: %s", fault.position, fault.text);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return base_err_set(err, BASE_E_PROTO, "JSON", 0, "the JSON text is not an object");
    }
    *ret_object = value;
    return BASE_OK;
}

static bool is_listed(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* jansson's iterators want a non-const object although they only read it. */
static json_t *unconst(const json_t *value)
{
    union {
        const json_t *in;
        json_t *out;
    } pass = { .in = value };

    return pass.out;
}

enum base_status base_json_only(
    const json_t *object, const char *const *names, size_t name_count, struct base_err *err)
{
    for (void *at = json_object_iter(unconst(object)); at != NULL;
         at = json_object_iter_next(unconst(object), at)) {
        const char *name = json_object_iter_key(at);
        if (!is_listed(name, names, name_count)) {
            return base_err_set(
                err, BASE_E_PROTO, "JSON", 0, "JSON member \"%.64s\" is not known", name);
        }
    }
    return BASE_OK;
}

bool base_json_has(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return value != NULL && !json_is_null(value);
}

static enum base_status get_string(const json_t *object, const char *name, size_t max_length,
    bool lines, const char **ret_text, struct base_err *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value)) {
        return refuse(err, name, value == NULL ? "is missing" : "is not a text");
    }
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (length > max_length) {
        return base_err_set(err, BASE_E_PROTO, "JSON", (int64_t)length,
            "JSON member \"%s\" has %zu bytes, more than %zu", name, length, max_length);
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        /* U+0080 … U+009F are C2 80 … C2 9F; the text is known to be UTF-8, so that one follows. */
        bool high = c == 0xC2 && (unsigned char)text[i + 1] < 0xA0;
        if ((c < 0x20 && !(lines && c == '\n')) || c == 0x7F || high) {
            return refuse(err, name, "holds control characters");
        }
    }
    *ret_text = text;
    return BASE_OK;
}

enum base_status base_json_get_text(const json_t *object, const char *name, size_t max_length,
    const char **ret_text, struct base_err *err)
{
    return get_string(object, name, max_length, false, ret_text, err);
}

enum base_status base_json_get_lines(const json_t *object, const char *name, size_t max_length,
    const char **ret_text, struct base_err *err)
{
    return get_string(object, name, max_length, true, ret_text, err);
}

enum base_status base_json_copy_text(
    const json_t *object, const char *name, size_t size, char *ret_text, struct base_err *err)
{
    const char *text = NULL;
    enum base_status status = get_string(object, name, size - 1, false, &text, err);
    if (status == BASE_OK) {
        memcpy(ret_text, text, strlen(text) + 1);
    }
    return status;
}

enum base_status base_json_get_int(const json_t *object, const char *name, int64_t min, int64_t max,
    int64_t *ret_value, struct base_err *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value)) {
        return refuse(err, name, value == NULL ? "is missing" : "is not a whole number");
    }
    int64_t number = json_integer_value(value);
    if (number < min || number > max) {
        return base_err_set(err, BASE_E_PROTO, "JSON", number,
            "JSON member \"%s\" is %lld, outside of %lld to %lld", name, (long long)number,
            (long long)min, (long long)max);
    }
    *ret_value = number;
    return BASE_OK;
}

enum base_status base_json_get_bool(
    const json_t *object, const char *name, bool *ret_value, struct base_err *err)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_boolean(value)) {
        return refuse(err, name, value == NULL ? "is missing" : "is not true or false");
    }
    *ret_value = json_is_true(value);
    return BASE_OK;
}

enum base_status base_json_get_hex(
    const json_t *object, const char *name, size_t length, uint8_t *ret_data, struct base_err *err)
{
    const char *text = NULL;
    enum base_status status = get_string(object, name, 2 * length, false, &text, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_hex_decode(text, length, ret_data, NULL) != BASE_OK) {
        return base_err_set(err, BASE_E_PROTO, "JSON", (int64_t)length,
            "JSON member \"%s\" is not %zu hexadecimal digits", name, 2 * length);
    }
    return BASE_OK;
}

enum base_status base_json_get_base64(const json_t *object, const char *name, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err)
{
    const char *text = NULL;
    enum base_status status =
        get_string(object, name, BASE_BASE64_SIZE(size) - 1, false, &text, err);
    if (status != BASE_OK) {
        return status;
    }
    if (base_base64_decode(text, strlen(text), size, ret_data, ret_length, NULL) != BASE_OK) {
        return base_err_set(err, BASE_E_PROTO, "JSON", (int64_t)size,
            "JSON member \"%s\" is not base64 of at most %zu bytes", name, size);
    }
    return BASE_OK;
}

enum base_status base_json_get_object(
    const json_t *object, const char *name, json_t **ret_value, struct base_err *err)
{
    json_t *value = json_object_get(object, name);
    if (!json_is_object(value)) {
        return refuse(err, name, value == NULL ? "is missing" : "is not an object");
    }
    *ret_value = value;
    return BASE_OK;
}

enum base_status base_json_get_array(const json_t *object, const char *name, size_t max_count,
    json_t **ret_value, struct base_err *err)
{
    json_t *value = json_object_get(object, name);
    if (!json_is_array(value)) {
        return refuse(err, name, value == NULL ? "is missing" : "is not an array");
    }
    if (json_array_size(value) > max_count) {
        return base_err_set(err, BASE_E_PROTO, "JSON", (int64_t)json_array_size(value),
            "JSON member \"%s\" has %zu elements, more than %zu", name, json_array_size(value),
            max_count);
    }
    *ret_value = value;
    return BASE_OK;
}

enum base_status base_json_get_choice(const json_t *object, const char *name,
    const char *const *choices, size_t choice_count, size_t *ret_index, struct base_err *err)
{
    const char *text = NULL;
    enum base_status status = get_string(object, name, 64, false, &text, err);
    if (status != BASE_OK) {
        return status;
    }
    for (size_t i = 0; i < choice_count; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *ret_index = i;
            return BASE_OK;
        }
    }
    return base_err_set(err, BASE_E_PROTO, "JSON", 0,
        "JSON member \"%s\" has the unknown value \"%s\"", name, text);
}

enum base_status base_json_set_value(
    json_t *object, const char *name, json_t *value, struct base_err *err)
{
    /* Takes over the value in every case; NULL for either gives -1. */
    if (json_object_set_new(object, name, value) != 0) {
        return base_err_set(err, BASE_E_NOMEM, "JSON", 0, "no memory for JSON member \"%s\"", name);
    }
    return BASE_OK;
}

enum base_status base_json_set_text(
    json_t *object, const char *name, const char *text, struct base_err *err)
{
    json_t *value = json_string(text);
    if (value == NULL) {
        return base_err_set(err, BASE_E_ARG, "JSON", 0,
            "the text of JSON member \"%s\" is not UTF-8, or there is no memory", name);
    }
    return base_json_set_value(object, name, value, err);
}

enum base_status base_json_set_int(
    json_t *object, const char *name, int64_t value, struct base_err *err)
{
    if (value > BASE_JSON_INT_MAX || value < -BASE_JSON_INT_MAX) {
        return base_err_set(err, BASE_E_ARG, "JSON", value,
            "JSON member \"%s\" cannot carry the number %lld exactly", name, (long long)value);
    }
    return base_json_set_value(object, name, json_integer(value), err);
}

enum base_status base_json_set_bool(
    json_t *object, const char *name, bool value, struct base_err *err)
{
    return base_json_set_value(object, name, json_boolean(value), err);
}

/* Both encodings are ASCII, so a failure can only be a lack of memory. */
static enum base_status set_encoded(
    json_t *object, const char *name, char *text, struct base_err *err)
{
    json_t *value = text == NULL ? NULL : json_string_nocheck(text);
    free(text);
    return base_json_set_value(object, name, value, err);
}

enum base_status base_json_set_hex(
    json_t *object, const char *name, const void *data, size_t length, struct base_err *err)
{
    char *text = malloc(2 * length + 1);
    if (text != NULL) {
        base_hex_encode(data, length, text);
    }
    return set_encoded(object, name, text, err);
}

enum base_status base_json_set_base64(
    json_t *object, const char *name, const void *data, size_t length, struct base_err *err)
{
    char *text = malloc(BASE_BASE64_SIZE(length));
    if (text != NULL) {
        base_base64_encode(data, length, text);
    }
    return set_encoded(object, name, text, err);
}

static enum base_status not_canonical(struct base_err *err, const char *what)
{
    return base_err_set(err, BASE_E_ARG, "JSON", 0, "canonical JSON does not take %s here", what);
}

static enum base_status put(struct base_buf *to, const char *text, struct base_err *err)
{
    return base_buf_append(to, text, strlen(text), err);
}

/* RFC 8785 §3.2.2.2 for text without control characters other than newline. */
static enum base_status put_string(
    struct base_buf *to, const char *text, size_t length, struct base_err *err)
{
    enum base_status status = put(to, "\"", err);
    size_t start = 0;
    for (size_t i = 0; i <= length && status == BASE_OK; i++) {
        unsigned char c = i < length ? (unsigned char)text[i] : '"';
        if (i < length && ((c < 0x20 && c != '\n') || c == 0x7F)) {
            return not_canonical(err, "control characters");
        }
        if (c != '"' && c != '\\' && c != '\n') {
            continue;
        }
        status = base_buf_append(to, text + start, i - start, err);
        start = i + 1;
        if (status == BASE_OK) {
            status = put(to,
                i == length ? "\""
                : c == '\n' ? "\\n"
                : c == '"'  ? "\\\""
                            : "\\\\",
                err);
        }
    }
    return status;
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

/* Names in order of their UTF-16 code units, which for printable ASCII is that of their bytes. */
static enum base_status sort_names(
    const json_t *object, const char *names[NAMES_MAX], size_t *ret_count, struct base_err *err)
{
    size_t count = 0;
    for (void *at = json_object_iter(unconst(object)); at != NULL;
         at = json_object_iter_next(unconst(object), at)) {
        const char *name = json_object_iter_key(at);
        for (const char *c = name; *c != '\0'; c++) {
            if (*c < 0x20 || *c >= 0x7F) {
                return not_canonical(err, "names beyond printable ASCII");
            }
        }
        if (count == NAMES_MAX) {
            return not_canonical(err, "more than 256 members");
        }
        names[count++] = name;
    }
    qsort(names, count, sizeof(names[0]), compare_names);
    *ret_count = count;
    return BASE_OK;
}

static enum base_status put_value(
    const json_t *value, unsigned depth, struct base_buf *to, struct base_err *err);

static enum base_status put_object(
    const json_t *object, unsigned depth, struct base_buf *to, struct base_err *err)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    enum base_status status = sort_names(object, names, &count, err);
    if (status == BASE_OK) {
        status = put(to, "{", err);
    }
    for (size_t i = 0; i < count && status == BASE_OK; i++) {
        status = i == 0 ? BASE_OK : put(to, ",", err);
        if (status == BASE_OK) {
            status = put_string(to, names[i], strlen(names[i]), err);
        }
        if (status == BASE_OK) {
            status = put(to, ":", err);
        }
        if (status == BASE_OK) {
            status = put_value(json_object_get(object, names[i]), depth + 1, to, err);
        }
    }
    return status == BASE_OK ? put(to, "}", err) : status;
}

static enum base_status put_array(
    const json_t *array, unsigned depth, struct base_buf *to, struct base_err *err)
{
    enum base_status status = put(to, "[", err);
    for (size_t i = 0; i < json_array_size(array) && status == BASE_OK; i++) {
        status = i == 0 ? BASE_OK : put(to, ",", err);
        if (status == BASE_OK) {
            status = put_value(json_array_get(array, i), depth + 1, to, err);
        }
    }
    return status == BASE_OK ? put(to, "]", err) : status;
}

static enum base_status put_number(int64_t number, struct base_buf *to, struct base_err *err)
{
    if (number > BASE_JSON_INT_MAX || number < -BASE_JSON_INT_MAX) {
        return not_canonical(err, "numbers beyond 2^53 - 1");
    }
    return base_buf_printf(to, err, "%lld", (long long)number);
}

/* Recursion ends at BASE_JSON_DEPTH_MAX levels. */
static enum base_status put_value(
    const json_t *value, unsigned depth, struct base_buf *to, struct base_err *err)
{
    if (value == NULL || depth > BASE_JSON_DEPTH_MAX) {
        return not_canonical(err, "so deep a value");
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return put_object(value, depth, to, err);
    case JSON_ARRAY:
        return put_array(value, depth, to, err);
    case JSON_STRING:
        return put_string(to, json_string_value(value), json_string_length(value), err);
    case JSON_INTEGER:
        return put_number(json_integer_value(value), to, err);
    case JSON_TRUE:
        return put(to, "true", err);
    case JSON_FALSE:
        return put(to, "false", err);
    case JSON_NULL:
        return put(to, "null", err);
    case JSON_REAL:
    default:
        return not_canonical(err, "numbers with a fraction");
    }
}

enum base_status base_json_canonical(
    const json_t *value, struct base_buf *text, struct base_err *err)
{
    size_t before = text->length;
    enum base_status status = put_value(value, 1, text, err);
    if (status != BASE_OK) {
        text->length = before;
    }
    return status;
}
