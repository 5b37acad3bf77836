/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/protect.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/protocol/layout.h"

#include <stdint.h>

/* Contexts as in the vendor's security example: 1 ours, 4 CM4, 5 debug port. */
#define CONTEXT_OWN   1U
#define CONTEXT_CM4   4U
#define CONTEXT_DEBUG 5U

#define VAULT_ROW_LOG2 9U /* PROTO_VAULT_HOME_SIZE */

/* The ROM keeps units 14 and 15; the highest matching one wins. */
#define SMPU_HOME_0 8U
#define SMPU_HOME_1 9U
#define SMPU_SRAM   10U

static bool write_checked(uint32_t address, uint32_t value)
{
    bl_hal_write32(address, value);
    return bl_hal_read32(address) == value;
}

static bool close_region(uint32_t unit, uint32_t base, uint32_t size_log2)
{
    uint32_t attributes = BL_PROT_ATT_PRIV_READ | BL_PROT_ATT_PRIV_WRITE | BL_PROT_ATT_PC0 |
                          BL_PROT_ATT_CONTEXT(CONTEXT_OWN) | BL_PROT_ATT_SIZE(size_log2) |
                          BL_PROT_ATT_ENABLED;

    return write_checked(BL_PROT_SMPU_ADDR0(unit), base) &&
           write_checked(BL_PROT_SMPU_ATT0(unit), attributes);
}

/* First what the master may choose, then its choice: after that it cannot go back. */
static bool move_master(uint32_t master, uint32_t context)
{
    uint32_t control = BL_PROT_MS_CTL_RESET | BL_PROT_MS_CTL_CONTEXT(context);

    if (!write_checked(BL_PROT_MS_CTL(master), control))
        return false;
    bl_hal_write32(BL_PROT_MPU_MS_CTL(master), context);
    return (bl_hal_read32(BL_PROT_MPU_MS_CTL(master)) & BL_PROT_MPU_PC_MASK) == context;
}

bool bl_protect_apply(void)
{
    bool done = close_region(SMPU_HOME_0, PROTO_VAULT_HOME_0, VAULT_ROW_LOG2);

    done = close_region(SMPU_HOME_1, PROTO_VAULT_HOME_1, VAULT_ROW_LOG2) && done;
    done = close_region(SMPU_SRAM, BL_PROTECT_SRAM, BL_PROTECT_SRAM_LOG2) && done;
    done = move_master(BL_PROT_MASTER_CM4, CONTEXT_CM4) && done;
    return move_master(BL_PROT_MASTER_DEBUG, CONTEXT_DEBUG) && done;
}
