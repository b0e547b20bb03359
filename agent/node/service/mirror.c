/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/log.h"
#include "agent/node/audit.h"
#include "agent/node/mirror/mirror.h"
#include "agent/node/service/parts.h"
#include "agent/wire/ipc_mirror.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * mirror_add, mirror_list, mirror_remove. A mirror lets others use keys past every rule of the agent's, and has it write where the
 * caller says: for root and the agent's own user alone, whatever the group `access` says.
 */

/* Who waits for a mirror; the texts stand behind. */
struct caller {
    struct kgr_service *service; /* NULL: it went */
    struct kgr_call call;
    struct kgr_mirror_wish wish;
    struct kgr_nid peer;
    uint32_t uid;
    bool add;
    char store[KGR_IPC_STORE_MAX + 1];
    char token[KGR_IPC_TOKEN_MAX + 1];
};

static bool may(struct kgr_service *service, const struct kgr_server_request *request)
{
    if (request->peer.uid == 0 || request->peer.uid == geteuid())
        return true;
    kgr_node_audit_refusal(service->node, (uint32_t)request->peer.uid, request->op, NULL,
                           "mirrors are for root and the agent's own user");
    kgr_server_fail(service->server, request->call, KGR_ERR_ACCESS,
                    "mirrors are for root and the agent's own user");
    return false;
}

static void answer(void *arg, enum kgr_error err, const struct kgr_diag *diag)
{
    struct caller *caller = arg;

    if (err == KGR_OK && caller->add)
        kgr_info("mirror_added", "store=\"%s\" token=\"%s\" peer=%s uid=%u", caller->store,
                 caller->token, caller->wish.peer == NULL ? "(all)" : caller->peer.s, caller->uid);
    if (err == KGR_OK)
        kgr_service_ok(caller->service, caller->call, kgr_slice(NULL, 0));
    else
        kgr_server_fail(caller->service->server, caller->call, err, kgr_diag_text(diag, err));
    free(caller);
}

static void copy(char *out, struct kgr_slice in)
{
    kgr_copy(out, in.p, in.len);
    out[in.len] = '\0';
}

static struct caller *wait_for(struct kgr_service *service,
                               const struct kgr_server_request *request,
                               const struct kgr_ipc_mirror *mirror)
{
    struct caller *caller = calloc(1, sizeof(*caller));

    if (caller == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return NULL;
    }
    caller->service = service;
    caller->call = request->call;
    caller->uid = (uint32_t)request->peer.uid;
    copy(caller->store, mirror->store);
    copy(caller->token, mirror->token);
    copy(caller->peer.s, mirror->peer);
    caller->wish = (struct kgr_mirror_wish){
        .store = caller->store,
        .token = caller->token,
        .peer = mirror->peer.len == 0 ? NULL : &caller->peer,
        .done = answer,
        .arg = caller,
    };
    return caller;
}

void kgr_service_mirror_add(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_mirror_add asked;
    struct kgr_diag diag = {{0}};
    struct caller *caller;
    enum kgr_error err;

    if (kgr_ipc_mirror_add_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    caller = may(service, request) ? wait_for(service, request, &asked.mirror) : NULL;
    if (caller == NULL)
        return;
    caller->add = true;
    caller->wish.pin = asked.pin;
    err = kgr_mirrors_add(service->node->mirrors, &caller->wish, &diag);
    if (err != KGR_OK)
        answer(caller, err, &diag);
}

void kgr_service_mirror_remove(struct kgr_service *service,
                               const struct kgr_server_request *request)
{
    struct kgr_ipc_mirror asked;
    struct kgr_diag diag = {{0}};
    struct caller *caller;
    enum kgr_error err;

    if (kgr_ipc_mirror_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    caller = may(service, request) ? wait_for(service, request, &asked) : NULL;
    if (caller == NULL)
        return;
    err = kgr_mirrors_remove(service->node->mirrors, &caller->wish, &diag);
    if (err != KGR_OK)
        answer(caller, err, &diag);
}

/* A page of entries, one for each peer of each mirror, as it is filled. */
struct page {
    struct kgr_wr wr;
    uint32_t first;
    uint32_t total;
    uint16_t num;
};

static void add_entry(struct page *page, const struct kgr_mirror *mirror, const char *peer)
{
    const uint16_t fit = (KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN - 6) / KGR_IPC_MIRROR_ENTRY_MAX;
    struct kgr_ipc_mirror_entry entry = {
        .mirror = {kgr_slice(mirror->store, strlen(mirror->store)),
                   kgr_slice(mirror->token, strlen(mirror->token)), kgr_slice(peer, strlen(peer))},
        .configured = mirror->configured,
        .objects = mirror->objects,
        .error = (uint32_t)mirror->err,
        .reason = kgr_slice(mirror->reason, strlen(mirror->reason)),
    };

    if (page->total++ < page->first || page->num == fit)
        return;
    kgr_ipc_mirror_entry_write(&page->wr, &entry);
    page->num++;
}

void kgr_service_mirror_list(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_peers_head head = {.total = 0};
    struct page page = {.total = 0};
    struct kgr_wr head_wr;

    if (kgr_ipc_u32_decode(&page.first, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!may(service, request))
        return;
    kgr_wr_init(&page.wr, service->reply, sizeof(service->reply));
    kgr_ipc_peers_head_write(&page.wr, &head);
    for (const struct kgr_mirror *mirror = service->node->mirrors->list; mirror != NULL;
         mirror = mirror->next) {
        if (mirror->num_peers == 0)
            add_entry(&page, mirror, "");
        for (size_t i = 0; i < mirror->num_peers; i++)
            add_entry(&page, mirror, mirror->peers[i].s);
    }
    head.total = page.total;
    head.num = page.num;
    kgr_wr_init(&head_wr, service->reply, sizeof(service->reply));
    kgr_ipc_peers_head_write(&head_wr, &head);
    kgr_service_ok(service, request->call, kgr_wr_slice(&page.wr));
}
