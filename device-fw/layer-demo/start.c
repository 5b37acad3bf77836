/* SPDX-License-Identifier: Apache-2.0 */
/* The layer's place in the image, and its first instructions. Its memory is zero when it starts. */
#include "device-fw/protocol/application.h"

#include <string.h>

/* Places from the linker script. */
extern uint32_t layer_stack_top[];
extern uint32_t layer_data_load[];
extern uint32_t layer_data_start[];
extern uint32_t layer_data_end[];

int main(void);
void layer_reset(void);

union word {
    uint32_t value;
    uint32_t *stack;
    void (*entry)(void);
};

__attribute__((section(".layer_table"),
    used)) static const union word table[PROTO_APPLICATION_LAYER_SIZE / 4U] = {
    { .value = PROTO_APPLICATION_LAYER_MAGIC },
    { .stack = layer_stack_top },
    { .entry = layer_reset },
};

void layer_reset(void)
{
    memcpy(layer_data_start, layer_data_load,
        (size_t)((uint8_t *)layer_data_end - (uint8_t *)layer_data_start));
    (void)main();
    for (;;)
        __asm__ volatile("wfi");
}
