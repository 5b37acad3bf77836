/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LPAC_CLIENT_H
#define LPAC_CLIENT_H

/**
 * @file
 * The key services as functions, for the LoRaWAN stack on the CM4 (or on the CM0+ in a context of
 * its own). Handles and frames only: no function takes or gives a key. The text is man
 * lpa-services(7).
 *
 * The caller owns the message, one for all calls, in memory that the gate accepts; calls of two
 * threads need two messages or a lock. Every function returns a status of enum svc_status and
 * writes its results on SVC_OK only. Lengths are in bytes; the longest frame has SVC_FRAME_MAX, 255
 * (LoRaWAN's PHYPayload).
 *
 * Any of them: SVC_BAD_MESSAGE (the message lies where none may, or a length is out of range),
 * SVC_NOT_PARKED (the vault may have to be written and the CM4 does not keep off flash),
 * SVC_FLASH_FAILED (nothing of it counts). LoRaWAN but identity: SVC_NO_KEYS. What else each may
 * say stands there.
 */

#include "device-fw/client/port.h"

#include <stdbool.h>
#include <stddef.h>

struct lpac_identity {
    uint8_t dev_eui[PROTO_EUI_SIZE]; /**< most significant byte first, as all arrays here */
    uint8_t join_eui[PROTO_EUI_SIZE];
    uint8_t lorawan_version; /**< enum proto_lorawan */
    uint8_t vault_state;     /**< enum proto_vault_state */
    uint8_t session;         /**< 0 none, 1 = LoRaWAN 1.0, 2 = 1.1 */
    uint8_t dev_addr[4];
    uint32_t dev_nonce;  /**< that the next join-request will have; likewise below */
    uint32_t join_nonce; /**< of the last join-accept */
    uint32_t rj_count_0;
    uint32_t rj_count_1;
    uint32_t fcnt_up;
    uint32_t nfcnt_down; /**< FCntDown in LoRaWAN 1.0 */
    uint32_t afcnt_down;
    uint32_t key_version;
};

struct lpac_accepted {
    uint8_t dev_addr[4];
    uint8_t net_id[3];
    uint8_t dl_settings;
    uint8_t rx_delay;
    uint8_t minor_version;  /**< of LoRaWAN 1.x */
    uint8_t cf_list_length; /**< 0 or 16 */
    uint8_t cf_list[16];    /**< wire order */
};

/** What the MIC of an uplink covers besides the message. */
struct lpac_uplink {
    uint32_t fcnt;
    uint16_t conf_fcnt; /**< of the downlink that the frame acknowledges; else 0 */
    uint8_t data_rate;
    uint8_t channel;
};

/** What key stream a payload takes. */
struct lpac_crypt {
    bool down;
    uint8_t port; /**< 0 also for a frame without port */
    uint32_t fcnt;
    uint8_t first_block; /**< 0 unless the bytes begin later, at a multiple of 16 */
};

/** Needs no keys; what there is none of is zero. */
uint32_t lpac_identity(struct svc_message *message, struct lpac_identity *ret_identity);
/** Uses up a DevNonce. SVC_EXHAUSTED: there is none left (65,536 for a JoinEUI). */
uint32_t lpac_join_request(struct svc_message *message, uint8_t ret_frame[PROTO_JOIN_REQUEST_SIZE]);
/**
 * Begin the session that a join-accept, 17 or 33 bytes as they came, is for.
 *
 * @param type SVC_JOIN_TYPE, or that of the rejoin-request
 * @return also SVC_NO_REQUEST, or SVC_REFUSED: its MIC, JoinNonce or form; sixteen of these end the
 *         request
 */
uint32_t lpac_join_accept(struct svc_message *message, uint8_t type, const uint8_t *frame,
    size_t length, struct lpac_accepted *ret_accepted);
/** Uses up an RJcount. LoRaWAN 1.1 only: SVC_NO_SESSION otherwise; SVC_EXHAUSTED: no RJcount is
 * left.
 * @param type       0, 1 or 2; SVC_BAD_FIELD for any other
 * @param ret_frame  24 bytes, of which @p ret_length (19 or 24) are the frame */
uint32_t lpac_rejoin(
    struct svc_message *message, uint8_t type, uint8_t *ret_frame, size_t *ret_length);
/** @param length of the message without its MIC
 * @return also SVC_NO_SESSION, SVC_BAD_FIELD (type, address or counter are not this session's),
 *         SVC_REPLAYED (another message had this counter), SVC_EXHAUSTED */
uint32_t lpac_uplink_mic(struct svc_message *message, const struct lpac_uplink *uplink,
    const uint8_t *frame, size_t length, uint8_t ret_mic[4]);
/** @param length of the frame with its MIC
 * @return also SVC_NO_SESSION, SVC_BAD_FIELD, SVC_BAD_MIC, SVC_REPLAYED, SVC_EXHAUSTED */
uint32_t lpac_downlink_verify(struct svc_message *message, uint32_t fcnt, uint16_t conf_fcnt,
    const uint8_t *frame, size_t length);
/** In place. Up: before the message's MIC; down: after its verification. */
uint32_t lpac_crypt_payload(
    struct svc_message *message, const struct lpac_crypt *crypt, uint8_t *bytes, size_t length);
uint32_t lpac_crypt_fopts(
    struct svc_message *message, const struct lpac_crypt *crypt, uint8_t *bytes, size_t length);

/* Statement, envelope and receipt of the provisioning protocol (man lpa-envelope(5)); status is
 * SVC_STATUS_DEVICE | enum proto_status, with results for PROTO_OK and PROTO_ALREADY. */
uint32_t lpac_statement(struct svc_message *message,
    const uint8_t authority_key_id[PROTO_KEY_ID_SIZE], uint8_t ret_statement[PROTO_STATEMENT_SIZE]);
uint32_t lpac_envelope(struct svc_message *message, const uint8_t envelope[PROTO_ENVELOPE_SIZE],
    uint8_t ret_receipt[PROTO_RECEIPT_SIZE]);
uint32_t lpac_receipt(struct svc_message *message, uint8_t ret_receipt[PROTO_RECEIPT_SIZE]);

#endif
