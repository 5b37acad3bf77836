/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/hal.h"

#include "device-fw/bootloader/regs.h"

uint32_t bl_hal_read32(uint32_t address)
{
    return *(const volatile uint32_t *)address;
}

void bl_hal_write32(uint32_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

void bl_hal_read(uint32_t address, void *ret_data, size_t length)
{
    const volatile uint8_t *from = (const volatile uint8_t *)address;
    uint8_t *to = ret_data;

    for (size_t i = 0; i < length; i++)
        to[i] = from[i];
}

uint32_t bl_hal_address(const void *object)
{
    return (uint32_t)object;
}

void bl_hal_idle(void)
{
    __asm__ volatile("wfi" ::: "memory");
}

void bl_hal_reset(void)
{
    bl_hal_write32(BL_SCB_AIRCR, BL_SCB_AIRCR_RESET);
    for (;;)
        __asm__ volatile("wfi");
}
