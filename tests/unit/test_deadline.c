/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/deadline.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int end_of(void (*child)(void))
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        child();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void hang(void)
{
    kgr_deadline_start(1);
    for (;;)
        (void)pause();
}

static void be_in_time(void)
{
    kgr_deadline_start(1);
    kgr_deadline_stop();
    (void)sleep(2);
}

static void deadline_ends_a_process_that_hangs(void **state)
{
    (void)state;
    assert_int_equal(end_of(hang), 7);
}

static void deadline_stopped_in_time_does_nothing(void **state)
{
    (void)state;
    assert_int_equal(end_of(be_in_time), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline_ends_a_process_that_hangs),
        cmocka_unit_test(deadline_stopped_in_time_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
