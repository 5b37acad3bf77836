/* SPDX-License-Identifier: Apache-2.0 */
/* Verb permit. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "cmd/lpa-kms.h"

#define DEFAULT_LIFE "+12h"

static int64_t act_of(const char *text, size_t length)
{
    for (unsigned bit = 0; bit < KMS_ACTS; bit++) {
        const char *name = kms_act_name(bit);
        if (strlen(name) == length && strncmp(name, text, length) == 0) {
            return INT64_C(1) << bit;
        }
    }
    return 0;
}

/* "rehearse,restrict,lock" */
static enum base_status parse_acts(const char *text, int64_t *ret_acts, struct base_err *err)
{
    int64_t acts = 0;
    const char *at = text != NULL ? text : "";
    do {
        size_t length = strcspn(at, ",");
        int64_t act = act_of(at, length);
        if (act == 0) {
            return base_err_set(err, BASE_E_ARG, "", 0,
                "--acts is a list, with commas, of rehearse, restrict, lock, efuse, zeroise and "
                "settle");
        }
        acts |= act;
        at += length;
    } while (*at++ == ',');
    *ret_acts = acts;
    return BASE_OK;
}

static void format_acts(int64_t acts, char ret_text[64])
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (unsigned bit = 0; bit < KMS_ACTS; bit++) {
        if ((acts >> bit & 1) != 0) {
            used += (size_t)snprintf(
                ret_text + used, 64 - used, "%s%s", used == 0 ? "" : ",", kms_act_name(bit));
        }
    }
}

static enum base_status write_note(
    const struct kms_permit *permit, const char *path, struct base_err *err)
{
    return path == NULL ? BASE_OK
                        : base_file_replace(path, permit->note, strlen(permit->note), 0644, err);
}

static enum base_status permit_add(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct kms_permit permit = { .id = "" };
    struct kms_permit_request request = { .lot = NULL };
    uint8_t chip[8];
    enum base_status status = kms_args_read(argc, argv, "dZhxoJ", 1, &args, err);
    if (status == BASE_OK) {
        request.lot = args.words[0];
        status = parse_acts(args.acts, &request.acts, err);
    }
    if (status == BASE_OK && args.chip != NULL) {
        request.chip_id = chip;
        status = kms_args_chip(args.chip, chip, err);
    }
    if (status == BASE_OK) {
        status = kms_args_time(args.expires != NULL ? args.expires : DEFAULT_LIFE,
            base_clock_wall_us(base_clock_system()), &request.until_us, err);
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = kms_admin_permit_add(&home, &request, &permit, err);
    }
    if (status == BASE_OK) {
        status = write_note(&permit, args.out, err);
    }
    if (status == BASE_OK && args.json) {
        status = kms_print_object(json_pack("{s:s, s:s, s:s}", "permit", permit.id, "lot",
                                      permit.lot, "note", permit.note),
            err);
    } else if (status == BASE_OK) {
        (void)printf("permit %s for lot %s\n", permit.id, permit.lot);
    }
    kms_home_close(&home);
    return status;
}

static enum base_status print_permit(
    void *user, const struct kms_permit *permit, struct base_err *err)
{
    const struct kms_listing *listing = user;
    char acts[64];
    char chip[17] = "any chip";
    char until[BASE_CLOCK_TEXT_SIZE];
    const char *state = permit->revoked_us != 0               ? "revoked"
                        : permit->until_us <= listing->now_us ? "over"
                                                              : "good";
    format_acts(permit->acts, acts);
    base_clock_format(permit->until_us, until);
    if (permit->for_chip) {
        base_hex_encode(permit->chip_id, 8, chip);
    }
    if (listing->json) {
        return kms_print_object(json_pack("{s:s, s:s, s:s, s:s*, s:s, s:s}", "permit", permit->id,
                                    "lot", permit->lot, "acts", acts, "chip",
                                    permit->for_chip ? chip : NULL, "until", until, "state", state),
            err);
    }
    (void)printf(
        "%s  %-16s  %-7s  until %s  %s  %s\n", permit->id, chip, state, until, permit->lot, acts);
    return BASE_OK;
}

static enum base_status list_permits(
    struct kms_store *store, const char *lot, struct kms_listing *listing, struct base_err *err)
{
    return kms_permit_each(store, lot, print_permit, listing, err);
}

static enum base_status permit_list(int argc, char **argv, struct base_err *err)
{
    return kms_list_run(argc, argv, "dbJ", list_permits, err);
}

static enum base_status permit_revoke(int argc, char **argv, struct base_err *err)
{
    return kms_revoke_run(argc, argv, kms_admin_permit_revoke, "permit", err);
}

int kms_verb_permit(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "add", permit_add },
        { "list", permit_list },
        { "revoke", permit_revoke },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
