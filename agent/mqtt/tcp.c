/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/mqtt/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static int get_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

static uint16_t peer_port(int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);

    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address)->sin_port);
    return address.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&address)->sin6_port)
                                         : 0;
}

/* What was adopted sends at once, a new connection does not. */
static bool is_new(int fd, uint16_t port)
{
    return get_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
           get_option(fd, IPPROTO_TCP, TCP_NODELAY) == 0 && peer_port(fd) == port;
}

int kgr_tcp_adopt(uint16_t port)
{
    const int on = 1;
    long end = sysconf(_SC_OPEN_MAX);

    if (end < 0 || end > KGR_TCP_FDS)
        end = KGR_TCP_FDS;
    for (int fd = 0; fd < end; fd++)
        if (is_new(fd, port) && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0)
            return fd;
    return -1;
}

void kgr_tcp_acknowledge(int fd)
{
    const int on = 1;

    /* The kernel goes back to delaying by itself; when this fails, it has not begun to. */
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}
