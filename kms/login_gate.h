/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_LOGIN_GATE_H
#define KMS_LOGIN_GATE_H

/**
 * @file
 * Lock-out after wrong codes. A name that no tester has is counted, locked out and forgotten as
 * one that a tester has, so that answers do not tell names apart. What a station's failures can
 * make the store remember is bounded, because the station itself is locked out after so many.
 */

#include "kms/call.h"

/** Counts as they stood before this login. */
struct kms_login_gate {
    const char *name; /**< that somebody gave; borrowed */
    struct kms_login_count tester, station;
};

/** Read the counts. Refuses with "locked_out" where name or station have failed too often. */
BASE_MUST_CHECK
enum base_status kms_login_gate_pass(
    struct kms_call *call, const char *name, struct kms_login_gate *ret_gate, struct base_err *err);

/** Count one failure for name and station. The caller commits and answers. */
BASE_MUST_CHECK
enum base_status kms_login_gate_failed(
    struct kms_call *call, struct kms_login_gate *gate, struct base_err *err);

/** The name's failures are forgotten; the station's are not. */
BASE_MUST_CHECK
enum base_status kms_login_gate_succeeded(
    struct kms_call *call, const struct kms_login_gate *gate, struct base_err *err);

#endif
