/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/usb/usb_host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#define PRELOAD       "libumockdev-preload.so.0"
#define SAVED_PRELOAD "USB_HOST_USER_PRELOAD"
#define SELF          "/proc/self/exe"
#define PRELOAD_SIZE  512U
#define ASAN_NAME     "libasan.so."
#define ASAN_SIZE     32U

/* The library's name with its version in a program's bytes; NULL: not there. */
static const char *search(const char *bytes, size_t size)
{
    const char *at = bytes;
    while ((at = memmem(at, size - (size_t)(at - bytes), ASAN_NAME, strlen(ASAN_NAME))) != NULL) {
        const char *version = at + strlen(ASAN_NAME);
        size_t left = size - (size_t)(version - bytes);
        if (left > 1 && *version >= '0' && *version <= '9' && strnlen(at, left) < ASAN_SIZE) {
            return at;
        }
        at = version;
    }
    return NULL;
}

/* AddressSanitizer's library refuses to work unless it comes first. Its name in the program's
 * dynamic section, "" if the program does not need it. */
static void find_asan(const char *program, char ret_name[ASAN_SIZE])
{
    ret_name[0] = '\0';
    int fd = open(program, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (fd >= 0 && fstat(fd, &stat) == 0 && stat.st_size > 0) {
        size_t size = (size_t)stat.st_size;
        void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            const char *found = search(bytes, size);
            if (found != NULL) {
                (void)snprintf(ret_name, ASAN_SIZE, "%s", found);
            }
            (void)munmap(bytes, size);
        }
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

static int start(const char *program, char *const argv[], char **env, pid_t *ret_pid)
{
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    int failure = posix_spawnattr_init(&attributes);
    if (failure != 0) {
        return failure;
    }
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    failure = posix_spawn(ret_pid, program, NULL, &attributes, argv, env);
    (void)posix_spawnattr_destroy(&attributes);
    return failure;
}

/* The environment for a program: umockdev's library and what the user preloads. */
static gchar **make_environment(const char *program, const char *user_preload)
{
    char asan[ASAN_SIZE];
    char preload[PRELOAD_SIZE];
    find_asan(program, asan);
    (void)snprintf(preload, sizeof(preload), "%s%s" PRELOAD "%s%s", asan,
        asan[0] != '\0' ? ":" : "", user_preload[0] != '\0' ? ":" : "", user_preload);
    return g_environ_setenv(g_get_environ(), "LD_PRELOAD", preload, TRUE);
}

void usb_host_preload(char *const argv[])
{
    if (getenv(SAVED_PRELOAD) != NULL) {
        return;
    }
    const char *before = getenv("LD_PRELOAD");
    gchar **env = make_environment(SELF, before != NULL ? before : "");
    env = g_environ_setenv(env, SAVED_PRELOAD, before != NULL ? before : "", TRUE);
    (void)execve(SELF, argv, env);
    g_strfreev(env);
}

enum base_status usb_host_spawn(
    struct usb_host *host, char *const argv[], pid_t *ret_pid, struct base_err *err)
{
    (void)host; /* its folder is in the environment */
    char *program = g_find_program_in_path(argv[0]);
    if (program == NULL) {
        return base_err_set(
            err, BASE_E_NOTFOUND, "usb-host", 0, "there is no program %s to start", argv[0]);
    }
    const char *before = getenv(SAVED_PRELOAD);
    gchar **env = make_environment(program, before != NULL ? before : "");
    env = g_environ_unsetenv(env, SAVED_PRELOAD);
    int failure = start(program, argv, env, ret_pid);
    g_strfreev(env);
    g_free(program);
    if (failure != 0) {
        return base_err_errno(err, BASE_E_IO, failure, "cannot start %s", argv[0]);
    }
    return BASE_OK;
}
