/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/permit.h"

#include <string.h>

static const struct {
    enum prg_act act;
    const char *name;
} acts[] = {
    { PRG_ACT_REHEARSE, "rehearse" },
    { PRG_ACT_RESTRICT, "restrict" },
    { PRG_ACT_LOCK, "lock" },
    { PRG_ACT_EFUSE, "efuse" },
    { PRG_ACT_ZEROISE, "zeroise" },
    { PRG_ACT_SETTLE, "settle" },
};

#define ACT_COUNT (sizeof(acts) / sizeof(acts[0]))

const char *prg_act_name(uint32_t act)
{
    for (size_t i = 0; i < ACT_COUNT; i++) {
        if ((uint32_t)acts[i].act == act) {
            return acts[i].name;
        }
    }
    return NULL;
}

uint32_t prg_act_parse(const char *name)
{
    for (size_t i = 0; i < ACT_COUNT; i++) {
        if (strcmp(acts[i].name, name) == 0) {
            return (uint32_t)acts[i].act;
        }
    }
    return 0;
}

static enum base_status refuse(struct base_err *err, const char *id, const char *why)
{
    enum base_status status = *id != '\0'
                                  ? base_err_set(err, BASE_E_DENIED, "permit", 0,
                                        "permit %s %s; nothing was done", id, why)
                                  : base_err_set(err, BASE_E_DENIED, "permit", 0,
                                        "this cannot be undone and %s; nothing was done", why);
    base_err_set_code(err, "permit");
    return status;
}

enum base_status prg_permit_check(
    const struct prg_permit *permit, enum prg_act act, struct base_err *err)
{
    char why[48] = "does not allow to ";
    const char *name = prg_act_name((uint32_t)act);
    if (permit == NULL || permit->id[0] == '\0') {
        return refuse(err, "", "needs a permit");
    }
    if (name == NULL) {
        return refuse(err, permit->id, "is asked for an act that there is not");
    }
    if ((permit->acts & (uint32_t)act) != 0) {
        return BASE_OK;
    }
    memcpy(why + strlen(why), name, strlen(name) + 1);
    return refuse(err, permit->id, why);
}

enum base_status prg_permit_check_chip(const struct prg_permit *permit,
    const uint8_t chip_id[PRG_PERMIT_CHIP_SIZE], struct base_err *err)
{
    if (permit == NULL) {
        return refuse(err, "", "needs a permit");
    }
    if (!permit->for_chip || memcmp(permit->chip_id, chip_id, PRG_PERMIT_CHIP_SIZE) == 0) {
        return BASE_OK;
    }
    return refuse(err, permit->id, "is for another chip");
}
