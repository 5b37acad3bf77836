/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SVC_MESSAGE_H
#define SVC_MESSAGE_H

/**
 * @file
 * What a caller of the key services and the gate on the CM0+ say to each other; the text is man
 * lpa-services(7). A caller puts a message into memory of its own, takes IPC channel
 * SVC_CHANNEL, writes the message's address into the channel's DATA and notifies interrupt
 * structure SVC_INTR. The gate copies the message out once, acts, writes answer, length and status
 * into the same message, and releases the channel.
 *
 * Words are little-endian (both cores' order), integers inside payloads big-endian, frames and the
 * arrays named so in wire order. No operation gives or takes a key.
 */

#include "device-fw/protocol/layout.h"

#define SVC_VERSION      1U
#define SVC_CHANNEL      8U /**< IPC channel of requests */
#define SVC_INTR         8U /**< interrupt structure that a request notifies */
#define SVC_PARK_CHANNEL 9U /**< CM0+ to CM4: wait in SRAM, please */
#define SVC_PARK_INTR    9U

#define SVC_PARK_WANTED 1U /**< DATA of the park channel, from the CM0+ */
#define SVC_PARK_DONE   2U /**< from the CM4: no flash access until the channel is released */

/** Where messages may lie: memory that the CM4 itself may reach, and the CM0+ keeps nothing in. */
#define SVC_SHARED_BASE 0x08018000U
#define SVC_SHARED_END  0x08040000U

/** A caller on the CM0+ itself, the layer, has its messages and all its own data here: closed to
 * the CM4, its DMA and the debug master. */
#define SVC_LAYER_BASE 0x08040000U
#define SVC_LAYER_END  0x08047000U

#define SVC_LAYER_CONTEXT 2U /**< the protection context in which it runs */

/** What of the CM4's memory the layer reads and writes too: how the two talk. */
#define SVC_COMMON_BASE 0x08030000U
#define SVC_COMMON_END  0x08040000U

#define SVC_PAYLOAD_MAX 288U

/** A message lies on a word boundary; unused words are zero in a request. */
struct svc_message {
    uint32_t version; /**< SVC_VERSION */
    uint32_t operation;
    uint32_t flags;  /**< SVC_FLAG_PARKED */
    uint32_t length; /**< of the payload: in the request, then in the answer */
    uint32_t status; /**< enum svc_status, written last; 0 while the gate works */
    uint8_t payload[SVC_PAYLOAD_MAX];
};

/** The caller's core touches no flash until status is set. Operations that may write the vault are
 * refused without it. */
#define SVC_FLAG_PARKED 1U

/** The closed list. Request payload → answer payload. */
enum svc_operation {
    SVC_OP_IDENTITY = 1,     /**< – → identity (SVC_IDENTITY_SIZE) */
    SVC_OP_JOIN_REQUEST = 2, /**< – → the 23 bytes of a join-request with the next DevNonce */
    SVC_OP_JOIN_ACCEPT = 3,  /**< JoinReqType u8, PHYPayload → accepted (SVC_ACCEPTED_SIZE) */
    SVC_OP_REJOIN = 4,       /**< type u8 → a rejoin-request, 19 or 24 bytes */
    SVC_OP_UPLINK_MIC = 5,   /**< FCntUp u32, ConfFCnt u16, data rate u8, channel u8, message
                                without its MIC → MIC (4) */
    SVC_OP_DOWNLINK_VERIFY = 6, /**< FCnt u32, ConfFCnt u16, message with its MIC → – */
    SVC_OP_CRYPT_PAYLOAD = 7,   /**< direction u8, FPort u8, FCnt u32, first block u8, zero u8,
                                   bytes → bytes */
    SVC_OP_CRYPT_FOPTS = 8,     /**< as above, FPort 0 for "no port", up to 15 bytes → bytes */
    SVC_OP_STATEMENT = 9,       /**< authority key id (8) → statement */
    SVC_OP_ENVELOPE = 10,       /**< envelope (rework, zeroise) → receipt */
    SVC_OP_RECEIPT = 11,        /**< – → receipt of the last commit */
    SVC_OP_END
};

#define SVC_DIRECTION_UP   0U
#define SVC_DIRECTION_DOWN 1U

/** JoinReqType of SVC_OP_JOIN_ACCEPT; 0, 1 and 2 are the rejoin types. */
#define SVC_JOIN_TYPE 0xFFU

/** Append-only. */
enum svc_status {
    SVC_OK = 1,
    SVC_BAD_MESSAGE = 2,   /**< version, flags, address or length of the message */
    SVC_BAD_OPERATION = 3, /**< not in the list */
    SVC_BAD_FIELD = 4,     /**< a field outside its values, or not this session's address */
    SVC_NOT_PARKED = 5,    /**< the operation may write flash, and the caller may be using it */
    SVC_NO_KEYS = 6,       /**< no root keys: not installed, zeroised, or the vault is damaged */
    SVC_NO_SESSION = 7,    /**< join first (or: not in a session of this LoRaWAN version) */
    SVC_NO_REQUEST = 8,    /**< no join- or rejoin-request of this type is open */
    SVC_REFUSED = 9,       /**< the join-accept is not one for this request */
    SVC_BAD_MIC = 10,
    SVC_REPLAYED = 11,  /**< the counter was used before */
    SVC_EXHAUSTED = 12, /**< no counter value is left */
    SVC_FLASH_FAILED = 13,
};

/** Status of statement, envelope and receipt: this plus the enum proto_status. */
#define SVC_STATUS_DEVICE 0x100U

/** Identity | offset: 0 DevEUI | 8 JoinEUI | 16 LoRaWAN version | 17 vault state | 18 session (0
 * none, 1 = 1.0, 2 = 1.1) | 19 zero | 20 DevAddr (most significant byte first) | 24 next DevNonce |
 * 28 last JoinNonce | 32 next RJcount0 | 36 next RJcount1 | 40 next FCntUp | 44 next NFCntDown
 * (FCntDown in 1.0) | 48 next AFCntDown | 52 key version; all u32 */
#define SVC_IDENTITY_SIZE 56U

/** Accepted | offset: 0 DevAddr (most significant byte first) | 4 NetID (the same) | 7 DLSettings |
 * 8 RxDelay | 9 LoRaWAN minor version (0, 1) | 10 CFList length (0, 16) | 11 CFList (16) */
#define SVC_ACCEPTED_SIZE 27U

/* Bytes before the frame or the data in the requests above. */
#define SVC_UPLINK_HEAD   8U
#define SVC_DOWNLINK_HEAD 6U
#define SVC_CRYPT_HEAD    8U

#endif
