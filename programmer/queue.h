/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRG_QUEUE_H
#define PRG_QUEUE_H

/**
 * @file
 * The packet pipeline of a link, internal to programmer/. Operations are appended, packed into
 * packets as full as the probe allows, and kept in flight together; prg_queue_flush() sends what is
 * left, collects every answer and tells the first failure.
 *
 * After a failure everything appended later is dropped until the flush reports it. Packets that
 * were in flight already were carried out by the probe all the same: whoever appends must make
 * sure that they do no harm (see prg_queue_fence()).
 */

#include "programmer/dap.h"
#include "programmer/link.h"
#include "programmer/quirks.h"

#define PRG_QUEUE_MAX_IN_FLIGHT 8U

/** SWCLK clocks of one SWD transfer with its data phase, turnaround 1. */
#define PRG_CLOCKS_PER_TRANSFER 46U

/** In rising order of weight. */
enum prg_fault {
    PRG_FAULT_NONE,
    PRG_FAULT_SWD,     /**< the line said so; ack tells what */
    PRG_FAULT_REFUSED, /**< the probe refused a plain command */
    PRG_FAULT_SESSION, /**< silence or an answer that fits nothing: outcome unknown */
    PRG_FAULT_CABLE,   /**< the cable is gone for good */
};

struct prg_pending {
    uint8_t command;
    bool batch;
    bool tolerant;  /**< a value match that runs out is no failure */
    uint32_t count; /**< transfers of a batch */
    size_t response_length;
    int64_t wire_us;   /**< time on the wire when nothing waits */
    int64_t budget_us; /**< longest it may take when everything waits */
    uint32_t reads;
    uint8_t *block; /**< destination of a TransferBlock read, NULL otherwise */
    uint8_t *reads_to[255];
};

struct prg_queue {
    struct prg_dap_batch batch; /**< being filled */
    struct prg_pending filling; /**< its destinations */
    bool has_match;
    struct prg_pending pending[PRG_QUEUE_MAX_IN_FLIGHT];
    unsigned first, count;
    /* The first failure since the last flush. */
    enum prg_fault fault;
    enum prg_dap_ack ack;
    uint8_t response;
    uint32_t done;      /**< transfers of the failed packet that were carried out */
    bool writes_behind; /**< packets behind the failed one were sent: they may have acted */
    struct base_err err;
};

struct prg_swd_cache {
    bool select_known;
    uint32_t select;
    bool csw_known[4], tar_known[4], base_known[4];
    uint32_t csw[4], tar[4];
    uint32_t csw_base[4]; /**< CSW as found, without size and increment */
};

struct prg_link {
    struct prg_wire wire;
    const struct base_clock *clock;
    const struct base_log *log;
    struct prg_probe_info probe;
    struct prg_link_stats stats;
    uint32_t swclk_hz;
    uint16_t wait_retry, match_retry;
    int64_t wire_us; /**< lower bound of the time spent on the wire and in delays since open */
    bool poisoned;   /**< session not proven since the last mismatch */
    bool gone;       /**< cable lost */
    bool resyncing;  /**< inside prg_link_resync() */
    bool selected;   /**< the target's debug port answered and nothing has failed since */
    bool kitprog;    /**< answers the vendor commands of programmer/kitprog.h */
    const struct prg_quirk *quirk;
    struct prg_queue queue;
    struct prg_swd_cache cache;
};

/** Time of @p clocks on the wire in microseconds, rounded up. */
int64_t prg_link_clocks_us(const struct prg_link *link, uint64_t clocks);

/** Longest time that one value match waits, in microseconds. */
int64_t prg_link_match_us(const struct prg_link *link);

/** Append a plain command whose answer is {command, 0} and perhaps more. */
void prg_queue_command(
    struct prg_link *link, const uint8_t *packet, size_t length, int64_t wire_us);

/** Append one SWD transfer; @p dest gets 4 little-endian bytes of a read and must live until the
 * flush. */
void prg_queue_transfer(struct prg_link *link, uint8_t request, uint32_t value, uint8_t *dest);

/** Append @p count transfers of one register, choosing DAP_TransferBlock or DAP_Transfer by which
 * needs fewer packets. */
void prg_queue_run(
    struct prg_link *link, uint8_t request, const uint8_t *words, uint8_t *dest, uint32_t count);

/** Close the packet being filled unless it still has this much room: what follows then stands in
 * one packet, and nothing of it is carried out once a part of it failed. */
void prg_queue_fence(struct prg_link *link, size_t request_bytes, size_t response_bytes);

/** End the packet being filled, whose last transfer is a value match, and let that match run out
 * without failing: a wait that goes on in the next packet, with no round trip in between. */
void prg_queue_end_tolerant(struct prg_link *link);

/**
 * Send the rest, collect everything.
 *
 * On PRG_FAULT_SWD the queue keeps fault, ack and done until prg_queue_reset(), and the sentence is
 * left to the SWD layer. After PRG_FAULT_SESSION the session has been resynchronised where
 * possible.
 *
 * @return BASE_OK; BASE_E_TARGET for PRG_FAULT_SWD; BASE_E_PROTO; BASE_E_LINK
 */
BASE_MUST_CHECK
enum base_status prg_queue_flush(struct prg_link *link, struct base_err *err);

/** Forget the last failure. */
void prg_queue_reset(struct prg_link *link);

/** Send one packet and wait for its answer, nothing else in flight. The answer's command byte fits.
 */
BASE_MUST_CHECK
enum base_status prg_queue_exchange(struct prg_link *link, const uint8_t *packet, size_t length,
    uint8_t ret_answer[PRG_PACKET_MAX], size_t *ret_length, struct base_err *err);

#endif
