/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-audit: check, show and export a station's audit log. Reads files and public keys only. */
#include "base/base64.h"
#include "base/clock.h"
#include "base/file.h"
#include "cmd/cli.h"
#include "lpa/audit_files.h"
#include "lpa/audit_verify.h"
#include "lpa/station.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_TAMPERED    5
#define EXIT_UNWITNESSED 1

#define PROGRESS_AFTER_US INT64_C(1000000)

struct audit_args {
    const char *dir, *log, *log_key, *witness_key, *checkpoint, *format, *out, *footer, *lot, *chip;
    bool json;
};

static enum base_status parse_args(
    int argc, char **argv, const char *allowed, struct audit_args *args, struct base_err *err)
{
    static const struct option options[] = {
        { "dir", required_argument, NULL, 'd' },
        { "log", required_argument, NULL, 'g' },
        { "log-key", required_argument, NULL, 'k' },
        { "witness-key", required_argument, NULL, 'w' },
        { "checkpoint", required_argument, NULL, 'p' },
        { "format", required_argument, NULL, 'f' },
        { "out", required_argument, NULL, 'o' },
        { "footer", required_argument, NULL, 't' },
        { "lot", required_argument, NULL, 'l' },
        { "chip", required_argument, NULL, 'c' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    int option = 0;
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?' || strchr(allowed, option) == NULL) {
            return base_err_set(err, BASE_E_ARG, "option", 0,
                "%s has no such option, or it lacks its value: %.64s; see lpa-audit --help",
                argv[0], argv[optind - 1]);
        }

        const struct {
            int option;
            const char **to;
        } texts[] = { { 'd', &args->dir }, { 'g', &args->log }, { 'k', &args->log_key },
            { 'w', &args->witness_key }, { 'p', &args->checkpoint }, { 'f', &args->format },
            { 'o', &args->out }, { 't', &args->footer }, { 'l', &args->lot },
            { 'c', &args->chip } };

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            if (texts[i].option == option) {
                *texts[i].to = optarg;
            }
        }
        args->json = args->json || option == 'j';
    }
    if (optind != argc) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "%s has no use for \"%.64s\"; see lpa-audit --help", argv[0], argv[optind]);
    }
    if (args->dir == NULL && (args->log == NULL || args->log_key == NULL)) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say the station's folder with --dir DIR, or a copied log with --log FOLDER and "
            "--log-key VKEY");
    }
    return BASE_OK;
}

/* Where the log lies and which keys it must show; the memory that `opts` points into. */
struct source {
    char folder[BASE_FILE_PATH_SIZE];
    struct base_note_verifier station, witness;
    struct base_buf checkpoint;
    struct lpa_audit_verify_opts opts;
};

static enum base_status keys_from_station(
    const struct audit_args *args, struct source *source, struct base_err *err)
{
    struct lpa_station station;
    enum base_status status = lpa_station_load(args->dir, &station, err);
    if (status == BASE_OK) {
        status = lpa_station_path(&station, LPA_FOLDER_LOG, source->folder, err);
    }
    if (status == BASE_OK) {
        source->station = station.log;
        source->opts.station = &source->station;
        if (station.have_witness) {
            source->witness = station.witness;
            source->opts.witness = &source->witness;
        }
    }
    return status;
}

static enum base_status open_source(
    const struct audit_args *args, struct source *source, struct base_err *err)
{
    enum base_status status = BASE_OK;
    base_buf_init(&source->checkpoint, BASE_NOTE_MAX_BYTES);
    if (args->dir != NULL) {
        status = keys_from_station(args, source, err);
    }
    if (status == BASE_OK && args->log != NULL) {
        (void)snprintf(source->folder, sizeof(source->folder), "%s", args->log);
    }
    if (status == BASE_OK && args->log_key != NULL) {
        status = base_note_verifier_parse(args->log_key, &source->station, err);
        source->opts.station = &source->station;
    }
    if (status == BASE_OK && args->witness_key != NULL) {
        status = base_note_verifier_parse(args->witness_key, &source->witness, err);
        source->opts.witness = &source->witness;
    }
    if (status == BASE_OK && args->checkpoint != NULL) {
        status = base_file_read(args->checkpoint, &source->checkpoint, err);
        source->opts.known_checkpoint = base_buf_text(&source->checkpoint);
    }
    source->opts.folder = source->folder;
    return status;
}

/* --- verify --- */

static const char *verdict_name(enum lpa_audit_verdict verdict)
{
    return verdict == LPA_AUDIT_OK            ? "ok"
           : verdict == LPA_AUDIT_UNWITNESSED ? "unwitnessed"
                                              : "tampered";
}

static void print_report(const struct source *source, const struct lpa_audit_report *report)
{
    char root[BASE_BASE64_SIZE(32)];
    char when[BASE_CLOCK_TEXT_SIZE] = "never";
    base_base64_encode(report->root, sizeof(report->root), root);
    if (report->cosigned_time_s != 0) {
        base_clock_format((int64_t)report->cosigned_time_s * 1000000, when);
    }
    printf("log %s: %s\n", source->opts.station->name,
        report->verdict == LPA_AUDIT_OK ? "sound and cosigned to its end" : report->reason);
    printf("  records %" PRIu64 "  root %s\n", report->records, root);
    printf("  signed to %" PRIu64 "  cosigned to %" PRIu64 " by %s at %s  checkpoints checked "
           "%" PRIu64 "\n",
        report->signed_size, report->cosigned_size,
        report->witness_checked ? source->opts.witness->name : "(no key known)", when,
        report->checkpoints);
    if (report->first_bad >= 0) {
        printf("  first bad record %" PRId64 "\n", report->first_bad);
    }
    printf("  gaps %" PRIu64 "  restarts of the machine %" PRIu64 "  clock steps %" PRIu64
           "  unanswered requests %" PRIu64 "\n",
        report->gaps, report->boots, report->clock_steps, report->unanswered);
    for (size_t i = 0; i < report->lot_count; i++) {
        const struct lpa_audit_lot *lot = &report->lots[i];
        printf("  lot %s: granted %" PRIu64 " = confirmed %" PRIu64 " + scrapped %" PRIu64
               " + open %" PRIu64 " (requests %" PRIu64 ")\n",
            lot->id, lot->granted, lot->confirmed, lot->scrapped, lot->open, lot->requests);
    }
}

static enum base_status print_report_json(
    const struct source *source, const struct lpa_audit_report *report, struct base_err *err)
{
    char root[BASE_BASE64_SIZE(32)];
    json_t *lots = json_array();
    base_base64_encode(report->root, sizeof(report->root), root);
    for (size_t i = 0; i < report->lot_count; i++) {
        const struct lpa_audit_lot *lot = &report->lots[i];
        (void)json_array_append_new(
            lots, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "lot", lot->id, "requests",
                      (json_int_t)lot->requests, "granted", (json_int_t)lot->granted, "confirmed",
                      (json_int_t)lot->confirmed, "scrapped", (json_int_t)lot->scrapped, "open",
                      (json_int_t)lot->open));
    }
    json_t *object = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:b, s:I, s:I, s:I, s:I, "
                               "s:I, s:o}",
        "log", source->opts.station->name, "verdict", verdict_name(report->verdict), "reason",
        report->reason, "first_bad", (json_int_t)report->first_bad, "records",
        (json_int_t)report->records, "root", root, "signed", (json_int_t)report->signed_size,
        "cosigned", (json_int_t)report->cosigned_size, "witness_checked",
        (int)report->witness_checked, "checkpoints", (json_int_t)report->checkpoints, "gaps",
        (json_int_t)report->gaps, "restarts", (json_int_t)report->boots, "clock_steps",
        (json_int_t)report->clock_steps, "unanswered", (json_int_t)report->unanswered, "lots",
        lots);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "JSON", 0, "no memory for the output");
    }
    printf("%s\n", text);
    free(text);
    return BASE_OK;
}

/* A line that is rewritten, from the second second on. */
static void show_progress(void *user, uint64_t records)
{
    const int64_t *began_us = user;
    if (base_clock_mono_us(base_clock_system()) - *began_us > PROGRESS_AFTER_US) {
        (void)fprintf(stdout, "\r\033[K%" PRIu64 " records checked", records);
        (void)fflush(stdout);
    }
}

static int run_verify(const struct cli_program *program, int argc, char **argv)
{
    static const int codes[] = { 0, EXIT_UNWITNESSED, EXIT_TAMPERED };
    struct audit_args args = { .dir = NULL };
    struct source source = { .folder = "" };
    struct lpa_audit_report report = { .verdict = LPA_AUDIT_TAMPERED };
    struct base_err err = { 0 };
    enum base_status status = parse_args(argc, argv, "dgkwpj", &args, &err);
    if (status == BASE_OK) {
        status = open_source(&args, &source, &err);
    }
    int64_t began_us = base_clock_mono_us(base_clock_system());
    bool on_screen = !args.json && isatty(STDOUT_FILENO) != 0;
    if (on_screen) {
        source.opts.progress = show_progress;
        source.opts.progress_user = &began_us;
    }
    if (status == BASE_OK) {
        status = lpa_audit_verify(&source.opts, &report, &err);
    }
    if (on_screen && base_clock_mono_us(base_clock_system()) - began_us > PROGRESS_AFTER_US) {
        (void)fprintf(stdout, "\r\033[K");
    }
    if (status == BASE_OK && args.json) {
        status = print_report_json(&source, &report, &err);
    } else if (status == BASE_OK) {
        print_report(&source, &report);
    }
    int code = status == BASE_OK ? codes[report.verdict] : cli_fail(program, &err);
    lpa_audit_report_done(&report);
    base_buf_done(&source.checkpoint);
    return code;
}

/* --- show --- */

struct shower {
    const struct audit_args *args;
    uint64_t number;
};

static enum base_status show_record(
    void *user, const char *line, size_t length, struct base_err *err)
{
    struct shower *shower = user;
    struct lpa_audit_fields fields;
    enum base_status status = lpa_audit_record_scan(line, length, &fields, err);
    if (status != BASE_OK) {
        base_err_prefix(err, "record %" PRIu64 ": ", shower->number);
        return status;
    }
    shower->number++;
    bool other_lot = shower->args->lot != NULL && !lpa_span_is(fields.lot, shower->args->lot);
    bool other_chip =
        shower->args->chip != NULL && !lpa_span_is(fields.chip_id, shower->args->chip);
    if (other_lot || other_chip) {
        return BASE_OK;
    }
    if (shower->args->json) {
        printf("%.*s\n", (int)length, line);
        return BASE_OK;
    }
    const struct lpa_span spans[] = { fields.seq, fields.wall, fields.ev, fields.result, fields.lot,
        fields.chip_id, fields.dev_eui, fields.step, fields.code, fields.text };
    static const int widths[] = { 6, 27, 20, 7, 12, 16, 16, 8, 0, 0 };
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        char text[1200];
        lpa_span_text(spans[i], sizeof(text), text);
        printf("%s%-*s", i == 0 ? "" : "  ", widths[i], text);
    }
    printf("\n");
    return BASE_OK;
}

static int run_show(const struct cli_program *program, int argc, char **argv)
{
    struct audit_args args = { .dir = NULL };
    struct source source = { .folder = "" };
    struct base_err err = { 0 };
    struct lpa_audit_tail tail;
    enum base_status status = parse_args(argc, argv, "dgklcj", &args, &err);
    struct shower shower = { .args = &args };
    if (status == BASE_OK) {
        status = open_source(&args, &source, &err);
    }
    if (status == BASE_OK) {
        status = lpa_audit_read(source.folder, show_record, &shower, &tail, &err);
    }
    base_buf_done(&source.checkpoint);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

/* --- export --- */

static enum base_status take_format(
    const struct audit_args *args, enum lpa_audit_format *ret_format, struct base_err *err)
{
    if (args->format == NULL || strcmp(args->format, "jsonl") == 0) {
        *ret_format = LPA_AUDIT_JSONL;
        return BASE_OK;
    }
    if (strcmp(args->format, "csv") == 0) {
        *ret_format = LPA_AUDIT_CSV;
        return BASE_OK;
    }
    return base_err_set(err, BASE_E_ARG, "option", 0,
        "\"%.32s\" is not an export format; jsonl and csv are", args->format);
}

static enum base_status export_to(
    const struct audit_args *args, const struct source *source, struct base_err *err)
{
    enum lpa_audit_format format = LPA_AUDIT_JSONL;
    enum base_status status = take_format(args, &format, err);
    if (status != BASE_OK) {
        return status;
    }
    FILE *out = args->out == NULL ? stdout : fopen(args->out, "we");
    if (out == NULL) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot write %s", args->out);
    }
    status = lpa_audit_export(&source->opts, format, out, args->footer, err);
    if (out != stdout && fclose(out) != 0 && status == BASE_OK) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot write %s", args->out);
    }
    return status;
}

static int run_export(const struct cli_program *program, int argc, char **argv)
{
    struct audit_args args = { .dir = NULL };
    struct source source = { .folder = "" };
    struct base_err err = { 0 };
    enum base_status status = parse_args(argc, argv, "dgkwfotj", &args, &err);
    if (status == BASE_OK) {
        status = open_source(&args, &source, &err);
    }
    if (status == BASE_OK) {
        status = export_to(&args, &source, &err);
    }
    base_buf_done(&source.checkpoint);
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

static const struct cli_verb verbs[] = {
    { "verify",
        "(--dir DIR | --log FOLDER --log-key VKEY) [--witness-key VKEY] [--checkpoint FILE] "
        "[--json]",
        run_verify, "check chain, tree, checkpoints and cosignatures, and the books of each lot" },
    { "show", "(--dir DIR | --log FOLDER --log-key VKEY) [--lot LOT] [--chip ID] [--json]",
        run_show, "print the records, one a line" },
    { "export",
        "(--dir DIR | --log FOLDER --log-key VKEY) [--format jsonl|csv] [--out FILE] [--footer "
        "FILE]",
        run_export, "write all records in another form" },
};

int main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "lpa-audit",
        .summary = "check and read a station's audit log",
        .verbs = verbs,
        .verb_count = sizeof(verbs) / sizeof(verbs[0]),
    };
    return cli_main(&program, argc, argv);
}
