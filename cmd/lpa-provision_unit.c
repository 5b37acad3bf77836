/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision unit: its verbs, and show. */
#include "cmd/lpa-provision_unit.h"

#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- unit --- */

static enum base_status match_row(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    struct prov_row_search *search = user;
    (void)err;
    bool wanted = search->lot == NULL || strcmp(search->lot, unit->lot) == 0;
    if (wanted && memcmp(unit->chip_id, search->chip_id, 8) == 0 &&
        (!search->found || unit->updated_wall_us > search->newest.updated_wall_us)) {
        search->newest = *unit;
        search->found = true;
    }
    return BASE_OK;
}

const char *prov_unit_state_name(enum auth_unit_state state)
{
    static const char *const names[] = { "unknown", "registered", "open", "confirmed", "scrapped",
        "elsewhere", "zeroised", "retired" };
    return (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}

static void print_row(const struct lpa_unit *unit)
{
    char eui[17];
    char when[BASE_CLOCK_TEXT_SIZE];
    base_hex_encode(unit->dev_eui, 8, eui);
    base_clock_format(unit->updated_wall_us, when);
    printf("journal  lot %s  state %s  result %s  attempt %u  DevEUI %s  at %.19sZ\n", unit->lot,
        lpa_state_name(unit->state), lpa_result_name(unit->result), unit->attempt, eui, when);
    if (unit->lock != LPA_LOCK_NONE) {
        printf("         lock %s, permit %s\n", lpa_lock_name(unit->lock), unit->permit_id);
    }
    if (unit->probe.product[0] != '\0') {
        printf("         probe %s %s, serial %s, firmware %s\n", unit->probe.vendor,
            unit->probe.product, unit->probe.serial, unit->probe.firmware);
    }
    if (unit->message[0] != '\0') {
        struct lpa_failure failure = { .err = { .status = BASE_E_TARGET } };
        base_err_set_code(&failure.err, unit->code);
        lpa_failure_classify(&failure);
        printf("         at %s: %s\n         next: %s\n", lpa_step_name(unit->step), unit->message,
            failure.next);
    }
}

static void print_kms(const struct auth_unit *unit)
{
    char eui[17];
    base_hex_encode(unit->dev_eui, 8, eui);
    printf("KMS      lot %s  state %s%s%s  DevEUI %s  key version %u  grant %s\n",
        unit->lot[0] == '\0' ? "-" : unit->lot, prov_unit_state_name(unit->state),
        unit->settled  ? ", locked (settled by label)"
        : unit->locked ? ", locked"
                       : "",
        unit->wiped ? ", wiped" : "", eui, unit->key_version,
        unit->grant_id[0] == '\0' ? "-" : unit->grant_id);
}

json_t *prov_probe_json(const struct lpa_probe *probe)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "vendor", probe->vendor, "product", probe->product,
        "serial", probe->serial, "firmware", probe->firmware);
}

json_t *prov_unit_object(const struct prov_row_search *search, const struct auth_unit *unit)
{
    char eui[17];
    json_t *object = json_object();
    if (search->found) {
        const struct lpa_unit *row = &search->newest;
        base_hex_encode(row->dev_eui, 8, eui);
        (void)json_object_set_new(object, "journal",
            json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "lot", row->lot, "state",
                lpa_state_name(row->state), "lock", lpa_lock_name(row->lock), "result",
                lpa_result_name(row->result), "attempt", (json_int_t)row->attempt, "dev_eui", eui,
                "code", row->code, "message", row->message));
        (void)json_object_set_new(
            json_object_get(object, "journal"), "probe", prov_probe_json(&row->probe));
    }
    if (unit != NULL) {
        base_hex_encode(unit->dev_eui, 8, eui);
        (void)json_object_set_new(object, "kms",
            json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:b}", "lot", unit->lot, "state",
                prov_unit_state_name(unit->state), "dev_eui", eui, "grant_id", unit->grant_id,
                "key_version", (json_int_t)unit->key_version, "locked", (int)unit->locked,
                "settled", (int)unit->settled, "wiped", (int)unit->wiped));
    }
    return object;
}

enum base_status prov_unit_row(struct prov_unit_verb *v, struct base_err *err)
{
    enum base_status status = prov_open_journal(&v->app, err);
    if (status != BASE_OK) {
        return status;
    }
    v->search = (struct prov_row_search){ .chip_id = v->chip_id, .lot = v->args.lot };
    return lpa_journal_each(v->app.journal, v->args.lot, match_row, &v->search, err);
}

enum base_status prov_unit_find(struct prov_unit_verb *v, struct base_err *err)
{
    enum base_status status = prov_unit_row(v, err);
    if (status == BASE_OK && !v->search.found && v->args.lot == NULL) {
        return base_err_set(err, BASE_E_NOTFOUND, "journal", 0,
            "this station has not worked chip %s; say its lot with --lot to ask the KMS",
            v->args.words[1]);
    }
    if (status == BASE_OK) {
        status = prov_open_kms(&v->app, false, err);
    }
    const char *lot = v->args.lot != NULL ? v->args.lot : v->search.newest.lot;
    return status == BASE_OK ? auth_kms_get_unit(v->app.kms, lot, v->chip_id, &v->unit, err)
                             : status;
}

static enum base_status show_unit(struct prov_unit_verb *v, struct base_err *err)
{
    enum base_status status = prov_unit_find(v, err);
    if (status != BASE_OK) {
        return status;
    }
    if (v->args.json) {
        return prov_print_json(prov_unit_object(&v->search, &v->unit), err);
    }
    if (v->search.found) {
        print_row(&v->search.newest);
    }
    print_kms(&v->unit);
    return BASE_OK;
}

enum base_status prov_unit_ask(
    const struct prov_unit_verb *v, const char *question, struct base_err *err)
{
    char answer[8] = "";
    if (v->args.yes) {
        return BASE_OK;
    }
    if (isatty(STDIN_FILENO) == 0) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "this is final; confirm it with --yes, or run this on a terminal");
    }
    printf("%s Type yes to do it: ", question);
    (void)fflush(stdout);
    bool yes = fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0;
    return yes ? BASE_OK : base_err_set(err, BASE_E_CANCELLED, "option", 0, "nothing was done");
}

static const struct {
    const char *word;
    const char *options;
    enum base_status (*run)(struct prov_unit_verb *v, struct base_err *err);
} verbs[] = {
    { "show", "lot", show_unit },
    { "scrap", "lot probe reason yes", prov_unit_scrap },
    { "settle", "lot probe yes", prov_unit_settle },
    { "envelope", "lot statement out", prov_unit_envelope },
    { "receipt", "lot receipt", prov_unit_receipt },
};

/* The word comes before its options are known, so it is looked for first. */
static int find_verb(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (size_t k = 0; k < sizeof(verbs) / sizeof(verbs[0]); k++) {
            if (strcmp(argv[i], verbs[k].word) == 0) {
                return (int)k;
            }
        }
    }
    return -1;
}

int prov_unit(const struct cli_program *program, int argc, char **argv)
{
    struct prov_unit_verb v = { .app = { .lock_fd = -1 } };
    struct base_err err = { 0 };
    int verb = find_verb(argc, argv);
    enum base_status status =
        prov_parse(argc, argv, verb < 0 ? "" : verbs[verb].options, 2, &v.args, &err);
    bool named =
        verb >= 0 && v.args.word_count == 2 && strcmp(v.args.words[0], verbs[verb].word) == 0;
    if (status == BASE_OK && !named) {
        status = base_err_set(&err, BASE_E_ARG, "option", 0,
            "unit wants show, scrap, settle, envelope or receipt, and a CHIP");
    }
    if (status == BASE_OK && v.args.lot != NULL && !base_name_valid(v.args.lot)) {
        status = base_err_set(&err, BASE_E_ARG, "option", 0, "that is not the name of a lot");
    }
    if (status == BASE_OK) {
        status = prov_parse_chip(v.args.words[1], v.chip_id, &err);
    }
    if (status == BASE_OK) {
        status = prov_open(&v.app, program, &v.args, &err);
    }
    if (status == BASE_OK) {
        status = verbs[verb].run(&v, &err);
    }
    prov_close(&v.app);
    if (status == BASE_OK) {
        return 0;
    }
    int code = cli_fail(program, &err);
    if (v.next != NULL) {
        (void)fprintf(stderr, "next: %s\n", v.next);
    }
    return code;
}
