/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"
#include "cmd/lpa-sim_config.h"
#include "cmd/lpa-sim_opts.h"
#include "cmd/lpa-sim_status.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "sim/server.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PS_PER_US      SIM_PS_PER_US
#define TEXT_FILE_MODE 0644
#define STATS_MAX      4096U

/* Everything that one run of "serve" holds. */
struct session {
    const struct sim_serve_opts *opts;
    struct base_log log;
    struct sim_board *board;
    struct sim_link *link;
    struct sim_server *server;
    FILE *trace;
    int stop_fd;               /**< shared */
    struct sim_status *status; /**< shared; NULL = nobody looks */
    const char *name;          /**< NULL = the only board */
    unsigned index;
    struct base_err save_err; /**< the first failure to keep the board */
    struct base_err err;      /**< how it ended */
};

static enum base_status save_board(struct session *session, struct base_err *err)
{
    if (session->opts->board == NULL) {
        return BASE_OK;
    }
    sim_board_settle(session->board);
    return sim_chip_save(session->board->chip, session->opts->board, err);
}

/* A place that cannot be written is found out before work is lost. */
static enum base_status load_board(struct session *session, struct base_err *err)
{
    const char *path = session->opts->board;
    enum base_status status = BASE_OK;
    if (path != NULL && (access(path, F_OK) == 0 || errno != ENOENT)) {
        status = sim_chip_load(session->board->chip, path, err);
    }
    return status == BASE_OK ? save_board(session, err) : status;
}

static void save_after_client(void *user)
{
    struct session *session = user;
    struct base_err err = { 0 };
    if (save_board(session, &err) != BASE_OK) {
        base_log(&session->log, BASE_LOG_ERROR, "%s", err.message);
        if (session->save_err.status == BASE_OK) {
            session->save_err = err;
        }
    }
}

static enum base_status make_board(struct session *session, struct base_err *err)
{
    const struct sim_serve_opts *opts = session->opts;
    enum base_status status = sim_board_new(&opts->board_opts, &session->board, err);
    if (status == BASE_OK) {
        status = load_board(session, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    session->link = sim_link_new(session->board);
    if (session->link == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "sim", 0, "no memory for the board's connection");
    }
    for (unsigned i = 0; i < opts->fault_count && status == BASE_OK; i++) {
        status = sim_link_add_fault(session->link, &opts->faults[i], err);
    }
    if (status != BASE_OK) {
        return status;
    }
    if (opts->trace != NULL) {
        session->trace = fopen(opts->trace, "we");
        if (session->trace == NULL) {
            return base_err_errno(err, BASE_E_IO, errno, "cannot write the trace %s", opts->trace);
        }
        (void)setvbuf(session->trace, NULL, _IOLBF, 0);
        sim_probe_set_trace(session->board->probe, session->trace);
    }
    return BASE_OK;
}

/* SIGTERM and SIGINT become a readable file descriptor, so that nothing is interrupted midway. It
 * is never read, so that every board sees it. */
static enum base_status catch_signals(int *ret_fd, struct base_err *err)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    int fd = -1;
    if (sigprocmask(SIG_BLOCK, &stop, NULL) == 0) {
        fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot catch SIGTERM");
    }
    *ret_fd = fd;
    return BASE_OK;
}

static void show_activity(void *user, bool client)
{
    const struct session *session = user;
    sim_status_tell(session->status, session->index, session->board, client);
}

static enum base_status start_server(struct session *session, struct base_err *err)
{
    struct sim_server_opts opts = {
        .listen = session->opts->listen,
        .realtime = session->opts->realtime,
        .clock = base_clock_system(),
        .log = &session->log,
        .on_disconnect = save_after_client,
        .on_activity = show_activity,
        .user = session,
    };
    enum base_status status = sim_server_open(&opts, &session->server, err);
    if (status == BASE_OK && session->opts->port_file != NULL) {
        char text[16];
        int length =
            snprintf(text, sizeof(text), "%u\n", (unsigned)sim_server_port(session->server));
        status =
            base_file_replace(session->opts->port_file, text, (size_t)length, TEXT_FILE_MODE, err);
    }
    return status;
}

static enum base_status write_stats(struct session *session, struct base_err *err)
{
    if (session->opts->stats_file == NULL) {
        return BASE_OK;
    }
    struct sim_probe_stats stats;
    sim_probe_get_stats(session->board->probe, &stats);
    struct base_buf text;
    base_buf_init(&text, STATS_MAX);
    enum base_status status = base_buf_printf(&text, err,
        "{\"packets\":%" PRIu64 ",\"request_bytes\":%" PRIu64 ",\"response_bytes\":%" PRIu64
        ",\"swclk_clocks\":%" PRIu64 ",\"swd_transfers\":%" PRIu64 ",\"swd_waits\":%" PRIu64
        ",\"virtual_time_us\":%" PRIu64 ",\"flash_operations\":%" PRIu64 ",\"power_cuts\":%" PRIu64
        "}\n",
        stats.packets, stats.request_bytes, stats.response_bytes, stats.swclk_clocks,
        stats.transfers, stats.waits, stats.virtual_time_ps / PS_PER_US,
        sim_chip_flash_operations(session->board->chip), session->board->power_cuts);
    if (status == BASE_OK) {
        status = base_file_replace(
            session->opts->stats_file, text.data, text.length, TEXT_FILE_MODE, err);
    }
    base_buf_done(&text);
    return status;
}

static enum base_status open_session(struct session *session, struct base_err *err)
{
    enum base_status status = make_board(session, err);
    if (status == BASE_OK) {
        status = start_server(session, err);
    }
    if (status == BASE_OK) {
        printf("board %s%s%s on tcp:127.0.0.1:%u\n", session->name != NULL ? session->name : "",
            session->name != NULL ? " " : "", session->opts->uid_text,
            (unsigned)sim_server_port(session->server));
        (void)fflush(stdout);
    }
    return status;
}

static enum base_status run_session(struct session *session, struct base_err *err)
{
    enum base_status status = sim_server_run(session->server, session->link, session->stop_fd, err);
    if (status == BASE_OK) {
        status = save_board(session, err);
    }
    if (status == BASE_OK) {
        status = write_stats(session, err);
    }
    if (status == BASE_OK && session->save_err.status != BASE_OK) {
        *err = session->save_err;
        status = err->status;
    }
    return status;
}

static void end_session(struct session *session)
{
    sim_server_close(session->server);
    sim_link_free(session->link);
    sim_board_free(session->board);
    if (session->trace != NULL) {
        (void)fclose(session->trace);
    }
}

static void *run_in_thread(void *user)
{
    struct session *session = user;
    (void)!run_session(session, &session->err);
    return NULL;
}

/* Serve every board until the signal; the first failure stands for all. */
static enum base_status run_all(struct session *sessions, unsigned count, struct base_err *err)
{
    pthread_t threads[SIM_CONFIG_BOARDS_MAX];
    enum base_status status = BASE_OK;
    unsigned started = 0;
    for (unsigned i = 1; i < count && status == BASE_OK; i++) {
        int failure = pthread_create(&threads[i], NULL, run_in_thread, &sessions[i]);
        if (failure != 0) {
            status = base_err_errno(err, BASE_E_IO, failure, "cannot start a thread for a board");
            (void)kill(getpid(), SIGTERM); /* those that run already */
        } else {
            started = i;
        }
    }
    if (status == BASE_OK) {
        status = run_session(&sessions[0], err);
    }
    for (unsigned i = 1; i <= started; i++) {
        (void)pthread_join(threads[i], NULL);
        if (status == BASE_OK && sessions[i].err.status != BASE_OK) {
            *err = sessions[i].err;
            status = err->status;
        }
    }
    return status;
}

static enum base_status serve_boards(const struct sim_serve_opts *program, struct session *sessions,
    unsigned count, struct base_err *err)
{
    int stop_fd = -1;
    enum base_status status = catch_signals(&stop_fd, err);
    for (unsigned i = 0; i < count && status == BASE_OK; i++) {
        bool verbose = program->verbose || sessions[i].opts->verbose;
        sessions[i].index = i;
        sessions[i].stop_fd = stop_fd;
        sessions[i].log = (struct base_log){ .level = verbose ? BASE_LOG_DEBUG : BASE_LOG_WARN,
            .emit = base_log_to_file,
            .user = stderr };
        status = open_session(&sessions[i], err);
    }
    struct sim_status *shown = NULL;
    if (status == BASE_OK && isatty(STDOUT_FILENO) && !program->verbose) {
        shown = sim_status_new(stdout, base_clock_system(), count);
    }
    for (unsigned i = 0; i < count; i++) {
        sessions[i].status = shown;
    }
    if (status == BASE_OK) {
        status = run_all(sessions, count, err);
    }
    sim_status_free(shown);
    for (unsigned i = 0; i < count; i++) {
        end_session(&sessions[i]);
    }
    if (stop_fd >= 0) {
        (void)close(stop_fd);
    }
    return status;
}

static enum base_status serve_config(const struct sim_serve_opts *program, struct base_err *err)
{
    struct session sessions[SIM_CONFIG_BOARDS_MAX] = { 0 };
    struct sim_config config = { 0 };
    enum base_status status = sim_config_load(program->config, &config, err);
    if (status != BASE_OK) {
        return status;
    }
    for (unsigned i = 0; i < config.count; i++) {
        sessions[i].opts = &config.boards[i].opts;
        sessions[i].name = config.boards[i].name;
    }
    status = serve_boards(program, sessions, config.count, err);
    sim_config_done(&config);
    return status;
}

static int serve(const struct cli_program *program, int argc, char **argv)
{
    struct base_err err = { 0 };
    struct sim_serve_opts opts;
    enum base_status status = sim_serve_parse(argc, argv, &opts, &err);
    if (status == BASE_OK && opts.config != NULL) {
        status = serve_config(&opts, &err);
    } else if (status == BASE_OK) {
        struct session session = { .opts = &opts };
        status = serve_boards(&opts, &session, 1, &err);
    }
    return status == BASE_OK ? 0 : cli_fail(program, &err);
}

int main(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        { "serve", SIM_SERVE_SYNOPSIS, serve,
            "a board with a CMSIS-DAP probe on a TCP port of this machine, until SIGTERM" },
    };
    static const struct cli_program program = {
        "lpa-sim",
        "a simulated PSoC 6 board behind a CMSIS-DAP probe",
        verbs,
        sizeof(verbs) / sizeof(verbs[0]),
    };
    return cli_main(&program, argc, argv);
}
