/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/home.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "kms/pki.h"

#define CONFIG_MAX 16384

static const char config_text[] =
    "; Configuration of an LPA KMS, see lpa-kms(1).\n"
    "[kms]\n"
    "; development: keys lie in files. Fit for tests and demonstrations, not for production.\n"
    "mode = development\n"
    "; name in signed notes and cosignatures; must not change once stations are enrolled\n"
    "name = kms.lpa.localhost\n"
    "session_idle_minutes = 30\n"
    "session_max_hours = 12\n"
    "max_connections = 256\n"
    "max_connections_per_address = 64\n"
    "station_certificate_days = 365\n";

struct parsing {
    struct kms_config config;
    char problem[200];
};

static bool number(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        return false;
    }
    *ret_number = value;
    return true;
}

static bool take_number(struct parsing *parsing, const char *name, const char *value)
{
    struct kms_config *config = &parsing->config;

    const struct {
        const char *name;
        int64_t min, max, unit;
        int64_t *place;
    } numbers[] = {
        { "session_idle_minutes", 1, 24 * 60, INT64_C(60000000), &config->session_idle_us },
        { "session_max_hours", 1, 24, INT64_C(3600000000), &config->session_max_us },
        { "max_connections", 1, 100000, 1, &config->max_connections },
        { "max_connections_per_address", 1, 100000, 1, &config->max_connections_per_address },
        { "station_certificate_days", 1, 3650, 1, &config->station_days },
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int64_t parsed = 0;
        if (strcmp(numbers[i].name, name) != 0) {
            continue;
        }
        if (!number(value, numbers[i].min, numbers[i].max, &parsed)) {
            (void)snprintf(parsing->problem, sizeof(parsing->problem),
                "%s must be a number from %lld to %lld", name, (long long)numbers[i].min,
                (long long)numbers[i].max);
            return false;
        }
        *numbers[i].place = parsed * numbers[i].unit;
        return true;
    }
    (void)snprintf(parsing->problem, sizeof(parsing->problem), "\"%.60s\" is not known", name);
    return false;
}

/* inih wants 1 for "go on". */
static int on_value(void *user, const char *section, const char *name, const char *value)
{
    struct parsing *parsing = user;
    if (strcmp(section, "kms") != 0) {
        (void)snprintf(
            parsing->problem, sizeof(parsing->problem), "section [%.60s] is not known", section);
        return 0;
    }
    if (strcmp(name, "mode") == 0) {
        parsing->config.development = strcmp(value, "development") == 0;
        if (!parsing->config.development) {
            (void)snprintf(parsing->problem, sizeof(parsing->problem),
                "mode must be development: this version keeps its keys in files, which production "
                "must not");
        }
        return parsing->config.development;
    }
    if (strcmp(name, "name") == 0) {
        size_t length = strnlen(value, KMS_NAME_SIZE);
        if (length == 0 || length == KMS_NAME_SIZE) {
            (void)snprintf(parsing->problem, sizeof(parsing->problem), "name is too long or empty");
            return 0;
        }
        memcpy(parsing->config.name, value, length + 1);
        return 1;
    }
    return take_number(parsing, name, value);
}

static enum base_status read_config(
    const char *path, struct kms_config *ret_config, struct base_err *err)
{
    struct base_buf text;
    struct parsing parsing = { .problem = "" };
    base_buf_init(&text, CONFIG_MAX);
    enum base_status status = base_file_read(path, &text, err);
    if (status == BASE_OK && base_buf_text(&text) == NULL) {
        status = base_err_set(err, BASE_E_CONFIG, "INI", 0, "%s is too long", path);
    }
    if (status == BASE_OK) {
        int line = ini_parse_string((const char *)text.data, on_value, &parsing);
        if (line != 0) {
            status = base_err_set(err, BASE_E_CONFIG, "INI", line, "%s line %d: %s", path, line,
                parsing.problem[0] != '\0' ? parsing.problem : "not of the form name = value");
        }
    }
    base_buf_done(&text);
    const struct kms_config *config = &parsing.config;
    if (status == BASE_OK &&
        (!config->development || config->name[0] == '\0' || config->session_idle_us == 0 ||
            config->session_max_us == 0 || config->max_connections == 0 ||
            config->max_connections_per_address == 0 || config->station_days == 0)) {
        status = base_err_set(err, BASE_E_CONFIG, "INI", 0,
            "%s lacks a value: compare it with the one that lpa-kms init writes", path);
    }
    if (status == BASE_OK) {
        *ret_config = parsing.config;
    }
    return status;
}

static enum base_status create_store(
    const char *dir, const struct base_clock *clock, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    struct kms_store store = { 0 };
    enum base_status status = base_file_join(dir, "kms.db", sizeof(path), path, err);
    if (status == BASE_OK) {
        status = kms_store_sqlite_open(path, true, clock, &store, err);
    }
    kms_store_close(&store);
    return status;
}

enum base_status kms_home_create(const char *dir, const struct base_random *random,
    const struct base_clock *clock, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    if (mkdir(dir, 0700) != 0) {
        int errnum = errno;
        return errnum == EEXIST
                   ? base_err_set(err, BASE_E_EXISTS, "errno", errnum,
                         "%s exists already: choose a folder that does not exist", dir)
                   : base_err_errno(err, BASE_E_IO, errnum, "cannot create the folder %s", dir);
    }
    enum base_status status = kms_keystore_file_create(dir, "kms.lpa.localhost", random, err);
    if (status == BASE_OK) {
        status = kms_pki_create(dir, "kms.lpa.localhost", random, base_clock_wall_us(clock), err);
    }
    if (status == BASE_OK) {
        status = create_store(dir, clock, err);
    }
    /* Last, so that a folder with a configuration is a whole KMS. */
    if (status == BASE_OK) {
        status = base_file_join(dir, "kms.conf", sizeof(path), path, err);
    }
    if (status == BASE_OK) {
        status = base_file_replace(path, config_text, sizeof(config_text) - 1, 0600, err);
    }
    return status;
}

static enum base_status open_parts(struct kms_home *home, struct base_err *err)
{
    char path[BASE_FILE_PATH_SIZE];
    enum base_status status = base_file_join(home->dir, "kms.conf", sizeof(path), path, err);
    if (status == BASE_OK) {
        struct stat info;
        if (stat(path, &info) != 0) {
            return base_err_set(err, BASE_E_NOTFOUND, "errno", errno,
                "there is no KMS in %s: make one with lpa-kms init --dev --dir %s", home->dir,
                home->dir);
        }
        status = read_config(path, &home->config, err);
    }
    if (status == BASE_OK) {
        status = base_file_join(home->dir, "kms.db", sizeof(path), path, err);
    }
    if (status == BASE_OK) {
        status = kms_store_sqlite_open(path, false, home->clock, &home->store, err);
    }
    if (status == BASE_OK) {
        status = kms_keystore_file_open(home->dir, home->random, &home->keys, err);
    }
    if (status == BASE_OK && strcmp(home->keys.log.verifier.name, home->config.name) != 0) {
        status = base_err_set(err, BASE_E_CONFIG, "INI", 0,
            "the KMS is called %s in kms.conf and %s in its log key", home->config.name,
            home->keys.log.verifier.name);
    }
    return status;
}

enum base_status kms_home_open(const char *dir, const struct base_random *random,
    const struct base_clock *clock, struct kms_home *ret_home, struct base_err *err)
{
    struct kms_home home = { .random = random, .clock = clock };
    if (strnlen(dir, sizeof(home.dir)) == sizeof(home.dir)) {
        return base_err_set(err, BASE_E_ARG, "KMS", 0, "the folder's name is too long");
    }
    memcpy(home.dir, dir, strlen(dir) + 1);
    enum base_status status = open_parts(&home, err);
    if (status != BASE_OK) {
        kms_home_close(&home);
        return status;
    }
    *ret_home = home;
    return BASE_OK;
}

void kms_home_close(struct kms_home *home)
{
    if (home == NULL) {
        return;
    }
    kms_store_close(&home->store);
    kms_keystore_close(&home->keys);
}

void kms_home_core(struct kms_home *home, const struct base_log *log, struct kms_core *ret_core)
{
    *ret_core = (struct kms_core) {
        .store = &home->store,
        .keys = &home->keys,
        .random = home->random,
        .log = log,
        .policy = {
            .development = home->config.development,
            .session_idle_us = home->config.session_idle_us,
            .session_max_us = home->config.session_max_us,
        },
    };
}
