/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_UNIT_H
#define LPA_UNIT_H

/**
 * @file
 * What a station remembers of one unit in one lot: the row of the journal. No key, no envelope, no
 * code and no token is part of it: a grant is idempotent, so the envelope can be asked for again.
 */

#include "auth/kms_client.h"
#include "device-fw/protocol/layout.h"

#include <stdbool.h>
#include <stdint.h>

#define LPA_SITE_SIZE       128
#define LPA_PROBE_TEXT_SIZE 64
#define LPA_PERMIT_ID_SIZE  40
#define LPA_RECORD_MAX      2048U /**< bytes of a signed record */

/** Which probe stood between station and chip, as the probe itself tells it; printable ASCII, empty
 * where it tells nothing. */
struct lpa_probe {
    char vendor[LPA_PROBE_TEXT_SIZE];
    char product[LPA_PROBE_TEXT_SIZE];
    char serial[LPA_PROBE_TEXT_SIZE];
    char firmware[LPA_PROBE_TEXT_SIZE];
};

struct prg_probe_info;

/** What an open probe tells of itself; USB's serial number stands in for one it does not tell. */
void lpa_probe_of(const struct prg_probe_info *info, struct lpa_probe *ret_probe);

/** The furthest state a unit is known to have reached. Values are stored: append only. */
enum lpa_state {
    LPA_STATE_BLANK = 0,
    LPA_STATE_PROGRAMMED = 1,
    LPA_STATE_REHEARSED = 2,
    LPA_STATE_RESTRICTED = 3,
    LPA_STATE_IDENTIFIED = 4,
    LPA_STATE_PERSONALISED = 5,
    LPA_STATE_GRANTED = 6,
    LPA_STATE_INSTALLED = 7,
    LPA_STATE_CONFIRMED = 8,
    LPA_STATE_LOCKED = 9,
    LPA_STATE_SCRAPPED = 10,
    LPA_STATE_ZEROISED = 11,
    LPA_STATE_WIPED = 12,     /**< scrapped, and the board's keys are gone */
    LPA_STATE_FORGOTTEN = 13, /**< and its identity too */
};

/** One row of the step table. Values are stored: append only. */
enum lpa_step_id {
    LPA_STEP_NONE = 0,
    LPA_STEP_EXAMINE = 1,
    LPA_STEP_BOOT = 2,
    LPA_STEP_RECEIPT = 3,
    LPA_STEP_CONFIRM = 4,
    LPA_STEP_ADMIT = 5,
    LPA_STEP_PROGRAM = 6,
    LPA_STEP_REHEARSE = 7,
    LPA_STEP_RESTRICT = 8,
    LPA_STEP_IDENTIFY = 9,
    LPA_STEP_REGISTER = 10,
    LPA_STEP_GRANT = 11,
    LPA_STEP_INSTALL = 12,
    LPA_STEP_LOCK = 13,
    LPA_STEP_FINISH = 14,
    LPA_STEP_SEAL = 15,   /**< the last fuse */
    LPA_STEP_PROVE = 16,  /**< the locked port, from outside */
    LPA_STEP_REPORT = 17, /**< the lock answer to the KMS */
    LPA_STEP_SELF_TEST = 18,
    LPA_STEP_APPLICATION = 19, /**< the CM4's image */
    LPA_STEP_WIPE = 20,        /**< a scrapped board loses its keys */
    LPA_STEP_FORGET = 21,      /**< and then its identity */
};

/** How far the lock of a unit is known to be. Values are stored: append only. */
enum lpa_lock {
    LPA_LOCK_NONE = 0,
    LPA_LOCK_BEGUN = 1,    /**< the command may have been carried out: "lock unknown" */
    LPA_LOCK_ANSWERED = 2, /**< the device's answer is in the journal, and owed to the KMS */
    LPA_LOCK_PROVEN = 3,   /**< and after its reset the port was seen closed */
    LPA_LOCK_REPORTED = 4, /**< answered and handed in, but the port was not seen closed */
    LPA_LOCK_DONE = 5,     /**< proven and handed in */
    LPA_LOCK_SETTLED = 6,  /**< the answer is lost; a person settled it by label and permit */
};

enum lpa_phase {
    LPA_PHASE_DO = 1,   /**< written before the step acts */
    LPA_PHASE_DONE = 2, /**< written after its check */
};

/** How the last job on the unit ended. Values are stored: append only. */
enum lpa_result {
    LPA_RESULT_NONE = 0, /**< at work, or interrupted */
    LPA_RESULT_PASS = 1,
    LPA_RESULT_FAIL = 2,    /**< the unit is bad */
    LPA_RESULT_ERROR = 3,   /**< station, server or link: says nothing about the unit */
    LPA_RESULT_UNKNOWN = 4, /**< a request may or may not have been carried out */
};

struct lpa_unit {
    char lot[AUTH_ID_SIZE];
    uint8_t chip_id[PROTO_CHIP_ID_SIZE];
    uint32_t attempt; /**< jobs begun on this unit in this lot, the present one included */
    enum lpa_state state;
    enum lpa_step_id step;
    enum lpa_phase phase;
    enum lpa_result result;
    bool permanent;                          /**< a further attempt cannot help */
    char code[48];                           /**< stable code of the failure; empty where none */
    char message[BASE_ERR_MESSAGE_SIZE];     /**< sentence of the failure */
    char site[LPA_SITE_SIZE];                /**< probe URL */
    struct lpa_probe probe;                  /**< the one of the last attempt */
    char grant_id[AUTH_GRANT_ID_SIZE];       /**< empty where there is no grant */
    uint8_t dev_eui[PROTO_EUI_SIZE];         /**< zeros until granted */
    uint32_t key_version;                    /**< 0 until granted */
    uint8_t statement[PROTO_STATEMENT_SIZE]; /**< public; the intent of the last grant request */
    size_t statement_length;                 /**< 0 or PROTO_STATEMENT_SIZE */
    uint8_t receipt[PROTO_RECEIPT_SIZE];     /**< owed to the KMS while state is INSTALLED */
    size_t receipt_length;                   /**< 0 or PROTO_RECEIPT_SIZE */
    char permit_id[LPA_PERMIT_ID_SIZE];      /**< of the last irreversible act; empty where none */
    char record[LPA_RECORD_MAX]; /**< signed record of what was read before the last fuse */
    size_t record_length;        /**< 0: none was made here */
    enum lpa_lock lock;
    uint8_t lock_answer[PROTO_LOCK_ANSWER_SIZE];
    size_t lock_answer_length;                /**< 0 or PROTO_LOCK_ANSWER_SIZE */
    int64_t started_wall_us, updated_wall_us; /**< station time */
};

/** Static text such as "confirmed"; "unknown" outside the list. */
const char *lpa_state_name(enum lpa_state state);
const char *lpa_step_name(enum lpa_step_id step);
/** Such as "answered"; "unknown" is the name of BEGUN, which is what it means. */
const char *lpa_lock_name(enum lpa_lock lock);
/** "PASS", "FAIL", "ERROR", "UNKNOWN", "-". */
const char *lpa_result_name(enum lpa_result result);

#endif
