/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_JOURNAL_ROW_H
#define LPA_JOURNAL_ROW_H

/** @file Private to lpa/journal*.c: a unit as the columns of a row. */

#include "lpa/unit.h"

#include <sqlite3.h>

#define LPA_JOURNAL_COLUMNS                                                                        \
    "lot,chip,attempt,state,step,phase,result,permanent,code,message,site,grant_id,dev_eui,"       \
    "key_version,statement,receipt,started_us,updated_us,probe_vendor,probe_product,"              \
    "probe_serial,probe_firmware,permit,record,lock,lock_answer"

/** Bind every column in the order of LPA_JOURNAL_COLUMNS; @p unit is borrowed until the step. */
void lpa_journal_bind(sqlite3_stmt *stmt, const struct lpa_unit *unit);

/** False for a row with values outside their limits; then nothing is written. */
bool lpa_journal_take(sqlite3_stmt *stmt, struct lpa_unit *ret_unit);

#endif
