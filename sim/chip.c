/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/chip.h"

#include <stdlib.h>
#include <string.h>

#include "sim/die.h"

/* The die as a whole: life, time, resets, pins. */

#define DEFAULT_SILICON_ID 0xE207U
#define DEFAULT_VDDIO_MV   3300U

enum base_status sim_chip_new(
    const struct sim_chip_opts *opts, struct sim_chip **ret_chip, struct base_err *err)
{
    if (opts == NULL || ret_chip == NULL)
        return base_err_set(
            err, BASE_E_ARG, "sim", 0, "making a chip needs options and a place for the result");
    struct sim_chip *chip = calloc(1, sizeof(*chip));
    if (chip == NULL)
        return base_err_set(err, BASE_E_NOMEM, "sim", 0, "no memory for a simulated chip");
    for (unsigned i = 0; i < 8; i++)
        chip->unique_id = chip->unique_id << 8 | opts->unique_id[i];
    chip->silicon_id = opts->silicon_id != 0 ? opts->silicon_id : DEFAULT_SILICON_ID;
    chip->vddio_mv = opts->vddio_mv != 0 ? opts->vddio_mv : DEFAULT_VDDIO_MV;
    chip->crypto.trng.noise = opts->trng_seed;
    for (unsigned i = 0; i < SIM_EVENT_COUNT; i++)
        chip->event_ps[i] = SIM_NEVER;
    sim_core_init(&chip->cm0, chip, false);
    sim_core_init(&chip->cm4, chip, true);
    sim_boot_build_rom(chip);
    sim_boot_factory(chip);
    sim_chip_set_power(chip, true);
    *ret_chip = chip;
    return BASE_OK;
}

void sim_chip_free(struct sim_chip *chip)
{
    free(chip);
}

void sim_copy(struct sim_chip *to, const struct sim_chip *from)
{
    memcpy(to, from, sizeof(*to));
    to->cm0.chip = to;
    to->cm4.chip = to;
    to->running = NULL;
    to->hooks.flash_fn = NULL;
    to->hooks.flash_user = NULL;
    to->hooks.store_fn = NULL;
    to->hooks.call_fn = NULL;
    to->hooks.call_user = NULL;
    sim_bus_flush(to);
}

enum base_status sim_chip_fork(
    const struct sim_chip *chip, struct sim_chip **ret_copy, struct base_err *err)
{
    struct sim_chip *copy = malloc(sizeof(*copy));
    if (copy == NULL)
        return base_err_set(err, BASE_E_NOMEM, "sim", 0, "no memory for a copy of a chip");
    sim_copy(copy, chip);
    *ret_copy = copy;
    return BASE_OK;
}

/* ---- time ---- */

uint64_t sim_now(const struct sim_chip *chip)
{
    if (chip->running != NULL)
        return sim_core_now(chip->running, chip->period_ps);
    return chip->time_ps;
}

uint64_t sim_chip_time_ps(const struct sim_chip *chip)
{
    return chip->time_ps;
}

void sim_event_at(struct sim_chip *chip, enum sim_event event, uint64_t time_ps)
{
    chip->event_ps[event] = time_ps;
    if (chip->running != NULL)
        sim_core_yield(chip->running);
}

static void fire(struct sim_chip *chip, enum sim_event event)
{
    chip->event_ps[event] = SIM_NEVER;
    switch (event) {
    case SIM_EVENT_BOOT:
        sim_boot_event(chip);
        break;
    case SIM_EVENT_ROM:
        sim_srom_event(chip);
        break;
    case SIM_EVENT_FLASH:
        sim_flash_event(chip);
        break;
    case SIM_EVENT_TRNG:
        sim_trng_event(chip);
        break;
    case SIM_EVENT_CUT:
        chip->cut_due = true;
        break;
    case SIM_EVENT_COUNT:
        break;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void sim_cores_woken(struct sim_chip *chip)
{
    if (chip->running == NULL)
        return;
    const struct sim_core *other = chip->running == &chip->cm0 ? &chip->cm4 : &chip->cm0;
    if ((other->attention & SIM_ATTENTION_SLEEP) != 0 && sim_core_wakes(other))
        sim_core_yield(chip->running);
}

/* False: the core gave up its turn before the limit, because something changed. */
static bool run_core(struct sim_chip *chip, struct sim_core *core, uint64_t limit_ps)
{
    chip->running = core;
    bool whole = sim_core_run(core, limit_ps, chip->period_ps);
    chip->running = NULL;
    return whole;
}

/* One core has nothing to do: the other one runs until the first one's alarm. */
static bool run_one(
    struct sim_chip *chip, struct sim_core *core, struct sim_core *sleeper, uint64_t limit_ps)
{
    uint64_t alarm = sim_core_alarm(sleeper, chip->period_ps);
    bool whole = run_core(chip, core, earlier(limit_ps, alarm));
    sim_core_skip(sleeper, earlier(core->now_ps, limit_ps), chip->period_ps);
    return whole;
}

/* Both cores take turns: the one whose next instruction starts first, the CM0+ when both start at
 * once. So every access happens in the order of virtual time, always the same. Ends early, with
 * false, when a core yields. */
static bool run_cores(struct sim_chip *chip, uint64_t limit_ps)
{
    struct sim_core *cm0 = &chip->cm0;
    struct sim_core *cm4 = &chip->cm4;
    bool going = true;
    while (going && earlier(cm0->now_ps, cm4->now_ps) < limit_ps) {
        if (sim_core_idle(cm4)) {
            going = run_one(chip, cm0, cm4, limit_ps);
        } else if (sim_core_idle(cm0)) {
            going = run_one(chip, cm4, cm0, limit_ps);
        } else {
            bool first = cm0->now_ps <= cm4->now_ps;
            struct sim_core *core = first ? cm0 : cm4;
            const struct sim_core *other = first ? cm4 : cm0;
            uint64_t turn = other->now_ps > core->now_ps ? other->now_ps : core->now_ps + 1;
            going = run_core(chip, core, earlier(turn, limit_ps));
        }
    }
    return going;
}

void sim_cm4_restart(struct sim_chip *chip)
{
    struct sim_core *cm4 = &chip->cm4;
    sim_core_reset(cm4);
    sim_core_skip(cm4, chip->time_ps, chip->period_ps);
    if (chip->regs.cm4_pwr_ctl != 3)
        return;
    uint32_t base = chip->regs.cm4_vector_base;
    uint32_t vectors[2] = { 0, 0 };
    struct sim_access access = sim_bus_core_access(cm4);
    cm4->vtor = base;
    for (unsigned i = 0; i < 2; i++) {
        if (sim_bus_access(chip, &access, base + i * 4, 4, &vectors[i]) != SIM_BUS_OK)
            sim_bus_note(chip, "CM4: its vector table cannot be read");
    }
    sim_core_start(cm4, vectors[0], vectors[1]);
    if (cm4->debug_enabled && (cm4->demcr & 1U) != 0)
        sim_core_catch_reset(cm4);
    sim_route_interrupts(chip);
}

static void system_reset(struct sim_chip *chip, uint32_t cause)
{
    chip->reset_due = false;
    chip->reset_cause |= cause;
    sim_flash_cut(chip);
    sim_boot_begin(chip);
}

static void settle(struct sim_chip *chip)
{
    if (chip->cut_due)
        sim_chip_set_power(chip, false);
    else if (chip->reset_due)
        system_reset(chip, 0x10U);
    if (chip->cm4_reset_due) {
        chip->cm4_reset_due = false;
        sim_cm4_restart(chip);
    }
}

static enum sim_event next_event(const struct sim_chip *chip)
{
    enum sim_event next = SIM_EVENT_BOOT;
    for (enum sim_event i = SIM_EVENT_BOOT; i < SIM_EVENT_COUNT; i++) {
        if (chip->event_ps[i] < chip->event_ps[next])
            next = i;
    }
    return next;
}

static bool cut_at_instruction(struct sim_chip *chip)
{
    uint64_t planned = chip->hooks.cut_instruction;
    if (planned == 0 || chip->cm0.instructions + 1 < planned)
        return false;
    sim_chip_set_power_cut_instruction(chip, 0);
    chip->cm0.stopped = false;
    sim_chip_set_power(chip, false);
    return true;
}

void sim_chip_run_until(struct sim_chip *chip, uint64_t time_ps)
{
    while (chip->time_ps < time_ps) {
        settle(chip);
        enum sim_event next = next_event(chip);
        uint64_t due = chip->event_ps[next];
        uint64_t limit = due < time_ps ? due : time_ps;
        bool whole = run_cores(chip, limit);
        uint64_t now = earlier(chip->cm0.now_ps, chip->cm4.now_ps);
        if (chip->cm0.stopped) { /* time stands where the core stands */
            if (chip->cm0.now_ps > chip->time_ps)
                chip->time_ps = chip->cm0.now_ps;
            if (cut_at_instruction(chip))
                continue;
            break; /* a test's stop */
        }
        if (now < limit) { /* yielded: something changed */
            if (now > chip->time_ps)
                chip->time_ps = now;
            continue;
        }
        if (limit > chip->time_ps)
            chip->time_ps = limit;
        if (!whole) /* a core planned something with its last instruction */
            next = next_event(chip);
        if (chip->event_ps[next] <= limit)
            fire(chip, next);
    }
    settle(chip);
}

/* ---- pins and supplies ---- */

static void stop_everything(struct sim_chip *chip)
{
    for (unsigned i = 0; i < SIM_EVENT_COUNT; i++)
        chip->event_ps[i] = SIM_NEVER;
    chip->boot = SIM_BOOT_OFF;
    chip->swd_connected = false;
    chip->call.active = false;
    chip->regs.ap_ctl = 0;
    chip->regs.cm4_pwr_ctl = 1;
    chip->cm4_reset_due = false;
    sim_core_reset(&chip->cm0);
    sim_core_reset(&chip->cm4);
}

/* Power-on state of the cores; the counters of tests go on. */
static void clear_cores(struct sim_chip *chip)
{
    struct sim_core *cores[2] = { &chip->cm0, &chip->cm4 };
    for (unsigned i = 0; i < 2; i++) {
        struct sim_core before = *cores[i];
        sim_core_init(cores[i], chip, i == 1);
        cores[i]->now_ps = before.now_ps > chip->time_ps ? before.now_ps : chip->time_ps;
        cores[i]->cycles = before.cycles;
        cores[i]->busy_cycles = before.busy_cycles;
        cores[i]->instructions = before.instructions;
        cores[i]->insn_limit = before.insn_limit;
        memcpy(cores[i]->stop, before.stop, sizeof(before.stop));
        cores[i]->attention |= before.attention & SIM_ATTENTION_STOP;
    }
}

void sim_chip_set_xres(struct sim_chip *chip, bool low)
{
    if (low == chip->xres_low)
        return;
    chip->xres_low = low;
    if (!chip->powered)
        return;
    if (low) { /* resets the debug registers too; only RAM is kept */
        sim_flash_cut(chip);
        stop_everything(chip);
        clear_cores(chip);
        chip->reset_count++;
    } else {
        sim_boot_begin(chip);
    }
}

/* What RAM holds after power-up: noise, the same for the same die and moment. */
static void fill_ram(struct sim_chip *chip)
{
    uint64_t state = chip->unique_id ^ chip->time_ps;
    for (uint32_t i = 0; i < SIM_RAM_SIZE; i += 4) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sim_mem_put32(chip->ram + i, (uint32_t)(state >> 32));
    }
}

void sim_chip_set_power(struct sim_chip *chip, bool on)
{
    chip->cut_due = false;
    if (on == chip->powered)
        return;
    chip->powered = on;
    if (on) {
        chip->reset_cause = 0;
        fill_ram(chip);
        if (!chip->xres_low)
            sim_boot_begin(chip);
        return;
    }
    sim_flash_cut(chip);
    stop_everything(chip);
    clear_cores(chip);
    chip->reset_count++;
}

bool sim_chip_powered(const struct sim_chip *chip)
{
    return chip->powered;
}

void sim_chip_set_vddio_mv(struct sim_chip *chip, uint16_t millivolt)
{
    chip->vddio_mv = millivolt;
}

bool sim_chip_swd_connected(const struct sim_chip *chip)
{
    return chip->powered && chip->swd_connected;
}

uint32_t sim_chip_reset_count(const struct sim_chip *chip)
{
    return chip->reset_count;
}

void sim_chip_set_debug_power(struct sim_chip *chip, bool requested)
{
    chip->debug_power = requested;
}

bool sim_chip_ap_enabled(const struct sim_chip *chip, enum sim_ap ap)
{
    uint32_t bit = 1U << (ap == SIM_AP_SYS ? 2U : ap == SIM_AP_CM0 ? 0U : 1U);
    return chip->powered && ap < SIM_AP_COUNT && (chip->regs.ap_ctl & bit) != 0 &&
           (chip->regs.ap_ctl & bit << 16) == 0;
}

uint64_t sim_chip_flash_operations(const struct sim_chip *chip)
{
    return chip->flash_op_count;
}

void sim_chip_set_power_cut(struct sim_chip *chip, const struct sim_power_cut *cut)
{
    static const struct sim_power_cut none = { .when = SIM_CUT_NONE };
    chip->hooks.cut = cut != NULL ? *cut : none;
    chip->event_ps[SIM_EVENT_CUT] = SIM_NEVER;
}

void sim_chip_set_power_cut_instruction(struct sim_chip *chip, uint64_t number)
{
    uint64_t done = chip->cm0.instructions;
    chip->hooks.cut_instruction = number;
    if (number == 0)
        chip->cm0.insn_limit = UINT64_MAX;
    else
        chip->cm0.insn_limit = number - 1 > done ? number - 1 : done;
}

void sim_chip_set_flash_time(struct sim_chip *chip, uint32_t percent)
{
    chip->hooks.flash_percent =
        percent < SIM_FLASH_TIME_MAX_PERCENT ? percent : SIM_FLASH_TIME_MAX_PERCENT;
}

static struct sim_access ap_access(struct sim_chip *chip, enum sim_ap ap)
{
    static const uint8_t masters[SIM_AP_COUNT] = { 15, 0, 14 };
    struct sim_access access = { .master = masters[ap], .debugger = true };
    access.context = chip->regs.context[access.master];
    if (ap != SIM_AP_SYS)
        access.core = ap == SIM_AP_CM0 ? &chip->cm0 : &chip->cm4;
    return access;
}

enum sim_bus_result sim_chip_ap_access(struct sim_chip *chip, enum sim_ap ap, uint32_t address,
    unsigned size, bool write, bool privileged, uint32_t *value)
{
    if (!sim_chip_ap_enabled(chip, ap) || (size != 1 && size != 2 && size != 4))
        return SIM_BUS_FAULT;
    if (ap == SIM_AP_CM0 && (chip->regs.cm0_ctl & 1U) != 0)
        return SIM_BUS_WAIT; /* SLV_STALL */
    if (ap == SIM_AP_CM4 && (chip->regs.cm4_pwr_ctl & 3U) == 0 && !chip->debug_power)
        return SIM_BUS_FAULT; /* its domain has no power */
    struct sim_access access = ap_access(chip, ap);
    access.kind = write ? SIM_PERM_WRITE : SIM_PERM_READ;
    access.privileged = privileged;
    uint32_t word = *value;
    enum sim_bus_result result = sim_bus_access(chip, &access, address, size, &word);
    if (result == SIM_BUS_OK && !write)
        *value = word;
    settle(chip);
    return result;
}
