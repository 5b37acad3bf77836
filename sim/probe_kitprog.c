/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/probe_internal.h"

#include <stdlib.h>

/* KitProg3 and MiniProg4 beyond CMSIS-DAP, as their published firmware answers: version, lights,
 * the target's supply, their own acquire, capabilities. What concerns the rest of such a board
 * (switching modes, bridges, serial ports) is refused. */

#define CMD_VERSION       0x80U
#define CMD_RESET         0x81U
#define CMD_LIGHT         0x83U
#define CMD_POWER         0x84U
#define CMD_ACQUIRE       0x85U
#define CMD_CAPABILITIES  0x90U
#define CMD_ACQUIRE_PARAM 0x91U
#define CMD_UNIQUE_ID     0x92U

#define RESULT_OK        0x00U
#define RESULT_WAIT      0x01U
#define RESULT_VOLTAGE   0x80U
#define RESULT_PARAMETER 0x81U
#define RESULT_FAILED    0x82U

#define LIGHTS          4U
#define POWER_SET       0x10U
#define POWER_GET       0x11U
#define POWER_OFF       0x00U
#define POWER_ON        0x01U
#define POWER_VOLTAGE   0x02U
#define EXTERNAL_MIN_MV 1000U
#define SETTLE_US       10000U

#define DUT_PSOC6         2U
#define MODE_XRES         0U
#define MODE_POWER        1U
#define MODE_IDLE         2U
#define PARAM_TIMEOUT     0U
#define PARAM_HANDSHAKE   1U
#define PARAM_AP          2U
#define TIMEOUT_MAX_S     30U
#define DEFAULT_TIMEOUT_S 1U
#define BEAT_PS           (500000U * SIM_PS_PER_US)
#define XRES_LOW_US       400U
#define POWER_OFF_US      100000U

#define TEST_MODE_ADDRESS UINT32_C(0x40260100)
#define TEST_MODE_BIT     UINT32_C(0x80000000)

#define UID_INVALID 0xFFU
/* Capabilities: CMSIS-DAP over HID and bulk, a switch and a meter for the supply. */
#define OFFERS_HID_AND_BULK 0x0CU
#define OFFERS_SUPPLY       0x30U
#define THREE_LIGHTS        0x03U
#define ONE_SERIAL_PORT     0x10U
#define CAPABILITY_ZEROS    10U
#define VOLTAGES_ANY        0xFFU

static bool put_results(struct dap_writer *out, uint8_t first, uint8_t second)
{
    dap_put(out, first);
    dap_put(out, second);
    return true;
}

static void put_half(struct dap_writer *out, uint16_t value)
{
    dap_put(out, (uint8_t)value);
    dap_put(out, (uint8_t)(value >> 8));
}

static bool version(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)request;
    const struct sim_kitprog_opts *opts = &probe->kitprog;
    dap_put(out, RESULT_OK);
    put_half(out, opts->major);
    put_half(out, opts->minor);
    put_half(out, 0);       /* hardware id */
    put_results(out, 2, 4); /* of these commands */
    put_half(out, opts->build);
    return true;
}

static bool light(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t state = base_cursor_u8(request);
    if (request->bad) {
        return false;
    }
    if (state < LIGHTS) {
        probe->light = state;
    }
    dap_put(out, state < LIGHTS ? RESULT_OK : RESULT_PARAMETER);
    return true;
}

/* --- supply --- */

void probe_kitprog_supply(struct sim_probe *probe, bool on)
{
    struct sim_chip *chip = probe->swd.chip;
    bool live = on || probe->kitprog.external_mv >= EXTERNAL_MIN_MV;
    probe->supply_on = on;
    sim_probe_settle(probe);
    sim_chip_set_vddio_mv(chip, on ? probe->supply_mv : probe->kitprog.external_mv);
    if (live != sim_chip_powered(chip)) {
        sim_chip_set_power(chip, live);
        sim_swd_power_on(&probe->swd);
    }
}

bool sim_probe_keeps_off(const struct sim_probe *probe)
{
    return probe->kitprog.model != SIM_KITPROG_NONE && !probe->supply_on &&
           probe->kitprog.external_mv < EXTERNAL_MIN_MV;
}

static uint16_t measure(const struct sim_probe *probe)
{
    if (!sim_chip_powered(probe->swd.chip)) {
        return 0;
    }
    return probe->supply_on ? probe->supply_mv : probe->kitprog.external_mv;
}

/* MiniProg4 does not drive against a supply that is there already. */
static bool supplied_by_others(const struct sim_probe *probe)
{
    return probe->kitprog.model == SIM_KITPROG_MINIPROG4 && !probe->supply_on &&
           measure(probe) >= EXTERNAL_MIN_MV;
}

static bool set_voltage(struct sim_probe *probe, uint16_t millivolt, struct dap_writer *out)
{
    if (supplied_by_others(probe)) {
        return put_results(out, RESULT_FAILED, RESULT_VOLTAGE);
    }
    bool possible = millivolt >= SIM_KITPROG_MIN_MV && millivolt <= SIM_KITPROG_MAX_MV;
    if (possible) {
        probe->supply_mv = millivolt;
    }
    if (!probe->supply_on) {
        probe_kitprog_supply(probe, true);
        sim_probe_pass_us(probe, SETTLE_US);
    } else {
        probe_kitprog_supply(probe, true);
    }
    if (!possible) {
        return put_results(out, RESULT_FAILED, RESULT_VOLTAGE);
    }
    dap_put(out, RESULT_OK);
    return true;
}

static bool set_power(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t mode = base_cursor_u8(request);
    uint16_t millivolt = mode == POWER_VOLTAGE ? base_cursor_le16(request) : 0;
    if (request->bad) {
        return false;
    }
    switch (mode) {
    case POWER_OFF:
        probe_kitprog_supply(probe, false);
        break;
    case POWER_ON:
        if (supplied_by_others(probe)) {
            return put_results(out, RESULT_FAILED, RESULT_VOLTAGE);
        }
        probe_kitprog_supply(probe, true);
        break;
    case POWER_VOLTAGE:
        return set_voltage(probe, millivolt, out);
    default:
        dap_put(out, RESULT_PARAMETER);
        return true;
    }
    dap_put(out, RESULT_OK);
    return true;
}

static bool power(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t what = base_cursor_u8(request);
    if (request->bad) {
        return false;
    }
    if (what == POWER_SET) {
        return set_power(probe, request, out);
    }
    if (what != POWER_GET) {
        dap_put(out, RESULT_PARAMETER);
        return true;
    }
    dap_put(out, RESULT_OK);
    dap_put(out, probe->supply_on ? 1 : 0);
    put_half(out, measure(probe));
    put_half(out, probe->supply_mv);
    dap_put(out, 1); /* the voltage can be set */
    return true;
}

/* --- acquire --- */

static bool write_register(struct sim_probe *probe, uint8_t request, uint32_t value)
{
    return probe_swd_transfer(probe, request, &value) == DAP_ACK_OK;
}

/* One round of the vendor's sequence: switch to SWD, identify, power up, set the test mode bit. */
static bool try_acquire(struct sim_probe *probe)
{
    static const uint8_t to_swd[17] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x9E, 0xE7, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00 };
    uint32_t value = 0;
    probe_swd_write_bits(probe, to_swd, 8 * sizeof(to_swd));
    if (probe_swd_transfer(probe, DAP_REQ_RNW, &value) != DAP_ACK_OK) {
        return false;
    }
    return write_register(probe, DAP_REQ_ABORT, 0x1E) && write_register(probe, 0x04, 0x50000000) &&
           write_register(probe, 0x08, (uint32_t)probe->acquire_ap << 24) &&
           write_register(probe, DAP_REQ_APNDP, 0x00000002) &&
           write_register(probe, DAP_REQ_APNDP | 0x04, TEST_MODE_ADDRESS) &&
           write_register(probe, DAP_REQ_APNDP | 0x0C, TEST_MODE_BIT) &&
           probe_swd_transfer(probe, DAP_REQ_RDBUFF, &value) == DAP_ACK_OK;
}

static void restart_target(struct sim_probe *probe, uint8_t mode)
{
    if (mode == MODE_XRES) {
        probe_drive_xres(probe, true);
        sim_probe_pass_us(probe, XRES_LOW_US);
        probe_drive_xres(probe, false);
    } else if (mode == MODE_POWER && !supplied_by_others(probe)) {
        probe_kitprog_supply(probe, false);
        sim_probe_pass_us(probe, POWER_OFF_US);
        probe_kitprog_supply(probe, true);
    }
}

static bool acquire(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t dut = base_cursor_u8(request);
    uint8_t mode = base_cursor_u8(request);
    uint8_t tries = base_cursor_u8(request);
    if (request->bad || !probe->connected) {
        return false;
    }
    uint64_t limit_ps =
        (probe->acquire_timeout_s != 0 ? probe->acquire_timeout_s : DEFAULT_TIMEOUT_S) *
        UINT64_C(1000000) * SIM_PS_PER_US;
    bool acquired = false;
    unsigned beats = 0;
    for (unsigned i = 0; i < tries && !acquired; i++) {
        uint64_t start_ps = probe->swd.time_ps;
        restart_target(probe, mode);
        do {
            acquired = dut == DUT_PSOC6 && mode <= MODE_IDLE && try_acquire(probe);
            if (dut != DUT_PSOC6 || mode > MODE_IDLE) {
                sim_probe_pass_us(probe, SETTLE_US);
            }
        } while (!acquired && probe->swd.time_ps - start_ps < limit_ps);
        beats += 1 + (unsigned)((probe->swd.time_ps - start_ps) / BEAT_PS);
    }
    probe->acquire_timeout_s = 0;
    probe->acquire_ap = 0;
    /* The first answer is a sign of life, the others follow by themselves. */
    if (beats == 0) {
        return put_results(out, RESULT_OK, acquired ? 1 : 0);
    }
    probe->beats_left = beats - 1;
    probe->acquire_ended = true;
    probe->acquired = acquired;
    dap_put(out, RESULT_WAIT);
    return true;
}

size_t probe_kitprog_next(struct sim_probe *probe, uint8_t *response, size_t capacity)
{
    if (!probe->acquire_ended || capacity < 3) {
        return 0;
    }
    response[0] = CMD_ACQUIRE;
    if (probe->beats_left > 0) {
        probe->beats_left--;
        response[1] = RESULT_WAIT;
        return 2;
    }
    probe->acquire_ended = false;
    response[1] = RESULT_OK;
    response[2] = probe->acquired ? 1 : 0;
    return 3;
}

static bool acquire_parameter(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    uint8_t which = base_cursor_u8(request);
    uint8_t value = base_cursor_u8(request);
    if (request->bad) {
        return false;
    }
    uint8_t result = RESULT_OK;
    if (which == PARAM_TIMEOUT) {
        probe->acquire_timeout_s = value < TIMEOUT_MAX_S ? value : TIMEOUT_MAX_S;
    } else if (which == PARAM_AP) {
        probe->acquire_ap = value;
    } else if (which != PARAM_HANDSHAKE || value != 0) {
        result = RESULT_PARAMETER;
    }
    dap_put(out, result);
    return true;
}

static bool capabilities(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)probe;
    (void)request;
    dap_put(out, RESULT_OK);
    put_results(out, OFFERS_HID_AND_BULK | OFFERS_SUPPLY, THREE_LIGHTS | ONE_SERIAL_PORT);
    for (unsigned i = 0; i < CAPABILITY_ZEROS; i++) {
        dap_put(out, 0); /* no bridges */
    }
    dap_put(out, VOLTAGES_ANY);
    return true;
}

static bool unique_id(struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)probe;
    (void)request;
    /* As a board without its record answers; what such a record holds is not published. */
    return put_results(out, RESULT_OK, UID_INVALID);
}

static bool restart_probe(
    struct sim_probe *probe, struct base_cursor *request, struct dap_writer *out)
{
    (void)request;
    probe->restarting = true;
    dap_put(out, RESULT_OK);
    return true;
}

static bool take_part(const char **text, char end, uint16_t *ret_part)
{
    char *after = NULL;
    if (**text < '0' || **text > '9') {
        return false;
    }
    unsigned long part = strtoul(*text, &after, 10);
    if (part > UINT16_MAX || *after != end) {
        return false;
    }
    *ret_part = (uint16_t)part;
    *text = after + 1;
    return true;
}

bool sim_kitprog_parse_version(const char *text, struct sim_kitprog_opts *opts)
{
    uint16_t parts[3];
    if (!take_part(&text, '.', &parts[0]) || !take_part(&text, '.', &parts[1]) ||
        !take_part(&text, '\0', &parts[2])) {
        return false;
    }
    opts->major = parts[0];
    opts->minor = parts[1];
    opts->build = parts[2];
    return true;
}

probe_command_fn *probe_kitprog_command(uint8_t id)
{
    static const struct {
        uint8_t id;
        probe_command_fn *run;
    } commands[] = {
        { CMD_VERSION, version },
        { CMD_RESET, restart_probe },
        { CMD_LIGHT, light },
        { CMD_POWER, power },
        { CMD_ACQUIRE, acquire },
        { CMD_CAPABILITIES, capabilities },
        { CMD_ACQUIRE_PARAM, acquire_parameter },
        { CMD_UNIQUE_ID, unique_id },
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (commands[i].id == id) {
            return commands[i].run;
        }
    }
    return NULL;
}
