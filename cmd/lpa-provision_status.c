/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision status: what this station has done and still owes. */
#include "cmd/lpa-provision.h"

#include "lpa/audit_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lot_count {
    char lot[AUTH_ID_SIZE];
    uint64_t units, passed, failed, errors, begun, owed, open, lock_unknown;
};

struct counts {
    struct lot_count *lots;
    size_t count, capacity;
};

static struct lot_count *find_lot(struct counts *counts, const char *lot)
{
    if (counts->count > 0 && strcmp(counts->lots[counts->count - 1].lot, lot) == 0) {
        return &counts->lots[counts->count - 1]; /* rows come sorted by lot */
    }
    if (counts->count == counts->capacity) {
        size_t capacity = counts->capacity == 0 ? 8 : counts->capacity * 2;
        struct lot_count *bigger = reallocarray(counts->lots, capacity, sizeof(*bigger));
        if (bigger == NULL) {
            return NULL;
        }
        counts->lots = bigger;
        counts->capacity = capacity;
    }
    struct lot_count *found = &counts->lots[counts->count++];
    memset(found, 0, sizeof(*found));
    (void)snprintf(found->lot, sizeof(found->lot), "%s", lot);
    return found;
}

static enum base_status take_row(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    struct lot_count *lot = find_lot(user, unit->lot);
    if (lot == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "journal", 0, "no memory for the lots");
    }
    lot->units++;
    lot->passed += unit->result == LPA_RESULT_PASS;
    lot->failed += unit->result == LPA_RESULT_FAIL;
    lot->errors += unit->result == LPA_RESULT_ERROR || unit->result == LPA_RESULT_UNKNOWN;
    lot->begun += unit->result == LPA_RESULT_NONE;
    lot->owed += lpa_job_owes(unit);
    lot->lock_unknown += unit->lock == LPA_LOCK_BEGUN || unit->lock == LPA_LOCK_REPORTED;
    lot->open += unit->state == LPA_STATE_GRANTED || unit->state == LPA_STATE_INSTALLED;
    return BASE_OK;
}

static enum base_status show_counts(
    const struct counts *counts, const struct prov_app *app, bool json, struct base_err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < counts->count; i++) {
        const struct lot_count *lot = &counts->lots[i];
        if (json) {
            (void)json_array_append_new(list,
                json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "lot", lot->lot, "units",
                    (json_int_t)lot->units, "passed", (json_int_t)lot->passed, "failed",
                    (json_int_t)lot->failed, "errors", (json_int_t)lot->errors, "interrupted",
                    (json_int_t)lot->begun, "open", (json_int_t)lot->open, "receipts_owed",
                    (json_int_t)lot->owed, "locks_unknown", (json_int_t)lot->lock_unknown));
        } else {
            printf("lot %s: %" PRIu64 " units, passed %" PRIu64 ", failed %" PRIu64
                   ", errors %" PRIu64 ", interrupted %" PRIu64 ", open %" PRIu64
                   ", receipts owed %" PRIu64 ", locks unknown %" PRIu64 "\n",
                lot->lot, lot->units, lot->passed, lot->failed, lot->errors, lot->begun, lot->open,
                lot->owed, lot->lock_unknown);
        }
    }
    if (json) {
        return prov_print_json(json_pack("{s:s, s:s*, s:o}", "station", app->station.name, "tester",
                                   app->have_session ? app->session.tester : NULL, "lots", list),
            err);
    }
    json_decref(list);
    if (counts->count == 0) {
        printf("this station has worked no unit yet\n");
    }
    printf("%s\n", app->have_session ? "a tester is logged in" : "nobody is logged in");
    return BASE_OK;
}

/* --- rebuild --- */

struct rebuild {
    struct prov_app *app;
    const char *lot;
    uint64_t units;
    struct base_err err;
};

static enum base_status take_open(
    void *user, const uint8_t chip_id[8], const struct auth_unit *unit)
{
    struct rebuild *rebuild = user;
    struct lpa_unit row = { .state = LPA_STATE_GRANTED,
        .step = LPA_STEP_GRANT,
        .phase = LPA_PHASE_DONE,
        .key_version = unit->key_version };
    (void)snprintf(row.lot, sizeof(row.lot), "%s", rebuild->lot);
    memcpy(row.chip_id, chip_id, sizeof(row.chip_id));
    memcpy(row.dev_eui, unit->dev_eui, sizeof(row.dev_eui));
    memcpy(row.grant_id, unit->grant_id, sizeof(row.grant_id));
    row.started_wall_us = base_clock_wall_us(rebuild->app->clock);
    row.updated_wall_us = row.started_wall_us;
    rebuild->units++;
    return lpa_journal_put(rebuild->app->journal, &row, &rebuild->err);
}

/* Nothing that matters lies in the journal alone: open grants are listed by the KMS, and receipts
 * are kept by the chips until they are confirmed. */
static enum base_status rebuild_journal(
    struct prov_app *app, const char *lot, bool json, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct rebuild rebuild = { .app = app, .lot = lot };
    struct base_err damage = { 0 };
    enum base_status status = lpa_station_path(&app->station, LPA_FILE_JOURNAL, path, err);
    if (status == BASE_OK && prov_open_journal(app, &damage) == BASE_E_CORRUPT) {
        status = lpa_journal_set_aside(path, base_clock_wall_us(app->clock), err);
        if (status == BASE_OK) {
            status = prov_open_journal(app, err);
        }
    } else if (status == BASE_OK && damage.status != BASE_OK) {
        *err = damage;
        status = damage.status;
    }
    if (status == BASE_OK) {
        status = auth_kms_list_open(app->kms, lot, take_open, &rebuild, err);
    }
    if (status != BASE_OK) {
        if (rebuild.err.status != BASE_OK) {
            *err = rebuild.err;
        }
        return status;
    }
    if (json) {
        return prov_print_json(
            json_pack("{s:s, s:I, s:b}", "lot", lot, "open_units", (json_int_t)rebuild.units,
                "set_aside", (int)(damage.status == BASE_E_CORRUPT)),
            err);
    }
    printf("%s; %" PRIu64 " open units of lot %s taken from the KMS; run their boards again\n",
        damage.status == BASE_E_CORRUPT ? "the damaged journal was set aside"
                                        : "the journal was sound and stays",
        rebuild.units, lot);
    return BASE_OK;
}

static enum base_status run_status(
    struct prov_app *app, const struct prov_args *args, struct base_err *err)
{
    struct base_err ignored = { 0 };
    if (args->rebuild) {
        if (args->lot == NULL || !base_name_valid(args->lot)) {
            return base_err_set(
                err, BASE_E_ARG, "option", 0, "say with --lot which lot to rebuild from the KMS");
        }
        enum base_status status = lpa_station_lock(&app->station, &app->lock_fd, err);
        if (status == BASE_OK) {
            status = prov_open_kms(app, false, err);
        }
        return status == BASE_OK ? rebuild_journal(app, args->lot, args->json, err) : status;
    }
    struct counts counts = { 0 };
    (void)!prov_open_session(app, &ignored);
    enum base_status status = prov_open_journal(app, err);
    if (status == BASE_OK) {
        status = lpa_journal_each(app->journal, args->lot, take_row, &counts, err);
    }
    if (status == BASE_OK) {
        status = show_counts(&counts, app, args->json, err);
    }
    free(counts.lots);
    return status;
}

int prov_status(const struct cli_program *program, int argc, char **argv)
{
    struct prov_args args;
    struct prov_app app = { .lock_fd = -1 };
    struct base_err err = { 0 };
    enum base_status status = prov_parse(argc, argv, "lot rebuild", 0, &args, &err);
    if (status == BASE_OK) {
        status = prov_open(&app, program, &args, &err);
    }
    if (status == BASE_OK) {
        status = run_status(&app, &args, &err);
    }
    prov_close(&app);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}
