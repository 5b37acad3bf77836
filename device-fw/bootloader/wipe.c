/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/wipe.h"

#include <stdint.h>

void bl_wipe(void *data, size_t length)
{
    volatile uint8_t *at = (volatile uint8_t *)data;

    for (size_t i = 0; i < length; i++)
        at[i] = 0;
}
