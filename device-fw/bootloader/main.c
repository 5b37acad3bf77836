/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/main.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/port.h"
#include "device-fw/bootloader/protect.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/wipe.h"

/* Ticks between the answer to a reset command and the reset: the station needs a poll or two to see
 * the answer before the port goes away (20 ms at 25 MHz). */
#define RESET_DELAY_TICKS 250U

/* The program's one instance of its state. */
static struct bl_device device;
static struct bl_port port;

/* On this die the CM4 must be off while flash is written, and there is nothing for it to run. */
static void stop_cm4(void)
{
    bl_hal_write32(BL_CPUSS_CM4_PWR_CTL, BL_CPUSS_CM4_PWR_OFF);
}

static uint32_t make_boot_word(void)
{
    uint32_t word = UINT32_MAX;

    (void)bl_random_bytes(&device.random, &word, sizeof(word));
    return word;
}

static void reset_after_answer(void)
{
    for (uint32_t i = 0; i < RESET_DELAY_TICKS; i++)
        bl_hal_idle();
    bl_main_wipe();
    bl_hal_reset();
}

void bl_main_wipe(void)
{
    bl_port_close();
    bl_wipe(&device, sizeof(device));
    bl_wipe(&port, sizeof(port));
}

void bl_main(void)
{
    uint32_t boot_word;

    stop_cm4();
    bl_port_close();
    bl_device_start(&device, bl_protect_apply());
    boot_word = make_boot_word();
    /* Reading the vault has left parts of it on the stack. */
    bl_hal_clear_stack();
    bl_port_open(&port, boot_word);
    for (;;) {
        while (bl_port_poll(&port, &device)) {
        }
        if (device.reset_wanted)
            reset_after_answer();
        bl_hal_idle();
    }
}
