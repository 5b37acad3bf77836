/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stddef.h>

struct status_row {
    const char *name;
    const char *text;
    int exit_code;
    bool may_retry;
};

static const struct status_row status_rows[BASE_STATUS_COUNT] = {
#define X(name, text, exit_code, retry) [BASE_##name] = { #name, text, exit_code, retry },
    BASE_STATUS_LIST(X)
#undef X
};

static const struct status_row *find(enum base_status status)
{
    static const struct status_row unknown = { "E_UNKNOWN", "unknown status", 5, false };
    return (unsigned)status < BASE_STATUS_COUNT ? &status_rows[status] : &unknown;
}

const char *base_status_name(enum base_status status)
{
    return find(status)->name;
}

const char *base_status_text(enum base_status status)
{
    return find(status)->text;
}

int base_status_exit_code(enum base_status status)
{
    return find(status)->exit_code;
}

bool base_status_may_retry(enum base_status status)
{
    return find(status)->may_retry;
}
