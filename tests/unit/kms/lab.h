/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_KMS_LAB_H
#define TESTS_UNIT_KMS_LAB_H

/**
 * @file
 * A KMS in a temporary folder with a clock that the test moves, stations with audit logs, testers,
 * and devices that make statements and open envelopes. Everything asserts.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/merkle.h"
#include "base/p256.h"
#include "device-fw/protocol/messages.h"
#include "kms/admin.h"
#include "kms/home.h"
#include "kms/rows.h"

#define LAB_SECOND INT64_C(1000000)
#define LAB_MINUTE (60 * LAB_SECOND)
#define LAB_HOUR   (60 * LAB_MINUTE)

struct lab {
    char dir[64];
    int64_t now_us;
    struct base_clock clock;
    struct kms_home home;
    struct kms_core core;
};

void lab_open(struct lab *lab);
/** With another time than the lab's usual one: TLS checks certificates by the machine's clock. */
void lab_open_at(struct lab *lab, int64_t now_us);
void lab_close(struct lab *lab);

struct lab_tester {
    const char *name;
    uint8_t secret[20];
};

void lab_add_tester(
    struct lab *lab, struct lab_tester *tester, const char *name, enum kms_role role);
/** The tester's code @p offset_s away from the lab's clock. */
void lab_code(
    const struct lab *lab, const struct lab_tester *tester, int64_t offset_s, char ret_code[7]);

struct lab_station {
    const char *name;
    uint8_t certificate_sha256[32];
    struct base_note_key key;
    struct base_merkle_tree tree;
    uint64_t cosigned; /**< size that the KMS cosigned last */
    char cosignature[512];
    char token[64]; /**< of the session at this station; "" = none */
};

void lab_add_station(
    struct lab *lab, struct lab_station *station, const char *name, enum kms_role role);
void lab_station_done(struct lab_station *station);

/**
 * One request; @p body JSON or NULL. Returns the HTTP status; the parsed answer (NULL for an empty
 * one) through @p ret_answer where that is not NULL.
 */
int lab_call(struct lab *lab, struct lab_station *station, enum kms_method method, const char *path,
    const char *body, json_t **ret_answer);
/** lab_call() that must be refused with this status and code. */
void lab_refused(struct lab *lab, struct lab_station *station, enum kms_method method,
    const char *path, const char *body, int http_status, const char *code);

/** Log in with the code of now; moves the clock on until that code is fresh. */
void lab_login(struct lab *lab, struct lab_station *station, struct lab_tester *tester);
/** Body of a login. */
void lab_login_body(const char *tester, const char *code, bool unattended, char ret_body[256]);

/** A lot of 1.0.4 with image hash 0x11…; DevEUIs from 0x70b3d57ed0010000 + 0x1000 * n. */
struct kms_lot lab_lot(const struct lab *lab, const char *id, enum kms_trust trust, unsigned n);
void lab_add_lot(struct lab *lab, const struct kms_lot *lot);

struct lab_device {
    struct base_p256 *key;
    struct proto_statement statement;    /**< as it will be encoded */
    uint8_t receipt_key[PROTO_MAC_SIZE]; /**< of the envelope that was opened last */
};

void lab_device_open(struct lab *lab, struct lab_device *device, uint64_t chip_id);
void lab_device_done(struct lab_device *device);
/** Encode and MAC the statement with the device's key. */
void lab_statement(
    struct lab *lab, struct lab_device *device, uint8_t ret_bytes[PROTO_STATEMENT_SIZE]);
/** Open an envelope as the device would; gives roots (NwkKey, AppKey) and the receipt's bytes. */
void lab_open_envelope(struct lab *lab, struct lab_device *device, const uint8_t *envelope,
    uint8_t ret_roots[PROTO_ENVELOPE_PLAIN_SIZE], uint8_t ret_receipt[PROTO_RECEIPT_SIZE]);

/** The lock answer of a device whose last receipt was @p receipt. */
void lab_lock_answer(const struct lab_device *device, const uint8_t receipt[PROTO_RECEIPT_SIZE],
    uint8_t ret_answer[PROTO_LOCK_ANSWER_SIZE]);
/** What a device does once an envelope is committed: another nonce, a counter that rose. */
void lab_device_advance(struct lab_device *device, uint8_t vault_state, uint32_t key_version);

/** MAC the answer's body anew with the device's key. */
void lab_lock_mac(const struct lab_device *device, uint8_t answer[PROTO_LOCK_ANSWER_SIZE]);
/** MAC the receipt's body anew with the device's key. */
void lab_receipt_mac(const struct lab_device *device, uint8_t receipt[PROTO_RECEIPT_SIZE]);

/** What the station says in its log about a request. */
struct lab_intent {
    const char *event, *lot;
    int64_t sequence_offset; /**< added to the true index in the record */
    bool skip_cosign;
};

/** Append an intent for the statement and have it cosigned; JSON text of the API's "intent". */
void lab_make_intent(struct lab *lab, struct lab_station *station, const struct lab_intent *intent,
    const uint8_t *statement, char *ret_json, size_t size);
/** Body of a grant request with a proper intent. */
void lab_grant_body(struct lab *lab, struct lab_station *station, const char *lot,
    const uint8_t *statement, char *ret_body, size_t size);
/** Ask for a grant with all that is due; expects @p http_status, gives the answer. */
json_t *lab_ask(struct lab *lab, struct lab_station *station, const char *lot,
    struct lab_device *device, int http_status);
/** The same, expecting a refusal with this code. */
void lab_ask_refused(struct lab *lab, struct lab_station *station, const char *lot,
    struct lab_device *device, int http_status, const char *code);
/** The envelope of an answered grant. */
void lab_get_envelope(const json_t *grant, uint8_t ret_envelope[PROTO_ENVELOPE_SIZE]);
/** That and lab_open_envelope(). */
void lab_open_grant(struct lab *lab, struct lab_device *device, const json_t *grant,
    uint8_t ret_roots[PROTO_ENVELOPE_PLAIN_SIZE], uint8_t ret_receipt[PROTO_RECEIPT_SIZE]);
/** Path and body of handing in a receipt. */
int lab_hand_in(struct lab *lab, struct lab_station *station, const char *grant_id,
    const uint8_t *receipt, size_t length, json_t **ret_answer);

/** Path and body of handing in a lock answer. */
int lab_lock(struct lab *lab, struct lab_station *station, const char *grant_id,
    const uint8_t *answer, size_t length, json_t **ret_answer);
/** An answered grant carried out: envelope opened, receipt handed in, expecting 200. */
void lab_confirm(struct lab *lab, struct lab_station *station, struct lab_device *device,
    const json_t *grant, uint8_t ret_receipt[PROTO_RECEIPT_SIZE]);
/** Scrap a grant, expecting 200. */
void lab_scrap(struct lab *lab, struct lab_station *station, const char *grant_id);
/** A permit for an hour; @p chip_id NULL: for all chips of the lot. */
struct kms_permit lab_permit(
    struct lab *lab, const char *lot, int64_t acts, const uint8_t *chip_id);
/** The unit's object as a station reads it. */
json_t *lab_unit(
    struct lab *lab, struct lab_station *station, const char *lot, const struct lab_device *device);

/** What most tests begin with: two stations of the line, a personaliser's room, a tester anna who
 * is logged in at the first, and the device 0x51A0000000C00001. */
void lab_open_line(struct lab *lab, struct lab_station *station, struct lab_station *other,
    struct lab_station *room, struct lab_tester *tester, struct lab_device *device);
void lab_close_line(struct lab *lab, struct lab_station *station, struct lab_station *other,
    struct lab_station *room, struct lab_device *device);

/** Text member of an answer. */
const char *lab_text(const json_t *answer, const char *name);

/* Pieces for tests of the witness. */
void lab_log_record(struct lab_station *station, const char *record);
void lab_checkpoint(struct lab_station *station, uint64_t size, char *ret_note, size_t note_size);
void lab_witness_body(struct lab_station *station, uint64_t old_size, uint64_t size, char *ret_body,
    size_t body_size);
void lab_cosign(struct lab *lab, struct lab_station *station);

#endif
