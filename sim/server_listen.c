/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/server_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_SIZE 64U
#define BACKLOG   4
#define PORT_MAX  65535L

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static enum base_status bad_address(struct base_err *err, const char *address)
{
    return base_err_set(err, BASE_E_CONFIG, "sim", 0,
        "\"%s\" is not an address to listen on; write 127.0.0.1:PORT, or port 0 for any free port",
        address);
}

/* Split at the last colon; brackets around an IPv6 address are dropped. */
static enum base_status split(
    const char *address, char ret_host[HOST_SIZE], uint16_t *ret_port, struct base_err *err)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address) {
        return bad_address(err, address);
    }
    char *end = NULL;
    errno = 0;
    long port = strtol(colon + 1, &end, 10);
    if (errno != 0 || end == colon + 1 || *end != '\0' || port < 0 || port > PORT_MAX) {
        return bad_address(err, address);
    }
    const char *host = address;
    size_t length = (size_t)(colon - address);
    if (host[0] == '[' && host[length - 1] == ']' && length > 2) {
        host++;
        length -= 2;
    }
    if (length >= HOST_SIZE) {
        return bad_address(err, address);
    }
    memcpy(ret_host, host, length);
    ret_host[length] = '\0';
    *ret_port = (uint16_t)port;
    return BASE_OK;
}

static bool is_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET) {
        return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

/* Numeric addresses only: a name could lead anywhere tomorrow. */
static enum base_status resolve(
    const char *text, union address *ret_address, socklen_t *ret_length, struct base_err *err)
{
    char host[HOST_SIZE];
    uint16_t port;
    enum base_status status = split(text, host, &port, err);
    if (status != BASE_OK) {
        return status;
    }
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, numeric, &ret_address->v4.sin_addr) == 1) {
        ret_address->v4.sin_family = AF_INET;
        ret_address->v4.sin_port = htons(port);
        *ret_length = sizeof(ret_address->v4);
    } else if (inet_pton(AF_INET6, numeric, &ret_address->v6.sin6_addr) == 1) {
        ret_address->v6.sin6_family = AF_INET6;
        ret_address->v6.sin6_port = htons(port);
        *ret_length = sizeof(ret_address->v6);
    } else {
        return bad_address(err, text);
    }
    if (!is_loopback(ret_address)) {
        return base_err_set(err, BASE_E_CONFIG, "sim", 0,
            "refusing to listen on %s: a simulated probe has no authentication and serves the "
            "loopback interface only; use 127.0.0.1:%u",
            text, port);
    }
    return BASE_OK;
}

static enum base_status bind_and_listen(int fd, const char *text, const union address *address,
    socklen_t length, uint16_t *ret_port, struct base_err *err)
{
    int one = 1;
    /* A board that is switched off and on again keeps its port. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    union address bound;
    socklen_t bound_length = sizeof(bound);
    if (bind(fd, &address->any, length) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, &bound.any, &bound_length) != 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot listen on %s", text);
    }
    *ret_port = ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    return BASE_OK;
}

enum base_status server_listen(
    const char *address, int *ret_fd, uint16_t *ret_port, struct base_err *err)
{
    union address resolved;
    socklen_t length = 0;
    enum base_status status = resolve(address, &resolved, &length, err);
    if (status != BASE_OK) {
        return status;
    }
    int fd = socket(resolved.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return base_err_errno(err, BASE_E_IO, errno, "cannot make a socket for %s", address);
    }
    status = bind_and_listen(fd, address, &resolved, length, ret_port, err);
    if (status != BASE_OK) {
        (void)close(fd);
        return status;
    }
    *ret_fd = fd;
    return BASE_OK;
}
