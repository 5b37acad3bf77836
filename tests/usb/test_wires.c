/* SPDX-License-Identifier: Apache-2.0 */

/* Under usb-host with three boards of the same serial number: the programmer's USB cables. The one
 * argument is the URL's scheme. */

#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "programmer/link.h"
#include "programmer/psoc6.h"
#include "tests/usb/usb_control.h"

#define EXIT_PROBE 3 /* of lpa-probe */

extern char **environ;

static const char *scheme(void **state)
{
    return *state;
}

static struct prg_link *open_port(const char *kind, const char *port)
{
    char url[PRG_URL_SIZE];
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    (void)snprintf(url, sizeof(url), "%s@%s", kind, port);
    if (prg_link_open(url, NULL, &link, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    return link;
}

/* One word over the whole way. */
static enum base_status look(struct prg_link *link, struct base_err *err)
{
    struct prg_psoc6 *chip = NULL;
    uint8_t id[4];
    enum base_status status = prg_psoc6_new(link, &chip, err);
    if (status == BASE_OK) {
        status = prg_psoc6_attach(chip, 500, err);
    }
    if (status == BASE_OK) {
        status = prg_psoc6_read(chip, 0x16000000, sizeof(id), id, err);
    }
    prg_psoc6_free(chip);
    return status;
}

static void refuses_one_of_several(void **state)
{
    char url[64];
    struct prg_link *link = NULL;
    struct base_err err = { .status = BASE_OK };
    (void)snprintf(url, sizeof(url), "%s:1209:0001:SAME", scheme(state));
    assert_int_equal(prg_link_open(url, NULL, &link, &err), BASE_E_CONFIG);
    assert_string_equal(err.code, "ambiguous_probe");
    assert_non_null(strstr(err.message, "@1-2.3"));
    base_err_clear(&err);
    (void)snprintf(url, sizeof(url), "%s@1-9", scheme(state));
    assert_int_equal(prg_link_open(url, NULL, &link, &err), BASE_E_LINK);
    base_err_clear(&err);
    (void)snprintf(url, sizeof(url), "%s@1-1", strcmp(scheme(state), "usb") == 0 ? "hid" : "usb");
    assert_int_equal(prg_link_open(url, NULL, &link, &err), BASE_E_LINK);
    assert_non_null(strstr(err.message, scheme(state)));
}

static void knows_who_it_speaks_to(void **state)
{
    struct prg_link *link = open_port(scheme(state), "1-2.3");
    const struct prg_probe_info *probe = prg_link_probe(link);
    assert_int_equal(probe->cable.vendor_id, 0x1209);
    assert_int_equal(probe->cable.release, 0x0100);
    assert_string_equal(probe->cable.serial, "SAME");
    assert_string_equal(probe->cable.port, "1-2.3");
    assert_string_equal(probe->model, "simulated");
    assert_int_equal(probe->packet_size, 512);
    assert_int_equal(probe->in_flight, 4);
    assert_false(probe->lab_only);
    prg_link_close(link);
}

/* Answers of every length, the multiples of the endpoint's packet among them. */
static void carries_every_length(void **state)
{
    static uint8_t in[2048];
    struct prg_link *link = open_port(scheme(state), "1-1");
    struct prg_psoc6 *chip = NULL;
    struct base_err err = { .status = BASE_OK };
    enum prg_psoc6_acquire outcome = PRG_PSOC6_SILENT;
    assert_int_equal(prg_psoc6_new(link, &chip, &err), BASE_OK);
    assert_int_equal(prg_psoc6_acquire(chip, NULL, &outcome, &err), BASE_OK);
    assert_int_equal(outcome, PRG_PSOC6_ACQUIRED);
    for (uint32_t length = 4; length <= sizeof(in); length += 4) {
        if (prg_psoc6_read(chip, 0x10000000, length, in, &err) != BASE_OK) {
            fail_msg("%u bytes: %s", (unsigned)length, err.message);
        }
    }
    prg_psoc6_free(chip);
    prg_link_close(link);
}

static void tells_an_unplugged_probe(void **state)
{
    struct prg_link *link = open_port(scheme(state), "1-1");
    struct prg_link *other = open_port(scheme(state), "1-2.3");
    struct base_err err = { .status = BASE_OK };
    assert_int_equal(look(link, &err), BASE_OK);
    assert_true(usb_control_send("unplug 0"));
    assert_int_equal(look(link, &err), BASE_E_LINK);
    base_err_clear(&err);
    assert_int_equal(prg_link_resync(link, &err), BASE_E_LINK);
    base_err_clear(&err);
    assert_int_equal(look(other, &err), BASE_OK);
    prg_link_close(link);
    assert_true(usb_control_send("plug 0"));
    link = open_port(scheme(state), "1-1");
    assert_int_equal(look(link, &err), BASE_OK);
    assert_int_equal(look(other, &err), BASE_OK);
    prg_link_close(other);
    prg_link_close(link);
}

static void *work(void *user)
{
    struct base_err err = { .status = BASE_OK };
    for (unsigned i = 0; i < 20 && err.status == BASE_OK; i++) {
        (void)!look(user, &err);
    }
    return err.status == BASE_OK ? user : NULL;
}

static void serves_several_at_once(void **state)
{
    static const char *const ports[3] = { "1-1", "1-2.3", "1-3" };
    struct prg_link *links[3];
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++) {
        links[i] = open_port(scheme(state), ports[i]);
        assert_int_equal(pthread_create(&threads[i], NULL, work, links[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, links[i]);
        prg_link_close(links[i]);
    }
}

/* Whatever happens on one cable, the sessions on the others go on; and that one works again. */
static void leaves_other_probes_alone(void **state)
{
    static const char *const faults[] = { "lose=4", "stall-in=3", "stall-out=3", "stale=5",
        "short=4:1", "empty=4", "swap=3", "left-over=5", "bit-errors=1000000:7" };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        char command[64];
        pthread_t thread;
        void *result = NULL;
        struct base_err err = { .status = BASE_OK };
        struct prg_link *link = open_port(scheme(state), "1-1");
        struct prg_link *other = open_port(scheme(state), "1-2.3");
        (void)snprintf(command, sizeof(command), "fault 0 %s", faults[i]);
        assert_true(usb_control_send(command));
        assert_int_equal(pthread_create(&thread, NULL, work, other), 0);
        for (unsigned round = 0; round < 3; round++) {
            base_err_clear(&err);
            (void)!look(link, &err); /* well, or a clean end */
        }
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, other);
        prg_link_close(other);
        prg_link_close(link);
        assert_true(usb_control_send("clear-faults 0"));
        base_err_clear(&err);
        link = open_port(scheme(state), "1-1");
        if (look(link, &err) != BASE_OK) {
            fail_msg("%s after %s: %s", scheme(state), faults[i], err.message);
        }
        prg_link_close(link);
    }
}

/* Run lpa-probe on a port; its exit code, and what it says of a failure. */
static int run_probe(const char *url, size_t size, char *ret_said)
{
    char *program = getenv("LPA_PROBE");
    char *argv[] = { program, strdup("info"), strdup("-p"), strdup(url), NULL };
    posix_spawn_file_actions_t actions;
    int said[2];
    int status = 0;
    pid_t pid = -1;
    assert_non_null(program);
    assert_int_equal(pipe(said), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, said[1], STDERR_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, said[0]), 0);
    assert_int_equal(posix_spawn(&pid, program, &actions, NULL, argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(said[1]);
    size_t length = 0;
    ssize_t got = 0;
    while (length + 1 < size && (got = read(said[0], ret_said + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    ret_said[length] = '\0';
    (void)close(said[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (size_t i = 1; i < 4; i++) {
        free(argv[i]);
    }
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Neither this program nor another gets at a probe that is in use; whoever has it does not notice,
 * and once it is given back the other one gets it. */
static void refuses_a_second_session(void **state)
{
    char url[32];
    char said[512];
    struct prg_link *link = open_port(scheme(state), "1-1");
    struct prg_link *again = NULL;
    struct base_err err = { .status = BASE_OK };
    (void)snprintf(url, sizeof(url), "%s@1-1", scheme(state));
    assert_int_equal(prg_link_open(url, NULL, &again, &err), BASE_E_BUSY);
    assert_non_null(strstr(err.message, "another program is using the probe"));
    assert_int_equal(run_probe(url, sizeof(said), said), EXIT_PROBE);
    assert_non_null(strstr(said, "another program is using the probe"));
    base_err_clear(&err);
    if (look(link, &err) != BASE_OK) {
        fail_msg("%s", err.message);
    }
    prg_link_close(link);
    assert_int_equal(run_probe(url, sizeof(said), said), 0);
}

int main(int argc, char **argv)
{
    static char usb[] = "usb";
    char *kind = argc > 1 ? argv[1] : usb;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(refuses_one_of_several, kind),
        cmocka_unit_test_prestate(knows_who_it_speaks_to, kind),
        cmocka_unit_test_prestate(carries_every_length, kind),
        cmocka_unit_test_prestate(tells_an_unplugged_probe, kind),
        cmocka_unit_test_prestate(serves_several_at_once, kind),
        cmocka_unit_test_prestate(leaves_other_probes_alone, kind),
        cmocka_unit_test_prestate(refuses_a_second_session, kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
