/* SPDX-License-Identifier: Apache-2.0 */
#include "device-fw/bootloader/random.h"

#include "device-fw/bootloader/trng.h"
#include "device-fw/bootloader/wipe.h"

/* SP 800-90B §4.3 asks for at least 1024 samples at start-up; a sample is one bit. */
#define STARTUP_WORDS (4U * BL_HEALTH_WINDOW / 32U)
/* 1024 bits at the assessed 0.5 bit per bit: twice what a security strength of 256 bit needs. */
#define SEED_WORDS 32U

static bool read_healthy(struct bl_random *random, uint32_t *ret_word)
{
    return bl_trng_read(ret_word) && bl_health_feed(&random->health, *ret_word);
}

bool bl_random_reseed(struct bl_random *random)
{
    uint32_t seed[SEED_WORDS];

    for (uint32_t i = 0; i < SEED_WORDS; i++) {
        if (!random->good || !read_healthy(random, &seed[i])) {
            random->good = false;
            break;
        }
    }
    if (random->good)
        br_hmac_drbg_update(&random->drbg, seed, sizeof(seed));
    bl_wipe(seed, sizeof(seed));
    return random->good;
}

bool bl_random_start(struct bl_random *random, const uint8_t chip_id[PROTO_CHIP_ID_SIZE])
{
    static const char label[] = "lpa bootloader drbg v1";
    uint32_t word = 0;

    bl_health_init(&random->health);
    br_hmac_drbg_init(&random->drbg, &br_sha256_vtable, label, sizeof(label) - 1U);
    br_hmac_drbg_update(&random->drbg, chip_id, PROTO_CHIP_ID_SIZE);
    random->good = true;
    bl_trng_start();
    for (uint32_t i = 0; random->good && i < STARTUP_WORDS; i++)
        random->good = read_healthy(random, &word);
    bl_wipe(&word, sizeof(word));
    return bl_random_reseed(random);
}

bool bl_random_bytes(struct bl_random *random, void *ret_data, size_t length)
{
    if (!bl_random_reseed(random)) {
        bl_wipe(ret_data, length);
        return false;
    }
    br_hmac_drbg_generate(&random->drbg, ret_data, length);
    return true;
}
