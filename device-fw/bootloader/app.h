/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_APP_H
#define BL_APP_H

/** @file The application on the CM4, as the bootloader's main loop sees it. */

#include "device-fw/bootloader/device.h"

/**
 * Verify the application and start it on the CM4. Called with a committed record and a device whose
 * health is good.
 *
 * @return PROTO_OK: it runs; PROTO_ALREADY: it ran before; PROTO_UNSUPPORTED: there is none.
 * Anything but the first two leaves the CM4 off.
 */
enum proto_status bl_app_start(struct bl_device *device);

/** Serve one request of the running application. False: none waits. */
bool bl_app_poll(struct bl_device *device);

#endif
