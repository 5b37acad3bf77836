/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "sim/server.h"
#include "tests/unit/sim/fake_chip.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADER     SIM_SERVER_HEADER_SIZE
#define NO_NETWORK 77

struct fixture {
    struct sim_board *board;
    struct sim_link *link;
    struct sim_server *server;
    pthread_t thread;
    int stop_fd;
    int gone_fd;     /**< counts as they go */
    int disconnects; /**< written by the server's thread, read after it ended */
    enum base_status result;
};

static void count_disconnect(void *user)
{
    struct fixture *f = user;
    const uint64_t one = 1;
    f->disconnects++;
    (void)!write(f->gone_fd, &one, sizeof(one));
}

static void *serve(void *user)
{
    struct fixture *f = user;
    f->result = sim_server_run(f->server, f->link, f->stop_fd, NULL);
    return NULL;
}

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    struct sim_board_opts board = { .probe = { .packet_size = 64 } };
    struct sim_server_opts opts = { .listen = "127.0.0.1:0",
        .patience_ms = 50,
        .keepalive_s = 1,
        .clock = base_clock_system(),
        .on_disconnect = count_disconnect,
        .user = f };
    f->stop_fd = eventfd(0, EFD_CLOEXEC);
    f->gone_fd = eventfd(0, EFD_CLOEXEC);
    if (f->stop_fd < 0 || sim_board_new(&board, &f->board, NULL) != BASE_OK ||
        sim_server_open(&opts, &f->server, NULL) != BASE_OK) {
        return 1;
    }
    f->link = sim_link_new(f->board);
    if (f->link == NULL) {
        return 1;
    }
    return pthread_create(&f->thread, NULL, serve, f);
}

static void stop(struct fixture *f)
{
    uint64_t one = 1;
    assert_int_equal(write(f->stop_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    assert_int_equal(f->result, BASE_OK);
}

static int finish(void **state)
{
    struct fixture *f = *state;
    sim_server_close(f->server);
    sim_link_free(f->link);
    sim_board_free(f->board);
    (void)close(f->stop_fd);
    (void)close(f->gone_fd);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons(sim_server_port(f->server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = 120 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static size_t frame(uint8_t *to, const uint8_t *payload, size_t length)
{
    base_put_le32(to, SIM_SERVER_SIGNATURE);
    base_put_le16(to + 4, (uint16_t)length);
    to[6] = 1;
    to[7] = 0;
    memcpy(to + HEADER, payload, length);
    return HEADER + length;
}

static void send_bytes(int fd, const uint8_t *data, size_t length)
{
    assert_int_equal(send(fd, data, length, MSG_NOSIGNAL), length);
}

static void receive(int fd, uint8_t *data, size_t length)
{
    while (length > 0) {
        ssize_t got = recv(fd, data, length, 0);
        assert_true(got > 0);
        data += got;
        length -= (size_t)got;
    }
}

static size_t receive_frame(int fd, uint8_t *payload, size_t capacity)
{
    uint8_t header[HEADER];
    receive(fd, header, sizeof(header));
    assert_int_equal(base_get_le32(header), SIM_SERVER_SIGNATURE);
    assert_int_equal(header[6], 2);
    assert_int_equal(header[7], 0);
    size_t length = base_get_le16(header + 4);
    assert_true(length <= capacity);
    receive(fd, payload, length);
    return length;
}

static void expect_closed(int fd)
{
    uint8_t byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);
}

static void parsing(void **state)
{
    (void)state;
    uint8_t data[HEADER + 4] = { 0x44, 0x41, 0x50, 0x00, 4, 0, 1, 0, 9, 9, 9, 9 };
    size_t length = 0;
    for (size_t have = 0; have < sizeof(data); have++) {
        assert_int_equal(sim_server_parse(data, have, &length), SIM_FRAME_PARTIAL);
    }
    assert_int_equal(sim_server_parse(data, sizeof(data), &length), SIM_FRAME_REQUEST);
    assert_int_equal(length, 4);
    for (size_t i = 0; i < 4; i++) {
        data[i] ^= 0x01;
        assert_int_equal(sim_server_parse(data, sizeof(data), &length), SIM_FRAME_BAD);
        data[i] ^= 0x01;
    }
    data[6] = 2; /* a response */
    assert_int_equal(sim_server_parse(data, sizeof(data), &length), SIM_FRAME_BAD);
    data[6] = 1;
    base_put_le16(data + 4, 0);
    assert_int_equal(sim_server_parse(data, sizeof(data), &length), SIM_FRAME_BAD);
    base_put_le16(data + 4, 1025);
    assert_int_equal(sim_server_parse(data, HEADER, &length), SIM_FRAME_BAD);
    base_put_le16(data + 4, 1024);
    assert_int_equal(sim_server_parse(data, HEADER, &length), SIM_FRAME_PARTIAL);
    uint8_t header[HEADER];
    sim_server_header(0x0123, header);
    static const uint8_t expected[] = { 0x44, 0x41, 0x50, 0x00, 0x23, 0x01, 0x02, 0x00 };
    assert_memory_equal(header, expected, sizeof(expected));
}

static void only_loopback(void **state)
{
    (void)state;
    static const char *const refused[] = { "0.0.0.0:0", "192.168.1.1:0", "[::]:0", "8.8.8.8:4441",
        "127.0.0.1", ":4441", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x",
        "example.org:4441", "", "126.255.255.255:0" };
    struct sim_server *server = NULL;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct base_err err = { 0 };
        struct sim_server_opts opts = { .listen = refused[i], .clock = base_clock_system() };
        assert_int_equal(sim_server_open(&opts, &server, &err), BASE_E_CONFIG);
        assert_null(server);
        assert_true(err.message[0] != '\0');
    }
    sim_server_close(NULL);
    static const char *const accepted[] = { "127.0.0.1:0", "localhost:0", "127.3.2.1:0" };
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        struct sim_server_opts opts = { .listen = accepted[i], .clock = base_clock_system() };
        assert_int_equal(sim_server_open(&opts, &server, NULL), BASE_OK);
        assert_true(sim_server_port(server) != 0);
        sim_server_close(server);
        server = NULL;
    }
}

static void pieces_and_several_at_once(void **state)
{
    struct fixture *f = *state;
    static const uint8_t ask_size[] = { 0x00, 0xFF };
    static const uint8_t ask_count[] = { 0x00, 0xFE };
    uint8_t bytes[64];
    uint8_t answer[64];
    int fd = dial(f);
    size_t length = frame(bytes, ask_size, sizeof(ask_size));
    for (size_t i = 0; i < length; i++) {
        send_bytes(fd, bytes + i, 1);
    }
    assert_int_equal(receive_frame(fd, answer, sizeof(answer)), 4);
    assert_memory_equal(answer, ((uint8_t[]){ 0x00, 2, 64, 0 }), 4);
    length = 0;
    for (int i = 0; i < 3; i++) {
        const uint8_t *ask = i == 1 ? ask_size : ask_count;
        length += frame(bytes + length, ask, 2);
    }
    send_bytes(fd, bytes, length);
    for (int i = 0; i < 3; i++) {
        size_t got = receive_frame(fd, answer, sizeof(answer));
        assert_int_equal(got, i == 1 ? 4 : 3);
    }
    (void)close(fd);
    stop(f);
    assert_int_equal(f->disconnects, 1);
}

/* The board answers this client. */
static void expect_served(int fd)
{
    static const uint8_t ask[] = { 0x00, 0xFE };
    uint8_t bytes[64];
    uint8_t answer[128];
    send_bytes(fd, bytes, frame(bytes, ask, sizeof(ask)));
    assert_int_equal(receive_frame(fd, answer, sizeof(answer)), 3);
    assert_int_equal(answer[0], 0x00);
}

static void expect_turned_away(const struct fixture *f)
{
    uint8_t answer[128] = { 0 };
    int fd = dial(f);
    size_t length = receive_frame(fd, answer, sizeof(answer) - 1);
    assert_true(length > 1);
    assert_int_equal(answer[0], 0xFF);
    assert_non_null(strstr((const char *)answer + 1, "another program is using this board"));
    expect_closed(fd);
}

static void one_client_at_a_time(void **state)
{
    struct fixture *f = *state;
    int first = dial(f);
    expect_served(first);
    for (int i = 0; i < 20; i++) { /* more than the server keeps */
        expect_turned_away(f);
    }
    expect_served(first);
    (void)close(first);
    int second = dial(f);
    expect_served(second);
    (void)close(second);
    stop(f);
    assert_int_equal(f->disconnects, 2);
}

static void leave_rubbish(const struct fixture *f, int fd)
{
    static const uint8_t rubbish[] = "GET / HTTP/1.1\r\n\r\n";
    (void)f;
    send_bytes(fd, rubbish, sizeof(rubbish) - 1);
    expect_closed(fd);
}

static void leave_plainly(const struct fixture *f, int fd)
{
    (void)f;
    (void)close(fd);
}

static void leave_unread(const struct fixture *f, int fd)
{
    static const uint8_t ask[] = { 0x00, 0xFE };
    uint8_t bytes[64];
    (void)f;
    send_bytes(fd, bytes, frame(bytes, ask, sizeof(ask)));
    (void)close(fd);
}

static void leave_half_a_packet(const struct fixture *f, int fd)
{
    static const uint8_t ask[] = { 0x00, 0xFE };
    uint8_t bytes[64];
    (void)f;
    send_bytes(fd, bytes, frame(bytes, ask, sizeof(ask)) - 1);
    (void)close(fd);
}

static void leave_one_way(const struct fixture *f, int fd)
{
    (void)f;
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    expect_closed(fd);
}

static void leave_by_reset(const struct fixture *f, int fd)
{
    struct linger at_once = { .l_onoff = 1 };
    (void)f;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    (void)close(fd);
}

static void leave_killed(const struct fixture *f, int fd)
{
    (void)f;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;) {
            (void)pause();
        }
    }
    (void)close(fd);
    expect_turned_away(f); /* the other process still holds the connection */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Asks and asks, and never reads, until nothing moves any more: the server waits for it. */
static void leave_without_reading(const struct fixture *f, int fd)
{
    static const uint8_t ask[] = { 0x00, 0x01 };
    uint8_t bytes[64];
    const int small = 4096;
    (void)f;
    size_t length = frame(bytes, ask, sizeof(ask));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    size_t part = 0; /* sent of the last frame */
    struct pollfd item = { .fd = fd, .events = POLLOUT | POLLRDHUP };
    while (poll(&item, 1, -1) == 1 && (item.revents & (POLLERR | POLLHUP | POLLRDHUP)) == 0) {
        ssize_t sent = send(fd, bytes + part, length - part, MSG_NOSIGNAL | MSG_DONTWAIT);
        part = sent > 0 ? (part + (size_t)sent) % length : part;
    }
    (void)close(fd);
}

typedef void leave_fn(const struct fixture *f, int fd);

static void whoever_left_blocks_nobody(void **state)
{
    struct fixture *f = *state;
    static leave_fn *const ways[] = { leave_rubbish, leave_plainly, leave_unread,
        leave_half_a_packet, leave_one_way, leave_by_reset, leave_killed, leave_without_reading };
    const int count = (int)(sizeof(ways) / sizeof(ways[0]));
    for (int i = 0; i < count; i++) {
        int fd = dial(f);
        expect_served(fd);
        ways[i](f, fd);
        fd = dial(f);
        expect_served(fd);
        leave_plainly(f, fd);
    }
    stop(f);
    assert_int_equal(f->disconnects, 2 * count);
}

/* A network of this process alone, where a socket may vanish without a word. */
static bool have_own_network(void)
{
    struct ifreq request = { .ifr_flags = IFF_UP };
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return false;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(request.ifr_name, "lo", sizeof("lo"));
    bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    (void)close(fd);
    return up;
}

static void vanish_and_be_missed(void)
{
    void *state = NULL;
    const int on = 1;
    uint64_t gone = 0;
    assert_int_equal(start(&state), 0);
    struct fixture *f = state;
    int fd = dial(f);
    expect_served(fd);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)), 0);
    (void)close(fd);       /* without a word to the other side */
    expect_turned_away(f); /* which believes that it is there */
    assert_int_equal(read(f->gone_fd, &gone, sizeof(gone)), sizeof(gone));
    fd = dial(f);
    expect_served(fd);
    (void)close(fd);
    stop(f);
    (void)finish(&state);
}

static void a_vanished_machine_is_noticed(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!have_own_network()) {
            _exit(NO_NETWORK);
        }
        vanish_and_be_missed();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_NETWORK) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void silent_and_many_answers(void **state)
{
    struct fixture *f = *state;
    static const uint8_t abort_transfer[] = { 0x07 };
    static const uint8_t queue[] = { 0x7E, 1, 0x0A };
    static const uint8_t ask[] = { 0x00, 0xFE };
    uint8_t bytes[64];
    uint8_t answer[64];
    int fd = dial(f);
    size_t length = frame(bytes, abort_transfer, sizeof(abort_transfer));
    length += frame(bytes + length, queue, sizeof(queue));
    length += frame(bytes + length, ask, sizeof(ask));
    send_bytes(fd, bytes, length);
    assert_int_equal(receive_frame(fd, answer, sizeof(answer)), 5);
    assert_int_equal(answer[0], 0x7F);
    assert_int_equal(receive_frame(fd, answer, sizeof(answer)), 3);
    assert_int_equal(answer[0], 0x00);
    (void)close(fd);
    stop(f);
}

static void planned_cut_ends_the_connection(void **state)
{
    struct fixture *f = *state;
    static const uint8_t ask[] = { 0x00, 0xFE };
    struct sim_probe_fault fault = { .kind = SIM_PROBE_FAULT_CUT_REPLY, .number = 1 };
    uint8_t bytes[64];
    uint8_t answer[64];
    sim_probe_set_fault(f->board->probe, &fault); /* nothing is being served yet */
    int fd = dial(f);
    size_t length = frame(bytes, ask, sizeof(ask));
    send_bytes(fd, bytes, length);
    expect_closed(fd);
    fd = dial(f);
    send_bytes(fd, bytes, length);
    assert_int_equal(receive_frame(fd, answer, sizeof(answer)), 3);
    (void)close(fd);
    stop(f);
}

static void planned_faults_of_replies(void **state)
{
    struct fixture *f = *state;
    static const uint8_t ask[] = { 0x00, 0xFE };
    static const char *const faults[] = { "late=1:50", "duplicate=2", "empty=3", "nak=4:50",
        "stall-out=5" };
    static const size_t lengths[] = { 3, 3, 3, 0, 3, 3 }; /* of what arrives, in order */
    uint8_t bytes[128];
    uint8_t answer[64];
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct sim_fault fault;
        assert_int_equal(sim_fault_parse(faults[i], &fault, NULL), BASE_OK);
        assert_int_equal(sim_link_add_fault(f->link, &fault, NULL), BASE_OK);
    }
    int fd = dial(f);
    size_t length = 0;
    for (int i = 0; i < 6; i++) { /* the fifth is lost */
        length += frame(bytes + length, ask, sizeof(ask));
    }
    int64_t start_us = base_clock_mono_us(base_clock_system());
    send_bytes(fd, bytes, length);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_int_equal(receive_frame(fd, answer, sizeof(answer)), lengths[i]);
    }
    assert_true(base_clock_mono_us(base_clock_system()) - start_us >= 50000);
    (void)close(fd);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing),
        cmocka_unit_test(only_loopback),
        cmocka_unit_test_setup_teardown(pieces_and_several_at_once, start, finish),
        cmocka_unit_test_setup_teardown(one_client_at_a_time, start, finish),
        cmocka_unit_test_setup_teardown(whoever_left_blocks_nobody, start, finish),
        cmocka_unit_test(a_vanished_machine_is_noticed),
        cmocka_unit_test_setup_teardown(silent_and_many_answers, start, finish),
        cmocka_unit_test_setup_teardown(planned_faults_of_replies, start, finish),
        cmocka_unit_test_setup_teardown(planned_cut_ends_the_connection, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
