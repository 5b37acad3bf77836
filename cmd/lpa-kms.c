/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-kms: the key management system of a factory line, embedded form. */
#include "cmd/lpa-kms.h"

#include <stdio.h>
#include <string.h>

#include "base/p256.h"
#include "base/secret.h"

static enum base_status init(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    enum base_status status = kms_args_read(argc, argv, "dD", 0, &args, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!args.dev) {
        return base_err_set(err, BASE_E_UNSUPPORTED, "", 0,
            "this version makes development KMSs only (keys in files): say --dev to have one");
    }
    status = kms_home_create(args.dir, base_random_system(), base_clock_system(), err);
    if (status == BASE_OK) {
        (void)printf("%s: a development KMS; its keys lie in files, so it is not for production\n",
            args.dir);
    }
    return status;
}

static int run_init(const struct cli_program *program, int argc, char **argv)
{
    struct base_err err = { 0 };
    return init(argc, argv, &err) == BASE_OK ? 0 : cli_fail(program, &err);
}

static void print_vkeys(const struct kms_keystore *keys)
{
    char text[BASE_NOTE_VKEY_SIZE];
    base_note_verifier_format(&keys->log.verifier, text);
    (void)printf("%s\n", text);
    base_note_verifier_format(&keys->cosigner.verifier, text);
    (void)printf("%s\n", text);
}

static enum base_status authority(int argc, char **argv, struct base_err *err)
{
    struct kms_args args;
    struct kms_home home = { .dir = "" };
    char pem[BASE_P256_PEM_SIZE];
    enum base_status status = kms_args_read(argc, argv, "dG", 0, &args, err);
    if (status == BASE_OK) {
        status = kms_args_open(&args, &home, err);
    }
    if (status == BASE_OK && args.log_key_wanted) {
        print_vkeys(&home.keys);
    } else if (status == BASE_OK) {
        status = base_p256_format_public(home.keys.authority.public_key, pem, err);
        if (status == BASE_OK) {
            (void)fputs(pem, stdout);
        }
    }
    kms_home_close(&home);
    return status;
}

static int run_authority(const struct cli_program *program, int argc, char **argv)
{
    struct base_err err = { 0 };
    return authority(argc, argv, &err) == BASE_OK ? 0 : cli_fail(program, &err);
}

int main(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        { "init", "--dev --dir DIR", run_init, "make a KMS in a new folder: keys, CA, store" },
        { "serve", "--dir DIR --listen ADDRESS:PORT [--port-file FILE] [--verbose]", kms_verb_serve,
            "answer stations until SIGTERM" },
        { "authority", "--dir DIR [--log]", run_authority,
            "print the provisioning authority's public key; --log: the log's verifier keys" },
        { "lot",
            "add|list|show|close --dir DIR [LOT] [--image FILE --lorawan 1.0.4|1.1 --join-eui HEX "
            "--deveui-first HEX --deveui-count N --target N --allowance N --trust "
            "tofu|manifest|attested "
            "[--consent-tofu] [--rate N] [--restrict none|secure --image-key FILE --secure-hash "
            "HEX] [--lock none|aps|dark] [--application FILE] [--min-bootloader VERSION] "
            "[--min-protocol N] [--expires TIME] [--profile HEX] "
            "[--unattended]] [--scrap-open --permit] [--json]",
            kms_verb_lot, "what is to be built, how many, and what became of it" },
        { "permit",
            "add|list|revoke --dir DIR [LOT | PERMIT] [--acts ACT,... [--chip ID] [--expires TIME] "
            "[--out FILE]] [--lot LOT] [--json]",
            kms_verb_permit, "leave for what cannot be undone on a lot's chips" },
        { "tester", "add|revoke|list --dir DIR [NAME] [--role tester|personaliser] [--json]",
            kms_verb_tester, "people; add shows the TOTP secret once, on a terminal only" },
        { "station",
            "add|renew|revoke|list --dir DIR [NAME] [--csr FILE --out CERT] [--log-key VKEY "
            "[--role provision|personalise]] [--json]",
            kms_verb_station, "stations; add signs their certificate, renew a new one" },
        { "unit",
            "list|rework|zeroise|retire|cancel --dir DIR [CHIP] [--lot LOT] [--reason TEXT] "
            "[--permit] [--json]",
            kms_verb_unit, "units and their state; orders for units that are confirmed" },
    };
    static const struct cli_program program = {
        .name = "lpa-kms",
        .summary = "key management system for a provisioning line",
        .verbs = verbs,
        .verb_count = sizeof(verbs) / sizeof(verbs[0]),
    };
    base_secret_harden_process();
    return cli_main(&program, argc, argv);
}
