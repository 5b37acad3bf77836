/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_GLITCH_LAB_H
#define TESTS_GLITCH_LAB_H

/** @file The board that is disturbed, what is known of it, and the scenarios. */

#include "device-fw/protocol/messages.h"
#include "device-fw/services/message.h"
#include "tests/glitch/run.h"
#include "tests/unit/device-fw/app_board.h"

#define LAB_OLD_KEY 0x41
#define LAB_NEW_KEY 0x5A
/** Where the second core's message lies. */
#define LAB_MESSAGE (SVC_SHARED_BASE + 0x1000U)

struct lab {
    struct firmware firmware;
    struct app_board app;
    struct board board; /* that of app */
    struct proto_statement statement;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
    uint8_t receipt_key[PROTO_HASH_SIZE];
    uint8_t old_receipt_key[PROTO_HASH_SIZE]; /**< of what scenario_install() put there */
    uint8_t old_home[PROTO_VAULT_HOME_SIZE];
    uint8_t run_home[PROTO_VAULT_HOME_SIZE]; /* after the command run, which anybody may give */
    uint64_t cm4_steps;                      /* before */
};

/** The one that the test has. */
extern struct lab lab;

struct scenario {
    const char *name;
    bool is_blank; /* no identity, no keys */
    void (*setup)(void);
    void (*begin)(void); /* NULL: setup has begun it */
    run_judge_fn judge;
    run_done_fn done;
    run_poke_fn poke;
};

/** NULL: there is none of that name. */
const struct scenario *scenario_find(const char *name);

/** Keys of version 1. */
void scenario_install(uint32_t key_version);

/* ---- judge.c ---- */
bool judge_is_answered(void *user, const struct sim_chip *chip);
bool judge_is_served(void *user, const struct sim_chip *chip);
bool judge_is_asleep(void *user, const struct sim_chip *chip);
/** The record must be the one from before. */
enum verdict judge_refused(void *user, const struct sim_chip *chip, const char **ret_why);
/** Old or new as a whole, and no receipt without the new one. */
enum verdict judge_commit(void *user, const struct sim_chip *chip, const char **ret_why);
/** Locked or as before, and no lock answer unless locked. */
enum verdict judge_lock(void *user, const struct sim_chip *chip, const char **ret_why);
/** As before or forgotten as a whole, and told so only when both homes are. */
enum verdict judge_forget(void *user, const struct sim_chip *chip, const char **ret_why);
/** No record may come to be. */
enum verdict judge_no_identity(void *user, const struct sim_chip *chip, const char **ret_why);
/** No access port may be enabled. */
enum verdict judge_shut(void *user, const struct sim_chip *chip, const char **ret_why);
/** The CM4 is off and the record names no other application than before. */
enum verdict judge_not_started(void *user, const struct sim_chip *chip, const char **ret_why);
/** The record from before, but for what a counter's write may change. */
enum verdict judge_counters(void *user, const struct sim_chip *chip, const char **ret_why);
/** The record from before, and no join-accept called good. */
enum verdict judge_not_joined(void *user, const struct sim_chip *chip, const char **ret_why);
/** Eight bytes of a secret in this memory, at most 64 KiB. */
bool judge_leaks(const struct sim_chip *chip, uint32_t base, uint32_t end);
/** Four bytes of one in r0 … r12 of the CM0+. */
bool judge_leaks_registers(const struct sim_chip *chip);
void judge_read_home(
    const struct sim_chip *chip, unsigned home, uint8_t ret_row[PROTO_VAULT_HOME_SIZE]);
uint64_t judge_cm4_steps(const struct sim_chip *chip);

/* ---- layer.c ---- */

/** Functions at whose entry the layer has been interrupted: for run_opts.stops. */
extern const char *const layer_stops[RUN_STOPS];
/** The layer has done what it was told, or its code runs and is not held. */
bool layer_is_over(void *user, const struct sim_chip *chip);
/** Held, nothing secret in its reach, and the record from before. */
enum verdict layer_judge(void *user, const struct sim_chip *chip, const char **ret_why);
/** The same, and DevNonces may be used up. */
enum verdict layer_judge_call(void *user, const struct sim_chip *chip, const char **ret_why);
/** The application is verified; the layer is started next. */
void layer_setup_start(void);
/** The layer runs and waits for a command. */
void layer_setup(void);
void layer_ask_to_join(void);
void layer_give_envelope(void);
bool layer_park(void *user, struct sim_chip *chip);

#endif
