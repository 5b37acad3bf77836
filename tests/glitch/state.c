/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/glitch/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device-fw/protocol/layout.h"
#include "sim/core_int.h"

#define SRAM_AT      (0x08010000U - SIM_RAM_BASE)
#define SRAM_SIZE    0x8000U
#define PAGE         256U
#define BIG_PAGE     4096U
#define SRAM_PAGES   (SRAM_SIZE / PAGE)
#define RAM_PAGES    ((SIM_RAM_SIZE - SRAM_SIZE) / BIG_PAGE)
#define FLASH_PAGES  (SIM_FLASH_SIZE / BIG_PAGE)
#define WORK_PAGES   (SIM_WORK_SIZE / BIG_PAGE)
#define SFLASH_PAGES (SIM_SFLASH_SIZE / BIG_PAGE)
#define NVM_PAGES    (FLASH_PAGES + WORK_PAGES + SFLASH_PAGES + 1U) /* and the fuses */
#define PLACES       (SRAM_PAGES + RAM_PAGES + NVM_PAGES + 6U)
#define BUCKETS      0x40000U
#define NONE         UINT32_MAX
#define ALIKE_MAX    32U /* states of one processor's state that differ elsewhere */
#define MEMORY_MAX   ((size_t)384 << 20)
#define CODE_PLACES  0x8000U /* half-words of the image */

/* Bytes that were found somewhere, kept once. */
struct content {
    uint64_t hash;
    uint8_t *bytes;
    uint32_t length;
    uint32_t next;
};

struct state {
    uint64_t key; /* of the processor */
    uint32_t parts[6];
    uint32_t owner;
    uint32_t next;
};

struct states {
    const struct firmware *firmware;
    const struct sim_chip *start;
    uint64_t start_operations;
    uint32_t start_nvm;
    bool entries[CODE_PLACES];
    struct content *contents;
    uint32_t content_count;
    uint32_t content_room;
    uint32_t content_buckets[BUCKETS];
    struct state *states;
    uint32_t state_count;
    uint32_t state_room;
    uint32_t state_buckets[BUCKETS];
    size_t memory;
    uint32_t kept_contents; /* those of the undisturbed run */
    uint32_t kept_states;
    uint32_t last[PLACES]; /* the content last seen at a place */
};

/* What of a processor decides. */
struct processor {
    uint32_t r[16];
    uint32_t flags;
    uint32_t banked_sp;
    uint32_t ipsr;
    uint32_t scr;
    uint64_t pending;
    uint64_t active;
    uint64_t irq_level;
    uint64_t irq_enabled;
    uint32_t vtor;
    uint32_t attention;
    uint32_t systick_ctrl;
    uint32_t systick_load;
    uint32_t mpu_ctrl;
    uint32_t mpu_rnr;
    struct sim_mpu_region mpu[SIM_MPU_REGIONS];
    uint8_t priority[SIM_EXC_COUNT];
    bool thumb;
    bool sp_is_psp;
    bool unprivileged;
    bool primask;
    bool event;
    bool outside;
    bool powered;
    uint8_t boot;
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t length)
{
    uint64_t lanes[4] = { length, 1, 2, 3 };
    uint64_t words[4];
    size_t at = 0;

    for (; length - at >= sizeof(words); at += sizeof(words)) {
        memcpy(words, bytes + at, sizeof(words));
        for (unsigned i = 0; i < 4; i++)
            lanes[i] = mix(lanes[i], words[i]);
    }
    for (; at < length; at++)
        lanes[0] = mix(lanes[0], bytes[at]);
    return mix(mix(lanes[0], lanes[1]), mix(lanes[2], lanes[3]));
}

static void *grow(void *array, uint32_t count, uint32_t *room, size_t size)
{
    void *bigger = array;

    if (count < *room)
        return array;
    *room = *room == 0 ? 1024 : *room * 2;
    bigger = realloc(array, *room * size);
    assert_non_null(bigger);
    return bigger;
}

static uint32_t keep(struct states *states, uint64_t hash, const void *bytes, uint32_t length)
{
    uint32_t *bucket = &states->content_buckets[hash % BUCKETS];
    struct content content = { .hash = hash, .length = length, .next = *bucket };

    content.bytes = malloc(length);
    assert_non_null(content.bytes);
    memcpy(content.bytes, bytes, length);
    states->memory += length + sizeof(content);
    states->contents =
        grow(states->contents, states->content_count, &states->content_room, sizeof(content));
    *bucket = states->content_count;
    states->contents[states->content_count] = content;
    return states->content_count++;
}

/* Number of these bytes: the same for the same bytes. NONE: not known and not to be kept. */
static uint32_t number(
    struct states *states, unsigned place, const void *bytes, uint32_t length, bool keeps)
{
    uint32_t last = states->last[place];
    uint64_t hash;

    if (last != NONE && states->contents[last].length == length &&
        memcmp(states->contents[last].bytes, bytes, length) == 0)
        return last;
    hash = hash_bytes(bytes, length);
    for (uint32_t i = states->content_buckets[hash % BUCKETS]; i != NONE;
         i = states->contents[i].next) {
        const struct content *content = &states->contents[i];

        if (content->hash == hash && content->length == length &&
            memcmp(content->bytes, bytes, length) == 0)
            return states->last[place] = i;
    }
    if (!keeps)
        return NONE;
    return states->last[place] = keep(states, hash, bytes, length);
}

static void describe(struct processor *ret, const struct sim_core *core)
{
    memset(ret, 0, sizeof(*ret)); /* the gaps too */
    memcpy(ret->r, core->r, sizeof(ret->r));
    ret->flags = sim_core_xpsr(core) & 0xF0000000U;
    ret->banked_sp = core->banked_sp;
    ret->ipsr = core->ipsr;
    ret->scr = core->scr;
    ret->pending = core->pending;
    ret->active = core->active;
    ret->irq_level = core->irq_level;
    ret->irq_enabled = core->irq_enabled;
    ret->vtor = core->vtor;
    ret->attention = core->attention & ~(SIM_ATTENTION_STOP | SIM_ATTENTION_YIELD);
    ret->systick_ctrl = core->systick_ctrl & 7U; /* without COUNTFLAG */
    ret->systick_load = core->systick_load;
    ret->mpu_ctrl = core->mpu_ctrl;
    ret->mpu_rnr = core->mpu_rnr;
    memcpy(ret->mpu, core->mpu, sizeof(ret->mpu));
    memcpy(ret->priority, core->priority, sizeof(ret->priority));
    ret->thumb = core->thumb;
    ret->sp_is_psp = core->sp_is_psp;
    ret->unprivileged = core->unprivileged;
    ret->primask = core->primask;
    ret->event = core->event;
}

static uint64_t key_of(const struct sim_chip *chip, bool outside)
{
    const uint32_t *r = chip->cm0.r;
    uint64_t hash = mix(outside, (uint64_t)r[13] << 32 | r[14]);

    for (unsigned i = 0; i < 12; i += 2)
        hash = mix(hash, (uint64_t)r[i] << 32 | r[i + 1]);
    return mix(hash, r[15]);
}

static bool has_state(const struct sim_chip *chip)
{
    if (chip->call.active || chip->flash_op.active || !sim_core_idle(&chip->cm4) ||
        chip->reset_due || chip->cm4_reset_due)
        return false;
    for (unsigned i = 0; i < SIM_EVENT_COUNT; i++) {
        if (chip->event_ps[i] != SIM_NEVER)
            return false;
    }
    return true;
}

/* Numbers of a list of pages, and the number of that list. */
struct list {
    uint32_t numbers[NVM_PAGES];
    uint32_t count;
};

static bool list_add(struct states *states, struct list *list, unsigned *place,
    const uint8_t *bytes, uint32_t length, bool keeps)
{
    uint32_t found = number(states, (*place)++, bytes, length, keeps);

    list->numbers[list->count++] = found;
    return found != NONE;
}

static uint32_t list_end(struct states *states, struct list *list, unsigned place, bool keeps)
{
    return number(
        states, place, list->numbers, list->count * (uint32_t)sizeof(list->numbers[0]), keeps);
}

/* The device's own part of the RAM, the dead stack as zeros. */
static uint32_t number_sram(struct states *states, const struct sim_chip *chip, bool keeps)
{
    uint32_t low = states->firmware->stack_bottom - SIM_RAM_BASE - SRAM_AT;
    uint32_t sp = chip->cm0.r[13] - SIM_RAM_BASE - SRAM_AT;
    uint32_t top = states->firmware->stack_top - SIM_RAM_BASE - SRAM_AT;
    struct list list = { .count = 0 };
    unsigned place = 0;

    if (sp < low || sp > top)
        sp = low;
    for (uint32_t at = 0; at < SRAM_SIZE; at += PAGE) {
        uint8_t page[PAGE];

        memcpy(page, chip->ram + SRAM_AT + at, PAGE);
        if (at + PAGE > low && at < sp) {
            uint32_t from = at < low ? low - at : 0;
            uint32_t to = at + PAGE > sp ? sp - at : PAGE;

            memset(page + from, 0, to - from);
        }
        if (!list_add(states, &list, &place, page, PAGE, keeps))
            return NONE;
    }
    return list_end(states, &list, PLACES - 1, keeps);
}

static bool add_pages(struct states *states, struct list *list, unsigned *place,
    const uint8_t *bytes, uint32_t length, bool keeps)
{
    for (uint32_t at = 0; at < length; at += BIG_PAGE) {
        if (!list_add(states, list, place, bytes + at, BIG_PAGE, keeps))
            return false;
    }
    return true;
}

static uint32_t number_ram(struct states *states, const struct sim_chip *chip, bool keeps)
{
    struct list list = { .count = 0 };
    unsigned place = SRAM_PAGES;
    const uint32_t after = SRAM_AT + SRAM_SIZE;

    if (!add_pages(states, &list, &place, chip->ram, SRAM_AT, keeps) ||
        !add_pages(states, &list, &place, chip->ram + after, SIM_RAM_SIZE - after, keeps))
        return NONE;
    return list_end(states, &list, PLACES - 2, keeps);
}

static uint32_t number_nvm(struct states *states, const struct sim_chip *chip, bool keeps)
{
    struct list list = { .count = 0 };
    unsigned place = SRAM_PAGES + RAM_PAGES;

    if (states->start_nvm != NONE && chip->flash_op_count == states->start_operations)
        return states->start_nvm; /* nothing has changed it */
    if (!add_pages(states, &list, &place, chip->nvm.flash, SIM_FLASH_SIZE, keeps) ||
        !add_pages(states, &list, &place, chip->nvm.work, SIM_WORK_SIZE, keeps) ||
        !add_pages(states, &list, &place, chip->nvm.sflash, SIM_SFLASH_SIZE, keeps) ||
        !list_add(states, &list, &place, chip->nvm.efuse, SIM_EFUSE_BYTES, keeps))
        return NONE;
    return list_end(states, &list, PLACES - 3, keeps);
}

static uint32_t number_cores(
    struct states *states, const struct sim_chip *chip, bool outside, bool keeps)
{
    struct processor processors[2];

    describe(&processors[0], &chip->cm0);
    describe(&processors[1], &chip->cm4);
    if (states_is_entry(states, chip->cm0.r[15])) {
        processors[0].r[12] = 0;
        processors[0].flags = 0;
    }
    processors[0].outside = outside;
    processors[0].powered = chip->powered;
    processors[0].boot = (uint8_t)chip->boot;
    return number(states, PLACES - 4, processors, sizeof(processors), keeps);
}

/* False: there is no state, or one part is not known (and not to be kept). */
static bool take(struct states *states, const struct sim_chip *chip, bool outside, bool keeps,
    struct state *ret_state)
{
    uint32_t *parts = ret_state->parts;

    return has_state(chip) && (parts[0] = number_cores(states, chip, outside, keeps)) != NONE &&
           (parts[3] = number_sram(states, chip, keeps)) != NONE &&
           (parts[1] = number(states, PLACES - 5, &chip->regs, sizeof(chip->regs), keeps)) !=
               NONE &&
           (parts[2] = number(states, PLACES - 6, &chip->crypto, sizeof(chip->crypto), keeps)) !=
               NONE &&
           (parts[4] = number_ram(states, chip, keeps)) != NONE &&
           (parts[5] = number_nvm(states, chip, keeps)) != NONE;
}

static void mark_entries(struct states *states)
{
    for (uint32_t i = 0; i < states->firmware->symtab_count; i++) {
        uint32_t address = firmware_function(states->firmware, i);

        if (address >= PROTO_IMAGE_ADDRESS && (address - PROTO_IMAGE_ADDRESS) / 2 < CODE_PLACES)
            states->entries[(address - PROTO_IMAGE_ADDRESS) / 2] = true;
    }
}

struct states *states_new(const struct firmware *firmware, const struct sim_chip *start)
{
    struct states *states = calloc(1, sizeof(*states));

    assert_non_null(states);
    states->firmware = firmware;
    states->start = start;
    memset(states->content_buckets, 0xFF, sizeof(states->content_buckets));
    memset(states->state_buckets, 0xFF, sizeof(states->state_buckets));
    memset(states->last, 0xFF, sizeof(states->last));
    mark_entries(states);
    states->start_operations = start->flash_op_count;
    states->start_nvm = NONE;
    states->start_nvm = number_nvm(states, start, true);
    return states;
}

void states_free(struct states *states)
{
    if (states == NULL)
        return;
    for (uint32_t i = 0; i < states->content_count; i++)
        free(states->contents[i].bytes);
    free(states->contents);
    free(states->states);
    free(states);
}

bool states_is_entry(const struct states *states, uint32_t pc)
{
    uint32_t place = (pc - PROTO_IMAGE_ADDRESS) / 2;

    return pc >= PROTO_IMAGE_ADDRESS && place < CODE_PLACES && states->entries[place];
}

enum states_found states_find(
    struct states *states, const struct sim_chip *chip, bool outside, uint32_t *ret_owner)
{
    uint64_t key = key_of(chip, outside);
    struct state sought;
    bool taken = false;

    for (uint32_t i = states->state_buckets[key % BUCKETS]; i != NONE; i = states->states[i].next) {
        const struct state *state = &states->states[i];

        if (state->key != key)
            continue;
        if (!taken && !take(states, chip, outside, false, &sought))
            return STATES_ALIKE;
        taken = true;
        if (memcmp(sought.parts, state->parts, sizeof(sought.parts)) == 0) {
            *ret_owner = state->owner;
            return STATES_SAME;
        }
    }
    return taken ? STATES_ALIKE : STATES_NONE;
}

/* Only what the undisturbed run brought. */
static void forget(struct states *states)
{
    for (uint32_t i = states->kept_contents; i < states->content_count; i++) {
        states->memory -= states->contents[i].length + sizeof(struct content);
        free(states->contents[i].bytes);
    }
    states->content_count = states->kept_contents;
    states->memory -= (states->state_count - states->kept_states) * sizeof(struct state);
    states->state_count = states->kept_states;
    memset(states->content_buckets, 0xFF, sizeof(states->content_buckets));
    memset(states->state_buckets, 0xFF, sizeof(states->state_buckets));
    memset(states->last, 0xFF, sizeof(states->last));
    for (uint32_t i = 0; i < states->content_count; i++) {
        uint32_t *bucket = &states->content_buckets[states->contents[i].hash % BUCKETS];

        states->contents[i].next = *bucket;
        *bucket = i;
    }
    for (uint32_t i = 0; i < states->state_count; i++) {
        uint32_t *bucket = &states->state_buckets[states->states[i].key % BUCKETS];

        states->states[i].next = *bucket;
        *bucket = i;
    }
}

static bool is_crowded(const struct states *states, uint64_t key)
{
    unsigned alike = 0;

    for (uint32_t i = states->state_buckets[key % BUCKETS]; i != NONE && alike < ALIKE_MAX;
         i = states->states[i].next)
        alike += states->states[i].key == key;
    return alike == ALIKE_MAX;
}

void states_add(struct states *states, const struct sim_chip *chip, bool outside, uint32_t owner)
{
    struct state state = { .key = key_of(chip, outside), .owner = owner };
    uint32_t *bucket = &states->state_buckets[state.key % BUCKETS];

    if (states->memory > MEMORY_MAX && owner != STATE_UNDISTURBED)
        forget(states);
    if (owner != STATE_UNDISTURBED && is_crowded(states, state.key))
        return;
    if (!take(states, chip, outside, true, &state))
        return;
    state.next = *bucket;
    states->states = grow(states->states, states->state_count, &states->state_room, sizeof(state));
    *bucket = states->state_count;
    states->states[states->state_count++] = state;
    states->memory += sizeof(state);
    if (owner == STATE_UNDISTURBED) {
        states->kept_contents = states->content_count;
        states->kept_states = states->state_count;
    }
}
