/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DEVICE_FW_CHIP_H
#define TESTS_DEVICE_FW_CHIP_H

/**
 * @file
 * What stands behind bl_hal_* in host tests: the places and registers that the bootloader touches,
 * system calls with flash that can be cut or refuse, and a noise source that can go wrong. Any
 * other access fails the running test.
 */

#include "device-fw/bootloader/record.h"
#include "device-fw/protocol/mailbox.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chip_noise {
    CHIP_NOISE_GOOD,
    CHIP_NOISE_STUCK_0,
    CHIP_NOISE_STUCK_1,
    CHIP_NOISE_BIASED,  /**< 7 of 8 bits are ones */
    CHIP_NOISE_SILENT,  /**< never ready */
    CHIP_NOISE_MONITOR, /**< the hardware's repetition monitor stops it */
};

/** What a power cut leaves in the row that was being erased or programmed. */
enum chip_cut {
    CHIP_CUT_OLD,
    CHIP_CUT_NEW,
    CHIP_CUT_GARBAGE,
    CHIP_CUT_HALF,   /**< first half new, second half old */
    CHIP_CUT_ROW,    /**< random bytes in the whole row */
    CHIP_CUT_SECTOR, /**< that, and random bits flipped in whatever else lies in the sector */
    CHIP_CUT_STUCK,  /**< new, but a few bits stay at 0 or at 1 */
    CHIP_CUT_RANDOM, /**< each bit either old or new, at random */
    CHIP_CUT_COUNT
};

#define CHIP_APPLICATION_SIZE 0x2000U
#define CHIP_SHARED           0x08018000U
#define CHIP_LAYER            0x08040000U
#define CHIP_SHARED_SIZE      0x1000U

struct chip {
    uint8_t image[PROTO_IMAGE_MAX_SIZE];
    uint8_t home[2][PROTO_VAULT_HOME_SIZE];
    uint8_t sflash[0x800];
    uint8_t mailbox[PROTO_MAILBOX_SIZE];
    uint8_t application[CHIP_APPLICATION_SIZE];
    uint8_t shared[CHIP_SHARED_SIZE]; /**< memory of the CM4, at CHIP_SHARED */
    uint8_t layer[CHIP_SHARED_SIZE];  /**< of a caller on the CM0+, at CHIP_LAYER */
    uint8_t fuse[64];
    uint32_t protection;
    uint32_t deaf_register; /**< of protection or pins: ignores writes */

    enum chip_noise noise;
    uint64_t noise_state;
    uint64_t noise_good_words; /**< words before @ref noise takes effect */

    uint64_t flash_operations; /**< since chip_reset_counters() */
    uint64_t cut_at;           /**< number of the operation in which power goes; 0 = never */
    enum chip_cut cut;
    uint32_t cut_seed;    /**< of what is random in it */
    uint64_t refuse_from; /**< first operation that the ROM refuses; 0 = none */
    uint64_t lie_in;      /**< operation that is told as done but leaves one bit wrong; 0 = none */
    unsigned cache_busy;  /**< reads of the flash controller's command that still find it busy */
    jmp_buf *power_lost;  /**< where a cut jumps to */
    uint64_t fuse_reads;  /**< since chip_new() */
    uint64_t fuse_glitch; /**< number of the fuse read that gives a wrong bit; 0 = none */
    unsigned resets;
    bool ipc_stuck;                    /**< somebody else holds the lock for ever */
    bool cm4_parks;                    /**< the CM4 answers a park request */
    unsigned parks;                    /**< park requests so far */
    uint32_t released;                 /**< channels that were released, one bit each */
    void (*on_read)(uint32_t address); /**< before each word of shared memory is read */
};

extern struct chip chip;

/** One register access, in order. */
struct chip_access {
    bool write;
    uint32_t address;
    uint32_t value;
};

#define CHIP_TRACE_MAX 160U

/** Record register accesses (not those of memory) from now on; the first CHIP_TRACE_MAX are kept.
 */
void chip_trace_start(void);
/** Stop and give what was recorded. */
const struct chip_access *chip_trace_stop(size_t *ret_count);

/** A fresh chip with an image whose binding block is empty. @p number tells chips apart. */
void chip_new(uint8_t number);

/** Put a binding block, sealed, into the image. */
void chip_bind(const uint8_t *authority_0, const uint8_t *authority_1, bool lab);

/** The CM4 (master 14) or somebody else takes a channel, writes DATA and notifies. */
void chip_ipc_request(uint32_t channel, uint32_t owner, uint32_t data);

/** The CM4 has power. */
bool chip_cm4_is_on(void);
void chip_cm4_set(bool on);

/** Power comes back: registers and mailbox are at their reset values. */
void chip_power_on(void);

/** No cuts, no refusals, operations counted from 0. */
void chip_reset_counters(void);

/** Both vault homes hold this record, whoever changed it. */
void chip_put_record(const struct bl_record *record);

#endif
