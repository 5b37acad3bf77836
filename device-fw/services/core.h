/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SVC_CORE_H
#define SVC_CORE_H

/**
 * @file
 * The key services behind the gate: root keys, session keys and counters go in and never out. A
 * counter value is written to the vault, in steps, before it is used.
 */

#include "device-fw/bootloader/device.h"
#include "device-fw/services/message.h"
#include "device-fw/services/part.h"

struct svc {
    struct bl_device *device; /**< borrowed */
    struct svc_part part;     /**< as it lies in the vault */
    uint32_t next[SVC_COUNTERS];
    bool fresh[2];        /**< by SVC_NFCNT_DOWN and SVC_AFCNT_DOWN: next - 1 was just verified */
    bool sent;            /**< the uplink next - 1 has its MIC, and sent_hash is its message's */
    bool is_request_open; /**< a join- or rejoin-request waits for its accept */
    uint8_t request_type; /**< SVC_JOIN_TYPE, 0, 1, 2 */
    uint8_t refusals;     /**< join-accepts that did not fit the open request */
    uint16_t request_nonce;
    uint8_t sent_hash[PROTO_HASH_SIZE];
    uint8_t work[SVC_BLOCK_SIZE + SVC_FRAME_MAX]; /**< block and message, for one CMAC */
};

struct svc_answer {
    uint8_t payload[SVC_PAYLOAD_MAX];
    size_t length;
};

/** Read the services' part of the vault. What was in memory is forgotten: no request is open. */
void svc_start(struct svc *svc, struct bl_device *device);

/** May the operation write the vault, so that nobody else may use flash meanwhile? */
bool svc_may_write(uint32_t operation);

/**
 * Do one operation of the closed list.
 *
 * @param request     the gate's own copy of the payload
 * @param ret_answer  length 0 unless SVC_OK, or SVC_STATUS_DEVICE with PROTO_OK or PROTO_ALREADY
 * @return enum svc_status, or SVC_STATUS_DEVICE | enum proto_status
 */
uint32_t svc_execute(struct svc *svc, uint32_t operation, const uint8_t *request, size_t length,
    struct svc_answer *ret_answer);

/* ---- for the files of this folder ---- */

/** Root keys are there to be used. */
bool svc_has_keys(const struct svc *svc);

/** Write the part to the vault. SVC_FLASH_FAILED: everything is as flash has it. */
enum svc_status svc_store(struct svc *svc, const struct svc_part *part);

/** The same for a new session: its counters start from 0. */
enum svc_status svc_store_session(struct svc *svc, struct svc_part *part);

/** Have @p value of a counter written as used, before it is. SVC_EXHAUSTED, SVC_FLASH_FAILED. */
enum svc_status svc_reserve(struct svc *svc, enum svc_counter counter, uint32_t value);

/* join.c */
uint32_t svc_join_request(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);
uint32_t svc_join_accept(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);
uint32_t svc_rejoin(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);
/* data.c */
uint32_t svc_uplink_mic(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);
uint32_t svc_downlink_verify(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);
uint32_t svc_crypt_payload(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);
uint32_t svc_crypt_fopts(
    struct svc *svc, const uint8_t *request, size_t length, struct svc_answer *ret_answer);

#endif
