/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "lpa/kms_pool.h"

#define THREADS 8
#define ROUNDS  200

struct fixture {
    char folder[32];
    char file[96]; /* clients do not look into their files before the first call */
    struct auth_kms *first;
    pthread_mutex_t lock;
    struct auth_kms *taken[THREADS];
    unsigned opened, at_once, most_at_once;
    bool fails, doubled;
};

static enum base_status open_one(void *user, struct auth_kms **ret_kms, struct base_err *err)
{
    struct fixture *f = user;
    (void)pthread_mutex_lock(&f->lock);
    f->opened++;
    bool fails = f->fails;
    (void)pthread_mutex_unlock(&f->lock);
    if (fails) {
        return base_err_set(err, BASE_E_CONFIG, "test", 0, "no certificate");
    }
    const struct auth_kms_opts opts = { .url = "https://127.0.0.1:9",
        .ca_file = f->file,
        .certificate_file = f->file,
        .key_file = f->file,
        .clock = base_clock_system() };
    return auth_kms_open(&opts, ret_kms, err);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/lpa-pool-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->file, sizeof(f->file), "%.30s/pem", f->folder);
    assert_int_equal(base_file_replace(f->file, "-", 1, 0600, NULL), BASE_OK);
    assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
    assert_int_equal(open_one(f, &f->first, NULL), BASE_OK);
    f->opened = 0;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    auth_kms_close(f->first);
    (void)pthread_mutex_destroy(&f->lock);
    (void)unlink(f->file);
    (void)rmdir(f->folder);
    return 0;
}

static void test_last_given_is_first_taken(void **state)
{
    struct fixture *f = *state;
    struct lpa_kms_pool *pool = NULL;
    struct auth_kms *a = NULL;
    struct auth_kms *b = NULL;
    struct auth_kms *again = NULL;
    lpa_kms_pool_free(NULL);
    assert_int_equal(lpa_kms_pool_new(f->first, open_one, f, &pool, NULL), BASE_OK);
    lpa_kms_pool_give(pool, NULL);
    assert_int_equal(lpa_kms_pool_take(pool, &a, NULL), BASE_OK);
    assert_ptr_equal(a, f->first);
    assert_int_equal(lpa_kms_pool_take(pool, &b, NULL), BASE_OK);
    assert_ptr_not_equal(b, a);
    assert_int_equal(f->opened, 1);
    lpa_kms_pool_give(pool, a);
    lpa_kms_pool_give(pool, b);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(lpa_kms_pool_take(pool, &again, NULL), BASE_OK);
        assert_ptr_equal(again, b);
        lpa_kms_pool_give(pool, again);
    }
    assert_int_equal(f->opened, 1);
    lpa_kms_pool_free(pool); /* the first stays: tear_down() closes it */
}

static void test_open_fails(void **state)
{
    struct fixture *f = *state;
    struct lpa_kms_pool *pool = NULL;
    struct auth_kms *kms = NULL;
    struct base_err err = { 0 };
    f->fails = true;
    assert_int_equal(lpa_kms_pool_new(NULL, open_one, f, &pool, NULL), BASE_OK);
    assert_int_equal(lpa_kms_pool_take(pool, &kms, &err), BASE_E_CONFIG);
    assert_null(kms);
    assert_string_equal(err.message, "no certificate");
    lpa_kms_pool_free(pool);
}

struct worker {
    struct fixture *f;
    struct lpa_kms_pool *pool;
    unsigned number;
};

static void note_taken(struct fixture *f, unsigned number, struct auth_kms *kms)
{
    (void)pthread_mutex_lock(&f->lock);
    for (unsigned i = 0; kms != NULL && i < THREADS; i++) {
        f->doubled = f->doubled || f->taken[i] == kms;
    }
    f->taken[number] = kms;
    f->at_once += kms != NULL ? 1 : (unsigned)-1;
    f->most_at_once = f->at_once > f->most_at_once ? f->at_once : f->most_at_once;
    (void)pthread_mutex_unlock(&f->lock);
}

static void *take_and_give(void *user)
{
    struct worker *w = user;
    for (int i = 0; i < ROUNDS; i++) {
        struct auth_kms *kms = NULL;
        if (lpa_kms_pool_take(w->pool, &kms, NULL) != BASE_OK) {
            w->f->doubled = true;
            break;
        }
        note_taken(w->f, w->number, kms);
        note_taken(w->f, w->number, NULL);
        lpa_kms_pool_give(w->pool, kms);
    }
    return NULL;
}

static void test_no_client_has_two_threads(void **state)
{
    struct fixture *f = *state;
    struct lpa_kms_pool *pool = NULL;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    assert_int_equal(lpa_kms_pool_new(f->first, open_one, f, &pool, NULL), BASE_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ f, pool, i };
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_false(f->doubled);
    assert_in_range(f->most_at_once, 1, THREADS);
    assert_true(f->opened < THREADS); /* the first was there already */
    lpa_kms_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_last_given_is_first_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_client_has_two_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
