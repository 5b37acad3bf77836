/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_LINK_H
#define LPA_LINK_H

/** @file The real KMS and the real log behind the job engine's interfaces. One object per thread.
 */

#include "lpa/audit.h"
#include "lpa/job.h"
#include "lpa/kms_pool.h"

struct lpa_link {
    struct lpa_kms_pool *pool;          /**< shared: a client is taken for each call */
    const struct auth_session *session; /**< shared, read only; NULL where only the certificate is
                                           needed */
    const struct auth_lot *lot; /**< shared, read only; for settling only its id is needed */
    struct lpa_audit *audit;    /**< shared */
    /* For lots that restrict or lock; shared, read only. */
    const struct lpa_local *local;         /**< files that permits are compared with */
    const char *kms_vkey;                  /**< the KMS's log key, which signs permits */
    const struct base_note_signer *signer; /**< the station's log key, which signs records */
    const char *station;                   /**< name */
    const struct base_clock *clock;
};

/** For struct lpa_job_io; `user` is the link. */
extern const struct lpa_kms_ops lpa_link_kms_ops;
extern const struct lpa_log_ops lpa_link_log_ops;

/** Fetch the permit for one chip, or for all of the lot's where @p chip_id is NULL, verify it, and
 * mint the programmer's. */
BASE_MUST_CHECK
enum base_status lpa_link_permit(const struct lpa_link *link, struct auth_kms *kms,
    const uint8_t *chip_id, struct lpa_permit *ret_permit, struct base_err *err);

/** lpa_witness_fn; `user` is the client. */
BASE_MUST_CHECK
enum base_status lpa_link_witness(void *user, uint64_t old_size, const uint8_t (*proof)[32],
    size_t proof_count, const char *checkpoint, enum auth_witness *ret_witness, uint64_t *ret_size,
    char *ret_cosignature, struct base_err *err);

#endif
