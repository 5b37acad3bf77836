/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "programmer/swd.h"
#include "tests/unit/programmer/script.h"

/* Connect, clock 1 MHz, 100 repeats of WAIT and 5434 of a match (250 ms), turnaround 1. */
#define SETTINGS                                                                                   \
    { "0201", "0201" }, { "1140420f00", "1100" }, { "040064003a15", "0400" },                      \
    {                                                                                              \
        "1300", "1300"                                                                             \
    }

static enum base_status open_script(
    struct script *script, struct prg_link **ret_link, struct base_err *err)
{
    static const struct prg_link_opts opts = { .swclk_hz = 1000000 };
    struct prg_wire wire;
    assert_int_equal(prg_wire_memory(script_exchange, script, &wire, err), BASE_OK);
    return prg_link_open_wire(&wire, &opts, ret_link, err);
}

#define SCRIPT(name, ...)                                                                          \
    static const struct script_step name##_steps[] = { __VA_ARGS__ };                              \
    struct script name = { name##_steps, sizeof(name##_steps) / sizeof(name##_steps[0]), 0 }

static void refuses_what_is_no_probe(void **state)
{
    (void)state;

    static const struct {
        struct script_step steps[3];
        size_t count;
    } cases[] = {
        { { { "00fe", "" } }, 1 },                                   /* silence */
        { { { "00fe", "ff" } }, 1 },                                 /* unknown command */
        { { { "00fe", "01" } }, 1 },                                 /* another's answer */
        { { { "00fe", "00090400" } }, 1 },                           /* length beyond the end */
        { { { "00fe", "000104" }, { "00ff", "00022000" } }, 2 },     /* 32-byte packets */
        { { { "00fe", "000104" }, { "00ff", "00044000ffff" } }, 2 }, /* 4 bytes where 2 belong */
        { { { "00fe", "000104" }, { "00ff", "00024000" }, { "00f0", "000102" } },
            3 }, /* JTAG only */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        /* A probe that does not answer the capabilities question is asked nothing more; what might
         * be a left-over of an earlier session is asked for three times in all. */
        static const struct script_step rest[] = { { "0004", "0000" }, { "0009", "0000" },
            { "0003", "0000" }, { "0001", "0000" }, { "0002", "0000" } };
        struct script_step steps[24];
        struct script script = { steps, 0, 0 };
        for (unsigned pass = 0; pass < (i == 0 ? 1 : 3); pass++) {
            memcpy(steps + script.count, cases[i].steps, sizeof(cases[i].steps));
            script.count += cases[i].count;
            if (i == 6) {
                memcpy(steps + script.count, rest, sizeof(rest));
                script.count += 5;
            }
        }
        struct prg_link *link = NULL;
        struct base_err err = { .status = BASE_OK };
        enum base_status status = open_script(&script, &link, &err);
        assert_int_not_equal(status, BASE_OK);
        assert_int_equal(status, err.status);
        assert_true(strlen(err.message) > 10);
        assert_null(link);
        assert_int_equal(script.at, script.count);
    }
}

static void refuses_a_probe_that_cannot_connect(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, { "0201", "0200" }, SCRIPT_OPEN, { "0201", "0200" }, SCRIPT_OPEN,
        { "0201", "0200" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(open_script(&script, &link, &err), BASE_E_PROTO);
    assert_null(link);
}

static void opens_with_exact_bytes(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, SETTINGS, { "03", "0300" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(open_script(&script, &link, &err), BASE_OK);
    const struct prg_probe_info *probe = prg_link_probe(link);
    assert_int_equal(probe->packet_size, 64);
    assert_int_equal(probe->packet_count, 4);
    assert_int_equal(probe->in_flight, 4);
    assert_string_equal(probe->protocol, "2.1.1");
    assert_string_equal(probe->serial, "SA?");
    assert_string_equal(probe->vendor, "");
    assert_string_equal(probe->product, "");
    prg_link_close(link);
    assert_int_equal(script.at, script.count);
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, SETTINGS, { "03", "0300" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(open_script(&script, &link, &err), BASE_OK);
    assert_int_equal(prg_link_set_clock(link, 999, &err), BASE_E_ARG);
    base_err_clear(&err);
    assert_int_equal(prg_link_delay(link, 10000001, &err), BASE_E_ARG);
    prg_link_close(link);
    prg_link_close(NULL);
}

static void drives_reset_and_delay(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, SETTINGS, { "10008000000000", "1000" },
        { "10808010270000", "1080" }, { "0950c3", "0900" }, { "091027", "0900" }, { "03", "0300" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(open_script(&script, &link, &err), BASE_OK);
    assert_int_equal(prg_link_set_reset(link, true, &err), BASE_OK);
    assert_int_equal(prg_link_set_reset(link, false, &err), BASE_OK);
    assert_int_equal(prg_link_delay(link, 60000, &err), BASE_OK);
    prg_link_close(link);
    assert_int_equal(script.at, script.count);
}

static void reports_a_refused_command(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, SETTINGS, { "091027", "09ff" }, { "091027", "0900" },
        { "03", "0300" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(open_script(&script, &link, &err), BASE_OK);
    assert_int_equal(prg_link_delay(link, 10000, &err), BASE_E_PROTO);
    assert_string_equal(err.code, "");
    /* The session is well: the next command goes through. */
    assert_int_equal(prg_link_delay(link, 10000, NULL), BASE_OK);
    prg_link_close(link);
}

#define RESYNC { "00fe", "000104" }, { "00ff", "00024000" }, SETTINGS

/* One left-over answer would shift everything by one: it is noticed at once, what was asked is
 * unknown, and two different DAP_Info prove the session before it goes on. */
static void poisons_and_resynchronises(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, SETTINGS, { "05000102", "0900" }, RESYNC,
        { "05000102", "0501017724a06b" }, { "03", "0300" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    uint8_t word[4] = { 0 };
    assert_int_equal(open_script(&script, &link, &err), BASE_OK);
    prg_swd_queue_dp_read(link, PRG_DP_DPIDR, word);
    assert_int_equal(prg_swd_flush(link, &err), BASE_E_PROTO);
    assert_string_equal(err.code, "unknown");
    prg_swd_queue_dp_read(link, PRG_DP_DPIDR, word);
    assert_int_equal(prg_swd_flush(link, NULL), BASE_OK);
    assert_memory_equal(word, "\x77\x24\xa0\x6b", 4);
    prg_link_close(link);
    assert_int_equal(script.at, script.count);
}

static void stays_poisoned_when_resync_fails(void **state)
{
    (void)state;
    SCRIPT(script, SCRIPT_OPEN, SETTINGS, { "05000102", "" }, { "00fe", "000104" },
        { "00ff", "0500" });
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    uint8_t word[4] = { 0xAA };
    assert_int_equal(open_script(&script, &link, &err), BASE_OK);
    prg_swd_queue_dp_read(link, PRG_DP_DPIDR, word);
    assert_int_equal(prg_swd_flush(link, &err), BASE_E_PROTO);
    assert_string_equal(err.code, "unknown");
    assert_int_equal(word[0], 0xAA);
    base_err_clear(&err);
    assert_int_equal(prg_link_delay(link, 10000, &err), BASE_E_PROTO);
    prg_link_close(link); /* says nothing more to it */
    assert_int_equal(script.at, script.count);
}

/* Several packets are in flight before the first answer is taken, never more than the probe has
 * buffers. */
struct depth {
    unsigned now, most;
};

static bool measure_depth(
    void *user, enum prg_trace_kind kind, uint8_t *packet, size_t *length, size_t size)
{
    (void)packet;
    (void)length;
    (void)size;
    struct depth *depth = user;
    depth->now += kind == PRG_TRACE_REQUEST ? 1U : (unsigned)-1;
    depth->most = depth->now > depth->most ? depth->now : depth->most;
    return true;
}

static void answer_anything(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    (void)length;
    const uint8_t *count = user;
    static const uint8_t size[4] = { 0, 2, 64, 0 };
    memset(ret_response, 0, 8);
    ret_response[0] = request[0];
    *ret_length = 2;
    if (request[0] == 0 && request[1] == 0xFF) {
        memcpy(ret_response, size, 4);
        *ret_length = 4;
    } else if (request[0] == 0 && (request[1] == 0xFE || request[1] == 0xF0)) {
        ret_response[1] = 1;
        ret_response[2] = request[1] == 0xFE ? *count : 1;
        *ret_length = 3;
    } else if (request[0] == 2) {
        ret_response[1] = 1;
    }
}

static void keeps_packets_in_flight(void **state)
{
    (void)state;

    static const struct {
        uint8_t claims;
        uint32_t allowed;
        unsigned expected;
    } rows[] = { { 1, 0, 1 }, { 4, 0, 4 }, { 64, 0, 8 }, { 64, 2, 2 }, { 0, 0, 1 } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t claims = rows[i].claims;
        struct depth depth = { 0, 0 };
        const struct prg_link_opts opts = {
            .max_in_flight = rows[i].allowed, .trace = measure_depth, .trace_user = &depth
        };
        struct prg_wire wire;
        struct prg_link *link = NULL;
        struct base_err err = { .status = BASE_OK };
        assert_int_equal(prg_wire_memory(answer_anything, &claims, &wire, &err), BASE_OK);
        assert_int_equal(prg_link_open_wire(&wire, &opts, &link, &err), BASE_OK);
        depth.most = 0;
        assert_int_equal(prg_link_delay(link, 1000000, &err), BASE_OK);
        assert_int_equal(depth.most, rows[i].expected);
        assert_int_equal(depth.now, 0);
        prg_link_close(link);
    }
}

/* ------------------------------------------------------------------------------ a babbling probe
 */

static enum base_status babble(void *state, int64_t timeout_us, size_t size, uint8_t *ret_packet,
    size_t *ret_length, struct base_err *err)
{
    (void)timeout_us;
    (void)size;
    (void)err;
    ++*(unsigned *)state;
    ret_packet[0] = 0;
    *ret_length = 1;
    return BASE_OK;
}

static void keep(void *state)
{
    (void)state;
}

static void refuses_a_probe_that_sends_unasked(void **state)
{
    (void)state;
    static const struct prg_transport transport = {
        .name = "babble", .settle_us = 20000, .collect = babble, .close = keep
    };
    unsigned packets = 0;
    struct prg_wire wire = { &transport, &packets };
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(prg_link_open_wire(&wire, NULL, &link, &err), BASE_E_PROTO);
    assert_null(link);
    assert_int_equal(packets, 64);
    assert_non_null(strstr(err.message, "without being asked"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_probe),
        cmocka_unit_test(refuses_a_probe_that_cannot_connect),
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(opens_with_exact_bytes),
        cmocka_unit_test(drives_reset_and_delay),
        cmocka_unit_test(reports_a_refused_command),
        cmocka_unit_test(poisons_and_resynchronises),
        cmocka_unit_test(stays_poisoned_when_resync_fails),
        cmocka_unit_test(keeps_packets_in_flight),
        cmocka_unit_test(refuses_a_probe_that_sends_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
