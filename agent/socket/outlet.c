/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/outlet.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct kgr_outlet {
    atomic_uint holders;
    pthread_mutex_t lock; /* held for one system call that never waits */
    int fd;               /* borrowed; -1: closed */
};

enum kgr_error kgr_outlet_new(struct kgr_outlet **out, int fd)
{
    struct kgr_outlet *outlet = calloc(1, sizeof *outlet);

    if (outlet == NULL)
        return KGR_ERR_NO_MEMORY;
    if (pthread_mutex_init(&outlet->lock, NULL) != 0) {
        free(outlet);
        return KGR_ERR_FAILED;
    }
    atomic_init(&outlet->holders, 1);
    outlet->fd = fd;
    *out = outlet;
    return KGR_OK;
}

struct kgr_outlet *kgr_outlet_hold(struct kgr_outlet *outlet)
{
    atomic_fetch_add(&outlet->holders, 1);
    return outlet;
}

void kgr_outlet_release(struct kgr_outlet *outlet)
{
    if (outlet == NULL || atomic_fetch_sub(&outlet->holders, 1) != 1)
        return;
    (void)pthread_mutex_destroy(&outlet->lock);
    free(outlet);
}

void kgr_outlet_close(struct kgr_outlet *outlet)
{
    (void)pthread_mutex_lock(&outlet->lock);
    outlet->fd = -1;
    (void)pthread_mutex_unlock(&outlet->lock);
}

/* Sends at once or not at all: a packet is never cut. */
static enum kgr_outlet_result try_send(int fd, const struct msghdr *message)
{
    ssize_t n;

    do {
        n = sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return KGR_OUTLET_SENT;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? KGR_OUTLET_FULL
                                                                       : KGR_OUTLET_BROKEN;
}

enum kgr_outlet_result kgr_outlet_send(struct kgr_outlet *outlet,
                                       const struct kgr_ipc_header *header, struct kgr_slice body)
{
    uint8_t head[KGR_IPC_HEADER_LEN];
    struct iovec parts[2] = {{.iov_base = head}, {.iov_base = (void *)(uintptr_t)body.p}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = body.len == 0 ? 1 : 2};
    enum kgr_outlet_result result = KGR_OUTLET_BROKEN;
    struct kgr_wr wr;

    kgr_wr_init(&wr, head, sizeof head);
    kgr_ipc_header_encode(&wr, header);
    parts[0].iov_len = wr.len;
    parts[1].iov_len = body.len;
    (void)pthread_mutex_lock(&outlet->lock);
    if (outlet->fd >= 0)
        result = try_send(outlet->fd, &message);
    (void)pthread_mutex_unlock(&outlet->lock);
    return result;
}
