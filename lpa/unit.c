/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/unit.h"

#include "programmer/link.h"

#include <stddef.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *lpa_state_name(enum lpa_state state)
{
    static const char *const names[] = { "blank", "programmed", "rehearsed", "restricted",
        "identified", "personalised", "granted", "installed", "confirmed", "locked", "scrapped",
        "zeroised", "wiped", "forgotten" };
    return (size_t)state < COUNT(names) ? names[state] : "unknown";
}

const char *lpa_step_name(enum lpa_step_id step)
{
    static const char *const names[] = { "-", "examine", "boot", "receipt", "confirm", "admit",
        "program", "rehearse", "restrict", "identify", "register", "grant", "install", "lock",
        "finish", "seal", "prove", "report", "self-test", "application", "wipe", "forget" };
    return (size_t)step < COUNT(names) ? names[step] : "unknown";
}

const char *lpa_lock_name(enum lpa_lock lock)
{
    static const char *const names[] = { "-", "unknown", "answered", "proven", "reported", "done",
        "settled" };
    return (size_t)lock < COUNT(names) ? names[lock] : "unknown";
}

const char *lpa_result_name(enum lpa_result result)
{
    static const char *const names[] = { "-", "PASS", "FAIL", "ERROR", "UNKNOWN" };
    return (size_t)result < COUNT(names) ? names[result] : "unknown";
}

static void copy_text(char ret_text[LPA_PROBE_TEXT_SIZE], const char *text)
{
    (void)snprintf(ret_text, LPA_PROBE_TEXT_SIZE, "%s", text);
}

void lpa_probe_of(const struct prg_probe_info *info, struct lpa_probe *ret_probe)
{
    copy_text(ret_probe->vendor, info->vendor);
    copy_text(ret_probe->product, info->product);
    copy_text(ret_probe->serial, info->serial[0] == '\0' ? info->cable.serial : info->serial);
    copy_text(ret_probe->firmware, info->firmware);
}
