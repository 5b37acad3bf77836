/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision: enrol, login, logout. */
#include "cmd/lpa-provision.h"

#include "auth/enrol.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CODE_MAX        64U
#define PEM_MAX         65536U
#define COMMAND_WAIT_MS 60000
#define US_PER_S        INT64_C(1000000)
#define US_PER_DAY      (86400 * US_PER_S)
#define CLOCK_NOTE_US   (5 * US_PER_S)

/* --- enrol --- */

static enum base_status copy_file(
    const struct lpa_station *station, const char *from, const char *name, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_buf text;
    base_buf_init(&text, PEM_MAX);
    enum base_status status = base_file_read(from, &text, err);
    if (status == BASE_OK) {
        status = lpa_station_path(station, name, path, err);
    }
    if (status == BASE_OK) {
        status = base_file_replace(path, text.data, text.length, 0644, err);
    }
    base_buf_done(&text);
    return status;
}

static enum base_status fill_station(
    struct lpa_station *station, const struct prov_args *args, struct base_err *err)
{
    if (!base_name_valid(args->name)) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "a station's name is 1 to 64 letters, digits, dots, dashes or underscores");
    }
    if ((args->kms == NULL) != (args->ca == NULL)) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "--kms URL and --ca FILE go together: the KMS is trusted by its own CA only");
    }
    if (args->kms != NULL &&
        (strncmp(args->kms, "https://", 8) != 0 || strlen(args->kms) >= LPA_URL_SIZE)) {
        return base_err_set(
            err, BASE_E_ARG, "option", 0, "--kms wants a URL such as https://kms.example:8443");
    }
    if (strlen(args->dir) >= sizeof(station->folder)) {
        return base_err_set(err, BASE_E_ARG, "option", 0, "the folder's path is too long");
    }
    (void)snprintf(station->folder, sizeof(station->folder), "%s", args->dir);
    (void)snprintf(station->name, sizeof(station->name), "%s", args->name);
    (void)snprintf(station->origin, sizeof(station->origin), "lpa.local/%s", args->name);
    (void)snprintf(
        station->kms_url, sizeof(station->kms_url), "%s", args->kms == NULL ? "" : args->kms);
    return BASE_OK;
}

static enum base_status store_vkey(
    const struct lpa_station *station, char vkey[BASE_NOTE_VKEY_SIZE], struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    char line[BASE_NOTE_VKEY_SIZE + 1];
    enum base_status status = lpa_station_path(station, LPA_FILE_LOG_VKEY, path, err);
    int length = snprintf(line, sizeof(line), "%s\n", vkey);
    return status == BASE_OK ? base_file_replace(path, line, (size_t)length, 0644, err) : status;
}

static enum base_status make_keys(
    const struct lpa_station *station, char ret_vkey[BASE_NOTE_VKEY_SIZE], struct base_err *err)
{
    char key[BASE_FILE_PATH_SIZE];
    char csr[BASE_FILE_PATH_SIZE];
    char log_key[BASE_FILE_PATH_SIZE];
    struct base_note_verifier log;
    enum base_status status = lpa_station_path(station, LPA_FILE_KEY, key, err);
    if (status == BASE_OK) {
        status = lpa_station_path(station, LPA_FILE_CSR, csr, err);
    }
    if (status == BASE_OK) {
        status = lpa_station_path(station, LPA_FILE_LOG_KEY, log_key, err);
    }
    if (status == BASE_OK) {
        struct auth_enrol_opts opts = { .name = station->name,
            .key_file = key,
            .csr_file = csr,
            .log_key_file = log_key,
            .log_origin = station->origin,
            .random = base_random_system() };
        status = auth_enrol(&opts, &log, err);
    }
    if (status == BASE_OK) {
        base_note_verifier_format(&log, ret_vkey);
    }
    return status;
}

static enum base_status enrol_new(const struct prov_args *args, struct base_err *err)
{
    struct lpa_station station = { .folder = "" };
    char vkey[BASE_NOTE_VKEY_SIZE];
    enum base_status status = fill_station(&station, args, err);
    if (status == BASE_OK) {
        status = base_file_make_folder(station.folder, err);
    }
    if (status == BASE_OK) {
        status = make_keys(&station, vkey, err);
    }
    if (status == BASE_OK) {
        status = store_vkey(&station, vkey, err);
    }
    if (status == BASE_OK && args->ca != NULL) {
        status = copy_file(&station, args->ca, LPA_FILE_CA, err);
    }
    if (status == BASE_OK) {
        status = lpa_station_store(&station, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (args->json) {
        return prov_print_json(json_pack("{s:s, s:s+, s:s}", "station", station.name, "csr",
                                   station.folder, "/" LPA_FILE_CSR, "log_vkey", vkey),
            err);
    }
    printf("request  %s/%s\nlog key  %s\nHave the request signed by the KMS operator, then run "
           "lpa-provision enrol --dir %s --cert FILE\n",
        station.folder, LPA_FILE_CSR, vkey, station.folder);
    return BASE_OK;
}

static enum base_status enrol_certificate(
    const struct cli_program *program, const struct prov_args *args, struct base_err *err)
{
    struct prov_app app;
    char key[BASE_FILE_PATH_SIZE];
    char ca[BASE_FILE_PATH_SIZE];
    int64_t not_after_us = 0;
    enum base_status status = prov_open(&app, program, args, err);
    if (status == BASE_OK) {
        status = lpa_station_path(&app.station, LPA_FILE_KEY, key, err);
    }
    if (status == BASE_OK) {
        status = lpa_station_path(&app.station, LPA_FILE_CA, ca, err);
    }
    if (status == BASE_OK) {
        status = auth_enrol_check(
            args->cert, key, access(ca, R_OK) == 0 ? ca : NULL, &not_after_us, err);
    }
    if (status == BASE_OK) {
        status = copy_file(&app.station, args->cert, LPA_FILE_CERTIFICATE, err);
    }
    if (status == BASE_OK) {
        status = prov_open_audit(&app, err);
    }
    if (status == BASE_OK) {
        struct lpa_event event = { .id = LPA_EVENT_STATION_ENROL, .result = "ok" };
        status = lpa_audit_append(app.audit, &event, err);
    }
    if (status == BASE_OK) {
        int64_t days = (not_after_us - base_clock_wall_us(app.clock)) / US_PER_DAY;
        if (args->json) {
            status = prov_print_json(json_pack("{s:s, s:I}", "station", app.station.name,
                                         "certificate_days_left", (json_int_t)days),
                err);
        } else {
            printf("station %s is enrolled; its certificate is good for %" PRId64 " days\n",
                app.station.name, days);
        }
    }
    prov_close(&app);
    return status;
}

int prov_enrol(const struct cli_program *program, int argc, char **argv)
{
    struct prov_args args;
    struct base_err err = { 0 };
    enum base_status status = prov_parse(argc, argv, "name kms ca cert", 0, &args, &err);
    if (status == BASE_OK && (args.name == NULL) == (args.cert == NULL)) {
        status = base_err_set(&err, BASE_E_ARG, "option", 0,
            "enrol wants --name NAME to begin, or --cert FILE to end; see lpa-provision --help");
    }
    if (status == BASE_OK) {
        status =
            args.cert != NULL ? enrol_certificate(program, &args, &err) : enrol_new(&args, &err);
    }
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

/* --- login --- */

static enum base_status get_code(const struct prov_app *app, const struct prov_args *args,
    struct base_secret *ret_code, struct base_err *err)
{
    enum base_status status = BASE_OK;
    if (args->totp_command != NULL) {
        status = prov_code_from_command(
            args->totp_command, app->clock, CODE_MAX, COMMAND_WAIT_MS, ret_code, err);
    } else if (args->totp_fd >= 0) {
        status = base_secret_read_fd(ret_code, args->totp_fd, CODE_MAX, err);
    } else {
        status = base_secret_prompt(ret_code, "One-time code: ", CODE_MAX, err);
    }
    if (status == BASE_OK && ret_code->length == 0) {
        base_secret_done(ret_code);
        status = base_err_set(
            err, BASE_E_DENIED, "login", 0, "no code was given; type the one the token shows");
    }
    return status;
}

/* Whom the cosignatures must come from is learnt over the authenticated connection, once. */
static enum base_status pin_witness(struct prov_app *app, struct base_err *err)
{
    struct auth_kms_keys keys;
    enum base_status status = auth_kms_get_keys(app->kms, &keys, err);
    return status == BASE_OK ? lpa_station_pin_witness(&app->station, keys.cosigner_vkey, err)
                             : status;
}

static enum base_status store_session(struct prov_app *app, struct base_err *err)
{
    char key[BASE_FILE_PATH_SIZE];
    char path[BASE_FILE_PATH_SIZE];
    enum base_status status = lpa_station_path(&app->station, LPA_FILE_KEY, key, err);
    if (status == BASE_OK) {
        status = lpa_station_path(&app->station, LPA_FILE_SESSION, path, err);
    }
    return status == BASE_OK ? auth_session_store(&app->session, key, path, err) : status;
}

static enum base_status record_login(
    struct prov_app *app, const char *tester, const struct base_err *cause, struct base_err *err)
{
    uint8_t id[32];
    bool good = cause->status == BASE_OK;
    lpa_audit_tester_id(app->station.name, tester, id);
    lpa_audit_set_tester(app->audit, id);
    if (good) {
        lpa_audit_set_offset(app->audit, app->session.clock_offset_us);
    }
    struct lpa_event event = { .id = good ? LPA_EVENT_AUTH_OK : LPA_EVENT_AUTH_FAIL,
        .result = good ? "ok" : "fail",
        .code = good ? NULL : cause->code };
    return lpa_audit_append(app->audit, &event, err);
}

static enum base_status ask_kms(
    struct prov_app *app, const struct prov_args *args, struct base_err *err)
{
    struct base_secret code = { 0 };
    struct base_err cause = { 0 };
    enum base_status status = get_code(app, args, &code, err);
    if (status != BASE_OK) {
        return status;
    }
    status = auth_kms_login(app->kms, args->tester, &code, &app->session, &cause);
    base_secret_done(&code);
    app->have_session = status == BASE_OK;
    /* A session that could not be recorded is not used. */
    enum base_status logged =
        record_login(app, args->tester, &cause, status == BASE_OK ? err : NULL);
    prov_cosign(app);
    if (status != BASE_OK) {
        *err = cause;
        return status;
    }
    return logged == BASE_OK ? store_session(app, err) : logged;
}

static void say_welcome(const struct prov_app *app)
{
    char until[BASE_CLOCK_TEXT_SIZE];
    int64_t offset_us = app->session.clock_offset_us;
    base_clock_format(app->session.expires_wall_us, until);
    printf("%s is logged in until %.16sZ\n", app->session.tester, until);
    if (offset_us > CLOCK_NOTE_US || offset_us < -CLOCK_NOTE_US) {
        int64_t seconds = (offset_us < 0 ? -offset_us : offset_us) / US_PER_S;
        printf("this station's clock is %" PRId64 " s %s; set it\n", seconds,
            offset_us < 0 ? "fast" : "slow");
    }
}

static enum base_status show_login(const struct prov_app *app, bool json, struct base_err *err)
{
    if (!json) {
        say_welcome(app);
        return BASE_OK;
    }
    char until[BASE_CLOCK_TEXT_SIZE];
    base_clock_format(app->session.expires_wall_us, until);
    return prov_print_json(
        json_pack("{s:s, s:s, s:I}", "tester", app->session.tester, "expires", until,
            "clock_offset_ms", (json_int_t)(app->session.clock_offset_us / 1000)),
        err);
}

int prov_login(const struct cli_program *program, int argc, char **argv)
{
    struct prov_args args;
    struct prov_app app = { .lock_fd = -1 };
    struct base_err err = { 0 };
    enum base_status status = prov_parse(argc, argv, "tester totp-fd totp-command", 0, &args, &err);
    if (status == BASE_OK && args.tester == NULL) {
        status = base_err_set(&err, BASE_E_ARG, "option", 0, "say who logs in with --tester NAME");
    }
    if (status == BASE_OK && args.totp_fd >= 0 && args.totp_command != NULL) {
        status = base_err_set(&err, BASE_E_ARG, "option", 0,
            "give --totp-fd or --totp-command, not both: there is one code");
    }
    if (status == BASE_OK) {
        status = prov_open(&app, program, &args, &err);
    }
    if (status == BASE_OK) {
        status = prov_open_kms(&app, args.totp_command != NULL, &err);
    }
    if (status == BASE_OK) {
        status = pin_witness(&app, &err);
    }
    if (status == BASE_OK) {
        status = prov_open_audit(&app, &err);
    }
    if (status == BASE_OK) {
        status = ask_kms(&app, &args, &err);
    }
    if (status == BASE_OK) {
        status = show_login(&app, args.json, &err);
    }
    prov_close(&app);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

/* --- logout --- */

/* The session ends here whatever the KMS says: the file goes, and the KMS's end has its idle time.
 */
static enum base_status end_session(struct prov_app *app, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_err cause = { 0 };
    enum base_status told = auth_kms_logout(app->kms, &app->session, &cause);
    enum base_status status = lpa_station_path(&app->station, LPA_FILE_SESSION, path, err);
    if (status == BASE_OK && unlink(path) != 0 && errno != ENOENT) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot remove %s", path);
    }
    if (status == BASE_OK) {
        struct lpa_event event = { .id = LPA_EVENT_AUTH_END,
            .result = told == BASE_OK ? "ok" : "unknown",
            .code = told == BASE_OK ? NULL : cause.code };
        status = lpa_audit_append(app->audit, &event, err);
    }
    if (status == BASE_OK) {
        prov_cosign(app);
    }
    if (status == BASE_OK && told == BASE_E_REMOTE) {
        base_log(&app->log, BASE_LOG_WARN,
            "the KMS was not told (%s); its end of the session runs out by itself", cause.message);
    }
    return status;
}

int prov_logout(const struct cli_program *program, int argc, char **argv)
{
    struct prov_args args;
    struct prov_app app = { .lock_fd = -1 };
    struct base_err err = { 0 };
    enum base_status status = prov_parse(argc, argv, "", 0, &args, &err);
    if (status == BASE_OK) {
        status = prov_open(&app, program, &args, &err);
    }
    if (status == BASE_OK) {
        status = prov_open_session(&app, &err);
    }
    if (status == BASE_OK) {
        status = prov_open_kms(&app, false, &err);
    }
    if (status == BASE_OK) {
        status = prov_open_audit(&app, &err);
    }
    if (status == BASE_OK) {
        status = end_session(&app, &err);
    }
    if (status == BASE_OK && !args.json) {
        printf("logged out\n");
    }
    prov_close(&app);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}
