/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_ORDER_H
#define LPA_ORDER_H

/**
 * @file
 * An order of the KMS (rework, zeroise) for a board that speaks through its application alone: its
 * statement and its receipt come as bytes, the envelope goes as bytes.
 */

#include "lpa/job.h"

/**
 * Ask for the envelope. The intent is written first, as for any grant; the journal remembers what
 * was asked. The same statement gets the same envelope until its receipt is confirmed.
 *
 * @param job  fresh from lpa_job_init(); afterwards its grant holds the envelope
 * @return as auth_kms_grant(); BASE_E_DENIED code "order_done" when the KMS has that envelope's
 *         receipt already: the journal then says what the KMS says
 */
BASE_MUST_CHECK
enum base_status lpa_order_ask(
    struct lpa_job *job, const uint8_t statement[PROTO_STATEMENT_SIZE], struct base_err *err);

/**
 * Take the receipt: journal it as owed, then hand it in. Where the KMS refuses it for good the
 * journal's row is what it was before, so that the right receipt is still awaited.
 *
 * @param unit  the board's row; updated and journaled
 * @return as auth_kms_confirm(); BASE_E_PROTO code "receipt_bad"; BASE_E_VERIFY code
 *         "board_changed" (another chip's); BASE_E_DENIED code "receipt_old": of an envelope before
 *         the one that was asked for
 */
BASE_MUST_CHECK
enum base_status lpa_order_take_receipt(const struct lpa_job_io *io, struct lpa_unit *unit,
    const uint8_t bytes[PROTO_RECEIPT_SIZE], struct base_err *err);

/** What a person does after an order's failure; static text, never NULL. */
const char *lpa_order_next(const struct base_err *err);

#endif
