/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_CORE_H
#define KMS_CORE_H

/**
 * @file
 * The KMS as a function from request to response (kms/openapi.yaml). Store, clock (the store's),
 * randomness and keys are injected; nothing is kept between requests that another node of the same
 * database would miss, metrics apart. One transaction per request.
 */

#include "base/buf.h"
#include "base/log.h"
#include "base/random.h"
#include "kms/keystore.h"
#include "kms/store.h"

#include <stddef.h>
#include <stdint.h>

#define KMS_BODY_MAX (64U * 1024U) /**< bytes of a request or response body */

struct kms_policy {
    bool development;        /**< lifts the rule on lab flags; everything says so */
    int64_t session_idle_us; /**< 0 = 30 minutes */
    int64_t session_max_us;  /**< 0 = 12 hours: a shift */
};

struct kms_metrics {
    uint64_t requests[6]; /**< by first digit of the HTTP status; [0] unused */
    uint64_t logins, logins_refused;
    uint64_t grants, grants_repeated, grants_refused;
    uint64_t confirmed, scrapped, cosigned;
};

struct kms_core {
    struct kms_store *store;          /**< borrowed */
    struct kms_keystore *keys;        /**< borrowed */
    const struct base_random *random; /**< borrowed */
    const struct base_log *log;       /**< may be NULL; never gets a body, token or code */
    struct kms_policy policy;
    struct kms_metrics metrics;
    /* A secret that nobody has, against which the codes of unknown names are checked, so that they
     * take as long as others; made at the first login. */
    bool have_decoy;
    uint8_t decoy_wrapped[KMS_TOTP_WRAPPED];
};

enum kms_method {
    KMS_GET = 1,
    KMS_POST = 2,
    KMS_DELETE = 3,
};

/** Everything is borrowed and hostile, the certificate's hash apart: TLS has verified it. */
struct kms_request {
    enum kms_method method;
    const char *path;  /**< from the first slash, without query */
    const char *query; /**< after the question mark; NULL when there is none */
    const char *token; /**< value after "Bearer "; NULL when there is none */
    const uint8_t *body;
    size_t body_length;
    uint8_t certificate_sha256[32]; /**< of the peer's certificate in DER */
};

struct kms_response {
    int status; /**< HTTP status */
    const char *content_type;
    struct base_buf body;
    const char *code;      /**< stable code of a problem; NULL on success */
    int64_t retry_after_s; /**< sense of Retry-After (RFC 9110 §10.2.3); 0 = not said */
};

void kms_response_init(struct kms_response *response);
void kms_response_done(struct kms_response *response);

/** Answer one request. Always fills the response; failures inside become 500 or 503. */
void kms_core_handle(
    struct kms_core *core, const struct kms_request *request, struct kms_response *response);

#endif
