/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_LPA_FACTORY_H
#define TESTS_UNIT_LPA_FACTORY_H

/**
 * @file
 * A factory in memory: chips, sockets, a KMS, journals and a log, with faults at every call. No
 * cryptography: what matters here is the order of steps and what survives.
 */

#include "base/random.h"
#include "lpa/job.h"

#define FACTORY_CHIPS  3U
#define FACTORY_GRANTS 16U
#define FACTORY_FUSES  3U /**< steps of a chip's fuses before the last one */

enum fault {
    FAULT_NONE,
    FAULT_LOST_REQUEST, /**< nothing happens, the caller gets an error */
    FAULT_LOST_REPLY,   /**< it happens, the caller gets an error */
    FAULT_KILL_BEFORE,  /**< the station dies before it happens */
    FAULT_KILL_AFTER,   /**< the station dies after it happened */
    FAULT_POWER_BEFORE, /**< the station loses power before it happens, and what was only noted */
    FAULT_POWER_AFTER,  /**< the same after it happened */
    FAULT_SWAP,         /**< somebody puts another board in, then it happens */
    FAULT_COUNT,
};

struct chip {
    uint8_t id[8];
    uint8_t key[65];
    uint8_t nonce[16];
    uint32_t nonce_no;
    bool application;   /**< the lot's lies whole in flash */
    bool cannot_forget; /**< its bootloader does not know that command */
    bool image, running, old_bootloader, mute, dead_flash, wrong_family;
    enum proto_vault_state vault;
    uint32_t key_version;
    uint8_t envelope_id[16]; /**< of the installed grant */
    uint8_t receipt[PROTO_RECEIPT_SIZE];
    bool key_row;   /**< public key and table of contents are in place */
    unsigned fuses; /**< 0 … FACTORY_FUSES */
    bool sealed;    /**< the last fuse is blown: nothing but the mailbox */
    bool locked;    /**< told to open the port no more */
    bool dark;      /**< and reset since: nothing answers but the debug port */
};

enum grant_state {
    GRANT_OPEN = 1,
    GRANT_CONFIRMED,
    GRANT_SCRAPPED,
    GRANT_SUPERSEDED,
};

struct grant {
    enum grant_state state;
    char lot[AUTH_ID_SIZE];
    uint8_t chip_id[8];
    uint8_t key[65];
    uint8_t nonce[16];
    uint8_t envelope_id[16];
    uint8_t dev_eui[8];
    uint32_t key_version;
    uint8_t envelope[PROTO_ENVELOPE_SIZE];
};

struct factory {
    struct base_random_seeded random;
    struct chip chips[FACTORY_CHIPS];
    size_t socket; /**< board in the fixture */
    /* KMS */
    struct grant grants[FACTORY_GRANTS];
    size_t grant_count;
    struct grant wipes[FACTORY_CHIPS]; /**< state: open, confirmed; 0: none */
    uint32_t wipes_made;
    uint32_t dev_euis, allowance;
    bool rework[FACTORY_CHIPS], zeroise[FACTORY_CHIPS];
    bool no_confirmation; /**< the KMS gives none for a wiped board's receipt */
    bool no_idempotency, asked_without_intent, registered[FACTORY_CHIPS];
    bool kms_locked[FACTORY_CHIPS], kms_settled[FACTORY_CHIPS], revoked;
    struct lpa_permit permit;
    /* stations: the one that provisions, the one that personalises */
    struct lpa_unit rows[FACTORY_CHIPS], personal_rows[FACTORY_CHIPS];
    bool have_row[FACTORY_CHIPS], have_personal_row[FACTORY_CHIPS];
    /* the row that was noted last and not made durable since, as it was before */
    bool noted, had_row;
    size_t noted_chip;
    struct lpa_unit noted_row;
    enum lpa_stage stage;
    bool log_full, killed, no_swap;
    enum lpa_event_id announced; /**< last intent that was cosigned */
    size_t announced_chip;
    const char *broken; /**< first act that was done out of turn */
    uint32_t records, intents, programs, applications;
    char last_intent[65];
    /* faults */
    uint32_t budget;   /**< random faults still to come */
    uint32_t every;    /**< about one in so many calls */
    uint64_t calls;    /**< calls made */
    uint64_t fault_at; /**< call that is hit, 0 = none */
    enum fault fault;  /**< what hits it */
    int64_t now_us;
    struct base_clock clock;
    struct auth_lot lot;
    struct lpa_job_io io;
};

void factory_init(struct factory *factory, uint64_t seed);

/** An attested lot that restricts and locks. */
void factory_init_attested(struct factory *factory, uint64_t seed);

/** A journal that makes nothing durable: the planted bug that the faults must find. */
extern const struct lpa_journal_ops factory_lazy_journal_ops;

/** The journal row of a chip at the station at work, and whether there is one. */
struct lpa_unit *factory_row(struct factory *factory, size_t chip, bool **ret_have);

/** Work the board in the socket once, like a process that may be killed. */
enum lpa_job_next factory_run(
    struct factory *factory, const struct lpa_job_opts *opts, struct lpa_job *ret_job);

/** NULL, or the invariant that does not hold. */
const char *factory_check(const struct factory *factory);

/** NULL, or what is left undone once no fault comes any more. */
const char *factory_check_done(const struct factory *factory);

#endif
