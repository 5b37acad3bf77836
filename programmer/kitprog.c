/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/kitprog.h"

#include <string.h>

#include "base/buf.h"
#include "programmer/queue.h"

/* KitProg3 vendor commands, as its published firmware has them. */
#define CMD_VERSION      0x80U
#define CMD_LIGHT        0x83U
#define CMD_POWER        0x84U
#define CMD_ACQUIRE      0x85U
#define POWER_SET        0x10U
#define POWER_GET        0x11U
#define POWER_OFF        0x00U
#define POWER_ON         0x01U
#define POWER_MILLIVOLT  0x02U
#define ACQUIRE_PSOC6    2U
#define ACQUIRE_BY_XRES  0U
#define ACQUIRE_ATTEMPTS 1U
#define RESULT_OK        0x00U
#define RESULT_WAIT      0x01U
#define RESULT_VOLTAGE   0x80U
#define UNKNOWN_COMMAND  0xFFU

/* While it works, the probe says so about twice a second. */
#define ACQUIRE_BEAT_US 2000000
#define ACQUIRE_BEATS   12U
#define SETTLE_US       50000U
#define SUPPLY_MIN_MV   1800U

bool prg_kitprog_offered(const struct prg_link *link)
{
    return link->kitprog;
}

static enum base_status not_offered(struct base_err *err)
{
    return base_err_set(err, BASE_E_UNSUPPORTED, "probe", 0,
        "this probe neither measures nor switches the target's supply; a KitProg3 or MiniProg4 "
        "does");
}

/* One request, one answer of at least @p least bytes, whose second byte says how it went. */
static enum base_status ask(struct prg_link *link, const uint8_t *request, size_t length,
    size_t least, uint8_t answer[PRG_PACKET_MAX], struct base_err *err)
{
    size_t got = 0;
    if (!link->kitprog) {
        return not_offered(err);
    }
    enum base_status status = prg_queue_exchange(link, request, length, answer, &got, err);
    if (status != BASE_OK) {
        return status;
    }
    if (got < least) {
        return base_err_set(err, BASE_E_PROTO, "KitProg", request[0],
            "the probe's answer to command %02x is cut short", request[0]);
    }
    if (answer[1] != RESULT_OK && answer[1] != RESULT_WAIT) {
        return base_err_set(err, BASE_E_TARGET, "KitProg", answer[1],
            "the probe could not carry out command %02x%s (%02x)", request[0],
            answer[1] == RESULT_VOLTAGE ? ": the supply is not what it should be" : "", answer[1]);
    }
    return BASE_OK;
}

/* --------------------------------------------------------------------------------------- supply */

enum base_status prg_kitprog_supply(
    struct prg_link *link, struct prg_kitprog_supply *ret_supply, struct base_err *err)
{
    static const uint8_t request[2] = { CMD_POWER, POWER_GET };
    uint8_t answer[PRG_PACKET_MAX];
    enum base_status status = ask(link, request, sizeof(request), 8, answer, err);
    if (status == BASE_OK) {
        *ret_supply = (struct prg_kitprog_supply){ .on = answer[2] == 1,
            .settable = answer[7] == 1,
            .millivolt = base_get_le16(answer + 3),
            .set_millivolt = base_get_le16(answer + 5) };
    }
    return status;
}

enum base_status prg_kitprog_voltage(
    struct prg_link *link, uint32_t *ret_millivolt, struct base_err *err)
{
    static const uint8_t request[2] = { CMD_POWER, POWER_GET };
    uint8_t answer[PRG_PACKET_MAX];
    enum base_status status = ask(link, request, sizeof(request), 5, answer, err);
    if (status == BASE_OK) {
        *ret_millivolt = base_get_le16(answer + 3);
    }
    return status;
}

enum base_status prg_kitprog_check_voltage(struct prg_link *link, struct base_err *err)
{
    uint32_t millivolt = 0;
    if (!link->kitprog) {
        return BASE_OK;
    }
    enum base_status status = prg_kitprog_voltage(link, &millivolt, err);
    if (status != BASE_OK || (millivolt >= PRG_VOLTAGE_MIN_MV && millivolt <= PRG_VOLTAGE_MAX_MV)) {
        return status;
    }
    /* Wires, supply or fixture: it says nothing against the chip. */
    status = base_err_set(err, BASE_E_LINK, "KitProg", millivolt,
        "the target's supply is %u.%02u V; a PSoC 6 needs 1.71 to 3.60 V: check its power and the "
        "probe's VTARG wire, or let the probe supply it (lpa-probe power on)",
        (unsigned)(millivolt / 1000), (unsigned)(millivolt % 1000 / 10));
    base_err_set_code(err, "voltage");
    return status;
}

enum base_status prg_kitprog_power(struct prg_link *link, bool on, struct base_err *err)
{
    const uint8_t request[3] = { CMD_POWER, POWER_SET, on ? POWER_ON : POWER_OFF };
    uint8_t answer[PRG_PACKET_MAX];
    enum base_status status = ask(link, request, sizeof(request), 2, answer, err);
    /* The target starts anew: nothing that was known of it holds. */
    link->selected = false;
    memset(&link->cache, 0, sizeof(link->cache));
    return status == BASE_OK ? prg_link_delay(link, SETTLE_US, err) : status;
}

enum base_status prg_kitprog_set_voltage(
    struct prg_link *link, uint32_t millivolt, struct base_err *err)
{
    uint8_t request[5] = { CMD_POWER, POWER_SET, POWER_MILLIVOLT };
    uint8_t answer[PRG_PACKET_MAX];
    if (millivolt < SUPPLY_MIN_MV || millivolt > PRG_VOLTAGE_MAX_MV) {
        return base_err_set(err, BASE_E_ARG, "KitProg", millivolt,
            "a supply of %u mV is outside %u … %u", (unsigned)millivolt, SUPPLY_MIN_MV,
            PRG_VOLTAGE_MAX_MV);
    }
    base_put_le16(request + 3, (uint16_t)millivolt);
    return ask(link, request, sizeof(request), 2, answer, err);
}

/* -------------------------------------------------------------------------------------- acquire */

enum base_status prg_kitprog_acquire(
    struct prg_link *link, bool *ret_acquired, struct base_err *err)
{
    static const uint8_t request[4] = { CMD_ACQUIRE, ACQUIRE_PSOC6, ACQUIRE_BY_XRES,
        ACQUIRE_ATTEMPTS };
    uint8_t answer[PRG_PACKET_MAX] = { 0 };
    size_t length = 0;
    link->selected = false;
    memset(&link->cache, 0, sizeof(link->cache));
    enum base_status status = ask(link, request, sizeof(request), 2, answer, err);
    for (unsigned beat = 0; status == BASE_OK && answer[1] == RESULT_WAIT; beat++) {
        /* Several answers to one request: "85 01" until "85 00 result". */
        if (beat == ACQUIRE_BEATS) {
            return base_err_set(err, BASE_E_TIMEOUT, "KitProg", CMD_ACQUIRE,
                "the probe does not come to an end of acquiring the chip");
        }
        status = link->wire.transport->collect(
            link->wire.state, ACQUIRE_BEAT_US, sizeof(answer), answer, &length, err);
        link->gone = link->gone || status == BASE_E_LINK;
        if (status == BASE_OK && (length < 2 || answer[0] != CMD_ACQUIRE)) {
            link->poisoned = true;
            status = base_err_set(err, BASE_E_PROTO, "KitProg", answer[0],
                "the probe's answer belongs to another command");
        }
    }
    if (status == BASE_OK) {
        *ret_acquired = answer[1] == RESULT_OK && answer[2] == 1;
    }
    return status;
}

/* ---------------------------------------------------------------------------------- other things
 */

enum base_status prg_kitprog_light(
    struct prg_link *link, enum prg_kitprog_light light, struct base_err *err)
{
    const uint8_t request[2] = { CMD_LIGHT, (uint8_t)light };
    uint8_t answer[PRG_PACKET_MAX];
    return link->kitprog ? ask(link, request, sizeof(request), 2, answer, err) : BASE_OK;
}

/* major.minor.build in one number that compares. */
static uint64_t version(uint16_t major, uint16_t minor, uint16_t build)
{
    return (uint64_t)major << 32 | (uint64_t)minor << 16 | build;
}

enum base_status prg_kitprog_begin(struct prg_link *link, bool bulk, struct base_err *err)
{
    static const uint8_t request[1] = { CMD_VERSION };
    uint8_t answer[PRG_PACKET_MAX] = { 0 };
    size_t length = 0;
    struct base_err cause = { .status = BASE_OK };
    enum base_status status =
        prg_queue_exchange(link, request, sizeof(request), answer, &length, &cause);
    if (status == BASE_E_PROTO && length > 0 && answer[0] == UNKNOWN_COMMAND) {
        /* Another firmware under this USB id: plain CMSIS-DAP, and nothing is known of its
         * buffers. */
        link->kitprog = false;
        link->probe.in_flight = 1;
        return BASE_OK;
    }
    if (status != BASE_OK) {
        return base_err_set(err, status, cause.domain, cause.detail, "%s", cause.message);
    }
    if (length < 12 || answer[1] != RESULT_OK) {
        return base_err_set(err, BASE_E_PROTO, "KitProg", answer[1],
            "the probe's answer to the version command is malformed");
    }
    uint64_t have =
        version(base_get_le16(answer + 2), base_get_le16(answer + 4), base_get_le16(answer + 10));
    link->kitprog = true;
    /* Older firmware has no pipeline; later one hangs when bulk packets come faster than it
     * answers (vendor's own OpenOCD). */
    if (have < version(1, 20, 591) || (bulk && have < version(2, 30, 1081))) {
        link->probe.in_flight = 1;
    }
    return BASE_OK;
}
