/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_SERVER_TLS_H
#define KMS_SERVER_TLS_H

/** @file TLS and address parts of kms/server.c. */

#include <sys/socket.h>

#include <openssl/ssl.h>

#include "kms/server.h"

/** Context: TLS 1.3 only, client certificate required, private CA only, no early data. */
BASE_MUST_CHECK
enum base_status kms_server_tls(
    const struct kms_server_opts *opts, SSL_CTX **ret_tls, struct base_err *err);

/** SHA-256 of the peer's certificate in DER; false when there is none. */
bool kms_server_peer_sha256(const SSL *ssl, uint8_t ret_sha256[32]);

/** Numeric address to socket address. BASE_E_ARG. */
BASE_MUST_CHECK
enum base_status kms_server_address(const char *text, uint16_t port,
    struct sockaddr_storage *ret_address, socklen_t *ret_length, struct base_err *err);

#endif
