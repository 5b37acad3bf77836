/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/permit.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

void lpa_permit_acts_text(uint32_t acts, size_t size, char *ret_text)
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint32_t act = 1; act <= PRG_ACT_SETTLE; act <<= 1) {
        const char *name = prg_act_name(act);
        if ((acts & act) == 0 || name == NULL || used >= size) {
            continue;
        }
        int length = snprintf(ret_text + used, size - used, "%s%s", used == 0 ? "" : ", ", name);
        used += length > 0 ? (size_t)length : 0;
    }
}

static enum base_status refuse(
    struct base_err *err, enum base_status status, const char *code, const char *text)
{
    (void)base_err_set(err, status, "permit", 0, "%s", text);
    base_err_set_code(err, code);
    return status;
}

/* Three parties must name one thing: who gave the permit, who made the lot, what lies here. */
static enum base_status compare(const char *what, const uint8_t *permit, const uint8_t *lot,
    const uint8_t *local, size_t length, struct base_err *err)
{
    char text[BASE_ERR_MESSAGE_SIZE];
    char wanted[65];
    char got[65];
    if (memcmp(permit, lot, length) == 0 && memcmp(permit, local, length) == 0) {
        return BASE_OK;
    }
    bool files = memcmp(permit, lot, length) == 0;
    base_hex_encode(permit, length, wanted);
    base_hex_encode(files ? local : lot, length, got);
    (void)snprintf(text, sizeof(text),
        "the permit is for the %s %s, but %s %s; nothing was touched", what, wanted,
        files ? "the file here gives" : "the lot names", got);
    return refuse(err, BASE_E_DENIED, "permit_differs", text);
}

enum base_status lpa_permit_allows(
    const struct lpa_permit *permit, uint32_t acts, int64_t now_wall_us, struct base_err *err)
{
    char text[BASE_ERR_MESSAGE_SIZE];
    char names[96];
    if ((permit->prg.acts & acts) != acts) {
        lpa_permit_acts_text(acts & ~permit->prg.acts, sizeof(names), names);
        (void)snprintf(text, sizeof(text),
            "permit %s does not allow what this lot needs: %s; nothing was done", permit->prg.id,
            names);
        return refuse(err, BASE_E_DENIED, "permit_act", text);
    }
    if (now_wall_us >= permit->until_wall_us) {
        (void)snprintf(text, sizeof(text),
            "permit %s is over; ask the KMS operator for another one; nothing was done",
            permit->prg.id);
        return refuse(err, BASE_E_EXPIRED, "permit_expired", text);
    }
    return BASE_OK;
}

enum base_status lpa_permit_mint(const struct auth_permit *permit, const struct auth_lot *lot,
    const struct lpa_local *local, int64_t now_wall_us, struct lpa_permit *ret_permit,
    struct base_err *err)
{
    struct lpa_permit minted = { .until_wall_us = permit->until_us };
    if (strcmp(permit->lot, lot->id) != 0) {
        char text[BASE_ERR_MESSAGE_SIZE];
        (void)snprintf(text, sizeof(text),
            "permit %s is for lot %s, not for lot %s; nothing was done", permit->id, permit->lot,
            lot->id);
        return refuse(err, BASE_E_DENIED, "permit_lot", text);
    }
    bool key = local != NULL && local->have_key;
    enum base_status status = compare("image", permit->image_sha256, lot->image_sha256,
        local != NULL ? local->image_sha256 : lot->image_sha256, sizeof(lot->image_sha256), err);
    if (status == BASE_OK) {
        status = compare("image key", permit->key_sha256, lot->key_sha256,
            key ? local->key_sha256 : lot->key_sha256, sizeof(lot->key_sha256), err);
    }
    if (status == BASE_OK) {
        status = compare("SECURE_HASH", permit->secure_hash, lot->secure_hash,
            key ? local->secure_hash : lot->secure_hash, sizeof(lot->secure_hash), err);
    }
    if (status != BASE_OK) {
        return status;
    }
    (void)snprintf(minted.prg.id, sizeof(minted.prg.id), "%s", permit->id);
    minted.prg.acts = permit->acts;
    minted.prg.for_chip = permit->for_chip;
    memcpy(minted.prg.chip_id, permit->chip_id, sizeof(minted.prg.chip_id));
    memcpy(minted.prg.image_sha256, permit->image_sha256, sizeof(minted.prg.image_sha256));
    memcpy(minted.prg.key_sha256, permit->key_sha256, sizeof(minted.prg.key_sha256));
    memcpy(minted.prg.secure_hash, permit->secure_hash, sizeof(minted.prg.secure_hash));
    status = lpa_permit_allows(&minted, 0, now_wall_us, err);
    if (status == BASE_OK) {
        *ret_permit = minted;
    }
    return status;
}
