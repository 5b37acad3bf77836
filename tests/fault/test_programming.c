/* SPDX-License-Identifier: Apache-2.0 */

/**
 * @file
 * Programming one board with a two-row image while everything that can break does, once at every
 * place: the connection at every packet, the SWD wire at every single bit.
 *
 *     test_programming [--planted]
 *
 * What must hold each time: the run succeeds and flash holds the image, or it fails with a sentence
 * within three seconds after the fault; nothing outside the image's rows was erased or programmed,
 * no RAM outside the scratch area was changed; a second look tells truly what flash holds; and
 * doing it again succeeds. Faults of the connection and single bits are exhausted; a fault of
 * several bits can pass SWD's parity, so that with random errors writes elsewhere are counted, not
 * forbidden.
 *
 * Takes the time LPA_SECONDS says (default 35; 0 = every bit, however long). --planted lets the
 * programmer shrug off answers that fit nothing: the test must then fail.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "programmer/psoc6.h"
#include "sim/chip_test.h"
#include "tests/fault/rig.h"

/* RAM from RAM_SCRATCH to RAM_AFTER is the programmer's: programmer/psoc6_regs.h, psoc6_agent.c. */
#define FLASH            0x10000000U
#define IMAGE_BYTES      1000U /* two rows, the second one not full */
#define ROWS_END         (FLASH + 1024U)
#define RAM              0x08000000U
#define RAM_SCRATCH      0x3000U
#define RAM_AFTER        0x28000U
#define RAM_END          0x40000U
#define ABORT_US         3000000
#define SWD_BITS         46U
#define SLICE_WEIGHT     64U /* of a packet with many equal transfers, in the slice */
#define KINDS            20U
#define DEFAULT_TIME     35
#define RANDOM_TRANSFERS UINT64_C(1000000)

struct tally {
    const char *name;
    uint64_t cases, unreached, recovered, aborted, elsewhere, wrong;
    int64_t worst_us;
};

struct test {
    uint8_t image[IMAGE_BYTES];
    uint8_t ram[RAM_END]; /* after the run without faults */
    struct rig_tape tape;
    struct tally tallies[KINDS];
    unsigned kinds;
    bool planted;
    bool strays_allowed;
    unsigned shown;
    /* the case under way */
    struct tally *tally;
    char what[96];
    uint64_t strays;    /* flash operations outside the image's rows */
    uint64_t transfers; /* carried out with a fault planned */
};

static void complain(struct test *test, const char *sentence, const char *cause)
{
    test->tally->wrong++;
    if (test->shown++ < 20) {
        printf("%s: %s%s%s\n", test->what, sentence, cause[0] == '\0' ? "" : ": ", cause);
    }
}

/* ------------------------------------------------------------------------------------- one run */

static void on_flash(
    void *user, uint64_t operation, bool is_erase, uint32_t address, uint32_t length)
{
    struct test *test = user;
    (void)operation;
    (void)is_erase;
    if (address < FLASH || address + length > ROWS_END) {
        test->strays++;
    }
}

static enum base_status shrug(const struct test *test, enum base_status status)
{
    return test->planted && status == BASE_E_PROTO ? BASE_OK : status;
}

/* The whole job over one wire: open, acquire, program with its own verify. */
static enum base_status run_job(struct test *test, struct rig *rig, struct base_err *err)
{
    struct prg_segment segment = { FLASH, IMAGE_BYTES, test->image };
    const struct prg_image image = { .segments = &segment, .count = 1, .total_bytes = IMAGE_BYTES };
    const struct prg_link_opts opts = { .clock = &rig->clock };
    struct prg_wire wire = rig_wire(rig);
    struct prg_link *link = NULL;
    struct prg_psoc6 *chip = NULL;
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    enum prg_psoc6_change change = PRG_PSOC6_UNCHANGED;
    enum base_status status = prg_link_open_wire(&wire, &opts, &link, err);
    if (status == BASE_OK) {
        status = prg_psoc6_new(link, &chip, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_acquire(chip, NULL, &outcome, err);
    }
    if (status == BASE_OK && outcome != PRG_PSOC6_ACQUIRED) {
        status = base_err_set(err, BASE_E_TIMEOUT, "SWD", (int64_t)outcome,
            "the chip was not acquired (outcome %d)", (int)outcome);
    }
    if (status == BASE_OK) {
        status = shrug(test, prg_psoc6_program(chip, &image, NULL, NULL, &change, err));
    }
    prg_psoc6_free(chip);
    prg_link_close(link);
    return status;
}

static bool holds_image(const struct test *test, const struct rig *rig)
{
    uint8_t have[IMAGE_BYTES];
    return sim_chip_test_read(rig->board->chip, FLASH, have, sizeof(have)) &&
           memcmp(have, test->image, sizeof(have)) == 0;
}

static bool ram_untouched(const struct test *test, const struct rig *rig)
{
    static uint8_t have[RAM_END];
    return sim_chip_test_read(rig->board->chip, RAM, have, sizeof(have)) &&
           memcmp(have, test->ram, RAM_SCRATCH) == 0 &&
           memcmp(have + RAM_AFTER, test->ram + RAM_AFTER, RAM_END - RAM_AFTER) == 0;
}

/* What a host does after a failure: plug the probe again if it is gone, then look. */
static enum base_status look_again(
    struct test *test, struct rig *rig, bool *ret_same, struct base_err *err)
{
    struct prg_segment segment = { FLASH, IMAGE_BYTES, test->image };
    const struct prg_image image = { .segments = &segment, .count = 1, .total_bytes = IMAGE_BYTES };
    const struct prg_link_opts opts = { .clock = &rig->clock };
    struct prg_wire wire = rig_wire(rig);
    struct prg_link *link = NULL;
    struct prg_psoc6 *chip = NULL;
    enum base_status status = prg_link_open_wire(&wire, &opts, &link, err);
    if (status == BASE_OK) {
        status = prg_psoc6_new(link, &chip, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_attach(chip, 500, err);
    }
    if (status == BASE_OK) {
        struct base_err differs = { .status = BASE_OK };
        status = prg_psoc6_verify(chip, &image, NULL, NULL, &differs);
        *ret_same = status == BASE_OK;
        if (status == BASE_E_VERIFY) {
            status = BASE_OK;
        } else if (status != BASE_OK) {
            *err = differs;
        }
    }
    prg_psoc6_free(chip);
    prg_link_close(link);
    return status;
}

static void check_afterwards(struct test *test, struct rig *rig)
{
    struct base_err err = { .status = BASE_OK };
    bool same = false;
    sim_link_clear_faults(rig->link);
    sim_probe_clear_faults(rig->board->probe);
    if (sim_link_is_cut(rig->link)) {
        sim_link_reset(rig->link);
    }
    rig->most = 0;
    if (look_again(test, rig, &same, &err) != BASE_OK) {
        complain(test, "the state cannot be read afterwards", err.message);
        return;
    }
    if (same != holds_image(test, rig)) {
        complain(test, "the second look is wrong", "");
    }
    base_err_clear(&err);
    if (run_job(test, rig, &err) != BASE_OK) {
        complain(test, "doing it again fails", err.message);
    } else if (!holds_image(test, rig)) {
        complain(test, "doing it again leaves another image", "");
    }
}

static void judge(
    struct test *test, struct rig *rig, enum base_status status, const struct base_err *err)
{
    int64_t begin_us = rig->play->events[rig->live_from].after_us;
    int64_t spent_us = rig_now_us(rig) - begin_us;
    bool good = holds_image(test, rig);
    if (rig->broken) {
        complain(test, "the tape does not fit", "");
        return;
    }
    if (status == BASE_OK) {
        test->tally->recovered++;
        if (!good) {
            complain(test, "success, but flash does not hold the image", "");
        }
    } else {
        test->tally->aborted++;
        test->tally->worst_us = spent_us > test->tally->worst_us ? spent_us : test->tally->worst_us;
        if (strlen(err->message) < 10) {
            complain(test, "no sentence", "");
        }
        if (spent_us > ABORT_US) {
            complain(test, "more than 3 s until the end", err->message);
        }
    }
    if (rig->most > 0 && rig->requests > rig->most) {
        complain(test, "it does not come to an end", "");
    }
    if (test->strays > 0 || !ram_untouched(test, rig)) {
        test->tally->elsewhere++;
        if (!test->strays_allowed) {
            complain(test, "something was written elsewhere", err->message);
        }
    }
    check_afterwards(test, rig);
}

/* A run that begins at an event of the tape, with one fault. */
static void run_case(
    struct test *test, const struct rig *snapshot, size_t event, const struct sim_fault *fault)
{
    struct rig rig;
    struct base_err err = { .status = BASE_OK };
    struct sim_probe_stats stats;
    struct sim_probe_stats before;
    rig_fork(snapshot, &rig);
    sim_probe_get_stats(rig.board->probe, &before);
    rig.play = &test->tape;
    rig.live_from = event;
    rig.most = 20 * (uint64_t)test->tape.count + 1000;
    test->strays = 0;
    test->tally->cases++;
    sim_chip_test_on_flash(rig.board->chip, on_flash, test);
    if (sim_link_add_fault(rig.link, fault, &err) != BASE_OK) {
        complain(test, "the fault cannot be planned", err.message);
        rig_done(&rig);
        return;
    }
    enum base_status status = run_job(test, &rig, &err);
    sim_probe_get_stats(rig.board->probe, &stats);
    test->transfers += stats.transfers - before.transfers;
    if (fault->kind == SIM_FAULT_FLIP_BIT && stats.flipped_bits == 0) {
        test->tally->unreached++; /* a packet cut short by its acknowledge has fewer bits */
    }
    judge(test, &rig, status, &err);
    rig_done(&rig);
}

/* --------------------------------------------------------------------------------- the baseline */

static void fresh_rig(struct rig *rig)
{
    static const struct sim_board_opts fresh = {
        .chip = { .unique_id = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF },
            .trng_seed = 42 },
        .probe = { .packet_size = 512, .round_trip_us = SIM_PROBE_ROUND_TRIP_US },
    };
    struct sim_board *board = NULL;
    struct base_err err = { .status = BASE_OK };
    struct sim_link *link = NULL;
    if (sim_board_new(&fresh, &board, &err) != BASE_OK || (link = sim_link_new(board)) == NULL) {
        (void)fputs("no memory\n", stderr);
        exit(2);
    }
    rig_init(rig, board, link);
}

static void tape_the_run(struct test *test, const struct rig *fresh)
{
    struct rig rig;
    struct base_err err = { .status = BASE_OK };
    rig_fork(fresh, &rig);
    rig.record = &test->tape;
    sim_chip_test_on_flash(rig.board->chip, on_flash, test);
    bool planted = test->planted;
    test->planted = false;
    if (run_job(test, &rig, &err) != BASE_OK || !holds_image(test, &rig) || test->strays > 0 ||
        !sim_chip_test_read(rig.board->chip, RAM, test->ram, sizeof(test->ram))) {
        (void)fprintf(stderr, "the run without faults fails: %s\n", err.message);
        exit(2);
    }
    test->planted = planted;
    rig_done(&rig);
}

static struct tally *add_kind(struct test *test, const char *name)
{
    struct tally *tally = &test->tallies[test->kinds++];
    tally->name = name;
    return tally;
}

/* ------------------------------------------------------------------------ faults of the connection
 */

struct breakage {
    const char *name;
    enum sim_fault_kind kind;
    uint64_t amount;
};

static const struct breakage breakages[] = {
    { "disconnect before", SIM_FAULT_CUT_REQUEST, 0 },
    { "disconnect after", SIM_FAULT_CUT_REPLY, 0 },
    { "lost reply", SIM_FAULT_LOSE, 0 },
    { "stalled OUT", SIM_FAULT_STALL_OUT, 0 },
    { "stalled IN", SIM_FAULT_STALL_IN, 0 },
    { "short by all but one", SIM_FAULT_SHORT, 1 },
    { "short, three bytes", SIM_FAULT_SHORT, 3 },
    { "empty reply", SIM_FAULT_EMPTY, 0 },
    { "long by one", SIM_FAULT_LONG, 1 },
    { "duplicate reply", SIM_FAULT_DUPLICATE, 0 },
    { "late by 50 ms", SIM_FAULT_LATE, 50 },
    { "late by 1500 ms", SIM_FAULT_LATE, 1500 },
    { "stale reply", SIM_FAULT_STALE, 0 },
    { "swapped replies", SIM_FAULT_SWAP, 0 },
    { "wrong command id", SIM_FAULT_WRONG_ID, 0 },
    { "not taken for 50 ms", SIM_FAULT_NAK, 50 },
};

#define BREAKAGES (sizeof(breakages) / sizeof(breakages[0]))

static void break_connection(struct test *test, const struct rig *fresh)
{
    struct rig snapshot;
    unsigned packet = 0;
    struct tally *first = &test->tallies[test->kinds];
    for (size_t i = 0; i < BREAKAGES; i++) {
        (void)add_kind(test, breakages[i].name);
    }
    rig_fork(fresh, &snapshot);
    for (size_t event = 0; event < test->tape.count; event++) {
        if (test->tape.events[event].is_submit) {
            packet++;
            for (size_t i = 0; i < BREAKAGES; i++) {
                const struct sim_fault fault = {
                    .kind = breakages[i].kind, .number = 1, .amount = breakages[i].amount
                };
                test->tally = &first[i];
                (void)snprintf(
                    test->what, sizeof(test->what), "packet %u, %s", packet, breakages[i].name);
                run_case(test, &snapshot, event, &fault);
            }
        }
        rig_repeat(&snapshot, &test->tape, event);
    }
    rig_done(&snapshot);
}

/* ------------------------------------------------------------------------------- flipped bits */

static uint64_t weight_of(const struct rig_event *event, bool all)
{
    uint64_t transfers = event->is_submit ? event->transfers : 0;
    return all || transfers < SLICE_WEIGHT ? transfers : SLICE_WEIGHT;
}

/* Bits of one packet's transfers in a scattered order, all of them or until the time is over. */
static void flip_in_packet(
    struct test *test, const struct rig *snapshot, size_t event, int64_t end_us)
{
    uint64_t total = test->tape.events[event].transfers * SWD_BITS;
    uint64_t step = 0x9E3779B1U; /* a prime: coprime to every total that it does not divide */
    step = total % step == 0 ? 1 : step;
    for (uint64_t i = 0, at = event % total; i < total; i++, at = (at + step) % total) {
        const struct sim_fault fault = {
            .kind = SIM_FAULT_FLIP_BIT, .number = at / SWD_BITS + 1, .amount = at % SWD_BITS
        };
        if (i > 0 && end_us != 0 && base_clock_mono_us(base_clock_system()) >= end_us) {
            return;
        }
        (void)snprintf(test->what, sizeof(test->what),
            "event %zu, transfer %" PRIu64 ", bit %" PRIu64, event, fault.number, fault.amount);
        run_case(test, snapshot, event, &fault);
    }
}

/* @p budget_us 0 = all. */
static uint64_t flip_bits(struct test *test, const struct rig *fresh, int64_t budget_us)
{
    struct rig snapshot;
    int64_t begin_us = base_clock_mono_us(base_clock_system());
    uint64_t weight = 0;
    uint64_t total = 0;
    uint64_t before = 0;
    for (size_t event = 0; event < test->tape.count; event++) {
        weight += weight_of(&test->tape.events[event], budget_us == 0);
        total += test->tape.events[event].transfers * SWD_BITS;
    }
    test->tally = add_kind(test, "one flipped bit");
    rig_fork(fresh, &snapshot);
    for (size_t event = 0; event < test->tape.count; event++) {
        before += weight_of(&test->tape.events[event], budget_us == 0);
        if (test->tape.events[event].transfers > 0) {
            int64_t share_us =
                budget_us == 0 ? 0 : begin_us + budget_us * (int64_t)before / (int64_t)weight;
            flip_in_packet(test, &snapshot, event, share_us);
        }
        rig_repeat(&snapshot, &test->tape, event);
    }
    rig_done(&snapshot);
    return total;
}

/* -------------------------------------------------------------------------------- random errors */

/* Runs with a bit error rate on the wire, until that many transfers were tried or time is over. */
static void random_errors(struct test *test, const struct rig *fresh, const char *name,
    uint64_t per_billion, uint64_t least, int64_t end_us)
{
    test->tally = add_kind(test, name);
    test->strays_allowed = true;
    test->transfers = 0;
    for (uint64_t seed = 1; test->transfers < least; seed++) {
        const struct sim_fault fault = {
            .kind = SIM_FAULT_BIT_ERRORS, .number = per_billion, .amount = seed
        };
        if (end_us != 0 && seed > 1 && base_clock_mono_us(base_clock_system()) >= end_us) {
            break;
        }
        (void)snprintf(test->what, sizeof(test->what), "%s, seed %" PRIu64, name, seed);
        run_case(test, fresh, 0, &fault);
    }
    test->strays_allowed = false;
    printf("%s: %" PRIu64 " of %" PRIu64 " transfers\n", name, test->transfers, least);
}

/* ---------------------------------------------------------------------------------------- report
 */

static uint64_t report(const struct test *test)
{
    uint64_t wrong = 0;
    printf("%-24s %9s %9s %9s %10s %9s %9s\n", "fault", "cases", "recovered", "aborted",
        "worst (ms)", "elsewhere", "wrong");
    for (unsigned i = 0; i < test->kinds; i++) {
        const struct tally *tally = &test->tallies[i];
        printf("%-24s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10.1f %9" PRIu64 " %9" PRIu64 "\n",
            tally->name, tally->cases, tally->recovered, tally->aborted,
            (double)tally->worst_us / 1000.0, tally->elsewhere, tally->wrong);
        wrong += tally->wrong;
    }
    return wrong;
}

static void break_wire(struct test *test, const struct rig *fresh, int64_t budget_us)
{
    static const struct {
        const char *name;
        uint64_t per_billion;
    } rates[] = { { "bit errors, 1e-5", 10000 }, { "bit errors, 1e-4", 100000 },
        { "bit errors, 1e-3", 1000000 } };

    /* A budget that is used up already still gets a second for each. */
    bool all = budget_us == 0;
    int64_t share_us = budget_us / 10 < 500000 ? 500000 : budget_us / 10;
    uint64_t total = flip_bits(test, fresh, all ? 0 : 7 * share_us);
    printf("flipped bits: %" PRIu64 " of %" PRIu64 "\n", test->tally->cases, total);
    for (unsigned i = 0; i < 3; i++) {
        int64_t now_us = base_clock_mono_us(base_clock_system());
        random_errors(test, fresh, rates[i].name, rates[i].per_billion, RANDOM_TRANSFERS / 3 + 1,
            all ? 0 : now_us + share_us);
    }
}

int main(int argc, char **argv)
{
    static struct test test;
    struct rig fresh;
    const char *text = getenv("LPA_SECONDS");
    int64_t seconds = text == NULL ? DEFAULT_TIME : strtol(text, NULL, 10);
    test.planted = argc > 1 && strcmp(argv[1], "--planted") == 0;
    for (unsigned i = 0; i < IMAGE_BYTES; i++) {
        test.image[i] = (uint8_t)(i * 7 + 1);
    }
    fresh_rig(&fresh);
    tape_the_run(&test, &fresh);
    int64_t begin_us = base_clock_mono_us(base_clock_system());
    break_connection(&test, &fresh);
    int64_t spent_us = base_clock_mono_us(base_clock_system()) - begin_us;
    printf("connection: %.1f s\n", (double)spent_us / 1e6);
    if (!test.planted) {
        break_wire(&test, &fresh, seconds == 0 ? 0 : seconds * 1000000 - spent_us);
    }
    uint64_t wrong = report(&test);
    rig_tape_done(&test.tape);
    rig_done(&fresh);
    printf("%s\n", wrong == 0 ? "ok" : "FAIL");
    return wrong == 0 ? 0 : 1;
}
