/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_MEM_H
#define SIM_MEM_H

/** @file Little-endian access to simulated memory, inlined because it runs once per instruction. */

#include <stdint.h>

static inline uint32_t sim_mem_get32(const uint8_t *memory)
{
    return (uint32_t)memory[0] | (uint32_t)memory[1] << 8 | (uint32_t)memory[2] << 16 |
           (uint32_t)memory[3] << 24;
}

static inline uint32_t sim_mem_get16(const uint8_t *memory)
{
    return (uint32_t)memory[0] | (uint32_t)memory[1] << 8;
}

static inline void sim_mem_put16(uint8_t *memory, uint32_t value)
{
    memory[0] = (uint8_t)value;
    memory[1] = (uint8_t)(value >> 8);
}

static inline void sim_mem_put32(uint8_t *memory, uint32_t value)
{
    sim_mem_put16(memory, value);
    sim_mem_put16(memory + 2, value >> 16);
}

/** @p size is 1, 2 or 4. */
static inline uint32_t sim_mem_get(const uint8_t *memory, unsigned size)
{
    return size == 4 ? sim_mem_get32(memory) : size == 2 ? sim_mem_get16(memory) : memory[0];
}

static inline void sim_mem_put(uint8_t *memory, unsigned size, uint32_t value)
{
    if (size == 4)
        sim_mem_put32(memory, value);
    else if (size == 2)
        sim_mem_put16(memory, value);
    else
        memory[0] = (uint8_t)value;
}

#endif
