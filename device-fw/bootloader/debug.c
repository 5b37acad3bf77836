/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/debug.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/regs.h"

/* SWDIO pulled up, SWCLK pulled down, both with their input buffer on. */
static void connect_pins(void)
{
    uint32_t select = bl_hal_read32(BL_HSIOM_PRT6_PORT_SEL1) & ~BL_HSIOM_PRT6_SWD_MASK;
    uint32_t drive = bl_hal_read32(BL_GPIO_PRT6_CFG) & ~BL_GPIO_PRT6_SWD_MASK;

    bl_hal_write32(BL_GPIO_PRT6_CFG, drive | BL_GPIO_PRT6_SWD);
    bl_hal_write32(BL_HSIOM_PRT6_PORT_SEL1, select | BL_HSIOM_PRT6_SWD);
}

bool bl_debug_open(uint32_t permit)
{
    const volatile uint32_t again = permit;
    const uint32_t wanted = BL_CPUSS_AP_CTL_SYS | BL_CPUSS_AP_CTL_OFF(BL_CPUSS_AP_CTL_CORES);

    if (permit != BL_YES || again != BL_YES) {
        bl_debug_shut();
        return false;
    }
    bl_hal_write32(BL_CPUSS_AP_CTL, wanted);
    if ((bl_hal_read32(BL_CPUSS_AP_CTL) & BL_CPUSS_AP_CTL_MASK) != wanted) {
        bl_debug_shut();
        return false;
    }
    connect_pins();
    return true;
}

void bl_debug_shut(void)
{
    bl_hal_write32(
        BL_CPUSS_AP_CTL, BL_CPUSS_AP_CTL_OFF(BL_CPUSS_AP_CTL_SYS | BL_CPUSS_AP_CTL_CORES));
    connect_pins();
}
