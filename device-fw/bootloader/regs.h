/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BL_REGS_H
#define BL_REGS_H

/**
 * @file
 * Register addresses and masks of the PSoC 6 BLE-2 die (CPUSS v1), as in the vendor's device
 * headers and SVD (psoc6_01). Only what the bootloader touches.
 */

/* Armv6-M system control space (DDI 0419, B3.2 and B3.3). */
#define BL_SYST_CSR           0xE000E010U
#define BL_SYST_RVR           0xE000E014U
#define BL_SYST_CVR           0xE000E018U
#define BL_SYST_CSR_ENABLE    0x00000001U
#define BL_SYST_CSR_TICKINT   0x00000002U
#define BL_SYST_CSR_CLKSOURCE 0x00000004U
#define BL_SCB_VTOR           0xE000ED08U
#define BL_SCB_AIRCR          0xE000ED0CU
#define BL_SCB_AIRCR_RESET    0x05FA0004U /* key and SYSRESETREQ */

#define BL_MPU_TYPE            0xE000ED90U
#define BL_MPU_CTRL            0xE000ED94U
#define BL_MPU_RNR             0xE000ED98U
#define BL_MPU_RBAR            0xE000ED9CU
#define BL_MPU_RASR            0xE000EDA0U
#define BL_MPU_TYPE_REGIONS    8U
#define BL_MPU_CTRL_ON         0x00000005U /* what no region names is for privileged code */
#define BL_MPU_RBAR_ADDRESS    0xFFFFFF00U
#define BL_MPU_RASR_ENABLED    0x00000001U
#define BL_MPU_RASR_DATA       0x13000000U        /* read and write by all, no execution */
#define BL_MPU_RASR_OURS       0x11000000U        /* read and write with privilege */
#define BL_MPU_RASR_CODE       0x06000000U        /* read and execution by all */
#define BL_MPU_RASR_DEVICE     0x00050000U        /* shareable device memory */
#define BL_MPU_RASR_NOT(part)  (0x100U << (part)) /* eighth of the region that is left out */
#define BL_MPU_RASR_SIZE(log2) (((log2)-1U) << 1U)

/* CPU subsystem. */
#define BL_CPUSS_CM4_PWR_CTL     0x40210080U
#define BL_CPUSS_CM4_PWR_OFF     0x05FA0000U /* key, mode 0 */
#define BL_CPUSS_CM4_PWR_MODE    0x00000003U
#define BL_CPUSS_CM4_PWR_ON      0x05FA0003U
#define BL_CPUSS_CM4_STATUS      0x40210088U
#define BL_CPUSS_CM4_STATUS_DONE 0x00000010U /* the power mode is reached */
#define BL_CPUSS_CM4_VECTOR_BASE 0x402102C0U
#define BL_CPUSS_PROTECTION      0x40210500U
#define BL_CPUSS_PROTECTION_MASK 0x00000007U
#define BL_CPUSS_AP_CTL          0x40210540U
#define BL_CPUSS_AP_CTL_CORES    0x00000003U /* enable CM0+ and CM4 */
#define BL_CPUSS_AP_CTL_SYS      0x00000004U
#define BL_CPUSS_AP_CTL_OFF(ap)  ((ap) << 16U) /* wins, and stays until the next reset */
#define BL_CPUSS_AP_CTL_MASK     0x00070007U

/* Port 6: function 29 of P6.6 (SWDIO) and P6.7 (SWCLK) is the debug port. */
#define BL_HSIOM_PRT6_PORT_SEL1 0x40310064U
#define BL_HSIOM_PRT6_SWD_MASK  0x1F1F0000U
#define BL_HSIOM_PRT6_SWD       0x1D1D0000U
#define BL_GPIO_PRT6_CFG        0x40320328U
#define BL_GPIO_PRT6_SWD_MASK   0xFF000000U
#define BL_GPIO_PRT6_SWD        0xBA000000U /* pull-down and pull-up, inputs on */

/* IPC structure 0 belongs to the CM0+ for system calls; interrupt structure 0 is the call's NMI. */
#define BL_IPC0_ACQUIRE      0x40230000U
#define BL_IPC0_NOTIFY       0x40230008U
#define BL_IPC0_DATA         0x4023000CU
#define BL_IPC0_LOCK_STATUS  0x40230010U
#define BL_IPC_INTR0_MASK    0x40231008U
#define BL_IPC_ACQUIRED      0x80000000U
#define BL_IPC_INTR0_NOTIFY0 0x00010000U /* notify event of IPC structure 0 */

/* The other IPC structures and their interrupt structures. */
#define BL_IPC_ACQUIRE(i)     (0x40230000U + 0x20U * (i)) /* reading takes the lock */
#define BL_IPC_RELEASE(i)     (0x40230004U + 0x20U * (i))
#define BL_IPC_NOTIFY(i)      (0x40230008U + 0x20U * (i))
#define BL_IPC_DATA(i)        (0x4023000CU + 0x20U * (i))
#define BL_IPC_LOCK_STATUS(i) (0x40230010U + 0x20U * (i))
#define BL_IPC_INTR(i)        (0x40231000U + 0x20U * (i)) /* write 1 to clear */
#define BL_IPC_INTR_NOTIFY(i) (0x00010000U << (i))        /* event of IPC structure i */

/* Protection: bus masters, their contexts, shared memory protection units. */
#define BL_PROT_MS_CTL(master)     (0x40240000U + 4U * (master))
#define BL_PROT_MPU_MS_CTL(master) (0x40244000U + 0x400U * (master))
#define BL_PROT_SMPU_ADDR0(i)      (0x40242000U + 0x40U * (i))
#define BL_PROT_SMPU_ATT0(i)       (0x40242004U + 0x40U * (i))
#define BL_PROT_MASTER_CM0         0U
#define BL_PROT_MASTER_CRYPTO      1U
#define BL_PROT_MASTER_CM4         14U
#define BL_PROT_MASTER_DEBUG       15U
#define BL_PROT_MS_CTL_RESET       0x00000303U
#define BL_PROT_MS_CTL_SECURE      0x00000301U /* the same, and the master counts as secure */
#define BL_PROT_MS_CTL_CONTEXT(pc) (1U << (16U + (pc)))
#define BL_PROT_MPU_PC_MASK        0x0000000FU
#define BL_PROT_ATT_READ           0x00000009U /* user and privileged */
#define BL_PROT_ATT_WRITE          0x00000012U
#define BL_PROT_ATT_EXECUTE        0x00000024U
#define BL_PROT_ATT_PRIV_READ      0x00000008U
#define BL_PROT_ATT_PRIV_WRITE     0x00000010U
#define BL_PROT_ATT_NS             0x00000040U /* non-secure masters, as all are at reset, too */
#define BL_PROT_ATT_ALL_CONTEXTS   0x0000FE00U
#define BL_PROT_ATT_MATCH          0x40000000U /* the context is part of what matches */
#define BL_PROT_ATT_PC0            0x00000100U /* constant 1: context 0 passes always */
#define BL_PROT_ATT_CONTEXT(pc)    (1U << (8U + (pc)))
#define BL_PROT_ATT_SIZE(log2)     (((log2)-1U) << 24U)
#define BL_PROT_ATT_ENABLED        0x80000000U

/* Peripheral protection units. The fixed ones guard a struct, a peripheral or a whole group and
 * have place and size of their own; the ROM keeps the programmable ones from 9 on. Each unit is
 * guarded by its own second half. */
#define BL_PPU_ATT0              0x04U
#define BL_PPU_ATT1              0x24U
#define BL_PPU_ATT_MASK          0xC000FF5BU
#define BL_PPU_ATT1_MASK         0xC000FE52U
#define BL_PPU_OWN_PAIR          0x80000240U /* enabled, context 1, nobody else writes */
#define BL_PPU_PROGRAMMABLE(i)   (0x40014000U + 0x40U * (i))
#define BL_PPU_PROGRAMMABLE_FREE 9U
#define BL_PPU_IPC(i)            (0x40201000U + 0x40U * (i))
#define BL_PPU_IPC_INTR(i)       (0x40201200U + 0x40U * (i))
#define BL_PPU_SMPU              0x40201600U /* contexts the masters may choose, and the SMPU */
#define BL_PPU_MPU_CM0           0x40201640U
#define BL_PPU_MPU_CRYPTO        0x40201680U
#define BL_PPU_MPU_CM4           0x402016C0U
#define BL_PPU_MPU_DEBUG         0x40201700U
#define BL_PPU_CRYPTO            0x40100040U
#define BL_PPU_CPUSS             0x40200040U

/* Flash controller. */
#define BL_FLASHC_FLASH_CMD            0x40250008U
#define BL_FLASHC_FLASH_CMD_INVALIDATE 0x00000001U

/* Crypto block v1: power, instruction FIFO, true random generator. */
#define BL_CRYPTO_CTL               0x40110000U
#define BL_CRYPTO_CTL_ON            0x80000003U
#define BL_CRYPTO_INSTR_FF_WR       0x40110048U
#define BL_CRYPTO_TR_CTL0           0x40110280U
#define BL_CRYPTO_TR_CTL0_RAW       0x30030000U /* stop on AP and RC failure, init delay 3 */
#define BL_CRYPTO_TR_CTL1           0x40110284U
#define BL_CRYPTO_TR_CTL1_ALL       0x0000003FU /* all six ring oscillators */
#define BL_CRYPTO_TR_GARO           0x401102A0U
#define BL_CRYPTO_TR_FIRO           0x401102A4U
#define BL_CRYPTO_TR_POLYNOMIAL     0x04C11DB7U
#define BL_CRYPTO_TR_RESULT         0x40110288U
#define BL_CRYPTO_TR_MON_CTL        0x401102C0U
#define BL_CRYPTO_TR_MON_CTL_STREAM 0x00000002U
#define BL_CRYPTO_TR_MON_CMD        0x401102C8U
#define BL_CRYPTO_TR_MON_CMD_START  0x00000003U /* adaptive proportion and repetition count */
#define BL_CRYPTO_TR_MON_RC_CTL     0x401102D0U /* cut-off count */
#define BL_CRYPTO_TR_MON_AP_CTL     0x401102E0U /* window - 1 << 16 | cut-off count */
#define BL_CRYPTO_INTR              0x401107C0U
#define BL_CRYPTO_INTR_TR_READY     0x00000008U
#define BL_CRYPTO_INTR_ERRORS       0x001F0000U /* opcode, condition, bus, AP, RC */
#define BL_CRYPTO_SET_REG1          0x40000000U
#define BL_CRYPTO_TRNG              0x60000000U

/* Supervisory flash. */
#define BL_SFLASH_SILICON_ID 0x16000002U /* half-word */
#define BL_SFLASH_FAMILY_ID  0x1600000CU /* half-word */
#define BL_SFLASH_DIE        0x16000600U /* lot[3] wafer x y sort minor day month year */

/* Table of contents, part 2: where the boot code finds its choices. */
#define BL_SFLASH_TOC2      0x16007C00U
#define BL_TOC2_MAGIC_AT    0x004U
#define BL_TOC2_MAGIC       0x01211220U
#define BL_TOC2_FLAGS_AT    0x1F8U
#define BL_TOC2_FLAGS_CLOCK 0x00000003U /* 25, 8, 50 MHz */

/* eFuse bytes. */
#define BL_FUSE_DEAD_RESTRICT0   0x27U
#define BL_FUSE_DEAD_RESTRICT1   0x28U
#define BL_FUSE_SECURE_RESTRICT0 0x29U
#define BL_FUSE_SECURE_RESTRICT1 0x2AU
#define BL_FUSE_LIFECYCLE        0x2BU

#endif
