/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void refuses_sizes(void **state)
{
    (void)state;
    struct base_secret secret;
    struct base_err err = { 0 };
    assert_int_equal(base_secret_init(&secret, 0, &err), BASE_E_ARG);
    assert_null(secret.data);
    assert_string_not_equal(err.message, "");
    assert_int_equal(base_secret_init(&secret, ((size_t)1 << 20) + 1, NULL), BASE_E_ARG);
    assert_int_equal(base_secret_init(&secret, SIZE_MAX, NULL), BASE_E_ARG);
    base_secret_done(&secret);
    base_secret_done(NULL);
}

/* AddressSanitizer replaces mlock() by nothing: only there the lock cannot be seen. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MLOCK_IS_REPLACED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define MLOCK_IS_REPLACED true
#endif
#ifndef MLOCK_IS_REPLACED
#define MLOCK_IS_REPLACED false
#endif

/* Does the mapping of this address carry a flag (man 5 proc, smaps, VmFlags)? */
static bool mapping_has_flag(const void *address, const char *flag)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    char line[512];
    bool here = false;
    bool found = false;
    while (fgets(line, sizeof(line), file) != NULL) {
        char *dash = NULL;
        uintmax_t start = strtoumax(line, &dash, 16);
        if (dash != line && *dash == '-') {
            uintmax_t end = strtoumax(dash + 1, NULL, 16);
            here = start <= (uintptr_t)address && (uintptr_t)address < end;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, flag) != NULL;
        }
    }
    assert_int_equal(fclose(file), 0);
    return found;
}

static void pages_are_locked_and_left_out(void **state)
{
    (void)state;
    struct base_secret secret;
    assert_int_equal(base_secret_init(&secret, 32, NULL), BASE_OK);
    /* Locked: never swapped out. */
    assert_true(MLOCK_IS_REPLACED || mapping_has_flag(secret.data, " lo"));
    assert_true(mapping_has_flag(secret.data, " dd")); /* not in core dumps */
    assert_true(mapping_has_flag(secret.data, " wf")); /* zeros in a forked child */
    /* The check itself can fail: an ordinary page has none of it. */
    void *page = aligned_alloc(65536, 65536);
    assert_non_null(page);
    memset(page, 1, 65536);
    assert_false(mapping_has_flag(page, " dd"));
    free(page);
    base_secret_done(&secret);
}

/* Secrets of one page take the page of one before; whatever it held is gone, whatever it was is
 * so still. */
static void a_page_comes_again_empty(void **state)
{
    (void)state;
    struct base_secret first;
    struct base_secret second;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(base_secret_init(&first, page, NULL), BASE_OK);
    memset(first.data, 0xA5, page);
    const uint8_t *was = first.data;
    base_secret_done(&first);
    assert_int_equal(base_secret_init(&second, page, NULL), BASE_OK);
    assert_ptr_equal(second.data, was);
    for (size_t i = 0; i < page; i++) {
        assert_int_equal(second.data[i], 0);
    }
    assert_true(MLOCK_IS_REPLACED || mapping_has_flag(second.data, " lo"));
    assert_true(mapping_has_flag(second.data, " dd"));
    assert_true(mapping_has_flag(second.data, " wf"));
    /* Two that live together never share. */
    assert_int_equal(base_secret_init(&first, 1, NULL), BASE_OK);
    assert_ptr_not_equal(first.data, second.data);
    base_secret_done(&first);
    base_secret_done(&second);
}

/* Locks are not inherited: a page that was kept when the process forked is locked anew. */
static void a_forked_child_locks_again(void **state)
{
    (void)state;
    struct base_secret secret;
    assert_int_equal(base_secret_init(&secret, 1, NULL), BASE_OK);
    const uint8_t *was = secret.data;
    base_secret_done(&secret);
    pid_t child = fork();
    if (child == 0) {
        bool ok = base_secret_init(&secret, 1, NULL) == BASE_OK && secret.data == was &&
                  secret.data[0] == 0 &&
                  (MLOCK_IS_REPLACED || mapping_has_flag(secret.data, " lo"));
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void expect_fault_at(const volatile uint8_t *address)
{
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)*address;
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void the_pages_around_cannot_be_read(void **state)
{
    (void)state;
    static const size_t lengths[] = { 32, 5000 };
    for (size_t i = 0; i < 2; i++) {
        struct base_secret secret;
        assert_int_equal(base_secret_init(&secret, lengths[i], NULL), BASE_OK);
        expect_fault_at(secret.data - 1);
        expect_fault_at(secret.data + secret.mapped);
        base_secret_done(&secret);
    }
}

/* Many at once, given back in any order: each is its own, and what is kept does not grow. */
static void more_secrets_than_are_kept(void **state)
{
    (void)state;
    struct base_secret secrets[40];
    for (unsigned round = 0; round < 3; round++) {
        for (uint8_t i = 0; i < 40; i++) {
            assert_int_equal(base_secret_copy(&secrets[i], &i, 1, NULL), BASE_OK);
        }
        for (uint8_t i = 0; i < 40; i++) {
            assert_int_equal(secrets[i].data[0], i);
        }
        for (unsigned i = 0; i < 40; i++) {
            base_secret_done(&secrets[(i * 7) % 40]);
        }
    }
}

/* Where the limit leaves room for one page, the kept one makes way for a secret of another size. */
static void kept_pages_make_way(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        struct base_secret secret;
        struct base_secret other;
        const struct rlimit two = { 2 * page, 2 * page };
        bool ok = base_secret_init(&secret, 1, NULL) == BASE_OK;
        base_secret_done(&secret);
        /* The limit binds only without the privilege. */
        ok = ok && setrlimit(RLIMIT_MEMLOCK, &two) == 0 &&
             (geteuid() != 0 || setresuid(65534, 65534, 65534) == 0);
        ok = ok && base_secret_init(&secret, 2 * page, NULL) == BASE_OK;
        ok = ok && (MLOCK_IS_REPLACED || base_secret_init(&other, 1, NULL) == BASE_E_NOMEM);
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_forked_child_sees_zeros(void **state)
{
    (void)state;
    struct base_secret secret;
    assert_int_equal(base_secret_copy(&secret, "key", 3, NULL), BASE_OK);
    pid_t child = fork();
    if (child == 0) {
        _exit(memcmp(secret.data, "\0\0\0", 3) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_memory_equal(secret.data, "key", 3);
    base_secret_done(&secret);
}

static void done_forgets(void **state)
{
    (void)state;
    struct base_secret secret;
    assert_int_equal(base_secret_copy(&secret, "key", 3, NULL), BASE_OK);
    assert_int_equal(secret.length, 3);
    base_secret_done(&secret);
    assert_null(secret.data);
    assert_int_equal(secret.length, 0);
    base_secret_done(&secret);
    char text[] = "key";
    base_wipe(text, sizeof(text));
    assert_memory_equal(text, "\0\0\0\0", 4);
}

static void compares(void **state)
{
    (void)state;
    assert_true(base_equal_ct("abc", "abc", 3));
    assert_true(base_equal_ct("abc", "xyz", 0));
    for (size_t i = 0; i < 24; i++) {
        char other[] = "abc";
        other[i / 8] = (char)(other[i / 8] ^ 1 << i % 8);
        assert_false(base_equal_ct("abc", other, 3));
    }
}

static void reads_one_line_of_a_descriptor(void **state)
{
    (void)state;
    int ends[2];
    struct base_secret secret;
    struct base_err err = { 0 };
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "123456\nrest\n\n12345678", 21), 21);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(base_secret_read_fd(&secret, ends[0], 6, NULL), BASE_OK);
    assert_int_equal(secret.length, 6);
    assert_memory_equal(secret.data, "123456", 6);
    base_secret_done(&secret);
    assert_int_equal(base_secret_read_fd(&secret, ends[0], 6, NULL), BASE_OK);
    assert_memory_equal(secret.data, "rest", 4);
    base_secret_done(&secret);
    assert_int_equal(base_secret_read_fd(&secret, ends[0], 6, &err), BASE_E_ARG); /* empty */
    assert_string_not_equal(err.message, "");
    assert_int_equal(base_secret_read_fd(&secret, ends[0], 6, NULL), BASE_E_ARG); /* too long */
    assert_null(secret.data);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(base_secret_read_fd(&secret, -1, 6, NULL), BASE_E_IO);
}

static void reads_private_files_only(void **state)
{
    (void)state;
    char path[] = "/tmp/lpa-secret-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct base_secret secret;
    struct base_err err = { 0 };
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "line 1\nline 2\n", 14), 14);
    assert_int_equal(close(fd), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(base_secret_read_file(&secret, path, 14, NULL), BASE_OK);
    assert_int_equal(secret.length, 14);
    base_secret_done(&secret);
    assert_int_equal(base_secret_read_file(&secret, path, 13, NULL), BASE_E_ARG);
    static const mode_t open_modes[] = { 0640, 0604, 0660, 0644, 0610 };
    for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        assert_int_equal(chmod(path, open_modes[i]), 0);
        assert_int_equal(base_secret_read_file(&secret, path, 100, NULL), BASE_E_CONFIG);
    }
    assert_int_equal(base_secret_read_file(&secret, path, 100, &err), BASE_E_CONFIG);
    assert_non_null(strstr(err.message, "0610"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(base_secret_read_file(&secret, path, 100, NULL), BASE_E_NOTFOUND);
    assert_int_equal(base_secret_read_file(&secret, "/tmp", 100, NULL), BASE_E_CONFIG);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(base_secret_read_file(&secret, path, 100, NULL), BASE_E_IO);
    assert_int_equal(unlink(path), 0);
}

static void hardened_process_dumps_no_core(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = { 1, 1 };
        base_secret_harden_process();
        bool ok = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 &&
                  limit.rlim_cur == 0 && limit.rlim_max == 0;
        _exit(ok ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A child whose controlling terminal is the returned descriptor's other end. In the child: 0. */
static pid_t fork_on_terminal(int *ret_master)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    char name[64];
    assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        if (open(name, O_RDWR) < 0) {
            _exit(9);
        }
    }
    *ret_master = master;
    return child;
}

static bool echo_is_on(int master)
{
    struct termios mode;
    assert_int_equal(tcgetattr(master, &mode), 0);
    return (mode.c_lflag & ECHO) != 0;
}

/* Until the question stands there, and echo is off: the prompt is written after that. */
static void wait_for_prompt(int master)
{
    char shown[16];
    assert_true(read(master, shown, sizeof(shown)) > 0);
    assert_false(echo_is_on(master));
}

static void asks_without_echo(void **state)
{
    (void)state;
    int master = -1;
    pid_t child = fork_on_terminal(&master);
    if (child == 0) {
        struct base_secret secret;
        bool ok = base_secret_prompt(&secret, "Code: ", 6, NULL) == BASE_OK && secret.length == 6 &&
                  memcmp(secret.data, "123456", 6) == 0;
        _exit(ok ? 0 : 1);
    }
    wait_for_prompt(master);
    assert_int_equal(write(master, "123456\n", 7), 7);
    char shown[64] = { 0 };
    (void)!read(master, shown, sizeof(shown) - 1);
    assert_null(strstr(shown, "1"));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(close(master), 0);
}

static void an_interrupted_question_brings_echo_back(void **state)
{
    (void)state;
    int master = -1;
    pid_t child = fork_on_terminal(&master);
    if (child == 0) {
        struct base_secret secret;
        (void)signal(SIGINT, SIG_DFL);
        (void)!base_secret_prompt(&secret, "Code: ", 6, NULL);
        _exit(1);
    }
    wait_for_prompt(master);
    assert_int_equal(write(master, "12\x03", 3), 3);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_true(echo_is_on(master));
    assert_int_equal(close(master), 0);
}

static void no_terminal_no_question(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct base_secret secret;
        (void)setsid();
        _exit(base_secret_prompt(&secret, "Code: ", 6, NULL) == BASE_E_CONFIG ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_sizes),
        cmocka_unit_test(reads_one_line_of_a_descriptor),
        cmocka_unit_test(reads_private_files_only),
        cmocka_unit_test(pages_are_locked_and_left_out),
        cmocka_unit_test(a_page_comes_again_empty),
        cmocka_unit_test(a_forked_child_locks_again),
        cmocka_unit_test(the_pages_around_cannot_be_read),
        cmocka_unit_test(more_secrets_than_are_kept),
        cmocka_unit_test(kept_pages_make_way),
        cmocka_unit_test(a_forked_child_sees_zeros),
        cmocka_unit_test(done_forgets),
        cmocka_unit_test(compares),
        cmocka_unit_test(no_terminal_no_question),
        cmocka_unit_test(asks_without_echo),
        cmocka_unit_test(an_interrupted_question_brings_echo_back),
        cmocka_unit_test(hardened_process_dumps_no_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
