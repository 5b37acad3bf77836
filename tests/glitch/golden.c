/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/glitch/golden.h"

#include <cmocka.h>

#include "sim/sha256.h"
#include "tests/glitch/field.h"

#define STEP_LIMIT_PS (100000U * SIM_PS_PER_US)
#define MAX_STEPS     20000000U
/* A slice shall see each place of the program early, and its repetitions later. */
#define FIRST_PASSES  4U
#define REPEAT_PASSES 24U
#define PLACES        GOLDEN_PLACES
#define STATE_STEPS   64U /* of our code, at least, between two states that are kept */

uint64_t golden_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint32_t golden_instruction(const struct sim_chip *chip, uint32_t pc, uint32_t *ret_length)
{
    uint8_t half[2] = { 0 };
    uint32_t word;

    (void)sim_chip_test_read(chip, pc, half, sizeof(half));
    word = (uint32_t)half[1] << 8 | half[0];
    *ret_length = word >> 11 >= 0x1DU ? 4 : 2; /* ARM DDI 0419 A5.1 */
    return word;
}

static bool holds(uint32_t xpsr, uint32_t condition)
{
    bool n = (xpsr >> 31 & 1U) != 0;
    bool z = (xpsr >> 30 & 1U) != 0;
    bool c = (xpsr >> 29 & 1U) != 0;
    bool v = (xpsr >> 28 & 1U) != 0;
    const bool base[7] = { z, c, n, v, c && !z, n == v, !z && n == v };

    return base[condition >> 1] != ((condition & 1U) != 0);
}

bool golden_other_way(const struct sim_chip *chip, uint32_t pc, uint32_t *ret_target)
{
    uint32_t length;
    uint32_t word = golden_instruction(chip, pc, &length);
    uint32_t condition = word >> 8 & 0xFU;

    if (word >> 12 != 0xDU || condition >= 14U)
        return false;
    if (holds(sim_chip_test_core(chip, SIM_AP_CM0).xpsr, condition))
        *ret_target = pc + 2;
    else
        *ret_target = pc + 4 + (uint32_t)((int32_t)(int8_t)(word & 0xFFU) * 2);
    return true;
}

bool golden_step(struct sim_chip *chip)
{
    uint64_t next = sim_chip_test_core(chip, SIM_AP_CM0).instructions + 1;

    return sim_chip_test_run_instructions(chip, next, sim_chip_time_ps(chip) + STEP_LIMIT_PS);
}

static void *grow(void *array, size_t count, size_t *room, size_t size)
{
    void *bigger = array;

    if (count < *room)
        return array;
    *room = *room == 0 ? 256 : *room * 2;
    bigger = realloc(array, *room * size);
    assert_non_null(bigger);
    return bigger;
}

static void add_point(struct golden *golden, const struct point *point)
{
    bool all = golden->opts->seconds == 0 && !golden->opts->until_broken;

    golden->points =
        grow(golden->points, golden->point_count, &golden->point_room, sizeof(*golden->points));
    golden->points[golden->point_count] = *point;
    if (all) /* in the order of time */
        golden->points[golden->point_count].pass = 0;
    golden->point_count++;
}

static uint64_t now(const struct golden *golden, const struct sim_chip *chip)
{
    return chip->cm0.instructions - golden->base;
}

static uint32_t stack_word(const struct sim_chip *chip, uint32_t index)
{
    uint8_t bytes[4] = { 0 };

    (void)sim_chip_test_read(chip, chip->cm0.r[13] + 4 * index, bytes, sizeof(bytes));
    return sim_mem_get32(bytes);
}

/* False: no multiplication begins here, or not one of these sizes. */
static bool read_inputs(
    const struct golden *golden, const struct sim_chip *chip, struct memo_inputs *ret_inputs)
{
    const uint32_t *r = chip->cm0.r;

    memset(ret_inputs, 0, sizeof(*ret_inputs));
    ret_inputs->pc = r[15];
    if (r[0] < SIM_RAM_BASE || !sim_chip_test_read(chip, r[0], ret_inputs->point, MEMO_POINT))
        return false;
    if (r[15] == golden->multiply)
        return r[1] == MEMO_POINT && r[3] == MEMO_SCALAR &&
               sim_chip_test_read(chip, r[2], ret_inputs->scalar[0], MEMO_SCALAR);
    return r[15] == golden->add_twice && r[1] == 0 && r[2] == MEMO_POINT &&
           stack_word(chip, 0) == MEMO_SCALAR && stack_word(chip, 2) == MEMO_SCALAR &&
           sim_chip_test_read(chip, r[3], ret_inputs->scalar[0], MEMO_SCALAR) &&
           sim_chip_test_read(chip, stack_word(chip, 1), ret_inputs->scalar[1], MEMO_SCALAR);
}

static struct memo *begin_memo(struct golden *golden, const struct sim_chip *chip)
{
    struct memo *memo = &golden->memos[golden->memo_count];

    if (golden->memo_count == sizeof(golden->memos) / sizeof(golden->memos[0]) ||
        !read_inputs(golden, chip, &memo->inputs))
        return NULL;
    golden->memo_count++;
    return memo;
}

/* A primitive from its entry to its return, at full speed. */
static void pass_primitive(struct golden *golden, struct sim_chip *chip)
{
    struct entry entry = { .pc = chip->cm0.r[15], .back = chip->cm0.r[14] };
    struct memo *memo = begin_memo(golden, chip);
    uint32_t result_at = chip->cm0.r[0];

    entry.at = now(golden, chip);
    assert_true(
        sim_chip_test_run_to(chip, entry.back, sim_chip_time_ps(chip) + 100 * STEP_LIMIT_PS));
    entry.after = now(golden, chip);
    golden->entries =
        grow(golden->entries, golden->entry_count, &golden->entry_room, sizeof(*golden->entries));
    golden->entries[golden->entry_count++] = entry;
    if (memo == NULL)
        return;
    memo->r0 = chip->cm0.r[0];
    assert_true(sim_chip_test_read(chip, result_at, memo->result, MEMO_POINT));
}

/* Between the entry of one of run_opts.rarely and its return: @p back, 0 outside. */
static bool is_rare(const struct golden *golden, const struct sim_chip *chip, uint32_t *back)
{
    uint32_t pc = chip->cm0.r[15];

    if (*back != 0 && pc == *back)
        *back = 0;
    for (size_t i = 0; *back == 0 && i < RUN_RARELY && golden->opts->rarely[i] != NULL; i++) {
        if (pc == golden->rare_at[i])
            *back = chip->cm0.r[14] & ~1U;
    }
    return *back != 0;
}

/* One more repetition in a loop that decides nothing: as likely among the drawn ones as any other.
 */
static void draw_repetition(struct golden *golden, const struct point *point)
{
    uint64_t at = golden->left_out++;

    if (at >= golden->opts->random_points)
        at = golden_random(&golden->draw) % golden->left_out;
    if (at >= golden->opts->random_points)
        return;
    golden->drawn[at] = *point;
    golden->drawn[at].pass = FIRST_PASSES + (uint32_t)at % REPEAT_PASSES;
}

static void note_points(
    struct golden *golden, const struct sim_chip *chip, uint16_t *seen, bool rare)
{
    struct point point = {
        .at = now(golden, chip), .pc = chip->cm0.r[15], .call = (uint32_t)golden->entry_count
    };
    uint32_t place = (point.pc - PROTO_IMAGE_ADDRESS) / 2;
    uint32_t target;

    assert_true(place < PLACES);
    if (seen[place] < UINT16_MAX)
        seen[place]++;
    if (rare && seen[place] > 1) {
        draw_repetition(golden, &point);
        point.kind = KIND_BRANCH;
        if (golden_other_way(chip, point.pc, &target))
            draw_repetition(golden, &point);
        return;
    }
    point.pass = seen[place] == 1 ? place % FIRST_PASSES
                                  : FIRST_PASSES + (uint32_t)golden->point_count % REPEAT_PASSES;
    point.kind = KIND_SKIP;
    add_point(golden, &point);
    if (golden_other_way(chip, point.pc, &target)) {
        point.kind = KIND_BRANCH;
        add_point(golden, &point);
    }
}

static void note_call(struct golden *golden)
{
    uint32_t call = (uint32_t)golden->entry_count - 1;
    const struct entry *entry = &golden->entries[call];
    struct point point = { .at = entry->at,
        .pc = entry->pc,
        .call = call,
        .pass = call % FIRST_PASSES,
        .kind = KIND_CALL };

    add_point(golden, &point);
    point.kind = KIND_RESULT;
    add_point(golden, &point);
    point.variant = 1;
    add_point(golden, &point);
}

/* Half of them spread over the calls, because most instructions belong to two or three of them. */
static void draw_random(struct golden *golden)
{
    uint64_t state = golden->opts->seed;
    uint64_t sum = 0;

    for (size_t i = 0; i < golden->entry_count; i++)
        sum += golden->entries[i].after - golden->entries[i].at;
    for (uint32_t i = 0; i < golden->opts->random_points && golden->entry_count > 0; i++) {
        uint64_t draw = golden_random(&state);
        uint32_t call = (uint32_t)(draw % golden->entry_count);
        uint64_t offset = golden_random(&state);
        uint64_t length;
        struct point point = { .kind = KIND_RANDOM, .pass = FIRST_PASSES + i % REPEAT_PASSES };

        if (i % 2 == 0) {
            offset %= sum;
            for (call = 0; offset >= golden->entries[call].after - golden->entries[call].at; call++)
                offset -= golden->entries[call].after - golden->entries[call].at;
        }
        length = golden->entries[call].after - golden->entries[call].at;
        point.call = call;
        point.pc = golden->entries[call].pc;
        point.at = golden->entries[call].at + offset % length;
        add_point(golden, &point);
    }
}

static int compare_points(const void *a, const void *b)
{
    const struct point *left = a;
    const struct point *right = b;

    if (left->pass != right->pass)
        return left->pass < right->pass ? -1 : 1;
    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return (int)left->variant - (int)right->variant;
}

static uint8_t *mark_at(struct golden *golden, uint32_t address)
{
    uint32_t place = (address - PROTO_IMAGE_ADDRESS) / 2;

    assert_true(address >= PROTO_IMAGE_ADDRESS && place < PLACES);
    return &golden->marks[place];
}

static void set_marks(struct golden *golden)
{
    const struct firmware *firmware = golden->opts->firmware;

    for (uint32_t at = PROTO_IMAGE_ADDRESS; at < firmware->text_end; at += 2) {
        if (firmware_is_primitive(firmware, at))
            *mark_at(golden, at) |= MARK_PRIMITIVE;
        else if (states_is_entry(golden->states, at))
            *mark_at(golden, at) |= MARK_FUNCTION;
    }
    *mark_at(golden, golden->compress) |= MARK_HOST;
    *mark_at(golden, golden->times) |= MARK_HOST;
    *mark_at(golden, golden->square) |= MARK_HOST;
    for (size_t i = 0;
         golden->opts->stops != NULL && i < RUN_STOPS && golden->opts->stops[i] != NULL; i++)
        *mark_at(golden, firmware_symbol(firmware, golden->opts->stops[i], NULL)) |= MARK_STOP;
}

bool golden_is_stop(const struct golden *golden, uint32_t pc)
{
    uint32_t place = (pc - PROTO_IMAGE_ADDRESS) / 2;

    return pc >= PROTO_IMAGE_ADDRESS && place < PLACES && (golden->marks[place] & MARK_STOP) != 0;
}

static void begin(struct golden *golden, const struct run_opts *opts)
{
    memset(golden, 0, sizeof(*golden));
    golden->opts = opts;
    golden->compress = firmware_symbol(opts->firmware, "br_sha2small_round", NULL);
    golden->multiply = firmware_symbol(opts->firmware, "api_mul", NULL);
    golden->add_twice = firmware_symbol(opts->firmware, "api_muladd", NULL);
    golden->times = firmware_symbol(opts->firmware, "mul_f256", NULL);
    golden->square = firmware_symbol(opts->firmware, "square_f256", NULL);
    golden->base = opts->start->cm0.instructions;
    golden->poked_at = UINT64_MAX;
    golden->draw = opts->seed;
    golden->drawn = calloc((size_t)opts->random_points + 1, sizeof(*golden->drawn));
    assert_non_null(golden->drawn);
    golden->states = states_new(opts->firmware, opts->start);
    set_marks(golden);
    for (size_t i = 0; i < RUN_RARELY && opts->rarely[i] != NULL; i++)
        (void)firmware_find(opts->firmware, opts->rarely[i], &golden->rare_at[i]);
}

/* At a primitive, and at a function of ours when some way has been gone. */
static void note_state(struct golden *golden, const struct sim_chip *chip)
{
    bool at_primitive = firmware_is_primitive(golden->opts->firmware, chip->cm0.r[15]);
    bool is_due = golden->own >= golden->state_at + STATE_STEPS;

    if (!at_primitive && (!is_due || !states_is_entry(golden->states, chip->cm0.r[15])))
        return;
    golden->state_at = golden->own;
    states_add(golden->states, chip, golden->poked_at != UINT64_MAX, STATE_UNDISTURBED);
}

void golden_record(struct golden *ret_golden, const struct run_opts *opts)
{
    static uint16_t seen[PLACES];
    struct golden *golden = ret_golden;
    struct sim_chip *chip = NULL;
    const char *why = "";
    uint32_t back = 0;

    memset(seen, 0, sizeof(seen));
    begin(golden, opts);
    assert_int_equal(sim_chip_fork(opts->start, &chip, NULL), BASE_OK);
    for (uint32_t i = 0; i < MAX_STEPS && !opts->done(opts->user, chip); i++) {
        if (opts->poke != NULL && golden->poked_at == UINT64_MAX && opts->poke(opts->user, chip))
            golden->poked_at = now(golden, chip);
        note_state(golden, chip);
        if (firmware_is_primitive(opts->firmware, chip->cm0.r[15])) {
            pass_primitive(golden, chip);
            note_call(golden);
            continue;
        }
        if (firmware_is_own(opts->firmware, chip->cm0.r[15]))
            note_points(golden, chip, seen, is_rare(golden, chip, &back));
        golden->own++;
        assert_true(golden_step(chip));
    }
    assert_true(opts->done(opts->user, chip));
    golden->instructions = now(golden, chip);
    if (opts->judge(opts->user, chip, &why) != VERDICT_HELD)
        fail_msg("the undisturbed run is not as it must be: %s", why);
    golden->end = chip;
    for (uint64_t i = 0; i < golden->left_out && i < opts->random_points; i++)
        add_point(golden, &golden->drawn[i]);
    draw_random(golden);
    qsort(golden->points, golden->point_count, sizeof(*golden->points), compare_points);
}

void golden_done(struct golden *golden)
{
    states_free(golden->states);
    sim_chip_free(golden->end);
    free(golden->entries);
    free(golden->points);
    free(golden->drawn);
}

bool golden_multiply(const struct golden *golden, struct sim_chip *chip)
{
    struct memo_inputs inputs;

    if (!read_inputs(golden, chip, &inputs))
        return false;
    for (size_t i = 0; i < golden->memo_count; i++) {
        const struct memo *memo = &golden->memos[i];

        if (memcmp(&inputs, &memo->inputs, sizeof(inputs)) != 0)
            continue;
        (void)sim_chip_test_write(chip, chip->cm0.r[0], memo->result, MEMO_POINT);
        sim_chip_test_set_reg(chip, SIM_AP_CM0, 0, memo->r0);
        sim_chip_test_set_reg(chip, SIM_AP_CM0, 15, chip->cm0.r[14] & ~1U);
        return true;
    }
    return false;
}

/* SHA-256's block function. */
static bool compress(struct sim_chip *chip)
{
    uint8_t block[64];
    uint8_t bytes[32];
    uint32_t state[8];
    uint32_t at = chip->cm0.r[1];

    if (at < SIM_RAM_BASE || (at & 3U) != 0 ||
        !sim_chip_test_read(chip, chip->cm0.r[0], block, sizeof(block)) ||
        !sim_chip_test_read(chip, at, bytes, sizeof(bytes)))
        return false;
    for (unsigned i = 0; i < 8; i++)
        state[i] = sim_mem_get32(bytes + 4 * i);
    sim_sha256_block(state, block);
    for (unsigned i = 0; i < 8; i++)
        sim_mem_put32(bytes + 4 * i, state[i]);
    return sim_chip_test_write(chip, at, bytes, sizeof(bytes));
}

static bool is_on_stack(const struct golden *golden, uint32_t address)
{
    const struct firmware *firmware = golden->opts->firmware;

    return address >= firmware->stack_bottom && (address & 3U) == 0 &&
           address <= firmware->stack_top - 4 * FIELD_WORDS;
}

/* False: not a number of the field. */
static bool read_number(const struct golden *golden, const struct sim_chip *chip, uint32_t address,
    uint32_t ret_words[FIELD_WORDS])
{
    const uint32_t image_end = PROTO_IMAGE_ADDRESS + 2 * PLACES;
    uint8_t bytes[4 * FIELD_WORDS];

    if ((!is_on_stack(golden, address) &&
            (address < PROTO_IMAGE_ADDRESS || address >= image_end || (address & 3U) != 0)) ||
        !sim_chip_test_read(chip, address, bytes, sizeof(bytes)))
        return false;
    for (unsigned i = 0; i < FIELD_WORDS; i++) {
        ret_words[i] = sim_mem_get32(bytes + 4 * i);
        if (ret_words[i] >= FIELD_WORD_END)
            return false;
    }
    return true;
}

/* The field's multiplication, r0 = r1 * r2, or squaring, r0 = r1 * r1. */
static bool multiply_in_field(const struct golden *golden, struct sim_chip *chip)
{
    const uint32_t *r = chip->cm0.r;
    uint32_t words[2][FIELD_WORDS];
    uint8_t bytes[4 * FIELD_WORDS];

    if (!is_on_stack(golden, r[0]) || !read_number(golden, chip, r[1], words[0]) ||
        !read_number(golden, chip, r[15] == golden->square ? r[1] : r[2], words[1]))
        return false;
    field_multiply(words[0], words[0], words[1]);
    for (unsigned i = 0; i < FIELD_WORDS; i++)
        sim_mem_put32(bytes + 4 * i, words[0][i]);
    return sim_chip_test_write(chip, r[0], bytes, sizeof(bytes));
}

bool golden_on_host(const struct golden *golden, struct sim_chip *chip)
{
    uint32_t pc = chip->cm0.r[15];

    if (!(pc == golden->compress ? compress(chip) : multiply_in_field(golden, chip)))
        return false;
    sim_chip_test_set_reg(chip, SIM_AP_CM0, 15, chip->cm0.r[14] & ~1U);
    return true;
}

struct sim_chip_test_marks golden_marks(const struct golden *golden)
{
    struct sim_chip_test_marks marks = { PROTO_IMAGE_ADDRESS, GOLDEN_PLACES, golden->marks };

    return marks;
}
