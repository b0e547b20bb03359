/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const char *entry_of(enum kgr_log_level level, const char *event, const char *line)
{
    static char text[KGR_JOURNAL_ENTRY_MAX + 1];
    size_t len = kgr_journal_entry(text, KGR_JOURNAL_ENTRY_MAX, "kgr-agent", level, event, line);

    text[len] = '\0';
    return text;
}

static void line_becomes_fields(void **state)
{
    (void)state;
    assert_string_equal(
        entry_of(KGR_LOG_WARN, "broker_lost",
                 "WARN broker_lost broker=[::1]:1883 reason=\"refused by a=b\" count=3"),
        "MESSAGE=broker_lost broker=[::1]:1883 reason=\"refused by a=b\" count=3\n"
        "PRIORITY=4\nSYSLOG_IDENTIFIER=kgr-agent\nKGR_EVENT=broker_lost\n"
        "KGR_BROKER=[::1]:1883\nKGR_REASON=refused by a=b\nKGR_COUNT=3\n");
    assert_string_equal(entry_of(KGR_LOG_ERROR, "e", "ERROR e"),
                        "MESSAGE=e\nPRIORITY=3\nSYSLOG_IDENTIFIER=kgr-agent\nKGR_EVENT=e\n");
}

static void odd_lines_make_no_odd_fields(void **state)
{
    const char *text;

    (void)state;
    text = entry_of(KGR_LOG_INFO, "e", "INFO e =x a-b=1 word k=\"open  m=1");
    assert_null(strstr(text, "KGR_=")); /* no name */
    assert_null(strstr(text, "A-B"));
    assert_non_null(strstr(text, "KGR_K=open  m=1\n"));
    text = entry_of(KGR_LOG_INFO, "e", "INFO e k= l=2");
    assert_non_null(strstr(text, "KGR_K=\nKGR_L=2\n"));
}

static void entry_that_does_not_fit_keeps_whole_fields(void **state)
{
    char out[60];
    size_t len = kgr_journal_entry(out, sizeof(out), "kgr-agent", KGR_LOG_INFO, "e",
                                   "INFO e a=123456 b=123456");

    (void)state;
    assert_true(len <= sizeof(out));
    assert_int_equal(out[len - 1], '\n');
}

static char folder[] = "/tmp/kgr-journal-XXXXXX";

/* A journal of our own: a datagram socket, and a stderr that JOURNAL_STREAM names. */
static void lines_go_to_the_journal_and_to_stderr_when_it_is_gone(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int saved = dup(STDERR_FILENO), ends[2], fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char text[4096], stream[64];
    struct stat st;
    ssize_t n;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);

    assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
    kgr_journal_attach("kgr-test", address.sun_path);
    kgr_info("before", "%s", "");
    n = read(ends[0], text, sizeof(text));
    assert_int_equal(n, (ssize_t)strlen("INFO before\n"));

    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    kgr_journal_attach("kgr-test", address.sun_path);
    kgr_info("to_journal", "n=%d", 7);
    n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "KGR_EVENT=to_journal\nKGR_N=7\n"));

    /* It does not read any more: nobody waits for it. */
    for (int i = 0; i < 2000; i++)
        kgr_debug("flood", "i=%d", i);
    (void)close(fd);
    (void)unlink(address.sun_path);
    kgr_info("after", "%s", "");
    n = recv(ends[0], text, sizeof(text), MSG_DONTWAIT);
    assert_true(n > 0);
    assert_non_null(memmem(text, (size_t)n, "INFO after\n", 11));
    kgr_log_set_sink(NULL);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_becomes_fields),
        cmocka_unit_test(odd_lines_make_no_odd_fields),
        cmocka_unit_test(entry_that_does_not_fit_keeps_whole_fields),
        cmocka_unit_test(lines_go_to_the_journal_and_to_stderr_when_it_is_gone),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
