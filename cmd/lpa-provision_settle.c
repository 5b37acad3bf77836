/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision unit settle: a board that was told to lock and says nothing more, named by its
 * label.
 */
#include "cmd/lpa-provision_unit.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>

struct settling {
    struct prov_unit_verb *v;
    struct prov_unit_io at;
    struct lpa_image image; /**< none: the board is only looked at */
    struct lpa_device *device;
    struct lpa_permit permit;
};

static enum base_status check_row(const struct prov_unit_verb *v, struct base_err *err)
{
    if (!v->search.found) {
        return base_err_set(err, BASE_E_NOTFOUND, "journal", 0,
            "this station has not worked chip %s; settle it where it was worked", v->args.words[1]);
    }
    if (v->args.probe_count != 1) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say with --probe URL, once, where the board with this label is");
    }
    return BASE_OK;
}

enum base_status prov_unit_open(
    struct prov_unit_verb *v, const char *lot, struct prov_unit_io *at, struct base_err *err)
{
    struct prov_app *app = &v->app;
    enum base_status status = prov_open_session(app, err);
    if (status == BASE_OK) {
        status = prov_open_kms(app, false, err);
    }
    if (status == BASE_OK) {
        status = auth_kms_get_lot(app->kms, &app->session, lot, &at->lot, err);
    }
    if (status == BASE_OK) {
        status = auth_kms_get_keys(app->kms, &at->keys, err);
    }
    if (status == BASE_OK) {
        status = prov_open_audit(app, err);
    }
    if (status == BASE_OK) {
        status = lpa_kms_pool_new(app->kms, prov_open_client, app, &at->pool, err);
    }
    at->link = (struct lpa_link){ .pool = at->pool,
        .session = &app->session,
        .lot = &at->lot,
        .audit = app->audit,
        .kms_vkey = at->keys.log_vkey,
        .clock = app->clock };
    at->io = (struct lpa_job_io){ &lpa_device_job_ops, NULL, &lpa_link_kms_ops, &at->link,
        &lpa_journal_job_ops, app->journal, &lpa_link_log_ops, &at->link, app->clock, &app->log };
    return status;
}

static enum base_status fetch(struct settling *s, struct base_err *err)
{
    struct prov_app *app = &s->v->app;
    enum base_status status = prov_unit_open(s->v, s->v->search.newest.lot, &s->at, err);
    if (status == BASE_OK) {
        status = lpa_link_permit(&s->at.link, app->kms, s->v->chip_id, &s->permit, err);
    }
    if (status == BASE_OK) {
        status =
            lpa_device_new(s->v->args.probes[0], &s->image, app->clock, &app->log, &s->device, err);
    }
    s->at.io.device_user = s->device;
    return status;
}

static enum base_status ask(const struct settling *s, struct base_err *err)
{
    char eui[17];
    char question[256];
    base_hex_encode(s->v->search.newest.dev_eui, 8, eui);
    (void)snprintf(question, sizeof(question),
        "The label of the board at %.120s must say chip %.16s, DevEUI %s: nothing else tells who "
        "it "
        "is.",
        s->v->args.probes[0], s->v->args.words[1], eui);
    return prov_unit_ask(s->v, question, err);
}

static enum base_status show(const struct settling *s, struct base_err *err)
{
    const struct lpa_unit *row = &s->v->search.newest;
    if (s->v->args.json) {
        return prov_print_json(json_pack("{s:s, s:s, s:s, s:s}", "chip_id", s->v->args.words[1],
                                   "state", lpa_state_name(row->state), "lock",
                                   lpa_lock_name(row->lock), "permit", row->permit_id),
            err);
    }
    printf("chip %s is locked (%s): its port was seen closed\n", s->v->args.words[1],
        lpa_lock_name(row->lock));
    return BASE_OK;
}

enum base_status prov_unit_settle(struct prov_unit_verb *v, struct base_err *err)
{
    struct settling s = { .v = v };
    enum base_status status = prov_unit_row(v, err);
    if (status == BASE_OK) {
        status = check_row(v, err);
    }
    if (status == BASE_OK) {
        status = fetch(&s, err);
    }
    if (status == BASE_OK) {
        status = ask(&s, err);
    }
    if (status == BASE_OK) {
        status = lpa_job_settle_by_label(&s.at.io, &s.permit, &v->search.newest, err);
    }
    lpa_device_free(s.device);
    lpa_kms_pool_free(s.at.pool);
    if (status == BASE_OK) {
        prov_cosign(&v->app);
        status = show(&s, err);
    }
    return status;
}
