/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/tcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    int listener;
    uint16_t port;
};

static int setup(void **state)
{
    static struct fixture f;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f.listener < 0 || bind(f.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(f.listener, 4) != 0 ||
        getsockname(f.listener, (struct sockaddr *)&address, &len) != 0)
        return -1;
    f.port = ntohs(address.sin_port);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    const struct fixture *f = *state;

    return close(f->listener);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int sends_at_once(int fd)
{
    int value = -1;
    socklen_t len = sizeof(value);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    return value;
}

static void tcp_adopts_each_connection_once(void **state)
{
    const struct fixture *f = *state;
    int first = connect_to(f->port), second;

    assert_int_equal(kgr_tcp_adopt(f->port), first);
    assert_int_not_equal(sends_at_once(first), 0);
    assert_int_equal(kgr_tcp_adopt(f->port), -1);
    second = connect_to(f->port);
    assert_int_equal(kgr_tcp_adopt(f->port), second);
    assert_int_not_equal(sends_at_once(second), 0);
    (void)close(first);
    (void)close(second);
}

static void tcp_adopts_no_other(void **state)
{
    const struct fixture *f = *state;
    int other = connect_to(f->port), pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(kgr_tcp_adopt((uint16_t)(f->port + 1)), -1);
    assert_int_equal(sends_at_once(other), 0);
    kgr_tcp_acknowledge(-1);
    kgr_tcp_acknowledge(pair[0]);
    kgr_tcp_acknowledge(other);
    (void)close(other);
    kgr_tcp_acknowledge(other);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_adopts_each_connection_once),
        cmocka_unit_test(tcp_adopts_no_other),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
