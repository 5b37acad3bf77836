/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPA_EVENT_H
#define LPA_EVENT_H

/**
 * @file
 * One record of the audit log before it is written: the facts, borrowed, without time, sequence
 * number, chain or actor, which the log adds itself. The format is man lpa-log(5). There is no
 * field for a key, an envelope, a code or a token.
 */

#include <stddef.h>
#include <stdint.h>

#include "lpa/unit.h"

/** Every event the station writes; an event outside this list is refused by writer and verifier. */
#define LPA_EVENT_LIST(X)                                                                          \
    X(STATION_START, "station.start")                                                              \
    X(STATION_STOP, "station.stop")                                                                \
    X(STATION_ENROL, "station.enrol")                                                              \
    X(AUTH_OK, "auth.ok")                                                                          \
    X(AUTH_FAIL, "auth.fail")                                                                      \
    X(AUTH_END, "auth.end")                                                                        \
    X(DEVICE_DETECT, "device.detect")                                                              \
    X(DEVICE_IDENTIFY, "device.identify")                                                          \
    X(DEVICE_REFUSE, "device.refuse")                                                              \
    X(DEVICE_REGISTER, "device.register")                                                          \
    X(FW_PROGRAM, "fw.program")                                                                    \
    X(FW_VERIFY, "fw.verify")                                                                      \
    X(KEY_REQUEST, "key.request")                                                                  \
    X(KEY_ISSUED, "key.issued")                                                                    \
    X(KEY_REFUSED, "key.refused")                                                                  \
    X(KEY_UNKNOWN, "key.unknown")                                                                  \
    X(KEY_RECONCILED, "key.reconciled")                                                            \
    X(INSTALL_BEGIN, "key.install.begin")                                                          \
    X(INSTALL_COMMIT, "key.install.commit")                                                        \
    X(INSTALL_CONFIRM, "key.install.confirm")                                                      \
    X(INSTALL_FAIL, "key.install.fail")                                                            \
    X(SELF_TEST, "device.selftest")                                                                \
    X(UNIT_RESULT, "unit.result")                                                                  \
    X(REHEARSE, "rehearse")                                                                        \
    X(FUSE_PLAN, "fuse.plan")                                                                      \
    X(FUSE_BLOW, "fuse.blow")                                                                      \
    X(RESTRICT, "restrict")                                                                        \
    X(LOCK_BEGIN, "lock.begin")                                                                    \
    X(LOCK_DONE, "lock.done")                                                                      \
    X(LOCK_UNKNOWN, "lock.unknown")                                                                \
    X(REWORK, "rework")                                                                            \
    X(ZEROISE, "zeroise")                                                                          \
    X(SCRAP, "scrap")                                                                              \
    X(LOG_GAP, "log.gap")                                                                          \
    X(FAULT, "fault")

enum lpa_event_id {
#define X(name, text) LPA_EVENT_##name,
    LPA_EVENT_LIST(X)
#undef X
    LPA_EVENT_COUNT
};

/** Stable name, for example "key.request"; NULL outside the list. */
const char *lpa_event_name(enum lpa_event_id id);

/** The facts of one event; everything optional is NULL, 0 or an empty string. */
struct lpa_event {
    enum lpa_event_id id;
    const char *result; /**< "ok", "fail", "unknown" or NULL */
    const char *code;   /**< stable code of a failure */
    const char *step;   /**< job step */
    const char *why;    /**< reason code given by a person */
    const char *text;   /**< one sentence, at most 512 bytes */
    const char *lot;    /**< lot id */
    uint32_t attempt;   /**< 0 = none */
    const char *site;   /**< probe URL */
    const struct lpa_probe *probe;
    const char *lifecycle;
    const char *trust;                 /**< "tofu", "manifest", "attested" */
    const char *grant_id;              /**< 32 hex digits */
    const char *permit_id;             /**< what allows an irreversible act */
    const uint8_t *chip_id;            /**< 8 bytes */
    const uint8_t *dev_eui;            /**< 8 bytes */
    const uint8_t *join_eui;           /**< 8 bytes */
    const uint8_t *public_key_sha256;  /**< 32 bytes */
    const uint8_t *image_sha256;       /**< 32 bytes: bootloader as the device states it */
    const uint8_t *application_sha256; /**< 32 bytes: application image, as the lot names it */
    const uint8_t *statement_sha256;   /**< 32 bytes: what a grant is asked for */
    const uint8_t *envelope_sha256;    /**< 32 bytes */
    const uint8_t *receipt_sha256;     /**< 32 bytes */
    const uint8_t *record_sha256;      /**< 32 bytes: signed record, as registered */
    uint32_t bootloader_version;
    uint32_t key_version; /**< 0 = none */
};

#endif
