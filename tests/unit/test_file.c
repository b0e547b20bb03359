/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[32];
    char path[64];
    char next[64];
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/file", f.dir);
    (void)snprintf(f.next, sizeof(f.next), "%s/file.new", f.dir);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->path);
    (void)unlink(f->next);
    return rmdir(f->dir);
}

static void assert_holds(struct fixture *f, const char *text)
{
    uint8_t bytes[64];
    size_t len = 0;

    assert_int_equal(kgr_file_read(bytes, &len, sizeof(bytes), f->path, &f->diag), KGR_OK);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(bytes, text, len);
}

static void new_file_appears_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    struct kgr_new_file file = KGR_NEW_FILE_INIT;
    struct kgr_new_file second = KGR_NEW_FILE_INIT;
    struct stat st;

    kgr_new_file_abandon(&file);
    assert_int_equal(kgr_new_file_begin(&file, f->path, &f->diag), KGR_OK);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_size, 0);
    kgr_new_file_abandon(&file);
    assert_int_not_equal(stat(f->path, &st), 0);
    assert_int_equal(kgr_new_file_begin(&file, f->path, &f->diag), KGR_OK);
    assert_int_equal(kgr_new_file_finish(&file, 0600, kgr_slice("secret", 6), &f->diag), KGR_OK);
    kgr_new_file_abandon(&file);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_holds(f, "secret");
    assert_int_equal(kgr_new_file_begin(&second, f->path, &f->diag), KGR_ERR_EXISTS);
    kgr_new_file_abandon(&second); /* must not remove what is not its own */
    assert_holds(f, "secret");
}

static void empty_file_of_a_killed_run_is_taken_over(void **state)
{
    struct fixture *f = *state;
    struct kgr_new_file killed = KGR_NEW_FILE_INIT;
    struct kgr_new_file file = KGR_NEW_FILE_INIT;

    assert_int_equal(kgr_new_file_begin(&killed, f->path, &f->diag), KGR_OK);
    close(killed.fd);
    assert_int_equal(kgr_new_file_begin(&file, f->path, &f->diag), KGR_OK);
    assert_int_equal(kgr_new_file_finish(&file, 0600, kgr_slice("secret", 6), &f->diag), KGR_OK);
    assert_holds(f, "secret");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(symlink(f->next, f->path), 0);
    assert_int_equal(kgr_new_file_begin(&file, f->path, &f->diag), KGR_ERR_EXISTS);
}

static void replace_takes_the_place_of_what_was_there(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice("first", 5), &f->diag), KGR_OK);
    assert_holds(f, "first");
    assert_int_equal(kgr_file_replace(f->path, 0640, kgr_slice("second", 6), &f->diag), KGR_OK);
    assert_holds(f, "second");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_not_equal(stat(f->next, &st), 0);
}

static void replace_goes_on_after_a_crash(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_file_replace(f->next, 0600, kgr_slice("ha", 2), &f->diag), KGR_OK);
    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice("whole", 5), &f->diag), KGR_OK);
    assert_holds(f, "whole");
}

static void replace_that_fails_leaves_what_was_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice("first", 5), &f->diag), KGR_OK);
    assert_int_equal(mkdir(f->next, 0700), 0);
    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice("second", 6), &f->diag), KGR_ERR_IO);
    assert_non_null(strstr(f->diag.text, "file.new"));
    assert_holds(f, "first");
    assert_int_equal(rmdir(f->next), 0);
}

static void read_refuses_what_is_longer(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[4];
    size_t len = 99;

    assert_int_equal(kgr_file_replace(f->path, 0600, kgr_slice("12345", 5), &f->diag), KGR_OK);
    assert_int_equal(kgr_file_read(bytes, &len, sizeof(bytes), f->path, &f->diag),
                     KGR_ERR_TOO_LARGE);
    assert_int_equal(len, 99);
    assert_int_equal(kgr_file_read(bytes, &len, sizeof(bytes), f->next, &f->diag), KGR_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_file_appears_whole_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_file_of_a_killed_run_is_taken_over, setup, teardown),
        cmocka_unit_test_setup_teardown(replace_takes_the_place_of_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(replace_goes_on_after_a_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(replace_that_fails_leaves_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(read_refuses_what_is_longer, setup, teardown),
    };

    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
