/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_LPA_PROVISION_H
#define CMD_LPA_PROVISION_H

/** @file Private to cmd/lpa-provision*.c: options, and what the verbs open and close together. */

#include "cmd/cli.h"
#include "lpa/audit.h"
#include "lpa/device.h"
#include "lpa/journal.h"
#include "lpa/link.h"
#include "lpa/station.h"

#include <jansson.h>

#define PROV_PROBES_MAX 64

/** All options of all verbs; each verb says which it takes. */
struct prov_args {
    const char *dir, *name, *kms, *ca, *cert, *tester, *totp_command, *lot, *image, *image_key,
        *application, *reason;
    const char *statement, *receipt, *out; /**< files of unit envelope and receipt */
    const char *probes[PROV_PROBES_MAX];
    size_t probe_count;
    int totp_fd; /**< -1 = none */
    int verbose; /**< times -v was given */
    bool batch, json, self_test, rebuild, yes, dry_run;
    const char *words[4]; /**< what is no option */
    size_t word_count;
};

/**
 * Read a verb's options.
 *
 * @param allowed  names of the long options the verb takes, separated by spaces; dir, json and
 * verbose are taken by all
 * @param words    most words that are no options
 */
BASE_MUST_CHECK
enum base_status prov_parse(int argc, char **argv, const char *allowed, size_t words,
    struct prov_args *ret_args, struct base_err *err);

/** What a verb works with; all of it is released by prov_close(). */
struct prov_app {
    const struct cli_program *program;
    const struct base_clock *clock;
    struct base_log log;
    struct lpa_station station;
    int lock_fd;
    struct auth_kms *kms;
    struct auth_session session;
    bool have_session;
    struct base_note_key log_key;
    struct base_note_signer signer;
    struct lpa_audit *audit;
    struct lpa_journal *journal;
};

/** Load the station; nothing else is opened. */
BASE_MUST_CHECK
enum base_status prov_open(struct prov_app *app, const struct cli_program *program,
    const struct prov_args *args, struct base_err *err);
void prov_close(struct prov_app *app);

BASE_MUST_CHECK
enum base_status prov_open_kms(struct prov_app *app, bool unattended, struct base_err *err);
/** BASE_E_DENIED code "no_session" when nobody is logged in, or the session is over. */
BASE_MUST_CHECK
enum base_status prov_open_session(struct prov_app *app, struct base_err *err);
BASE_MUST_CHECK
enum base_status prov_open_journal(struct prov_app *app, struct base_err *err);
/** Lock the folder and open the log for writing, in the name of the session's tester if any. */
BASE_MUST_CHECK
enum base_status prov_open_audit(struct prov_app *app, struct base_err *err);

/** For lpa_kms_pool_new(): another client of the same KMS; `user` is the app. */
BASE_MUST_CHECK
enum base_status prov_open_client(void *user, struct auth_kms **ret_kms, struct base_err *err);

/** Have the log cosigned; a KMS that is away is only a warning. */
void prov_cosign(struct prov_app *app);

/**
 * Run a command with sh(1) and take the first line of its output as one-time code.
 *
 * The command gets the standard descriptors and the environment, and nothing else of this process.
 * It must end by itself with exit code 0; one that does not is ended.
 *
 * @param max_length    most bytes of the line
 * @param wait_ms       for the code and the command's end together
 * @param[out] ret_code the caller frees it
 * @return BASE_OK, BASE_E_ARG, BASE_E_TIMEOUT, BASE_E_CONFIG (no code, or the command failed),
 *         BASE_E_IO, BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status prov_code_from_command(const char *command, const struct base_clock *clock,
    size_t max_length, int wait_ms, struct base_secret *ret_code, struct base_err *err);

/** 16 hexadecimal digits. */
BASE_MUST_CHECK
enum base_status prov_parse_chip(
    const char *text, uint8_t ret_chip_id[PROTO_CHIP_ID_SIZE], struct base_err *err);

/** Vendor, product, serial number and firmware as an object. */
json_t *prov_probe_json(const struct lpa_probe *probe);

/** Print one JSON object as a line on stdout and release it; NULL prints nothing and fails. */
BASE_MUST_CHECK
enum base_status prov_print_json(json_t *object, struct base_err *err);

/* The verbs. */
int prov_enrol(const struct cli_program *program, int argc, char **argv);
int prov_login(const struct cli_program *program, int argc, char **argv);
int prov_logout(const struct cli_program *program, int argc, char **argv);
int prov_run(const struct cli_program *program, int argc, char **argv);
int prov_personalise(const struct cli_program *program, int argc, char **argv);
int prov_unit(const struct cli_program *program, int argc, char **argv);
int prov_status(const struct cli_program *program, int argc, char **argv);
int prov_doctor(const struct cli_program *program, int argc, char **argv);

#endif
