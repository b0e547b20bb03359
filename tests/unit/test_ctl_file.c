/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[32];
    char path[64];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return -1;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/kgr-file.XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s/out", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->path);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static size_t num_files(const struct fixture *f)
{
    DIR *dir = opendir(f->dir);
    const struct dirent *entry;
    size_t num = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        num += entry->d_name[0] != '.' ? 1 : 0;
    (void)closedir(dir);
    return num;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void assert_content(const char *path, const char *wanted)
{
    uint8_t text[64];
    size_t len = 0;

    assert_int_equal(kgr_ctl_read_all(path, text, sizeof(text), &len), KGR_OK);
    assert_int_equal(len, strlen(wanted));
    assert_memory_equal(text, wanted, len);
}

static void read_all_at_the_limit_succeeds_and_beyond_fails(void **state)
{
    struct fixture *f = *state;
    uint8_t text[8];
    size_t len = 0;

    write_file(f->path, "12345678");
    assert_int_equal(kgr_ctl_read_all(f->path, text, 8, &len), KGR_OK);
    assert_int_equal(len, 8);
    len = 99;
    assert_int_equal(kgr_ctl_read_all(f->path, text, 7, &len), KGR_ERR_TOO_LARGE);
    assert_int_equal(kgr_ctl_read_all("/nowhere/x", text, 8, &len), KGR_ERR_IO);
    assert_int_equal(len, 99);
}

static void output_appears_only_when_committed(void **state)
{
    struct fixture *f = *state;
    struct kgr_ctl_output output;
    struct stat st;

    write_file(f->path, "old");
    assert_int_equal(kgr_ctl_output_open(&output, f->path), KGR_OK);
    assert_content(f->path, "old");
    assert_int_equal(kgr_ctl_output_commit(&output, (const uint8_t *)"new", 3), KGR_OK);
    kgr_ctl_output_close(&output);
    assert_content(f->path, "new");
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(num_files(f), 1);
}

static void output_not_committed_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct kgr_ctl_output output;

    assert_int_equal(kgr_ctl_output_open(&output, f->path), KGR_OK);
    assert_int_equal(num_files(f), 1);
    kgr_ctl_output_close(&output);
    assert_int_equal(num_files(f), 0);
    assert_int_equal(kgr_ctl_output_open(&output, "/nowhere/x"), KGR_ERR_IO);
}

static void output_to_a_device_writes_to_it(void **state)
{
    struct kgr_ctl_output output;
    struct stat st;

    (void)state;
    assert_int_equal(kgr_ctl_output_open(&output, "/dev/null"), KGR_OK);
    assert_int_equal(kgr_ctl_output_commit(&output, (const uint8_t *)"x", 1), KGR_OK);
    kgr_ctl_output_close(&output);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void output_to_a_full_device_fails(void **state)
{
    struct kgr_ctl_output output;

    (void)state;
    assert_int_equal(kgr_ctl_output_open(&output, "/dev/full"), KGR_OK);
    assert_int_equal(kgr_ctl_output_commit(&output, (const uint8_t *)"x", 1), KGR_ERR_IO);
    kgr_ctl_output_close(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(read_all_at_the_limit_succeeds_and_beyond_fails, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(output_appears_only_when_committed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(output_not_committed_leaves_nothing, set_up, tear_down),
        cmocka_unit_test(output_to_a_device_writes_to_it),
        cmocka_unit_test(output_to_a_full_device_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
