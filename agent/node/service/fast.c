/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/fast.h"

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/node/service/etm.h"
#include "agent/wire/record.h"

#include <string.h>

/* What a request asks before it uses a key */

bool kgr_fast_may(const struct kgr_fast *fast, const struct kgr_nid *peer, enum kgr_right right)
{
    return fast->request->principal != NULL &&
           kgr_principal_allows(fast->request->principal, peer->s, right);
}

static bool is_there(const struct kgr_view_key *key)
{
    return key->records != NULL && key->keys != NULL &&
           !atomic_load_explicit(&key->records->dropped, memory_order_acquire);
}

/* A key may be older than the boot clock: born_ms is then "negative", and the difference still right. */
static uint64_t age_s(const struct kgr_fast *fast, const struct kgr_view_key *key)
{
    return (fast->now_ms - key->born_ms) / 1000;
}

const struct kgr_view_key *kgr_fast_sending(const struct kgr_fast *fast, const struct kgr_nid *peer)
{
    const struct kgr_view *view = kgr_snapshot_find(fast->snapshot, peer);
    const struct kgr_view_key *key = view == NULL ? NULL : &view->keys[KGR_RING_CURRENT];

    return key != NULL && is_there(key) && key->sends && age_s(fast, key) < key->lifetime_s ? key
                                                                                            : NULL;
}

const struct kgr_view_key *kgr_fast_receiving(const struct kgr_fast *fast,
                                              const struct kgr_nid *peer, uint64_t generation)
{
    const struct kgr_view *view = kgr_snapshot_find(fast->snapshot, peer);
    const struct kgr_view_key *key = NULL;

    if (view == NULL)
        return NULL;
    /* The latest, and the candidate if there is none: the loop looks there. */
    if (generation == 0)
        key = &view->keys[KGR_RING_CURRENT];
    for (int place = 0; key == NULL && place < KGR_RING_NUM_PLACES; place++)
        if (view->keys[place].generation == generation)
            key = &view->keys[place];
    return key != NULL && is_there(key) &&
                   age_s(fast, key) < (uint64_t)key->lifetime_s + fast->snapshot->overlap_s
               ? key
               : NULL;
}

/* find: who names a generation to send with must name the one that sends. */
static const struct kgr_view_key *find(const struct kgr_fast *fast, const struct kgr_ipc_key *asked,
                                       enum kgr_use use)
{
    const struct kgr_view_key *key;

    if (use == KGR_USE_RECEIVE)
        return kgr_fast_receiving(fast, &asked->peer, asked->generation);
    key = kgr_fast_sending(fast, &asked->peer);
    return key != NULL && (asked->generation == 0 || asked->generation == key->generation) ? key
                                                                                           : NULL;
}

/* Counts */

bool kgr_fast_spend(const struct kgr_fast *fast, const struct kgr_view_key *key, uint64_t blocks,
                    bool sends)
{
    return kgr_budget_use(&key->records->budget, sends ? fast->snapshot->budget : UINT64_MAX,
                          blocks);
}

void kgr_fast_note(const struct kgr_fast *fast, const struct kgr_view_key *key, bool opened)
{
    struct kgr_pair_records *records = key->records;
    bool low = kgr_budget_is_low(&records->budget) || kgr_record_send_is_low(&records->send) ||
               (opened && kgr_record_recv_is_low(&records->recv));

    /* What the peer sealed under a generation shows that it uses it. */
    if (opened && !atomic_load_explicit(&records->heard, memory_order_relaxed))
        low = !atomic_exchange_explicit(&records->heard, true, memory_order_relaxed) || low;
    if (low)
        kgr_views_want(fast->views, records);
}

void kgr_fast_iv(struct kgr_fast_scratch *scratch, uint8_t out[KGR_IV_LEN])
{
    if (scratch->num_ivs == 0) {
        kgr_random(scratch->ivs, sizeof(scratch->ivs));
        scratch->num_ivs = KGR_FAST_IVS;
    }
    memcpy(out, scratch->ivs[--scratch->num_ivs], KGR_IV_LEN);
}

/* The operations: each true when it answered, and reply as it was otherwise */

static bool undo(struct kgr_wr *reply, size_t before)
{
    kgr_cleanse(reply->p + before, reply->len - before);
    reply->len = before;
    reply->failed = false;
    return false;
}

static bool cipher(const struct kgr_fast *fast, struct kgr_wr *reply)
{
    struct kgr_ipc_cipher asked;
    const struct kgr_view_key *key;
    size_t before = reply->len;
    enum kgr_use use;
    uint8_t *iv;
    uint8_t *out;

    if (kgr_ipc_cipher_decode(&asked, fast->request->body) != KGR_OK ||
        !kgr_fast_may(fast, &asked.key.peer, kgr_service_cipher_right(&asked)))
        return false;
    if ((asked.mode == KGR_TPM_ECB || asked.mode == KGR_TPM_CBC) &&
        asked.data.len % KGR_BLOCK_LEN != 0)
        return false;
    use = asked.direction == KGR_TPM_ENCRYPT ? KGR_USE_SEND : KGR_USE_RECEIVE;
    key = find(fast, &asked.key, use);
    if (key == NULL ||
        !kgr_fast_spend(fast, key, kgr_budget_blocks_raw(asked.data.len), use == KGR_USE_SEND))
        return false;
    kgr_fast_note(fast, key, false);
    iv = kgr_wr_reserve(reply, KGR_IV_LEN);
    out = kgr_wr_reserve(reply, asked.data.len);
    if (iv != NULL && out != NULL) {
        memcpy(iv, asked.iv, KGR_IV_LEN);
        if (asked.data.len == 0 ||
            kgr_software_cipher(key->keys, asked.mode, use == KGR_USE_SEND, iv, asked.data.p,
                                asked.data.len, out) == KGR_OK)
            return true;
    }
    return undo(reply, before);
}

static bool mac(const struct kgr_fast *fast, struct kgr_wr *reply)
{
    struct kgr_ipc_mac asked;
    const struct kgr_view_key *key;
    enum kgr_use use;
    uint8_t hash[KGR_HASH_MAX];

    if (kgr_ipc_mac_decode(&asked, fast->request->body) != KGR_OK ||
        !kgr_fast_may(fast, &asked.key.peer, KGR_RIGHT_SIGN) || kgr_service_is_reserved(asked.data))
        return false;
    use = kgr_service_mac_use(asked.key.generation);
    key = find(fast, &asked.key, use);
    if (key == NULL ||
        !kgr_fast_spend(fast, key, kgr_budget_blocks_sealed(asked.data.len), use == KGR_USE_SEND) ||
        kgr_software_hmac(key->keys, asked.data, hash) != KGR_OK)
        return false;
    kgr_fast_note(fast, key, false);
    kgr_wr_bytes(reply, hash, kgr_suite_hash_len(key->suite));
    kgr_cleanse(hash, sizeof(hash));
    return true;
}

static bool etm(const struct kgr_fast *fast, struct kgr_wr *reply, bool opens)
{
    struct kgr_ipc_etm asked;
    const struct kgr_view_key *key;
    size_t before = reply->len;
    size_t len;
    uint8_t *out;

    if (kgr_ipc_etm_decode(&asked, opens, fast->request->body) != KGR_OK ||
        !kgr_fast_may(fast, &asked.key.peer, opens ? KGR_RIGHT_DECRYPT : KGR_RIGHT_ENCRYPT) ||
        !kgr_fast_may(fast, &asked.key.peer, KGR_RIGHT_SIGN) || kgr_service_etm_is_reserved(&asked))
        return false;
    key = find(fast, &asked.key, opens ? KGR_USE_RECEIVE : KGR_USE_SEND);
    if (key == NULL || !kgr_fast_spend(fast, key, kgr_budget_blocks_sealed(asked.data.len), !opens))
        return false;
    kgr_fast_note(fast, key, false);
    len = opens ? asked.data.len
                : kgr_suite_ciphertext_len(asked.data.len) + kgr_suite_tag_len(key->suite);
    if (!opens)
        kgr_ipc_etm_reply_begin(reply, key->generation);
    out = kgr_wr_reserve(reply, len);
    if (out != NULL && opens) {
        struct kgr_software_sealed message = {
            .aad = {asked.aad}, .iv = asked.iv, .text = asked.data, .tag = asked.tag, .out = out};

        if (kgr_software_open(key->keys, &message) == KGR_OK) {
            kgr_cleanse(out + message.out_len, len - message.out_len);
            reply->len = before + message.out_len;
            return true;
        }
    } else if (out != NULL) {
        const struct kgr_software_message message = {
            .aad = {asked.aad},
            .iv = asked.iv,
            .text = asked.data,
            .out = out,
            .tag = out + kgr_suite_ciphertext_len(asked.data.len)};

        if (kgr_software_seal(key->keys, &message, 1) == KGR_OK)
            return true;
    }
    return undo(reply, before);
}

static bool seal(const struct kgr_fast *fast, struct kgr_wr *reply)
{
    struct kgr_fast_seal plan = {.fast = fast};
    struct kgr_ipc_seal asked;
    size_t before = reply->len;
    uint8_t *room;

    if (kgr_ipc_seal_decode(&asked, fast->request->body) != KGR_OK ||
        asked.data.len > KGR_IPC_DATA_MAX || !kgr_fast_may(fast, &asked.peer, KGR_RIGHT_SEAL))
        return false;
    plan.key = kgr_fast_sending(fast, &asked.peer);
    plan.stored = asked.stored;
    if (plan.key == NULL || !kgr_fast_seal_take(&plan, 1, kgr_budget_blocks_sealed(asked.data.len)))
        return false;
    room = kgr_wr_reserve(reply, kgr_record_len(plan.key->suite, asked.data.len));
    return (room != NULL && kgr_fast_seal_add(&plan, room, asked.aad, asked.data) &&
            kgr_fast_seal_run(&plan)) ||
           undo(reply, before);
}

static bool open_one(const struct kgr_fast *fast, struct kgr_wr *reply)
{
    struct kgr_fast_open open;
    struct kgr_ipc_seal asked;
    size_t before = reply->len;
    uint64_t ceiling;
    size_t len = 0;
    uint8_t *out;

    if (kgr_ipc_seal_decode(&asked, fast->request->body) != KGR_OK ||
        !kgr_fast_may(fast, &asked.peer, KGR_RIGHT_OPEN) ||
        !kgr_fast_open_find(fast, &open, &asked.peer, asked.stored, asked.data) ||
        open.err != KGR_OK)
        return false;
    out = kgr_wr_reserve(reply, open.record.body.len);
    if (out != NULL)
        kgr_fast_open_decrypt(&open, asked.aad, out, &len);
    if (out == NULL || open.err != KGR_OK ||
        (open.window && kgr_record_recv_need(&open.key->records->recv, open.record.header.sequence,
                                             1, &ceiling)) ||
        !kgr_fast_spend(fast, open.key, open.record.body.len / KGR_BLOCK_LEN, false))
        return undo(reply, before);
    kgr_fast_open_accept(&open);
    if (open.err != KGR_OK)
        return undo(reply, before);
    kgr_fast_note(fast, open.key, open.window);
    reply->len = before + len;
    return true;
}

bool kgr_fast_handle(struct kgr_views *views, const struct kgr_fast_request *request,
                     struct kgr_wr *reply)
{
    struct kgr_fast fast = {
        .views = views,
        .snapshot = atomic_load(&views->current), /* once: kgr_workers_retire counts on it */
        .request = request,
        .now_ms = kgr_clock_boot_ms(),
    };

    if (fast.snapshot == NULL ||
        fast.now_ms >= atomic_load_explicit(&views->lease_ms, memory_order_acquire))
        return false;
    switch (request->op) {
    case KGR_IPC_CIPHER:
        return cipher(&fast, reply);
    case KGR_IPC_MAC:
        return mac(&fast, reply);
    case KGR_IPC_ETM:
        return etm(&fast, reply, false);
    case KGR_IPC_ETM_OPEN:
        return etm(&fast, reply, true);
    case KGR_IPC_SEAL:
        return seal(&fast, reply);
    case KGR_IPC_OPEN:
        return open_one(&fast, reply);
    case KGR_IPC_SEAL_BATCH:
        return kgr_fast_seal_batch(&fast, reply);
    case KGR_IPC_OPEN_BATCH:
        return kgr_fast_open_batch(&fast, reply);
    default:
        return false;
    }
}
