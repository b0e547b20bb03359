/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/base/secret.h"
#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_mirror.h"
#include "agent/wire/ipc_status.h"

#define TIMEOUT_MS  30000 /* a TPM makes two objects, and a store may be locked */
#define TRIES       4
#define TRY_STEP_MS 200
#define MIRRORS_MAX 65536 /* a bound for what an agent out of its mind can make us allocate */

static struct kgr_slice text(const char *s)
{
    return s == NULL ? kgr_slice(NULL, 0) : kgr_slice(s, strlen(s));
}

static enum kgr_error name(struct kgr_ipc_mirror *out, const char *store, const char *token,
                           const char *peer)
{
    struct kgr_nid nid;

    if (store == NULL || store[0] != '/' || strlen(store) > KGR_IPC_STORE_MAX)
        return kgr_reason_set(KGR_ERR_INVALID, "the store must be named by an absolute path");
    if (token == NULL || token[0] == '\0' || strlen(token) > KGR_IPC_TOKEN_MAX)
        return kgr_reason_set(KGR_ERR_INVALID, "a token has a label of 1 to 32 bytes");
    *out = (struct kgr_ipc_mirror){text(store), text(token), text(peer)};
    return peer == NULL ? KGR_OK : kgr_call_peer(&nid, peer);
}

/* A line feed ends a PIN, and one byte more shows that it is too long. */
#define PIN_CAP (KGR_IPC_PIN_MAX + 2)

static enum kgr_error read_pin(uint8_t pin[PIN_CAP], size_t *out_len, int fd)
{
    size_t len = 0;
    const uint8_t *end = NULL;

    while (len < PIN_CAP && end == NULL) {
        ssize_t n = read(fd, pin + len, PIN_CAP - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kgr_reason_set(KGR_ERR_IO, "the PIN cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        len += (size_t)n;
        end = memchr(pin, '\n', len);
    }
    *out_len = end == NULL ? len : (size_t)(end - pin);
    if (*out_len == 0 || *out_len > KGR_IPC_PIN_MAX)
        return kgr_reason_set(KGR_ERR_INVALID, "a PIN has 1 to 64 bytes");
    return KGR_OK;
}

/* The agent does one thing with mirrors at a time, and may be about one of its own. */
static bool try_again(enum kgr_error err, int *tries)
{
    struct timespec step = {.tv_nsec = TRY_STEP_MS * 1000000l};

    if (err != KGR_ERR_BUSY || ++*tries == TRIES)
        return false;
    (void)nanosleep(&step, NULL);
    return true;
}

static enum kgr_error call_empty(struct kgr_client *client, uint16_t op,
                                 const struct kgr_ipc_mirror_add *request)
{
    struct kgr_client_call call;
    enum kgr_error err = kgr_call_begin(&call, client, op);

    if (err == KGR_OK) {
        call.timeout_ms = TIMEOUT_MS;
        err = kgr_call_run(&call, op == KGR_IPC_MIRROR_ADD
                                      ? kgr_ipc_mirror_add_encode(&call.request, request)
                                      : kgr_ipc_mirror_encode(&call.request, &request->mirror));
    }
    if (err == KGR_OK)
        err = kgr_call_check_empty(&call);
    kgr_call_end(&call);
    return err;
}

enum kgr_error kgr_mirror_add(struct kgr_client *client, const char *store, const char *token,
                              const char *peer, int pin_fd)
{
    uint8_t pin[PIN_CAP] = {0};
    struct kgr_ipc_mirror_add request = {.pin = kgr_slice(pin, 0)};
    enum kgr_error err = name(&request.mirror, store, token, peer);
    int tries = 0;

    if (err == KGR_OK)
        err = read_pin(pin, &request.pin.len, pin_fd);
    if (err == KGR_OK) {
        do {
            err = call_empty(client, KGR_IPC_MIRROR_ADD, &request);
        } while (try_again(err, &tries));
    }
    kgr_cleanse(pin, sizeof(pin));
    return err;
}

enum kgr_error kgr_mirror_remove(struct kgr_client *client, const char *store, const char *token,
                                 const char *peer)
{
    struct kgr_ipc_mirror_add request;
    enum kgr_error err = name(&request.mirror, store, token, peer);
    int tries = 0;

    if (err != KGR_OK)
        return err;
    do {
        err = call_empty(client, KGR_IPC_MIRROR_REMOVE, &request);
    } while (try_again(err, &tries));
    return err;
}

static void copy_text(char *out, size_t cap, struct kgr_slice in)
{
    kgr_text_clean(out, cap, in.p, in.len, false);
}

static void set_info(struct kgr_mirror_info *out, const struct kgr_ipc_mirror_entry *in)
{
    memset(out, 0, sizeof(*out));
    copy_text(out->store, sizeof(out->store), in->mirror.store);
    copy_text(out->token, sizeof(out->token), in->mirror.token);
    copy_text(out->peer, sizeof(out->peer), in->mirror.peer);
    copy_text(out->reason, sizeof(out->reason), in->reason);
    out->configured = in->configured;
    out->objects = in->objects;
    out->error = (enum kgr_error)in->error;
}

struct list {
    struct kgr_mirror_info *infos; /* owned */
    size_t num;
    size_t total;
};

static enum kgr_error read_page(struct list *list, struct kgr_slice reply)
{
    struct kgr_ipc_peers_head head;
    struct kgr_ipc_mirror_entry entry;
    struct kgr_mirror_info *infos;
    struct kgr_rd rd;

    kgr_rd_init(&rd, reply.p, reply.len);
    kgr_ipc_peers_head_read(&rd, &head);
    if (!kgr_rd_ok(&rd) || list->num + head.num > MIRRORS_MAX)
        return kgr_call_check(KGR_ERR_CORRUPT);
    infos = realloc(list->infos, (list->num + head.num + 1) * sizeof(*infos));
    if (infos == NULL)
        return kgr_reason_set(KGR_ERR_NO_MEMORY, "out of memory");
    list->infos = infos;
    for (size_t i = 0; i < head.num && kgr_rd_ok(&rd); i++) {
        kgr_ipc_mirror_entry_read(&rd, &entry);
        if (kgr_rd_ok(&rd))
            set_info(&list->infos[list->num + i], &entry);
    }
    list->num += head.num;
    /* An empty page ends the list, whatever it says: mirrors went away while it was read. */
    list->total = head.num == 0 ? list->num : head.total;
    return kgr_call_check(kgr_wire_read_result(&rd));
}

enum kgr_error kgr_mirror_list(struct kgr_client *client, struct kgr_mirror_info **out,
                               size_t *out_num)
{
    struct list list = {.total = 1};
    enum kgr_error err = KGR_OK;

    while (err == KGR_OK && list.num < list.total) {
        struct kgr_client_call call;

        err = kgr_call_begin(&call, client, KGR_IPC_MIRROR_LIST);
        if (err == KGR_OK)
            err = kgr_call_run(&call, kgr_ipc_u32_encode(&call.request, (uint32_t)list.num));
        if (err == KGR_OK)
            err = read_page(&list, call.exchange.reply);
        kgr_call_end(&call);
    }
    if (err != KGR_OK) {
        free(list.infos);
        return err;
    }
    *out = list.infos;
    *out_num = list.num;
    return KGR_OK;
}
