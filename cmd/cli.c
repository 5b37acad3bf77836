/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"

#define EXIT_USAGE    2
#define WORD_MAX      32U
#define NEAR_DISTANCE 3U

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edits (insert, delete, replace) from one word to the other; words longer than WORD_MAX are far.
 */
static unsigned distance(const char *from, const char *to)
{
    unsigned row[WORD_MAX + 1];
    size_t from_length = strlen(from);
    size_t to_length = strlen(to);
    if (from_length > WORD_MAX || to_length > WORD_MAX) {
        return WORD_MAX;
    }
    for (unsigned j = 0; j <= to_length; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= from_length; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= to_length; j++) {
            unsigned above = row[j];
            unsigned replace = diagonal + (from[i - 1] != to[j - 1] ? 1 : 0);
            row[j] = min3(above + 1, row[j - 1] + 1, replace);
            diagonal = above;
        }
    }
    return row[to_length];
}

static const struct cli_verb *nearest(const struct cli_program *program, const char *word)
{
    const struct cli_verb *best = NULL;
    unsigned least = NEAR_DISTANCE + 1;
    for (size_t i = 0; i < program->verb_count; i++) {
        unsigned edits = distance(word, program->verbs[i].name);
        if (edits < least) {
            least = edits;
            best = &program->verbs[i];
        }
    }
    return best;
}

static void print_verb(const struct cli_program *program, const struct cli_verb *verb)
{
    printf("  %s %s %s\n      %s\n", program->name, verb->name, verb->args, verb->help);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int print_help(const struct cli_program *program)
{
    printf("%s: %s\n\n", program->name, program->summary);
    for (size_t i = 0; i < program->verb_count; i++) {
        print_verb(program, &program->verbs[i]);
    }
    printf("\nSee %s(1).\n", program->name);
    return 0;
}

static int run_verb(
    const struct cli_program *program, const struct cli_verb *verb, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (is_help(argv[i])) {
            print_verb(program, verb);
            printf("\nSee %s(1).\n", program->name);
            return 0;
        }
    }
    return verb->run(program, argc, argv);
}

static int unknown_verb(const struct cli_program *program, const char *word)
{
    const struct cli_verb *near = nearest(program, word);
    if (near != NULL) {
        (void)fprintf(stderr, "%s: there is no \"%.32s\"; did you mean \"%s\"?\n", program->name,
            word, near->name);
    } else {
        (void)fprintf(stderr, "%s: there is no \"%.32s\"; see %s --help\n", program->name, word,
            program->name);
    }
    return EXIT_USAGE;
}

static int run_program(const struct cli_program *program, int argc, char **argv);

/* What was not written was not said: a full disk under the output must not end as success. */
int cli_main(const struct cli_program *program, int argc, char **argv)
{
    int code = run_program(program, argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && code == 0) {
        (void)fprintf(stderr,
            "%s: the output could not be written (%s); free some space, then run again\n",
            program->name, strerrordesc_np(errno));
        return base_status_exit_code(BASE_E_IO);
    }
    return code;
}

static int run_program(const struct cli_program *program, int argc, char **argv)
{
    /* Before anything that may hold a secret: no core dump, no look into this process by others. */
    base_secret_harden_process();
    if (argc < 2) {
        (void)fprintf(stderr, "%s: say what to do; see %s --help\n", program->name, program->name);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (is_help(word)) {
        return print_help(program);
    }
    if (strcmp(word, "--version") == 0) {
        printf("%s %s\n", program->name, LPA_VERSION);
        return 0;
    }
    for (size_t i = 0; i < program->verb_count; i++) {
        if (strcmp(word, program->verbs[i].name) == 0) {
            return run_verb(program, &program->verbs[i], argc - 1, argv + 1);
        }
    }
    return unknown_verb(program, word);
}

int cli_fail(const struct cli_program *program, const struct base_err *err)
{
    (void)fprintf(stderr, "%s: %s\n", program->name, err->message);
    return base_status_exit_code(err->status);
}
