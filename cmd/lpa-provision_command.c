/* SPDX-License-Identifier: Apache-2.0 */
/* lpa-provision: a one-time code from a configured command. */
#include "cmd/lpa-provision.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define US_PER_MS      1000
#define TERM_GRACE_MS  2000
#define FIRST_OF_OURS  3 /* behind the standard descriptors */
#define COMMAND_LENGTH 1024
#define LOOK_EVERY_US  5000

extern char **environ;

struct running {
    const struct base_clock *clock;
    int64_t end_us;
    pid_t child;
    int output;
};

/* Wait for a descriptor until the deadline. False: nothing came. */
static bool wait_for(const struct running *running, int fd)
{
    for (;;) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        int64_t left_ms = (running->end_us - base_clock_mono_us(running->clock)) / US_PER_MS;
        int got = poll(&ready, 1, left_ms > 0 ? (int)left_ms : 0);
        if (got >= 0 || errno != EINTR) {
            return got == 1;
        }
    }
}

static enum base_status start(
    const char *command, struct running *running, int pipes[2], struct base_err *err)
{
    posix_spawn_file_actions_t actions;
    char copy[COMMAND_LENGTH];
    char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, copy, NULL };
    if (strlen(command) >= sizeof(copy)) {
        return base_err_set(err, BASE_E_ARG, "option", 0, "the --totp-command is too long");
    }
    (void)snprintf(copy, sizeof(copy), "%s", command);
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot run the --totp-command");
    }
    /* Libraries open descriptors without asking us whether a child may have them. */
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
        if (failed == 0) {
            failed = posix_spawn_file_actions_addclosefrom_np(&actions, FIRST_OF_OURS);
        }
        if (failed == 0) {
            failed = posix_spawn(&running->child, "/bin/sh", &actions, NULL, argv, environ);
        }
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(pipes[1]);
    if (failed != 0) {
        (void)close(pipes[0]);
        return base_err_errno(err, BASE_E_IO, failed, "cannot run the --totp-command");
    }
    running->output = pipes[0];
    return BASE_OK;
}

static enum base_status too_late(int wait_ms, const char *what, struct base_err *err)
{
    return base_err_set(err, BASE_E_TIMEOUT, "option", 0, "the --totp-command %s within %d s", what,
        wait_ms / 1000);
}

/* The first line, byte by byte straight into locked memory. */
static enum base_status read_line(const struct running *running, size_t max_length, int wait_ms,
    struct base_secret *ret_code, struct base_err *err)
{
    struct base_secret code = { 0 };
    size_t used = 0;
    enum base_status status = base_secret_init(&code, max_length + 1, err);
    while (status == BASE_OK && used <= max_length) {
        if (!wait_for(running, running->output)) {
            status = too_late(wait_ms, "gave no code", err);
            break;
        }
        ssize_t got = read(running->output, code.data + used, 1);
        if (got < 0 && errno != EINTR) {
            status = base_err_errno(err, BASE_E_IO, errno, "cannot read from the --totp-command");
        }
        if (got == 0 || (got == 1 && code.data[used] == '\n')) {
            break;
        }
        used += got == 1;
    }
    if (status == BASE_OK && (used == 0 || used > max_length)) {
        status = base_err_set(err, BASE_E_CONFIG, "option", (int64_t)used, "%s",
            used == 0 ? "the --totp-command gave no code; it must print one as its first line"
                      : "the --totp-command's first line is too long for a code");
    }
    if (status != BASE_OK) {
        base_secret_done(&code);
        return status;
    }
    code.data[used] = '\0';
    code.length = used;
    *ret_code = code;
    return BASE_OK;
}

/* True: the command has ended, and @p ret_how says how. */
static bool wait_for_end(const struct running *running, int *ret_how)
{
    for (;;) {
        pid_t got = waitpid(running->child, ret_how, WNOHANG);
        if (got == running->child || (got < 0 && errno != EINTR)) {
            return true;
        }
        if (base_clock_mono_us(running->clock) >= running->end_us) {
            return false;
        }
        base_clock_sleep_us(running->clock, LOOK_EVERY_US);
    }
}

/* How the command ended, by itself or by us: nothing that we started stays behind. */
static enum base_status finish(struct running *running, int wait_ms, struct base_err *err)
{
    int how = 0;
    if (!wait_for_end(running, &how)) {
        (void)kill(running->child, SIGTERM);
        running->end_us = base_clock_mono_us(running->clock) + TERM_GRACE_MS * US_PER_MS;
        if (!wait_for_end(running, &how)) {
            (void)kill(running->child, SIGKILL);
            while (waitpid(running->child, &how, 0) < 0 && errno == EINTR) {
            }
        }
        return too_late(wait_ms, "did not end", err);
    }
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) {
        return base_err_set(err, BASE_E_CONFIG, "option", how,
            "the --totp-command failed (%s %d), and what it printed is not taken for a code",
            WIFEXITED(how) ? "exit code" : "signal",
            WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how));
    }
    return BASE_OK;
}

enum base_status prov_code_from_command(const char *command, const struct base_clock *clock,
    size_t max_length, int wait_ms, struct base_secret *ret_code, struct base_err *err)
{
    struct base_secret code = { 0 };
    struct running running = { .clock = clock,
        .end_us = base_clock_mono_us(clock) + (int64_t)wait_ms * US_PER_MS };
    int pipes[2];
    enum base_status status = start(command, &running, pipes, err);
    if (status != BASE_OK) {
        return status;
    }
    status = read_line(&running, max_length, wait_ms, &code, err);
    if (status != BASE_OK) {
        running.end_us = base_clock_mono_us(clock);
    }
    /* The first cause is the one to tell; finish() never replaces it. Only then is the pipe closed:
     * more lines than the one that counts are no reason to fail. */
    enum base_status ended = finish(&running, wait_ms, err);
    (void)close(running.output);
    status = status != BASE_OK ? status : ended;
    if (status != BASE_OK) {
        base_secret_done(&code);
        return status;
    }
    *ret_code = code;
    return BASE_OK;
}
