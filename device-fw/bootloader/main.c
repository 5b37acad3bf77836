/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/main.h"

#include "device-fw/bootloader/app.h"
#include "device-fw/bootloader/debug.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/layer.h"
#include "device-fw/bootloader/port.h"
#include "device-fw/bootloader/protect.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/bootloader/wipe.h"

/* Ticks between the answer to a command and what ends the mailbox: the station needs a poll or two
 * to see the answer before it goes away (20 ms at 25 MHz). */
#define ANSWER_DELAY_TICKS 250U

/* How long a device with keys listens before it starts its application. */
#define WINDOW_MS 2000U

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

static bool is_running(enum proto_status status)
{
    return status == PROTO_OK || status == PROTO_ALREADY;
}

static void wait_for_reader(void)
{
    for (uint32_t i = 0; i < ANSWER_DELAY_TICKS; i++)
        bl_hal_idle();
}

static void reset(void)
{
    bl_main_wipe();
    bl_hal_reset();
}

/* Ticks of the listening window at the clock that the boot code has set, which TOC2 names. */
static uint32_t window_ticks(void)
{
    static const uint8_t mhz[4] = { 25, 8, 50, 25 };
    uint32_t clock = 0;

    if (bl_hal_read32(BL_SFLASH_TOC2 + BL_TOC2_MAGIC_AT) == BL_TOC2_MAGIC)
        clock = bl_hal_read32(BL_SFLASH_TOC2 + BL_TOC2_FLAGS_AT) & BL_TOC2_FLAGS_CLOCK;
    return WINDOW_MS * 1000U / BL_HAL_TICK_CYCLES * mhz[clock];
}

/* Serve the mailbox until the application runs. A device without keys has none to start, and one
 * that a station talks to waits for its word. */
static void serve_port(void)
{
    const uint32_t window = window_ticks();
    bool held = !bl_device_is_committed(&device);
    uint32_t ticks = 0;

    for (;;) {
        while (bl_port_poll(&port, &device))
            held = true;
        if (device.reset_wanted) {
            wait_for_reader();
            reset();
        }
        if (device.run_wanted) {
            wait_for_reader();
            return;
        }
        if (!held && ticks++ >= window) {
            if (is_running(bl_device_run(&device)))
                return;
            held = true;
        }
        bl_hal_idle();
    }
}

void bl_main_serve(void)
{
    while (bl_app_poll(&device)) {
    }
    if (device.reset_wanted)
        reset();
}

void bl_main_serve_alone(void)
{
    for (;;) {
        bl_main_serve();
        bl_hal_idle();
    }
}

/* Nothing to do, nobody to talk to, and nothing kept. */
static void stop(void)
{
    bl_main_wipe();
    bl_hal_clear_stack();
    for (;;)
        bl_hal_idle();
}

/* In NORMAL the ROM has opened the port before. */
static bool open_port(uint32_t boot_word)
{
    if (!bl_device_may_open(&device)) {
        bl_debug_shut();
        return false;
    }
    bl_port_open(&port, boot_word);
    if (device.chip.lifecycle != PROTO_LIFECYCLE_SECURE)
        return true;
    return bl_debug_open(bl_device_confirm_open());
}

void bl_main_wipe(void)
{
    bl_port_close();
    bl_app_wipe();
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
    if (open_port(boot_word))
        serve_port();
    else if (!is_running(bl_device_run(&device)))
        stop();
    bl_port_close();
    if (bl_app_layer() != NULL)
        bl_layer_run(bl_app_layer());
    bl_main_serve_alone();
}
