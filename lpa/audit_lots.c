/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/audit_lots.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

enum {
    ISSUED = 1,
    CONFIRMED = 2,
    SCRAPPED = 4,
};

static size_t place_of(const struct lpa_audit_lots *lots, uint64_t dev_eui, uint32_t lot)
{
    uint64_t hash = (dev_eui ^ ((uint64_t)lot << 32)) * UINT64_C(0x9E3779B97F4A7C15);
    size_t at = (size_t)(hash >> 17) & (lots->places - 1);
    while (lots->euis[at].dev_eui != 0 &&
           (lots->euis[at].dev_eui != dev_eui || lots->euis[at].lot != lot)) {
        at = (at + 1) & (lots->places - 1);
    }
    return at;
}

static enum base_status grow(struct lpa_audit_lots *lots, struct base_err *err)
{
    struct lpa_audit_lots bigger = *lots;
    bigger.places = lots->places == 0 ? 1024 : lots->places * 2;
    bigger.euis = calloc(bigger.places, sizeof(*bigger.euis));
    if (bigger.euis == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory for the units of the log");
    }
    for (size_t i = 0; i < lots->places; i++) {
        const struct lpa_audit_eui *old = &lots->euis[i];
        if (old->dev_eui != 0) {
            bigger.euis[place_of(&bigger, old->dev_eui, old->lot)] = *old;
        }
    }
    free(lots->euis);
    *lots = bigger;
    return BASE_OK;
}

static enum base_status find_lot(
    struct lpa_audit_lots *lots, struct lpa_span id, uint32_t *ret_index, struct base_err *err)
{
    for (size_t i = lots->count; i > 0; i--) {
        if (lpa_span_is(id, lots->lots[i - 1].id)) {
            *ret_index = (uint32_t)(i - 1);
            return BASE_OK;
        }
    }
    if (lots->count == lots->capacity) {
        size_t capacity = lots->capacity == 0 ? 8 : lots->capacity * 2;
        struct lpa_audit_lot *bigger = reallocarray(lots->lots, capacity, sizeof(*bigger));
        if (bigger == NULL) {
            return base_err_set(err, BASE_E_NOMEM, "log", 0, "no memory for the lots of the log");
        }
        lots->lots = bigger;
        lots->capacity = capacity;
    }
    memset(&lots->lots[lots->count], 0, sizeof(lots->lots[0]));
    lpa_span_text(id, sizeof(lots->lots[0].id), lots->lots[lots->count].id);
    *ret_index = (uint32_t)lots->count++;
    return BASE_OK;
}

static enum base_status mark(struct lpa_audit_lots *lots, const struct lpa_audit_fields *fields,
    uint32_t lot, uint8_t flags, struct base_err *err)
{
    uint8_t eui[8];
    if (!lpa_span_hex(fields->dev_eui, sizeof(eui), eui) || base_get_be64(eui) == 0) {
        return BASE_OK;
    }
    if (lots->used * 2 >= lots->places) {
        enum base_status status = grow(lots, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    struct lpa_audit_eui *place = &lots->euis[place_of(lots, base_get_be64(eui), lot)];
    lots->used += place->dev_eui == 0;
    place->dev_eui = base_get_be64(eui);
    place->lot = lot;
    place->flags |= flags;
    return BASE_OK;
}

enum base_status lpa_audit_lots_take(
    struct lpa_audit_lots *lots, const struct lpa_audit_fields *fields, struct base_err *err)
{
    uint32_t lot = 0;
    if (fields->lot.data == NULL) {
        return BASE_OK;
    }
    enum base_status status = find_lot(lots, fields->lot, &lot, err);
    if (status != BASE_OK) {
        return status;
    }
    bool good = lpa_span_is(fields->result, "ok");
    if (lpa_span_is(fields->ev, "key.request")) {
        lots->lots[lot].requests++;
        lots->requests++;
        return BASE_OK;
    }
    bool issued =
        lpa_span_is(fields->ev, "key.issued") || lpa_span_is(fields->ev, "key.reconciled");
    bool refused = lpa_span_is(fields->ev, "key.refused") || lpa_span_is(fields->ev, "key.unknown");
    if (issued || refused) {
        lots->answers++;
    }
    if (issued && good) {
        return mark(lots, fields, lot, ISSUED, err);
    }
    if (lpa_span_is(fields->ev, "key.install.confirm") && good) {
        return mark(lots, fields, lot, CONFIRMED, err);
    }
    if (lpa_span_is(fields->ev, "scrap") && good) {
        return mark(lots, fields, lot, SCRAPPED, err);
    }
    return BASE_OK;
}

void lpa_audit_lots_count(struct lpa_audit_lots *lots)
{
    for (size_t i = 0; i < lots->places; i++) {
        const struct lpa_audit_eui *unit = &lots->euis[i];
        if (unit->dev_eui == 0) {
            continue;
        }
        struct lpa_audit_lot *lot = &lots->lots[unit->lot];
        lot->granted++;
        /* The KMS confirms no scrapped grant and scraps no confirmed one: confirmed wins only where
         * a log tells both of a unit that was reworked. */
        lot->confirmed += (unit->flags & CONFIRMED) != 0;
        lot->scrapped += (unit->flags & (CONFIRMED | SCRAPPED)) == SCRAPPED;
        lot->open += (unit->flags & (CONFIRMED | SCRAPPED)) == 0;
    }
}

void lpa_audit_lots_done(struct lpa_audit_lots *lots)
{
    free(lots->lots);
    free(lots->euis);
    memset(lots, 0, sizeof(*lots));
}
