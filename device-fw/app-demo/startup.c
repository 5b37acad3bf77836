/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors and first instructions of the demo on the CM4. Device only. */
#include "device-fw/client/port_cm4.h"

#include <string.h>

#define EXCEPTION_COUNT 48U
#define IRQ_0           16U

#define SCB_VTOR     ((volatile uint32_t *)0xE000ED08U)
#define NVIC_ISER(n) ((volatile uint32_t *)(0xE000E100U + 4U * (n)))

typedef void (*vector_function)(void);

/* Places from the linker script. */
extern uint32_t app_stack_top[];
extern uint32_t app_data_load[];
extern uint32_t app_data_start[];
extern uint32_t app_data_end[];
extern uint32_t app_bss_start[];
extern uint32_t app_bss_end[];

int main(void);
void app_reset(void);
void app_fault(void);

union vector {
    vector_function handler;
    uint32_t *stack;
};

__attribute__((section(".vectors"), used)) static const union vector vectors[2] = {
    { .stack = app_stack_top },
    { .handler = app_reset },
};

/* The table in force lies in SRAM, so that the park request is taken without a look at flash. */
__attribute__((aligned(256))) static vector_function table[IRQ_0 + EXCEPTION_COUNT];

/* A bus fault: stay here, in SRAM. */
LPAC_IN_SRAM void app_fault(void)
{
    for (;;) {
    }
}

void app_reset(void)
{
    memcpy(app_data_start, app_data_load,
        (size_t)((uint8_t *)app_data_end - (uint8_t *)app_data_start));
    memset(app_bss_start, 0, (size_t)((uint8_t *)app_bss_end - (uint8_t *)app_bss_start));
    for (unsigned i = 0; i < IRQ_0 + EXCEPTION_COUNT; i++)
        table[i] = app_fault;
    table[IRQ_0 + LPAC_PARK_IRQ] = lpac_port_park;
    *SCB_VTOR = (uint32_t)(uintptr_t)table;
    lpac_port_listen();
    *NVIC_ISER(LPAC_PARK_IRQ / 32U) = 1U << LPAC_PARK_IRQ % 32U;
    (void)main();
    app_fault();
}
