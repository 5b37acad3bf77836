/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

/**
 * @file
 * JSON in and out with limits (jansson): strict parsing, typed getters that say in a sentence what
 * is wrong, setters, and the canonical form that is hashed and signed.
 *
 * Getters give BASE_E_PROTO for a member that is missing, of another type or out of range; `name`
 * is a literal. Outputs are written on success only. Use json_auto_t for values you own.
 */

#include "base/buf.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define BASE_JSON_DEPTH_MAX 16
#define BASE_JSON_INT_MAX   INT64_C(9007199254740991) /**< 2^53 - 1 (RFC 8785, I-JSON) */

/**
 * Parse one JSON object: UTF-8, no duplicate names, nothing after it, no NUL character, nested at
 * most BASE_JSON_DEPTH_MAX deep.
 *
 * @param max_length  longer text is refused unread
 * @param[out] ret_object  owned by the caller
 *
 * @return BASE_OK; BASE_E_PROTO with the place of the fault; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status base_json_parse(
    const void *text, size_t length, size_t max_length, json_t **ret_object, struct base_err *err);

/** BASE_E_PROTO naming the first member of @p object that is not in @p names. */
BASE_MUST_CHECK
enum base_status base_json_only(
    const json_t *object, const char *const *names, size_t name_count, struct base_err *err);

/** True when the member is there and not null. */
bool base_json_has(const json_t *object, const char *name);

/** Borrowed text of 0 … max_length bytes without control characters. */
BASE_MUST_CHECK
enum base_status base_json_get_text(const json_t *object, const char *name, size_t max_length,
    const char **ret_text, struct base_err *err);

/** Text copied into @p size bytes with its NUL. */
BASE_MUST_CHECK
enum base_status base_json_copy_text(
    const json_t *object, const char *name, size_t size, char *ret_text, struct base_err *err);

/** As base_json_get_text(), newlines allowed (notes). */
BASE_MUST_CHECK
enum base_status base_json_get_lines(const json_t *object, const char *name, size_t max_length,
    const char **ret_text, struct base_err *err);

/** Whole number, min … max. */
BASE_MUST_CHECK
enum base_status base_json_get_int(const json_t *object, const char *name, int64_t min, int64_t max,
    int64_t *ret_value, struct base_err *err);

BASE_MUST_CHECK
enum base_status base_json_get_bool(
    const json_t *object, const char *name, bool *ret_value, struct base_err *err);

/** Exactly @p length bytes written as hexadecimal digits. */
BASE_MUST_CHECK
enum base_status base_json_get_hex(
    const json_t *object, const char *name, size_t length, uint8_t *ret_data, struct base_err *err);

/** 0 … size bytes written as strict base64. */
BASE_MUST_CHECK
enum base_status base_json_get_base64(const json_t *object, const char *name, size_t size,
    uint8_t *ret_data, size_t *ret_length, struct base_err *err);

/** Borrowed object or array of at most max_count elements. */
BASE_MUST_CHECK
enum base_status base_json_get_object(
    const json_t *object, const char *name, json_t **ret_value, struct base_err *err);
BASE_MUST_CHECK
enum base_status base_json_get_array(const json_t *object, const char *name, size_t max_count,
    json_t **ret_value, struct base_err *err);

/** One of @p choices by its text; gives the index. */
BASE_MUST_CHECK
enum base_status base_json_get_choice(const json_t *object, const char *name,
    const char *const *choices, size_t choice_count, size_t *ret_index, struct base_err *err);

/* Setters: BASE_E_NOMEM, or BASE_E_ARG for text that is not UTF-8 or a number beyond
 * BASE_JSON_INT_MAX. A NULL object gives BASE_E_NOMEM, so a chain needs one check. */
BASE_MUST_CHECK
enum base_status base_json_set_text(
    json_t *object, const char *name, const char *text, struct base_err *err);
BASE_MUST_CHECK
enum base_status base_json_set_int(
    json_t *object, const char *name, int64_t value, struct base_err *err);
BASE_MUST_CHECK
enum base_status base_json_set_bool(
    json_t *object, const char *name, bool value, struct base_err *err);
BASE_MUST_CHECK
enum base_status base_json_set_hex(
    json_t *object, const char *name, const void *data, size_t length, struct base_err *err);
BASE_MUST_CHECK
enum base_status base_json_set_base64(
    json_t *object, const char *name, const void *data, size_t length, struct base_err *err);
/** Takes over @p value, also on failure; a NULL value is BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status base_json_set_value(
    json_t *object, const char *name, json_t *value, struct base_err *err);

/**
 * Append the canonical text (RFC 8785) of a value: no white space, names sorted, shortest escapes.
 *
 * Restricted to what we write, so that the order of names and the form of numbers cannot be argued
 * about: names are printable ASCII, numbers are whole and within ± BASE_JSON_INT_MAX, text holds no
 * control characters other than newline.
 *
 * @return BASE_OK; BASE_E_ARG for anything beyond that; BASE_E_NOMEM. On failure @p text holds what
 * it held before.
 */
BASE_MUST_CHECK
enum base_status base_json_canonical(
    const json_t *value, struct base_buf *text, struct base_err *err);

#endif
