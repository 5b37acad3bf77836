/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* Channel 0 of each data wire (DW0 = bus master 2, DW1 = 3): a DMA that copies with the protection
 * context of whoever wrote its channel control. Enough to show what a DMA may reach: descriptors
 * for a single element and for one dimension, started by the software trigger, done at once (no
 * cycle cost is sourced). */

#define DW_STRIDE     0x1000U
#define REG_CTL       0x000U
#define REG_CH_CTL    0x800U
#define REG_CH_STATUS 0x804U
#define REG_CH_IDX    0x808U
#define REG_CH_CURR   0x80CU
#define REG_INTR      0x810U
#define REG_INTR_SET  0x814U
#define REG_INTR_MASK 0x818U
#define REG_MASKED    0x81CU
#define ENABLED       (1U << 31)
#define FIRST_MASTER  2U
#define CH_DISABLE    (1U << 24)
#define SRC_WORD      (1U << 26)
#define DST_WORD      (1U << 27)
#define TR_ACTIVATE   (1U << 31)
#define TR_OUT_SEL    (1U << 30)

/* CH_STATUS.INTR_CAUSE */
#define CAUSE_COMPLETION 1U
#define CAUSE_SRC_BUS    2U
#define CAUSE_DST_BUS    3U
#define CAUSE_NULL       6U
#define CAUSE_DESCR_BUS  8U

static struct sim_access dw_access(const struct sim_chip *chip, unsigned index, uint32_t kind)
{
    uint32_t ch_ctl = chip->regs.dw[index].ch_ctl;
    struct sim_access access = {
        .master = (uint8_t)(FIRST_MASTER + index),
        .context = ch_ctl >> 4 & 0xFU,
        .privileged = (ch_ctl & 1U) != 0,
        .kind = kind,
    };
    return access;
}

static bool fetch_descriptor(struct sim_chip *chip, unsigned index, uint32_t ret_words[5])
{
    struct sim_access access = dw_access(chip, index, SIM_PERM_READ);
    uint32_t count = 4;
    for (uint32_t i = 0; i < count; i++) {
        if (sim_bus_access(chip, &access, chip->regs.dw[index].descriptor + i * 4, 4,
                &ret_words[i]) != SIM_BUS_OK)
            return false;
        if (i == 0 && ret_words[0] >> 30 == 1)
            count = 5; /* one dimension: a word more */
    }
    return true;
}

/* One element; 0, or the cause of the error. */
static uint32_t copy(
    struct sim_chip *chip, unsigned index, uint32_t control, uint32_t source, uint32_t destination)
{
    static const uint8_t sizes[4] = { 1, 2, 4, 4 };
    unsigned data = sizes[control >> 16 & 3U];
    struct sim_access access = dw_access(chip, index, SIM_PERM_READ);
    uint32_t value = 0;
    unsigned width = (control & SRC_WORD) != 0 ? 4 : data;
    if (sim_bus_access(chip, &access, source, width, &value) != SIM_BUS_OK)
        return CAUSE_SRC_BUS;
    if (data < 4)
        value &= (1U << data * 8) - 1;
    access.kind = SIM_PERM_WRITE;
    width = (control & DST_WORD) != 0 ? 4 : data;
    return sim_bus_access(chip, &access, destination, width, &value) == SIM_BUS_OK ? 0
                                                                                   : CAUSE_DST_BUS;
}

static uint32_t increment(uint32_t field)
{
    return (uint32_t)((int32_t)(field << 20) >> 20); /* 12 bits, signed */
}

/* The whole descriptor; the cause of the interrupt. */
static uint32_t carry_out(struct sim_chip *chip, unsigned index, const uint32_t words[5])
{
    static const uint8_t sizes[4] = { 1, 2, 4, 4 };
    uint32_t control = words[0];
    uint32_t count = 1, source_step = 0, destination_step = 0;
    uint32_t data = sizes[control >> 16 & 3U];
    if (control >> 30 == 1) { /* X_CTL: increments, count - 1 */
        source_step = increment(words[3]) * ((control & SRC_WORD) != 0 ? 4 : data);
        destination_step = increment(words[3] >> 12) * ((control & DST_WORD) != 0 ? 4 : data);
        count = (words[3] >> 24) + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t cause =
            copy(chip, index, control, words[1] + i * source_step, words[2] + i * destination_step);
        if (cause != 0)
            return cause;
    }
    return CAUSE_COMPLETION;
}

static bool start(struct sim_chip *chip, unsigned index)
{
    struct sim_dw *dw = &chip->regs.dw[index];
    uint32_t words[5] = { 0 };
    if ((dw->ctl & ENABLED) == 0 || (dw->ch_ctl & ENABLED) == 0)
        return true; /* a trigger nobody listens to */
    if (dw->descriptor == 0) {
        dw->status = CAUSE_NULL;
    } else if (!fetch_descriptor(chip, index, words)) {
        dw->status = CAUSE_DESCR_BUS;
    } else if (words[0] >> 30 > 1 || (words[0] >> 30 == 1 && (words[0] >> 6 & 3U) == 0)) {
        sim_bus_note(chip, "DW: only descriptors of one element, or of one dimension done at one "
                           "trigger, are modelled");
        return false;
    } else {
        uint32_t next = words[words[0] >> 30 == 1 ? 4 : 3];
        dw->status = carry_out(chip, index, words);
        if (dw->status == CAUSE_COMPLETION)
            dw->descriptor = next & ~3U;
        if ((words[0] & CH_DISABLE) != 0)
            dw->ch_ctl &= ~ENABLED;
    }
    if (dw->status != CAUSE_COMPLETION)
        dw->ch_ctl &= ~ENABLED;
    dw->intr |= 1U;
    return true;
}

bool sim_dw_trigger(struct sim_chip *chip, uint32_t command)
{
    uint32_t group = command >> 8 & 0xFU;
    if ((command & TR_ACTIVATE) == 0)
        return true;
    if ((command & TR_OUT_SEL) == 0 || group >= SIM_DW_COUNT || (command & 0xFFU) != 0) {
        sim_bus_note(
            chip, "PERI: triggers other than to channel 0 of DW0 and DW1 are not modelled");
        return false;
    }
    return start(chip, group);
}

bool sim_dw_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    const struct sim_dw *dw = &chip->regs.dw[offset / DW_STRIDE];
    (void)access;
    switch (offset % DW_STRIDE) {
    case REG_CTL:
        *ret_value = dw->ctl;
        return true;
    case REG_CH_CTL:
        *ret_value = dw->ch_ctl;
        return true;
    case REG_CH_STATUS:
        *ret_value = dw->status;
        return true;
    case REG_CH_IDX:
        *ret_value = dw->index;
        return true;
    case REG_CH_CURR:
        *ret_value = dw->descriptor;
        return true;
    case REG_INTR:
    case REG_INTR_SET:
        *ret_value = dw->intr;
        return true;
    case REG_INTR_MASK:
        *ret_value = dw->mask;
        return true;
    case REG_MASKED:
        *ret_value = dw->intr & dw->mask;
        return true;
    default:
        return false;
    }
}

bool sim_dw_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    unsigned index = offset / DW_STRIDE;
    struct sim_dw *dw = &chip->regs.dw[index];
    switch (offset % DW_STRIDE) {
    case REG_CTL:
        dw->ctl = value & ENABLED;
        return true;
    case REG_CH_CTL: { /* P, NS and PC are the writer's, whatever the value says */
        uint32_t who = sim_prot_attributes(chip, access);
        dw->ch_ctl = (value & ~0xF3U) | (who & 0xF3U);
        chip->regs.ms_ctl[FIRST_MASTER + index] = 0x300U | (who & 3U);
        return true;
    }
    case REG_CH_IDX:
        dw->index = value & 0xFFFFU;
        return true;
    case REG_CH_CURR:
        dw->descriptor = value & ~3U;
        return true;
    case REG_INTR:
        dw->intr &= ~value;
        return true;
    case REG_INTR_SET:
        dw->intr |= value & 1U;
        return true;
    case REG_INTR_MASK:
        dw->mask = value & 1U;
        return true;
    default:
        return false;
    }
}
