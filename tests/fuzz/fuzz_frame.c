/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Targets: kgr_frame_parse, and kgr_reg_req_decode, kgr_reg_chal_decode, kgr_reg_proof_decode,
 * kgr_sync_req_decode, kgr_sync_ans_decode, kgr_key_req_decode, kgr_key_ans_decode, kgr_adv_req_decode,
 * kgr_adv_ans_decode, kgr_conf_ans_decode, kgr_nack_decode,
 * kgr_nksk_req_decode.
 * Input: a byte that chooses, 0 for a whole frame or the type whose body follows; then the data.
 * Property: what is accepted encodes to the same bytes.
 */
#include "agent/wire/body_exchange.h"
#include "agent/wire/body_nksk.h"
#include "agent/wire/body_notice.h"
#include "agent/wire/body_registration.h"
#include "agent/wire/body_sync.h"
#include "agent/wire/frame.h"

#include "tests/fuzz/harness.h"

static enum kgr_error notice_ack_encode(struct kgr_wr *wr, const uint64_t *word)
{
    return kgr_notice_ack_encode(wr, *word);
}

static void whole_frame(struct kgr_slice in)
{
    static uint8_t bytes[KGR_FRAME_MAX];
    struct kgr_frame_layout l;
    struct kgr_frame f;
    struct kgr_wr wr;

    if (kgr_frame_parse(&f, in.p, in.len) != KGR_FRAME_FINE)
        return;
    kgr_wr_init(&wr, bytes, sizeof(bytes));
    fuzz_check(kgr_frame_layout(&l, &wr, &f.header, f.body.len - 1) == KGR_OK);
    fuzz_check(l.body_len == f.body.len && l.tag_len == f.tag.len);
    kgr_copy(l.iv, f.iv, KGR_IV_LEN);
    kgr_copy(l.body, f.body.p, f.body.len);
    kgr_copy(l.tag, f.tag.p, f.tag.len);
    fuzz_same(&wr, in);
}

static void body(uint8_t type, struct kgr_slice in)
{
    switch (type) {
    case KGR_FRAME_REG_REQ:
        FUZZ_ROUND_TRIP(struct kgr_reg_req, kgr_reg_req_decode, kgr_reg_req_encode, in);
        break;
    case KGR_FRAME_NKSK_REQ:
        FUZZ_ROUND_TRIP(struct kgr_nksk_req, kgr_nksk_req_decode, kgr_nksk_req_encode, in);
        break;
    case KGR_FRAME_REG_CHAL:
    case KGR_FRAME_NKSK_CHAL:
        FUZZ_ROUND_TRIP(struct kgr_reg_chal, kgr_reg_chal_decode, kgr_reg_chal_encode, in);
        break;
    case KGR_FRAME_REG_PROOF:
    case KGR_FRAME_REG_DONE:
    case KGR_FRAME_NKSK_PROOF:
    case KGR_FRAME_NKSK_DONE:
        FUZZ_ROUND_TRIP(struct kgr_reg_proof, kgr_reg_proof_decode, kgr_reg_proof_encode, in);
        break;
    case KGR_FRAME_SYNC_REQ:
        FUZZ_ROUND_TRIP(struct kgr_sync_req, kgr_sync_req_decode, kgr_sync_req_encode, in);
        break;
    case KGR_FRAME_SYNC_ANS:
        FUZZ_ROUND_TRIP(struct kgr_sync_ans, kgr_sync_ans_decode, kgr_sync_ans_encode, in);
        break;
    case KGR_FRAME_KEY_REQ:
        FUZZ_ROUND_TRIP(struct kgr_key_req, kgr_key_req_decode, kgr_key_req_encode, in);
        break;
    case KGR_FRAME_KEY_ANS:
        FUZZ_ROUND_TRIP(struct kgr_key_ans, kgr_key_ans_decode, kgr_key_ans_encode, in);
        break;
    case KGR_FRAME_ADV_REQ:
        FUZZ_ROUND_TRIP(struct kgr_adv_req, kgr_adv_req_decode, kgr_adv_req_encode, in);
        break;
    case KGR_FRAME_ADV_ANS:
    case KGR_FRAME_CONF_REQ:
        FUZZ_ROUND_TRIP(struct kgr_adv_ans, kgr_adv_ans_decode, kgr_adv_ans_encode, in);
        break;
    case KGR_FRAME_CONF_ANS:
    case KGR_FRAME_DONE:
        FUZZ_ROUND_TRIP(struct kgr_conf_ans, kgr_conf_ans_decode, kgr_conf_ans_encode, in);
        break;
    case KGR_FRAME_NACK:
        FUZZ_ROUND_TRIP(struct kgr_nack, kgr_nack_decode, kgr_nack_encode, in);
        break;
    case KGR_FRAME_NOTICE:
        FUZZ_ROUND_TRIP(struct kgr_notice, kgr_notice_decode, kgr_notice_encode, in);
        break;
    case KGR_FRAME_NOTICE_ACK:
        FUZZ_ROUND_TRIP(uint64_t, kgr_notice_ack_decode, notice_ack_encode, in);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0)
        whole_frame(kgr_slice(data + 1, size - 1));
    else
        body(data[0], kgr_slice(data + 1, size - 1));
    return 0;
}
