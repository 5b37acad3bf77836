/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision run and personalise: what is opened and checked before the first board is touched.
 */
#include "cmd/lpa-provision_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum base_status check_lot(struct prov_line *line, struct base_err *err)
{
    const struct lpa_image *image = &line->image;
    const struct auth_lot *lot = &line->lot;
    lpa_image_local(image, &line->local);
    line->image.restricts = image->have_key && lot->restrict_policy == AUTH_RESTRICT_SECURE;
    enum base_status status = lpa_job_admit(lot, &line->local, err);
    if (status != BASE_OK) {
        return status;
    }
    bool bound = memcmp(image->authority_key_id[0], lot->authority_key_id, 8) == 0 ||
                 memcmp(image->authority_key_id[1], lot->authority_key_id, 8) == 0;
    if (!bound) {
        return base_err_set(err, BASE_E_VERIFY, "image", 0,
            "the image is bound to another provisioning authority than lot %s's; bind it with "
            "lpa-image bind and the key that lpa-kms authority prints",
            lot->id);
    }
    if (!lot->development && (image->view.binding.flags & PROTO_FLAG_LAB) != 0) {
        return base_err_set(err, BASE_E_DENIED, "image", 0,
            "the image is a lab build, which lot %s of a production KMS does not take", lot->id);
    }
    for (size_t i = 0; i < line->site_count && !lot->development; i++) {
        if (lpa_device_is_lab_probe(line->sites[i].url)) {
            return base_err_set(err, BASE_E_DENIED, "probe", 0,
                "the probe %s has no authentication on its cable, which lot %s of a production "
                "KMS does not take; use a USB probe",
                line->sites[i].url, lot->id);
        }
    }
    return BASE_OK;
}

struct owed {
    struct lpa_unit *units;
    size_t count, capacity;
};

static enum base_status collect_owed(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    struct owed *owed = user;
    if (!lpa_job_owes(unit)) {
        return BASE_OK;
    }
    if (owed->count == owed->capacity) {
        size_t capacity = owed->capacity == 0 ? 16 : owed->capacity * 2;
        struct lpa_unit *bigger = reallocarray(owed->units, capacity, sizeof(*bigger));
        if (bigger == NULL) {
            return base_err_set(err, BASE_E_NOMEM, "journal", 0, "no memory for owed receipts");
        }
        owed->units = bigger;
        owed->capacity = capacity;
    }
    owed->units[owed->count++] = *unit;
    return BASE_OK;
}

/* Receipts and lock answers from before a crash are handed in first, their boards present or not.
 * One that the KMS refuses is named and does not hold up the others. */
static enum base_status settle_owed(struct prov_line *line, struct base_err *err)
{
    struct prov_app *app = line->app;
    struct lpa_link link = prov_link(line);
    struct lpa_job_io io = { .kms = &lpa_link_kms_ops,
        .kms_user = &link,
        .journal = &lpa_journal_job_ops,
        .journal_user = app->journal,
        .log = &lpa_link_log_ops,
        .log_user = &link,
        .clock = app->clock };
    struct owed owed = { 0 };
    enum base_status status = lpa_journal_each(app->journal, NULL, collect_owed, &owed, err);
    for (size_t i = 0; i < owed.count && status == BASE_OK; i++) {
        struct base_err cause = { 0 };
        enum base_status settled = lpa_job_settle(&io, &owed.units[i], &cause);
        if (settled == BASE_E_AUDIT || settled == BASE_E_IO || settled == BASE_E_CORRUPT) {
            *err = cause;
            status = settled;
        } else if (settled != BASE_OK) {
            base_log(&app->log, BASE_LOG_WARN,
                "a receipt or lock answer in the journal is still owed: %s", cause.message);
        }
        if (settled == BASE_E_REMOTE) {
            break; /* the others would only wait for the same KMS */
        }
    }
    free(owed.units);
    return status;
}

enum base_status prov_record(struct prov_line *line, enum lpa_event_id id, struct base_err *err)
{
    struct lpa_event event = { .id = id, .lot = line->lot.id };
    return lpa_audit_append(line->app->audit, &event, err);
}

enum base_status prov_open_client(void *user, struct auth_kms **ret_kms, struct base_err *err)
{
    struct prov_app *app = user;
    return lpa_station_connect(&app->station, false, app->clock, &app->log, ret_kms, err);
}

static enum base_status load_files(struct prov_line *line, struct base_err *err)
{
    const struct prov_args *args = line->args;
    enum base_status status = lpa_image_load(args->image, &line->image, err);
    if (status == BASE_OK && args->image_key != NULL) {
        status = lpa_image_load_key(args->image_key, &line->image, err);
    }
    return status == BASE_OK && args->application != NULL
               ? lpa_image_load_application(args->application, &line->image, err)
               : status;
}

/* What cannot be undone needs leave, and whether there is any is known before a board is touched.
 */
static enum base_status check_permit(struct prov_line *line, struct base_err *err)
{
    struct prov_app *app = line->app;
    struct auth_kms_keys keys;
    struct lpa_permit permit;
    uint32_t acts = lpa_job_acts(&line->lot, line->stage);
    enum base_status status = auth_kms_get_keys(app->kms, &keys, err);
    if (status != BASE_OK) {
        return status;
    }
    (void)snprintf(line->kms_vkey, sizeof(line->kms_vkey), "%s", keys.log_vkey);
    if (acts == 0) {
        return BASE_OK;
    }
    struct lpa_link link = prov_link(line);
    status = lpa_link_permit(&link, app->kms, NULL, &permit, err);
    return status == BASE_OK ? lpa_permit_allows(&permit, acts, base_clock_wall_us(app->clock), err)
                             : status;
}

static enum base_status open_books(struct prov_line *line, struct base_err *err)
{
    struct prov_app *app = line->app;
    enum base_status status = prov_open_audit(app, err);
    if (status == BASE_OK) {
        status = prov_open_journal(app, err);
    }
    if (status == BASE_OK) {
        status = prov_record(line, LPA_EVENT_STATION_START, err);
    }
    /* The KMS knows how long this log was: a log that was rolled back ends the run here. */
    return status == BASE_OK ? lpa_audit_cosign(app->audit, lpa_link_witness, app->kms, err)
                             : status;
}

struct lpa_link prov_link(const struct prov_line *line)
{
    const struct prov_app *app = line->app;
    struct lpa_link link = { .pool = line->pool,
        .session = &app->session,
        .lot = &line->lot,
        .audit = app->audit,
        .local = &line->local,
        .kms_vkey = line->kms_vkey,
        .signer = &app->signer,
        .station = app->station.name,
        .clock = app->clock };
    return link;
}

enum base_status prov_open_line(struct prov_line *line, struct base_err *err)
{
    struct prov_app *app = line->app;
    enum base_status status = load_files(line, err);
    if (status == BASE_OK) {
        status = prov_open_session(app, err);
    }
    if (status == BASE_OK) {
        status = prov_open_kms(app, false, err);
    }
    if (status == BASE_OK) {
        status = auth_kms_get_lot(app->kms, &app->session, line->args->lot, &line->lot, err);
    }
    if (status == BASE_OK) {
        status = check_lot(line, err);
    }
    if (status == BASE_OK) {
        status = check_permit(line, err);
    }
    if (status == BASE_OK && !line->args->dry_run) {
        status = open_books(line, err);
    }
    if (status == BASE_OK) {
        status = lpa_kms_pool_new(app->kms, prov_open_client, app, &line->pool, err);
    }
    return status == BASE_OK && !line->args->dry_run ? settle_owed(line, err) : status;
}
