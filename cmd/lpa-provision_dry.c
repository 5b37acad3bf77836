/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: look at each board and say what would be done to it, down to the fuse bits. */
#include "cmd/lpa-provision_line.h"

#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct look {
    struct lpa_exam exam;
    struct lpa_plan plan;
    bool have_plan; /**< the board is open and would be restricted */
    bool refused;   /**< the board is open, and this stage takes none but restricted ones */
};

static enum base_status look_at(const struct prov_line *line, struct lpa_device *device,
    struct look *look, struct base_err *err)
{
    const struct lpa_device_ops *ops = &lpa_device_job_ops;
    bool restricted_lot = line->lot.restrict_policy == AUTH_RESTRICT_SECURE;
    enum base_status status = ops->examine(device, &look->exam, err);
    if (status != BASE_OK || !restricted_lot || look->exam.closed) {
        return status;
    }
    if ((lpa_job_acts(&line->lot, line->stage) & PRG_ACT_RESTRICT) == 0) {
        look->refused = true;
        return BASE_OK;
    }
    status = ops->plan(device, &look->plan, err);
    look->have_plan = status == BASE_OK;
    return status;
}

/* The steps in the order of the table, as far as they can be known from outside. */
static void list_steps(
    const struct prov_line *line, const struct look *look, size_t size, char *text)
{
    bool provision = line->stage == LPA_STAGE_PROVISION;
    enum lpa_application_proof proof = lpa_job_application(&line->lot, &look->exam);
    const char *steps[] = {
        look->exam.image_equal ? NULL : "program",
        proof == LPA_APPLICATION_DUE ? "application" : NULL,
        look->have_plan ? "rehearse" : NULL,
        look->have_plan ? "restrict" : NULL,
        look->have_plan ? "seal" : NULL,
        "identify",
        provision ? "grant, install, confirm" : "register",
        provision && line->lot.lock_policy != AUTH_LOCK_NONE ? "lock" : NULL,
    };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i] != NULL && used < size) {
            used +=
                (size_t)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : ", ", steps[i]);
        }
    }
}

static json_t *fuses_json(const struct look *look)
{
    json_t *list = json_array();
    const char *at = look->plan.list;
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, "\n");
        (void)json_array_append_new(list, json_stringn(at, length));
        at += length + (at[length] != '\0');
    }
    return list;
}

static void show_look(
    const struct prov_line *line, const struct prov_site *site, const struct look *look)
{
    char chip[17];
    char steps[128];
    struct base_err ignored = { 0 };
    enum lpa_application_proof proof = lpa_job_application(&line->lot, &look->exam);
    base_hex_encode(look->exam.chip_id, sizeof(look->exam.chip_id), chip);
    list_steps(line, look, sizeof(steps), steps);
    if (look->refused) {
        (void)snprintf(
            steps, sizeof(steps), "none: its port is open, so it is to be personalised first");
    }
    if (line->args->json) {
        (void)!prov_print_json(
            json_pack("{s:s, s:s, s:I, s:s, s:b, s:s, s:s*, s:s*, s:s*, s:I, s:o}", "type", "plan",
                "site", site->url, "site_number", (json_int_t)site->number, "chip_id", chip,
                "restricted", (int)look->exam.closed, "steps", steps, "bits",
                look->have_plan ? look->plan.names : NULL, "application",
                lpa_application_proof_name(proof), "relies_on", lpa_application_proof_text(proof),
                "fuse_bits", (json_int_t)look->plan.bits, "fuses", fuses_json(look)),
            &ignored);
        return;
    }
    printf("%-22s  %-16s  %s\n", site->url, chip, steps);
    if (lpa_application_proof_text(proof) != NULL) {
        printf("    %s\n", lpa_application_proof_text(proof));
    }
    if (look->have_plan) {
        printf("    fuses %s\n", look->plan.names);
        for (const char *at = look->plan.list; at != NULL && *at != '\0';) {
            size_t length = strcspn(at, "\n");
            printf("      %.*s\n", (int)length, at);
            at += length + (at[length] != '\0');
        }
    }
    (void)fflush(stdout);
}

void prov_dry_run(struct prov_site *site, struct lpa_device *device)
{
    struct prov_line *line = site->line;
    struct look look = { .have_plan = false };
    struct base_err err = { 0 };
    enum base_status status = look_at(line, device, &look, &err);
    (void)pthread_mutex_lock(&line->lock);
    if (status != BASE_OK) {
        prov_show_site_error(line, site, &err);
    } else {
        prov_erase(line);
        show_look(line, site, &look);
    }
    (void)pthread_mutex_unlock(&line->lock);
    lpa_plan_done(&look.plan);
}
