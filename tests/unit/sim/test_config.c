/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-sim_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static enum base_status load(const char *text, struct sim_config *ret_config, struct base_err *err)
{
    char path[] = "/tmp/test-sim-config.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    enum base_status status = sim_config_load(path, ret_config, err);
    (void)unlink(path);
    return status;
}

static void refused(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        { "", "describes no board" },
        { "uid = 1\n", "line 1: too many boards, or no board's name before uid" },
        { "[a]\nno-such-thing = 1\n", "line 2: there is no option no-such-thing" },
        { "[a]\nconfig = other\n", "line 2: there is no option config" },
        { "[a]\nrealtime = maybe\n", "line 2: yes or no is wanted for realtime" },
        { "[a]\nnonsense\n", "line 2: neither [board] nor key = value" },
        { "[a]\nuid = 12\n", "[a]: --uid wants 16 hexadecimal digits" },
        { "[a]\nseed = 1\n[b]\nfault = soon\n", "[b]: \"soon\" is no fault" },
        { "[an-unreasonably-long-name-for-a-board]\nseed = 1\n", "line 2: too many boards" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sim_config config = { .count = 77 };
        struct base_err err = { 0 };
        assert_int_equal(load(bad[i].text, &config, &err), BASE_E_CONFIG);
        assert_int_equal(config.count, 77);
        if (strstr(err.message, bad[i].says) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", err.message, bad[i].says);
        }
    }
    struct sim_config config;
    assert_int_equal(sim_config_load("/nonexistent/boards", &config, NULL), BASE_E_NOTFOUND);
}

static void understood(void **state)
{
    (void)state;
    struct sim_config config = { 0 };
    struct base_err err = { 0 };
    enum base_status status = load("# two boards\n"
                                   "[left]\n"
                                   "uid = 0011223344556677\n"
                                   "board = left.board\n"
                                   "kitprog3 = yes\n"
                                   "firmware = 1.20.590\n"
                                   "realtime = no\n"
                                   "fault = late=3:20\n"
                                   "fault = flash-time=200\n"
                                   "\n"
                                   "[right]\n"
                                   "listen = 127.0.0.1:0\n"
                                   "realtime = yes\n"
                                   "packet-size = 64\n"
                                   "[third]\n"
                                   "miniprog4 = yes\n"
                                   "external-mv = 1800\n",
        &config, &err);
    assert_int_equal(status, BASE_OK);
    assert_int_equal(config.count, 3);
    const struct sim_serve_opts *left = &config.boards[0].opts;
    assert_string_equal(config.boards[0].name, "left");
    assert_string_equal(left->uid_text, "0011223344556677");
    assert_string_equal(left->board, "left.board");
    assert_string_equal(left->listen, "127.0.0.1:4441");
    assert_false(left->realtime);
    assert_int_equal(left->board_opts.probe.kitprog.model, SIM_KITPROG_ON_BOARD);
    assert_int_equal(left->board_opts.probe.kitprog.minor, 20);
    assert_int_equal(left->fault_count, 2);
    assert_int_equal(left->faults[0].amount, 20);
    const struct sim_serve_opts *right = &config.boards[1].opts;
    assert_string_equal(right->listen, "127.0.0.1:0");
    assert_true(right->realtime);
    assert_int_equal(right->board_opts.probe.packet_size, 64);
    const struct sim_serve_opts *third = &config.boards[2].opts;
    assert_string_equal(third->listen, "127.0.0.1:4443");
    assert_int_equal(third->board_opts.probe.kitprog.model, SIM_KITPROG_MINIPROG4);
    assert_int_equal(third->board_opts.probe.kitprog.external_mv, 1800);
    sim_config_done(&config);
    sim_config_done(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
