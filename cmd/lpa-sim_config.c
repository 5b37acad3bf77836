/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/lpa-sim_config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PORT 4441U
#define FAULT_SIZE 160U

struct parsing {
    struct sim_config *config;
    char fault[FAULT_SIZE]; /**< what is wrong in the line at hand */
};

static struct sim_config_board *find_board(struct sim_config *config, const char *name)
{
    for (unsigned i = 0; i < config->count; i++) {
        if (strcmp(config->boards[i].name, name) == 0) {
            return &config->boards[i];
        }
    }
    if (config->count == SIM_CONFIG_BOARDS_MAX || name[0] == '\0' ||
        strlen(name) >= SIM_CONFIG_NAME_SIZE) {
        return NULL;
    }
    struct sim_config_board *board = &config->boards[config->count++];
    (void)snprintf(board->name, sizeof(board->name), "%s", name);
    return board;
}

static bool add_word(struct sim_config_board *board, const char *dashes, const char *text)
{
    char *word = NULL;
    if ((unsigned)board->count == SIM_CONFIG_WORDS_MAX ||
        asprintf(&word, "%s%s", dashes, text) < 0) {
        return false;
    }
    board->words[board->count++] = word;
    return true;
}

static int complain(struct parsing *parsing, const char *what, const char *key)
{
    (void)snprintf(parsing->fault, sizeof(parsing->fault), "%s %.40s", what, key);
    return 0;
}

/* One "key = value" of a section; 0 stops the parser at this line. */
static int take_pair(void *user, const char *section, const char *key, const char *value)
{
    struct parsing *parsing = user;
    struct sim_config_board *board = find_board(parsing->config, section);
    if (board == NULL) {
        return complain(parsing, "too many boards, or no board's name before", key);
    }
    enum sim_serve_form form = sim_serve_option_form(key);
    if (form == SIM_SERVE_UNKNOWN || strcmp(key, "config") == 0) {
        return complain(parsing, "there is no option", key);
    }
    if (form == SIM_SERVE_WITH_VALUE) {
        board->listens = board->listens || strcmp(key, "listen") == 0;
        return (add_word(board, "--", key) && add_word(board, "", value))
                   ? 1
                   : complain(parsing, "too much stands before", key);
    }
    if (strcmp(value, "no") == 0) {
        return 1;
    }
    if (strcmp(value, "yes") != 0) {
        return complain(parsing, "yes or no is wanted for", key);
    }
    return add_word(board, "--", key) ? 1 : complain(parsing, "too much stands before", key);
}

static enum base_status understand(
    struct sim_config_board *board, unsigned index, const char *path, struct base_err *err)
{
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", FIRST_PORT + index);
    if (!board->listens && (!add_word(board, "--", "listen") || !add_word(board, "", address))) {
        return base_err_set(
            err, BASE_E_CONFIG, "config", 0, "%s [%s]: too many options", path, board->name);
    }
    char *words[SIM_CONFIG_WORDS_MAX + 2] = { board->name };
    memcpy(words + 1, board->words, sizeof(board->words[0]) * (size_t)board->count);
    struct base_err cause = { 0 };
    if (sim_serve_parse(board->count + 1, words, &board->opts, &cause) != BASE_OK) {
        return base_err_set(
            err, BASE_E_CONFIG, "config", 0, "%s [%s]: %s", path, board->name, cause.message);
    }
    return BASE_OK;
}

static enum base_status read_file(const char *path, struct sim_config *config, struct base_err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return base_err_errno(err, errno == ENOENT ? BASE_E_NOTFOUND : BASE_E_IO, errno,
            "cannot read the boards' file %s", path);
    }
    struct parsing parsing = { .config = config };
    int line = ini_parse_file(file, take_pair, &parsing);
    (void)fclose(file);
    if (line != 0) {
        return base_err_set(err, BASE_E_CONFIG, "config", line, "%s line %d: %s", path, line,
            parsing.fault[0] != '\0' ? parsing.fault : "neither [board] nor key = value");
    }
    if (config->count == 0) {
        return base_err_set(
            err, BASE_E_CONFIG, "config", 0, "%s describes no board; write [name]", path);
    }
    return BASE_OK;
}

enum base_status sim_config_load(
    const char *path, struct sim_config *ret_config, struct base_err *err)
{
    struct sim_config config = { .boards = calloc(SIM_CONFIG_BOARDS_MAX, sizeof(*config.boards)) };
    if (config.boards == NULL) {
        return base_err_set(err, BASE_E_NOMEM, "config", 0, "no memory for the boards of %s", path);
    }
    enum base_status status = read_file(path, &config, err);
    for (unsigned i = 0; i < config.count && status == BASE_OK; i++) {
        status = understand(&config.boards[i], i, path, err);
    }
    if (status != BASE_OK) {
        sim_config_done(&config);
        return status;
    }
    *ret_config = config;
    return BASE_OK;
}

void sim_config_done(struct sim_config *config)
{
    for (unsigned i = 0; i < config->count; i++) {
        for (int j = 0; j < config->boards[i].count; j++) {
            free(config->boards[i].words[j]);
        }
    }
    free(config->boards);
    memset(config, 0, sizeof(*config));
}
