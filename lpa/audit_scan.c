/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a record: one pass, no allocation, hostile input. */
#include "base/base64.h"
#include "base/hex.h"
#include "lpa/audit_record.h"

#include <stddef.h>
#include <string.h>

#define NUMBER_DIGITS_MAX 16 /* 2^53 - 1 = 9007199254740991 */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct scanner {
    const char *data;
    size_t length;
    size_t at;
    size_t next_field; /**< the list is in canonical order, so a search never goes back */
    struct lpa_audit_fields *fields;
};

struct path {
    const char *text;
    size_t offset;
};

static const struct path paths[] = {
#define X(member, text) { text, offsetof(struct lpa_audit_fields, member) },
    LPA_AUDIT_FIELD_LIST(X)
#undef X
};

static bool take(struct scanner *s, char wanted)
{
    if (s->at < s->length && s->data[s->at] == wanted) {
        s->at++;
        return true;
    }
    return false;
}

/* Text between quotes; only the two escapes that printable ASCII needs. */
static bool take_string(struct scanner *s, struct lpa_span *ret_span)
{
    if (!take(s, '"')) {
        return false;
    }
    size_t start = s->at;
    while (s->at < s->length && s->data[s->at] != '"') {
        unsigned char c = (unsigned char)s->data[s->at];
        if (c < 0x20 || c > 0x7E) {
            return false;
        }
        if (c == '\\') {
            s->at++;
            if (s->at >= s->length || (s->data[s->at] != '"' && s->data[s->at] != '\\')) {
                return false;
            }
        }
        s->at++;
    }
    ret_span->data = s->data + start;
    ret_span->length = s->at - start;
    return take(s, '"');
}

static bool is_digit(const struct scanner *s, size_t at)
{
    return at < s->length && s->data[at] >= '0' && s->data[at] <= '9';
}

static bool take_number(struct scanner *s, struct lpa_span *ret_span)
{
    size_t start = s->at;
    bool negative = take(s, '-');
    size_t first = s->at;
    while (is_digit(s, s->at) && s->at - first <= NUMBER_DIGITS_MAX) {
        s->at++;
    }
    size_t digits = s->at - first;
    bool leading_zero = digits > 0 && s->data[first] == '0' && (digits > 1 || negative);
    if (digits == 0 || digits > NUMBER_DIGITS_MAX || leading_zero) {
        return false;
    }
    ret_span->data = s->data + start;
    ret_span->length = s->at - start;
    return true;
}

static bool store(
    struct scanner *s, struct lpa_span group, struct lpa_span name, struct lpa_span value)
{
    for (size_t i = s->next_field; i < COUNT(paths); i++) {
        const char *text = paths[i].text;
        size_t length = strlen(text);
        size_t wanted = group.length == 0 ? name.length : group.length + 1 + name.length;
        if (length != wanted) {
            continue;
        }
        bool same = group.length == 0
                        ? memcmp(text, name.data, name.length) == 0
                        : memcmp(text, group.data, group.length) == 0 &&
                              text[group.length] == '.' &&
                              memcmp(text + group.length + 1, name.data, name.length) == 0;
        if (same) {
            memcpy((char *)s->fields + paths[i].offset, &value, sizeof(value));
            s->next_field = i + 1;
            return true;
        }
    }
    return false;
}

static bool scan_members(struct scanner *s, struct lpa_span group);

static bool scan_value(struct scanner *s, struct lpa_span group, struct lpa_span name)
{
    struct lpa_span value = { 0 };
    if (s->at >= s->length) {
        return false;
    }
    char c = s->data[s->at];
    if (c == '{') {
        /* One level of nesting is all there is. */
        return group.length == 0 && scan_members(s, name);
    }
    if (c == '"') {
        return take_string(s, &value) && store(s, group, name, value);
    }
    return take_number(s, &value) && store(s, group, name, value);
}

/* RFC 8785 order of printable ASCII names is byte order. */
static bool ascends(struct lpa_span before, struct lpa_span name)
{
    size_t shorter = before.length < name.length ? before.length : name.length;
    int order = before.data == NULL ? -1 : memcmp(before.data, name.data, shorter);
    return order < 0 || (order == 0 && before.length < name.length);
}

static bool scan_members(struct scanner *s, struct lpa_span group)
{
    struct lpa_span before = { 0 };
    if (!take(s, '{')) {
        return false;
    }
    do {
        struct lpa_span name = { 0 };
        if (!take_string(s, &name) || !ascends(before, name) || !take(s, ':') ||
            !scan_value(s, group, name)) {
            return false;
        }
        before = name;
    } while (take(s, ','));
    return take(s, '}');
}

enum base_status lpa_audit_record_scan(
    const char *record, size_t length, struct lpa_audit_fields *ret_fields, struct base_err *err)
{
    struct lpa_audit_fields fields = { 0 };
    struct scanner s = { .data = record, .length = length, .fields = &fields };
    struct lpa_span top = { 0 };
    if (length > LPA_AUDIT_RECORD_MAX || !scan_members(&s, top) || s.at != length) {
        return base_err_set(err, BASE_E_CORRUPT, "log", (int64_t)s.at,
            "not a canonical log record: fault at byte %zu of %zu", s.at, length);
    }
    *ret_fields = fields;
    return BASE_OK;
}

bool lpa_span_is(struct lpa_span span, const char *text)
{
    size_t length = strlen(text);
    return span.data != NULL && span.length == length && memcmp(span.data, text, length) == 0;
}

bool lpa_span_number(struct lpa_span span, uint64_t *ret_value)
{
    if (span.data == NULL || span.length == 0 || span.length > NUMBER_DIGITS_MAX) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < span.length; i++) {
        if (span.data[i] < '0' || span.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(span.data[i] - '0');
    }
    if (value > (UINT64_C(1) << 53) - 1) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool lpa_span_hash(struct lpa_span span, uint8_t ret_hash[32])
{
    uint8_t hash[32];
    size_t length = 0;
    if (span.data == NULL ||
        base_base64url_decode(span.data, span.length, sizeof(hash), hash, &length, NULL) !=
            BASE_OK ||
        length != sizeof(hash)) {
        return false;
    }
    memcpy(ret_hash, hash, sizeof(hash));
    return true;
}

bool lpa_span_hex(struct lpa_span span, size_t length, uint8_t *ret_data)
{
    char text[65];
    if (span.data == NULL || span.length != 2 * length || span.length >= sizeof(text)) {
        return false;
    }
    memcpy(text, span.data, span.length);
    text[span.length] = '\0';
    return base_hex_decode(text, length, ret_data, NULL) == BASE_OK;
}

void lpa_span_text(struct lpa_span span, size_t size, char *ret_text)
{
    size_t out = 0;
    for (size_t i = 0; span.data != NULL && i < span.length && out + 1 < size; i++) {
        if (span.data[i] == '\\' && i + 1 < span.length) {
            i++;
        }
        ret_text[out++] = span.data[i];
    }
    ret_text[out] = '\0';
}
