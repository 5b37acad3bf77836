/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real bootloader image in lockstep on the simulated processor and on Unicorn: the same
 * registers after every instruction, the same RAM every few thousand. What Unicorn does not have
 * (peripherals, ROM, exceptions, sleep) happens on our side alone and its effects are copied over.
 *
 * The image boots, opens its mailbox and is asked for its statement, which makes a key pair.
 *
 * LPA_SECONDS=0 runs to the end of the statement, as --soak does.
 *
 * usage: test_unicorn_image IMAGE [--instructions N] [--soak]
 */
#include "tests/interop/unicorn_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/protocol/image.h"
#include "device-fw/protocol/mailbox.h"
#include "device-fw/protocol/messages.h"
#include "sim/core_int.h"
#include "tests/support/desk.h"
#include "tests/unit/device-fw/authority.h"

#define SLICE         3000000U /* instructions; the whole statement is 32 million */
#define COMPARE_EVERY 8192U
/* Unicorn 2.0.1 loses a 1 KB page of RAM after some four million single steps (the page goes back
 * to what it held long ago while an instruction without memory access executes). */
#define REOPEN_EVERY  1000000U
#define BOOT_LIMIT_PS (100000 * SIM_PS_PER_US)
#define STEP_LIMIT_PS (50000 * SIM_PS_PER_US)

struct lockstep {
    struct pair pair;
    uint64_t compared; /* instructions executed by both */
    uint64_t mirrored; /* instructions executed by ours alone */
    bool asked;        /* the mailbox request was written */
    const uint8_t *key_id;
    uint64_t plant_at; /* spoil a register of ours then, 0 = never */
};

static uint16_t halfword(struct sim_chip *chip, uint32_t address)
{
    uint8_t bytes[2] = { 0xFF, 0xDE };
    (void)sim_chip_test_read(chip, address, bytes, sizeof(bytes));
    return (uint16_t)sim_mem_get16(bytes);
}

/* Address that a load or store of one register is about to use; 0 for every other instruction. */
static uint32_t access_address(const struct sim_core *core, uint16_t insn)
{
    uint32_t rn = core->r[bits(insn, 3, 3)];
    switch (insn >> 12) {
    case 5:
        return rn + core->r[bits(insn, 6, 3)];
    case 6:
        return rn + bits(insn, 6, 5) * 4;
    case 7:
        return rn + bits(insn, 6, 5);
    case 8:
        return rn + bits(insn, 6, 5) * 2;
    case 0xC:
        return core->r[bits(insn, 8, 3)];
    default:
        return 0;
    }
}

/* Is this step ours alone? */
static bool is_outside(struct sim_chip *chip)
{
    const struct sim_core *core = &chip->cm0;
    uint16_t insn = halfword(chip, core->r[15]);
    uint32_t busy = SIM_ATTENTION_EXCEPTION | SIM_ATTENTION_SLEEP | SIM_ATTENTION_HELD;
    if ((core->attention & busy) != 0 || core->ipsr != 0 || core->r[15] < SIM_ROM_SIZE)
        return true;
    bool sleeps = insn == 0xBF20U || insn == 0xBF30U;
    return sleeps || access_address(core, insn) >= 0x20000000U;
}

static void step_ours(struct sim_chip *chip)
{
    uint64_t next = sim_chip_test_core(chip, SIM_AP_CM0).instructions + 1;
    (void)sim_chip_test_run_instructions(chip, next, sim_chip_time_ps(chip) + STEP_LIMIT_PS);
}

static void mirror(struct lockstep *lock)
{
    struct sim_chip *chip = lock->pair.chip;
    bool entry = (chip->cm0.attention & SIM_ATTENTION_EXCEPTION) != 0;
    bool special = chip->cm0.ipsr != 0 || chip->cm0.r[15] < SIM_ROM_SIZE;
    step_ours(chip);
    bool still = chip->cm0.ipsr != 0 || chip->cm0.r[15] < SIM_ROM_SIZE;
    if (special && !still) /* a system call may have changed any memory */
        pair_copy_all_memory(&lock->pair);
    else if (entry) /* the frame; the handler may have returned within this step */
        pair_copy_memory(&lock->pair, chip->cm0.r[13] - 96, 128);
    struct pair_state state = pair_ours(&lock->pair);
    pair_put_state(&lock->pair, &state);
    lock->mirrored++;
}

static bool report(const struct lockstep *lock, uint32_t pc, const char *what)
{
    struct pair_state ours = pair_ours(&lock->pair);
    struct pair_state theirs = pair_theirs(&lock->pair);
    printf(
        "after %llu instructions, at 0x%08x: %s\n", (unsigned long long)lock->compared, pc, what);
    for (unsigned i = 0; i < 16; i++) {
        if (ours.r[i] != theirs.r[i])
            printf("  r%u: ours %08x, Unicorn %08x\n", i, ours.r[i], theirs.r[i]);
    }
    return false;
}

static bool same_memory(struct lockstep *lock, uint32_t pc)
{
    uint32_t address = pair_compare(&lock->pair, SIM_RAM_BASE, SIM_RAM_SIZE);
    if (address == UINT32_MAX)
        return true;
    uint8_t ours = 0, theirs = 0;
    (void)sim_chip_test_read(lock->pair.chip, address, &ours, 1);
    (void)uc_mem_read(lock->pair.uc, address, &theirs, 1);
    printf("at 0x%08x: ours %02x, Unicorn %02x\n", address, ours, theirs);
    return report(lock, pc, "memory differs");
}

static bool step_both(struct lockstep *lock)
{
    struct sim_chip *chip = lock->pair.chip;
    uint32_t pc = chip->cm0.r[15];
    if (pair_step_theirs(&lock->pair, pc) != PAIR_DONE)
        return report(lock, pc, "Unicorn faulted");
    step_ours(chip);
    lock->compared++;
    if (lock->plant_at == lock->compared)
        chip->cm0.r[4] ^= 0x100U;
    if (chip->cm0.ipsr != 0) /* an interrupt came right behind: nothing to compare */
        return true;
    struct pair_state ours = pair_ours(&lock->pair);
    struct pair_state theirs = pair_theirs(&lock->pair);
    if (memcmp(ours.r, theirs.r, sizeof(ours.r)) != 0 || ours.flags != theirs.flags ||
        ours.primask != theirs.primask || ours.control != theirs.control)
        return report(lock, pc, "registers differ");
    return lock->compared % COMPARE_EVERY != 0 || same_memory(lock, pc);
}

static void put_word(struct sim_chip *chip, uint32_t offset, uint32_t value)
{
    uint8_t word[4];
    sim_mem_put32(word, value);
    (void)sim_chip_test_write(chip, PROTO_MAILBOX_ADDRESS + offset, word, sizeof(word));
}

/* Once the mailbox is open: ask for the statement, by the back door. */
static void ask(struct lockstep *lock)
{
    struct sim_chip *chip = lock->pair.chip;
    uint8_t magic[4];
    (void)sim_chip_test_read(chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_MAGIC_AT, magic, 4);
    if (lock->asked || sim_mem_get32(magic) != PROTO_MAILBOX_MAGIC)
        return;
    lock->asked = true;
    (void)sim_chip_test_write(chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_REQ_PAYLOAD_AT,
        lock->key_id, PROTO_KEY_ID_SIZE);
    uint32_t crc = proto_mailbox_crc(PROTO_CMD_STATEMENT, PROTO_KEY_ID_SIZE, 1, lock->key_id);
    put_word(chip, PROTO_MAILBOX_REQ_COMMAND_AT, PROTO_CMD_STATEMENT);
    put_word(chip, PROTO_MAILBOX_REQ_LENGTH_AT, PROTO_KEY_ID_SIZE);
    put_word(chip, PROTO_MAILBOX_REQ_CRC_AT, crc);
    put_word(chip, PROTO_MAILBOX_REQ_SEQUENCE_AT, 1);
    pair_copy_memory(&lock->pair, SIM_RAM_BASE, SIM_RAM_SIZE);
}

static bool answered(struct sim_chip *chip)
{
    uint8_t word[4];
    (void)sim_chip_test_read(
        chip, PROTO_MAILBOX_ADDRESS + PROTO_MAILBOX_RSP_SEQUENCE_AT, word, sizeof(word));
    return sim_mem_get32(word) == 1;
}

static bool boot(struct lockstep *lock, const struct desk_image *image)
{
    struct sim_chip_opts opts = { .unique_id = { 7 }, .trng_seed = 7 };
    struct sim_chip *chip = NULL;
    if (sim_chip_new(&opts, &chip, NULL) != BASE_OK)
        return false;
    (void)sim_chip_test_write(chip, PROTO_IMAGE_ADDRESS, image->bytes, image->length);
    sim_chip_test_write_toc2(chip, 2U | 3U << 2, PROTO_IMAGE_ADDRESS, 1);
    while (chip->boot != SIM_BOOT_APP && sim_chip_time_ps(chip) < BOOT_LIMIT_PS)
        sim_chip_run_until(chip, sim_chip_time_ps(chip) + 20000);
    if (chip->boot != SIM_BOOT_APP || !pair_open(&lock->pair, chip)) {
        sim_chip_free(chip);
        return false;
    }
    struct pair_state state = pair_ours(&lock->pair);
    pair_put_state(&lock->pair, &state);
    return true;
}

/* False: they disagreed. */
static bool run(struct lockstep *lock, uint64_t instructions)
{
    while (lock->compared < instructions && !(lock->asked && answered(lock->pair.chip))) {
        if (is_outside(lock->pair.chip)) {
            mirror(lock);
            ask(lock);
        } else if (!step_both(lock)) {
            return false;
        }
    }
    return same_memory(lock, lock->pair.chip->cm0.r[15]);
}

static bool go(const struct desk_image *image, const struct authority *authority,
    uint64_t instructions, uint64_t plant_at)
{
    struct lockstep lock = { .key_id = authority->key_id, .plant_at = plant_at };
    if (!boot(&lock, image)) {
        printf("the image did not boot\n");
        return plant_at != 0;
    }
    bool same = run(&lock, instructions);
    bool finished = lock.asked && answered(lock.pair.chip);
    printf("%s: %llu instructions on both, %llu on ours alone, %s\n",
        plant_at != 0 ? "spoilt register" : "image", (unsigned long long)lock.compared,
        (unsigned long long)lock.mirrored,
        !same      ? "disagreement"
        : finished ? "statement given"
                   : "limit reached");
    struct sim_chip *chip = lock.pair.chip;
    pair_close(&lock.pair);
    sim_chip_free(chip);
    return same && lock.compared > 0;
}

int main(int argc, char **argv)
{
    const char *path = NULL;
    const char *limit = getenv("LPA_SECONDS");
    uint64_t instructions = limit != NULL && strtod(limit, NULL) <= 0 ? UINT64_MAX : SLICE;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--soak") == 0)
            instructions = UINT64_MAX;
        else if (strcmp(argv[i], "--instructions") == 0 && i + 1 < argc)
            instructions = strtoull(argv[++i], NULL, 0);
        else
            path = argv[i];
    }
    if (path == NULL) {
        (void)fputs("usage: test_unicorn_image IMAGE [--instructions N] [--soak]\n", stderr);
        return 2;
    }
    struct authority authority;
    struct desk_image image;
    authority_init(&authority, 1);
    desk_image_load(&image, path, authority.public_key, true);
    bool good = go(&image, &authority, instructions, 0);
    good = !go(&image, &authority, 20000, 10000) && good;
    desk_image_done(&image);
    authority_done(&authority);
    return good ? 0 : 1;
}
