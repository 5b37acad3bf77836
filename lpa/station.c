/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/station.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define VKEY_FILE_MAX 1024

enum base_status lpa_station_path(const struct lpa_station *station, const char *name,
    char ret_path[BASE_FILE_PATH_SIZE], struct base_err *err)
{
    return base_file_join(station->folder, name, BASE_FILE_PATH_SIZE, ret_path, err);
}

/* --- station.ini --- */

struct parsing {
    struct lpa_station *station;
    char fault[160];
};

static bool take_value(char *to, size_t size, const char *value)
{
    size_t length = strlen(value);
    if (to[0] != '\0' || length == 0 || length >= size) {
        return false;
    }
    memcpy(to, value, length + 1);
    return true;
}

/* inih wants 1 for "taken"; 0 makes it report this line. */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct parsing *p = user;

    const struct {
        const char *section, *name;
        char *to;
        size_t size;
    } known[] = {
        { "station", "name", p->station->name, sizeof(p->station->name) },
        { "station", "log", p->station->origin, sizeof(p->station->origin) },
        { "kms", "url", p->station->kms_url, sizeof(p->station->kms_url) },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(section, known[i].section) == 0 && strcmp(name, known[i].name) == 0) {
            if (take_value(known[i].to, known[i].size, value)) {
                return 1;
            }
            (void)snprintf(
                p->fault, sizeof(p->fault), "\"%.32s\" is set twice, empty or too long", name);
            return 0;
        }
    }
    (void)snprintf(p->fault, sizeof(p->fault), "there is no setting \"%.40s\" in a section [%.40s]",
        name, section);
    return 0;
}

static enum base_status parse_config(
    struct lpa_station *station, const char *path, struct base_err *err)
{
    struct parsing p = { .station = station };
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT
                   ? base_err_set(err, BASE_E_NOTFOUND, "errno", errno,
                         "%s is not a station's folder; make one with lpa-provision enrol",
                         station->folder)
                   : base_err_errno(err, BASE_E_CONFIG, errno, "cannot read %s", path);
    }
    int line = ini_parse_file(file, take_pair, &p);
    (void)fclose(file);
    if (line != 0) {
        return base_err_set(err, BASE_E_CONFIG, "config", line, "%s line %d: %s", path, line,
            p.fault[0] != '\0' ? p.fault : "it cannot be read");
    }
    if (!base_name_valid(station->name) || station->origin[0] == '\0') {
        return base_err_set(err, BASE_E_CONFIG, "config", 0,
            "%s must set name (letters, digits, dot, dash and underscore) and log in [station]",
            path);
    }
    return BASE_OK;
}

static enum base_status load_vkey(const struct lpa_station *station, const char *name,
    struct base_note_verifier *ret_key, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_buf text;
    base_buf_init(&text, VKEY_FILE_MAX);
    enum base_status status = lpa_station_path(station, name, path, err);
    if (status == BASE_OK) {
        status = base_file_read(path, &text, err);
    }
    if (status == BASE_OK) {
        while (text.length > 0 && text.data[text.length - 1] == '\n') {
            text.length--;
        }
        const char *line = base_buf_text(&text);
        if (line == NULL || base_note_verifier_parse(line, ret_key, NULL) != BASE_OK) {
            status = base_err_set(err, BASE_E_CONFIG, "config", 0,
                "%s does not hold one verifier key; restore it or enrol again", path);
        }
    }
    base_buf_done(&text);
    return status;
}

enum base_status lpa_station_load(
    const char *folder, struct lpa_station *ret_station, struct base_err *err)
{
    struct lpa_station station = { .folder = "" };
    char path[BASE_FILE_PATH_SIZE];
    if (folder == NULL || strlen(folder) >= sizeof(station.folder) || folder[0] == '\0') {
        return base_err_set(err, BASE_E_ARG, "config", 0, "say the station's folder with --dir");
    }
    (void)snprintf(station.folder, sizeof(station.folder), "%s", folder);
    enum base_status status = lpa_station_path(&station, LPA_FILE_CONFIG, path, err);
    if (status == BASE_OK) {
        status = parse_config(&station, path, err);
    }
    if (status == BASE_OK) {
        status = load_vkey(&station, LPA_FILE_LOG_VKEY, &station.log, err);
    }
    if (status == BASE_OK && strcmp(station.log.name, station.origin) != 0) {
        status = base_err_set(err, BASE_E_CONFIG, "config", 0,
            "%s says the log is %s, but its key is named %s", path, station.origin,
            station.log.name);
    }
    if (status == BASE_OK) {
        struct base_err cause = { 0 };
        status = load_vkey(&station, LPA_FILE_WITNESS, &station.witness, &cause);
        station.have_witness = status == BASE_OK;
        if (status == BASE_E_NOTFOUND) {
            status = BASE_OK;
        } else if (status != BASE_OK && err != NULL) {
            *err = cause;
        }
    }
    if (status == BASE_OK) {
        *ret_station = station;
    }
    return status;
}

enum base_status lpa_station_store(const struct lpa_station *station, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct base_buf text;
    base_buf_init(&text, VKEY_FILE_MAX);
    enum base_status status = lpa_station_path(station, LPA_FILE_CONFIG, path, err);
    if (status == BASE_OK) {
        status = base_buf_printf(
            &text, err, "[station]\nname = %s\nlog = %s\n", station->name, station->origin);
    }
    if (status == BASE_OK && station->kms_url[0] != '\0') {
        status = base_buf_printf(&text, err, "\n[kms]\nurl = %s\n", station->kms_url);
    }
    if (status == BASE_OK) {
        status = base_file_replace(path, text.data, text.length, 0644, err);
    }
    base_buf_done(&text);
    return status;
}

enum base_status lpa_station_pin_witness(
    struct lpa_station *station, const char *vkey, struct base_err *err)
{
    struct base_note_verifier key;
    char path[BASE_FILE_PATH_SIZE];
    char line[BASE_NOTE_VKEY_SIZE + 1];
    enum base_status status = base_note_verifier_parse(vkey, &key, err);
    if (status != BASE_OK) {
        base_err_prefix(err, "the KMS's cosigning key: ");
        return status;
    }
    if (station->have_witness) {
        bool same = strcmp(key.name, station->witness.name) == 0 &&
                    key.type == station->witness.type &&
                    memcmp(key.public_key, station->witness.public_key, 32) == 0;
        if (!same) {
            (void)base_err_set(err, BASE_E_VERIFY, "config", 0,
                "the KMS cosigns with another key than the one this station knows; stop, and ask "
                "the KMS operator whether it was changed");
            base_err_set_code(err, "witness_changed");
            return BASE_E_VERIFY;
        }
        return BASE_OK;
    }
    status = lpa_station_path(station, LPA_FILE_WITNESS, path, err);
    int length = snprintf(line, sizeof(line), "%s\n", vkey);
    if (status == BASE_OK) {
        status = base_file_replace(path, line, (size_t)length, 0644, err);
    }
    if (status == BASE_OK) {
        station->witness = key;
        station->have_witness = true;
    }
    return status;
}

enum base_status lpa_station_lock(
    const struct lpa_station *station, int *ret_fd, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    enum base_status status = lpa_station_path(station, LPA_FILE_LOCK, path, err);
    if (status != BASE_OK) {
        return status;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot open %s", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int cause = errno;
        (void)close(fd);
        return cause == EWOULDBLOCK
                   ? base_err_set(err, BASE_E_BUSY, "errno", cause,
                         "another lpa-provision is at work in %s; wait for it or end it",
                         station->folder)
                   : base_err_errno(err, BASE_E_IO, cause, "cannot lock %s", path);
    }
    *ret_fd = fd;
    return BASE_OK;
}

enum base_status lpa_station_connect(const struct lpa_station *station, bool unattended,
    const struct base_clock *clock, const struct base_log *log, struct auth_kms **ret_kms,
    struct base_err *err)
{
    char ca[BASE_FILE_PATH_SIZE];
    char certificate[BASE_FILE_PATH_SIZE];
    char key[BASE_FILE_PATH_SIZE];
    enum base_status status = lpa_station_path(station, LPA_FILE_CA, ca, err);
    if (status == BASE_OK) {
        status = lpa_station_path(station, LPA_FILE_CERTIFICATE, certificate, err);
    }
    if (status == BASE_OK) {
        status = lpa_station_path(station, LPA_FILE_KEY, key, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (station->kms_url[0] == '\0') {
        return base_err_set(err, BASE_E_CONFIG, "config", 0,
            "%s/%s names no KMS; set url in its section [kms]", station->folder, LPA_FILE_CONFIG);
    }
    if (access(certificate, R_OK) != 0) {
        return base_err_set(err, BASE_E_CONFIG, "config", 0,
            "the station has no certificate yet; have %s/%s signed, then run lpa-provision enrol "
            "with --cert",
            station->folder, LPA_FILE_CSR);
    }
    struct auth_kms_opts opts = { .url = station->kms_url,
        .ca_file = ca,
        .certificate_file = certificate,
        .key_file = key,
        .unattended = unattended,
        .clock = clock,
        .log = log };
    return auth_kms_open(&opts, ret_kms, err);
}
