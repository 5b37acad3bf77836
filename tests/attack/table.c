/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/attack/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIELDS         5U
#define LINE_MAX_BYTES 256

/* ".It A Ta B Ta …": the fields, cut out of @p line. */
static size_t split(char *line, char *ret_fields[FIELDS])
{
    size_t count = 0;
    char *at = line + strlen(".It ");
    while (at != NULL && count < FIELDS) {
        char *next = strstr(at, " Ta ");
        ret_fields[count++] = at;
        if (next != NULL) {
            *next = '\0';
            next += strlen(" Ta ");
        }
        at = next;
    }
    return at == NULL ? count : FIELDS + 1;
}

static void take_row(struct table *table, char *fields[FIELDS])
{
    struct table_row *row = &table->rows[table->count];
    char *end[2] = { NULL, NULL };
    assert_true(table->count < TABLE_MAX);
    assert_true(strlen(fields[0]) < TABLE_TEXT && strlen(fields[1]) < TABLE_TEXT);
    memcpy(row->state, fields[0], strlen(fields[0]) + 1);
    memcpy(row->port, fields[1], strlen(fields[1]) + 1);
    row->first = (uint32_t)strtoul(fields[2], &end[0], 16);
    row->last = (uint32_t)strtoul(fields[3], &end[1], 16);
    row->read = strchr(fields[4], 'r') != NULL;
    row->write = strchr(fields[4], 'w') != NULL;
    if (*end[0] != '\0' || *end[1] != '\0' || row->first > row->last || !(row->read || row->write))
        fail_msg(
            "a row that says nothing: %s %s %s %s", fields[0], fields[1], fields[2], fields[3]);
    table->count++;
}

void table_load(struct table *table, const char *path)
{
    char line[LINE_MAX_BYTES];
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    table->count = 0;
    if (file == NULL)
        fail_msg("LPA_TEST_TABLES must name man/lpa-port.7");
    while (fgets(line, sizeof(line), file) != NULL) {
        char *fields[FIELDS];
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, ".It ", 4) == 0 && strstr(line, " Ta ") != NULL &&
            split(line, fields) == FIELDS && strcmp(fields[0], "State") != 0)
            take_row(table, fields);
    }
    (void)fclose(file);
    assert_true(table->count > 0);
}

bool table_allows(
    const struct table *table, const char *state, const char *port, uint32_t address, bool write)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct table_row *row = &table->rows[i];
        if (strcmp(row->state, state) == 0 && strcmp(row->port, port) == 0 &&
            address >= row->first && address <= row->last && (write ? row->write : row->read))
            return true;
    }
    return false;
}
