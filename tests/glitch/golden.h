/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GLITCH_GOLDEN_H
#define TESTS_GLITCH_GOLDEN_H

/** @file The undisturbed run: where it can be disturbed, and how it looks at each primitive. */

#include "device-fw/protocol/mailbox.h"
#include "sim/die.h"
#include "tests/glitch/run.h"
#include "tests/glitch/state.h"

#define GOLDEN_PLACES 0x8000U /* half-words of the image */

/* Marks of a place. */
#define MARK_PRIMITIVE 1U /* any instruction of one */
#define MARK_FUNCTION  2U /* first instruction of a function of ours */
#define MARK_HOST      4U /* first instruction of what the host can do */
#define MARK_STOP      8U /* first instruction of one of run_opts.stops */

enum kind {
    KIND_SKIP,
    KIND_BRANCH,
    KIND_CALL,
    KIND_RESULT,
    KIND_RANDOM,
    KIND_COUNT
};

struct point {
    uint64_t at; /**< instructions retired since the start */
    uint32_t pc;
    uint32_t call;   /**< primitive calls begun before */
    uint32_t pass;   /**< points are visited pass after pass */
    uint8_t kind;    /**< enum kind */
    uint8_t variant; /**< KIND_RESULT: 0 inverted, 1 complemented */
};

/** A primitive's call. */
struct entry {
    uint32_t pc;
    uint32_t back;  /**< lr */
    uint64_t at;    /**< instructions retired since the start, on entry */
    uint64_t after; /**< on return */
};

/** A scalar multiplication: r0 the point (in and out), r1 its length, r2 the number, r3 its length.
 * Or a sum of two, the second one of the generator: r0 the point, r1 NULL, r2 its length, r3 the
 * first number, on the stack its length, the second number and its length. */
#define MEMO_POINT  65U
#define MEMO_SCALAR 32U

struct memo_inputs {
    uint32_t pc;
    uint8_t point[MEMO_POINT];
    uint8_t scalar[2][MEMO_SCALAR];
};

struct memo {
    struct memo_inputs inputs;
    uint8_t result[MEMO_POINT];
    uint32_t r0;
};

struct golden {
    const struct run_opts *opts;
    struct point *points;
    size_t point_count;
    size_t point_room;
    struct entry *entries;
    size_t entry_count;
    size_t entry_room;
    struct memo memos[8];
    size_t memo_count;
    uint64_t instructions;
    uint64_t own;         /**< of our code */
    uint64_t poked_at;    /**< when the outside world acted; UINT64_MAX = never */
    uint64_t left_out;    /**< repetitions of run_opts.rarely, of which some are drawn */
    struct point *drawn;  /**< run_opts.random_points of them, or all */
    uint64_t draw;        /**< state of the draw */
    struct sim_chip *end; /**< the die after the run */
    uint64_t base;        /**< the core's counter at the start */
    uint32_t rare_at[RUN_RARELY];
    uint32_t multiply;  /**< address of the scalar multiplication */
    uint32_t add_twice; /**< of the sum of two */
    uint32_t compress;  /**< address of SHA-256's block function */
    uint32_t times;     /**< of the field's multiplication */
    uint32_t square;
    struct states *states;
    uint64_t state_at; /**< own instructions before the last state */
    uint8_t marks[GOLDEN_PLACES];
};

/** Run and record. Fails the running test when the scenario's verdict is not HELD. */
void golden_record(struct golden *ret_golden, const struct run_opts *opts);
void golden_done(struct golden *golden);

/** At the entry of a scalar multiplication with known inputs: do what it would do. */
bool golden_multiply(const struct golden *golden, struct sim_chip *chip);

/** At the entry of SHA-256's block function or of the field's multiplication: do what it would do.
 * False: its arguments are not what they always are. */
bool golden_on_host(const struct golden *golden, struct sim_chip *chip);

/** Where to stop. */
struct sim_chip_test_marks golden_marks(const struct golden *golden);

/** Does one of run_opts.stops begin here? */
bool golden_is_stop(const struct golden *golden, uint32_t pc);

/** One instruction further. False: it cannot be executed, and the processor is locked up. */
bool golden_step(struct sim_chip *chip);

/** The half-word at @p pc, and the instruction's length in bytes. */
uint32_t golden_instruction(const struct sim_chip *chip, uint32_t pc, uint32_t *ret_length);

/** A conditional branch at @p pc: true, and where it would not go now. */
bool golden_other_way(const struct sim_chip *chip, uint32_t pc, uint32_t *ret_target);

uint64_t golden_random(uint64_t *state);

#endif
