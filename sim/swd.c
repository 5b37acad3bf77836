/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/swd.h"

#include "sim/swd_internal.h"

#include <string.h>

/* ADIv5.2 §B4.3.3: a line reset is at least 50 ones and two idle bits. */
#define RESET_ONES      50U
#define RESET_IDLE_BITS 2U
/* §B5.2, §B5.3, LSB first on the wire. */
#define SWITCH_BITS         16U
#define SWITCH_JTAG_TO_SWD  UINT32_C(0xE79E)
#define SWITCH_SWD_TO_JTAG  UINT32_C(0xE73C)
#define SWITCH_SWD_TO_SLEEP UINT32_C(0xE3BC)
#define JTAG_TO_DORMANT     UINT64_C(0x33BBBBBA)
#define ALERT_HIGH          UINT64_C(0x19BC0EA2E3DDAFE9)
#define ALERT_LOW           UINT64_C(0x86852D956209F392)
#define ACTIVATION_BITS     12U
#define ACTIVATION_SWD      UINT64_C(0x1A0)
#define ACTIVATION_JTAG     UINT64_C(0x0A0)

#define REQUEST_BITS   8U
#define ACK_BITS       3U
#define DATA_BITS      32U
#define DEFAULT_PERIOD UINT64_C(1000000) /* 1 MHz in picoseconds */

static void enter(struct sim_swd *swd, enum sim_swd_phase phase)
{
    swd->phase = phase;
    swd->count = 0;
}

void sim_swd_power_on(struct sim_swd *swd)
{
    swd->mode = SIM_SWD_MODE_JTAG;
    swd->history_low = 0;
    swd->history_high = 0;
    swd->ones = 0;
    swd->after_ones = SWITCH_BITS;
    swd->since_alert = 0;
    swd->expect_dpidr = false;
    enter(swd, SIM_SWD_LOST);
    swd_dp_reset(swd);
    swd->reset_count = sim_chip_reset_count(swd->chip);
}

void sim_swd_init(struct sim_swd *swd, struct sim_chip *chip, uint32_t target_id)
{
    memset(swd, 0, sizeof(*swd));
    swd->chip = chip;
    swd->target_id = target_id;
    swd->time_ps = sim_chip_time_ps(chip);
    swd->period_ps = DEFAULT_PERIOD;
    sim_swd_power_on(swd);
}

void sim_swd_move(struct sim_swd *swd, struct sim_chip *chip)
{
    swd->chip = chip;
}

void sim_swd_pass_ps(struct sim_swd *swd, uint64_t duration_ps)
{
    swd->time_ps += duration_ps;
}

bool sim_swd_sync(struct sim_swd *swd)
{
    sim_chip_run_until(swd->chip, swd->time_ps);
    uint32_t resets = sim_chip_reset_count(swd->chip);
    if (resets != swd->reset_count) {
        /* The host was talking to a port that has since lost its state. */
        swd->reset_count = resets;
        swd_dp_reset(swd);
        enter(swd, SIM_SWD_LOST);
    }
    if (!sim_chip_swd_connected(swd->chip)) {
        enter(swd, SIM_SWD_LOST);
        return false;
    }
    return true;
}

static void select_mode(struct sim_swd *swd, enum sim_swd_mode mode)
{
    if (sim_swd_sync(swd)) {
        swd->mode = mode;
        enter(swd, SIM_SWD_LOST);
    }
}

/* The 16 bits after a run of at least 50 ones select what listens to the pins. */
static void watch_switch(struct sim_swd *swd)
{
    uint32_t code = (uint32_t)(swd->history_high >> 48);
    if (code == SWITCH_JTAG_TO_SWD && swd->mode == SIM_SWD_MODE_JTAG) {
        select_mode(swd, SIM_SWD_MODE_SWD);
    } else if (code == SWITCH_SWD_TO_JTAG && swd->mode == SIM_SWD_MODE_SWD) {
        select_mode(swd, SIM_SWD_MODE_JTAG);
    } else if (code == SWITCH_SWD_TO_SLEEP && swd->mode == SIM_SWD_MODE_SWD) {
        select_mode(swd, SIM_SWD_MODE_DORMANT);
    }
}

/* After the selection alert: four zeros and an 8-bit activation code. */
static void watch_dormant(struct sim_swd *swd)
{
    if (swd->since_alert > 0) {
        swd->since_alert++;
        if (swd->since_alert == ACTIVATION_BITS + 1) {
            uint64_t code = swd->history_high >> (64 - ACTIVATION_BITS);
            swd->since_alert = 0;
            if (code == ACTIVATION_SWD) {
                select_mode(swd, SIM_SWD_MODE_SWD);
            } else if (code == ACTIVATION_JTAG) {
                select_mode(swd, SIM_SWD_MODE_JTAG);
            }
        }
    }
    if (swd->history_high == ALERT_HIGH && swd->history_low == ALERT_LOW) {
        swd->since_alert = 1;
    }
}

/* At least five ones, then 31 bits. */
static bool is_jtag_to_dormant(const struct sim_swd *swd)
{
    return swd->history_high >> 33 == JTAG_TO_DORMANT && ((swd->history_high >> 28) & 0x1F) == 0x1F;
}

/* What every mode watches for, on every edge. */
static void watch(struct sim_swd *swd, bool bit)
{
    swd->history_low = (swd->history_low >> 1) | (swd->history_high << 63);
    swd->history_high = (swd->history_high >> 1) | ((uint64_t)bit << 63);
    if (swd->after_ones < SWITCH_BITS) {
        swd->after_ones++;
        if (swd->after_ones == SWITCH_BITS) {
            watch_switch(swd);
        }
    }
    if (bit) {
        if (swd->ones < RESET_ONES) {
            swd->ones++;
        }
    } else {
        if (swd->ones >= RESET_ONES) {
            swd->after_ones = 1;
        }
        swd->ones = 0;
    }
    if (swd->mode == SIM_SWD_MODE_DORMANT) {
        watch_dormant(swd);
    } else if (swd->mode == SIM_SWD_MODE_JTAG && is_jtag_to_dormant(swd)) {
        select_mode(swd, SIM_SWD_MODE_DORMANT);
    }
}

/* Level that the target puts on the wire in this cycle; -1 while it does not drive. */
static int target_level(const struct sim_swd *swd)
{
    if (swd->phase == SIM_SWD_ACK) {
        return swd->ack == SWD_ACK_NONE ? -1 : (swd->ack >> swd->count) & 1;
    }
    if (swd->phase == SIM_SWD_READ_DATA) {
        return swd->count < DATA_BITS ? (int)((swd->data >> swd->count) & 1U) : swd->data_parity;
    }
    return -1;
}

static void request_bit(struct sim_swd *swd, bool bit)
{
    swd->request = (uint8_t)(swd->request | ((unsigned)bit << swd->count));
    swd->count++;
    if (swd->count < REQUEST_BITS) {
        return;
    }
    uint8_t request = swd->request;
    unsigned covered = request & (SWD_HEADER_APNDP | SWD_HEADER_RNW | SWD_HEADER_ADDR);
    bool parity_ok = swd_parity(covered) == ((request & SWD_HEADER_PARITY) != 0);
    bool framed = (request & SWD_HEADER_STOP) == 0 && (request & SWD_HEADER_PARK) != 0;
    if (!parity_ok || !framed || !sim_swd_sync(swd) || swd->phase != SIM_SWD_REQUEST ||
        swd_count_down(&swd->forced_silence) || !swd_dp_request(swd)) {
        enter(swd, SIM_SWD_LOST);
        return;
    }
    if (swd->ack == SWD_ACK_WAIT) {
        swd->waits++;
    }
    swd->data_parity = swd_parity(swd->data);
    enter(swd, SIM_SWD_TURN_ACK);
}

static void after_ack(struct sim_swd *swd)
{
    bool accepted = swd->ack == SWD_ACK_OK || swd->ack == SWD_ACK_NONE;
    if (!accepted && !swd_dp_overrun_detect(swd)) {
        enter(swd, SIM_SWD_TURN_HOST);
    } else if ((swd->request & SWD_HEADER_RNW) != 0) {
        enter(swd, SIM_SWD_READ_DATA);
    } else {
        enter(swd, SIM_SWD_TURN_WRITE);
    }
}

static void write_bit(struct sim_swd *swd, bool bit)
{
    if (swd->count < DATA_BITS) {
        swd->data |= (uint32_t)bit << swd->count;
        swd->count++;
        return;
    }
    bool parity_ok = bit == swd_parity(swd->data);
    bool accepted = swd->ack == SWD_ACK_OK || swd->ack == SWD_ACK_NONE;
    enter(swd, SIM_SWD_IDLE);
    if (accepted && !swd_dp_write(swd, parity_ok)) {
        enter(swd, SIM_SWD_LOST);
    }
}

static void turn(struct sim_swd *swd, enum sim_swd_phase next)
{
    swd->count++;
    if (swd->count >= swd->turnround) {
        if (next == SIM_SWD_WRITE_DATA) {
            swd->data = 0;
        }
        enter(swd, next);
    }
}

static void reset_bit(struct sim_swd *swd, bool bit)
{
    if (bit) {
        if (swd->count > 0) {
            enter(swd, SIM_SWD_LOST);
        }
        return;
    }
    swd->count++;
    if (swd->count == RESET_IDLE_BITS && sim_swd_sync(swd) && swd->phase == SIM_SWD_RESET) {
        swd->expect_dpidr = true;
        enter(swd, SIM_SWD_IDLE);
    }
}

static void packet_edge(struct sim_swd *swd, bool bit)
{
    switch (swd->phase) {
    case SIM_SWD_LOST:
        break;
    case SIM_SWD_RESET:
        reset_bit(swd, bit);
        break;
    case SIM_SWD_IDLE:
        if (bit) {
            enter(swd, SIM_SWD_REQUEST);
            swd->request = 0;
            request_bit(swd, bit);
        }
        break;
    case SIM_SWD_REQUEST:
        request_bit(swd, bit);
        break;
    case SIM_SWD_TURN_ACK:
        turn(swd, SIM_SWD_ACK);
        break;
    case SIM_SWD_ACK:
        swd->count++;
        if (swd->count == ACK_BITS) {
            after_ack(swd);
        }
        break;
    case SIM_SWD_READ_DATA:
        swd->count++;
        if (swd->count == DATA_BITS + 1) {
            enter(swd, SIM_SWD_TURN_HOST);
        }
        break;
    case SIM_SWD_TURN_HOST:
        turn(swd, SIM_SWD_IDLE);
        break;
    case SIM_SWD_TURN_WRITE:
        turn(swd, SIM_SWD_WRITE_DATA);
        break;
    case SIM_SWD_WRITE_DATA:
        write_bit(swd, bit);
        break;
    }
}

bool sim_swd_clock(struct sim_swd *swd, bool swdio, bool drive)
{
    int target = target_level(swd);
    bool level = true; /* pull-up */
    if (drive) {
        level = swdio;
    } else if (target >= 0) {
        level = target != 0;
    }
    swd->time_ps += swd->period_ps;
    swd->clocks++;
    watch(swd, level);
    if (swd->mode == SIM_SWD_MODE_JTAG) {
        return level;
    }
    if (swd->ones == RESET_ONES && swd->phase != SIM_SWD_RESET) {
        /* Resets of the chip so far are older than this line reset and do not spoil it. */
        (void)sim_swd_sync(swd);
        enter(swd, SIM_SWD_RESET);
    } else {
        packet_edge(swd, level);
        if (swd->phase == SIM_SWD_IDLE && swd->expect_dpidr) {
            /* A dormant port that sees a whole line reset is awake again, see swd.h. */
            swd->mode = SIM_SWD_MODE_SWD;
        }
    }
    return level;
}
