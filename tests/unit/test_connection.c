/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/connection.h"

#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <kgr/client.h>

#include "agent/base/clock.h"
#include "tests/unit/fake_agent.h"

#define NOBODY 65534

static void no_requests(void *arg, const struct fake_request *request)
{
    (void)arg;
    (void)request;
}

static int set_up(void **state)
{
    struct fake_agent *agent = malloc(sizeof(*agent));

    if (agent == NULL)
        return -1;
    fake_agent_init(agent, no_requests, NULL);
    *state = agent;
    return 0;
}

static int tear_down(void **state)
{
    fake_agent_deinit(*state);
    free(*state);
    return 0;
}

static enum kgr_error open_within(const struct fake_agent *agent, int timeout_ms)
{
    struct kgr_endpoint endpoint = {.name = "a test"};
    struct kgr_connection connection = {.fd = -1};
    enum kgr_error err;

    (void)snprintf(endpoint.path, sizeof(endpoint.path), "%s", agent->path);
    err = kgr_connection_open(&connection, &endpoint, kgr_clock_boot_ms() + (uint64_t)timeout_ms);
    if (err == KGR_OK) {
        assert_true(kgr_connection_is_ours(&connection));
        assert_int_equal(fcntl(connection.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    } else {
        assert_int_equal(connection.fd, -1);
    }
    kgr_connection_close(&connection);
    kgr_connection_close(&connection);
    return err;
}

static void assert_reason_has(const char *part)
{
    char reason[KGR_DIAG_MAX];

    if (strstr(kgr_client_reason(reason, sizeof(reason)), part) == NULL)
        fail_msg("'%s' is not in '%s'", part, reason);
}

static void open_good_agent_succeeds(void **state)
{
    struct fake_agent *agent = *state;

    fake_agent_start(agent);
    assert_int_equal(open_within(agent, 10000), KGR_OK);
    assert_string_equal(agent->name, "a test");
}

static void open_without_agent_names_the_socket(void **state)
{
    struct fake_agent *agent = *state;

    assert_int_equal(open_within(agent, 10000), KGR_ERR_NO_AGENT);
    assert_reason_has(agent->path);
}

static void open_bad_hello_says_why(void **state)
{
    static const struct {
        enum fake_hello hello;
        enum kgr_error err;
        const char *reason;
    } cases[] = {
        {FAKE_HELLO_VERSION, KGR_ERR_VERSION, "version 2"},
        {FAKE_HELLO_REFUSES, KGR_ERR_QUOTA, "too many friends"},
        {FAKE_HELLO_UNKNOWN, KGR_ERR_FAILED, "news from the future"},
        {FAKE_HELLO_GARBAGE, KGR_ERR_CORRUPT, "is no agent"},
        {FAKE_HELLO_LONG, KGR_ERR_CORRUPT, "is no agent"},
        {FAKE_HELLO_CLOSES, KGR_ERR_NO_AGENT, "closed the connection"},
    };
    struct fake_agent *agent = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        agent->hello = cases[i].hello;
        fake_agent_start(agent);
        assert_int_equal(open_within(agent, 10000), cases[i].err);
        assert_reason_has(cases[i].reason);
        fake_agent_stop(agent);
    }
}

static void open_silent_agent_times_out(void **state)
{
    struct fake_agent *agent = *state;

    agent->hello = FAKE_HELLO_SILENT;
    fake_agent_start(agent);
    assert_int_equal(open_within(agent, 50), KGR_ERR_TIMEOUT);
    assert_reason_has(agent->path);
}

/* A socket on which nobody accepts: its backlog fills up. */
static void open_full_backlog_times_out(void **state)
{
    struct fake_agent *agent = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int first = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", agent->path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(connect(first, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(open_within(agent, 50), KGR_ERR_TIMEOUT);
    (void)close(first);
    (void)close(listener);
    (void)unlink(agent->path);
}

static void open_other_kind_of_socket_is_no_agent(void **state)
{
    struct fake_agent *agent = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", agent->path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(open_within(agent, 10000), KGR_ERR_NO_AGENT);
    (void)close(listener);
    (void)unlink(agent->path);
}

/* The child's whole life: an agent run by a user that nobody should trust. */
static void serve_as_nobody(const char *path, int ready)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int fd;
    char byte;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (setuid(NOBODY) != 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 8) != 0 || write(ready, "", 1) != 1)
        _exit(1);
    fd = accept(listener, NULL, NULL);
    /* An impostor waits for what it gets: nothing may come. */
    _exit(recv(fd, &byte, 1, 0) == 0 ? 0 : 2);
}

static void open_wrong_owner_is_refused(void **state)
{
    struct fake_agent *agent = *state;
    int status = -1;
    int ready[2];
    char byte;
    pid_t pid;

    if (geteuid() != 0)
        skip(); /* only root can run a part as somebody else */
    assert_int_equal(chmod(agent->dir, 0777), 0);
    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0)
        serve_as_nobody(agent->path, ready[1]);
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    assert_int_equal(open_within(agent, 10000), KGR_ERR_NO_AGENT);
    assert_reason_has("65534");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void)unlink(agent->path);
}

/* The child's whole life: a user whom the mode of the socket keeps out. */
static void connect_as_nobody(const struct fake_agent *agent)
{
    struct kgr_endpoint endpoint = {.name = "a test"};
    struct kgr_connection connection = {.fd = -1};

    (void)snprintf(endpoint.path, sizeof(endpoint.path), "%s", agent->path);
    if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        _exit(1);
    _exit(kgr_connection_open(&connection, &endpoint, kgr_clock_boot_ms() + 10000) ==
                  KGR_ERR_NOT_AUTHORIZED
              ? 0
              : 2);
}

static void open_forbidden_socket_is_not_authorized(void **state)
{
    struct fake_agent *agent = *state;
    int status = -1;
    pid_t pid;

    if (geteuid() != 0)
        skip();
    fake_agent_start(agent);
    assert_int_equal(chmod(agent->dir, 0755), 0);
    assert_int_equal(chmod(agent->path, 0660), 0);
    pid = fork();
    if (pid == 0)
        connect_as_nobody(agent);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void owner_root_and_self_are_trusted(void **state)
{
    (void)state;
    assert_true(kgr_connection_owner_trusted(0));
    assert_true(kgr_connection_owner_trusted(geteuid()));
    assert_false(kgr_connection_owner_trusted(geteuid() + 4711));
}

static void is_ours_replaced_descriptor_is_not(void **state)
{
    struct fake_agent *agent = *state;
    struct kgr_endpoint endpoint = {.name = "a test"};
    struct kgr_connection connection;
    int other = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fd;

    fake_agent_start(agent);
    (void)snprintf(endpoint.path, sizeof(endpoint.path), "%s", agent->path);
    assert_int_equal(kgr_connection_open(&connection, &endpoint, kgr_clock_boot_ms() + 10000),
                     KGR_OK);
    fd = connection.fd;
    assert_int_equal(dup2(other, fd), fd);
    assert_false(kgr_connection_is_ours(&connection));
    assert_int_equal(kgr_connection_send(&connection, "x", 1), KGR_ERR_NO_AGENT);
    kgr_connection_close(&connection);
    /* The descriptor is somebody else's now, and stays open. */
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    (void)close(fd);
    (void)close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(open_good_agent_succeeds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_without_agent_names_the_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_bad_hello_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_silent_agent_times_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_full_backlog_times_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_other_kind_of_socket_is_no_agent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_wrong_owner_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(open_forbidden_socket_is_not_authorized, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_ours_replaced_descriptor_is_not, set_up, tear_down),
        cmocka_unit_test(owner_root_and_self_are_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
