/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/protect.h"

#include "device-fw/bootloader/hal.h"
#include "device-fw/bootloader/regs.h"
#include "device-fw/services/message.h"

#include <stddef.h>
#include <stdint.h>

/* Contexts as in the vendor's security example: 1 ours, 2 the layer on the CM0+, 4 CM4, 5 debug
 * port. The CM0+ itself runs in context 0, which passes everywhere, until it starts a layer; from
 * then on in 1. */
#define CONTEXT_OWN   1U
#define CONTEXT_LAYER SVC_LAYER_CONTEXT
#define CONTEXT_CM4   4U
#define CONTEXT_DEBUG 5U

#define OWN    BL_PROT_ATT_CONTEXT(CONTEXT_OWN)
#define LAYER  BL_PROT_ATT_CONTEXT(CONTEXT_LAYER)
#define CM4    BL_PROT_ATT_CONTEXT(CONTEXT_CM4)
#define DEBUG  BL_PROT_ATT_CONTEXT(CONTEXT_DEBUG)
#define ALL    BL_PROT_ATT_ALL_CONTEXTS
#define OPEN   (BL_PROT_ATT_READ | BL_PROT_ATT_WRITE | BL_PROT_ATT_NS | BL_PROT_ATT_ENABLED)
#define LOOK   (BL_PROT_ATT_READ | BL_PROT_ATT_NS | BL_PROT_ATT_ENABLED)
#define SECRET (BL_PROT_ATT_PRIV_READ | BL_PROT_ATT_PRIV_WRITE | BL_PROT_ATT_ENABLED)
/* Everybody named reads, privileged code writes. */
#define SWITCH (BL_PROT_ATT_READ | BL_PROT_ATT_PRIV_WRITE | BL_PROT_ATT_NS | BL_PROT_ATT_ENABLED)
/* Only accesses from the contexts named are judged; others go on to the next unit. */
#define ONLY(contexts) ((contexts) | BL_PROT_ATT_MATCH)

#define VAULT_ROW_LOG2 9U /* PROTO_VAULT_HOME_SIZE */
/* 64 KiB less the last quarter are the image's 48 KiB. */
#define IMAGE_LOG2       16U
#define IMAGE_SUBREGIONS 0xC0U

/* The layer's 28 KiB: 32 KiB less the last eighth, in which the ROM has its stack. */
#define LAYER_LOG2       15U
#define LAYER_SUBREGIONS 0x80U

/* The ROM keeps units 14 and 15; the highest matching one wins. */
#define SMPU_HOME_0 8U
#define SMPU_HOME_1 9U
#define SMPU_SRAM   10U
#define SMPU_IMAGE  11U
#define SMPU_LAYER  12U

#define WORD_MASK UINT32_MAX

_Static_assert(SVC_LAYER_BASE % (1U << LAYER_LOG2) == 0 &&
                   SVC_LAYER_END - SVC_LAYER_BASE == 7U << (LAYER_LOG2 - 3U),
    "the layer's memory is seven eighths of one region");

struct setting {
    uint32_t address;
    uint32_t value;
    uint32_t mask; /* bits that read back */
};

#define SMPU(unit, base, attributes, log2)                                                         \
    { BL_PROT_SMPU_ADDR0(unit), (base), WORD_MASK },                                               \
    {                                                                                              \
        BL_PROT_SMPU_ATT0(unit), (attributes) | BL_PROT_ATT_PC0 | BL_PROT_ATT_SIZE(log2),          \
            WORD_MASK                                                                              \
    }
/* A fixed unit, whose place and size are its own, and then the unit itself. */
#define FIXED(unit, attributes)                                                                    \
    { (unit) + BL_PPU_ATT0, (attributes) | BL_PROT_ATT_PC0, BL_PPU_ATT_MASK },                     \
    {                                                                                              \
        (unit) + BL_PPU_ATT1, BL_PPU_OWN_PAIR, BL_PPU_ATT1_MASK                                    \
    }

static const struct setting settings[] = {
    SMPU(SMPU_HOME_0, PROTO_VAULT_HOME_0, SECRET | OWN, VAULT_ROW_LOG2),
    SMPU(SMPU_HOME_1, PROTO_VAULT_HOME_1, SECRET | OWN, VAULT_ROW_LOG2),
    SMPU(SMPU_SRAM, BL_PROTECT_SRAM, SECRET | OWN, BL_PROTECT_SRAM_LOG2),
    SMPU(SMPU_IMAGE, PROTO_IMAGE_ADDRESS | IMAGE_SUBREGIONS, LOOK | BL_PROT_ATT_EXECUTE | ONLY(CM4),
        IMAGE_LOG2),
    SMPU(SMPU_LAYER, SVC_LAYER_BASE | LAYER_SUBREGIONS, OPEN | OWN | LAYER, LAYER_LOG2),
    /* System calls, the noise source and whoever may ask the crypto block to copy memory. */
    FIXED(BL_PPU_IPC(0), OPEN | OWN | DEBUG),
    FIXED(BL_PPU_IPC(1), OPEN | OWN | DEBUG),
    FIXED(BL_PPU_IPC(2), OPEN | OWN | DEBUG),
    FIXED(BL_PPU_IPC_INTR(0), OPEN | OWN | DEBUG),
    FIXED(BL_PPU_CRYPTO, OPEN | OWN),
    FIXED(BL_PPU_CPUSS, LOOK | ONLY(CM4 | LAYER)),
    /* Contexts and memory protection units. The CM0+ goes from 1 to 2 and back, in privileged
     * code; it alone is a secure master, as the SECRET regions ask of whoever is not in 0. */
    { BL_PROT_MS_CTL(BL_PROT_MASTER_CM0),
        BL_PROT_MS_CTL_SECURE | BL_PROT_MS_CTL_CONTEXT(CONTEXT_OWN) |
            BL_PROT_MS_CTL_CONTEXT(CONTEXT_LAYER),
        WORD_MASK },
    FIXED(BL_PPU_SMPU, LOOK | ALL),
    FIXED(BL_PPU_MPU_CM0, SWITCH | OWN | LAYER),
    FIXED(BL_PPU_MPU_CRYPTO, LOOK | ALL),
    FIXED(BL_PPU_MPU_CM4, LOOK | ALL),
    FIXED(BL_PPU_MPU_DEBUG, LOOK | ALL),
};

static bool holds(const struct setting *setting)
{
    return ((bl_hal_read32(setting->address) ^ setting->value) & setting->mask) == 0;
}

static bool apply(const struct setting *setting)
{
    bl_hal_write32(setting->address, setting->value);
    return holds(setting);
}

/* A programmable unit decides before a fixed one, so that none of the free ones may be taken. */
static struct setting free_unit(uint32_t number)
{
    const struct setting setting = { BL_PPU_PROGRAMMABLE(number) + BL_PPU_ATT1, BL_PPU_OWN_PAIR,
        BL_PPU_ATT1_MASK };

    return setting;
}

static struct setting choice_of(uint32_t master, uint32_t context)
{
    const struct setting setting = { BL_PROT_MS_CTL(master),
        BL_PROT_MS_CTL_RESET | BL_PROT_MS_CTL_CONTEXT(context), WORD_MASK };

    return setting;
}

static struct setting context_of(uint32_t master, uint32_t context)
{
    const struct setting setting = { BL_PROT_MPU_MS_CTL(master), context, BL_PROT_MPU_PC_MASK };

    return setting;
}

/* First what the master may choose, then its choice: after that it cannot go back. */
static bool for_master(bool (*act)(const struct setting *), uint32_t master, uint32_t context)
{
    const struct setting choice = choice_of(master, context);
    const struct setting chosen = context_of(master, context);
    bool done = act(&choice);

    return act(&chosen) && done;
}

static bool for_all(bool (*act)(const struct setting *))
{
    bool done = true;

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        done = act(&settings[i]) && done;
    for (uint32_t i = 0; i < BL_PPU_PROGRAMMABLE_FREE; i++) {
        const struct setting setting = free_unit(i);

        done = act(&setting) && done;
    }
    done = for_master(act, BL_PROT_MASTER_CRYPTO, CONTEXT_OWN) && done;
    done = for_master(act, BL_PROT_MASTER_CM4, CONTEXT_CM4) && done;
    return for_master(act, BL_PROT_MASTER_DEBUG, CONTEXT_DEBUG) && done;
}

bool bl_protect_apply(void)
{
    return for_all(apply);
}

bool bl_protect_holds(void)
{
    return for_all(holds);
}
