/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-program [--json FILE]
 *
 * Programming and bulk transfer in virtual time against what flash and wire allow: the real
 * programmer on the simulated chip in one process. Exit 1 when a figure leaves its budget.
 *
 * Flash bound: 11 ms for an erase, 5 ms a row. Wire bound: 46 clocks a word; for a cable with an
 * interval between packets, whole packets of DAP_TransferBlock for each KiB, in which an access
 * port counts its address up by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "programmer/mem.h"
#include "programmer/psoc6.h"
#include "sim/chip_test.h"
#include "tests/bench/bench_wire.h"

#define FLASH      0x10000000U
#define SRAM       0x08008000U
#define BULK_BYTES 65536U
#define IMAGE_MAX  0x80000U
#define ROW        512U
#define CLOCKS     46U
#define BUDGET     90U /* percent of the bound, 64 and 512 KiB */

struct rig {
    struct sim_board *board;
    struct bench_wire wire;
    struct prg_link *link;
    struct prg_psoc6 *chip;
};

static int over;

static void must(enum base_status status, const char *what, const struct base_err *err)
{
    if (status != BASE_OK) {
        (void)fprintf(stderr, "bench: %s: %s\n", what, err->message);
        exit(1);
    }
}

static void set_up(struct rig *rig, const struct bench_cable *cable)
{
    struct base_err err = { 0 };
    const struct sim_board_opts opts = {
        .chip = { .unique_id = { 0x51, 0xA0, 0, 0, 0, 0, 0xBE, 2 }, .trng_seed = 7 },
        .probe = { .packet_size = cable->packet_size, .packet_count = cable->packet_count },
    };
    must(sim_board_new(&opts, &rig->board, &err), "board", &err);
    bench_wire_init(&rig->wire, cable, rig->board);
    struct prg_wire wire = bench_wire_cable(&rig->wire);
    const struct prg_link_opts link = { .clock = &rig->wire.clock, .swclk_hz = cable->swclk_hz };
    must(prg_link_open_wire(&wire, &link, &rig->link, &err), "probe", &err);
    must(prg_psoc6_new(rig->link, &rig->chip, &err), "chip", &err);
}

static void tear_down(struct rig *rig)
{
    prg_psoc6_free(rig->chip);
    prg_link_close(rig->link);
    sim_board_free(rig->board);
}

static void acquire(struct rig *rig)
{
    struct base_err err = { 0 };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    must(prg_psoc6_acquire(rig->chip, NULL, &outcome, &err), "acquire", &err);
    if (outcome != PRG_PSOC6_ACQUIRED) {
        (void)fprintf(stderr, "bench: the chip was not acquired\n");
        exit(1);
    }
}

/* No row of it is blank, and no two are alike. */
static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
    uint32_t state = seed;
    for (size_t i = 0; i < length; i++) {
        state = state * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

static double wire_bound_ms(const struct bench_cable *cable, uint32_t bytes)
{
    double line = bytes / 4.0 * CLOCKS * 1000 / cable->swclk_hz;
    uint32_t words = (cable->packet_size - 5U) / 4;
    uint32_t packets = bytes / 1024 * ((256 + words - 1) / words);
    double slots = packets * (cable->interval_us / 1000.0);
    return line > slots ? line : slots;
}

static double flash_bound_ms(uint32_t bytes)
{
    uint32_t sectors = (bytes + 0x3FFFF) / 0x40000;
    return sectors * 11.0 + bytes / ROW * 5.0;
}

static void verdict(double percent, bool bound)
{
    bool ok = !bound || percent >= BUDGET;
    printf("  %6.1f %% %s\n", percent, !bound ? "" : ok ? "ok" : "BELOW ITS BUDGET");
    over += ok ? 0 : 1;
}

static double run_program(
    struct rig *rig, const struct prg_image *image, enum prg_psoc6_change *ret_change, bool update)
{
    struct base_err err = { 0 };
    uint64_t before = rig->wire.host_ps;
    must((update ? prg_psoc6_update : prg_psoc6_program)(
             rig->chip, image, NULL, NULL, ret_change, &err),
        "program", &err);
    return (double)(rig->wire.host_ps - before) / 1e9;
}

static void check_flash(const struct rig *rig, const struct prg_image *image)
{
    static uint8_t have[IMAGE_MAX];
    uint32_t length = image->segments[0].length;
    if (!sim_chip_test_read(rig->board->chip, FLASH, have, length) ||
        memcmp(have, image->segments[0].data, length) != 0) {
        (void)fprintf(stderr, "bench: flash does not hold the image\n");
        exit(1);
    }
}

static void measure_program(const struct bench_cable *cable, uint32_t bytes, json_t *rows)
{
    static uint8_t data[IMAGE_MAX];
    static uint8_t other[IMAGE_MAX];
    struct prg_segment segment = { .address = FLASH, .length = bytes, .data = data };
    const struct prg_image image = { .segments = &segment, .count = 1, .total_bytes = bytes };
    struct rig rig;
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    fill(data, bytes, 1);
    fill(other, bytes, 2);
    set_up(&rig, cable);
    if (!sim_chip_test_write(rig.board->chip, FLASH, other, bytes)) {
        exit(1);
    }
    acquire(&rig);
    struct prg_link_stats before = prg_link_stats(rig.link);
    double full_ms = run_program(&rig, &image, &change, false);
    struct prg_link_stats after = prg_link_stats(rig.link);
    check_flash(&rig, &image);
    double same_ms = run_program(&rig, &image, &change, false);
    fill(data + bytes / 2, ROW, 3);
    double one_ms = run_program(&rig, &image, &change, true);
    check_flash(&rig, &image);
    double bound = flash_bound_ms(bytes);
    double wire = wire_bound_ms(cable, bytes);
    double slower = bound > wire ? bound : wire;
    printf("%-28s %4u KiB %9.1f ms %6llu packets %4llu trips  bound %8.1f  same %8.1f  one row "
           "%7.1f",
        cable->name, bytes / 1024, full_ms, (unsigned long long)(after.packets - before.packets),
        (unsigned long long)(after.round_trips - before.round_trips), slower, same_ms, one_ms);
    verdict(slower * 100 / full_ms, bytes >= 65536);
    json_array_append_new(
        rows, json_pack("{s:s,s:i,s:f,s:f,s:f,s:f,s:f,s:I,s:I}", "cable", cable->name, "KiB",
                  (int)(bytes / 1024), "ms", full_ms, "flash_bound_ms", bound, "wire_bound_ms",
                  wire, "unchanged_ms", same_ms, "one_row_ms", one_ms, "packets",
                  (json_int_t)(after.packets - before.packets), "round_trips",
                  (json_int_t)(after.round_trips - before.round_trips)));
    tear_down(&rig);
}

static void measure_bulk(const struct bench_cable *cable, json_t *rows)
{
    static uint8_t data[BULK_BYTES];
    static uint8_t back[BULK_BYTES];
    struct base_err err = { 0 };
    struct rig rig;
    fill(data, sizeof(data), 4);
    set_up(&rig, cable);
    acquire(&rig);
    uint64_t start = rig.wire.host_ps;
    must(prg_mem_write(rig.link, 0, SRAM, data, sizeof(data), &err), "write", &err);
    uint64_t middle = rig.wire.host_ps;
    must(prg_mem_read(rig.link, 0, SRAM, sizeof(back), back, &err), "read", &err);
    uint64_t end = rig.wire.host_ps;
    if (memcmp(data, back, sizeof(data)) != 0) {
        (void)fprintf(stderr, "bench: memory does not hold what was written\n");
        exit(1);
    }
    double write_kib = BULK_BYTES / 1024.0 * 1e12 / (double)(middle - start);
    double read_kib = BULK_BYTES / 1024.0 * 1e12 / (double)(end - middle);
    double line_kib = cable->swclk_hz / (double)CLOCKS * 4 / 1024;
    bool big = cable->packet_size >= 512;
    double least = big ? line_kib * 85 / 100 : cable->interval_us != 0 ? 50 : 0;
    bool ok = write_kib >= least && read_kib >= least;
    printf("%-28s write %7.1f KiB/s  read %7.1f KiB/s  line %7.1f  least %6.1f  %s\n", cable->name,
        write_kib, read_kib, line_kib, least, ok ? "ok" : "BELOW ITS BUDGET");
    over += ok ? 0 : 1;
    json_array_append_new(rows, json_pack("{s:s,s:f,s:f,s:f}", "cable", cable->name, "write_KiB_s",
                                    write_kib, "read_KiB_s", read_kib, "line_KiB_s", line_kib));
    tear_down(&rig);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = { 0x4000, 0x10000, 0x80000 };
    const char *json_path = argc == 3 && strcmp(argv[1], "--json") == 0 ? argv[2] : NULL;
    if (argc != 1 && json_path == NULL) {
        (void)fprintf(stderr, "usage: %s [--json FILE]\n", argv[0]);
        return 2;
    }
    json_t *program = json_array();
    json_t *bulk = json_array();
    printf(
        "== programming (flash held something else), and again unchanged, and one row changed\n\n");
    for (size_t i = 0; bench_cables[i].name != NULL; i++) {
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            measure_program(&bench_cables[i], sizes[k], program);
        }
    }
    printf("\n== bulk transfer, 64 KiB of SRAM\n\n");
    for (size_t i = 0; bench_cables[i].name != NULL; i++) {
        measure_bulk(&bench_cables[i], bulk);
    }
    json_t *all = json_pack("{s:o,s:o}", "program", program, "bulk", bulk);
    if (json_path != NULL && json_dump_file(all, json_path, JSON_INDENT(1)) != 0) {
        (void)fprintf(stderr, "bench: cannot write %s\n", json_path);
        over++;
    }
    json_decref(all);
    return over == 0 ? 0 : 1;
}
