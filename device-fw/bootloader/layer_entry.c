/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the layer, which runs in thread mode without privilege on the process stack, and the
 * services, which run in its exceptions on the main stack. All these exceptions have the same
 * priority, so that none interrupts another: a request is served before the next is looked at.
 *
 * An exception's return gives the layer its own registers back, from its own stack and by the
 * handler's calling convention, so that none of ours is left in them. Device only.
 */
#include "device-fw/bootloader/app.h"
#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/main.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/services/message.h"

#define THUMB_STATE 0x01000000U

/* The CM0+'s protection context, as the assembler takes it. An exception may begin in the layer's,
 * which has no right to the main stack: the store comes before anything else. On the way back it is
 * the last but for the return, which pops from the layer's stack. */
#define TAKE_CONTEXT(number)                                                                       \
    "ldr r1, =0x40244000\n"                                                                        \
    "mov r2, #" number "\n"                                                                        \
    "str r2, [r1]\n"                                                                               \
    "dsb\n"                                                                                        \
    "isb\n"
#define OUR_CONTEXT TAKE_CONTEXT("1")
/* Twice, as everything that the layer must not be without: one instruction may be disturbed. */
#define LAYER_CONTEXT TAKE_CONTEXT("2") TAKE_CONTEXT("2")

_Static_assert(BL_PROT_MPU_MS_CTL(BL_PROT_MASTER_CM0) == 0x40244000U, "context of the CM0+");
_Static_assert(SVC_LAYER_CONTEXT == 2U, "the layer's context");

enum state {
    LAYER_NONE,   /* there is none, or it was ended */
    LAYER_WANTED, /* the next SVC, which is our own, starts it */
    LAYER_RUNS,
};

/* The program's one layer. */
static enum state state;
static struct bl_layer started;

void bl_layer_call(uint32_t frame);
void bl_layer_tick(uint32_t frame);
void bl_layer_forget(void);
__attribute__((noreturn)) void bl_layer_ended(void);
__attribute__((noreturn)) void bl_layer_go(uint32_t frame);

/* To thread mode without privilege, its registers empty and our stack too. */
__attribute__((naked, noreturn)) void bl_layer_go(uint32_t frame)
{
    (void)frame;
    __asm__ volatile("msr psp, r0\n"
                     "mov r0, #1\n"
                     "msr control, r0\n"
                     "mrs r1, control\n" /* bit 0 set, whichever of these is not executed */
                     "mov r2, #1\n"
                     "orr r1, r2\n"
                     "msr control, r1\n"
                     "ldr r0, =bl_stack_top\n"
                     "mov sp, r0\n"
                     "mov r4, #0\n"
                     "mov r5, #0\n"
                     "mov r6, #0\n"
                     "mov r7, #0\n"
                     "mov r8, r4\n"
                     "mov r9, r4\n"
                     "mov r10, r4\n"
                     "mov r11, r4\n" LAYER_CONTEXT "ldr r0, =0xFFFFFFFD\n"
                     "bx r0\n"
                     ".ltorg");
}

/* To thread mode with privilege, on our own stack, at bl_layer_ended(). */
__attribute__((naked, noreturn)) void bl_layer_end(void)
{
    __asm__ volatile(OUR_CONTEXT "ldr r0, =bl_stack_top\n"
                                 "mov sp, r0\n"
                                 "bl bl_layer_forget\n"
                                 "mov r0, #0\n"
                                 "msr control, r0\n"
                                 "sub sp, #32\n"
                                 "str r0, [sp, #0]\n"
                                 "str r0, [sp, #4]\n"
                                 "str r0, [sp, #8]\n"
                                 "str r0, [sp, #12]\n"
                                 "str r0, [sp, #16]\n"
                                 "str r0, [sp, #20]\n"
                                 "ldr r0, =bl_layer_ended\n"
                                 "sub r0, #1\n" /* its Thumb bit stands in the status word */
                                 "str r0, [sp, #24]\n"
                                 "ldr r0, =0x01000000\n"
                                 "str r0, [sp, #28]\n"
                                 "ldr r0, =0xFFFFFFF9\n"
                                 "bx r0\n"
                                 ".ltorg");
}

__attribute__((used)) void bl_layer_forget(void)
{
    state = LAYER_NONE;
}

__attribute__((used, noreturn)) void bl_layer_ended(void)
{
    bl_layer_clear();
    bl_main_serve_alone();
}

static uint32_t first_frame(void)
{
    const uint32_t words[8] = { 0, 0, 0, 0, 0, UINT32_MAX, started.entry & ~1U, THUMB_STATE };
    uint32_t frame = started.stack - (uint32_t)sizeof(words);

    for (uint32_t i = 0; i < 8; i++)
        bl_hal_write32(frame + 4U * i, words[i]);
    return frame;
}

/* The layer's stack pointer is its own to choose. Where the registers were saved outside of its
 * memory, others could change them, or they are registers of a device. */
static bool may_serve(uint32_t frame)
{
    if (state != LAYER_RUNS)
        return false;
    if (!bl_layer_is_frame(frame))
        bl_layer_end();
    return true;
}

__attribute__((used)) void bl_layer_call(uint32_t frame)
{
    uint32_t message;

    if (state == LAYER_WANTED) {
        state = LAYER_RUNS;
        bl_layer_go(first_frame());
    }
    /* Nobody's: left pending by a layer that was ended because its stack could not be written. */
    if (!may_serve(frame))
        return;
    /* A CM4 that waits for its own answer has its interrupts off and could not be parked. */
    bl_main_serve();
    message = bl_hal_read32(frame);
    if (!bl_layer_overlaps(message, frame))
        bl_app_call(message);
    bl_main_serve();
}

__attribute__((used)) void bl_layer_tick(uint32_t frame)
{
    if (may_serve(frame))
        bl_main_serve();
}

/* Call a function with the process stack pointer. From the layer: in our context, and back in the
 * layer's. The word that leads back there is made last and never on our stack: a function whose
 * frame is not as it should be would return by it, in our context. */
#define HANDLE(function)                                                                           \
    "mov r0, lr\n"                                                                                 \
    "add r0, #3\n" /* 0xFFFFFFFD: from thread mode on the process stack */                         \
    "beq 1f\n"                                                                                     \
    "mrs r0, psp\n"                                                                                \
    "ldr r1, =" function "\n"                                                                      \
    "bx r1\n"                                                                                      \
    "1:\n" OUR_CONTEXT "mrs r0, psp\n"                                                             \
    "ldr r1, =" function "\n"                                                                      \
    "blx r1\n" LAYER_CONTEXT "mrs r0, control\n"                                                   \
    "lsl r0, #2\n"                                                                                 \
    "mov r3, #6\n"                                                                                 \
    "sub r3, r3, r0\n"                                                                             \
    "mvn r3, r3\n" /* 0xFFFFFFFD, but 0xFFFFFFF9 for privileged code, which is ours */             \
    "bx r3\n"                                                                                      \
    ".ltorg"

__attribute__((naked)) void bl_layer_on_call(void)
{
    __asm__ volatile(HANDLE("bl_layer_call"));
}

/* Without a layer it wakes the core from WFI and has nothing else to do. */
__attribute__((naked)) void bl_layer_on_tick(void)
{
    __asm__ volatile(HANDLE("bl_layer_tick"));
}

void bl_layer_run(const struct bl_layer *layer)
{
    bl_layer_clear();
    if (!bl_layer_protect())
        return;
    started = *layer;
    if (bl_layer_holds(&started) != BL_YES)
        return;
    state = LAYER_WANTED;
    __asm__ volatile("svc 0" ::: "memory");
}
