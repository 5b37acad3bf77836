/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A malicious application's hands: reads and writes any word that the test names, and survives what
 * that costs. Runs on the simulated CM4, with device-fw/app-demo's memory.
 */
#include <stdint.h>

struct prober {
    volatile uint32_t number; /**< of the command; written last */
    volatile uint32_t write;
    volatile uint32_t address;
    volatile uint32_t value;
    volatile uint32_t faults; /**< so far */
    volatile uint32_t done;   /**< number of the command that is done */
};

#define PROBER ((struct prober *)0x08030000U)

extern uint32_t app_stack_top[];

void app_reset(void);
void prober_fault(void);

union vector {
    void (*handler)(void);
    uint32_t *stack;
};

__attribute__((section(".vectors"), used)) static const union vector vectors[16] = {
    { .stack = app_stack_top },
    { .handler = app_reset },
    [2 ... 15] = { .handler = prober_fault },
};

/* Go on behind the 16-bit instruction that faulted. */
__attribute__((naked)) void prober_fault(void)
{
    __asm__ volatile("ldr r0, [sp, #24]\n"
                     "add r0, #2\n"
                     "str r0, [sp, #24]\n"
                     "ldr r0, =0x08030010\n"
                     "ldr r1, [r0]\n"
                     "add r1, #1\n"
                     "str r1, [r0]\n"
                     "bx lr\n"
                     ".ltorg");
}

static uint32_t load(uint32_t address)
{
    uint32_t value = 0;

    __asm__ volatile("ldr %0, [%1]" : "+l"(value) : "l"(address) : "memory");
    return value;
}

static void store(uint32_t address, uint32_t value)
{
    __asm__ volatile("str %0, [%1]" ::"l"(value), "l"(address) : "memory");
}

void app_reset(void)
{
    for (;;) {
        uint32_t number = PROBER->number;

        if (number == PROBER->done)
            continue;
        if (PROBER->write != 0)
            store(PROBER->address, PROBER->value);
        else
            PROBER->value = load(PROBER->address);
        PROBER->done = number;
    }
}
