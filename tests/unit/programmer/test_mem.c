/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "programmer/psoc6.h"
#include "tests/unit/programmer/bench.h"

static void connect(struct bench *bench)
{
    struct base_err err = { .status = BASE_OK };
    uint32_t dpidr = 0;
    assert_int_equal(prg_swd_connect(bench->link, &dpidr, &err), BASE_OK);
    assert_int_equal(dpidr, 0x6BA02477);
}

static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static void refuses_bad_arguments(void **state)
{
    (void)state;
    struct bench bench;
    struct base_err err = { .status = BASE_OK };
    uint8_t byte = 0;
    bench_init(&bench, 64, 4);
    connect(&bench);
    assert_int_equal(prg_mem_prepare(bench.link, 4, &err), BASE_E_ARG);
    base_err_clear(&err);
    assert_int_equal(prg_mem_read(bench.link, 0, 0xFFFFFFFFU, 2, &byte, &err), BASE_E_ARG);
    base_err_clear(&err);
    assert_int_equal(prg_mem_write(bench.link, 0, 0xFFFFFFFFU, &byte, 2, &err), BASE_E_ARG);
    assert_int_equal(bench.chip->accesses, 0);
    bench_done(&bench);
}

/* Any alignment, over the 1 KiB limit of TAR's increment, with every packet size. */
static void reads_back_what_it_wrote(void **state)
{
    (void)state;
    static const uint16_t sizes[] = { 64, 256, 512, 1024 };

    static const struct {
        uint32_t offset, length;
    } spans[] = { { 0, 4 }, { 0, 0 }, { 1, 1 }, { 3, 2 }, { 2, 9 }, { 1020, 8 }, { 1023, 2 },
        { 0, 1024 }, { 512, 5000 }, { 7, 20001 } };

    uint8_t *want = malloc(FAKE_SIZE);
    uint8_t *have = malloc(FAKE_SIZE);
    assert_non_null(want);
    assert_non_null(have);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct bench bench;
        struct base_err err = { .status = BASE_OK };
        bench_init(&bench, sizes[s], 8);
        connect(&bench);
        for (uint32_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
            uint32_t at = spans[i].offset;
            uint32_t length = spans[i].length;
            memset(bench.chip->memory, 0xEE, FAKE_SIZE);
            memset(want, 0xEE, FAKE_SIZE);
            fill(want + at, length, i + 1);
            assert_int_equal(
                prg_mem_write(bench.link, 0, FAKE_BASE + at, want + at, length, &err), BASE_OK);
            assert_memory_equal(bench.chip->memory, want, FAKE_SIZE);
            assert_int_equal(
                prg_mem_read(bench.link, 0, FAKE_BASE + at, length, have, &err), BASE_OK);
            assert_memory_equal(have, want + at, length);
        }
        assert_true(bench.chip->last_privileged);
        bench_done(&bench);
    }
    free(want);
    free(have);
}

/* A KiB each way in as many packets as its words need (CMSIS-DAP capacities; TAR's own included).
 */
static void packs_a_kilobyte(void **state)
{
    (void)state;

    static const struct {
        uint16_t size;
        uint64_t write, read;
    } rows[] = { { 64, 20, 18 }, { 512, 3, 3 }, { 1024, 2, 2 } };

    static uint8_t bytes[1024];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bench bench;
        bench_init(&bench, rows[i].size, 8);
        connect(&bench);
        assert_int_equal(prg_mem_prepare(bench.link, 0, NULL), BASE_OK);
        uint64_t before = prg_link_stats(bench.link).packets;
        assert_int_equal(prg_mem_write(bench.link, 0, FAKE_BASE, bytes, 1024, NULL), BASE_OK);
        uint64_t middle = prg_link_stats(bench.link).packets;
        assert_int_equal(prg_mem_read(bench.link, 0, FAKE_BASE, 1024, bytes, NULL), BASE_OK);
        uint64_t after = prg_link_stats(bench.link).packets;
        assert_in_range(middle - before, 1, rows[i].write + 1);
        assert_in_range(after - middle, 1, rows[i].read);
        bench_done(&bench);
    }
}

static void waits_out_a_busy_bus(void **state)
{
    (void)state;
    struct bench bench;
    uint32_t value = 0;
    bench_init(&bench, 64, 4);
    connect(&bench);
    fake_chip_set_word(bench.chip, FAKE_BASE, 0x12345678);
    bench.chip->waits = 5; /* the probe itself repeats */
    assert_int_equal(prg_mem_read_word(bench.link, 0, FAKE_BASE, &value, NULL), BASE_OK);
    assert_int_equal(value, 0x12345678);
    bench_done(&bench);
}

static void recovers_from_a_stuck_bus(void **state)
{
    (void)state;
    struct bench bench;
    struct base_err err = { .status = BASE_OK };
    uint32_t value = 0x55;
    bench_init(&bench, 64, 4);
    connect(&bench);
    assert_int_equal(prg_mem_prepare(bench.link, 0, NULL), BASE_OK);
    bench.chip->waits_for_ever = true;
    assert_int_equal(prg_mem_read_word(bench.link, 0, FAKE_BASE, &value, &err), BASE_E_TIMEOUT);
    assert_string_equal(err.code, "unknown");
    assert_string_equal(err.domain, "SWD");
    assert_int_equal(value, 0x55);
    bench.chip->waits_for_ever = false;
    fake_chip_set_word(bench.chip, FAKE_BASE, 77);
    assert_int_equal(prg_mem_read_word(bench.link, 0, FAKE_BASE, &value, NULL), BASE_OK);
    assert_int_equal(value, 77);
    bench_done(&bench);
}

/* A fault makes every access fault until it is cleared: done before the failure is reported, with
 * all caches dropped. */
static void recovers_from_a_fault(void **state)
{
    (void)state;
    struct bench bench;
    struct base_err err = { .status = BASE_OK };
    uint32_t value = 0x55;
    bench_init(&bench, 64, 4);
    connect(&bench);
    fake_chip_set_word(bench.chip, FAKE_BASE + 8, 99);
    assert_int_equal(prg_mem_read_word(bench.link, 0, 0x40000000, &value, &err), BASE_E_TARGET);
    assert_string_equal(err.domain, "SWD");
    assert_string_equal(err.code, "");
    assert_non_null(strstr(err.message, "40000000"));
    assert_int_equal(value, 0x55);
    assert_int_equal(prg_mem_read_word(bench.link, 0, FAKE_BASE + 8, &value, NULL), BASE_OK);
    assert_int_equal(value, 99);
    base_err_clear(&err);
    assert_int_equal(prg_mem_write_word(bench.link, 0, 0x40000000, 1, &err), BASE_E_TARGET);
    assert_int_equal(prg_mem_write_word(bench.link, 0, FAKE_BASE + 8, 1, NULL), BASE_OK);
    assert_int_equal(fake_chip_word(bench.chip, FAKE_BASE + 8), 1);
    bench_done(&bench);
}

static void tells_a_closed_port(void **state)
{
    (void)state;
    struct bench bench;
    struct base_err err = { .status = BASE_OK };
    uint32_t value = 0;
    bench_init(&bench, 64, 4);
    connect(&bench);
    bench.chip->ap_enabled[0] = false;
    assert_int_equal(prg_mem_read_word(bench.link, 0, FAKE_BASE, &value, &err), BASE_E_LOCKED);
    assert_int_equal(prg_mem_read_word(bench.link, 1, FAKE_BASE, &value, NULL), BASE_OK);
    bench_done(&bench);
}

/* A chip whose debug port answers and whose access ports do not is not a silent one. */
static void acquire_tells_closed_ports(void **state)
{
    (void)state;
    const struct prg_psoc6_acquire_opts opts = { .timeout_ms = 20 };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_ACQUIRED;
    struct bench bench;
    struct prg_psoc6 *chip = NULL;
    struct base_err err = { .status = BASE_OK };
    bench_init(&bench, 64, 4);
    assert_int_equal(prg_psoc6_new(bench.link, &chip, &err), BASE_OK);
    bench.chip->ap_enabled[0] = bench.chip->ap_enabled[1] = bench.chip->ap_enabled[2] = false;
    assert_int_equal(prg_psoc6_acquire(chip, &opts, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, PRG_PSOC6_CLOSED);
    bench.chip->connected = false;
    assert_int_equal(prg_psoc6_acquire(chip, &opts, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, PRG_PSOC6_SILENT);
    /* Ports open, but no PSoC 6 behind them. */
    bench.chip->connected = true;
    bench.chip->ap_enabled[0] = true;
    struct prg_psoc6_info info;
    assert_int_equal(prg_psoc6_attach(chip, 20, &err), BASE_OK);
    assert_int_not_equal(prg_psoc6_identify(chip, &info, &err), BASE_OK);
    prg_psoc6_free(chip);
    bench_done(&bench);
}

static void tells_a_silent_target(void **state)
{
    (void)state;
    struct bench bench;
    struct base_err err = { .status = BASE_OK };
    uint32_t value = 0;
    bench_init(&bench, 64, 4);
    connect(&bench);
    bench.chip->connected = false;
    assert_int_equal(prg_mem_read_word(bench.link, 0, FAKE_BASE, &value, &err), BASE_E_LINK);
    assert_string_equal(err.code, "unknown");
    base_err_clear(&err);
    assert_int_equal(prg_swd_connect(bench.link, &value, &err), BASE_E_LINK);
    assert_string_equal(err.domain, "SWD");
    bench.chip->connected = true;
    connect(&bench);
    bench_done(&bench);
}

/* One flipped bit anywhere in the packets of a read: never wrong data, and the next try works. */
static void survives_every_flipped_bit(void **state)
{
    (void)state;
    unsigned failed = 0;
    unsigned tried = 0;
    for (uint64_t number = 1; number <= 4; number++) {
        for (uint32_t bit = 0; bit < 46; bit += bench_stride()) {
            tried++;
            struct bench bench;
            struct base_err err = { .status = BASE_OK };
            const struct sim_probe_fault fault = { SIM_PROBE_FAULT_FLIP_BIT, number, bit };
            uint32_t value = 0;
            bench_init(&bench, 64, 4);
            connect(&bench);
            assert_int_equal(prg_mem_prepare(bench.link, 0, NULL), BASE_OK);
            fake_chip_set_word(bench.chip, FAKE_BASE + 4, 0xCAFEF00D);
            sim_probe_set_fault(bench.probe, &fault);
            enum base_status status = prg_mem_read_word(bench.link, 0, FAKE_BASE + 4, &value, &err);
            if (status == BASE_OK) {
                assert_int_equal(value, 0xCAFEF00D);
            } else {
                failed++;
                if (err.status == BASE_E_LINK && !bench.link->selected) {
                    connect(&bench);
                }
                assert_int_equal(
                    prg_mem_read_word(bench.link, 0, FAKE_BASE + 4, &value, NULL), BASE_OK);
                assert_int_equal(value, 0xCAFEF00D);
            }
            bench_done(&bench);
        }
    }
    assert_true(failed > tried / 4);
}

static void count_up(struct bench *bench)
{
    unsigned *left = bench->user;
    if (*left > 0 && --*left == 0) {
        fake_chip_set_word(bench->chip, FAKE_BASE, 0xA5000001);
    }
}

static void matches_in_the_probe(void **state)
{
    (void)state;
    struct bench bench;
    struct base_err err = { .status = BASE_OK };
    unsigned left = 3;
    bench_init(&bench, 64, 4);
    connect(&bench);
    /* Runs out: an outcome of its own, the line is well, the time counts on the wire. */
    int64_t before = bench.link->wire_us;
    assert_int_equal(prg_mem_wait(bench.link, 0, FAKE_BASE, 0xFF000000, 0xA5000000, 400000, &err),
        BASE_E_TIMEOUT);
    assert_string_equal(err.code, "mismatch");
    assert_in_range(bench.link->wire_us - before, 400000, 800000);
    bench.device = count_up;
    bench.user = &left;
    assert_int_equal(
        prg_mem_wait(bench.link, 0, FAKE_BASE, 0xFF000000, 0xA5000000, 10000000, NULL), BASE_OK);
    bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_arguments),
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(packs_a_kilobyte),
        cmocka_unit_test(waits_out_a_busy_bus),
        cmocka_unit_test(recovers_from_a_stuck_bus),
        cmocka_unit_test(recovers_from_a_fault),
        cmocka_unit_test(tells_a_closed_port),
        cmocka_unit_test(acquire_tells_closed_ports),
        cmocka_unit_test(tells_a_silent_target),
        cmocka_unit_test(survives_every_flipped_bit),
        cmocka_unit_test(matches_in_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
