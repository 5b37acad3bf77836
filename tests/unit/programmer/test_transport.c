/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A connected pair: our wire, and the other end as a plain socket. */
struct pair {
    struct prg_wire wire;
    int peer;
};

static int listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void pair_init(struct pair *pair)
{
    char url[64];
    uint16_t port = 0;
    struct base_err err = { .status = BASE_OK };
    int listener = listen_somewhere(&port);
    (void)snprintf(url, sizeof(url), "tcp:localhost:%u", port);
    assert_int_equal(prg_wire_open(url, base_clock_system(), &pair->wire, &err), BASE_OK);
    pair->peer = accept(listener, NULL, NULL);
    assert_true(pair->peer >= 0);
    (void)close(listener);
}

static void pair_done(struct pair *pair)
{
    prg_wire_close(&pair->wire);
    (void)close(pair->peer);
}

static void put(const struct pair *pair, const void *bytes, size_t length)
{
    assert_int_equal(write(pair->peer, bytes, length), (ssize_t)length);
}

static enum base_status collect(
    struct pair *pair, int64_t timeout_us, uint8_t *ret_packet, size_t *ret_length)
{
    struct base_err err = { .status = BASE_OK };
    enum base_status status = pair->wire.transport->collect(
        pair->wire.state, timeout_us, PRG_PACKET_MAX, ret_packet, ret_length, &err);
    assert_int_equal(status, err.status);
    return status;
}

static void refuses_other_urls(void **state)
{
    (void)state;

    static const struct {
        const char *url;
        enum base_status status;
    } rows[] = {
        { "", BASE_E_ARG },
        { "tcp", BASE_E_ARG },
        { "tcp:", BASE_E_ARG },
        { "tcp:127.0.0.1", BASE_E_ARG },
        { "tcp:127.0.0.1:", BASE_E_ARG },
        { "tcp:127.0.0.1:0", BASE_E_ARG },
        { "tcp:127.0.0.1:65536", BASE_E_ARG },
        { "tcp:127.0.0.1:44x", BASE_E_ARG },
        { "tcp:10.0.0.1:4441", BASE_E_ARG }, /* loopback only */
        { "tcp:example.org:4441", BASE_E_ARG },
        { "tcp:[::2]:4441", BASE_E_ARG },
        { "usb", BASE_E_ARG },
        { "usb:", BASE_E_ARG },
        { "usb:04b4", BASE_E_ARG },
        { "usb:04b4:f15", BASE_E_ARG },
        { "usb:04b4:f155:", BASE_E_ARG },
        { "usb@", BASE_E_ARG },
        { "hid@1", BASE_E_ARG },
        { "tcp@1-2", BASE_E_ARG },
        { "hid:04b4:f154:no such probe", BASE_E_LINK },
        { "usb@250-1", BASE_E_LINK },
        { "serial:1", BASE_E_ARG },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct prg_wire wire = { .transport = NULL };
        struct base_err err = { .status = BASE_OK };
        assert_int_equal(
            prg_wire_open(rows[i].url, base_clock_system(), &wire, &err), rows[i].status);
        assert_null(wire.transport);
        assert_non_null(strpbrk(err.message, ":@"));
    }
    prg_wire_close(NULL);
}

static void says_when_nobody_listens(void **state)
{
    (void)state;
    char url[64];
    uint16_t port = 0;
    struct prg_wire wire = { .transport = NULL };
    struct base_err err = { .status = BASE_OK };
    (void)close(listen_somewhere(&port));
    (void)snprintf(url, sizeof(url), "tcp:127.0.0.1:%u", port);
    assert_int_equal(prg_wire_open(url, base_clock_system(), &wire, &err), BASE_E_LINK);
    assert_non_null(strstr(err.message, url));
}

static void frames_requests(void **state)
{
    (void)state;
    struct pair pair;
    struct base_err err = { .status = BASE_OK };
    uint8_t got[16];
    pair_init(&pair);
    assert_int_equal(
        pair.wire.transport->submit(pair.wire.state, (const uint8_t *)"\x00\xFF", 2, 1000000, &err),
        BASE_OK);
    assert_int_equal(read(pair.peer, got, sizeof(got)), 10);
    assert_memory_equal(got, "DAP\0\x02\x00\x01\x00\x00\xFF", 10);
    assert_int_equal(
        pair.wire.transport->submit(pair.wire.state, got, 0, 1000000, &err), BASE_E_INTERNAL);
    pair_done(&pair);
}

static void reassembles_partial_answers(void **state)
{
    (void)state;
    static const char frames[] = "DAP\0\x03\x00\x02\x00\x00\x01\x08"
                                 "DAP\0\x01\x00\x02\x00\xFF";
    struct pair pair;
    uint8_t packet[PRG_PACKET_MAX];
    size_t length = 0;
    pair_init(&pair);
    for (size_t i = 0; i < 10; i++) {
        put(&pair, frames + i, 1);
        assert_int_equal(collect(&pair, 1000, packet, &length), BASE_E_TIMEOUT);
    }
    assert_int_equal(collect(&pair, 0, packet, &length), BASE_E_TIMEOUT); /* and not for ever */
    put(&pair, frames + 10, sizeof(frames) - 1 - 10);
    assert_int_equal(collect(&pair, 1000000, packet, &length), BASE_OK);
    assert_int_equal(length, 3);
    assert_memory_equal(packet, "\x00\x01\x08", 3);
    assert_int_equal(collect(&pair, 1000000, packet, &length), BASE_OK);
    assert_int_equal(length, 1);
    assert_int_equal(packet[0], 0xFF);
    pair_done(&pair);
}

/* More than is read at once, packets of the largest size among them, and then the end. */
static void hands_out_a_crowd_one_by_one(void **state)
{
    (void)state;
    static uint8_t frame[8 + PRG_PACKET_MAX] = "DAP\0\0\0\x02\0";
    static const size_t lengths[] = { 1, PRG_PACKET_MAX, PRG_PACKET_MAX, 3, PRG_PACKET_MAX,
        PRG_PACKET_MAX, PRG_PACKET_MAX, 2, PRG_PACKET_MAX };
    const size_t count = sizeof(lengths) / sizeof(lengths[0]);
    struct pair pair;
    uint8_t packet[PRG_PACKET_MAX];
    size_t length = 0;
    pair_init(&pair);
    for (size_t i = 0; i < count; i++) {
        frame[4] = (uint8_t)lengths[i];
        frame[5] = (uint8_t)(lengths[i] >> 8);
        memset(frame + 8, (int)i + 1, lengths[i]);
        put(&pair, frame, 8 + lengths[i]);
    }
    (void)close(pair.peer);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(collect(&pair, 1000000, packet, &length), BASE_OK);
        assert_int_equal(length, lengths[i]);
        assert_int_equal(packet[0], i + 1);
        assert_int_equal(packet[length - 1], i + 1);
    }
    assert_int_equal(collect(&pair, 1000000, packet, &length), BASE_E_LINK);
    pair.peer = -1;
    pair_done(&pair);
}

static void refuses_frames_of_others(void **state)
{
    (void)state;
    static const char headers[][9] = {
        "DAQ\0\x03\x00\x02\x00", /* signature */
        "DAP\0\x03\x00\x01\x00", /* a request */
        "DAP\0\x00\x00\x02\x00", /* empty */
        "DAP\0\x01\x04\x02\x00", /* 1025 bytes */
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        struct pair pair;
        uint8_t packet[PRG_PACKET_MAX];
        size_t length = 0;
        pair_init(&pair);
        put(&pair, headers[i], 8);
        assert_int_equal(collect(&pair, 1000000, packet, &length), BASE_E_LINK);
        pair_done(&pair);
    }
}

static void notices_the_end(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t packet[PRG_PACKET_MAX];
    size_t length = 0;
    pair_init(&pair);
    put(&pair, "DAP\0\x03", 5);
    (void)close(pair.peer);
    assert_int_equal(collect(&pair, 1000000, packet, &length), BASE_E_LINK);
    pair.peer = -1;
    pair_done(&pair);
}

static bool drop_second(
    void *user, enum prg_trace_kind kind, uint8_t *packet, size_t *length, size_t size)
{
    (void)size;
    unsigned *seen = user;
    *seen += kind == PRG_TRACE_RESPONSE ? 1U : 0U;
    if (kind == PRG_TRACE_REQUEST && packet[0] == 0x42) {
        packet[1] = 0x43; /* what is seen may be changed */
        *length = 2;
    }
    return kind == PRG_TRACE_REQUEST || *seen != 2;
}

static void echo(void *user, const uint8_t *request, size_t length,
    uint8_t ret_response[PRG_PACKET_MAX], size_t *ret_length)
{
    (void)user;
    memcpy(ret_response, request, length);
    *ret_length = length;
}

static void decorator_sees_changes_and_drops(void **state)
{
    (void)state;
    struct prg_wire inner;
    struct pair pair = { .peer = -1 };
    struct base_err err = { .status = BASE_OK };
    uint8_t packet[PRG_PACKET_MAX];
    size_t length = 0;
    unsigned seen = 0;
    assert_int_equal(prg_wire_memory(echo, NULL, &inner, &err), BASE_OK);
    assert_int_equal(prg_wire_trace(&inner, drop_second, &seen, &pair.wire, &err), BASE_OK);
    assert_null(inner.transport);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(
            pair.wire.transport->submit(pair.wire.state, (const uint8_t *)"\x42", 1, 0, &err),
            BASE_OK);
        assert_int_equal(collect(&pair, 0, packet, &length), i == 1 ? BASE_E_TIMEOUT : BASE_OK);
    }
    assert_int_equal(length, 2);
    assert_memory_equal(packet, "\x42\x43", 2);
    assert_int_equal(seen, 3);
    pair_done(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_other_urls),
        cmocka_unit_test(says_when_nobody_listens),
        cmocka_unit_test(frames_requests),
        cmocka_unit_test(reassembles_partial_answers),
        cmocka_unit_test(hands_out_a_crowd_one_by_one),
        cmocka_unit_test(refuses_frames_of_others),
        cmocka_unit_test(notices_the_end),
        cmocka_unit_test(decorator_sees_changes_and_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
