/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"
#include "agent/node/service/fast.h"
#include "agent/node/service/record.h"

#include <string.h>

/* Batches, beside the loop: all of it is the loop's, or nothing. */

static bool undo(struct kgr_wr *reply, size_t before)
{
    kgr_cleanse(reply->p + before, reply->len - before);
    reply->len = before;
    reply->failed = false;
    return false;
}

bool kgr_fast_seal_batch(const struct kgr_fast *fast, struct kgr_wr *reply)
{
    struct kgr_ipc_batch_item *items = fast->request->scratch->items;
    struct kgr_fast_seal plan = {.fast = fast};
    struct kgr_ipc_batch batch;
    size_t before = reply->len;
    uint64_t blocks = 0;
    size_t len = 0;

    if (kgr_ipc_batch_decode(&batch, items, fast->request->body) != KGR_OK ||
        !kgr_fast_may(fast, &batch.peer, KGR_RIGHT_SEAL))
        return false;
    plan.key = kgr_fast_sending(fast, &batch.peer);
    plan.stored = batch.stored;
    if (plan.key == NULL)
        return false;
    for (size_t i = 0; i < batch.num; i++) {
        if (items[i].data.len > KGR_IPC_DATA_MAX)
            return false;
        blocks += kgr_budget_blocks_sealed(items[i].data.len);
        len += 4 + kgr_record_len(plan.key->suite, items[i].data.len);
    }
    if (len > reply->cap - reply->len || !kgr_fast_seal_take(&plan, (uint32_t)batch.num, blocks))
        return false;
    for (size_t i = 0; i < batch.num; i++) {
        uint8_t *room =
            kgr_ipc_sealed_reserve(reply, kgr_record_len(plan.key->suite, items[i].data.len));

        if (room == NULL || !kgr_fast_seal_add(&plan, room, items[i].aad, items[i].data))
            return undo(reply, before);
    }
    return kgr_fast_seal_run(&plan) || undo(reply, before);
}

struct opening {
    const struct kgr_fast *fast;
    struct kgr_ipc_batch batch;
    const struct kgr_ipc_batch_item *items;
    const struct kgr_view_key *key; /* of one of them; all have few generations */
    uint64_t unused;                /* blocks of the budget that were spent for those with flaws */
    bool heard;                     /* one was accepted that counts */
};

/*
 * can_open: for every message there is a key, a place in the reply and in the window that is stored; so that none need be left to
 * the loop when the first one is accepted.
 */
static bool can_open(struct opening *o, const struct kgr_wr *reply)
{
    size_t len = 0;
    uint64_t ceiling;

    for (size_t i = 0; i < o->batch.num; i++) {
        struct kgr_fast_open open;

        if (!kgr_fast_open_find(o->fast, &open, &o->batch.peer, o->batch.stored, o->items[i].data))
            return false;
        len += KGR_IPC_BATCH_ANSWER_LEN +
               (o->items[i].data.len > KGR_IPC_TEXT_MAX ? o->items[i].data.len : KGR_IPC_TEXT_MAX);
        if (open.err != KGR_OK)
            continue;
        if (open.window && kgr_record_recv_need(&open.key->records->recv,
                                                open.record.header.sequence, 1, &ceiling))
            return false;
        /* Generations of one batch are one, but for a renewal in the middle of it. */
        if (o->key != NULL && o->key != open.key)
            return false;
        o->key = open.key;
        o->unused += open.record.body.len / KGR_BLOCK_LEN;
    }
    return len <= reply->cap - reply->len;
}

static void open_next(struct opening *o, const struct kgr_ipc_batch_item *item,
                      struct kgr_wr *reply)
{
    uint8_t *answer = reply->p + reply->len;
    struct kgr_fast_open open;
    uint8_t *out = NULL;
    size_t len = 0;

    if (!kgr_fast_open_find(o->fast, &open, &o->batch.peer, o->batch.stored, item->data)) {
        open.err = KGR_ERR_NO_KEY; /* destroyed since can_open */
        open.text = "";
    }
    if (open.err == KGR_OK) {
        out = answer + KGR_IPC_BATCH_ANSWER_LEN;
        kgr_fast_open_decrypt(&open, item->aad, out, &len);
    }
    if (open.err == KGR_OK)
        kgr_fast_open_accept(&open);
    if (open.err == KGR_OK) {
        o->unused -= open.record.body.len / KGR_BLOCK_LEN;
        o->heard = o->heard || open.window;
        kgr_wr_u32(reply, KGR_OK);
        kgr_wr_u32(reply, (uint32_t)len);
        (void)kgr_wr_reserve(reply, len); /* it stands there */
        return;
    }
    if (out != NULL)
        kgr_cleanse(out, open.record.body.len);
    kgr_ipc_opened_write(reply,
                         &(struct kgr_ipc_opened){.status = (uint32_t)open.err,
                                                  .data = kgr_slice(open.text, strlen(open.text))});
}

bool kgr_fast_open_batch(const struct kgr_fast *fast, struct kgr_wr *reply)
{
    struct opening o = {.fast = fast, .items = fast->request->scratch->items};

    if (kgr_ipc_batch_decode(&o.batch, fast->request->scratch->items, fast->request->body) !=
            KGR_OK ||
        !kgr_fast_may(fast, &o.batch.peer, KGR_RIGHT_OPEN) || !can_open(&o, reply) ||
        (o.key != NULL && !kgr_fast_spend(fast, o.key, o.unused, false)))
        return false;
    for (size_t i = 0; i < o.batch.num; i++)
        open_next(&o, &o.items[i], reply);
    if (o.key != NULL) {
        kgr_budget_return(&o.key->records->budget, o.unused);
        kgr_fast_note(fast, o.key, o.heard);
    }
    return true;
}
