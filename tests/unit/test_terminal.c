/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/terminal.h"

#include <setjmp.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

static void a_file_is_no_terminal(void **state)
{
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_false(kgr_terminal_colours(file));
    assert_int_equal(kgr_terminal_width(file), 0);
    (void)fclose(file);
}

/* The near side of a pseudo-terminal of columns. */
static FILE *open_terminal(unsigned short columns, int *out_far)
{
    const struct winsize size = {.ws_col = columns, .ws_row = 24};
    int far = posix_openpt(O_RDWR | O_NOCTTY);
    FILE *near;

    assert_true(far >= 0);
    assert_int_equal(grantpt(far), 0);
    assert_int_equal(unlockpt(far), 0);
    near = fopen(ptsname(far), "r+");
    assert_non_null(near);
    assert_int_equal(ioctl(fileno(near), TIOCSWINSZ, &size), 0);
    *out_far = far;
    return near;
}

static void a_terminal_has_columns_and_colours(void **state)
{
    int far;
    FILE *near = open_terminal(132, &far);

    (void)state;
    assert_int_equal(kgr_terminal_width(near), 132);
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    assert_int_equal(unsetenv("NO_COLOR"), 0);
    assert_true(kgr_terminal_colours(near));
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    assert_false(kgr_terminal_colours(near));
    assert_int_equal(setenv("NO_COLOR", "", 1), 0);
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_false(kgr_terminal_colours(near));
    (void)fclose(near);
    (void)close(far);
}

static void a_terminal_that_does_not_say_has_80_columns(void **state)
{
    int far;
    FILE *near = open_terminal(0, &far);

    (void)state;
    assert_int_equal(kgr_terminal_width(near), 80);
    (void)fclose(near);
    (void)close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_no_terminal),
        cmocka_unit_test(a_terminal_has_columns_and_colours),
        cmocka_unit_test(a_terminal_that_does_not_say_has_80_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
