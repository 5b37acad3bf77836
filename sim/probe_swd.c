/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe_internal.h"

#define DATA_BITS 32U

static bool clock_bit(struct sim_probe *probe, bool bit, bool drive)
{
    bool flip = probe_fault_cycle(probe);
    if (probe->stuck_low > 0) {
        (void)sim_swd_clock(&probe->swd, false, true);
        probe->swclk = true;
        return false;
    }
    bool level = sim_swd_clock(&probe->swd, bit != flip, drive);
    probe->swclk = true;
    /* What the host drives is damaged on its way to the target, the rest on its way to the host. */
    return drive ? level : level != flip;
}

static void put_bit(struct sim_probe *probe, bool bit)
{
    probe->swdio = bit;
    (void)clock_bit(probe, bit, true);
}

static bool get_bit(struct sim_probe *probe)
{
    return clock_bit(probe, true, false);
}

static void turn(struct sim_probe *probe)
{
    for (unsigned i = 0; i < probe->turnaround; i++) {
        (void)get_bit(probe);
    }
}

void probe_swd_write_bits(struct sim_probe *probe, const uint8_t *bits, unsigned count)
{
    if (!probe->connected) {
        return;
    }
    probe->swdio_driven = true;
    for (unsigned i = 0; i < count; i++) {
        put_bit(probe, ((unsigned)bits[i / 8] >> (i % 8) & 1U) != 0);
    }
}

void probe_swd_read_bits(struct sim_probe *probe, uint8_t *ret_bits, unsigned count)
{
    probe->swdio_driven = false;
    for (unsigned i = 0; i < count; i++) {
        if (i % 8 == 0) {
            ret_bits[i / 8] = 0;
        }
        bool bit = probe->connected ? get_bit(probe) : true;
        ret_bits[i / 8] = (uint8_t)(ret_bits[i / 8] | ((unsigned)bit << (i % 8)));
    }
}

static void put_request(struct sim_probe *probe, uint8_t request)
{
    unsigned fields = request & (DAP_REQ_APNDP | DAP_REQ_RNW | DAP_REQ_ADDR);
    put_bit(probe, true);
    for (unsigned i = 0; i < 4; i++) {
        put_bit(probe, (fields >> i & 1U) != 0);
    }
    put_bit(probe, __builtin_parity(fields) != 0);
    put_bit(probe, false);
    put_bit(probe, true);
}

static void put_word(struct sim_probe *probe, uint32_t word)
{
    for (unsigned i = 0; i < DATA_BITS; i++) {
        put_bit(probe, (word >> i & 1U) != 0);
    }
    put_bit(probe, __builtin_parity(word) != 0);
}

/* Returns false when the parity bit does not fit. */
static bool get_word(struct sim_probe *probe, uint32_t *ret_word)
{
    uint32_t word = 0;
    for (unsigned i = 0; i < DATA_BITS; i++) {
        word |= (uint32_t)get_bit(probe) << i;
    }
    bool parity = get_bit(probe);
    *ret_word = word;
    return parity == (__builtin_parity(word) != 0);
}

/* After WAIT or FAULT: the data phase exists only when the host has set it up. */
static void skip_refused(struct sim_probe *probe, bool read)
{
    if (probe->data_phase && read) {
        uint32_t unused;
        (void)get_word(probe, &unused);
    }
    turn(probe);
    if (probe->data_phase && !read) {
        put_word(probe, 0);
    }
}

/* Nobody or nonsense answered: clock past any data phase with the driver off. */
static void back_off(struct sim_probe *probe)
{
    turn(probe);
    for (unsigned i = 0; i < DATA_BITS + 1; i++) {
        (void)get_bit(probe);
    }
}

static uint8_t accepted(struct sim_probe *probe, bool read, uint32_t *data)
{
    uint8_t ack = DAP_ACK_OK;
    if (read) {
        if (!get_word(probe, data)) {
            ack = DAP_ACK_ERROR;
        }
        turn(probe);
    } else {
        turn(probe);
        put_word(probe, *data);
    }
    for (unsigned i = 0; i < probe->idle_cycles; i++) {
        put_bit(probe, false);
    }
    return ack;
}

uint8_t probe_swd_transfer(struct sim_probe *probe, uint8_t request, uint32_t *data)
{
    bool read = (request & DAP_REQ_RNW) != 0;
    probe_fault_transfer(probe);
    put_request(probe, request);
    probe->swdio_driven = false;
    turn(probe);
    uint8_t ack = 0;
    for (unsigned i = 0; i < 3; i++) {
        ack = (uint8_t)(ack | ((unsigned)get_bit(probe) << i));
    }
    if (ack == DAP_ACK_OK) {
        ack = accepted(probe, read, data);
    } else if (ack == DAP_ACK_WAIT || ack == DAP_ACK_FAULT) {
        skip_refused(probe, read);
    } else {
        back_off(probe);
    }
    probe->swdio_driven = true;
    probe->swdio = true;
    probe_fault_transfer_end(probe);
    return ack;
}

void probe_swd_set_swclk(struct sim_probe *probe, bool level)
{
    if (level && !probe->swclk && probe->connected) {
        (void)sim_swd_clock(&probe->swd, probe->swdio, probe->swdio_driven);
    }
    probe->swclk = level;
}

bool probe_swd_read_swdio(const struct sim_probe *probe)
{
    return probe->connected && probe->swdio_driven ? probe->swdio : true;
}
