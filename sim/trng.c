/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/die.h"

/* The random number generator of the crypto block: a seeded noise source, reduction, von Neumann
 * corrector, and the repetition-count and adaptive-proportion monitors (as SP 800-90B names them).
 */

#define INTR_INITIALISED (1U << 2)
#define INTR_READY       (1U << 3)
#define INTR_AP          (1U << 19)
#define INTR_RC          (1U << 20)

#define CTL0_VON_NEUMANN (1U << 24)
#define CTL0_STOP_AP     (1U << 28)
#define CTL0_STOP_RC     (1U << 29)

#define MON_AP 1U
#define MON_RC 2U

#define STREAM_RAW     0U
#define STREAM_REDUCED 1U
#define STREAM_RANDOM  2U

/* A source that gives no accepted bit in so many samples never will. */
#define HOPELESS_SAMPLES 1000000U

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static uint64_t sample_word(const struct sim_trng *trng, uint64_t index)
{
    return mix(trng->noise + (index + 1) * UINT64_C(0x9E3779B97F4A7C15));
}

static unsigned sample(struct sim_trng *trng)
{
    uint64_t index = trng->drawn++;
    switch (trng->fault) {
    case SIM_TRNG_STUCK:
        return trng->fault_parameter & 1U;
    case SIM_TRNG_BIASED:
        return (sample_word(trng, index) & 0x3FFU) < trng->fault_parameter ? 1 : 0;
    case SIM_TRNG_PERIOD:
        index %= trng->fault_parameter != 0 ? trng->fault_parameter : 1;
        break;
    case SIM_TRNG_GOOD:
        break;
    }
    return (unsigned)(sample_word(trng, index) >> 63);
}

void sim_trng_start_monitors(struct sim_trng *trng, uint32_t which)
{
    if ((which & MON_RC) != 0)
        trng->rc_count = 0;
    if ((which & MON_AP) != 0) {
        trng->ap_count = 0;
        trng->ap_index = 0;
    }
    trng->mon_cmd = which;
}

/* Feed one bit of the watched stream; returns the interrupts of tests that failed. */
static uint32_t monitor(struct sim_trng *trng, uint32_t stream, unsigned bit)
{
    uint32_t failed = 0;
    if (trng->mon_ctl != stream)
        return 0;
    if ((trng->mon_cmd & MON_RC) != 0) {
        trng->rc_count = trng->rc_count != 0 && trng->rc_bit == bit ? trng->rc_count + 1 : 1;
        trng->rc_bit = bit;
        if (trng->rc_count >= trng->rc_ctl)
            failed |= INTR_RC;
    }
    if ((trng->mon_cmd & MON_AP) != 0) {
        if (trng->ap_index == 0) {
            trng->ap_bit = bit;
            trng->ap_count = 0;
        }
        if (trng->ap_bit == bit)
            trng->ap_count++;
        if (trng->ap_count >= (trng->ap_ctl & 0xFFFFU))
            failed |= INTR_AP;
        trng->ap_index = trng->ap_index >= trng->ap_ctl >> 16 ? 0 : trng->ap_index + 1;
    }
    return failed;
}

/* One bit after reduction: the XOR of RED_DIV + 1 samples. */
static unsigned reduced(struct sim_trng *trng, uint32_t *failed, uint64_t *samples)
{
    unsigned bit = 0;
    for (uint32_t i = 0; i <= (trng->ctl0 >> 8 & 0xFFU); i++) {
        unsigned raw = sample(trng);
        (*samples)++;
        *failed |= monitor(trng, STREAM_RAW, raw);
        bit ^= raw;
    }
    *failed |= monitor(trng, STREAM_REDUCED, bit);
    return bit;
}

static bool stops(const struct sim_trng *trng, uint32_t failed)
{
    return ((failed & INTR_AP) != 0 && (trng->ctl0 & CTL0_STOP_AP) != 0) ||
           ((failed & INTR_RC) != 0 && (trng->ctl0 & CTL0_STOP_RC) != 0);
}

/* Collect @p bits bits; returns the interrupts to raise when the time of @p ret_samples is over. 0:
 * nothing will ever come. */
static uint32_t collect(struct sim_trng *trng, unsigned bits, uint64_t *ret_samples)
{
    uint32_t failed = 0;
    uint32_t result = 0;
    unsigned got = 0;
    *ret_samples = 0;
    while (got < bits && *ret_samples < HOPELESS_SAMPLES && !stops(trng, failed)) {
        unsigned bit = reduced(trng, &failed, ret_samples);
        if ((trng->ctl0 & CTL0_VON_NEUMANN) != 0) {
            unsigned second = reduced(trng, &failed, ret_samples);
            if (bit == second)
                continue;
        }
        failed |= monitor(trng, STREAM_RANDOM, bit);
        result |= bit << got++;
    }
    if (stops(trng, failed))
        return failed;
    if (got < bits)
        return 0;
    trng->next_result = result;
    return failed | INTR_READY;
}

void sim_trng_draw(struct sim_chip *chip, unsigned bits)
{
    struct sim_trng *trng = &chip->crypto.trng;
    uint64_t samples = 0;
    uint64_t clocks = 0;
    if (bits == 0 || bits > 32 || trng->ctl1 == 0) {
        sim_bus_note(chip, "TRNG: drawn with no ring oscillator on, or with a size beyond 1 … 32");
        trng->stuck = true;
        return;
    }
    if (!trng->initialised)
        clocks = trng->ctl0 >> 16 & 0xFFU;
    trng->outcome = collect(trng, bits, &samples);
    if (trng->outcome == 0) {
        trng->stuck = true;
        return;
    }
    clocks += samples * ((trng->ctl0 & 0xFFU) + 1);
    sim_event_at(chip, SIM_EVENT_TRNG, sim_now(chip) + clocks * chip->period_ps);
}

void sim_trng_event(struct sim_chip *chip)
{
    struct sim_trng *trng = &chip->crypto.trng;
    if (!trng->initialised) {
        trng->initialised = true;
        chip->crypto.intr |= INTR_INITIALISED;
    }
    chip->crypto.intr |= trng->outcome;
    if ((trng->outcome & INTR_READY) != 0)
        trng->result = trng->next_result;
    else
        trng->ctl1 = 0; /* stopped on a failed test: the oscillators are off */
}
