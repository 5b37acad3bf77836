/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/totp.h"

#include <ctype.h>
#include <string.h>

#include <liboath/oath.h>

#include "base/secret.h"

enum base_status auth_totp_code(const uint8_t *secret, size_t secret_length, uint64_t step,
    enum auth_totp_hash hash, unsigned digits, char *ret_code, struct base_err *err)
{
    int flags = 0;
    switch (hash) {
    case AUTH_TOTP_SHA1:
        break;
    case AUTH_TOTP_SHA256:
        flags = OATH_TOTP_HMAC_SHA256;
        break;
    case AUTH_TOTP_SHA512:
        flags = OATH_TOTP_HMAC_SHA512;
        break;
    default:
        return base_err_set(err, BASE_E_ARG, "TOTP", (int64_t)hash, "unknown TOTP hash");
    }
    if (secret == NULL || secret_length == 0 || digits < 6 || digits > 8 ||
        step > (uint64_t)INT64_MAX / AUTH_TOTP_STEP_SECONDS) {
        return base_err_set(err, BASE_E_ARG, "TOTP", digits,
            "a TOTP code needs a secret and 6 to 8 digits, not %u digits", digits);
    }
    char text[9];
    /* liboath takes the secret as char * and does not write through it. */
    int result = oath_totp_generate2((const char *)secret, secret_length,
        (time_t)(step * AUTH_TOTP_STEP_SECONDS), AUTH_TOTP_STEP_SECONDS, 0, digits, flags, text);
    if (result != OATH_OK) {
        return base_err_set(err, BASE_E_INTERNAL, "TOTP", result, "cannot compute a TOTP code: %s",
            oath_strerror(result));
    }
    memcpy(ret_code, text, digits + 1U);
    base_wipe(text, sizeof(text));
    return BASE_OK;
}

static bool six_digits(const char *code)
{
    if (code == NULL || strnlen(code, AUTH_TOTP_DIGITS + 1) != AUTH_TOTP_DIGITS) {
        return false;
    }
    for (const char *c = code; *c != '\0'; c++) {
        if (!isdigit((unsigned char)*c)) {
            return false;
        }
    }
    return true;
}

/* 0, -1, 1, -2, 2, … so that the nearest match comes first. */
static int64_t nth_offset(int n)
{
    return (n % 2 == 0) ? n / 2 : -(int64_t)((n + 1) / 2);
}

enum base_status auth_totp_check(const uint8_t *secret, size_t secret_length, const char *code,
    int64_t now_seconds, enum auth_totp_result *ret_result, uint64_t *ret_step,
    struct base_err *err)
{
    if (now_seconds < 0 || secret == NULL || secret_length == 0) {
        return base_err_set(err, BASE_E_ARG, "TOTP", now_seconds,
            "cannot check a TOTP code without a secret or before 1970");
    }
    if (!six_digits(code)) {
        *ret_result = AUTH_TOTP_WRONG;
        return BASE_OK;
    }
    int64_t now_step = now_seconds / AUTH_TOTP_STEP_SECONDS;
    bool found = false;
    int64_t found_offset = 0;
    for (int n = 0; n <= 2 * AUTH_TOTP_DRIFT_STEPS; n++) {
        int64_t offset = nth_offset(n);
        if (now_step + offset < 0) {
            continue;
        }
        char expected[AUTH_TOTP_DIGITS + 1];
        enum base_status status = auth_totp_code(secret, secret_length,
            (uint64_t)(now_step + offset), AUTH_TOTP_SHA1, AUTH_TOTP_DIGITS, expected, err);
        if (status != BASE_OK) {
            return status;
        }
        bool same = base_equal_ct(expected, code, AUTH_TOTP_DIGITS);
        base_wipe(expected, sizeof(expected));
        if (same && !found) {
            found = true;
            found_offset = offset;
        }
    }
    if (!found) {
        *ret_result = AUTH_TOTP_WRONG;
        return BASE_OK;
    }
    *ret_step = (uint64_t)(now_step + found_offset);
    *ret_result = (found_offset >= -AUTH_TOTP_WINDOW && found_offset <= AUTH_TOTP_WINDOW)
                      ? AUTH_TOTP_MATCH
                      : AUTH_TOTP_CLOCK_OFF;
    return BASE_OK;
}

enum base_status auth_totp_base32(
    const uint8_t *secret, size_t secret_length, size_t size, char *ret_text, struct base_err *err)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    size_t needed = (secret_length * 8 + 4) / 5;
    if (secret == NULL || secret_length == 0 || size < needed + 1) {
        return base_err_set(
            err, BASE_E_ARG, "TOTP", (int64_t)size, "no room for %zu characters", needed);
    }
    uint32_t bits = 0;
    unsigned count = 0;
    size_t out = 0;
    for (size_t i = 0; i < secret_length; i++) {
        bits = (bits << 8) | secret[i];
        count += 8;
        while (count >= 5) {
            count -= 5;
            ret_text[out++] = alphabet[(bits >> count) & 31U];
        }
        bits &= (1U << count) - 1U;
    }
    if (count > 0) {
        ret_text[out++] = alphabet[(bits << (5 - count)) & 31U];
    }
    ret_text[out] = '\0';
    return BASE_OK;
}
