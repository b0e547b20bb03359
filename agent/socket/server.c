/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/socket/connection.h"
#include "agent/wire/ipc.h"

#define DEFAULT_CONNS      256
#define DEFAULT_USER_CONNS 64
#define DEFAULT_IN_FLIGHT  4096
#define DEFAULT_HELLO_MS   5000
#define BACKLOG            64
#define MAX_ACCEPTS_A_TURN 16
#define PAUSE_MS           200
/* Connections that only wait to be told why they are refused: they take no places from others. */
#define MAX_REFUSED 16

struct slot {
    struct kgr_server *server;
    struct kgr_connection *conn; /* NULL: free */
    uint32_t index;
    uint32_t generation;
    struct kgr_peercred peer; /* its principal is owned; NULL: this one is refused */
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
    struct kgr_policy *policy; /* counted, as the accounts */
    struct kgr_accounts *accounts;
    uint32_t num_refused; /* connections now that are refused */
    struct kgr_server_stats stats;
    struct kgr_tally tally;
};

static struct slot *slot_of(const struct kgr_server *server, struct kgr_call call)
{
    if (call.slot >= server->options.max_conns)
        return NULL;
    struct slot *s = &server->slots[call.slot];
    return s->conn != NULL && s->generation == call.generation ? s : NULL;
}

static struct kgr_slice text_of(uint8_t buf[1 + KGR_IPC_TEXT_MAX], const char *reason)
{
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, 1 + KGR_IPC_TEXT_MAX);
    kgr_wire_write_text8(&wr,
                         kgr_slice(reason, reason == NULL ? 0 : strnlen(reason, KGR_IPC_TEXT_MAX)),
                         KGR_IPC_TEXT_MAX);
    return kgr_wr_slice(&wr);
}

/* A call that was never counted. */
static void refuse_call(struct slot *s, uint64_t call, enum kgr_error err,
                        const struct kgr_diag *why)
{
    uint8_t body[1 + KGR_IPC_TEXT_MAX];
    (void)kgr_connection_reply(s->conn, call, err, text_of(body, kgr_diag_text(why, err)));
}

static void on_request(void *arg, uint64_t call, uint16_t op, struct kgr_slice body, bool counted)
{
    struct slot *s = arg;
    const struct kgr_server_request request = {{s->index, s->generation, call}, s->peer, op, body};
    struct kgr_account *account = kgr_principal_account(s->peer.principal);
    struct kgr_diag why = {{0}};
    enum kgr_error err = KGR_OK;
    s->server->stats.requests++;
    if (!counted)
        err = kgr_account_begin(account, 1, &why);
    if (err != KGR_OK) {
        s->server->stats.refused_quota++;
        refuse_call(s, call, err, &why);
        return;
    }
    if (!counted && kgr_account_is_rated(account))
        err = kgr_account_take(account, 1, kgr_clock_boot_ns(), &why);
    if (err != KGR_OK) {
        s->server->stats.refused_quota++;
        kgr_server_fail(s->server, request.call, err, kgr_diag_text(&why, err));
        return;
    }
    s->server->options.handler(s->server->options.arg, &request);
}

static void release(struct slot *s)
{
    struct kgr_server *server = s->server;
    struct kgr_principal *principal = s->peer.principal;
    uint32_t generation = s->generation;
    if (principal != NULL)
        kgr_account_end(kgr_principal_account(principal), kgr_connection_num_pending(s->conn));
    else
        server->num_refused--;
    kgr_connection_free(s->conn);
    s->conn = NULL;
    s->generation++;
    server->stats.conns--;
    if (principal != NULL && server->options.closed != NULL)
        server->options.closed(server->options.arg, s->index, generation);
    s->peer.principal = NULL;
    if (principal != NULL)
        kgr_principal_leave(principal);
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

static struct slot *free_slot(struct kgr_server *server)
{
    for (uint32_t i = 0; i < server->options.max_conns; i++)
        if (server->slots[i].conn == NULL)
            return &server->slots[i];
    return NULL;
}

static bool peer_of(int fd, struct kgr_peercred *out)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || len != sizeof cred)
        return false;
    *out = (struct kgr_peercred){cred.uid, cred.gid, cred.pid, fd, NULL};
    return true;
}

/* identify finds the user and what he may; an error is what his hello is answered by, with why. */
static enum kgr_error identify(struct kgr_server *server, struct kgr_peercred *peer,
                               struct kgr_diag *why)
{
    struct kgr_access *access;
    bool any;
    enum kgr_error err =
        kgr_principal_new(&peer->principal, peer, server->policy, server->accounts, why);
    if (err != KGR_OK)
        return err;
    access = kgr_principal_access(peer->principal);
    any = kgr_access_any(access);
    kgr_access_unref(access);
    if (any)
        return KGR_OK;
    kgr_principal_leave(peer->principal);
    peer->principal = NULL;
    return kgr_diag_set(why, KGR_ERR_ACCESS,
                        "uid %u may not use this service: the group kgr, or the group access of "
                        "its configuration, lets users in",
                        (unsigned)peer->uid);
}

static void count_refusal(struct kgr_server *server, const struct kgr_peercred *peer,
                          enum kgr_error err, const struct kgr_diag *why)
{
    if (err == KGR_ERR_ACCESS)
        server->stats.refused_access++;
    else
        server->stats.refused_quota++;
    kgr_warn("client-refused", "uid=%u pid=%d reason=%s", (unsigned)peer->uid, (int)peer->pid,
             err == KGR_ERR_ACCESS ? "access" : "quota");
    if (server->options.refused != NULL)
        server->options.refused(server->options.arg, peer, err, kgr_diag_text(why, err));
}

static bool start(struct kgr_server *server, struct slot *s, const struct kgr_peercred *peer,
                  enum kgr_error refusal, const struct kgr_diag *why)
{
    const struct kgr_connection_options options = {
        .max_in_flight = server->options.max_in_flight,
        .hello_timeout_ms = server->options.hello_timeout_ms,
        .refusal = refusal,
        .why = *why,
        .node = server->options.node,
        .scratch = server->scratch,
        .tally = &server->tally,
        .workers = server->options.workers,
        .peer = {peer->uid, peer->gid, peer->pid, -1, peer->principal},
        .slot = s->index,
        .generation = s->generation,
        .request = on_request,
        .ended = on_ended,
        .arg = s,
    };
    if (kgr_connection_new(&s->conn, server->loop, peer->fd, &options) != KGR_OK)
        return false;
    s->peer = *peer;
    s->peer.fd = -1;
    server->num_refused += refusal != KGR_OK;
    server->stats.accepted++;
    server->stats.conns++;
    return true;
}

/* Takes the client in, if only to tell it why not; false when it is to be sent away. */
static bool admit(struct kgr_server *server, int fd)
{
    struct slot *s = free_slot(server);
    struct kgr_peercred peer;
    struct kgr_diag why = {{0}};
    enum kgr_error refusal;
    if (!peer_of(fd, &peer))
        return false;
    refusal = s == NULL ? KGR_ERR_QUOTA : identify(server, &peer, &why);
    if (refusal != KGR_OK)
        count_refusal(server, &peer, refusal, &why);
    if (s == NULL || (refusal != KGR_OK && server->num_refused >= MAX_REFUSED))
        return false;
    if (start(server, s, &peer, refusal, &why))
        return true;
    if (peer.principal != NULL)
        kgr_principal_leave(peer.principal);
    return false;
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
        return kgr_diag_set(diag, KGR_ERR_CONFIG, "%s exists and is no socket; remove it", path);
    if (is_served(address))
        return kgr_diag_set(diag, KGR_ERR_BUSY, "%s is served by another process; stop it first",
                            path);
    if (unlink(path) != 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "%s cannot be replaced: %s", path, strerror(errno));
    return KGR_OK;
}

/* The file lets in whom the policy may let in; it is the policy that decides. */
static mode_t mode_for(const struct kgr_policy *policy)
{
    return kgr_policy_names_others(policy, getegid()) ? 0666 : 0660;
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
        chmod(server->path, mode_for(server->policy)) != 0 || stat(server->path, &st) != 0 ||
        listen(server->fd, BACKLOG) != 0)
        return kgr_diag_set(diag, KGR_ERR_IO, "cannot listen on %s: %s", server->path,
                            strerror(errno));
    server->dev = st.st_dev;
    server->ino = st.st_ino;
    return KGR_OK;
}

/* The original stays open, so that clients wait in its queue while the service begins anew. */
static enum kgr_error take_listening(struct kgr_server *server, int fd, struct kgr_diag *diag)
{
    server->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return server->fd >= 0 ? KGR_OK
                           : kgr_diag_set(diag, KGR_ERR_IO, "cannot take over %s: %s", server->path,
                                          strerror(errno));
}

/* A socket that another process made for us keeps the mode that it was given. */
static void set_mode(const struct kgr_server *server)
{
    mode_t mode = mode_for(server->policy);
    struct stat st;
    if (server->ino != 0) {
        if (chmod(server->path, mode) != 0)
            kgr_warn("socket-mode", "path=%s reason=\"%s\"", server->path, strerror(errno));
    } else if ((mode & S_IWOTH) != 0 && stat(server->path, &st) == 0 &&
               (st.st_mode & S_IWOTH) == 0) {
        kgr_warn("socket-mode",
                 "path=%s reason=\"access names others, whom the socket's mode keeps out: it needs "
                 "SocketMode=0666 in its unit\"",
                 server->path);
    }
}

static void set_defaults(struct kgr_server_options *o)
{
    o->max_conns = o->max_conns == 0 ? DEFAULT_CONNS : o->max_conns;
    o->limits.connections = o->limits.connections == 0 ? DEFAULT_USER_CONNS : o->limits.connections;
    o->limits.in_flight = o->limits.in_flight == 0 ? DEFAULT_IN_FLIGHT : o->limits.in_flight;
    o->max_in_flight = o->max_in_flight == 0 ? KGR_IPC_IN_FLIGHT : o->max_in_flight;
    o->hello_timeout_ms = o->hello_timeout_ms == 0 ? DEFAULT_HELLO_MS : o->hello_timeout_ms;
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
    if (options->policy != NULL)
        server->policy = kgr_policy_ref(options->policy);
    else
        err = kgr_access_default(&server->policy);
    if (server->policy == NULL)
        goto out;
    err = kgr_accounts_new(&server->accounts, &server->options.limits);
    if (err == KGR_OK)
        err = options->listening > 0 ? take_listening(server, options->listening, diag)
                                     : listen_at(server, diag);
    if (err != KGR_OK)
        goto out;
    err = kgr_timer_new(&server->pause, loop, on_pause_over, server);
    if (err == KGR_OK)
        err = kgr_watch_new(&server->watch, loop, server->fd, on_listen, server);
    if (err == KGR_OK)
        err = kgr_watch_set(server->watch, KGR_WATCH_READ);
    if (err != KGR_OK)
        goto out;
    if (options->listening > 0)
        set_mode(server);
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
    kgr_accounts_unref(server->accounts);
    kgr_policy_unref(server->policy);
    free(server->slots);
    free(server->scratch);
    free(server->path);
    free(server);
}

void kgr_server_reply(struct kgr_server *server, struct kgr_call call, enum kgr_error status,
                      struct kgr_slice body)
{
    struct slot *s = slot_of(server, call);
    if (s != NULL && kgr_connection_reply(s->conn, call.id, status, body))
        kgr_account_end(kgr_principal_account(s->peer.principal), 1);
}

bool kgr_server_ticket(struct kgr_server *server, struct kgr_call call, struct kgr_ticket *out)
{
    struct slot *s = slot_of(server, call);
    struct kgr_ticket ticket = {.counted = true};
    if (s == NULL ||
        !kgr_connection_lend(s->conn, call.id, &ticket.outlet, &ticket.ring, &ticket.header))
        return false;
    ticket.principal = kgr_principal_ref(s->peer.principal);
    ticket.tally = &server->tally;
    ticket.door = kgr_connection_door(s->conn);
    *out = ticket;
    return true;
}

void kgr_server_answered(struct kgr_server *server, struct kgr_call call)
{
    struct slot *s = slot_of(server, call);
    if (s != NULL)
        kgr_connection_answered(s->conn, call.id);
}

void kgr_server_fail(struct kgr_server *server, struct kgr_call call, enum kgr_error status,
                     const char *reason)
{
    uint8_t body[1 + KGR_IPC_TEXT_MAX];
    kgr_server_reply(server, call, status, text_of(body, reason));
}

bool kgr_server_is_open(const struct kgr_server *server, struct kgr_call call)
{
    return slot_of(server, call) != NULL;
}

struct kgr_principal *kgr_server_principal(const struct kgr_server *server, struct kgr_call call)
{
    const struct slot *s = slot_of(server, call);
    return s == NULL ? NULL : s->peer.principal;
}

/* What every connection gets, by slot: made before anything changes. */
static enum kgr_error prepare(const struct kgr_server *server, struct kgr_policy *policy,
                              struct kgr_access **accesses)
{
    enum kgr_error err = KGR_OK;
    for (uint32_t i = 0; i < server->options.max_conns && err == KGR_OK; i++)
        if (server->slots[i].peer.principal != NULL)
            err = kgr_principal_prepare(&accesses[i], server->slots[i].peer.principal, policy);
    return err;
}

enum kgr_error kgr_server_set(struct kgr_server *server, struct kgr_policy *policy,
                              const struct kgr_account_limits *limits)
{
    struct kgr_access **accesses = calloc(server->options.max_conns, sizeof *accesses);
    enum kgr_error err = accesses == NULL ? KGR_ERR_NO_MEMORY : prepare(server, policy, accesses);
    for (uint32_t i = 0; accesses != NULL && i < server->options.max_conns; i++) {
        if (err != KGR_OK)
            kgr_access_unref(accesses[i]);
        else if (accesses[i] != NULL)
            kgr_principal_set(server->slots[i].peer.principal, accesses[i]);
    }
    free(accesses);
    if (err != KGR_OK)
        return err;
    kgr_accounts_set(server->accounts, limits);
    kgr_policy_unref(server->policy);
    server->policy = kgr_policy_ref(policy);
    set_mode(server);
    return KGR_OK;
}

void kgr_server_stats(const struct kgr_server *server, struct kgr_server_stats *out)
{
    *out = server->stats;
}

struct kgr_tally *kgr_server_tally(struct kgr_server *server)
{
    return &server->tally;
}

const struct kgr_workers *kgr_server_workers(const struct kgr_server *server)
{
    return server->options.workers;
}
