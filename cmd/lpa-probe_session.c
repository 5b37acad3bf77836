/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-probe_session.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_AFTER_US 1000000
#define ATTACH_MS         500U

enum option_id {
    OPTION_JSON = 256,
    OPTION_BASE,
    OPTION_FORMAT,
    OPTION_ACQUIRE,
    OPTION_TOC2,
    OPTION_CHANGED,
    OPTION_STAY,
    OPTION_CLOCK,
    OPTION_TRACE,
    OPTION_RECORD,
    OPTION_PERMIT,
    OPTION_KMS_KEY,
};

enum base_status probe_session_number(
    const char *text, const char *what, uint32_t *ret_value, struct base_err *err)
{
    char *end = NULL;
    errno = 0;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    bool digit = text[0] >= '0' && text[0] <= '9';
    unsigned long long value = digit ? strtoull(text, &end, hex ? 16 : 10) : 0;
    if (!digit || errno != 0 || *end != '\0' || value > 0xFFFFFFFFU) {
        return base_err_set(err, BASE_E_ARG, "argument", 0,
            "%s \"%.40s\" is no number; write it like 4096 or 0x10000000", what, text);
    }
    *ret_value = (uint32_t)value;
    return BASE_OK;
}

static enum base_status parse_format(
    const char *text, enum prg_image_format *ret_format, struct base_err *err)
{
    static const struct {
        const char *name;
        enum prg_image_format format;
    } names[] = { { "auto", PRG_IMAGE_AUTO }, { "elf", PRG_IMAGE_ELF }, { "hex", PRG_IMAGE_HEX },
        { "bin", PRG_IMAGE_BIN } };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret_format = names[i].format;
            return BASE_OK;
        }
    }
    return base_err_set(err, BASE_E_ARG, "argument", 0,
        "there is no image format \"%.40s\"; use auto, elf, hex or bin", text);
}

static enum base_status take_option(
    struct probe_session *session, int id, const char *value, struct base_err *err)
{
    switch (id) {
    case 'p':
        session->url = value;
        return BASE_OK;
    case 'o':
        session->output = value;
        return BASE_OK;
    case OPTION_JSON:
        session->json = true;
        return BASE_OK;
    case OPTION_BASE:
        return probe_session_number(value, "base", &session->image.base, err);
    case OPTION_FORMAT:
        return parse_format(value, &session->image.format, err);
    case OPTION_ACQUIRE:
        session->acquire = true;
        return BASE_OK;
    case OPTION_TOC2:
        session->toc2 = true;
        return BASE_OK;
    case OPTION_CHANGED:
        session->changed = true;
        return BASE_OK;
    case OPTION_STAY:
        session->stay = true;
        return BASE_OK;
    case OPTION_TRACE:
        session->trace = true;
        return BASE_OK;
    case OPTION_RECORD:
        session->record = value;
        return BASE_OK;
    case OPTION_PERMIT:
        session->permit = value;
        return BASE_OK;
    case OPTION_KMS_KEY:
        session->kms_key = value;
        return BASE_OK;
    case OPTION_CLOCK:
        return probe_session_number(value, "clock", &session->clock_hz, err);
    default:
        return base_err_set(err, BASE_E_ARG, "argument", 0,
            "an option is unknown or lacks its value; see lpa-probe --help");
    }
}

static enum base_status parse_options(
    struct probe_session *session, int argc, char **argv, struct base_err *err)
{
    static const struct option options[] = {
        { "probe", required_argument, NULL, 'p' },
        { "output", required_argument, NULL, 'o' },
        { "json", no_argument, NULL, OPTION_JSON },
        { "base", required_argument, NULL, OPTION_BASE },
        { "format", required_argument, NULL, OPTION_FORMAT },
        { "acquire", no_argument, NULL, OPTION_ACQUIRE },
        { "toc2", no_argument, NULL, OPTION_TOC2 },
        { "changed", no_argument, NULL, OPTION_CHANGED },
        { "stay", no_argument, NULL, OPTION_STAY },
        { "clock", required_argument, NULL, OPTION_CLOCK },
        { "trace", no_argument, NULL, OPTION_TRACE },
        { "record", required_argument, NULL, OPTION_RECORD },
        { "permit", required_argument, NULL, OPTION_PERMIT },
        { "kms-key", required_argument, NULL, OPTION_KMS_KEY },
        { NULL, 0, NULL, 0 },
    };
    int id = 0;
    opterr = 0;
    while ((id = getopt_long(argc, argv, "p:o:", options, NULL)) != -1) {
        enum base_status status = take_option(session, id, optarg, err);
        if (status != BASE_OK) {
            return status;
        }
    }
    return BASE_OK;
}

enum base_status probe_session_init(struct probe_session *session,
    const struct cli_program *program, int argc, char **argv, int least, int most,
    struct base_err *err)
{
    memset(session, 0, sizeof(*session));
    session->program = program;
    session->started_us = base_clock_mono_us(base_clock_system());
    session->result = json_object();
    enum base_status status = parse_options(session, argc, argv, err);
    if (status != BASE_OK) {
        return status;
    }
    session->word_count = argc - optind;
    if (session->word_count < least || session->word_count > most) {
        return base_err_set(err, BASE_E_ARG, "argument", session->word_count,
            "%s takes %d to %d words beside its options, not %d; see lpa-probe --help", argv[0],
            least, most, session->word_count);
    }
    for (int i = 0; i < session->word_count && i < PROBE_MAX_WORDS; i++) {
        session->words[i] = argv[optind + i];
    }
    return BASE_OK;
}

static void end_line(struct probe_session *session)
{
    if (session->line_open) {
        printf("\r\033[K");
        session->line_open = false;
    }
}

static void add_failure(json_t *result, const struct base_err *err)
{
    json_t *failure = json_object();
    (void)json_object_set_new(failure, "status", json_string(base_status_name(err->status)));
    (void)json_object_set_new(failure, "domain", json_string(err->domain));
    (void)json_object_set_new(failure, "detail", json_integer(err->detail));
    (void)json_object_set_new(failure, "code", json_string(err->code));
    (void)json_object_set_new(failure, "message", json_string(err->message));
    (void)json_object_set_new(result, "error", failure);
}

/* True: it is whole on disk, or there is none. */
static bool end_recording(struct probe_session *session)
{
    if (session->recording == NULL) {
        return true;
    }
    bool good = ferror(session->recording) == 0;
    return fclose(session->recording) == 0 && good;
}

int probe_session_end(struct probe_session *session, const struct base_err *err)
{
    struct base_err lost = { .status = BASE_OK };
    end_line(session);
    prg_psoc6_free(session->chip);
    prg_link_close(session->link);
    if (!end_recording(session) && err->status == BASE_OK) {
        (void)base_err_set(
            &lost, BASE_E_IO, "errno", errno, "cannot write all of %s", session->record);
        err = &lost;
    }
    bool failed = err->status != BASE_OK;
    if (session->json && session->result != NULL) {
        (void)json_object_set_new(session->result, "ok", json_boolean(!failed));
        if (failed) {
            add_failure(session->result, err);
        }
        (void)json_dumpf(session->result, stdout, JSON_COMPACT);
        (void)putchar('\n');
    }
    json_decref(session->result);
    if (failed) {
        return cli_fail(session->program, err);
    }
    if (fflush(stdout) != 0) {
        struct base_err io = { .status = BASE_OK };
        (void)base_err_errno(&io, BASE_E_IO, errno, "cannot write the result");
        return cli_fail(session->program, &io);
    }
    return 0;
}

/* A recording holds what the chip's memory holds: for its owner's eyes only. */
static enum base_status begin_trace(struct probe_session *session, struct base_err *err)
{
    if (session->record != NULL) {
        int fd = open(session->record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        session->recording = fd < 0 ? NULL : fdopen(fd, "w");
        if (session->recording == NULL) {
            int errnum = errno;
            if (fd >= 0) {
                (void)close(fd);
            }
            return base_err_errno(err, BASE_E_IO, errnum, "cannot write %s", session->record);
        }
    }
    prg_tracer_begin(
        &session->tracer, session->trace ? stderr : NULL, session->recording, base_clock_system());
    return BASE_OK;
}

enum base_status probe_session_release(struct probe_session *session, struct base_err *err)
{
    return session->stay ? BASE_OK : prg_psoc6_reset(session->chip, err);
}

void probe_session_text(struct probe_session *session, const char *key, const char *value)
{
    (void)json_object_set_new(session->result, key, json_string(value));
}

void probe_session_count(struct probe_session *session, const char *key, int64_t value)
{
    (void)json_object_set_new(session->result, key, json_integer(value));
}

enum base_status probe_session_open(struct probe_session *session, struct base_err *err)
{
    if (session->url == NULL) {
        return base_err_set(
            err, BASE_E_ARG, "argument", 0, "say which probe: -p tcp:127.0.0.1:4441");
    }
    struct prg_link_opts opts = { .swclk_hz = session->clock_hz };
    enum base_status status = begin_trace(session, err);
    if (status != BASE_OK) {
        return status;
    }
    if (session->trace || session->recording != NULL) {
        opts.trace = prg_tracer_packet;
        opts.trace_user = &session->tracer;
    }
    status = prg_link_open(session->url, &opts, &session->link, err);
    if (status == BASE_OK) {
        status = prg_psoc6_new(session->link, &session->chip, err);
    }
    return status;
}

static enum base_status judge_acquire(enum prg_psoc6_acquire outcome, struct base_err *err)
{
    switch (outcome) {
    case PRG_PSOC6_ACQUIRED:
        return BASE_OK;
    case PRG_PSOC6_SILENT:
        return base_err_set(err, BASE_E_TIMEOUT, "SWD", 0,
            "no chip answers; check its power, the SWD wires and XRES");
    case PRG_PSOC6_CLOSED:
        return base_err_set(err, BASE_E_LOCKED, "SWD", 0,
            "the chip's debug port answers, but its access ports stay closed");
    case PRG_PSOC6_MISSED:
        return base_err_set(err, BASE_E_TIMEOUT, "SWD", 0,
            "the chip did not stop in test mode; its listen window may be 0 ms");
    }
    return base_err_set(err, BASE_E_INTERNAL, "SWD", 0, "unknown outcome of acquire");
}

enum base_status probe_session_acquire(struct probe_session *session, struct base_err *err)
{
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum base_status status = probe_session_open(session, err);
    if (status == BASE_OK) {
        status = prg_psoc6_acquire(session->chip, NULL, &outcome, err);
    }
    return status == BASE_OK ? judge_acquire(outcome, err) : status;
}

enum base_status probe_session_attach(struct probe_session *session, struct base_err *err)
{
    enum base_status status = probe_session_open(session, err);
    return status == BASE_OK ? prg_psoc6_attach(session->chip, ATTACH_MS, err) : status;
}

bool probe_session_progress(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct probe_session *session = user;
    int64_t spent_us = base_clock_mono_us(base_clock_system()) - session->started_us;
    if (!session->json && spent_us > PROGRESS_AFTER_US && isatty(STDOUT_FILENO) == 1) {
        printf("\r\033[K%s %u %%", what, (unsigned)(total == 0 ? 100 : done * 100 / total));
        (void)fflush(stdout);
        session->line_open = true;
    }
    return true;
}

void probe_session_say(struct probe_session *session, const char *format, ...)
{
    if (session->json) {
        return;
    }
    end_line(session);
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}
