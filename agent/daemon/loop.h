/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/attr.h"

/*
 * The event loop of a daemon. One thread runs it and owns everything that hangs on it; every
 * function here belongs to that thread, kgr_wakeup_signal alone may be called from any.
 *
 * Timers, watches and wakeups are owned by whoever made them and are freed before the loop. They
 * may be freed inside any callback, their own too: the callback is not called again after that.
 */
struct kgr_loop;
struct kgr_timer;
struct kgr_watch;
struct kgr_wakeup;

typedef void kgr_loop_fn(void *arg);

KGR_MUST_CHECK enum kgr_error kgr_loop_new(struct kgr_loop **out);
/* kgr_loop_free accepts NULL. */
void kgr_loop_free(struct kgr_loop *loop);
/* kgr_loop_run serves callbacks until kgr_loop_stop. */
void kgr_loop_run(struct kgr_loop *loop);
/* kgr_loop_stop makes kgr_loop_run return after the present round of callbacks. */
void kgr_loop_stop(struct kgr_loop *loop);

/*
 * kgr_loop_signals makes SIGTERM and SIGINT call on_stop (NULL: kgr_loop_stop) and SIGHUP on_reload
 * (NULL: SIGHUP is ignored), on the loop's thread. At most once for a loop, and
 * before other threads start, so that all of them inherit the dispositions.
 */
KGR_MUST_CHECK enum kgr_error kgr_loop_signals(struct kgr_loop *loop, kgr_loop_fn *on_stop,
                                               kgr_loop_fn *on_reload, void *arg);

/*
 * One-shot timers, restartable, on CLOCK_BOOTTIME: they count through suspend, and a deadline can
 * be compared with kgr_clock_boot_ms().
 */
KGR_MUST_CHECK enum kgr_error kgr_timer_new(struct kgr_timer **out, struct kgr_loop *loop,
                                            kgr_loop_fn *fn, void *arg);
/* kgr_timer_free accepts NULL. */
void kgr_timer_free(struct kgr_timer *timer);
/* kgr_timer_start fires once, delay_ms from now; a timer that is running is set anew. */
void kgr_timer_start(struct kgr_timer *timer, uint64_t delay_ms);
/*
 * kgr_timer_start_at fires once, when kgr_clock_boot_ms() has reached deadline_ms (from the loop, never
 * from this call). UINT64_MAX means never: the timer is stopped.
 */
void kgr_timer_start_at(struct kgr_timer *timer, uint64_t deadline_ms);
void kgr_timer_stop(struct kgr_timer *timer);

/* Watching a descriptor of the caller's. */
#define KGR_WATCH_READ   1u
#define KGR_WATCH_WRITE  2u
#define KGR_WATCH_HANGUP 4u /* the other end is gone */
#define KGR_WATCH_ERROR                                                                            \
    8u /* only reported: the descriptor is in an error state, watching has stopped */

typedef void kgr_watch_fn(void *arg, unsigned events);

/*
 * kgr_watch_new watches nothing yet. fd is borrowed and made non-blocking; free the watch before closing
 * it. One watch for a descriptor; regular files cannot be watched.
 */
KGR_MUST_CHECK enum kgr_error kgr_watch_new(struct kgr_watch **out, struct kgr_loop *loop, int fd,
                                            kgr_watch_fn *fn, void *arg);
/* kgr_watch_free accepts NULL. */
void kgr_watch_free(struct kgr_watch *watch);
/* kgr_watch_set replaces the set of events watched, level-triggered; 0 stops. */
KGR_MUST_CHECK enum kgr_error kgr_watch_set(struct kgr_watch *watch, unsigned events);

/* A way into the loop from other threads: any number of signals give at least one call of fn. */
KGR_MUST_CHECK enum kgr_error kgr_wakeup_new(struct kgr_wakeup **out, struct kgr_loop *loop,
                                             kgr_loop_fn *fn, void *arg);
/* kgr_wakeup_free accepts NULL. No thread may signal any more. */
void kgr_wakeup_free(struct kgr_wakeup *wakeup);
/* kgr_wakeup_signal never blocks. Thread-safe. Its type suits callbacks that take a void pointer. */
void kgr_wakeup_signal(void *wakeup);
