/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SVC_PART_H
#define SVC_PART_H

/**
 * @file
 * The services' part of the vault record: session keys and counters, integers big-endian. Counters
 * are limits: values below a limit may have been used, so that after a power cut work goes on at
 * the limit and nothing repeats.
 *
 * Offset | size: 0 flags u8 | 1 NetID (3, wire order) | 4 key version u32 | 8 last JoinNonce u32 |
 * 12 DevAddr (4, wire order) | 16 FCntUp limit u32 | 20 NFCntDown limit u32 | 24 AFCntDown limit
 * u32 | 28 RJcount0 limit u32 | 32 RJcount1 limit u32 | 36 zeros (12) | 48 FNwkSIntKey | 64
 * SNwkSIntKey | 80 NwkSEncKey | 96 AppSKey (16 each). In a session of LoRaWAN 1.0 the three network
 * keys are equal.
 */

#include "device-fw/services/lorawan.h"

#define SVC_PART_SIZE 112U

enum svc_session {
    SVC_SESSION_NONE = 0,
    SVC_SESSION_1_0 = 1,
    SVC_SESSION_1_1 = 2,
};

/** Index of a counter. The first three restart with each session, so that only RJcount1 and the
 * DevNonce (of the record itself) last as long as the JoinEUI. */
enum svc_counter {
    SVC_FCNT_UP,
    SVC_NFCNT_DOWN, /**< FCntDown in a session of LoRaWAN 1.0 */
    SVC_AFCNT_DOWN,
    SVC_RJCOUNT_0,
    SVC_RJCOUNT_1,
    SVC_COUNTERS
};

enum svc_key {
    SVC_F_NWK_S_INT,
    SVC_S_NWK_S_INT,
    SVC_NWK_S_ENC,
    SVC_APP_S,
    SVC_KEYS
};

struct svc_part {
    uint8_t session; /**< enum svc_session */
    uint8_t net_id[3];
    uint32_t key_version; /**< of the root keys that all this belongs to */
    uint32_t join_nonce;  /**< of the last accepted join-accept; 0 = none */
    uint8_t dev_addr[4];
    uint32_t limit[SVC_COUNTERS];
    uint8_t key[SVC_KEYS][SVC_KEY_SIZE];
};

void svc_part_encode(const struct svc_part *part, uint8_t ret_bytes[SVC_PART_SIZE]);

/** What is there for these root keys: everything is zero when the bytes are of another key version
 * (rework, first install) or not of this form. */
void svc_part_decode(
    const uint8_t bytes[SVC_PART_SIZE], uint32_t key_version, struct svc_part *ret_part);

#endif
