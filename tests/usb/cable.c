/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/cable.h"

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

#define URL_SIZE 64U
/* tcp waits six seconds for a reply that may have been lost on a slow network, which this is not.
 */
#define SLACK_MS 1000U

/* One of each per process, as umockdev wants it; a board after the other. */
static struct {
    struct usb_host *host;
    struct sim_server *server;
    struct sim_link *link;
    struct prg_transport transport; /* with our patience */
    struct usb_probe_opts opts;
    char url[URL_SIZE];
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

static void start_tcp(void)
{
    struct base_err err = { .status = BASE_OK };
    const struct sim_server_opts opts = { .listen = "127.0.0.1:0", .clock = base_clock_system() };
    must(sim_server_open(&opts, &cable.server, &err), &err);
    assert_int_equal(pipe(cable.stop), 0);
    (void)snprintf(cable.url, URL_SIZE, "tcp:127.0.0.1:%u", sim_server_port(cable.server));
    assert_int_equal(pthread_create(&cable.thread, NULL, serve, NULL), 0);
}

static void plug_usb(uint16_t packet_size)
{
    struct base_err err = { .status = BASE_OK };
    bool hid = strcmp(kind(), "hid") == 0;
    packet_size = packet_size == 0 ? 512 : packet_size;
    cable.opts = (struct usb_probe_opts){ .hid = hid,
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
    must(usb_host_plug(cable.host, 0, cable.link, &cable.opts, NULL, &err), &err);
    (void)snprintf(cable.url, URL_SIZE, "%s:1209:0001:A1", hid ? "hid" : "usb");
}

static struct prg_link *open_link(void)
{
    struct base_err err = { .status = BASE_OK };
    struct prg_link *link = NULL;
    struct prg_wire wire;
    must(prg_wire_open(cable.url, base_clock_system(), &wire, &err), &err);
    cable.transport = *wire.transport;
    cable.transport.slack_ms = SLACK_MS;
    wire.transport = &cable.transport;
    must(prg_link_open_wire(&wire, NULL, &link, &err), &err);
    return link;
}

struct prg_link *cable_plug(struct sim_board *board, uint16_t packet_size)
{
    cable.link = sim_link_new(board);
    assert_non_null(cable.link);
    if (strcmp(kind(), "tcp") == 0) {
        start_tcp();
    } else {
        plug_usb(packet_size);
    }
    return open_link();
}

void cable_unplug(struct prg_link *link)
{
    prg_link_close(link);
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
}

void cable_fault(enum sim_fault_kind kind_of, uint64_t number)
{
    const struct sim_fault fault = { .kind = kind_of, .number = number };
    struct base_err err = { .status = BASE_OK };
    if (cable.host != NULL) {
        usb_host_lock(cable.host);
    }
    enum base_status status = sim_link_add_fault(cable.link, &fault, &err);
    if (cable.host != NULL) {
        usb_host_unlock(cable.host);
    }
    must(status, &err);
}

struct prg_link *cable_mend(struct prg_link *link)
{
    struct base_err err = { .status = BASE_OK };
    if (prg_link_resync(link, NULL) == BASE_OK) {
        return link;
    }
    prg_link_close(link);
    if (cable.server == NULL && usb_host_fallen(cable.host) == 0) {
        usb_host_unplug(cable.host, 0);
        must(usb_host_plug(cable.host, 0, cable.link, &cable.opts, NULL, &err), &err);
    }
    return open_link();
}
