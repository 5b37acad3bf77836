/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_AUDIT_LOTS_H
#define LPA_AUDIT_LOTS_H

/** @file Private to lpa/audit*.c: what the records of a log say about the units of each lot. */

#include "lpa/audit_verify.h"

/** One DevEUI of one lot. */
struct lpa_audit_eui {
    uint64_t dev_eui; /**< 0 = free place */
    uint32_t lot;     /**< index */
    uint8_t flags;
};

struct lpa_audit_lots {
    struct lpa_audit_lot *lots;
    size_t count, capacity;
    struct lpa_audit_eui *euis; /**< open addressing, a power of two places */
    size_t used, places;
    uint64_t requests, answers;
};

/** Take one record in. BASE_E_NOMEM. */
BASE_MUST_CHECK
enum base_status lpa_audit_lots_take(
    struct lpa_audit_lots *lots, const struct lpa_audit_fields *fields, struct base_err *err);

/** Count the units of every lot from what was taken in. */
void lpa_audit_lots_count(struct lpa_audit_lots *lots);

/** Accepts a zeroed object; `lots->lots` is the caller's when it was taken over. */
void lpa_audit_lots_done(struct lpa_audit_lots *lots);

#endif
