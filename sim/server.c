/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/server.h"

#include "sim/server_internal.h"

#include "base/buf.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE_REQUEST  1U
#define TYPE_RESPONSE 2U
/* Room for a full set of outstanding packets; what does not fit waits in the socket. */
#define INPUT_SIZE     (64U * (SIM_SERVER_HEADER_SIZE + SIM_PROBE_MAX_PACKET))
#define IDLE_CREDIT_US INT64_C(1000000)
#define US_PER_MS      1000
/* Sockets of clients that were turned away stay for a while, so that they can read why. */
#define TURNED_MAX       8U
#define KEEPALIVE_PROBES 3

struct sim_server {
    struct sim_server_opts opts;
    int listener;
    int client;             /**< -1 none */
    int turned[TURNED_MAX]; /**< -1 none; the oldest goes first */
    unsigned next_turned;
    uint16_t port;
    bool stopped;
    bool waiting;          /**< more had arrived before the last response was sent */
    struct sim_link *link; /**< borrowed, while serving */
    size_t used;           /**< bytes in input */
    uint8_t input[INPUT_SIZE];
};

enum sim_frame sim_server_parse(const uint8_t *data, size_t length, size_t *ret_length)
{
    if (length < SIM_SERVER_HEADER_SIZE) {
        return SIM_FRAME_PARTIAL;
    }
    if (base_get_le32(data) != SIM_SERVER_SIGNATURE || data[6] != TYPE_REQUEST) {
        return SIM_FRAME_BAD;
    }
    size_t payload = base_get_le16(data + 4);
    if (payload == 0 || payload > SIM_PROBE_MAX_PACKET) {
        return SIM_FRAME_BAD;
    }
    if (length - SIM_SERVER_HEADER_SIZE < payload) {
        return SIM_FRAME_PARTIAL;
    }
    *ret_length = payload;
    return SIM_FRAME_REQUEST;
}

void sim_server_header(size_t length, uint8_t ret_header[SIM_SERVER_HEADER_SIZE])
{
    base_put_le32(ret_header, SIM_SERVER_SIGNATURE);
    base_put_le16(ret_header + 4, (uint16_t)length);
    ret_header[6] = TYPE_RESPONSE;
    ret_header[7] = 0;
}

enum base_status sim_server_open(
    const struct sim_server_opts *opts, struct sim_server **ret_server, struct base_err *err)
{
    struct sim_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "sim", 0, "no memory for the probe's server");
    }
    server->opts = *opts;
    server->opts.patience_ms = opts->patience_ms > 0 ? opts->patience_ms : SIM_SERVER_PATIENCE_MS;
    server->opts.keepalive_s = opts->keepalive_s > 0 ? opts->keepalive_s : SIM_SERVER_KEEPALIVE_S;
    server->client = -1;
    server->listener = -1;
    for (unsigned i = 0; i < TURNED_MAX; i++) {
        server->turned[i] = -1;
    }
    enum base_status status = server_listen(opts->listen, &server->listener, &server->port, err);
    if (status != BASE_OK) {
        sim_server_close(server);
        return status;
    }
    *ret_server = server;
    return BASE_OK;
}

uint16_t sim_server_port(const struct sim_server *server)
{
    return server->port;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

void sim_server_close(struct sim_server *server)
{
    if (server == NULL) {
        return;
    }
    close_fd(server->client);
    close_fd(server->listener);
    for (unsigned i = 0; i < TURNED_MAX; i++) {
        close_fd(server->turned[i]);
    }
    free(server);
}

static void drop_client(struct sim_server *server, const char *why)
{
    base_log(server->opts.log, BASE_LOG_DEBUG, "client gone: %s", why);
    (void)close(server->client);
    server->client = -1;
    server->used = 0;
    server->waiting = false;
    sim_link_reset(server->link);
    if (server->opts.on_disconnect != NULL) {
        server->opts.on_disconnect(server->opts.user);
    }
}

enum {
    WAIT_STOP,
    WAIT_CLIENT,
    WAIT_LISTENER,
    WAIT_COUNT
};

/* Wait for the client, somebody new where @p doors are open, or the stop signal. Returns what
 * poll() does; the events are in @p ret_revents. */
static int wait_for(struct sim_server *server, short events, bool doors, int stop_fd,
    int timeout_ms, short ret_revents[WAIT_COUNT])
{
    struct pollfd fds[WAIT_COUNT] = {
        [WAIT_STOP] = { .fd = stop_fd, .events = POLLIN },
        [WAIT_CLIENT] = { .fd = server->client, .events = events },
        [WAIT_LISTENER] = { .fd = doors ? server->listener : -1, .events = POLLIN },
    };
    int ready;
    do {
        ready = poll(fds, WAIT_COUNT, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    for (int i = 0; i < WAIT_COUNT; i++) {
        ret_revents[i] = fds[i].revents;
    }
    server->stopped = server->stopped || fds[WAIT_STOP].revents != 0;
    return ready;
}

/* One response and the end of the stream; the socket is kept, because closing it with something
 * unread in it would take the response back. */
static void turn_away(struct sim_server *server, int fd)
{
    static const char sentence[] =
        "\xFF"
        "another program is using this board; try again when it has ended";
    uint8_t frame[SIM_SERVER_HEADER_SIZE + sizeof(sentence) - 1];
    sim_server_header(sizeof(sentence) - 1, frame);
    memcpy(frame + SIM_SERVER_HEADER_SIZE, sentence, sizeof(sentence) - 1);
    (void)!send(fd, frame, sizeof(frame), MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    close_fd(server->turned[server->next_turned]);
    server->turned[server->next_turned] = fd;
    server->next_turned = (server->next_turned + 1) % TURNED_MAX;
    base_log(server->opts.log, BASE_LOG_DEBUG, "another client was turned away");
}

/* A client that is leaving is seen off first: whoever comes next waits for that moment. The client
 * is looked at after the newcomer was seen, so that what it did before that counts. */
static void meet_new(struct sim_server *server, const short revents[WAIT_COUNT])
{
    struct pollfd client = { .fd = server->client, .events = POLLRDHUP };
    if (revents[WAIT_LISTENER] == 0 || poll(&client, 1, 0) != 0) {
        return;
    }
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        turn_away(server, fd);
    }
}

/* False when the client has not taken anything for too long. */
static bool wait_to_send(struct sim_server *server, int stop_fd)
{
    const int64_t patience_us = (int64_t)server->opts.patience_ms * US_PER_MS;
    const int64_t deadline_us = base_clock_mono_us(server->opts.clock) + patience_us;
    bool leaving = false; /* its half of the stream has ended, which poll() would tell for ever */
    for (;;) {
        short revents[WAIT_COUNT];
        short events = leaving ? POLLOUT : POLLOUT | POLLRDHUP;
        int64_t left_us = deadline_us - base_clock_mono_us(server->opts.clock);
        int ready = left_us <= 0 ? 0
                                 : wait_for(server, events, !leaving, stop_fd,
                                       (int)((left_us + US_PER_MS - 1) / US_PER_MS), revents);
        if (ready <= 0 || server->stopped) {
            return false;
        }
        leaving = leaving || (revents[WAIT_CLIENT] & POLLRDHUP) != 0;
        meet_new(server, revents);
        if ((revents[WAIT_CLIENT] & (POLLOUT | POLLERR | POLLHUP)) != 0) {
            return true;
        }
    }
}

/* Returns false when the client is gone or the server is told to stop. */
static bool send_all(struct sim_server *server, const uint8_t *data, size_t length, int stop_fd)
{
    while (length > 0) {
        ssize_t sent = send(server->client, data, length, MSG_NOSIGNAL);
        if (sent >= 0) {
            data += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!wait_to_send(server, stop_fd)) {
                return false;
            }
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* Replies that have arrived by now, each in one piece: a client should not wake for a header. */
static const char *send_replies(struct sim_server *server, int stop_fd)
{
    uint8_t frame[SIM_SERVER_HEADER_SIZE + SIM_LINK_REPLY_MAX];
    const struct sim_link_reply *reply;
    while ((reply = sim_link_peek(server->link, base_clock_mono_us(server->opts.clock))) != NULL) {
        sim_server_header(reply->length, frame);
        memcpy(frame + SIM_SERVER_HEADER_SIZE, reply->data, reply->length);
        if (!send_all(server, frame, SIM_SERVER_HEADER_SIZE + reply->length, stop_fd)) {
            return "it takes no replies";
        }
        sim_link_pop(server->link);
    }
    return NULL;
}

/* Take what has arrived meanwhile; an end of the stream is found again by the next read. */
static void top_up(struct sim_server *server)
{
    ssize_t got = recv(server->client, server->input + server->used, INPUT_SIZE - server->used, 0);
    if (got > 0) {
        server->used += (size_t)got;
    }
}

/* The request at this place of the input, with all its responses. Returns what ended the
 * connection, NULL if nothing did. */
static const char *serve_request(
    struct sim_server *server, size_t at, size_t length, int stop_fd, bool *ret_busy)
{
    const uint8_t *request = server->input + at + SIM_SERVER_HEADER_SIZE;
    int64_t now_us = base_clock_mono_us(server->opts.clock);
    switch (sim_link_request(server->link, now_us, request, length, server->waiting)) {
    case SIM_LINK_CUT:
        return "planned fault";
    case SIM_LINK_BUSY:
        *ret_busy = true;
        return NULL;
    case SIM_LINK_STALLED: /* a stream has no endpoints to halt: the request is lost */
        sim_link_clear_stall(server->link);
        break;
    case SIM_LINK_TAKEN:
        break;
    }
    if (sim_link_in_stalled(server->link)) {
        sim_link_clear_stall(server->link);
    }
    /* A host that sends its next request before it has this response does not pay the way there
     * and back again. */
    top_up(server);
    server->waiting = server->used > at + SIM_SERVER_HEADER_SIZE + length;
    return send_replies(server, stop_fd);
}

/* Execute every whole request that has been received. */
static const char *serve_input(struct sim_server *server, int stop_fd)
{
    const char *end = send_replies(server, stop_fd);
    size_t at = 0;
    bool busy = false;
    while (end == NULL && !busy) {
        size_t length = 0;
        enum sim_frame frame = sim_server_parse(server->input + at, server->used - at, &length);
        if (frame == SIM_FRAME_BAD) {
            end = "not the framing of cmsis_dap_tcp";
        }
        if (frame != SIM_FRAME_REQUEST) {
            break;
        }
        end = serve_request(server, at, length, stop_fd, &busy);
        at += busy ? 0 : SIM_SERVER_HEADER_SIZE + length;
    }
    server->used -= at;
    memmove(server->input, server->input + at, server->used);
    return end;
}

static void read_client(struct sim_server *server, int stop_fd)
{
    ssize_t got = recv(server->client, server->input + server->used, INPUT_SIZE - server->used, 0);
    bool nothing = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (got <= 0 && !nothing && server->used < INPUT_SIZE) {
        drop_client(server, got == 0 ? "closed" : strerrordesc_np(errno));
        return;
    }
    server->used += got > 0 ? (size_t)got : 0;
    const char *end = serve_input(server, stop_fd);
    if (end != NULL) {
        drop_client(server, end);
    }
}

/* A client whose machine has forgotten it must not keep the board. */
static void watch_over(const struct sim_server *server, int fd)
{
    const int one = 1;
    const int probes = KEEPALIVE_PROBES;
    const int idle_s = server->opts.keepalive_s;
    const unsigned patience_ms = (unsigned)server->opts.patience_ms;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof(patience_ms));
}

static enum base_status accept_client(struct sim_server *server, struct base_err *err)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        bool passing = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
                       errno == ECONNABORTED || errno == EPROTO;
        return passing ? BASE_OK
                       : base_err_errno(err, BASE_E_IO, errno, "cannot accept a connection");
    }
    watch_over(server, fd);
    server->client = fd;
    base_log(server->opts.log, BASE_LOG_DEBUG, "client connected");
    return BASE_OK;
}

static void credit_idle(struct sim_server *server, int64_t since_us)
{
    if (!server->opts.realtime) {
        return;
    }
    int64_t waited_us = base_clock_mono_us(server->opts.clock) - since_us;
    if (waited_us > IDLE_CREDIT_US) {
        waited_us = IDLE_CREDIT_US;
    }
    if (waited_us > 0) {
        sim_probe_pass_us(sim_link_board(server->link)->probe, (uint64_t)waited_us);
    }
}

/* How long nothing will happen by itself, for poll(). */
static int quiet_ms(const struct sim_server *server)
{
    int64_t next_us = sim_link_next_us(server->link);
    if (server->client < 0 || next_us == INT64_MAX) {
        return -1;
    }
    int64_t left_us = next_us - base_clock_mono_us(server->opts.clock);
    return left_us <= 0 ? 0 : (int)((left_us + US_PER_MS - 1) / US_PER_MS);
}

enum base_status sim_server_run(
    struct sim_server *server, struct sim_link *link, int stop_fd, struct base_err *err)
{
    enum base_status status = BASE_OK;
    server->link = link;
    while (status == BASE_OK && !server->stopped) {
        bool connected = server->client >= 0;
        short revents[WAIT_COUNT];
        int64_t since_us = base_clock_mono_us(server->opts.clock);
        if (wait_for(server, POLLIN | POLLRDHUP, true, stop_fd, quiet_ms(server), revents) < 0) {
            return base_err_errno(err, BASE_E_IO, errno, "cannot wait for a client");
        }
        credit_idle(server, since_us);
        if (server->stopped) {
            break;
        }
        if (connected) {
            meet_new(server, revents);
            read_client(server, stop_fd);
        } else {
            status = accept_client(server, err);
        }
        if (server->opts.on_activity != NULL) {
            server->opts.on_activity(server->opts.user, server->client >= 0);
        }
    }
    if (server->client >= 0) {
        drop_client(server, "server stops");
    }
    return status;
}
