/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HTTP_H
#define AUTH_HTTP_H

/**
 * @file
 * HTTPS to one server: TLS 1.3 only, one private CA (never the system's), client certificate,
 * absolute deadlines, bounded bodies. No redirects, no proxies, no protocol but HTTPS.
 */

#include "base/buf.h"
#include "base/log.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define AUTH_HTTP_BODY_MAX (64U * 1024U)

struct auth_http_opts {
    const char *url;              /**< https://host:port without a path; borrowed during open */
    const char *ca_file;          /**< PEM */
    const char *certificate_file; /**< PEM */
    const char *key_file;         /**< PEM, mode 0600 */
    int64_t connect_timeout_ms;   /**< TCP and TLS */
    int64_t request_timeout_ms;   /**< whole call */
    const struct base_log *log;   /**< may be NULL */
};

struct auth_http;

/** BASE_OK; BASE_E_ARG (URL); BASE_E_CONFIG or NOTFOUND (files); BASE_E_NOMEM. Does not connect. */
BASE_MUST_CHECK
enum base_status auth_http_open(
    const struct auth_http_opts *opts, struct auth_http **ret_http, struct base_err *err);
void auth_http_close(struct auth_http *http);

enum auth_http_method {
    AUTH_HTTP_GET,
    AUTH_HTTP_POST,
    AUTH_HTTP_DELETE,
};

/** One call; everything borrowed. */
struct auth_http_call {
    enum auth_http_method method;
    const char *path;                 /**< from the first slash on, with query */
    const struct base_secret *bearer; /**< token; NULL for none */
    const void *body;                 /**< JSON; NULL for none */
    size_t body_length;
};

/**
 * Make one call.
 *
 * @param body         receives the answer's body (cleared first; max_bytes is the limit)
 * @param[out] ret_status  HTTP status, also where it is an error status
 *
 * @return BASE_OK for any complete answer
 *         BASE_E_REMOTE code "unreachable": nothing was sent; code "unknown": cut off after the
 *                       request may have been sent
 *         BASE_E_DENIED code "certificate": the server refused our certificate in the handshake
 */
BASE_MUST_CHECK
enum base_status auth_http_run(struct auth_http *http, const struct auth_http_call *call,
    struct base_buf *body, int *ret_status, struct base_err *err);

#endif
