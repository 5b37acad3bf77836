/* SPDX-License-Identifier: Apache-2.0 */

/* The desk of tests/unit/programmer/desk.h, with a real cable between programmer and board: what
 * LPA_CABLE says, "usb", "hid" or "tcp". The tests that use a desk stay the same. */

#include "tests/unit/programmer/desk.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/link.h"
#include "sim/server.h"
#include "tests/usb/usb_host.h"

/* One of each per process, as umockdev wants it; a desk after the other. */
static struct {
    struct usb_host *host;
    struct sim_server *server;
    struct sim_link *link;
    pthread_t thread;
    int stop[2];
} cable;

/* umockdev's library has to be there before the program begins. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)environment;
    /* The mock hidraw node is a terminal, which becomes that of a session without one. */
    (void)signal(SIGHUP, SIG_IGN);
    usb_host_preload(argv);
}

/* umockdev's folder goes with it. */
__attribute__((destructor)) static void end(void)
{
    usb_host_free(cable.host);
    cable.host = NULL;
}

static const char *kind(void)
{
    const char *text = getenv("LPA_CABLE");
    return text == NULL ? "usb" : text;
}

static void must(enum base_status status, const struct base_err *err)
{
    if (status != BASE_OK) {
        fail_msg("%s", err->message);
    }
}

static void *serve(void *nothing)
{
    (void)nothing;
    (void)!sim_server_run(cable.server, cable.link, cable.stop[0], NULL);
    return NULL;
}

static void start_tcp(size_t size, char *ret_url)
{
    struct base_err err = { .status = BASE_OK };
    const struct sim_server_opts opts = { .listen = "127.0.0.1:0", .clock = base_clock_system() };
    must(sim_server_open(&opts, &cable.server, &err), &err);
    assert_int_equal(pipe(cable.stop), 0);
    (void)snprintf(ret_url, size, "tcp:127.0.0.1:%u", sim_server_port(cable.server));
    assert_int_equal(pthread_create(&cable.thread, NULL, serve, NULL), 0);
}

static void plug_in(uint16_t packet_size, size_t size, char *ret_url)
{
    struct base_err err = { .status = BASE_OK };
    bool hid = strcmp(kind(), "hid") == 0;
    packet_size = packet_size == 0 ? 512 : packet_size;
    const struct usb_probe_opts opts = { .hid = hid,
        .vendor_id = 0x1209,
        .product_id = 0x0001,
        .bcd_device = 0x0100,
        .serial = "A1",
        .interface_class = 0xFF,
        .max_packet = packet_size > 64 ? 512 : 64,
        .report_size = packet_size };
    if (cable.host == NULL) {
        must(usb_host_new(&cable.host, &err), &err);
    }
    must(usb_host_plug(cable.host, 0, cable.link, &opts, NULL, &err), &err);
    (void)snprintf(ret_url, size, "%s:1209:0001:A1", hid ? "hid" : "usb");
}

void desk_init(struct desk *desk, uint16_t packet_size)
{
    static const struct sim_board_opts fresh = {
        .chip = { .unique_id = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF },
            .trng_seed = 42 },
    };
    struct sim_board_opts opts = fresh;
    struct base_err err = { .status = BASE_OK };
    char url[64];
    memset(desk, 0, sizeof(*desk));
    opts.probe.packet_size = packet_size;
    must(sim_board_new(&opts, &desk->board, &err), &err);
    cable.link = sim_link_new(desk->board);
    assert_non_null(cable.link);
    if (strcmp(kind(), "tcp") == 0) {
        start_tcp(sizeof(url), url);
    } else {
        plug_in(packet_size, sizeof(url), url);
    }
    must(prg_link_open(url, NULL, &desk->link, &err), &err);
    must(prg_psoc6_new(desk->link, &desk->chip, &err), &err);
}

void desk_done(struct desk *desk)
{
    prg_psoc6_free(desk->chip);
    prg_link_close(desk->link);
    if (cable.server != NULL) {
        assert_int_equal(write(cable.stop[1], "", 1), 1);
        (void)pthread_join(cable.thread, NULL);
        (void)close(cable.stop[0]);
        (void)close(cable.stop[1]);
        sim_server_close(cable.server);
        cable.server = NULL;
    } else {
        usb_host_unplug(cable.host, 0);
    }
    sim_link_free(cable.link);
    cable.link = NULL;
    sim_board_free(desk->board);
}

void desk_acquire(struct desk *desk)
{
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    struct base_err err = { .status = BASE_OK };
    must(prg_psoc6_acquire(desk->chip, NULL, &outcome, &err), &err);
    assert_int_equal(outcome, PRG_PSOC6_ACQUIRED);
}
