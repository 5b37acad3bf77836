/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_SERVER_H
#define KMS_SERVER_H

/**
 * @file
 * HTTPS around kms/core.h: TLS 1.3 only, client certificates of the private CA required.
 *
 * One thread, one loop: a request's transaction and cryptography (under a millisecond) run on it.
 * libevent's timeouts are idle timeouts, which one dripped byte at a time renews for ever; so each
 * connection has deadlines of its own: handshake 5 s, request 10 s, reply 10 s, idle 60 s.
 */

#include "kms/core.h"

#include <stdint.h>

struct kms_server_opts {
    struct kms_core *core; /**< borrowed */
    const char *address;   /**< numeric, for example "127.0.0.1" or "::1" */
    uint16_t port;         /**< 0 = any */
    const char *ca_file;   /**< PEM: whose client certificates are taken */
    const char *certificate_file;
    const char *key_file;                /**< 0600 */
    int stop_fd;                         /**< readable = stop gracefully; -1 = none; borrowed */
    int64_t max_connections;             /**< 0 = 256 */
    int64_t max_connections_per_address; /**< 0 = 64 */
    int64_t handshake_ms, request_ms, idle_ms; /**< 0 = the defaults above */
};

struct kms_server;

/** Listen. BASE_OK; BASE_E_ARG (address); BASE_E_CONFIG (certificate, key); BASE_E_IO (bind). */
BASE_MUST_CHECK
enum base_status kms_server_open(
    const struct kms_server_opts *opts, struct kms_server **ret_server, struct base_err *err);
uint16_t kms_server_port(const struct kms_server *server);
/** Serve until stop_fd becomes readable; requests under way are finished, for at most 5 s. */
BASE_MUST_CHECK
enum base_status kms_server_run(struct kms_server *server, struct base_err *err);
/** Close; accepts NULL. */
void kms_server_close(struct kms_server *server);

#endif
