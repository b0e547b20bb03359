/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/loop.h"

#include "agent/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct kgr_loop *loop;
    struct kgr_timer *timers[4];
    struct kgr_watch *watch;
    struct kgr_wakeup *wakeup;
    int fds[2];
    unsigned events;
    int num_calls;
    char order[8];
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    assert_int_equal(kgr_loop_new(&f.loop), KGR_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, f.fds), 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < 4; i++)
        kgr_timer_free(f->timers[i]);
    kgr_watch_free(f->watch);
    kgr_wakeup_free(f->wakeup);
    kgr_loop_free(f->loop);
    if (f->fds[0] >= 0)
        close(f->fds[0]);
    if (f->fds[1] >= 0)
        close(f->fds[1]);
    return 0;
}

static void note(struct fixture *f, char c)
{
    f->order[f->num_calls++] = c;
}

static void note_a(void *arg)
{
    note(arg, 'a');
}

static void note_b(void *arg)
{
    note(arg, 'b');
}

static void note_c_and_stop(void *arg)
{
    struct fixture *f = arg;

    note(f, 'c');
    kgr_loop_stop(f->loop);
}

static void timer_fires_in_order_of_deadlines(void **state)
{
    struct fixture *f = *state;
    uint64_t before_ms = kgr_clock_boot_ms();

    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, note_a, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[1], f->loop, note_b, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[2], f->loop, note_c_and_stop, f), KGR_OK);
    kgr_timer_start(f->timers[2], 30);
    kgr_timer_start(f->timers[0], 20);
    kgr_timer_start_at(f->timers[1], 0);
    kgr_loop_run(f->loop);
    assert_string_equal(f->order, "bac");
    assert_true(kgr_clock_boot_ms() >= before_ms + 30);
}

static void timer_stopped_or_never_does_not_fire(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, note_a, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[1], f->loop, note_b, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[2], f->loop, note_c_and_stop, f), KGR_OK);
    kgr_timer_start(f->timers[0], 0);
    kgr_timer_start(f->timers[1], 0);
    kgr_timer_start(f->timers[2], 10);
    kgr_timer_stop(f->timers[0]);
    kgr_timer_stop(f->timers[0]);
    kgr_timer_start_at(f->timers[1], UINT64_MAX);
    kgr_loop_run(f->loop);
    assert_string_equal(f->order, "c");
}

static void timer_start_again_moves_the_deadline(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, note_a, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[1], f->loop, note_c_and_stop, f), KGR_OK);
    kgr_timer_start(f->timers[0], 5);
    kgr_timer_start(f->timers[1], 20);
    kgr_timer_start(f->timers[0], UINT64_MAX - 1);
    kgr_loop_run(f->loop);
    assert_string_equal(f->order, "c");
}

static void restart_self(void *arg)
{
    struct fixture *f = arg;

    note(f, 'r');
    if (f->num_calls < 3)
        kgr_timer_start(f->timers[0], 0);
    else
        kgr_loop_stop(f->loop);
}

static void timer_restarted_in_its_callback_fires_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, restart_self, f), KGR_OK);
    kgr_timer_start(f->timers[0], 0);
    kgr_loop_run(f->loop);
    assert_string_equal(f->order, "rrr");
}

static void free_both(void *arg)
{
    struct fixture *f = arg;

    note(f, 'f');
    kgr_timer_free(f->timers[0]);
    kgr_timer_free(f->timers[1]);
    f->timers[0] = f->timers[1] = NULL;
}

static void timer_freed_in_a_callback_is_not_called(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, free_both, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[1], f->loop, free_both, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[2], f->loop, note_c_and_stop, f), KGR_OK);
    kgr_timer_start_at(f->timers[0], 1);
    kgr_timer_start_at(f->timers[1], 1);
    kgr_timer_start(f->timers[2], 10);
    kgr_loop_run(f->loop);
    assert_string_equal(f->order, "fc");
}

static void on_events(void *arg, unsigned events)
{
    struct fixture *f = arg;

    f->events |= events;
    f->num_calls++;
    kgr_loop_stop(f->loop);
}

static void watch_reports_only_what_was_asked(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_watch_new(&f->watch, f->loop, f->fds[0], on_events, f), KGR_OK);
    assert_int_equal(send(f->fds[1], "x", 1, 0), 1);
    assert_int_equal(kgr_watch_set(f->watch, KGR_WATCH_WRITE), KGR_OK);
    kgr_loop_run(f->loop);
    assert_int_equal(f->events, KGR_WATCH_WRITE);
    f->events = 0;
    assert_int_equal(kgr_watch_set(f->watch, KGR_WATCH_READ), KGR_OK);
    kgr_loop_run(f->loop);
    assert_int_equal(f->events, KGR_WATCH_READ);
}

static void watch_hangup_is_seen_without_reading(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_watch_new(&f->watch, f->loop, f->fds[0], on_events, f), KGR_OK);
    assert_int_equal(kgr_watch_set(f->watch, KGR_WATCH_HANGUP), KGR_OK);
    close(f->fds[1]);
    f->fds[1] = -1;
    kgr_loop_run(f->loop);
    assert_true(f->events & KGR_WATCH_HANGUP);
}

static void free_own_watch(void *arg, unsigned events)
{
    struct fixture *f = arg;

    (void)events;
    f->num_calls++;
    kgr_watch_free(f->watch);
    f->watch = NULL;
    close(f->fds[0]);
    f->fds[0] = -1;
}

static void watch_freed_in_its_callback_is_not_called_again(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_watch_new(&f->watch, f->loop, f->fds[0], free_own_watch, f), KGR_OK);
    assert_int_equal(kgr_watch_set(f->watch, KGR_WATCH_READ), KGR_OK);
    assert_int_equal(send(f->fds[1], "x", 1, 0), 1);
    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, note_c_and_stop, f), KGR_OK);
    kgr_timer_start(f->timers[0], 20);
    kgr_loop_run(f->loop);
    assert_int_equal(f->num_calls, 2);
}

static void *signal_from_thread(void *arg)
{
    for (int i = 0; i < 100; i++)
        kgr_wakeup_signal(arg);
    return NULL;
}

static void wakeup_from_another_thread_calls_back_on_the_loop(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;

    assert_int_equal(kgr_wakeup_new(&f->wakeup, f->loop, note_c_and_stop, f), KGR_OK);
    assert_int_equal(pthread_create(&thread, NULL, signal_from_thread, f->wakeup), 0);
    kgr_loop_run(f->loop);
    pthread_join(thread, NULL);
    assert_int_equal(f->num_calls, 1);
}

static void raise_hup(void *arg)
{
    (void)arg;
    assert_int_equal(raise(SIGHUP), 0);
}

static void reload_then_term(void *arg)
{
    note(arg, 'h');
    assert_int_equal(raise(SIGTERM), 0);
}

static void loop_signals_reload_and_stop(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_loop_signals(f->loop, NULL, reload_then_term, f), KGR_OK);
    assert_int_equal(kgr_timer_new(&f->timers[0], f->loop, raise_hup, f), KGR_OK);
    kgr_timer_start(f->timers[0], 0);
    kgr_loop_run(f->loop);
    assert_string_equal(f->order, "h");
}

static void loop_stopped_before_it_runs_can_be_freed(void **state)
{
    struct fixture *f = *state;

    kgr_loop_stop(f->loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timer_fires_in_order_of_deadlines, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_stopped_or_never_does_not_fire, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_start_again_moves_the_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(timer_restarted_in_its_callback_fires_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(timer_freed_in_a_callback_is_not_called, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_reports_only_what_was_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_hangup_is_seen_without_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_freed_in_its_callback_is_not_called_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(wakeup_from_another_thread_calls_back_on_the_loop, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(loop_signals_reload_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(loop_stopped_before_it_runs_can_be_freed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
