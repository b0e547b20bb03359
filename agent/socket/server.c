/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/log.h"
#include "agent/socket/connection.h"
#include "agent/wire/ipc.h"

#define DEFAULT_CONNS         256
#define DEFAULT_CONNS_PER_UID 64
#define DEFAULT_HELLO_MS      5000
#define BACKLOG               64
#define MAX_ACCEPTS_A_TURN    16
#define PAUSE_MS              200

struct slot {
    struct kgr_server *server;
    struct kgr_connection *conn; /* NULL: free */
    uint32_t index;
    uint32_t generation;
    struct kgr_peercred peer;
};

struct kgr_server {
    struct kgr_loop *loop;
    struct kgr_server_options options;
    char *path;
    int fd;
    dev_t dev; /* of the socket that we made */
    ino_t ino;
    struct kgr_watch *watch;
    struct kgr_timer *pause; /* until accept is tried again */
    struct slot *slots;      /* max_conns of them */
    uint8_t *scratch;
    struct kgr_server_stats stats;
};

static struct slot *slot_of(const struct kgr_server *server, struct kgr_call call)
{
    if (call.slot >= server->options.max_conns)
        return NULL;
    struct slot *s = &server->slots[call.slot];
    return s->conn != NULL && s->generation == call.generation ? s : NULL;
}

static void on_request(void *arg, uint64_t call, uint16_t op, struct kgr_slice body)
{
    struct slot *s = arg;
    const struct kgr_server_request request = {{s->index, s->generation, call}, s->peer, op, body};
    s->server->stats.requests++;
    s->server->options.handler(s->server->options.arg, &request);
}

static void release(struct slot *s)
{
    struct kgr_server *server = s->server;
    uint32_t generation = s->generation;
    kgr_connection_free(s->conn);
    s->conn = NULL;
    s->generation++;
    server->stats.conns--;
    if (server->options.closed != NULL)
        server->options.closed(server->options.arg, s->index, generation);
}

static void on_ended(void *arg, bool malformed)
{
    struct slot *s = arg;
    if (malformed) {
        s->server->stats.malformed++;
        kgr_warn("client-malformed", "uid=%u pid=%d", (unsigned)s->peer.uid, (int)s->peer.pid);
    }
    release(s);
}

static struct slot *free_slot(struct kgr_server *server, uid_t uid)
{
    struct slot *found = NULL;
    uint32_t of_uid = 0;
    for (uint32_t i = 0; i < server->options.max_conns; i++) {
        struct slot *s = &server->slots[i];
        if (s->conn == NULL && found == NULL)
            found = s;
        if (s->conn != NULL && s->peer.uid == uid)
            of_uid++;
    }
    return of_uid < server->options.max_conns_per_uid ? found : NULL;
}

static bool peer_of(int fd, struct kgr_peercred *out)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || len != sizeof cred)
        return false;
    out->uid = cred.uid;
    out->gid = cred.gid;
    out->pid = cred.pid;
    out->fd = fd;
    return true;
}

/* Takes the client in; false when it is to be sent away. */
static bool admit(struct kgr_server *server, int fd)
{
    struct kgr_peercred peer;
    enum kgr_error refusal = KGR_OK;
    if (!peer_of(fd, &peer))
        return false;
    if (!server->options.access(server->options.arg, &peer)) {
        server->stats.refused_access++;
        kgr_warn("client-refused", "uid=%u pid=%d reason=access", (unsigned)peer.uid,
                 (int)peer.pid);
        refusal = KGR_ERR_NOT_AUTHORIZED;
    }
    struct slot *s = free_slot(server, peer.uid);
    if (s == NULL) {
        server->stats.refused_quota++;
        kgr_warn("client-refused", "uid=%u pid=%d reason=quota", (unsigned)peer.uid, (int)peer.pid);
        return false;
    }
    const struct kgr_connection_options options = {
        .max_in_flight = server->options.max_in_flight,
        .hello_timeout_ms = server->options.hello_timeout_ms,
        .refusal = refusal,
        .node = server->options.node,
        .scratch = server->scratch,
        .request = on_request,
        .ended = on_ended,
        .arg = s,
    };
    s->peer = peer;
    s->peer.fd = -1;
    if (kgr_connection_new(&s->conn, server->loop, fd, &options) != KGR_OK)
        return false;
    server->stats.accepted++;
    server->stats.conns++;
    return true;
}

/* Out of descriptors, say: the waiting client would keep the loop spinning. */
static void pause_accepting(struct kgr_server *server)
{
    kgr_warn("accept-failed", "reason=\"%s\"", strerror(errno));
    if (kgr_watch_set(server->watch, 0) == KGR_OK)
        kgr_timer_start(server->pause, PAUSE_MS);
}

static void on_listen(void *arg, unsigned events)
{
    struct kgr_server *server = arg;
    (void)events;
    for (int i = 0; i < MAX_ACCEPTS_A_TURN; i++) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            pause_accepting(server);
        if (fd < 0)
            return;
        if (!admit(server, fd))
            close(fd);
    }
}

static void on_pause_over(void *arg)
{
    struct kgr_server *server = arg;
    if (kgr_watch_set(server->watch, KGR_WATCH_READ) != KGR_OK)
        kgr_timer_start(server->pause, PAUSE_MS);
}

/* Whether a process answers at the address; a socket file without one is left over from a crash. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool served = rc == 0 || errno == EAGAIN;
    close(fd);
    return served;
}

static enum kgr_error clear_path(const struct sockaddr_un *address, struct kgr_diag *diag)
{
    struct stat st;
    const char *path = address->sun_path;
    if (lstat(path, &st) != 0)
        return KGR_OK;
    if (!S_ISSOCK(st.st_mode))
        return kgr_diag_set(diag, KGR_ERR_IO, "%s exists and is no socket; remove it", path);
    if (is_served(address))
        return kgr_diag_set(diag, KGR_ERR_BUSY, "%s is served by another process; stop it first",
                            path);
    if (unlink(path) != 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s cannot be replaced: %s", path, strerror(errno));
    return KGR_OK;
}

static enum kgr_error listen_at(struct kgr_server *server, struct kgr_diag *diag)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    size_t len = strlen(server->path);
    if (len == 0 || len >= sizeof address.sun_path)
        return kgr_diag_set(diag, KGR_ERR_INVALID,
                            "the socket path %s must have 1 to %zu characters", server->path,
                            sizeof address.sun_path - 1);
    kgr_copy(address.sun_path, server->path, len + 1);
    enum kgr_error err = clear_path(&address, diag);
    if (err != KGR_OK)
        return err;
    server->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody can connect before listen: the mode is right by then. */
    if (server->fd < 0 ||
        bind(server->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(server->path, 0660) != 0 || stat(server->path, &st) != 0 ||
        listen(server->fd, BACKLOG) != 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot listen on %s: %s", server->path,
                            strerror(errno));
    server->dev = st.st_dev;
    server->ino = st.st_ino;
    return KGR_OK;
}

static void set_defaults(struct kgr_server_options *o)
{
    o->max_conns = o->max_conns == 0 ? DEFAULT_CONNS : o->max_conns;
    o->max_conns_per_uid = o->max_conns_per_uid == 0 ? DEFAULT_CONNS_PER_UID : o->max_conns_per_uid;
    o->max_in_flight = o->max_in_flight == 0 ? KGR_IPC_IN_FLIGHT : o->max_in_flight;
    o->hello_timeout_ms = o->hello_timeout_ms == 0 ? DEFAULT_HELLO_MS : o->hello_timeout_ms;
    o->access = o->access == NULL ? kgr_access_default : o->access;
}

enum kgr_error kgr_server_new(struct kgr_server **out, struct kgr_loop *loop,
                              const struct kgr_server_options *options, struct kgr_diag *diag)
{
    struct kgr_server *server = calloc(1, sizeof *server);
    enum kgr_error err = KGR_ERR_NO_MEMORY;
    if (server == NULL)
        return kgr_diag_set(diag, err, "out of memory");
    server->loop = loop;
    server->fd = -1;
    server->options = *options;
    set_defaults(&server->options);
    server->path = strdup(options->path);
    server->slots = calloc(server->options.max_conns, sizeof *server->slots);
    server->scratch = malloc(KGR_IPC_PACKET_MAX + 1);
    if (server->path == NULL || server->slots == NULL || server->scratch == NULL)
        goto out;
    for (uint32_t i = 0; i < server->options.max_conns; i++) {
        server->slots[i].server = server;
        server->slots[i].index = i;
    }
    err = listen_at(server, diag);
    if (err != KGR_OK)
        goto out;
    err = kgr_timer_new(&server->pause, loop, on_pause_over, server);
    if (err == KGR_OK)
        err = kgr_watch_new(&server->watch, loop, server->fd, on_listen, server);
    if (err == KGR_OK)
        err = kgr_watch_set(server->watch, KGR_WATCH_READ);
    if (err != KGR_OK)
        goto out;
    *out = server;
    return KGR_OK;
out:
    kgr_server_free(server);
    return kgr_diag_set(diag, err, "cannot serve %s", options->path);
}

/* Only what we made: another process may have taken the path meanwhile. */
static void remove_socket(const struct kgr_server *server)
{
    struct stat st;
    if (server->ino != 0 && stat(server->path, &st) == 0 && st.st_dev == server->dev &&
        st.st_ino == server->ino)
        unlink(server->path);
}

void kgr_server_free(struct kgr_server *server)
{
    if (server == NULL)
        return;
    kgr_watch_free(server->watch);
    kgr_timer_free(server->pause);
    for (uint32_t i = 0; server->slots != NULL && i < server->options.max_conns; i++) {
        if (server->slots[i].conn != NULL)
            release(&server->slots[i]);
    }
    if (server->path != NULL)
        remove_socket(server);
    if (server->fd >= 0)
        close(server->fd);
    free(server->slots);
    free(server->scratch);
    free(server->path);
    free(server);
}

void kgr_server_reply(struct kgr_server *server, struct kgr_call call, enum kgr_error status,
                      struct kgr_slice body)
{
    struct slot *s = slot_of(server, call);
    if (s != NULL)
        kgr_connection_reply(s->conn, call.id, status, body);
}

void kgr_server_fail(struct kgr_server *server, struct kgr_call call, enum kgr_error status,
                     const char *reason)
{
    uint8_t body[1 + KGR_IPC_TEXT_MAX];
    struct kgr_wr wr;
    kgr_wr_init(&wr, body, sizeof body);
    kgr_wire_write_text8(&wr,
                         kgr_slice(reason, reason == NULL ? 0 : strnlen(reason, KGR_IPC_TEXT_MAX)),
                         KGR_IPC_TEXT_MAX);
    kgr_server_reply(server, call, status, kgr_wr_slice(&wr));
}

bool kgr_server_is_open(const struct kgr_server *server, struct kgr_call call)
{
    return slot_of(server, call) != NULL;
}

void kgr_server_stats(const struct kgr_server *server, struct kgr_server_stats *out)
{
    *out = server->stats;
}
