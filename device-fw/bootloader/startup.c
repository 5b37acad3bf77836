/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Application header, vectors, first instructions and the memory functions that a freestanding
 * compiler calls. Device only.
 */
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/layer.h"
#include "device-fw/bootloader/main.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/protocol/binding.h"

#include <string.h>

/* Painted over the unused stack at start: what is no longer so has been used. */
#define PAINT_TEXT "0xA5A5A5A5"

/* The ROM's system call entry. With our vector table in force the NMI must still get there
 * (vendor start-up code for this core uses the same constant). */
#define ROM_NMI_HANDLER 0x0000000DU

#define EXCEPTION_COUNT 48U

typedef void (*vector_function)(void);

/* Places from the linker script. */
extern uint32_t bl_stack_top[];
extern uint32_t bl_data_load[];
extern uint32_t bl_data_start[];
extern uint32_t bl_data_end[];
extern uint32_t bl_bss_start[];
extern uint32_t bl_bss_end[];

void bl_reset(void);
void bl_fault(void);
void bl_fault_end(void);

/* The binding block before binding: magic, this build's version, no authority, no hash. */
__attribute__((
    section(".binding"), used)) static const uint8_t binding_block[PROTO_BINDING_SIZE] = {
    'L',
    'P',
    'A',
    'B',
    'I',
    'N',
    'D',
    '1',
    [16] = PROTO_VERSION,
    [20] = (uint8_t)(LPA_BOOTLOADER_VERSION >> 24),
    [21] = (uint8_t)(LPA_BOOTLOADER_VERSION >> 16),
    [22] = (uint8_t)(LPA_BOOTLOADER_VERSION >> 8),
    [23] = (uint8_t)LPA_BOOTLOADER_VERSION,
};

union vector {
    vector_function handler;
    uint32_t *stack;
    uintptr_t address;
};

__attribute__((section(".vectors"), used)) static const union vector vectors[EXCEPTION_COUNT] = {
    [0] = { .stack = bl_stack_top },
    [1] = { .handler = bl_reset },
    [2] = { .address = ROM_NMI_HANDLER },
    [3 ... 10] = { .handler = bl_fault },
    [11] = { .handler = bl_layer_on_call },
    [12 ... 14] = { .handler = bl_fault },
    [15] = { .handler = bl_layer_on_tick },
    [16 ... EXCEPTION_COUNT - 1] = { .handler = bl_fault },
};

/* In assembly, because a function with a frame of its own would have to spare that frame, and with
 * it what its caller's last callee has left in the same place. Registers that a call may change are
 * cleared as well. */
__attribute__((naked)) void bl_hal_clear_stack(void)
{
    __asm__ volatile("ldr r0, =bl_stack_bottom\n"
                     "mov r1, sp\n"
                     "ldr r2, =" PAINT_TEXT "\n"
                     "1: cmp r0, r1\n"
                     "bhs 2f\n"
                     "stmia r0!, {r2}\n"
                     "b 1b\n"
                     "2: movs r3, #0\n"
                     "mov r12, r3\n"
                     "bx lr\n"
                     ".ltorg");
}

void bl_reset(void)
{
    bl_hal_clear_stack();
    memcpy(
        bl_data_start, bl_data_load, (size_t)((uint8_t *)bl_data_end - (uint8_t *)bl_data_start));
    memset(bl_bss_start, 0, (size_t)((uint8_t *)bl_bss_end - (uint8_t *)bl_bss_start));
    bl_hal_write32(BL_SCB_VTOR, (uint32_t)(uintptr_t)vectors);
    bl_hal_write32(BL_SYST_RVR, BL_HAL_TICK_CYCLES - 1U);
    bl_hal_write32(BL_SYST_CVR, 0);
    bl_hal_write32(BL_SYST_CSR, BL_SYST_CSR_ENABLE | BL_SYST_CSR_TICKINT | BL_SYST_CSR_CLKSOURCE);
    bl_main();
}

/* Keep nothing, answer nothing. Entered with an empty stack. */
__attribute__((used)) void bl_fault_end(void)
{
    bl_hal_clear_stack();
    bl_main_wipe();
    for (;;)
        __asm__ volatile("wfi");
}

/* A bus fault or an interrupt that nobody asked for. The layer's ends the layer. Of our own, what
 * was interrupted does not go on, and its frames may hold secrets: start at the stack's top, so
 * that all of them lie in what is cleared. */
__attribute__((naked)) void bl_fault(void)
{
    __asm__ volatile("mov r0, lr\n"
                     "add r0, #3\n" /* 0xFFFFFFFD: from thread mode on the process stack */
                     "bne 1f\n"
                     "ldr r0, =bl_layer_end\n"
                     "bx r0\n"
                     "1: ldr r0, =bl_stack_top\n"
                     "mov sp, r0\n"
                     "bl bl_fault_end\n"
                     ".ltorg");
}
