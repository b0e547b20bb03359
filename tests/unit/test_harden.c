/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

static int harden(void **state)
{
    static const char *const names[] = {
        "TSS2_LOG",   "TSS2_LOGFILE", "MQTT_C_CLIENT_TRACE", "MQTT_C_CLIENT_TRACE_LEVEL",
        "http_proxy", "HTTPS_PROXY",  "TCTI_PCAP_FILE",      "KGR_TEST_KEPT",
    };

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(names); i++)
        if (setenv(names[i], "x", 1) != 0)
            return -1;
    kgr_harden_process();
    return 0;
}

static void environment_loses_what_redirects_libraries(void **state)
{
    (void)state;
    assert_null(getenv("TSS2_LOG"));
    assert_null(getenv("TSS2_LOGFILE"));
    assert_null(getenv("MQTT_C_CLIENT_TRACE"));
    assert_null(getenv("MQTT_C_CLIENT_TRACE_LEVEL"));
    assert_null(getenv("TCTI_PCAP_FILE"));
    assert_null(getenv("http_proxy"));
    assert_null(getenv("HTTPS_PROXY"));
    assert_non_null(getenv("KGR_TEST_KEPT"));
}

static void process_cannot_be_dumped_or_gain_rights(void **state)
{
    struct rlimit limit;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_true(limit.rlim_cur == 0 && limit.rlim_max == 0);
    assert_int_equal(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
#ifndef KGR_SANITIZED
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
#endif
}

static void reader_that_went_away_ends_nobody(void **state)
{
    struct sigaction action;

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
    assert_true(action.sa_handler == SIG_IGN);
}

static void files_are_private_by_default(void **state)
{
    (void)state;
    assert_int_equal(umask(0077), 0077);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(environment_loses_what_redirects_libraries),
        cmocka_unit_test(process_cannot_be_dumped_or_gain_rights),
        cmocka_unit_test(reader_that_went_away_ends_nobody),
        cmocka_unit_test(files_are_private_by_default),
    };

    return cmocka_run_group_tests(tests, harden, NULL);
}
