/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/ks_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/wire/ipc.h"

static enum kgr_error dial(int *out, const char *path, int timeout_ms, struct kgr_diag *diag)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval limit = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof address.sun_path)
        return kgr_diag_set(diag, KGR_ERR_INVALID,
                            "the socket path '%s' must have 1 to %zu characters", path,
                            sizeof address.sun_path - 1);
    kgr_copy(address.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        const char *why = strerror(errno);
        if (fd >= 0)
            close(fd);
        return kgr_diag_set(diag, KGR_ERR_NO_AGENT, "no key server at %s: %s; is kgr-ks running?",
                            path, why);
    }
    *out = fd;
    return KGR_OK;
}

static enum kgr_error take_error(const struct kgr_ipc_header *h, struct kgr_slice body,
                                 struct kgr_diag *diag)
{
    char text[KGR_IPC_TEXT_MAX + 1], shown[KGR_IPC_TEXT_MAX + 1];
    enum kgr_error status = h->status < KGR_ERR_COUNT ? (enum kgr_error)h->status : KGR_ERR_FAILED;
    if (kgr_ipc_error_decode(text, body) != KGR_OK || text[0] == '\0')
        return kgr_diag_set(diag, status, "the key server answers: %s", kgr_strerror(status));
    return kgr_diag_set(diag, status, "the key server answers: %s",
                        kgr_log_escape(shown, sizeof shown, text, strlen(text)));
}

/* One request and its reply; buf holds both. */
static enum kgr_error ask(int fd, uint8_t *buf, struct kgr_slice *out, uint16_t op, uint32_t id,
                          struct kgr_slice body, struct kgr_diag *diag)
{
    const struct kgr_ipc_header request = {op, false, id, 0};
    struct kgr_ipc_header reply;
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, KGR_IPC_PACKET_MAX);
    kgr_ipc_header_encode(&wr, &request);
    kgr_wr_bytes(&wr, body.p, body.len);
    if (!kgr_wr_ok(&wr))
        return kgr_diag_set(diag, KGR_ERR_TOO_LARGE, "the order is too large");
    if (send(fd, buf, wr.len, MSG_NOSIGNAL) != (ssize_t)wr.len)
        return kgr_diag_set(diag, KGR_ERR_NO_AGENT, "the key server closed the connection");
    ssize_t n = recv(fd, buf, KGR_IPC_PACKET_MAX, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return kgr_diag_set(diag, KGR_ERR_TIMEOUT,
                            "the key server does not answer; it may still do what it was asked");
    if (n <= 0)
        return kgr_diag_set(diag, KGR_ERR_NO_AGENT, "the key server closed the connection");
    if (kgr_ipc_header_decode(&reply, out, kgr_slice(buf, (size_t)n)) != KGR_OK || !reply.reply ||
        reply.id != id || reply.op != op)
        return kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's answer is malformed");
    return reply.status == KGR_OK ? KGR_OK : take_error(&reply, *out, diag);
}

static enum kgr_error greet(int fd, uint8_t *buf, struct kgr_diag *diag)
{
    static const struct kgr_ipc_hello hello = {
        KGR_IPC_VERSION, KGR_IPC_VERSION, {(const uint8_t *)"kgr-ac", 6}};
    uint8_t body[64];
    struct kgr_ipc_hello_reply reply;
    struct kgr_slice answer;
    struct kgr_wr wr;
    kgr_wr_init(&wr, body, sizeof body);
    enum kgr_error err = kgr_ipc_hello_encode(&wr, &hello);
    if (err == KGR_OK)
        err = ask(fd, buf, &answer, KGR_IPC_HELLO, 1, kgr_wr_slice(&wr), diag);
    if (err == KGR_OK && kgr_ipc_hello_reply_decode(&reply, answer) != KGR_OK)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's hello is malformed");
    return err;
}

enum kgr_error kgr_ks_link_order(uint8_t *out, size_t *out_len, size_t out_cap, const char *path,
                                 struct kgr_slice order, int timeout_ms, struct kgr_diag *diag)
{
    struct kgr_slice result;
    int fd = -1;
    uint8_t *buf = malloc(KGR_IPC_PACKET_MAX);
    if (buf == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = dial(&fd, path, timeout_ms, diag);
    if (err == KGR_OK)
        err = greet(fd, buf, diag);
    if (err == KGR_OK)
        err = ask(fd, buf, &result, KGR_IPC_ORDER, 2, order, diag);
    if (err == KGR_OK && result.len > out_cap)
        err = kgr_diag_set(diag, KGR_ERR_CORRUPT, "the key server's result is too large");
    if (err == KGR_OK) {
        kgr_copy(out, result.p, result.len);
        *out_len = result.len;
    }
    if (fd >= 0)
        close(fd);
    free(buf);
    return err;
}
