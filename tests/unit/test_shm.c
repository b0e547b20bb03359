/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void shm_is_shared_and_each_ring_comes_twice(void **state)
{
    struct kgr_shm mine, other;
    int fd = -1;

    (void)state;
    assert_int_equal(kgr_shm_create(&mine, &fd), KGR_OK);
    assert_int_equal(kgr_shm_map(&other, fd), KGR_OK);
    (void)close(fd);
    mine.head[7] = 1;
    mine.ring[0][KGR_SHM_RING - 1] = 2;
    mine.ring[0][KGR_SHM_RING] = 3;
    mine.ring[1][2 * KGR_SHM_RING - 1] = 4;
    assert_int_equal(other.head[7], 1);
    assert_int_equal(other.ring[0][2 * KGR_SHM_RING - 1], 2);
    assert_int_equal(other.ring[0][0], 3);
    assert_int_equal(other.ring[1][KGR_SHM_RING - 1], 4);
    assert_int_equal(other.ring[1][0], 0);
    kgr_shm_unmap(&mine);
    kgr_shm_unmap(&mine);
    assert_int_equal(other.head[7], 1);
    kgr_shm_unmap(&other);
}

static void shm_length_and_seals_are_for_good(void **state)
{
    struct kgr_shm shm;
    int fd = -1;

    (void)state;
    assert_int_equal(kgr_shm_create(&shm, &fd), KGR_OK);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, KGR_SHM_LEN * 2), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_not_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    (void)close(fd);
    kgr_shm_unmap(&shm);
}

static void shm_of_another_length_or_without_seals_is_refused(void **state)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    struct kgr_shm shm;
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    (void)state;
    assert_int_equal(ftruncate(fd, KGR_SHM_LEN), 0);
    assert_int_equal(kgr_shm_map(&shm, fd), KGR_ERR_CORRUPT);
    assert_int_equal(ftruncate(fd, KGR_SHM_LEN - 4096), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    assert_int_equal(kgr_shm_map(&shm, fd), KGR_ERR_CORRUPT);
    (void)close(fd);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(kgr_shm_map(&shm, fd), KGR_ERR_CORRUPT);
    (void)close(fd);
}

static void shm_is_not_there_in_a_child(void **state)
{
    struct kgr_shm shm;
    int status = 0;
    int fd = -1;
    pid_t pid;

    (void)state;
    assert_int_equal(kgr_shm_create(&shm, &fd), KGR_OK);
    (void)close(fd);
    pid = fork();
    if (pid == 0) {
        /* Nothing is mapped at any of the addresses. */
        bool gone = msync(shm.head, KGR_SHM_HEAD, MS_ASYNC) != 0 && errno == ENOMEM;

        for (size_t i = 0; i < 2; i++)
            gone = gone && msync(shm.ring[i], KGR_SHM_RING, MS_ASYNC) != 0 && errno == ENOMEM;
        _exit(gone ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    kgr_shm_unmap(&shm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shm_is_shared_and_each_ring_comes_twice),
        cmocka_unit_test(shm_length_and_seals_are_for_good),
        cmocka_unit_test(shm_of_another_length_or_without_seals_is_refused),
        cmocka_unit_test(shm_is_not_there_in_a_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
