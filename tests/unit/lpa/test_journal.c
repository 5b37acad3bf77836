/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "lpa/journal.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
    char path[128];
};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/lpa-journal-test.XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof(p->path), "%s/journal.db", p->folder);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    (void)nftw(p->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static struct lpa_unit sample(uint32_t number)
{
    struct lpa_unit unit = { .lot = "LOT-1",
        .attempt = number,
        .state = LPA_STATE_INSTALLED,
        .step = LPA_STEP_CONFIRM,
        .phase = LPA_PHASE_DO,
        .result = LPA_RESULT_UNKNOWN,
        .permanent = true,
        .code = "unknown",
        .message = "the KMS \"did\" not answer",
        .site = "tcp:127.0.0.1:1",
        .probe = { "ACME", "CMSIS-DAP", "0011", "2.1.2" },
        .grant_id = "00112233445566778899aabbccddeeff",
        .key_version = 4000000000U,
        .permit_id = "permit-7",
        .record = "lpa unit record v1\n{}\n\n\u2014 name c2ln\n",
        .lock = LPA_LOCK_REPORTED,
        .lock_answer_length = PROTO_LOCK_ANSWER_SIZE,
        .statement_length = PROTO_STATEMENT_SIZE,
        .receipt_length = PROTO_RECEIPT_SIZE,
        .started_wall_us = INT64_C(1800000000000000),
        .updated_wall_us = INT64_C(1800000000000001) };
    unit.chip_id[7] = (uint8_t)number;
    unit.chip_id[6] = (uint8_t)(number >> 8);
    unit.record_length = strlen(unit.record);
    memset(unit.lock_answer, 0xA5, sizeof(unit.lock_answer));
    memset(unit.statement, 0x5A, sizeof(unit.statement));
    memset(unit.receipt, 0, sizeof(unit.receipt));
    unit.dev_eui[0] = 0x70;
    return unit;
}

static struct lpa_journal *must_open(const struct place *p)
{
    struct lpa_journal *journal = NULL;
    struct base_err err = { 0 };
    if (lpa_journal_open(p->path, &journal, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return journal;
}

static void test_bad_arguments(void **state)
{
    struct place *p = *state;
    struct lpa_journal *journal = NULL;
    assert_int_equal(lpa_journal_open(NULL, &journal, NULL), BASE_E_ARG);
    assert_int_equal(lpa_journal_open("/nonexistent/x", &journal, NULL), BASE_E_IO);
    assert_null(journal);
    lpa_journal_close(NULL);
    journal = must_open(p);
    struct lpa_unit unit = sample(1);
    unit.lot[0] = '\0';
    assert_int_equal(lpa_journal_put(journal, &unit, NULL), BASE_E_ARG);
    lpa_journal_close(journal);
}

/* Member by member: padding has no value. */
static void expect_same(const struct lpa_unit *a, const struct lpa_unit *b)
{
    assert_string_equal(a->lot, b->lot);
    assert_memory_equal(a->chip_id, b->chip_id, sizeof(a->chip_id));
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->phase, b->phase);
    assert_int_equal(a->result, b->result);
    assert_int_equal(a->permanent, b->permanent);
    assert_string_equal(a->code, b->code);
    assert_string_equal(a->message, b->message);
    assert_string_equal(a->site, b->site);
    assert_string_equal(a->probe.vendor, b->probe.vendor);
    assert_string_equal(a->probe.product, b->probe.product);
    assert_string_equal(a->probe.serial, b->probe.serial);
    assert_string_equal(a->probe.firmware, b->probe.firmware);
    assert_string_equal(a->permit_id, b->permit_id);
    assert_string_equal(a->record, b->record);
    assert_int_equal(a->record_length, b->record_length);
    assert_int_equal(a->lock, b->lock);
    assert_int_equal(a->lock_answer_length, b->lock_answer_length);
    assert_memory_equal(a->lock_answer, b->lock_answer, sizeof(a->lock_answer));
    assert_string_equal(a->grant_id, b->grant_id);
    assert_memory_equal(a->dev_eui, b->dev_eui, sizeof(a->dev_eui));
    assert_int_equal(a->key_version, b->key_version);
    assert_int_equal(a->statement_length, b->statement_length);
    assert_memory_equal(a->statement, b->statement, sizeof(a->statement));
    assert_int_equal(a->receipt_length, b->receipt_length);
    assert_memory_equal(a->receipt, b->receipt, sizeof(a->receipt));
    assert_int_equal(a->started_wall_us, b->started_wall_us);
    assert_int_equal(a->updated_wall_us, b->updated_wall_us);
}

static void test_a_row_comes_back_as_it_went(void **state)
{
    struct place *p = *state;
    struct lpa_unit unit = sample(7);
    struct lpa_unit back = { 0 };
    bool found = true;
    struct base_err err = { 0 };
    struct lpa_journal *journal = must_open(p);
    assert_int_equal(
        lpa_journal_load(journal, "LOT-1", unit.chip_id, &back, &found, &err), BASE_OK);
    assert_false(found);
    assert_int_equal(lpa_journal_put(journal, &unit, &err), BASE_OK);
    lpa_journal_close(journal);
    struct stat info;
    assert_int_equal(stat(p->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    journal = must_open(p);
    assert_int_equal(
        lpa_journal_load(journal, "LOT-1", unit.chip_id, &back, &found, &err), BASE_OK);
    assert_true(found);
    expect_same(&unit, &back);
    assert_int_equal(
        lpa_journal_load(journal, "LOT-2", unit.chip_id, &back, &found, &err), BASE_OK);
    assert_false(found);
    unit.state = LPA_STATE_CONFIRMED;
    unit.receipt_length = 0;
    assert_int_equal(lpa_journal_put(journal, &unit, &err), BASE_OK);
    assert_int_equal(
        lpa_journal_load(journal, "LOT-1", unit.chip_id, &back, &found, &err), BASE_OK);
    assert_int_equal(back.state, LPA_STATE_CONFIRMED);
    assert_int_equal(back.receipt_length, 0);
    lpa_journal_close(journal);
}

/* A journal that version 1 of the format left behind keeps its rows. */
static void test_version_1_is_renewed(void **state)
{
    struct place *p = *state;
    static const char make[] =
        "CREATE TABLE unit(lot TEXT NOT NULL, chip BLOB NOT NULL CHECK(length(chip)=8),"
        "attempt INTEGER NOT NULL, state INTEGER NOT NULL, step INTEGER NOT NULL,"
        "phase INTEGER NOT NULL, result INTEGER NOT NULL, permanent INTEGER NOT NULL,"
        "code TEXT NOT NULL, message TEXT NOT NULL, site TEXT NOT NULL, grant_id TEXT NOT NULL,"
        "dev_eui BLOB NOT NULL, key_version INTEGER NOT NULL, statement BLOB NOT NULL,"
        "receipt BLOB NOT NULL, started_us INTEGER NOT NULL, updated_us INTEGER NOT NULL,"
        "PRIMARY KEY(lot, chip)) WITHOUT ROWID;"
        "INSERT INTO unit VALUES('LOT-1',x'0000000000000007',3,8,14,2,1,0,'','','tcp:x','',"
        "x'70b3d57ed0000001',1,x'',x'',5,6);"
        "PRAGMA application_id=1280328010;PRAGMA user_version=1;";
    struct lpa_unit unit = sample(7);
    struct lpa_unit back = { 0 };
    bool found = false;
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, make, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    for (int round = 0; round < 2; round++) {
        struct lpa_journal *journal = must_open(p);
        assert_int_equal(
            lpa_journal_load(journal, "LOT-1", unit.chip_id, &back, &found, NULL), BASE_OK);
        assert_true(found);
        assert_int_equal(back.attempt, 3);
        assert_int_equal(back.state, LPA_STATE_CONFIRMED);
        assert_string_equal(back.probe.serial, round == 0 ? "" : unit.probe.serial);
        assert_int_equal(back.lock, round == 0 ? LPA_LOCK_NONE : LPA_LOCK_ANSWERED);
        back.lock = LPA_LOCK_ANSWERED;
        memcpy(&back.probe, &unit.probe, sizeof(back.probe));
        assert_int_equal(lpa_journal_put(journal, &back, NULL), BASE_OK);
        lpa_journal_close(journal);
    }
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=4", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    struct lpa_journal *newer = NULL;
    assert_int_equal(lpa_journal_open(p->path, &newer, NULL), BASE_E_CORRUPT);
}

static enum base_status count_row(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    (void)unit;
    (void)err;
    (*(unsigned *)user)++;
    return BASE_OK;
}

static unsigned count(struct lpa_journal *journal, const char *lot)
{
    unsigned rows = 0;
    assert_int_equal(lpa_journal_each(journal, lot, count_row, &rows, NULL), BASE_OK);
    return rows;
}

struct writer {
    struct lpa_journal *journal;
    uint32_t first;
    pthread_t thread;
    bool good;
};

static void *write_rows(void *user)
{
    struct writer *w = user;
    w->good = true;
    for (uint32_t i = 0; i < 40; i++) {
        struct lpa_unit unit = sample(w->first + i);
        w->good = w->good && lpa_journal_put(w->journal, &unit, NULL) == BASE_OK;
    }
    return NULL;
}

static void test_many_threads_one_writer(void **state)
{
    struct place *p = *state;
    struct writer writers[8];
    struct lpa_journal *journal = must_open(p);
    for (uint32_t i = 0; i < 8; i++) {
        writers[i] = (struct writer){ .journal = journal, .first = i * 100 + 1 };
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_rows, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_true(writers[i].good);
    }
    assert_int_equal(count(journal, "LOT-1"), 320);
    assert_int_equal(count(journal, NULL), 320);
    assert_int_equal(count(journal, "LOT-2"), 0);
    lpa_journal_close(journal);
}

static void expect_corrupt(const struct place *p)
{
    struct lpa_journal *journal = NULL;
    struct base_err err = { 0 };
    assert_int_equal(lpa_journal_open(p->path, &journal, &err), BASE_E_CORRUPT);
    assert_string_equal(err.code, "journal_corrupt");
    assert_non_null(strstr(err.message, "--rebuild"));
    assert_null(journal);
}

static void test_damage_is_noticed_and_set_aside(void **state)
{
    struct place *p = *state;
    struct base_buf text;
    struct lpa_journal *journal = must_open(p);
    for (uint32_t i = 1; i <= 60; i++) {
        struct lpa_unit unit = sample(i);
        assert_int_equal(lpa_journal_put(journal, &unit, NULL), BASE_OK);
    }
    lpa_journal_close(journal);
    base_buf_init(&text, 1U << 20);
    assert_int_equal(base_file_read(p->path, &text, NULL), BASE_OK);
    /* Not a database at all. */
    assert_int_equal(
        base_file_replace(p->path, "some text, not SQLite............", 30, 0600, NULL), BASE_OK);
    expect_corrupt(p);
    /* Another program's database. */
    uint8_t *bytes = text.data;
    bytes[68] ^= 0xFF; /* application id */
    assert_int_equal(base_file_replace(p->path, bytes, text.length, 0600, NULL), BASE_OK);
    expect_corrupt(p);
    bytes[68] ^= 0xFF;
    /* A page overwritten. */
    memset(bytes + text.length - 4096, 0xEE, 2048);
    assert_int_equal(base_file_replace(p->path, bytes, text.length, 0600, NULL), BASE_OK);
    expect_corrupt(p);
    /* Cut short. */
    assert_int_equal(base_file_replace(p->path, bytes, text.length / 2, 0600, NULL), BASE_OK);
    expect_corrupt(p);
    base_buf_done(&text);
    assert_int_equal(lpa_journal_set_aside(p->path, INT64_C(1800000000000000), NULL), BASE_OK);
    journal = must_open(p);
    assert_int_equal(count(journal, NULL), 0);
    lpa_journal_close(journal);
}

static void test_a_full_disk_loses_nothing(void **state)
{
    struct place *p = *state;
    struct base_err err = { 0 };
    struct lpa_journal *journal = must_open(p);
    struct lpa_unit unit = sample(1);
    assert_int_equal(lpa_journal_put(journal, &unit, NULL), BASE_OK);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit small = { .rlim_cur = 40000, .rlim_max = old.rlim_max };
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum base_status status = BASE_OK;
    uint32_t last_good = 1;
    for (uint32_t i = 2; i < 200 && status == BASE_OK; i++) {
        unit = sample(i);
        status = lpa_journal_put(journal, &unit, &err);
        last_good = status == BASE_OK ? i : last_good;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, before);
    assert_int_equal(status, BASE_E_IO);
    assert_true(err.message[0] != '\0');
    lpa_journal_close(journal);
    journal = must_open(p);
    assert_int_equal(count(journal, NULL), last_good);
    unit = sample(500);
    assert_int_equal(lpa_journal_put(journal, &unit, NULL), BASE_OK);
    lpa_journal_close(journal);
}

static atomic_uint synced;

/* In the place of the C library's, for SQLite too. */
int fdatasync(int fd)
{
    atomic_fetch_add(&synced, 1U);
    return fsync(fd);
}

static unsigned syncs_of(
    enum base_status (*write)(struct lpa_journal *, const struct lpa_unit *, struct base_err *),
    struct lpa_journal *journal, const struct lpa_unit *unit)
{
    unsigned before = atomic_load(&synced);
    assert_int_equal(write(journal, unit, NULL), BASE_OK);
    return atomic_load(&synced) - before;
}

/* What is noted waits for no disk and is seen by others; what is put does, whatever came before. */
static void test_a_note_waits_for_the_next_row(void **state)
{
    struct place *p = *state;
    struct lpa_journal *journal = must_open(p);
    struct lpa_unit unit = sample(1);
    struct lpa_unit back;
    bool found = false;
    assert_true(syncs_of(lpa_journal_put, journal, &unit) > 0);
    for (uint32_t attempt = 10; attempt < 13; attempt++) {
        unit.attempt = attempt;
        assert_int_equal(syncs_of(lpa_journal_note, journal, &unit), 0);
        struct lpa_journal *other = must_open(p);
        assert_int_equal(
            lpa_journal_load(other, "LOT-1", unit.chip_id, &back, &found, NULL), BASE_OK);
        lpa_journal_close(other);
        assert_true(found);
        assert_int_equal(back.attempt, attempt);
        struct lpa_unit next = sample(attempt);
        assert_true(syncs_of(lpa_journal_put, journal, &next) > 0);
    }
    lpa_journal_close(journal);
}

/* Killed at any moment, the journal holds what was acknowledged and at most one row more. */
static void test_kill_at_any_moment(void **state)
{
    struct place *p = *state;
    for (int round = 0; round < 12; round++) {
        int pipes[2];
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct lpa_journal *journal = NULL;
            if (lpa_journal_open(p->path, &journal, NULL) != BASE_OK) {
                _exit(1);
            }
            for (uint32_t i = 1; i <= 1000; i++) {
                struct lpa_unit unit = sample(i);
                if (lpa_journal_put(journal, &unit, NULL) != BASE_OK ||
                    write(pipes[1], &i, sizeof(i)) != (ssize_t)sizeof(i)) {
                    _exit(1);
                }
            }
            _exit(0);
        }
        (void)close(pipes[1]);
        uint32_t acknowledged = 0;
        for (int i = 0; i < 3 + round * 2; i++) {
            assert_int_equal(read(pipes[0], &acknowledged, 4), 4);
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        uint32_t more = 0;
        while (read(pipes[0], &more, 4) == 4) {
            acknowledged = more;
        }
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void)close(pipes[0]);
        struct lpa_journal *journal = must_open(p);
        unsigned rows = count(journal, NULL);
        assert_true(rows == acknowledged || rows == acknowledged + 1);
        lpa_journal_close(journal);
        assert_int_equal(lpa_journal_set_aside(p->path, round * INT64_C(1000000), NULL), BASE_OK);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_arguments),
        TEST(test_a_row_comes_back_as_it_went),
        TEST(test_version_1_is_renewed),
        TEST(test_many_threads_one_writer),
        TEST(test_damage_is_noticed_and_set_aside),
        TEST(test_a_full_disk_loses_nothing),
        TEST(test_a_note_waits_for_the_next_row),
        TEST(test_kill_at_any_moment),
    };
    return cmocka_run_group_tests_name("lpa-journal", tests, NULL, NULL);
}
