/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES 20
#define PROBE_TRIES 500
#define PROBE_NS    (10 * 1000 * 1000L)

static void die(const char *what)
{
    (void)fprintf(stderr, "broker: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A port that is free now; another may take it before Mosquitto does, hence the tries. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        die("free port");
    close(fd);
    return ntohs(address.sin_port);
}

static bool answers(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;

    if (fd < 0)
        die("socket");
    ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return ok;
}

static void spawn(struct broker *broker)
{
    char config[96], log[96];
    int fd;

    (void)snprintf(config, sizeof(config), "%s/conf", broker->dir);
    (void)snprintf(log, sizeof(log), "%s/log", broker->dir);
    broker->pid = fork();
    if (broker->pid < 0)
        die("fork");
    if (broker->pid > 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    execlp("mosquitto", "mosquitto", "-c", config, (char *)NULL);
    execl("/usr/sbin/mosquitto", "mosquitto", "-c", config, (char *)NULL);
    _exit(127);
}

/* Waits until the broker answers; false when it ended instead, for instance because the port was taken. */
static bool is_up(struct broker *broker)
{
    const struct timespec pause = {.tv_nsec = PROBE_NS};

    for (int i = 0; i < PROBE_TRIES; i++) {
        int status;

        if (waitpid(broker->pid, &status, WNOHANG) == broker->pid) {
            broker->pid = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                die("mosquitto is not installed");
            return false;
        }
        if (answers(broker->port))
            return true;
        nanosleep(&pause, NULL);
    }
    die("no answer");
    return false;
}

static void write_config(const struct broker *broker, const char *extra)
{
    char path[96];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/conf", broker->dir);
    file = fopen(path, "w");
    if (file == NULL)
        die(path);
    (void)fprintf(file, "listener %u 127.0.0.1\nuser root\npersistence false\n",
                  (unsigned)broker->port);
    if (extra == NULL || strstr(extra, "allow_anonymous") == NULL)
        (void)fputs("allow_anonymous true\n", file);
    if (extra != NULL)
        (void)fprintf(file, "%s\n", extra);
    if (fclose(file) != 0)
        die(path);
}

void broker_start(struct broker *broker, const char *extra)
{
    memset(broker, 0, sizeof(*broker));
    (void)snprintf(broker->dir, sizeof(broker->dir), "/tmp/kgr-broker-XXXXXX");
    if (mkdtemp(broker->dir) == NULL)
        die("mkdtemp");
    for (int i = 0; i < START_TRIES; i++) {
        broker->port = free_port();
        write_config(broker, extra);
        spawn(broker);
        if (is_up(broker))
            return;
    }
    die("mosquitto does not start, see its log");
}

void broker_kill(struct broker *broker)
{
    int status;

    if (broker->pid == 0)
        return;
    if (kill(broker->pid, SIGKILL) != 0 || waitpid(broker->pid, &status, 0) != broker->pid)
        die("kill");
    broker->pid = 0;
}

void broker_restart(struct broker *broker)
{
    spawn(broker);
    if (!is_up(broker))
        die("mosquitto does not start again");
}

void broker_stop(struct broker *broker)
{
    char path[96];

    broker_kill(broker);
    (void)snprintf(path, sizeof(path), "%s/conf", broker->dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/log", broker->dir);
    (void)unlink(path);
    if (rmdir(broker->dir) != 0)
        die(broker->dir);
}
