/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A malicious layer's hands: does what the test names, once; whether it survives is what the test
 * looks at. Runs on the simulated CM0+, with device-fw/layer-demo's memory.
 */
#include "tests/device/layer_prober.h"

#include "device-fw/services/message.h"

int main(void);

static uint32_t load(uint32_t address, uint32_t size)
{
    uint32_t value = 0;

    if (size == 1)
        __asm__ volatile("ldrb %0, [%1]" : "+l"(value) : "l"(address) : "memory");
    else
        __asm__ volatile("ldr %0, [%1]" : "+l"(value) : "l"(address) : "memory");
    return value;
}

static void call(uint32_t address)
{
    register uint32_t r0 __asm__("r0") = address;

    __asm__ volatile("svc 0" : "+r"(r0)::"memory");
}

/* Every number that an SVC can have and a handler might look at: r0 as given. */
static void call_numbers(uint32_t address)
{
    register uint32_t r0 __asm__("r0") = address;

    __asm__ volatile("svc 1\n svc 2\n svc 11\n svc 127\n svc 128\n svc 254\n svc 255"
                     : "+r"(r0)::"memory");
}

/* Special registers: each write is to be without effect. */
static void become_privileged(uint32_t value)
{
    __asm__ volatile("msr control, %0\n isb\n msr primask, %0\n cpsid i\n msr msp, %0\n"
                     "msr psp, %0"
                     : "+l"(value)::"memory");
}

/* With another stack pointer: an SVC, a branch to where it leads, or a fault. */
__attribute__((naked)) static void call_with_stack(uint32_t stack, uint32_t message)
{
    (void)stack;
    (void)message;
    __asm__ volatile("mov r3, sp\n"
                     "mov sp, r0\n"
                     "mov r0, r1\n"
                     "svc 0\n"
                     "mov sp, r3\n"
                     "bx lr");
}

__attribute__((naked)) static void fault_with_stack(uint32_t stack)
{
    (void)stack;
    __asm__ volatile("mov sp, r0\n"
                     "udf #0");
}

__attribute__((naked)) static void spin_with_stack(uint32_t stack)
{
    (void)stack;
    __asm__ volatile("mov sp, r0\n"
                     "1: b 1b");
}

/* A message on the registers that its own SVC saves. */
static void call_on_frame(void)
{
    uint32_t at;

    __asm__ volatile("mov %0, sp" : "=r"(at));
    for (uint32_t back = 0; back < sizeof(struct svc_message) + 32U; back += 4)
        call(at - 32U - back);
}

static void do_command(struct layer_prober *prober)
{
    switch (prober->command) {
    case LAYER_PROBER_READ:
        prober->value = load(prober->address, 4);
        break;
    case LAYER_PROBER_READ_BYTE:
        prober->value = load(prober->address, 1);
        break;
    case LAYER_PROBER_WRITE:
        __asm__ volatile("str %0, [%1]" ::"l"(prober->value), "l"(prober->address) : "memory");
        break;
    case LAYER_PROBER_JUMP:
        __asm__ volatile("bx %0" ::"r"(prober->address) : "memory");
        break;
    case LAYER_PROBER_CALL:
        call(prober->address);
        break;
    case LAYER_PROBER_CALL_NUMBERS:
        call_numbers(prober->address);
        break;
    case LAYER_PROBER_PRIVILEGE:
        become_privileged(prober->value);
        __asm__ volatile("mrs %0, control" : "=r"(prober->value));
        break;
    case LAYER_PROBER_CALL_WITH_STACK:
        call_with_stack(prober->address, prober->value);
        break;
    case LAYER_PROBER_FAULT_WITH_STACK:
        fault_with_stack(prober->address);
        break;
    case LAYER_PROBER_SPIN_WITH_STACK:
        spin_with_stack(prober->address);
        break;
    case LAYER_PROBER_CALL_ON_FRAME:
        call_on_frame();
        break;
    default:
        break;
    }
}

int main(void)
{
    struct layer_prober *prober = (struct layer_prober *)LAYER_PROBER_ADDRESS;

    prober->done = 0;
    for (;;) {
        uint32_t number = prober->number;

        if (number == prober->done)
            continue;
        do_command(prober);
        prober->done = number;
    }
}
