/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe_internal.h"

/* Faults of the SWD wire: one at an exact cycle, and any number by script. */

#define PARTS_PER_BILLION UINT64_C(1000000000)

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

void sim_probe_set_fault(struct sim_probe *probe, const struct sim_probe_fault *fault)
{
    static const struct sim_probe_fault none = { .kind = SIM_PROBE_FAULT_NONE };
    probe->fault = fault != NULL ? *fault : none;
    probe->fault_count = 0;
    probe->flip_in = -1;
}

enum base_status sim_probe_add_fault(
    struct sim_probe *probe, const struct sim_fault *fault, struct base_err *err)
{
    if (fault->kind == SIM_FAULT_BIT_ERRORS) {
        if (fault->number > PARTS_PER_BILLION) {
            return base_err_set(err, BASE_E_ARG, "sim", 0,
                "a rate of bit errors is at most 1000000000 parts in a billion");
        }
        probe->error_ppb = fault->number;
        probe->error_random = fault->amount;
        return BASE_OK;
    }
    if (fault->kind < SIM_FAULT_FLIP_BIT || fault->kind > SIM_FAULT_WRITE_FAULT) {
        return base_err_set(
            err, BASE_E_ARG, "sim", (int)fault->kind, "this is not a fault of the SWD wire");
    }
    if (probe->wire_fault_count == PROBE_WIRE_FAULTS_MAX) {
        return base_err_set(err, BASE_E_ARG, "sim", 0,
            "no more than %u faults of the SWD wire can be planned", PROBE_WIRE_FAULTS_MAX);
    }
    struct sim_fault *planned = &probe->wire_faults[probe->wire_fault_count++];
    *planned = *fault;
    planned->number += probe->transfers;
    return BASE_OK;
}

void sim_probe_clear_faults(struct sim_probe *probe)
{
    sim_probe_set_fault(probe, NULL);
    probe->wire_fault_count = 0;
    probe->error_ppb = 0;
    probe->stuck_low = 0;
    probe->swd.forced_silence = 0;
    probe->swd.forced_waits = 0;
    probe->swd.forced_fault = false;
    probe->swd.forced_write_fault = false;
}

void sim_probe_set_power_cut(struct sim_probe *probe, uint64_t clock)
{
    probe->cut_clock = clock == 0 ? 0 : probe->swd.clocks + clock;
}

static uint32_t times(uint64_t amount)
{
    return amount == 0 ? SIM_SWD_FOR_EVER : (uint32_t)amount;
}

static void strike(struct sim_probe *probe, const struct sim_fault *fault)
{
    switch ((int)fault->kind) {
    case SIM_FAULT_FLIP_BIT:
        probe->flip_in = (int64_t)fault->amount;
        break;
    case SIM_FAULT_WAIT:
        probe->swd.forced_waits = times(fault->amount);
        break;
    case SIM_FAULT_FAULT:
        probe->swd.forced_fault = true;
        break;
    case SIM_FAULT_NO_ACK:
        probe->swd.forced_silence = times(fault->amount);
        break;
    case SIM_FAULT_STUCK_LOW:
        probe->stuck_low = times(fault->amount);
        break;
    case SIM_FAULT_WRITE_FAULT:
        probe->swd.forced_write_fault = true;
        break;
    default:
        break;
    }
}

void probe_fault_transfer(struct sim_probe *probe)
{
    probe->transfers++;
    /* "This packet, if it writes": it did not. */
    probe->swd.forced_write_fault = false;
    if (probe->fault.kind == SIM_PROBE_FAULT_FLIP_BIT) {
        probe->fault_count++;
        if (probe->fault_count == probe->fault.number) {
            probe->flip_in = probe->fault.bit;
            probe->fault.kind = SIM_PROBE_FAULT_NONE;
        }
    }
    for (unsigned i = 0; i < probe->wire_fault_count;) {
        if (probe->wire_faults[i].number == probe->transfers) {
            strike(probe, &probe->wire_faults[i]);
            probe->wire_faults[i] = probe->wire_faults[--probe->wire_fault_count];
        } else {
            i++;
        }
    }
}

void probe_fault_transfer_end(struct sim_probe *probe)
{
    probe->flip_in = -1;
    if (probe->stuck_low > 0 && probe->stuck_low != SIM_SWD_FOR_EVER) {
        probe->stuck_low--;
    }
}

bool probe_fault_cycle(struct sim_probe *probe)
{
    bool flip = false;
    if (probe->flip_in >= 0) {
        flip = probe->flip_in == 0;
        probe->flip_in--;
    }
    if (probe->error_ppb != 0 &&
        next_random(&probe->error_random) % PARTS_PER_BILLION < probe->error_ppb) {
        flip = !flip;
    }
    probe->flipped_bits += flip ? 1 : 0;
    if (probe->cut_clock != 0 && probe->swd.clocks + 1 == probe->cut_clock) {
        probe->cut_clock = 0;
        sim_probe_settle(probe);
        sim_chip_set_power(probe->swd.chip, false);
        sim_probe_target_lost(probe);
    }
    return flip;
}
