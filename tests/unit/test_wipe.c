/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/wipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/kgr-wipe-XXXXXX";
static char path[200];

static const char *file(const char *name)
{
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *name)
{
    FILE *f = fopen(file(name), "w");

    assert_non_null(f);
    assert_true(fputs("secret", f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void files_are_overwritten_and_gone(void **state)
{
    static const char *const names[] = {"a.db", "a.db-wal", "a.db-shm"};
    char bytes[8] = {0};
    struct kgr_diag diag = {{0}};
    FILE *open_before;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        write_file(names[i]);
    write_file("other");
    open_before = fopen(file("a.db"), "r");
    assert_non_null(open_before);
    assert_int_equal(kgr_wipe_files(dir, "a.db", &diag), KGR_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_not_equal(access(file(names[i]), F_OK), 0);
    assert_int_equal(access(file("other"), F_OK), 0);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), open_before), 6);
    assert_memory_equal(bytes, "\0\0\0\0\0\0", 6);
    assert_int_equal(fclose(open_before), 0);
    assert_int_equal(kgr_wipe_files(dir, "a.db", &diag), KGR_OK); /* again */
}

static void interrupted_wipe_is_finished(void **state)
{
    struct kgr_diag diag = {{0}};

    (void)state;
    write_file("a.db.wiped");
    write_file("a.db-wal");
    assert_int_equal(kgr_wipe_files(dir, "a.db", &diag), KGR_OK);
    assert_int_not_equal(access(file("a.db.wiped"), F_OK), 0);
    assert_int_not_equal(access(file("a.db-wal"), F_OK), 0);
}

static void what_is_no_file_is_refused(void **state)
{
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_int_equal(symlink("other", file("a.db-wal")), 0);
    assert_int_equal(kgr_wipe_files(dir, "a.db", &diag), KGR_ERR_IO);
    assert_int_equal(access(file("other"), F_OK), 0);
    assert_int_equal(unlink(file("a.db-wal")), 0);
}

static void without_a_terminal_yes_is_needed(void **state)
{
    struct kgr_diag diag = {{0}};

    (void)state;
    assert_non_null(freopen("/dev/null", "r", stdin));
    assert_int_equal(kgr_wipe_confirm(true, "all", &diag), KGR_OK);
    assert_int_equal(kgr_wipe_confirm(false, "all", &diag), KGR_ERR_INVALID);
    assert_non_null(strstr(diag.text, "--yes"));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(file("other"));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_overwritten_and_gone),
        cmocka_unit_test(interrupted_wipe_is_finished),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(without_a_terminal_yes_is_needed),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
