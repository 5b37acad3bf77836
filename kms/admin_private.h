/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_ADMIN_PRIVATE_H
#define KMS_ADMIN_PRIVATE_H

/** @file What the kms/admin*.c files share. */

#include "kms/admin.h"

/** Note what the operator did. */
BASE_MUST_CHECK
enum base_status kms_admin_event(struct kms_home *home, const char *kind, const char *lot,
    const char *subject, struct base_err *err);

/** End a transaction as its outcome demands. */
BASE_MUST_CHECK
enum base_status kms_admin_end(
    struct kms_home *home, enum base_status status, struct base_err *err);

/** BASE_E_ARG with the rule, for a name that is not one. */
BASE_MUST_CHECK
enum base_status kms_admin_check_id(const char *text, const char *what, struct base_err *err);

#endif
