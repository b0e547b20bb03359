/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/clock.h"
#include "agent/mqtt/mqtt.h"
#include "agent/node/broker.h"
#include "agent/node/service/parts.h"
#include "agent/tpm/worker.h"
#include "agent/node/mirror/mirror.h"

#include <kgr/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* status and peers: what the agent tells of itself. */

/* A key past its lifetime is none. */
static enum kgr_pair_state state_of(const struct kgr_pair *pair, bool has_key)
{
    if (pair->status == KGR_PAIR_REVOKED || pair->status == KGR_PAIR_DENIED)
        return KGR_STATE_REVOKED;
    switch (pair->ex.s.phase) {
    case KGR_EXCHANGE_REQUESTING:
        return has_key ? KGR_STATE_RENEWING : KGR_STATE_REQUESTING;
    case KGR_EXCHANGE_WAITING:
    case KGR_EXCHANGE_CANDIDATE:
    case KGR_EXCHANGE_SUPERSEDED:
        return has_key ? KGR_STATE_RENEWING : KGR_STATE_WAITING;
    case KGR_EXCHANGE_FAILED:
        return has_key ? KGR_STATE_READY : KGR_STATE_FAILED;
    case KGR_EXCHANGE_IDLE:
        break;
    }
    return has_key ? KGR_STATE_READY : KGR_STATE_IDLE;
}

/* No silent waits: an exchange that the KS does not answer says so. */
static void explain(const struct kgr_service *service, struct kgr_peer_room *room,
                    const struct kgr_pair *pair, uint64_t now_ms)
{
    const struct kgr_node *node = service->node;
    char broker[KGR_BROKER_TEXT_MAX + 1];
    enum kgr_exchange_phase phase = pair->ex.s.phase;
    uint64_t since =
        node->sync.answer_ms > pair->requested_ms ? node->sync.answer_ms : pair->requested_ms;

    if (pair->status == KGR_PAIR_REVOKED)
        (void)snprintf(room->reason, sizeof(room->reason), "revoked: its keys are destroyed");
    else if (pair->status == KGR_PAIR_DENIED)
        (void)snprintf(room->reason, sizeof(room->reason), "denied by the AC: its keys are kept");
    else if (pair->ex.s.error == KGR_ERR_NOT_AUTHORIZED)
        (void)snprintf(room->reason, sizeof(room->reason), "the KS says: not authorised");
    else if (pair->ex.s.error == KGR_ERR_UNSUPPORTED)
        (void)snprintf(room->reason, sizeof(room->reason),
                       "no suite and custody that both nodes, the AC and the KS accept (suites, "
                       "custody, min_custody; kgr-ac pair allow)");
    else if (pair->ex.s.error != KGR_OK)
        (void)snprintf(room->reason, sizeof(room->reason), "%s", kgr_strerror(pair->ex.s.error));
    else if (room->entry.error == KGR_ERR_EXPIRED)
        (void)snprintf(room->reason, sizeof(room->reason), "the key has expired");
    else if (node->lost_ms != 0 && phase != KGR_EXCHANGE_IDLE)
        (void)snprintf(room->reason, sizeof(room->reason),
                       "no connection to the broker %.90s: %.100s", kgr_node_broker(node, broker),
                       kgr_mqtt_trouble(node->mqtt));
    else if (phase == KGR_EXCHANGE_REQUESTING &&
             now_ms - since >= node->settings->request_timeout_s * 1000ull)
        (void)snprintf(room->reason, sizeof(room->reason), "no answer from the KS for %llu s",
                       (unsigned long long)((now_ms - since) / 1000));
}

static void describe_key(struct kgr_peer_room *room, const struct kgr_ring_key *key,
                         const struct kgr_pair *pair, bool usable, uint32_t overlap_s,
                         uint64_t now_ms)
{
    struct kgr_ipc_peer *entry = &room->entry;
    bool alive = usable && kgr_ring_key_rest_s(key, now_ms) > 0;

    entry->generation = key->generation;
    entry->custody = key->custody;
    entry->suite = (uint8_t)key->suite;
    entry->may_send = alive && key->generation == pair->ex.s.current.generation;
    entry->may_receive = usable && kgr_ring_key_opens(key, overlap_s, now_ms);
    entry->age_s = kgr_ring_key_age_s(key, now_ms);
    entry->expires_s = kgr_ring_key_rest_s(key, now_ms);
    memcpy(entry->iv, key->iv, KGR_IV_LEN);
    (void)kgr_topic_text(room->receive_topic, key->receive_topic);
    if (key->has_send_topic)
        (void)kgr_topic_text(room->send_topic, key->send_topic);
}

static struct kgr_slice text(const char *s)
{
    return kgr_slice(s, strlen(s));
}

void kgr_service_describe(const struct kgr_service *service, struct kgr_peer_room *room,
                          const struct kgr_pair *pair, const struct kgr_ring_key *key)
{
    uint64_t now = kgr_clock_boot_ms();
    const struct kgr_ring_key *current =
        kgr_ring_sending(service->node->pairs.ring, &pair->ex.s.peer);
    bool expired = current != NULL && kgr_ring_key_rest_s(current, now) == 0;
    enum kgr_pair_state state = state_of(pair, current != NULL && !expired);
    bool usable = pair->status == KGR_PAIR_ALLOWED && kgr_sync_has_lease(&service->node->sync, now);

    *room = (struct kgr_peer_room){
        .entry = {.peer = pair->ex.s.peer,
                  .state = (uint8_t)state,
                  .age_s = KGR_IPC_NONE_S,
                  .expires_s = KGR_IPC_NONE_S,
                  .error = (uint32_t)pair->ex.s.error},
    };
    if (state == KGR_STATE_REVOKED)
        room->entry.error = KGR_ERR_REVOKED;
    if (key != NULL)
        describe_key(room, key, pair, usable, service->node->settings->overlap_s, now);
    room->entry.mirrored = key != NULL && key->custody == KGR_WIRE_RESIDENT &&
                           kgr_mirrors_cover(service->node->mirrors, &pair->ex.s.peer);
    if (expired && state == KGR_STATE_IDLE)
        room->entry.error = KGR_ERR_EXPIRED;
    explain(service, room, pair, now);
    room->entry.receive_topic = text(room->receive_topic);
    room->entry.send_topic = text(room->send_topic);
    room->entry.reason = text(room->reason);
}

void kgr_service_reply_peer(struct kgr_service *service, struct kgr_call call,
                            enum kgr_error status, const struct kgr_ipc_peer *entry)
{
    struct kgr_wr wr;

    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    kgr_ipc_peer_write(&wr, entry);
    if (kgr_wr_ok(&wr))
        kgr_server_reply(service->server, call, status, kgr_wr_slice(&wr));
    else
        kgr_server_fail(service->server, call, KGR_ERR_FAILED, "a peer entry does not fit");
}

void kgr_service_peers(struct kgr_service *service, const struct kgr_server_request *request)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    struct kgr_ipc_peers_head head = {.total = 0};
    struct kgr_peer_room room;
    struct kgr_wr wr, head_wr;
    uint32_t first;
    const uint16_t fit = (KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN - 6) / KGR_IPC_PEER_MAX;

    if (kgr_ipc_u32_decode(&first, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    kgr_ipc_peers_head_write(&wr, &head);
    for (size_t i = 0; i < pairs->num; i++) {
        const struct kgr_pair *pair = pairs->list[i];

        if (!kgr_service_allows(service, request->call, &pair->ex.s.peer, KGR_RIGHT_LIST) ||
            head.total++ < first || head.num == fit)
            continue;
        kgr_service_describe(service, &room, pair, kgr_ring_sending(pairs->ring, &pair->ex.s.peer));
        kgr_ipc_peer_write(&wr, &room.entry);
        head.num++;
    }
    kgr_wr_init(&head_wr, service->reply, sizeof(service->reply));
    kgr_ipc_peers_head_write(&head_wr, &head);
    kgr_service_ok(service, request->call, kgr_wr_slice(&wr));
}

/* A page of keys as it is filled. */
struct page {
    struct kgr_service *service;
    struct kgr_wr *wr;
    uint32_t first; /* of the keys, the first one that goes into it */
    uint32_t total; /* keys seen */
    uint16_t num;
};

static void add_keys(struct page *page, const struct kgr_pair *pair)
{
    static const enum kgr_ring_place places[] = {KGR_RING_CURRENT, KGR_RING_PREVIOUS};
    const uint16_t fit = (KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN - 6) / KGR_IPC_PEER_MAX;
    struct kgr_ring *ring = page->service->node->pairs.ring;
    struct kgr_peer_room room;

    for (size_t i = 0; i < KGR_ARRAY_LEN(places); i++) {
        const struct kgr_ring_key *key = kgr_ring_at(ring, &pair->ex.s.peer, places[i]);

        if (key == NULL)
            continue;
        if (page->total++ >= page->first && page->num < fit) {
            kgr_service_describe(page->service, &room, pair, key);
            kgr_ipc_peer_write(page->wr, &room.entry);
            page->num++;
        }
    }
}

void kgr_service_keys(struct kgr_service *service, const struct kgr_server_request *request)
{
    const struct kgr_pairs *pairs = &service->node->pairs;
    struct kgr_ipc_peers_head head = {.total = 0};
    struct page page = {.service = service};
    struct kgr_ipc_keys asked;
    struct kgr_wr wr, head_wr;

    if (kgr_ipc_keys_decode(&asked, request->body) != KGR_OK) {
        kgr_service_malformed(service, request);
        return;
    }
    page.wr = &wr;
    page.first = asked.offset;
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    kgr_ipc_peers_head_write(&wr, &head);
    for (size_t i = 0; i < pairs->num; i++) {
        const struct kgr_nid *peer = &pairs->list[i]->ex.s.peer;

        if ((asked.peer.len == 0 || kgr_slice_equal(asked.peer, text(peer->s))) &&
            kgr_service_allows(service, request->call, peer, KGR_RIGHT_LIST))
            add_keys(&page, pairs->list[i]);
    }
    head.total = page.total;
    head.num = page.num;
    kgr_wr_init(&head_wr, service->reply, sizeof(service->reply));
    kgr_ipc_peers_head_write(&head_wr, &head);
    kgr_service_ok(service, request->call, kgr_wr_slice(&wr));
}

/* One line more, if it fits. */
static void add_alarm(struct kgr_wr *wr, const char *line)
{
    size_t len = strlen(line);

    if (len + 1 > wr->cap - wr->len)
        return;
    if (wr->len > 0)
        kgr_wr_u8(wr, '\n');
    kgr_wr_bytes(wr, line, len);
}

/* Alarms, one a line: what is wrong now, then what happened. */
static size_t write_alarms(const struct kgr_service *service, char *out, size_t cap,
                           uint64_t now_ms)
{
    const struct kgr_node *node = service->node;
    struct kgr_warnings *warnings = malloc(sizeof(*warnings));
    struct kgr_wr wr;

    kgr_wr_init(&wr, out, cap);
    if (warnings != NULL)
        kgr_service_warnings(service, warnings, now_ms);
    for (int i = 0; warnings != NULL && i < KGR_NUM_WARNINGS; i++)
        if (warnings->on[i])
            add_alarm(&wr, warnings->text[i]);
    free(warnings);
    for (size_t i = 0; i < node->num_alarms; i++)
        add_alarm(&wr, node->alarms[i]);
    return wr.len;
}

_Static_assert((int)KGR_REFUSED_BODY == (int)KGR_FRAME_REFUSAL_BODY, "causes are numbered alike");

static void count_frames(const struct kgr_frames *frames, struct kgr_ipc_status *out)
{
    for (size_t i = 0; i < KGR_REFUSED_NUM_CAUSES; i++) {
        uint64_t num = frames->refused[i];

        out->frames_refused_by[i] = num < UINT32_MAX ? (uint32_t)num : UINT32_MAX;
    }
}

static void count_messages(const struct kgr_service *service, struct kgr_ipc_status *out)
{
    out->messages_sent = service->messages_sent;
    out->messages_accepted = service->messages_accepted;
    out->messages_waiting = (uint32_t)service->pool.num_opened;
    for (int i = 0; i < KGR_REFUSAL_COUNT; i++) {
        uint64_t num = kgr_service_num_refused(service, (enum kgr_refusal)i);

        out->messages_refused[i] = num < UINT32_MAX ? (uint32_t)num : UINT32_MAX;
    }
}

void kgr_service_status(struct kgr_service *service, const struct kgr_server_request *request)
{
    const struct kgr_node *node = service->node;
    uint64_t now = kgr_clock_boot_ms();
    uint64_t refused = kgr_frames_refused(&node->frames);
    char broker[KGR_BROKER_TEXT_MAX + 1];
    struct kgr_ipc_status status = {
        .registered = node->revoked == 0,
        .broker_connected = node->mqtt != NULL && kgr_mqtt_is_ready(node->mqtt),
        .resident = node->tpm_resident,
        .sealed = node->custody.sealed,
        .pin = service->pin.bytes != NULL,
        .node = text(node->self.s),
        .version = text(KGR_VERSION),
        .ks_answer_age_s = KGR_IPC_NONE_S,
        .lease_s = KGR_IPC_NONE_S,
        .epoch = node->epoch,
        .num_peers = (uint32_t)node->pairs.num,
        .tpm = text(node->tpm_summary),
        .modes = node->custody.sealed ? KGR_KEYSET_MODES : node->tpm_modes,
        .frames_refused = refused < UINT32_MAX ? (uint32_t)refused : UINT32_MAX,
    };
    struct kgr_wr wr;

    if (request->body.len != 0) {
        kgr_service_malformed(service, request);
        return;
    }
    count_messages(service, &status);
    count_frames(&node->frames, &status);
    status.broker = text(kgr_node_broker(node, broker));
    if (node->sync.answer_ms != 0)
        status.ks_answer_age_s = (now - node->sync.answer_ms) / 1000;
    if (kgr_sync_has_lease(&node->sync, now))
        status.lease_s = (node->sync.lease_ms - now) / 1000;
    status.alarms = kgr_slice(service->alarms,
                              write_alarms(service, service->alarms, sizeof(service->alarms), now));
    kgr_wr_init(&wr, service->reply, sizeof(service->reply));
    if (kgr_ipc_status_encode(&wr, &status) == KGR_OK)
        kgr_service_ok(service, request->call, kgr_wr_slice(&wr));
    else
        kgr_server_fail(service->server, request->call, KGR_ERR_FAILED, NULL);
}
