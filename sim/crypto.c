/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* Registers and instruction FIFO of the version 1 crypto block. Instructions take effect at once,
 * except random numbers: no cycle cost of the others has a source. */

#define INTR_TR_INITIALISED (1U << 2)
#define INTR_OPCODE_ERROR   (1U << 16)
#define INTR_MASK           0x001F003FU

void sim_crypto_reset(struct sim_chip *chip)
{
    struct sim_trng source = chip->crypto.trng;
    static const struct sim_crypto empty = { .ff_ctl = 0x20000U };
    chip->crypto = empty;
    struct sim_trng *trng = &chip->crypto.trng;
    trng->noise = source.noise;
    trng->drawn = source.drawn;
    trng->fault = source.fault;
    trng->fault_parameter = source.fault_parameter;
    trng->ctl0 = 0x00030000U;
    trng->rc_ctl = 0xFFU;
    trng->ap_ctl = UINT32_MAX;
}

static uint32_t operand(const struct sim_chip *chip, uint32_t instruction, unsigned nibble)
{
    return chip->crypto.rf[instruction >> nibble & 0xFU];
}

static void execute(struct sim_chip *chip, uint32_t instruction)
{
    struct sim_crypto *crypto = &chip->crypto;
    uint32_t opcode = instruction >> 24;
    if (opcode >= 0x40U && opcode <= 0x43U) {
        crypto->operand_left = opcode - 0x3FU;
        crypto->operand_regs = instruction & 0xFFFFU;
        crypto->operand_index = 0;
    } else if (opcode == 0x60U) {
        sim_trng_draw(chip, operand(chip, instruction, 0));
    } else if (opcode == 0x7FU) { /* SYNC: everything is in step */
        return;
    } else if (!sim_crypto_function(chip, instruction)) {
        sim_bus_note(chip, "CRYPTO: an instruction that is not modelled was answered with the "
                           "opcode error interrupt");
        crypto->intr |= INTR_OPCODE_ERROR;
    }
}

static void fifo_word(struct sim_chip *chip, uint32_t word)
{
    struct sim_crypto *crypto = &chip->crypto;
    if (crypto->operand_left == 0) {
        execute(chip, word);
        return;
    }
    unsigned shift = crypto->operand_index * 4;
    crypto->rf[crypto->operand_regs >> shift & 0xFU] = word;
    crypto->operand_index++;
    crypto->operand_left--;
}

/* Drops what was queued; a draw that waits for ever is what gets stuck in it. */
static void clear_fifo(struct sim_chip *chip)
{
    chip->crypto.operand_left = 0;
    chip->crypto.trng.stuck = false;
    chip->event_ps[SIM_EVENT_TRNG] = SIM_NEVER;
}

static bool busy(const struct sim_chip *chip)
{
    return chip->event_ps[SIM_EVENT_TRNG] != SIM_NEVER || chip->crypto.trng.stuck;
}

static bool trng_read(const struct sim_trng *trng, uint32_t offset, uint32_t *ret_value)
{
    switch (offset) {
    case 0x280:
        *ret_value = trng->ctl0;
        return true;
    case 0x284:
        *ret_value = trng->ctl1;
        return true;
    case 0x288:
        *ret_value = trng->result;
        return true;
    case 0x2A0:
    case 0x2A4:
        *ret_value = trng->poly[(offset - 0x2A0) / 4];
        return true;
    case 0x2C0:
        *ret_value = trng->mon_ctl;
        return true;
    case 0x2C8:
        *ret_value = trng->mon_cmd;
        return true;
    case 0x2D0:
        *ret_value = trng->rc_ctl;
        return true;
    case 0x2D8:
        *ret_value = trng->rc_bit;
        return true;
    case 0x2DC:
        *ret_value = trng->rc_count;
        return true;
    case 0x2E0:
        *ret_value = trng->ap_ctl;
        return true;
    case 0x2E8:
        *ret_value = trng->ap_bit;
        return true;
    case 0x2EC:
        *ret_value = trng->ap_index << 16 | trng->ap_count;
        return true;
    default:
        return false;
    }
}

static bool trng_write(struct sim_trng *trng, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case 0x280:
        trng->ctl0 = value & 0x31FFFFFFU;
        return true;
    case 0x284:
        if (trng->ctl1 == 0 && (value & 0x3FU) != 0)
            trng->initialised = false;
        trng->ctl1 = value & 0x3FU;
        return true;
    case 0x2A0:
    case 0x2A4:
        trng->poly[(offset - 0x2A0) / 4] = value;
        return true;
    case 0x2C0:
        trng->mon_ctl = value & 3U;
        return true;
    case 0x2C8:
        sim_trng_start_monitors(trng, value & 3U);
        return true;
    case 0x2D0:
        trng->rc_ctl = value & 0xFFU;
        return true;
    case 0x2E0:
        trng->ap_ctl = value;
        return true;
    default:
        return false;
    }
}

bool sim_crypto_read(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t *ret_value)
{
    const struct sim_crypto *crypto = &chip->crypto;
    (void)access;
    if (offset != 0 && (crypto->ctl & 1U << 31) == 0) {
        sim_bus_note(chip, "CRYPTO: used before CTL.ENABLED was set");
        return false;
    }
    switch (offset) {
    case 0x000:
        *ret_value = crypto->ctl;
        return true;
    case 0x004:
        *ret_value = busy(chip) ? 1U << 6 : 0;
        return true;
    case 0x040:
        *ret_value = crypto->ff_ctl;
        return true;
    case 0x044:
        *ret_value = busy(chip) ? 1U << 31 : 0;
        return true;
    case 0x100:
        *ret_value = crypto->aes_ctl;
        return true;
    case 0x180:
        *ret_value = crypto->str_result;
        return true;
    case 0x300:
        *ret_value = crypto->sha_ctl;
        return true;
    case 0x7C0:
    case 0x7C4:
        *ret_value = crypto->intr;
        return true;
    case 0x7C8:
        *ret_value = crypto->intr_mask;
        return true;
    case 0x7CC:
        *ret_value = crypto->intr & crypto->intr_mask;
        return true;
    default:
        break;
    }
    if (offset >= 0x080 && offset < 0x0C0) {
        *ret_value = crypto->rf[(offset - 0x080) / 4];
        return true;
    }
    return trng_read(&crypto->trng, offset, ret_value);
}

bool sim_crypto_write(
    struct sim_chip *chip, const struct sim_access *access, uint32_t offset, uint32_t value)
{
    struct sim_crypto *crypto = &chip->crypto;
    (void)access;
    if (offset != 0 && (crypto->ctl & 1U << 31) == 0) {
        sim_bus_note(chip, "CRYPTO: used before CTL.ENABLED was set");
        return false;
    }
    switch (offset) {
    case 0x000:
        crypto->ctl = value & 0x80000003U;
        return true;
    case 0x040:
        if ((value & 1U << 16) != 0)
            clear_fifo(chip);
        crypto->ff_ctl = value & 0x20007U;
        return true;
    case 0x048:
        fifo_word(chip, value);
        return true;
    case 0x100:
        crypto->aes_ctl = value & 3U;
        return true;
    case 0x300:
        crypto->sha_ctl = value & 7U;
        return true;
    case 0x7C0:
        crypto->intr &= ~value;
        return true;
    case 0x7C4:
        crypto->intr |= value & INTR_MASK;
        return true;
    case 0x7C8:
        crypto->intr_mask = value & INTR_MASK;
        return true;
    default:
        return trng_write(&crypto->trng, offset, value);
    }
}
