/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision run and personalise: one thread per site, one journal, one log. */
#include "cmd/lpa-provision_line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_EVERY_MS 250

/* A signal handler can reach nothing else. */
static volatile sig_atomic_t stop_asked;

static void ask_stop(int number)
{
    (void)number;
    stop_asked = 1;
}

bool prov_stop_asked(void)
{
    return stop_asked != 0;
}

/* --- a site --- */

struct worker {
    struct lpa_device *device;
    struct lpa_link link;
    struct lpa_job_io io;
};

static enum base_status set_up(struct prov_site *site, struct worker *w, struct base_err *err)
{
    struct prov_line *line = site->line;
    struct prov_app *app = line->app;
    enum base_status status =
        lpa_device_new(site->url, &line->image, app->clock, &app->log, &w->device, err);
    w->link = prov_link(line);
    w->io = (struct lpa_job_io){ &lpa_device_job_ops, w->device, &lpa_link_kms_ops, &w->link,
        &lpa_journal_job_ops, app->journal, &lpa_link_log_ops, &w->link, app->clock, &app->log };
    return status;
}

static void tear_down(struct worker *w)
{
    lpa_device_free(w->device);
}

static void note_step(struct prov_site *site, enum lpa_step_id step)
{
    (void)pthread_mutex_lock(&site->line->lock);
    site->step = step;
    (void)pthread_mutex_unlock(&site->line->lock);
}

static void end_with(
    struct lpa_job *job, enum base_status status, const char *code, const char *sentence)
{
    job->failure.step = lpa_job_at(job);
    job->unit.result = LPA_RESULT_ERROR;
    (void)base_err_set(&job->failure.err, status, "line", 0, "%s", sentence);
    base_err_set_code(&job->failure.err, code);
    lpa_failure_classify(&job->failure);
}

/* Two sites that reach one board would disturb each other, and one good unit would count as two.
 * Known as soon as the board is examined, and before anything is written to it. NULL: it is ours.
 */
static const struct prov_site *claim_board(struct prov_site *site, const uint8_t *chip_id)
{
    struct prov_line *line = site->line;
    const struct prov_site *owner = NULL;
    (void)pthread_mutex_lock(&line->lock);
    for (size_t i = 0; i < line->site_count && owner == NULL; i++) {
        const struct prov_site *other = &line->sites[i];
        if (other != site && other->has_chip &&
            memcmp(other->chip_id, chip_id, sizeof(other->chip_id)) == 0) {
            owner = other;
        }
    }
    if (owner == NULL) {
        memcpy(site->chip_id, chip_id, sizeof(site->chip_id));
        site->has_chip = true;
    }
    (void)pthread_mutex_unlock(&line->lock);
    return owner;
}

/* A batch works each board once, so that its claims stay to the end. */
static void release_board(struct prov_site *site)
{
    (void)pthread_mutex_lock(&site->line->lock);
    site->has_chip = site->has_chip && site->line->args->batch;
    (void)pthread_mutex_unlock(&site->line->lock);
}

/* A request to stop is obeyed between two steps, so that no step is left half done. */
static void work_board(struct prov_site *site, struct worker *w)
{
    struct prov_line *line = site->line;
    struct lpa_job_opts opts = { .lot = &line->lot,
        .stage = line->stage,
        .site = site->url,
        .self_test = line->args->self_test };
    struct lpa_job job;
    const struct prov_site *owner = NULL;
    int64_t began_us = base_clock_mono_us(line->app->clock);
    lpa_job_init(&job, &w->io, &opts);
    enum lpa_job_next next = LPA_JOB_MORE;
    while (next == LPA_JOB_MORE && !(prov_stop_asked() && !job.at_check)) {
        note_step(site, lpa_job_at(&job));
        next = lpa_job_step(&job);
        if (job.examined && !site->has_chip) {
            owner = claim_board(site, job.unit.chip_id);
        }
        if (owner != NULL) {
            break;
        }
    }
    if (owner != NULL) {
        char sentence[2 * LPA_SITE_SIZE];
        (void)snprintf(sentence, sizeof(sentence),
            "site %zu (%s) works this very board: two probe URLs lead to it", owner->number,
            owner->url);
        end_with(&job, BASE_E_LINK, "same_board", sentence);
    } else if (next == LPA_JOB_MORE) {
        end_with(&job, BASE_E_CANCELLED, "stopped",
            "stopped on request between two steps; the journal holds where");
    }
    release_board(site);
    (void)pthread_mutex_lock(&line->lock);
    site->step = LPA_STEP_NONE;
    prov_show_unit(line, site, &job, base_clock_mono_us(line->app->clock) - began_us);
    (void)pthread_mutex_unlock(&line->lock);
    lpa_job_done(&job);
}

static bool wait_for_board(struct prov_site *site)
{
    struct prov_line *line = site->line;
    (void)pthread_mutex_lock(&line->lock);
    while (site->state == PROV_SITE_IDLE && !line->closing) {
        (void)pthread_cond_wait(&line->changed, &line->lock);
    }
    bool go = site->state == PROV_SITE_GO;
    if (go) {
        site->state = PROV_SITE_WORKING;
        site->began_us = base_clock_mono_us(line->app->clock);
    }
    (void)pthread_mutex_unlock(&line->lock);
    return go;
}

static void set_state(struct prov_site *site, enum prov_site_state state)
{
    (void)pthread_mutex_lock(&site->line->lock);
    site->state = state;
    site->step = LPA_STEP_NONE;
    (void)pthread_cond_broadcast(&site->line->changed);
    (void)pthread_mutex_unlock(&site->line->lock);
}

static void *work_site(void *user)
{
    struct prov_site *site = user;
    struct worker w = { 0 };
    struct base_err err = { 0 };
    if (set_up(site, &w, &err) != BASE_OK) {
        (void)pthread_mutex_lock(&site->line->lock);
        prov_show_site_error(site->line, site, &err);
        (void)pthread_mutex_unlock(&site->line->lock);
    } else {
        while (!prov_stop_asked() && wait_for_board(site)) {
            if (site->line->args->dry_run) {
                prov_dry_run(site, w.device);
            } else {
                work_board(site, &w);
            }
            set_state(site, site->line->args->batch ? PROV_SITE_ENDED : PROV_SITE_IDLE);
            if (site->line->args->batch) {
                break;
            }
        }
    }
    tear_down(&w);
    set_state(site, PROV_SITE_ENDED);
    return NULL;
}

/* --- the line --- */

static size_t sites_left(const struct prov_line *line)
{
    size_t left = 0;
    for (size_t i = 0; i < line->site_count; i++) {
        left += line->sites[i].state != PROV_SITE_ENDED;
    }
    return left;
}

static void wait_a_little(struct prov_line *line)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PROGRESS_EVERY_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    (void)pthread_cond_timedwait(&line->changed, &line->lock, &until);
}

static void watch_batch(struct prov_line *line)
{
    (void)pthread_mutex_lock(&line->lock);
    while (sites_left(line) != 0) {
        wait_a_little(line);
        prov_draw(line);
    }
    prov_erase(line);
    (void)pthread_mutex_unlock(&line->lock);
}

static size_t pick_site(const struct prov_line *line, const char *answer)
{
    char *end = NULL;
    unsigned long number = strtoul(answer, &end, 10);
    if (end == answer) {
        return line->site_count == 1 ? 1 : 0;
    }
    return number >= 1 && number <= line->site_count ? (size_t)number : 0;
}

/* Wait for a line of the operator, keeping progress and prompt up to date. False: no more. */
static bool read_answer(struct prov_line *line, size_t size, char *ret_answer)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    int ready = 0;
    while (ready == 0) {
        (void)pthread_mutex_lock(&line->lock);
        bool over = sites_left(line) == 0 || prov_stop_asked();
        prov_draw(line);
        (void)pthread_mutex_unlock(&line->lock);
        if (over) {
            return false;
        }
        ready = poll(&input, 1, PROGRESS_EVERY_MS);
    }
    if (ready < 0 || fgets(ret_answer, (int)size, stdin) == NULL) {
        return false; /* a signal, or the terminal is gone */
    }
    (void)pthread_mutex_lock(&line->lock);
    line->drawn[0] = '\0'; /* Enter has ended the line */
    (void)pthread_mutex_unlock(&line->lock);
    return true;
}

static void take_answer(struct prov_line *line, const char *answer)
{
    size_t number = pick_site(line, answer);
    if (number == 0) {
        printf("Type a number from 1 to %zu.\n", line->site_count);
        return;
    }
    struct prov_site *site = &line->sites[number - 1];
    if (site->state != PROV_SITE_IDLE) {
        printf("Site %zu is still at work.\n", number);
        return;
    }
    site->state = PROV_SITE_GO;
    (void)pthread_cond_broadcast(&line->changed);
    while (line->site_count == 1 &&
           (site->state == PROV_SITE_GO || site->state == PROV_SITE_WORKING)) {
        wait_a_little(line);
        prov_draw(line);
    }
}

/* A line of the operator: the number of a site with a new board, or Enter where there is one. */
static void ask_boards(struct prov_line *line)
{
    char answer[32];
    const char *prompt = line->site_count == 1
                             ? "Put in the next board and press Enter (q ends): "
                             : "Put in a board, type its site's number (q ends): ";
    bool more = true;
    while (more) {
        (void)pthread_mutex_lock(&line->lock);
        line->prompt = prompt;
        (void)pthread_mutex_unlock(&line->lock);
        more = read_answer(line, sizeof(answer), answer) && answer[0] != 'q';
        (void)pthread_mutex_lock(&line->lock);
        line->prompt = NULL;
        if (more) {
            take_answer(line, answer);
        }
        prov_erase(line);
        (void)pthread_mutex_unlock(&line->lock);
    }
}

static enum base_status start_sites(
    struct prov_line *line, size_t *ret_started, struct base_err *err)
{
    for (size_t i = 0; i < line->site_count; i++) {
        struct prov_site *site = &line->sites[i];
        int failed = pthread_create(&site->thread, NULL, work_site, site);
        if (failed != 0) {
            return base_err_errno(err, BASE_E_IO, failed, "cannot start site %zu", site->number);
        }
        *ret_started = i + 1;
    }
    return BASE_OK;
}

static enum base_status work_line(struct prov_line *line, struct base_err *err)
{
    size_t started = 0;
    enum base_status status = start_sites(line, &started, err);
    if (status == BASE_OK && line->args->batch) {
        watch_batch(line);
    } else if (status == BASE_OK) {
        ask_boards(line);
    }
    (void)pthread_mutex_lock(&line->lock);
    line->closing = true;
    (void)pthread_cond_broadcast(&line->changed);
    (void)pthread_mutex_unlock(&line->lock);
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(line->sites[i].thread, NULL);
    }
    return status;
}

/* --- the verb --- */

static enum base_status close_line(struct prov_line *line, struct base_err *err)
{
    if (line->args->dry_run) {
        return BASE_OK;
    }
    enum base_status status = prov_record(line, LPA_EVENT_STATION_STOP, err);
    if (status == BASE_OK) {
        prov_cosign(line->app);
    }
    return status == BASE_OK ? prov_reconcile(line, err) : status;
}

static enum base_status check_args(const struct prov_args *args, struct base_err *err)
{
    if (args->lot == NULL || args->image == NULL || args->probe_count == 0) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "say --lot LOT, --image FILE and at least one --probe URL, for example "
            "tcp:127.0.0.1:4441");
    }
    if (!base_name_valid(args->lot)) {
        return base_err_set(
            err, BASE_E_ARG, "option", 0, "\"%.70s\" is not the name of a lot", args->lot);
    }
    if (!args->batch && (args->json || isatty(STDIN_FILENO) == 0)) {
        return base_err_set(err, BASE_E_ARG, "option", 0,
            "without a terminal, and with --json, give --batch: one board per probe, then the end");
    }
    return BASE_OK;
}

static int exit_code(const struct prov_line *line)
{
    if (line->errors != 0) {
        return base_status_exit_code(line->first_error);
    }
    return line->failed != 0 || prov_stop_asked() ? 1 : 0;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = ask_stop };
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &action, NULL);
}

static void init_line(struct prov_line *line, struct prov_app *app, const struct prov_args *args)
{
    line->app = app;
    line->args = args;
    const char *no_colour = getenv("NO_COLOR");
    line->on_screen = isatty(STDOUT_FILENO) != 0 && !args->json;
    line->colour = line->on_screen && (no_colour == NULL || no_colour[0] == '\0');
    (void)pthread_mutex_init(&line->lock, NULL);
    (void)pthread_cond_init(&line->changed, NULL);
    line->site_count = args->probe_count;
    for (size_t i = 0; i < args->probe_count; i++) {
        line->sites[i] = (struct prov_site){ .line = line,
            .number = i + 1,
            .url = args->probes[i],
            .state = args->batch ? PROV_SITE_GO : PROV_SITE_IDLE };
    }
}

static int run_stage(const struct cli_program *program, int argc, char **argv, enum lpa_stage stage)
{
    struct prov_args args;
    struct prov_app app = { .lock_fd = -1 };
    struct base_err err = { 0 };
    struct prov_line *line = calloc(1, sizeof(*line));
    enum base_status status =
        line == NULL
            ? base_err_set(&err, BASE_E_NOMEM, "", 0, "no memory")
            : prov_parse(argc, argv,
                  "lot image image-key application probe batch self-test dry-run", 0, &args, &err);
    if (status == BASE_OK) {
        args.batch = args.batch || args.dry_run;
        status = check_args(&args, &err);
    }
    if (status == BASE_OK) {
        status = prov_open(&app, program, &args, &err);
    }
    if (status == BASE_OK) {
        init_line(line, &app, &args);
        line->stage = stage;
        status = prov_open_line(line, &err);
    }
    if (status == BASE_OK) {
        catch_signals();
        status = work_line(line, &err);
    }
    if (line != NULL) {
        lpa_kms_pool_free(line->pool); /* what follows has the first client for itself */
        line->pool = NULL;
    }
    if (status == BASE_OK) {
        status = close_line(line, &err);
    }
    int code = status == BASE_OK ? exit_code(line) : cli_fail(program, &err);
    prov_close(&app);
    if (line != NULL) {
        lpa_image_done(&line->image);
        free(line);
    }
    return code;
}

int prov_run(const struct cli_program *program, int argc, char **argv)
{
    return run_stage(program, argc, argv, LPA_STAGE_PROVISION);
}

int prov_personalise(const struct cli_program *program, int argc, char **argv)
{
    return run_stage(program, argc, argv, LPA_STAGE_PERSONALISE);
}
