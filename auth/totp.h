/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_TOTP_H
#define AUTH_TOTP_H

/**
 * @file
 * Time-based one-time passwords (RFC 6238) on liboath. Stateless: remembering the last accepted
 * step, and counting failures, is the caller's work.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define AUTH_TOTP_STEP_SECONDS 30
#define AUTH_TOTP_DIGITS       6
#define AUTH_TOTP_SECRET_SIZE  20 /**< bytes of a secret made here (RFC 4226 §4: 160 bits) */
#define AUTH_TOTP_WINDOW       1  /**< steps either way that are accepted (RFC 6238 §5.2) */
#define AUTH_TOTP_DRIFT_STEPS  20 /**< ±10 minutes: how far a clock is looked for that is off */

enum auth_totp_hash {
    AUTH_TOTP_SHA1 = 1, /**< what every authenticator understands */
    AUTH_TOTP_SHA256 = 2,
    AUTH_TOTP_SHA512 = 3,
};

enum auth_totp_result {
    AUTH_TOTP_WRONG = 1,
    AUTH_TOTP_MATCH = 2,     /**< within the window */
    AUTH_TOTP_CLOCK_OFF = 3, /**< right at another time within the drift range */
};

/**
 * The code of one step as text.
 *
 * @param digits        6, 7 or 8
 * @param[out] ret_code digits and a NUL; at least digits + 1 bytes
 * @return BASE_OK; BASE_E_ARG; BASE_E_INTERNAL (liboath, detail = its code)
 */
BASE_MUST_CHECK
enum base_status auth_totp_code(const uint8_t *secret, size_t secret_length, uint64_t step,
    enum auth_totp_hash hash, unsigned digits, char *ret_code, struct base_err *err);

/**
 * Look a six-digit code up around the present step. Every step of the range is computed and
 * compared in constant time, whether or not one matched already. The nearest match wins.
 *
 * @param code          text, NUL-terminated; anything but six digits is WRONG
 * @param now_seconds   Unix time by the clock that decides, >= 0
 * @param[out] ret_step matched step (MATCH and CLOCK_OFF only)
 */
BASE_MUST_CHECK
enum base_status auth_totp_check(const uint8_t *secret, size_t secret_length, const char *code,
    int64_t now_seconds, enum auth_totp_result *ret_result, uint64_t *ret_step,
    struct base_err *err);

/** Base32 (RFC 4648) without padding, as otpauth URIs want it; size at least length * 8 / 5 + 2. */
BASE_MUST_CHECK
enum base_status auth_totp_base32(
    const uint8_t *secret, size_t secret_length, size_t size, char *ret_text, struct base_err *err);

#endif
