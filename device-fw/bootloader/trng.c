/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/trng.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/health.h"
#include "device-fw/bootloader/regs.h"

#define BITS_PER_READ 32U
/* 32 samples at one per cycle, start-up delay and oscillator warm-up: far below 100 000 polls. */
#define READ_TRIES 100000U

void bl_trng_start(void)
{
    bl_hal_write32(BL_CRYPTO_CTL, BL_CRYPTO_CTL_ON);
    bl_hal_write32(BL_CRYPTO_TR_CTL0, BL_CRYPTO_TR_CTL0_RAW);
    bl_hal_write32(BL_CRYPTO_TR_GARO, BL_CRYPTO_TR_POLYNOMIAL);
    bl_hal_write32(BL_CRYPTO_TR_FIRO, BL_CRYPTO_TR_POLYNOMIAL);
    bl_hal_write32(BL_CRYPTO_TR_CTL1, BL_CRYPTO_TR_CTL1_ALL);
    bl_hal_write32(BL_CRYPTO_TR_MON_CTL, BL_CRYPTO_TR_MON_CTL_STREAM);
    bl_hal_write32(BL_CRYPTO_TR_MON_RC_CTL, BL_HEALTH_REPETITION_CUTOFF);
    bl_hal_write32(
        BL_CRYPTO_TR_MON_AP_CTL, (BL_HEALTH_WINDOW - 1U) << 16 | BL_HEALTH_PROPORTION_CUTOFF);
    bl_hal_write32(BL_CRYPTO_TR_MON_CMD, BL_CRYPTO_TR_MON_CMD_START);
}

bool bl_trng_read(uint32_t *ret_word)
{
    bl_hal_write32(BL_CRYPTO_INTR, BL_CRYPTO_INTR_TR_READY);
    bl_hal_write32(BL_CRYPTO_INSTR_FF_WR, BL_CRYPTO_SET_REG1);
    bl_hal_write32(BL_CRYPTO_INSTR_FF_WR, BITS_PER_READ);
    bl_hal_write32(BL_CRYPTO_INSTR_FF_WR, BL_CRYPTO_TRNG);
    for (uint32_t i = 0; i < READ_TRIES; i++) {
        uint32_t interrupts = bl_hal_read32(BL_CRYPTO_INTR);

        if ((interrupts & BL_CRYPTO_INTR_ERRORS) != 0)
            return false;
        if ((interrupts & BL_CRYPTO_INTR_TR_READY) != 0) {
            *ret_word = bl_hal_read32(BL_CRYPTO_TR_RESULT);
            return true;
        }
    }
    return false;
}
