/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs tester and station. */
#include <qrencode.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
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

typedef enum base_status revoke_fn(struct kms_home *home, const char *name, struct base_err *err);

static enum base_status revoke_one(
    int argc, char **argv, revoke_fn *function, const char *kind, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    enum base_status status = kms_args_read(argc, argv, "d", 1, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK) {
        status = function(&home, args.words[0], err);
    }
    if (status == BASE_OK) {
        (void)printf("%s %s is revoked\n", kind, args.words[0]);
    }
    kms_home_close(&home);
    return status;
}

static enum base_status tester_revoke(int argc, char **argv, struct base_err *err)
{
    return revoke_one(argc, argv, kms_admin_tester_revoke, "tester", err);
}

int kms_verb_tester(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "add", tester_add },
        { "revoke", tester_revoke },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}

static enum base_status sign_station(
    struct kms_home *home, const struct kms_args *args, enum kms_role role, struct base_err *err)
{
    struct base_buf csr;
    struct base_buf certificate;
    base_buf_init(&csr, CSR_MAX);
    base_buf_init(&certificate, CSR_MAX);
    enum base_status status = base_file_read(args->csr, &csr, err);
    const char *text = status == BASE_OK ? base_buf_text(&csr) : NULL;
    if (status == BASE_OK && text == NULL) {
        status = base_err_set(err, BASE_E_ARG, "", 0, "%s is too long", args->csr);
    }
    if (status == BASE_OK) {
        status = kms_admin_station_add(
            home, args->words[0], text, args->log_key, role, &certificate, err);
    }
    if (status == BASE_OK) {
        status = base_file_replace(args->out, certificate.data, certificate.length, 0644, err);
        if (status != BASE_OK) {
            (void)base_err_prefix(err,
                "station %s was added, but its certificate was not written (revoke it and add it "
                "again): ",
                args->words[0]);
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

static enum base_status station_revoke(int argc, char **argv, struct base_err *err)
{
    return revoke_one(argc, argv, kms_admin_station_revoke, "station", err);
}

int kms_verb_station(const struct cli_program *program, int argc, char **argv)
{
    static const struct kms_subverb verbs[] = {
        { "add", station_add },
        { "revoke", station_revoke },
    };
    return kms_subverb_run(program, verbs, sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
