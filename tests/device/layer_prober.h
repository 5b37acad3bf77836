/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_PROBER_H
#define LAYER_PROBER_H

/** @file What a test and tests/device/layer_prober.c say to each other, in the common memory. */

#include <stdint.h>

#define LAYER_PROBER_ADDRESS 0x08031000U

enum layer_prober_command {
    LAYER_PROBER_READ = 1,
    LAYER_PROBER_READ_BYTE,
    LAYER_PROBER_WRITE,
    LAYER_PROBER_JUMP,
    LAYER_PROBER_CALL,            /**< SVC 0, message at address */
    LAYER_PROBER_CALL_NUMBERS,    /**< seven other numbers */
    LAYER_PROBER_PRIVILEGE,       /**< value to CONTROL, PRIMASK, MSP, PSP; gives CONTROL */
    LAYER_PROBER_CALL_WITH_STACK, /**< stack pointer address, message value */
    LAYER_PROBER_FAULT_WITH_STACK,
    LAYER_PROBER_SPIN_WITH_STACK,
    LAYER_PROBER_CALL_ON_FRAME, /**< messages on the saved registers */
};

struct layer_prober {
    volatile uint32_t number; /**< of the command; written last; 0: none yet */
    volatile uint32_t command;
    volatile uint32_t address;
    volatile uint32_t value;
    volatile uint32_t done; /**< number of the command that is done */
};

#endif
