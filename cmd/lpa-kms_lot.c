/* SPDX-License-Identifier: Apache-2.0 */
/* Verb lot. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "cmd/lpa-kms.h"
#include "kms/call.h"

#define IMAGE_MAX    (4U << 20)
#define COUNT_MAX    INT64_C(1000000)
#define DEFAULT_LIFE "+30d"
#define VERSION_SIZE 16

static enum base_status bad_hex(const char *option, unsigned digits, struct base_err *err)
{
    return base_err_set(err, BASE_E_ARG, "", 0, "--%s takes %u hexadecimal digits", option, digits);
}

static enum base_status parse_euis(
    const struct kms_args *args, struct kms_lot_request *request, struct base_err *err)
{
    uint8_t first[8];
    if (args->join_eui == NULL ||
        base_hex_decode(args->join_eui, 8, request->join_eui, NULL) != BASE_OK) {
        return bad_hex("join-eui", 16, err);
    }
    if (args->deveui_first == NULL ||
        base_hex_decode(args->deveui_first, 8, first, NULL) != BASE_OK) {
        return bad_hex("deveui-first", 16, err);
    }
    if (args->profile != NULL &&
        base_hex_decode(args->profile, 4, request->profile, NULL) != BASE_OK) {
        return bad_hex("profile", 8, err);
    }
    request->deveui_first = base_get_be64(first);
    return BASE_OK;
}

/* Index of @p text among @p names; count when it is none of them. */
static size_t choose(const char *text, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && (text == NULL || strcmp(text, names[i]) != 0)) {
        i++;
    }
    return i;
}

static enum base_status parse_trust(
    const struct kms_args *args, struct kms_lot_request *request, struct base_err *err)
{
    static const char *const names[] = { "tofu", "manifest", "attested" };
    size_t index = choose(args->trust, names, 3);
    if (index == 3) {
        return base_err_set(err, BASE_E_ARG, "", 0, "--trust is tofu, manifest or attested");
    }
    request->trust = (enum kms_trust)(index + KMS_TRUST_TOFU);
    return BASE_OK;
}

static enum base_status parse_policies(
    const struct kms_args *args, struct kms_lot_request *request, struct base_err *err)
{
    static const char *const restrictions[] = { "none", "secure" };
    static const char *const locks[] = { "none", "aps", "dark" };
    size_t restriction =
        args->restrict_policy != NULL ? choose(args->restrict_policy, restrictions, 2) : 0;
    size_t lock = args->lock != NULL ? choose(args->lock, locks, 3) : 0;
    if (restriction == 2) {
        return base_err_set(err, BASE_E_ARG, "", 0, "--restrict is none or secure");
    }
    if (lock == 3) {
        return base_err_set(err, BASE_E_ARG, "", 0, "--lock is none, aps or dark");
    }
    request->restrict_policy = (enum kms_restrict)restriction;
    request->lock_policy = (enum kms_lock)lock;
    return BASE_OK;
}

/* MAJOR.MINOR.PATCH, as lpa-image info shows it. */
static enum base_status parse_version(
    const char *text, const char *what, int64_t *ret_version, struct base_err *err)
{
    static const unsigned long limits[3] = { 255, 255, 65535 };
    unsigned long parts[3] = { 0 };
    const char *at = text;
    char *end = NULL;
    for (size_t i = 0; i < 3; i++) {
        parts[i] = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : ULONG_MAX;
        if (parts[i] > limits[i] || *end != (i < 2 ? '.' : '\0')) {
            return base_err_set(err, BASE_E_ARG, "", 0, "--%s takes a version such as 1.0.3", what);
        }
        at = end + 1;
    }
    *ret_version = (int64_t)(parts[0] << 24 | parts[1] << 16 | parts[2]);
    return BASE_OK;
}

static enum base_status parse_floors(
    const struct kms_args *args, struct kms_lot_request *request, struct base_err *err)
{
    enum base_status status = BASE_OK;
    request->min_bootloader = KMS_FLOOR_DEFAULT;
    request->min_protocol = KMS_FLOOR_DEFAULT;
    if (args->min_bootloader != NULL) {
        status =
            parse_version(args->min_bootloader, "min-bootloader", &request->min_bootloader, err);
    }
    if (status == BASE_OK && args->min_protocol != NULL) {
        status = kms_args_number(
            args->min_protocol, "min-protocol", 0, UINT8_MAX, &request->min_protocol, err);
    }
    return status;
}

static enum base_status parse_lorawan(
    const struct kms_args *args, struct kms_lot_request *request, struct base_err *err)
{
    const char *text = args->lorawan != NULL ? args->lorawan : "";
    if (strcmp(text, "1.1") == 0 || strcmp(text, "1.1.0") == 0) {
        request->lorawan = PROTO_LORAWAN_1_1;
    } else if (strcmp(text, "1.0") == 0 || (strncmp(text, "1.0.", 4) == 0 && text[4] >= '0' &&
                                               text[4] <= '4' && text[5] == '\0')) {
        request->lorawan = PROTO_LORAWAN_1_0;
    } else {
        return base_err_set(err, BASE_E_ARG, "", 0, "--lorawan is 1.0.4 or 1.1");
    }
    return BASE_OK;
}

static enum base_status parse_lot(
    const struct kms_args *args, struct kms_lot_request *request, struct base_err *err)
{
    enum base_status status = parse_euis(args, request, err);
    request->id = args->words[0];
    request->consent_tofu = args->consent_tofu;
    request->unattended = args->unattended;
    if (status == BASE_OK) {
        status = parse_trust(args, request, err);
    }
    if (status == BASE_OK) {
        status = parse_policies(args, request, err);
    }
    if (status == BASE_OK) {
        status = parse_floors(args, request, err);
    }
    if (status == BASE_OK) {
        status = parse_lorawan(args, request, err);
    }
    if (status == BASE_OK) {
        status = kms_args_number(
            args->deveui_count, "deveui-count", 1, COUNT_MAX, &request->deveui_count, err);
    }
    if (status == BASE_OK) {
        status = kms_args_number(args->target, "target", 1, COUNT_MAX, &request->target, err);
    }
    if (status == BASE_OK) {
        status =
            kms_args_number(args->allowance, "allowance", 1, COUNT_MAX, &request->allowance, err);
    }
    request->rate = KMS_RATE_DEFAULT;
    if (status == BASE_OK && args->rate != NULL) {
        status = kms_args_number(args->rate, "rate", 0, COUNT_MAX, &request->rate, err);
    }
    if (status == BASE_OK) {
        status = kms_args_time(args->expires != NULL ? args->expires : DEFAULT_LIFE,
            base_clock_wall_us(base_clock_system()), &request->expires_us, err);
    }
    if (status == BASE_OK && args->image == NULL) {
        status =
            base_err_set(err, BASE_E_ARG, "", 0, "say with --image FILE what the lot's chips run");
    }
    return status;
}

enum base_status kms_print_object(json_t *object, struct base_err *err)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (text == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "", 0, "out of memory for the answer");
    }
    (void)printf("%s\n", text);
    free(text);
    return BASE_OK;
}

static void format_version(int64_t version, char ret_text[VERSION_SIZE])
{
    (void)snprintf(ret_text, VERSION_SIZE, "%u.%u.%u", (unsigned)(version >> 24 & 0xFF),
        (unsigned)(version >> 16 & 0xFF), (unsigned)(version & 0xFFFF));
}

static json_t *lot_json(const struct kms_lot_view *view)
{
    const struct kms_lot *lot = &view->lot;
    char image[65];
    char join_eui[17];
    char first[17];
    char expires[BASE_CLOCK_TEXT_SIZE];
    uint8_t bytes[8];
    char key[65];
    char application[65];
    char hash[2 * KMS_SECURE_HASH_SIZE + 1];
    char floor[VERSION_SIZE];
    bool secure = lot->restrict_policy != KMS_RESTRICT_NONE;
    base_hex_encode(lot->key_sha256, 32, key);
    base_hex_encode(lot->application_sha256, 32, application);
    base_hex_encode(lot->secure_hash, KMS_SECURE_HASH_SIZE, hash);
    format_version(lot->min_bootloader, floor);
    base_hex_encode(lot->image_sha256, 32, image);
    base_hex_encode(lot->join_eui, 8, join_eui);
    kms_eui_bytes(lot->deveui_first, bytes);
    base_hex_encode(bytes, 8, first);
    base_clock_format(lot->expires_us, expires);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, "
        "s:b, s:s, s:s, s:s, s:s, s:I, s:s*, s:s*, s:s*}",
        "lot", lot->id, "chip", lot->chip, "image_sha256", image, "lorawan",
        lot->lorawan == PROTO_LORAWAN_1_1 ? "1.1" : "1.0", "join_eui", join_eui, "deveui_first",
        first, "deveui_count", (json_int_t)lot->deveui_count, "trust", kms_trust_name(lot->trust),
        "target", (json_int_t)lot->target, "allowance", (json_int_t)lot->allowance, "rate",
        (json_int_t)lot->rate, "granted", (json_int_t)lot->granted, "confirmed",
        (json_int_t)view->counts.confirmed, "scrapped", (json_int_t)view->counts.scrapped, "open",
        (json_int_t)view->counts.open, "unattended", lot->unattended, "closed", lot->closed_us != 0,
        "expires", expires, "restrict", kms_restrict_name(lot->restrict_policy), "lock",
        kms_lock_name(lot->lock_policy), "min_bootloader", floor, "min_protocol",
        (json_int_t)lot->min_protocol, "key_sha256", secure ? key : NULL, "secure_hash",
        secure ? hash : NULL, "application_sha256",
        kms_lot_has_application(lot) ? application : NULL);
}

static void print_reconciliation(const struct kms_lot_view *view)
{
    const struct kms_counts *counts = &view->counts;
    bool balanced = view->lot.granted == counts->confirmed + counts->scrapped + counts->open;
    (void)printf("granted %" PRId64 " = confirmed %" PRId64 " + scrapped %" PRId64
                 " + open %" PRId64 "%s\n",
        view->lot.granted, counts->confirmed, counts->scrapped, counts->open,
        balanced ? "" : "  (does NOT balance)");
}

static void print_policies(const struct kms_lot *lot)
{
    char text[VERSION_SIZE];
    char digest[65];
    (void)printf("restrict   %s, lock %s\n", kms_restrict_name(lot->restrict_policy),
        kms_lock_name(lot->lock_policy));
    if (lot->restrict_policy != KMS_RESTRICT_NONE) {
        base_hex_encode(lot->key_sha256, 32, digest);
        (void)printf("image key  %s\n", digest);
        base_hex_encode(lot->secure_hash, KMS_SECURE_HASH_SIZE, digest);
        (void)printf("fuses      SECURE_HASH %s\n", digest);
    }
    if (kms_lot_has_application(lot)) {
        base_hex_encode(lot->application_sha256, 32, digest);
        format_version(lot->application_version, text);
        (void)printf("app        %s, version %s\n", digest, text);
    }
    if (lot->min_bootloader > 0) {
        format_version(lot->min_bootloader, text);
        (void)printf("floor      bootloader %s, protocol %" PRId64 "\n", text, lot->min_protocol);
    }
}

static void print_lot(const struct kms_lot_view *view, bool development)
{
    const struct kms_lot *lot = &view->lot;
    char text[65];
    char expires[BASE_CLOCK_TEXT_SIZE];
    uint8_t bytes[8];
    base_clock_format(lot->expires_us, expires);
    (void)printf("lot        %s%s%s\n", lot->id, development ? " (development)" : "",
        lot->closed_us != 0 ? " (closed)" : "");
    base_hex_encode(lot->image_sha256, 32, text);
    (void)printf("image      %s\n", text);
    base_hex_encode(lot->join_eui, 8, text);
    (void)printf(
        "LoRaWAN    %s, JoinEUI %s\n", lot->lorawan == PROTO_LORAWAN_1_1 ? "1.1" : "1.0", text);
    kms_eui_bytes(lot->deveui_first, bytes);
    base_hex_encode(bytes, 8, text);
    (void)printf("DevEUI     %" PRId64 " from %s\n", lot->deveui_count, text);
    (void)printf("trust      %s%s\n", kms_trust_name(lot->trust),
        lot->unattended ? ", unattended logins allowed" : "");
    print_policies(lot);
    (void)printf("target     %" PRId64 " good units, %" PRId64 " grants allowed, until %s\n",
        lot->target, lot->allowance, expires);
    if (lot->rate != 0) {
        (void)printf("rate       at most %" PRId64 " grants within any hour\n", lot->rate);
    }
    print_reconciliation(view);
}

/* The files that a lot is about. */
struct lot_files {
    struct base_buf image, key, application;
};

static enum base_status read_files(const struct kms_args *args, struct kms_lot_request *request,
    struct lot_files *files, struct base_err *err)
{
    enum base_status status = base_file_read(args->image, &files->image, err);
    request->image = files->image.data;
    request->image_length = files->image.length;
    if (status == BASE_OK && args->image_key != NULL) {
        status = base_file_read(args->image_key, &files->key, err);
        request->image_key = files->key.data;
        request->image_key_length = files->key.length;
    }
    if (status == BASE_OK && args->application != NULL) {
        status = base_file_read(args->application, &files->application, err);
        request->application = files->application.data;
        request->application_length = files->application.length;
    }
    return status;
}

static enum base_status add_lot(struct kms_home *home, const struct kms_args *args,
    struct kms_lot_request *request, struct base_err *err)
{
    struct lot_files files;
    uint8_t hash[KMS_SECURE_HASH_SIZE];
    base_buf_init(&files.image, IMAGE_MAX);
    base_buf_init(&files.key, IMAGE_MAX);
    base_buf_init(&files.application, IMAGE_MAX);
    enum base_status status = BASE_OK;
    if (args->secure_hash != NULL) {
        status = base_hex_decode(args->secure_hash, sizeof(hash), hash, NULL) == BASE_OK
                     ? BASE_OK
                     : bad_hex("secure-hash", 2 * KMS_SECURE_HASH_SIZE, err);
        request->secure_hash = hash;
    }
    if (status == BASE_OK) {
        status = read_files(args, request, &files, err);
    }
    if (status == BASE_OK) {
        status = kms_admin_lot_add(home, request, err);
    }
    base_buf_done(&files.image);
    base_buf_done(&files.key);
    base_buf_done(&files.application);
    return status;
}

static enum base_status lot_add(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct kms_lot_request request = { .id = NULL };
    enum base_status status = kms_args_read(argc, argv, "diwjentagTRLxpUCJKHAmM", 1, &args, err);
    if (status == BASE_OK) {
        status = parse_lot(&args, &request, err);
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = add_lot(&home, &args, &request, err);
    }
    if (status == BASE_OK) {
        struct kms_lot_view view;
        status = kms_admin_lot_view(&home, request.id, &view, err);
        if (status == BASE_OK && args.json) {
            status = kms_print_object(lot_json(&view), err);
        } else if (status == BASE_OK) {
            print_lot(&view, home.config.development);
        }
    }
    kms_home_close(&home);
    return status;
}

static enum base_status lot_show(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct kms_lot_view view;
    enum base_status status = kms_args_read(argc, argv, "dJ", 1, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = kms_admin_lot_view(&home, args.words[0], &view, err);
    }
    if (status == BASE_OK && args.json) {
        status = kms_print_object(lot_json(&view), err);
    } else if (status == BASE_OK) {
        print_lot(&view, home.config.development);
    }
    kms_home_close(&home);
    return status;
}

struct names {
    char (*ids)[KMS_ID_SIZE]; /* owned */
    size_t count;
};

static enum base_status collect_name(void *user, const struct kms_lot *lot, struct base_err *err)
{
    struct names *names = user;
    void *more = realloc(names->ids, (names->count + 1) * sizeof(names->ids[0]));
    if (more == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "", 0, "out of memory for the lots");
    }
    names->ids = more;
    memcpy(names->ids[names->count++], lot->id, sizeof(lot->id));
    return BASE_OK;
}

static enum base_status print_row(
    struct kms_home *home, const char *id, bool json, struct base_err *err)
{
    struct kms_lot_view view;
    enum base_status status = kms_admin_lot_view(home, id, &view, err);
    if (status != BASE_OK) {
        return status;
    }
    if (json) {
        return kms_print_object(lot_json(&view), err);
    }
    (void)printf("%-24s %-8s ", id, view.lot.closed_us != 0 ? "closed" : "open");
    print_reconciliation(&view);
    return BASE_OK;
}

static enum base_status lot_list(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct names names = { .ids = NULL };
    enum base_status status = kms_args_read(argc, argv, "dJ", 0, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = kms_lot_each(&home.store, collect_name, &names, err);
    }
    for (size_t i = 0; i < names.count && status == BASE_OK; i++) {
        status = print_row(&home, names.ids[i], args.json, err);
    }
    free(names.ids);
    kms_home_close(&home);
    return status;
}

/* The KMS cannot tell which of them ever took their envelope. */
static enum base_status print_unwiped(
    void *user, const struct kms_grant *grant, struct base_err *err)
{
    char chip[17];
    base_hex_encode(grant->chip_id, 8, chip);
    if (*(const bool *)user) {
        return kms_print_object(json_pack("{s:s, s:s, s:b}", "chip_id", chip, "state",
                                    kms_grant_state_name(grant->state), "wiped", 0),
            err);
    }
    (void)printf(
        "chip %s is %s and its board was not wiped: lpa-provision unit scrap with --probe, "
        "or destroy it\n",
        chip, kms_grant_state_name(grant->state));
    return BASE_OK;
}

static enum base_status lot_close(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct kms_lot_view view;
    enum base_status status = kms_args_read(argc, argv, "dSPJ", 1, &args, err);
    if (status == BASE_OK && args.scrap_open && !args.permit) {
        status = base_err_set(err, BASE_E_DENIED, "", 0,
            "scrapping is final and retires the DevEUIs: say --permit besides --scrap-open");
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = kms_admin_lot_close(&home, args.words[0], args.scrap_open, &view, err);
    }
    if (status == BASE_OK && args.json) {
        status = kms_print_object(lot_json(&view), err);
    } else if (status == BASE_OK) {
        (void)printf("lot %s is closed: ", args.words[0]);
        print_reconciliation(&view);
    }
    if (status == BASE_OK) {
        const struct kms_grant_filter filter = {
            .lot = args.words[0], .only_first = true, .only_unwiped = true, .limit = INT64_MAX
        };
        status = kms_grant_each(&home.store, &filter, print_unwiped, &args.json, err);
    }
    kms_home_close(&home);
    return status;
}

int kms_verb_lot(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "add", lot_add },
        { "list", lot_list },
        { "show", lot_show },
        { "close", lot_close },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
