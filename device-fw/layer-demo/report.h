/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAYER_REPORT_H
#define LAYER_REPORT_H

/** @file What the CM4's program of the layer demo tells whoever looks. */

#include <stdint.h>

#define LAYER_REPORT_ADDRESS 0x0803F000U

enum layer_report_mode {
    LAYER_REPORT_CALLS = 0, /**< makes calls of its own */
    LAYER_REPORT_QUIET = 1, /**< makes none */
    LAYER_REPORT_DEAF = 2,  /**< and its interrupts are off */
};

struct layer_report {
    volatile uint32_t rounds; /**< of its loop, which runs from flash */
    volatile uint32_t served; /**< calls of its own that were answered with SVC_OK */
    volatile uint32_t mode;   /**< enum layer_report_mode, written from outside */
};

#endif
