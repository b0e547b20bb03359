/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loop.h"

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/daemon/supervisor.h"

#include <uv.h>

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/timerfd.h>
#include <unistd.h>

LIST_HEAD(timer_list, kgr_timer);

struct kgr_timer {
    LIST_ENTRY(kgr_timer) link; /* in loop->timers while running */
    struct kgr_loop *loop;      /* borrowed */
    kgr_loop_fn *fn;
    void *arg;
    uint64_t deadline_ms;
    bool running;
};

enum { SIGNAL_TERM, SIGNAL_INT, SIGNAL_HUP, NUM_SIGNALS };

struct kgr_loop {
    uv_loop_t uv;
    /* libuv's own timers stand still in suspend; ours hang on one timerfd of CLOCK_BOOTTIME. */
    int timer_fd;
    struct kgr_watch *timer_watch; /* owned */
    struct timer_list timers;      /* by deadline, the earliest first */
    uint64_t armed_ms;             /* when timer_fd fires, perhaps for nobody; UINT64_MAX: never */
    bool firing;
    uint64_t firing_ms;
    uv_signal_t signals[NUM_SIGNALS];
    bool has_signals;
    kgr_loop_fn *on_stop;
    kgr_loop_fn *on_reload;
    void *signal_arg;
};

struct kgr_watch {
    uv_poll_t poll;
    unsigned events; /* watched now */
    kgr_watch_fn *fn;
    void *arg;
};

struct kgr_wakeup {
    uv_async_t async;
    kgr_loop_fn *fn;
    void *arg;
};

static enum kgr_error from_uv(const char *what, int rc)
{
    if (rc == 0)
        return KGR_OK;
    kgr_error_log("loop", "call=%s error=%s", what, uv_strerror(rc));
    return rc == UV_ENOMEM ? KGR_ERR_NO_MEMORY : KGR_ERR_FAILED;
}

static void free_handle_data(uv_handle_t *handle)
{
    free(handle->data);
}

/* Timers */

/*
 * Only ever to an earlier time: most timers are moved on long before they fire, and one round too many costs less than
 * a system call each time.
 */
static void arm(struct kgr_loop *loop)
{
    const struct kgr_timer *first = LIST_FIRST(&loop->timers);
    struct itimerspec spec = {0};
    int rc;

    if (first == NULL || first->deadline_ms >= loop->armed_ms)
        return;
    loop->armed_ms = first->deadline_ms;
    spec.it_value.tv_sec = (time_t)(first->deadline_ms / 1000);
    spec.it_value.tv_nsec = (long)(first->deadline_ms % 1000) * 1000000L;
    if (first->deadline_ms == 0)
        spec.it_value.tv_nsec = 1; /* all zero would disarm */
    rc = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    assert(rc == 0);
    (void)rc;
}

static void on_timer_fd(void *arg, unsigned events)
{
    struct kgr_loop *loop = arg;
    struct kgr_timer *timer;
    uint64_t ticks;

    (void)events;
    if (read(loop->timer_fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
        kgr_error_log("loop", "call=read-timerfd error=%s", strerror(errno));
    loop->armed_ms = UINT64_MAX;
    loop->firing = true;
    loop->firing_ms = kgr_clock_boot_ms();
    while ((timer = LIST_FIRST(&loop->timers)) != NULL && timer->deadline_ms <= loop->firing_ms) {
        LIST_REMOVE(timer, link);
        timer->running = false;
        timer->fn(timer->arg); /* may free this timer or any other */
    }
    loop->firing = false;
    arm(loop);
}

enum kgr_error kgr_timer_new(struct kgr_timer **out, struct kgr_loop *loop, kgr_loop_fn *fn,
                             void *arg)
{
    struct kgr_timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return KGR_ERR_NO_MEMORY;
    timer->loop = loop;
    timer->fn = fn;
    timer->arg = arg;
    *out = timer;
    return KGR_OK;
}

void kgr_timer_free(struct kgr_timer *timer)
{
    if (timer == NULL)
        return;
    kgr_timer_stop(timer);
    free(timer);
}

void kgr_timer_stop(struct kgr_timer *timer)
{
    if (!timer->running)
        return;
    LIST_REMOVE(timer, link);
    timer->running = false;
}

void kgr_timer_start(struct kgr_timer *timer, uint64_t delay_ms)
{
    uint64_t now_ms = kgr_clock_boot_ms();

    kgr_timer_start_at(timer, delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX);
}

void kgr_timer_start_at(struct kgr_timer *timer, uint64_t deadline_ms)
{
    struct kgr_loop *loop = timer->loop;
    struct kgr_timer *at, *last = NULL;

    kgr_timer_stop(timer);
    if (deadline_ms == UINT64_MAX)
        return;
    /* A timer that is set anew by its own callback must not keep the loop from everything else. */
    if (loop->firing && deadline_ms <= loop->firing_ms)
        deadline_ms = loop->firing_ms + 1;
    timer->deadline_ms = deadline_ms;
    LIST_FOREACH(at, &loop->timers, link)
    {
        if (at->deadline_ms > deadline_ms)
            break;
        last = at;
    }
    if (last == NULL)
        LIST_INSERT_HEAD(&loop->timers, timer, link);
    else
        LIST_INSERT_AFTER(last, timer, link);
    timer->running = true;
    if (!loop->firing)
        arm(loop);
}

/* Watches */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct kgr_watch *watch = poll->data;
    unsigned out = 0;

    if (status < 0) {
        out |= KGR_WATCH_ERROR;
        watch->events = 0;
    }
    if (events & UV_READABLE)
        out |= KGR_WATCH_READ;
    if (events & UV_WRITABLE)
        out |= KGR_WATCH_WRITE;
    if (events & UV_DISCONNECT)
        out |= KGR_WATCH_HANGUP;
    watch->fn(watch->arg, out);
}

enum kgr_error kgr_watch_new(struct kgr_watch **out, struct kgr_loop *loop, int fd,
                             kgr_watch_fn *fn, void *arg)
{
    struct kgr_watch *watch = calloc(1, sizeof(*watch));
    int rc;

    if (watch == NULL)
        return KGR_ERR_NO_MEMORY;
    rc = uv_poll_init(&loop->uv, &watch->poll, fd);
    if (rc != 0) {
        free(watch);
        return from_uv("uv_poll_init", rc);
    }
    watch->poll.data = watch;
    watch->fn = fn;
    watch->arg = arg;
    *out = watch;
    return KGR_OK;
}

void kgr_watch_free(struct kgr_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->poll, free_handle_data);
}

enum kgr_error kgr_watch_set(struct kgr_watch *watch, unsigned events)
{
    int uv_events = 0;
    int rc;

    if (events == watch->events)
        return KGR_OK;
    if (events & KGR_WATCH_READ)
        uv_events |= UV_READABLE;
    if (events & KGR_WATCH_WRITE)
        uv_events |= UV_WRITABLE;
    if (events & KGR_WATCH_HANGUP)
        uv_events |= UV_DISCONNECT;
    rc = uv_events == 0 ? uv_poll_stop(&watch->poll)
                        : uv_poll_start(&watch->poll, uv_events, on_poll);
    watch->events = rc == 0 ? events : 0;
    return from_uv("uv_poll_start", rc);
}

/* Wakeups */

static void on_async(uv_async_t *async)
{
    struct kgr_wakeup *wakeup = async->data;

    wakeup->fn(wakeup->arg);
}

enum kgr_error kgr_wakeup_new(struct kgr_wakeup **out, struct kgr_loop *loop, kgr_loop_fn *fn,
                              void *arg)
{
    struct kgr_wakeup *wakeup = calloc(1, sizeof(*wakeup));
    int rc;

    if (wakeup == NULL)
        return KGR_ERR_NO_MEMORY;
    rc = uv_async_init(&loop->uv, &wakeup->async, on_async);
    if (rc != 0) {
        free(wakeup);
        return from_uv("uv_async_init", rc);
    }
    wakeup->async.data = wakeup;
    wakeup->fn = fn;
    wakeup->arg = arg;
    *out = wakeup;
    return KGR_OK;
}

void kgr_wakeup_free(struct kgr_wakeup *wakeup)
{
    if (wakeup != NULL)
        uv_close((uv_handle_t *)&wakeup->async, free_handle_data);
}

void kgr_wakeup_signal(void *wakeup)
{
    struct kgr_wakeup *w = wakeup;
    int rc = uv_async_send(&w->async);

    assert(rc == 0);
    (void)rc;
}

/* Signals */

static void on_signal(uv_signal_t *handle, int signum)
{
    struct kgr_loop *loop = handle->data;

    if (signum == SIGHUP) {
        kgr_info("signal", "name=SIGHUP action=%s", loop->on_reload != NULL ? "reload" : "none");
        if (loop->on_reload != NULL) {
            kgr_supervisor_reloading();
            loop->on_reload(loop->signal_arg);
            kgr_supervisor_reloaded();
        }
        return;
    }
    kgr_info("signal", "name=%s action=stop", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    if (loop->on_stop != NULL)
        loop->on_stop(loop->signal_arg);
    else
        kgr_loop_stop(loop);
}

enum kgr_error kgr_loop_signals(struct kgr_loop *loop, kgr_loop_fn *on_stop, kgr_loop_fn *on_reload,
                                void *arg)
{
    static const int numbers[NUM_SIGNALS] = {
        [SIGNAL_TERM] = SIGTERM, [SIGNAL_INT] = SIGINT, [SIGNAL_HUP] = SIGHUP};
    int rc = 0;

    assert(!loop->has_signals);
    loop->on_stop = on_stop;
    loop->on_reload = on_reload;
    loop->signal_arg = arg;
    for (size_t i = 0; i < NUM_SIGNALS; i++) {
        /* uv_signal_init fails only for the first handle of a loop, so that all or none need closing. */
        rc = uv_signal_init(&loop->uv, &loop->signals[i]);
        if (rc != 0)
            return from_uv("uv_signal_init", rc);
        loop->signals[i].data = loop;
        loop->has_signals = true;
    }
    for (size_t i = 0; i < NUM_SIGNALS && rc == 0; i++)
        rc = uv_signal_start(&loop->signals[i], on_signal, numbers[i]);
    return from_uv("uv_signal_start", rc);
}

/* The loop */

enum kgr_error kgr_loop_new(struct kgr_loop **out)
{
    struct kgr_loop *loop = calloc(1, sizeof(*loop));
    enum kgr_error err;
    int rc;

    if (loop == NULL)
        return KGR_ERR_NO_MEMORY;
    rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        free(loop);
        return from_uv("uv_loop_init", rc);
    }
    LIST_INIT(&loop->timers);
    loop->armed_ms = UINT64_MAX;
    loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) {
        kgr_error_log("loop", "call=timerfd_create error=%s", strerror(errno));
        err = KGR_ERR_FAILED;
        goto fail;
    }
    err = kgr_watch_new(&loop->timer_watch, loop, loop->timer_fd, on_timer_fd, loop);
    if (err == KGR_OK)
        err = kgr_watch_set(loop->timer_watch, KGR_WATCH_READ);
    if (err != KGR_OK)
        goto fail;
    *out = loop;
    return KGR_OK;
fail:
    kgr_loop_free(loop);
    return err;
}

void kgr_loop_free(struct kgr_loop *loop)
{
    int rc;

    if (loop == NULL)
        return;
    kgr_watch_free(loop->timer_watch);
    for (size_t i = 0; loop->has_signals && i < NUM_SIGNALS; i++)
        uv_close((uv_handle_t *)&loop->signals[i], NULL);
    /* The loop itself finishes closing; the second round is for a stop that no run has consumed. */
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    (void)uv_run(&loop->uv, UV_RUN_NOWAIT);
    rc = uv_loop_close(&loop->uv);
    assert(rc == 0 && "a timer, watch or wakeup outlives its loop");
    (void)rc;
    if (loop->timer_fd >= 0)
        (void)close(loop->timer_fd);
    free(loop);
}

void kgr_loop_run(struct kgr_loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void kgr_loop_stop(struct kgr_loop *loop)
{
    uv_stop(&loop->uv);
}
