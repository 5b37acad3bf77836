/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sim/die_helpers.h"

/* Lifecycle: SECURE boot with hash and signature, DEAD, restrictions of the access ports for every
 * value of their fuses, what ROM refuses in SECURE, fuses under voltage. */

#include <stdio.h>

#include "sim/rsa.h"
#include "tests/unit/sim/secure_vectors.h"

#define APP       0x10000000U
#define KEY       0x16005A00U
#define TOC2      0x16007C00U
#define TRIGGER   0x08001000U
#define FUSES     0x402C0800U
#define AP_CTL    0x40210540U
#define PORT_SEL1 0x40310064U
#define SWJ_ON    0x1D1D0000U
#define NAR       0x16001A00U

#define LC_SECURE_DEBUG 3U
#define LC_SECURE       5U
#define LC_RMA          13U

struct setup {
    uint8_t lifecycle;
    uint8_t dead[2], secure[2];
    uint32_t toc2_flags;
};

static void put_fuse(struct sim_chip *chip, uint32_t byte, uint8_t value)
{
    assert_true(sim_chip_test_write(chip, FUSES + byte, &value, 1));
}

static void put_toc2(struct sim_chip *chip, uint32_t flags)
{
    sim_chip_test_write_toc2(chip, flags, APP, 1);
    die_poke(chip, TOC2 + 0x20, 1);
    die_poke(chip, TOC2 + 0x24, KEY);
    die_poke(chip, TOC2 + 0x1FC, (uint32_t)sim_chip_test_toc2_crc(chip) << 16);
}

/* Application, key and TOC2 on a fresh die. */
static void install(struct sim_chip *chip, uint32_t flags)
{
    static const uint8_t exponent[32] = { 1, 0, 1 };
    assert_true(sim_chip_test_write(chip, APP, vector_app, sizeof(vector_app)));
    assert_true(sim_chip_test_write(
        chip, APP + sizeof(vector_app), vector_signature, sizeof(vector_signature)));
    die_poke(chip, KEY, 0x24 + 256 + 32);
    die_poke(chip, KEY + 4, 0);
    die_poke(chip, KEY + 8, KEY + 0x24);
    die_poke(chip, KEY + 0xC, 2048);
    die_poke(chip, KEY + 0x10, KEY + 0x124);
    die_poke(chip, KEY + 0x14, 256);
    assert_true(sim_chip_test_write(chip, KEY + 0x24, vector_modulus, sizeof(vector_modulus)));
    assert_true(sim_chip_test_write(chip, KEY + 0x124, exponent, sizeof(exponent)));
    put_toc2(chip, flags);
}

/* SECURE_HASH and its zero count, from the ROM itself. */
static void put_hash(struct sim_chip *chip)
{
    assert_int_equal(die_call(chip, 0x1E000000U, 0, 0, 0), 0xA0000000U);
    for (uint32_t i = 0; i < 16; i++)
        put_fuse(chip, 0x14 + i, (uint8_t)(die_peek(chip, BLOCK + 4 + i / 4 * 4) >> (i % 4 * 8)));
    put_fuse(chip, 0x26, (uint8_t)die_peek(chip, BLOCK + 20));
}

static void cycle(struct sim_chip *chip)
{
    sim_chip_set_power(chip, false);
    sim_chip_set_power(chip, true);
}

static void make(struct sim_chip *chip, const struct setup *setup)
{
    die_park(chip);
    install(chip, setup->toc2_flags);
    put_hash(chip);
    for (uint32_t i = 0; i < 2; i++) {
        put_fuse(chip, 0x27 + i, setup->dead[i]);
        put_fuse(chip, 0x29 + i, setup->secure[i]);
    }
    put_fuse(chip, 0x2B, setup->lifecycle);
    cycle(chip);
}

static bool runs(const struct sim_chip *chip)
{
    return sim_chip_test_reg(chip, SIM_AP_CM0, 7) > 10;
}

static bool reaches(struct sim_chip *chip, enum sim_ap ap, uint32_t address)
{
    return !die_read_faults(chip, ap, address);
}

static void open_ports(struct sim_chip *chip)
{
    die_poke(chip, TRIGGER, 10);
    die_run_us(chip, 100);
}

/* ---- verification ---- */

static void test_rsa(void **state)
{
    static const uint8_t exponent[4] = { 1, 0, 1, 0 };
    uint8_t digest[32] = { 0 };
    uint8_t signature[SIM_RSA_BYTES];
    (void)state;
    memcpy(signature, vector_signature, sizeof(signature));
    assert_false(sim_rsa_verify(vector_modulus, exponent, 4, signature, digest));
    memset(signature, 0xFF, sizeof(signature)); /* not below the modulus */
    assert_false(sim_rsa_verify(vector_modulus, exponent, 4, signature, digest));
    memset(signature, 0, sizeof(signature));
    assert_false(sim_rsa_verify(vector_modulus, exponent, 4, signature, digest));
}

static void test_secure_boot(void **state)
{
    static const struct setup setup = { .lifecycle = LC_SECURE, .toc2_flags = 2 };
    struct sim_chip *chip = *state;
    make(chip, &setup);
    die_run_us(chip, 1500);
    assert_true(runs(chip));
    assert_false(sim_chip_swd_connected(chip));
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_SYS));
    uint64_t before = sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles;
    die_run_us(chip, 1000);
    assert_in_range(
        sim_chip_test_core(chip, SIM_AP_CM0).busy_cycles - before, 49990, 50010); /* 50 MHz */
    open_ports(chip); /* the application connects the pins and enables the ports */
    assert_true(sim_chip_swd_connected(chip));
    assert_true(sim_chip_ap_enabled(chip, SIM_AP_CM0));
    assert_int_equal(die_read(chip, 0x40210500U), 3);
    assert_int_equal(die_read(chip, PORT_SEL1), SWJ_ON);
    die_write(chip, PORT_SEL1, 0x1D000000U);
    assert_false(sim_chip_swd_connected(chip));
    assert_true(sim_chip_ap_enabled(chip, SIM_AP_CM4));
}

static void test_secure_with_debug(void **state)
{
    static const struct setup setup = { .lifecycle = LC_SECURE_DEBUG, .secure = { 0xFF, 0xFF } };
    struct sim_chip *chip = *state;
    make(chip, &setup);
    die_run_us(chip, 1500); /* in the listen window, ports open whatever the fuses say */
    assert_true(sim_chip_swd_connected(chip));
    assert_int_equal(die_read(chip, 0x40210500U), 3);
    die_run_us(chip, 21000);
    assert_true(runs(chip));
    assert_int_equal(die_call(chip, 0x1C000100U, 0x100C0000U, 0, 0) >> 28, 0xA);
    assert_true(reaches(chip, SIM_AP_SYS, APP));
}

static void damage_signature(struct sim_chip *chip)
{
    die_poke(chip, APP + sizeof(vector_app) + 100, 0x12345678U);
}

static void damage_app(struct sim_chip *chip)
{
    die_poke(chip, APP + sizeof(vector_app) - 4, 1);
}

static void damage_size(struct sim_chip *chip)
{
    die_poke(chip, APP, 0xFFFFFF00U);
}

static void damage_key(struct sim_chip *chip)
{
    die_poke(chip, KEY + 0x124, 3);
}

static void damage_toc2(struct sim_chip *chip)
{
    die_poke(chip, TOC2, 0);
    die_poke(chip, TOC2 + 0x200, 0);
}

static void damage_hash(struct sim_chip *chip)
{
    uint8_t byte = 0;
    assert_true(sim_chip_test_read(chip, FUSES + 0x14, &byte, 1));
    put_fuse(chip, 0x14, byte ^ 1U);
}

static void damage_zeros(struct sim_chip *chip)
{
    uint8_t byte = 0;
    assert_true(sim_chip_test_read(chip, FUSES + 0x26, &byte, 1));
    put_fuse(chip, 0x26, byte ^ 1U);
}

/* Whatever is wrong: DEAD, nothing of the application runs, and ports as DEAD_ACCESS_RESTRICT. */
static void test_dead(void **state)
{
    static void (*const damages[])(struct sim_chip *) = { damage_signature, damage_app, damage_size,
        damage_key, damage_toc2, damage_hash, damage_zeros };
    static const struct setup setup = { .lifecycle = LC_SECURE, .dead = { 0x06, 0 } };
    struct sim_chip *good = *state;
    make(good, &setup);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        struct sim_chip *chip = NULL;
        assert_int_equal(sim_chip_fork(good, &chip, NULL), BASE_OK);
        damages[i](chip);
        cycle(chip);
        die_run_us(chip, 30000);
        assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).instructions,
            sim_chip_test_core(good, SIM_AP_CM0).instructions);
        assert_true(sim_chip_swd_connected(chip));
        assert_true(sim_chip_ap_enabled(chip, SIM_AP_CM0)); /* not blown: open */
        assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM4));
        assert_false(sim_chip_ap_enabled(chip, SIM_AP_SYS));
        assert_int_equal(die_read(chip, 0x40210500U), 4);
        sim_chip_free(chip);
    }
    die_run_us(good, 1500); /* the undamaged one is fine */
    assert_true(runs(good));
}

/* NORMAL with bit 31 of the TOC2 flags: verified too, but a failure only parks. */
static void test_validation_in_normal(void **state)
{
    struct sim_chip *chip = *state;
    die_park(chip);
    install(chip, 1U << 31);
    cycle(chip);
    die_run_us(chip, 22000);
    assert_true(runs(chip));
    damage_app(chip);
    cycle(chip);
    die_run_us(chip, 22000);
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping);
    assert_int_equal(die_read(chip, 0x40210500U), 2);
    assert_int_equal(die_peek(chip, 0x08040000U), 0xF1000100U);
    put_toc2(chip, 0); /* not asked for: not verified */
    cycle(chip);
    die_run_us(chip, 22000);
    assert_true(runs(chip));
}

static void test_other_stages(void **state)
{
    struct sim_chip *chip = *state;
    die_park(chip);
    install(chip, 0);
    put_fuse(chip, 0x2B, LC_RMA);
    cycle(chip);
    die_run_us(chip, 30000);
    assert_false(sim_chip_swd_connected(chip));
    assert_true(sim_chip_test_core(chip, SIM_AP_CM0).sleeping); /* loop in ROM */
    put_fuse(chip, 0x2B, 0);                                    /* VIRGIN */
    cycle(chip);
    die_run_us(chip, 30000);
    assert_false(sim_chip_swd_connected(chip));
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_SYS));
}

/* ---- restrictions ---- */

static const uint32_t ram_open[8] = { 0x48000, 0x3F000, 0x36000, 0x24000, 0x12000, 0x9000, 0x4000,
    0 };
static const uint32_t flash_open[8] = { 0x100000, 0xE0000, 0xC0000, 0x80000, 0x40000, 0x20000,
    0x10000, 0 };
static const uint32_t sflash_open[4] = { 0x8000, 0x4000, 0x2000, 0 };

static unsigned checked; /* accesses compared with the table */

static void expect(struct sim_chip *chip, enum sim_ap ap, uint32_t address, bool open)
{
    checked++;
    if (reaches(chip, ap, address) != open)
        fail_msg(
            "port %d, address 0x%08x: expected %s", (int)ap, address, open ? "open" : "closed");
}

static void expect_edge(
    struct sim_chip *chip, uint32_t base, uint32_t size, uint32_t open, uint32_t skip_top)
{
    if (open > 0)
        expect(chip, SIM_AP_SYS, base + (open < size ? open : size - skip_top) - 4, true);
    if (open < size)
        expect(chip, SIM_AP_SYS, base + open, false);
    expect(chip, SIM_AP_SYS, base + size - 4 - skip_top, open == size);
}

/* What each port reaches under these two bytes. */
static void expect_table(struct sim_chip *chip, uint8_t r0, uint8_t r1)
{
    bool sys = (r0 & 4U) == 0;
    bool mpu = (r0 & 8U) != 0;
    uint32_t mmio = r0 >> 6;
    assert_int_equal(sim_chip_ap_enabled(chip, SIM_AP_CM0), (r0 & 1U) == 0);
    assert_int_equal(sim_chip_ap_enabled(chip, SIM_AP_CM4), (r0 & 2U) == 0);
    assert_int_equal(sim_chip_ap_enabled(chip, SIM_AP_SYS), sys);
    expect(chip, SIM_AP_CM0, APP, (r0 & 1U) == 0);
    expect(chip, SIM_AP_CM0, 0xE000ED00U, (r0 & 1U) == 0);
    expect(chip, SIM_AP_CM4, APP, (r0 & 2U) == 0);
    expect(chip, SIM_AP_SYS, 0xF1000FE0U, sys); /* the ROM table names the family always */
    if (!sys) {
        expect(chip, SIM_AP_SYS, 0x08000000U, false);
        return;
    }
    expect_edge(chip, 0x08000000U, 0x48000, mpu ? ram_open[r1 >> 3 & 7U] : 0x48000, 0);
    expect_edge(chip, 0x10000000U, 0x100000, mpu ? flash_open[r1 & 7U] : 0x100000, 0);
    expect_edge(chip, 0x16000000U, 0x8000, mpu ? sflash_open[r0 >> 4 & 3U] : 0x8000, 0);
    expect(chip, SIM_AP_SYS, 0x14000000U, !mpu || (r1 & 7U) == 0);
    expect(chip, SIM_AP_SYS, 0x00000000U, !mpu);
    expect(chip, SIM_AP_SYS, 0x40230050U, !mpu || mmio < 2);
    expect(chip, SIM_AP_SYS, 0x40210400U, !mpu || mmio == 0);
    expect(chip, SIM_AP_SYS, 0x402C0840U, !mpu || mmio == 0);
    expect(chip, SIM_AP_SYS, 0x18000000U, false); /* no SMIF on the model */
}

/* Every value of one byte with some values of the other. */
static void sweep(struct sim_chip *base, uint32_t place, bool with_app,
    void (*boot)(struct sim_chip *chip, uint32_t place, const uint8_t bytes[2]))
{
    static const uint8_t others[] = { 0x00, 0xFF, 0x08, 0x36 };
    for (unsigned value = 0; value < 256; value++) {
        for (size_t i = 0; i < (with_app ? 1 : sizeof(others)); i++) {
            /* with an application to verify: only the second of the swept byte's neighbours */
            uint8_t other = with_app ? (uint8_t)(value & 1U ? 0xFF : 0x08) : others[i];
            const uint8_t pairs[2][2] = { { (uint8_t)value, other }, { other, (uint8_t)value } };
            for (unsigned which = 0; which < 2; which++) {
                boot(base, place, pairs[which]);
                expect_table(base, pairs[which][0], pairs[which][1]);
            }
        }
    }
}

static void boot_dead(struct sim_chip *chip, uint32_t place, const uint8_t bytes[2])
{
    put_fuse(chip, place, bytes[0]);
    put_fuse(chip, place + 1, bytes[1]);
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 1100);
    assert_true(sim_chip_swd_connected(chip));
    assert_int_equal(sim_chip_test_core(chip, SIM_AP_CM0).instructions, 0);
}

static void test_every_dead_restriction(void **state)
{
    struct sim_chip *chip = *state;
    put_fuse(chip, 0x2B, LC_SECURE); /* without any hash: dead on arrival */
    checked = 0;
    sweep(chip, 0x27, false, boot_dead);
    print_message("# DEAD: %u accesses under 2048 pairs of restriction bytes\n", checked);
}

static void boot_normal(struct sim_chip *chip, uint32_t place, const uint8_t bytes[2])
{
    die_poke(chip, place, (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8);
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 1100);
}

static void test_every_normal_restriction(void **state)
{
    checked = 0;
    sweep(*state, NAR, false, boot_normal);
    print_message("# NORMAL: %u accesses under 2048 pairs of restriction bytes\n", checked);
}

static void boot_secure(struct sim_chip *chip, uint32_t place, const uint8_t bytes[2])
{
    put_fuse(chip, place, bytes[0]);
    put_fuse(chip, place + 1, bytes[1]);
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 1100);
    assert_false(sim_chip_swd_connected(chip));
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_SYS));
    open_ports(chip);
    assert_true(sim_chip_swd_connected(chip));
    die_poke(chip, TRIGGER, 0);
}

static void test_every_secure_restriction(void **state)
{
    static const struct setup setup = { .lifecycle = LC_SECURE };
    struct sim_chip *chip = *state;
    make(chip, &setup);
    checked = 0;
    sweep(chip, 0x29, true, boot_secure);
    print_message("# SECURE: %u accesses under 512 pairs of restriction bytes\n", checked);
}

/* ---- calls and fuses ---- */

static void test_calls_in_secure(void **state)
{
    static const struct setup setup = { .lifecycle = LC_SECURE };
    struct sim_chip *chip = *state;
    make(chip, &setup);
    sim_chip_set_vddio_mv(chip, 2500);
    die_run_us(chip, 1500);
    open_ports(chip);
    assert_int_equal(die_call(chip, 0x0A000100U, 0, 0, 0), 0xF0000001U);
    assert_int_equal(die_call(chip, 0x14000100U, 0x100C0000U, 0, 0), 0xF0000001U);
    assert_int_equal(die_call(chip, 0x05000100U, 0x100, 0x16000800U, 0x08004000U), 0xF0000001U);
    assert_int_equal(die_call(chip, 0x05000100U, 0x100, 0x100C0000U, 0x08004000U), 0xA0000000U);
    assert_int_equal(die_call(chip, 0x1C000100U, 0x100C0000U, 0, 0), 0xA0000000U);
    assert_int_equal(die_call(chip, 0x06000100U, 0x100, 0x100C0000U, 0x08004000U), 0xA0000000U);
    die_call_start(chip, 0x01000001U | 0U << 16 | 2U << 12);
    assert_int_equal(die_call_finish(chip), 0xF0000001U);
    die_call_start(chip, 0x00000101U); /* silicon id: protection 3 */
    assert_int_equal(die_call_finish(chip), 0xA013E207U);
}

static uint32_t ask_rma(struct sim_chip *chip)
{
    die_poke(chip, BLOCK, 0x28000000U);
    die_call_start(chip, BLOCK);
    (void)die_call_finish(chip);
    return die_peek(chip, BLOCK);
}

static void test_transition_to_rma(void **state)
{
    static const struct setup setup = { .lifecycle = LC_SECURE };
    struct sim_chip *chip = *state;
    uint8_t lifecycle = 0;
    make(chip, &setup);
    die_run_us(chip, 1500);
    open_ports(chip);
    assert_true(sim_chip_test_write(chip, BLOCK + 4, vector_rma_object, 20));
    assert_true(sim_chip_test_write(chip, BLOCK + 24, vector_rma_signature, 256));
    assert_int_equal(ask_rma(chip), 0xF00000CBU); /* the supply is 3.3 V */
    sim_chip_set_vddio_mv(chip, 2500);
    die_poke(chip, BLOCK + 24, 0);
    assert_int_equal(ask_rma(chip), 0xF00000B4U); /* signature */
    die_poke(chip, BLOCK + 12, 0);
    assert_int_equal(ask_rma(chip), 0xF00000B3U); /* another chip's object */
    die_poke(chip, BLOCK + 8, 0);
    assert_int_equal(ask_rma(chip), 0xF000000FU);
    assert_true(sim_chip_test_write(chip, BLOCK + 4, vector_rma_object, 20));
    assert_true(sim_chip_test_write(chip, BLOCK + 24, vector_rma_signature, 256));
    assert_int_equal(ask_rma(chip), 0xA0000000U);
    assert_true(sim_chip_test_read(chip, FUSES + 0x2B, &lifecycle, 1));
    assert_int_equal(lifecycle, LC_RMA);
    cycle(chip);
    die_run_us(chip, 30000);
    assert_false(sim_chip_swd_connected(chip));
}

/* The way of the tools from NORMAL to SECURE, by system calls alone; the fuses need 2.5 V. */
static void blow(struct sim_chip *chip, uint32_t byte, uint8_t value, uint32_t expected)
{
    for (uint32_t bit = 0; bit < 8; bit++) {
        if ((value >> bit & 1U) == 0)
            continue;
        die_call_start(chip, 0x01000001U | (byte % 32) << 16 | (byte / 32) << 12 | bit << 8);
        assert_int_equal(die_call_finish(chip), expected);
    }
}

static void test_transition(void **state)
{
    struct sim_chip *chip = *state;
    uint8_t hash[20];
    die_park(chip);
    install(chip, 0);
    die_call_start(chip, 0x27000001U);
    assert_int_equal(die_call_finish(chip), 0xA0000000U);
    assert_int_equal(die_call(chip, 0x1E000000U, 0, 0, 0), 0xA0000000U);
    assert_true(sim_chip_test_read(chip, BLOCK + 4, hash, sizeof(hash)));
    blow(chip, 0x2B, 4, 0xF00000CBU); /* 3.3 V: nothing happens */
    sim_chip_set_vddio_mv(chip, 2630);
    blow(chip, 0x2B, 4, 0xF00000CBU);
    sim_chip_set_vddio_mv(chip, 2500);
    for (uint32_t i = 0; i < 16; i++)
        blow(chip, 0x14 + i, hash[i], 0xA0000000U);
    blow(chip, 0x26, hash[16], 0xA0000000U);
    blow(chip, 0x27, 0xFF, 0xA0000000U);
    blow(chip, 0x28, 0xFF, 0xA0000000U);
    blow(chip, 0x29, 0x0F, 0xA0000000U);
    blow(chip, 0x2B, 4, 0xA0000000U);
    assert_int_equal(die_read(chip, 0x40210500U), 2); /* in force after the next reset */
    sim_chip_set_xres(chip, true);
    sim_chip_set_xres(chip, false);
    die_run_us(chip, 1500);
    assert_true(runs(chip));
    open_ports(chip);
    assert_true(sim_chip_swd_connected(chip));
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM0)); /* enabled by the application in vain */
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_SYS));
}

/* PROTECTION is one-way, and AP_CTL's closed ports stay closed. */
static void test_one_way_registers(void **state)
{
    struct sim_chip *chip = *state;
    die_write(chip, 0x40210500U, 1);
    assert_int_equal(die_read(chip, 0x40210500U), 2);
    die_write(chip, AP_CTL, 0x00020007U);
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM4));
    die_write(chip, AP_CTL, 0x7U);
    assert_false(sim_chip_ap_enabled(chip, SIM_AP_CM4));
    die_write(chip, 0x40210500U, 4);
    assert_int_equal(die_read(chip, 0x40210500U), 4);
    die_write(chip, 0x40210500U, 2);
    assert_int_equal(die_read(chip, 0x40210500U), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rsa),
        cmocka_unit_test_setup_teardown(test_secure_boot, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_secure_with_debug, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_dead, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_validation_in_normal, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_other_stages, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_every_dead_restriction, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_every_normal_restriction, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_every_secure_restriction, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_calls_in_secure, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_transition_to_rma, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_transition, die_setup, die_teardown),
        cmocka_unit_test_setup_teardown(test_one_way_registers, die_setup, die_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
