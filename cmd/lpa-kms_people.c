/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs tester and station. */
#include <qrencode.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/secret.h"
#include "cmd/lpa-kms.h"

#define CSR_MAX    16384
#define QUIET_ZONE 2

static bool dark(const QRcode *code, int x, int y)
{
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1U) != 0;
}

/* Two rows of the code in one row of text; light modules are drawn, for terminals with dark
 * background. */
static void draw(const QRcode *code)
{
    for (int y = -QUIET_ZONE; y < code->width + QUIET_ZONE; y += 2) {
        for (int x = -QUIET_ZONE; x < code->width + QUIET_ZONE; x++) {
            bool upper = !dark(code, x, y);
            bool lower = !dark(code, x, y + 1);
            const char *both = lower ? "\xe2\x96\x88" : "\xe2\x96\x80"; /* full, upper half */
            const char *none = lower ? "\xe2\x96\x84" : " ";            /* lower half */
            (void)fputs(upper ? both : none, stdout);
        }
        (void)fputc('\n', stdout);
    }
}

static enum base_status show_secret(const struct base_secret *uri, struct base_err *err)
{
    QRcode *code = QRcode_encodeString8bit((const char *)uri->data, 0, QR_ECLEVEL_M);
    if (code == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "", 0,
            "cannot draw the QR code: revoke the tester and add another one");
    }
    /* unbuffered, so that the secret gets no copy in a buffer that nobody wipes */
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    draw(code);
    (void)printf("%s\n", (const char *)uri->data);
    (void)printf("This is shown once. Scan it with the tester's authenticator, then clear the "
                 "screen.\n");
    base_wipe(code->data, (size_t)code->width * (size_t)code->width);
    QRcode_free(code);
    return BASE_OK;
}

static enum base_status tester_add(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    struct base_secret uri = { 0 };
    enum kms_role role = KMS_ROLE_PROVISION;
    enum base_status status = kms_args_read(argc, argv, "dr", 1, &args, err);
    if (status == BASE_OK) {
        status = kms_args_role(args.role, &role, err);
    }
    if (status == BASE_OK && isatty(STDOUT_FILENO) == 0) {
        status = base_err_set(err, BASE_E_CONFIG, "", 0,
            "the TOTP secret is shown on a terminal only, and the output is not one: run this at a "
            "terminal, without a pipe or file");
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = kms_admin_tester_add(&home, args.words[0], role, &uri, err);
    }
    if (status == BASE_OK) {
        status = show_secret(&uri, err);
    }
    base_secret_done(&uri);
    kms_home_close(&home);
    return status;
}

static enum base_status tester_revoke(int argc, char **argv, struct base_err *err)
{
    return kms_revoke_run(argc, argv, kms_admin_tester_revoke, "tester", err);
}

static const char *tester_state(const struct kms_tester *tester, int64_t now_us)
{
    return tester->revoked_us != 0            ? "revoked"
           : tester->locked_until_us > now_us ? "locked"
                                              : "in use";
}

static enum base_status print_tester(
    void *user, const struct kms_tester *tester, struct base_err *err)
{
    const struct kms_listing *listing = user;
    const char *role = tester->role == KMS_ROLE_PERSONALISE ? "personaliser" : "tester";
    const char *state = tester_state(tester, listing->now_us);
    char since[BASE_CLOCK_TEXT_SIZE] = "";
    if (tester->revoked_us != 0) {
        base_clock_format(tester->revoked_us, since);
    } else if (tester->locked_until_us > listing->now_us) {
        base_clock_format(tester->locked_until_us, since);
    }
    if (listing->json) {
        return kms_print_object(
            json_pack("{s:s, s:s, s:s, s:s*}", "tester", tester->name, "role", role, "state", state,
                tester->revoked_us != 0 ? "revoked" : "locked_until",
                since[0] != '\0' ? since : NULL),
            err);
    }
    (void)printf("%-24s  %-12s  %s%s%s\n", tester->name, role, state,
        since[0] == '\0' ? "" : (tester->revoked_us != 0 ? " " : " until "), since);
    return BASE_OK;
}

static enum base_status list_testers(
    struct kms_store *store, const char *lot, struct kms_listing *listing, struct base_err *err)
{
    (void)lot;
    return kms_tester_each(store, print_tester, listing, err);
}

static enum base_status tester_list(int argc, char **argv, struct base_err *err)
{
    return kms_list_run(argc, argv, "dJ", list_testers, err);
}

int kms_verb_tester(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "add", tester_add },
        { "revoke", tester_revoke },
        { "list", tester_list },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}

/* Add (with a log key) or renew. */
static enum base_status sign_station(
    struct kms_home *home, const struct kms_args *args, enum kms_role role, struct base_err *err)
{
    struct base_buf csr;
    struct base_buf certificate;
    base_buf_init(&csr, CSR_MAX);
    base_buf_init(&certificate, CSR_MAX);
    bool renew = args->log_key == NULL;
    enum base_status status = base_file_read(args->csr, &csr, err);
    const char *text = status == BASE_OK ? base_buf_text(&csr) : NULL;
    if (status == BASE_OK && text == NULL) {
        status = base_err_set(err, BASE_E_ARG, "", 0, "%s is too long", args->csr);
    }
    if (status == BASE_OK) {
        status = renew ? kms_admin_station_renew(home, args->words[0], text, &certificate, err)
                       : kms_admin_station_add(
                             home, args->words[0], text, args->log_key, role, &certificate, err);
    }
    if (status == BASE_OK) {
        status = base_file_replace(args->out, certificate.data, certificate.length, 0644, err);
        if (status != BASE_OK) {
            (void)base_err_prefix(err,
                "station %s was %s, but its certificate was not written (%s): ", args->words[0],
                renew ? "renewed" : "added",
                renew ? "renew it again" : "revoke it and add it again");
        }
    }
    base_buf_done(&csr);
    base_buf_done(&certificate);
    return status;
}

static enum base_status station_add(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    enum kms_role role = KMS_ROLE_PROVISION;
    enum base_status status = kms_args_read(argc, argv, "drcko", 1, &args, err);
    if (status == BASE_OK && (args.csr == NULL || args.log_key == NULL || args.out == NULL)) {
        status = base_err_set(err, BASE_E_ARG, "", 0,
            "station add wants --csr FILE, --log-key VKEY and --out CERT: lpa-provision enrol "
            "names them");
    }
    if (status == BASE_OK) {
        status = kms_args_role(args.role, &role, err);
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = sign_station(&home, &args, role, err);
    }
    if (status == BASE_OK) {
        (void)printf("station %s may %s; its certificate is in %s\n", args.words[0],
            kms_role_name(role), args.out);
    }
    kms_home_close(&home);
    return status;
}

static enum base_status station_renew(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    enum base_status status = kms_args_read(argc, argv, "dco", 1, &args, err);
    if (status == BASE_OK && (args.csr == NULL || args.out == NULL)) {
        status = base_err_set(err, BASE_E_ARG, "", 0,
            "station renew wants --csr FILE, the station's request, and --out CERT");
    }
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = sign_station(&home, &args, KMS_ROLE_PROVISION, err);
    }
    if (status == BASE_OK) {
        (void)printf(
            "station %s has a new certificate in %s, and the old one has ended: give it to "
            "lpa-provision enrol --cert, then log in again\n",
            args.words[0], args.out);
    }
    kms_home_close(&home);
    return status;
}

static const char *station_state(const struct kms_station *station, int64_t now_us)
{
    return station->revoked_us != 0         ? "revoked"
           : station->not_after_us < now_us ? "expired"
                                            : "in use";
}

static enum base_status print_station(
    void *user, const struct kms_station *station, struct base_err *err)
{
    const struct kms_listing *listing = user;
    const char *state = station_state(station, listing->now_us);
    char fingerprint[65];
    char not_after[BASE_CLOCK_TEXT_SIZE];
    char revoked[BASE_CLOCK_TEXT_SIZE] = "";
    base_hex_encode(station->certificate_sha256, 32, fingerprint);
    base_clock_format(station->not_after_us, not_after);
    if (station->revoked_us != 0) {
        base_clock_format(station->revoked_us, revoked);
    }
    if (listing->json) {
        return kms_print_object(
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", "station", station->name, "role",
                kms_role_name(station->role), "state", state, "certificate_sha256", fingerprint,
                "not_after", not_after, "log_key", station->log_vkey, "revoked",
                revoked[0] != '\0' ? revoked : NULL),
            err);
    }
    (void)printf("%-24s  %-11s  %.16s  until %s  %s%s%s\n", station->name,
        kms_role_name(station->role), fingerprint, not_after, state, revoked[0] != '\0' ? " " : "",
        revoked);
    return BASE_OK;
}

static enum base_status list_stations(
    struct kms_store *store, const char *lot, struct kms_listing *listing, struct base_err *err)
{
    (void)lot;
    return kms_station_each(store, print_station, listing, err);
}

static enum base_status station_list(int argc, char **argv, struct base_err *err)
{
    return kms_list_run(argc, argv, "dJ", list_stations, err);
}

static enum base_status station_revoke(int argc, char **argv, struct base_err *err)
{
    return kms_revoke_run(argc, argv, kms_admin_station_revoke, "station", err);
}

int kms_verb_station(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "add", station_add },
        { "renew", station_renew },
        { "revoke", station_revoke },
        { "list", station_list },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
