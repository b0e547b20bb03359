/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/service/fast.h"
#include "agent/node/service/record.h"

/* Records, beside the loop (docs/protocol.md, section 8). */

bool kgr_fast_seal_take(struct kgr_fast_seal *seal, uint32_t num, uint64_t blocks)
{
    struct kgr_pair_records *records = seal->key->records;
    bool taken = kgr_record_send_take(&records->send, num, &seal->sequence) == KGR_OK &&
                 kgr_fast_spend(seal->fast, seal->key, blocks, true);

    /* Numbers that were taken for a budget that is spent are not used: a gap is nothing. */
    kgr_fast_note(seal->fast, seal->key, false);
    return taken;
}

bool kgr_fast_seal_add(struct kgr_fast_seal *seal, uint8_t *room, struct kgr_slice aad,
                       struct kgr_slice data)
{
    struct kgr_fast_scratch *scratch = seal->fast->request->scratch;
    const struct kgr_record_header header = {
        .suite = (uint8_t)seal->key->suite,
        .role = seal->key->own_role,
        .stored = seal->stored,
        .generation = seal->key->generation,
        .sequence = seal->sequence++,
    };
    uint8_t *iv = room + KGR_RECORD_HEADER_LEN;
    uint8_t *text = iv + KGR_IV_LEN;
    struct kgr_wr wr;

    kgr_wr_init(&wr, room, KGR_RECORD_HEADER_LEN);
    if (kgr_record_header_encode(&wr, &header) != KGR_OK)
        return false;
    kgr_fast_iv(scratch, iv);
    scratch->messages[seal->num++] = (struct kgr_software_message){
        .aad = {kgr_slice(room, KGR_RECORD_HEADER_LEN), aad},
        .iv = iv,
        .text = data,
        .out = text,
        .tag = text + kgr_suite_ciphertext_len(data.len),
    };
    return true;
}

bool kgr_fast_seal_run(const struct kgr_fast_seal *seal)
{
    return kgr_software_seal(seal->key->keys, seal->fast->request->scratch->messages, seal->num) ==
           KGR_OK;
}

static bool flawed(struct kgr_fast_open *open, enum kgr_error err, const char *text)
{
    open->err = err;
    open->text = text;
    return true;
}

bool kgr_fast_open_find(const struct kgr_fast *fast, struct kgr_fast_open *out,
                        const struct kgr_nid *peer, bool stored, struct kgr_slice record)
{
    const struct kgr_record_header *h = &out->record.header;

    *out = (struct kgr_fast_open){.err = KGR_OK};
    if (kgr_record_decode(&out->record, record) != KGR_OK)
        return flawed(out, KGR_ERR_CORRUPT, KGR_RECORD_NONE);
    if (h->message)
        return flawed(out, KGR_ERR_CORRUPT, KGR_RECORD_IS_MESSAGE);
    out->key = kgr_fast_receiving(fast, peer, h->generation);
    if (out->key == NULL)
        return false;
    if (h->role == out->key->own_role)
        return flawed(out, KGR_ERR_CORRUPT, KGR_RECORD_OWN);
    if (h->suite != (uint8_t)out->key->suite)
        return flawed(out, KGR_ERR_CORRUPT, KGR_RECORD_OTHER_SUITE);
    out->window = !(stored && h->stored);
    if (out->window && kgr_record_recv_check(&out->key->records->recv, h->sequence) != KGR_OK)
        return flawed(out, KGR_ERR_REPLAY, KGR_RECORD_SEEN);
    return true;
}

void kgr_fast_open_decrypt(struct kgr_fast_open *open, struct kgr_slice aad, uint8_t *out,
                           size_t *out_len)
{
    struct kgr_software_sealed sealed = {
        .aad = {open->record.aad, aad},
        .iv = open->record.iv,
        .text = open->record.body,
        .tag = open->record.tag,
        .out = out,
    };

    open->err = kgr_software_open(open->key->keys, &sealed);
    open->text = open->err == KGR_ERR_CORRUPT ? KGR_RECORD_FORGED : "";
    *out_len = sealed.out_len;
}

void kgr_fast_open_accept(struct kgr_fast_open *open)
{
    if (open->window &&
        kgr_record_recv_accept(&open->key->records->recv, open->record.header.sequence) != KGR_OK)
        (void)flawed(open, KGR_ERR_REPLAY, KGR_RECORD_SEEN);
}
