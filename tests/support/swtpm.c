/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/swtpm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_STEP_MS 5
#define READY_STEPS   2000

static void die(const char *what)
{
    (void)fprintf(stderr, "swtpm: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void path_of(char *out, size_t cap, const struct swtpm *swtpm, const char *name)
{
    int len = snprintf(out, cap, "%s/%s", swtpm->dir, name);

    if (len < 0 || (size_t)len >= cap)
        die("the path is too long");
}

static int can_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ok;

    if (fd < 0)
        die("socket");
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    ok = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
    (void)close(fd);
    return ok;
}

static int is_ready(const struct swtpm *swtpm)
{
    char data[96];
    char ctrl[96];

    path_of(data, sizeof(data), swtpm, "sock");
    path_of(ctrl, sizeof(ctrl), swtpm, "sock.ctrl");
    /* The control socket serves one client: a probe there could make the first real one fail. */
    return access(ctrl, F_OK) == 0 && can_connect(data);
}

static void wait_ready(struct swtpm *swtpm)
{
    const struct timespec step = {.tv_sec = 0, .tv_nsec = READY_STEP_MS * 1000000L};

    for (int i = 0; i < READY_STEPS; i++) {
        if (is_ready(swtpm))
            return;
        if (waitpid(swtpm->pid, NULL, WNOHANG) == swtpm->pid)
            die("it ended at once");
        (void)nanosleep(&step, NULL);
    }
    die("it is not ready");
}

static void run(const struct swtpm *swtpm)
{
    char state[128];
    char server[128];
    char ctrl[128];
    char log[128];

    /* A test that is killed, or ends by an assertion outside of cmocka, leaves nothing running. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        die("prctl");
    path_of(log, sizeof(log), swtpm, "log");
    if (freopen(log, "a", stderr) == NULL)
        die("cannot write its log");
    (void)snprintf(state, sizeof(state), "dir=%s", swtpm->dir);
    (void)snprintf(server, sizeof(server), "type=unixio,path=%s/sock", swtpm->dir);
    (void)snprintf(ctrl, sizeof(ctrl), "type=unixio,path=%s/sock.ctrl", swtpm->dir);
    (void)execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
                 "--ctrl", ctrl, "--flags", "not-need-init,startup-clear", (char *)NULL);
    die("cannot be executed");
}

void swtpm_restart(struct swtpm *swtpm)
{
    swtpm->pid = fork();
    if (swtpm->pid < 0)
        die("fork");
    if (swtpm->pid == 0)
        run(swtpm);
    wait_ready(swtpm);
}

void swtpm_start(struct swtpm *swtpm)
{
    memset(swtpm, 0, sizeof(*swtpm));
    (void)snprintf(swtpm->dir, sizeof(swtpm->dir), "/tmp/kgr-swtpm-XXXXXX");
    if (mkdtemp(swtpm->dir) == NULL)
        die("mkdtemp");
    (void)snprintf(swtpm->tcti, sizeof(swtpm->tcti), "swtpm:path=%s/sock", swtpm->dir);
    /* A socket without its reader raises SIGPIPE in tss2; the services ignore it too. */
    (void)signal(SIGPIPE, SIG_IGN);
    swtpm_restart(swtpm);
}

void swtpm_kill(struct swtpm *swtpm)
{
    static const char *const sockets[] = {"sock", "sock.ctrl"};
    char path[96];

    if (swtpm->pid <= 0)
        return;
    (void)kill(swtpm->pid, SIGKILL);
    (void)waitpid(swtpm->pid, NULL, 0);
    swtpm->pid = 0;
    for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
        path_of(path, sizeof(path), swtpm, sockets[i]);
        (void)unlink(path);
    }
}

void swtpm_stop(struct swtpm *swtpm)
{
    static const char *const files[] = {"tpm2-00.permall", "tpm2-00.volatilestate", ".lock", "log"};
    char path[96];

    swtpm_kill(swtpm);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        path_of(path, sizeof(path), swtpm, files[i]);
        (void)unlink(path);
    }
    if (rmdir(swtpm->dir) != 0)
        (void)fprintf(stderr, "swtpm: %s stays behind: %s\n", swtpm->dir, strerror(errno));
}
