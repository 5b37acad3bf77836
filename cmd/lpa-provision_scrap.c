/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision unit scrap: the KMS retires the unit, and a board at hand loses its keys. */
#include "cmd/lpa-provision_unit.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

struct scrapping {
    struct prov_unit_verb *v;
    struct lpa_kms_pool *pool;
    struct lpa_link link;
    struct auth_lot lot; /**< its id alone */
    struct lpa_job_io io;
    struct lpa_image image; /**< none: the board's own bootloader is spoken to */
    struct lpa_device *device;
};

static enum base_status permit_scrap(const struct prov_unit_verb *v, struct base_err *err)
{
    char question[256];
    bool open = v->unit.state == AUTH_UNIT_OPEN;
    (void)snprintf(question, sizeof(question), "%s chip %.16s is final: %s%s%s",
        open ? "Scrapping" : "Wiping", v->args.words[1], open ? "its DevEUI is retired" : "",
        open && v->args.probe_count != 0 ? ", and "
        : open                           ? "."
                                         : "",
        v->args.probe_count != 0 ? "the board loses its keys." : "");
    return prov_unit_ask(v, question, err);
}

static enum base_status journal_scrapped(struct prov_unit_verb *v, struct base_err *err)
{
    struct lpa_unit *row = &v->search.newest;
    const char *lot = v->args.lot != NULL ? v->args.lot : v->unit.lot;
    if (!v->search.found) {
        memset(row, 0, sizeof(*row));
        (void)snprintf(row->lot, sizeof(row->lot), "%s", lot);
        memcpy(row->chip_id, v->chip_id, sizeof(row->chip_id));
        row->started_wall_us = base_clock_wall_us(v->app.clock);
        v->search.found = true;
    }
    row->state = LPA_STATE_SCRAPPED;
    row->receipt_length = 0;
    memcpy(row->dev_eui, v->unit.dev_eui, sizeof(row->dev_eui));
    memcpy(row->grant_id, v->unit.grant_id, sizeof(row->grant_id));
    row->updated_wall_us = base_clock_wall_us(v->app.clock);
    return lpa_journal_put(v->app.journal, row, err);
}

static enum base_status scrap_open(
    struct prov_unit_verb *v, const char *reason, struct base_err *err)
{
    struct base_err cause = { 0 };
    struct lpa_event event = { .id = LPA_EVENT_SCRAP,
        .lot = v->unit.lot,
        .chip_id = v->chip_id,
        .dev_eui = v->unit.dev_eui,
        .grant_id = v->unit.grant_id,
        .why = reason };
    enum base_status status = lpa_audit_append(v->app.audit, &event, err);
    if (status != BASE_OK) {
        return status;
    }
    status = auth_kms_scrap(v->app.kms, v->unit.grant_id, reason, &cause);
    event.result = status == BASE_OK ? "ok" : "fail";
    event.code = status == BASE_OK ? NULL : cause.code;
    enum base_status logged =
        lpa_audit_append(v->app.audit, &event, status == BASE_OK ? err : NULL);
    if (status != BASE_OK) {
        *err = cause;
        return status;
    }
    return logged == BASE_OK ? journal_scrapped(v, err) : logged;
}

/* --- the board --- */

static enum base_status open_io(struct scrapping *s, struct base_err *err)
{
    struct prov_app *app = &s->v->app;
    enum base_status status = lpa_kms_pool_new(app->kms, prov_open_client, app, &s->pool, err);
    if (status == BASE_OK && s->v->args.probe_count != 0) {
        status =
            lpa_device_new(s->v->args.probes[0], &s->image, app->clock, &app->log, &s->device, err);
    }
    (void)snprintf(s->lot.id, sizeof(s->lot.id), "%s", s->v->search.newest.lot);
    s->link = (struct lpa_link){
        .pool = s->pool, .lot = &s->lot, .audit = app->audit, .clock = app->clock
    };
    s->io = (struct lpa_job_io){ &lpa_device_job_ops, s->device, &lpa_link_kms_ops, &s->link,
        &lpa_journal_job_ops, app->journal, &lpa_link_log_ops, &s->link, app->clock, &app->log };
    return status;
}

static enum base_status wipe_board(
    struct scrapping *s, enum lpa_wipe *ret_outcome, struct base_err *err)
{
    struct prov_unit_verb *v = s->v;
    struct lpa_unit *row = &v->search.newest;
    struct auth_kms_keys keys;
    uint8_t key_id[BASE_SHA256_BYTES];
    enum base_status status = auth_kms_get_keys(v->app.kms, &keys, err);
    if (status == BASE_OK) {
        status = open_io(s, err);
    }
    if (status == BASE_OK) {
        base_sha256(keys.authority, sizeof(keys.authority), key_id);
        (void)snprintf(row->site, sizeof(row->site), "%s", v->args.probes[0]);
        status = lpa_job_wipe(&s->io, key_id, row, ret_outcome, err);
    }
    lpa_device_free(s->device);
    lpa_kms_pool_free(s->pool);
    return status;
}

static bool is_wiped(const struct lpa_unit *row)
{
    return row->state == LPA_STATE_WIPED || row->state == LPA_STATE_FORGOTTEN;
}

/* The KMS knows that the board is wiped; journal and log may not have heard of it. */
static enum base_status catch_up(struct prov_unit_verb *v, struct base_err *err)
{
    struct scrapping s = { .v = v };
    struct lpa_unit *row = &v->search.newest;
    enum base_status status = BASE_OK;
    if (!v->search.found || is_wiped(row)) {
        return BASE_OK;
    }
    if (!lpa_job_owes(row)) { /* another station wiped it */
        row->state = LPA_STATE_WIPED;
        row->updated_wall_us = base_clock_wall_us(v->app.clock);
        return lpa_journal_put(v->app.journal, row, err);
    }
    status = prov_open_audit(&v->app, err);
    if (status == BASE_OK) {
        status = open_io(&s, err);
    }
    if (status == BASE_OK) {
        status = lpa_job_settle(&s.io, row, err);
    }
    lpa_device_free(s.device);
    lpa_kms_pool_free(s.pool);
    if (status == BASE_OK) {
        prov_cosign(&v->app);
    }
    return status;
}

/* --- what the operator is told --- */

#define IS_WIPED "its board is wiped: no root key, session key or DevEUI is left on it"

#define MAYBE_IDENTITY                                                                             \
    IS_WIPED "; its identity key may be, as far as this station knows: run unit scrap --probe "    \
             "with the board"

static const char *sentence(enum lpa_wipe outcome)
{
    switch (outcome) {
    case LPA_WIPE_DONE:
        return IS_WIPED ", and it has forgotten its identity key: it keeps nothing and never works "
                        "again";
    case LPA_WIPE_OLD_BOOTLOADER:
        return IS_WIPED "; its identity key stays, because its bootloader is too old to forget "
                        "it: destroy the board where that matters";
    case LPA_WIPE_OLD_KMS:
        return IS_WIPED "; its identity key stays, because the KMS has no confirmation for it "
                        "(the KMS, or its record of this wipe, is older than that): destroy the "
                        "board where that matters";
    case LPA_WIPE_NEVER:
        return "its board never took keys: there is nothing to wipe";
    case LPA_WIPE_LOCKED:
    default:
        return "its keys, if it took any, stay in the chip; destroy the board";
    }
}

static enum base_status show(
    struct prov_unit_verb *v, const char *board, const char *text, struct base_err *err)
{
    if (v->args.json) {
        json_t *object = prov_unit_object(&v->search, &v->unit);
        (void)json_object_set_new(object, "board", json_string(board));
        return prov_print_json(object, err);
    }
    printf("chip %s is %s: the KMS has retired its DevEUI and revoked its keys; %s\n",
        v->args.words[1], prov_unit_state_name(v->unit.state), text);
    return BASE_OK;
}

static bool has_forgotten(const struct prov_unit_verb *v)
{
    return v->search.found && v->search.newest.state == LPA_STATE_FORGOTTEN;
}

static enum base_status without_board(struct prov_unit_verb *v, bool again, struct base_err *err)
{
    if (again && !v->args.json) {
        printf("this was done already: ");
    }
    if (v->unit.wiped && has_forgotten(v)) {
        return show(v, "forgotten", sentence(LPA_WIPE_DONE), err);
    }
    if (v->unit.wiped) {
        return show(v, "wiped", MAYBE_IDENTITY, err);
    }
    return show(v, "not at hand",
        "its board was not wiped, and its keys, if it took any, stay in the chip: wipe it with "
        "unit "
        "scrap --probe, or mark and destroy it",
        err);
}

/* The unit is scrapped by now, whatever the board says. */
static enum base_status with_board(struct prov_unit_verb *v, struct base_err *err)
{
    struct scrapping s = { .v = v };
    struct base_err cause = { 0 };
    enum lpa_wipe outcome = LPA_WIPE_LOCKED;
    enum base_status status = wipe_board(&s, &outcome, &cause);
    prov_cosign(&v->app);
    v->unit.wiped = v->unit.wiped ||
                    (status == BASE_OK && outcome != LPA_WIPE_NEVER && outcome != LPA_WIPE_LOCKED);
    if (status == BASE_OK && outcome != LPA_WIPE_LOCKED) {
        return show(v,
            outcome == LPA_WIPE_NEVER  ? "without keys"
            : outcome == LPA_WIPE_DONE ? "forgotten"
                                       : "wiped",
            sentence(outcome), err);
    }
    if (status == BASE_OK) {
        status = base_err_set(&cause, BASE_E_LOCKED, "unit", 0,
            "the board is locked, or dead: no envelope of a station reaches it");
    }
    bool wiped = is_wiped(&v->search.newest); /* and only then something went wrong */
    v->unit.wiped = v->unit.wiped || wiped;
    enum base_status shown = show(
        v, wiped ? "wiped" : "not wiped", wiped ? MAYBE_IDENTITY : sentence(LPA_WIPE_LOCKED), err);
    if (shown == BASE_OK) {
        *err = cause;
        base_err_prefix(err, wiped ? "the board lost its keys, and not its identity: "
                                   : "the unit is scrapped, its board was not wiped: ");
    }
    return shown == BASE_OK ? status : shown;
}

static enum base_status check_state(const struct prov_unit_verb *v, struct base_err *err)
{
    enum auth_unit_state state = v->unit.state;
    if (v->args.probe_count > 1) {
        return base_err_set(
            err, BASE_E_ARG, "option", 0, "say --probe URL once: where the board of this unit is");
    }
    if (state == AUTH_UNIT_OPEN || state == AUTH_UNIT_SCRAPPED || state == AUTH_UNIT_RETIRED) {
        return BASE_OK;
    }
    if (state == AUTH_UNIT_CONFIRMED && v->unit.locked) {
        return base_err_set(err, BASE_E_DENIED, "unit", (int64_t)state,
            "chip %s is confirmed and locked, and only open grants can be scrapped here; if its "
            "application takes no envelope, the KMS operator retires its DevEUI and revokes its "
            "keys with lpa-kms unit retire %s --permit, and the board is destroyed",
            v->args.words[1], v->args.words[1]);
    }
    return base_err_set(err, BASE_E_DENIED, "unit", (int64_t)state,
        "chip %s has no open grant in this lot (KMS state %s); only open grants can be "
        "scrapped here",
        v->args.words[1], prov_unit_state_name(state));
}

/* A unit that is past needs no more than a row for its wipe. */
static enum base_status scrap_or_find(struct prov_unit_verb *v, struct base_err *err)
{
    if (v->unit.state == AUTH_UNIT_OPEN) {
        return scrap_open(v, v->args.reason != NULL ? v->args.reason : "bad", err);
    }
    bool begun = v->search.found &&
                 (is_wiped(&v->search.newest) || (v->search.newest.state == LPA_STATE_SCRAPPED &&
                                                     v->search.newest.step == LPA_STEP_WIPE));
    return begun ? BASE_OK : journal_scrapped(v, err);
}

enum base_status prov_unit_scrap(struct prov_unit_verb *v, struct base_err *err)
{
    enum base_status status = prov_unit_find(v, err);
    if (status == BASE_OK) {
        status = check_state(v, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    bool ended = v->unit.state != AUTH_UNIT_OPEN;
    if (v->unit.wiped) {
        status = catch_up(v, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    if (ended && (v->args.probe_count == 0 || (v->unit.wiped && has_forgotten(v)))) {
        return without_board(v, true, err);
    }
    status = permit_scrap(v, err);
    if (status == BASE_OK && v->app.audit == NULL) { /* catching up has opened it */
        status = prov_open_audit(&v->app, err);
    }
    if (status == BASE_OK) {
        status = scrap_or_find(v, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    v->unit.state = ended ? v->unit.state : AUTH_UNIT_SCRAPPED;
    if (v->args.probe_count != 0) {
        return with_board(v, err);
    }
    prov_cosign(&v->app);
    return without_board(v, false, err);
}
