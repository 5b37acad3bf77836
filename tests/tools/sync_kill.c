/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded: ends the process with SIGKILL when any of its threads calls fsync() or
 * fdatasync() for the n-th time in all, n = SYNC_KILL_AT, before the call does anything. A process
 * that ends by itself leaves the number of calls in the file SYNC_KILL_COUNT. (strace counts for
 * each thread by itself, so that it never reaches some calls.)
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_ulong calls;
static unsigned long kill_at;

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("SYNC_KILL_AT");

    if (text != NULL)
        kill_at = strtoul(text, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("SYNC_KILL_COUNT");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    (void)dprintf(fd, "%lu\n", atomic_load(&calls));
    (void)close(fd);
}

static void count(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 != kill_at)
        return;
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

int fsync(int fd)
{
    count();
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    count();
    return (int)syscall(SYS_fdatasync, fd);
}
