/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SVC_LORAWAN_H
#define SVC_LORAWAN_H

/**
 * @file
 * The cryptography of LoRaWAN 1.0.4 (TS001) and 1.1, without state: derivations, message integrity
 * codes and payload encryption. EUIs are given most significant byte first; everything else that is
 * an array is in wire order. Which key may be used for what is the caller's to decide (core.c).
 * Lengths are in bytes and the caller's to check; nothing here fails or keeps anything.
 */

#include "device-fw/protocol/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SVC_KEY_SIZE   16U
#define SVC_MIC_SIZE   4U
#define SVC_BLOCK_SIZE 16U
#define SVC_FRAME_MAX  255U /**< a PHYPayload */

/** First bytes of derivation blocks. */
enum svc_derive {
    SVC_DERIVE_F_NWK_S_INT = 1, /**< NwkSKey of LoRaWAN 1.0 */
    SVC_DERIVE_APP_S = 2,
    SVC_DERIVE_S_NWK_S_INT = 3,
    SVC_DERIVE_NWK_S_ENC = 4,
    SVC_DERIVE_JS_ENC = 5,
    SVC_DERIVE_JS_INT = 6,
};

/** What session keys are derived from. */
struct svc_lorawan_join {
    const uint8_t *join_nonce; /**< 3 bytes, wire order */
    const uint8_t *net_id;     /**< 3 bytes, wire order */
    const uint8_t *join_eui;   /**< most significant byte first */
    uint16_t nonce;            /**< DevNonce, or RJcount of a rejoin */
};

/** LoRaWAN 1.0: type | JoinNonce | NetID | DevNonce | zeros, encrypted under @p root. */
void svc_lorawan_derive_1_0(const uint8_t root[SVC_KEY_SIZE], enum svc_derive type,
    const struct svc_lorawan_join *join, uint8_t ret_key[SVC_KEY_SIZE]);

/** LoRaWAN 1.1: type | JoinNonce | JoinEUI | DevNonce | zeros, encrypted under @p root. */
void svc_lorawan_derive_1_1(const uint8_t root[SVC_KEY_SIZE], enum svc_derive type,
    const struct svc_lorawan_join *join, uint8_t ret_key[SVC_KEY_SIZE]);

/** JSIntKey or JSEncKey of a device. */
void svc_lorawan_derive_js(const uint8_t nwk_key[SVC_KEY_SIZE], enum svc_derive type,
    const uint8_t dev_eui[PROTO_EUI_SIZE], uint8_t ret_key[SVC_KEY_SIZE]);

/** Undo the network's encryption of a join-accept in place: @p length 16 or 32, what follows the
 * MHDR. The network decrypts, so that the device needs AES in one direction alone. */
void svc_lorawan_open_accept(const uint8_t key[SVC_KEY_SIZE], uint8_t *data, size_t length);

/** First four bytes of the AES-CMAC (RFC 4493) over @p length bytes. */
void svc_lorawan_mic(const uint8_t key[SVC_KEY_SIZE], const void *data, size_t length,
    uint8_t ret_mic[SVC_MIC_SIZE]);

/** A data frame with the direction and the counter that its 16 bits stand for. */
struct svc_lorawan_data {
    const uint8_t *dev_addr; /**< 4 bytes, wire order */
    uint32_t fcnt;
    bool down;
};

/** B0 (TS001 §4.4, L11 §4.4): @p conf_fcnt is the acknowledged frame's counter, 0 in 1.0 and
 * uplink. @p length is that of the message without its MIC. */
void svc_lorawan_b0(const struct svc_lorawan_data *data, uint16_t conf_fcnt, size_t length,
    uint8_t ret_block[SVC_BLOCK_SIZE]);

/** B1 of an uplink (L11 §4.4). */
void svc_lorawan_b1(const struct svc_lorawan_data *data, uint16_t conf_fcnt, uint8_t data_rate,
    uint8_t channel, size_t length, uint8_t ret_block[SVC_BLOCK_SIZE]);

/** FRMPayload, both ways: add the key stream from block @p first (0 = the payload's start). */
void svc_lorawan_crypt(const uint8_t key[SVC_KEY_SIZE], const struct svc_lorawan_data *data,
    uint8_t first, uint8_t *bytes, size_t length);

/** FOpts of LoRaWAN 1.1, both ways, up to 15 bytes (L11 §4.3.1.6 with its errata). @p app_counter:
 * the counter is AFCntDown. */
void svc_lorawan_crypt_fopts(const uint8_t key[SVC_KEY_SIZE], const struct svc_lorawan_data *data,
    bool app_counter, uint8_t *bytes, size_t length);

/** The text form (most significant byte first) of bytes in wire order, or back. */
void svc_lorawan_reverse(const uint8_t *from, size_t length, uint8_t *ret_to);

#endif
