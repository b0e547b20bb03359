/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void sandbox_knows_its_calls_on_every_architecture(void **state)
{
    static const char *const archs[] = {"x86_64", "aarch64", "riscv64", "arm", "x86"};

    (void)state;
    for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
        const char *unknown = NULL;

        if (!kgr_sandbox_covers(archs[i], &unknown))
            fail_msg("%s: libseccomp does not know %s", archs[i], unknown);
    }
}

#ifndef KGR_SANITIZED

/* in_sandbox runs what in a child within the sandbox; the line on its stderr goes to out. Returns as waitpid. */
static int in_sandbox(int (*what)(void), char out[256])
{
    int fds[2], status = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = {0, 0};

        (void)dup2(fds[1], STDERR_FILENO);
        if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            kgr_sandbox_enter(NULL) != KGR_OK)
            _exit(99);
        _exit(what());
    }
    (void)close(fds[1]);
    n = read(fds[0], out, 255);
    out[n > 0 ? (size_t)n : 0] = '\0';
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_kills(int (*what)(void), const char *name, long number)
{
    char out[256], wanted[64];
    int status = in_sandbox(what, out);

    (void)snprintf(wanted, sizeof(wanted), "ERROR sandbox syscall=%010ld ", number);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
        fail_msg("%s: status %x", name, (unsigned)status);
    if (strncmp(out, wanted, strlen(wanted)) != 0)
        fail_msg("%s: '%s' instead of '%s'", name, out, wanted);
}

static int call_exec(void)
{
    char program[] = "/bin/true";
    char *argv[] = {program, NULL};

    return execv(argv[0], argv);
}

static int call_fork(void)
{
    return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static int call_ptrace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int call_kill(void)
{
    return kill(getppid(), 0);
}

static int call_tgkill(void)
{
    return (int)syscall(SYS_tgkill, getppid(), getppid(), SIGTERM);
}

static int map_wx(void)
{
    (void)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return 0;
}

static int protect_x(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int call_packet(void)
{
    return socket(AF_PACKET, SOCK_RAW, 0);
}

static int call_setuid(void)
{
    return setuid(65534);
}

static int call_tiocsti(void)
{
    return ioctl(0, TIOCSTI, "x");
}

static void sandbox_ends_who_breaks_out(void **state)
{
    (void)state;
    assert_kills(call_exec, "execve", SYS_execve);
    assert_kills(call_fork, "fork", SYS_clone);
    assert_kills(call_ptrace, "ptrace", SYS_ptrace);
    assert_kills(call_kill, "kill", SYS_kill);
    assert_kills(call_tgkill, "tgkill of another process", SYS_tgkill);
    assert_kills(map_wx, "mmap W+X", SYS_mmap);
    assert_kills(protect_x, "mprotect X", SYS_mprotect);
    assert_kills(call_packet, "a packet socket", SYS_socket);
    assert_kills(call_setuid, "setuid", SYS_setuid);
    assert_kills(call_tiocsti, "TIOCSTI", SYS_ioctl);
}

static void *answer(void *arg)
{
    return arg;
}

/* Whatever a service does all the time. Returns the number of what failed. */
static int ordinary_life(void)
{
    struct addrinfo *list = NULL;
    struct rlimit limit;
    pthread_t thread;
    void *result = NULL;
    int number = 42;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || close(fd) != 0)
        return 1;
    if (pthread_create(&thread, NULL, answer, &number) != 0 || pthread_join(thread, &result) != 0 ||
        result != &number)
        return 2;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || close(fd) != 0)
        return 3;
    if (getaddrinfo("localhost", "1883", NULL, &list) != 0)
        return 4;
    freeaddrinfo(list);
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return 5;
    if (raise(SIGURG) != 0) /* which nobody minds */
        return 6;
    if (syscall(SYS_io_uring_setup, 1, NULL) != -1 || errno != ENOSYS)
        return 7;
    return 0;
}

static void sandbox_lets_a_service_live(void **state)
{
    char out[256];
    int status;

    (void)state;
    status = in_sandbox(ordinary_life, out);
    if (status != 0)
        fail_msg("status %x: %s", (unsigned)status, out);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandbox_knows_its_calls_on_every_architecture),
#ifndef KGR_SANITIZED
        cmocka_unit_test(sandbox_ends_who_breaks_out),
        cmocka_unit_test(sandbox_lets_a_service_live),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
