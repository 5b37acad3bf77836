/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include "base/buf.h"
#include "base/hash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static enum base_status fill_from_system(
    void *user, void *ret_data, size_t length, struct base_err *err)
{
    (void)user;
    uint8_t *at = ret_data;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return base_err_errno(
                err, BASE_E_IO, got < 0 ? errno : EIO, "the system gives no random bytes");
        }
        at += got;
        length -= (size_t)got;
    }
    return BASE_OK;
}

const struct base_random *base_random_system(void)
{
    static const struct base_random system_random = { fill_from_system, NULL };
    return &system_random;
}

enum base_status base_random_fill(
    const struct base_random *random, void *ret_data, size_t length, struct base_err *err)
{
    if (random == NULL || random->fill == NULL) {
        return base_err_set(err, BASE_E_ARG, "random", 0, "no source of random bytes was given");
    }
    return random->fill(random->user, ret_data, length, err);
}

static enum base_status fill_from_seed(
    void *user, void *ret_data, size_t length, struct base_err *err)
{
    (void)err;
    struct base_random_seeded *seeded = user;
    uint8_t *at = ret_data;
    while (length > 0) {
        uint8_t input[16];
        uint8_t block[BASE_SHA256_BYTES];
        base_put_be64(input, seeded->seed);
        base_put_be64(input + 8, seeded->counter++);
        base_sha256(input, sizeof(input), block);
        size_t take = length < sizeof(block) ? length : sizeof(block);
        memcpy(at, block, take);
        at += take;
        length -= take;
    }
    return BASE_OK;
}

void base_random_seeded_init(struct base_random_seeded *seeded, uint64_t seed)
{
    *seeded = (struct base_random_seeded){ .seed = seed };
    seeded->random = (struct base_random){ fill_from_seed, seeded };
}
