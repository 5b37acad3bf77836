/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision: what an operator at a station works with. Verb table, options, what verbs share.
 */
#include "cmd/lpa-provision.h"

#include "auth/enrol.h"
#include "base/hex.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    OPT_DIR = 256,
    OPT_NAME,
    OPT_KMS,
    OPT_CA,
    OPT_CERT,
    OPT_TESTER,
    OPT_TOTP_FD,
    OPT_TOTP_COMMAND,
    OPT_LOT,
    OPT_IMAGE,
    OPT_IMAGE_KEY,
    OPT_APPLICATION,
    OPT_PROBE,
    OPT_REASON,
    OPT_STATEMENT,
    OPT_RECEIPT,
    OPT_OUT,
    OPT_BATCH,
    OPT_JSON,
    OPT_SELF_TEST,
    OPT_REBUILD,
    OPT_YES,
    OPT_DRY_RUN,
};

static const struct option options[] = {
    { "dir", required_argument, NULL, OPT_DIR },
    { "name", required_argument, NULL, OPT_NAME },
    { "kms", required_argument, NULL, OPT_KMS },
    { "ca", required_argument, NULL, OPT_CA },
    { "cert", required_argument, NULL, OPT_CERT },
    { "tester", required_argument, NULL, OPT_TESTER },
    { "totp-fd", required_argument, NULL, OPT_TOTP_FD },
    { "totp-command", required_argument, NULL, OPT_TOTP_COMMAND },
    { "lot", required_argument, NULL, OPT_LOT },
    { "image", required_argument, NULL, OPT_IMAGE },
    { "image-key", required_argument, NULL, OPT_IMAGE_KEY },
    { "application", required_argument, NULL, OPT_APPLICATION },
    { "probe", required_argument, NULL, OPT_PROBE },
    { "reason", required_argument, NULL, OPT_REASON },
    { "statement", required_argument, NULL, OPT_STATEMENT },
    { "receipt", required_argument, NULL, OPT_RECEIPT },
    { "out", required_argument, NULL, OPT_OUT },
    { "batch", no_argument, NULL, OPT_BATCH },
    { "json", no_argument, NULL, OPT_JSON },
    { "self-test", no_argument, NULL, OPT_SELF_TEST },
    { "rebuild", no_argument, NULL, OPT_REBUILD },
    { "yes", no_argument, NULL, OPT_YES },
    { "dry-run", no_argument, NULL, OPT_DRY_RUN },
    { "verbose", no_argument, NULL, 'v' },
    { NULL, 0, NULL, 0 },
};

static bool in_list(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t next = strcspn(at, " ");
        if (next == length && memcmp(at, word, length) == 0) {
            return true;
        }
        at += next;
        at += strspn(at, " ");
    }
    return false;
}

static enum base_status take_fd(const char *text, int *ret_fd, struct base_err *err)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 0 || value > 65535) {
        return base_err_set(
            err, BASE_E_ARG, "option", 0, "--totp-fd wants the number of an open descriptor");
    }
    *ret_fd = (int)value;
    return BASE_OK;
}

static enum base_status take_probe(struct prov_args *args, const char *url, struct base_err *err)
{
    if (args->probe_count == PROV_PROBES_MAX || strlen(url) >= LPA_SITE_SIZE) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "at most %d probes, each with a URL of at most %d characters", PROV_PROBES_MAX,
            LPA_SITE_SIZE - 1);
    }
    for (size_t i = 0; i < args->probe_count; i++) {
        if (strcmp(args->probes[i], url) == 0) {
            return base_err_set(
                err, BASE_E_ARG, "option", 0, "the probe %s is given twice; give it once", url);
        }
    }
    args->probes[args->probe_count++] = url;
    return BASE_OK;
}

static void take_flag(struct prov_args *args, int option)
{
    switch (option) {
    case OPT_BATCH:
        args->batch = true;
        break;
    case OPT_JSON:
        args->json = true;
        break;
    case OPT_SELF_TEST:
        args->self_test = true;
        break;
    case OPT_REBUILD:
        args->rebuild = true;
        break;
    case OPT_YES:
        args->yes = true;
        break;
    case OPT_DRY_RUN:
        args->dry_run = true;
        break;
    default:
        args->verbose++;
        break;
    }
}

static enum base_status take_option(
    struct prov_args *args, int option, const char *value, struct base_err *err)
{
    const struct {
        int option;
        const char **to;
    } texts[] = {
        { OPT_DIR, &args->dir },
        { OPT_NAME, &args->name },
        { OPT_KMS, &args->kms },
        { OPT_CA, &args->ca },
        { OPT_CERT, &args->cert },
        { OPT_TESTER, &args->tester },
        { OPT_TOTP_COMMAND, &args->totp_command },
        { OPT_LOT, &args->lot },
        { OPT_IMAGE, &args->image },
        { OPT_IMAGE_KEY, &args->image_key },
        { OPT_APPLICATION, &args->application },
        { OPT_REASON, &args->reason },
        { OPT_STATEMENT, &args->statement },
        { OPT_RECEIPT, &args->receipt },
        { OPT_OUT, &args->out },
    };

    if (option == OPT_TOTP_FD) {
        return take_fd(value, &args->totp_fd, err);
    }
    if (option == OPT_PROBE) {
        return take_probe(args, value, err);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].option == option) {
            *texts[i].to = value;
            return BASE_OK;
        }
    }
    take_flag(args, option);
    return BASE_OK;
}

static enum base_status take_words(
    int argc, char **argv, size_t words, struct prov_args *args, struct base_err *err)
{
    for (int i = optind; i < argc; i++) {
        if (args->word_count >= words) {
            return base_err_set(err, BASE_E_ARG, "option", 0,
                "%s has no use for \"%.64s\"; see lpa-provision --help", argv[0], argv[i]);
        }
        args->words[args->word_count++] = argv[i];
    }
    return args->dir != NULL ? BASE_OK
                             : base_err_set(err, BASE_E_ARG, "option", 0,
                                   "say the station's folder with --dir DIR");
}

enum base_status prov_parse(int argc, char **argv, const char *allowed, size_t words,
    struct prov_args *ret_args, struct base_err *err)
{
    struct prov_args args = { .totp_fd = -1 };
    enum base_status status = BASE_OK;
    int at = -1;
    int option = 0;
    optind = 0;
    opterr = 0;
    while (status == BASE_OK && (option = getopt_long(argc, argv, "v", options, &at)) != -1) {
        if (option == '?') {
            return base_err_set(err, BASE_E_ARG, "option", 0,
                "unknown or incomplete option %.64s; see lpa-provision --help", argv[optind - 1]);
        }
        bool common = option == OPT_DIR || option == OPT_JSON || option == 'v';
        if (!common && !in_list(allowed, options[at].name)) {
            return base_err_set(err, BASE_E_ARG, "option", 0,
                "%s has no option --%s; see lpa-provision --help", argv[0], options[at].name);
        }
        status = take_option(&args, option, optarg, err);
    }
    if (status == BASE_OK) {
        status = take_words(argc, argv, words, &args, err);
    }
    if (status == BASE_OK) {
        *ret_args = args;
    }
    return status;
}

enum base_status prov_open(struct prov_app *app, const struct cli_program *program,
    const struct prov_args *args, struct base_err *err)
{
    static const enum base_log_level levels[] = { BASE_LOG_WARN, BASE_LOG_DEBUG, BASE_LOG_TRACE };

    memset(app, 0, sizeof(*app));
    app->program = program;
    app->clock = base_clock_system();
    app->lock_fd = -1;
    app->log.level = levels[args->verbose > 2 ? 2 : args->verbose];
    app->log.emit = base_log_to_file;
    app->log.user = stderr;
    return lpa_station_load(args->dir, &app->station, err);
}

void prov_close(struct prov_app *app)
{
    lpa_journal_close(app->journal);
    lpa_audit_close(app->audit);
    base_note_key_done(&app->log_key);
    auth_session_done(&app->session);
    auth_kms_close(app->kms);
    if (app->lock_fd >= 0) {
        (void)close(app->lock_fd);
    }
}

enum base_status prov_open_kms(struct prov_app *app, bool unattended, struct base_err *err)
{
    return lpa_station_connect(&app->station, unattended, app->clock, &app->log, &app->kms, err);
}

enum base_status prov_open_session(struct prov_app *app, struct base_err *err)
{
    char key[BASE_FILE_PATH_SIZE];
    char path[BASE_FILE_PATH_SIZE];
    struct base_err cause = { 0 };
    enum base_status status = lpa_station_path(&app->station, LPA_FILE_KEY, key, &cause);
    if (status == BASE_OK) {
        status = lpa_station_path(&app->station, LPA_FILE_SESSION, path, &cause);
    }
    if (status == BASE_OK) {
        status = auth_session_load(key, path, app->clock, &app->session, &cause);
    }
    if (status == BASE_OK) {
        app->have_session = true;
        return BASE_OK;
    }
    if (status == BASE_E_NOTFOUND || status == BASE_E_EXPIRED) {
        bool over = status == BASE_E_EXPIRED;
        (void)base_err_set(err, over ? BASE_E_EXPIRED : BASE_E_DENIED, "session", 0, "%s",
            over ? "the session is over; log in again with lpa-provision login"
                 : "nobody is logged in at this station; log in with lpa-provision login");
        base_err_set_code(err, over ? "session_expired" : "no_session");
        return over ? BASE_E_EXPIRED : BASE_E_DENIED;
    }
    *err = cause;
    return status;
}

enum base_status prov_open_journal(struct prov_app *app, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    enum base_status status = lpa_station_path(&app->station, LPA_FILE_JOURNAL, path, err);
    return status == BASE_OK ? lpa_journal_open(path, &app->journal, err) : status;
}

enum base_status prov_open_audit(struct prov_app *app, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    char folder[BASE_FILE_PATH_SIZE];
    uint8_t certificate[32];
    enum base_status status = lpa_station_lock(&app->station, &app->lock_fd, err);
    if (status == BASE_OK) {
        status = lpa_station_path(&app->station, LPA_FILE_LOG_KEY, path, err);
    }
    if (status == BASE_OK) {
        status = base_note_key_load(path, &app->log_key, err);
    }
    if (status == BASE_OK) {
        status = lpa_station_path(&app->station, LPA_FOLDER_LOG, folder, err);
    }
    if (status == BASE_OK) {
        status = lpa_station_path(&app->station, LPA_FILE_CERTIFICATE, path, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    bool have_certificate = auth_certificate_sha256(path, certificate, NULL) == BASE_OK;
    base_note_key_signer(&app->log_key, &app->signer);
    struct lpa_audit_opts opts = { .folder = folder,
        .station = app->station.name,
        .software = LPA_VERSION,
        .signer = &app->signer,
        .witness = app->station.have_witness ? &app->station.witness : NULL,
        .certificate_sha256 = have_certificate ? certificate : NULL,
        .clock = app->clock,
        .log = &app->log };
    status = lpa_audit_open(&opts, &app->audit, err);
    if (status == BASE_OK && app->have_session) {
        uint8_t id[32];
        lpa_audit_tester_id(app->station.name, app->session.tester, id);
        lpa_audit_set_tester(app->audit, id);
        lpa_audit_set_offset(app->audit, app->session.clock_offset_us);
    }
    return status;
}

void prov_cosign(struct prov_app *app)
{
    struct base_err err = { 0 };
    if (lpa_audit_cosign(app->audit, lpa_link_witness, app->kms, &err) != BASE_OK) {
        base_log(&app->log, BASE_LOG_WARN,
            "the end of the audit log is not cosigned yet (%s); the next run makes up for it",
            err.message);
    }
}

enum base_status prov_parse_chip(
    const char *text, uint8_t ret_chip_id[PROTO_CHIP_ID_SIZE], struct base_err *err)
{
    if (base_hex_decode(text, PROTO_CHIP_ID_SIZE, ret_chip_id, NULL) != BASE_OK) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "\"%.40s\" is no chip id; it is written as 16 hexadecimal digits", text);
    }
    return BASE_OK;
}

enum base_status prov_print_json(json_t *object, struct base_err *err)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "JSON", 0, "no memory for the output");
    }
    bool good = printf("%s\n", text) >= 0 && fflush(stdout) == 0;
    free(text);
    return good ? BASE_OK
                : base_err_set(err, BASE_E_IO, "stdout", 0, "the output cannot be written");
}

static const struct cli_verb verbs[] = {
    { "enrol", "--dir DIR (--name NAME [--kms URL --ca FILE] | --cert FILE)", prov_enrol,
        "make this station's keys and signing request, then take its certificate" },
    { "login", "--dir DIR --tester NAME [--totp-fd N | --totp-command CMD]", prov_login,
        "begin a session with certificate and one-time code" },
    { "logout", "--dir DIR", prov_logout, "end the session" },
    { "personalise",
        "--dir DIR --lot LOT --image FILE [--image-key FILE] [--application FILE] --probe URL "
        "[--probe URL ...] [--batch] "
        "[--json] [--dry-run] [-v]",
        prov_personalise, "restrict boards and register their identities, in a trusted room" },
    { "run",
        "--dir DIR --lot LOT --image FILE [--image-key FILE] [--application FILE] --probe URL "
        "[--probe URL ...] [--batch] "
        "[--json] [--self-test] [--dry-run] [-v]",
        prov_run, "provision boards of a lot, one site per probe" },
    { "unit",
        "(show | scrap | settle | envelope | receipt) CHIP --dir DIR [--lot LOT] [--reason TEXT] "
        "[--probe URL] [--yes] [--statement FILE] [--out FILE] [--receipt FILE] [--json]",
        prov_unit,
        "show one unit, retire its grant and wipe its board, settle its lock, carry its messages "
        "as "
        "files" },
    { "status", "--dir DIR [--lot LOT] [--rebuild] [--json]", prov_status,
        "what this station has done and still owes; rebuild a damaged journal from the KMS" },
    { "doctor", "--dir DIR [--probe URL ...] [--json]", prov_doctor,
        "check everything a shift needs before it starts" },
};

int main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "lpa-provision",
        .summary = "put LoRaWAN root keys into devices without anyone seeing them",
        .verbs = verbs,
        .verb_count = sizeof(verbs) / sizeof(verbs[0]),
    };
    base_secret_harden_process();
    (void)umask(077);
    return cli_main(&program, argc, argv);
}
