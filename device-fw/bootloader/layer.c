/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/layer.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/hardened.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/protocol/application.h"
#include "device-fw/services/message.h"

#include <stddef.h>

#define PROGRAM    (PROTO_APPLICATION_ADDRESS + PROTO_APPLICATION_HEADER_SIZE)
#define FRAME_SIZE 32U

/* Everything that the layer may reach. */
struct region {
    uint32_t base;
    uint32_t attributes;
};

#define REGION(base, attributes, log2)                                                             \
    {                                                                                              \
        (base), (attributes) | BL_MPU_RASR_SIZE(log2) | BL_MPU_RASR_ENABLED                        \
    }

static const struct region regions[BL_MPU_TYPE_REGIONS] = {
    /* Its own memory: 32 KiB less the ROM's last 4 KiB. */
    REGION(SVC_LAYER_BASE, BL_MPU_RASR_DATA | BL_MPU_RASR_NOT(7U), 15U),
    /* Flash sectors 0 and 1 less the first 64 KiB, the bootloader's. */
    REGION(PROTO_IMAGE_ADDRESS, BL_MPU_RASR_CODE | BL_MPU_RASR_NOT(0U), 19U),
    REGION(SVC_COMMON_BASE, BL_MPU_RASR_DATA, 16U),
    /* GPIO, timers (TCPWM 0 and 1), serial blocks (SCB 0 to 8). None of them is a bus master. */
    REGION(0x40320000U, BL_MPU_RASR_DATA | BL_MPU_RASR_DEVICE, 16U),
    REGION(0x40380000U, BL_MPU_RASR_DATA | BL_MPU_RASR_DEVICE, 17U),
    REGION(0x40600000U, BL_MPU_RASR_DATA | BL_MPU_RASR_DEVICE, 20U),
    /* The highest region decides: the protection units of the serial blocks are not the layer's. */
    REGION(0x40600000U, BL_MPU_RASR_OURS | BL_MPU_RASR_DEVICE, 16U),
};

_Static_assert(SVC_COMMON_END - SVC_COMMON_BASE == 1U << 16U, "one region");
_Static_assert(
    PROTO_APPLICATION_ADDRESS == PROTO_IMAGE_ADDRESS + (1U << 16U) &&
        PROTO_APPLICATION_ADDRESS + PROTO_APPLICATION_MAX_SIZE == PROTO_IMAGE_ADDRESS + (1U << 19U),
    "the application is seven eighths of one region");

static bool is_in_program(uint32_t entry, uint32_t program_size)
{
    return (entry & 1U) != 0 && entry > PROGRAM && entry - PROGRAM < program_size;
}

static bool is_stack(uint32_t stack)
{
    return (stack & 7U) == 0 && stack >= SVC_LAYER_BASE + FRAME_SIZE && stack <= SVC_LAYER_END;
}

enum proto_status bl_layer_find(uint32_t program_size, struct bl_layer *ret_layer)
{
    const uint32_t table = PROGRAM + PROTO_APPLICATION_LAYER_AT;
    struct bl_layer layer = { 0, 0 };

    if (program_size >= PROTO_APPLICATION_LAYER_AT + PROTO_APPLICATION_LAYER_SIZE &&
        bl_hal_read32(table) == PROTO_APPLICATION_LAYER_MAGIC) {
        layer.stack = bl_hal_read32(table + 4U);
        layer.entry = bl_hal_read32(table + 8U);
        if (!is_stack(layer.stack) || !is_in_program(layer.entry, program_size))
            return PROTO_BAD_FIELD;
    }
    *ret_layer = layer;
    return PROTO_OK;
}

bool bl_layer_protect(void)
{
    bool done = (bl_hal_read32(BL_MPU_TYPE) >> 8U & 0xFFU) == BL_MPU_TYPE_REGIONS;

    bl_hal_write32(BL_MPU_CTRL, 0);
    for (uint32_t i = 0; i < BL_MPU_TYPE_REGIONS; i++) {
        bl_hal_write32(BL_MPU_RNR, i);
        bl_hal_write32(BL_MPU_RBAR, regions[i].base);
        bl_hal_write32(BL_MPU_RASR, regions[i].attributes);
        done = (bl_hal_read32(BL_MPU_RBAR) & BL_MPU_RBAR_ADDRESS) == regions[i].base && done;
        done = bl_hal_read32(BL_MPU_RASR) == regions[i].attributes && done;
    }
    bl_hal_write32(BL_MPU_CTRL, BL_MPU_CTRL_ON);
    return bl_hal_read32(BL_MPU_CTRL) == BL_MPU_CTRL_ON && done;
}

uint32_t bl_layer_holds(const struct bl_layer *layer)
{
    volatile uint32_t bad = bl_hal_read32(BL_MPU_CTRL) ^ BL_MPU_CTRL_ON;
    volatile uint32_t looked = 0;

    for (uint32_t i = 0; i < BL_MPU_TYPE_REGIONS; i++) {
        bl_hal_write32(BL_MPU_RNR, i);
        bad |= (bl_hal_read32(BL_MPU_RBAR) & BL_MPU_RBAR_ADDRESS) ^ regions[i].base;
        bad |= bl_hal_read32(BL_MPU_RASR) ^ regions[i].attributes;
        looked++;
    }
    if (!is_stack(layer->stack) || !is_in_program(layer->entry, PROTO_APPLICATION_MAX_SIZE))
        return BL_NO;
    return (bad | (looked ^ BL_MPU_TYPE_REGIONS)) == 0 ? BL_YES : BL_NO;
}

bool bl_layer_is_frame(uint32_t address)
{
    return address >= SVC_LAYER_BASE && address <= SVC_LAYER_END - FRAME_SIZE;
}

bool bl_layer_overlaps(uint32_t message, uint32_t frame)
{
    /* Both lie far below the end of the address space, or the message is refused anyway. */
    return message < frame + FRAME_SIZE && frame < message + sizeof(struct svc_message);
}

void bl_layer_clear(void)
{
    for (uint32_t at = SVC_LAYER_BASE; at < SVC_LAYER_END; at += 4)
        bl_hal_write32(at, 0);
}
