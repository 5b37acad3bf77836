/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_KMS_POOL_H
#define LPA_KMS_POOL_H

/**
 * @file
 * Clients of one KMS, shared by the sites of a run. A client belongs to one thread at a time, as
 * auth/kms_client.h demands: it is taken for one call and given back. The one given back last is
 * taken first, and a call rather waits a moment for one than opens another, so that few
 * connections are open and few handshakes made. Safe for use by many threads.
 */

#include "auth/kms_client.h"

/** Milliseconds: a call of a near KMS is over by then; a far one gets as many clients as it needs.
 */
#define LPA_KMS_POOL_WAIT_MS 20

struct lpa_kms_pool;

/** Makes another client; called without any lock held, by the thread that wants one. */
typedef enum base_status lpa_kms_open_fn(
    void *user, struct auth_kms **ret_kms, struct base_err *err);

/**
 * Make a pool.
 *
 * @param first  client to begin with; stays the caller's, who must not use it while the pool lives;
 *               NULL for none
 * @param open   called when all clients are taken
 * @return BASE_OK, BASE_E_NOMEM, BASE_E_INTERNAL
 */
BASE_MUST_CHECK
enum base_status lpa_kms_pool_new(struct auth_kms *first, lpa_kms_open_fn *open, void *user,
    struct lpa_kms_pool **ret_pool, struct base_err *err);

/** Close all clients but the first. None may be taken. Accepts NULL. */
void lpa_kms_pool_free(struct lpa_kms_pool *pool);

/** Take a client for one call. When all are taken, waits up to LPA_KMS_POOL_WAIT_MS before it opens
 * another. BASE_OK, or what @p open said. */
BASE_MUST_CHECK
enum base_status lpa_kms_pool_take(
    struct lpa_kms_pool *pool, struct auth_kms **ret_kms, struct base_err *err);

/** Give it back, also after a call that failed. Accepts NULL. */
void lpa_kms_pool_give(struct lpa_kms_pool *pool, struct auth_kms *kms);

#endif
