/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr;
static int pipe_end;

static int catch_stderr(void **state)
{
    int ends[2];

    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    if (saved_stderr < 0 || pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return -1;
    (void)close(ends[1]);
    pipe_end = ends[0];
    return 0;
}

static int restore_stderr(void **state)
{
    (void)state;
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    (void)close(pipe_end);
    kgr_log_set_level(KGR_LOG_INFO);
    return 0;
}

/* What was written since the last call; a mark keeps the read from blocking on nothing. */
static const char *written(void)
{
    static char text[4096];
    ssize_t n;

    assert_int_equal(write(STDERR_FILENO, "|", 1), 1);
    n = read(pipe_end, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n - 1] = '\0';
    return text;
}

static void log_writes_one_line(void **state)
{
    (void)state;
    kgr_warn("frame_refused", "cause=%s count=%d", "tag", 3);
    assert_string_equal(written(), "WARN frame_refused cause=tag count=3\n");
    kgr_info("started", "%s", "");
    assert_string_equal(written(), "INFO started\n");
}

static void log_below_the_level_is_silent(void **state)
{
    (void)state;
    kgr_debug("detail", "n=%d", 1);
    assert_string_equal(written(), "");
    kgr_log_set_level(KGR_LOG_DEBUG);
    kgr_debug("detail", "n=%d", 1);
    assert_string_equal(written(), "DEBUG detail n=1\n");
    kgr_log_set_level(KGR_LOG_ERROR);
    kgr_warn("detail", "n=%d", 1);
    assert_string_equal(written(), "");
    kgr_error_log("detail", "n=%d", 1);
    assert_string_equal(written(), "ERROR detail n=1\n");
}

static void log_cannot_be_made_to_write_two_lines(void **state)
{
    (void)state;
    kgr_info("peer", "name=%s", "a\nERROR forged \x1b[31m");
    assert_string_equal(written(), "INFO peer name=a?ERROR forged ?[31m\n");
}

static void log_cuts_a_long_line(void **state)
{
    char big[3000];
    const char *text;

    (void)state;
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    kgr_info("long", "%s", big);
    text = written();
    assert_in_range(strlen(text), 900, 1024);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void place_that_logs_too_much_is_silent_and_tells_how_often(void **state)
{
    struct kgr_log_site site = {.event = "flood"};
    struct kgr_log_stats before, after;
    size_t lines = 0;
    const char *text;

    (void)state;
    kgr_log_stats(&before);
    for (int i = 0; i < 70; i++)
        kgr_log_at(&site, KGR_LOG_WARN, "i=%d", i);
    text = written();
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, KGR_LOG_BURST);
    assert_non_null(strstr(text, "WARN flood i=49\n"));
    kgr_log_stats(&after);
    assert_int_equal(after.suppressed - before.suppressed, 70 - KGR_LOG_BURST);
    kgr_log_tell();
    assert_string_equal(written(), ""); /* not even that, now */
    site.filled_ms -= 2 * KGR_LOG_REFILL_MS;
    kgr_log_at(&site, KGR_LOG_WARN, "i=%d", 70);
    assert_string_equal(written(), "WARN flood i=70 suppressed=20\n");
    kgr_log_at(&site, KGR_LOG_WARN, "i=%d", 71);
    assert_string_equal(written(), "WARN flood i=71\n");
    kgr_log_at(&site, KGR_LOG_WARN, "i=%d", 72);
    site.filled_ms -= KGR_LOG_REFILL_MS;
    kgr_log_tell();
    assert_string_equal(written(), "WARN log_suppressed event=flood count=1\n");
    kgr_info("other", "%s", "");
    assert_string_equal(written(), "INFO other\n"); /* each place for itself */
}

/* A reader that stopped, and one that is gone. */
static void pipe_that_is_full_or_broken_holds_nobody_up(void **state)
{
    struct kgr_log_stats before, after;
    char bytes[4096] = {0};

    (void)state;
    kgr_log_stats(&before);
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK), 0);
    while (write(STDERR_FILENO, bytes, sizeof(bytes)) > 0)
        ;
    assert_int_equal(fcntl(STDERR_FILENO, F_SETFL, 0), 0);
    kgr_info("full", "%s", "");
    kgr_log_stats(&after);
    assert_int_equal(after.dropped, before.dropped + 1);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)close(pipe_end);
    kgr_info("broken", "%s", "");
    kgr_log_stats(&after);
    assert_int_equal(after.dropped, before.dropped + 2);
    (void)close(STDERR_FILENO);
    kgr_info("closed", "%s", "");
    kgr_log_stats(&after);
    assert_int_equal(after.dropped, before.dropped + 3);
    assert_int_equal(restore_stderr(state), 0);
    assert_int_equal(catch_stderr(state), 0);
    kgr_log_tell();
    assert_string_equal(written(), "WARN log_dropped count=3\n");
}

static char taken[256];
static bool takes;

static bool take_line(enum kgr_log_level level, const char *event, const char *line)
{
    (void)snprintf(taken, sizeof(taken), "%d %s %s", (int)level, event, line);
    return takes;
}

static void sink_takes_lines_and_stderr_what_it_does_not(void **state)
{
    (void)state;
    kgr_log_set_sink(take_line);
    takes = true;
    kgr_warn("sunk", "n=%d", 1);
    assert_string_equal(taken, "1 sunk WARN sunk n=1");
    assert_string_equal(written(), "");
    takes = false;
    kgr_warn("sunk", "n=%d", 2);
    assert_string_equal(written(), "WARN sunk n=2\n");
    kgr_log_set_sink(NULL);
}

static void escape_shows_everything_else_in_hex(void **state)
{
    char out[64];

    (void)state;
    assert_string_equal(kgr_log_escape(out, sizeof(out), "a b\\\n\xff~", 7), "a b\\x5c\\x0a\\xff~");
    assert_string_equal(kgr_log_escape(out, sizeof(out), NULL, 0), "");
}

static void escape_cuts_between_characters(void **state)
{
    char out[6];

    (void)state;
    assert_string_equal(kgr_log_escape(out, sizeof(out), "ab\ncd", 5), "ab");
    assert_string_equal(kgr_log_escape(out, 5, "\n\n", 2), "\\x0a");
    assert_string_equal(kgr_log_escape(out, 0, "a", 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(log_writes_one_line, catch_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(log_below_the_level_is_silent, catch_stderr,
                                        restore_stderr),
        cmocka_unit_test_setup_teardown(log_cannot_be_made_to_write_two_lines, catch_stderr,
                                        restore_stderr),
        cmocka_unit_test_setup_teardown(log_cuts_a_long_line, catch_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(place_that_logs_too_much_is_silent_and_tells_how_often,
                                        catch_stderr, restore_stderr),
        cmocka_unit_test_setup_teardown(pipe_that_is_full_or_broken_holds_nobody_up, catch_stderr,
                                        restore_stderr),
        cmocka_unit_test_setup_teardown(sink_takes_lines_and_stderr_what_it_does_not, catch_stderr,
                                        restore_stderr),
        cmocka_unit_test(escape_shows_everything_else_in_hex),
        cmocka_unit_test(escape_cuts_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
