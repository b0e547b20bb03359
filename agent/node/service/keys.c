/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/node/service/service.h"
#include "agent/node/service/parts.h"
#include "agent/seal/digest.h"
#include "agent/node/mirror/mirror.h"

#include <kgr/client.h>

#include <stdlib.h>
#include <string.h>

/* key, handle, resolve, request, wait: which keys there are, and how to get one. */

/* The key that a request names */

static enum kgr_error check_pair(const struct kgr_service *service, const struct kgr_pair *pair,
                                 const struct kgr_nid *peer, struct kgr_diag *diag)
{
    bool lease = kgr_sync_has_lease(&service->node->sync, kgr_clock_boot_ms());

    if (pair != NULL && pair->status == KGR_PAIR_REVOKED)
        return kgr_diag_set(diag, KGR_ERR_REVOKED, "%s: the pair was revoked", peer->s);
    if (pair != NULL && pair->status == KGR_PAIR_DENIED)
        return kgr_diag_set(diag, KGR_ERR_REVOKED, "%s: the AC denied the pair", peer->s);
    if (!lease)
        return kgr_diag_set(diag, KGR_ERR_LEASE,
                            "no word from the KS within the lease: keys are kept and not used");
    if (pair == NULL)
        return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "%s: unknown peer", peer->s);
    if (pair->status != KGR_PAIR_ALLOWED)
        return kgr_diag_set(diag, KGR_ERR_NOT_AUTHORIZED, "%s: not authorised by the AC", peer->s);
    return KGR_OK;
}

/* is_expired: there is a current key, past its lifetime. */
static bool is_expired(const struct kgr_service *service, const struct kgr_pair *pair)
{
    const struct kgr_ring_key *key = kgr_ring_sending(service->node->pairs.ring, &pair->ex.s.peer);

    return key != NULL && kgr_ring_key_rest_s(key, kgr_clock_boot_ms()) == 0;
}

/* ask begins an exchange unless a key that lives is there or one is on its way; renew: in any case. */
static enum kgr_error ask(struct kgr_service *service, struct kgr_pair *pair, bool renew)
{
    if (renew)
        return kgr_exchange_request(service->node, pair, KGR_CAUSE_DEMAND, true);
    if (is_expired(service, pair))
        return kgr_exchange_request(service->node, pair, KGR_CAUSE_RENEWAL, true);
    return kgr_exchange_request(service->node, pair, KGR_CAUSE_FIRST, false);
}

/* is_over: expiry ends sending at once, receiving after the overlap. */
static bool is_over(const struct kgr_service *service, const struct kgr_ring_key *key,
                    enum kgr_use use)
{
    uint64_t now_ms = kgr_clock_boot_ms();

    if (use == KGR_USE_RECEIVE)
        return !kgr_ring_key_opens(key, service->node->settings->overlap_s, now_ms);
    return kgr_ring_key_rest_s(key, now_ms) == 0;
}

/* first_use asks for a key, unless only the operator may. */
static enum kgr_error first_use(struct kgr_service *service, struct kgr_pair *pair,
                                enum kgr_error missing, const char *what, struct kgr_diag *diag)
{
    const char *peer = pair->ex.s.peer.s;
    enum kgr_error err;

    if (service->node->settings->establish == KGR_ESTABLISH_MANUAL)
        return kgr_diag_set(diag, missing,
                            "%s: %s; keys are established by hand: kgrctl request %s", peer, what,
                            peer);
    err = ask(service, pair, false);
    if (err == KGR_ERR_IO)
        return kgr_diag_set(diag, err, "%s: %s; %s", peer, what, KGR_NODE_DISK_FAILED);
    return kgr_diag_set(diag, err == KGR_OK ? missing : err, "%s: %s; the KS is asked for one",
                        peer, what);
}

static enum kgr_error latest(struct kgr_service *service, struct kgr_pair *pair,
                             struct kgr_ring_key **out, enum kgr_use use, struct kgr_diag *diag)
{
    struct kgr_ring *ring = service->node->pairs.ring;
    const struct kgr_nid *peer = &pair->ex.s.peer;
    struct kgr_ring_key *key = kgr_ring_sending(ring, peer);

    /* The other end may send under a candidate of ours already. */
    if (key == NULL && use == KGR_USE_RECEIVE)
        key = kgr_ring_at(ring, peer, KGR_RING_CANDIDATE);
    if (key == NULL)
        return first_use(service, pair, KGR_ERR_NO_KEY, "no key yet", diag);
    if (is_over(service, key, use))
        return first_use(service, pair, KGR_ERR_EXPIRED, "the key has expired", diag);
    *out = key;
    return KGR_OK;
}

enum kgr_error kgr_service_find_key(struct kgr_service *service, struct kgr_pair **out_pair,
                                    struct kgr_ring_key **out_key, const struct kgr_nid *peer,
                                    uint64_t generation, enum kgr_use use, struct kgr_diag *diag)
{
    struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, peer);
    struct kgr_ring_key *key = NULL;
    enum kgr_error err = check_pair(service, pair, peer, diag);

    if (err != KGR_OK)
        return err;
    if (generation == 0) {
        err = latest(service, pair, &key, use, diag);
        if (err != KGR_OK)
            return err;
    } else {
        key = kgr_ring_receiving(service->node->pairs.ring, peer, generation);
        if (key == NULL)
            return kgr_diag_set(diag, KGR_ERR_UNKNOWN_PEER, "%s: no generation %llu", peer->s,
                                (unsigned long long)generation);
    }
    if (use == KGR_USE_SEND && key->generation < pair->confirmed)
        return kgr_diag_set(diag, KGR_ERR_NO_KEY,
                            "%s: the KS has confirmed generation %llu, this node waits for it",
                            peer->s, (unsigned long long)pair->confirmed);
    if (use == KGR_USE_SEND && key->generation != pair->ex.s.current.generation)
        return kgr_diag_set(diag, KGR_ERR_STATE, "%s: generation %llu may only receive", peer->s,
                            (unsigned long long)generation);
    if (is_over(service, key, use))
        return kgr_diag_set(diag, KGR_ERR_EXPIRED, "%s: generation %llu has expired", peer->s,
                            (unsigned long long)key->generation);
    *out_pair = pair;
    *out_key = key;
    return KGR_OK;
}

/* why_no_key says why a key that was asked about is not there. Doors ask before they use one, which is its first use. */
static enum kgr_error why_no_key(struct kgr_service *service, struct kgr_pair *pair,
                                 uint64_t generation, bool may_use, struct kgr_diag *diag)
{
    switch (pair->status) {
    case KGR_PAIR_REVOKED:
    case KGR_PAIR_DENIED:
        return check_pair(service, pair, &pair->ex.s.peer, diag);
    case KGR_PAIR_UNNAMED:
        break;
    case KGR_PAIR_ALLOWED:
        if (generation == 0 && may_use)
            return first_use(service, pair, KGR_ERR_NO_KEY, "no key yet", diag);
        if (generation == 0)
            return KGR_ERR_NO_KEY;
    }
    if (generation != 0)
        return KGR_ERR_UNKNOWN_PEER;
    return service->node->synced ? KGR_ERR_NOT_AUTHORIZED : KGR_ERR_NO_KEY;
}

/*
 * is_gone: the latest key is past its lifetime and its overlap. One that is past its lifetime alone still opens what came
 * under it, and the next is asked for; with the generation that it pins, a door would not do so.
 */
static bool is_gone(struct kgr_service *service, struct kgr_pair *pair,
                    const struct kgr_ring_key *key, bool may_use)
{
    if (pair->status != KGR_PAIR_ALLOWED || !is_over(service, key, KGR_USE_SEND))
        return false;
    if (is_over(service, key, KGR_USE_RECEIVE))
        return true;
    if (may_use && service->node->settings->establish != KGR_ESTABLISH_MANUAL)
        (void)ask(service, pair, false);
    return false;
}

void kgr_service_key(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ring *ring = service->node->pairs.ring;
    struct kgr_diag diag = {{0}};
    struct kgr_ipc_key asked;
    struct kgr_peer_room room;
    struct kgr_ring_key *key;
    struct kgr_pair *pair;
    bool may_use;
    enum kgr_error err = KGR_OK;

    if (kgr_ipc_key_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_LIST))
        return;
    pair = kgr_pairs_find(&service->node->pairs, &asked.peer);
    if (pair == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_UNKNOWN_PEER, "unknown peer");
        return;
    }
    /* Whoever may only look begins nothing. */
    may_use = kgr_service_may_use(service, request->call, &asked.peer);
    key = asked.generation == 0 ? kgr_ring_sending(ring, &asked.peer)
                                : kgr_ring_receiving(ring, &asked.peer, asked.generation);
    if (key == NULL)
        err = why_no_key(service, pair, asked.generation, may_use, &diag);
    else if (asked.generation == 0 && is_gone(service, pair, key, may_use))
        err = may_use ? first_use(service, pair, KGR_ERR_EXPIRED, "the key has expired", &diag)
                      : KGR_ERR_EXPIRED;
    if (err != KGR_OK) {
        kgr_service_refuse(service, request, &asked.peer, err, &diag);
        return;
    }
    kgr_service_describe(service, &room, pair, key);
    kgr_service_reply_peer(service, request->call, KGR_OK, &room.entry);
}

/* Handles (docs/protocol.md, section 11) */

#define HANDLE_HEAD 6u
#define HANDLE_MAX  64u

static const uint8_t handle_head[HANDLE_HEAD] = {0x4b, 0x47, 0x52, 0x68, 0x00, 0x01};

static enum kgr_error make_handle(const struct kgr_service *service, const struct kgr_nid *peer,
                                  size_t key_len, uint8_t *out)
{
    static const char label[] = "KGR handle 1";
    uint8_t input[2 * (1 + KGR_NID_MAX) + 1];
    uint8_t digests[2 * KGR_SHA256_LEN];
    const uint8_t more = 1;
    struct kgr_slice parts[3] = {kgr_slice(label, sizeof(label) - 1)};
    struct kgr_wr wr;
    enum kgr_error err;

    kgr_wr_init(&wr, input, sizeof(input));
    kgr_wire_write_nid(&wr, &service->node->self);
    kgr_wire_write_nid(&wr, peer);
    kgr_wr_u8(&wr, (uint8_t)key_len);
    if (!kgr_wr_ok(&wr))
        return KGR_ERR_FAILED;
    parts[1] = kgr_wr_slice(&wr);
    parts[2] = kgr_slice(&more, 1);
    err = kgr_sha256(digests, parts, 2);
    if (err == KGR_OK)
        err = kgr_sha256(digests + KGR_SHA256_LEN, parts, 3);
    if (err != KGR_OK)
        return err;
    memcpy(out, handle_head, HANDLE_HEAD);
    memcpy(out + HANDLE_HEAD, digests, key_len - HANDLE_HEAD);
    return KGR_OK;
}

void kgr_service_handle(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_handle asked;
    uint8_t handle[HANDLE_MAX];
    enum kgr_error err;

    if (kgr_ipc_handle_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_LIST))
        return;
    if (kgr_pairs_find(&service->node->pairs, &asked.peer) == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_UNKNOWN_PEER, "unknown peer");
        return;
    }
    err = make_handle(service, &asked.peer, asked.key_len, handle);
    if (err == KGR_OK)
        kgr_service_ok(service, request->call, kgr_slice(handle, asked.key_len));
    else
        kgr_server_fail(service->server, request->call, err, NULL);
}

void kgr_service_resolve(struct kgr_service *service, const struct kgr_server_request *request)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    struct kgr_slice handle;
    uint8_t mine[HANDLE_MAX];
    struct kgr_wr wr;

    if (kgr_ipc_resolve_decode(&handle, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    for (size_t i = 0; memcmp(handle.p, handle_head, HANDLE_HEAD) == 0 && i < pairs->num; i++) {
        const struct kgr_nid *peer = &pairs->list[i]->ex.s.peer;

        if (make_handle(service, peer, handle.len, mine) == KGR_OK &&
            memcmp(mine, handle.p, handle.len) == 0 &&
            kgr_service_allows(service, request->call, peer, KGR_RIGHT_LIST) &&
            kgr_wire_nid_encode(&wr, peer) == KGR_OK) {
            kgr_service_ok(service, request->call, kgr_wr_slice(&wr));
            return;
        }
    }
    kgr_server_fail(service->server, request->call, KGR_ERR_UNKNOWN_PEER,
                    "no handle of this agent");
}

/* Asking for a key */

void kgr_service_request(struct kgr_service *service, const struct kgr_server_request *request)
{
    struct kgr_ipc_request asked;
    struct kgr_pair *pair;
    enum kgr_error err;

    if (kgr_ipc_request_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer,
                         asked.cause == KGR_CAUSE_DEMAND ? KGR_RIGHT_RENEW : KGR_RIGHT_REQUEST))
        return;
    /* Also for a peer that was never named: the KS's answer counts, and says no with authority. */
    err = kgr_pairs_ensure(&service->node->pairs, &pair, &asked.peer, true);
    if (err == KGR_ERR_QUOTA) {
        kgr_exchange_forget_idle(service->node);
        err = kgr_pairs_ensure(&service->node->pairs, &pair, &asked.peer, true);
    }
    if (err == KGR_OK)
        err = ask(service, pair, asked.cause == KGR_CAUSE_DEMAND);
    if (err == KGR_OK)
        kgr_service_ok(service, request->call, kgr_slice(NULL, 0));
    else
        kgr_server_fail(service->server, request->call, err,
                        err == KGR_ERR_INVALID ? "this node is no peer of itself"
                        : err == KGR_ERR_IO    ? KGR_NODE_DISK_FAILED
                                               : kgr_strerror(err));
}

/* Waiting for one */

struct kgr_wait {
    struct kgr_wait *next;
    struct kgr_call call;
    struct kgr_nid peer;
    uint64_t generation; /* lowest, at least 1 */
    uint64_t deadline_ms;
};

static void reply_state(struct kgr_service *service, const struct kgr_wait *wait,
                        const struct kgr_pair *pair, enum kgr_error status)
{
    struct kgr_peer_room room;

    kgr_service_describe(service, &room, pair,
                         kgr_ring_sending(service->node->pairs.ring, &wait->peer));
    /* The wish failed, though an older key is there. */
    if (status == KGR_OK && room.entry.generation < wait->generation &&
        pair->ex.s.phase == KGR_EXCHANGE_FAILED)
        room.entry.state = KGR_STATE_FAILED;
    kgr_service_reply_peer(service, wait->call, status, &room.entry);
}

/* answer replies when there is something to say; true when it did. */
static bool answer(struct kgr_service *service, const struct kgr_wait *wait, uint64_t now_ms)
{
    const struct kgr_pair *pair = kgr_pairs_find(&service->node->pairs, &wait->peer);

    if (!kgr_service_allows(service, wait->call, &wait->peer, KGR_RIGHT_LIST)) {
        kgr_service_deny(service, wait->call, KGR_IPC_WAIT, &wait->peer, KGR_RIGHT_LIST);
        return true;
    }
    if (pair == NULL) {
        /* Before the first synchronisation nobody knows whom the KS will name. */
        if (!service->node->synced && now_ms < wait->deadline_ms)
            return false;
        kgr_server_fail(service->server, wait->call, KGR_ERR_UNKNOWN_PEER, "unknown peer");
        return true;
    }
    if (pair->ex.s.current.generation >= wait->generation ||
        pair->ex.s.phase == KGR_EXCHANGE_FAILED || pair->status == KGR_PAIR_REVOKED ||
        pair->status == KGR_PAIR_DENIED)
        reply_state(service, wait, pair, KGR_OK);
    else if (now_ms >= wait->deadline_ms)
        reply_state(service, wait, pair, KGR_ERR_TIMEOUT);
    else
        return false;
    return true;
}

/* answer_all tries those who wait for peer (NULL: all). */
static void answer_all(struct kgr_service *service, const struct kgr_nid *peer, uint64_t now_ms)
{
    struct kgr_wait **link = &service->waits;

    while (*link != NULL) {
        struct kgr_wait *wait = *link;

        if ((peer != NULL && kgr_nid_cmp(peer, &wait->peer) != 0) ||
            !answer(service, wait, now_ms)) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        service->num_waits--;
        free(wait);
    }
}

/* How many waits the user of call has. */
static size_t count_waits(const struct kgr_service *service, struct kgr_call call)
{
    size_t num = 0;

    for (const struct kgr_wait *wait = service->waits; wait != NULL; wait = wait->next)
        num += kgr_service_same_user(service, wait->call, call);
    return num;
}

void kgr_service_look_at_waits(struct kgr_service *service)
{
    answer_all(service, NULL, kgr_clock_boot_ms());
}

void kgr_service_wait(struct kgr_service *service, const struct kgr_server_request *request)
{
    uint64_t now = kgr_clock_boot_ms();
    struct kgr_ipc_wait asked;
    const struct kgr_pair *pair;
    struct kgr_wait *wait;

    if (kgr_ipc_wait_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    if (!kgr_service_may(service, request, &asked.peer, KGR_RIGHT_LIST))
        return;
    if (service->num_waits >= service->node->settings->waits ||
        !kgr_service_is_fair(count_waits(service, request->call), service->node->settings->waits)) {
        kgr_server_fail(service->server, request->call, KGR_ERR_QUOTA,
                        "too many wait for keys (limits.waits; one user has three quarters of it)");
        return;
    }
    wait = calloc(1, sizeof(*wait));
    if (wait == NULL) {
        kgr_server_fail(service->server, request->call, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    wait->call = request->call;
    wait->peer = asked.peer;
    wait->generation = asked.generation == 0 ? 1 : asked.generation;
    /* A key past its lifetime is not what anybody waits for. */
    pair = kgr_pairs_find(&service->node->pairs, &asked.peer);
    if (pair != NULL && is_expired(service, pair) &&
        wait->generation <= pair->ex.s.current.generation)
        wait->generation = pair->ex.s.current.generation + 1;
    wait->deadline_ms = now + asked.timeout_ms;
    wait->next = service->waits;
    service->waits = wait;
    service->num_waits++;
    answer_all(service, &asked.peer, now);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t kgr_service_deadline(const struct kgr_service *service)
{
    uint64_t deadline = kgr_service_rekey_deadline(service);
    uint64_t holds = kgr_service_holds_deadline(service);

    if (holds < deadline)
        deadline = holds;

    for (const struct kgr_wait *wait = service->waits; wait != NULL; wait = wait->next)
        if (wait->deadline_ms < deadline)
            deadline = wait->deadline_ms;
    deadline = earlier(deadline, kgr_service_message_deadline(service));
    deadline = earlier(deadline, kgr_service_receiver_deadline(service));
    deadline = earlier(deadline, kgr_service_warning_deadline(service));
    deadline = earlier(deadline, kgr_service_metrics_deadline(service));
    return earlier(deadline, kgr_service_event_deadline(service));
}

void kgr_service_on_timer(struct kgr_service *service, uint64_t now_ms)
{
    answer_all(service, NULL, now_ms);
    kgr_service_rerun_holds(service, now_ms);
    kgr_service_rekey_on_timer(service, now_ms);
    kgr_service_message_timer(service, now_ms);
    kgr_service_wake_receivers(service);
    kgr_service_event_timer(service, now_ms);
    kgr_service_warning_timer(service, now_ms);
    kgr_service_metrics_timer(service, now_ms);
}

void kgr_service_pair_changed(struct kgr_service *service, struct kgr_pair *pair)
{
    if (pair->status != KGR_PAIR_ALLOWED)
        kgr_service_end_streams(service, &pair->ex.s.peer);
    answer_all(service, &pair->ex.s.peer, kgr_clock_boot_ms());
    kgr_service_tell_pair(service, pair);
    kgr_service_wake_receivers(service);
    kgr_service_look_at_holds(service);
    kgr_mirrors_changed(service->node->mirrors);
}

void kgr_service_synchronised(struct kgr_service *service)
{
    answer_all(service, NULL, kgr_clock_boot_ms());
    kgr_service_tell_ks(service);
    kgr_service_wake_receivers(service);
    kgr_service_look_at_holds(service);
}

void kgr_service_forget_waits(struct kgr_service *service, uint32_t slot, uint32_t generation)
{
    struct kgr_wait **link = &service->waits;

    while (*link != NULL) {
        struct kgr_wait *wait = *link;

        if (wait->call.slot != slot || wait->call.generation != generation) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        service->num_waits--;
        free(wait);
    }
}

void kgr_service_free_waits(struct kgr_service *service)
{
    while (service->waits != NULL) {
        struct kgr_wait *wait = service->waits;

        service->waits = wait->next;
        free(wait);
    }
    service->num_waits = 0;
}
