/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/transport_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

#define SIGNATURE          0x00504144U
#define HEADER_SIZE        8U
#define KIND_REQUEST       1U
#define KIND_RESPONSE      2U
#define CONNECT_TIMEOUT_US 3000000
#define DAP_INVALID        0xFFU
#define TURNED_TEXT_SIZE   121U
#define BUFFER_SIZE        (4U * (HEADER_SIZE + PRG_PACKET_MAX))
/* The system waits in pieces of this length, so that it is told how long only once. */
#define WAIT_US 100000

struct tcp {
    int fd;
    const struct base_clock *clock;
    int64_t wait_us; /* how long the system waits for an answer, as it was told last */
    uint8_t buffer[BUFFER_SIZE];
    size_t have; /* bytes that came and were not collected, the next packet's first */
};

struct endpoint {
    struct sockaddr_storage address;
    socklen_t length;
};

static enum base_status bad_address(const char *address, struct base_err *err)
{
    return base_err_set(err, BASE_E_ARG, "probe", 0,
        "tcp:%.80s is not a probe URL; write tcp:127.0.0.1:PORT (loopback only, the protocol has "
        "no authentication)",
        address);
}

static bool parse_port(const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    if (*text < '0' || *text > '9') {
        return false;
    }
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || port == 0 || port > 65535) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

static bool parse_host(const char *host, uint16_t port, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint = { .length = 0 };
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    const char *name = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, name, &v4.sin_addr) == 1 && ntohl(v4.sin_addr.s_addr) >> 24 == 127) {
        memcpy(&endpoint.address, &v4, sizeof(v4));
        endpoint.length = sizeof(v4);
    } else if (strcmp(host, "[::1]") == 0) {
        v6.sin6_addr = in6addr_loopback;
        memcpy(&endpoint.address, &v6, sizeof(v6));
        endpoint.length = sizeof(v6);
    } else {
        return false;
    }
    *ret_endpoint = endpoint;
    return true;
}

static enum base_status parse_address(
    const char *address, struct endpoint *ret_endpoint, struct base_err *err)
{
    char host[64];
    const char *colon = strrchr(address, ':');
    uint16_t port = 0;
    if (colon == NULL || (size_t)(colon - address) >= sizeof(host) ||
        !parse_port(colon + 1, &port)) {
        return bad_address(address, err);
    }
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    return parse_host(host, port, ret_endpoint) ? BASE_OK : bad_address(address, err);
}

/* 1 it may be written to, 0 time is over, -1 failed with errno. */
static int wait_to_send(struct tcp *tcp, int64_t deadline_us)
{
    for (;;) {
        int64_t left_us = deadline_us - base_clock_mono_us(tcp->clock);
        int64_t left_ms = left_us <= 0 ? 0 : (left_us + 999) / 1000;
        struct pollfd item = { .fd = tcp->fd, .events = POLLOUT };
        int ready = poll(&item, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
        if (ready >= 0 || errno != EINTR) {
            return ready;
        }
    }
}

static enum base_status finish_connect(struct tcp *tcp, const char *address, struct base_err *err)
{
    int ready = wait_to_send(tcp, base_clock_mono_us(tcp->clock) + CONNECT_TIMEOUT_US);
    int cause = ready == 0 ? ETIMEDOUT : errno;
    if (ready > 0) {
        socklen_t size = sizeof(cause);
        if (getsockopt(tcp->fd, SOL_SOCKET, SO_ERROR, &cause, &size) == 0 && cause == 0) {
            return BASE_OK;
        }
    }
    return base_err_errno(err, BASE_E_LINK, cause,
        "no probe answers at tcp:%s; start it or correct the URL", address);
}

static enum base_status connect_to(
    struct tcp *tcp, const char *address, const struct endpoint *endpoint, struct base_err *err)
{
    tcp->fd = socket(
        endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (tcp->fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot make a socket");
    }
    int on = 1;
    (void)setsockopt(tcp->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct sockaddr_storage copy = endpoint->address;
    int failed = connect(tcp->fd, (struct sockaddr *)&copy, endpoint->length);
    if (failed != 0 && errno != EINPROGRESS && errno != EINTR) {
        return base_err_errno(err, BASE_E_LINK, errno,
            "no probe answers at tcp:%s; start it or correct the URL", address);
    }
    enum base_status status = failed == 0 ? BASE_OK : finish_connect(tcp, address, err);
    if (status == BASE_OK && fcntl(tcp->fd, F_SETFL, 0) != 0) {
        status = base_err_errno(err, BASE_E_IO, errno, "cannot set up a socket");
    }
    return status;
}

static void tcp_close(void *state)
{
    struct tcp *tcp = state;
    if (tcp != NULL) {
        if (tcp->fd >= 0) {
            (void)close(tcp->fd);
        }
        free(tcp);
    }
}

static enum base_status tcp_open(
    const char *address, const struct base_clock *clock, void **ret_state, struct base_err *err)
{
    struct endpoint endpoint = { .length = 0 };
    enum base_status status = parse_address(address, &endpoint, err);
    if (status != BASE_OK) {
        return status;
    }
    struct tcp *tcp = calloc(1, sizeof(*tcp));
    if (tcp == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "probe", 0, "no memory for a connection");
    }
    tcp->fd = -1;
    tcp->clock = clock;
    status = connect_to(tcp, address, &endpoint, err);
    if (status != BASE_OK) {
        tcp_close(tcp);
        return status;
    }
    *ret_state = tcp;
    return BASE_OK;
}

static enum base_status tcp_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct tcp *tcp = state;
    uint8_t frame[HEADER_SIZE + PRG_PACKET_MAX];
    if (length == 0 || length > PRG_PACKET_MAX) {
        return base_err_set(err, BASE_E_INTERNAL, "probe", (int64_t)length,
            "a packet of %zu bytes cannot be sent", length);
    }
    base_put_le32(frame, SIGNATURE);
    base_put_le16(frame + 4, (uint16_t)length);
    frame[6] = KIND_REQUEST;
    frame[7] = 0;
    memcpy(frame + HEADER_SIZE, packet, length);
    int64_t deadline_us = base_clock_mono_us(tcp->clock) + timeout_us;
    for (size_t sent = 0; sent < HEADER_SIZE + length;) {
        ssize_t put =
            send(tcp->fd, frame + sent, HEADER_SIZE + length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put > 0) {
            sent += (size_t)put;
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        int ready = errno == EAGAIN ? wait_to_send(tcp, deadline_us) : -1;
        if (ready == 0) {
            /* Half a frame may be out: the stream is of no use any more. */
            return base_err_set(err, BASE_E_LINK, "probe", 0, "the probe takes no more packets");
        }
        if (ready < 0) {
            return base_err_errno(err, BASE_E_LINK, errno, "the probe's connection broke");
        }
    }
    return BASE_OK;
}

/* Bytes of the packet being received; the length field is used only after the signature fits. */
static enum base_status packet_need(const struct tcp *tcp, size_t *ret_need, struct base_err *err)
{
    if (tcp->have < HEADER_SIZE) {
        *ret_need = HEADER_SIZE;
        return BASE_OK;
    }
    uint32_t signature = base_get_le32(tcp->buffer);
    uint16_t length = base_get_le16(tcp->buffer + 4);
    if (signature != SIGNATURE || tcp->buffer[6] != KIND_RESPONSE || length == 0 ||
        length > PRG_PACKET_MAX) {
        return base_err_set(err, BASE_E_LINK, "probe", signature,
            "what answers is no CMSIS-DAP probe (signature %08x, kind %u, length %u)",
            (unsigned)signature, tcp->buffer[6], length);
    }
    *ret_need = HEADER_SIZE + (size_t)length;
    return BASE_OK;
}

/* At least a little: zero would mean for ever. */
static bool set_wait(struct tcp *tcp, int64_t left_us)
{
    int64_t wait_us = left_us < 1 ? 1 : left_us < WAIT_US ? left_us : WAIT_US;
    if (wait_us != tcp->wait_us) {
        const struct timeval wait = { .tv_usec = (suseconds_t)wait_us };
        if (setsockopt(tcp->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0) {
            return false;
        }
        tcp->wait_us = wait_us;
    }
    return true;
}

/* Wait, and take all that has come, a packet with its header or several: one system call for both,
 * as a station spends much of its time here. */
static enum base_status receive_some(struct tcp *tcp, int64_t deadline_us, struct base_err *err)
{
    ssize_t got = recv(tcp->fd, tcp->buffer + tcp->have, sizeof(tcp->buffer) - tcp->have, 0);
    if (got > 0) {
        tcp->have += (size_t)got;
        return BASE_OK;
    }
    if (got == 0) {
        return base_err_set(err, BASE_E_LINK, "probe", 0, "the probe closed the connection");
    }
    if (errno != EINTR && errno != EAGAIN) {
        return base_err_errno(err, BASE_E_LINK, errno, "the probe's connection broke");
    }
    int64_t left_us = deadline_us - base_clock_mono_us(tcp->clock);
    if (left_us <= 0) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer");
    }
    return set_wait(tcp, left_us)
               ? BASE_OK
               : base_err_errno(err, BASE_E_LINK, errno, "the probe's connection broke");
}

/* A server that has another client answers FF, which no request asks for, and says why. */
static enum base_status turned_away(const uint8_t *text, size_t length, struct base_err *err)
{
    char safe[TURNED_TEXT_SIZE];
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < sizeof(safe); i++) {
        safe[used++] = text[i] < 0x20 || text[i] > 0x7E ? '?' : (char)text[i];
    }
    safe[used] = '\0';
    return base_err_set(
        err, BASE_E_BUSY, "probe", 0, "the probe turns this program away: %s", safe);
}

static enum base_status hand_out(const uint8_t *packet, size_t length, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    if (length > 1 && packet[0] == DAP_INVALID) {
        return turned_away(packet + 1, length - 1, err);
    }
    if (length > size) {
        return base_err_set(err, BASE_E_PROTO, "probe", (int64_t)length,
            "the probe sent a packet of %zu bytes", length);
    }
    memcpy(ret_packet, packet, length);
    *ret_length = length;
    return BASE_OK;
}

static enum base_status tcp_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct tcp *tcp = state;
    int64_t deadline_us = base_clock_mono_us(tcp->clock) + timeout_us;
    size_t need = 0;
    enum base_status status = set_wait(tcp, timeout_us) ? packet_need(tcp, &need, err)
                                                        : base_err_errno(err, BASE_E_LINK, errno,
                                                              "the probe's connection broke");
    while (status == BASE_OK && tcp->have < need) {
        status = receive_some(tcp, deadline_us, err);
        if (status == BASE_OK) {
            status = packet_need(tcp, &need, err);
        }
    }
    if (status != BASE_OK) {
        return status;
    }
    status =
        hand_out(tcp->buffer + HEADER_SIZE, need - HEADER_SIZE, size, ret_packet, ret_length, err);
    tcp->have -= need;
    memmove(tcp->buffer, tcp->buffer + need, tcp->have);
    return status;
}

const struct prg_transport prg_transport_tcp = {
    .name = "tcp",
    .summary = "tcp:127.0.0.1:PORT",
    .lab_only = true,
    .slack_ms = 6000,
    .open = tcp_open,
    .submit = tcp_submit,
    .collect = tcp_collect,
    .close = tcp_close,
};
