/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

/**
 * @file
 * The one list of outcomes of fallible host functions.
 *
 * The categories say what a caller can do about a failure, not which module it happened in. The
 * list is append-only: numeric values appear in logs and journals.
 */

#include <stdbool.h>

#define BASE_MUST_CHECK __attribute__((warn_unused_result))

/** X(name, text, process exit code, may the caller retry the same call?) */
#define BASE_STATUS_LIST(X)                                                                        \
    X(OK, "ok", 0, false)                                                                          \
    X(E_ARG, "bad argument", 2, false)                                                             \
    X(E_NOMEM, "out of memory", 2, true)                                                           \
    X(E_CONFIG, "bad configuration", 2, false)                                                     \
    X(E_NOTFOUND, "not found", 2, false)                                                           \
    X(E_EXISTS, "exists already", 2, false)                                                        \
    X(E_BUSY, "busy", 3, true)                                                                     \
    X(E_TIMEOUT, "timed out", 3, true)                                                             \
    X(E_CANCELLED, "cancelled", 1, true)                                                           \
    X(E_IO, "local file or system error", 2, false)                                                \
    X(E_PROTO, "protocol error", 3, false)                                                         \
    X(E_LINK, "link lost", 3, true)                                                                \
    X(E_TARGET, "target refused", 3, false)                                                        \
    X(E_LOCKED, "target locked", 3, false)                                                         \
    X(E_VERIFY, "verification failed", 5, false)                                                   \
    X(E_DENIED, "denied", 4, false)                                                                \
    X(E_EXPIRED, "expired", 4, false)                                                              \
    X(E_REMOTE, "KMS or network failure", 6, true)                                                 \
    X(E_CORRUPT, "corrupt data", 5, false)                                                         \
    X(E_UNSUPPORTED, "not supported", 2, false)                                                    \
    X(E_INTERNAL, "internal error", 5, false)                                                      \
    X(E_AUDIT, "audit log refuses", 7, false)

enum base_status {
#define X(name, text, exit_code, retry) BASE_##name,
    BASE_STATUS_LIST(X)
#undef X
    BASE_STATUS_COUNT
};

/** Stable short name, for example "E_TIMEOUT"; "E_UNKNOWN" for a value outside the list. Static
 * storage. */
const char *base_status_name(enum base_status status);

/** Human text, for example "timed out". Static storage. */
const char *base_status_text(enum base_status status);

/** Exit code of DESIGN §7 (0 … 7) that a program ends with for this status. */
int base_status_exit_code(enum base_status status);

/** True when the same call may succeed later without any other change. */
bool base_status_may_retry(enum base_status status);

#endif
