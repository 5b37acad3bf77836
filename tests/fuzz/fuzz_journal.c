/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a station's journal file that somebody has changed. Opening refuses it or reads it;
 * a row is never believed further than its checks go. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lpa/journal.h"

static enum base_status seen(void *user, const struct lpa_unit *unit, struct base_err *err)
{
    (void)err;
    size_t *count = user;
    (*count)++;
    FUZZ_CHECK(memchr(unit->lot, '\0', sizeof(unit->lot)) != NULL);
    return BASE_OK;
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(write(fd, data, size) == (ssize_t)size);
    FUZZ_CHECK(close(fd) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    char side[80];
    struct lpa_journal *journal = NULL;
    struct base_err err = { 0 };
    size_t count = 0;
    (void)snprintf(path, sizeof(path), "/dev/shm/lpa-fuzz-journal-%d", (int)getpid());
    write_file(path, data, size);
    if (lpa_journal_open(path, &journal, &err) == BASE_OK) {
        struct base_err walk = { 0 };
        (void)!lpa_journal_each(journal, NULL, seen, &count, &walk);
        lpa_journal_close(journal);
    } else {
        FUZZ_CHECK(err.message[0] != '\0');
    }
    static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        (void)snprintf(side, sizeof(side), "%s%s", path, suffixes[i]);
        (void)unlink(side);
    }
    return 0;
}
