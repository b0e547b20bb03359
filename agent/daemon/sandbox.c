/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/sandbox.h"

#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/log.h"

#ifndef PR_SET_VMA /* Linux 5.17: malloc names its arenas with it */
#define PR_SET_VMA 0x53564d41
#endif

/* Names that an architecture or an older libseccomp does not have are left out of the filter there. */
static const char *const allowed[] = {
    /* files: the state folder, configuration, certificates, name service, the TPM's device, libraries of a TCTI */
    "access", "chmod", "close", "close_range", "dup", "dup2", "dup3", "faccessat", "fadvise64",
    "fallocate", "fchmod", "fchmodat", "fchown", "fcntl", "fdatasync", "flock", "fstat", "fstatfs",
    "fsync", "ftruncate", "getcwd", "getdents64", "lseek", "lstat", "mkdir", "mkdirat",
    "newfstatat", "open", "openat", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "read",
    "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir", "stat", "statfs",
    "statx", "umask", "unlink", "unlinkat", "utimensat", "write", "writev",
    /* memory; mmap and mprotect below */
    "brk", "madvise", "mincore", "mlock", "mlock2", "mremap", "msync", "munlock", "munmap",
    "memfd_create",
    /* the network and local sockets; socket and socketpair below */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    /* waiting */
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "epoll_create1", "epoll_ctl",
    "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "gettimeofday", "nanosleep", "pause",
    "pipe", "pipe2", "poll", "ppoll", "pselect6", "select", "setitimer", "signalfd4", "time",
    "timerfd_create", "timerfd_gettime", "timerfd_settime", "times",
    /* threads and signals of this process */
    "exit", "exit_group", "futex", "futex_waitv", "get_robust_list", "getcpu", "membarrier",
    "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigsuspend", "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_setaffinity", "sched_setattr", "sched_yield", "set_robust_list", "set_tid_address",
    "sigaltstack",
    /* who and where we are */
    "getegid", "geteuid", "getgid", "getgroups", "getpgrp", "getpid", "getppid", "getrandom",
    "getresgid", "getresuid", "getrlimit", "getrusage", "gettid", "getuid", "sysinfo", "uname"};

/* What libraries try first and can do without. */
static const char *const absent[] = {
    "arch_prctl",        "clone3",  "faccessat2", "fchmodat2",        "io_uring_setup", "mseal",
    "name_to_handle_at", "openat2", "pidfd_open", "map_shadow_stack", "rt_sigqueueinfo"};

/* Calls that are allowed with these arguments only. */
struct rule {
    const char *name;
    unsigned int num_args;
    struct scmp_arg_cmp args[2];
};

#define MASKED(arg, mask, value)                                                                   \
    {                                                                                              \
        (arg), SCMP_CMP_MASKED_EQ, (mask), (value)                                                 \
    }
#define EQUAL(arg, value)                                                                          \
    {                                                                                              \
        (arg), SCMP_CMP_EQ, (value), 0                                                             \
    }

static const struct rule rules[] = {
    /* Threads, no processes. clone3 hides its flags in memory; the C library goes back to clone. */
    {"clone", 1, {MASKED(0, CLONE_THREAD, CLONE_THREAD)}},
    {"mmap", 1, {MASKED(2, PROT_EXEC, 0)}},
    {"mmap", 1, {MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)}},
    {"mprotect", 1, {MASKED(2, PROT_EXEC, 0)}},
    {"socket", 1, {EQUAL(0, AF_UNIX)}},
    {"socket", 1, {EQUAL(0, AF_INET)}},
    {"socket", 1, {EQUAL(0, AF_INET6)}},
    {"socket", 1, {EQUAL(0, AF_NETLINK)}}, /* getaddrinfo asks which addresses there are */
    {"socketpair", 1, {EQUAL(0, AF_UNIX)}},
    {"ioctl", 1, {EQUAL(1, FIONREAD)}},
    {"ioctl", 1, {EQUAL(1, FIONBIO)}},
    {"ioctl", 1, {EQUAL(1, FIOCLEX)}},
    {"ioctl", 1, {EQUAL(1, TCGETS)}},
    {"ioctl", 1, {EQUAL(1, TIOCGWINSZ)}},
    {"ioctl", 1, {EQUAL(1, SIOCGIFINDEX)}},
    {"prctl", 1, {EQUAL(0, PR_SET_NAME)}},
    {"prctl", 1, {EQUAL(0, PR_GET_NAME)}},
    {"prctl", 1, {EQUAL(0, PR_SET_VMA)}},
    {"prlimit64", 2, {EQUAL(0, 0), EQUAL(2, 0)}}, /* to read our own limits */
};

static bool is_known(const char *name, int *out_number)
{
    *out_number = seccomp_syscall_resolve_name(name);
    return *out_number != __NR_SCMP_ERROR;
}

static int add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned int num_args,
               const struct scmp_arg_cmp *args)
{
    int number;

    return is_known(name, &number) ? seccomp_rule_add_array(filter, action, number, num_args, args)
                                   : 0;
}

static int fill(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp own = EQUAL(0, (scmp_datum_t)getpid());
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; i < KGR_ARRAY_LEN(allowed) && rc == 0; i++)
        rc = add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; i < KGR_ARRAY_LEN(absent) && rc == 0; i++)
        rc = add(filter, SCMP_ACT_ERRNO(ENOSYS), absent[i], 0, NULL);
    for (size_t i = 0; i < KGR_ARRAY_LEN(rules) && rc == 0; i++)
        rc = add(filter, SCMP_ACT_ALLOW, rules[i].name, rules[i].num_args, rules[i].args);
    if (rc == 0) /* abort and raise */
        rc = add(filter, SCMP_ACT_ALLOW, "tgkill", 1, &own);
    return rc;
}

/* What a signal handler may do: no stdio. */
static void on_refused(int signal_number, siginfo_t *info, void *context)
{
    char line[] = "ERROR sandbox syscall=0000000000 text=\"a system call that is not in the list; "
                  "report it, sandbox = false runs without\"\n";
    char *digit = strchr(line, '=') + 10;
    unsigned int number = (unsigned int)info->si_syscall;

    (void)context;
    for (int i = 0; i < 10; i++, number /= 10)
        *digit-- = (char)('0' + number % 10);
    if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0)
        _exit(128 + signal_number);
    (void)raise(signal_number); /* no handler any more */
}

#ifdef KGR_SANITIZED
#define IS_POSSIBLE false
#else
#define IS_POSSIBLE true
#endif

enum kgr_error kgr_sandbox_enter(struct kgr_diag *diag)
{
    struct sigaction action = {.sa_sigaction = on_refused,
                               .sa_flags = SA_SIGINFO | SA_NODEFER | (int)SA_RESETHAND};
    scmp_filter_ctx filter;
    int rc;

    if (!IS_POSSIBLE)
        return KGR_OK;
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return kgr_diag_set(diag, KGR_ERR_FAILED, "sandbox: %s", strerror(errno));
    filter = seccomp_init(SCMP_ACT_TRAP);
    if (filter == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "sandbox: no memory");
    rc = fill(filter);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc == 0
               ? KGR_OK
               : kgr_diag_set(diag, KGR_ERR_FAILED,
                              "the kernel does not filter system calls (%s); sandbox = false in "
                              "the configuration runs without",
                              strerror(-rc));
}

static bool covers(uint32_t arch, const char *name)
{
    /* Numbers below zero: libseccomp knows the name, the architecture has no such call. */
    return seccomp_syscall_resolve_name_arch(arch, name) != __NR_SCMP_ERROR;
}

bool kgr_sandbox_covers(const char *arch, const char **out_unknown)
{
    uint32_t token = seccomp_arch_resolve_name(arch);

    *out_unknown = "the architecture";
    if (token == 0)
        return false;
    for (size_t i = 0; i < KGR_ARRAY_LEN(allowed); i++)
        if (!covers(token, *out_unknown = allowed[i]))
            return false;
    for (size_t i = 0; i < KGR_ARRAY_LEN(rules); i++)
        if (!covers(token, *out_unknown = rules[i].name))
            return false;
    return true;
}
