/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/srom.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"

/* Opcodes with their fixed bits: 0x100 = blocking; program: data in SRAM, size code 6. */
#define OP_READ_FUSE        0x03000000U
#define OP_PROGRAM_ROW      0x06000100U
#define OP_ERASE_ROW        0x1C000100U
#define PROGRAM_DATA_IN_RAM 0x00000106U
#define STATUS_MASK         0xF0000000U
#define STATUS_SUCCESS      0xA0000000U

/* Nobody else uses our structure, so a lock that cannot be had soon will not be had at all. A row
 * write takes 16 ms: 800 000 cycles at 50 MHz, and one poll at least 8 of them. The CM0+ is inside
 * the ROM for all of it, so that one poll suffices on the real die. */
#define ACQUIRE_TRIES 1000U
#define WAIT_TRIES    1000000U

static bool acquire(void)
{
    for (uint32_t i = 0; i < ACQUIRE_TRIES; i++) {
        if ((bl_hal_read32(BL_IPC0_ACQUIRE) & BL_IPC_ACQUIRED) != 0)
            return true;
    }
    return false;
}

bool bl_srom_call(struct bl_srom_block *block)
{
    if (!acquire())
        return false;
    bl_hal_write32(BL_IPC0_DATA, bl_hal_address(block));
    /* Without its mask bit the notification never becomes the NMI that enters the ROM. */
    bl_hal_write32(BL_IPC_INTR0_MASK, bl_hal_read32(BL_IPC_INTR0_MASK) | BL_IPC_INTR0_NOTIFY0);
    bl_hal_write32(BL_IPC0_NOTIFY, 1);
    for (uint32_t i = 0; i < WAIT_TRIES; i++) {
        if ((bl_hal_read32(BL_IPC0_LOCK_STATUS) & BL_IPC_ACQUIRED) == 0)
            return (*(volatile uint32_t *)&block->word[0] & STATUS_MASK) == STATUS_SUCCESS;
    }
    return false;
}

bool bl_srom_read_fuse(uint32_t byte, uint8_t *ret_value)
{
    struct bl_srom_block block = { { OP_READ_FUSE | byte << 8, 0, 0, 0 } };

    if (!bl_srom_call(&block))
        return false;
    *ret_value = (uint8_t)block.word[0];
    return true;
}

bool bl_srom_erase_row(uint32_t address)
{
    struct bl_srom_block block = { { OP_ERASE_ROW, address, 0, 0 } };

    return bl_srom_call(&block);
}

bool bl_srom_program_row(uint32_t address, const void *data)
{
    struct bl_srom_block block = { { OP_PROGRAM_ROW, PROGRAM_DATA_IN_RAM, address,
        bl_hal_address(data) } };

    return bl_srom_call(&block);
}
