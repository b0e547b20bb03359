/* SPDX-License-Identifier: BSD-2-Clause */
#include <kgr/client.h>

#include <string.h>

#include "agent/client/call.h"
#include "agent/client/reason.h"
#include "agent/wire/ipc_batch.h"

/*
 * A request takes no more than this, and its reply neither, once it has a message: what stands in the first levels of the cache at both ends costs two
 * thirds of what a full packet does, byte for byte.
 */
#define SOFT_LEN 20480

struct batch {
    struct kgr_client *client;
    struct kgr_ipc_batch head;
    bool seals;
    struct kgr_batch_item *items; /* the caller's */
    size_t num;
    enum kgr_error first;      /* the first failure of a message */
    char reason[KGR_DIAG_MAX]; /* and its words */
};

static enum kgr_error check_item(const struct batch *batch, const struct kgr_batch_item *item)
{
    size_t most = batch->seals ? KGR_DATA_MAX : KGR_DATA_MAX + KGR_RECORD_OVERHEAD;
    size_t needed = item->in_len + (batch->seals ? KGR_RECORD_OVERHEAD : 0);

    if ((item->in == NULL && item->in_len != 0) || (item->out == NULL && item->out_cap != 0))
        return kgr_reason_set(KGR_ERR_INVALID, "no buffer");
    if (item->aad == NULL && item->aad_len != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "no associated data");
    if (item->aad_len > KGR_AAD_MAX)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "associated data of more than %d bytes",
                              KGR_AAD_MAX);
    if (item->in_len > most)
        return kgr_reason_set(KGR_ERR_TOO_LARGE, "more than %zu bytes for one record", most);
    /* Asked before, because a sequence number is spent, and a record opens, only once. */
    if (item->out_cap < needed)
        return kgr_reason_set(KGR_ERR_SHORT_BUFFER, "the result may need %zu bytes", needed);
    return KGR_OK;
}

static struct kgr_ipc_batch_item wire_item(const struct kgr_batch_item *item)
{
    return (struct kgr_ipc_batch_item){.aad = kgr_slice(item->aad, item->aad_len),
                                       .data = kgr_slice(item->in, item->in_len)};
}

/* The bytes that an answer may take. */
static size_t answer_len(const struct batch *batch, const struct kgr_batch_item *item)
{
    if (batch->seals)
        return 4 + item->in_len + KGR_RECORD_OVERHEAD;
    return KGR_IPC_BATCH_ANSWER_LEN +
           (item->in_len > KGR_IPC_TEXT_MAX ? item->in_len : KGR_IPC_TEXT_MAX);
}

/* fitting counts the messages from first on that one request and its reply hold. */
static size_t fitting(const struct batch *batch, size_t first)
{
    const size_t room = KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN;
    size_t request = KGR_IPC_BATCH_HEAD_MAX;
    size_t reply = 0;
    size_t num = 0;

    while (first + num < batch->num && num < KGR_IPC_BATCH_MAX) {
        const struct kgr_batch_item *item = &batch->items[first + num];
        struct kgr_ipc_batch_item wire = wire_item(item);

        request += kgr_ipc_batch_item_len(&wire);
        reply += answer_len(batch, item);
        if (request > room || reply > room || (num > 0 && (request > SOFT_LEN || reply > SOFT_LEN)))
            break;
        num++;
    }
    return num;
}

static void note(struct batch *batch, struct kgr_batch_item *item, enum kgr_error err)
{
    item->error = err;
    if (err == KGR_OK || batch->first != KGR_OK)
        return;
    batch->first = err;
    (void)kgr_client_reason(batch->reason, sizeof(batch->reason));
}

static enum kgr_error take(struct batch *batch, struct kgr_batch_item *item, struct kgr_rd *rd)
{
    struct kgr_ipc_opened answer = {.status = KGR_OK};
    enum kgr_error err;

    if (batch->seals)
        answer.data = kgr_ipc_sealed_read(rd);
    else
        kgr_ipc_opened_read(rd, &answer);
    if (!kgr_rd_ok(rd) || (answer.status == KGR_OK && answer.data.len > item->out_cap))
        return kgr_call_check(KGR_ERR_CORRUPT); /* out_cap has room for any honest answer */
    if (answer.status == KGR_OK) {
        kgr_copy(item->out, answer.data.p, answer.data.len);
        item->out_len = answer.data.len;
        item->error = KGR_OK;
        return KGR_OK;
    }
    err = answer.status < KGR_ERR_COUNT ? (enum kgr_error)answer.status : KGR_ERR_FAILED;
    note(batch, item, kgr_reason_take(err, (const char *)answer.data.p, answer.data.len));
    return KGR_OK;
}

/* run asks for num messages from first on; on failure none of them that has no answer yet was done, as far as we know. */
static enum kgr_error run(struct batch *batch, size_t first, size_t num)
{
    struct kgr_client_call call;
    struct kgr_rd rd;
    enum kgr_error err = kgr_call_begin(&call, batch->client,
                                        batch->seals ? KGR_IPC_SEAL_BATCH : KGR_IPC_OPEN_BATCH);

    if (err == KGR_OK) {
        batch->head.num = num;
        kgr_ipc_batch_head_write(&call.request, &batch->head);
        for (size_t i = first; i < first + num; i++) {
            struct kgr_ipc_batch_item item = wire_item(&batch->items[i]);

            kgr_ipc_batch_item_write(&call.request, &item);
        }
        err = kgr_call_run(&call, kgr_wire_write_result(&call.request));
    }
    if (err == KGR_OK)
        kgr_rd_init(&rd, call.exchange.reply.p, call.exchange.reply.len);
    for (size_t i = first; err == KGR_OK && i < first + num; i++)
        err = take(batch, &batch->items[i], &rd);
    if (err == KGR_OK && !kgr_rd_done(&rd))
        err = kgr_call_check(KGR_ERR_CORRUPT);
    kgr_call_end(&call);
    return err;
}

static enum kgr_error run_all(struct batch *batch, const char *peer)
{
    enum kgr_error err = kgr_call_peer(&batch->head.peer, peer);
    size_t done = 0;

    if (batch->items == NULL && batch->num != 0)
        return kgr_reason_set(KGR_ERR_INVALID, "no messages");
    for (size_t i = 0; err == KGR_OK && i < batch->num; i++)
        err = check_item(batch, &batch->items[i]);
    while (err == KGR_OK && done < batch->num) {
        size_t num = fitting(batch, done);

        err = run(batch, done, num);
        if (err == KGR_OK)
            done += num;
    }
    if (err != KGR_OK)
        note(batch, &(struct kgr_batch_item){.error = KGR_OK}, err);
    /* What an answer came for keeps it; every other one has this error. */
    for (size_t i = done; err != KGR_OK && i < batch->num; i++)
        batch->items[i].error = err;
    if (batch->first != KGR_OK)
        (void)kgr_reason_set(batch->first, "%s", batch->reason);
    return batch->first;
}

KGR_EXPORT enum kgr_error kgr_seal_batch(struct kgr_client *client, const char *peer, bool stored,
                                         struct kgr_batch_item *items, size_t num)
{
    struct batch batch = {
        .client = client, .head = {.stored = stored}, .seals = true, .items = items, .num = num};

    return run_all(&batch, peer);
}

KGR_EXPORT enum kgr_error kgr_open_batch(struct kgr_client *client, const char *peer, bool stored,
                                         struct kgr_batch_item *items, size_t num)
{
    struct batch batch = {.client = client, .head = {.stored = stored}, .items = items, .num = num};

    return run_all(&batch, peer);
}
