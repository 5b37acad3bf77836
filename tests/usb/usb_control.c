/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_control.h"

#include "tests/usb/usb_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WORDS_MAX      5U
#define STATS_MAX      160U
#define ANSWER_TIMEOUT 10 /* s */

struct usb_control {
    int fd;
    char folder[32];
    struct sockaddr_un address;
};

enum base_status usb_control_open(struct usb_control **ret_control, struct base_err *err)
{
    struct usb_control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "usb-host", 0, "no memory for the control socket");
    }
    control->fd = -1;
    (void)snprintf(control->folder, sizeof(control->folder), "/tmp/usb-host.XXXXXX");
    control->address.sun_family = AF_UNIX;
    if (mkdtemp(control->folder) != NULL) {
        (void)snprintf(control->address.sun_path, sizeof(control->address.sun_path), "%s/control",
            control->folder);
        control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    const struct sockaddr *address = (const struct sockaddr *)(const void *)&control->address;
    if (control->fd < 0 || bind(control->fd, address, sizeof(control->address)) != 0 ||
        listen(control->fd, 8) != 0 ||
        setenv(USB_CONTROL_VARIABLE, control->address.sun_path, 1) != 0) {
        enum base_status status =
            base_err_errno(err, BASE_E_IO, errno, "cannot make a control socket in /tmp");
        usb_control_close(control);
        return status;
    }
    *ret_control = control;
    return BASE_OK;
}

void usb_control_close(struct usb_control *control)
{
    if (control == NULL) {
        return;
    }
    if (control->fd >= 0) {
        (void)close(control->fd);
    }
    (void)unlink(control->address.sun_path);
    (void)rmdir(control->folder);
    free(control);
}

int usb_control_fd(const struct usb_control *control)
{
    return control->fd;
}

static const char *value_of(char *const words[], unsigned count, const char *key)
{
    size_t length = strlen(key);
    for (unsigned i = 2; i < count; i++) {
        if (strncmp(words[i], key, length) == 0) {
            return words[i] + length;
        }
    }
    return NULL;
}

static void tell_stats(const struct usb_rack *rack, unsigned board, char ret_text[STATS_MAX])
{
    struct sim_probe_stats stats;
    sim_probe_get_stats(rack->boards[board]->probe, &stats);
    (void)snprintf(ret_text, STATS_MAX,
        " packets=%llu swclk_clocks=%llu transfers=%llu virtual_us=%llu",
        (unsigned long long)stats.packets, (unsigned long long)stats.swclk_clocks,
        (unsigned long long)stats.transfers,
        (unsigned long long)(stats.virtual_time_ps / SIM_PS_PER_US));
}

/* @p ret_more: what follows "ok". */
static enum base_status obey(struct usb_rack *rack, char *const words[], unsigned count,
    char ret_more[STATS_MAX], struct base_err *err)
{
    char *end = NULL;
    unsigned long board = count >= 2 ? strtoul(words[1], &end, 10) : 0;
    if (count < 2 || end == words[1] || *end != '\0' || board >= rack->opts->boards) {
        return base_err_set(err, BASE_E_ARG, "usb-host", 0, "which board?");
    }
    if (strcmp(words[0], "stats") == 0) {
        tell_stats(rack, (unsigned)board, ret_more);
        return BASE_OK;
    }
    if (strcmp(words[0], "fault") == 0 && count == 3) {
        return usb_rack_fault(rack, (unsigned)board, words[2], err);
    }
    if (strcmp(words[0], "clear-faults") == 0) {
        usb_rack_clear_faults(rack, (unsigned)board);
        return BASE_OK;
    }
    if (strcmp(words[0], "unplug") == 0) {
        usb_rack_unplug(rack, (unsigned)board);
        return BASE_OK;
    }
    if (strcmp(words[0], "plug") == 0) {
        const char *mode = value_of(words, count, "mode=");
        if (mode != NULL) {
            usb_rack_set_mode(
                rack, (unsigned)board, strcmp(mode, "hid") == 0 ? USB_RACK_HID : USB_RACK_BULK);
        }
        return usb_rack_plug(rack, (unsigned)board, value_of(words, count, "serial="),
            value_of(words, count, "port="), err);
    }
    return base_err_set(err, BASE_E_ARG, "usb-host", 0, "%s is no command", words[0]);
}

/* One line, without its end; false when none came in time. */
static bool read_line(int fd, char *ret_line, size_t size)
{
    size_t used = 0;
    while (used < size - 1) {
        ssize_t got = recv(fd, ret_line + used, 1, 0);
        if (got != 1) {
            return false;
        }
        if (ret_line[used] == '\n') {
            ret_line[used] = '\0';
            return true;
        }
        used++;
    }
    return false;
}

/* Words between blanks, ended in place. */
static unsigned split(char *line, char *ret_words[WORDS_MAX])
{
    unsigned count = 0;
    char *at = line + strspn(line, " ");
    while (*at != '\0' && count < WORDS_MAX) {
        ret_words[count++] = at;
        at += strcspn(at, " ");
        if (*at != '\0') {
            *at = '\0';
            at++;
            at += strspn(at, " ");
        }
    }
    return count;
}

static void limit_time(int fd)
{
    const struct timeval limit = { .tv_sec = ANSWER_TIMEOUT };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

void usb_control_serve(struct usb_control *control, struct usb_rack *rack)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    limit_time(fd);
    char line[USB_CONTROL_LINE_MAX];
    if (read_line(fd, line, sizeof(line))) {
        char *words[WORDS_MAX];
        unsigned count = split(line, words);
        struct base_err err = { 0 };
        char answer[sizeof(err.message) + 16];
        char more[STATS_MAX] = "";
        if (obey(rack, words, count, more, &err) == BASE_OK) {
            (void)snprintf(answer, sizeof(answer), "ok%s\n", more);
        } else {
            (void)snprintf(answer, sizeof(answer), "error: %s\n", err.message);
        }
        (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
    (void)close(fd);
}

bool usb_control_send(const char *command)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = getenv(USB_CONTROL_VARIABLE);
    char line[USB_CONTROL_LINE_MAX];
    int length = snprintf(line, sizeof(line), "%s\n", command);
    if (path == NULL || length < 0 || (size_t)length >= sizeof(line)) {
        return false;
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    limit_time(fd);
    const struct sockaddr *to = (const struct sockaddr *)(const void *)&address;
    bool done = connect(fd, to, sizeof(address)) == 0 &&
                send(fd, line, (size_t)length, MSG_NOSIGNAL) == length &&
                read_line(fd, line, sizeof(line)) && strcmp(line, "ok") == 0;
    (void)close(fd);
    return done;
}
