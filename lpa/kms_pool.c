/* SPDX-License-Identifier: Apache-2.0 */
#include "lpa/kms_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define IDLE_MAX 64 /* more are closed when given back: a line has no more sites than this */

struct lpa_kms_pool {
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct auth_kms *idle[IDLE_MAX]; /* the last is taken first */
    size_t idle_count;
    size_t count;           /* made by open or given as first, and not closed */
    struct auth_kms *first; /* the caller's */
    lpa_kms_open_fn *open;
    void *user;
};

static bool init_locks(struct lpa_kms_pool *pool)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    bool good = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&pool->given, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    if (good && pthread_mutex_init(&pool->lock, NULL) != 0) {
        (void)pthread_cond_destroy(&pool->given);
        good = false;
    }
    return good;
}

enum base_status lpa_kms_pool_new(struct auth_kms *first, lpa_kms_open_fn *open, void *user,
    struct lpa_kms_pool **ret_pool, struct base_err *err)
{
    struct lpa_kms_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "KMS", 0, "no memory for connections to the KMS");
    }
    if (!init_locks(pool)) {
        free(pool);
        return base_err_set(err, BASE_E_INTERNAL, "KMS", 0, "cannot make a lock");
    }
    pool->first = first;
    pool->open = open;
    pool->user = user;
    if (first != NULL) {
        pool->idle[pool->idle_count++] = first;
        pool->count = 1;
    }
    *ret_pool = pool;
    return BASE_OK;
}

void lpa_kms_pool_free(struct lpa_kms_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < pool->idle_count; i++) {
        if (pool->idle[i] != pool->first) {
            auth_kms_close(pool->idle[i]);
        }
    }
    (void)pthread_cond_destroy(&pool->given);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* With the lock held. */
static void wait_for_one(struct lpa_kms_pool *pool)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LPA_KMS_POOL_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    int failed = 0;
    while (pool->idle_count == 0 && failed == 0) {
        failed = pthread_cond_timedwait(&pool->given, &pool->lock, &until);
    }
}

enum base_status lpa_kms_pool_take(
    struct lpa_kms_pool *pool, struct auth_kms **ret_kms, struct base_err *err)
{
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->idle_count == 0 && pool->count > 0) {
        wait_for_one(pool);
    }
    struct auth_kms *kms = pool->idle_count > 0 ? pool->idle[--pool->idle_count] : NULL;
    pool->count += kms == NULL;
    (void)pthread_mutex_unlock(&pool->lock);
    enum base_status status = kms == NULL ? pool->open(pool->user, &kms, err) : BASE_OK;
    if (status != BASE_OK) {
        (void)pthread_mutex_lock(&pool->lock);
        pool->count--;
        (void)pthread_mutex_unlock(&pool->lock);
        return status;
    }
    *ret_kms = kms;
    return BASE_OK;
}

void lpa_kms_pool_give(struct lpa_kms_pool *pool, struct auth_kms *kms)
{
    if (kms == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    bool kept = pool->idle_count < IDLE_MAX;
    if (kept) {
        pool->idle[pool->idle_count++] = kms;
        (void)pthread_cond_signal(&pool->given);
    } else {
        pool->count--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!kept && kms != pool->first) {
        auth_kms_close(kms);
    }
}
