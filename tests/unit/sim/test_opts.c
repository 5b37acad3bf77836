/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-sim_opts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MAX_ARGS 24

static enum base_status parse(
    const char *const *words, struct sim_serve_opts *ret_opts, struct base_err *err)
{
    /* The options borrow their strings: these live until the next call. */
    static char text[MAX_ARGS][64] = { "serve" };
    char *argv[MAX_ARGS] = { text[0] };
    int argc = 1;
    for (; words[argc - 1] != NULL; argc++) {
        assert_true(argc < MAX_ARGS && strlen(words[argc - 1]) < sizeof(text[0]));
        memcpy(text[argc], words[argc - 1], strlen(words[argc - 1]) + 1);
        argv[argc] = text[argc];
    }
    return sim_serve_parse(argc, argv, ret_opts, err);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void refused(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        { "--bogus" },
        { "extra" },
        { "--listen" },
        { "--uid", "51a0000000c0000" },
        { "--uid", "51a0000000c0000g" },
        { "--packet-size", "x" },
        { "--packet-size", "2000" },
        { "--packet-size", "" },
        { "--packet-count", "0" },
        { "--packet-count", "256" },
        { "--packet-count", "-1" },
        { "--round-trip-us", "10000001" },
        { "--seed", "18446744073709551616" },
        { "--fault", "" },
        { "--fault", "cut-request=0" },
        { "--fault", "cut-request=1x" },
        { "--fault", "cut-reply" },
        { "--fault", "flip-bit=3" },
        { "--fault", "flip-bit=3:4:5" },
        { "--fault", "power-cut=3" },
        { "--fault", "power-cut=3:sometimes" },
        { "--fault", "power-cut=0:before" },
        { "--fault", "power-cut=1:during:4294967296" },
        { "--fault", "power-cut=1:during:7:8" },
        { "--fault", "burn=1" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sim_serve_opts opts = { .listen = "untouched" };
        struct base_err err = { 0 };
        assert_int_equal(parse(bad[i], &opts, &err), BASE_E_ARG);
        assert_string_equal(opts.listen, "untouched");
        assert_true(err.message[0] != '\0');
    }
    struct sim_serve_opts opts;
    assert_int_equal(parse(WORDS("--config", "boards", "--realtime"), &opts, NULL), BASE_E_ARG);
    assert_int_equal(parse(WORDS("--firmware", "2.82"), &opts, NULL), BASE_E_ARG);
    assert_int_equal(parse(WORDS("--external-mv", "6000"), &opts, NULL), BASE_E_ARG);
    assert_int_equal(parse(WORDS("--config", "boards", "--verbose"), &opts, NULL), BASE_OK);
    assert_string_equal(opts.config, "boards");
    assert_int_equal(
        parse(WORDS("--fault", "flash-time=200", "--fault", "flash-time=300"), &opts, NULL),
        BASE_E_ARG);
    assert_int_equal(
        parse(WORDS("--fault", "power-cut=1:after", "--fault", "power-cut=1:after"), &opts, NULL),
        BASE_E_ARG);
}

static void defaults(void **state)
{
    (void)state;
    struct sim_serve_opts a;
    struct sim_serve_opts b;
    const char *const none[] = { NULL };
    assert_int_equal(parse(none, &a, NULL), BASE_OK);
    assert_int_equal(parse(none, &b, NULL), BASE_OK);
    assert_string_equal(a.listen, "127.0.0.1:4441");
    assert_null(a.board);
    assert_false(a.realtime);
    assert_int_equal(a.board_opts.probe.round_trip_us, 250);
    assert_int_equal(a.board_opts.restore_us, 100000);
    assert_int_equal(a.fault_count, 0);
    /* Never the same chip or the same noise twice. */
    assert_string_not_equal(a.uid_text, b.uid_text);
    assert_true(a.board_opts.chip.trng_seed != b.board_opts.chip.trng_seed);
    /* A board file has one id for ever, and fresh noise in every run. */
    assert_int_equal(parse(WORDS("--board", "some/file"), &a, NULL), BASE_OK);
    assert_int_equal(parse(WORDS("--board", "some/file"), &b, NULL), BASE_OK);
    assert_string_equal(a.uid_text, b.uid_text);
    assert_true(a.board_opts.chip.trng_seed != b.board_opts.chip.trng_seed);
    assert_int_equal(parse(WORDS("--board", "some/file2"), &b, NULL), BASE_OK);
    assert_string_not_equal(a.uid_text, b.uid_text);
}

static void everything(void **state)
{
    (void)state;
    struct sim_serve_opts opts;
    assert_int_equal(
        parse(WORDS("--uid", "51A0000000C00001", "--seed", "0x10", "--packet-size", "64",
                  "--packet-count", "1", "--round-trip-us", "0", "--realtime", "--fault",
                  "power-cut=12:during:0xFF", "--fault", "flip-bit=3:45", "--listen", "[::1]:0"),
            &opts, NULL),
        BASE_OK);
    static const uint8_t uid[] = { 0x51, 0xA0, 0, 0, 0, 0xC0, 0, 1 };
    assert_memory_equal(opts.board_opts.chip.unique_id, uid, sizeof(uid));
    assert_string_equal(opts.uid_text, "51a0000000c00001");
    assert_int_equal(opts.board_opts.chip.trng_seed, 16);
    assert_int_equal(opts.board_opts.probe.packet_size, 64);
    assert_int_equal(opts.board_opts.probe.packet_count, 1);
    assert_int_equal(opts.board_opts.probe.round_trip_us, 0);
    assert_true(opts.realtime);
    assert_int_equal(opts.fault_count, 2);
    assert_int_equal(opts.faults[0].kind, SIM_FAULT_POWER_CUT);
    assert_int_equal(opts.faults[0].number, 12);
    assert_int_equal(opts.faults[0].when, SIM_CUT_DURING);
    assert_int_equal(opts.faults[0].amount, 0xFF);
    assert_int_equal(opts.faults[1].kind, SIM_FAULT_FLIP_BIT);
    assert_int_equal(opts.faults[1].number, 3);
    assert_int_equal(opts.faults[1].amount, 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(defaults),
        cmocka_unit_test(everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
