/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/connection.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc.h"

#define HELLO_ID  0
#define HELLO_MAX 512 /* more than any hello, or refusal of one, needs */

static int remaining_ms(uint64_t deadline_ms)
{
    uint64_t now = kgr_clock_boot_ms();

    if (now >= deadline_ms)
        return 0;
    return deadline_ms - now > INT_MAX ? INT_MAX : (int)(deadline_ms - now);
}

bool kgr_connection_owner_trusted(uid_t uid)
{
    char text[1024];
    struct passwd entry;
    struct passwd *found = NULL;

    if (uid == 0 || uid == geteuid())
        return true;
    if (getpwnam_r("kgr", &entry, text, sizeof(text), &found) != 0 || found == NULL)
        return false;
    return found->pw_uid == uid;
}

bool kgr_connection_is_ours(const struct kgr_connection *connection)
{
    struct stat st;

    return connection->fd >= 0 && fstat(connection->fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
           st.st_dev == connection->dev && st.st_ino == connection->ino;
}

void kgr_connection_close(struct kgr_connection *connection)
{
    if (kgr_connection_is_ours(connection))
        (void)close(connection->fd);
    connection->fd = -1;
}

enum kgr_error kgr_connection_send(const struct kgr_connection *connection, const void *packet,
                                   size_t len)
{
    ssize_t n;

    if (!kgr_connection_is_ours(connection))
        return KGR_ERR_NO_AGENT;
    do
        n = send(connection->fd, packet, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return KGR_OK; /* a packet is sent whole or not at all */
    switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
        return KGR_ERR_BUSY;
    default:
        return KGR_ERR_NO_AGENT;
    }
}

/* The descriptor that came with a packet, or -1. The kernel takes no more than the one that there is room for. */
static int take_fd(struct msghdr *msg)
{
    struct cmsghdr *rights = CMSG_FIRSTHDR(msg);
    int fd = -1;

    if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == CMSG_LEN(sizeof(fd)))
        memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
    return fd;
}

enum kgr_error kgr_connection_receive(const struct kgr_connection *connection, void *out,
                                      size_t cap, size_t *out_len, int *out_fd)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec bytes = {out, cap};
    struct msghdr msg = {.msg_iov = &bytes, .msg_iovlen = 1};
    ssize_t n;

    if (!kgr_connection_is_ours(connection))
        return KGR_ERR_NO_AGENT;
    if (out_fd != NULL) {
        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        *out_fd = -1;
    }
    do
        n = recvmsg(connection->fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == ENOMEM ? KGR_ERR_BUSY : KGR_ERR_NO_AGENT;
    if (out_fd != NULL)
        *out_fd = take_fd(&msg);
    /* An empty packet cannot be told from the end, and neither is a message. */
    if (n == 0)
        return KGR_ERR_NO_AGENT;
    if ((size_t)n > cap)
        return KGR_ERR_CORRUPT;
    *out_len = (size_t)n;
    return KGR_OK;
}

void kgr_connection_hang_up(const struct kgr_connection *connection)
{
    if (kgr_connection_is_ours(connection))
        (void)shutdown(connection->fd, SHUT_RDWR);
}

bool kgr_connection_poll(const struct kgr_connection *connection, short events,
                         uint64_t deadline_ms)
{
    struct pollfd p = {.fd = connection->fd, .events = events};

    for (;;) {
        int timeout = remaining_ms(deadline_ms);
        int n = poll(&p, 1, timeout);

        if (n > 0)
            return true;
        if (n == 0 && timeout == 0)
            return false;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static enum kgr_error connect_error(int number, const char *path)
{
    switch (number) {
    case EACCES:
    case EPERM:
        return kgr_reason_set(KGR_ERR_NOT_AUTHORIZED,
                              "not authorised to use %s; join the group of the socket", path);
    case EAGAIN:
    case EINPROGRESS:
        return kgr_reason_set(KGR_ERR_TIMEOUT, "the agent at %s accepts no connection", path);
    case EMFILE:
    case ENFILE:
        return kgr_reason_set(KGR_ERR_IO, "no file descriptor left to reach %s", path);
    case EPROTOTYPE:
        return kgr_reason_set(KGR_ERR_NO_AGENT, "%s is not the socket of an agent", path);
    default: {
        char text[64] = "";

        return kgr_reason_set(KGR_ERR_NO_AGENT, "no agent at %s (%s); is it running?", path,
                              strerror_r(number, text, sizeof(text)));
    }
    }
}

static enum kgr_error check_owner(int fd, const char *path)
{
    struct ucred owner = {0};
    socklen_t len = sizeof(owner);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &len) != 0 || len != sizeof(owner))
        return kgr_reason_set(KGR_ERR_NO_AGENT, "nobody knows who serves %s", path);
    if (!kgr_connection_owner_trusted(owner.uid))
        return kgr_reason_set(KGR_ERR_NO_AGENT,
                              "%s is served by uid %u, which is neither root, kgr nor this user",
                              path, (unsigned int)owner.uid);
    return KGR_OK;
}

static enum kgr_error connect_to(struct kgr_connection *connection, const char *path,
                                 uint64_t deadline_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int left = remaining_ms(deadline_ms);
    struct timeval wait = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    struct stat st;

    connection->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return connect_error(errno, path);
    if (fstat(connection->fd, &st) != 0)
        return connect_error(errno, path);
    connection->dev = st.st_dev;
    connection->ino = st.st_ino;
    /* A full backlog is the one thing that connect waits for here. Zero would mean for ever. */
    if (left == 0)
        return connect_error(EAGAIN, path);
    if (setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        return connect_error(errno, path);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    while (connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        if (errno != EINTR)
            return connect_error(errno, path);
    return check_owner(connection->fd, path);
}

/* The whole hello in buf (of HELLO_MAX bytes); its length. */
static size_t build_hello(uint8_t *buf, const char *name)
{
    struct kgr_ipc_header header = {.op = KGR_IPC_HELLO, .id = HELLO_ID};
    struct kgr_ipc_hello hello = {
        .lowest = KGR_IPC_VERSION,
        .highest = KGR_IPC_VERSION,
        .name = kgr_slice(name, strlen(name)),
    };
    struct kgr_wr wr;

    kgr_wr_init(&wr, buf, HELLO_MAX);
    kgr_ipc_header_encode(&wr, &header);
    /* The name fits: its length was checked when the client was made. */
    return kgr_ipc_hello_encode(&wr, &hello) == KGR_OK ? wr.len : 0;
}

static enum kgr_error read_hello_reply(const uint8_t *packet, size_t len, const char *path)
{
    char text[KGR_IPC_TEXT_MAX + 1];
    struct kgr_ipc_hello_reply reply;
    struct kgr_ipc_header header;
    struct kgr_slice body;

    if (kgr_ipc_header_decode(&header, &body, kgr_slice(packet, len)) != KGR_OK || !header.reply ||
        header.op != KGR_IPC_HELLO)
        return kgr_reason_set(KGR_ERR_CORRUPT, "what serves %s is no agent", path);
    if (header.status != KGR_OK) {
        if (kgr_ipc_error_decode(text, body) != KGR_OK)
            text[0] = '\0';
        return kgr_reason_take(header.status < KGR_ERR_COUNT ? (enum kgr_error)header.status
                                                             : KGR_ERR_FAILED,
                               text, strlen(text));
    }
    if (kgr_ipc_hello_reply_decode(&reply, body) != KGR_OK)
        return kgr_reason_set(KGR_ERR_CORRUPT, "what serves %s is no agent", path);
    if (reply.version != KGR_IPC_VERSION)
        return kgr_reason_set(KGR_ERR_VERSION, "the agent at %s speaks version %u, we speak %d",
                              path, (unsigned int)reply.version, KGR_IPC_VERSION);
    return KGR_OK;
}

static enum kgr_error greet(const struct kgr_connection *connection,
                            const struct kgr_endpoint *endpoint, uint64_t deadline_ms)
{
    uint8_t buf[HELLO_MAX];
    size_t len = build_hello(buf, endpoint->name);
    enum kgr_error err = kgr_connection_send(connection, buf, len);

    /* An empty new socket takes a hello at once, unless memory is short. */
    if (err == KGR_OK) {
        do {
            err = KGR_ERR_TIMEOUT;
            if (kgr_connection_poll(connection, POLLIN, deadline_ms))
                err = kgr_connection_receive(connection, buf, sizeof(buf), &len, NULL);
        } while (err == KGR_ERR_BUSY);
    }
    switch (err) {
    case KGR_OK:
        return read_hello_reply(buf, len, endpoint->path);
    case KGR_ERR_TIMEOUT:
        return kgr_reason_set(err, "the agent at %s did not answer in time", endpoint->path);
    case KGR_ERR_CORRUPT:
        return kgr_reason_set(err, "what serves %s is no agent", endpoint->path);
    case KGR_ERR_BUSY:
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    default:
        return kgr_reason_set(KGR_ERR_NO_AGENT,
                              "the agent at %s closed the connection at once; it may not "
                              "let this user in",
                              endpoint->path);
    }
}

enum kgr_error kgr_connection_open(struct kgr_connection *out, const struct kgr_endpoint *endpoint,
                                   uint64_t deadline_ms)
{
    struct kgr_connection connection = {.fd = -1};
    enum kgr_error err = connect_to(&connection, endpoint->path, deadline_ms);

    if (err == KGR_OK)
        err = greet(&connection, endpoint, deadline_ms);
    if (err != KGR_OK) {
        kgr_connection_close(&connection);
        return err;
    }
    *out = connection;
    return KGR_OK;
}
