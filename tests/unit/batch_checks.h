/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "tests/support/node_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a batch does, in every custody: included by the tests of the service, with and without keys in memory. */
#define BATCH_MAX 600

static struct kgr_batch_item batch_items[BATCH_MAX];
static uint8_t batch_plain[KGR_DATA_MAX];
static uint8_t *batch_records[BATCH_MAX];
static size_t batch_lens[BATCH_MAX];

/* batch_seal makes num records of lengths 0, step, 2 * step, ... below most. */
static void batch_seal(struct node_end *end, size_t num, size_t step, size_t most)
{
    for (size_t i = 0; i < num; i++) {
        size_t len = step * i % most;

        free(batch_records[i]);
        batch_records[i] = malloc(len + KGR_RECORD_OVERHEAD);
        assert_non_null(batch_records[i]);
        batch_items[i] = (struct kgr_batch_item){
            .aad = (const uint8_t *)"associated",
            .aad_len = i % 11,
            .in = batch_plain,
            .in_len = len,
            .out = batch_records[i],
            .out_cap = len + KGR_RECORD_OVERHEAD,
            .error = KGR_ERR_FAILED,
        };
    }
    assert_int_equal(kgr_seal_batch(end->client, node_pair_peer(end), false, batch_items, num),
                     KGR_OK);
    for (size_t i = 0; i < num; i++) {
        assert_int_equal(batch_items[i].error, KGR_OK);
        batch_lens[i] = batch_items[i].out_len;
    }
}

/* batch_open opens them; results are in batch_items. */
static enum kgr_error batch_open(struct node_end *end, size_t num)
{
    static uint8_t *plains[BATCH_MAX];

    for (size_t i = 0; i < num; i++) {
        free(plains[i]);
        plains[i] = malloc(batch_lens[i]);
        assert_non_null(plains[i]);
        batch_items[i].in = batch_records[i];
        batch_items[i].in_len = batch_lens[i];
        batch_items[i].out = plains[i];
        batch_items[i].out_cap = batch_lens[i];
    }
    return kgr_open_batch(end->client, node_pair_peer(end), false, batch_items, num);
}

static void batch_comes_back(struct node_end *from, struct node_end *to, size_t num, size_t step,
                             size_t most)
{
    for (size_t i = 0; i < sizeof(batch_plain); i++)
        batch_plain[i] = (uint8_t)(i * 7 + step);
    batch_seal(from, num, step, most);
    assert_int_equal(batch_open(to, num), KGR_OK);
    for (size_t i = 0; i < num; i++) {
        assert_int_equal(batch_items[i].error, KGR_OK);
        assert_int_equal(batch_items[i].out_len, step * i % most);
        assert_memory_equal(batch_items[i].out, batch_plain, batch_items[i].out_len);
    }
}

static void batches_open_at_the_other_end(void **state)
{
    (void)state;
    batch_comes_back(&ends[0], &ends[1], 1, 100, 2000);
    batch_comes_back(&ends[1], &ends[0], 40, 37, 900);
    batch_comes_back(&ends[0], &ends[1], 5, 16384, KGR_DATA_MAX + 1);
}

static void single_calls_open_what_a_batch_sealed_and_the_reverse(void **state)
{
    uint8_t record[256];
    uint8_t plain[2048];
    size_t len;

    (void)state;
    batch_seal(&ends[0], 10, 33, 1000);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(kgr_open(ends[1].client, node_pair_peer(&ends[1]), false,
                                  (const uint8_t *)"associated", i % 11, batch_records[i],
                                  batch_lens[i], plain, sizeof(plain), &len),
                         KGR_OK);
        assert_int_equal(len, 33 * i);
    }
    assert_int_equal(kgr_seal(ends[0].client, node_pair_peer(&ends[0]), false, NULL, 0,
                              (const uint8_t *)"one", 3, record, sizeof(record), &len),
                     KGR_OK);
    memcpy(batch_records[0], record, len < 96 ? len : 96);
    batch_lens[0] = len;
    assert_int_equal(batch_open(&ends[1], 1), KGR_OK);
    assert_memory_equal(batch_items[0].out, "one", 3);
}

static void a_forged_record_spoils_no_other(void **state)
{
    char reason[KGR_DIAG_MAX];

    (void)state;
    batch_seal(&ends[0], 12, 40, 500);
    batch_records[3][batch_lens[3] - 1] ^= 1;                  /* its tag */
    batch_records[5][0] ^= 1;                                  /* no record at all */
    batch_records[7][19] ^= 2;                                 /* another generation */
    memcpy(batch_records[9], batch_records[8], batch_lens[8]); /* twice */
    batch_lens[9] = batch_lens[8];
    batch_items[9].aad_len = batch_items[8].aad_len;
    assert_int_equal(batch_open(&ends[1], 12), KGR_ERR_CORRUPT);
    assert_non_null(strstr(kgr_client_reason(reason, sizeof(reason)), "forged"));
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(batch_items[i].error, i == 3 || i == 5 ? KGR_ERR_CORRUPT
                                               : i == 7         ? KGR_ERR_NO_KEY
                                               : i == 9         ? KGR_ERR_REPLAY
                                                                : KGR_OK);
    batch_records[3][batch_lens[3] - 1] ^= 1;
    assert_int_equal(batch_open(&ends[1], 4), KGR_ERR_REPLAY);
    assert_int_equal(batch_items[2].error, KGR_ERR_REPLAY);
    assert_int_equal(batch_items[3].error, KGR_OK);
}

static void a_batch_that_cannot_be_asked_for_does_nothing(void **state)
{
    (void)state;
    batch_seal(&ends[0], 3, 10, 100);
    assert_int_equal(batch_open(&ends[1], 3), KGR_OK);
    batch_seal(&ends[0], 3, 10, 100);
    batch_items[2].out_cap = KGR_RECORD_OVERHEAD;
    assert_int_equal(
        kgr_seal_batch(ends[0].client, node_pair_peer(&ends[0]), false, batch_items, 3),
        KGR_ERR_SHORT_BUFFER);
    assert_int_equal(batch_items[0].error, KGR_ERR_SHORT_BUFFER);
    assert_int_equal(kgr_seal_batch(ends[0].client, node_pair_peer(&ends[0]), false, NULL, 1),
                     KGR_ERR_INVALID);
    assert_int_equal(kgr_seal_batch(ends[0].client, "no-such-peer", false, batch_items, 1),
                     KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(batch_items[0].error, KGR_ERR_UNKNOWN_PEER);
    assert_int_equal(kgr_seal_batch(ends[0].client, node_pair_peer(&ends[0]), false, NULL, 0),
                     KGR_OK);
}
