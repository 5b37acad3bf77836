/* SPDX-License-Identifier: Apache-2.0 */
/* Verb unit. */
#include <stdio.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "cmd/lpa-kms.h"
#include "kms/call.h"

static enum base_status print_unit_json(const struct kms_grant *grant, struct base_err *err)
{
    json_t *object = json_object();
    enum base_status status = kms_grant_json(grant, object, err);
    char created[BASE_CLOCK_TEXT_SIZE];
    base_clock_format(grant->created_us, created);
    if (status == BASE_OK) {
        status = base_json_set_text(object, "station", grant->station, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(object, "tester", grant->tester, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(object, "trust", kms_trust_name(grant->device_trust), err);
    }
    if (status == BASE_OK) {
        status = base_json_set_text(object, "granted", created, err);
    }
    if (status == BASE_OK) {
        status = base_json_set_bool(object, "unattended", grant->unattended, err);
    }
    if (status != BASE_OK) {
        json_decref(object);
        return status;
    }
    return kms_print_object(object, err);
}

static enum base_status print_unit(void *user, const struct kms_grant *grant, struct base_err *err)
{
    char chip[17];
    char dev_eui[17];
    if (*(const bool *)user) {
        return print_unit_json(grant, err);
    }
    base_hex_encode(grant->chip_id, 8, chip);
    base_hex_encode(grant->dev_eui, 8, dev_eui);
    (void)printf("%s  %s  %-10s  %-8s  %s%s\n", chip, dev_eui, kms_grant_state_name(grant->state),
        kms_trust_name(grant->device_trust), grant->lot, grant->wiped_us != 0 ? "  wiped" : "");
    return BASE_OK;
}

static enum base_status print_registered(
    void *user, const struct kms_unit *unit, struct base_err *err)
{
    char chip[17];
    base_hex_encode(unit->chip_id, 8, chip);
    if (*(const bool *)user) {
        return kms_print_object(
            json_pack("{s:s, s:n, s:s, s:s, s:s, s:s}", "chip_id", chip, "dev_eui", "state",
                "registered", "lot", unit->lot, "station", unit->station, "tester", unit->tester),
            err);
    }
    (void)printf("%s  %-16s  %-10s  %-8s  %s\n", chip, "-", "registered", "-", unit->lot);
    return BASE_OK;
}

static enum base_status unit_list(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    enum base_status status = kms_args_read(argc, argv, "dbJ", 0, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK && args.lot != NULL) {
        struct kms_lot_view view;
        status = kms_admin_lot_view(&home, args.lot, &view, err);
    }
    if (status == BASE_OK) {
        const struct kms_grant_filter filter = { .lot = args.lot, .limit = INT64_MAX };
        status = kms_grant_each(&home.store, &filter, print_unit, &args.json, err);
    }
    if (status == BASE_OK) {
        status = kms_unit_each_ungranted(&home.store, args.lot, print_registered, &args.json, err);
    }
    kms_home_close(&home);
    return status;
}

static enum base_status order_unit(int argc, char **argv, uint8_t purpose, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct kms_order order = { .id = "" };
    uint8_t chip[8];
    enum base_status status = kms_args_read(argc, argv, "dyPJ", 1, &args, err);
    if (status == BASE_OK) {
        status = kms_args_chip(args.words[0], chip, err);
    }
    if (status == BASE_OK && purpose == PROTO_PURPOSE_ZEROISE && !args.permit) {
        status = base_err_set(err, BASE_E_DENIED, "", 0,
            "a zeroised unit has no keys left, and neither has the KMS: say --permit");
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = kms_admin_unit_order(
            &home, chip, purpose, args.reason != NULL ? args.reason : "", &order, err);
    }
    if (status == BASE_OK && args.json) {
        status = kms_print_object(json_pack("{s:s, s:s, s:s}", "order", order.id, "chip_id",
                                      args.words[0], "work", kms_work_name(purpose)),
            err);
    } else if (status == BASE_OK) {
        (void)printf("%s of chip %s is ordered: the next run of a station carries it out\n",
            kms_work_name(purpose), args.words[0]);
    }
    kms_home_close(&home);
    return status;
}

static enum base_status unit_rework(int argc, char **argv, struct base_err *err)
{
    return order_unit(argc, argv, PROTO_PURPOSE_REWORK, err);
}

static enum base_status unit_zeroise(int argc, char **argv, struct base_err *err)
{
    return order_unit(argc, argv, PROTO_PURPOSE_ZEROISE, err);
}

typedef enum base_status unit_fn(
    struct kms_home *home, const uint8_t chip_id[8], struct base_err *err);

static enum base_status with_unit(
    const struct kms_args *args, unit_fn *function, const char *done, struct base_err *err)
{
    struct kms_home home = { .dir = "" };
    uint8_t chip[8];
    enum base_status status = kms_args_chip(args->words[0], chip, err);
    if (status == BASE_OK) {
        status = kms_args_open(args, &home, err);
    }
    if (status == BASE_OK) {
        status = function(&home, chip, err);
    }
    if (status == BASE_OK) {
        (void)printf("%s %s\n", done, args->words[0]);
    }
    kms_home_close(&home);
    return status;
}

static enum base_status unit_cancel(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    enum base_status status = kms_args_read(argc, argv, "d", 1, &args, err);
    return status == BASE_OK ? with_unit(&args, kms_admin_unit_cancel,
                                   "no order is pending any more for chip", err)
                             : status;
}

static enum base_status unit_retire(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    enum base_status status = kms_args_read(argc, argv, "dP", 1, &args, err);
    if (status == BASE_OK && !args.permit) {
        status = base_err_set(err, BASE_E_DENIED, "", 0,
            "retiring is final, wipes the unit's keys and retires its DevEUI: say --permit");
    }
    return status == BASE_OK ? with_unit(&args, kms_admin_unit_retire,
                                   "retired for good, its keys wiped: chip", err)
                             : status;
}

int kms_verb_unit(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "list", unit_list },
        { "rework", unit_rework },
        { "zeroise", unit_zeroise },
        { "retire", unit_retire },
        { "cancel", unit_cancel },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
