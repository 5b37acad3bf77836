/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision doctor: everything a shift needs, before it starts. */
#include "cmd/lpa-provision.h"

#include "auth/enrol.h"
#include "lpa/audit_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define US_PER_S      INT64_C(1000000)
#define US_PER_DAY    (86400 * US_PER_S)
#define DAYS_WARN     14
#define OFFSET_WARN_S 5
#define OFFSET_BAD_S  30
#define DISK_WARN     (UINT64_C(256) << 20)
#define DISK_BAD      (UINT64_C(16) << 20)

enum finding {
    FINDING_OK,
    FINDING_WARN,
    FINDING_BAD,
};

struct doctor {
    struct prov_app app;
    struct prov_args args;
    json_t *list;
    enum base_status worst;
};

static void say(struct doctor *d, const char *check, enum finding finding, enum base_status status,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

static void say(struct doctor *d, const char *check, enum finding finding, enum base_status status,
    const char *format, ...)
{
    static const char *const names[] = { "ok", "warn", "bad" };
    char text[BASE_ERR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (finding == FINDING_BAD && d->worst == BASE_OK) {
        d->worst = status;
    }
    if (d->args.json) {
        (void)json_array_append_new(d->list,
            json_pack("{s:s, s:s, s:s}", "check", check, "result", names[finding], "text", text));
    } else {
        printf("%-4s  %-11s  %s\n", names[finding], check, text);
    }
}

static void check_certificate(struct doctor *d)
{
    char certificate[BASE_FILE_PATH_SIZE];
    char key[BASE_FILE_PATH_SIZE];
    char ca[BASE_FILE_PATH_SIZE];
    int64_t not_after_us = 0;
    struct base_err err = { 0 };
    enum base_status status =
        lpa_station_path(&d->app.station, LPA_FILE_CERTIFICATE, certificate, &err);
    if (status == BASE_OK) {
        status = lpa_station_path(&d->app.station, LPA_FILE_KEY, key, &err);
    }
    if (status == BASE_OK) {
        status = lpa_station_path(&d->app.station, LPA_FILE_CA, ca, &err);
    }
    if (status == BASE_OK) {
        status = auth_enrol_check(certificate, key, ca, &not_after_us, &err);
    }
    if (status != BASE_OK) {
        say(d, "certificate", FINDING_BAD, status, "%s", err.message);
        return;
    }
    int64_t days = (not_after_us - base_clock_wall_us(d->app.clock)) / US_PER_DAY;
    enum finding finding = days < 0 ? FINDING_BAD : days < DAYS_WARN ? FINDING_WARN : FINDING_OK;
    say(d, "certificate", finding, BASE_E_EXPIRED, "%" PRId64 " days left%s", days,
        finding == FINDING_OK ? "" : "; have a new one signed");
}

static void check_kms(struct doctor *d)
{
    struct base_err err = { 0 };
    int64_t offset_us = 0;
    enum base_status status = prov_open_kms(&d->app, false, &err);
    if (status == BASE_OK) {
        status = auth_kms_ready(d->app.kms, &offset_us, &err);
    }
    if (status != BASE_OK) {
        say(d, "kms", FINDING_BAD, status, "%s", err.message);
        return;
    }
    say(d, "kms", FINDING_OK, BASE_OK, "%s answers", d->app.station.kms_url);
    int64_t seconds = (offset_us < 0 ? -offset_us : offset_us) / US_PER_S;
    enum finding finding = seconds > OFFSET_BAD_S    ? FINDING_BAD
                           : seconds > OFFSET_WARN_S ? FINDING_WARN
                                                     : FINDING_OK;
    say(d, "clock", finding, BASE_E_DENIED, "%" PRId64 " s %s the KMS%s", seconds,
        offset_us < 0 ? "ahead of" : "behind", finding == FINDING_OK ? "" : "; set it");
}

static void check_session(struct doctor *d)
{
    struct base_err err = { 0 };
    if (prov_open_session(&d->app, &err) != BASE_OK) {
        say(d, "session", FINDING_WARN, err.status, "%s", err.message);
        return;
    }
    int64_t left_us = d->app.session.expires_wall_us - d->app.session.clock_offset_us -
                      base_clock_wall_us(d->app.clock);
    say(d, "session", FINDING_OK, BASE_OK, "%s is logged in for %" PRId64 " more minutes",
        d->app.session.tester, left_us / US_PER_S / 60);
}

/* The KMS is asked how far it has seen this log: a log that was rolled back shows here. */
static void check_log(struct doctor *d)
{
    struct base_err err = { 0 };
    struct lpa_audit_status status = { 0 };
    if (prov_open_audit(&d->app, &err) != BASE_OK) {
        enum finding finding = err.status == BASE_E_BUSY ? FINDING_WARN : FINDING_BAD;
        say(d, "log", finding, err.status, "%s", err.message);
        return;
    }
    if (d->app.kms != NULL) {
        struct lpa_event event = { .id = LPA_EVENT_STATION_START, .step = "doctor" };
        if (lpa_audit_append(d->app.audit, &event, &err) != BASE_OK ||
            lpa_audit_cosign(d->app.audit, lpa_link_witness, d->app.kms, &err) != BASE_OK) {
            say(d, "log", FINDING_BAD, err.status, "%s", err.message);
            return;
        }
    }
    lpa_audit_get_status(d->app.audit, &status);
    say(d, "log", status.cosigned == status.records ? FINDING_OK : FINDING_WARN, BASE_OK,
        "%" PRIu64 " records, %" PRIu64 " of them cosigned", status.records, status.cosigned);
}

static void check_journal(struct doctor *d)
{
    struct base_err err = { 0 };
    enum base_status status = prov_open_journal(&d->app, &err);
    if (status == BASE_OK) {
        say(d, "journal", FINDING_OK, BASE_OK, "sound");
    } else {
        say(d, "journal", FINDING_BAD, status, "%s", err.message);
    }
}

static void check_disk(struct doctor *d)
{
    struct statvfs info;
    if (statvfs(d->app.station.folder, &info) != 0) {
        say(d, "disk", FINDING_BAD, BASE_E_IO, "cannot ask for free space: %s",
            strerrordesc_np(errno));
        return;
    }
    uint64_t bytes = (uint64_t)info.f_bavail * info.f_frsize;
    enum finding finding = bytes < DISK_BAD    ? FINDING_BAD
                           : bytes < DISK_WARN ? FINDING_WARN
                                               : FINDING_OK;
    say(d, "disk", finding, BASE_E_AUDIT, "%" PRIu64 " MiB free%s", bytes >> 20,
        finding == FINDING_OK ? "" : "; free some, or the audit log will stop the line");
}

static void check_probes(struct doctor *d)
{
    for (size_t i = 0; i < d->args.probe_count; i++) {
        struct base_err err = { 0 };
        enum base_status status = lpa_device_probe_ready(d->args.probes[i], d->app.clock, &err);
        if (status == BASE_OK) {
            say(d, "probe", FINDING_OK, BASE_OK, "%s answers", d->args.probes[i]);
        } else {
            say(d, "probe", FINDING_BAD, status, "%s: %s", d->args.probes[i], err.message);
        }
    }
}

static enum base_status examine_station(struct doctor *d, struct base_err *err)
{
    say(d, "config", FINDING_OK, BASE_OK, "station %s", d->app.station.name);
    check_certificate(d);
    check_kms(d);
    check_session(d);
    check_journal(d);
    check_log(d);
    check_disk(d);
    check_probes(d);
    if (!d->args.json) {
        return BASE_OK;
    }
    json_t *list = d->list;
    d->list = NULL;
    return prov_print_json(json_pack("{s:s, s:b, s:o}", "station", d->app.station.name, "good",
                               (int)(d->worst == BASE_OK), "checks", list),
        err);
}

int prov_doctor(const struct cli_program *program, int argc, char **argv)
{
    struct doctor d = { .app = { .lock_fd = -1 }, .list = json_array() };
    struct base_err err = { 0 };
    enum base_status status = prov_parse(argc, argv, "probe", 0, &d.args, &err);
    if (status == BASE_OK) {
        status = prov_open(&d.app, program, &d.args, &err);
    }
    if (status == BASE_OK) {
        status = examine_station(&d, &err);
    }
    prov_close(&d.app);
    json_decref(d.list);
    return status == BASE_OK ? base_status_exit_code(d.worst) : cli_fail(program, &err);
}
