/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SERVER_H
#define SIM_SERVER_H

/**
 * @file
 * Serves one board over TCP with the framing of OpenOCD's cmsis_dap_tcp: before each packet, both
 * ways, eight little-endian bytes {u32 signature "DAP\0", u16 payload length, u8 type 1 request or
 * 2 response, u8 0}. Several requests may be outstanding; answers come in order. The protocol has
 * neither authentication nor encryption, so only the loopback interface is served.
 *
 * One client at a time. Another one is turned away: it gets one response, the byte FF and a
 * sentence in ASCII, and the end of the stream. A client that has begun to leave is seen off first.
 */

#include "base/clock.h"
#include "base/log.h"
#include "sim/link.h"

#define SIM_SERVER_SIGNATURE   UINT32_C(0x00504144)
#define SIM_SERVER_HEADER_SIZE 8U
/** How long a client may leave its replies unread. */
#define SIM_SERVER_PATIENCE_MS 10000
/** Silence of a client after which the kernel asks whether its machine still knows it, and the
 * pause between three such questions; seconds. */
#define SIM_SERVER_KEEPALIVE_S 5

/** What stands at the beginning of received bytes. */
enum sim_frame {
    SIM_FRAME_PARTIAL, /**< more bytes are needed */
    SIM_FRAME_REQUEST, /**< a whole request */
    SIM_FRAME_BAD, /**< wrong signature, type or length: the stream cannot be trusted any more */
};

/**
 * Look at received bytes; the signature is checked before the length is used.
 *
 * @param[out] ret_length  payload length; the frame is SIM_SERVER_HEADER_SIZE longer; written only
 *                         for SIM_FRAME_REQUEST
 */
enum sim_frame sim_server_parse(const uint8_t *data, size_t length, size_t *ret_length);

/** Write the header of a response of @p length bytes. */
void sim_server_header(size_t length, uint8_t ret_header[SIM_SERVER_HEADER_SIZE]);

struct sim_server_opts {
    const char
        *listen;     /**< "127.0.0.1:PORT", "localhost:PORT" or "[::1]:PORT"; port 0 = any free */
    bool realtime;   /**< wall time spent waiting for requests is added to virtual time, at most
                        one second at a time */
    int patience_ms; /**< 0 = SIM_SERVER_PATIENCE_MS */
    int keepalive_s; /**< 0 = SIM_SERVER_KEEPALIVE_S */
    const struct base_clock *clock;    /**< borrowed */
    const struct base_log *log;        /**< borrowed; may be NULL */
    void (*on_disconnect)(void *user); /**< a client has gone; may be NULL */
    /** A client has come, gone or been served; may be NULL */
    void (*on_activity)(void *user, bool client);
    void *user;
};

struct sim_server;

/**
 * Bind and listen.
 *
 * @return BASE_OK; BASE_E_CONFIG: the address is malformed or not of the loopback interface;
 *         BASE_E_IO: the port cannot be had; BASE_E_NOMEM
 */
BASE_MUST_CHECK
enum base_status sim_server_open(
    const struct sim_server_opts *opts, struct sim_server **ret_server, struct base_err *err);

/** Port that is really listened on. */
uint16_t sim_server_port(const struct sim_server *server);

/**
 * Serve the board on @p link until @p stop_fd becomes readable. Clients come and go; a broken
 * stream or a cut by a planned fault ends one connection only.
 *
 * @return BASE_OK when stopped; BASE_E_IO when the machine's sockets fail
 */
BASE_MUST_CHECK
enum base_status sim_server_run(
    struct sim_server *server, struct sim_link *link, int stop_fd, struct base_err *err);

/** Accepts NULL. */
void sim_server_close(struct sim_server *server);

#endif
