/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_PSOC6_REGS_H
#define PRG_PSOC6_REGS_H

/**
 * @file
 * Addresses and masks of PSoC 6 that a programmer needs. Source: vendor device headers and SVD of
 * the peripheral driver library (devices/COMPONENT_CAT1A); section names in brackets.
 */

#define PSOC6_DPIDR 0x6BA02477U

#define PSOC6_SRAM       0x08000000U
#define PSOC6_MAIN_FLASH 0x10000000U
#define PSOC6_WORK_FLASH 0x14000000U
#define PSOC6_SFLASH     0x16000000U

#define PSOC6_ROW_BYTES       0x200U
#define PSOC6_SUBSECTOR_BYTES 0x1000U  /* 8 rows */
#define PSOC6_SECTOR_BYTES    0x40000U /* 512 rows */

/* First byte and end of the sector that holds the second vault home; the first one is work flash.
 */
#define PSOC6_VAULT_SECTOR     0x100C0000U
#define PSOC6_VAULT_SECTOR_END 0x10100000U

/* [SFLASH] */
#define PSOC6_SFLASH_ID       0x16000000U /* byte 1 revision, half-word 1 silicon id */
#define PSOC6_SFLASH_FAMILY   0x1600000CU
#define PSOC6_SFLASH_DIE      0x16000600U /* lot[3] wafer | X Y sort minor | day month year */
#define PSOC6_SFLASH_USER     0x16000800U
#define PSOC6_SFLASH_USER_END 0x16001000U
#define PSOC6_SFLASH_KEY      0x16005A00U
#define PSOC6_SFLASH_KEY_END  0x16006600U
#define PSOC6_SFLASH_TOC1     0x16007800U
#define PSOC6_SFLASH_TOC2     0x16007C00U
#define PSOC6_SFLASH_RTOC2    0x16007E00U

/* [SRSS] not in the public headers; known from the vendor's probe firmware. */
#define PSOC6_TST_MODE      0x40260100U
#define PSOC6_TST_MODE_TEST 0x80000000U

/* [IPC] IPC structure 2 is the debug port's. */
#define PSOC6_IPC_DAP       2U
#define PSOC6_IPC_STRIDE    0x20U
#define PSOC6_IPC_ACQUIRE   0x00U
#define PSOC6_IPC_NOTIFY    0x08U
#define PSOC6_IPC_DATA      0x0CU
#define PSOC6_IPC_SUCCESS   0x80000000U /* ACQUIRE and LOCK_STATUS */
#define PSOC6_IPC_INTR_MASK 0x08U
#define PSOC6_IPC_INTR_DAP  0x00040000U /* notify event of IPC structure 2 */

/* [CPUSS] CM4_PWR_CTL with its write key: off. */
#define PSOC6_CM4_POWER_OFF 0x05FA0000U

/* Cortex-M (ARMv6-M ARM) */
#define ARM_AIRCR          0xE000ED0CU
#define ARM_AIRCR_SYSRESET 0x05FA0004U
#define ARM_DHCSR          0xE000EDF0U
#define ARM_DHCSR_S_SLEEP  0x00040000U

/* SROM opcodes. */
#define SROM_SILICON_ID_FAMILY 0x00000001U
#define SROM_SILICON_ID_CHIP   0x00000101U
#define SROM_BLOW_FUSE_BIT     0x01000001U /* | byte in macro << 16 | macro << 12 | bit << 8 */
#define SROM_READ_FUSE_BYTE    0x03000001U /* | byte << 8 */
#define SROM_WRITE_ROW         0x05000100U
#define SROM_PROGRAM_ROW       0x06000100U
#define SROM_ERASE_SECTOR      0x14000100U
#define SROM_ERASE_ROW         0x1C000100U
#define SROM_ERASE_SUBSECTOR   0x1D000100U
#define SROM_GENERATE_HASH     0x1E000000U /* gives four words of hash and the zero count */
#define SROM_CHECK_FACTORY     0x27000001U
#define SROM_ROW_FROM_SRAM     0x00000106U /* size code of 512 bytes, data in SRAM */
#define SROM_STATUS_MASK       0xF0000000U
#define SROM_SUCCESS           0xA0000000U

/* [EFUSE] byte offsets */
#define PSOC6_FUSE_SECURE_HASH  0x14U
#define PSOC6_FUSE_SECURE_ZEROS 0x26U
#define PSOC6_FUSE_DEAD0        0x27U
#define PSOC6_FUSE_DEAD1        0x28U
#define PSOC6_FUSE_SECURE0      0x29U
#define PSOC6_FUSE_SECURE1      0x2AU
#define PSOC6_FUSE_LIFECYCLE    0x2BU
#define PSOC6_FUSE_FACTORY      0x2CU /* FACTORY_HASH, 16 bytes */

#define PSOC6_LIFECYCLE_NORMAL       1U
#define PSOC6_LIFECYCLE_SECURE_DEBUG 2U
#define PSOC6_LIFECYCLE_SECURE       4U
#define PSOC6_LIFECYCLE_RMA          8U

/* SRAM used while the CM0+ is parked in ROM: argument block, ticket, two row buffers. */
#define PSOC6_SCRATCH_ARGS   0x08003000U
#define PSOC6_SCRATCH_TICKET 0x08003040U
#define PSOC6_SCRATCH_ROW_0  0x08003200U
#define PSOC6_SCRATCH_ROW_1  0x08003400U

#endif
