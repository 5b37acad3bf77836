/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_RADIO_H
#define APP_RADIO_H

/**
 * @file
 * What stands in the place of a radio: two slots in SRAM, one each way, that whoever plays the
 * gateway reads and fills. The writer of a slot sets its number last; a number is taken once.
 */

#include <stdint.h>

#define APP_RADIO_ADDRESS  0x08030000U
#define APP_RADIO_DATA_MAX 256U

enum app_radio_kind {
    APP_RADIO_LORA = 1,      /**< a PHYPayload */
    APP_RADIO_STATEMENT = 2, /**< in: authority key id; out: statement */
    APP_RADIO_ENVELOPE = 3,  /**< in: envelope; out: receipt */
    APP_RADIO_RECEIPT = 4,   /**< out: receipt */
    APP_RADIO_JOIN = 5,      /**< in: JoinReqType; the request comes out as LORA */
    APP_RADIO_SEND = 6,      /**< in: a payload, or none; the uplink comes out as LORA */
};

struct app_radio_slot {
    volatile uint32_t number; /**< grows with each frame; 0: none yet */
    volatile uint32_t kind;   /**< enum app_radio_kind */
    volatile uint32_t length;
    volatile uint32_t status; /**< out: of the service that made it */
    volatile uint8_t data[APP_RADIO_DATA_MAX];
};

struct app_radio {
    volatile uint32_t running; /**< the program is there: APP_RADIO_RUNNING */
    volatile uint32_t taken;   /**< number of the last frame that came in and was dealt with */
    struct app_radio_slot out;
    struct app_radio_slot in;
};

#define APP_RADIO_RUNNING 0x52414449U

/* Of every uplink, so that the other side can check the MIC of LoRaWAN 1.1. */
#define APP_RADIO_DATA_RATE 5U
#define APP_RADIO_CHANNEL   2U

#endif
