/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/lpa-file-XXXXXX");
    *state = folder;
    return folder != NULL && mkdtemp(folder) != NULL ? 0 : -1;
}

static int drop_folder(void **state)
{
    int gone = rmdir(*state);
    free(*state);
    return gone;
}

static void refuses_bad_paths(void **state)
{
    char path[BASE_FILE_PATH_SIZE];
    char small[8] = "kept";
    char *name = calloc(1, BASE_FILE_PATH_SIZE + 10);
    struct base_buf buf;
    struct base_err err = { 0 };
    assert_non_null(name);
    memset(name, 'n', BASE_FILE_PATH_SIZE + 9);
    base_buf_init(&buf, 100);
    assert_int_equal(base_file_join(*state, "none", sizeof(path), path, NULL), BASE_OK);
    assert_int_equal(base_file_read(path, &buf, &err), BASE_E_NOTFOUND);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(base_file_read(*state, &buf, NULL), BASE_E_IO);
    assert_int_equal(base_file_join("folder", "name", sizeof(small), small, NULL), BASE_E_ARG);
    assert_string_equal(small, "kept");
    assert_int_equal(base_file_replace(name, "x", 1, 0600, NULL), BASE_E_ARG);
    assert_int_equal(base_file_replace("/nonexistent/x", "x", 1, 0600, NULL), BASE_E_IO);
    assert_int_equal(base_file_sync_folder("/nonexistent/x", NULL), BASE_E_IO);
    assert_int_equal(base_file_make_folder("/nonexistent/x", NULL), BASE_E_IO);
    assert_int_equal(base_file_make_folder("/dev/null", NULL), BASE_E_IO);
    assert_int_equal(base_file_write_all(-1, "x", 1, "nowhere", NULL), BASE_E_IO);
    free(name);
    base_buf_done(&buf);
}

static void replaces_whole_files(void **state)
{
    char path[256];
    struct base_buf buf;
    struct stat info;
    base_buf_init(&buf, 5);
    (void)snprintf(path, sizeof(path), "%s/f", (const char *)*state);
    assert_int_equal(base_file_replace(path, "old", 3, 0644, NULL), BASE_OK);
    assert_int_equal(base_file_replace(path, "newer", 5, 0600, NULL), BASE_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(base_file_read(path, &buf, NULL), BASE_OK);
    assert_int_equal(buf.length, 5);
    assert_memory_equal(buf.data, "newer", 5);
    base_buf_clear(&buf);
    assert_int_equal(base_file_replace(path, "longer", 6, 0600, NULL), BASE_OK);
    struct base_err err = { 0 };
    assert_int_equal(base_file_read(path, &buf, &err), BASE_E_ARG);
    assert_non_null(strstr(err.message, path));
    base_buf_done(&buf);
    assert_int_equal(unlink(path), 0); /* and rmdir() proves that no temporary file is left */
}

/* A folder that cannot be written to keeps the old file, and no temporary stays behind. */
static void a_failed_replacement_changes_nothing(void **state)
{
    char folder[256];
    char path[300];
    struct base_buf buf;
    base_buf_init(&buf, 16);
    (void)snprintf(folder, sizeof(folder), "%s/d", (const char *)*state);
    (void)snprintf(path, sizeof(path), "%s/f", folder);
    assert_int_equal(base_file_make_folder(folder, NULL), BASE_OK);
    assert_int_equal(base_file_make_folder(folder, NULL), BASE_OK);
    assert_int_equal(mkdir(path, 0700), 0); /* rename() of a file onto a folder fails */
    assert_int_equal(base_file_replace(path, "x", 1, 0600, NULL), BASE_E_IO);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
    base_buf_done(&buf);
}

/* Keys and logs are not put where others could exchange them. */
static void open_folders_are_refused(void **state)
{
    const char *folder = *state;
    struct base_err err = { 0 };
    assert_int_equal(base_file_make_folder("/tmp", NULL), BASE_E_CONFIG);
    assert_int_equal(chmod(folder, 0770), 0);
    assert_int_equal(base_file_make_folder(folder, &err), BASE_E_CONFIG);
    assert_non_null(strstr(err.message, "0770"));
    assert_int_equal(chmod(folder, 0702), 0);
    assert_int_equal(base_file_make_folder(folder, NULL), BASE_E_CONFIG);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(base_file_make_folder(folder, NULL), BASE_OK);
    assert_int_equal(chmod(folder, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_bad_paths, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(open_folders_are_refused, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(replaces_whole_files, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(
            a_failed_replacement_changes_nothing, make_folder, drop_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
