/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_LAYER_H
#define BL_LAYER_H

/**
 * @file
 * The layer: a program of the product, carried in its verified application image, that runs on the
 * CM0+ without privilege beside the key services, and asks them by SVC with a message's address in
 * r0. The text is man lpa-services(7).
 *
 * Two things hold it, each of which would do. The processor's own MPU (DDI 0419, B3.5): nothing
 * without privilege but the regions of layer.c. And the bus's protection units, as they hold the
 * CM4: the layer runs in context SVC_LAYER_CONTEXT, its exceptions in context 1.
 *
 * On this die the CM0+ comes back to context 0 by one exception handler's address alone,
 * CM0_PC0_HANDLER, and the ROM needs that for its system calls. So there is no way back to 0 once a
 * layer has run. The register's description has any other exception take the context that was
 * saved last (NOT VERIFIED; the simulated die keeps the one in force): the handlers of
 * layer_entry.c rely on neither, because their first store takes context 1.
 */

#include "device-fw/protocol/mailbox.h"

#include <stdbool.h>
#include <stdint.h>

struct bl_layer {
    uint32_t stack; /**< first stack pointer */
    uint32_t entry; /**< bit 0 set; 0: there is no layer */
};

/**
 * Look for a layer in the application's program, which is verified.
 *
 * @param program_size bytes of the program, vector table included
 * @return PROTO_OK, with entry 0 when the image names none; PROTO_BAD_FIELD: its stack is not in
 *         SVC_LAYER_BASE … SVC_LAYER_END or not on 8 bytes, or its entry is not in the program
 */
enum proto_status bl_layer_find(uint32_t program_size, struct bl_layer *ret_layer);

/** Close everything to unprivileged code but the regions of the layer. True: read back so. */
bool bl_layer_protect(void);

/**
 * The second look, at the MPU and at what is to be started, whatever the first one found.
 *
 * @return BL_YES: the MPU is on with layer.c's regions, and both words may be a layer's; BL_NO
 *         (hardened.h)
 */
uint32_t bl_layer_holds(const struct bl_layer *layer);

/** May an exception have saved the layer's registers here? */
bool bl_layer_is_frame(uint32_t address);

/** Would a message at this address lie on the saved registers? */
bool bl_layer_overlaps(uint32_t message, uint32_t frame);

/** Overwrite the layer's memory with zeros. */
void bl_layer_clear(void);

/* ---- layer_entry.c: device only ---- */

/** Start it. Returns only when the MPU is not as it should be: no layer then. */
void bl_layer_run(const struct bl_layer *layer);

/** Exception handlers. */
void bl_layer_on_call(void);
void bl_layer_on_tick(void);

/** In an exception that came from the layer: it never runs again, and the services go on for the
 * CM4 alone. */
__attribute__((noreturn)) void bl_layer_end(void);

#endif
