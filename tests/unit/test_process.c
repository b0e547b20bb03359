/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/process.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void *ask(void *arg)
{
    *(uint32_t *)arg = kgr_process_mark();
    return NULL;
}

static void mark_is_that_of_every_thread(void **state)
{
    uint32_t mark = kgr_process_mark(), other = 0;
    pthread_t thread;

    (void)state;
    assert_int_not_equal(mark, 0);
    assert_int_equal(pthread_create(&thread, NULL, ask, &other), 0);
    (void)pthread_join(thread, NULL);
    assert_int_equal(other, mark);
    assert_int_equal(kgr_process_mark(), mark);
}

/* 0 when the mark of so many generations of children is none of before, as exit codes say. */
static int descend(uint32_t *marks, int num, int depth)
{
    int status = 0;
    pid_t pid;

    marks[num] = kgr_process_mark();
    for (int i = 0; i < num; i++)
        if (marks[i] == marks[num])
            return 1;
    if (marks[num] != kgr_process_mark())
        return 2;
    if (num == depth)
        return 0;
    pid = fork();
    if (pid == 0)
        _exit(descend(marks, num + 1, depth));
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 3;
}

static void mark_is_another_in_every_child(void **state)
{
    uint32_t marks[4];

    (void)state;
    assert_int_equal(descend(marks, 0, 3), 0);
    assert_int_equal(descend(marks, 0, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mark_is_that_of_every_thread),
        cmocka_unit_test(mark_is_another_in_every_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
