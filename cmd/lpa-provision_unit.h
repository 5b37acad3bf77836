/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_PROVISION_UNIT_H
#define CMD_LPA_PROVISION_UNIT_H

/** @file Private to cmd/lpa-provision*.c: the verbs that are about one unit. */

#include "cmd/lpa-provision.h"

/** The newest row of a chip. */
struct prov_row_search {
    const uint8_t *chip_id;
    const char *lot;
    struct lpa_unit newest;
    bool found;
};

struct prov_unit_verb {
    struct prov_app app;
    struct prov_args args;
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    struct prov_row_search search;
    struct auth_unit unit;
    const char
        *next; /**< what to do after a failure; static text, NULL where the sentence says it */
};

/** Open the journal and look for the chip's row; none found is no failure. */
BASE_MUST_CHECK
enum base_status prov_unit_row(struct prov_unit_verb *v, struct base_err *err);

/** The same, and what the KMS knows of the unit. */
BASE_MUST_CHECK
enum base_status prov_unit_find(struct prov_unit_verb *v, struct base_err *err);

/** What journal and KMS know, as JSON; @p unit may be NULL. */
json_t *prov_unit_object(const struct prov_row_search *search, const struct auth_unit *unit);

/** "open", "scrapped", … */
const char *prov_unit_state_name(enum auth_unit_state state);

/** Have what is final confirmed: --yes, or the word typed. */
BASE_MUST_CHECK
enum base_status prov_unit_ask(
    const struct prov_unit_verb *v, const char *question, struct base_err *err);

/** What a verb needs that acts on a unit: session, KMS, lot and log. */
struct prov_unit_io {
    struct auth_lot lot;
    struct auth_kms_keys keys;
    struct lpa_kms_pool *pool; /**< the caller frees it */
    struct lpa_link link;
    struct lpa_job_io io; /**< without a device */
};

/** The journal must be open. @p at must stay where it is. */
BASE_MUST_CHECK
enum base_status prov_unit_open(
    struct prov_unit_verb *v, const char *lot, struct prov_unit_io *at, struct base_err *err);

BASE_MUST_CHECK
enum base_status prov_unit_scrap(struct prov_unit_verb *v, struct base_err *err);
BASE_MUST_CHECK
enum base_status prov_unit_envelope(struct prov_unit_verb *v, struct base_err *err);
BASE_MUST_CHECK
enum base_status prov_unit_receipt(struct prov_unit_verb *v, struct base_err *err);
BASE_MUST_CHECK
enum base_status prov_unit_settle(struct prov_unit_verb *v, struct base_err *err);

#endif
