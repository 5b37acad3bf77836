/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "kms/server_tls.h"

#define HEADERS_MAX    8192
#define STOP_GRACE_MS  5000
#define STOP_LOOK_MS   20
#define BACKSTOP_S     120 /* libevent's own idle timeout, behind our deadlines */
#define LISTEN_BACKLOG 128
#define LINGER_MS      1000

enum connection_state {
    STATE_NEW, /* accepted; not looked at yet */
    STATE_HANDSHAKE,
    STATE_IDLE,
    STATE_READING, /* bytes of a request have come */
    STATE_REPLYING,
    STATE_DROPPED, /* shut down; waits for libevent to notice */
};

struct connection {
    LIST_ENTRY(connection) link;
    struct kms_server *server;
    struct bufferevent *bev; /* owned by evhttp */
    struct event *timer;
    enum connection_state state;
    uint8_t address[16];
    bool has_certificate;
    uint8_t certificate_sha256[32];
};

/*
 * In TLS 1.3 a client sends its request right behind its certificate. Where the certificate is
 * refused, closing with that request unread would reset the connection, and the client might never
 * see the alert that says why. So a second descriptor keeps the socket until the client is done.
 */
struct lingering {
    LIST_ENTRY(lingering) link;
    struct kms_server *server;
    struct event *event;
    struct event *timer; /* absolute: dripped bytes do not move it */
    int fd;
};

struct kms_server {
    struct kms_server_opts opts;
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    struct event *stop;
    struct event *stop_timer;
    int64_t stop_left_ms;
    SSL_CTX *tls;
    int ex_index;
    uint16_t port;
    int64_t count;
    LIST_HEAD(, connection) connections;
    LIST_HEAD(, lingering) lingerings;
};

static void arm(struct connection *connection, int64_t ms)
{
    const struct timeval after = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };
    (void)event_add(connection->timer, &after);
}

static void enter(struct connection *connection, enum connection_state state)
{
    const struct kms_server_opts *opts = &connection->server->opts;
    connection->state = state;
    switch (state) {
    case STATE_HANDSHAKE:
        arm(connection, opts->handshake_ms);
        break;
    case STATE_READING:
    case STATE_REPLYING:
        arm(connection, opts->request_ms);
        break;
    case STATE_IDLE:
        arm(connection, opts->idle_ms);
        break;
    case STATE_NEW:
        arm(connection, 0);
        break;
    case STATE_DROPPED:
    default:
        (void)event_del(connection->timer);
        break;
    }
}

/* evhttp owns the connection and must free it itself; it does when its socket has ended. */
static void drop(struct connection *connection, const char *why)
{
    evutil_socket_t fd = bufferevent_getfd(connection->bev);
    base_log(connection->server->opts.core->log, BASE_LOG_DEBUG, "connection dropped: %s", why);
    enter(connection, STATE_DROPPED);
    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR);
    }
}

static void read_address(struct connection *connection)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    memset(&peer, 0, sizeof(peer));
    evutil_socket_t fd = bufferevent_getfd(connection->bev);
    if (fd < 0 || getpeername(fd, (struct sockaddr *)&peer, &length) != 0) {
        return;
    }
    if (peer.ss_family == AF_INET) {
        memcpy(connection->address, &((struct sockaddr_in *)&peer)->sin_addr, 4);
    } else if (peer.ss_family == AF_INET6) {
        memcpy(connection->address, &((struct sockaddr_in6 *)&peer)->sin6_addr, 16);
    }
}

/* First look, right after evhttp has given the connection its socket. */
static void admit(struct connection *connection)
{
    struct kms_server *server = connection->server;
    int64_t same = 0;
    read_address(connection);
    const struct connection *other;
    LIST_FOREACH(other, &server->connections, link)
    {
        same += memcmp(other->address, connection->address, sizeof(other->address)) == 0;
    }
    if (server->count > server->opts.max_connections ||
        same > server->opts.max_connections_per_address) {
        drop(connection, "too many connections");
        return;
    }
    enter(connection, STATE_HANDSHAKE);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    struct connection *connection = user;
    if (connection->state == STATE_NEW) {
        admit(connection);
    } else {
        drop(connection, "deadline");
    }
}

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *user)
{
    (void)buffer;
    struct connection *connection = user;
    if (info->n_added > 0 && connection->state == STATE_IDLE) {
        enter(connection, STATE_READING);
    }
}

static void on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *user)
{
    struct connection *connection = user;
    if (info->n_deleted > 0 && evbuffer_get_length(buffer) == 0 &&
        connection->state == STATE_REPLYING) {
        enter(connection, STATE_IDLE);
    }
}

static void end_lingering(struct lingering *lingering)
{
    LIST_REMOVE(lingering, link);
    lingering->server->count--;
    if (lingering->event != NULL) {
        event_free(lingering->event);
    }
    if (lingering->timer != NULL) {
        event_free(lingering->timer);
    }
    (void)close(lingering->fd);
    free(lingering);
}

static void on_lingering(evutil_socket_t fd, short what, void *user)
{
    char unread[1024];
    ssize_t got = (what & EV_READ) != 0 ? recv(fd, unread, sizeof(unread), MSG_DONTWAIT) : 0;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        end_lingering(user);
    }
}

static void linger(struct connection *connection)
{
    struct kms_server *server = connection->server;
    const struct timeval limit = { .tv_sec = LINGER_MS / 1000 };
    struct lingering *lingering = calloc(1, sizeof(*lingering));
    int fd = fcntl(bufferevent_getfd(connection->bev), F_DUPFD_CLOEXEC, 0);
    if (lingering == NULL || fd < 0) {
        free(lingering);
        if (fd >= 0) {
            (void)close(fd);
        }
        return; /* the client gets a reset instead of the reason */
    }
    lingering->server = server;
    lingering->fd = fd;
    LIST_INSERT_HEAD(&server->lingerings, lingering, link);
    server->count++;
    lingering->event = event_new(server->base, fd, EV_READ | EV_PERSIST, on_lingering, lingering);
    lingering->timer = evtimer_new(server->base, on_lingering, lingering);
    if (lingering->event == NULL || lingering->timer == NULL ||
        event_add(lingering->event, NULL) != 0 || event_add(lingering->timer, &limit) != 0) {
        end_lingering(lingering);
    }
}

static void on_tls(const SSL *ssl, int where, int value)
{
    (void)value;
    SSL_CTX *tls = SSL_get_SSL_CTX(ssl);
    const struct kms_server *server = SSL_CTX_get_app_data(tls);
    struct connection *connection = SSL_get_ex_data(ssl, server->ex_index);
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT && connection != NULL &&
        connection->state == STATE_HANDSHAKE) {
        linger(connection);
    }
    if ((where & SSL_CB_HANDSHAKE_DONE) != 0 && connection != NULL &&
        (connection->state == STATE_HANDSHAKE || connection->state == STATE_NEW)) {
        if (connection->state == STATE_NEW) {
            admit(connection);
        }
        if (connection->state == STATE_HANDSHAKE) {
            enter(connection, STATE_IDLE);
        }
    }
}

/* Called by SSL_free, which evhttp's bufferevent calls when its connection ends in whatever way. */
static void on_tls_free(
    void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    struct connection *connection = pointer;
    if (connection == NULL) {
        return;
    }
    LIST_REMOVE(connection, link);
    connection->server->count--;
    event_free(connection->timer);
    free(connection);
}

static struct connection *new_connection(struct kms_server *server, SSL *ssl)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return NULL;
    }
    connection->server = server;
    connection->timer = evtimer_new(server->base, on_timer, connection);
    if (connection->timer == NULL || SSL_set_ex_data(ssl, server->ex_index, connection) != 1) {
        if (connection->timer != NULL) {
            event_free(connection->timer);
        }
        free(connection);
        return NULL;
    }
    LIST_INSERT_HEAD(&server->connections, connection, link);
    server->count++;
    return connection;
}

/*
 * One bufferevent per connection. Where NULL is returned libevent takes a plain socket instead; the
 * request handler refuses every connection without TLS, so nothing is served on it.
 */
static struct bufferevent *on_accept(struct event_base *base, void *user)
{
    struct kms_server *server = user;
    SSL *ssl = SSL_new(server->tls);
    struct connection *connection = ssl != NULL ? new_connection(server, ssl) : NULL;
    if (connection == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    connection->bev = bev;
    (void)evbuffer_add_cb(bufferevent_get_input(bev), on_input, connection);
    (void)evbuffer_add_cb(bufferevent_get_output(bev), on_output, connection);
    enter(connection, STATE_NEW);
    return bev;
}

static struct connection *connection_of(struct kms_server *server, struct evhttp_request *request)
{
    struct evhttp_connection *http = evhttp_request_get_connection(request);
    struct bufferevent *bev = http != NULL ? evhttp_connection_get_bufferevent(http) : NULL;
    SSL *ssl = bev != NULL ? bufferevent_openssl_get_ssl(bev) : NULL;
    struct connection *connection = ssl != NULL ? SSL_get_ex_data(ssl, server->ex_index) : NULL;
    if (connection != NULL && !connection->has_certificate) {
        connection->has_certificate = kms_server_peer_sha256(ssl, connection->certificate_sha256);
    }
    return connection != NULL && connection->has_certificate ? connection : NULL;
}

static const char *bearer_of(struct evhttp_request *request)
{
    static const char scheme[] = "Bearer ";
    const char *value =
        evhttp_find_header(evhttp_request_get_input_headers(request), "Authorization");
    return value != NULL && strncmp(value, scheme, sizeof(scheme) - 1) == 0
               ? value + sizeof(scheme) - 1
               : NULL;
}

static enum kms_method method_of(struct evhttp_request *request)
{
    switch ((unsigned)evhttp_request_get_command(request)) {
    case EVHTTP_REQ_POST:
        return KMS_POST;
    case EVHTTP_REQ_DELETE:
        return KMS_DELETE;
    default:
        return KMS_GET; /* the only other method that evhttp lets through */
    }
}

static void send_reply(struct evhttp_request *request, const struct kms_response *response)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evbuffer_new();
    (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    if (response->content_type != NULL) {
        (void)evhttp_add_header(headers, "Content-Type", response->content_type);
    }
    if (response->retry_after_s > 0) {
        char seconds[24];
        (void)snprintf(seconds, sizeof(seconds), "%lld", (long long)response->retry_after_s);
        (void)evhttp_add_header(headers, "Retry-After", seconds);
    }
    if (body == NULL || evbuffer_add(body, response->body.data, response->body.length) != 0) {
        evhttp_send_error(request, 500, NULL);
    } else {
        evhttp_send_reply(request, response->status, NULL, body);
    }
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void on_request(struct evhttp_request *request, void *user)
{
    struct kms_server *server = user;
    struct connection *connection = connection_of(server, request);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    if (connection == NULL || path == NULL || path[0] != '/') {
        evhttp_send_error(request, 400, NULL);
        return;
    }
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    struct kms_request call = {
        .method = method_of(request),
        .path = path,
        .query = evhttp_uri_get_query(uri),
        .token = bearer_of(request),
        .body_length = evbuffer_get_length(input),
    };
    call.body = call.body_length > 0 ? evbuffer_pullup(input, -1) : NULL;
    memcpy(call.certificate_sha256, connection->certificate_sha256, 32);
    struct kms_response response;
    kms_response_init(&response);
    kms_core_handle(server->opts.core, &call, &response);
    enter(connection, STATE_REPLYING);
    send_reply(request, &response);
    kms_response_done(&response);
}

static bool is_working(const struct kms_server *server)
{
    const struct connection *connection;
    LIST_FOREACH(connection, &server->connections, link)
    {
        if (connection->state == STATE_READING || connection->state == STATE_REPLYING) {
            return true;
        }
    }
    return false;
}

static void on_stop_timer(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    struct kms_server *server = user;
    const struct timeval again = { .tv_usec = STOP_LOOK_MS * 1000 };
    server->stop_left_ms -= STOP_LOOK_MS;
    if (server->stop_left_ms <= 0 || !is_working(server)) {
        (void)event_base_loopbreak(server->base);
    } else {
        (void)event_add(server->stop_timer, &again);
    }
}

static void on_stop(evutil_socket_t fd, short what, void *user)
{
    struct kms_server *server = user;
    if (server->bound != NULL) {
        evhttp_del_accept_socket(server->http, server->bound);
        server->bound = NULL;
    }
    server->stop_left_ms = STOP_GRACE_MS;
    on_stop_timer(fd, what, server);
}

static enum base_status listen_on(
    const struct kms_server_opts *opts, int *ret_fd, uint16_t *ret_port, struct base_err *err)
{
    struct sockaddr_storage address;
    socklen_t length = 0;
    int on = 1;
    memset(&address, 0, sizeof(address));
    enum base_status status = kms_server_address(opts->address, opts->port, &address, &length, err);
    if (status != BASE_OK) {
        return status;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* NODELAY on the listening socket is inherited by what it accepts. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        int errnum = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return base_err_errno(err, BASE_E_IO, errnum, "cannot listen on %s port %u", opts->address,
            (unsigned)opts->port);
    }
    *ret_port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                    : ((struct sockaddr_in *)&address)->sin_port);
    *ret_fd = fd;
    return BASE_OK;
}

static bool set_up_http(struct kms_server *server, int fd)
{
    server->http = evhttp_new(server->base);
    if (server->http == NULL) {
        return false;
    }
    evhttp_set_bevcb(server->http, on_accept, server);
    evhttp_set_gencb(server->http, on_request, server);
    evhttp_set_max_headers_size(server->http, HEADERS_MAX);
    evhttp_set_max_body_size(server->http, KMS_BODY_MAX);
    evhttp_set_timeout(server->http, BACKSTOP_S);
    evhttp_set_default_content_type(server->http, NULL);
    evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
    server->bound = evhttp_accept_socket_with_handle(server->http, fd);
    return server->bound != NULL;
}

static enum base_status set_up_loop(struct kms_server *server, struct base_err *err)
{
    int fd = -1;
    server->base = event_base_new();
    server->ex_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_tls_free);
    if (server->base == NULL || server->ex_index < 0) {
        return base_err_set(err, BASE_E_NOMEM, "KMS", 0, "out of memory for the server");
    }
    SSL_CTX_set_info_callback(server->tls, on_tls);
    (void)SSL_CTX_set_app_data(server->tls, server);
    enum base_status status = listen_on(&server->opts, &fd, &server->port, err);
    if (status != BASE_OK) {
        return status;
    }
    if (!set_up_http(server, fd)) {
        if (server->bound == NULL) {
            (void)close(fd);
        }
        return base_err_set(err, BASE_E_NOMEM, "KMS", 0, "out of memory for the server");
    }
    server->stop_timer = evtimer_new(server->base, on_stop_timer, server);
    if (server->opts.stop_fd >= 0) {
        server->stop = event_new(server->base, server->opts.stop_fd, EV_READ, on_stop, server);
    }
    if (server->stop_timer == NULL ||
        (server->opts.stop_fd >= 0 &&
            (server->stop == NULL || event_add(server->stop, NULL) != 0))) {
        return base_err_set(err, BASE_E_NOMEM, "KMS", 0, "out of memory for the server");
    }
    return BASE_OK;
}

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

enum base_status kms_server_open(
    const struct kms_server_opts *opts, struct kms_server **ret_server, struct base_err *err)
{
    struct kms_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "KMS", 0, "out of memory for the server");
    }
    LIST_INIT(&server->connections);
    LIST_INIT(&server->lingerings);
    server->opts = *opts;
    server->opts.max_connections = or_default(opts->max_connections, 256);
    server->opts.max_connections_per_address = or_default(opts->max_connections_per_address, 64);
    server->opts.handshake_ms = or_default(opts->handshake_ms, 5000);
    server->opts.request_ms = or_default(opts->request_ms, 10000);
    server->opts.idle_ms = or_default(opts->idle_ms, 60000);
    enum base_status status = kms_server_tls(opts, &server->tls, err);
    if (status == BASE_OK) {
        status = set_up_loop(server, err);
    }
    if (status != BASE_OK) {
        kms_server_close(server);
        return status;
    }
    *ret_server = server;
    return BASE_OK;
}

uint16_t kms_server_port(const struct kms_server *server)
{
    return server->port;
}

enum base_status kms_server_run(struct kms_server *server, struct base_err *err)
{
    if (event_base_dispatch(server->base) < 0) {
        return base_err_set(err, BASE_E_INTERNAL, "KMS", 0, "the server's event loop failed");
    }
    return BASE_OK;
}

void kms_server_close(struct kms_server *server)
{
    if (server == NULL) {
        return;
    }
    for (struct lingering *at = LIST_FIRST(&server->lingerings), *next; at != NULL; at = next) {
        next = LIST_NEXT(at, link);
        end_lingering(at);
    }
    if (server->http != NULL) {
        evhttp_free(server->http);
    }
    if (server->stop != NULL) {
        event_free(server->stop);
    }
    if (server->stop_timer != NULL) {
        event_free(server->stop_timer);
    }
    if (server->base != NULL) {
        /* Bufferevents are freed by deferred callbacks: let them run. */
        (void)event_base_loop(server->base, EVLOOP_NONBLOCK);
        event_base_free(server->base);
    }
    SSL_CTX_free(server->tls);
    free(server);
}
