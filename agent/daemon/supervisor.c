/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/supervisor.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/daemon/loop.h"

#define LOOK_MS 10000u /* how often the state is told when nothing asks for more */

struct kgr_supervisor {
    struct kgr_timer *timer;
    kgr_health_fn *fn;
    void *arg;
    uint64_t period_ms;
    bool watched;
    bool was_alive;
    char text[sizeof(((struct kgr_health *)0)->text)]; /* told last */
};

enum kgr_error kgr_supervisor_socket(int *out_fd, const char *path, struct kgr_diag *diag)
{
    int num = sd_listen_fds(0);

    *out_fd = 0;
    if (num < 0)
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "LISTEN_FDS in the environment: %s",
                            strerror(-num));
    for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + num; fd++)
        if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, path, 0) > 0) {
            *out_fd = fd;
            return KGR_OK;
        }
    return num == 0
               ? KGR_OK
               : kgr_diag_set(diag, KGR_ERR_CONFIG,
                              "the service manager passed %d socket(s), and none listens at %s: "
                              "ListenSequentialPacket= of the unit and socket must be the same",
                              num, path);
}

/* The watchdog's period, or 0. */
static uint64_t watchdog_ms(void)
{
    uint64_t usec = 0;

    return sd_watchdog_enabled(0, &usec) > 0 ? usec / 1000 : 0;
}

static bool is_there(void)
{
    const char *socket = secure_getenv("NOTIFY_SOCKET");

    return socket != NULL && socket[0] != '\0';
}

/* Nobody is there who could be told that the service manager is deaf. */
static void tell(const char *state)
{
    (void)sd_notify(0, state);
}

static void tell_text(struct kgr_supervisor *s, const char *text)
{
    char state[sizeof(s->text) + 8];

    if (strcmp(s->text, text) == 0)
        return;
    (void)snprintf(s->text, sizeof(s->text), "%s", text);
    (void)snprintf(state, sizeof(state), "STATUS=%s", s->text);
    tell(state);
}

static void look(struct kgr_supervisor *s)
{
    struct kgr_health health = {.alive = true, .text = ""};

    s->fn(s->arg, &health);
    tell_text(s, health.text);
    if (health.alive && s->watched)
        tell("WATCHDOG=1");
    if (!health.alive && s->was_alive)
        kgr_error_log("watchdog", "text=\"%s\"", health.text);
    s->was_alive = health.alive;
}

static void on_timer(void *arg)
{
    struct kgr_supervisor *s = arg;

    look(s);
    kgr_timer_start(s->timer, s->period_ms);
}

enum kgr_error kgr_supervisor_new(struct kgr_supervisor **out, struct kgr_loop *loop,
                                  kgr_health_fn *fn, void *arg)
{
    uint64_t period_ms = watchdog_ms();
    struct kgr_supervisor *s;
    enum kgr_error err;

    *out = NULL;
    if (!is_there())
        return KGR_OK;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return KGR_ERR_NO_MEMORY;
    s->fn = fn;
    s->arg = arg;
    s->watched = period_ms != 0;
    s->was_alive = true;
    /* Three signs in a period, so that one that is late does no harm. */
    s->period_ms = s->watched && period_ms / 3 < LOOK_MS ? period_ms / 3 + 1 : LOOK_MS;
    err = kgr_timer_new(&s->timer, loop, on_timer, s);
    if (err != KGR_OK) {
        free(s);
        return err;
    }
    tell("READY=1");
    on_timer(s);
    *out = s;
    return KGR_OK;
}

void kgr_supervisor_free(struct kgr_supervisor *supervisor)
{
    if (supervisor == NULL)
        return;
    kgr_timer_free(supervisor->timer);
    free(supervisor);
}

void kgr_supervisor_reloading(void)
{
    struct timespec now = {0};
    char state[64];

    /* Type=notify-reload wants to know since when. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    tell(state);
}

void kgr_supervisor_reloaded(void)
{
    tell("READY=1");
}

void kgr_supervisor_stopping(void)
{
    tell("STOPPING=1");
}

void kgr_supervisor_wait(unsigned int seconds, const char *why)
{
    uint64_t period_ms = watchdog_ms();
    unsigned int step =
        period_ms == 0 || period_ms / 3000 > seconds ? seconds : (unsigned int)(period_ms / 3000);
    char state[256];

    (void)snprintf(state, sizeof(state), "STATUS=%.200s", why);
    if (is_there())
        tell(state);
    for (step = step == 0 ? 1 : step; seconds > 0; seconds -= step < seconds ? step : seconds) {
        if (period_ms != 0)
            tell("WATCHDOG=1");
        (void)sleep(step < seconds ? step : seconds);
    }
}
