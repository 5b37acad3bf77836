/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/app.h"

/* This image knows no application: the CM4, which bl_main() switched off, stays so. */
enum proto_status bl_app_start(struct bl_device *device)
{
    (void)device;
    return PROTO_UNSUPPORTED;
}

bool bl_app_poll(struct bl_device *device)
{
    (void)device;
    return false;
}
