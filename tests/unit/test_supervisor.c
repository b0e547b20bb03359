/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/supervisor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/daemon/loop.h"

struct fixture {
    char dir[32];
    char path[64]; /* where the service manager listens */
    int fd;
    struct kgr_loop *loop;
    struct kgr_supervisor *supervisor;
    bool alive;
    unsigned int looks;
    unsigned int looks_max; /* then the loop stops */
};

static int unix_socket(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    strcpy(f.dir, "/tmp/kgr-test-XXXXXX");
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.path, sizeof(f.path), "%s/notify", f.dir);
    f.fd = unix_socket(f.path, SOCK_DGRAM);
    f.alive = true;
    f.looks_max = 3;
    assert_int_equal(setenv("NOTIFY_SOCKET", f.path, 1), 0);
    assert_int_equal(unsetenv("WATCHDOG_USEC"), 0);
    assert_int_equal(kgr_loop_new(&f.loop), KGR_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    kgr_supervisor_free(f->supervisor);
    kgr_loop_free(f->loop);
    (void)close(f->fd);
    (void)unlink(f->path);
    (void)rmdir(f->dir);
    return 0;
}

static void look(void *arg, struct kgr_health *out)
{
    struct fixture *f = arg;

    out->alive = f->alive;
    (void)snprintf(out->text, sizeof(out->text), "%s", f->alive ? "serving" : "stuck");
    if (++f->looks == f->looks_max)
        kgr_loop_stop(f->loop);
}

/* What was told, one message after another, each with a newline. */
static const char *heard(struct fixture *f)
{
    static char text[1024];
    size_t len = 0;
    ssize_t n;

    while ((n = recv(f->fd, text + len, sizeof(text) - len - 2, 0)) > 0) {
        len += (size_t)n;
        text[len++] = '\n';
    }
    text[len] = '\0';
    return text;
}

static void supervisor_hears_ready_and_the_state_once(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(kgr_supervisor_new(&f->supervisor, f->loop, look, f), KGR_OK);
    assert_string_equal(heard(f), "READY=1\nSTATUS=serving\n");
    kgr_supervisor_stopping();
    assert_string_equal(heard(f), "STOPPING=1\n");
}

static void supervisor_hears_that_the_loop_turns(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("WATCHDOG_USEC", "30000", 1), 0);
    assert_int_equal(kgr_supervisor_new(&f->supervisor, f->loop, look, f), KGR_OK);
    kgr_loop_run(f->loop);
    assert_string_equal(heard(f), "READY=1\nSTATUS=serving\nWATCHDOG=1\nWATCHDOG=1\nWATCHDOG=1\n");
}

static void supervisor_hears_nothing_of_a_service_that_is_stuck(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("WATCHDOG_USEC", "30000", 1), 0);
    f->alive = false;
    assert_int_equal(kgr_supervisor_new(&f->supervisor, f->loop, look, f), KGR_OK);
    kgr_loop_run(f->loop);
    assert_string_equal(heard(f), "READY=1\nSTATUS=stuck\n");
}

static void supervisor_that_is_not_there_is_none(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    assert_int_equal(kgr_supervisor_new(&f->supervisor, f->loop, look, f), KGR_OK);
    assert_null(f->supervisor);
    assert_int_equal(f->looks, 0);
    kgr_supervisor_wait(0, "nothing");
}

static void supervisor_hears_between_two_lives(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("WATCHDOG_USEC", "1000000", 1), 0);
    kgr_supervisor_wait(1, "no room");
    assert_string_equal(heard(f), "STATUS=no room\nWATCHDOG=1\n");
}

static void supervisor_hears_a_reload(void **state)
{
    struct fixture *f = *state;

    kgr_supervisor_reloading();
    assert_memory_equal(heard(f), "RELOADING=1\nMONOTONIC_USEC=", 27);
    kgr_supervisor_reloaded();
    assert_string_equal(heard(f), "READY=1\n");
}

static void listen_as(struct fixture *f, const char *name, int type)
{
    char path[64], pid[16];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    fd = unix_socket(path, type);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(dup2(fd, 3), 3);
    if (fd != 3)
        (void)close(fd);
    (void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    assert_int_equal(setenv("LISTEN_PID", pid, 1), 0);
    assert_int_equal(setenv("LISTEN_FDS", "1", 1), 0);
}

static void supervisor_socket_of(void **state)
{
    struct fixture f = {.dir = "/tmp/kgr-test-XXXXXX"};
    struct kgr_diag diag = {{0}};
    char path[64], other[64];
    int fd = -1, kept = dup(3);

    (void)state;
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(path, sizeof(path), "%s/agent.sock", f.dir);
    (void)snprintf(other, sizeof(other), "%s/other.sock", f.dir);
    assert_int_equal(kgr_supervisor_socket(&fd, path, &diag), KGR_OK);
    assert_int_equal(fd, 0);
    listen_as(&f, "agent.sock", SOCK_SEQPACKET);
    assert_int_equal(kgr_supervisor_socket(&fd, path, &diag), KGR_OK);
    assert_int_equal(fd, 3);
    assert_int_equal(kgr_supervisor_socket(&fd, other, &diag), KGR_ERR_CONFIG);
    assert_non_null(strstr(diag.text, "ListenSequentialPacket="));
    listen_as(&f, "other.sock", SOCK_STREAM);
    assert_int_equal(kgr_supervisor_socket(&fd, other, NULL), KGR_ERR_CONFIG);
    assert_int_equal(unsetenv("LISTEN_FDS"), 0);
    if (kept >= 0)
        (void)dup2(kept, 3);
    else
        (void)close(3);
    (void)unlink(path);
    (void)unlink(other);
    (void)rmdir(f.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(supervisor_hears_ready_and_the_state_once, setup, teardown),
        cmocka_unit_test_setup_teardown(supervisor_hears_that_the_loop_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(supervisor_hears_nothing_of_a_service_that_is_stuck, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(supervisor_that_is_not_there_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(supervisor_hears_between_two_lives, setup, teardown),
        cmocka_unit_test_setup_teardown(supervisor_hears_a_reload, setup, teardown),
        cmocka_unit_test(supervisor_socket_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
