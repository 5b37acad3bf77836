/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KMS_SIGNED_H
#define KMS_SIGNED_H

/** @file What the KMS signs: a title line and a line of canonical JSON, as a note of its log key.
 */

#include "base/json.h"
#include "kms/keystore.h"

/** Append the note to @p note: "lpa lot v1", "lpa grant v1", "lpa permit v1". */
BASE_MUST_CHECK
enum base_status kms_sign_json(struct kms_keystore *keys, const char *title, const json_t *object,
    int64_t now_us, struct base_buf *note, struct base_err *err);

#endif
