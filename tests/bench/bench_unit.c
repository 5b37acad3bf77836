/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-unit BOOTLOADER.BIN [--json FILE]
 *
 * What provisioning one fresh board costs, step by step and in virtual time: the real job engine,
 * the real programmer and the real image on the simulated chip in one process. The figures are the
 * same on every machine. Exit 1 when one leaves its budget.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/file.h"
#include "device-fw/protocol/image.h"
#include "lpa/device.h"
#include "sim/chip_test.h"
#include "tests/bench/bench_line.h"
#include "tests/bench/bench_wire.h"
#include "tests/support/desk.h"

#define ROWS_MAX 32U

/* Budgets. */
#define IMAGE_BYTES        49152U
#define STACK_BYTES        8192U
#define FIRST_CYCLES       UINT64_C(72000000)
#define LATER_CYCLES       UINT64_C(32000000)
#define COMMAND_ROUNDTRIPS 2U

struct count {
    uint64_t packets, round_trips, swd_clocks, transfers, cycles, virtual_ps;
    unsigned kms_calls;
};

struct row {
    const char *name;
    struct count cost;
};

struct table {
    struct row rows[ROWS_MAX];
    size_t count;
};

struct bench {
    const struct bench_cable *cable;
    struct sim_board *board;
    struct bench_wire wire;
    struct prg_link *link; /* belongs to the device */
    struct lpa_device *device;
    struct lpa_image image;
    struct bench_line line;
    struct table steps, calls;
    json_t *json;
    int over; /* budgets left */
};

/* ------------------------------------------------------------------------------- counting */

static struct count read_counters(struct bench *bench)
{
    struct sim_probe_stats probe;
    struct count now = { 0 };
    sim_board_settle(bench->board);
    sim_probe_get_stats(bench->board->probe, &probe);
    if (bench->link != NULL) {
        now.round_trips = prg_link_stats(bench->link).round_trips;
    }
    now.packets = probe.packets;
    now.swd_clocks = probe.swclk_clocks;
    now.transfers = probe.transfers;
    now.cycles = sim_chip_test_core(bench->board->chip, SIM_AP_CM0).busy_cycles;
    now.virtual_ps = bench->wire.host_ps;
    now.kms_calls =
        bench->line.get_unit_calls + bench->line.grant_calls + bench->line.confirm_calls;
    return now;
}

static void add(struct count *sum, const struct count *before, const struct count *after)
{
    sum->packets += after->packets - before->packets;
    sum->round_trips += after->round_trips - before->round_trips;
    sum->swd_clocks += after->swd_clocks - before->swd_clocks;
    sum->transfers += after->transfers - before->transfers;
    sum->cycles += after->cycles - before->cycles;
    sum->virtual_ps += after->virtual_ps - before->virtual_ps;
    sum->kms_calls += after->kms_calls - before->kms_calls;
}

static struct count *row(struct table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return &table->rows[i].cost;
        }
    }
    if (table->count == ROWS_MAX) {
        (void)fprintf(stderr, "bench: too many rows\n");
        exit(1);
    }
    table->rows[table->count].name = name;
    return &table->rows[table->count++].cost;
}

static void charge(struct bench *bench, struct table *table, const char *name, struct count before)
{
    struct count after = read_counters(bench);
    add(row(table, name), &before, &after);
}

static void within(struct bench *bench, const char *what, uint64_t value, uint64_t budget)
{
    printf("%-4s %-52s %12llu of %llu\n", value <= budget ? "ok" : "OVER", what,
        (unsigned long long)value, (unsigned long long)budget);
    json_t *budgets = json_object_get(bench->json, "budgets");
    json_object_set_new(budgets, what,
        json_pack("{s:I,s:I}", "value", (json_int_t)value, "budget", (json_int_t)budget));
    bench->over += value <= budget ? 0 : 1;
}

/* ------------------------------------------------------- the device's operations, measured */

#define MEASURED(name, call)                                                                       \
    struct bench *bench = user;                                                                    \
    struct count before = read_counters(bench);                                                    \
    enum base_status status = lpa_device_job_ops.call;                                             \
    charge(bench, &bench->calls, name, before);                                                    \
    return status

static enum base_status op_examine(void *user, struct lpa_exam *ret_exam, struct base_err *err)
{
    MEASURED("examine", examine(bench->device, ret_exam, err));
}

static enum base_status op_program(void *user, struct base_err *err)
{
    MEASURED("program", program(bench->device, err));
}

static enum base_status op_verify(void *user, bool *ret_equal, struct base_err *err)
{
    MEASURED("verify", verify(bench->device, ret_equal, err));
}

static enum base_status op_boot(void *user, struct base_err *err)
{
    MEASURED("boot", boot(bench->device, err));
}

static enum base_status op_hello(void *user, struct proto_hello *ret_hello, struct base_err *err)
{
    MEASURED("hello", hello(bench->device, ret_hello, err));
}

static enum base_status op_statement(void *user, const uint8_t authority_key_id[PROTO_KEY_ID_SIZE],
    uint8_t ret_statement[PROTO_STATEMENT_SIZE], struct base_err *err)
{
    MEASURED("statement", statement(bench->device, authority_key_id, ret_statement, err));
}

static enum base_status op_install(void *user, const uint8_t *envelope, size_t length,
    uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    MEASURED("install", install(bench->device, envelope, length, ret_status, ret_receipt, err));
}

static enum base_status op_receipt(
    void *user, uint32_t *ret_status, uint8_t ret_receipt[PROTO_RECEIPT_SIZE], struct base_err *err)
{
    MEASURED("receipt", receipt(bench->device, ret_status, ret_receipt, err));
}

static enum base_status op_self_test(
    void *user, uint8_t ret_join_request[PROTO_JOIN_REQUEST_SIZE], struct base_err *err)
{
    MEASURED("self-test", self_test(bench->device, ret_join_request, err));
}

static const struct lpa_device_ops measured_ops = {
    .examine = op_examine,
    .program = op_program,
    .verify = op_verify,
    .boot = op_boot,
    .hello = op_hello,
    .statement = op_statement,
    .install = op_install,
    .receipt = op_receipt,
    .self_test = op_self_test,
};

/* ---------------------------------------------------------------------------------- set up */

/* The image, bound to the bench's authority, as a file for lpa_image_load(). */
static void load_image(struct bench *bench, const char *path)
{
    char name[] = "/tmp/lpa-bench-XXXXXX";
    struct base_err err = { 0 };
    struct desk_image bound;
    desk_image_load(&bound, path, bench->line.authority.public_key, true);
    int fd = mkstemp(name);
    if (fd < 0 || write(fd, bound.bytes, bound.length) != (ssize_t)bound.length) {
        perror("bench: image");
        exit(1);
    }
    (void)close(fd);
    enum base_status status = lpa_image_load(name, &bench->image, &err);
    (void)unlink(name);
    bench_must(status, "image", &err);
    desk_image_done(&bound);
}

static void set_up(struct bench *bench, const struct bench_cable *cable, const char *image)
{
    struct base_err err = { 0 };
    memset(bench, 0, sizeof(*bench));
    bench->cable = cable;
    bench->json = json_pack("{s:s,s:{}}", "cable", cable->name, "budgets");
    bench_line_init(&bench->line);
    load_image(bench, image);
    const struct sim_board_opts opts = {
        .chip = { .unique_id = { 0x51, 0xA0, 0, 0, 0, 0, 0xBE, 1 }, .trng_seed = 7 },
        .probe = { .packet_size = cable->packet_size, .packet_count = cable->packet_count },
    };
    bench_must(sim_board_new(&opts, &bench->board, &err), "board", &err);
    bench_wire_init(&bench->wire, cable, bench->board);
    bench_must(
        lpa_device_new("bench:", &bench->image, &bench->wire.clock, NULL, &bench->device, &err),
        "device", &err);
}

static void open_probe(struct bench *bench)
{
    struct base_err err = { 0 };
    struct prg_wire wire = bench_wire_cable(&bench->wire);
    const struct prg_link_opts opts = { .clock = &bench->wire.clock,
        .swclk_hz = bench->cable->swclk_hz };
    struct count before = read_counters(bench);
    bench_must(prg_link_open_wire(&wire, &opts, &bench->link, &err), "probe", &err);
    charge(bench, &bench->steps, "open probe", before);
    bench_must(lpa_device_take_link(bench->device, bench->link, &err), "device", &err);
}

static void tear_down(struct bench *bench)
{
    lpa_device_free(bench->device);
    sim_board_free(bench->board);
    lpa_image_done(&bench->image);
    bench_line_done(&bench->line);
    json_decref(bench->json);
}

/* ------------------------------------------------------------------------------------ runs */

static void provision(struct bench *bench)
{
    struct lpa_job_io io = {
        .device = &measured_ops, .device_user = bench, .clock = &bench->wire.clock
    };
    struct auth_lot lot = bench_line_lot(&bench->line, bench->image.sha256);
    const struct lpa_job_opts opts = {
        .lot = &lot, .stage = LPA_STAGE_PROVISION, .site = "bench:", .self_test = true
    };
    struct lpa_job job;
    enum lpa_job_next next = LPA_JOB_MORE;
    bench_line_io(&bench->line, &io);
    lpa_job_init(&job, &io, &opts);
    while (next == LPA_JOB_MORE) {
        struct count before = read_counters(bench);
        const char *step = lpa_step_name(lpa_job_at(&job));
        next = lpa_job_step(&job);
        charge(bench, &bench->steps, step, before);
    }
    if (next != LPA_JOB_PASS) {
        (void)fprintf(stderr, "bench: the unit failed in step %s: %s\n",
            lpa_step_name(job.failure.step), job.failure.err.message);
        exit(1);
    }
    lpa_job_done(&job);
}

/* Statement and install once more after a reset: the identity exists already. */
static uint64_t later_boot(struct bench *bench)
{
    struct base_err err = { 0 };
    uint8_t statement[PROTO_STATEMENT_SIZE];
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    uint32_t answer = 0;
    struct proto_envelope_header header;
    struct lpa_exam exam;
    const struct lpa_device_ops *ops = &lpa_device_job_ops;
    bench_must(ops->examine(bench->device, &exam, &err), "examine", &err);
    bench_must(ops->boot(bench->device, &err), "boot", &err);
    uint64_t before = read_counters(bench).cycles;
    bench_must(ops->statement(bench->device, bench->line.authority.key_id, statement, &err),
        "statement", &err);
    bench_line_seal(&bench->line, statement, &header);
    bench_must(ops->install(bench->device, bench->line.envelope, sizeof(bench->line.envelope),
                   &answer, receipt, &err),
        "install", &err);
    if (answer != PROTO_OK) {
        (void)fprintf(stderr, "bench: install: %s\n", proto_status_text(answer));
        exit(1);
    }
    return read_counters(bench).cycles - before;
}

/* --------------------------------------------------------------------------------- results */

static void print_row(const char *name, const struct count *cost)
{
    printf("%-14s %8llu %8llu %10llu %11.3f %10.3f %5u\n", name,
        (unsigned long long)cost->round_trips, (unsigned long long)cost->packets,
        (unsigned long long)cost->swd_clocks, (double)cost->cycles / 1e6,
        (double)cost->virtual_ps / 1e9, cost->kms_calls);
}

static json_t *row_json(const struct count *cost)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:i}", "round_trips", (json_int_t)cost->round_trips,
        "packets", (json_int_t)cost->packets, "swd_clocks", (json_int_t)cost->swd_clocks,
        "swd_transfers", (json_int_t)cost->transfers, "cycles", (json_int_t)cost->cycles,
        "virtual_us", (json_int_t)(cost->virtual_ps / SIM_PS_PER_US), "kms_calls",
        (int)cost->kms_calls);
}

static void print_table(struct bench *bench, const char *title, const struct table *table, bool sum)
{
    static const struct count none = { 0 };
    struct count total = { 0 };
    json_t *rows = json_object();
    printf("%-14s %8s %8s %10s %11s %10s %5s\n", title, "trips", "packets", "SWCLK", "Mcycles",
        "virt. ms", "KMS");
    for (size_t i = 0; i < table->count; i++) {
        print_row(table->rows[i].name, &table->rows[i].cost);
        json_object_set_new(rows, table->rows[i].name, row_json(&table->rows[i].cost));
        add(&total, &none, &table->rows[i].cost);
    }
    if (sum) {
        print_row("total", &total);
        json_object_set_new(rows, "total", row_json(&total));
    }
    json_object_set_new(bench->json, title, rows);
    printf("\n");
}

/* Calls that are one mailbox command each. A hello, for example, was asked several times. */
static uint64_t most_round_trips(const struct bench *bench)
{
    static const char *const commands[] = { "statement", "install", "self-test" };
    uint64_t most = 0;
    for (size_t i = 0; i < bench->calls.count; i++) {
        for (size_t k = 0; k < sizeof(commands) / sizeof(commands[0]); k++) {
            uint64_t trips = bench->calls.rows[i].cost.round_trips;
            if (strcmp(bench->calls.rows[i].name, commands[k]) == 0 && trips > most) {
                most = trips;
            }
        }
    }
    return most;
}

static void check_budgets(struct bench *bench)
{
    uint32_t top = base_get_le32(bench->image.bytes.data + PROTO_VECTOR_OFFSET);
    uint64_t first =
        row(&bench->calls, "statement")->cycles + row(&bench->calls, "install")->cycles;
    within(bench, "bootloader image, bytes", bench->image.bytes.length, IMAGE_BYTES);
    within(bench, "cycles of identify and install, first boot", first, FIRST_CYCLES);
    within(
        bench, "round trips of one mailbox command", most_round_trips(bench), COMMAND_ROUNDTRIPS);
    within(bench, "cycles of identify and install, later boot", later_boot(bench), LATER_CYCLES);
    within(bench, "stack, bytes", top - sim_chip_test_stack_low(bench->board->chip, SIM_AP_CM0),
        STACK_BYTES);
    printf("\n");
}

static int measure(const struct bench_cable *cable, const char *image, json_t *all)
{
    struct bench bench;
    set_up(&bench, cable, image);
    open_probe(&bench);
    provision(&bench);
    printf("== one board, %s\n\n", cable->name);
    print_table(&bench, "step", &bench.steps, true);
    print_table(&bench, "call", &bench.calls, false);
    check_budgets(&bench);
    json_array_append(all, bench.json);
    int over = bench.over;
    tear_down(&bench);
    return over;
}

int main(int argc, char **argv)
{
    const char *json_path = argc == 4 && strcmp(argv[2], "--json") == 0 ? argv[3] : NULL;
    if (argc != 2 && json_path == NULL) {
        (void)fprintf(stderr, "usage: %s BOOTLOADER.BIN [--json FILE]\n", argv[0]);
        return 2;
    }
    json_t *all = json_array();
    int over = 0;
    for (size_t i = 0; bench_cables[i].name != NULL; i++) {
        over += measure(&bench_cables[i], argv[1], all);
    }
    if (json_path != NULL && json_dump_file(all, json_path, JSON_INDENT(1)) != 0) {
        (void)fprintf(stderr, "bench: cannot write %s\n", json_path);
        over++;
    }
    json_decref(all);
    return over == 0 ? 0 : 1;
}
