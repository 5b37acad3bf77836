/* SPDX-License-Identifier: Apache-2.0 */

/* lpa-probe against lpa-sim over TCP, as a user runs them: output and exit codes. With
 * LPA_PROBE_URL against the board that this URL names (unique id 00112233445566aa). */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

extern char **environ;

#define MAX_ARGS 12
#define WAIT_US  10000000

struct place {
    char folder[64];
    char url[64];
    pid_t board;
    char out[65536]; /* of the last run */
};

/* Programs by environment, so that the same test runs on other builds. */
static const char *program(const char *name, const char *otherwise)
{
    const char *path = getenv(name);
    return path == NULL ? otherwise : path;
}

static pid_t start(char *const argv[], const char *stdout_path)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    if (stdout_path != NULL) {
        assert_int_equal(posix_spawn_file_actions_addopen(
                             &actions, 1, stdout_path, O_WRONLY | O_CREAT | O_TRUNC, 0600),
            0);
    }
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static size_t slurp(const char *path, size_t size, char *ret_text)
{
    FILE *file = fopen(path, "re");
    size_t length = file == NULL ? 0 : fread(ret_text, 1, size - 1, file);
    ret_text[length] = '\0';
    if (file != NULL) {
        (void)fclose(file);
    }
    return length;
}

static void in_folder(const struct place *place, const char *name, size_t size, char *ret_path)
{
    int need = snprintf(ret_path, size, "%s/%s", place->folder, name);
    assert_in_range(need, 1, size - 1);
}

/* Run lpa-probe with these words (NULL-ended) and -p; returns its exit code. */
static int run(struct place *place, const char *const *words)
{
    char path[128];
    char *argv[MAX_ARGS + 4] = { NULL };
    int argc = 0;
    int status = 0;
    in_folder(place, "out", sizeof(path), path);
    argv[argc++] = strdup(program("LPA_PROBE", LPA_PROBE_DEFAULT));
    for (; *words != NULL; words++) {
        assert_in_range(argc, 0, MAX_ARGS);
        argv[argc++] = strdup(strcmp(*words, "URL") == 0 ? place->url : *words);
    }
    pid_t pid = start(argv, path);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)slurp(path, sizeof(place->out), place->out);
    while (argc > 0) {
        free(argv[--argc]);
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define RUN(place, ...) run(place, (const char *const[]){ __VA_ARGS__, NULL })

static void start_board(struct place *place)
{
    char port_file[128];
    char port[16] = "";
    in_folder(place, "port", sizeof(port_file), port_file);
    char *argv[] = { strdup(program("LPA_SIM", LPA_SIM_DEFAULT)), strdup("serve"),
        strdup("--listen"), strdup("127.0.0.1:0"), strdup("--port-file"), strdup(port_file),
        strdup("--uid"), strdup("00112233445566aa"), NULL };
    char path[128];
    in_folder(place, "sim", sizeof(path), path);
    place->board = start(argv, path);
    const struct base_clock *clock = base_clock_system();
    int64_t end_us = base_clock_mono_us(clock) + WAIT_US;
    while (slurp(port_file, sizeof(port), port) == 0 && base_clock_mono_us(clock) < end_us) {
        base_clock_sleep_us(clock, 10000);
    }
    assert_true(strlen(port) > 0);
    (void)snprintf(place->url, sizeof(place->url), "tcp:127.0.0.1:%d", (int)strtol(port, NULL, 10));
    for (size_t i = 0; argv[i] != NULL; i++) {
        free(argv[i]);
    }
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/test_lpa_probe.XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    if (getenv("LPA_PROBE_URL") == NULL) {
        start_board(place);
    } else {
        (void)snprintf(place->url, sizeof(place->url), "%s", getenv("LPA_PROBE_URL"));
    }
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "out", "port", "sim", "image.bin", "image.hex", "back" };
    struct place *place = *state;
    int status = 0;
    if (place->board > 0) {
        (void)kill(place->board, SIGTERM);
        assert_int_equal(waitpid(place->board, &status, 0), place->board);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        in_folder(place, names[i], sizeof(path), path);
        (void)unlink(path);
    }
    (void)rmdir(place->folder);
    free(place);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void write_file(const struct place *place, const char *name, size_t length, int step,
    size_t size, char *ret_path)
{
    in_folder(place, name, size, ret_path);
    FILE *file = fopen(ret_path, "we");
    assert_non_null(file);
    for (size_t i = 0; i < length; i++) {
        (void)fputc((int)(i * (size_t)step + 1) & 0xFF, file);
    }
    assert_int_equal(fclose(file), 0);
}

static void expect_out(const struct place *place, const char *word)
{
    if (strstr(place->out, word) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", place->out, word);
    }
}

static void refuses_wrong_use(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "info"), 2);
    assert_int_equal(RUN(place, "read", "0x10000000", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "read", "0x10000000", "0", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "read", "elsewhere", "4", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "read", "0x100000000", "4", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "info", "--nonsense", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "program", "x", "--format", "exe", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "program", "/nonexistent", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "efuse", "128", "-p", "URL"), 2);
    assert_int_equal(RUN(place, "info", "-p", "usb:04b4:f15"), 2);
    assert_int_equal(RUN(place, "info", "-p", "usb:04b4:f155:nosuch"), 3);
    assert_int_equal(RUN(place, "info", "-p", "tcp:10.1.2.3:4441"), 2);
    assert_string_equal(place->out, "");
    assert_int_equal(RUN(place, "info", "-p", "tcp:127.0.0.1:1"), 3);
    assert_int_equal(RUN(place, "info", "-p", "tcp:127.0.0.1:1", "--json"), 3);
    expect_out(place, "\"ok\":false");
    expect_out(place, "E_LINK");
}

static void tells_what_stands_there(void **state)
{
    struct place *place = *state;
    assert_int_equal(RUN(place, "list"), 0);
    expect_out(place, place->board > 0 ? "tcp:" : "1209:0001");
    assert_int_equal(RUN(place, "info", "-p", "URL"), 0);
    expect_out(place, "00112233445566aa");
    assert_int_equal(RUN(place, "info", "--acquire", "--json", "-p", "URL"), 0);
    expect_out(place, "\"unique_id\":\"00112233445566aa\"");
    expect_out(place, "\"restrictions\":\"00000000\"");
    expect_out(place, "\"lifecycle_fuses\":1");
    expect_out(place, "\"toc2\":\"blank\"");
    expect_out(place, "\"ok\":true");
    assert_int_equal(RUN(place, "efuse", "0x2b", "-p", "URL"), 0);
    assert_string_equal(place->out, "2b  01\n");
}

static void programs_reads_and_erases(void **state)
{
    struct place *place = *state;
    char image[128];
    char other[128];
    char back[128];
    struct stat info;
    write_file(place, "image.bin", 3000, 7, sizeof(image), image);
    assert_int_equal(RUN(place, "verify", image, "-p", "URL"), 5);
    assert_int_equal(RUN(place, "program", image, "--toc2", "-p", "URL"), 0);
    assert_string_equal(place->out, "3000 bytes programmed and verified, TOC2 written\n");
    assert_int_equal(RUN(place, "program", image, "--changed", "-p", "URL"), 0);
    assert_string_equal(place->out, "3000 bytes were there already\n");
    assert_int_equal(RUN(place, "program", image, "--toc2", "-p", "URL", "--json"), 0);
    expect_out(place, "\"written\":false");
    assert_int_equal(RUN(place, "verify", image, "-p", "URL"), 0);
    assert_int_equal(RUN(place, "read", "0x10000000", "16", "-p", "URL"), 0);
    assert_string_equal(place->out, "10000000  01080f161d242b323940474e555c636a\n");
    in_folder(place, "back", sizeof(back), back);
    assert_int_equal(RUN(place, "read", "0x10000000", "3000", "-o", back, "-p", "URL"), 0);
    assert_int_equal(stat(back, &info), 0);
    assert_int_equal(info.st_size, 3000);
    assert_int_equal(RUN(place, "verify", back, "-p", "URL"), 0);
    assert_int_equal(RUN(place, "erase", "0x10000200", "512", "-p", "URL"), 0);
    assert_int_equal(RUN(place, "verify", image, "-p", "URL"), 5);
    write_file(place, "image.hex", 100, 3, sizeof(other), other);
    assert_int_equal(RUN(place, "program", other, "--format", "hex", "-p", "URL"), 5); /* damaged */
    assert_int_equal(
        RUN(place, "program", other, "--base", "0x10100000", "-p", "URL"), 2); /* beyond flash */
    assert_int_equal(RUN(place, "reset", "-p", "URL"), 0);
}

static void keeps_off_the_vault(void **state)
{
    struct place *place = *state;
    char image[128];
    write_file(place, "image.bin", 600, 5, sizeof(image), image);
    assert_int_equal(RUN(place, "erase", "0x100C0000", "512", "-p", "URL"), 4);
    assert_int_equal(RUN(place, "erase", "0x14000000", "512", "-p", "URL"), 4);
    assert_int_equal(RUN(place, "program", image, "--base", "0x100BFF00", "-p", "URL"), 4);
    assert_int_equal(RUN(place, "program", image, "--base", "0x14000000", "-p", "URL"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_use),
        cmocka_unit_test(tells_what_stands_there),
        cmocka_unit_test(programs_reads_and_erases),
        cmocka_unit_test(keeps_off_the_vault),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
