/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-sixteen BOOTLOADER.BIN [--json FILE]
 *
 * Sixteen sites in one process: a whole unit is recorded once against the simulated board, packet
 * by packet, and then replayed by probes that answer a millisecond of real time after they were
 * asked. Printed: wall clock of sixteen against one, and what the processor does for each. Figures
 * of this machine, no verdict.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "lpa/device.h"
#include "tests/bench/bench_line.h"
#include "tests/bench/bench_wire.h"
#include "tests/support/desk.h"

#define SITES      16U
#define ROUNDS     3U
#define ANSWER_NS  1000000
#define DEPTH      64U
#define TAPE_MAX   65536U
#define SECOND_NS  1000000000LL
#define PACKET_MAX 512U

struct packet {
    uint16_t length;
    uint8_t bytes[PACKET_MAX];
};

/* What went to and from the probe, in order each. */
struct tape {
    struct packet *request, *response;
    size_t requests, responses;
};

struct site {
    const struct tape *tape;
    const struct lpa_image *image;
    /* The probe. */
    size_t asked, answered;
    int64_t due_ns[DEPTH];
    /* What it took. */
    int64_t cpu_ns;
    pthread_t thread;
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

/* ---------------------------------------------------------------------------------- record */

struct recorder {
    struct tape *tape;
};

static bool record(
    void *user, enum prg_trace_kind kind, uint8_t *packet, size_t *length, size_t size)
{
    struct tape *tape = ((struct recorder *)user)->tape;
    bool request = kind == PRG_TRACE_REQUEST;
    size_t at = request ? tape->requests++ : tape->responses++;
    (void)size;
    if (at >= TAPE_MAX || *length > PACKET_MAX) {
        (void)fprintf(stderr, "bench-sixteen: the tape is too short\n");
        exit(1);
    }
    struct packet *to = request ? &tape->request[at] : &tape->response[at];
    to->length = (uint16_t)*length;
    memcpy(to->bytes, packet, *length);
    return true;
}

/* --------------------------------------------------------------------------------- replay */

static enum base_status replay_submit(
    void *state, const uint8_t *packet, size_t length, int64_t timeout_us, struct base_err *err)
{
    struct site *site = state;
    (void)timeout_us;
    const struct packet *want = &site->tape->request[site->asked];
    if (site->asked >= site->tape->requests || want->length != length ||
        memcmp(want->bytes, packet, length) != 0) {
        return base_err_set(err, BASE_E_LINK, "probe", (int64_t)site->asked,
            "request %zu is not the recorded one", site->asked);
    }
    site->due_ns[site->asked++ % DEPTH] = now_ns(CLOCK_MONOTONIC) + ANSWER_NS;
    return BASE_OK;
}

static enum base_status replay_collect(void *state, int64_t timeout_us, size_t size,
    uint8_t *ret_packet, size_t *ret_length, struct base_err *err)
{
    struct site *site = state;
    (void)timeout_us;
    if (site->answered == site->asked || site->answered >= site->tape->responses) {
        return base_err_set(err, BASE_E_TIMEOUT, "probe", 0, "the probe does not answer");
    }
    const struct packet *answer = &site->tape->response[site->answered];
    int64_t due_ns = site->due_ns[site->answered++ % DEPTH];
    const struct timespec due = { .tv_sec = due_ns / SECOND_NS, .tv_nsec = due_ns % SECOND_NS };
    while (now_ns(CLOCK_MONOTONIC) < due_ns) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
    if (answer->length > size) {
        return base_err_set(err, BASE_E_PROTO, "probe", answer->length, "too long");
    }
    memcpy(ret_packet, answer->bytes, answer->length);
    *ret_length = answer->length;
    return BASE_OK;
}

static void replay_close(void *state)
{
    (void)state;
}

static const struct prg_transport replay = {
    .name = "replay",
    .summary = "a recorded probe that answers after a millisecond",
    .submit = replay_submit,
    .collect = replay_collect,
    .close = replay_close,
};

/* ------------------------------------------------------------------------------------- unit */

/* One unit over this wire. Returns the processor time of the KMS's side, which is not ours. */
static uint64_t run_unit(
    struct prg_wire *wire, const struct lpa_image *image, const struct base_clock *clock)
{
    struct base_err err = { 0 };
    struct bench_line line;
    struct lpa_device *device = NULL;
    struct prg_link *link = NULL;
    struct lpa_job job;
    enum lpa_job_next next = LPA_JOB_MORE;
    const struct prg_link_opts link_opts = { .clock = clock };
    bench_line_init(&line);
    bench_must(prg_link_open_wire(wire, &link_opts, &link, &err), "probe", &err);
    bench_must(lpa_device_new("bench:", image, clock, NULL, &device, &err), "device", &err);
    bench_must(lpa_device_take_link(device, link, &err), "device", &err);
    struct lpa_job_io io = { .device = &lpa_device_job_ops, .device_user = device, .clock = clock };
    struct auth_lot lot = bench_line_lot(&line, image->sha256);
    const struct lpa_job_opts opts = {
        .lot = &lot, .stage = LPA_STAGE_PROVISION, .site = "bench:", .self_test = true
    };
    bench_line_io(&line, &io);
    lpa_job_init(&job, &io, &opts);
    while (next == LPA_JOB_MORE) {
        next = lpa_job_step(&job);
    }
    if (next != LPA_JOB_PASS) {
        bench_must(job.failure.err.status, "unit", &job.failure.err);
    }
    lpa_job_done(&job);
    lpa_device_free(device);
    uint64_t kms_ns = line.kms_cpu_ns;
    bench_line_done(&line);
    return kms_ns;
}

static void record_unit(struct tape *tape, const struct lpa_image *image)
{
    struct base_err err = { 0 };
    struct sim_board *board = NULL;
    static struct bench_wire cable;
    struct recorder recorder = { tape };
    struct prg_wire wire;
    const struct sim_board_opts opts = {
        .chip = { .unique_id = { 0x51, 0xA0, 0, 0, 0, 0, 0xBE, 1 }, .trng_seed = 7 },
        .probe = { .packet_size = bench_cables[1].packet_size,
            .packet_count = bench_cables[1].packet_count },
    };
    bench_must(sim_board_new(&opts, &board, &err), "board", &err);
    bench_wire_init(&cable, &bench_cables[1], board);
    struct prg_wire inner = bench_wire_cable(&cable);
    bench_must(prg_wire_trace(&inner, record, &recorder, &wire, &err), "wire", &err);
    (void)run_unit(&wire, image, &cable.clock);
    sim_board_free(board);
}

static void *work(void *user)
{
    struct site *site = user;
    struct prg_wire wire = { .transport = &replay, .state = site };
    int64_t before_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t kms_ns = run_unit(&wire, site->image, base_clock_system());
    site->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns - (int64_t)kms_ns;
    return NULL;
}

/* Wall clock of so many sites at once, in ms; processor time of the mean one in *ret_cpu_ms. */
static double run_sites(
    const struct tape *tape, const struct lpa_image *image, unsigned count, double *ret_cpu_ms)
{
    struct site *sites = calloc(count, sizeof(*sites));
    int64_t cpu_ns = 0;
    int64_t begin_ns = now_ns(CLOCK_MONOTONIC);
    if (sites == NULL) {
        exit(1);
    }
    for (unsigned i = 0; i < count; i++) {
        sites[i].tape = tape;
        sites[i].image = image;
        if (pthread_create(&sites[i].thread, NULL, work, &sites[i]) != 0) {
            exit(1);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(sites[i].thread, NULL);
        cpu_ns += sites[i].cpu_ns;
    }
    double wall_ms = (double)(now_ns(CLOCK_MONOTONIC) - begin_ns) / 1e6;
    *ret_cpu_ms = (double)cpu_ns / count / 1e6;
    free(sites);
    return wall_ms;
}

static void load_image(const char *path, struct lpa_image *ret_image)
{
    char name[] = "/tmp/lpa-bench-XXXXXX";
    struct base_err err = { 0 };
    struct bench_line line;
    struct desk_image bound;
    bench_line_init(&line);
    desk_image_load(&bound, path, line.authority.public_key, true);
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, bound.bytes, bound.length) != (ssize_t)bound.length) {
        perror("bench-sixteen: image");
        exit(1);
    }
    (void)close(fd);
    enum base_status status = lpa_image_load(name, ret_image, &err);
    (void)unlink(name);
    bench_must(status, "image", &err);
    desk_image_done(&bound);
    bench_line_done(&line);
}

int main(int argc, char **argv)
{
    const char *json_path = argc == 4 && strcmp(argv[2], "--json") == 0 ? argv[3] : NULL;
    struct tape tape = { 0 };
    struct lpa_image image;
    double best_one = 0;
    double best_all = 0;
    double cpu_one = 0;
    double cpu_all = 0;
    if (argc != 2 && json_path == NULL) {
        (void)fprintf(stderr, "usage: %s BOOTLOADER.BIN [--json FILE]\n", argv[0]);
        return 2;
    }
    tape.request = calloc(TAPE_MAX, sizeof(*tape.request));
    tape.response = calloc(TAPE_MAX, sizeof(*tape.response));
    if (tape.request == NULL || tape.response == NULL) {
        return 1;
    }
    load_image(argv[1], &image);
    record_unit(&tape, &image);
    /* The best of a few: what else the machine does meanwhile is not ours. */
    for (unsigned i = 0; i < ROUNDS; i++) {
        double cpu = 0;
        double one = run_sites(&tape, &image, 1, &cpu);
        if (i == 0 || one < best_one) {
            best_one = one;
            cpu_one = cpu;
        }
        double all = run_sites(&tape, &image, SITES, &cpu);
        if (i == 0 || all < best_all) {
            best_all = all;
            cpu_all = cpu;
        }
    }
    printf("one unit of %zu packets: %.1f ms wall, %.2f ms processor\n", tape.requests, best_one,
        cpu_one);
    printf("%u at once: %.1f ms wall, %.2f ms processor each: %.1f %% of %u times one\n", SITES,
        best_all, cpu_all, best_one * 100 / best_all, SITES);
    if (json_path != NULL) {
        json_t *all =
            json_pack("{s:I,s:f,s:f,s:f,s:f}", "packets", (json_int_t)tape.requests, "one_ms",
                best_one, "sixteen_ms", best_all, "cpu_one_ms", cpu_one, "cpu_each_ms", cpu_all);
        if (json_dump_file(all, json_path, JSON_INDENT(1)) != 0) {
            return 1;
        }
        json_decref(all);
    }
    lpa_image_done(&image);
    free(tape.request);
    free(tape.response);
    return 0;
}
