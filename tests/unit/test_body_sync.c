/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/body_sync.h"

#include <stdio.h>

#include "agent/wire/frame.h"

#include "tests/unit/codec.h"

CODEC_CHECK_LARGE(check_req, struct kgr_sync_req, kgr_sync_req_encode, kgr_sync_req_decode)
CODEC_CHECK_LARGE(check_ans, struct kgr_sync_ans, kgr_sync_ans_encode, kgr_sync_ans_decode)

/* The longest N_ID with a number in it. */
static struct kgr_nid numbered(size_t i)
{
    struct kgr_nid nid;

    (void)snprintf(nid.s, sizeof(nid.s), "%064zu", i);
    return nid;
}

static struct kgr_sync_req *sync_req(uint16_t num)
{
    static struct kgr_sync_req m;

    memset(&m, 0, sizeof(m));
    memset(m.nonce, 0x61, sizeof(m.nonce));
    m.epoch = 3;
    m.page = 1;
    m.num_peers = num;
    m.num_open = num;
    for (size_t i = 0; i < num; i++) {
        m.peers[i].peer = numbered(i);
        m.peers[i].current = i;
        m.peers[i].highest = i + 1;
        memset(m.open[i], (int)i, KGR_XID_LEN);
    }
    return &m;
}

static struct kgr_sync_ans *sync_ans(uint16_t num)
{
    static struct kgr_sync_ans m;

    memset(&m, 0, sizeof(m));
    memset(m.nonce, 0x62, sizeof(m.nonce));
    m.epoch = 4;
    m.num_pages = 2;
    m.page = 1;
    m.lease_s = 86400;
    m.nksk_age_s = 7776000;
    m.rekey = KGR_REKEY_WANTED | KGR_REKEY_STORAGE;
    m.num_pairs = num;
    m.num_results = num;
    for (size_t i = 0; i < num; i++) {
        m.pairs[i].peer = numbered(i);
        m.pairs[i].status = (uint8_t)(KGR_SYNC_ALLOWED + i % 3);
        m.pairs[i].word = UINT64_MAX - i;
        m.pairs[i].floor = i;
        if (i % 3 != 0) {
            m.pairs[i].generation = i;
            m.pairs[i].peer_generation = i - 1;
            m.pairs[i].age_s = 10;
            m.pairs[i].lifetime_s = 100;
            m.pairs[i].suite = 1;
            m.pairs[i].custody = KGR_WIRE_SEALED;
        }
        memset(m.results[i].xid, (int)i, KGR_XID_LEN);
        m.results[i].outcome = (uint8_t)(i % 4);
        m.results[i].generation = i;
    }
    return &m;
}

static void pages_round_trip(void **state)
{
    static const uint16_t nums[] = {0, 1, 3};

    (void)state;
    for (size_t i = 0; i < KGR_ARRAY_LEN(nums); i++) {
        check_req(sync_req(nums[i]));
        check_ans(sync_ans(nums[i]));
    }
}

static void fullest_page_fits_a_frame(void **state)
{
    static uint8_t buf[KGR_FRAME_PLAIN_MAX];
    static struct kgr_sync_req req;
    static struct kgr_sync_ans ans;
    struct kgr_wr wr;

    (void)state;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_sync_req_encode(&wr, sync_req(KGR_SYNC_PAGE_MAX)), KGR_OK);
    assert_int_equal(kgr_sync_req_decode(&req, kgr_wr_slice(&wr)), KGR_OK);
    assert_memory_equal(&req, sync_req(KGR_SYNC_PAGE_MAX), sizeof(req));
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_sync_ans_encode(&wr, sync_ans(KGR_SYNC_PAGE_MAX)), KGR_OK);
    assert_int_equal(kgr_sync_ans_decode(&ans, kgr_wr_slice(&wr)), KGR_OK);
    assert_int_equal(ans.num_results, KGR_SYNC_PAGE_MAX);
    assert_string_equal(ans.pairs[199].peer.s, numbered(199).s);
}

static void page_with_too_many_entries_is_refused(void **state)
{
    static uint8_t buf[KGR_FRAME_PLAIN_MAX];
    static struct kgr_sync_req out;
    struct kgr_sync_req *m = sync_req(1);
    struct kgr_wr wr;

    (void)state;
    m->num_open = KGR_SYNC_PAGE_MAX + 1;
    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_sync_req_encode(&wr, m), KGR_ERR_TOO_LARGE);
    /* As a forger would write it: 201 peers, all there. */
    kgr_wr_init(&wr, buf, sizeof(buf));
    kgr_wr_zero(&wr, 32 + 4 + 2);
    kgr_wr_u16(&wr, KGR_SYNC_PAGE_MAX + 1);
    for (size_t i = 0; i <= KGR_SYNC_PAGE_MAX; i++) {
        kgr_wr_bytes(&wr, "\1a", 2);
        kgr_wr_zero(&wr, 16);
    }
    kgr_wr_u16(&wr, 0);
    assert_true(kgr_wr_ok(&wr));
    assert_int_equal(kgr_sync_req_decode(&out, kgr_wr_slice(&wr)), KGR_ERR_CORRUPT);
}

static enum kgr_error decode_changed(const struct kgr_sync_ans *m)
{
    static uint8_t buf[KGR_FRAME_PLAIN_MAX];
    static struct kgr_sync_ans out;
    struct kgr_wr wr;

    kgr_wr_init(&wr, buf, sizeof(buf));
    assert_int_equal(kgr_sync_ans_encode(&wr, m), KGR_OK);
    return kgr_sync_ans_decode(&out, kgr_wr_slice(&wr));
}

static void impossible_answers_are_refused(void **state)
{
    struct kgr_sync_ans *m = sync_ans(2);

    (void)state;
    assert_int_equal(decode_changed(m), KGR_OK);
    m->num_pages = 0;
    m->page = 0;
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
    m = sync_ans(2);
    m->page = m->num_pages;
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
    m->num_pairs = 0; /* what a node has beyond the pages of the KS */
    assert_int_equal(decode_changed(m), KGR_OK);
    m = sync_ans(2);
    m->pairs[0].status = 4;
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
    m = sync_ans(2);
    m->pairs[0].suite = 1; /* without a generation */
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
    m = sync_ans(2);
    m->pairs[1].custody = 0; /* with one */
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
    m = sync_ans(2);
    m->results[0].outcome = 4;
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
    m = sync_ans(2);
    m->rekey = KGR_REKEY_STORAGE; /* of what is not wanted */
    assert_int_equal(decode_changed(m), KGR_ERR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_round_trip),
        cmocka_unit_test(fullest_page_fits_a_frame),
        cmocka_unit_test(page_with_too_many_entries_is_refused),
        cmocka_unit_test(impossible_answers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
