/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_APP_H
#define BL_APP_H

/** @file The application on the CM4, as the bootloader's main loop sees it. */

#include "device-fw/bootloader/device.h"
#include "device-fw/bootloader/layer.h"

/**
 * Verify the application (device-fw/protocol/application.h) and start it on the CM4. Called with a
 * committed record and a device whose health is good.
 *
 * An image whose digest is the recorded one starts by that. Another one needs a signature by the
 * binding block's application key and a version not below the record's floor; its digest and
 * version are recorded before it starts.
 *
 * @return PROTO_OK: it runs; PROTO_ALREADY: it ran before; PROTO_UNSUPPORTED: there is none;
 *         PROTO_BAD_VERSION: older than the floor; PROTO_BAD_MAC: not signed by that key, or
 *         altered; PROTO_BAD_LENGTH, PROTO_BAD_FIELD: malformed, or its
 *         layer's stack or entry lies outside its place; PROTO_NOT_BOUND: no application
 *         key; PROTO_FLASH_FAILED. Anything but the first two leaves the CM4 off.
 */
enum proto_status bl_app_start(struct bl_device *device);

/** Forget what the services know; safe in a fault handler. */
void bl_app_wipe(void);

/** Serve one request of the running application. False: none waits. */
bool bl_app_poll(struct bl_device *device);

/**
 * The layer's place in the image that was started; NULL: it has none.
 *
 * Borrowed, and never to be copied to the stack: the entry is an address that a return would go to
 * with privilege, where one instruction is skipped that saves registers (tests/glitch).
 */
const struct bl_layer *bl_app_layer(void);

/** Serve the layer's message at this address; nothing happens where none may lie. */
void bl_app_call(uint32_t address);

#endif
