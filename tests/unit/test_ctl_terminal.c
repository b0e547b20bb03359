/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void duration_is_short_and_exact(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {-1, "-"},          {0, "0s"},         {59, "59s"},
        {60, "1m 00s"},     {3599, "59m 59s"}, {3600, "1h 00m"},
        {86399, "23h 59m"}, {86400, "1d 00h"}, {INT64_MAX, "106751991167300d 15h"},
    };
    char out[KGR_CTL_DURATION_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(kgr_ctl_duration(out, cases[i].seconds), cases[i].text);
}

/* The line that kgr_ctl_fail_text prints, and its exit code. */
static void assert_fails(enum kgr_error err, const char *reason, int code, const char *wanted)
{
    char line[512] = "";
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);

    assert_non_null(file);
    assert_true(saved >= 0);
    (void)fflush(stderr);
    (void)dup2(fileno(file), STDERR_FILENO);
    assert_int_equal(kgr_ctl_fail_text(err, "N2", reason), code);
    (void)fflush(stderr);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    rewind(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void)fclose(file);
    assert_string_equal(line, wanted);
}

static void fail_names_the_thing_and_the_remedy(void **state)
{
    (void)state;
    assert_fails(KGR_ERR_NO_AGENT, "no agent at /x", 3, "kgrctl: N2: no agent at /x\n");
    assert_fails(KGR_ERR_NOT_AUTHORIZED, "the AC says no", 5,
                 "kgrctl: N2: not authorised: the AC says no "
                 "(the AC allows pairs: kgr-ac pair allow)\n");
    assert_fails(KGR_ERR_NOT_AUTHORIZED, "not authorised by the AC", 5,
                 "kgrctl: N2: not authorised by the AC (the AC allows pairs: kgr-ac pair allow)\n");
    assert_fails(KGR_ERR_TPM, "", 7, "kgrctl: N2: TPM missing or failed\n");
    assert_fails(KGR_ERR_NO_KEY, "", 1,
                 "kgrctl: N2: key not established yet (kgrctl request asks for it)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duration_is_short_and_exact),
        cmocka_unit_test(fail_names_the_thing_and_the_remedy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
