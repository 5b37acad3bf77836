/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* Inter-processor communication: 16 channels with a lock, 16 interrupt structs. */

#define INTR_BASE 0x1000U

uint32_t sim_ipc_lines(const struct sim_chip *chip)
{
    uint32_t lines = 0;
    for (unsigned i = 0; i < SIM_IPC_COUNT; i++) {
        const struct sim_ipc_intr *intr = &chip->regs.ipc_intr[i];
        if ((intr->intr & intr->mask) != 0)
            lines |= 1U << i;
    }
    return lines;
}

static bool read_intr(const struct sim_ipc_intr *intr, uint32_t field, uint32_t *ret_value)
{
    switch (field) {
    case 0x0:
    case 0x4:
        *ret_value = intr->intr;
        return true;
    case 0x8:
        *ret_value = intr->mask;
        return true;
    case 0xC:
        *ret_value = intr->intr & intr->mask;
        return true;
    default:
        return false;
    }
}

bool sim_ipc_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    if (offset >= INTR_BASE) {
        unsigned index = (offset - INTR_BASE) / 0x20;
        return index < SIM_IPC_COUNT &&
               read_intr(&chip->regs.ipc_intr[index], offset & 0x1FU, ret_value);
    }
    if (offset / 0x20 >= SIM_IPC_COUNT)
        return false;
    struct sim_ipc *ipc = &chip->regs.ipc[offset / 0x20];
    switch (offset & 0x1FU) {
    case 0x00: { /* a read takes the lock */
        bool got = !ipc->locked;
        if (got) {
            ipc->locked = true;
            ipc->owner = sim_prot_attributes(chip, access);
        }
        *ret_value = ipc->owner | (got ? 1U << 31 : 0);
        return true;
    }
    case 0x0C:
        *ret_value = ipc->data;
        return true;
    case 0x10:
        *ret_value = ipc->owner | (ipc->locked ? 1U << 31 : 0);
        return true;
    default:
        return false;
    }
}

/* Tell the interrupt structs named in @p mask that channel @p index has an event. */
static void raise_events(struct sim_chip *chip, unsigned index, uint32_t mask, unsigned shift)
{
    for (unsigned i = 0; i < SIM_IPC_COUNT; i++) {
        if ((mask >> i & 1U) != 0)
            chip->regs.ipc_intr[i].intr |= 1U << (index + shift);
    }
    sim_route_interrupts(chip);
}

static bool write_intr(struct sim_chip *chip, unsigned index, uint32_t field, uint32_t value)
{
    if (index >= SIM_IPC_COUNT)
        return false;
    struct sim_ipc_intr *intr = &chip->regs.ipc_intr[index];
    switch (field) {
    case 0x0:
        intr->intr &= ~value;
        break;
    case 0x4:
        intr->intr |= value;
        break;
    case 0x8:
        intr->mask = value;
        break;
    default:
        return false;
    }
    sim_route_interrupts(chip);
    return true;
}

bool sim_ipc_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    (void)access;
    if (offset >= INTR_BASE)
        return write_intr(chip, (offset - INTR_BASE) / 0x20, offset & 0x1FU, value);
    unsigned index = offset / 0x20;
    if (index >= SIM_IPC_COUNT)
        return false;
    struct sim_ipc *ipc = &chip->regs.ipc[index];
    switch (offset & 0x1FU) {
    case 0x00: /* ignored */
        return true;
    case 0x04:
        ipc->locked = false;
        ipc->owner = 0;
        raise_events(chip, index, value & 0xFFFFU, 0);
        return true;
    case 0x08:
        raise_events(chip, index, value & 0xFFFFU, 16);
        return true;
    case 0x0C:
        ipc->data = value;
        return true;
    default:
        return false;
    }
}
