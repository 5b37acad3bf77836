/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/lpa-probe_session.h"
#include "programmer/kitprog.h"

#define BENCH_TRIPS 50U
#define BENCH_BYTES 0x10000U
#define FLASH       0x10000000U

/* ------------------------------------------------------------------------------------- acquire */

int probe_tools_acquire(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 0, 0, &err);
    if (status == BASE_OK) {
        status = probe_session_acquire(&session, &err);
    }
    if (status == BASE_OK) {
        probe_session_say(&session, "acquired: the chip waits in test mode");
    }
    return probe_session_end(&session, &err);
}

/* --------------------------------------------------------------------------------------- power */

static enum base_status power(struct probe_session *session, struct base_err *err)
{
    uint32_t millivolt = 0;
    bool on = strcmp(session->words[0], "on") == 0;
    enum base_status status = BASE_OK;
    if (!on && (strcmp(session->words[0], "off") != 0 || session->word_count > 1)) {
        return base_err_set(err, BASE_E_ARG, "argument", 0,
            "say \"power on\", \"power on MILLIVOLT\" or \"power off\"");
    }
    if (session->word_count > 1) {
        status = probe_session_number(session->words[1], "millivolt", &millivolt, err);
    }
    if (status == BASE_OK) {
        status = probe_session_open(session, err);
    }
    if (status == BASE_OK && session->word_count > 1) {
        status = prg_kitprog_set_voltage(session->link, millivolt, err);
    }
    if (status == BASE_OK) {
        status = prg_kitprog_power(session->link, on, err);
    }
    if (status == BASE_OK) {
        status = prg_kitprog_voltage(session->link, &millivolt, err);
    }
    if (status == BASE_OK) {
        probe_session_count(session, "voltage_mv", millivolt);
        probe_session_say(session, "the target's supply is %u.%02u V now",
            (unsigned)(millivolt / 1000), (unsigned)(millivolt % 1000 / 10));
    }
    return status;
}

int probe_tools_power(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 1, 2, &err);
    if (status == BASE_OK) {
        (void)!power(&session, &err);
    }
    return probe_session_end(&session, &err);
}

/* --------------------------------------------------------------------------------------- bench */

/* Microseconds of real time for one word, many times. */
static enum base_status time_trips(
    struct probe_session *session, int64_t *ret_us, struct base_err *err)
{
    const struct base_clock *clock = base_clock_system();
    int64_t begin_us = base_clock_mono_us(clock);
    enum base_status status = BASE_OK;
    for (unsigned i = 0; i < BENCH_TRIPS && status == BASE_OK; i++) {
        uint8_t word[4];
        status = prg_psoc6_read(session->chip, FLASH, sizeof(word), word, err);
    }
    *ret_us = base_clock_mono_us(clock) - begin_us;
    return status;
}

static enum base_status time_reading(
    struct probe_session *session, int64_t *ret_us, struct base_err *err)
{
    const struct base_clock *clock = base_clock_system();
    uint8_t *bytes = malloc(BENCH_BYTES);
    if (bytes == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "memory", 0, "no memory to read into");
    }
    int64_t begin_us = base_clock_mono_us(clock);
    enum base_status status = prg_psoc6_read(session->chip, FLASH, BENCH_BYTES, bytes, err);
    *ret_us = base_clock_mono_us(clock) - begin_us;
    free(bytes);
    return status;
}

static enum base_status bench(struct probe_session *session, struct base_err *err)
{
    int64_t trips_us = 0;
    int64_t reading_us = 0;
    enum base_status status = probe_session_attach(session, err);
    if (status == BASE_OK) {
        status = time_trips(session, &trips_us, err);
    }
    struct prg_link_stats before = { 0 };
    if (status == BASE_OK) {
        before = prg_link_stats(session->link);
        status = time_reading(session, &reading_us, err);
    }
    if (status != BASE_OK) {
        return status;
    }
    struct prg_link_stats after = prg_link_stats(session->link);
    reading_us = reading_us == 0 ? 1 : reading_us;
    int64_t rate = (int64_t)BENCH_BYTES * 1000000 / 1024 / reading_us;
    probe_session_count(session, "round_trip_us", trips_us / BENCH_TRIPS);
    probe_session_count(session, "read_kib_s", rate);
    probe_session_count(session, "read_bytes", BENCH_BYTES);
    probe_session_count(session, "packets", (int64_t)(after.packets - before.packets));
    probe_session_count(session, "round_trips", (int64_t)(after.round_trips - before.round_trips));
    probe_session_say(session, "one word     %lld us", (long long)(trips_us / BENCH_TRIPS));
    probe_session_say(session, "reading      %lld KiB/s: %u KiB in %llu packets, %llu round trips",
        (long long)rate, BENCH_BYTES / 1024, (unsigned long long)(after.packets - before.packets),
        (unsigned long long)(after.round_trips - before.round_trips));
    return BASE_OK;
}

int probe_tools_bench(const struct cli_program *program, int argc, char **argv)
{
    struct probe_session session;
    struct base_err err = { .status = BASE_OK };
    enum base_status status = probe_session_init(&session, program, argc, argv, 0, 0, &err);
    if (status == BASE_OK) {
        (void)!bench(&session, &err);
    }
    return probe_session_end(&session, &err);
}
