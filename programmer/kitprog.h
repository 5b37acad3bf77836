/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_KITPROG_H
#define PRG_KITPROG_H

/**
 * @file
 * What KitProg3 and MiniProg4 offer beyond CMSIS-DAP: the target's supply, their own acquire, a
 * light. Other probes answer BASE_E_UNSUPPORTED, and nothing is sent to them.
 *
 * These commands go out alone, never inside DAP_ExecuteCommands: the firmware states wrong lengths
 * for some of them.
 */

#include "programmer/link.h"

/** A supply that PSoC 6 works with (datasheet: VDD 1.71 … 3.6 V), millivolt. */
#define PRG_VOLTAGE_MIN_MV 1710U
#define PRG_VOLTAGE_MAX_MV 3600U

/** Does this probe measure and switch the target's supply? */
bool prg_kitprog_offered(const struct prg_link *link);

/** What the probe measures at the target's supply pin, millivolt. */
BASE_MUST_CHECK
enum base_status prg_kitprog_voltage(
    struct prg_link *link, uint32_t *ret_millivolt, struct base_err *err);

/**
 * Refuse a target that is not supplied as it should be. BASE_OK where the probe cannot measure.
 *
 * @return BASE_OK; BASE_E_LINK code "voltage", detail = millivolt; errors of the probe
 */
BASE_MUST_CHECK
enum base_status prg_kitprog_check_voltage(struct prg_link *link, struct base_err *err);

struct prg_kitprog_supply {
    bool on;                /**< the probe supplies the target */
    bool settable;          /**< its voltage can be chosen */
    uint32_t millivolt;     /**< measured at the target */
    uint32_t set_millivolt; /**< what it gives, or would give when switched on */
};

/** How the target is supplied. */
BASE_MUST_CHECK
enum base_status prg_kitprog_supply(
    struct prg_link *link, struct prg_kitprog_supply *ret_supply, struct base_err *err);

/** Switch the target's supply. */
BASE_MUST_CHECK
enum base_status prg_kitprog_power(struct prg_link *link, bool on, struct base_err *err);

/** Choose the supply's voltage before it is switched on (MiniProg4). @p millivolt 1 800 … 3 600, or
 * BASE_E_ARG. */
BASE_MUST_CHECK
enum base_status prg_kitprog_set_voltage(
    struct prg_link *link, uint32_t millivolt, struct base_err *err);

/**
 * The probe's own acquire: reset by XRES and test mode, within the listen window that a host far
 * away might miss. SWD must be connected.
 *
 * @param[out] ret_acquired  false: the probe tried and the chip was not caught
 */
BASE_MUST_CHECK
enum base_status prg_kitprog_acquire(
    struct prg_link *link, bool *ret_acquired, struct base_err *err);

enum prg_kitprog_light {
    PRG_KITPROG_READY,
    PRG_KITPROG_BUSY,
    PRG_KITPROG_SUCCESS,
    PRG_KITPROG_FAILURE,
};

/** Show a state at the probe. No-op on other probes. */
BASE_MUST_CHECK
enum base_status prg_kitprog_light(
    struct prg_link *link, enum prg_kitprog_light light, struct base_err *err);

/** Called once when a link opens: version, and what follows from it for packets in flight.
 * Internal to programmer/. */
BASE_MUST_CHECK
enum base_status prg_kitprog_begin(struct prg_link *link, bool bulk, struct base_err *err);

#endif
