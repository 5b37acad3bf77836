/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * usage: usb-host [options] -- COMMAND [ARGUMENT]...
 *
 * Runs COMMAND on a mock USB host with simulated boards plugged in; see usage() below.
 */
#include "tests/usb/usb_control.h"
#include "tests/usb/usb_options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_USAGE 2

struct session {
    struct usb_options opts;
    struct usb_rack rack;
    struct usb_control *control;
    int signal_fd;
    pid_t child;
    int child_fd;
};

static enum base_status catch_signals(struct session *session, struct base_err *err)
{
    sigset_t stop;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    (void)sigaddset(&stop, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Before umockdev starts its thread, which inherits the mask. */
    if (sigprocmask(SIG_BLOCK, &stop, NULL) == 0) {
        session->signal_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    }
    return session->signal_fd >= 0 ? BASE_OK
                                   : base_err_errno(err, BASE_E_IO, errno, "cannot catch SIGTERM");
}

static enum base_status start_command(struct session *session, struct base_err *err)
{
    enum base_status status =
        usb_host_spawn(session->rack.host, session->opts.command, &session->child, err);
    if (status == BASE_OK) {
        session->child_fd = pidfd_open(session->child, 0);
        if (session->child_fd < 0) {
            status =
                base_err_errno(err, BASE_E_IO, errno, "cannot watch %s", session->opts.command[0]);
        }
    }
    return status;
}

/* The command's exit code; 128 and the number when a signal ended it. */
static int wait_for_command(struct session *session)
{
    for (;;) {
        struct pollfd fds[4] = {
            { .fd = session->child_fd, .events = POLLIN },
            { .fd = session->signal_fd, .events = POLLIN },
            { .fd = usb_control_fd(session->control), .events = POLLIN },
            { .fd = usb_host_event_fd(session->rack.host), .events = POLLIN },
        };
        if (poll(fds, 4, usb_rack_due_ms(&session->rack)) < 0 && errno != EINTR) {
            break;
        }
        usb_rack_attend(&session->rack);
        if (fds[2].revents != 0) {
            usb_control_serve(session->control, &session->rack);
        }
        if (fds[1].revents != 0) {
            struct signalfd_siginfo info;
            if (read(session->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
                (void)kill(session->child, (int)info.ssi_signo);
            }
        }
        if (fds[0].revents != 0) {
            break;
        }
    }
    int status = 0;
    (void)waitpid(session->child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int fail(const struct base_err *err)
{
    (void)fprintf(stderr, "usb-host: %s\n", err->message);
    return base_status_exit_code(err->status);
}

static int run(struct session *session)
{
    struct base_err err = { 0 };
    enum base_status status = catch_signals(session, &err);
    if (status == BASE_OK) {
        status = usb_rack_open(&session->rack, &session->opts, &err);
    }
    if (status == BASE_OK) {
        status = usb_control_open(&session->control, &err);
    }
    if (status == BASE_OK) {
        status = start_command(session, &err);
    }
    int code = status == BASE_OK ? wait_for_command(session) : fail(&err);
    usb_control_close(session->control);
    status = usb_rack_close(&session->rack, &err);
    if (status != BASE_OK && code == 0) {
        code = fail(&err);
    }
    return code;
}

int main(int argc, char **argv)
{
    usb_host_preload(argv);
    struct session session = { .signal_fd = -1, .child_fd = -1 };
    struct base_err err = { 0 };
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usb_options_help(stdout);
        return 0;
    }
    if (usb_options_parse(&session.opts, argc, argv, &err) != BASE_OK) {
        (void)fail(&err);
        return EXIT_USAGE;
    }
    int code = run(&session);
    if (session.child_fd >= 0) {
        (void)close(session.child_fd);
    }
    if (session.signal_fd >= 0) {
        (void)close(session.signal_fd);
    }
    return code;
}
