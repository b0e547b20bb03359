/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/lockfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char parent[32];
    char dir[64];
    struct kgr_diag diag;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.parent, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.parent));
    (void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.parent);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[64];

    (void)snprintf(command, sizeof(command), "rm -r %s", f->parent);
    assert_int_equal(system(command), 0);
    return 0;
}

static void lockfile_create_makes_a_private_folder(void **state)
{
    struct fixture *f = *state;
    struct kgr_lockfile lock;
    struct stat st;

    assert_int_equal(kgr_lockfile_take(&lock, f->dir, true, &f->diag), KGR_OK);
    assert_int_equal(stat(f->dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    kgr_lockfile_release(&lock);
    kgr_lockfile_release(&lock);
    assert_int_equal(kgr_lockfile_take(&lock, f->dir, false, &f->diag), KGR_OK);
    kgr_lockfile_release(&lock);
}

static void lockfile_absent_folder_is_told(void **state)
{
    struct fixture *f = *state;
    struct kgr_lockfile lock;

    assert_int_equal(kgr_lockfile_take(&lock, f->dir, false, &f->diag), KGR_ERR_STATE);
    assert_non_null(strstr(f->diag.text, "init"));
}

static void lockfile_folder_open_to_others_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_lockfile lock;

    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(chmod(f->dir, 0750), 0);
    assert_int_equal(kgr_lockfile_take(&lock, f->dir, true, &f->diag), KGR_ERR_CONFIG);
    assert_non_null(strstr(f->diag.text, "0750"));
}

static void lockfile_link_to_a_folder_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_lockfile lock;
    char link[80];

    assert_int_equal(mkdir(f->dir, 0700), 0);
    (void)snprintf(link, sizeof(link), "%s/link", f->parent);
    assert_int_equal(symlink(f->dir, link), 0);
    assert_int_equal(kgr_lockfile_take(&lock, link, false, &f->diag), KGR_ERR_CONFIG);
}

static void lockfile_foreign_folder_is_refused(void **state)
{
    struct fixture *f = *state;
    struct kgr_lockfile lock;

    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(chown(f->dir, 12345, 12345), 0);
    assert_int_equal(kgr_lockfile_take(&lock, f->dir, false, &f->diag), KGR_ERR_CONFIG);
    assert_non_null(strstr(f->diag.text, "uid 12345"));
}

static void lockfile_second_process_is_refused_until_the_first_dies(void **state)
{
    struct fixture *f = *state;
    struct kgr_lockfile lock;
    int ready[2], status;
    char pid_text[32], byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct kgr_lockfile own;

        if (kgr_lockfile_take(&own, f->dir, true, NULL) != KGR_OK || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kgr_lockfile_take(&lock, f->dir, true, &f->diag), KGR_ERR_BUSY);
    (void)snprintf(pid_text, sizeof(pid_text), "process %ld,", (long)pid);
    assert_non_null(strstr(f->diag.text, pid_text));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(kgr_lockfile_take(&lock, f->dir, true, &f->diag), KGR_OK);
    kgr_lockfile_release(&lock);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lockfile_create_makes_a_private_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(lockfile_absent_folder_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(lockfile_folder_open_to_others_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(lockfile_link_to_a_folder_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(lockfile_foreign_folder_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(lockfile_second_process_is_refused_until_the_first_dies,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
