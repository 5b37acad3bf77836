/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/unit.h"

#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *lpa_state_name(enum lpa_state state)
{
    static const char *const names[] = { "blank", "programmed", "rehearsed", "restricted",
        "identified", "personalised", "granted", "installed", "confirmed", "locked", "scrapped" };
    return (size_t)state < COUNT(names) ? names[state] : "unknown";
}

const char *lpa_step_name(enum lpa_step_id step)
{
    static const char *const names[] = { "-", "examine", "boot", "receipt", "confirm", "admit",
        "program", "rehearse", "restrict", "identify", "register", "grant", "install", "lock",
        "finish" };
    return (size_t)step < COUNT(names) ? names[step] : "unknown";
}

const char *lpa_result_name(enum lpa_result result)
{
    static const char *const names[] = { "-", "PASS", "FAIL", "ERROR", "UNKNOWN" };
    return (size_t)result < COUNT(names) ? names[result] : "unknown";
}
