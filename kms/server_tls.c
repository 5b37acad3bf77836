/* SPDX-License-Identifier: Apache-2.0 */
#include "kms/server_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/private_key.h"

static enum base_status failed(const char *what, const char *path, struct base_err *err)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return base_err_set(err, BASE_E_CONFIG, "OpenSSL", (int64_t)code, "cannot %s %s: %s", what,
        path, reason != NULL ? reason : "no reason given");
}

static enum base_status use_key(SSL_CTX *tls, const char *path, struct base_err *err)
{
    EVP_PKEY *key = NULL;
    enum base_status status = base_private_key_load(path, &key, err);
    if (status != BASE_OK) {
        return status;
    }
    if (SSL_CTX_use_PrivateKey(tls, key) != 1 || SSL_CTX_check_private_key(tls) != 1) {
        status = failed("use the server key", path, err);
    }
    EVP_PKEY_free(key);
    return status;
}

static enum base_status configure(
    SSL_CTX *tls, const struct kms_server_opts *opts, struct base_err *err)
{
    static const unsigned char context[] = "lpa-kms";
    if (SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_session_id_context(tls, context, sizeof(context) - 1) != 1 ||
        SSL_CTX_set_num_tickets(tls, 1) != 1 || SSL_CTX_set_max_early_data(tls, 0) != 1) {
        return failed("set up", "TLS 1.3", err);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(tls, 1);
    if (SSL_CTX_use_certificate_chain_file(tls, opts->certificate_file) != 1) {
        return failed("use the server certificate", opts->certificate_file, err);
    }
    if (SSL_CTX_load_verify_locations(tls, opts->ca_file, NULL) != 1) {
        return failed("use the CA certificate", opts->ca_file, err);
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(opts->ca_file);
    if (names == NULL) {
        return failed("use the CA certificate", opts->ca_file, err);
    }
    SSL_CTX_set_client_CA_list(tls, names);
    return use_key(tls, opts->key_file, err);
}

enum base_status kms_server_tls(
    const struct kms_server_opts *opts, SSL_CTX **ret_tls, struct base_err *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) {
        return failed("set up", "TLS", err);
    }
    enum base_status status = configure(tls, opts, err);
    if (status != BASE_OK) {
        SSL_CTX_free(tls);
        return status;
    }
    *ret_tls = tls;
    return BASE_OK;
}

bool kms_server_peer_sha256(const SSL *ssl, uint8_t ret_sha256[32])
{
    unsigned length = 0;
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    return certificate != NULL &&
           X509_digest(certificate, EVP_sha256(), ret_sha256, &length) == 1 && length == 32;
}

enum base_status kms_server_address(const char *text, uint16_t port,
    struct sockaddr_storage *ret_address, socklen_t *ret_length, struct base_err *err)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *ret_length = sizeof(*v4);
        return BASE_OK;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        *ret_length = sizeof(*v6);
        return BASE_OK;
    }
    return base_err_set(err, BASE_E_ARG, "KMS", 0,
        "\"%.60s\" is no numeric address such as 127.0.0.1 or ::1", text);
}
