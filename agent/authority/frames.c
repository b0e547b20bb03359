/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/authority/frames.h"

#include <stdlib.h>
#include <string.h>

#include "agent/authority/ac.h"
#include "agent/authority/grant.h"
#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/keys/keyset.h"
#include "agent/seal/seal.h"

/* The one pair of keys that this process ever loads. */
#define SLOT_ENC 1u
#define SLOT_MAC 2u

enum kgr_error kgr_ac_frames_open(struct kgr_ac_frames *out, struct kgr_ac *ac,
                                  struct kgr_diag *diag)
{
    struct kgr_tpm_auth *enc = NULL, *mac = NULL;
    out->ac = ac;
    out->nksk = malloc(sizeof *out->nksk);
    if (out->nksk == NULL)
        return kgr_diag_set(diag, KGR_ERR_NO_MEMORY, "out of memory");
    enum kgr_error err = kgr_ac_state_nksk(ac->state, out->nksk, diag);
    if (err == KGR_OK)
        err = kgr_ac_nksk_auths(ac, out->nksk->key_id, &enc, &mac, diag);
    if (err == KGR_OK)
        err = kgr_keyset_new(&out->key, KGR_SUITE_AES128_SHA256, &ac->storage, &out->nksk->blobs,
                             SLOT_ENC, enc, SLOT_MAC, mac);
    if (err != KGR_OK) {
        kgr_secret_free(enc);
        kgr_secret_free(mac);
        return kgr_diag_set(diag, err, "the AC's keys for frames are damaged; pin ks.pub again");
    }
    return KGR_OK;
}

void kgr_ac_frames_close(struct kgr_ac_frames *frames)
{
    if (frames->key != NULL)
        kgr_keyset_unload(frames->key, frames->ac->tpm);
    kgr_keyset_free(frames->key);
    free(frames->nksk);
    frames->key = NULL;
    frames->nksk = NULL;
}

enum kgr_error kgr_ac_frames_seal(struct kgr_ac_frames *frames, struct kgr_wr *wr,
                                  const uint8_t xid[KGR_XID_LEN], struct kgr_slice order,
                                  struct kgr_diag *diag)
{
    struct kgr_keyset_use use = {frames->ac->tpm, frames->key, diag};
    struct kgr_seal_key seal = kgr_keyset_use_seal(&use);
    struct kgr_frame_layout layout;
    struct kgr_frame_header header = {
        .type = KGR_FRAME_ORDER,
        .suite = KGR_SUITE_AES128_SHA256,
        .role = KGR_ROLE_AC,
        .counter = ++frames->counter,
    };
    enum kgr_error err = kgr_ac_epoch(frames->ac, &header.epoch, diag);
    if (err != KGR_OK)
        return err;
    memcpy(header.key_id, frames->nksk->key_id, sizeof header.key_id);
    memcpy(header.xid, xid, sizeof header.xid);
    err = kgr_frame_layout(&layout, wr, &header, order.len);
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "the order is too large");
    kgr_random(layout.iv, KGR_IV_LEN);
    return kgr_seal_encrypt(&seal, layout.body, layout.tag, layout.iv, layout.aad, order);
}

/* What costs nothing is checked first: docs/protocol.md, section 3.1. */
static enum kgr_error check(const struct kgr_ac_frames *frames, struct kgr_frame *out,
                            const uint8_t *xid, struct kgr_slice bytes)
{
    const struct kgr_frame_header *h = &out->header;
    if (kgr_frame_parse(out, bytes.p, bytes.len) != KGR_FRAME_FINE ||
        memcmp(h->key_id, frames->nksk->key_id, sizeof h->key_id) != 0 ||
        h->suite != KGR_SUITE_AES128_SHA256 || h->role != KGR_ROLE_KS ||
        (h->type != KGR_FRAME_RESULT && h->type != KGR_FRAME_NACK) ||
        memcmp(h->xid, xid, sizeof h->xid) != 0)
        return KGR_ERR_CORRUPT;
    return kgr_window_check(&frames->nksk->window, kgr_frame_sequence(h));
}

enum kgr_error kgr_ac_frames_unseal(struct kgr_ac_frames *frames, uint8_t *out, size_t *out_len,
                                    uint8_t *out_type, const uint8_t xid[KGR_XID_LEN],
                                    struct kgr_slice bytes, struct kgr_diag *diag)
{
    struct kgr_keyset_use use = {frames->ac->tpm, frames->key, diag};
    struct kgr_seal_key seal = kgr_keyset_use_seal(&use);
    struct kgr_frame frame;
    enum kgr_error err = check(frames, &frame, xid, bytes);
    if (err == KGR_OK)
        err = kgr_seal_decrypt(&seal, out, out_len, frame.iv, frame.aad, frame.body, frame.tag);
    if (err == KGR_OK)
        err = kgr_window_accept(&frames->nksk->window, kgr_frame_sequence(&frame.header));
    if (err == KGR_OK)
        err = kgr_ac_state_set_window(frames->ac->state, &frames->nksk->window, diag);
    if (err == KGR_OK)
        *out_type = frame.header.type;
    return err;
}
