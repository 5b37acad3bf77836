/* SPDX-License-Identifier: Apache-2.0 */
#include "programmer/psoc6.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/hash.h"
#include "programmer/psoc6_private.h"
#include "tests/unit/programmer/desk.h"

static void identifies_a_fresh_chip(void **state)
{
    (void)state;
    static const uint8_t uid[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF };
    struct desk desk;
    struct prg_psoc6_info info;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_toc2 toc2;
    desk_init(&desk, 0);
    desk_acquire(&desk);
    if (prg_psoc6_identify(desk.chip, &info, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(info.dpidr, 0x6BA02477);
    assert_int_equal(info.family, PRG_PSOC6_BLE2);
    assert_int_equal(info.silicon_id, 0xE207);
    assert_memory_equal(info.unique_id, uid, sizeof(uid));
    assert_int_equal(info.flash_bytes, 0x100000);
    assert_int_equal(info.rows, 2048);
    assert_int_equal(info.protection, 2);
    assert_int_equal(info.lifecycle_fuses, 1);
    assert_memory_equal(info.restrictions, "\0\0\0\0", 4);
    assert_true(info.ap_open[0] && info.ap_open[1] && info.ap_open[2]);
    assert_int_equal(prg_psoc6_read_toc2(desk.chip, &toc2, &err), BASE_OK);
    assert_int_equal(toc2, PRG_PSOC6_TOC2_BLANK);
    desk_done(&desk);
}

static void refuses_without_acquire(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    uint32_t word = 1;
    uint8_t value = 0;
    desk_init(&desk, 0);
    assert_int_equal(prg_psoc6_srom(desk.chip, &word, 1, 0, NULL, &err), BASE_E_ARG);
    assert_int_equal(prg_psoc6_srom(desk.chip, &word, 0, 0, NULL, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_srom(desk.chip, &word, 9, 0, NULL, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_erase(desk.chip, 0x10000000, 512, NULL, NULL, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_read_fuse(desk.chip, 128, &value, NULL), BASE_E_ARG);
    desk_acquire(&desk);
    assert_int_equal(prg_psoc6_erase(desk.chip, 0x10000001, 512, NULL, NULL, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_erase(desk.chip, 0x10000000, 511, NULL, NULL, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_erase(desk.chip, 0x10000000, 0, NULL, NULL, NULL), BASE_E_ARG);
    assert_int_equal(prg_psoc6_erase(desk.chip, 0x0FFFFE00, 512, NULL, NULL, NULL), BASE_E_ARG);
    desk_done(&desk);
    prg_psoc6_free(NULL);
}

/* The vault's two sectors and the supervisory rows outside the list are out of reach. */
static void never_touches_the_vault(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t row[PRG_PSOC6_ROW_SIZE] = { 1 };
    enum prg_psoc6_change change;
    static const uint32_t regions[][2] = { { 0x14000000, 512 }, { 0x14007E00, 512 },
        { 0x100C0000, 512 }, { 0x100FFE00, 512 }, { 0x100BFE00, 1024 }, { 0x10000000, 0x100000 } };
    static const uint32_t rows[] = { 0x16000000, 0x16000600, 0x16001000, 0x16001A00, 0x16002000,
        0x16006600, 0x16007800, 0x16007A00, 0x16000801, 0x16008000 };
    desk_init(&desk, 0);
    desk_acquire(&desk);
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        struct base_err err = { .status = BASE_OK };
        assert_int_equal(prg_psoc6_erase(desk.chip, regions[i][0], regions[i][1], NULL, NULL, &err),
            BASE_E_DENIED);
        struct prg_segment segment = { regions[i][0], regions[i][1], NULL };
        const struct prg_image image = { .segments = &segment, .count = 1 };
        assert_int_equal(prg_psoc6_check_image(desk.chip, &image, NULL), BASE_E_DENIED);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(
            prg_psoc6_write_sflash_row(desk.chip, rows[i], row, &change, NULL), BASE_E_DENIED);
    }
    desk_done(&desk);
}

static void reports_srom_refusals(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    const uint32_t bad = 0x7F000001;
    const uint32_t row[2] = { 0x1C000100, 0x20000000 };
    desk_init(&desk, 0);
    desk_acquire(&desk);
    assert_int_equal(prg_psoc6_srom(desk.chip, &bad, 1, 0, NULL, &err), BASE_E_TARGET);
    assert_string_equal(err.domain, "SROM");
    assert_int_equal(err.detail, 0xF000000B);
    base_err_clear(&err);
    assert_int_equal(prg_psoc6_srom(desk.chip, row, 2, 0, NULL, &err), BASE_E_TARGET);
    assert_int_equal(err.detail & 0xF0000000, 0xF0000000);
    desk_done(&desk);
}

static void fill(uint8_t *bytes, size_t length, uint32_t seed)
{
    for (size_t i = 0; i < length; i++) {
        seed = seed * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

struct told {
    unsigned calls;
    uint64_t last, total;
    unsigned stop_at;
};

static bool tell(void *user, const char *what, uint64_t done, uint64_t total)
{
    struct told *told = user;
    assert_non_null(what);
    assert_true(done <= total);
    told->calls++;
    told->last = done;
    told->total = total;
    return told->stop_at == 0 || told->calls < told->stop_at;
}

static void programs_and_verifies(void **state)
{
    (void)state;
    static const uint16_t sizes[] = { 64, 512, 1024 };
    static uint8_t bytes[20000];
    static uint8_t have[20000];
    fill(bytes, sizeof(bytes), 7);
    for (size_t i = 0; i < 3; i++) {
        struct desk desk;
        struct base_err err = { .status = BASE_OK };
        struct told told = { .calls = 0 };
        enum prg_psoc6_change change;
        uint8_t want[32];
        uint8_t got[32];
        /* Two parts with an odd gap: rows 0 … and one in a sub-sector of its own. */
        struct prg_segment segments[2] = { { 0x10000010, 17000, bytes },
            { 0x10010003, 700, bytes + 17000 } };
        const struct prg_image image = { .segments = segments, .count = 2, .total_bytes = 17700 };
        desk_init(&desk, sizes[i]);
        desk_acquire(&desk);
        assert_int_equal(prg_psoc6_verify(desk.chip, &image, NULL, NULL, &err), BASE_E_VERIFY);
        base_err_clear(&err);
        if (prg_psoc6_program(desk.chip, &image, tell, &told, &change, &err) != BASE_OK) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(change, PRG_PSOC6_WRITTEN);
        assert_int_equal(told.last, told.total);
        assert_int_equal(prg_psoc6_verify(desk.chip, &image, tell, &told, &err), BASE_OK);
        assert_int_equal(prg_psoc6_read(desk.chip, 0x10000010, 17000, have, &err), BASE_OK);
        assert_memory_equal(have, bytes, 17000);
        base_sha256(bytes, 17000, want);
        assert_int_equal(prg_psoc6_digest(desk.chip, 0x10000010, 17000, got, &err), BASE_OK);
        assert_memory_equal(got, want, 32);
        /* Again: nothing to do. */
        told.calls = 0;
        assert_int_equal(prg_psoc6_program(desk.chip, &image, tell, &told, &change, &err), BASE_OK);
        assert_int_equal(change, PRG_PSOC6_UNCHANGED);
        assert_int_equal(told.calls, 0);
        /* One byte other: programmed anew. */
        bytes[5]++;
        assert_int_equal(prg_psoc6_program(desk.chip, &image, NULL, NULL, &change, &err), BASE_OK);
        assert_int_equal(change, PRG_PSOC6_WRITTEN);
        desk_done(&desk);
    }
}

static void leaves_other_rows_alone(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t bytes[3 * 512];
    uint8_t have[4 * 512];
    enum prg_psoc6_change change;
    struct prg_segment first = { 0x10000200, 3 * 512, bytes };
    struct prg_segment second = { 0x10000400, 100, bytes };
    struct prg_image image = { .segments = &first, .count = 1 };
    fill(bytes, sizeof(bytes), 3);
    desk_init(&desk, 0);
    desk_acquire(&desk);
    assert_int_equal(prg_psoc6_program(desk.chip, &image, NULL, NULL, &change, NULL), BASE_OK);
    image.segments = &second;
    assert_int_equal(prg_psoc6_program(desk.chip, &image, NULL, NULL, &change, NULL), BASE_OK);
    assert_int_equal(prg_psoc6_read(desk.chip, 0x10000200, 3 * 512, have, NULL), BASE_OK);
    assert_memory_equal(have, bytes, 512);
    assert_memory_equal(have + 512, bytes, 100);
    for (size_t i = 612; i < 1024; i++) {
        assert_int_equal(have[i], 0);
    }
    assert_memory_equal(have + 1024, bytes + 1024, 512);
    desk_done(&desk);
}

static void stops_on_request(void **state)
{
    (void)state;
    struct desk desk;
    static uint8_t bytes[8192];
    struct told told = { .stop_at = 3 };
    enum prg_psoc6_change change;
    struct prg_segment segment = { 0x10000000, sizeof(bytes), bytes };
    const struct prg_image image = { .segments = &segment, .count = 1 };
    fill(bytes, sizeof(bytes), 9);
    desk_init(&desk, 0);
    desk_acquire(&desk);
    assert_int_equal(
        prg_psoc6_program(desk.chip, &image, tell, &told, &change, NULL), BASE_E_CANCELLED);
    /* What was begun can be finished. */
    assert_int_equal(prg_psoc6_program(desk.chip, &image, NULL, NULL, &change, NULL), BASE_OK);
    desk_done(&desk);
}

static void writes_toc2(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    uint8_t row[PRG_PSOC6_ROW_SIZE];
    uint8_t have[PRG_PSOC6_ROW_SIZE];
    enum prg_psoc6_change change;
    enum prg_psoc6_toc2 toc2;
    prg_psoc6_build_toc2(row);
    assert_memory_equal(row, "\xFC\x01\x00\x00\x20\x12\x21\x01", 8);
    assert_memory_equal(row + 0x10, "\x00\x00\x00\x10\x01\x00\x00\x00", 8);
    assert_int_equal(base_get_le32(row + 0x1F8), 2);
    assert_int_equal(base_get_le16(row + 0x1FC), 0);
    assert_int_not_equal(base_get_le16(row + 0x1FE), 0);
    desk_init(&desk, 0);
    desk_acquire(&desk);
    if (prg_psoc6_write_toc2(desk.chip, &change, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(change, PRG_PSOC6_WRITTEN);
    assert_int_equal(prg_psoc6_read(desk.chip, 0x16007E00, sizeof(have), have, &err), BASE_OK);
    assert_memory_equal(have, row, sizeof(have));
    assert_int_equal(prg_psoc6_read_toc2(desk.chip, &toc2, &err), BASE_OK);
    assert_int_equal(toc2, PRG_PSOC6_TOC2_OURS);
    assert_int_equal(prg_psoc6_write_toc2(desk.chip, &change, &err), BASE_OK);
    assert_int_equal(change, PRG_PSOC6_UNCHANGED);
    /* The chip accepts it: it can still be acquired in its listen window. */
    desk_acquire(&desk);
    row[0]++;
    assert_int_equal(
        prg_psoc6_write_sflash_row(desk.chip, 0x16007C00, row, &change, &err), BASE_OK);
    assert_int_equal(prg_psoc6_read_toc2(desk.chip, &toc2, &err), BASE_OK);
    assert_int_equal(toc2, PRG_PSOC6_TOC2_BAD);
    desk_done(&desk);
}

static void tells_a_silent_chip(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_ACQUIRED;
    const struct prg_psoc6_acquire_opts opts = { .timeout_ms = 20 };
    desk_init(&desk, 0);
    sim_chip_set_power(desk.board->chip, false);
    assert_int_equal(prg_psoc6_acquire(desk.chip, &opts, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, PRG_PSOC6_SILENT);
    assert_int_equal(prg_psoc6_attach(desk.chip, 20, &err), BASE_E_TIMEOUT);
    assert_string_equal(err.code, "swd_silent");
    desk_done(&desk);
}

static void attaches_to_a_running_chip(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    struct prg_psoc6_info info;
    desk_init(&desk, 64);
    assert_int_equal(prg_psoc6_reset(desk.chip, &err), BASE_OK);
    assert_int_equal(prg_psoc6_attach(desk.chip, 500, &err), BASE_OK);
    if (prg_psoc6_identify(desk.chip, &info, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(info.silicon_id, 0xE207);
    assert_int_equal(info.protection, 2);
    desk_done(&desk);
}

static void acquires_without_the_reset_pin(void **state)
{
    (void)state;
    struct desk desk;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    const struct prg_psoc6_acquire_opts opts = { .no_xres = true };
    desk_init(&desk, 0);
    if (prg_psoc6_acquire(desk.chip, &opts, &outcome, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(outcome, PRG_PSOC6_ACQUIRED);
    desk_done(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_without_acquire),
        cmocka_unit_test(never_touches_the_vault),
        cmocka_unit_test(identifies_a_fresh_chip),
        cmocka_unit_test(reports_srom_refusals),
        cmocka_unit_test(programs_and_verifies),
        cmocka_unit_test(leaves_other_rows_alone),
        cmocka_unit_test(stops_on_request),
        cmocka_unit_test(writes_toc2),
        cmocka_unit_test(tells_a_silent_chip),
        cmocka_unit_test(attaches_to_a_running_chip),
        cmocka_unit_test(acquires_without_the_reset_pin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
