/* SPDX-License-Identifier: Apache-2.0 */
/* What run and personalise show: one line per board, progress, and the lot's books. */
#include "cmd/lpa-provision_line.h"

#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PROGRESS_AFTER_US INT64_C(1000000)
#define WIDTH_DEFAULT     80
#define TILE_WIDTH        14 /* columns of a big PASS or FAIL */

/* --- boards --- */

static void count(struct prov_line *line, enum lpa_result result, enum base_status status)
{
    if (result == LPA_RESULT_PASS) {
        line->passed++;
    } else if (result == LPA_RESULT_FAIL) {
        line->failed++;
    } else {
        line->errors++;
        if (line->first_error == BASE_OK) {
            line->first_error = status;
        }
    }
}

static bool is_zero(const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

static void hex_or_dash(const uint8_t *data, size_t length, char *ret_text)
{
    if (is_zero(data, length)) {
        memcpy(ret_text, "-", 2);
    } else {
        base_hex_encode(data, length, ret_text);
    }
}

static json_t *unit_json(
    const struct prov_site *site, const struct lpa_job *job, int64_t duration_us)
{
    const struct lpa_unit *unit = &job->unit;
    char chip[17];
    char eui[17];
    char join[2 * PROTO_JOIN_REQUEST_SIZE + 1];
    base_hex_encode(unit->chip_id, 8, chip);
    base_hex_encode(unit->dev_eui, 8, eui);
    base_hex_encode(job->join_request, sizeof(job->join_request), join);
    json_t *object = json_pack("{s:s, s:s, s:I, s:s*, s:s*, s:s, s:s, s:I, s:I, s:s*, s:s*}",
        "type", "unit", "site", site->url, "site_number", (json_int_t)site->number, "chip_id",
        job->examined ? chip : NULL, "dev_eui", is_zero(unit->dev_eui, 8) ? NULL : eui, "result",
        lpa_result_name(unit->result), "state", lpa_state_name(unit->state), "attempt",
        (json_int_t)unit->attempt, "duration_ms", (json_int_t)(duration_us / 1000), "grant_id",
        unit->grant_id[0] == '\0' ? NULL : unit->grant_id, "join_request",
        job->have_join_request ? join : NULL);
    if (object != NULL && job->examined) {
        (void)json_object_set_new(object, "probe", prov_probe_json(&unit->probe));
    }
    enum lpa_application_proof proof = lpa_job_application(&job->lot, &job->exam);
    if (object != NULL && job->examined && proof != LPA_APPLICATION_NONE) {
        char digest[65];
        base_hex_encode(job->lot.application_sha256, 32, digest);
        (void)json_object_set_new(object, "application",
            json_pack("{s:s, s:s, s:s*}", "sha256", digest, "proof",
                lpa_application_proof_name(proof), "relies_on", lpa_application_proof_text(proof)));
    }
    const char *label = job->confirmation.label;
    if (object != NULL && unit->result == LPA_RESULT_PASS && label[0] != '\0') {
        (void)json_object_set_new(object, "label", json_string(label));
    }
    if (object != NULL && unit->result != LPA_RESULT_PASS) {
        const struct lpa_failure *failure = &job->failure;
        json_t *why = json_pack("{s:s, s:s, s:s, s:s, s:b}", "step", lpa_step_name(failure->step),
            "code", failure->err.code, "message", failure->err.message, "next", failure->next,
            "permanent", (int)failure->permanent);
        (void)json_object_update(object, why);
        json_decref(why);
    }
    return object;
}

static const char *colour_of(const struct prov_line *line, enum lpa_result result)
{
    if (!line->colour) {
        return "";
    }
    return result == LPA_RESULT_PASS   ? "\033[1;30;42m"
           : result == LPA_RESULT_FAIL ? "\033[1;37;41m"
                                       : "\033[1;30;43m";
}

/* One row of a tile: the word in its middle, or nothing. */
static void print_row(const struct prov_line *line, enum lpa_result result, const char *word)
{
    int length = (int)strlen(word);
    int left = (TILE_WIDTH - length) / 2;
    const char *edge = line->colour ? " " : length == 0 ? "+" : "|";
    const char *rule = line->colour ? "              " : "--------------";
    printf("%s%s", colour_of(line, result), edge);
    if (length == 0) {
        printf("%s", rule);
    } else {
        printf("%*s%s%*s", left, "", word, TILE_WIDTH - left - length, "");
    }
    printf("%s%s  ", edge, line->colour ? "\033[0m" : "");
}

/* Big enough to be seen from the other side of the table. */
static void print_tile(const struct prov_line *line, const struct prov_site *site,
    const struct lpa_unit *unit, const char *chip, const char *eui, int64_t duration_us)
{
    print_row(line, unit->result, "");
    printf("site %zu  %s\n", site->number, site->url);
    print_row(line, unit->result, lpa_result_name(unit->result));
    printf("chip %s  DevEUI %s\n", chip, eui);
    print_row(line, unit->result, "");
    printf("%.1f s\n", (double)duration_us / 1e6);
}

static void print_unit(const struct prov_line *line, const struct prov_site *site,
    const struct lpa_job *job, int64_t duration_us)
{
    const struct lpa_unit *unit = &job->unit;
    char chip[17];
    char eui[17];
    hex_or_dash(unit->chip_id, 8, chip);
    hex_or_dash(unit->dev_eui, 8, eui);
    if (line->on_screen && !line->args->batch) {
        print_tile(line, site, unit, chip, eui, duration_us);
    } else {
        printf("%-22s  %-16s  %-16s  %s%s%-7s%s  %6.1f s\n", site->url, chip, eui,
            colour_of(line, unit->result), line->colour ? " " : "", lpa_result_name(unit->result),
            line->colour ? "\033[0m" : "", (double)duration_us / 1e6);
    }
    if (unit->result != LPA_RESULT_PASS) {
        printf("    at %s: %s\n    next: %s\n", lpa_step_name(job->failure.step),
            job->failure.err.message, job->failure.next);
    }
    (void)fflush(stdout);
}

void prov_show_unit(struct prov_line *line, const struct prov_site *site, const struct lpa_job *job,
    int64_t duration_us)
{
    struct base_err err = { 0 };
    const char *relies_on = lpa_application_proof_text(lpa_job_application(&job->lot, &job->exam));
    count(line, job->unit.result, job->failure.err.status);
    if (job->unit.result == LPA_RESULT_PASS && relies_on != NULL) {
        line->relies_on = relies_on;
    }
    prov_erase(line);
    if (!line->args->json) {
        print_unit(line, site, job, duration_us);
    } else if (prov_print_json(unit_json(site, job, duration_us), &err) != BASE_OK) {
        base_log(&line->app->log, BASE_LOG_ERROR, "%s", err.message);
    }
    prov_draw(line);
}

void prov_show_site_error(
    struct prov_line *line, const struct prov_site *site, const struct base_err *err)
{
    struct base_err ignored = { 0 };
    struct lpa_failure failure = { .err = *err };
    lpa_failure_classify(&failure);
    count(line, LPA_RESULT_ERROR, err->status);
    prov_erase(line);
    if (line->args->json) {
        (void)!prov_print_json(
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", "site", "site", site->url, "result",
                "ERROR", "code", err->code, "message", err->message, "next", failure.next),
            &ignored);
        return;
    }
    printf("%-22s  %-16s  %-16s  ERROR\n    %s\n    next: %s\n", site->url, "-", "-", err->message,
        failure.next);
    prov_draw(line);
}

static size_t screen_width(void)
{
    struct winsize size = { .ws_col = 0 };
    int failed = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size_t width = failed == 0 && size.ws_col > 1 ? size.ws_col - 1U : WIDTH_DEFAULT - 1U;
    return width < PROV_LAST_LINE_SIZE ? width : PROV_LAST_LINE_SIZE - 1;
}

/* Sites that fit into @p room; the seconds are left out beside a prompt, because redrawing hides
 * what the operator has typed so far. */
static size_t write_progress(const struct prov_line *line, size_t room, char *text)
{
    int64_t now_us = base_clock_mono_us(line->app->clock);
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < line->site_count; i++) {
        const struct prov_site *site = &line->sites[i];
        int64_t busy_us = now_us - site->began_us;
        char part[64];
        if (site->state != PROV_SITE_WORKING || site->step == LPA_STEP_NONE ||
            busy_us <= PROGRESS_AFTER_US) {
            continue;
        }
        int length = snprintf(part, sizeof(part), "%ssite %zu: %s", used == 0 ? "" : "  ",
            site->number, lpa_step_name(site->step));
        if (line->prompt == NULL) {
            length += snprintf(part + length, sizeof(part) - (size_t)length, " %lld s",
                (long long)(busy_us / 1000000));
        }
        if (used + (size_t)length > room) {
            break;
        }
        memcpy(text + used, part, (size_t)length + 1);
        used += (size_t)length;
    }
    return used;
}

void prov_draw(struct prov_line *line)
{
    static const char bar[] = " | ";
    char text[PROV_LAST_LINE_SIZE] = "";
    const char *prompt = line->prompt != NULL ? line->prompt : "";
    size_t width = screen_width();
    size_t fixed = strlen(prompt) + (line->prompt != NULL ? sizeof(bar) - 1 : 0);
    size_t used = 0;
    if (line->on_screen && fixed < width) {
        used = write_progress(line, width - fixed, text);
    }
    (void)snprintf(text + used, sizeof(text) - used, "%s%s",
        used > 0 && line->prompt != NULL ? bar : "", prompt);
    if (strcmp(text, line->drawn) == 0) {
        return;
    }
    if (line->drawn[0] != '\0') {
        printf("\r\033[K"); /* on a screen only: elsewhere the prompt alone is drawn, once */
    }
    printf("%s", text);
    (void)fflush(stdout);
    memcpy(line->drawn, text, sizeof(text));
}

void prov_erase(struct prov_line *line)
{
    if (line->drawn[0] == '\0') {
        return;
    }
    printf(line->on_screen ? "\r\033[K" : "\n");
    (void)fflush(stdout);
    line->drawn[0] = '\0';
}

/* --- books --- */

struct book {
    uint8_t chip_id[8];
    uint8_t dev_eui[8];
    bool kms_open;     /**< the KMS has this DevEUI open */
    bool here;         /**< the journal has a row */
    bool here_settled; /**< confirmed or scrapped, as the journal has it */
};

struct books {
    struct book *rows;
    size_t count, capacity;
    uint64_t confirmed, scrapped, open; /**< DevEUIs, as the journal has them */
};

static struct book *find_book(
    struct books *books, const uint8_t chip_id[8], const uint8_t dev_eui[8])
{
    for (size_t i = 0; i < books->count; i++) {
        if (memcmp(books->rows[i].dev_eui, dev_eui, 8) == 0) {
            return &books->rows[i];
        }
    }
    if (books->count == books->capacity) {
        size_t capacity = books->capacity == 0 ? 64 : books->capacity * 2;
        struct book *bigger = reallocarray(books->rows, capacity, sizeof(*bigger));
        if (bigger == NULL) {
            return NULL;
        }
        books->rows = bigger;
        books->capacity = capacity;
    }
    struct book *book = &books->rows[books->count++];
    memset(book, 0, sizeof(*book));
    memcpy(book->chip_id, chip_id, 8);
    memcpy(book->dev_eui, dev_eui, 8);
    return book;
}

static enum base_status take_kms(void *user, const uint8_t chip_id[8], const struct auth_unit *unit)
{
    struct book *book = find_book(user, chip_id, unit->dev_eui);
    if (book == NULL) {
        return BASE_E_NOMEM;
    }
    book->kms_open = true;
    return BASE_OK;
}

static enum base_status take_row(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    struct books *books = user;
    if (unit->state < LPA_STATE_GRANTED || is_zero(unit->dev_eui, 8)) {
        return BASE_OK;
    }
    bool settled = unit->state >= LPA_STATE_CONFIRMED;
    books->confirmed += unit->state == LPA_STATE_CONFIRMED || unit->state == LPA_STATE_LOCKED ||
                        unit->state == LPA_STATE_ZEROISED;
    books->scrapped += unit->state == LPA_STATE_SCRAPPED || unit->state == LPA_STATE_WIPED ||
                       unit->state == LPA_STATE_FORGOTTEN;
    books->open += !settled;
    /* Only open ones are compared one by one: settled ones are counted, on both sides. */
    for (size_t i = 0; i < books->count; i++) {
        if (memcmp(books->rows[i].dev_eui, unit->dev_eui, 8) == 0) {
            books->rows[i].here = true;
            books->rows[i].here_settled = settled;
            return BASE_OK;
        }
    }
    if (settled) {
        return BASE_OK;
    }
    struct book *book = find_book(books, unit->chip_id, unit->dev_eui);
    if (book == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "journal", 0, "no memory for the lot's books");
    }
    book->here = true;
    return BASE_OK;
}

/* Sentence about one DevEUI that the two sides see differently; NULL where they agree. */
static const char *difference(const struct book *book)
{
    if (book->kms_open && book->here && book->here_settled) {
        return "is open at the KMS but settled in this journal; run the board again";
    }
    if (book->kms_open && !book->here) {
        return "is open at the KMS and not in this journal; run the board here or where it was "
               "begun";
    }
    if (!book->kms_open && book->here && !book->here_settled) {
        return "is open in this journal but not at the KMS; run the board again";
    }
    return NULL;
}

static void show_books(
    struct prov_line *line, const struct auth_lot *lot, const struct books *books, bool balanced)
{
    json_t *list = json_array();
    for (size_t i = 0; i < books->count; i++) {
        const struct book *book = &books->rows[i];
        const char *text = difference(book);
        char chip[17];
        char eui[17];
        base_hex_encode(book->chip_id, 8, chip);
        base_hex_encode(book->dev_eui, 8, eui);
        if (text != NULL && !line->args->json) {
            printf("    DevEUI %s (chip %s) %s\n", eui, chip, text);
        } else if (text != NULL) {
            (void)json_array_append_new(list,
                json_pack("{s:s, s:s, s:s}", "dev_eui", eui, "chip_id", chip, "difference", text));
        }
    }
    if (!line->args->json) {
        json_decref(list);
        return;
    }
    struct base_err err = { 0 };
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:I, s:b, s:o, s:{s:s, s:I, s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I}}",
        "type", "summary", "passed", (json_int_t)line->passed, "failed", (json_int_t)line->failed,
        "errors", (json_int_t)line->errors, "reconciled", (int)balanced, "differences", list, "lot",
        "id", lot->id, "target", (json_int_t)lot->target_units, "granted", (json_int_t)lot->granted,
        "confirmed", (json_int_t)lot->confirmed, "scrapped", (json_int_t)lot->scrapped, "open",
        (json_int_t)lot->open, "journal", "confirmed", (json_int_t)books->confirmed, "scrapped",
        (json_int_t)books->scrapped, "open", (json_int_t)books->open);
    if (prov_print_json(object, &err) != BASE_OK) {
        base_log(&line->app->log, BASE_LOG_ERROR, "%s", err.message);
    }
}

enum base_status prov_reconcile(struct prov_line *line, struct base_err *err)
{
    struct prov_app *app = line->app;
    struct auth_lot lot;
    struct books books = { 0 };
    enum base_status status = auth_kms_get_lot(app->kms, &app->session, line->lot.id, &lot, err);
    if (status == BASE_OK && line->stage == LPA_STAGE_PROVISION) {
        status = auth_kms_list_open(app->kms, lot.id, take_kms, &books, err);
    }
    if (status == BASE_OK) {
        status = lpa_journal_each(app->journal, lot.id, take_row, &books, err);
    }
    if (status == BASE_OK) {
        bool balanced = lot.granted == lot.confirmed + lot.scrapped + lot.open &&
                        books.confirmed <= lot.confirmed;
        for (size_t i = 0; i < books.count; i++) {
            bool ours = books.rows[i].here;
            balanced = balanced && (!ours || difference(&books.rows[i]) == NULL);
        }
        if (!line->args->json && line->relies_on != NULL) {
            printf("%s\n", line->relies_on);
        }
        if (!line->args->json) {
            printf("lot %s: granted %u = confirmed %u + scrapped %u + open %u; target %u, "
                   "%u grants left; here "
                   "passed %" PRIu64 ", failed %" PRIu64 ", errors %" PRIu64 "; %s\n",
                lot.id, lot.granted, lot.confirmed, lot.scrapped, lot.open, lot.target_units,
                lot.allowance > lot.granted ? lot.allowance - lot.granted : 0, line->passed,
                line->failed, line->errors,
                balanced ? "KMS and journal agree" : "KMS and journal DIFFER");
        }
        show_books(line, &lot, &books, balanced);
    }
    free(books.rows);
    return status;
}
